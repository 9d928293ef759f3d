/* sign.h: keys, JWKs and signed tokens made at test time with OpenSSL alone; nothing of jwt/ or key/ is used here. */
#ifndef SIGNET_TESTS_JWT_SIGN_H
#define SIGNET_TESTS_JWT_SIGN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#include "base/bytes.h"
#include "base/own.h"
#include "der/base64.h"

enum { RSA_A, P256_A, P384_A, P521_A, ED_A, P256_B, RSA_B, SIGN_KEYS };

struct sign_keys {
	EVP_PKEY *pkey[SIGN_KEYS];
};

struct sign_alg {
	const char *name;
	const char *md; /* NULL: EdDSA */
	bool pss;
	size_t coordinate;
	int key;
};

static const struct sign_alg sign_algs[] = {
	{ "RS256", "SHA256", false, 0, RSA_A }, { "RS384", "SHA384", false, 0, RSA_A },
	{ "RS512", "SHA512", false, 0, RSA_A }, { "PS256", "SHA256", true, 0, RSA_A },
	{ "PS384", "SHA384", true, 0, RSA_A },  { "PS512", "SHA512", true, 0, RSA_A },
	{ "ES256", "SHA256", false, 32, P256_A }, { "ES384", "SHA384", false, 48, P384_A },
	{ "ES512", "SHA512", false, 66, P521_A }, { "EdDSA", NULL, false, 0, ED_A },
};
#define SIGN_ES256 (&sign_algs[6])

static inline int sign_setup(void **state)
{
	static struct sign_keys keys;

	keys.pkey[RSA_A] = EVP_RSA_gen(2048);
	keys.pkey[RSA_B] = EVP_RSA_gen(2048);
	keys.pkey[P256_A] = EVP_EC_gen("P-256");
	keys.pkey[P256_B] = EVP_EC_gen("P-256");
	keys.pkey[P384_A] = EVP_EC_gen("P-384");
	keys.pkey[P521_A] = EVP_EC_gen("P-521");
	keys.pkey[ED_A] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	for (size_t i = 0; i < SIGN_KEYS; i++)
		if (keys.pkey[i] == NULL) return -1;
	*state = &keys;
	return 0;
}

static inline int sign_teardown(void **state)
{
	struct sign_keys *keys = *state;

	for (size_t i = 0; i < SIGN_KEYS; i++) EVP_PKEY_free(keys->pkey[i]);
	return 0;
}

static inline void sign_must(struct err e)
{
	if (e.code != ERR_OK) fail_msg("%s", e.reason);
}

static inline void sign_put_member(struct buf *out, const char *name, const void *data, size_t len)
{
	sign_must(buf_printf(out, ",\"%s\":\"", name));
	sign_must(base64url_put(out, BYTES(data, len)));
	sign_must(buf_put_str(out, "\""));
}

static inline void sign_put_bn(struct buf *out, const char *name, EVP_PKEY *pkey, const char *param)
{
	uint8_t octets[1100];
	BIGNUM *bn = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, param, &bn), 1);
	sign_put_member(out, name, octets, (size_t)BN_bn2bin(bn, octets));
	BN_free(bn);
}

/* {"kty":...,<the public members>,<members>}; `members` is "" or starts with a comma. */
static inline void sign_put_jwk(struct buf *out, EVP_PKEY *pkey, const char *members)
{
	uint8_t point[200];
	size_t len = sizeof(point);

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		sign_must(buf_put_str(out, "{\"kty\":\"RSA\""));
		sign_put_bn(out, "n", pkey, OSSL_PKEY_PARAM_RSA_N);
		sign_put_bn(out, "e", pkey, OSSL_PKEY_PARAM_RSA_E);
	} else if (EVP_PKEY_is_a(pkey, "EC")) {
		assert_int_equal(EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, len, &len), 1);
		sign_must(buf_printf(out, "{\"kty\":\"EC\",\"crv\":\"%s\"",
		                     len == 65 ? "P-256" : len == 97 ? "P-384" : "P-521"));
		sign_put_member(out, "x", point + 1, len / 2);
		sign_put_member(out, "y", point + 1 + len / 2, len / 2);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, point, &len), 1);
		sign_must(buf_put_str(out, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\""));
		sign_put_member(out, "x", point, len);
	}
	sign_must(buf_printf(out, "%s}", members));
}

/* r || s from Ecdsa-Sig-Value, in place. */
static inline size_t sign_der_to_raw(uint8_t *sig, size_t len, size_t coordinate)
{
	const uint8_t *at = sig;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);

	assert_non_null(pair);
	assert_true(BN_bn2binpad(ECDSA_SIG_get0_r(pair), sig, (int)coordinate) > 0);
	assert_true(BN_bn2binpad(ECDSA_SIG_get0_s(pair), sig + coordinate, (int)coordinate) > 0);
	ECDSA_SIG_free(pair);
	return 2 * coordinate;
}

#define SIGN_MAX 1100
/* The JWS signature of `msg`; with coordinate 0 in *alg an ECDSA one stays DER. */
static inline size_t sign_raw(const struct sign_alg *alg, EVP_PKEY *pkey, struct bytes msg, uint8_t sig[SIGN_MAX])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	size_t len = SIGN_MAX;

	assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, alg->md, NULL, NULL, pkey, NULL), 1);
	if (alg->pss) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, sig, &len, msg.data, msg.len), 1);
	EVP_MD_CTX_free(ctx);
	return alg->coordinate == 0 ? len : sign_der_to_raw(sig, len, alg->coordinate);
}

/* header '.' payload, both encoded. */
static inline void sign_put_input(struct buf *out, const char *header, const char *payload)
{
	sign_must(base64url_put(out, bytes_str(header)));
	sign_must(buf_put_str(out, "."));
	sign_must(base64url_put(out, bytes_str(payload)));
}

/* A whole signed token. */
static inline void sign_put_token(struct buf *out, const struct sign_alg *alg, EVP_PKEY *pkey, const char *header,
                                  const char *payload)
{
	uint8_t sig[SIGN_MAX];
	size_t len;

	sign_put_input(out, header, payload);
	len = sign_raw(alg, pkey, buf_view(out), sig);
	sign_must(buf_put_str(out, "."));
	sign_must(base64url_put(out, BYTES(sig, len)));
}

#endif
