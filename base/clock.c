#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_wall(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec;
}

int64_t clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void clock_text(int64_t unix_seconds, char out[CLOCK_TEXT_MAX])
{
	time_t t = (time_t)unix_seconds;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year < 1 - 1900 || tm.tm_year > 9999 - 1900) {
		memcpy(out, "-", 2);
		return;
	}
	/* not %Y, which does not fill up to the four digits of RFC 3339 s5.6 */
	(void)snprintf(out, CLOCK_TEXT_MAX, "%04u-", (unsigned)(tm.tm_year + 1900) % 10000);
	(void)strftime(out + strlen("yyyy-"), CLOCK_TEXT_MAX - strlen("yyyy-"), "%m-%dT%H:%M:%SZ", &tm);
}

bool clock_parse(const char *text, int64_t *out)
{
	char again[CLOCK_TEXT_MAX];
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t t = timegm(&tm);

	/* strptime() is lax and timegm() makes 30 February a day in March: only what prints the same is a time */
	clock_text((int64_t)t, again);
	if (rest == NULL || strcmp(text, again) != 0) return false;
	*out = (int64_t)t;
	return true;
}
