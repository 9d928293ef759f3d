#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/own.h"
#include "k8s_csr/backoff.h"

#define ALL UINT32_MAX
#define HOUR INT64_C(3600000)

/* After so many failures in a row. */
static const struct {
	const char *name;
	int64_t first_ms, max_ms;
	unsigned failures;
	uint32_t random;
	unsigned retry_after;
	int64_t want_ms;
} waits[] = {
	{ "first, shortest", 100, 30000, 0, 0, 0, 50 },
	{ "first, longest", 100, 30000, 0, ALL, 0, 100 },
	{ "first, between", 100, 30000, 0, ALL / 2, 0, 74 },
	{ "second", 100, 30000, 1, ALL, 0, 200 },
	{ "third, shortest", 100, 30000, 2, 0, 0, 200 },
	{ "ninth", 100, 30000, 8, ALL, 0, 25600 },
	{ "tenth: capped", 100, 30000, 9, ALL, 0, 30000 },
	{ "tenth, shortest", 100, 30000, 9, 0, 0, 15000 },
	{ "for ever", 100, 30000, UINT32_MAX, ALL, 0, 30000 },
	{ "largest", HOUR, HOUR, UINT32_MAX, ALL, 0, HOUR },
	{ "smallest", 2, 2, 0, 0, 0, 1 },
	{ "odd", 3, 100, 0, 0, 0, 1 },
	{ "odd, longest", 3, 100, 0, ALL, 0, 3 },
	{ "cap is no power of two times the first", 100, 250, 2, ALL, 0, 250 },
	{ "server says 1 s", 100, 30000, 0, 0, 1, 1000 },
	{ "server says 1 s, with jitter", 100, 30000, 0, ALL, 1, 1050 },
	{ "server says less than we would wait", 100, 30000, 9, 0, 1, 15000 },
	{ "server says as much as we would wait", 100, 30000, 9, ALL, 15, 30000 },
	{ "server says more", 100, 30000, 9, ALL, 60, 75000 },
	{ "server says too much", 100, 30000, 0, 0, 100000, 300000 },
	{ "server says all there is", 100, 30000, 0, ALL, UINT32_MAX, 300050 },
};

static void each_wait_is_in_its_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct k8s_backoff b = { waits[i].first_ms, waits[i].max_ms, waits[i].failures };
		int64_t got = k8s_backoff_failed(&b, waits[i].random, waits[i].retry_after);

		if (got != waits[i].want_ms) fail_msg("%s: %ld ms", waits[i].name, (long)got);
	}
}

static void failures_are_counted_and_forgotten(void **state)
{
	struct k8s_backoff b = { .first_ms = 100, .max_ms = 1000 };
	static const int64_t want[] = { 100, 200, 400, 800, 1000, 1000 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(want); i++) assert_int_equal(k8s_backoff_failed(&b, ALL, 0), want[i]);
		k8s_backoff_succeeded(&b);
	}
	b.failures = UINT32_MAX;
	assert_int_equal(k8s_backoff_failed(&b, ALL, 0), 1000);
	assert_int_equal(b.failures, UINT32_MAX); /* and does not begin anew */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wait_is_in_its_range),
		cmocka_unit_test(failures_are_counted_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
