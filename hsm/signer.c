#include "hsm/signer.h"

#include <openssl/rsa.h>

#include "key/openssl.h"
#include "key/scheme.h"

struct err hsm_signer_open(struct hsm_signer *s, EVP_PKEY *pkey, enum key_scheme scheme)
{
	const struct key_scheme_parts *parts = key_scheme_find(scheme);

	if (parts == NULL || !EVP_PKEY_up_ref(pkey)) FAIL(ERR_INTERNAL, "hsm: no scheme or key");
	s->pkey = pkey;
	s->scheme = scheme;
	s->hash = EVP_MD_CTX_new();
	s->md = EVP_MD_fetch(NULL, key_hash_name(parts->hash), NULL);
	if (s->hash == NULL || s->md == NULL) return key_openssl_err(ERR_INTERNAL, "hsm: no digest");
	if (parts->type == KEY_ED25519) return OK;
	s->ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (s->ctx == NULL || EVP_PKEY_sign_init(s->ctx) <= 0 || EVP_PKEY_CTX_set_signature_md(s->ctx, s->md) <= 0)
		return key_openssl_err(ERR_INTERNAL, "hsm: cannot prepare to sign");
	if (parts->padding == PADDING_PKCS1 && EVP_PKEY_CTX_set_rsa_padding(s->ctx, RSA_PKCS1_PADDING) <= 0)
		return key_openssl_err(ERR_INTERNAL, "hsm: cannot prepare to sign by RSA");
	return OK;
}

static bool ed25519_sign(struct hsm_signer *s, struct hsm_job *job)
{
	bool good = EVP_DigestSignInit_ex(s->hash, NULL, NULL, NULL, NULL, s->pkey, NULL) > 0 &&
	            EVP_DigestSign(s->hash, job->sig, &job->sig_len, job->msg.data, job->msg.len) > 0;

	EVP_MD_CTX_reset(s->hash); /* it holds a reference to the key */
	return good;
}

static bool digest_sign(struct hsm_signer *s, struct hsm_job *job)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return EVP_DigestInit_ex2(s->hash, s->md, NULL) && EVP_DigestUpdate(s->hash, job->msg.data, job->msg.len) &&
	       EVP_DigestFinal_ex(s->hash, digest, &len) && EVP_PKEY_sign(s->ctx, job->sig, &job->sig_len, digest, len) > 0;
}

struct err hsm_signer_sign(struct hsm_signer *s, struct hsm_job *job)
{
	bool good;

	job->sig_len = sizeof(job->sig);
	good = s->ctx == NULL ? ed25519_sign(s, job) : digest_sign(s, job);
	if (good) return OK;
	job->sig_len = 0;
	return key_openssl_err(ERR_INTERNAL, "hsm: signing failed");
}

void hsm_signer_close(struct hsm_signer *s)
{
	EVP_PKEY_CTX_free(s->ctx);
	EVP_MD_CTX_free(s->hash);
	EVP_MD_free(s->md);
	EVP_PKEY_free(s->pkey);
	*s = (struct hsm_signer){ 0 };
}
