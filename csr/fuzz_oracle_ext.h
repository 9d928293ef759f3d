/* fuzz_oracle_ext.h: the extensions of a certificate; see fuzz_oracle.h. */
#ifndef SIGNET_CSR_FUZZ_ORACLE_EXT_H
#define SIGNET_CSR_FUZZ_ORACLE_EXT_H

#include "csr/fuzz_oracle.h"

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
	for (int i = 0; i < 16; i++)
		DIFFERS(ASN1_BIT_STRING_get_bit(bits, i) != (c->key_usage >> i & 1), "key usage bit");
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
	DIFFERS(X509_get_ext_by_NID(x, NID_authority_key_identifier, -1) >= 0 && aki == NULL, "authority key id refused");
	DIFFERS(aki != NULL && aki->keyid != NULL ? !oracle_string_is(aki->keyid, c->aki) : c->aki.len != 0,
	        "authority key identifier");
	ASN1_OCTET_STRING_free(ski);
	AUTHORITY_KEYID_free(aki);
	return NULL;
}

#endif
