/* The backend for a key in this process's own memory. */
#include <openssl/x509.h>

#include "hsm/backend.h"
#include "hsm/pkcs8.h"
#include "hsm/pool.h"
#include "hsm/signer.h"
#include "key/openssl.h"

#define THREADS_MAX 64

struct file_key {
	struct hsm_key base; /* first: hsm.h's pointer is to it */
	struct hsm_signer signer;
	struct hsm_pool *pool; /* NULL: signs at once */
};

static void file_sign(struct hsm_key *base, struct hsm_job *job)
{
	struct file_key *key = (struct file_key *)base;

	if (key->pool != NULL) {
		hsm_pool_submit(key->pool, job);
		return;
	}
	job->done(job, hsm_signer_sign(&key->signer, job));
}

static void file_free(struct hsm_key *base)
{
	struct file_key *key = (struct file_key *)base;

	hsm_pool_free(key->pool);
	hsm_signer_close(&key->signer); /* the last reference: OpenSSL wipes private numbers as it frees them */
	buf_free(&key->base.spki);
	free(key);
}

static const struct hsm_ops file_ops = { .sign = file_sign, .free = file_free };

static struct err take_spki(struct file_key *key, EVP_PKEY *pkey, struct key_info *info)
{
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);
	struct err e;

	if (len <= 0) return key_openssl_err(ERR_INVALID_ARGUMENT, "hsm: the key has no public half");
	key->base.spki.max = KEY_SPKI_MAX;
	e = buf_put(&key->base.spki, der, (size_t)len);
	OPENSSL_free(der);
	TRY(e);
	return key_info_parse(buf_view(&key->base.spki), info);
}

static void job_done(struct hsm_job *job, struct err result)
{
	(void)job;
	(void)result;
}

/* What the private half signs must verify by the public half: a damaged key must not become a CA. */
static struct err pair_check(struct file_key *key)
{
	AUTO(key_public) struct key_public *public = NULL;
	struct hsm_job job = { .msg = bytes_str("signet: is this a pair?"), .done = job_done };

	TRY(key_public_new(buf_view(&key->base.spki), &public));
	if (hsm_signer_sign(&key->signer, &job).code != ERR_OK ||
	    key_public_verify(public, key->base.scheme, job.msg, BYTES(job.sig, job.sig_len)).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "hsm: the public half is not of this private key");
	return OK;
}

static struct err file_load(struct file_key *key, struct bytes pkcs8, unsigned threads)
{
	AUTO(hsm_pkey) struct hsm_pkey pkey = { NULL };
	struct key_info info;

	TRY(hsm_pkcs8_read(pkcs8, &pkey.p));
	TRY(take_spki(key, pkey.p, &info));
	TRY(hsm_scheme_for(info.type, info.bits, &key->base.scheme));
	TRY(hsm_signer_open(&key->signer, pkey.p, key->base.scheme));
	TRY(pair_check(key));
	key->base.immediate = info.type == KEY_P256 || info.type == KEY_ED25519;
	return key->base.immediate ? OK : hsm_pool_new(pkey.p, key->base.scheme, threads, &key->pool);
}

struct err hsm_key_load(struct bytes pkcs8, unsigned threads, struct hsm_key **out)
{
	AUTO(hsm_key) struct hsm_key *base = NULL;
	struct file_key *key;

	if (threads < 1 || threads > THREADS_MAX) FAIL(ERR_INVALID_ARGUMENT, "hsm: number of threads out of range");
	key = calloc(1, sizeof(*key));
	if (key == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "hsm: out of memory");
	base = &key->base;
	base->ops = &file_ops;
	TRY(file_load(key, pkcs8, threads));
	*out = MOVE(base);
	return OK;
}

static EVP_PKEY *make(enum key_type type, unsigned bits)
{
	if (type == KEY_RSA) return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
	if (type == KEY_ED25519) return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", type == KEY_P256 ? "P-256" : "P-384");
}

struct err hsm_key_generate(enum key_type type, unsigned bits, struct buf *pkcs8)
{
	AUTO(hsm_pkey) struct hsm_pkey pkey = { NULL };
	enum key_scheme scheme;
	uint8_t *room;

	TRY(hsm_scheme_for(type, bits, &scheme));
	TRY(buf_reserve(pkcs8, HSM_PKCS8_MAX, &room)); /* growing would leave a copy of the key behind */
	pkey.p = make(type, bits);
	if (pkey.p == NULL) return key_openssl_err(ERR_INTERNAL, "hsm: key generation failed");
	return hsm_pkcs8_write(pkey.p, type, pkcs8);
}
