/* Requests a second of each identity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "ra/rates.h"

#define SECOND INT64_C(1000000)

static unsigned taken(struct rates *r, const char *who, unsigned times, int64_t now)
{
	unsigned n = 0;

	while (times-- > 0) n += rates_take(r, who, now);
	return n;
}

static void each_has_its_own(void **state)
{
	AUTO(rates) struct rates *r = NULL;

	(void)state;
	assert_int_equal(rates_new(10, &r).code, ERR_OK);
	assert_int_equal(taken(r, "spiffe://example.org/a", 100, SECOND), 10);
	assert_int_equal(taken(r, "spiffe://example.org/b", 100, SECOND), 10);
	assert_int_equal(taken(r, "spiffe://example.org/a", 100, SECOND), 0);
	assert_int_equal(taken(r, "spiffe://example.org/a", 100, SECOND + SECOND / 2), 5);
	assert_int_equal(taken(r, "spiffe://example.org/a", 100, 9 * SECOND), 10); /* a second's worth, not more */
}

static void zero_is_no_limit(void **state)
{
	AUTO(rates) struct rates *r = NULL;

	(void)state;
	assert_int_equal(rates_new(0, &r).code, ERR_OK);
	assert_int_equal(taken(r, "a", 5000, SECOND), 5000);
}

/* Whoever asks under many names must not get one identity's rate forgotten that goes on asking. */
static void those_who_ask_now_are_remembered(void **state)
{
	AUTO(rates) struct rates *r = NULL;
	unsigned got = 0;
	char other[32];

	(void)state;
	assert_int_equal(rates_new(10, &r).code, ERR_OK);
	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(other, sizeof(other), "other-%u", i);
		(void)rates_take(r, other, SECOND + i);
		got += rates_take(r, "loud", SECOND + i);
	}
	assert_int_equal(got, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own),
		cmocka_unit_test(zero_is_no_limit),
		cmocka_unit_test(those_who_ask_now_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
