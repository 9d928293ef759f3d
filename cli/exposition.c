#include "cli/exposition.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A series of one line, which ends in NUL; false: it is none. */
static bool read_line(char *line, struct series *out)
{
	char *space = strrchr(line, ' '), *end;

	if (line[0] == '#' || line[0] == '\0' || space == NULL || space == line) return false;
	*space = '\0';
	out->name = line;
	out->value = strtod(space + 1, &end);
	return end != space + 1 && *end == '\0';
}

bool exposition_read(const char *text, struct exposition *out)
{
	char *line;

	*out = (struct exposition){ .text = strdup(text), .series = calloc(EXPOSITION_SERIES_MAX, sizeof(struct series)) };
	if (out->text == NULL || out->series == NULL) return false;
	for (char *rest = out->text; (line = strsep(&rest, "\n")) != NULL;) {
		struct series s;

		if (!read_line(line, &s)) continue;
		if (out->count == EXPOSITION_SERIES_MAX) return false;
		out->series[out->count++] = s;
	}
	return true;
}

void exposition_free(struct exposition *e)
{
	free(e->text);
	free(e->series);
	*e = (struct exposition){ .text = NULL };
}

double exposition_value(const struct exposition *e, const char *name)
{
	for (size_t i = 0; i < e->count; i++)
		if (strcmp(e->series[i].name, name) == 0) return e->series[i].value;
	return 0;
}

bool exposition_is(const struct series *s, const char *name)
{
	size_t n = strlen(name);

	return strncmp(s->name, name, n) == 0 && (s->name[n] == '\0' || s->name[n] == '{');
}

double exposition_sum(const struct exposition *e, const char *name)
{
	double sum = 0;

	for (size_t i = 0; i < e->count; i++)
		if (exposition_is(&e->series[i], name)) sum += e->series[i].value;
	return sum;
}

void exposition_label(const struct series *s, const char *label, char *out, size_t size)
{
	const char *at = strchr(s->name, '{');
	size_t n = strlen(label), len = 0;

	out[0] = '\0';
	while (at != NULL && *at != '\0' && *at != '}') {
		const char *key = at + 1, *value = strstr(key, "=\"");
		bool mine = value != NULL && (size_t)(value - key) == n && strncmp(key, label, n) == 0;

		if (value == NULL) return;
		for (at = value + 2; *at != '\0' && *at != '"'; at++) {
			if (*at == '\\' && at[1] != '\0') at++;
			if (mine && len + 1 < size) out[len++] = *at;
		}
		out[len] = '\0';
		if (mine || *at == '\0') return;
		at++; /* the comma or the brace behind the quote */
	}
}

/* ---- quantiles ---- */

struct bucket { double bound, count; };

/* Upper bounds in order, as they are printed; how many. */
static size_t read_buckets(const struct exposition *before, const struct exposition *after, const char *histogram,
                           struct bucket out[EXPOSITION_BUCKETS_MAX])
{
	char name[128], bound[32];
	size_t n = 0;

	(void)snprintf(name, sizeof(name), "%s_bucket", histogram);
	for (size_t i = 0; i < after->count && n < EXPOSITION_BUCKETS_MAX; i++) {
		const struct series *s = &after->series[i];

		if (!exposition_is(s, name)) continue;
		exposition_label(s, "le", bound, sizeof(bound));
		out[n].bound = strtod(bound, NULL);
		out[n++].count = s->value - (before == NULL ? 0 : exposition_value(before, s->name));
	}
	return n;
}

double exposition_quantile(const struct exposition *before, const struct exposition *after, const char *histogram, double q)
{
	struct bucket buckets[EXPOSITION_BUCKETS_MAX];
	size_t n = read_buckets(before, after, histogram, buckets), i = 0;
	double want, low, below;

	if (n < 2 || buckets[n - 1].count <= 0) return -1;
	want = q * buckets[n - 1].count;
	while (i < n - 1 && buckets[i].count < want) i++;
	if (isinf(buckets[i].bound)) return buckets[n - 2].bound;
	low = i == 0 ? 0 : buckets[i - 1].bound;
	below = i == 0 ? 0 : buckets[i - 1].count;
	if (buckets[i].count <= below) return buckets[i].bound;
	return low + (buckets[i].bound - low) * (want - below) / (buckets[i].count - below);
}
