#include "csr/csr.h"

#include <stdlib.h>
#include <string.h>

#include "csr/csr_internal.h"
#include "csr/x509.h"
#include "der/der.h"
#include "der/pem.h"

struct csr {
	struct key_info key;
	struct bytes info, signature; /* what is signed, and by what */
	enum key_scheme scheme;
	enum csr_subject subject;
	size_t san_count, other_extensions, other_attributes;
	struct csr_san sans[CSR_SAN_MAX];
	size_t der_len;
	uint8_t der[];
};

/* RFC 2985 s5.4.2: extensionRequest; RFC 5280 s4.2.1.6: subjectAltName */
static const uint8_t oid_extension_request[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14 };
static const uint8_t oid_subject_alt_name[] = { 0x55, 0x1d, 17 };

static struct err take_version(struct bytes *info)
{
	uint64_t version;

	TRY(der_take_uint(info, &version));
	if (version != 0) FAIL(ERR_INVALID_ARGUMENT, "csr: not version 1"); /* RFC 2986 s4.1: v1(0) */
	return OK;
}

static struct err take_subject(struct bytes *info, struct csr *csr)
{
	/* `O=` as pilot-agent writes it (a PrintableString), and as an encoder with another default would */
	static const uint8_t empty_org[2][13] = {
		{ 0x30, 0x0b, 0x31, 0x09, 0x30, 0x07, 0x06, 0x03, 0x55, 0x04, 0x0a, DER_PRINTABLE_STRING, 0x00 },
		{ 0x30, 0x0b, 0x31, 0x09, 0x30, 0x07, 0x06, 0x03, 0x55, 0x04, 0x0a, DER_UTF8_STRING, 0x00 },
	};
	struct bytes name;

	TRY(x509_take_name(info, &name));
	csr->subject = CSR_SUBJECT_OTHER;
	if (name.len == 2) csr->subject = CSR_SUBJECT_EMPTY;
	for (size_t i = 0; i < ARRAY_LEN(empty_org); i++)
		if (bytes_equal(name, BYTES(empty_org[i], sizeof(empty_org[i])))) csr->subject = CSR_SUBJECT_EMPTY_ORG;
	return OK;
}

static enum csr_san_kind san_kind(unsigned tag)
{
	return tag == X509_URI || tag == X509_DNS || tag == X509_IP ? (enum csr_san_kind)tag : CSR_SAN_OTHER;
}

static struct err read_san(struct bytes value, struct csr *csr)
{
	struct bytes names, name;
	unsigned tag;

	TRY(der_enter(value, DER_SEQUENCE, &names));
	if (names.len == 0)
		FAIL(ERR_INVALID_ARGUMENT, "csr: subject alternative name is empty"); /* RFC 5280 s4.2.1.6 */
	while (names.len > 0) {
		TRY(x509_take_general_name(&names, &tag, &name));
		if (csr->san_count == CSR_SAN_MAX)
			FAIL(ERR_INVALID_ARGUMENT, "csr: too many subject alternative names");
		csr->sans[csr->san_count++] = (struct csr_san){ .kind = san_kind(tag), .value = name };
	}
	return OK;
}

/* The values of the extensionRequest attribute: exactly one list of extensions. */
static struct err read_extensions(struct bytes values, struct csr *csr)
{
	struct x509_oids seen;
	struct bytes list;

	TRY(der_enter(values, DER_SEQUENCE, &list));
	if (list.len == 0) FAIL(ERR_INVALID_ARGUMENT, "csr: list of extensions is empty"); /* RFC 5280 s4.1 */
	seen.count = 0;
	while (list.len > 0) {
		struct x509_extension e;

		TRY(x509_take_extension(&list, &seen, &e));
		if (bytes_equal(e.oid, BYTES(oid_subject_alt_name, sizeof(oid_subject_alt_name))))
			TRY(read_san(e.value, csr));
		else
			csr->other_extensions++;
	}
	return OK;
}

static struct err check_values(struct bytes values)
{
	struct bytes value;
	unsigned tag;

	if (values.len == 0) FAIL(ERR_INVALID_ARGUMENT, "csr: attribute without a value"); /* RFC 2986 s4.1 */
	while (values.len > 0) {
		TRY(der_take_any(&values, &tag, &value));
		TRY(x509_any_check(tag, value));
	}
	return OK;
}

/* The list is a SET OF, but Go writes it in the order given (crypto/x509), so its order is not checked. */
static struct err take_attributes(struct bytes *info, struct csr *csr)
{
	struct x509_oids seen;
	struct bytes list, attribute, oid, values;

	TRY(der_take(info, DER_CONTEXT_CONSTRUCTED(0), &list));
	seen.count = 0;
	while (list.len > 0) {
		TRY(der_take(&list, DER_SEQUENCE, &attribute));
		TRY(der_take(&attribute, DER_OID, &oid));
		TRY(x509_oid_check(oid));
		TRY(x509_oids_add(&seen, oid));
		TRY(der_take(&attribute, DER_SET, &values));
		TRY(der_end(&attribute));
		if (bytes_equal(oid, BYTES(oid_extension_request, sizeof(oid_extension_request)))) {
			TRY(read_extensions(values, csr));
		} else {
			TRY(check_values(values));
			csr->other_attributes++;
		}
	}
	return OK;
}

static struct err decode_info(struct bytes info, struct csr *csr)
{
	struct bytes spki;

	TRY(take_version(&info));
	TRY(take_subject(&info, csr));
	TRY(der_take_element(&info, DER_SEQUENCE, &spki));
	TRY(key_info_parse(spki, &csr->key));
	if (csr->key.type == KEY_P521) FAIL(ERR_INVALID_ARGUMENT, "csr: P-521 is for JSON web keys only");
	TRY(take_attributes(&info, csr));
	return der_end(&info);
}

/* RFC 2986 s4.2 */
static struct err decode(struct csr *csr)
{
	struct bytes body, info, algorithm;

	TRY(der_enter(BYTES(csr->der, csr->der_len), DER_SEQUENCE, &body));
	TRY(der_take_element(&body, DER_SEQUENCE, &csr->info));
	TRY(x509_take_algorithm(&body, &algorithm));
	TRY(der_take_octet_bits(&body, &csr->signature));
	TRY(der_end(&body));
	TRY(der_enter(csr->info, DER_SEQUENCE, &info));
	TRY(decode_info(info, csr));
	return key_scheme_parse(algorithm, csr->key.type, &csr->scheme);
}

struct err csr_decode(struct bytes der, struct csr **out)
{
	AUTO(csr) struct csr *csr = NULL;

	if (der.len == 0 || der.len > CSR_DER_MAX) FAIL(ERR_INVALID_ARGUMENT, "csr: length out of range");
	csr = malloc(sizeof(*csr) + der.len);
	if (csr == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "csr: out of memory");
	csr->san_count = csr->other_extensions = csr->other_attributes = 0; /* the names are set as they are counted */
	csr->der_len = der.len;
	memcpy(csr->der, der.data, der.len);
	TRY(decode(csr));
	*out = MOVE(csr);
	return OK;
}

struct err csr_verify(const struct csr *csr, struct key_verifier *verifier)
{
	return key_verify(verifier, &csr->key, csr->scheme, csr->info, csr->signature);
}

struct err csr_parse(struct bytes der, struct key_verifier *verifier, struct csr **out)
{
	AUTO(csr) struct csr *csr = NULL;

	TRY(csr_decode(der, &csr));
	TRY(csr_verify(csr, verifier));
	*out = MOVE(csr);
	return OK;
}

struct err csr_parse_pem(struct bytes pem, struct key_verifier *verifier, struct csr **out)
{
	AUTO(buf) struct buf der = { .max = CSR_DER_MAX };
	char label[PEM_LABEL_MAX];
	struct err e;

	if (pem.len > CSR_PEM_MAX) FAIL(ERR_INVALID_ARGUMENT, "csr: not properly encoded PEM");
	e = pem_take_only(pem, CSR_DER_MAX, label, &der);
	if (e.code == ERR_INVALID_ARGUMENT) FAIL(ERR_INVALID_ARGUMENT, "csr: not properly encoded PEM");
	TRY(e);
	return csr_parse(buf_view(&der), verifier, out);
}

const struct key_info *csr_key(const struct csr *csr)
{
	return &csr->key;
}

struct bytes csr_der(const struct csr *csr)
{
	return BYTES(csr->der, csr->der_len);
}

enum csr_subject csr_subject(const struct csr *csr)
{
	return csr->subject;
}

size_t csr_san_count(const struct csr *csr)
{
	return csr->san_count;
}

struct csr_san csr_san(const struct csr *csr, size_t i)
{
	return csr->sans[i];
}

size_t csr_other_extensions(const struct csr *csr)
{
	return csr->other_extensions;
}

size_t csr_other_attributes(const struct csr *csr)
{
	return csr->other_attributes;
}

void csr_free(struct csr *csr)
{
	free(csr);
}
