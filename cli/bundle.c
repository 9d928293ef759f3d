#include "cli/bundle.h"

#include <string.h>

#include "cli/cert_text.h"
#include "der/base64.h"
#include "der/der.h"

static struct err put_member(json_t *jwk, const char *name, struct bytes value)
{
	AUTO(buf) struct buf text = { .max = 16 * 1024 };

	TRY(base64url_put(&text, value));
	return json_object_set_new(jwk, name, json_stringn((const char *)text.data, text.len)) == 0 ? OK :
		ERR(ERR_RESOURCE_EXHAUSTED, "cli: out of memory");
}

static struct err put_ec(json_t *jwk, const struct key_info *key, const char *curve)
{
	size_t half = key->key_bits.len / 2; /* behind the octet 04 */

	(void)json_object_set_new(jwk, "kty", json_string("EC"));
	(void)json_object_set_new(jwk, "crv", json_string(curve));
	TRY(put_member(jwk, "x", BYTES(key->key_bits.data + 1, half)));
	return put_member(jwk, "y", BYTES(key->key_bits.data + 1 + half, half));
}

static struct err put_rsa(json_t *jwk, const struct key_info *key)
{
	struct bytes list, n, e;

	TRY(der_enter(key->key_bits, DER_SEQUENCE, &list)); /* RFC 8017 A.1.1 */
	TRY(der_take_unsigned(&list, KEY_RSA_MAX / 8, &n));
	TRY(der_take_unsigned(&list, 8, &e));
	(void)json_object_set_new(jwk, "kty", json_string("RSA"));
	TRY(put_member(jwk, "n", n));
	return put_member(jwk, "e", e);
}

static struct err put_key(json_t *jwk, const struct key_info *key)
{
	switch (key->type) {
	case KEY_P256: return put_ec(jwk, key, "P-256");
	case KEY_P384: return put_ec(jwk, key, "P-384");
	case KEY_RSA: return put_rsa(jwk, key);
	case KEY_ED25519:
		(void)json_object_set_new(jwk, "kty", json_string("OKP"));
		(void)json_object_set_new(jwk, "crv", json_string("Ed25519"));
		return put_member(jwk, "x", key->key_bits);
	default: FAIL(ERR_INVALID_ARGUMENT, "cli: a root with a key that no JWK can say");
	}
}

/* "kid MUST NOT be set" and exactly one certificate in x5c (s4.2.2). */
static struct err put_root(void *ctx, const struct cert *cert)
{
	AUTO(buf) struct buf text = { .max = 2 * CERT_DER_MAX };
	json_t *jwk = json_pack("{ss}", "use", "x509-svid"), *keys = ctx;
	struct err e = jwk == NULL ? ERR(ERR_RESOURCE_EXHAUSTED, "cli: out of memory") : put_key(jwk, &cert->key);

	if (e.code == ERR_OK) e = base64_put(&text, cert->der);
	if (e.code == ERR_OK) (void)json_object_set_new(jwk, "x5c", json_pack("[s%]", text.data, text.len));
	if (e.code == ERR_OK) (void)json_array_append(keys, jwk);
	json_decref(jwk);
	return e;
}

struct err bundle_json(struct bytes roots_pem, int64_t sequence, json_t **out)
{
	json_t *keys = json_array();
	struct err e = cli_cert_each(roots_pem, put_root, keys);

	if (e.code != ERR_OK) {
		json_decref(keys);
		return e;
	}
	*out = json_pack("{so sI si}", "keys", keys, "spiffe_sequence", (json_int_t)sequence, "spiffe_refresh_hint",
			 BUNDLE_REFRESH_HINT);
	return *out == NULL ? ERR(ERR_RESOURCE_EXHAUSTED, "cli: out of memory") : OK;
}
