/* glob.c: patterns.  Only what an operator wrote is ever a pattern; a '*' in a caller's value is that character
 * (cf. openbao GHSA-59w7-v8rr-pr4p, where a value was put into a pattern). */
#include <string.h>

#include "policy/internal.h"

struct star { /* where to go on when what follows does not match */
	const char *pattern; /* behind the star; NULL: none seen */
	size_t text;         /* what it has eaten up to */
};

/* Eat one more character by the star; false: it may not (stop: the character that ends a segment, -1: none). */
static bool star_grow(struct star *s, struct bytes text, int stop, const char **pattern, size_t *at)
{
	if (s->pattern == NULL || s->text >= text.len || text.data[s->text] == stop) return false;
	*at = ++s->text;
	*pattern = s->pattern;
	return true;
}

/* Take a star at *pattern, if there is one. */
static bool star_take(const char **pattern, size_t at, struct star *one, struct star *two)
{
	if (**pattern != '*') return false;
	bool deep = (*pattern)[1] == '*';
	*pattern += deep ? 2 : 1;
	if (deep) *two = (struct star){ *pattern, at };
	*one = deep ? (struct star){ NULL, 0 } : (struct star){ *pattern, at };
	return true;
}

/* Only the latest star of each kind is ever grown again: whatever an earlier one could still eat, the later one can eat
 * too ('*' within the same segment, '**' anywhere).  At most len(text)^2 * len(pattern) steps, no recursion. */
bool policy_glob(const char *pattern, struct bytes text, char separator)
{
	struct star one = { NULL, 0 }, two = { NULL, 0 };
	size_t at = 0;
	for (;;) {
		if (star_take(&pattern, at, &one, &two)) {
			if (*pattern == '\0' && one.pattern == NULL) return true; /* ends in '**' */
			continue;
		}
		if (at == text.len && *pattern == '\0') return true;
		if (at < text.len && *pattern != '\0' &&
		    (*pattern == '?' ? text.data[at] != (uint8_t)separator : (uint8_t)*pattern == text.data[at])) {
			at++;
			pattern++;
			continue;
		}
		if (star_grow(&one, text, (uint8_t)separator, &pattern, &at)) continue;
		one.pattern = NULL;
		if (!star_grow(&two, text, -1, &pattern, &at)) return false;
	}
}
