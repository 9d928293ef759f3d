#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/text.h"

#define NOW INT64_C(1795198320) /* 2026-11-20T18:12:00Z */

static const struct {
	const char *text;
	int64_t seconds; /* -1: refused */
} durations[] = {
	{ "90s", 90 }, { "15m", 900 }, { "24h", 86400 }, { "30d", 2592000 }, { "1h30m", 5400 }, { "1d1h1m1s", 90061 }, { "0s", 0 }, { "007m", 420 },
	{ "", -1 }, { "90", -1 }, { "h", -1 }, { "1h30", -1 }, { "30m1h", -1 }, { "1h1h", -1 }, { "-1h", -1 }, { "+1h", -1 }, { "1.5h", -1 },
	{ " 1h", -1 }, { "1h ", -1 }, { "1H", -1 }, { "1w", -1 }, { "1e3s", -1 }, { "0x10s", -1 }, { "99999999999999999999s", -1 },
	{ "12725830d", -1 }, { "1099511627776s", -1 }, { "1099511627775s", 1099511627775 }, { "12725829d24h", -1 },
};

static void test_durations(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		int64_t got = -1;
		bool ok = text_parse_duration(durations[i].text, &got);
		if (ok != (durations[i].seconds >= 0)) fail_msg("\"%s\": %s", durations[i].text, ok ? "taken" : "refused");
		if (ok && got != durations[i].seconds) fail_msg("\"%s\": %lld", durations[i].text, (long long)got);
	}
}

static const struct {
	const char *text;
	int sign;
	int64_t at; /* -1: refused */
} times[] = {
	{ "now", 1, NOW }, { "24h", 1, NOW + 86400 }, { "24h", -1, NOW - 86400 }, { "+24h", -1, NOW + 86400 }, { "-24h", 1, NOW - 86400 },
	{ "2026-11-20T18:12:00Z", 1, NOW }, { "2026-11-20T19:12:00+01:00", 1, NOW }, { "2026-11-20T12:42:00-05:30", 1, NOW },
	{ "2026-11-20", 1, 1795132800 }, { "2024-02-29", 1, 1709164800 }, { "1970-01-01T00:00:00Z", 1, 0 },
	{ "", 1, -1 }, { "yesterday", 1, -1 }, { "2026-11-20T18:12:00", 1, -1 }, { "2026-11-20 18:12:00Z", 1, -1 },
	{ "2026-13-01", 1, -1 }, { "2026-02-29", 1, -1 }, { "2026-11-31", 1, -1 }, { "2026-11-20T24:00:00Z", 1, -1 }, { "2026-11-20T18:60:00Z", 1, -1 },
	{ "2026-11-20T18:12:00+1", 1, -1 }, { "2026-11-20T18:12:00+24:00", 1, -1 }, { "2026-11-20T18:12:00+01:00x", 1, -1 },
	{ "2026-11-20T18:12:00Zx", 1, -1 }, { "20261120", 1, -1 }, { "--1h", 1, -1 }, { "+now", 1, -1 }, { "1795198320", 1, -1 },
	{ "26-11-20", 1, -1 }, { "2026-11-20T18:12:00+-1:00", 1, -1 }, { "2026-11-20T18:12:60Z", 1, -1 },
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		int64_t got = -1;
		bool ok = text_parse_time(times[i].text, NOW, times[i].sign, &got);
		if (ok != (times[i].at >= 0)) fail_msg("\"%s\": %s", times[i].text, ok ? "taken" : "refused");
		if (ok && got != times[i].at) fail_msg("\"%s\": %lld", times[i].text, (long long)got);
	}
}

static void test_durations_are_written_by_their_two_largest_units(void **state)
{
	(void)state;
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = { { 0, "0s" }, { 42, "42s" }, { 60, "1m" }, { 61, "1m 1s" }, { 3600, "1h" }, { 3661, "1h 1m" }, { 86400, "24h" }, { 86520, "24h 2m" },
		      { 172799, "47h 59m" }, { 172800, "2d" }, { 176400, "2d 1h" }, { 172860, "2d" }, { 315360000, "3650d" } };
	char text[TEXT_TIME_MAX];
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) assert_string_equal(text_duration(cases[i].seconds, text), cases[i].text);
}

static void test_moments_are_written_with_their_distance(void **state)
{
	(void)state;
	char text[TEXT_TIME_MAX];
	assert_string_equal(text_time(NOW + 3600, NOW, text), "2026-11-20T19:12:00Z (in 1h)");
	assert_string_equal(text_time(NOW - 90, NOW, text), "2026-11-20T18:10:30Z (1m 30s ago)");
	assert_string_equal(text_time(NOW, NOW, text), "2026-11-20T18:12:00Z (now)");
	assert_string_equal(text_time(INT64_MAX / 2, 0, text) + 1, text + 1); /* out of range: no overrun */
	assert_memory_equal(text, "- (in ", 6);
}

static void test_text_of_others_cannot_steer_a_terminal(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = { { "plain", "plain" }, { "a\x1b[31mb", "a?[31mb" }, { "a\nb\rc\td", "a?b?c?d" }, { "del\x7f", "del?" },
		      { "\xc3\xa4", "\xc3\xa4" }, { "c1 \xc2\x9b" "31m", "c1 ?31m" }, { "bad \xff\xfe", "bad ??" }, { "\xc3", "?" } };
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(buf) struct buf out = { .max = 100 };
		assert_int_equal(text_put_safe(&out, bytes_str(cases[i].in)).code, ERR_OK);
		if (!bytes_is(buf_view(&out), cases[i].out)) fail_msg("%zu: %.*s", i, (int)out.len, (const char *)out.data);
	}
}

static void test_table_is_aligned_by_characters(void **state)
{
	(void)state;
	AUTO(text_table) struct text_table t;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	static const char *const cells[] = { "A", "LONG HEAD", "C", "\xc3\xa4\xc3\xb6\xc3\xbc", "x", "", "", "y\n", "last" };
	text_table_begin(&t, 3);
	for (size_t i = 0; i < ARRAY_LEN(cells); i++) assert_int_equal(text_table_cell(&t, cells[i]).code, ERR_OK);
	text_table_print(&t, out);
	fclose(out);
	assert_string_equal(text, "A    LONG HEAD  C\n\xc3\xa4\xc3\xb6\xc3\xbc  x          -\n-    y?         last\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_durations_are_written_by_their_two_largest_units),
		cmocka_unit_test(test_moments_are_written_with_their_distance),
		cmocka_unit_test(test_text_of_others_cannot_steer_a_terminal),
		cmocka_unit_test(test_table_is_aligned_by_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
