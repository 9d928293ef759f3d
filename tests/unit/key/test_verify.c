/* Signatures and keys, good and bad, from tests/data/key/vectors.txt (made by gen.py beside it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "base/own.h"
#include "key/key.h"

#define VECTORS "tests/data/key/vectors.txt"
#define FIELD_MAX 5000 /* bytes of one field */

static const struct {
	const char *name;
	enum key_scheme scheme;
} scheme_names[] = {
	{ "-", SCHEME_NONE },
	{ "NONE", SCHEME_NONE },
	{ "BEYOND", SCHEME_ECDSA_P384_SHA512 + 1 },
	{ "ECDSA_P256_SHA256", SCHEME_ECDSA_P256_SHA256 },
	{ "ECDSA_P256_SHA384", SCHEME_ECDSA_P256_SHA384 },
	{ "ECDSA_P256_SHA512", SCHEME_ECDSA_P256_SHA512 },
	{ "ECDSA_P384_SHA256", SCHEME_ECDSA_P384_SHA256 },
	{ "ECDSA_P384_SHA384", SCHEME_ECDSA_P384_SHA384 },
	{ "ECDSA_P384_SHA512", SCHEME_ECDSA_P384_SHA512 },
	{ "ECDSA_P521_SHA512", SCHEME_ECDSA_P521_SHA512 },
	{ "ED25519", SCHEME_ED25519 },
	{ "RSA_PKCS1_SHA256", SCHEME_RSA_PKCS1_SHA256 },
	{ "RSA_PKCS1_SHA384", SCHEME_RSA_PKCS1_SHA384 },
	{ "RSA_PKCS1_SHA512", SCHEME_RSA_PKCS1_SHA512 },
	{ "RSA_PSS_SHA256", SCHEME_RSA_PSS_SHA256 },
	{ "RSA_PSS_SHA384", SCHEME_RSA_PSS_SHA384 },
	{ "RSA_PSS_SHA512", SCHEME_RSA_PSS_SHA512 },
};

struct vector {
	const char *name, *expect;
	enum key_scheme scheme;
	struct bytes part[3]; /* SPKI, message, signature */
	uint8_t data[3][FIELD_MAX];
};

static enum key_scheme scheme_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(scheme_names); i++)
		if (strcmp(scheme_names[i].name, name) == 0) return scheme_names[i].scheme;
	fail_msg("%s: no such scheme", name);
	return SCHEME_NONE;
}

/* The line is cut up in place. */
static void vector_read(char *line, struct vector *v)
{
	line[strcspn(line, "\n")] = '\0';
	v->name = strsep(&line, "|");
	v->scheme = scheme_named(strsep(&line, "|"));
	v->expect = strsep(&line, "|");
	for (size_t i = 0; i < 3; i++) {
		const char *hex = strsep(&line, "|");

		assert_non_null(hex);
		assert_true(strlen(hex) / 2 <= FIELD_MAX);
		assert_int_equal(bytes_unhex(bytes_str(hex), v->data[i]).code, ERR_OK);
		v->part[i] = BYTES(v->data[i], strlen(hex) / 2);
	}
}

static void expect_code(const struct vector *v, const char *what, struct err got, enum err_code want)
{
	if (got.code != want) fail_msg("%s: %s: %s (%s)", v->name, what, err_code_name(got.code), got.reason);
}

/* The same key through key_public: its constructor refuses what key_check refuses. */
static void check_public(const struct vector *v, bool point_good, enum err_code want)
{
	AUTO(key_public) struct key_public *key = NULL;
	struct err e = key_public_new(v->part[0], &key);

	expect_code(v, "key_public_new", e, point_good ? ERR_OK : ERR_INVALID_ARGUMENT);
	assert_true((key != NULL) == point_good);
	if (key == NULL || v->scheme == SCHEME_NONE) return;
	for (int twice = 0; twice < 2; twice++)
		expect_code(v, "key_public_verify", key_public_verify(key, v->scheme, v->part[1], v->part[2]), want);
}

static void check_vector(struct key_verifier *verifier, const struct vector *v)
{
	bool good = strcmp(v->expect, "ok") == 0, point = strcmp(v->expect, "point") == 0;
	enum err_code want = good ? ERR_OK : ERR_INVALID_ARGUMENT;
	struct key_info info = { 0 };
	struct err e = key_info_parse(v->part[0], &info);

	if (strcmp(v->expect, "spki") == 0) {
		AUTO(key_public) struct key_public *key = NULL;

		expect_code(v, "key_info_parse", e, ERR_INVALID_ARGUMENT);
		assert_int_equal(info.type, KEY_NONE);
		assert_int_equal(key_public_new(v->part[0], &key).code, ERR_INVALID_ARGUMENT);
		return;
	}
	expect_code(v, "key_info_parse", e, ERR_OK);
	expect_code(v, "key_check", key_check(verifier, &info), point ? ERR_INVALID_ARGUMENT : ERR_OK);
	if (v->part[1].len + v->part[2].len > 0 && (v->scheme != SCHEME_NONE || !good))
		expect_code(v, "key_verify", key_verify(verifier, &info, v->scheme, v->part[1], v->part[2]), want);
	check_public(v, !point, want);
}

static void every_vector_is_judged_as_it_says(void **state)
{
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	static struct vector v;
	static char line[4 * FIELD_MAX];
	FILE *f = fopen(VECTORS, "r");
	int count = 0;

	(void)state;
	assert_non_null(f);
	assert_int_equal(key_verifier_new(&verifier).code, ERR_OK);
	while (fgets(line, sizeof(line), f) != NULL) {
		vector_read(line, &v);
		check_vector(verifier, &v);
		if (ERR_peek_error() != 0) fail_msg("%s: left OpenSSL's error queue filled", v.name); /* TLS would trip over it */
		count++;
	}
	fclose(f);
	assert_true(count > 550);
}

static bool find_vector(const char *name, char *line, size_t size, struct vector *v)
{
	FILE *f = fopen(VECTORS, "r");
	size_t len = strlen(name);
	bool found = false;

	assert_non_null(f);
	while (!found && fgets(line, (int)size, f) != NULL) found = strncmp(line, name, len) == 0 && line[len] == '|';
	fclose(f);
	if (found) vector_read(line, v);
	return found;
}

/* After a refused key the verifier must know neither that key nor the one before it. */
static void refused_point_leaves_no_key_behind(void **state)
{
	static const char *const bad_names[] = { "p256_key_off_curve", "p256_key_zero_zero", "p256_key_x_is_p" };
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	static struct vector good, bad;
	static char good_line[4 * FIELD_MAX], bad_line[4 * FIELD_MAX];
	struct key_info good_info, bad_info;

	(void)state;
	assert_int_equal(key_verifier_new(&verifier).code, ERR_OK);
	assert_true(find_vector("p256_good", good_line, sizeof(good_line), &good));
	assert_int_equal(key_info_parse(good.part[0], &good_info).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		assert_true(find_vector(bad_names[i], bad_line, sizeof(bad_line), &bad));
		assert_int_equal(key_info_parse(bad.part[0], &bad_info).code, ERR_OK);
		expect_code(&good, "before", key_verify(verifier, &good_info, good.scheme, good.part[1], good.part[2]), ERR_OK);
		/* the good key's signature under the refused key */
		expect_code(&bad, "bad", key_verify(verifier, &bad_info, good.scheme, good.part[1], good.part[2]),
		            ERR_INVALID_ARGUMENT);
		expect_code(&bad, "again", key_verify(verifier, &bad_info, good.scheme, good.part[1], good.part[2]),
		            ERR_INVALID_ARGUMENT);
		expect_code(&good, "after", key_verify(verifier, &good_info, good.scheme, good.part[1], good.part[2]), ERR_OK);
	}
}

/* Keys of two peers in turn, the schemes of one key in turn: each signature passes under its own only. */
static void reused_objects_follow_key_and_scheme(void **state)
{
	static const char *const names[] = { "p256_good", "p256_good_sha384", "p256_good_sha512", "p384_good",
		                             "p384_good_sha256", "p521_good", "ed25519_good", "rsa2048_good_pss_sha256" };
	static struct vector v[ARRAY_LEN(names)];
	static char lines[ARRAY_LEN(names)][4 * FIELD_MAX];
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	struct key_info info;

	(void)state;
	assert_int_equal(key_verifier_new(&verifier).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) assert_true(find_vector(names[i], lines[i], sizeof(lines[i]), &v[i]));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (size_t j = 0; j < ARRAY_LEN(names); j++) {
			struct err e;

			assert_int_equal(key_info_parse(v[i].part[0], &info).code, ERR_OK);
			e = key_verify(verifier, &info, v[j].scheme, v[i].part[1], v[j].part[2]);
			expect_code(&v[i], names[j], e, bytes_equal(v[i].part[0], v[j].part[0]) ? ERR_OK : ERR_INVALID_ARGUMENT);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vector_is_judged_as_it_says),
		cmocka_unit_test(refused_point_leaves_no_key_behind),
		cmocka_unit_test(reused_objects_follow_key_and_scheme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
