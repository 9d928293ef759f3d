#include "ca/lint.h"

#include "ca/serial.h"
#include "csr/spiffe.h"
#include "der/der.h"

#define KU_DIGITAL_SIGNATURE (1u << 0) /* RFC 5280 s4.2.1.3 */
#define KU_KEY_ENCIPHERMENT (1u << 2)
#define KU_KEY_CERT_SIGN (1u << 5)
#define KU_CRL_SIGN (1u << 6)

enum extension { EXT_KU, EXT_EKU, EXT_BC, EXT_SKI, EXT_AKI, EXT_SAN, EXT_COUNT };

struct view { /* what was read back */
	uint64_t version;
	struct bytes serial, algorithm, issuer, subject, spki;
	int64_t not_before, not_after;
	bool has[EXT_COUNT], critical[EXT_COUNT], twice, unknown;
	struct bytes value[EXT_COUNT];
	uint16_t key_usage;
	bool ca, has_path_len, eku_server, eku_client, eku_other;
	uint64_t path_len;
	struct bytes ski, aki, uri;
	unsigned uri_count, name_count, wrong_names;
};

/* ---- reading ---- */

#define OID(s) { .data = (const uint8_t *)(s), .len = sizeof(s) - 1 }
static const struct bytes oids[EXT_COUNT] = {
	[EXT_KU] = OID("\x55\x1d\x0f"),  [EXT_EKU] = OID("\x55\x1d\x25"), [EXT_BC] = OID("\x55\x1d\x13"),
	[EXT_SKI] = OID("\x55\x1d\x0e"), [EXT_AKI] = OID("\x55\x1d\x23"), [EXT_SAN] = OID("\x55\x1d\x11"),
};

static struct err read_extension(struct bytes *list, struct view *v)
{
	struct bytes extension, oid, value;
	bool critical = false;
	int which = 0;

	TRY(der_take(list, DER_SEQUENCE, &extension));
	TRY(der_take(&extension, DER_OID, &oid));
	if (der_peek(&extension) == DER_BOOLEAN) {
		TRY(der_take_bool(&extension, &critical));
		if (!critical) FAIL(ERR_INTERNAL, "lint: a DEFAULT is encoded"); /* X.690 s11.5 */
	}
	TRY(der_take(&extension, DER_OCTET_STRING, &value));
	TRY(der_end(&extension));
	while (which < EXT_COUNT && !bytes_equal(oid, oids[which])) which++;
	if (which == EXT_COUNT) {
		v->unknown = true;
		return OK;
	}
	v->twice |= v->has[which];
	v->has[which] = true;
	v->critical[which] = critical;
	v->value[which] = value;
	return OK;
}

static struct err read_key_usage(struct bytes in, struct view *v)
{
	TRY(der_take_named_bits(&in, &v->key_usage));
	return der_end(&in);
}

static struct err read_ext_key_usage(struct bytes in, struct view *v)
{
	static const struct bytes server = OID("\x2b\x06\x01\x05\x05\x07\x03\x01");
	static const struct bytes client = OID("\x2b\x06\x01\x05\x05\x07\x03\x02");
	struct bytes list, oid;

	TRY(der_enter(in, DER_SEQUENCE, &list));
	while (list.len > 0) {
		TRY(der_take(&list, DER_OID, &oid));
		if (bytes_equal(oid, server)) v->eku_server = true;
		else if (bytes_equal(oid, client)) v->eku_client = true;
		else v->eku_other = true;
	}
	return OK;
}

static struct err read_basic_constraints(struct bytes in, struct view *v)
{
	struct bytes list;

	TRY(der_enter(in, DER_SEQUENCE, &list));
	if (der_peek(&list) == DER_BOOLEAN) {
		TRY(der_take_bool(&list, &v->ca));
		if (!v->ca) FAIL(ERR_INTERNAL, "lint: a DEFAULT is encoded");
	}
	v->has_path_len = list.len > 0;
	if (v->has_path_len) TRY(der_take_uint(&list, &v->path_len));
	return der_end(&list);
}

static struct err read_aki(struct bytes in, struct view *v)
{
	struct bytes list;

	TRY(der_enter(in, DER_SEQUENCE, &list));
	TRY(der_take(&list, DER_CONTEXT(0), &v->aki));
	return der_end(&list);
}

static struct err read_san(struct bytes in, const struct lint_want *want, struct view *v)
{
	struct bytes list, value;
	unsigned tag;

	TRY(der_enter(in, DER_SEQUENCE, &list));
	while (list.len > 0) {
		TRY(der_take_any(&list, &tag, &value));
		if (tag == DER_CONTEXT(6)) {
			v->uri = value;
			v->uri_count++;
			continue;
		}
		if (v->name_count >= want->name_count || tag != (unsigned)DER_CONTEXT(want->names[v->name_count].tag) ||
		    !bytes_equal(value, want->names[v->name_count].value))
			v->wrong_names++;
		v->name_count++;
	}
	return OK;
}

static struct err read_values(const struct lint_want *want, struct view *v)
{
	if (v->has[EXT_KU]) TRY(read_key_usage(v->value[EXT_KU], v));
	if (v->has[EXT_EKU]) TRY(read_ext_key_usage(v->value[EXT_EKU], v));
	if (v->has[EXT_BC]) TRY(read_basic_constraints(v->value[EXT_BC], v));
	if (v->has[EXT_SKI]) TRY(der_enter(v->value[EXT_SKI], DER_OCTET_STRING, &v->ski));
	if (v->has[EXT_AKI]) TRY(read_aki(v->value[EXT_AKI], v));
	if (v->has[EXT_SAN]) TRY(read_san(v->value[EXT_SAN], want, v));
	return OK;
}

static struct err read_tbs(struct bytes tbs, struct view *v)
{
	struct bytes in, tagged, validity;

	TRY(der_enter(tbs, DER_SEQUENCE, &in));
	TRY(der_take(&in, DER_CONTEXT_CONSTRUCTED(0), &tagged));
	TRY(der_take_uint(&tagged, &v->version));
	TRY(der_end(&tagged));
	TRY(der_take_unsigned(&in, 20, &v->serial)); /* s4.1.2.2: "MUST NOT use serialNumber values longer than 20 octets" */
	TRY(der_take_element(&in, DER_SEQUENCE, &v->algorithm));
	TRY(der_take_element(&in, DER_SEQUENCE, &v->issuer));
	TRY(der_take(&in, DER_SEQUENCE, &validity));
	TRY(der_take_time(&validity, &v->not_before));
	TRY(der_take_time(&validity, &v->not_after));
	TRY(der_end(&validity));
	TRY(der_take_element(&in, DER_SEQUENCE, &v->subject));
	TRY(der_take_element(&in, DER_SEQUENCE, &v->spki));
	TRY(der_take(&in, DER_CONTEXT_CONSTRUCTED(3), &tagged));
	TRY(der_end(&in)); /* so no unique identifiers either: s4.1.2.8 MUST NOT */
	TRY(der_enter(tagged, DER_SEQUENCE, &in));
	if (in.len == 0) FAIL(ERR_INTERNAL, "lint: no extension"); /* s4.1: SIZE (1..MAX) */
	while (in.len > 0) TRY(read_extension(&in, v));
	return OK;
}

/* ---- the rules ---- */

#define RULE(name) static bool rule_##name(const struct view *v, const struct lint_want *w)
#define UNUSED(x) ((void)(x))

static bool is_root(const struct lint_want *w) { return w->profile == PROFILE_ROOT; }
static bool is_ca(const struct lint_want *w) { return is_root(w) || w->profile == PROFILE_CROSS; }
static bool subject_empty(const struct view *v) { return v->subject.len == 2; }

RULE(version) { UNUSED(w); return v->version == 2; }
RULE(serial) { return v->serial.len == SERIAL_LEN && v->serial.data[0] == w->replica && w->replica >= 1 && w->replica <= 127; }
RULE(algorithm) { return bytes_equal(v->algorithm, w->algorithm); }
RULE(issuer) { return v->issuer.len > 2 && bytes_equal(v->issuer, w->issuer); }
RULE(not_before) { return v->not_before <= w->now && v->not_before >= w->now - TEMPLATE_BACKDATE; }
RULE(order) { UNUSED(w); return v->not_before < v->not_after; }
RULE(lifetime) { return v->not_after > w->now && v->not_after - w->now <= w->max_lifetime; }
RULE(chain_end) { return is_root(w) || v->not_after <= w->chain_not_after; }
RULE(subject)
{
	if (w->profile == PROFILE_CROSS) return bytes_equal(v->subject, w->subject) && !bytes_equal(v->subject, v->issuer);
	return is_root(w) ? bytes_equal(v->subject, v->issuer) : subject_empty(v);
}
RULE(spki) { return bytes_equal(v->spki, w->spki); }
RULE(twice) { UNUSED(w); return !v->twice; }
RULE(unknown) { UNUSED(w); return !v->unknown; }
RULE(bc) { UNUSED(w); return v->has[EXT_BC] && v->critical[EXT_BC]; }
RULE(ca) { return v->ca == is_ca(w); }
RULE(path_len) { return is_ca(w) ? v->has_path_len && v->path_len == (is_root(w) ? 1 : 0) : !v->has_path_len; }
RULE(ku) { UNUSED(w); return v->has[EXT_KU] && v->critical[EXT_KU]; }
RULE(ku_bits)
{
	if (is_ca(w)) return v->key_usage == (KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	return v->key_usage == KU_DIGITAL_SIGNATURE ||
	       (w->key_type == KEY_RSA && v->key_usage == (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT));
}
RULE(eku)
{
	if (is_ca(w)) return !v->has[EXT_EKU];
	return v->has[EXT_EKU] && !v->critical[EXT_EKU] && v->eku_server && !v->eku_other &&
	       v->eku_client == (w->profile == PROFILE_WORKLOAD);
}
RULE(ski) { return v->has[EXT_SKI] && !v->critical[EXT_SKI] && v->ski.len == KEY_SKI_LEN && bytes_equal(v->ski, w->ski); }
RULE(aki)
{
	if (!v->has[EXT_AKI]) return is_root(w);
	return !v->critical[EXT_AKI] && bytes_equal(v->aki, w->issuer_ski);
}
RULE(san) { UNUSED(w); return v->has[EXT_SAN] && v->uri_count + v->name_count > 0; }
RULE(san_critical) { UNUSED(w); return v->critical[EXT_SAN] == subject_empty(v); }
RULE(one_uri) { return v->uri_count == (w->profile == PROFILE_SERVING ? 0 : 1); }
RULE(uri) { return bytes_equal(v->uri, w->uri); }
RULE(trust_domain)
{
	struct bytes domain, path;

	if (w->profile == PROFILE_SERVING) return true;
	if (v->uri.len > SPIFFE_ID_MAX || spiffe_id_parse(v->uri, &domain, &path).code != ERR_OK) return false;
	return bytes_is(domain, w->trust_domain) && (path.len == 0) == is_ca(w);
}
RULE(names) { return v->wrong_names == 0 && v->name_count == w->name_count; }

static const struct {
	const char *text;
	bool (*holds)(const struct view *v, const struct lint_want *w);
} rules[] = {
	{ "lint: version is 3 (RFC 5280 s4.1.2.1)", rule_version },
	{ "lint: serial is 16 octets and names its replica (s4.1.2.2)", rule_serial },
	{ "lint: signature algorithm is the issuer's (s4.1.2.3)", rule_algorithm },
	{ "lint: issuer is the issuer's subject, not empty (s4.1.2.4)", rule_issuer },
	{ "lint: notBefore is now, or two minutes back", rule_not_before },
	{ "lint: notBefore is before notAfter (s4.1.2.5)", rule_order },
	{ "lint: lifetime is within the limit", rule_lifetime },
	{ "lint: does not outlive its issuer", rule_chain_end },
	{ "lint: subject is empty; a root's is its issuer, a cross-certificate's the other root (s4.1.2.6)", rule_subject },
	{ "lint: key is the one asked for (s4.1.2.7)", rule_spki },
	{ "lint: no extension twice (s4.2)", rule_twice },
	{ "lint: no extension beyond the profile", rule_unknown },
	{ "lint: basic constraints there and critical (s4.2.1.9)", rule_bc },
	{ "lint: CA:TRUE in roots and cross-certificates only (X509-SVID s4.1)", rule_ca },
	{ "lint: path length 1 in roots, 0 in cross-certificates, else none (s4.2.1.9)", rule_path_len },
	{ "lint: key usage there and critical (X509-SVID s4.3)", rule_ku },
	{ "lint: key usage fits profile and key (X509-SVID s4.3, RFC 8813 s3)", rule_ku_bits },
	{ "lint: extended key usage fits the profile (X509-SVID s4.4)", rule_eku },
	{ "lint: subject key identifier of this key, not critical (s4.2.1.2)", rule_ski },
	{ "lint: authority key identifier of the issuer, not critical (s4.2.1.1)", rule_aki },
	{ "lint: a subject alternative name (s4.2.1.6)", rule_san },
	{ "lint: SAN critical if and only if the subject is empty (s4.2.1.6)", rule_san_critical },
	{ "lint: exactly one URI; none in a serving certificate (X509-SVID s2)", rule_one_uri },
	{ "lint: the URI is the one granted", rule_uri },
	{ "lint: SPIFFE ID of this trust domain, with a path in leafs only (X509-SVID s2, s3)", rule_trust_domain },
	{ "lint: DNS and IP names are exactly those granted", rule_names },
};

const char *lint_rule(size_t i)
{
	return i < ARRAY_LEN(rules) ? rules[i].text : NULL;
}

struct err lint_tbs(struct bytes tbs, const struct lint_want *want)
{
	struct view v = { 0 };
	struct err e = read_tbs(tbs, &v);

	if (e.code == ERR_OK) e = read_values(want, &v);
	if (e.code != ERR_OK) return (struct err){ .code = ERR_INTERNAL, .reason = e.reason, .cause = 0 };
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (!rules[i].holds(&v, want)) return (struct err){ .code = ERR_INTERNAL, .reason = rules[i].text, .cause = 0 };
	return OK;
}
