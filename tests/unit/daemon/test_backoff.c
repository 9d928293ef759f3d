#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/own.h"
#include "daemon/backoff.h"

/* What follows what: how long the child lived, and how long it then waits. */
static const struct { int64_t lived_ms, wait_ms; } lives[] = {
	{ 0, 100 },      { 0, 200 },     { 5, 400 },      { 59999, 800 },  { 0, 1600 },     { 0, 3200 }, { 0, 6400 },
	{ 0, 10000 },    { 0, 10000 },   { 59999, 10000 }, { 60000, 100 }, { 0, 200 },      { 3600000, 100 }, { 3600000, 100 },
	{ 0, 200 },
};

static void waits_double_up_to_ten_seconds_and_start_anew_after_a_minute(void **state)
{
	struct backoff b = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
		int64_t got = backoff_died(&b, lives[i].lived_ms);

		if (got != lives[i].wait_ms) fail_msg("death %zu: waits %ld ms", i, (long)got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_ten_seconds_and_start_anew_after_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
