/* signer.h: a signer outside Signet, in memory: a root, an intermediate, CSRs and what it makes of them. */
#ifndef SIGNET_TESTS_CA_SIGNER_H
#define SIGNET_TESTS_CA_SIGNER_H

#include "ca/support.h"

#include <openssl/pem.h>

#pragma GCC diagnostic ignored "-Wunused-function"

struct signer {
	EVP_PKEY *root_key, *key;
	X509 *root, *ca; /* ca: signed by root */
};

static void add_ext(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* A certificate without extensions, not signed. */
static X509 *x509_new(const char *name, const X509 *issuer, EVP_PKEY *key, int64_t life)
{
	static long serial = 0x1000;
	X509 *x = X509_new();
	X509_NAME *subject = X509_NAME_new();

	if (name != NULL) X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), (long)life);
	X509_set_pubkey(x, key);
	X509_set_subject_name(x, subject);
	X509_set_issuer_name(x, issuer == NULL ? subject : X509_get_subject_name(issuer));
	X509_NAME_free(subject);
	return x;
}

static X509 *ca_new(const char *name, const X509 *issuer, EVP_PKEY *key, EVP_PKEY *by)
{
	X509 *x = x509_new(name, issuer, key, 86400);

	add_ext(x, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(x, NID_key_usage, "critical,keyCertSign,cRLSign");
	assert_true(X509_sign(x, by, EVP_sha256()) > 0);
	return x;
}

static struct signer signer_make(const char *name)
{
	struct signer s = { .root_key = EVP_EC_gen("P-256"), .key = EVP_EC_gen("P-256") };
	char text[64];

	(void)snprintf(text, sizeof(text), "%s root", name);
	s.root = ca_new(text, NULL, s.root_key, s.root_key);
	s.ca = ca_new(name, s.root, s.key, s.root_key);
	return s;
}

static void signer_free(struct signer *s)
{
	EVP_PKEY_free(s->root_key);
	EVP_PKEY_free(s->key);
	X509_free(s->root);
	X509_free(s->ca);
}

static void put_pem(struct buf *out, X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long n;

	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	n = BIO_get_mem_data(bio, &text);
	MUST(buf_put(out, text, (size_t)n));
	BIO_free(bio);
}

/* PKCS#10 with these names ("URI:spiffe://...", NULL: none) and an extension more ("": none). */
static void csr_make(EVP_PKEY *key, const char *san, const char *usage, struct buf *out)
{
	X509_REQ *req = X509_REQ_new();
	STACK_OF(X509_EXTENSION) *exts = sk_X509_EXTENSION_new_null();
	uint8_t *der = NULL;
	int n;

	X509_REQ_set_pubkey(req, key);
	if (san != NULL) sk_X509_EXTENSION_push(exts, X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san));
	if (usage[0] != '\0') sk_X509_EXTENSION_push(exts, X509V3_EXT_conf_nid(NULL, NULL, NID_key_usage, usage));
	if (sk_X509_EXTENSION_num(exts) > 0) X509_REQ_add_extensions(req, exts);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	n = i2d_X509_REQ(req, &der);
	assert_true(n > 0);
	MUST(buf_put(out, der, (size_t)n));
	OPENSSL_free(der);
	X509_REQ_free(req);
}

/* The certificate for this CSR, this name and this use, and the chain: PEM. */
static void signer_sign_for(const struct signer *s, struct bytes csr, const char *const name[2], int64_t life, struct buf *out)
{
	const uint8_t *at = csr.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)csr.len);
	EVP_PKEY *key = X509_REQ_get_pubkey(req);
	X509 *x = x509_new(NULL, s->ca, key, life);

	add_ext(x, NID_subject_alt_name, name[0]);
	add_ext(x, NID_basic_constraints, "critical,CA:FALSE");
	add_ext(x, NID_key_usage, "critical,digitalSignature");
	if (name[1] != NULL) add_ext(x, NID_ext_key_usage, name[1]);
	assert_true(X509_sign(x, s->key, EVP_sha256()) > 0);
	put_pem(out, x);
	put_pem(out, s->ca);
	X509_free(x);
	EVP_PKEY_free(key);
	X509_REQ_free(req);
}

static void signer_sign(const struct signer *s, struct bytes csr, const char *san, int64_t life, struct buf *out)
{
	signer_sign_for(s, csr, (const char *const[]){ san, "serverAuth,clientAuth" }, life, out);
}

#endif
