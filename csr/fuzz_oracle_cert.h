/* fuzz_oracle_cert.h: see fuzz_oracle.h. */
#ifndef SIGNET_CSR_FUZZ_ORACLE_CERT_H
#define SIGNET_CSR_FUZZ_ORACLE_CERT_H

#include <openssl/err.h>
#include <time.h>

#include "csr/fuzz_oracle.h"

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

static inline const char *oracle_san(const struct cert *c, const X509 *x)
{
	int critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
	unsigned count[9] = { 0 }, tag = 0;
	struct bytes rest = c->san, value = BYTES_NONE;
	const char *what = NULL;

	DIFFERS((names != NULL) != c->has_san, "alternative names");
	if (names == NULL) return NULL;
	DIFFERS(c->san_critical != (critical == 1), "critical alternative names");
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		DIFFERS(cert_san_next(&rest, &tag, &value).code != ERR_OK, "number of names");
		if ((what = oracle_name(sk_GENERAL_NAME_value(names, i), tag, value)) != NULL) return what;
		if (count[tag]++ == 0 && tag == GEN_URI) DIFFERS(!bytes_equal(value, c->uri), "URI");
	}
	DIFFERS(cert_san_next(&rest, &tag, &value).code != ERR_NOT_FOUND, "names after the last");
	DIFFERS(count[6] != c->uri_count || count[2] != c->dns_count || count[7] != c->ip_count, "counts of names");
	DIFFERS(count[0] + count[1] + count[4] + count[8] != c->other_name_count, "count of other names");
	GENERAL_NAMES_free(names);
	return NULL;
}

static inline const char *oracle_key_usage(const struct cert *c, const X509 *x)
{
	int critical;
	ASN1_BIT_STRING *bits = X509_get_ext_d2i(x, NID_key_usage, &critical, NULL);

	DIFFERS((bits != NULL) != c->has_key_usage, "key usage");
	if (bits == NULL) return NULL;
	DIFFERS(c->key_usage_critical != (critical == 1), "critical key usage");
	for (int i = 0; i < 16; i++) DIFFERS(ASN1_BIT_STRING_get_bit(bits, i) != (c->key_usage >> i & 1), "key usage bit");
	ASN1_BIT_STRING_free(bits);
	return NULL;
}

static inline const char *oracle_ext_key_usage(const struct cert *c, const X509 *x)
{
	EXTENDED_KEY_USAGE *eku = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
	bool server = false, client = false, any = false;

	for (int i = 0; i < sk_ASN1_OBJECT_num(eku); i++) {
		int nid = OBJ_obj2nid(sk_ASN1_OBJECT_value(eku, i));

		server |= nid == NID_server_auth;
		client |= nid == NID_client_auth;
		any |= nid == NID_anyExtendedKeyUsage;
	}
	DIFFERS((eku != NULL) != c->has_ext_key_usage, "extended key usage");
	DIFFERS(server != c->eku_server || client != c->eku_client || any != c->eku_any, "extended key usage OIDs");
	EXTENDED_KEY_USAGE_free(eku);
	return NULL;
}

static inline const char *oracle_constraints(const struct cert *c, const X509 *x)
{
	int critical;
	BASIC_CONSTRAINTS *bc = X509_get_ext_d2i(x, NID_basic_constraints, &critical, NULL);
	long path_len = bc != NULL && bc->pathlen != NULL ? ASN1_INTEGER_get(bc->pathlen) : -1;

	DIFFERS((bc != NULL) != c->has_basic_constraints, "basic constraints");
	DIFFERS(path_len != c->path_len || (bc != NULL && bc->ca != 0) != c->ca, "basic constraints fields");
	DIFFERS(bc != NULL && c->basic_constraints_critical != (critical == 1), "critical basic constraints");
	BASIC_CONSTRAINTS_free(bc);
	return NULL;
}

static inline const char *oracle_key_ids(const struct cert *c, const X509 *x)
{
	ASN1_OCTET_STRING *ski = X509_get_ext_d2i(x, NID_subject_key_identifier, NULL, NULL);
	AUTHORITY_KEYID *aki = X509_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);

	DIFFERS(ski != NULL ? !oracle_string_is(ski, c->ski) : c->ski.len != 0, "subject key identifier");
	DIFFERS(X509_get_ext_by_NID(x, NID_authority_key_identifier, -1) >= 0 && aki == NULL, "authority key identifier refused");
	DIFFERS(aki != NULL && aki->keyid != NULL ? !oracle_string_is(aki->keyid, c->aki) : c->aki.len != 0, "authority key identifier");
	ASN1_OCTET_STRING_free(ski);
	AUTHORITY_KEYID_free(aki);
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
