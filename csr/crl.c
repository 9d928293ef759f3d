#include "csr/crl.h"

#include "csr/x509.h"
#include "der/der.h"

#define REASON_UNUSED 7   /* RFC 5280 s5.3.1: "value 7 is not used" */
#define REASON_MAX 10
#define NUMBER_MAX 20     /* octets; s5.2.3: "MUST be able to handle CRLNumber values up to 20 octets" */
#define OID(s) BYTES(s, sizeof(s) - 1)
#define OID_REASON "\x55\x1d\x15"
#define OID_AKI "\x55\x1d\x23"
#define OID_NUMBER "\x55\x1d\x14"

/* ---- entries ---- */

static struct err read_reason(struct bytes value, uint8_t *reason)
{
	struct bytes code;

	TRY(der_enter(value, DER_ENUMERATED, &code));
	if (code.len != 1 || code.data[0] > REASON_MAX || code.data[0] == REASON_UNUSED)
		FAIL(ERR_INVALID_ARGUMENT, "crl: an unknown reason");
	*reason = code.data[0];
	return OK;
}

/* invalidityDate and the like say more about an entry; what is critical (certificateIssuer) says something else. */
static struct err read_entry_extensions(struct bytes in, uint8_t *reason)
{
	struct x509_oids seen = { .count = 0 };
	struct x509_extension e;
	struct bytes list;

	TRY(der_take(&in, DER_SEQUENCE, &list));
	TRY(der_end(&in));
	if (list.len == 0) FAIL(ERR_INVALID_ARGUMENT, "crl: an entry with an empty list of extensions");
	while (list.len > 0) {
		TRY(x509_take_extension(&list, &seen, &e));
		if (bytes_equal(e.oid, OID(OID_REASON))) TRY(read_reason(e.value, reason));
		else if (e.critical) FAIL(ERR_INVALID_ARGUMENT, "crl: an entry has a critical extension that is not known");
	}
	return OK;
}

struct err crl_next(struct bytes *revoked, struct crl_revoked *out)
{
	struct crl_revoked got = { .reason = 0 };
	struct bytes rest = *revoked, entry;

	if (rest.len == 0) FAIL(ERR_NOT_FOUND, "crl: no more entries");
	TRY(der_take(&rest, DER_SEQUENCE, &entry));
	TRY(der_take_unsigned(&entry, CRL_SERIAL_MAX, &got.serial));
	TRY(der_take_time(&entry, &got.time));
	if (entry.len > 0) TRY(read_entry_extensions(entry, &got.reason));
	*revoked = rest;
	*out = got;
	return OK;
}

/* ---- the list ---- */

static struct err read_number(struct bytes value, struct crl *crl)
{
	struct bytes digits;

	TRY(der_take_unsigned(&value, NUMBER_MAX, &digits));
	TRY(der_end(&value));
	crl->has_number = true;
	for (size_t i = 0; i < digits.len; i++) crl->number = crl->number << 8 | digits.data[i];
	if (digits.len > 8) crl->number = UINT64_MAX;
	return OK;
}

static struct err read_aki(struct bytes value, struct crl *crl)
{
	struct bytes aki;
	bool has_id;

	TRY(der_enter(value, DER_SEQUENCE, &aki));
	TRY(der_take_optional(&aki, DER_CONTEXT(0), &has_id, &crl->aki));
	if (has_id && crl->aki.len == 0) FAIL(ERR_INVALID_ARGUMENT, "crl: authority key identifier is empty");
	return OK;
}

static struct err read_extension(const struct x509_extension *e, struct crl *crl)
{
	if (bytes_equal(e->oid, OID(OID_NUMBER))) return read_number(e->value, crl);
	if (bytes_equal(e->oid, OID(OID_AKI))) return read_aki(e->value, crl);
	if (e->critical)
		FAIL(ERR_INVALID_ARGUMENT,
		     "crl: a critical extension that is not known (a delta, indirect or partitioned list?)");
	return OK;
}

static struct err read_extensions(struct bytes *tbs, struct crl *crl)
{
	struct x509_oids seen = { .count = 0 };
	struct x509_extension e;
	struct bytes tagged, list;
	bool present;

	TRY(der_take_optional(tbs, DER_CONTEXT_CONSTRUCTED(0), &present, &tagged));
	if (!present) return OK;
	TRY(der_enter(tagged, DER_SEQUENCE, &list));
	if (list.len == 0) FAIL(ERR_INVALID_ARGUMENT, "crl: an empty list of extensions");
	while (list.len > 0) {
		TRY(x509_take_extension(&list, &seen, &e));
		TRY(read_extension(&e, crl));
	}
	return OK;
}

static struct err count_entries(struct crl *crl)
{
	struct bytes rest = crl->revoked;
	struct crl_revoked entry;
	struct err e;

	while ((e = crl_next(&rest, &entry)).code == ERR_OK) crl->count++;
	return e.code == ERR_NOT_FOUND ? OK : e;
}

/* Version 1 has no version (s5.1.2.1); it has no extensions either, but those who write them are forgiven. */
static struct err read_version(struct bytes *tbs)
{
	uint64_t version;

	if (der_peek(tbs) != DER_INTEGER) return OK;
	TRY(der_take_uint(tbs, &version));
	return version == 1 ? OK : ERR(ERR_INVALID_ARGUMENT, "crl: version is not 2");
}

static struct err read_tbs(struct bytes tbs, struct crl *crl)
{
	struct bytes algorithm;
	bool present;

	TRY(read_version(&tbs));
	TRY(x509_take_algorithm(&tbs, &algorithm));
	if (!bytes_equal(algorithm, crl->algorithm)) FAIL(ERR_INVALID_ARGUMENT, "crl: inner and outer algorithm differ");
	TRY(x509_take_name(&tbs, &crl->issuer));
	TRY(der_take_time(&tbs, &crl->this_update));
	TRY(der_take_time(&tbs, &crl->next_update));
	TRY(der_take_optional(&tbs, DER_SEQUENCE, &present, &crl->revoked));
	if (present && crl->revoked.len == 0)
		FAIL(ERR_INVALID_ARGUMENT, "crl: an empty list of entries"); /* s5.1.2.6: MUST be absent */
	TRY(read_extensions(&tbs, crl));
	TRY(der_end(&tbs));
	return count_entries(crl);
}

struct err crl_parse(struct bytes der, struct crl *out)
{
	struct crl crl = { .der = der };
	struct bytes list, element;

	TRY(der_enter(der, DER_SEQUENCE, &list));
	TRY(der_take_element(&list, DER_SEQUENCE, &crl.tbs));
	TRY(x509_take_algorithm(&list, &crl.algorithm));
	TRY(der_take_octet_bits(&list, &crl.signature));
	TRY(der_end(&list));
	TRY(der_enter(crl.tbs, DER_SEQUENCE, &element));
	TRY(read_tbs(element, &crl));
	*out = crl;
	return OK;
}
