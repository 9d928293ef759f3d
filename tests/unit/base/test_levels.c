/* Log levels that change at run time, debug lines that are sampled, names of requests, and the message that asks for a level. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/control.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/own.h"
#include "base/request_id.h"

/* ---- levels ---- */

static const struct {
	const char *name;
	enum log_level configured;
	uint32_t told; /* 0: nothing */
	enum log_level want;
} levels[] = {
	{ "as_configured", LOG_INFO, 0, LOG_INFO },
	{ "more", LOG_INFO, 1 + LOG_DEBUG, LOG_DEBUG },
	{ "less", LOG_DEBUG, 1 + LOG_ERROR, LOG_ERROR },
	{ "the_same", LOG_WARN, 1 + LOG_WARN, LOG_WARN },
	{ "nonsense_is_as_configured", LOG_WARN, 99, LOG_WARN },
};

static void test_the_level_is_the_page_s_if_it_says_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		struct log_shared shared = { .level = levels[i].told };
		const struct log log = { .level = levels[i].configured, .shared = &shared };

		if (log_level_of(&log) != levels[i].want) fail_msg("%s", levels[i].name);
		for (enum log_level l = LOG_ERROR; l <= LOG_DEBUG; l++)
			if (log_wants(&log, l) != (l <= levels[i].want)) fail_msg("%s: %s", levels[i].name, log_level_name(l));
	}
	assert_int_equal(log_level_of(&(struct log){ .level = LOG_WARN }), LOG_WARN);
}

static void test_names_of_levels(void **state)
{
	static const char *const bad[] = { "", "INFO", "trace", "debugg", "debu", "2", " info" };
	enum log_level got;

	(void)state;
	for (enum log_level l = LOG_ERROR; l <= LOG_DEBUG; l++) {
		assert_true(log_level_parse(bytes_str(log_level_name(l)), &got));
		assert_int_equal(got, l);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) assert_false(log_level_parse(bytes_str(bad[i]), &got));
}

/* ---- sampling: what is written to descriptor 2 ---- */

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) n++;
	return n;
}

/* The lines of so many debug events and one warning in a second that has begun; the caller's to free. */
static char *written(struct log_shared *shared, unsigned events)
{
	const struct log log = { .level = LOG_DEBUG, .process = "test", .shared = shared };
	FILE *file = tmpfile();
	int old = dup(STDERR_FILENO);
	char *text = calloc(1, 1 << 20);

	assert_true(file != NULL && old >= 0 && text != NULL);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	for (unsigned i = 0; i < events; i++) log_event(&log, LOG_DEBUG, "often", F_INT("i", i));
	log_event(&log, LOG_WARN, "rare", F_END);
	assert_true(dup2(old, STDERR_FILENO) >= 0);
	close(old);
	rewind(file);
	assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
	fclose(file);
	return text;
}

static void test_debug_lines_of_a_second_are_bounded_and_the_others_counted(void **state)
{
	struct log_shared shared = { .level = 0 };
	AUTO(heap) char *first = NULL, *second = NULL;
	size_t told;

	(void)state;
	first = written(&shared, 5 * LOG_DEBUG_A_SECOND); /* within a second, or two if the machine is busy */
	assert_in_range(count(first, "event=often"), LOG_DEBUG_A_SECOND, 4 * LOG_DEBUG_A_SECOND);
	assert_int_equal(count(first, "event=rare"), 1);
	assert_true(atomic_load(&shared.left_out) > 0);
	assert_int_equal(count(first, "event=often") + atomic_load(&shared.left_out), 5 * LOG_DEBUG_A_SECOND);
	told = atomic_load(&shared.left_out) - atomic_load(&shared.told);
	atomic_store(&shared.second, atomic_load(&shared.second) - 1); /* a second goes by */
	second = written(&shared, 1);
	if (told > 0) {
		char line[64];

		snprintf(line, sizeof(line), "event=debug_left_out count=%zu", told);
		assert_int_equal(count(second, line), 1);
	}
	assert_int_equal(count(second, "event=often"), 1);
	assert_int_equal(atomic_load(&shared.told), atomic_load(&shared.left_out));
}

/* ---- names of requests ---- */

#define LONG_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static const struct { const char *text; bool valid; } ids[] = {
	{ "6f2a91c4-3d55-4b0e-9e1c-d2f8a7b60c13", true }, { "a", true }, { "A1-_.:/+=@", true }, { LONG_64 LONG_64, true },
	{ LONG_64 LONG_64 "a", false }, { "", false }, { " ", false }, { "a b", false }, { "a\n", false }, { "a\tb", false }, { "\"", false },
	{ "a\\b", false }, { "a;b", false }, { "a,b", false }, { "{}", false }, { "\x7f", false }, { "\x1b[2J", false }, { "\xc3\xa4", false },
	{ "a%0a", false }, { "<a>", false }, { "a'b", false }, { "`id`", false }, { "$x", false },
};

static void test_names_of_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (request_id_valid(bytes_str(ids[i].text)) != ids[i].valid) fail_msg("%s", ids[i].text);
	assert_false(request_id_valid(BYTES("a\0b", 3)));
}

/* ---- the message ---- */

static const struct { const char *name; struct control_log m; bool good; } messages[] = {
	{ "one", { CONTROL_FRONT, 3, LOG_DEBUG, 600 }, true },
	{ "all", { CONTROL_EVERY_ROLE, CONTROL_EVERY_NUMBER, LOG_ERROR, 1 }, true },
	{ "longest", { CONTROL_MONITOR, 0, LOG_INFO, CONTROL_LOG_SECONDS_MAX }, true },
	{ "no_such_role", { CONTROL_COURIER + 1, 0, LOG_INFO, 1 }, false },
	{ "no_such_level", { CONTROL_FRONT, 0, LOG_DEBUG + 1, 1 }, false },
	{ "for_no_time", { CONTROL_FRONT, 0, LOG_DEBUG, 0 }, false },
	{ "for_too_long", { CONTROL_FRONT, 0, LOG_DEBUG, CONTROL_LOG_SECONDS_MAX + 1 }, false },
};

static void test_the_message_that_asks_for_a_level(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		uint8_t room[CONTROL_LOG_LEN + 1] = { 0 };
		struct buf out = BUF_ON(room);
		struct control_log got = { .role = 77 };

		assert_int_equal(control_log_put(&out, &messages[i].m).code, ERR_OK);
		assert_int_equal(out.len, CONTROL_LOG_LEN);
		if ((control_log_take(buf_view(&out), &got).code == ERR_OK) != messages[i].good) fail_msg("%s", messages[i].name);
		assert_int_equal(got.role, messages[i].good ? messages[i].m.role : 77);
		if (messages[i].good)
			assert_true(got.number == messages[i].m.number && got.level == messages[i].m.level &&
			            got.seconds == messages[i].m.seconds);
		for (size_t n = 0; n < CONTROL_LOG_LEN; n++)
			assert_int_equal(control_log_take(BYTES(room, n), &got).code, ERR_INVALID_ARGUMENT);
		assert_int_equal(control_log_take(BYTES(room, sizeof(room)), &got).code, ERR_INVALID_ARGUMENT);
	}
}

/* ---- what ends first counts ---- */

static void test_of_several_ends_the_first_is_told(void **state)
{
	static struct metrics pages[3];
	struct metrics *const all[] = { &pages[0], &pages[1], &pages[2] };
	const struct metric_pages three = { .pages = all, .count = 3 };

	(void)state;
	assert_int_equal(metrics_total(&three, M_CERT_EXPIRY), 0);
	metric_set(&pages[1], M_CERT_EXPIRY, 200);
	assert_int_equal(metrics_total(&three, M_CERT_EXPIRY), 200);
	metric_set(&pages[2], M_CERT_EXPIRY, 100);
	assert_int_equal(metrics_total(&three, M_CERT_EXPIRY), 100);
	metrics_let_go(&pages[2]); /* that front is gone */
	assert_int_equal(metrics_total(&three, M_CERT_EXPIRY), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_level_is_the_page_s_if_it_says_one),
		cmocka_unit_test(test_names_of_levels),
		cmocka_unit_test(test_debug_lines_of_a_second_are_bounded_and_the_others_counted),
		cmocka_unit_test(test_names_of_requests),
		cmocka_unit_test(test_the_message_that_asks_for_a_level),
		cmocka_unit_test(test_of_several_ends_the_first_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
