#include "admin/fields.h"

#include <string.h>

#include "base/clock.h"
#include "der/pem.h"
#include "proto/json.h"

#define SECONDS_MAX (10LL * 365 * 86400) /* ours: a typo, not a wish, beyond it */

struct err field_known(const json_t *body, const char *const *names)
{
	const char *key;
	json_t *value;

	if (!json_is_object(body)) FAIL(ERR_INVALID_ARGUMENT, "admin: the body must be a JSON object");
	json_object_foreach((json_t *)(uintptr_t)body, key, value) {
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], key) != 0) i++;
		if (names[i] == NULL) FAIL(ERR_INVALID_ARGUMENT, "admin: unknown member in the body");
	}
	return OK;
}

struct err field_text(const json_t *body, const char *name, size_t max, struct bytes *out)
{
	if (json_string_of(body, name, max, out).code != ERR_OK || out->len == 0)
		FAIL(ERR_INVALID_ARGUMENT, "admin: a required text is missing, empty or too long");
	return OK;
}

struct err field_seconds(const json_t *body, const char *name, int64_t *out)
{
	const json_t *v = json_object_get(body, name);

	*out = 0;
	if (v == NULL) return OK;
	if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > SECONDS_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "admin: seconds must be a whole number from 1 to ten years");
	*out = json_integer_value(v);
	return OK;
}

struct err field_flag(const json_t *body, const char *name, bool *out)
{
	const json_t *v = json_object_get(body, name);

	if (v != NULL && !json_is_boolean(v)) FAIL(ERR_INVALID_ARGUMENT, "admin: a member that must be true or false is neither");
	*out = json_is_true(v);
	return OK;
}

struct err field_u64(const char *text, uint64_t *out)
{
	uint64_t v = 0;

	if (text[0] == '\0' || strlen(text) > 19) FAIL(ERR_INVALID_ARGUMENT, "admin: not a whole number");
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9') FAIL(ERR_INVALID_ARGUMENT, "admin: not a whole number");
		v = v * 10 + (uint64_t)(*text - '0');
	}
	*out = v;
	return OK;
}

struct err field_limit(const struct api_request *r, uint32_t *out)
{
	const char *text = r->param(r->param_ctx, "limit");
	uint64_t v = API_PAGE;

	if (text != NULL) TRY(field_u64(text, &v));
	if (v < 1 || v > API_PAGE_MAX) FAIL(ERR_INVALID_ARGUMENT, "admin: limit must be 1 to 1000");
	*out = (uint32_t)v;
	return OK;
}


struct err field_ban_kind(struct bytes name, uint8_t *out)
{
	for (uint8_t i = 1; i < WIRE_BAN_KIND_COUNT; i++) {
		if (!bytes_is(name, wire_ban_kinds[i])) continue;
		*out = i;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "admin: kind must be spiffe_id, key, caller or node");
}

const char *field_ban_name(uint8_t kind)
{
	return kind < WIRE_BAN_KIND_COUNT ? wire_ban_kinds[kind] : "";
}

json_t *field_hex(struct bytes v)
{
	char out[2 * 64 + 1];

	if (v.len > 64) return NULL;
	bytes_hex(v, out);
	return json_string(out);
}

static struct err choose(struct bytes name, const char *const *names, size_t count, uint8_t *out)
{
	for (uint8_t i = 0; i < count; i++) {
		if (names[i][0] == '\0' || !bytes_is(name, names[i])) continue;
		*out = i;
		return OK;
	}
	FAIL(ERR_NOT_FOUND, "admin: none of these");
}

struct err field_revoke_kind(struct bytes name, uint8_t *out)
{
	if (choose(name, wire_revoke_kinds, REVOKE_KIND_COUNT, out).code == ERR_OK) return OK;
	FAIL(ERR_INVALID_ARGUMENT, "admin: kind must be serial, spiffe_id, key, rule, caller, node or ca_key");
}

static const char *const reasons[] = { "unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
				       "cessationOfOperation", "", "", "", "privilegeWithdrawn", "aACompromise" };

struct err field_reason(struct bytes name, uint8_t *out)
{
	if (choose(name, reasons, ARRAY_LEN(reasons), out).code == ERR_OK) return OK;
	FAIL(ERR_INVALID_ARGUMENT, "admin: reason must be a name of RFC 5280 s5.3.1, as keyCompromise or superseded");
}

const char *field_reason_name(uint8_t reason)
{
	return reason < ARRAY_LEN(reasons) ? reasons[reason] : "";
}

json_t *field_revocation(const struct wire_revocation *r)
{
	return json_pack("{so sI so ss so so so}", "serial", field_hex(r->serial), "record", (json_int_t)r->record, "revoked",
	                        field_time(r->time), "reason", field_reason_name(r->reason), "by", field_shown(r->by), "not_after",
	                        field_time(r->not_after), "issuer_key_id", field_hex(BYTES(r->issuer, sizeof(r->issuer))));
}

/* An absent parameter leaves what is there. */
static struct err param_number(const struct api_request *r, const char *name, int64_t scale, int64_t *out)
{
	const char *text = r->param(r->param_ctx, name);
	uint64_t v;

	if (text == NULL) return OK;
	TRY(field_u64(text, &v));
	if (v > (uint64_t)(INT64_MAX / scale)) FAIL(ERR_INVALID_ARGUMENT, "admin: a time is out of range");
	*out = (int64_t)v * scale;
	return OK;
}

static struct err param_serial(const struct api_request *r, struct store_query *q, uint8_t serial[STORE_SERIAL_MAX])
{
	const char *text = r->param(r->param_ctx, "serial");
	size_t n = text == NULL ? 0 : strlen(text);

	if (text == NULL) return OK;
	if (n == 0 || n > 2 * STORE_SERIAL_MAX) FAIL(ERR_INVALID_ARGUMENT, "admin: serial must be 1 to 20 octets in hex");
	TRY(bytes_unhex(bytes_str(text), serial));
	q->serial = BYTES(serial, n / 2);
	return OK;
}

/* `to` alone means from the beginning, `from` alone until the end of time. */
static void open_ended(int64_t *from, int64_t *to)
{
	if (*from != 0 && *to == 0) *to = INT64_MAX;
}

struct err field_query(const struct api_request *r, struct store_query *q, uint8_t serial[STORE_SERIAL_MAX])
{
	const char *id = r->param(r->param_ctx, "spiffe_id"), *order = r->param(r->param_ctx, "newest_first");
	const char *after = r->param(r->param_ctx, "after");

	q->after = UINT64_MAX;
	q->newest_first = order == NULL || strcmp(order, "false") != 0;
	if (id != NULL) q->spiffe_id = bytes_str(id);
	if (after != NULL) TRY(field_u64(after, &q->after));
	TRY(param_serial(r, q, serial));
	TRY(param_number(r, "expires_from", 1, &q->expires_from));
	TRY(param_number(r, "expires_to", 1, &q->expires_to));
	TRY(param_number(r, "issued_from", 1000, &q->issued_from));
	TRY(param_number(r, "issued_to", 1000, &q->issued_to));
	open_ended(&q->expires_from, &q->expires_to);
	open_ended(&q->issued_from, &q->issued_to);
	return field_limit(r, &q->limit);
}

json_t *field_time(int64_t unix_seconds)
{
	char text[CLOCK_TEXT_MAX];

	clock_text(unix_seconds, text);
	return json_string(text);
}

/* What is no UTF-8 comes from a front that was taken over (or from worse), and must not hide the page that it is on. */
json_t *field_shown(struct bytes v)
{
	json_t *plain = json_stringn(v.len > 0 ? (const char *)v.data : "", v.len);
	AUTO(buf) struct buf b = { .max = 4 * STORE_TEXT_MAX };

	if (plain != NULL) return plain;
	for (size_t i = 0; i < v.len; i++) {
		bool shown = v.data[i] >= 0x20 && v.data[i] < 0x7f && v.data[i] != '\\';

		if (buf_printf(&b, shown ? "%c" : "\\x%02x", v.data[i]).code != ERR_OK) return NULL;
	}
	return json_stringn((const char *)b.data, b.len);
}

struct err field_record(const struct store_record *r, json_t **out)
{
	static const char *const evidence[] = { "none", "jwt", "mtls", "join_token", "daemon" };
	AUTO(buf) struct buf pem = { .max = 2 * STORE_CERT_MAX + 128 };

	TRY(pem_put(&pem, "CERTIFICATE", r->cert));
	*out = json_pack("{sI so so so so so so so so ss so so sI ss%}", "index", (json_int_t)r->index, "issued",
	                 field_time(r->time_ms / 1000), "not_before", field_time(r->not_before), "not_after",
	                 field_time(r->not_after), "serial", field_hex(r->serial), "spiffe_id", field_shown(r->spiffe_id),
	                 "caller", field_shown(r->caller), "rule", field_shown(r->rule), "issuer", field_shown(r->issuer),
	                 "evidence", r->evidence < ARRAY_LEN(evidence) ? evidence[r->evidence] : "none", "evidence_hash",
	                 field_hex(BYTES(r->evidence_hash, STORE_HASH_LEN)), "key_hash",
	                 field_hex(BYTES(r->key_hash, STORE_HASH_LEN)), "root_seq", (json_int_t)r->root_seq, "pem", pem.data,
	                 pem.len);
	if (*out == NULL) FAIL(ERR_INTERNAL, "admin: a record is not text");
	if (r->node.len > 0) (void)json_object_set_new(*out, "node", field_shown(r->node));
	if (r->request_id.len > 0) (void)json_object_set_new(*out, "request_id", field_shown(r->request_id));
	return OK;
}
