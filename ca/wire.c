#include "ca/wire_bundle.h"

#include <string.h>

#include "base/metrics.h"
#include "base/wire.h"
#include "ca/fields.h"

/* ---- refusals: what the client is told; never a name, a pattern or a rule ---- */

#define REASON(value, text) { .code = (value), .reason = "keeper: " text, .cause = 0 }
static const struct err reasons[REASON_COUNT] = {
	[REASON_NONE] = REASON(ERR_INTERNAL, "refused without a reason"),
	[REASON_LIMIT_SPIFFE_ID] = REASON(ERR_PERMISSION_DENIED, "this CA may not issue that SPIFFE ID"),
	[REASON_LIMIT_NAME] = REASON(ERR_PERMISSION_DENIED, "this CA may not issue a name that was granted"),
	[REASON_RESERVED_NAME] = REASON(ERR_PERMISSION_DENIED, "a name is reserved"),
	[REASON_LIFETIME] = REASON(ERR_INVALID_ARGUMENT, "lifetime is over the limit"),
	[REASON_KEY_TYPE] = REASON(ERR_PERMISSION_DENIED, "key type is not allowed"),
	[REASON_RATE] = REASON(ERR_RESOURCE_EXHAUSTED, "too many requests"),
	[REASON_BANNED] = REASON(ERR_PERMISSION_DENIED, "banned"),
	/* As every failure to authenticate (istio.md 1). */
	[REASON_TOKEN] = REASON(ERR_UNAUTHENTICATED, "join token is not valid"),
	[REASON_STORE] = REASON(ERR_UNAVAILABLE, "the record could not be made durable"),
	[REASON_FULL] = REASON(ERR_UNAVAILABLE, "the record store is full"),
	[REASON_SIGNER] = REASON(ERR_UNAVAILABLE, "the signer is not available"),
	[REASON_CHAIN_EXPIRED] = REASON(ERR_UNAVAILABLE, "the CA's own certificate has ended"),
	[REASON_PROFILE] = REASON(ERR_INTERNAL, "the request does not fit the certificate profile"),
	[REASON_REVOKED] = REASON(ERR_UNAUTHENTICATED, "the client's certificate is revoked"),
	[REASON_CSR] = REASON(ERR_INVALID_ARGUMENT, "the CSR asks for other names than were granted, or for extensions"),
	[REASON_ISSUER_SHORT] = REASON(ERR_INVALID_ARGUMENT, "the issuer signs for ten minutes at least"),
	[REASON_ISSUER_DENIED] = REASON(ERR_PERMISSION_DENIED, "the issuer's approver has denied the request"),
	/* Those that Istio's clients try again (istio.md 2): the signer's trouble may pass. */
	[REASON_ISSUER_FAILED] = REASON(ERR_INTERNAL, "the issuer has failed to sign the request"),
	[REASON_ISSUER_DELETED] = REASON(ERR_ABORTED, "the request was deleted before it was signed"),
	[REASON_ISSUER_DEADLINE] = REASON(ERR_DEADLINE_EXCEEDED, "the issuer did not sign the request in time"),
	[REASON_ISSUER_AWAY] = REASON(ERR_UNAVAILABLE, "the issuer cannot be reached"),
	[REASON_ISSUER_FORBIDDEN] = REASON(ERR_INTERNAL, "the issuer's API refuses the request"),
	[REASON_ISSUER_ANSWER] = REASON(ERR_INTERNAL, "what the issuer has signed is not what was asked for"),
	[REASON_ISSUER_ROOTS] = REASON(ERR_UNAVAILABLE, "the issuer's roots are not known"),
};

struct err keeper_reason_err(enum keeper_reason reason)
{
	size_t i = (size_t)reason;

	if (i >= REASON_COUNT) FAIL(ERR_INTERNAL, "keeper: refused for an unknown reason");
	return reasons[i];
}

_Static_assert(METRIC_OF_COUNT - MO_REFUSED == REASON_COUNT - REASON_LIMIT_SPIFFE_ID, "a metric for each reason");

unsigned keeper_reason_metric(enum keeper_reason reason)
{
	return MO_REFUSED + (unsigned)reason - REASON_LIMIT_SPIFFE_ID;
}

/* ---- FRONT_ISSUE: the fixed part by table, then the names ---- */

#define ISSUE(member, kind, lo, hi) WIRE_FIELD(wire_issue, member, kind, lo, hi)
static const struct wire_field issue_fields[] = {
	ISSUE(id, U64, 0, 0),
	ISSUE(flags, U8, 0, WIRE_ISSUE_LAST),
	ISSUE(evidence, U8, STORE_BY_JWT, STORE_BY_JOIN_TOKEN),
	ISSUE(lifetime, U32, 0, 0),
	ISSUE(evidence_hash, RAW, 0, STORE_HASH_LEN),
	ISSUE(spiffe_id, TEXT, 1, SPIFFE_ID_MAX),
	ISSUE(caller, TEXT, 1, WIRE_CALLER_MAX),
	ISSUE(rule, TEXT, 0, WIRE_NAME_MAX),
	ISSUE(issuer, TEXT, 0, WIRE_NAME_MAX),
	ISSUE(spki, BYTES, 1, KEY_SPKI_MAX),
	ISSUE(signer_name, TEXT, 0, WIRE_SIGNER_NAME_MAX),
	ISSUE(csr, BYTES, 0, CSR_DER_MAX),
	ISSUE(own_id, TEXT, 0, SPIFFE_ID_MAX),
	ISSUE(node, TEXT, 0, STORE_NODE_MAX),
	ISSUE(peer_count, U8, 0, WIRE_PEERS_MAX),
	ISSUE(name_count, U8, 0, WIRE_NAMES_MAX),
};
static const struct wire_form issue_form = WIRE_FORM(wire_issue, issue_fields);


static bool name_fits(uint8_t tag, struct bytes value)
{
	if (tag == WIRE_TAG_IP) return value.len == 4 || value.len == 16;
	return tag == WIRE_TAG_DNS && value.len >= 1 && value.len <= HOSTNAME_MAX && !bytes_has_nul(value);
}

static struct err put_names(struct buf *out, const struct wire_issue *m)
{
	for (unsigned i = 0; i < m->name_count; i++) {
		if (!name_fits(m->names[i].tag, m->names[i].value)) FAIL(ERR_INVALID_ARGUMENT, "wire: not a DNS or IP name");
		TRY(wire_put_u8(out, m->names[i].tag));
		TRY(wire_put_bytes(out, m->names[i].value));
	}
	return OK;
}

static bool peer_fits(const struct wire_peer *p)
{
	return p->serial.len > 0 && p->serial.len <= STORE_SERIAL_MAX && (p->issuer.len == 0 || p->issuer.len == STORE_KEY_ID_LEN);
}

static struct err put_peers(struct buf *out, const struct wire_issue *m)
{
	for (unsigned i = 0; i < m->peer_count; i++) {
		if (!peer_fits(&m->peers[i])) FAIL(ERR_INVALID_ARGUMENT, "wire: no serial number and key identifier");
		TRY(wire_put_bytes(out, m->peers[i].serial));
		TRY(wire_put_bytes(out, m->peers[i].issuer));
	}
	return OK;
}

static struct err take_peers(struct bytes *in, struct wire_issue *m)
{
	for (unsigned i = 0; i < m->peer_count; i++) {
		TRY(wire_bytes(in, STORE_SERIAL_MAX, &m->peers[i].serial));
		TRY(wire_bytes(in, STORE_KEY_ID_LEN, &m->peers[i].issuer));
		if (!peer_fits(&m->peers[i])) FAIL(ERR_INVALID_ARGUMENT, "wire: no serial number and key identifier");
	}
	return OK;
}

struct err wire_issue_put(struct buf *out, const struct wire_issue *m)
{
	size_t before = out->len;
	struct err e = wire_form_put(out, &issue_form, m);

	if (e.code == ERR_OK) e = put_peers(out, m);
	if (e.code == ERR_OK) e = put_names(out, m);
	if (e.code != ERR_OK) out->len = before;
	return e;
}

static struct err take_names(struct bytes *in, struct wire_issue *m)
{
	for (unsigned i = 0; i < m->name_count; i++) {
		TRY(wire_u8(in, &m->names[i].tag));
		TRY(wire_bytes(in, HOSTNAME_MAX, &m->names[i].value));
		if (!name_fits(m->names[i].tag, m->names[i].value)) FAIL(ERR_INVALID_ARGUMENT, "wire: not a DNS or IP name");
	}
	return wire_end(in);
}

struct err wire_issue_take(struct bytes in, struct wire_issue *m)
{
	TRY(wire_form_take(&in, &issue_form, m));
	TRY(take_peers(&in, m));
	return take_names(&in, m);
}

/* ---- the smaller ones ---- */

static const struct wire_field token_fields[] = {
	WIRE_FIELD(wire_token_state, id, U64, 0, 0),
	WIRE_FIELD(wire_token_state, state, U8, TOKEN_UNKNOWN, TOKEN_REVOKED),
	WIRE_FIELD(wire_token_state, expires, I64, 0, 0),
	WIRE_FIELD(wire_token_state, spiffe_id, TEXT, 0, SPIFFE_ID_MAX),
	WIRE_FIELD(wire_token_state, token_id, TEXT, 0, STORE_TOKEN_ID_LEN),
};
static const struct wire_form token_form = WIRE_FORM(wire_token_state, token_fields);

static const struct wire_field roots_fields[] = {
	WIRE_FIELD(wire_roots, seq, U32, 0, 0),
	WIRE_FIELD(wire_roots, chain_pem, LONG, 0, WIRE_ROOTS_MAX),
	WIRE_FIELD(wire_roots, roots_pem, LONG, 1, WIRE_ROOTS_MAX),
};
static const struct wire_form roots_form = WIRE_FORM(wire_roots, roots_fields);

static const struct wire_field hello_fields[] = {
	WIRE_FIELD(wire_hello, version, U16, 0, 0),
	WIRE_FIELD(wire_hello, number, U16, 0, 0),
};
static const struct wire_form hello_form = WIRE_FORM(wire_hello, hello_fields);

static const struct wire_field token_ask_fields[] = {
	WIRE_FIELD(wire_token_ask, id, U64, 0, 0),
	WIRE_FIELD(wire_token_ask, hash, RAW, 0, STORE_HASH_LEN),
};
static const struct wire_form token_ask_form = WIRE_FORM(wire_token_ask, token_ask_fields);

static const struct wire_field serving_fields[] = {
	WIRE_FIELD(wire_serving, not_after, I64, 0, 0),
	WIRE_FIELD(wire_serving, cert, REST, 1, STORE_CERT_MAX),
};
static const struct wire_form serving_form = WIRE_FORM(wire_serving, serving_fields);

static const struct wire_field issued_fields[] = {
	WIRE_FIELD(wire_issued, id, U64, 0, 0),
	WIRE_FIELD(wire_issued, index, U64, 0, 0),
	WIRE_FIELD(wire_issued, cert, REST, 1, STORE_CERT_MAX),
};
static const struct wire_form issued_form = WIRE_FORM(wire_issued, issued_fields);

static const struct wire_field issued_chain_fields[] = {
	WIRE_FIELD(wire_issued_chain, id, U64, 0, 0),
	WIRE_FIELD(wire_issued_chain, index, U64, 0, 0),
	WIRE_FIELD(wire_issued_chain, cert, BYTES, 1, STORE_CERT_MAX),
	WIRE_FIELD(wire_issued_chain, chain_pem, LONG, 0, WIRE_CHAIN_PEM_MAX),
};
WIRE_WHOLE(issued_chain, wire_issued_chain, issued_chain_fields)

static const struct wire_field refused_fields[] = {
	WIRE_FIELD(wire_refused, id, U64, 0, 0),
	WIRE_FIELD(wire_refused, reason, U16, REASON_NONE + 1, REASON_COUNT - 1),
};
static const struct wire_form refused_form = WIRE_FORM(wire_refused, refused_fields);

/* One pair of functions for each message whose table says everything. */
#define CODEC(name, type, form)                                                                                        \
	struct err wire_##name##_put(struct buf *out, const struct type *m) { return wire_form_put(out, &(form), m); }  \
	struct err wire_##name##_take(struct bytes in, struct type *m) { return wire_form_take_all(in, &(form), m); }

CODEC(token, wire_token_state, token_form)
CODEC(roots, wire_roots, roots_form)
CODEC(hello, wire_hello, hello_form)
CODEC(token_ask, wire_token_ask, token_ask_form)
CODEC(serving, wire_serving, serving_form)
CODEC(issued, wire_issued, issued_form)
CODEC(refused, wire_refused, refused_form)
