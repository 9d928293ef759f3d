/* jwt_keys_parse(): which key sets are taken, which keys of them are passed over, and which sets are refused whole. */
#include "jwt/sign.h"

#include "jwt/jwt.h"

/* On P-256 and Ed25519, from tests/data/jwt/make.py. */
#define X "Dcx2SMeKMRjyYShm_oPvGfQDBPYjOZ4SEaEPKz0cBc8"
#define Y "MOgCdne8uRKUPpn_cRQOqbwkcTvht1wx_0BUckxPnQA"
#define ED "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w"
#define EC_XY "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\""
#define OKP_X "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED "\""
#define SET(keys) "{\"keys\":[" keys "]}"
#define GOOD "{" OKP_X ",\"kid\":\"good\"}"
#define ZEROS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" /* 32 octets */
#define ONES "__________________________________________8"   /* 32 octets of ff */

/* Alone and beside a good key: `count` and `skipped` are those beside the good key. */
static const struct {
	const char *name, *key;
	enum err_code alone, beside;
	size_t count, skipped;
} key_cases[] = {
	{ "ec", "{" EC_XY "}", ERR_OK, ERR_OK, 2, 0 },
	{ "okp", "{" OKP_X ",\"kid\":\"k\"}", ERR_OK, ERR_OK, 2, 0 },
	{ "use_sig", "{" EC_XY ",\"use\":\"sig\"}", ERR_OK, ERR_OK, 2, 0 },
	{ "use_jwt_svid", "{" EC_XY ",\"use\":\"jwt-svid\"}", ERR_OK, ERR_OK, 2, 0 },
	{ "key_ops_verify", "{" EC_XY ",\"key_ops\":[\"sign\",\"verify\"]}", ERR_OK, ERR_OK, 2, 0 },
	{ "alg_that_goes_with_it", "{" EC_XY ",\"alg\":\"ES256\"}", ERR_OK, ERR_OK, 2, 0 },
	{ "unknown_members", "{" EC_XY ",\"x5t\":\"AA\",\"exp\":1}", ERR_OK, ERR_OK, 2, 0 },
	{ "empty_kid", "{" EC_XY ",\"kid\":\"\"}", ERR_OK, ERR_OK, 2, 0 },
	/* skipped: not for us */
	{ "use_enc", "{" EC_XY ",\"use\":\"enc\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "use_x509_svid", "{" EC_XY ",\"use\":\"x509-svid\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "use_in_another_case", "{" EC_XY ",\"use\":\"SIG\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "use_unknown", "{" EC_XY ",\"use\":\"wit-svid\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "use_enc_and_malformed", "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":1}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "use_enc_and_same_kid", "{" EC_XY ",\"use\":\"enc\",\"kid\":\"good\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "key_ops_sign", "{" EC_XY ",\"key_ops\":[\"sign\"]}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "key_ops_empty", "{" EC_XY ",\"key_ops\":[]}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "alg_for_encryption", "{" EC_XY ",\"alg\":\"ECDH-ES\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "alg_hs256", "{" EC_XY ",\"alg\":\"HS256\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "alg_none", "{" EC_XY ",\"alg\":\"none\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "kty_unknown", "{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AA\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "kty_in_another_case", "{\"kty\":\"ec\",\"crv\":\"P-256\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "crv_secp256k1", "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X "\",\"y\":\"" Y "\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "crv_x25519", "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED "\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	{ "crv_of_another_kty", "{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"" X "\"}", ERR_NOT_FOUND, ERR_OK, 1, 1 },
	/* refused whole: a private or symmetric key is out */
#define REFUSED ERR_INVALID_ARGUMENT, ERR_INVALID_ARGUMENT, 0, 0
	{ "ec_private", "{" EC_XY ",\"d\":\"" ZEROS "\"}", REFUSED },
	{ "okp_private", "{" OKP_X ",\"d\":\"" ZEROS "\"}", REFUSED },
	{ "private_though_for_encryption", "{" EC_XY ",\"use\":\"enc\",\"d\":\"" ZEROS "\"}", REFUSED },
	{ "private_of_unknown_curve", "{\"kty\":\"EC\",\"crv\":\"P-192\",\"d\":\"AA\"}", REFUSED },
	{ "private_null", "{" EC_XY ",\"d\":null}", REFUSED },
	{ "rsa_crt_only", "{\"kty\":\"RSA\",\"n\":\"AQ\",\"e\":\"AQAB\",\"use\":\"enc\",\"dp\":\"AA\"}", REFUSED },
	{ "symmetric", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", REFUSED },
	{ "akp_private", "{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AA\",\"priv\":\"AA\"}", REFUSED },
	/* refused whole: malformed */
	{ "kty_missing", "{\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" Y "\"}", REFUSED },
	{ "kty_not_a_string", "{\"kty\":1}", REFUSED },
	{ "crv_missing", "{\"kty\":\"EC\",\"x\":\"" X "\",\"y\":\"" Y "\"}", REFUSED },
	{ "use_not_a_string", "{" EC_XY ",\"use\":[\"sig\"]}", REFUSED },
	{ "key_ops_a_string", "{" EC_XY ",\"key_ops\":\"verify\"}", REFUSED },
	{ "key_ops_of_numbers", "{" EC_XY ",\"key_ops\":[1]}", REFUSED },
	{ "alg_not_a_string", "{" EC_XY ",\"alg\":null}", REFUSED },
	{ "alg_of_another_curve", "{" EC_XY ",\"alg\":\"ES384\"}", REFUSED },
	{ "alg_of_another_type", "{" EC_XY ",\"alg\":\"RS256\"}", REFUSED },
	{ "kid_not_a_string", "{" EC_XY ",\"kid\":7}", REFUSED },
	{ "kid_twice_in_the_set", "{" EC_XY ",\"kid\":\"good\"}", ERR_OK, ERR_INVALID_ARGUMENT, 0, 0 },
	{ "duplicate_member", "{" EC_XY ",\"kty\":\"EC\"}", REFUSED },
	{ "a_string", "\"key\"", REFUSED },
	{ "null", "null", REFUSED },
	{ "x_missing", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y "\"}", REFUSED },
	{ "y_missing", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\"}", REFUSED },
	{ "x_empty", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"" Y "\"}", REFUSED },
	{ "x_short", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"zHZIx4oxGPJhKGb-g-8Z9AME9iM5nhIRoQ8rPRwFzw\",\"y\":\"" Y "\"}", REFUSED },
	{ "x_with_a_zero_before", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA3MdkjHijEY8mEoZv6D7xn0AwT2IzmeEhGhDys9HAXP\",\"y\":\"" Y "\"}", REFUSED },
	{ "lengths_that_add_up", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "AA\",\"y\":\"AAAA\"}", REFUSED },
	{ "off_curve", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "\",\"y\":\"" X "\"}", REFUSED },
	{ "point_zero", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ZEROS "\",\"y\":\"" ZEROS "\"}", REFUSED },
	{ "coordinate_over_the_field", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" ONES "\",\"y\":\"" ONES "\"}", REFUSED },
	{ "point_of_p256_as_p384", "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X "\",\"y\":\"" Y "\"}", REFUSED },
	{ "x_padded", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X "=\",\"y\":\"" Y "\"}", REFUSED },
	{ "x_not_canonical", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"Dcx2SMeKMRjyYShm_oPvGfQDBPYjOZ4SEaEPKz0cBc9\",\"y\":\"" Y "\"}", REFUSED },
	{ "x_standard_base64", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"Dcx2SMeKMRjyYShm/oPvGfQDBPYjOZ4SEaEPKz0cBc8\",\"y\":\"" Y "\"}", REFUSED },
	{ "x_a_number", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":\"" Y "\"}", REFUSED },
	{ "ed25519_short", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}", REFUSED },
	{ "ed25519_missing", "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", REFUSED },
	{ "rsa_without_n", "{\"kty\":\"RSA\",\"e\":\"AQAB\"}", REFUSED },
	{ "rsa_without_e", "{\"kty\":\"RSA\",\"n\":\"AQAB\"}", REFUSED },
	{ "rsa_empty", "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}", REFUSED },
	{ "rsa_zero", "{\"kty\":\"RSA\",\"n\":\"AA\",\"e\":\"AA\"}", REFUSED },
	{ "rsa_tiny", "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", REFUSED },
};

static enum err_code parse(const char *json, size_t *count, size_t *skipped)
{
	AUTO(jwt_keys) struct jwt_keys *keys = NULL;
	struct err e = jwt_keys_parse(bytes_str(json), &keys);

	if ((e.code == ERR_OK) != (keys != NULL)) fail_msg("*out does not go with the result: %s", e.reason);
	*count = keys == NULL ? 0 : jwt_keys_count(keys);
	*skipped = keys == NULL ? 0 : jwt_keys_skipped(keys);
	return e.code;
}

static void each_key_is_taken_skipped_or_refuses_the_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(key_cases); i++) {
		size_t count, skipped;
		char json[2048];

		snprintf(json, sizeof(json), SET("%s"), key_cases[i].key);
		if (parse(json, &count, &skipped) != key_cases[i].alone) fail_msg("%s alone", key_cases[i].name);
		snprintf(json, sizeof(json), SET("%s," GOOD), key_cases[i].key);
		if (parse(json, &count, &skipped) != key_cases[i].beside) fail_msg("%s before a good key", key_cases[i].name);
		if (count != key_cases[i].count || skipped != key_cases[i].skipped) fail_msg("%s counts", key_cases[i].name);
		snprintf(json, sizeof(json), SET(GOOD ",%s"), key_cases[i].key);
		if (parse(json, &count, &skipped) != key_cases[i].beside) fail_msg("%s after a good key", key_cases[i].name);
	}
}

static const struct {
	const char *json;
	enum err_code want;
} set_cases[] = {
	{ SET(GOOD), ERR_OK },
	{ "{\"spiffe_sequence\":18446744073709551615,\"keys\":[" GOOD "]}", ERR_INVALID_ARGUMENT }, /* over int64: jansson */
	{ "{\"spiffe_sequence\":9223372036854775807,\"spiffe_refresh_hint\":300,\"keys\":[" GOOD "]}", ERR_OK },
	{ SET(""), ERR_NOT_FOUND },
	{ "{}", ERR_INVALID_ARGUMENT },
	{ "{\"keys\":null}", ERR_INVALID_ARGUMENT },
	{ "{\"keys\":{}}", ERR_INVALID_ARGUMENT },
	{ "{\"keys\":" GOOD "}", ERR_INVALID_ARGUMENT },
	{ "{\"keys\":[" GOOD "],\"keys\":[]}", ERR_INVALID_ARGUMENT },
	{ "[" GOOD "]", ERR_INVALID_ARGUMENT },
	{ GOOD, ERR_INVALID_ARGUMENT },
	{ SET(GOOD) "x", ERR_INVALID_ARGUMENT },
	{ "", ERR_INVALID_ARGUMENT },
};

static void sets_are_strict(void **state)
{
	size_t count, skipped;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(set_cases); i++)
		if (parse(set_cases[i].json, &count, &skipped) != set_cases[i].want) fail_msg("%s", set_cases[i].json);
}

/* `n` keys without kid, and white space up to `len` bytes. */
static enum err_code parse_many(size_t n, size_t len)
{
	AUTO(buf) struct buf json = { .max = 2 * JWKS_MAX };
	AUTO(jwt_keys) struct jwt_keys *keys = NULL;
	enum err_code code;

	sign_must(buf_put_str(&json, "{\"keys\":["));
	for (size_t i = 0; i < n; i++) sign_must(buf_printf(&json, "%s{" OKP_X "}", i == 0 ? "" : ","));
	sign_must(buf_put_str(&json, "]}"));
	while (json.len < len) sign_must(buf_put_str(&json, " "));
	code = jwt_keys_parse(buf_view(&json), &keys).code;
	if (code == ERR_OK) assert_int_equal(jwt_keys_count(keys), n);
	return code;
}

static void the_set_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(parse_many(JWKS_KEYS_MAX, 0), ERR_OK);
	assert_int_equal(parse_many(JWKS_KEYS_MAX + 1, 0), ERR_INVALID_ARGUMENT);
	assert_int_equal(parse_many(1, JWKS_MAX), ERR_OK);
	assert_int_equal(parse_many(1, JWKS_MAX + 1), ERR_INVALID_ARGUMENT);
}

/* An RSA JWK whose modulus is `zeros` octets of 0, then `bits` bits (first and last one set, if odd). */
static enum err_code parse_rsa(size_t bits, size_t zeros, bool odd, const char *e)
{
	AUTO(buf) struct buf json = { .max = 8192 };
	AUTO(jwt_keys) struct jwt_keys *keys = NULL;
	uint8_t n[2200] = { 0 };
	size_t len = bits / 8;

	memset(n + zeros, 0xa7, len);
	if (!odd) n[zeros + len - 1] = 0xa6;
	sign_must(buf_put_str(&json, "{\"keys\":[{\"kty\":\"RSA\""));
	sign_put_member(&json, "n", n, zeros + len);
	sign_must(buf_printf(&json, ",\"e\":\"%s\"}]}", e));
	return jwt_keys_parse(buf_view(&json), &keys).code;
}

static const struct {
	const char *name;
	size_t bits, zeros;
	bool odd;
	const char *e;
	enum err_code want;
} rsa_cases[] = {
	{ "2048", 2048, 0, true, "AQAB", ERR_OK },
	{ "8192", 8192, 0, true, "AQAB", ERR_OK },
	{ "a_needless_zero", 2048, 1, true, "AQAB", ERR_OK },
	{ "a_needless_zero_of_8192", 8192, 1, true, "AQAB", ERR_OK },
	{ "1024", 1024, 0, true, "AQAB", ERR_INVALID_ARGUMENT },
	{ "1024_with_zeros", 1024, 128, true, "AQAB", ERR_INVALID_ARGUMENT },
	{ "2040", 2040, 0, true, "AQAB", ERR_INVALID_ARGUMENT },
	{ "8200", 8200, 0, true, "AQAB", ERR_INVALID_ARGUMENT },
	{ "16384", 16384, 0, true, "AQAB", ERR_INVALID_ARGUMENT },
	{ "even_modulus", 2048, 0, false, "AQAB", ERR_INVALID_ARGUMENT },
	{ "exponent_1", 2048, 0, true, "AQ", ERR_INVALID_ARGUMENT },
	{ "exponent_3", 2048, 0, true, "Aw", ERR_INVALID_ARGUMENT },
	{ "exponent_even", 2048, 0, true, "AQAA", ERR_INVALID_ARGUMENT },
	{ "exponent_huge", 2048, 0, true, "AQAAAAAAAAAAAAE", ERR_INVALID_ARGUMENT },
	{ "exponent_0", 2048, 0, true, "AA", ERR_INVALID_ARGUMENT },
};

static void rsa_keys_are_neither_weak_nor_costly(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rsa_cases); i++)
		if (parse_rsa(rsa_cases[i].bits, rsa_cases[i].zeros, rsa_cases[i].odd, rsa_cases[i].e) != rsa_cases[i].want)
			fail_msg("%s", rsa_cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_key_is_taken_skipped_or_refuses_the_set),
		cmocka_unit_test(sets_are_strict),
		cmocka_unit_test(the_set_is_bounded),
		cmocka_unit_test(rsa_keys_are_neither_weak_nor_costly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
