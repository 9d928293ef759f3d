/* fuzz_oracle_csr.h: see fuzz_oracle.h. */
#ifndef SIGNET_CSR_FUZZ_ORACLE_CSR_H
#define SIGNET_CSR_FUZZ_ORACLE_CSR_H

#include <openssl/err.h>

#include "csr/fuzz_oracle.h"

static inline const char *oracle_csr_subject(const struct csr *csr, const X509_NAME *name)
{
	int entries = X509_NAME_entry_count(name);
	X509_NAME_ENTRY *e = entries == 1 ? X509_NAME_get_entry(name, 0) : NULL;

	DIFFERS((csr_subject(csr) == CSR_SUBJECT_EMPTY) != (entries == 0), "empty subject");
	if (csr_subject(csr) != CSR_SUBJECT_EMPTY_ORG) return NULL;
	DIFFERS(e == NULL || OBJ_obj2nid(X509_NAME_ENTRY_get_object(e)) != NID_organizationName, "organization");
	DIFFERS(ASN1_STRING_length(X509_NAME_ENTRY_get_data(e)) != 0, "empty organization");
	return NULL;
}

static inline const char *oracle_csr_names(const struct csr *csr, const STACK_OF(X509_EXTENSION) *exts)
{
	GENERAL_NAMES *names = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
	int others = exts == NULL ? 0 : sk_X509_EXTENSION_num(exts) - (names != NULL ? 1 : 0);

	DIFFERS(csr_san_count(csr) != (names == NULL ? 0 : (size_t)sk_GENERAL_NAME_num(names)), "number of names");
	DIFFERS(csr_other_extensions(csr) != (size_t)others, "number of extensions");
	for (size_t i = 0; i < csr_san_count(csr); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, (int)i);
		struct csr_san san = csr_san(csr, i);
		bool known = name->type == GEN_URI || name->type == GEN_DNS || name->type == GEN_IPADD;
		const char *what = san.kind == CSR_SAN_OTHER ? NULL : oracle_name(name, san.kind, san.value);

		DIFFERS((san.kind == CSR_SAN_OTHER) == known, "kind of a name");
		DIFFERS(what != NULL, what);
	}
	GENERAL_NAMES_free(names);
	return NULL;
}

/* By extensionRequest only: X509_REQ_get_extensions() would fall back to Microsoft's attribute. */
static inline const char *oracle_csr_extensions(const struct csr *csr, const X509_REQ *req)
{
	int at = X509_REQ_get_attr_by_NID(req, NID_ext_req, -1);
	STACK_OF(X509_EXTENSION) *exts = NULL;
	const char *what;

	DIFFERS(csr_other_attributes(csr) != (size_t)(X509_REQ_get_attr_count(req) - (at >= 0 ? 1 : 0)),
	        "number of attributes");
	if (at >= 0) {
		ASN1_TYPE *v = X509_ATTRIBUTE_get0_type(X509_REQ_get_attr(req, at), 0);
		const unsigned char *p;

		DIFFERS(v == NULL || v->type != V_ASN1_SEQUENCE, "value of extensionRequest");
		p = v->value.sequence->data;
		exts = d2i_X509_EXTENSIONS(NULL, &p, v->value.sequence->length);
		DIFFERS(exts == NULL, "extensions");
	}
	what = oracle_csr_names(csr, exts);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return what;
}

static inline const char *oracle_csr_parts(const struct csr *csr, X509_REQ *req)
{
	const ASN1_BIT_STRING *signature;
	const X509_ALGOR *algorithm;
	unsigned char *out = NULL;
	const char *what;
	int len = i2d_X509_REQ(req, &out);

	DIFFERS(!oracle_encoding_is(out, len, csr_der(csr)), "encoding");
	DIFFERS(X509_REQ_get_version(req) != 0, "version");
	X509_REQ_get0_signature(req, &signature, &algorithm);
	DIFFERS(ASN1_STRING_length(signature) < 0 || algorithm == NULL, "signature");
	if ((what = oracle_key(X509_REQ_get_X509_PUBKEY(req), csr_key(csr))) != NULL) return what;
	if ((what = oracle_csr_subject(csr, X509_REQ_get_subject_name(req))) != NULL) return what;
	return oracle_csr_extensions(csr, req);
}

static inline const char *oracle_csr_differs(const struct csr *csr)
{
	struct bytes der = csr_der(csr);
	const unsigned char *p = der.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
	const char *what;

	DIFFERS(req == NULL || p != der.data + der.len, "OpenSSL refuses it");
	what = oracle_csr_parts(csr, req);
	X509_REQ_free(req);
	ERR_clear_error();
	return what;
}

#endif
