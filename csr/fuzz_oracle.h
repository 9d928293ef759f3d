/* fuzz_oracle.h: the differential oracle of fuzz_csr.c, fuzz_cert.c and test_differential.c: OpenSSL must read what we
 * have accepted, with equal fields, and encode it again as the same bytes.  Each function returns NULL or what differs
 * (and then leaks: the caller stops there). */
#ifndef SIGNET_CSR_FUZZ_ORACLE_H
#define SIGNET_CSR_FUZZ_ORACLE_H

#include <openssl/x509v3.h>

#include "csr/cert.h"
#include "csr/csr_internal.h"

#define DIFFERS(condition, what)                                                                                       \
	do {                                                                                                           \
		if (condition) return what;                                                                            \
	} while (0)

static inline bool oracle_string_is(const ASN1_STRING *s, struct bytes v)
{
	return s != NULL && bytes_equal(BYTES(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)), v);
}

/* Does i2d, given as a result, equal `v`?  Frees the encoding. */
static inline bool oracle_encoding_is(unsigned char *encoded, int len, struct bytes v)
{
	bool same = len >= 0 && bytes_equal(BYTES(encoded, (size_t)len), v);

	OPENSSL_free(encoded);
	return same;
}

static inline const char *oracle_key(X509_PUBKEY *pub, const struct key_info *key)
{
	const unsigned char *bits;
	unsigned char *out = NULL;
	int len;

	DIFFERS(pub == NULL || X509_PUBKEY_get0_param(NULL, &bits, &len, NULL, pub) != 1, "no key");
	DIFFERS(!bytes_equal(BYTES(bits, (size_t)len), key->key_bits), "key bits");
	len = i2d_X509_PUBKEY(pub, &out);
	DIFFERS(!oracle_encoding_is(out, len, key->spki), "SubjectPublicKeyInfo");
	return NULL;
}

static inline const char *oracle_algorithm(const X509_ALGOR *alg, struct bytes element)
{
	unsigned char *out = NULL;
	int len = i2d_X509_ALGOR(alg, &out);

	DIFFERS(!oracle_encoding_is(out, len, element), "signature algorithm");
	return NULL;
}

/* One name as we read it: URI, DNS and IP by value, others by kind only. */
static inline const char *oracle_name(const GENERAL_NAME *name, unsigned tag, struct bytes value)
{
	int type;
	const void *v = GENERAL_NAME_get0_value(name, &type);

	DIFFERS((unsigned)type != tag, "kind of a name"); /* GEN_URI and the others are the tag numbers */
	if (tag == GEN_URI || tag == GEN_DNS || tag == GEN_IPADD || tag == GEN_EMAIL)
		DIFFERS(!oracle_string_is(v, value), "value of a name");
	return NULL;
}

#endif
