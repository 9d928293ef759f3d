#include "csr/x509.h"

#include <string.h>

#include "base/utf8.h"

struct err x509_oid_check(struct bytes oid)
{
	bool first = true;

	if (oid.len == 0) FAIL(ERR_INVALID_ARGUMENT, "x509: OID is empty");
	for (size_t i = 0; i < oid.len; i++) {
		if (first && oid.data[i] == 0x80) FAIL(ERR_INVALID_ARGUMENT, "x509: OID is not minimal");
		first = (oid.data[i] & 0x80) == 0;
	}
	if (!first) FAIL(ERR_INVALID_ARGUMENT, "x509: OID is cut off");
	return OK;
}

/* X.690 s8.3.2: the first nine bits are not all equal. */
static bool integer_ok(struct bytes v)
{
	if (v.len == 0) return false;
	if (v.len == 1) return true;
	return !(v.data[0] == 0x00 && v.data[1] < 0x80) && !(v.data[0] == 0xff && v.data[1] >= 0x80);
}

static bool bit_string_ok(struct bytes v)
{
	unsigned unused = v.len == 0 ? 8 : v.data[0];

	if (unused > 7 || (v.len == 1 && unused != 0)) return false;
	return v.len == 1 || (v.data[v.len - 1] & ((1u << unused) - 1)) == 0; /* X.690 s11.2.1 */
}

static bool is_surrogate(uint32_t c)
{
	return c >= 0xd800 && c <= 0xdfff;
}

static bool bmp_ok(struct bytes v)
{
	if (v.len % 2 != 0) return false;
	for (size_t i = 0; i < v.len; i += 2)
		if (is_surrogate((uint32_t)v.data[i] << 8 | v.data[i + 1])) return false;
	return true;
}

static bool universal_ok(struct bytes v)
{
	return v.len % 4 == 0;
}

static bool ascii_ok(struct bytes v)
{
	uint8_t all = 0;

	for (size_t i = 0; i < v.len; i++) all = (uint8_t)(all | v.data[i]);
	return all < 0x80;
}

static bool bool_ok(struct bytes v)
{
	return v.len == 1 && (v.data[0] == 0x00 || v.data[0] == 0xff);
}

static bool empty_ok(struct bytes v)
{
	return v.len == 0;
}

static bool oid_ok(struct bytes v)
{
	return x509_oid_check(v).code == ERR_OK;
}

static bool any_ok(struct bytes v)
{
	(void)v;
	return true;
}

#define ENUMERATED 0x0a
#define T61_STRING 0x14
#define UNIVERSAL_STRING 0x1c
#define BMP_STRING 0x1e
static bool (*const content_rules[0x20])(struct bytes) = {
	[DER_BOOLEAN] = bool_ok,    [DER_INTEGER] = integer_ok,  [DER_BIT_STRING] = bit_string_ok,
	[DER_NULL] = empty_ok,      [DER_OID] = oid_ok,          [ENUMERATED] = integer_ok,
	[DER_UTF8_STRING] = utf8_valid, [DER_PRINTABLE_STRING] = ascii_ok, [DER_IA5_STRING] = ascii_ok,
	[UNIVERSAL_STRING] = universal_ok, [BMP_STRING] = bmp_ok,
};
/* RFC 5280 s4.1.2.4 and appendix A: DirectoryString without the obsolete UniversalString, and IA5String. */
static bool (*const name_rules[0x20])(struct bytes) = {
	[DER_UTF8_STRING] = utf8_valid, [DER_PRINTABLE_STRING] = ascii_ok, [DER_IA5_STRING] = ascii_ok,
	[T61_STRING] = any_ok,       [BMP_STRING] = bmp_ok,
};

struct err x509_any_check(unsigned tag, struct bytes value)
{
	/* EXTERNAL, EMBEDDED PDV and CHARACTER STRING: OpenSSL takes them for strings in pieces, and fails. */
	if ((tag & 0xe0) == 0x20 && tag != DER_SEQUENCE && tag != DER_SET)
		FAIL(ERR_INVALID_ARGUMENT, "x509: type is not supported");
	if (tag < 0x20 && content_rules[tag] != NULL && !content_rules[tag](value))
		FAIL(ERR_INVALID_ARGUMENT, "x509: value breaks the rules of its type");
	return OK;
}

struct err x509_take_algorithm(struct bytes *in, struct bytes *element)
{
	struct bytes rest = *in, whole, body, v;
	unsigned tag;

	TRY(der_take_element(&rest, DER_SEQUENCE, &whole));
	TRY(der_enter(whole, DER_SEQUENCE, &body));
	TRY(der_take(&body, DER_OID, &v));
	TRY(x509_oid_check(v));
	if (body.len > 0) {
		TRY(der_take_any(&body, &tag, &v));
		TRY(x509_any_check(tag, v));
	}
	TRY(der_end(&body));
	*element = whole;
	*in = rest;
	return OK;
}

static struct err attribute_check(struct bytes attribute)
{
	struct bytes oid, value;
	unsigned tag;

	TRY(der_take(&attribute, DER_OID, &oid));
	TRY(x509_oid_check(oid));
	TRY(der_take_any(&attribute, &tag, &value));
	/* A string of no characters is one: pilot-agent sends `O=`. */
	if (tag >= 0x20 || name_rules[tag] == NULL || !name_rules[tag](value))
		FAIL(ERR_INVALID_ARGUMENT, "x509: malformed string in a name");
	return der_end(&attribute);
}

/* X.690 s11.6: as octet strings, the shorter padded with zeros, in ascending order. */
static bool set_order_ok(struct bytes a, struct bytes b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = memcmp(a.data, b.data, n);

	return c < 0 || (c == 0 && a.len <= b.len);
}

static struct err rdn_check(struct bytes rdn)
{
	struct bytes before = BYTES_NONE, attribute, body;

	if (rdn.len == 0) FAIL(ERR_INVALID_ARGUMENT, "x509: empty set in a name");
	while (rdn.len > 0) {
		TRY(der_take_element(&rdn, DER_SEQUENCE, &attribute));
		TRY(der_enter(attribute, DER_SEQUENCE, &body));
		TRY(attribute_check(body));
		if (before.len > 0 && !set_order_ok(before, attribute))
			FAIL(ERR_INVALID_ARGUMENT, "x509: set in a name is not in DER order");
		before = attribute;
	}
	return OK;
}

struct err x509_take_name(struct bytes *in, struct bytes *element)
{
	struct bytes rest = *in, whole, body, rdn;

	TRY(der_take_element(&rest, DER_SEQUENCE, &whole));
	TRY(der_enter(whole, DER_SEQUENCE, &body));
	while (body.len > 0) {
		TRY(der_take(&body, DER_SET, &rdn));
		TRY(rdn_check(rdn));
	}
	*element = whole;
	*in = rest;
	return OK;
}

static struct err text_check(struct bytes v)
{
	if (bytes_has_nul(v)) FAIL(ERR_INVALID_ARGUMENT, "x509: NUL in a subject alternative name");
	if (!ascii_ok(v)) FAIL(ERR_INVALID_ARGUMENT, "x509: subject alternative name is not ASCII");
	return OK;
}

static struct err ip_check(struct bytes v)
{
	if (v.len != 4 && v.len != 16) FAIL(ERR_INVALID_ARGUMENT, "x509: IP address is neither 4 nor 16 octets");
	return OK;
}

static struct err other_name_check(struct bytes v)
{
	struct bytes oid, wrapped, value;
	unsigned tag;

	TRY(der_take(&v, DER_OID, &oid));
	TRY(x509_oid_check(oid));
	TRY(der_take(&v, DER_CONTEXT_CONSTRUCTED(0), &wrapped));
	TRY(der_end(&v));
	TRY(der_take_any(&wrapped, &tag, &value));
	TRY(x509_any_check(tag, value));
	return der_end(&wrapped);
}

static struct err directory_name_check(struct bytes v)
{
	struct bytes element;

	TRY(x509_take_name(&v, &element));
	return der_end(&v);
}

static const struct {
	unsigned tag;
	enum x509_name_tag name;
	struct err (*check)(struct bytes);
} general_names[] = {
	{ DER_CONTEXT(6), X509_URI, text_check },
	{ DER_CONTEXT(2), X509_DNS, text_check },
	{ DER_CONTEXT(7), X509_IP, ip_check },
	{ DER_CONTEXT(1), X509_EMAIL, text_check },
	{ DER_CONTEXT_CONSTRUCTED(0), X509_OTHER_NAME, other_name_check },
	{ DER_CONTEXT_CONSTRUCTED(4), X509_DIRECTORY_NAME, directory_name_check },
	{ DER_CONTEXT(8), X509_REGISTERED_ID, x509_oid_check },
};

struct err x509_take_general_name(struct bytes *names, unsigned *tag, struct bytes *value)
{
	struct bytes rest = *names, v;
	unsigned found;

	TRY(der_take_any(&rest, &found, &v));
	for (size_t i = 0; i < sizeof(general_names) / sizeof(general_names[0]); i++) {
		if (general_names[i].tag != found) continue;
		TRY(general_names[i].check(v));
		*tag = general_names[i].name;
		*value = v;
		*names = rest;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "x509: unknown kind of subject alternative name");
}

struct err x509_oids_add(struct x509_oids *seen, struct bytes oid)
{
	for (size_t i = 0; i < seen->count; i++)
		if (bytes_equal(seen->oid[i], oid))
			FAIL(ERR_INVALID_ARGUMENT, "x509: extension or attribute given twice");
	if (seen->count == X509_OIDS_MAX) FAIL(ERR_INVALID_ARGUMENT, "x509: too many extensions or attributes");
	seen->oid[seen->count++] = oid;
	return OK;
}

struct err x509_take_extension(struct bytes *list, struct x509_oids *seen, struct x509_extension *out)
{
	struct x509_extension e = { .critical = false };
	struct bytes rest = *list, body;

	TRY(der_take(&rest, DER_SEQUENCE, &body));
	TRY(der_take(&body, DER_OID, &e.oid));
	TRY(x509_oid_check(e.oid));
	TRY(x509_oids_add(seen, e.oid));
	if (der_peek(&body) == DER_BOOLEAN) {
		TRY(der_take_bool(&body, &e.critical));
		/* X.690 s11.5: a default value is not encoded. */
		if (!e.critical) FAIL(ERR_INVALID_ARGUMENT, "x509: critical FALSE is encoded");
	}
	TRY(der_take(&body, DER_OCTET_STRING, &e.value));
	TRY(der_end(&body));
	*out = e;
	*list = rest;
	return OK;
}
