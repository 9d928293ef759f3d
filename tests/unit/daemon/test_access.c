#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "conf/load.h"
#include "daemon/access.h"

static struct conf *parse(const char *admin)
{
	AUTO(buf) struct buf b = { .max = 4096 };
	struct conf_problem problem;
	struct conf *conf = NULL;

	assert_int_equal(buf_put_str(&b, "trust_domain: example.org\nadmin:\n").code, ERR_OK);
	assert_int_equal(buf_put_str(&b, admin).code, ERR_OK);
	if (conf_parse(buf_view(&b), "test", &conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	return conf;
}

static void names_become_numbers_once_each(void **state)
{
	AUTO(conf) struct conf *conf = parse("  group: root\n  users: [root, nobody, root]\n");
	struct access_list list;
	const char *unknown;

	(void)state;
	assert_int_equal(access_resolve(conf, &list, &unknown).code, ERR_OK);
	assert_true(list.has_group);
	assert_int_equal(list.group, 0);
	assert_int_equal(list.uid_count, 2);
	assert_int_equal(list.uids[0], 0);
}

static void no_group_is_no_group(void **state)
{
	AUTO(conf) struct conf *conf = parse("  users: []\n");
	struct access_list list;
	const char *unknown;

	(void)state;
	assert_int_equal(access_resolve(conf, &list, &unknown).code, ERR_OK);
	assert_false(list.has_group);
	assert_int_equal(list.uid_count, 0);
}

static void an_unknown_name_is_told(void **state)
{
	static const char *const bad[] = { "  group: no-such-name\n", "  users: [root, no-such-name]\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(conf) struct conf *conf = parse(bad[i]);
		struct access_list list;
		const char *unknown;

		assert_int_equal(access_resolve(conf, &list, &unknown).code, ERR_NOT_FOUND);
		assert_string_equal(unknown, "no-such-name");
	}
}

static void a_list_survives_the_wire(void **state)
{
	struct access_list list = { .has_group = true, .group = 0xfffffffe, .uid_count = ADMIN_UIDS_MAX }, got;
	AUTO(buf) struct buf b = { .max = ACCESS_WIRE_MAX };

	(void)state;
	for (uint16_t i = 0; i < ADMIN_UIDS_MAX; i++) list.uids[i] = 1000U + i;
	assert_int_equal(access_put(&b, &list).code, ERR_OK);
	assert_int_equal(b.len, ACCESS_WIRE_MAX);
	assert_int_equal(access_take(buf_view(&b), &got).code, ERR_OK);
	assert_memory_equal(&list, &got, sizeof(got));
	for (size_t cut = 0; cut < b.len; cut++)
		assert_int_equal(access_take(BYTES(b.data, cut), &got).code, ERR_INVALID_ARGUMENT);
	b.data[0] = 1; /* has_group 257 */
	assert_int_equal(access_take(buf_view(&b), &got).code, ERR_INVALID_ARGUMENT);
	b.data[0] = 0;
	b.data[7]++; /* one uid more than there may be */
	assert_int_equal(access_take(buf_view(&b), &got).code, ERR_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_become_numbers_once_each),
		cmocka_unit_test(no_group_is_no_group),
		cmocka_unit_test(an_unknown_name_is_told),
		cmocka_unit_test(a_list_survives_the_wire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
