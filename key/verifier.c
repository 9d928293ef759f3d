#include <openssl/core_names.h>
#include <openssl/params.h>
#include <stdlib.h>

#include "base/own.h"
#include "key/prepared.h"

/* The reused objects of one curve. */
static const struct {
	enum key_type type;
	const char *group;
} curves[] = { { KEY_P256, "P-256" }, { KEY_P384, "P-384" }, { KEY_P521, "P-521" } };

struct key_verifier {
	struct key_hasher hasher;
	struct key_prepared ec[ARRAY_LEN(curves)]; /* made at first use, and again after a point was refused */
};

struct evp_ctx {
	EVP_PKEY_CTX *ctx;
};
static void auto_evp_ctx(struct evp_ctx *c)
{
	EVP_PKEY_CTX_free(c->ctx);
}

/* A key that has a curve and no point yet. */
static struct err curve_open(struct key_prepared *p, const char *group)
{
	AUTO(evp_ctx) struct evp_ctx from = { EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL) };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t)group, 0),
		OSSL_PARAM_construct_end(),
	};

	if (from.ctx == NULL || EVP_PKEY_fromdata_init(from.ctx) <= 0 ||
	    EVP_PKEY_fromdata(from.ctx, &p->pkey, EVP_PKEY_KEY_PARAMETERS, params) <= 0)
		return key_openssl_err(ERR_INTERNAL, "key: cannot set up a curve");
	return OK;
}

/* Put the point of `info` into the curve's one key.  OpenSSL checks that it is on the curve, but after it has stored
 * it: so a refused point takes the whole object with it. */
static struct err point_load(struct key_verifier *v, const struct key_info *info, struct key_prepared **out)
{
	size_t i = 0;
	struct key_prepared *p;

	while (i < ARRAY_LEN(curves) && curves[i].type != info->type) i++;
	if (i == ARRAY_LEN(curves)) FAIL(ERR_INTERNAL, "key: not a curve");
	p = &v->ec[i];
	if (p->pkey == NULL) TRY(curve_open(p, curves[i].group));
	if (EVP_PKEY_set1_encoded_public_key(p->pkey, info->key_bits.data, info->key_bits.len) <= 0) {
		key_prepared_close(p);
		return key_openssl_err(ERR_INVALID_ARGUMENT, "key: point is not on its curve");
	}
	*out = p;
	return OK;
}

static bool is_ec(const struct key_info *info)
{
	return info->type == KEY_P256 || info->type == KEY_P384 || info->type == KEY_P521;
}

static void auto_prepared(struct key_prepared *p)
{
	key_prepared_close(p);
}

struct err key_verify(struct key_verifier *v, const struct key_info *info, enum key_scheme scheme, struct bytes msg,
                      struct bytes sig)
{
	const struct key_claim claim = { .info = info, .scheme = scheme, .msg = msg, .sig = sig };
	AUTO(prepared) struct key_prepared once = { 0 };
	struct key_prepared *point;

	TRY(key_claim_check(&claim));
	if (is_ec(info)) {
		TRY(point_load(v, info, &point));
		return key_prepared_verify(point, &v->hasher, &claim);
	}
	TRY(key_prepared_load(&once, info));
	return key_prepared_verify(&once, &v->hasher, &claim);
}

struct err key_check(struct key_verifier *v, const struct key_info *info)
{
	AUTO(prepared) struct key_prepared once = { 0 };
	struct key_prepared *point;

	if (is_ec(info)) return point_load(v, info, &point);
	return key_prepared_load(&once, info);
}

/* ---- self-test ----
 * That a verify context sees the point that was put into its key after it was made is how OpenSSL 3.0 to 3.5 work, but no
 * manual page promises it; a library that copied the key would let one peer's signature pass for another's.  So every
 * verifier proves it first: key A's signature must pass under A, fail under B, and pass under A again. */
static const uint8_t point_a[] = {
	0x04, 0x7d, 0xda, 0xf1, 0xdf, 0xe9, 0x3f, 0x6e, 0x86, 0x8f, 0x2a, 0xed, 0x5c, 0xce, 0x3f, 0xd9,
	0x17, 0xc6, 0x1b, 0x14, 0x22, 0x13, 0x31, 0xfe, 0x06, 0x8f, 0x89, 0x55, 0x8f, 0x42, 0xc4, 0x34,
	0x05, 0x8d, 0x97, 0x3c, 0xf7, 0x64, 0x14, 0xc9, 0xab, 0xd7, 0xef, 0x36, 0x4e, 0xbf, 0xe8, 0xce,
	0x9d, 0x6f, 0xfc, 0x2a, 0x38, 0x49, 0x15, 0x09, 0x5d, 0xc0, 0x5b, 0xa4, 0x1a, 0x38, 0x07, 0x24,
	0x77,
};
static const uint8_t point_b[] = {
	0x04, 0xa0, 0x8e, 0x32, 0x9f, 0x02, 0x90, 0x90, 0xe4, 0xf8, 0x91, 0xd3, 0x3a, 0x9e, 0x1e, 0xd3,
	0xf7, 0xed, 0xc9, 0xf6, 0xec, 0x4b, 0x40, 0x4f, 0x04, 0xe6, 0xb7, 0xbd, 0xef, 0xce, 0xd3, 0x73,
	0x07, 0x3d, 0x70, 0x5b, 0x56, 0x52, 0xcc, 0x6e, 0x3f, 0x2b, 0xc8, 0x15, 0x66, 0x26, 0x2f, 0x48,
	0x23, 0x42, 0xfe, 0xfa, 0x5f, 0x7b, 0xa9, 0x42, 0xbb, 0xa0, 0x2f, 0x8d, 0x69, 0xbc, 0xb3, 0x1a,
	0x08,
};
static const uint8_t sig_a[] = {
	0x30, 0x45, 0x02, 0x20, 0x6a, 0x45, 0xd8, 0x1c, 0xb8, 0x8a, 0x04, 0x3b, 0x17, 0x74, 0x76, 0x59,
	0xb5, 0x6b, 0xbf, 0x4a, 0xa2, 0x93, 0x27, 0x0f, 0x38, 0x0e, 0xc9, 0x5f, 0x13, 0x43, 0x13, 0xf6,
	0x5d, 0xb7, 0xce, 0x42, 0x02, 0x21, 0x00, 0x96, 0x58, 0x5b, 0x81, 0x68, 0x0d, 0xa4, 0x5d, 0xaf,
	0x9a, 0xc0, 0xeb, 0x60, 0x40, 0x11, 0xc3, 0x49, 0x71, 0x7b, 0x16, 0x64, 0x12, 0x9f, 0x91, 0x82,
	0x6e, 0x0d, 0x05, 0xd4, 0xcc, 0xf9, 0x4b,
};

static struct err verifier_test(struct key_verifier *v)
{
	const struct bytes msg = bytes_str("signet: which key?"), sig = BYTES(sig_a, sizeof(sig_a));
	const struct key_info a = { .type = KEY_P256, .bits = 256, .key_bits = BYTES(point_a, sizeof(point_a)) };
	const struct key_info b = { .type = KEY_P256, .bits = 256, .key_bits = BYTES(point_b, sizeof(point_b)) };

	if (key_verify(v, &a, SCHEME_ECDSA_P256_SHA256, msg, sig).code != ERR_OK ||
	    key_verify(v, &b, SCHEME_ECDSA_P256_SHA256, msg, sig).code != ERR_INVALID_ARGUMENT ||
	    key_verify(v, &a, SCHEME_ECDSA_P256_SHA256, msg, sig).code != ERR_OK)
		FAIL(ERR_INTERNAL, "key: this OpenSSL does not verify by the key that was set last");
	return OK;
}

struct err key_verifier_new(struct key_verifier **out)
{
	AUTO(key_verifier) struct key_verifier *v = calloc(1, sizeof(*v));

	if (v == NULL) FAIL(ERR_INTERNAL, "key: out of memory");
	TRY(key_hasher_open(&v->hasher));
	TRY(verifier_test(v));
	*out = MOVE(v);
	return OK;
}

void key_verifier_free(struct key_verifier *v)
{
	if (v == NULL) return;
	for (size_t i = 0; i < ARRAY_LEN(v->ec); i++) key_prepared_close(&v->ec[i]);
	key_hasher_close(&v->hasher);
	free(v);
}
