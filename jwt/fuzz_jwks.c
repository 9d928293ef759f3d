/* jwt.h: a key set comes out if and only if it is accepted, its counts are within bounds, and it can be used. */
#include "jwt/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char token[] = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
	static const char *const audience = "a";
	const struct jwt_expect expect = { .issuer = "i", .audiences = &audience, .audience_count = 1, .now = 1 };
	AUTO(jwt_keys) struct jwt_keys *keys = NULL;
	AUTO(json) json_t *claims = NULL;
	struct err e = jwt_keys_parse(BYTES(data, len), &keys);

	if ((e.code == ERR_OK) != (keys != NULL)) __builtin_trap();
	if (e.code != ERR_OK && e.code != ERR_INVALID_ARGUMENT && e.code != ERR_NOT_FOUND) __builtin_trap();
	if (keys == NULL) return 0;
	if (jwt_keys_count(keys) == 0 || jwt_keys_count(keys) + jwt_keys_skipped(keys) > JWKS_KEYS_MAX) __builtin_trap();
	if (jwt_verify(BYTES(token, sizeof(token) - 1), keys, &expect, &claims).code != ERR_UNAUTHENTICATED) __builtin_trap();
	return 0;
}
