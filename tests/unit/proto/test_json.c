/* proto/json.h: what of untrusted JSON is refused before and after jansson sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/json.h"

#define MAX 4096

static enum err_code parse(struct bytes text)
{
	AUTO(json) json_t *out = NULL;
	struct err e = json_object_parse(text, MAX, &out);

	if ((e.code == ERR_OK) != (out != NULL)) fail_msg("*out set without OK, or not set with it: %s", e.reason);
	return e.code;
}

#define TEXT(s) { (const uint8_t *)(s), sizeof(s) - 1 }

static const struct {
	const char *name;
	struct bytes text;
	enum err_code want;
} parse_cases[] = {
	{ "accepts_an_object", TEXT("{\"a\":1}"), ERR_OK },
	{ "accepts_the_empty_object", TEXT("{}"), ERR_OK },
	{ "accepts_white_space_around", TEXT(" \t\r\n{ } \n"), ERR_OK },
	{ "accepts_16_levels", TEXT("{\"a\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}"), ERR_OK },
	{ "accepts_many_brackets_in_a_row", TEXT("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}"), ERR_OK },
	{ "accepts_brackets_inside_a_string", TEXT("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[{{{{{{{{\"}"), ERR_OK },
	{ "accepts_brackets_after_an_escaped_quote", TEXT("{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[{{{{\"}"), ERR_OK },
	{ "accepts_brackets_in_a_key", TEXT("{\"[[[[[[[[[[[[[[[[[[[[[[{{{{\":1}"), ERR_OK },
	{ "accepts_surrogate_pair", TEXT("{\"a\":\"\\ud83d\\ude00\"}"), ERR_OK },
	{ "accepts_largest_int64", TEXT("{\"a\":9223372036854775807}"), ERR_OK },
	{ "accepts_same_key_in_other_objects", TEXT("{\"a\":{\"a\":1},\"b\":{\"a\":1}}"), ERR_OK },
	{ "rejects_nothing", { NULL, 0 }, ERR_INVALID_ARGUMENT },
	{ "rejects_white_space_only", TEXT("  "), ERR_INVALID_ARGUMENT },
	{ "rejects_17_levels", TEXT("{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), ERR_INVALID_ARGUMENT },
	{ "rejects_17_levels_of_objects",
	  TEXT("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
	       "{}}}}}}}}}}}}}}}}}"), ERR_INVALID_ARGUMENT },
	{ "rejects_depth_after_a_string_that_ends_in_a_backslash",
	  TEXT("{\"a\\\\\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}"), ERR_INVALID_ARGUMENT },
	{ "rejects_closing_more_than_opened_to_hide_depth", TEXT("]]]]]]]]{\"a\":1}"), ERR_INVALID_ARGUMENT },
	{ "rejects_duplicate_key", TEXT("{\"a\":1,\"a\":1}"), ERR_INVALID_ARGUMENT },
	{ "rejects_duplicate_key_in_escapes", TEXT("{\"a\":1,\"\\u0061\":2}"), ERR_INVALID_ARGUMENT },
	{ "rejects_duplicate_key_deep", TEXT("{\"x\":[{\"a\":1,\"a\":2}]}"), ERR_INVALID_ARGUMENT },
	{ "rejects_escaped_nul_in_value", TEXT("{\"a\":\"x\\u0000y\"}"), ERR_INVALID_ARGUMENT },
	{ "rejects_escaped_nul_in_key", TEXT("{\"a\\u0000\":1}"), ERR_INVALID_ARGUMENT },
	{ "rejects_raw_nul_in_value", TEXT("{\"a\":\"x\0y\"}"), ERR_INVALID_ARGUMENT },
	{ "rejects_nul_after_the_object", TEXT("{}\0"), ERR_INVALID_ARGUMENT },
	{ "rejects_raw_newline_in_string", TEXT("{\"a\":\"x\ny\"}"), ERR_INVALID_ARGUMENT },
	{ "rejects_trailing_object", TEXT("{}{}"), ERR_INVALID_ARGUMENT },
	{ "rejects_trailing_text", TEXT("{} x"), ERR_INVALID_ARGUMENT },
	{ "rejects_trailing_comma", TEXT("{\"a\":1,}"), ERR_INVALID_ARGUMENT },
	{ "rejects_array", TEXT("[]"), ERR_INVALID_ARGUMENT },
	{ "rejects_string", TEXT("\"a\""), ERR_INVALID_ARGUMENT },
	{ "rejects_null", TEXT("null"), ERR_INVALID_ARGUMENT },
	{ "rejects_truncated", TEXT("{\"a\":"), ERR_INVALID_ARGUMENT },
	{ "rejects_unterminated_string", TEXT("{\"a"), ERR_INVALID_ARGUMENT },
	{ "rejects_backslash_at_the_end", TEXT("{\"a\\"), ERR_INVALID_ARGUMENT },
	{ "rejects_lone_surrogate", TEXT("{\"a\":\"\\ud83d\"}"), ERR_INVALID_ARGUMENT },
	{ "rejects_bad_utf8", TEXT("{\"a\":\"\xff\"}"), ERR_INVALID_ARGUMENT },
	{ "rejects_overlong_utf8", TEXT("{\"a\":\"\xc0\x80\"}"), ERR_INVALID_ARGUMENT },
	{ "rejects_byte_order_mark", TEXT("\xef\xbb\xbf{}"), ERR_INVALID_ARGUMENT },
	{ "rejects_integer_over_int64", TEXT("{\"a\":9223372036854775808}"), ERR_INVALID_ARGUMENT },
	{ "rejects_real_over_double", TEXT("{\"a\":1e999}"), ERR_INVALID_ARGUMENT },
	{ "rejects_nan", TEXT("{\"a\":NaN}"), ERR_INVALID_ARGUMENT },
	{ "rejects_leading_zero", TEXT("{\"a\":01}"), ERR_INVALID_ARGUMENT },
	{ "rejects_comment", TEXT("{/**/}"), ERR_INVALID_ARGUMENT },
	{ "rejects_single_quotes", TEXT("{'a':1}"), ERR_INVALID_ARGUMENT },
};

static void accepts_only_bounded_plain_objects(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++)
		if (parse(parse_cases[i].text) != parse_cases[i].want) fail_msg("%s", parse_cases[i].name);
}

static void refuses_one_byte_over_max(void **state)
{
	char text[MAX + 2];

	(void)state;
	memset(text, ' ', sizeof(text));
	text[0] = '{';
	text[1] = '}';
	assert_int_equal(parse(BYTES(text, MAX)), ERR_OK);
	assert_int_equal(parse(BYTES(text, MAX + 1)), ERR_INVALID_ARGUMENT);
}

/* 100 000 levels would overrun the stack of a recursive reader without a limit of its own. */
static void refuses_deep_nesting_without_recursion(void **state)
{
	static char text[100000];
	AUTO(json) json_t *out = NULL;

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(json_object_parse(BYTES(text, sizeof(text)), sizeof(text), &out).code, ERR_INVALID_ARGUMENT);
	assert_null(out);
}

#define OPEN16 "{\"a\":[[[[[[[[[[[[[[["
#define CLOSE16 "]]]]]]]]]]]]]]]}"

/* What is left, or NULL: refused. */
static const struct {
	const char *text, *left;
} pruned_cases[] = {
	{ "{}", "{}" },
	{ "{\"a\":[1,{\"b\":\"c\"}],\"d\":null}", "{\"a\":[1,{\"b\":\"c\"}],\"d\":null}" },
	/* dropped by name, at any depth, whatever is in it */
	{ "{\"drop\":[1],\"a\":1}", "{\"drop\":null,\"a\":1}" },
	{ "{\"a\":{\"drop\" :\n{\"b\":\"}\"} ,\"c\":2}}", "{\"a\":{\"drop\":null,\"c\":2}}" },
	{ "{\"drop\":{\"a\":1,\"a\":[{]}}}", "{\"drop\":null}" },
	{ "{\"drop\":{\"\\u0000\":[\"]\",\"\\\"]\"]}}", "{\"drop\":null}" },
	{ "{\"drop\":\"x\"}", "{\"drop\":\"x\"}" },
	{ "{\"drop\":\"x\",\"a\":[1]}", "{\"drop\":\"x\",\"a\":[1]}" },
	{ "{\"a\":\"drop\",\"b\":[1]}", "{\"a\":\"drop\",\"b\":[1]}" },
	{ "{\"a\":[\"drop\",[1]]}", "{\"a\":[\"drop\",[1]]}" },
	{ "{\"drops\":[1],\"dro\":[1]}", "{\"drops\":[1],\"dro\":[1]}" },
	/* nested too deep */
	{ OPEN16 CLOSE16, OPEN16 CLOSE16 },
	{ OPEN16 "{\"b\":[\"]\"]},[]" CLOSE16, OPEN16 "null,null" CLOSE16 },
	{ OPEN16 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]],1" CLOSE16, OPEN16 "null,1" CLOSE16 },
	/* NUL, and duplicate keys, also those that NULs make */
	{ "{\"a\":\"x\\u0000y\\\\u0000\\n\\u00001\"}", "{\"a\":\"x\xef\xbf\xbdy\\\\u0000\\n\xef\xbf\xbd""1\"}" },
	{ "{\"\\u0000\":1}", "{\"\xef\xbf\xbd\":1}" },
	{ "{\"\\u0000\":1,\"\xef\xbf\xbd\":2}", "{\"\xef\xbf\xbd\":2}" },
	{ "{\"a\":1,\"a\":2}", "{\"a\":2}" },
	/* refused as before */
	{ "", NULL },
	{ "[]", NULL },
	{ "{\"a\":1} x", NULL },
	{ "{\"a\":1}}", NULL },
	{ "{\"a\":[1}", NULL },
	{ "{\"drop\":[1}", NULL },
	{ "{\"drop\" [1]}", NULL },
	{ "{\"a\":\"\\u000\"}", NULL },
	{ "{\"a\":\"\\", NULL },
	{ "{\"a\":\"\x01\"}", NULL },
	{ "{\"a\":\"\xff\"}", NULL },
	{ OPEN16 "[", NULL },
};

static void others_cannot_have_a_text_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pruned_cases); i++) {
		AUTO(json) json_t *got = NULL;
		AUTO(json) json_t *want = NULL;
		struct err e = json_object_parse_pruned(bytes_str(pruned_cases[i].text), MAX, "drop", &got);

		if (pruned_cases[i].left != NULL) want = json_loads(pruned_cases[i].left, 0, NULL);
		if ((e.code == ERR_OK) != (want != NULL) || (e.code == ERR_OK) != (got != NULL)) fail_msg("%s: %s", pruned_cases[i].text, e.reason);
		if (want != NULL && !json_equal(got, want)) fail_msg("%s: something else is left", pruned_cases[i].text);
	}
}

static void pruned_or_not_it_is_bounded(void **state)
{
	AUTO(json) json_t *out = NULL;
	static char text[100000];

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(json_object_parse_pruned(BYTES(text, sizeof(text)), sizeof(text), "drop", &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(json_object_parse_pruned(bytes_str("{}"), 1, "drop", &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(json_object_parse_pruned(BYTES("{\"a\0\":1}", 8), 9, "drop", &out).code, ERR_INVALID_ARGUMENT);
	assert_null(out);
	/* the text that grows most: brackets on the last level */
	memcpy(text, OPEN16, strlen(OPEN16));
	for (size_t i = strlen(OPEN16); i < strlen(OPEN16) + 30000; i += 3) memcpy(text + i, "[],", 3);
	memcpy(text + strlen(OPEN16) + 30000, "0" CLOSE16, 17);
	assert_int_equal(json_object_parse_pruned(BYTES(text, strlen(OPEN16) + 30017), strlen(OPEN16) + 30017, "drop", &out).code, ERR_OK);
}

static const struct {
	const char *text;
	enum err_code want;
	int64_t value;
} seconds_cases[] = {
	{ "{\"t\":0}", ERR_OK, 0 },
	{ "{\"t\":1790000000}", ERR_OK, 1790000000 },
	{ "{\"t\":-5}", ERR_OK, -5 },
	{ "{\"t\":1790000000.9}", ERR_OK, 1790000000 },
	{ "{\"t\":1.79e9}", ERR_OK, 1790000000 },
	{ "{\"t\":-0.5}", ERR_OK, -1 },
	{ "{\"t\":9007199254740991}", ERR_OK, 9007199254740991 },
	{ "{\"t\":-9007199254740991}", ERR_OK, -9007199254740991 },
	{ "{\"t\":9007199254740992}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":-9007199254740992}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":9223372036854775807}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":-9223372036854775808}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":1e300}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":-1e300}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":\"1790000000\"}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":true}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":null}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"t\":[1]}", ERR_INVALID_ARGUMENT, 0 },
	{ "{\"T\":1}", ERR_NOT_FOUND, 0 },
};

static void reads_whole_seconds_below_2_to_the_53(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seconds_cases); i++) {
		AUTO(json) json_t *object = NULL;
		int64_t value = 0;

		assert_int_equal(json_object_parse(bytes_str(seconds_cases[i].text), MAX, &object).code, ERR_OK);
		if (json_seconds_of(object, "t", &value).code != seconds_cases[i].want || value != seconds_cases[i].value)
			fail_msg("%s", seconds_cases[i].text);
	}
}

static void reads_strings_up_to_max(void **state)
{
	AUTO(json) json_t *object = NULL;
	struct bytes s = BYTES_NONE;

	(void)state;
	assert_int_equal(json_object_parse(bytes_str("{\"a\":\"abc\",\"e\":\"\",\"n\":1}"), MAX, &object).code, ERR_OK);
	assert_int_equal(json_string_of(object, "a", 3, &s).code, ERR_OK);
	assert_true(bytes_is(s, "abc"));
	assert_int_equal(json_string_of(object, "e", 0, &s).code, ERR_OK);
	assert_int_equal(s.len, 0);
	assert_int_equal(json_string_of(object, "a", 2, &s).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(json_string_of(object, "n", 9, &s).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(json_string_of(object, "x", 9, &s).code, ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_only_bounded_plain_objects),
		cmocka_unit_test(refuses_one_byte_over_max),
		cmocka_unit_test(refuses_deep_nesting_without_recursion),
		cmocka_unit_test(others_cannot_have_a_text_refused),
		cmocka_unit_test(pruned_or_not_it_is_bounded),
		cmocka_unit_test(reads_whole_seconds_below_2_to_the_53),
		cmocka_unit_test(reads_strings_up_to_max),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
