/* net_pki.h: a small certificate authority for the tests of net/ (P-256, made afresh in each run). */
#ifndef SIGNET_TESTS_NET_PKI_H
#define SIGNET_TESTS_NET_PKI_H

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct pki_ca { EVP_PKEY *key; X509 *cert; struct bytes pem; };
struct pki_leaf { struct bytes chain_pem, key_pem, key_der, cert_der; };

static inline void pki_must(int ok, const char *what)
{
	if (ok) return;
	(void)fprintf(stderr, "pki: %s\n", what);
	abort();
}

static inline struct bytes pki_drain(BIO *bio)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	uint8_t *copy = malloc((size_t)len + 1);

	pki_must(copy != NULL, "memory");
	memcpy(copy, data, (size_t)len);
	BIO_free(bio);
	return BYTES(copy, (size_t)len);
}

static inline void pki_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	pki_must(e != NULL && X509_add_ext(x, e, -1) == 1, value);
	X509_EXTENSION_free(e);
}

static inline X509 *pki_blank(EVP_PKEY *key, const char *name, long days)
{
	static long serial = 1;
	X509 *x = X509_new();

	pki_must(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial) == 1, "version");
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), days * 86400 - 3600);
	pki_must(X509_set_pubkey(x, key) == 1, "key");
	pki_must(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0) == 1, "name");
	return x;
}

static inline struct bytes pki_cert_pem(X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());

	pki_must(PEM_write_bio_X509(bio, x) == 1, "PEM");
	return pki_drain(bio);
}

static inline struct pki_ca pki_ca_new(const char *name)
{
	struct pki_ca ca = { .key = EVP_EC_gen("P-256") };

	ca.cert = pki_blank(ca.key, name, 30);
	pki_must(X509_set_issuer_name(ca.cert, X509_get_subject_name(ca.cert)) == 1, "issuer");
	pki_extension(ca.cert, ca.cert, NID_basic_constraints, "critical,CA:TRUE");
	pki_extension(ca.cert, ca.cert, NID_key_usage, "critical,keyCertSign");
	pki_extension(ca.cert, ca.cert, NID_subject_key_identifier, "hash");
	pki_must(X509_sign(ca.cert, ca.key, EVP_sha256()) > 0, "sign");
	ca.pem = pki_cert_pem(ca.cert);
	return ca;
}

static inline void pki_ca_free(struct pki_ca *ca)
{
	EVP_PKEY_free(ca->key);
	X509_free(ca->cert);
	free((void *)(uintptr_t)ca->pem.data);
}

/* san: "DNS:localhost,IP:127.0.0.1" or "URI:spiffe://..."; eku: "serverAuth" ...; days -1: expired. */
static inline struct pki_leaf pki_leaf_new(const struct pki_ca *ca, const char *san, const char *eku, long days)
{
	struct pki_leaf leaf = { 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = pki_blank(key, "leaf", days);
	BIO *pem = BIO_new(BIO_s_mem()), *der = BIO_new(BIO_s_mem()), *cert = BIO_new(BIO_s_mem());

	pki_must(X509_set_issuer_name(x, X509_get_subject_name(ca->cert)) == 1, "issuer");
	pki_extension(x, ca->cert, NID_subject_alt_name, san);
	pki_extension(x, ca->cert, NID_key_usage, "critical,digitalSignature");
	pki_extension(x, ca->cert, NID_ext_key_usage, eku);
	pki_extension(x, ca->cert, NID_authority_key_identifier, "keyid");
	pki_must(X509_sign(x, ca->key, EVP_sha256()) > 0, "sign");
	pki_must(PEM_write_bio_PKCS8PrivateKey(pem, key, NULL, NULL, 0, NULL, NULL) == 1, "key PEM");
	pki_must(i2d_PKCS8PrivateKey_bio(der, key, NULL, NULL, 0, NULL, NULL) == 1, "key DER");
	pki_must(i2d_X509_bio(cert, x) == 1, "DER");
	leaf.chain_pem = pki_cert_pem(x);
	leaf.key_pem = pki_drain(pem);
	leaf.key_der = pki_drain(der);
	leaf.cert_der = pki_drain(cert);
	X509_free(x);
	EVP_PKEY_free(key);
	return leaf;
}

static inline void pki_leaf_free(struct pki_leaf *leaf)
{
	free((void *)(uintptr_t)leaf->chain_pem.data);
	free((void *)(uintptr_t)leaf->key_pem.data);
	free((void *)(uintptr_t)leaf->key_der.data);
	free((void *)(uintptr_t)leaf->cert_der.data);
}

#endif
