#include "csr/cert.h"

#include <limits.h>
#include <string.h>

#include "base/own.h"
#include "csr/x509.h"
#include "der/der.h"

#define VERSION_3 2 /* RFC 5280 s4.1.2.1 */

static struct err take_version(struct bytes *tbs)
{
	struct bytes explicit;
	uint64_t version;

	TRY(der_take(tbs, DER_CONTEXT_CONSTRUCTED(0), &explicit));
	TRY(der_take_uint(&explicit, &version));
	if (version != VERSION_3) FAIL(ERR_INVALID_ARGUMENT, "cert: not version 3");
	return der_end(&explicit);
}

static struct err take_serial(struct bytes *tbs, struct bytes *serial)
{
	TRY(der_take_unsigned(tbs, CERT_SERIAL_MAX, serial));
	if (serial->data[0] == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: serial number is zero");
	/* RFC 5280 s4.1.2.2 counts the octets of the INTEGER, and this one has a sign octet too. */
	if (serial->len == CERT_SERIAL_MAX && (serial->data[0] & 0x80) != 0)
		FAIL(ERR_INVALID_ARGUMENT, "cert: serial number is over 20 octets");
	return OK;
}

static struct err take_validity(struct bytes *tbs, struct cert *cert)
{
	struct bytes validity;

	TRY(der_take(tbs, DER_SEQUENCE, &validity));
	TRY(der_take_time(&validity, &cert->not_before));
	TRY(der_take_time(&validity, &cert->not_after));
	return der_end(&validity);
}

/* ---- extensions ---- */

static struct err read_ski(struct cert *cert, struct bytes value, bool critical)
{
	cert->key_id_critical |= critical;
	TRY(der_enter(value, DER_OCTET_STRING, &cert->ski));
	if (cert->ski.len == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: subject key identifier is empty");
	return OK;
}

/* authorityCertIssuer and authorityCertSerialNumber come together or not at all (RFC 5280 s4.2.1.1). */
static struct err check_aki_issuer(struct cert *cert, struct bytes *aki)
{
	bool has_issuer, has_serial;
	struct bytes names, serial, value;
	unsigned tag;

	TRY(der_take_optional(aki, DER_CONTEXT_CONSTRUCTED(1), &has_issuer, &names));
	TRY(der_take_optional(aki, DER_CONTEXT(2), &has_serial, &serial));
	if (has_issuer != has_serial) FAIL(ERR_INVALID_ARGUMENT, "cert: authority issuer without serial number");
	if (!has_issuer) return OK;
	if (names.len == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: authority issuer is empty");
	while (names.len > 0) TRY(x509_take_general_name(&names, &tag, &value));
	cert->has_aki_serial = true;
	cert->aki_serial = serial;
	return x509_any_check(DER_INTEGER, serial);
}

static struct err read_aki(struct cert *cert, struct bytes value, bool critical)
{
	struct bytes aki;
	bool has_id;

	cert->key_id_critical |= critical;
	TRY(der_enter(value, DER_SEQUENCE, &aki));
	TRY(der_take_optional(&aki, DER_CONTEXT(0), &has_id, &cert->aki));
	if (has_id && cert->aki.len == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: authority key identifier is empty");
	TRY(check_aki_issuer(cert, &aki));
	return der_end(&aki);
}

static struct err read_key_usage(struct cert *cert, struct bytes value, bool critical)
{
	TRY(der_take_named_bits(&value, &cert->key_usage));
	if (cert->key_usage == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: key usage is empty"); /* RFC 5280 s4.2.1.3 */
	cert->has_key_usage = true;
	cert->key_usage_critical = critical;
	return der_end(&value);
}

static void count_name(struct cert *cert, unsigned tag, struct bytes value)
{
	unsigned *counter = &cert->other_name_count;

	if (tag == X509_DNS) counter = &cert->dns_count;
	if (tag == X509_IP) counter = &cert->ip_count;
	if (tag == X509_URI) counter = &cert->uri_count;
	if (tag == X509_URI && cert->uri_count == 0) cert->uri = value;
	(*counter)++;
}

static struct err read_san(struct cert *cert, struct bytes value, bool critical)
{
	struct bytes names, name;
	unsigned tag;

	TRY(der_enter(value, DER_SEQUENCE, &names));
	if (names.len == 0)
		FAIL(ERR_INVALID_ARGUMENT, "cert: subject alternative name is empty"); /* RFC 5280 s4.2.1.6 */
	cert->san = names;
	cert->has_san = true;
	cert->san_critical = critical;
	while (names.len > 0) {
		TRY(x509_take_general_name(&names, &tag, &name));
		count_name(cert, tag, name);
	}
	return OK;
}

static struct err read_basic_constraints(struct cert *cert, struct bytes value, bool critical)
{
	struct bytes body;
	uint64_t path_len;

	TRY(der_enter(value, DER_SEQUENCE, &body));
	cert->has_basic_constraints = true;
	cert->basic_constraints_critical = critical;
	if (der_peek(&body) == DER_BOOLEAN) {
		TRY(der_take_bool(&body, &cert->ca));
		if (!cert->ca) FAIL(ERR_INVALID_ARGUMENT, "cert: cA FALSE is encoded"); /* X.690 s11.5 */
	}
	if (body.len > 0) {
		if (!cert->ca) FAIL(ERR_INVALID_ARGUMENT, "cert: path length without cA"); /* RFC 5280 s4.2.1.9 */
		TRY(der_take_uint(&body, &path_len));
		if (path_len > INT_MAX) FAIL(ERR_INVALID_ARGUMENT, "cert: path length is out of range");
		cert->path_len = (int)path_len;
	}
	return der_end(&body);
}

static struct err read_ext_key_usage(struct cert *cert, struct bytes value, bool critical)
{
	/* RFC 5280 s4.2.1.12: id-kp-serverAuth, id-kp-clientAuth, anyExtendedKeyUsage */
	static const uint8_t server[] = { 0x2b, 6, 1, 5, 5, 7, 3, 1 }, client[] = { 0x2b, 6, 1, 5, 5, 7, 3, 2 };
	static const uint8_t any[] = { 0x55, 0x1d, 0x25, 0 };
	struct bytes list, oid;

	cert->ext_key_usage_critical = critical;
	TRY(der_enter(value, DER_SEQUENCE, &list));
	if (list.len == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: extended key usage is empty");
	cert->has_ext_key_usage = true;
	while (list.len > 0) {
		TRY(der_take(&list, DER_OID, &oid));
		TRY(x509_oid_check(oid));
		cert->eku_server |= bytes_equal(oid, BYTES(server, sizeof(server)));
		cert->eku_client |= bytes_equal(oid, BYTES(client, sizeof(client)));
		cert->eku_any |= bytes_equal(oid, BYTES(any, sizeof(any)));
	}
	return OK;
}

static struct err read_name_constraints(struct cert *cert, struct bytes value, bool critical)
{
	cert->name_constraints_critical = critical;
	TRY(der_enter(value, DER_SEQUENCE, &cert->name_constraints));
	if (cert->name_constraints.len == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: name constraints are empty");
	return OK;
}

/* id-ce (2.5.29) and one more octet (RFC 5280 appendix A.2). */
static const struct {
	uint8_t oid[3];
	struct err (*read)(struct cert *cert, struct bytes value, bool critical);
} known_extensions[] = {
	{ { 0x55, 0x1d, 17 }, read_san },
	{ { 0x55, 0x1d, 15 }, read_key_usage },
	{ { 0x55, 0x1d, 37 }, read_ext_key_usage },
	{ { 0x55, 0x1d, 19 }, read_basic_constraints },
	{ { 0x55, 0x1d, 14 }, read_ski },
	{ { 0x55, 0x1d, 35 }, read_aki },
	{ { 0x55, 0x1d, 30 }, read_name_constraints },
};

static struct err read_extension(struct cert *cert, const struct x509_extension *e)
{
	for (size_t i = 0; i < ARRAY_LEN(known_extensions); i++)
		if (bytes_equal(e->oid, BYTES(known_extensions[i].oid, sizeof(known_extensions[i].oid))))
			return known_extensions[i].read(cert, e->value, e->critical);
	cert->unknown_critical |= e->critical;
	return OK;
}

static struct err take_extensions(struct bytes *tbs, struct cert *cert)
{
	struct x509_oids seen;
	struct bytes explicit, list;
	bool present;

	TRY(der_take_optional(tbs, DER_CONTEXT_CONSTRUCTED(3), &present, &explicit));
	if (!present) return OK;
	TRY(der_enter(explicit, DER_SEQUENCE, &list));
	if (list.len == 0) FAIL(ERR_INVALID_ARGUMENT, "cert: list of extensions is empty"); /* RFC 5280 s4.1 */
	seen.count = 0;
	while (list.len > 0) {
		struct x509_extension e;

		TRY(x509_take_extension(&list, &seen, &e));
		TRY(read_extension(cert, &e));
	}
	return OK;
}

static struct err read_tbs(struct bytes tbs, struct cert *cert)
{
	struct bytes inner, spki;

	TRY(take_version(&tbs));
	TRY(take_serial(&tbs, &cert->serial));
	TRY(x509_take_algorithm(&tbs, &inner));
	if (!bytes_equal(inner, cert->algorithm)) /* RFC 5280 s4.1.1.2 */
		FAIL(ERR_INVALID_ARGUMENT, "cert: inner and outer signature algorithms differ");
	TRY(x509_take_name(&tbs, &cert->issuer));
	TRY(take_validity(&tbs, cert));
	TRY(x509_take_name(&tbs, &cert->subject));
	cert->subject_empty = cert->subject.len == 2;
	TRY(der_take_element(&tbs, DER_SEQUENCE, &spki));
	TRY(key_info_parse(spki, &cert->key));
	/* Unique identifiers ([1], [2]) nobody may write (RFC 5280 s4.1.2.8): here they are trailing bytes. */
	TRY(take_extensions(&tbs, cert));
	return der_end(&tbs);
}

struct err cert_parse(struct bytes der, struct cert *out)
{
	struct cert cert = { .der = der, .path_len = -1 };
	struct bytes body, tbs;

	if (der.len == 0 || der.len > CERT_DER_MAX) FAIL(ERR_INVALID_ARGUMENT, "cert: length out of range");
	TRY(der_enter(der, DER_SEQUENCE, &body));
	TRY(der_take_element(&body, DER_SEQUENCE, &cert.tbs));
	TRY(x509_take_algorithm(&body, &cert.algorithm));
	TRY(der_take_octet_bits(&body, &cert.signature));
	TRY(der_end(&body));
	TRY(der_enter(cert.tbs, DER_SEQUENCE, &tbs));
	TRY(read_tbs(tbs, &cert));
	*out = cert;
	return OK;
}

struct err cert_san_next(struct bytes *san, unsigned *tag, struct bytes *value)
{
	if (san->len == 0) FAIL(ERR_NOT_FOUND, "cert: no more names");
	return x509_take_general_name(san, tag, value);
}

/* GeneralSubtrees ::= SEQUENCE OF SEQUENCE { base GeneralName, ... } */
static bool subtrees_have(struct bytes trees, unsigned tag)
{
	struct bytes tree, value;
	unsigned found;

	while (trees.len > 0) {
		if (der_take(&trees, DER_SEQUENCE, &tree).code != ERR_OK || der_take_any(&tree, &found, &value).code != ERR_OK)
			return true;
		if ((found & 0x1f) == tag) return true;
	}
	return false;
}

bool cert_constrains(const struct cert *cert, unsigned tag)
{
	struct bytes rest = cert->name_constraints, trees;
	unsigned which;

	while (rest.len > 0) {
		if (der_take_any(&rest, &which, &trees).code != ERR_OK) return true;
		if (subtrees_have(trees, tag)) return true;
	}
	return false;
}

/* ---- X509-SVID ---- */

static struct err svid_id_check(const struct cert *cert, const char *trust_domain)
{
	struct bytes domain;

	if (cert->uri_count != 1) FAIL(ERR_INVALID_ARGUMENT, "svid: not exactly one URI name"); /* X509-SVID s2 */
	TRY(spiffe_workload_id_parse(cert->uri, &domain, NULL));
	if (!bytes_is(domain, trust_domain)) FAIL(ERR_INVALID_ARGUMENT, "svid: of another trust domain");
	return OK;
}

/* What holds for every leaf, an SVID or not. */
static struct err leaf_check(const struct cert *cert)
{
	bool signs = (cert->key_usage & (CERT_KU_KEY_CERT_SIGN | CERT_KU_CRL_SIGN)) != 0;
	const struct {
		bool broken;
		struct err e;
	} rules[] = {
		/* RFC 5280 s4.2; s4.2.1.10: not of a leaf */
		{ cert->unknown_critical || cert->key_id_critical || cert->name_constraints_critical,
		  ERR(ERR_INVALID_ARGUMENT, "svid: unknown critical extension") },
		{ cert->subject_empty && !cert->san_critical, /* X509-SVID s2, RFC 5280 s4.2.1.6 */
		  ERR(ERR_INVALID_ARGUMENT, "svid: subject is empty and the name is not critical") },
		{ cert->ca, ERR(ERR_INVALID_ARGUMENT, "svid: is a CA") }, /* X509-SVID s4.1 */
		{ !cert->has_key_usage, ERR(ERR_INVALID_ARGUMENT, "svid: no key usage") }, /* X509-SVID s4.3 */
		{ !cert->key_usage_critical, ERR(ERR_INVALID_ARGUMENT, "svid: key usage is not critical") },
		{ (cert->key_usage & CERT_KU_DIGITAL_SIGNATURE) == 0,
		  ERR(ERR_INVALID_ARGUMENT, "svid: key usage lacks digitalSignature") },
		{ signs, ERR(ERR_INVALID_ARGUMENT, "svid: key usage may sign certificates or CRLs") },
	};

	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].broken) return rules[i].e;
	return OK;
}

struct err cert_svid_check(const struct cert *cert, const char *trust_domain)
{
	TRY(svid_id_check(cert, trust_domain));
	TRY(leaf_check(cert));
	/* X509-SVID s4.4 */
	if (cert->has_ext_key_usage && !cert->eku_any && !(cert->eku_server && cert->eku_client))
		FAIL(ERR_INVALID_ARGUMENT, "svid: extended key usage lacks serverAuth or clientAuth");
	return OK;
}

struct err cert_server_check(const struct cert *cert)
{
	TRY(leaf_check(cert));
	if (cert->uri_count > 0) FAIL(ERR_INVALID_ARGUMENT, "cert: it has a URI");
	if (!cert->eku_server) FAIL(ERR_INVALID_ARGUMENT, "cert: extended key usage lacks serverAuth");
	return OK;
}
