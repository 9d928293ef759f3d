/* jwt.h: a token verifies only if it can be peeked at, and claims come out if and only if it does.  An input that starts
 * with '{' is taken as the payload of a token that is signed here, so that the checks behind the signature are reached;
 * the keys are those of tests/data/jwt/make.py. */
#include <openssl/evp.h>
#include <string.h>

#include "der/base64.h"
#include "jwt/jwt.h"

#define NOW 1790000000

static const char key_set[] =
	"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"p256\","
	"\"x\":\"Dcx2SMeKMRjyYShm_oPvGfQDBPYjOZ4SEaEPKz0cBc8\",\"y\":\"MOgCdne8uRKUPpn_cRQOqbwkcTvht1wx_0BUckxPnQA\"},"
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}]}";

static void must(bool ok)
{
	if (!ok) __builtin_trap();
}

/* A token with this payload, signed by the Ed25519 key whose private half is 32 octets of 1. */
static void sign(struct bytes payload, struct buf *token)
{
	uint8_t seed[32], sig[64];
	size_t len = sizeof(sig);
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	memset(seed, 1, sizeof(seed));
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
	must(buf_put_str(token, "eyJhbGciOiJFZERTQSJ9.").code == ERR_OK); /* {"alg":"EdDSA"} */
	must(base64url_put(token, payload).code == ERR_OK);
	must(EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) == 1);
	must(EVP_DigestSign(ctx, sig, &len, token->data, token->len) == 1);
	must(buf_put_str(token, ".").code == ERR_OK);
	must(base64url_put(token, BYTES(sig, len)).code == ERR_OK);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
}

/* What jwt_verify() promises of the claims that it lets out. */
static void check_claims(const json_t *claims)
{
	struct bytes iss;
	int64_t t;

	must(json_string_of(claims, "iss", JWT_MAX, &iss).code == ERR_OK && bytes_is(iss, "https://issuer"));
	must(json_seconds_of(claims, "exp", &t).code == ERR_OK && t > NOW - 10);
	if (json_object_get(claims, "nbf") != NULL)
		must(json_seconds_of(claims, "nbf", &t).code == ERR_OK && t <= NOW + 10);
	if (json_object_get(claims, "iat") != NULL)
		must(json_seconds_of(claims, "iat", &t).code == ERR_OK && t <= NOW + 10);
	must(json_is_string(json_object_get(claims, "aud")) || json_array_size(json_object_get(claims, "aud")) > 0);
}

static void check_token(struct bytes token, struct jwt_keys *keys)
{
	static const char *const audience = "signet";
	const struct jwt_expect expect = { .issuer = "https://issuer", .audiences = &audience, .audience_count = 1,
		                           .now = NOW, .leeway = 10, .max_lifetime = 0 };
	AUTO(json) json_t *claims = NULL;
	struct jwt_peek peek = { 0 };
	struct err peeked = jwt_peek(token, &peek), e = jwt_verify(token, keys, &expect, &claims);

	must(peeked.code == ERR_OK || (peeked.code == ERR_INVALID_ARGUMENT && peek.alg[0] == '\0'));
	must((e.code == ERR_OK) == (claims != NULL));
	must(e.code == ERR_OK || e.code == ERR_UNAUTHENTICATED);
	if (claims == NULL) return;
	must(peeked.code == ERR_OK && strcmp(peek.iss, "https://issuer") == 0);
	check_claims(claims);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct jwt_keys *keys; /* parsed once: it costs more than all the rest */
	AUTO(buf) struct buf token = { .max = 8 * JWT_MAX };

	if (keys == NULL) must(jwt_keys_parse(BYTES(key_set, sizeof(key_set) - 1), &keys).code == ERR_OK);
	if (len > 0 && len < 3 * JWT_MAX && data[0] == '{') {
		sign(BYTES(data, len), &token);
		check_token(buf_view(&token), keys);
	} else {
		check_token(BYTES(data, len), keys);
	}
	return 0;
}
