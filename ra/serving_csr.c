#include "ra/serving_csr.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "base/address.h"
#include "base/own.h"

static void auto_request(X509_REQ **p)
{
	X509_REQ_free(*p);
}

static void auto_names(GENERAL_NAMES **p)
{
	GENERAL_NAMES_free(*p);
}

static void auto_extensions(X509_EXTENSIONS **p)
{
	sk_X509_EXTENSION_pop_free(*p, X509_EXTENSION_free);
}

/* The text of a DNS name, or the octets of an address. */
static bool add_name(GENERAL_NAMES *names, const char *text)
{
	uint8_t address[16];
	uint8_t n = address_octets(text, address);
	ASN1_STRING *value = ASN1_STRING_type_new(n > 0 ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
	GENERAL_NAME *name = GENERAL_NAME_new();

	if (value != NULL && name != NULL &&
	    ASN1_STRING_set(value, n > 0 ? (const void *)address : text, n > 0 ? n : (int)strlen(text))) {
		GENERAL_NAME_set0_value(name, n > 0 ? GEN_IPADD : GEN_DNS, value);
		if (sk_GENERAL_NAME_push(names, name) > 0) return true;
		value = NULL; /* the name's */
	}
	ASN1_STRING_free(value);
	GENERAL_NAME_free(name);
	return false;
}

static bool add_names(const struct conf *conf, X509_REQ *request)
{
	AUTO(names) GENERAL_NAMES *names = GENERAL_NAMES_new();
	AUTO(extensions) X509_EXTENSIONS *extensions = NULL;

	if (names == NULL) return false;
	for (uint32_t i = 0; i < conf->tls.names.count; i++)
		if (!add_name(names, conf_item(conf, conf->tls.names, i))) return false;
	/* critical, for there is no subject (RFC 5280 s4.2.1.6) */
	return X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT) == 1 &&
	       X509_REQ_add_extensions(request, extensions) == 1;
}

struct err serving_csr(const struct conf *conf, EVP_PKEY *key, struct buf *out)
{
	AUTO(request) X509_REQ *request = X509_REQ_new();
	uint8_t *der = NULL;
	struct err e;
	int n;

	if (request == NULL || X509_REQ_set_version(request, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(request, key) != 1 ||
	    !add_names(conf, request) || X509_REQ_sign(request, key, EVP_sha256()) <= 0)
		FAIL(ERR_INTERNAL, "front: cannot make a request for a serving certificate");
	n = i2d_X509_REQ(request, &der);
	if (n <= 0) FAIL(ERR_INTERNAL, "front: cannot encode a request for a serving certificate");
	e = buf_put(out, der, (size_t)n);
	OPENSSL_free(der);
	return e;
}
