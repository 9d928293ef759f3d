/* The lists of the admin API: what a taken-over front had recorded must not hide what else is on the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "admin/api.h"

#define TEXT(s) BYTES(s, sizeof(s) - 1)

static const struct { struct bytes caller; const char *shown; } rows[] = {
	{ TEXT("system:serviceaccount:web:shop"), "system:serviceaccount:web:shop" },
	{ TEXT("J\xc3\xbcrgen"), "J\xc3\xbcrgen" },
	{ TEXT("\xff\xfe"), "\\xff\\xfe" },
	{ TEXT("a\\b\xc3"), "a\\x5cb\\xc3" },       /* cut in the middle of a character; unambiguous */
	{ TEXT("\xed\xa0\x80"), "\\xed\\xa0\\x80" }, /* a surrogate */
	{ TEXT("\xc0\x80"), "\\xc0\\x80" },           /* an overlong NUL */
	{ TEXT("\x1b[2J\x80"), "\\x1b[2J\\x80" },
};

static json_t *answer_of(const char *path, const struct buf *items)
{
	AUTO(buf) struct buf body = { .max = WIRE_LIST_MAX };
	struct wire_list list = { .next = UINT64_MAX, .items = buf_view(items) };
	json_t *out = NULL;
	bool wrong;

	assert_int_equal(wire_list_put(&body, &list).code, ERR_OK);
	assert_int_equal(api_find("GET", path, &wrong)->answer(NULL, buf_view(&body), &out).code, ERR_OK);
	assert_int_equal(json_array_size(json_object_get(out, "items")), ARRAY_LEN(rows));
	return out;
}

static void expect_shown(const json_t *answer, const char *member)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(answer, "items"), i), member)),
		                    rows[i].shown);
}

static void a_record_whose_texts_are_no_text_is_listed(void **state)
{
	AUTO(buf) struct buf items = { .max = WIRE_LIST_MAX };
	json_t *answer;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_record r = { .index = i, .serial = TEXT("\1"), .caller = rows[i].caller, .rule = rows[i].caller,
			                  .cert = TEXT("\x30\x00") };

		assert_int_equal(wire_record_put(&items, &r).code, ERR_OK);
	}
	answer = answer_of("/v1/certs", &items);
	expect_shown(answer, "caller");
	expect_shown(answer, "rule");
	json_decref(answer);
}

static void a_ban_whose_subject_is_no_text_is_listed(void **state)
{
	AUTO(buf) struct buf items = { .max = WIRE_LIST_MAX };
	json_t *answer;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_ban b = { .kind = STORE_BAN_CALLER, .subject = rows[i].caller, .by = TEXT("uid:0") };

		assert_int_equal(wire_ban_put(&items, &b).code, ERR_OK);
	}
	answer = answer_of("/v1/bans", &items);
	expect_shown(answer, "subject");
	json_decref(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_whose_texts_are_no_text_is_listed),
		cmocka_unit_test(a_ban_whose_subject_is_no_text_is_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
