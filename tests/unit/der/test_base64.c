#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "der/base64.h"

#define T(s) { s, sizeof(s) - 1 }
struct text {
	const char *p;
	size_t len;
};

static const struct {
	struct text plain, standard, url;
} vectors[] = {
	/* RFC 4648 s10 */
	{ T(""), T(""), T("") },
	{ T("f"), T("Zg=="), T("Zg") },
	{ T("fo"), T("Zm8="), T("Zm8") },
	{ T("foo"), T("Zm9v"), T("Zm9v") },
	{ T("foob"), T("Zm9vYg=="), T("Zm9vYg") },
	{ T("fooba"), T("Zm9vYmE="), T("Zm9vYmE") },
	{ T("foobar"), T("Zm9vYmFy"), T("Zm9vYmFy") },
	/* the two characters in which the alphabets differ, and every byte extreme */
	{ T("\xfb\xff\xbf"), T("+/+/"), T("-_-_") },
	{ T("\x00\x00\x00\x00"), T("AAAAAA=="), T("AAAAAA") },
	{ T("\xff\xff\xff\xff\xff"), T("//////8="), T("______8") },
};

static void test_both_alphabets_encode_and_decode_the_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		AUTO(buf) struct buf a = { .max = 64 }, b = { .max = 64 }, c = { .max = 64 }, d = { .max = 64 };
		struct bytes plain = BYTES(vectors[i].plain.p, vectors[i].plain.len);

		assert_int_equal(base64_put(&a, plain).code, ERR_OK);
		assert_true(bytes_is(buf_view(&a), vectors[i].standard.p));
		assert_int_equal(base64url_put(&b, plain).code, ERR_OK);
		assert_true(bytes_is(buf_view(&b), vectors[i].url.p));
		assert_int_equal(base64_take(buf_view(&a), &c).code, ERR_OK);
		assert_true(bytes_equal(buf_view(&c), plain));
		assert_int_equal(base64url_take(buf_view(&b), &d).code, ERR_OK);
		assert_true(bytes_equal(buf_view(&d), plain));
	}
}

static const struct text refused_standard[] = {
	T("Z"), T("Zg"), T("Zg="), T("Zm8"), T("Zg==="), T("Zg===="), T("="), T("=="), T("===="), T("Z==="), T("Zg==Zg=="),
	T("Zm9v="), T("Zm9v===="), T("Zg=v"), T("Z=m9"), T("=Zm9"),
	T("Zh=="), T("Zm9="),        /* RFC 4648 s3.5: padding bits that are not zero */
	T("Zm9v\n"), T("Zm 9v"), T(" Zm9v"), T("Zm9v "), T("Zm\r\n9v"), T("Zm9\0"), T("\0\0\0\0"),
	T("-_-_"), T("Zm9."), T("Zm9\x80"), T("\xff\xff\xff\xff"), T("Zm9v,m9v"), T("Zm9vYmFy!mFy"),
};
static const struct text refused_url[] = {
	T("Z"), T("Zg="), T("Zg=="), T("Zm8="), T("Zm9vY"), T("+/+/"), T("Zh"), T("Zm9"), /* RFC 7515 s2 */
	T("="), T("Zm9v\n"), T("Zm 9v"), T("Zm9."), T("Zm9\0"), T("Zm\xc3\xa9"), T("Zm9vYmF!"),
};

static void refuse(struct text t, struct err (*take)(struct bytes, struct buf *))
{
	AUTO(buf) struct buf out = { .max = 64 };

	assert_int_equal(buf_put_str(&out, "kept").code, ERR_OK);
	if (take(BYTES(t.p, t.len), &out).code != ERR_INVALID_ARGUMENT) fail_msg("accepted: %s", t.p);
	assert_true(bytes_is(buf_view(&out), "kept"));
}

static void test_refuses_what_is_not_canonical(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused_standard); i++) refuse(refused_standard[i], base64_take);
	for (size_t i = 0; i < ARRAY_LEN(refused_url); i++) refuse(refused_url[i], base64url_take);
}

static void test_each_byte_outside_the_alphabet_is_refused_at_each_place(void **state)
{
	static const char *alphabets[2] = { "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		                            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" };

	(void)state;
	for (unsigned url = 0; url < 2; url++)
		for (unsigned place = 0; place < 8; place++)
			for (unsigned c = 0; c < 256; c++) {
				AUTO(buf) struct buf out = { .max = 64 };
				char text[9] = "AAAAAAAA";
				bool member = c != 0 && strchr(alphabets[url], (int)c) != NULL;
				bool pad = url == 0 && c == '=' && place == 7;
				struct err e;

				text[place] = (char)c;
				e = (url ? base64url_take : base64_take)(BYTES(text, 8), &out);
				assert_int_equal(e.code, member || pad ? ERR_OK : ERR_INVALID_ARGUMENT);
			}
}

static void test_random_lengths_round_trip_and_limits_hold(void **state)
{
	uint8_t raw[300];

	(void)state;
	for (size_t i = 0; i < sizeof(raw); i++) raw[i] = (uint8_t)(i * 167 + (i >> 3));
	for (size_t n = 0; n <= sizeof(raw); n++) {
		AUTO(buf) struct buf text = { .max = 400 }, back = { .max = n }, small = { .max = n == 0 ? 0 : n - 1 };

		assert_int_equal(base64_put(&text, BYTES(raw, n)).code, ERR_OK);
		assert_int_equal(text.len, (n + 2) / 3 * 4);
		assert_int_equal(base64_take(buf_view(&text), &back).code, ERR_OK); /* a limit of exactly n is enough */
		assert_true(bytes_equal(buf_view(&back), BYTES(raw, n)));
		if (n > 0) assert_int_equal(base64_take(buf_view(&text), &small).code, ERR_RESOURCE_EXHAUSTED);
		assert_int_equal(small.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_alphabets_encode_and_decode_the_vectors),
		cmocka_unit_test(test_refuses_what_is_not_canonical),
		cmocka_unit_test(test_each_byte_outside_the_alphabet_is_refused_at_each_place),
		cmocka_unit_test(test_random_lengths_round_trip_and_limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
