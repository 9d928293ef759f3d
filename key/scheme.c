#include "key/scheme.h"

#include "base/own.h"
#include "der/der.h"

#define DER_BYTES(...) BYTES(((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* RFC 5758 s3.2: ecdsa-with-SHA2 has no parameters.  RFC 8410 s3: nor has Ed25519.  RFC 4055 s5: RSA has NULL. */
#define ECDSA_WITH(n) DER_BYTES(0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, n)
#define RSA_WITH(n) DER_BYTES(0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, n, 0x05, 0x00)

static const struct key_scheme_parts schemes[] = {
	[SCHEME_ECDSA_P256_SHA256] = { KEY_P256, HASH_SHA256, PADDING_NONE, ECDSA_WITH(2) },
	[SCHEME_ECDSA_P384_SHA384] = { KEY_P384, HASH_SHA384, PADDING_NONE, ECDSA_WITH(3) },
	[SCHEME_ECDSA_P521_SHA512] = { KEY_P521, HASH_SHA512, PADDING_NONE, { NULL, 0 } },
	[SCHEME_ED25519] = { KEY_ED25519, HASH_SHA512, PADDING_NONE, DER_BYTES(0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70) },
	[SCHEME_RSA_PKCS1_SHA256] = { KEY_RSA, HASH_SHA256, PADDING_PKCS1, RSA_WITH(11) },
	[SCHEME_RSA_PKCS1_SHA384] = { KEY_RSA, HASH_SHA384, PADDING_PKCS1, RSA_WITH(12) },
	[SCHEME_RSA_PKCS1_SHA512] = { KEY_RSA, HASH_SHA512, PADDING_PKCS1, RSA_WITH(13) },
	[SCHEME_RSA_PSS_SHA256] = { KEY_RSA, HASH_SHA256, PADDING_PSS, { NULL, 0 } },
	[SCHEME_RSA_PSS_SHA384] = { KEY_RSA, HASH_SHA384, PADDING_PSS, { NULL, 0 } },
	[SCHEME_RSA_PSS_SHA512] = { KEY_RSA, HASH_SHA512, PADDING_PSS, { NULL, 0 } },
	[SCHEME_ECDSA_P256_SHA384] = { KEY_P256, HASH_SHA384, PADDING_NONE, ECDSA_WITH(3) },
	[SCHEME_ECDSA_P256_SHA512] = { KEY_P256, HASH_SHA512, PADDING_NONE, ECDSA_WITH(4) },
	[SCHEME_ECDSA_P384_SHA256] = { KEY_P384, HASH_SHA256, PADDING_NONE, ECDSA_WITH(2) },
	[SCHEME_ECDSA_P384_SHA512] = { KEY_P384, HASH_SHA512, PADDING_NONE, ECDSA_WITH(4) },
};

static const struct {
	const char *name;
	size_t len;
	struct bytes oid; /* content octets, RFC 4055 s2.1 */
} hashes[HASH_COUNT] = {
	[HASH_SHA256] = { "SHA256", 32, DER_BYTES(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01) },
	[HASH_SHA384] = { "SHA384", 48, DER_BYTES(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02) },
	[HASH_SHA512] = { "SHA512", 64, DER_BYTES(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03) },
};

static const enum key_scheme pss_schemes[HASH_COUNT] = {
	[HASH_SHA256] = SCHEME_RSA_PSS_SHA256,
	[HASH_SHA384] = SCHEME_RSA_PSS_SHA384,
	[HASH_SHA512] = SCHEME_RSA_PSS_SHA512,
};

#define OID_RSASSA_PSS DER_BYTES(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a)
#define OID_MGF1 DER_BYTES(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08)

const struct key_scheme_parts *key_scheme_find(enum key_scheme scheme)
{
	if ((size_t)scheme >= ARRAY_LEN(schemes) || schemes[scheme].type == KEY_NONE) return NULL;
	return &schemes[scheme];
}

const char *key_hash_name(enum key_hash hash)
{
	return hashes[hash].name;
}

size_t key_hash_len(enum key_hash hash)
{
	return hashes[hash].len;
}

enum key_type key_scheme_type(enum key_scheme scheme)
{
	const struct key_scheme_parts *s = key_scheme_find(scheme);

	return s == NULL ? KEY_NONE : s->type;
}

struct bytes key_scheme_der(enum key_scheme scheme)
{
	const struct key_scheme_parts *s = key_scheme_find(scheme);

	return s == NULL ? BYTES_NONE : s->algorithm;
}

/* RFC 4055 s2.1: the hash's AlgorithmIdentifier, parameters NULL or absent ("MUST accept both"). */
static struct err take_hash(struct bytes *in, enum key_hash *out)
{
	struct bytes body, oid, null;
	bool present;

	TRY(der_take(in, DER_SEQUENCE, &body));
	TRY(der_take(&body, DER_OID, &oid));
	TRY(der_take_optional(&body, DER_NULL, &present, &null));
	TRY(der_end(&body));
	if (present && null.len != 0) FAIL(ERR_INVALID_ARGUMENT, "key: NULL with content");
	for (size_t i = 0; i < HASH_COUNT; i++) {
		if (!bytes_equal(oid, hashes[i].oid)) continue;
		*out = (enum key_hash)i;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "key: RSASSA-PSS hash is not SHA-256, SHA-384 or SHA-512");
}

static struct err take_mgf1(struct bytes *in, enum key_hash *out)
{
	struct bytes body, oid;

	TRY(der_take(in, DER_SEQUENCE, &body));
	TRY(der_take(&body, DER_OID, &oid));
	if (!bytes_equal(oid, OID_MGF1)) FAIL(ERR_INVALID_ARGUMENT, "key: RSASSA-PSS mask is not MGF1");
	TRY(take_hash(&body, out));
	return der_end(&body);
}

/* RFC 4055 s3.1.  The defaults are SHA-1 and 20, which we refuse, so all three must be there; trailerField only has its
 * default value, which DER does not encode. */
static struct err pss_params(struct bytes params, enum key_scheme *out)
{
	struct bytes hash_field, mgf_field, salt_field;
	enum key_hash hash, mgf;
	uint64_t salt;

	TRY(der_take(&params, DER_CONTEXT_CONSTRUCTED(0), &hash_field));
	TRY(der_take(&params, DER_CONTEXT_CONSTRUCTED(1), &mgf_field));
	TRY(der_take(&params, DER_CONTEXT_CONSTRUCTED(2), &salt_field));
	TRY(der_end(&params));
	TRY(take_hash(&hash_field, &hash));
	TRY(der_end(&hash_field));
	TRY(take_mgf1(&mgf_field, &mgf));
	TRY(der_end(&mgf_field));
	TRY(der_take_uint(&salt_field, &salt));
	TRY(der_end(&salt_field));
	if (mgf != hash) FAIL(ERR_INVALID_ARGUMENT, "key: RSASSA-PSS mask hash differs from the hash");
	if (salt != hashes[hash].len) FAIL(ERR_INVALID_ARGUMENT, "key: RSASSA-PSS salt is not as long as the hash");
	*out = pss_schemes[hash];
	return OK;
}

/* RFC 4055 s5: the parameters of shaNNNWithRSAEncryption "MUST be NULL.  Implementations MUST accept the parameters
 * being absent as well as present." */
static bool is_rsa_without_null(struct bytes algorithm, const struct key_scheme_parts *s)
{
	size_t body = s->algorithm.len - 4; /* without the header and without the NULL */

	return s->padding == PADDING_PKCS1 && algorithm.len == body + 2 && algorithm.data[0] == DER_SEQUENCE &&
	       algorithm.data[1] == body && bytes_equal(BYTES(algorithm.data + 2, body), BYTES(s->algorithm.data + 2, body));
}

static struct err scheme_parse_pss(struct bytes algorithm, enum key_type type, enum key_scheme *out)
{
	struct bytes body, oid, params;

	TRY(der_enter(algorithm, DER_SEQUENCE, &body));
	TRY(der_take(&body, DER_OID, &oid));
	if (type != KEY_RSA || !bytes_equal(oid, OID_RSASSA_PSS))
		FAIL(ERR_INVALID_ARGUMENT, "key: signature algorithm unknown, or not one of this key");
	TRY(der_take(&body, DER_SEQUENCE, &params));
	TRY(der_end(&body));
	return pss_params(params, out);
}

struct err key_scheme_parse(struct bytes algorithm, enum key_type type, enum key_scheme *out)
{
	for (size_t i = 1; i < ARRAY_LEN(schemes); i++) {
		const struct key_scheme_parts *s = &schemes[i];

		if (s->type != type || s->algorithm.len == 0) continue;
		if (!bytes_equal(algorithm, s->algorithm) && !is_rsa_without_null(algorithm, s)) continue;
		*out = (enum key_scheme)i;
		return OK;
	}
	return scheme_parse_pss(algorithm, type, out);
}
