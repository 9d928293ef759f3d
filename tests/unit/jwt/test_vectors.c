/* Tokens and keys that PyJWT and pyca/cryptography made (tests/data/jwt/make.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "jwt/jwt.h"

static struct bytes load(const char *name, uint8_t *data, size_t size)
{
	char path[128];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "tests/data/jwt/%s", name);
	f = fopen(path, "rb");
	if (f == NULL) fail_msg("%s", path);
	len = fread(data, 1, size, f);
	fclose(f);
	return BYTES(data, len);
}

static struct jwt_keys *load_keys(void)
{
	static uint8_t data[64 * 1024];
	struct jwt_keys *keys = NULL;
	struct err e = jwt_keys_parse(load("jwks.json", data, sizeof(data)), &keys);

	if (e.code != ERR_OK) fail_msg("%s", e.reason);
	return keys;
}

static const struct {
	const char *file, *alg, *kid;
	const char *reason; /* NULL: verifies */
} vectors[] = {
	{ "RS256.jwt", "RS256", "rsa", NULL },
	{ "RS384.jwt", "RS384", "rsa", NULL },
	{ "RS512.jwt", "RS512", "rsa", NULL },
	{ "PS256.jwt", "PS256", "rsa", NULL },
	{ "PS384.jwt", "PS384", "rsa", NULL },
	{ "PS512.jwt", "PS512", "rsa", NULL },
	{ "ES256.jwt", "ES256", "p256", NULL },
	{ "ES384.jwt", "ES384", "p384", NULL },
	{ "ES512.jwt", "ES512", "p521", NULL },
	{ "EdDSA.jwt", "EdDSA", "ed", NULL },
	{ "bad-audience.jwt", "EdDSA", "ed", "jwt: aud holds none of the expected audiences" },
	{ "bad-issuer.jwt", "EdDSA", "ed", "jwt: iss is not the expected one" },
	{ "bad-expired-without-kid.jwt", "EdDSA", "", "jwt: expired" },
	{ "bad-kid-of-other-key.jwt", "ES256", "p384", "jwt: alg does not go with the key" },
	{ "bad-jku.jwt", NULL, NULL, "jwt: crit, b64, jku, jwk, x5u or x5c in the header" },
	{ "bad-hs256-public-key.jwt", NULL, NULL, "jwt: alg is not one that we take" },
	{ "bad-none.jwt", NULL, NULL, "jwt: not signed" },
};

static void tokens_of_another_implementation_verify_or_fail_by_name(void **state)
{
	static const char *const audience = "signet";
	const struct jwt_expect expect = { .issuer = "https://issuer", .audiences = &audience, .audience_count = 1,
		                           .now = 1790000000, .leeway = 0, .max_lifetime = 600 };
	AUTO(jwt_keys) struct jwt_keys *keys = load_keys();
	static uint8_t data[JWT_MAX];

	(void)state;
	assert_int_equal(jwt_keys_count(keys), 5);
	assert_int_equal(jwt_keys_skipped(keys), 2);
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		AUTO(json) json_t *claims = NULL;
		struct bytes token = load(vectors[i].file, data, sizeof(data));
		struct jwt_peek peek = { 0 };
		struct err e = jwt_verify(token, keys, &expect, &claims);

		if (strcmp(e.reason, vectors[i].reason == NULL ? "ok" : vectors[i].reason) != 0)
			fail_msg("%s: %s", vectors[i].file, e.reason);
		assert_int_equal(e.code, vectors[i].reason == NULL ? ERR_OK : ERR_UNAUTHENTICATED);
		if (vectors[i].reason == NULL)
			assert_string_equal(json_string_value(json_object_get(claims, "sub")), "spiffe://td/ns/a/sa/b");
		e = jwt_peek(token, &peek);
		assert_int_equal(e.code, vectors[i].alg == NULL ? ERR_INVALID_ARGUMENT : ERR_OK);
		assert_string_equal(peek.alg, vectors[i].alg == NULL ? "" : vectors[i].alg);
		assert_string_equal(peek.kid, vectors[i].kid == NULL ? "" : vectors[i].kid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tokens_of_another_implementation_verify_or_fail_by_name) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
