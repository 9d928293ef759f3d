/* suggest.c: "did you mean": Damerau-Levenshtein distance (optimal string alignment) between short keys. */
#include <string.h>

#include "conf/loader.h"

#define SUGGEST_MAX 48 /* bytes of a key that is worth comparing */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;
	return ab < c ? ab : c;
}

static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[3][SUGGEST_MAX + 1];
	if (a_len > SUGGEST_MAX || b_len > SUGGEST_MAX) return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++) row[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *now = row[i % 3], *before = row[(i + 2) % 3], *earlier = row[(i + 1) % 3];
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t same = a[i - 1] == b[j - 1] ? 0 : 1;
			now[j] = min3(before[j] + 1, now[j - 1] + 1, before[j - 1] + same);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && earlier[j - 2] + 1 < now[j])
				now[j] = earlier[j - 2] + 1; /* two letters in the wrong order */
		}
	}
	return row[a_len % 3][b_len];
}

/* The same key in another place is the likeliest mistake when nothing here is near. */
static const char *suggest_elsewhere(const struct schema_table *table, const char *key)
{
	for (size_t i = 0; i < table->count; i++) {
		const char *dot = strrchr(table->items[i].key, '.');
		if (dot != NULL && strcmp(dot + 1, key) == 0) return table->items[i].key;
	}
	return NULL;
}

const char *conf_suggest(const struct schema_table *table, const char *section, const char *key, char out[TREE_KEY_MAX])
{
	size_t best = strlen(key) / 3 + 1, prefix = strlen(section), length = 0;
	const char *found = NULL;
	for (size_t i = 0; i < table->count; i++) {
		const char *name = table->items[i].key;
		if (strncmp(name, section, prefix) != 0) continue;
		size_t n = strcspn(name + prefix, "."), d = distance(key, strlen(key), name + prefix, n);
		if (d > best || (found != NULL && d == best)) continue;
		best = d, found = name, length = prefix + n;
	}
	if (found == NULL && (found = suggest_elsewhere(table, key)) != NULL) length = strlen(found);
	if (found == NULL || length >= TREE_KEY_MAX) return NULL;
	memcpy(out, found, length);
	out[length] = '\0';
	return out;
}
