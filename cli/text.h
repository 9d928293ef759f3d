/* text.h: times, lengths of time and tables as people write and read them.  Pure; any thread. */
#ifndef SIGNET_CLI_TEXT_H
#define SIGNET_CLI_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/bytes.h"

/* "90s", "15m", "24h", "30d", "1h30m": one to five numbers with units, the larger first; 0 <= *out < 2^40. */
bool text_parse_duration(const char *text, int64_t *seconds);
/* A moment: RFC 3339 ("2026-11-20T17:52:00Z", "...+01:00"), a date (its first second, UTC), "now", or a duration from
 * `now`: "+24h" ahead, "-24h" back, "24h" in the direction of `sign` (1 or -1). */
bool text_parse_time(const char *text, int64_t now, int sign, int64_t *out);

#define TEXT_TIME_MAX 96
/* "24h", "1h 30m", "2d 3h", "42s": the two largest units; days from two on. */
const char *text_duration(int64_t seconds, char out[TEXT_TIME_MAX]);
/* "2026-11-20T17:52:00Z (in 23h)", "... (5m 3s ago)", "... (now)". */
const char *text_time(int64_t t, int64_t now, char out[TEXT_TIME_MAX]);

/* Text of others for a terminal: control bytes and what is not UTF-8 become '?'. */
struct err text_put_safe(struct buf *out, struct bytes text);

/* Rows of cells in aligned columns; the first row is the head, an empty cell is "-". */
#define TEXT_COLUMNS_MAX 8
struct text_table {
	size_t columns, count; /* cells in all */
	struct buf cells;      /* NUL-terminated, one behind the other */
};
void text_table_begin(struct text_table *t, size_t columns);
struct err text_table_cell(struct text_table *t, const char *text); /* made safe */
void text_table_print(const struct text_table *t, FILE *out);
static inline void auto_text_table(struct text_table *t) { buf_free(&t->cells); }

#define CLI_SERIAL_DIGITS_MAX 40 /* 20 octets; RFC 5280 s4.1.2.2 */
/* "01:6a:2F" to "016a2f"; false: not hex, or over 20 octets. */
bool cli_serial_digits(const char *text, char out[CLI_SERIAL_DIGITS_MAX + 1]);

#endif
