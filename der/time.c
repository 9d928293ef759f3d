/* time.c: UTCTime and GeneralizedTime as RFC 5280 s4.1.2.5 narrows them: with seconds, in UTC, without fractions. */
#include "der/der.h"

/* UTCTime 50..99 is 1950..1999, 00..49 is 2000..2049 (s4.1.2.5.1). */
#define GENERALIZED_FROM 2050 /* s4.1.2.5: through 2049 MUST be UTCTime, from 2050 MUST be GeneralizedTime */
#define DAY_SECONDS 86400
#define TIME_MIN (-631152000LL)   /* 1950-01-01T00:00:00Z */
#define TIME_MAX 253402300799LL   /* 9999-12-31T23:59:59Z */

static const uint8_t month_days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

static bool is_leap(unsigned year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Days from 1970-01-01, in a calendar whose year starts in March so that the leap day comes last. */
static int64_t days_from_date(unsigned year, unsigned month, unsigned day)
{
	int64_t y = (int64_t)year - (month <= 2), era = y / 400, of_era = y % 400;
	int64_t of_year = (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	int64_t d = days + 719468, era = d / 146097, of_era = d % 146097;
	int64_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;

	*day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
	*month = (unsigned)(m < 10 ? m + 3 : m - 9);
	*year = (unsigned)(y + era * 400 + (*month <= 2));
}

/* Two decimal digits; more than 99 if they are none. */
static unsigned two_digits(const uint8_t *p)
{
	unsigned hi = (unsigned)p[0] - '0', lo = (unsigned)p[1] - '0';

	return hi > 9 || lo > 9 ? 100 : hi * 10 + lo;
}

/* MMDDHHMMSSZ of a known year. */
static struct err time_in_year(unsigned year, const uint8_t *p, int64_t *out)
{
	unsigned month = two_digits(p), day = two_digits(p + 2), hour = two_digits(p + 4), minute = two_digits(p + 6);
	unsigned second = two_digits(p + 8), days;

	if (p[10] != 'Z' || month < 1 || month > 12) FAIL(ERR_INVALID_ARGUMENT, "der: time is malformed");
	days = month_days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
	if (day < 1 || day > days || hour > 23 || minute > 59 || second > 59)
		FAIL(ERR_INVALID_ARGUMENT, "der: time is out of range");
	*out = days_from_date(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
	return OK;
}

struct err der_take_time(struct bytes *in, int64_t *unix_seconds)
{
	struct bytes rest = *in, v;
	unsigned tag, hi, lo;

	TRY(der_take_any(&rest, &tag, &v));
	if (tag == DER_UTC_TIME && v.len == 13) {
		lo = two_digits(v.data);
		hi = lo < 50 ? 20 : 19;
	} else if (tag == DER_GENERALIZED_TIME && v.len == 15) {
		hi = two_digits(v.data);
		lo = two_digits(v.data + 2);
	} else {
		FAIL(ERR_INVALID_ARGUMENT, "der: not a time of RFC 5280");
	}
	if (hi > 99 || lo > 99) FAIL(ERR_INVALID_ARGUMENT, "der: time is malformed");
	if (tag == DER_GENERALIZED_TIME && hi * 100 + lo < GENERALIZED_FROM)
		FAIL(ERR_INVALID_ARGUMENT, "der: GeneralizedTime before 2050");
	TRY(time_in_year(hi * 100 + lo, v.data + v.len - 11, unix_seconds));
	*in = rest;
	return OK;
}

static uint8_t *write_two(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)('0' + v / 10 % 10);
	at[1] = (uint8_t)('0' + v % 10);
	return at + 2;
}

struct err der_put_time(struct buf *out, int64_t unix_seconds)
{
	unsigned year, month, day, second, tag;
	uint8_t text[15], *at = text;
	int64_t days;

	if (unix_seconds < TIME_MIN || unix_seconds > TIME_MAX) FAIL(ERR_OUT_OF_RANGE, "der: time outside 1950..9999");
	second = (unsigned)((unix_seconds - TIME_MIN) % DAY_SECONDS); /* TIME_MIN is a midnight */
	days = (unix_seconds - second) / DAY_SECONDS;
	date_from_days(days, &year, &month, &day);
	if (year >= GENERALIZED_FROM) at = write_two(at, year / 100);
	at = write_two(at, year % 100);
	at = write_two(at, month);
	at = write_two(at, day);
	at = write_two(at, second / 3600);
	at = write_two(at, second / 60 % 60);
	at = write_two(at, second % 60);
	*at++ = 'Z';
	tag = year >= GENERALIZED_FROM ? DER_GENERALIZED_TIME : DER_UTC_TIME;
	return der_put(out, tag, BYTES(text, (size_t)(at - text)));
}
