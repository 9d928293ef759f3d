#include "admin/api.h"

#include <errno.h>
#include <string.h>

#include "admin/fields.h"
#include "admin/issuers.h"
#include "admin/roots.h"
#include "base/clock.h"
#include "base/wire.h"
#include "der/base64.h"
#include "der/pem.h"

/* ---- questions ---- */

static struct err ask_get(const struct api_request *r, struct buf *out)
{
	return wire_get_put(out, &(struct wire_get){ .id = r->id });
}

/* The path element behind the last '/'. */
static const char *path_tail(const struct api_request *r)
{
	return strrchr(r->path, '/') + 1;
}

static struct err ask_cert(const struct api_request *r, struct buf *out)
{
	struct wire_get m = { .id = r->id };

	TRY(field_u64(path_tail(r), &m.index));
	return wire_get_put(out, &m);
}

static struct err ask_token_create(const struct api_request *r, struct buf *out)
{
	struct wire_token_create m = { .id = r->id, .by = bytes_str(r->by) };

	TRY(field_known(r->body, (const char *const[]){ "spiffe_id", "lifetime", NULL }));
	TRY(field_text(r->body, "spiffe_id", SPIFFE_ID_MAX, &m.spiffe_id));
	TRY(field_seconds(r->body, "lifetime", &m.lifetime));
	TRY(spiffe_workload_id_parse(m.spiffe_id, NULL, NULL));
	return wire_token_create_put(out, &m);
}

static struct err ask_page(const struct api_request *r, struct buf *out)
{
	uint8_t raw[WIRE_CURSOR_MAX];
	struct wire_cursor m = { .id = r->id };
	const char *cursor = r->param(r->param_ctx, "cursor");

	TRY(field_limit(r, &m.limit));
	if (cursor != NULL) {
		if (strlen(cursor) > 2 * sizeof(raw)) FAIL(ERR_INVALID_ARGUMENT, "admin: cursor is not one of ours");
		TRY(bytes_unhex(bytes_str(cursor), raw));
		m.cursor = BYTES(raw, strlen(cursor) / 2);
	}
	return wire_cursor_put(out, &m);
}

static struct err ask_named(const struct api_request *r, struct buf *out)
{
	return wire_subject_put(out, &(struct wire_subject){ .id = r->id, .subject = bytes_str(path_tail(r)),
							     .by = bytes_str(r->by) });
}

static struct err ask_certs(const struct api_request *r, struct buf *out)
{
	uint8_t serial[STORE_SERIAL_MAX];
	struct wire_query m = { .id = r->id };

	TRY(field_query(r, &m.q, serial));
	return wire_query_put(out, &m);
}

static struct err ask_ban(const struct api_request *r, struct buf *out)
{
	struct wire_ban m = { .id = r->id, .by = bytes_str(r->by), .since = clock_wall() };
	struct bytes kind;

	TRY(field_known(r->body, (const char *const[]){ "kind", "subject", "reason", NULL }));
	TRY(field_text(r->body, "kind", 32, &kind));
	TRY(field_ban_kind(kind, &m.kind));
	TRY(field_text(r->body, "subject", STORE_TEXT_MAX, &m.subject));
	if (json_object_get(r->body, "reason") != NULL) TRY(field_text(r->body, "reason", STORE_WHY_MAX, &m.reason));
	return wire_ban_put(out, &m);
}

static struct err ask_revoke(const struct api_request *r, struct buf *out)
{
	struct wire_revoke m = { .id = r->id, .by = bytes_str(r->by) };
	struct bytes kind, reason = bytes_str("unspecified");

	TRY(field_known(r->body, (const char *const[]){ "kind", "subject", "reason", "dry_run", NULL }));
	TRY(field_text(r->body, "kind", 32, &kind));
	TRY(field_revoke_kind(kind, &m.kind));
	TRY(field_text(r->body, "subject", STORE_TEXT_MAX, &m.subject));
	if (json_object_get(r->body, "reason") != NULL) TRY(field_text(r->body, "reason", 32, &reason));
	TRY(field_reason(reason, &m.reason));
	TRY(field_flag(r->body, "dry_run", &m.dry_run));
	return wire_revoke_put(out, &m);
}

static struct err ask_unban(const struct api_request *r, struct buf *out)
{
	const char *kind = r->param(r->param_ctx, "kind"), *subject = r->param(r->param_ctx, "subject");
	struct wire_subject m = { .id = r->id, .by = bytes_str(r->by) };

	if (kind == NULL || subject == NULL || subject[0] == '\0')
		FAIL(ERR_INVALID_ARGUMENT, "admin: kind and subject are needed");
	TRY(field_ban_kind(bytes_str(kind), &m.kind));
	m.subject = bytes_str(subject);
	return wire_subject_put(out, &m);
}

/* ---- answers ---- */

static struct err answer_none(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	TRY(wire_end(&body));
	*out = json_object();
	return OK;
}

static struct err answer_status(const struct conf *conf, struct bytes body, json_t **out)
{
	struct wire_status s;

	TRY(wire_status_take(body, &s));
	*out = json_pack("{ss ss ss% sI sb sI sI si si so s{sI sI sI sI sI sI sI sI sI}}", "version", SIGNET_VERSION,
	                 "trust_domain", conf_text(conf, conf->trust_domain), "key_type", s.key_type.data, s.key_type.len,
	                 "replica", (json_int_t)conf->replica, "store_ok", (int)s.store_ok, "issued", (json_int_t)s.issued,
	                 "refused", (json_int_t)s.refused, "fronts", (int)s.fronts, "root_seq", (int)s.root_seq, "root_not_after",
	                 field_time(s.root_not_after), "store", "records_first", (json_int_t)s.store.records_first, "records_end",
	                 (json_int_t)s.store.records_end, "index_behind", (json_int_t)s.store.index_behind, "bytes",
	                 (json_int_t)s.store.used_bytes, "index_bytes", (json_int_t)s.store.index_used_bytes, "map_bytes",
	                 (json_int_t)s.store.map_bytes, "tokens", (json_int_t)s.store.tokens, "bans",
	                 (json_int_t)s.store.bans, "revoked", (json_int_t)s.store.revoked);
	if (*out != NULL) (void)json_object_set_new(*out, "started", field_time(s.started));
	return OK;
}

static struct err answer_roots(const struct conf *conf, struct bytes body, json_t **out)
{
	struct wire_roots m;

	(void)conf;
	TRY(wire_roots_take(body, &m));
	*out = json_pack("{si ss% ss%}", "seq", (int)m.seq, "chain_pem", m.chain_pem.len ? (const char *)m.chain_pem.data : "",
	                 m.chain_pem.len, "roots_pem", m.roots_pem.data, m.roots_pem.len);
	return OK;
}

static struct err answer_csr(const struct conf *conf, struct bytes body, json_t **out)
{
	AUTO(buf) struct buf pem = { .max = 16 * 1024 };

	(void)conf;
	TRY(pem_put(&pem, "CERTIFICATE REQUEST", body));
	*out = json_pack("{ss%}", "csr_pem", pem.data, pem.len);
	return OK;
}

static struct err answer_token(const struct conf *conf, struct bytes body, json_t **out)
{
	struct wire_token_created m;

	(void)conf;
	TRY(wire_token_created_take(body, &m));
	*out = json_pack("{ss% ss% so}", "token", m.token.data, m.token.len, "id", m.token_id.data, m.token_id.len, "expires",
	                 field_time(m.expires));
	return OK;
}

static struct err take_token(struct bytes *in, json_t **item)
{
	struct store_token t;

	TRY(wire_token_item_take(in, &t));
	*item = json_pack("{ss ss ss so so ss}", "id", t.id, "spiffe_id", t.spiffe_id, "created_by", t.created_by, "created",
	                  field_time(t.created), "expires", field_time(t.expires), "state",
	                  t.revoked ? "revoked" : t.spent ? "spent" : t.expires <= clock_wall() ? "expired" : "unused");
	if (*item != NULL && t.spent) (void)json_object_set_new(*item, "record", json_integer((json_int_t)t.record));
	return OK;
}

static struct err take_ban(struct bytes *in, json_t **item)
{
	struct wire_ban b;

	TRY(wire_ban_take(in, &b));
	*item = json_pack("{ss so so so so}", "kind", field_ban_name(b.kind), "subject", field_shown(b.subject), "reason",
	                  field_shown(b.reason), "by", field_shown(b.by), "since", field_time(b.since));
	return OK;
}

static struct err take_record(struct bytes *in, json_t **item)
{
	struct store_record r;

	TRY(wire_record_take(in, &r));
	return field_record(&r, item);
}

static struct err answer_revoked(const struct conf *conf, struct bytes body, json_t **out)
{
	struct wire_revoked m;

	(void)conf;
	TRY(wire_revoked_take(body, &m));
	*out = json_pack("{sI sI}", "matched", (json_int_t)m.matched, "revoked", (json_int_t)m.revoked);
	return OK;
}

static struct err take_revocation(struct bytes *in, json_t **item)
{
	struct wire_revocation r;

	TRY(wire_revocation_take(in, &r));
	*item = field_revocation(&r);
	return OK;
}

/* {"items": [...], "next": ...}: `next` is absent on the last page. */
static struct err answer_list(struct bytes body, struct err (*take)(struct bytes *, json_t **), json_t **out)
{
	struct wire_list list;
	json_t *items = json_array();
	struct err e = wire_list_take(body, &list);

	while (e.code == ERR_OK && list.items.len > 0) {
		json_t *item = NULL;

		e = take(&list.items, &item);
		if (e.code == ERR_OK && json_array_append_new(items, item) != 0) /* left out, it would seem not to be there */
			e = ERR(ERR_INTERNAL, "admin: an element of a list cannot be shown");
	}
	if (e.code != ERR_OK) {
		json_decref(items);
		return e;
	}
	*out = json_pack("{so}", "items", items);
	if (*out != NULL && list.next != UINT64_MAX && list.cursor.len == 0)
		(void)json_object_set_new(*out, "next", json_integer((json_int_t)list.next));
	if (*out != NULL && list.cursor.len > 0) {
		char hex[2 * WIRE_CURSOR_MAX + 1];

		bytes_hex(list.cursor, hex);
		(void)json_object_set_new(*out, "next", json_string(hex));
	}
	return OK;
}

static struct err answer_tokens(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	return answer_list(body, take_token, out);
}

static struct err answer_bans(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	return answer_list(body, take_ban, out);
}

static struct err answer_events(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	return answer_list(body, take_event, out);
}

static struct err answer_limits(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	return answer_list(body, take_limit, out);
}

static struct err take_crl(struct bytes *in, json_t **item)
{
	static const char *const sources[] = { "signer", "former", "brought" };
	AUTO(buf) struct buf pem = { .max = pem_size(WIRE_CRL_MAX + 4096, "X509 CRL") };
	struct wire_crl m;

	TRY(wire_crl_take(in, &m));
	TRY(pem_put(&pem, "X509 CRL", m.der));
	*item = json_pack("{ss sI sI so so so ss%}", "source", sources[m.source], "number", (json_int_t)m.number, "entries",
	                  (json_int_t)m.count, "this_update", field_time(m.this_update), "next_update", field_time(m.next_update),
	                  "issuer_key_id", field_hex(BYTES(m.issuer, sizeof(m.issuer))), "pem", pem.data, pem.len);
	return OK;
}

/* The signing key's, with the others beside it. */
static struct err answer_crl(const struct conf *conf, struct bytes body, json_t **out)
{
	json_t *list = NULL, *items, *first;

	(void)conf;
	TRY(answer_list(body, take_crl, &list));
	items = json_object_get(list, "items");
	first = json_incref(json_array_get(items, 0));
	(void)json_array_remove(items, 0);
	(void)json_object_set(first, "others", items);
	json_decref(list);
	*out = first;
	return OK;
}

static struct err answer_revocations(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	return answer_list(body, take_revocation, out);
}

static struct err answer_certs(const struct conf *conf, struct bytes body, json_t **out)
{
	(void)conf;
	return answer_list(body, take_record, out);
}

static struct err answer_cert(const struct conf *conf, struct bytes body, json_t **out)
{
	json_t *revocation = NULL;

	(void)conf;
	TRY(take_record(&body, out));
	if (body.len == 0) return OK;
	TRY(take_revocation(&body, &revocation));
	(void)json_object_set_new(*out, "revocation", revocation);
	return wire_end(&body);
}

static const struct api_operation operations[] = {
	{ "GET", "/v1/status", ADMIN_STATUS, ask_get, answer_status },
	{ "GET", "/v1/roots", ADMIN_ROOTS, ask_get, answer_roots },
	{ "POST", "/v1/ca/csr", ADMIN_CA_CSR, ask_get, answer_csr },
	{ "POST", "/v1/ca/import", ADMIN_CA_IMPORT, ask_ca_import, answer_root_done },
	{ "GET", "/v1/root-set", ADMIN_ROOT_STATUS, ask_get, answer_root_set },
	{ "POST", "/v1/root-set/:step", ADMIN_ROOT_STEP, ask_root_step, answer_root_done },
	{ "GET", "/v1/events", ADMIN_EVENT_LIST, ask_page, answer_events },
	{ "GET", "/v1/limits", ADMIN_LIMITS, ask_get, answer_limits },
	{ "GET", "/v1/issuers", ADMIN_ISSUERS, ask_get, answer_issuers },
	{ "DELETE", "/v1/issuer-roots/:id", ADMIN_ISSUER_FORGET, ask_named, answer_none },
	{ "GET", "/v1/tokens", ADMIN_TOKEN_LIST, ask_page, answer_tokens },
	{ "POST", "/v1/tokens", ADMIN_TOKEN_CREATE, ask_token_create, answer_token },
	{ "DELETE", "/v1/tokens/:id", ADMIN_TOKEN_REVOKE, ask_named, answer_none },
	{ "GET", "/v1/certs", ADMIN_CERT_LIST, ask_certs, answer_certs },
	{ "GET", "/v1/certs/:id", ADMIN_CERT_GET, ask_cert, answer_cert },
	{ "GET", "/v1/bans", ADMIN_BAN_LIST, ask_page, answer_bans },
	{ "POST", "/v1/bans", ADMIN_BAN_ADD, ask_ban, answer_none },
	{ "GET", "/v1/crl", ADMIN_CRL, ask_get, answer_crl },
	{ "GET", "/v1/revocations", ADMIN_REVOCATION_LIST, ask_page, answer_revocations },
	{ "POST", "/v1/revocations", ADMIN_CERT_REVOKE, ask_revoke, answer_revoked },
	{ "DELETE", "/v1/bans", ADMIN_BAN_REMOVE, ask_unban, answer_none },
};

static bool path_matches(const char *pattern, const char *path)
{
	const char *id = strchr(pattern, ':');
	size_t n = id == NULL ? 0 : (size_t)(id - pattern);

	if (id == NULL) return strcmp(pattern, path) == 0;
	return strncmp(pattern, path, n) == 0 && path[n] != '\0' && strchr(path + n, '/') == NULL;
}

const struct api_operation *api_find(const char *method, const char *path, bool *wrong_method)
{
	*wrong_method = false;
	for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
		if (!path_matches(operations[i].path, path)) continue;
		if (strcmp(operations[i].method, method) == 0) return &operations[i];
		*wrong_method = true;
	}
	return NULL;
}
