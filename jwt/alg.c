#include "jwt/alg.h"

static const struct jwt_alg algs[] = {
	{ "RS256", KEY_RSA, SCHEME_RSA_PKCS1_SHA256, 0 },
	{ "RS384", KEY_RSA, SCHEME_RSA_PKCS1_SHA384, 0 },
	{ "RS512", KEY_RSA, SCHEME_RSA_PKCS1_SHA512, 0 },
	{ "PS256", KEY_RSA, SCHEME_RSA_PSS_SHA256, 0 },
	{ "PS384", KEY_RSA, SCHEME_RSA_PSS_SHA384, 0 },
	{ "PS512", KEY_RSA, SCHEME_RSA_PSS_SHA512, 0 },
	{ "ES256", KEY_P256, SCHEME_ECDSA_P256_SHA256, 32 },
	{ "ES384", KEY_P384, SCHEME_ECDSA_P384_SHA384, 48 },
	{ "ES512", KEY_P521, SCHEME_ECDSA_P521_SHA512, 66 },
	{ "EdDSA", KEY_ED25519, SCHEME_ED25519, 0 },
};

const struct jwt_alg *jwt_alg_find(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(algs); i++)
		if (bytes_is(name, algs[i].name)) return &algs[i];
	return NULL;
}
