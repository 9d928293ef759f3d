#include "storage/record.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/wire.h"

#define RECORD_VERSION 1
#define RECORD_VERSION_2 2 /* and a node or a request id */
#define TOKEN_VERSION 1
#define BAN_VERSION 1
#define REVOCATION_VERSION 1
#define EVENT_VERSION 1
#define TOKEN_SPENT 1U   /* flags of a token */
#define TOKEN_REVOKED 2U

/* ---- pieces ---- */
static struct err take_version(struct bytes *in, uint8_t want)
{
	uint8_t version;

	TRY(wire_u8(in, &version));
	if (version != want) FAIL(ERR_INVALID_ARGUMENT, "storage: value of an unknown version");
	return OK;
}

static struct err take_i64(struct bytes *in, int64_t *out)
{
	uint64_t v;

	TRY(wire_u64(in, &v));
	*out = (int64_t)v;
	return OK;
}

static struct err take_hash(struct bytes *in, uint8_t out[STORE_HASH_LEN])
{
	struct bytes raw;

	TRY(wire_raw(in, STORE_HASH_LEN, &raw));
	memcpy(out, raw.data, STORE_HASH_LEN);
	return OK;
}

static struct err put_text(struct buf *out, struct bytes v, size_t max)
{
	if (v.len > max) FAIL(ERR_INVALID_ARGUMENT, "storage: a field is over its bound");
	return wire_put_bytes(out, v);
}

/* A string in a fixed array: it must end within it. */
static struct err put_array(struct buf *out, const char *s, size_t size)
{
	size_t len = strnlen(s, size);

	if (len == size) FAIL(ERR_INVALID_ARGUMENT, "storage: a text does not end");
	return wire_put_bytes(out, BYTES(s, len));
}

/* ---- records ---- */
static bool record_head_ok(const struct store_record *r)
{
	return r->serial.len >= 1 && r->serial.len <= STORE_SERIAL_MAX && (unsigned)r->evidence <= STORE_BY_DAEMON;
}

/* One encoding for each record: what has neither is of version 1, as before there was either. */
static bool has_origin(const struct store_record *r)
{
	return r->node.len > 0 || r->request_id.len > 0;
}

struct err store_record_encode(const struct store_record *r, struct buf *out)
{
	if (!record_head_ok(r)) FAIL(ERR_INVALID_ARGUMENT, "storage: serial or evidence of a record out of range");
	TRY(wire_put_u8(out, has_origin(r) ? RECORD_VERSION_2 : RECORD_VERSION));
	TRY(wire_put_u64(out, r->index));
	TRY(wire_put_u64(out, (uint64_t)r->time_ms));
	TRY(wire_put_u64(out, (uint64_t)r->not_before));
	TRY(wire_put_u64(out, (uint64_t)r->not_after));
	TRY(wire_put_u32(out, r->root_seq));
	TRY(wire_put_u8(out, (uint8_t)r->evidence));
	TRY(buf_put(out, r->evidence_hash, STORE_HASH_LEN));
	TRY(buf_put(out, r->key_hash, STORE_HASH_LEN));
	TRY(put_text(out, r->serial, STORE_SERIAL_MAX));
	TRY(put_text(out, r->spiffe_id, STORE_TEXT_MAX));
	TRY(put_text(out, r->caller, STORE_TEXT_MAX));
	TRY(put_text(out, r->rule, STORE_TEXT_MAX));
	TRY(put_text(out, r->issuer, STORE_TEXT_MAX));
	TRY(put_text(out, r->cert, STORE_CERT_MAX));
	if (!has_origin(r)) return OK;
	TRY(put_text(out, r->node, STORE_NODE_MAX));
	return put_text(out, r->request_id, STORE_REQUEST_ID_MAX);
}

static struct err record_head(struct bytes *in, uint8_t *version, struct store_record *r)
{
	uint8_t evidence;

	TRY(wire_u8(in, version));
	if (*version != RECORD_VERSION && *version != RECORD_VERSION_2)
		FAIL(ERR_INVALID_ARGUMENT, "storage: value of an unknown version");
	TRY(wire_u64(in, &r->index));
	TRY(take_i64(in, &r->time_ms));
	TRY(take_i64(in, &r->not_before));
	TRY(take_i64(in, &r->not_after));
	TRY(wire_u32(in, &r->root_seq));
	TRY(wire_u8(in, &evidence));
	r->evidence = (enum store_evidence)evidence;
	TRY(take_hash(in, r->evidence_hash));
	return take_hash(in, r->key_hash);
}

struct err store_record_decode(struct bytes raw, struct store_record *out)
{
	struct store_record r = { 0 };
	struct bytes in = raw;
	uint8_t version;

	TRY(record_head(&in, &version, &r));
	TRY(wire_bytes(&in, STORE_SERIAL_MAX, &r.serial));
	TRY(wire_bytes(&in, STORE_TEXT_MAX, &r.spiffe_id));
	TRY(wire_bytes(&in, STORE_TEXT_MAX, &r.caller));
	TRY(wire_bytes(&in, STORE_TEXT_MAX, &r.rule));
	TRY(wire_bytes(&in, STORE_TEXT_MAX, &r.issuer));
	TRY(wire_bytes(&in, STORE_CERT_MAX, &r.cert));
	if (version == RECORD_VERSION_2) {
		TRY(wire_bytes(&in, STORE_NODE_MAX, &r.node));
		TRY(wire_bytes(&in, STORE_REQUEST_ID_MAX, &r.request_id));
		if (!has_origin(&r))
			FAIL(ERR_INVALID_ARGUMENT, "storage: a record of version 2 says no more than one of version 1");
	}
	TRY(wire_end(&in));
	if (!record_head_ok(&r)) FAIL(ERR_INVALID_ARGUMENT, "storage: serial or evidence of a record out of range");
	*out = r;
	return OK;
}

/* ---- tokens ---- */
static bool token_id_ok(const char *id)
{
	return strnlen(id, STORE_TOKEN_ID_LEN + 1) == STORE_TOKEN_ID_LEN && strspn(id, "0123456789abcdef") == STORE_TOKEN_ID_LEN;
}

struct err store_token_encode(const struct store_token *t, struct buf *out)
{
	if (!token_id_ok(t->id)) FAIL(ERR_INVALID_ARGUMENT, "storage: a token's id is not 32 hex digits");
	TRY(wire_put_u8(out, TOKEN_VERSION));
	TRY(put_array(out, t->id, sizeof(t->id)));
	TRY(put_array(out, t->spiffe_id, sizeof(t->spiffe_id)));
	TRY(put_array(out, t->created_by, sizeof(t->created_by)));
	TRY(wire_put_u64(out, (uint64_t)t->created));
	TRY(wire_put_u64(out, (uint64_t)t->expires));
	TRY(wire_put_u8(out, (uint8_t)((t->spent ? TOKEN_SPENT : 0) | (t->revoked ? TOKEN_REVOKED : 0))));
	if (!t->spent) return OK;
	TRY(buf_put(out, t->key_hash, STORE_HASH_LEN));
	return wire_put_u64(out, t->record);
}

struct err store_token_decode(struct bytes raw, struct store_token *out)
{
	struct store_token t = { 0 };
	struct bytes in = raw;
	uint8_t flags;

	TRY(take_version(&in, TOKEN_VERSION));
	TRY(wire_str(&in, t.id, sizeof(t.id)));
	TRY(wire_str(&in, t.spiffe_id, sizeof(t.spiffe_id)));
	TRY(wire_str(&in, t.created_by, sizeof(t.created_by)));
	TRY(take_i64(&in, &t.created));
	TRY(take_i64(&in, &t.expires));
	TRY(wire_u8(&in, &flags));
	if (!token_id_ok(t.id) || flags > (TOKEN_SPENT | TOKEN_REVOKED))
		FAIL(ERR_INVALID_ARGUMENT, "storage: id or flags of a token out of range");
	t.spent = (flags & TOKEN_SPENT) != 0;
	t.revoked = (flags & TOKEN_REVOKED) != 0;
	if (t.spent) {
		TRY(take_hash(&in, t.key_hash));
		TRY(wire_u64(&in, &t.record));
	}
	TRY(wire_end(&in));
	memcpy(t.hash, out->hash, STORE_HASH_LEN);
	*out = t;
	return OK;
}

/* ---- bans ---- */
static bool ban_ok(const struct store_ban *b)
{
	return b->kind >= STORE_BAN_SPIFFE_ID && b->kind <= STORE_BAN_NODE && b->subject[0] != '\0';
}

struct err store_ban_encode(const struct store_ban *b, struct buf *out)
{
	if (!ban_ok(b)) FAIL(ERR_INVALID_ARGUMENT, "storage: kind or subject of a ban out of range");
	TRY(wire_put_u8(out, BAN_VERSION));
	TRY(wire_put_u8(out, (uint8_t)b->kind));
	TRY(put_array(out, b->subject, sizeof(b->subject)));
	TRY(put_array(out, b->reason, sizeof(b->reason)));
	TRY(put_array(out, b->by, sizeof(b->by)));
	return wire_put_u64(out, (uint64_t)b->since);
}

struct err store_ban_decode(struct bytes raw, struct store_ban *out)
{
	struct store_ban b = { 0 };
	struct bytes in = raw;
	uint8_t kind;

	TRY(take_version(&in, BAN_VERSION));
	TRY(wire_u8(&in, &kind));
	b.kind = (enum store_ban_kind)kind;
	TRY(wire_str(&in, b.subject, sizeof(b.subject)));
	TRY(wire_str(&in, b.reason, sizeof(b.reason)));
	TRY(wire_str(&in, b.by, sizeof(b.by)));
	TRY(take_i64(&in, &b.since));
	TRY(wire_end(&in));
	if (!ban_ok(&b)) FAIL(ERR_INVALID_ARGUMENT, "storage: kind or subject of a ban out of range");
	*out = b;
	return OK;
}

/* ---- revocations ---- */
struct err store_revocation_encode(const struct store_revocation *r, struct buf *out)
{
	if (r->reason > STORE_REASON_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: reason of a revocation out of range");
	TRY(wire_put_u8(out, REVOCATION_VERSION));
	TRY(wire_put_u8(out, r->reason));
	TRY(buf_put(out, r->issuer, sizeof(r->issuer)));
	TRY(wire_put_u64(out, (uint64_t)r->time));
	TRY(wire_put_u64(out, (uint64_t)r->not_after));
	TRY(wire_put_u64(out, r->record));
	return put_array(out, r->by, sizeof(r->by));
}

struct err store_revocation_decode(struct bytes raw, struct store_revocation *out)
{
	struct store_revocation r = { .serial_len = out->serial_len };
	struct bytes in = raw, issuer;

	TRY(take_version(&in, REVOCATION_VERSION));
	TRY(wire_u8(&in, &r.reason));
	TRY(wire_raw(&in, sizeof(r.issuer), &issuer));
	TRY(take_i64(&in, &r.time));
	TRY(take_i64(&in, &r.not_after));
	TRY(wire_u64(&in, &r.record));
	TRY(wire_str(&in, r.by, sizeof(r.by)));
	TRY(wire_end(&in));
	if (r.reason > STORE_REASON_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: reason of a revocation out of range");
	memcpy(r.issuer, issuer.data, sizeof(r.issuer));
	memcpy(r.serial, out->serial, sizeof(r.serial));
	*out = r;
	return OK;
}

/* ---- events ---- */
struct err store_event_encode(const struct store_event *ev, struct buf *out)
{
	if (ev->what[0] == '\0') FAIL(ERR_INVALID_ARGUMENT, "storage: an event without a name");
	TRY(wire_put_u8(out, EVENT_VERSION));
	TRY(wire_put_u64(out, (uint64_t)ev->time));
	TRY(put_array(out, ev->what, sizeof(ev->what)));
	TRY(put_array(out, ev->by, sizeof(ev->by)));
	TRY(put_array(out, ev->subject, sizeof(ev->subject)));
	return put_array(out, ev->detail, sizeof(ev->detail));
}

struct err store_event_decode(struct bytes raw, struct store_event *out)
{
	struct store_event ev = { .index = out->index };
	struct bytes in = raw;

	TRY(take_version(&in, EVENT_VERSION));
	TRY(take_i64(&in, &ev.time));
	TRY(wire_str(&in, ev.what, sizeof(ev.what)));
	TRY(wire_str(&in, ev.by, sizeof(ev.by)));
	TRY(wire_str(&in, ev.subject, sizeof(ev.subject)));
	TRY(wire_str(&in, ev.detail, sizeof(ev.detail)));
	TRY(wire_end(&in));
	if (ev.what[0] == '\0') FAIL(ERR_INVALID_ARGUMENT, "storage: an event without a name");
	*out = ev;
	return OK;
}

/* ---- hashes and keys ---- */
static void auto_md(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

struct err store_sha256(struct bytes a, struct bytes b, uint8_t out[STORE_HASH_LEN])
{
	AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(ctx, a.data, a.len) != 1 ||
	    EVP_DigestUpdate(ctx, b.data, b.len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
		FAIL(ERR_UNAVAILABLE, "storage: SHA-256 failed");
	return OK;
}

struct err store_leaf_hash(struct bytes raw, uint8_t out[STORE_HASH_LEN])
{
	static const uint8_t leaf = 0x00;

	return store_sha256(BYTES(&leaf, 1), raw, out);
}

void store_key_u64(uint64_t v, uint8_t out[8])
{
	for (size_t i = 0; i < 8; i++) out[i] = (uint8_t)(v >> (56 - 8 * i));
}

void store_key_time(int64_t v, uint8_t out[8])
{
	store_key_u64((uint64_t)v ^ (1ULL << 63), out);
}

uint64_t store_key_read(const uint8_t in[8])
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++) v = v << 8 | in[i];
	return v;
}
