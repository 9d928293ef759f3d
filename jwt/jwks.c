#include <string.h>

#include "der/base64.h"
#include "der/der.h"
#include "jwt/alg.h"

#define JWK_TEXT_MAX 256                      /* bytes of a name in a JWK (kty, crv, use, alg); ours */
#define JWK_OCTETS_MAX (KEY_RSA_MAX / 8 + 1)  /* the modulus, with one needless zero octet in front */
#define JWK_BASE64_MAX ((JWK_OCTETS_MAX + 2) / 3 * 4)

struct jwk {
	char *kid;                 /* "" if absent */
	const struct jwt_alg *alg; /* NULL if the JWK names none */
	struct key_public *key;
};

struct jwt_keys {
	size_t count, skipped;
	struct jwk jwk[JWKS_KEYS_MAX];
};

/* Curves (RFC 7518 s6.2.1.1, RFC 8037 s2) and how their SubjectPublicKeyInfo says it (RFC 5480 s2.1.1, RFC 8410 s3). */
static const struct curve {
	const char *kty, *crv;
	size_t coordinate, coordinates; /* octets of each, and how many */
	uint8_t algorithm[21];          /* AlgorithmIdentifier, DER */
	size_t algorithm_len;
} curves[] = {
	{ "EC", "P-256", 32, 2, { 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, /* id-ecPublicKey */
	                          6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 }, 21 },  /* secp256r1 */
	{ "EC", "P-384", 48, 2, { 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1,
	                          6, 5, 0x2b, 0x81, 4, 0, 0x22 }, 18 },                 /* secp384r1 */
	{ "EC", "P-521", 66, 2, { 0x30, 0x10, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1,
	                          6, 5, 0x2b, 0x81, 4, 0, 0x23 }, 18 },                 /* secp521r1 */
	{ "OKP", "Ed25519", 32, 1, { 0x30, 5, 6, 3, 0x2b, 0x65, 0x70 }, 7 },
};

/* rsaEncryption with NULL parameters (RFC 3279 s2.3.1). */
static const uint8_t rsa_algorithm[] = { 0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0 };

/* As json_string_of, but an absent member is the empty view. */
static struct err optional_string(const json_t *object, const char *key, size_t max, struct bytes *out)
{
	struct err e = json_string_of(object, key, max, out);

	if (e.code != ERR_NOT_FOUND) return e;
	*out = BYTES_NONE;
	return OK;
}

/* As json_string_of; an absent member is a malformed key, not an empty set. */
static struct err required_string(const json_t *jwk, const char *key, size_t max, struct bytes *out)
{
	struct err e = json_string_of(jwk, key, max, out);

	if (e.code == ERR_NOT_FOUND) FAIL(ERR_INVALID_ARGUMENT, "jwks: a member that its type needs is missing");
	return e;
}

/* Append the octets of a base64url member. */
static struct err put_octets(const json_t *jwk, const char *key, struct buf *out)
{
	struct bytes text;

	TRY(required_string(jwk, key, JWK_BASE64_MAX, &text));
	return base64url_take(text, out);
}

static struct err put_spki(struct bytes algorithm, struct bytes key_bits, struct buf *spki)
{
	struct der_open seq;

	TRY(der_open(spki, DER_SEQUENCE, &seq));
	TRY(buf_put(spki, algorithm.data, algorithm.len));
	TRY(der_put_octet_bits(spki, key_bits));
	return der_close(spki, &seq);
}

/* RFC 7518 s6.3.1.  A zero octet before n or e, which the RFC forbids and some providers send, changes nothing. */
static struct err rsa_spki(const json_t *jwk, struct buf *spki)
{
	AUTO(buf) struct buf n = { .max = JWK_OCTETS_MAX };
	AUTO(buf) struct buf e = { .max = JWK_OCTETS_MAX };
	AUTO(buf) struct buf bits = { .max = KEY_SPKI_MAX };
	struct der_open seq;

	TRY(put_octets(jwk, "n", &n));
	TRY(put_octets(jwk, "e", &e));
	if (n.len == 0 || e.len == 0) FAIL(ERR_INVALID_ARGUMENT, "jwks: RSA key without modulus or exponent");
	TRY(der_open(&bits, DER_SEQUENCE, &seq)); /* RSAPublicKey, RFC 8017 A.1.1 */
	TRY(der_put_unsigned(&bits, buf_view(&n)));
	TRY(der_put_unsigned(&bits, buf_view(&e)));
	TRY(der_close(&bits, &seq));
	return put_spki(BYTES(rsa_algorithm, sizeof(rsa_algorithm)), buf_view(&bits), spki);
}

static struct err curve_spki(const json_t *jwk, const struct curve *curve, struct buf *spki)
{
	static const char *const names[] = { "x", "y" };
	AUTO(buf) struct buf bits = { .max = JWK_OCTETS_MAX };
	size_t want;

	if (curve->coordinates == 2) TRY(buf_put(&bits, "\x04", 1)); /* uncompressed point, SEC 1 s2.3.3 */
	for (size_t i = 0; i < curve->coordinates; i++) {
		want = bits.len + curve->coordinate;
		TRY(put_octets(jwk, names[i], &bits));
		/* RFC 7518 s6.2.1.2: the length of this octet string MUST be the full size of a coordinate. */
		if (bits.len != want) FAIL(ERR_INVALID_ARGUMENT, "jwks: coordinate of wrong length");
	}
	return put_spki(BYTES(curve->algorithm, curve->algorithm_len), buf_view(&bits), spki);
}

/* The JWK's key as SubjectPublicKeyInfo; nothing is written for a kty or crv that we do not know. */
static struct err jwk_spki(const json_t *jwk, struct buf *spki)
{
	struct bytes kty, crv;

	TRY(required_string(jwk, "kty", JWK_TEXT_MAX, &kty));
	if (bytes_is(kty, "RSA")) return rsa_spki(jwk, spki);
	if (!bytes_is(kty, "EC") && !bytes_is(kty, "OKP")) return OK;
	TRY(required_string(jwk, "crv", JWK_TEXT_MAX, &crv));
	for (size_t i = 0; i < ARRAY_LEN(curves); i++)
		if (bytes_is(kty, curves[i].kty) && bytes_is(crv, curves[i].crv))
			return curve_spki(jwk, &curves[i], spki);
	return OK;
}

/* RFC 7517 s4.3: may this key verify? */
static struct err key_ops_allow(const json_t *jwk, bool *allowed)
{
	const json_t *ops = json_object_get(jwk, "key_ops"), *op;
	size_t i;

	*allowed = ops == NULL;
	if (ops == NULL) return OK;
	if (!json_is_array(ops)) FAIL(ERR_INVALID_ARGUMENT, "jwks: key_ops is not an array");
	json_array_foreach(ops, i, op) {
		if (!json_is_string(op)) FAIL(ERR_INVALID_ARGUMENT, "jwks: key_ops holds something else than strings");
		*allowed |= strcmp(json_string_value(op), "verify") == 0;
	}
	return OK;
}

/* What the JWK says of its own purpose; *meant is false for one that is not for signatures that we take. */
static struct err jwk_purpose(const json_t *jwk, const struct jwt_alg **alg, bool *meant)
{
	struct bytes use, name;
	bool ops;

	TRY(optional_string(jwk, "use", JWK_TEXT_MAX, &use));
	TRY(optional_string(jwk, "alg", JWK_TEXT_MAX, &name));
	TRY(key_ops_allow(jwk, &ops));
	*alg = name.len == 0 ? NULL : jwt_alg_find(name);
	*meant = ops && (use.len == 0 || bytes_is(use, "sig") || bytes_is(use, "jwt-svid")) &&
	         (name.len == 0 || *alg != NULL);
	return OK;
}

/* RFC 7518 s6.2.2, s6.3.2, s6.4, RFC 8037 s2: members that only a private or symmetric key has; "priv" is that of AKP. */
static struct err refuse_private(const json_t *jwk)
{
	static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv" };

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (json_object_get(jwk, members[i]) != NULL)
			FAIL(ERR_INVALID_ARGUMENT, "jwks: a private or symmetric key is published in it");
	return OK;
}

static bool has_kid(const struct jwt_keys *keys, struct bytes kid)
{
	for (size_t i = 0; i < keys->count; i++)
		if (bytes_is(kid, keys->jwk[i].kid)) return true;
	return false;
}

static struct err jwk_add(struct jwt_keys *keys, struct bytes spki, struct bytes kid, const struct jwt_alg *alg)
{
	AUTO(key_public) struct key_public *key = NULL;
	AUTO(heap) char *name = NULL;

	if (kid.len > 0 && has_kid(keys, kid)) FAIL(ERR_INVALID_ARGUMENT, "jwks: two keys with the same kid");
	TRY(key_public_new(spki, &key));
	if (alg != NULL && key_public_info(key)->type != alg->type)
		FAIL(ERR_INVALID_ARGUMENT, "jwks: alg does not go with the key");
	name = strndup(kid.len == 0 ? "" : (const char *)kid.data, kid.len);
	if (name == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "jwks: out of memory");
	keys->jwk[keys->count++] = (struct jwk){ .kid = MOVE(name), .alg = alg, .key = MOVE(key) };
	return OK;
}

static struct err jwk_read(const json_t *jwk, struct jwt_keys *keys)
{
	AUTO(buf) struct buf spki = { .max = KEY_SPKI_MAX };
	const struct jwt_alg *alg;
	struct bytes kid;
	bool meant;

	if (!json_is_object(jwk)) FAIL(ERR_INVALID_ARGUMENT, "jwks: a key is not an object");
	TRY(refuse_private(jwk));
	TRY(optional_string(jwk, "kid", JWT_KID_MAX, &kid));
	TRY(jwk_purpose(jwk, &alg, &meant));
	if (meant) TRY(jwk_spki(jwk, &spki));
	if (spki.len == 0) {
		keys->skipped++;
		return OK;
	}
	return jwk_add(keys, buf_view(&spki), kid, alg);
}

struct err jwt_keys_parse(struct bytes json, struct jwt_keys **out)
{
	AUTO(json) json_t *root = NULL;
	AUTO(jwt_keys) struct jwt_keys *keys = calloc(1, sizeof(*keys));
	const json_t *list, *jwk;
	size_t i;

	if (keys == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "jwks: out of memory");
	TRY(json_object_parse(json, JWKS_MAX, &root));
	list = json_object_get(root, "keys");
	if (!json_is_array(list)) FAIL(ERR_INVALID_ARGUMENT, "jwks: no array of keys");
	if (json_array_size(list) > JWKS_KEYS_MAX) FAIL(ERR_INVALID_ARGUMENT, "jwks: too many keys");
	json_array_foreach(list, i, jwk) TRY(jwk_read(jwk, keys));
	if (keys->count == 0) FAIL(ERR_NOT_FOUND, "jwks: no usable key");
	*out = MOVE(keys);
	return OK;
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
	return keys->count;
}

size_t jwt_keys_skipped(const struct jwt_keys *keys)
{
	return keys->skipped;
}

void jwt_keys_free(struct jwt_keys *keys)
{
	if (keys == NULL) return;
	for (size_t i = 0; i < keys->count; i++) {
		free(keys->jwk[i].kid);
		key_public_free(keys->jwk[i].key);
	}
	free(keys);
}

/* RFC 8725 s3.1: the key decides which algorithms it may be used with, never the token alone. */
static bool goes_with(const struct jwk *jwk, const struct jwt_alg *alg)
{
	return key_public_info(jwk->key)->type == alg->type && (jwk->alg == NULL || jwk->alg == alg);
}

static struct err choose_by_kid(struct jwt_keys *keys, struct bytes kid, const struct jwt_alg *alg,
                                struct key_public **out)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (!bytes_is(kid, keys->jwk[i].kid)) continue;
		if (!goes_with(&keys->jwk[i], alg)) FAIL(ERR_INVALID_ARGUMENT, "jwt: alg does not go with the key");
		*out = keys->jwk[i].key;
		return OK;
	}
	FAIL(ERR_NOT_FOUND, "jwt: no key with this kid");
}

struct err jwt_keys_choose(struct jwt_keys *keys, struct bytes kid, const struct jwt_alg *alg, struct key_public **out)
{
	struct key_public *only = NULL;

	if (kid.len > 0) return choose_by_kid(keys, kid, alg, out);
	for (size_t i = 0; i < keys->count; i++) {
		if (!goes_with(&keys->jwk[i], alg)) continue;
		if (only != NULL) FAIL(ERR_NOT_FOUND, "jwt: no kid, and more than one key goes with alg");
		only = keys->jwk[i].key;
	}
	if (only == NULL) FAIL(ERR_NOT_FOUND, "jwt: no kid, and no key goes with alg");
	*out = only;
	return OK;
}

bool jwt_keys_has(struct jwt_keys *keys, const struct jwt_peek *peek)
{
	const struct jwt_alg *alg = jwt_alg_find(bytes_str(peek->alg));
	struct key_public *key;

	return alg != NULL && jwt_keys_choose(keys, bytes_str(peek->kid), alg, &key).code != ERR_NOT_FOUND;
}
