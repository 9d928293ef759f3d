/* exposition.h: the daemon's metrics as it prints them (Prometheus text, format 0.0.4): series with their values.  Pure. */
#ifndef SIGNET_CLI_EXPOSITION_H
#define SIGNET_CLI_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>

#define EXPOSITION_SERIES_MAX 8192 /* ours: 17 issuers with everything are some 1 500 */
#define EXPOSITION_BUCKETS_MAX 32

struct series {
	const char *name;   /* with its labels as they are printed: x{a="b"} */
	double value;
};
struct exposition {
	struct series *series;
	size_t count;
	char *text;         /* that the names are in */
};
/* false: no memory, or too many.  What is no series is passed over.  exposition_free() is due either way. */
bool exposition_read(const char *text, struct exposition *out);
void exposition_free(struct exposition *e);

/* Of one series; 0 if it is not there. */
double exposition_value(const struct exposition *e, const char *name);
/* Of all whose name, without labels, is `name`. */
double exposition_sum(const struct exposition *e, const char *name);
/* The value of a label of a series, copied: "" if it has none. */
void exposition_label(const struct series *s, const char *label, char *out, size_t size);
/* Is it one of the series called `name`? */
bool exposition_is(const struct series *s, const char *name);

/* The q-quantile (0..1) of what a histogram without labels counted between two readings (`before` NULL: since the start), in
 * seconds, as PromQL's histogram_quantile(): linear within a bucket, the last bound if it is beyond.  < 0: nothing was counted. */
double exposition_quantile(const struct exposition *before, const struct exposition *after, const char *histogram, double q);

#endif
