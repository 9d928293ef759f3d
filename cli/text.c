#include "cli/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/utf8.h"

#define DURATION_MAX (INT64_C(1) << 40) /* seconds; ours: no sum of it overflows */
#define TABLE_MAX (16 * 1024 * 1024)

static const struct {
	char unit;
	int64_t seconds;
} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

/* ---- lengths of time ---- */

/* One number with its unit; the unit must be smaller than the one before (`from` counts). */
static bool take_part(const char **at, size_t *from, int64_t *sum)
{
	int64_t n = 0;
	size_t digits = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++, digits++) {
		if (n > DURATION_MAX) return false;
		n = n * 10 + (**at - '0');
	}
	if (digits == 0) return false;
	for (size_t i = *from; i < ARRAY_LEN(units); i++) {
		if (**at != units[i].unit) continue;
		if (n > (DURATION_MAX - 1 - *sum) / units[i].seconds) return false;
		*sum += n * units[i].seconds;
		*from = i + 1;
		(*at)++;
		return true;
	}
	return false;
}

bool text_parse_duration(const char *text, int64_t *seconds)
{
	int64_t sum = 0;
	size_t from = 0;

	do
		if (!take_part(&text, &from, &sum)) return false;
	while (*text != '\0');
	*seconds = sum;
	return true;
}

const char *text_duration(int64_t seconds, char out[TEXT_TIME_MAX])
{
	size_t i = seconds < 2 * 86400 ? 1 : 0; /* a day is written 24h everywhere */

	while (i + 1 < ARRAY_LEN(units) && seconds < units[i].seconds) i++;
	int64_t rest = seconds % units[i].seconds;
	int n = snprintf(out, TEXT_TIME_MAX, "%lld%c", (long long)(seconds / units[i].seconds), units[i].unit);

	if (i + 1 < ARRAY_LEN(units) && rest >= units[i + 1].seconds)
		(void)snprintf(out + n, TEXT_TIME_MAX - (size_t)n, " %lld%c", (long long)(rest / units[i + 1].seconds),
		               units[i + 1].unit);
	return out;
}

/* ---- moments ---- */

/* Behind the seconds: "Z" or "+hh:mm" (RFC 3339 s5.6). */
static bool take_zone(const char *at, int64_t *offset)
{
	int hours, minutes, used = 0;

	*offset = 0;
	if (strcmp(at, "Z") == 0) return true;
	if ((at[0] != '+' && at[0] != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2) return false;
	if (used != 5 || at[6] != '\0' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
	*offset = (at[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return true;
}

static bool parse_absolute(const char *text, int64_t *out)
{
	struct tm tm = { 0 }, again;
	const char *rest;
	int64_t offset = 0;
	time_t t;

	if (strspn(text, "0123456789") != 4) return false;
	rest = strptime(text, "%Y-%m-%d", &tm);
	if (rest == NULL) return false;
	if (*rest != '\0') {
		rest = strptime(rest, "T%H:%M:%S", &tm);
		if (rest == NULL || !take_zone(rest, &offset)) return false;
	}
	again = tm;
	t = timegm(&again);
	if (again.tm_mday != tm.tm_mday || again.tm_sec != tm.tm_sec) return false; /* 30 February, second 60 */
	*out = (int64_t)t - offset;
	return true;
}

bool text_parse_time(const char *text, int64_t now, int sign, int64_t *out)
{
	bool signed_text = text[0] == '+' || text[0] == '-';
	int64_t d;

	if (strcmp(text, "now") == 0) {
		*out = now;
		return true;
	}
	if (text_parse_duration(text + signed_text, &d)) {
		if (signed_text) sign = text[0] == '-' ? -1 : 1;
		*out = now + sign * d;
		return true;
	}
	return parse_absolute(text, out);
}

/* "in 23h", "5m 3s ago", "now". */
static const char *when_text(int64_t t, int64_t now, char out[TEXT_TIME_MAX])
{
	char d[TEXT_TIME_MAX];
	int64_t ahead = t - now;

	text_duration(ahead < 0 ? -ahead : ahead, d);
	if (ahead == 0) (void)snprintf(out, TEXT_TIME_MAX, "now");
	else (void)snprintf(out, TEXT_TIME_MAX, ahead > 0 ? "in %.40s" : "%.40s ago", d);
	return out;
}

const char *text_time(int64_t t, int64_t now, char out[TEXT_TIME_MAX])
{
	char at[CLOCK_TEXT_MAX], when[TEXT_TIME_MAX];

	clock_text(t, at);
	(void)snprintf(out, TEXT_TIME_MAX, "%s (%.50s)", at, when_text(t, now, when));
	return out;
}

/* ---- text of others ---- */

struct err text_put_safe(struct buf *out, struct bytes text)
{
	bool utf8 = utf8_valid(text);

	for (size_t i = 0; i < text.len; i++) {
		uint8_t ch = text.data[i];
		/* C1 controls are U+0080..U+009F: C2 80..9F */
		bool c1 = utf8 && ch == 0xc2 && i + 1 < text.len && text.data[i + 1] < 0xa0;

		if (ch < 0x20 || ch == 0x7f || (ch >= 0x80 && !utf8) || c1) {
			TRY(buf_put_str(out, "?"));
			i += c1;
		} else {
			TRY(buf_put(out, &ch, 1));
		}
	}
	return OK;
}

/* ---- tables ---- */

void text_table_begin(struct text_table *t, size_t columns)
{
	*t = (struct text_table){ .columns = columns, .cells = { .max = TABLE_MAX } };
}

struct err text_table_cell(struct text_table *t, const char *text)
{
	TRY(text_put_safe(&t->cells, bytes_str(text[0] == '\0' ? "-" : text)));
	t->count++;
	return buf_put(&t->cells, "", 1);
}

/* Columns of a terminal, near enough: characters, not bytes. */
static size_t width_of(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void text_table_print(const struct text_table *t, FILE *out)
{
	size_t widths[TEXT_COLUMNS_MAX] = { 0 };
	const char *at = (const char *)t->cells.data;

	for (size_t i = 0; i < t->count; i++, at += strlen(at) + 1) {
		size_t w = width_of(at);

		if (w > widths[i % t->columns]) widths[i % t->columns] = w;
	}
	at = (const char *)t->cells.data;
	for (size_t i = 0; i < t->count; i++, at += strlen(at) + 1) {
		bool last = i % t->columns == t->columns - 1;
		int pad = last ? 0 : (int)(widths[i % t->columns] - width_of(at) + 2);

		fprintf(out, "%s%*s%s", at, pad, "", last ? "\n" : "");
	}
}

bool cli_serial_digits(const char *text, char out[CLI_SERIAL_DIGITS_MAX + 1])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == ':' && n > 0 && text[1] != '\0') continue;
		if (n == CLI_SERIAL_DIGITS_MAX || strchr("0123456789abcdefABCDEF", *text) == NULL) return false;
		out[n++] = *text;
	}
	out[n] = '\0';
	return n > 0 && n % 2 == 0;
}
