#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/own.h"
#include "conf/schema.h"

struct unit {
	const char *name;
	int64_t factor;
};
static const struct unit units_of_time[] = { { "d", 86400 }, { "h", 3600 }, { "m", 60 }, { "s", 1 } };
static const struct unit units_of_microseconds[] = { { "s", 1000000 }, { "ms", 1000 }, { "us", 1 } };

/* Digits, without sign and without a leading zero that somebody could take for octal; *rest is what follows. */
static bool take_digits(const char *text, int64_t *out, const char **rest)
{
	int64_t v = 0;
	const char *p = text;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p - '0', &v)) return false;
	if (p == text || (text[0] == '0' && p != text + 1)) return false;
	*out = v;
	*rest = p;
	return true;
}

static bool take_unit(const char *text, const struct unit *units, size_t count, int64_t *out)
{
	const char *rest;
	int64_t v;
	if (!take_digits(text, &v, &rest)) return false;
	if (*rest == '\0' && v == 0) { /* zero needs no unit */
		*out = 0;
		return true;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(rest, units[i].name) == 0) return !__builtin_mul_overflow(v, units[i].factor, out);
	return false;
}

bool schema_parse_seconds(const char *text, int64_t *out)
{
	return take_unit(text, units_of_time, ARRAY_LEN(units_of_time), out);
}

bool schema_parse_micros(const char *text, int64_t *out)
{
	return take_unit(text, units_of_microseconds, ARRAY_LEN(units_of_microseconds), out);
}

bool schema_parse_number(const char *text, int64_t *out)
{
	const char *rest;
	return take_digits(text, out, &rest) && *rest == '\0';
}

void schema_print_number(enum schema_type type, int64_t value, char out[SCHEMA_NUMBER_MAX])
{
	const struct unit *units = type == SCHEMA_SECONDS ? units_of_time : units_of_microseconds;
	size_t last = (type == SCHEMA_SECONDS ? ARRAY_LEN(units_of_time) : ARRAY_LEN(units_of_microseconds)) - 1, i = 0;
	if (type == SCHEMA_NUMBER) {
		snprintf(out, SCHEMA_NUMBER_MAX, "%" PRId64, value);
		return;
	}
	/* the largest unit without a fraction; but zero is 0s, and one day reads better as 24h */
	if (value == 0) i = last;
	else if (type == SCHEMA_SECONDS && value == units_of_time[0].factor) i = 1;
	while (i < last && value % units[i].factor != 0) i++;
	snprintf(out, SCHEMA_NUMBER_MAX, "%" PRId64 "%s", value / units[i].factor, units[i].name);
}
