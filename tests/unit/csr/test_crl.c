/* Revocation lists of others: what is read, and what is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "csr/crl.h"

static const struct { const char *file; enum err_code want; size_t count; } cases[] = {
	{ "good", ERR_OK, 2 },
	{ "good-empty", ERR_OK, 0 },
	{ "good-no-number", ERR_OK, 2 },
	{ "good-no-aki", ERR_OK, 2 },
	{ "good-long-number", ERR_OK, 2 },
	{ "good-other-extension", ERR_OK, 2 },
	{ "bad-delta", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-partitioned", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-indirect", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-trailing", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-cut", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-version", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-algorithm", ERR_INVALID_ARGUMENT, 0 },
	{ "bad-reason", ERR_INVALID_ARGUMENT, 0 },
};

static struct bytes read_case(const char *name, uint8_t *room, size_t size)
{
	char path[256];
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "tests/data/crl/%s.der", name);
	f = fopen(path, "rb");
	if (f == NULL) fail_msg("%s: cannot open", path);
	n = fread(room, 1, size, f);
	fclose(f);
	return BYTES(room, n);
}

static void test_each_list_is_taken_or_refused_whole(void **state)
{
	uint8_t room[8192];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct crl crl;
		struct err e = crl_parse(read_case(cases[i].file, room, sizeof(room)), &crl);

		if (e.code != cases[i].want) fail_msg("%s: %s", cases[i].file, e.reason);
		if (e.code == ERR_OK && crl.count != cases[i].count) fail_msg("%s: %zu entries", cases[i].file, crl.count);
	}
}

static void test_all_that_counts_is_read(void **state)
{
	struct crl_revoked entry;
	struct bytes rest;
	uint8_t room[8192];
	struct crl crl;

	(void)state;
	assert_int_equal(crl_parse(read_case("good", room, sizeof(room)), &crl).code, ERR_OK);
	assert_true(crl.has_number);
	assert_int_equal(crl.number, 7);
	assert_int_equal(crl.aki.len, 20);
	assert_int_equal(crl.next_update - crl.this_update, 30 * 86400);
	rest = crl.revoked;
	assert_int_equal(crl_next(&rest, &entry).code, ERR_OK);
	assert_true(entry.serial.len == 1 && entry.serial.data[0] == 1 && entry.reason == 0);
	assert_int_equal(entry.time, crl.this_update - 86400);
	assert_int_equal(crl_next(&rest, &entry).code, ERR_OK);
	assert_true(entry.serial.len == 20 && entry.reason == 1);
	assert_int_equal(crl_next(&rest, &entry).code, ERR_NOT_FOUND);
	assert_int_equal(crl_parse(read_case("good-long-number", room, sizeof(room)), &crl).code, ERR_OK);
	assert_true(crl.number == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_list_is_taken_or_refused_whole),
		cmocka_unit_test(test_all_that_counts_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
