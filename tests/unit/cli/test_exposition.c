/* Metrics as text: read, added up, and quantiles between two readings as PromQL has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/exposition.h"
#include "cli/processes.h"

static const char text[] =
	"# HELP x What it is.\n# TYPE x counter\n"
	"x 3\n"
	"y{a=\"1\"} 2.5\ny{a=\"2\",b=\"q\\\"uo\\\\te}\"} 4\n"
	"yy 100\n"
	"\nnonsense\n bad\nbad value\nbad 1x\n"
	"h_bucket{le=\"0.1\"} 0\nh_bucket{le=\"0.2\"} 5\nh_bucket{le=\"0.4\"} 9\nh_bucket{le=\"+Inf\"} 10\nh_sum 2\nh_count 10\n";

static void test_series_are_read_and_the_rest_is_passed_over(void **state)
{
	struct exposition e;
	char out[16];

	(void)state;
	assert_true(exposition_read(text, &e));
	assert_int_equal(e.count, 10);
	assert_true(exposition_value(&e, "x") == 3 && exposition_value(&e, "y{a=\"1\"}") == 2.5);
	assert_true(exposition_value(&e, "y") == 0 && exposition_value(&e, "z") == 0);
	assert_true(exposition_sum(&e, "y") == 6.5 && exposition_sum(&e, "yy") == 100 && exposition_sum(&e, "z") == 0);
	assert_true(exposition_is(&e.series[2], "y") && !exposition_is(&e.series[3], "y"));
	exposition_label(&e.series[2], "a", out, sizeof(out));
	assert_string_equal(out, "2");
	exposition_label(&e.series[2], "b", out, sizeof(out));
	assert_string_equal(out, "q\"uo\\te}");
	exposition_label(&e.series[2], "b", out, 4);
	assert_string_equal(out, "q\"u");
	exposition_label(&e.series[2], "c", out, sizeof(out));
	assert_string_equal(out, "");
	exposition_label(&e.series[0], "a", out, sizeof(out));
	assert_string_equal(out, "");
	exposition_free(&e);
}

static void test_broken_labels_end(void **state)
{
	static const char *const broken[] = { "x{", "x{a", "x{a=", "x{a=\"", "x{a=\"b", "x{a=\"b\\", "x{a=\"b\"", "x{a=\"b\",", "x{}", "x{,}" };
	char out[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(broken); i++)
		exposition_label(&(struct series){ .name = broken[i] }, "z", out, sizeof(out));
}

static void test_more_series_than_there_may_be_are_refused(void **state)
{
	char *many = calloc(EXPOSITION_SERIES_MAX + 2, 4);
	struct exposition e;

	(void)state;
	for (size_t i = 0; i < EXPOSITION_SERIES_MAX + 1; i++) memcpy(many + 4 * i, "x 1\n", 4);
	assert_false(exposition_read(many, &e));
	exposition_free(&e);
	many[4 * EXPOSITION_SERIES_MAX] = '\0';
	assert_true(exposition_read(many, &e));
	exposition_free(&e);
	free(many);
}

static bool about(double a, double b) { return a > b - 1e-9 && a < b + 1e-9; }

static void test_quantiles(void **state)
{
	static const struct { double q, want; } cases[] = {
		{ 0.01, 0.102 }, { 0.25, 0.15 }, { 0.5, 0.2 }, { 0.7, 0.3 }, { 0.9, 0.4 }, { 0.99, 0.4 }, { 1.0, 0.4 },
	};
	struct exposition e, later;

	(void)state;
	assert_true(exposition_read(text, &e));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		double got = exposition_quantile(NULL, &e, "h", cases[i].q);

		if (!about(got, cases[i].want)) fail_msg("q %g: %g", cases[i].q, got);
	}
	assert_true(exposition_quantile(&e, &e, "h", 0.5) < 0); /* nothing was counted in between */
	assert_true(exposition_quantile(NULL, &e, "nothing", 0.5) < 0);
	assert_true(exposition_read("h_bucket{le=\"0.1\"} 0\nh_bucket{le=\"0.2\"} 5\nh_bucket{le=\"0.4\"} 19\nh_bucket{le=\"+Inf\"} 20\n", &later));
	assert_true(about(exposition_quantile(&e, &later, "h", 0.5), 0.3)); /* the ten that are new are all in the third */
	exposition_free(&e);
	exposition_free(&later);
}

static void test_lines_about_processes(void **state)
{
	const char *lines = "keeper 0 pid 12 state ready restarts 0 since 2026-11-20T18:00:00Z\n"
			    "no line of ours\n"
			    "front 63 pid 0 state down restarts 4 since 2026-11-20T18:00:01Z";
	struct cli_process p;
	struct cli_usage usage;

	(void)state;
	assert_true(cli_process_next(&lines, &p));
	assert_string_equal(p.role, "keeper");
	assert_true(p.number == 0 && p.pid == 12 && p.restarts == 0);
	assert_true(cli_process_next(&lines, &p));
	assert_string_equal(p.role, "front");
	assert_string_equal(p.state, "down");
	assert_true(p.number == 63 && p.pid == 0 && p.restarts == 4);
	assert_false(cli_process_usage(&p, &usage));
	p.pid = getpid(); /* somebody else has its number */
	assert_false(cli_process_usage(&p, &usage));
	assert_false(cli_process_next(&lines, &p));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_series_are_read_and_the_rest_is_passed_over),
		cmocka_unit_test(test_broken_labels_end),
		cmocka_unit_test(test_more_series_than_there_may_be_are_refused),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_lines_about_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
