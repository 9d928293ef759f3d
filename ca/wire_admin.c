#include "ca/wire_admin.h"

#include <string.h>

#include "base/wire.h"
#include "ca/fields.h"

#define HASH_LEN STORE_HASH_LEN
#define LIMIT_MAX 1000 /* elements of a page; storage/query.h */
#define SCAN_MAX 100000 /* records looked at for a page; ours: a view that is held for long keeps the writer from growing */

#define ANSWER(member, kind, lo, hi) WIRE_FIELD(wire_answer, member, kind, lo, hi)
static const struct wire_field answer_fields[] = {
	ANSWER(id, U64, 0, 0),
	ANSWER(code, U8, ERR_OK, ERR_UNAUTHENTICATED),
	ANSWER(reason, TEXT, 0, WIRE_REASON_MAX),
	ANSWER(body, REST, 0, CHAN_PAYLOAD_MAX),
};
static const struct wire_field token_create_fields[] = {
	WIRE_FIELD(wire_token_create, id, U64, 0, 0),
	WIRE_FIELD(wire_token_create, spiffe_id, TEXT, 1, SPIFFE_ID_MAX),
	WIRE_FIELD(wire_token_create, by, TEXT, 1, STORE_BY_MAX),
	WIRE_FIELD(wire_token_create, lifetime, I64, 0, 0),
};
static const struct wire_field token_created_fields[] = {
	WIRE_FIELD(wire_token_created, token, TEXT, 1, WIRE_TOKEN_TEXT_MAX),
	WIRE_FIELD(wire_token_created, token_id, TEXT, 1, STORE_TOKEN_ID_LEN),
	WIRE_FIELD(wire_token_created, expires, I64, 0, 0),
};
static const struct wire_field cursor_fields[] = {
	WIRE_FIELD(wire_cursor, id, U64, 0, 0),
	WIRE_FIELD(wire_cursor, cursor, BYTES, 0, WIRE_CURSOR_MAX),
	WIRE_FIELD(wire_cursor, limit, U32, 1, LIMIT_MAX),
};
const char *const wire_revoke_kinds[REVOKE_KIND_COUNT] = { "", "serial", "spiffe_id", "key", "rule", "caller", "node", "ca_key" };
const char *const wire_ban_kinds[WIRE_BAN_KIND_COUNT] = { "", "spiffe_id", "key", "caller", "node" };

static const struct wire_field subject_fields[] = {
	WIRE_FIELD(wire_subject, id, U64, 0, 0),
	WIRE_FIELD(wire_subject, kind, U8, 0, STORE_BAN_NODE),
	WIRE_FIELD(wire_subject, subject, TEXT, 1, STORE_TEXT_MAX),
	WIRE_FIELD(wire_subject, by, TEXT, 1, STORE_BY_MAX),
};
static const struct wire_field ban_fields[] = {
	WIRE_FIELD(wire_ban, id, U64, 0, 0),
	WIRE_FIELD(wire_ban, kind, U8, STORE_BAN_SPIFFE_ID, STORE_BAN_NODE),
	WIRE_FIELD(wire_ban, subject, TEXT, 1, STORE_TEXT_MAX),
	WIRE_FIELD(wire_ban, reason, TEXT, 0, STORE_WHY_MAX),
	WIRE_FIELD(wire_ban, by, TEXT, 0, STORE_BY_MAX),
	WIRE_FIELD(wire_ban, since, I64, 0, 0),
};
static const struct wire_field revoke_fields[] = {
	WIRE_FIELD(wire_revoke, id, U64, 0, 0),
	WIRE_FIELD(wire_revoke, kind, U8, REVOKE_SERIAL, REVOKE_KIND_COUNT - 1),
	WIRE_FIELD(wire_revoke, reason, U8, 0, STORE_REASON_MAX),
	WIRE_FIELD(wire_revoke, dry_run, BOOL, 0, 0),
	WIRE_FIELD(wire_revoke, subject, TEXT, 1, STORE_TEXT_MAX),
	WIRE_FIELD(wire_revoke, by, TEXT, 1, STORE_BY_MAX),
};
static const struct wire_field revoked_fields[] = {
	WIRE_FIELD(wire_revoked, matched, U64, 0, 0),
	WIRE_FIELD(wire_revoked, revoked, U64, 0, 0),
};
static const struct wire_field revocation_fields[] = {
	WIRE_FIELD(wire_revocation, serial, BYTES, 1, STORE_SERIAL_MAX),
	WIRE_FIELD(wire_revocation, reason, U8, 0, STORE_REASON_MAX),
	WIRE_FIELD(wire_revocation, issuer, RAW, 0, STORE_KEY_ID_LEN),
	WIRE_FIELD(wire_revocation, time, I64, 0, 0),
	WIRE_FIELD(wire_revocation, not_after, I64, 0, 0),
	WIRE_FIELD(wire_revocation, record, U64, 0, 0),
	WIRE_FIELD(wire_revocation, by, TEXT, 0, STORE_BY_MAX),
};
static const struct wire_field crl_fields[] = {
	WIRE_FIELD(wire_crl, source, U8, WIRE_CRL_OURS, WIRE_CRL_BROUGHT),
	WIRE_FIELD(wire_crl, number, U64, 0, 0),
	WIRE_FIELD(wire_crl, count, U64, 0, 0),
	WIRE_FIELD(wire_crl, this_update, I64, 0, 0),
	WIRE_FIELD(wire_crl, next_update, I64, 0, 0),
	WIRE_FIELD(wire_crl, issuer, RAW, 0, STORE_KEY_ID_LEN),
	WIRE_FIELD(wire_crl, der, LONG, 1, WIRE_CRL_MAX + 4096),
};
static const struct wire_field ca_import_fields[] = {
	WIRE_FIELD(wire_ca_import, id, U64, 0, 0),
	WIRE_FIELD(wire_ca_import, force, BOOL, 0, 0),
	WIRE_FIELD(wire_ca_import, dry_run, BOOL, 0, 0),
	WIRE_FIELD(wire_ca_import, by, TEXT, 1, STORE_BY_MAX),
	WIRE_FIELD(wire_ca_import, chain, LONG, 1, WIRE_CA_PEM_MAX),
	WIRE_FIELD(wire_ca_import, roots, LONG, 1, WIRE_CA_PEM_MAX),
};
static const struct wire_field query_fields[] = {
	WIRE_FIELD(wire_query, id, U64, 0, 0),
	WIRE_FIELD(wire_query, q.serial, BYTES, 0, STORE_SERIAL_MAX),
	WIRE_FIELD(wire_query, q.spiffe_id, TEXT, 0, SPIFFE_ID_MAX),
	WIRE_FIELD(wire_query, q.expires_from, I64, 0, 0),
	WIRE_FIELD(wire_query, q.expires_to, I64, 0, 0),
	WIRE_FIELD(wire_query, q.issued_from, I64, 0, 0),
	WIRE_FIELD(wire_query, q.issued_to, I64, 0, 0),
	WIRE_FIELD(wire_query, q.newest_first, BOOL, 0, 0),
	WIRE_FIELD(wire_query, q.after, U64, 0, 0),
	WIRE_FIELD(wire_query, q.limit, U32, 1, LIMIT_MAX),
	WIRE_FIELD(wire_query, q.scan_limit, U32, 0, SCAN_MAX),
};
static const struct wire_field get_fields[] = {
	WIRE_FIELD(wire_get, id, U64, 0, 0),
	WIRE_FIELD(wire_get, index, U64, 0, 0),
};
static const struct wire_field list_fields[] = {
	WIRE_FIELD(wire_list, next, U64, 0, 0),
	WIRE_FIELD(wire_list, cursor, BYTES, 0, WIRE_CURSOR_MAX),
	WIRE_FIELD(wire_list, items, REST, 0, WIRE_CRLS_MAX),
};
#define RECORD(member, kind, lo, hi) WIRE_FIELD(store_record, member, kind, lo, hi)
static const struct wire_field record_fields[] = {
	RECORD(index, U64, 0, 0),
	RECORD(time_ms, I64, 0, 0),
	RECORD(not_before, I64, 0, 0),
	RECORD(not_after, I64, 0, 0),
	RECORD(serial, BYTES, 1, STORE_SERIAL_MAX),
	RECORD(spiffe_id, BYTES, 0, STORE_TEXT_MAX),
	RECORD(caller, BYTES, 0, STORE_TEXT_MAX),
	RECORD(rule, BYTES, 0, STORE_TEXT_MAX),
	RECORD(issuer, BYTES, 0, STORE_TEXT_MAX),
	RECORD(node, BYTES, 0, STORE_NODE_MAX),
	RECORD(request_id, BYTES, 0, STORE_REQUEST_ID_MAX),
	RECORD(evidence, ENUM, STORE_BY_NONE, STORE_BY_DAEMON),
	RECORD(evidence_hash, RAW, 0, HASH_LEN),
	RECORD(key_hash, RAW, 0, HASH_LEN),
	RECORD(root_seq, U32, 0, 0),
	RECORD(cert, BYTES, 0, STORE_CERT_MAX),
};
#define TOKEN(member, kind, lo, hi) WIRE_FIELD(store_token, member, kind, lo, hi)
static const struct wire_field token_item_fields[] = {
	TOKEN(id, CSTR, 1, STORE_TOKEN_ID_LEN),
	TOKEN(spiffe_id, CSTR, 1, STORE_TEXT_MAX),
	TOKEN(created_by, CSTR, 0, STORE_BY_MAX),
	TOKEN(created, I64, 0, 0),
	TOKEN(expires, I64, 0, 0),
	TOKEN(spent, BOOL, 0, 0),
	TOKEN(revoked, BOOL, 0, 0),
	TOKEN(key_hash, RAW, 0, HASH_LEN),
	TOKEN(record, U64, 0, 0),
};
#define STATUS(member, kind, lo, hi) WIRE_FIELD(wire_status, member, kind, lo, hi)
static const struct wire_field status_fields[] = {
	STATUS(store.records_first, U64, 0, 0),
	STATUS(store.records_end, U64, 0, 0),
	STATUS(store.index_behind, U64, 0, 0),
	STATUS(store.map_bytes, U64, 0, 0),
	STATUS(store.used_bytes, U64, 0, 0),
	STATUS(store.index_used_bytes, U64, 0, 0),
	STATUS(store.tokens, U64, 0, 0),
	STATUS(store.bans, U64, 0, 0),
	STATUS(store.revoked, U64, 0, 0),
	STATUS(root_seq, U32, 0, 0),
	STATUS(root_not_after, I64, 0, 0),
	STATUS(key_type, TEXT, 1, 16),
	STATUS(issued, U64, 0, 0),
	STATUS(refused, U64, 0, 0),
	STATUS(started, I64, 0, 0),
	STATUS(fronts, U32, 0, 0),
	STATUS(store_ok, U8, 0, 1),
};

WIRE_WHOLE(answer, wire_answer, answer_fields)
WIRE_WHOLE(token_create, wire_token_create, token_create_fields)
WIRE_WHOLE(token_created, wire_token_created, token_created_fields)
WIRE_WHOLE(cursor, wire_cursor, cursor_fields)
WIRE_WHOLE(subject, wire_subject, subject_fields)
WIRE_ELEMENT(ban, wire_ban, ban_fields)
WIRE_WHOLE(revoke, wire_revoke, revoke_fields)
WIRE_WHOLE(revoked, wire_revoked, revoked_fields)
WIRE_ELEMENT(revocation, wire_revocation, revocation_fields)
WIRE_ELEMENT(crl, wire_crl, crl_fields)
WIRE_WHOLE(ca_import, wire_ca_import, ca_import_fields)
WIRE_WHOLE(query, wire_query, query_fields)
WIRE_WHOLE(get, wire_get, get_fields)
WIRE_WHOLE(list, wire_list, list_fields)
WIRE_ELEMENT(record, store_record, record_fields)
WIRE_ELEMENT(token_item, store_token, token_item_fields)
WIRE_WHOLE(status, wire_status, status_fields)

struct err wire_revocation_put_stored(struct buf *out, const struct store_revocation *r)
{
	struct wire_revocation m = { .serial = BYTES(r->serial, r->serial_len), .reason = r->reason, .time = r->time,
				     .not_after = r->not_after, .record = r->record, .by = bytes_str(r->by) };

	memcpy(m.issuer, r->issuer, sizeof(m.issuer));
	return wire_revocation_put(out, &m);
}
