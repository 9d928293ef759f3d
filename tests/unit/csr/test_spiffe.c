#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "csr/spiffe.h"

struct text {
	const char *p;
	size_t len;
};
#define T(s) { s, sizeof(s) - 1 }

static const struct {
	const char *id, *trust_domain, *path;
} accepted[] = {
	{ "spiffe://td", "td", "" },
	{ "spiffe://td/a", "td", "/a" },
	{ "spiffe://cluster.local/ns/default/sa/web", "cluster.local", "/ns/default/sa/web" },
	{ "spiffe://td/A-Z_a.z09", "td", "/A-Z_a.z09" },
	/* SPIFFE-ID s2.1: no name is special */
	{ "spiffe://192.0.2.1/a", "192.0.2.1", "/a" },
	{ "spiffe://a_b/a", "a_b", "/a" },
	{ "spiffe://x..y/a", "x..y", "/a" },
	{ "spiffe://-/a", "-", "/a" },
	{ "spiffe://./a", ".", "/a" },
	/* s2.2: three dots are a name */
	{ "spiffe://td/...", "td", "/..." },
	{ "spiffe://td/.a", "td", "/.a" },
	{ "spiffe://td/a.", "td", "/a." },
	{ "spiffe://td/..a/a..", "td", "/..a/a.." },
};

static const struct text refused[] = {
	/* s2: scheme */
	T(""), T("spiffe"), T("spiffe:"), T("spiffe:/td/a"), T("spiffe//td/a"), T("http://td/x"),
	T("SPIFFE://td/x"), T("Spiffe://td/x"), T(" spiffe://td/x"), T("\0spiffe://td/x"), T("spiffe:\\\\td/x"),
	T("spiffes://td/x"),
	/* s2.1: trust domain */
	T("spiffe://"), T("spiffe:///x"), T("spiffe:////x"), T("spiffe://u@td/x"), T("spiffe://u:p@td/x"),
	T("spiffe://td:80/x"), T("spiffe://td:/x"), T("spiffe://[::1]/x"), T("spiffe://Td/x"),
	T("spiffe://t%64/x"), T("spiffe://t d/x"), T("spiffe://td\\a"), T("spiffe://t\xc3\xa4/x"),
	T("spiffe://td\0/x"), T("spiffe://td*/x"), T("spiffe://td,b/x"), T("spiffe://td~/x"),
	/* s2: no query, no fragment */
	T("spiffe://td?q"), T("spiffe://td#f"), T("spiffe://td/x?q"), T("spiffe://td/x#f"), T("spiffe://td/x?"),
	T("spiffe://td/x#"),
	/* s2.2: path */
	T("spiffe://td/"), T("spiffe://td//"), T("spiffe://td/a/"), T("spiffe://td/a//b"), T("spiffe://td//a"),
	T("spiffe://td/."), T("spiffe://td/.."), T("spiffe://td/./a"), T("spiffe://td/a/./b"),
	T("spiffe://td/a/../b"), T("spiffe://td/a/.."), T("spiffe://td/%41"), T("spiffe://td/%2e%2e"),
	T("spiffe://td/a b"), T("spiffe://td/\xc3\xa9"), T("spiffe://td/a\0b"), T("spiffe://td/a\0"),
	T("spiffe://td/a\n"), T("spiffe://td/a\\b"), T("spiffe://td/a:b"), T("spiffe://td/a@b"),
	T("spiffe://td/a+b"), T("spiffe://td/a~b"), T("spiffe://td/a*"), T("spiffe://td/\x80"),
};

static void test_accepts_and_splits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		struct bytes domain, path;

		if (spiffe_id_parse(bytes_str(accepted[i].id), &domain, &path).code != ERR_OK)
			fail_msg("%s", accepted[i].id);
		assert_true(bytes_is(domain, accepted[i].trust_domain));
		assert_true(bytes_is(path, accepted[i].path));
		assert_int_equal(spiffe_id_parse(bytes_str(accepted[i].id), NULL, NULL).code, ERR_OK);
		assert_int_equal(spiffe_workload_id_parse(bytes_str(accepted[i].id), NULL, NULL).code,
		                 path.len == 0 ? ERR_INVALID_ARGUMENT : ERR_OK);
	}
}

static void test_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct bytes domain = bytes_str("kept"), path = bytes_str("kept"), id = BYTES(refused[i].p, refused[i].len);

		if (spiffe_id_parse(id, &domain, &path).code != ERR_INVALID_ARGUMENT)
			fail_msg("accepted %s", refused[i].p);
		if (spiffe_workload_id_parse(id, &domain, &path).code != ERR_INVALID_ARGUMENT)
			fail_msg("accepted %s", refused[i].p);
		assert_true(bytes_is(domain, "kept") && bytes_is(path, "kept"));
	}
}

static void test_every_byte_in_both_places(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char id[] = "spiffe://a_b/c_d";
		bool both = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
		bool upper = c >= 'A' && c <= 'Z';

		id[10] = (char)c; /* a '/' here ends the trust domain and makes the path "/b/c_d" */
		assert_int_equal(spiffe_id_parse(BYTES(id, sizeof(id) - 1), NULL, NULL).code,
		                 both || c == '/' ? ERR_OK : ERR_INVALID_ARGUMENT);
		id[10] = 'x';
		id[14] = (char)c;
		assert_int_equal(spiffe_id_parse(BYTES(id, sizeof(id) - 1), NULL, NULL).code,
		                 both || upper || c == '/' ? ERR_OK : ERR_INVALID_ARGUMENT);
	}
}

static void test_lengths_at_the_limits(void **state)
{
	char id[SPIFFE_ID_MAX + 1], domain[SPIFFE_TRUST_DOMAIN_MAX + 1], whole[9 + sizeof(domain)] = "spiffe://";

	(void)state;
	memset(id, 'a', sizeof(id));
	memcpy(id, "spiffe://td/", 12);
	assert_int_equal(spiffe_id_parse(BYTES(id, SPIFFE_ID_MAX), NULL, NULL).code, ERR_OK); /* s2.3 */
	assert_int_equal(spiffe_id_parse(BYTES(id, SPIFFE_ID_MAX + 1), NULL, NULL).code, ERR_INVALID_ARGUMENT);
	memset(domain, 'a', sizeof(domain));
	memcpy(whole + 9, domain, sizeof(domain));
	assert_int_equal(spiffe_trust_domain_check(BYTES(domain, 255)).code, ERR_OK);
	assert_int_equal(spiffe_trust_domain_check(BYTES(domain, 256)).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(spiffe_id_parse(BYTES(whole, 9 + 255), NULL, NULL).code, ERR_OK);
	assert_int_equal(spiffe_id_parse(BYTES(whole, 9 + 256), NULL, NULL).code, ERR_INVALID_ARGUMENT);
}

static void test_trust_domain_names(void **state)
{
	static const struct text bad[] = {
		T(""), T("A"), T("a/b"), T("a b"), T("a:1"), T("spiffe://a"), T("a\0"), T("\xc3\xa4"), T("a@b"), T("%61"),
	};

	(void)state;
	assert_int_equal(spiffe_trust_domain_check(bytes_str("a.b-c_9")).code, ERR_OK);
	assert_int_equal(spiffe_trust_domain_check(BYTES_NONE).code, ERR_INVALID_ARGUMENT);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(spiffe_trust_domain_check(BYTES(bad[i].p, bad[i].len)).code, ERR_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts_and_splits),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_every_byte_in_both_places),
		cmocka_unit_test(test_lengths_at_the_limits),
		cmocka_unit_test(test_trust_domain_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
