#include "ca/template.h"

#include <stdio.h>
#include <string.h>

#include "der/der.h"

#define OID(s) BYTES(s, sizeof(s) - 1)
#define CRITICAL "\x01\x01\xff"

/* Whole extensions that never change (RFC 5280 s4.2.1). */
#define EXT_KU_SIGN "\x30\x0e\x06\x03\x55\x1d\x0f" CRITICAL "\x04\x04\x03\x02\x07\x80"         /* digitalSignature */
#define EXT_KU_SIGN_ENCIPHER "\x30\x0e\x06\x03\x55\x1d\x0f" CRITICAL "\x04\x04\x03\x02\x05\xa0" /* and keyEncipherment */
#define EXT_KU_CA "\x30\x0e\x06\x03\x55\x1d\x0f" CRITICAL "\x04\x04\x03\x02\x01\x06"           /* keyCertSign, cRLSign */
#define EXT_BC_LEAF "\x30\x0c\x06\x03\x55\x1d\x13" CRITICAL "\x04\x02\x30\x00"                 /* cA FALSE, which is the DEFAULT */
#define EXT_BC_CA_0 "\x30\x12\x06\x03\x55\x1d\x13" CRITICAL "\x04\x08\x30\x06\x01\x01\xff\x02\x01\x00"
#define EXT_BC_CA_1 "\x30\x12\x06\x03\x55\x1d\x13" CRITICAL "\x04\x08\x30\x06\x01\x01\xff\x02\x01\x01"
#define KP_SERVER "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
#define KP_CLIENT "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02"
#define EXT_EKU_BOTH "\x30\x1d\x06\x03\x55\x1d\x25\x04\x16\x30\x14" KP_SERVER KP_CLIENT
#define EXT_EKU_SERVER "\x30\x13\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a" KP_SERVER

/* Key usage, extended key usage and basic constraints in one piece, by profile and by whether the key is RSA.
 * RFC 8813 s3: keyEncipherment must not be in the certificate of an EC key; Istio sets it always, so RSA keys get it. */
#define BLOCK(s) { .data = (const uint8_t *)(s), .len = sizeof(s) - 1 }
static const struct bytes blocks[][2] = {
	[PROFILE_WORKLOAD] = { BLOCK(EXT_KU_SIGN EXT_EKU_BOTH EXT_BC_LEAF), BLOCK(EXT_KU_SIGN_ENCIPHER EXT_EKU_BOTH EXT_BC_LEAF) },
	[PROFILE_SERVING] = { BLOCK(EXT_KU_SIGN EXT_EKU_SERVER EXT_BC_LEAF), BLOCK(EXT_KU_SIGN EXT_EKU_SERVER EXT_BC_LEAF) },
	[PROFILE_ROOT] = { BLOCK(EXT_KU_CA EXT_BC_CA_1), BLOCK(EXT_KU_CA EXT_BC_CA_1) },
	[PROFILE_CROSS] = { BLOCK(EXT_KU_CA EXT_BC_CA_0), BLOCK(EXT_KU_CA EXT_BC_CA_0) },
};

/* SubjectKeyIdentifier and AuthorityKeyIdentifier up to their 20 octets (s4.2.1.2, s4.2.1.1). */
static const uint8_t ski_head[] = { 0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x16, 0x04, 0x14 };
static const uint8_t aki_head[] = { 0x30, 0x1f, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16, 0x80, 0x14 };
static const uint8_t version_3[] = { 0xa0, 0x03, 0x02, 0x01, 0x02 };
static const uint8_t empty_name[] = { 0x30, 0x00 };

struct template {
	struct buf middle; /* signature algorithm and issuer: what follows the serial */
	struct bytes issuer, algorithm; /* views into middle */
	uint8_t aki[sizeof(aki_head) + KEY_SKI_LEN];
};

struct err template_new(struct bytes issuer, const uint8_t ski[KEY_SKI_LEN], enum key_scheme scheme, struct template **out)
{
	AUTO(template) struct template *t = calloc(1, sizeof(*t));
	struct bytes algorithm = key_scheme_der(scheme);

	if (t == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	if (algorithm.data == NULL) FAIL(ERR_INVALID_ARGUMENT, "ca: a CA cannot sign by this scheme");
	t->middle.max = TEMPLATE_NAME_MAX + algorithm.len;
	TRY(buf_put(&t->middle, algorithm.data, algorithm.len));
	TRY(buf_put(&t->middle, issuer.data, issuer.len));
	t->algorithm = BYTES(t->middle.data, algorithm.len);
	t->issuer = BYTES(t->middle.data + algorithm.len, issuer.len);
	memcpy(t->aki, aki_head, sizeof(aki_head));
	memcpy(t->aki + sizeof(aki_head), ski, KEY_SKI_LEN);
	*out = MOVE(t);
	return OK;
}

void template_free(struct template *t)
{
	if (t == NULL) return;
	buf_free(&t->middle);
	free(t);
}

/* ---- the parts ---- */

static struct err put_validity(const struct template_request *r, struct buf *out)
{
	struct der_open validity;

	TRY(der_open(out, DER_SEQUENCE, &validity));
	TRY(der_put_time(out, r->not_before));
	TRY(der_put_time(out, r->not_after));
	return der_close(out, &validity);
}

static struct bytes subject_of(const struct template *t, const struct template_request *r)
{
	if (r->profile == PROFILE_CROSS) return r->subject;
	return r->profile == PROFILE_ROOT ? t->issuer : BYTES(empty_name, sizeof(empty_name));
}

/* s4.2.1.6: "If the subject field contains an empty sequence, ... the subjectAltName extension MUST be marked critical";
 * otherwise it SHOULD NOT be. */
static struct err put_san(const struct template *t, const struct template_request *r, struct buf *out)
{
	static const uint8_t oid[] = { 0x06, 0x03, 0x55, 0x1d, 0x11 };
	struct der_open extension, octets, names;

	TRY(der_open(out, DER_SEQUENCE, &extension));
	TRY(buf_put(out, oid, sizeof(oid)));
	if (subject_of(t, r).len == sizeof(empty_name)) TRY(buf_put(out, CRITICAL, 3));
	TRY(der_open(out, DER_OCTET_STRING, &octets));
	TRY(der_open(out, DER_SEQUENCE, &names));
	if (r->uri.len > 0) TRY(der_put(out, DER_CONTEXT(6), r->uri));
	for (size_t i = 0; i < r->name_count; i++) TRY(der_put(out, DER_CONTEXT(r->names[i].tag), r->names[i].value));
	TRY(der_close(out, &names));
	TRY(der_close(out, &octets));
	return der_close(out, &extension);
}

static struct err put_extensions(const struct template *t, const struct template_request *r, struct buf *out)
{
	struct bytes block = blocks[r->profile][r->key_type == KEY_RSA];
	struct der_open tagged, list;

	TRY(der_open(out, DER_CONTEXT_CONSTRUCTED(3), &tagged));
	TRY(der_open(out, DER_SEQUENCE, &list));
	TRY(buf_put(out, block.data, block.len));
	TRY(buf_put(out, ski_head, sizeof(ski_head)));
	TRY(buf_put(out, r->ski, KEY_SKI_LEN));
	/* s4.2.1.1: a self-signed certificate may leave it out. */
	if (r->profile != PROFILE_ROOT) TRY(buf_put(out, t->aki, sizeof(t->aki)));
	TRY(put_san(t, r, out));
	TRY(der_close(out, &list));
	return der_close(out, &tagged);
}

struct err template_build(const struct template *t, const struct template_request *r, struct buf *out)
{
	struct bytes subject = subject_of(t, r);
	struct der_open tbs;

	TRY(der_open(out, DER_SEQUENCE, &tbs));
	TRY(buf_put(out, version_3, sizeof(version_3)));
	TRY(der_put_unsigned(out, r->serial));
	TRY(buf_put(out, t->middle.data, t->middle.len));
	TRY(put_validity(r, out));
	TRY(buf_put(out, subject.data, subject.len));
	TRY(buf_put(out, r->spki.data, r->spki.len));
	TRY(put_extensions(t, r, out));
	return der_close(out, &tbs);
}

struct err template_seal(const struct template *t, struct bytes tbs, struct bytes signature, struct buf *out)
{
	struct der_open cert;

	TRY(der_open(out, DER_SEQUENCE, &cert));
	TRY(buf_put(out, tbs.data, tbs.len));
	TRY(buf_put(out, t->algorithm.data, t->algorithm.len));
	TRY(der_put_octet_bits(out, signature));
	return der_close(out, &cert);
}

/* ---- the root's name ---- */

#define ATTRIBUTE_MAX 64 /* ub-organization-name, ub-common-name: RFC 5280 appendix A.1 */

static struct err put_attribute(struct buf *out, struct bytes oid, const char *text)
{
	struct der_open set, attribute;

	TRY(der_open(out, DER_SET, &set));
	TRY(der_open(out, DER_SEQUENCE, &attribute));
	TRY(der_put(out, DER_OID, oid));
	TRY(der_put(out, DER_UTF8_STRING, BYTES(text, strnlen(text, ATTRIBUTE_MAX))));
	TRY(der_close(out, &attribute));
	return der_close(out, &set);
}

static struct err put_name(const char *trust_domain, const char *kind, const uint8_t ski[KEY_SKI_LEN], struct buf *out)
{
	struct der_open name;
	char hex[9], cn[ATTRIBUTE_MAX];

	bytes_hex(BYTES(ski, 4), hex);
	(void)snprintf(cn, sizeof(cn), "%s %s", kind, hex);
	TRY(der_open(out, DER_SEQUENCE, &name));
	TRY(put_attribute(out, OID("\x55\x04\x0a"), trust_domain));
	TRY(put_attribute(out, OID("\x55\x04\x03"), cn));
	return der_close(out, &name);
}

struct err template_root_name(const char *trust_domain, const uint8_t ski[KEY_SKI_LEN], struct buf *out)
{
	return put_name(trust_domain, "Signet Root CA", ski, out);
}

struct err template_intermediate_name(const char *trust_domain, const uint8_t ski[KEY_SKI_LEN], struct buf *out)
{
	return put_name(trust_domain, "Signet CA", ski, out);
}
