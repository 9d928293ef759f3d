#include "key/prepared.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "der/der.h"

#define ED25519_SIG_LEN 64 /* RFC 8032 s5.1.6 */

struct err key_openssl_err(enum err_code code, const char *reason)
{
	struct err e = { .code = code, .reason = reason, .cause = ERR_peek_last_error() };

	ERR_clear_error();
	return e;
}

struct err key_hasher_open(struct key_hasher *h)
{
	h->ctx = EVP_MD_CTX_new();
	if (h->ctx == NULL) return key_openssl_err(ERR_INTERNAL, "key: no digest context");
	for (size_t i = 0; i < HASH_COUNT; i++) {
		h->md[i] = EVP_MD_fetch(NULL, key_hash_name((enum key_hash)i), NULL);
		if (h->md[i] == NULL) return key_openssl_err(ERR_INTERNAL, "key: OpenSSL has no SHA-2");
	}
	return OK;
}

void key_hasher_close(struct key_hasher *h)
{
	for (size_t i = 0; i < HASH_COUNT; i++) EVP_MD_free(h->md[i]);
	EVP_MD_CTX_free(h->ctx);
	*h = (struct key_hasher){ 0 };
}

void key_prepared_close(struct key_prepared *p)
{
	EVP_PKEY_CTX_free(p->ctx);
	EVP_PKEY_free(p->pkey);
	*p = (struct key_prepared){ 0 };
}

/* A magnitude as OSSL_PARAM has it: least significant octet first (the machines we build for are little-endian). */
static OSSL_PARAM number(const char *name, struct bytes magnitude, uint8_t *room)
{
	for (size_t i = 0; i < magnitude.len; i++) room[i] = magnitude.data[magnitude.len - 1 - i];
	return OSSL_PARAM_construct_BN(name, room, magnitude.len);
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "OSSL_PARAM integers are in native order");

/* RSA from its two numbers: 15 us, where OpenSSL 3.0's decoder takes 120 (a CSR of Istio's default is RSA). */
static struct err rsa_load(struct key_prepared *p, const struct key_info *info)
{
	uint8_t n_room[KEY_RSA_MAX / 8], e_room[sizeof(uint64_t)];
	struct bytes body, n, e;
	EVP_PKEY_CTX *ctx;
	bool good;

	TRY(der_enter(info->key_bits, DER_SEQUENCE, &body));
	TRY(der_take_unsigned(&body, sizeof(n_room), &n));
	TRY(der_take_unsigned(&body, sizeof(e_room), &e));
	OSSL_PARAM params[] = { number(OSSL_PKEY_PARAM_RSA_N, n, n_room), number(OSSL_PKEY_PARAM_RSA_E, e, e_room),
		                OSSL_PARAM_construct_end() };
	ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	good = ctx != NULL && EVP_PKEY_fromdata_init(ctx) > 0 &&
	       EVP_PKEY_fromdata(ctx, &p->pkey, EVP_PKEY_PUBLIC_KEY, params) > 0;
	EVP_PKEY_CTX_free(ctx);
	return good ? OK : key_openssl_err(ERR_INVALID_ARGUMENT, "key: not a valid public key");
}

struct err key_prepared_load(struct key_prepared *p, const struct key_info *info)
{
	const uint8_t *at = info->spki.data;

	if (info->type == KEY_RSA) return rsa_load(p, info);
	if (info->type == KEY_ED25519)
		p->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, info->key_bits.data, info->key_bits.len);
	else
		p->pkey = d2i_PUBKEY_ex(NULL, &at, (long)info->spki.len, NULL, NULL);
	if (p->pkey == NULL) return key_openssl_err(ERR_INVALID_ARGUMENT, "key: not a valid public key");
	return OK;
}

/* Ecdsa-Sig-Value (RFC 3279 s2.2.3), strictly: minimal DER, 0 < r and s, not wider than the curve, nothing after it.
 * OpenSSL refuses all this too, and r, s >= n. */
static struct err ecdsa_form(struct bytes sig, unsigned bits)
{
	struct bytes body, part[2];

	TRY(der_enter(sig, DER_SEQUENCE, &body));
	for (int i = 0; i < 2; i++) {
		TRY(der_take_unsigned(&body, (bits + 7) / 8, &part[i]));
		if (part[i].data[0] == 0) FAIL(ERR_INVALID_ARGUMENT, "key: ECDSA signature with a zero");
	}
	return der_end(&body);
}

struct err key_claim_check(const struct key_claim *claim)
{
	const struct key_info *info = claim->info;

	if (info->type == KEY_NONE || key_scheme_type(claim->scheme) != info->type)
		FAIL(ERR_INVALID_ARGUMENT, "key: the scheme is not one of this key");
	if (info->type == KEY_RSA) {
		if (claim->sig.len != (info->bits + 7) / 8) FAIL(ERR_INVALID_ARGUMENT, "key: RSA signature of wrong length");
		return OK;
	}
	if (info->type == KEY_ED25519) {
		if (claim->sig.len != ED25519_SIG_LEN) FAIL(ERR_INVALID_ARGUMENT, "key: Ed25519 signature of wrong length");
		return OK;
	}
	return ecdsa_form(claim->sig, info->bits);
}

static bool pss_setup(EVP_PKEY_CTX *ctx, const EVP_MD *md)
{
	return EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static struct err prepare_for(struct key_prepared *p, const struct key_hasher *h, enum key_scheme scheme)
{
	const struct key_scheme_parts *s = key_scheme_find(scheme);
	const EVP_MD *md = h->md[s->hash];
	bool ready;

	p->ready = SCHEME_NONE;
	if (p->ctx == NULL) p->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, p->pkey, NULL);
	ready = p->ctx != NULL && EVP_PKEY_verify_init(p->ctx) > 0;
	if (ready && s->padding != PADDING_NONE)
		ready = EVP_PKEY_CTX_set_rsa_padding(p->ctx, s->padding == PADDING_PSS ? RSA_PKCS1_PSS_PADDING
		                                                                       : RSA_PKCS1_PADDING) > 0;
	ready = ready && EVP_PKEY_CTX_set_signature_md(p->ctx, md) > 0;
	if (ready && s->padding == PADDING_PSS) ready = pss_setup(p->ctx, md);
	if (!ready) return key_openssl_err(ERR_INTERNAL, "key: cannot prepare to verify");
	p->ready = scheme;
	return OK;
}

/* Ed25519 hashes the message twice, by itself; OpenSSL takes it by EVP_DigestVerify only. */
static struct err ed25519_verify(struct key_prepared *p, struct key_hasher *h, const struct key_claim *claim)
{
	bool good = EVP_DigestVerifyInit_ex(h->ctx, NULL, NULL, NULL, NULL, p->pkey, NULL) > 0 &&
	            EVP_DigestVerify(h->ctx, claim->sig.data, claim->sig.len, claim->msg.data, claim->msg.len) == 1;

	EVP_MD_CTX_reset(h->ctx); /* it holds a reference to the key */
	return good ? OK : key_openssl_err(ERR_INVALID_ARGUMENT, "key: signature does not verify");
}

struct err key_prepared_verify(struct key_prepared *p, struct key_hasher *h, const struct key_claim *claim)
{
	enum key_hash hash = key_scheme_find(claim->scheme)->hash;
	uint8_t digest[HASH_MAX];

	if (claim->info->type == KEY_ED25519) return ed25519_verify(p, h, claim);
	if (p->ready != claim->scheme) TRY(prepare_for(p, h, claim->scheme));
	if (!EVP_DigestInit_ex2(h->ctx, h->md[hash], NULL) || !EVP_DigestUpdate(h->ctx, claim->msg.data, claim->msg.len) ||
	    !EVP_DigestFinal_ex(h->ctx, digest, NULL))
		return key_openssl_err(ERR_INTERNAL, "key: hashing failed");
	if (EVP_PKEY_verify(p->ctx, claim->sig.data, claim->sig.len, digest, key_hash_len(hash)) != 1)
		return key_openssl_err(ERR_INVALID_ARGUMENT, "key: signature does not verify");
	return OK;
}
