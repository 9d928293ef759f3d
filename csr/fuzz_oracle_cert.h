/* fuzz_oracle_cert.h: see fuzz_oracle.h. */
#ifndef SIGNET_CSR_FUZZ_ORACLE_CERT_H
#define SIGNET_CSR_FUZZ_ORACLE_CERT_H

#include <openssl/err.h>
#include <time.h>

#include "csr/fuzz_oracle_ext.h"

static inline const char *oracle_time(const ASN1_TIME *t, int64_t want)
{
	struct tm tm;

	DIFFERS(ASN1_TIME_to_tm(t, &tm) != 1 || timegm(&tm) != want, "time");
	return NULL;
}

static inline const char *oracle_serial(const X509 *x, struct bytes want)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	unsigned char raw[32];
	int len = n == NULL || BN_num_bytes(n) > (int)sizeof(raw) ? -1 : BN_bn2bin(n, raw);
	bool same = len > 0 && !BN_is_negative(n) && bytes_equal(BYTES(raw, (size_t)len), want);

	BN_free(n);
	DIFFERS(!same, "serial number");
	return NULL;
}

static inline const char *oracle_name_is(const X509_NAME *name, struct bytes want)
{
	unsigned char *out = NULL;
	int len = i2d_X509_NAME(name, &out);

	DIFFERS(!oracle_encoding_is(out, len, want), "name");
	return NULL;
}

static inline const char *oracle_cert_parts(const struct cert *c, X509 *x)
{
	static const char *(*const extensions[])(const struct cert *, const X509 *) = {
		oracle_san, oracle_key_usage, oracle_ext_key_usage, oracle_constraints, oracle_key_ids,
	};
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *algorithm;
	unsigned char *out = NULL;
	int len = i2d_X509(x, &out);
	const char *what;

	DIFFERS(!oracle_encoding_is(out, len, c->der), "encoding");
	DIFFERS(X509_get_version(x) != 2, "version");
	X509_get0_signature(&signature, &algorithm, x);
	DIFFERS(!oracle_string_is(signature, c->signature), "signature");
	if ((what = oracle_algorithm(algorithm, c->algorithm)) != NULL) return what;
	if ((what = oracle_serial(x, c->serial)) != NULL) return what;
	if ((what = oracle_name_is(X509_get_issuer_name(x), c->issuer)) != NULL) return what;
	if ((what = oracle_name_is(X509_get_subject_name(x), c->subject)) != NULL) return what;
	if ((what = oracle_time(X509_get0_notBefore(x), c->not_before)) != NULL) return what;
	if ((what = oracle_time(X509_get0_notAfter(x), c->not_after)) != NULL) return what;
	if ((what = oracle_key(X509_get_X509_PUBKEY(x), &c->key)) != NULL) return what;
	DIFFERS(c->subject_empty != (X509_NAME_entry_count(X509_get_subject_name(x)) == 0), "empty subject");
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
		if ((what = extensions[i](c, x)) != NULL) return what;
	return NULL;
}

static inline const char *oracle_cert_differs(const struct cert *c)
{
	const unsigned char *p = c->der.data;
	X509 *x = d2i_X509(NULL, &p, (long)c->der.len);
	const char *what;

	DIFFERS(x == NULL || p != c->der.data + c->der.len, "OpenSSL refuses it");
	what = oracle_cert_parts(c, x);
	X509_free(x);
	ERR_clear_error();
	return what;
}

#endif
