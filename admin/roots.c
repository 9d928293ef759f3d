#include "admin/roots.h"

#include <string.h>

#include "admin/fields.h"
#include "base/wire.h"
#include "ca/wire_root.h"
#include "der/pem.h"

/* In the order of enum step_kind, up to STEP_UNTAINT. */
static const char *const steps[] = { "", "prepare", "activate", "retire", "restore", "delete", "add", "taint", "untaint" };
static const char *const states[] = { "", "next", "active", "old", "retired", "chain", "former" };
static const char *const origins[] = { "", "own", "files", "added", "held" };

/* ---- questions ---- */

static struct err step_kind(const char *path, uint8_t *out)
{
	for (uint8_t i = 1; i < ARRAY_LEN(steps); i++) {
		if (strcmp(strrchr(path, '/') + 1, steps[i]) != 0) continue;
		*out = i;
		return OK;
	}
	FAIL(ERR_NOT_FOUND, "admin: no such step of a root set");
}

static struct err optional(const json_t *body, const char *name, size_t max, struct bytes *out)
{
	return json_object_get(body, name) == NULL ? OK : field_text(body, name, max, out);
}

struct err ask_root_step(const struct api_request *r, struct buf *out)
{
	static const char *const known[] = { "root", "key_id", "cert_pem", "cross_sign", "force", "dry_run", NULL };
	struct wire_root_step m = { .id = r->id, .by = bytes_str(r->by) };

	TRY(step_kind(r->path, &m.kind));
	if (r->body != NULL) TRY(field_known(r->body, known));
	TRY(optional(r->body, "root", 64, &m.root));
	TRY(optional(r->body, "key_id", 2 * STORE_KEY_ID_LEN, &m.signer));
	TRY(optional(r->body, "cert_pem", WIRE_CA_PEM_MAX, &m.cert));
	TRY(field_flag(r->body, "cross_sign", &m.cross));
	TRY(field_flag(r->body, "force", &m.force));
	TRY(field_flag(r->body, "dry_run", &m.dry_run));
	return wire_root_step_put(out, &m);
}

struct err ask_ca_import(const struct api_request *r, struct buf *out)
{
	struct wire_ca_import m = { .id = r->id, .by = bytes_str(r->by) };

	TRY(field_known(r->body, (const char *const[]){ "chain_pem", "roots_pem", "force", "dry_run", NULL }));
	TRY(field_text(r->body, "chain_pem", WIRE_CA_PEM_MAX, &m.chain));
	TRY(field_text(r->body, "roots_pem", WIRE_CA_PEM_MAX, &m.roots));
	TRY(field_flag(r->body, "force", &m.force));
	TRY(field_flag(r->body, "dry_run", &m.dry_run));
	return wire_ca_import_put(out, &m);
}

/* ---- answers ---- */

static json_t *id_list(struct bytes ids)
{
	json_t *list = json_array();
	struct bytes id;

	while (ids.len > 0 && wire_bytes(&ids, STORE_TEXT_MAX, &id).code == ERR_OK)
		(void)json_array_append_new(list, field_shown(id));
	return list;
}

struct err answer_root_done(const struct conf *conf, struct bytes body, json_t **out)
{
	struct wire_root_done m;

	(void)conf;
	TRY(wire_root_done_take(body, &m));
	*out = json_pack("{sI sb so so sI sI so}", "seq", (json_int_t)m.seq, "changed", (int)m.changed, "event",
			 field_shown(m.event), "subject", field_shown(m.subject), "certificates", (json_int_t)m.certs,
			 "identities", (json_int_t)m.identities, "spiffe_ids", id_list(m.ids));
	if (*out != NULL && m.until != 0) (void)json_object_set_new(*out, "until", field_time(m.until));
	return OK;
}

static json_t *waits_for(uint64_t certs, int64_t until)
{
	json_t *o = json_pack("{sI}", "certificates", (json_int_t)certs);

	if (o != NULL && until != 0) (void)json_object_set_new(o, "until", field_time(until));
	return o;
}

static struct err take_item(struct bytes *in, json_t **item)
{
	AUTO(buf) struct buf pem = { .max = 2 * STORE_CERT_MAX + 128 };
	struct wire_root_item m;

	TRY(wire_root_item_take(in, &m));
	TRY(pem_put(&pem, "CERTIFICATE", m.cert));
	*item = json_pack("{ss ss so so so so so sb sb sb so so ss%}", "state", states[m.state], "origin", origins[m.origin],
			  "id", field_hex(BYTES(m.id, sizeof(m.id))), "key_id", field_hex(BYTES(m.key_id, sizeof(m.key_id))),
			  "since", field_time(m.since), "not_before", field_time(m.not_before), "not_after",
			  field_time(m.not_after), "key_here", (int)m.key_here, "cross_signed", (int)m.crossed, "tainted",
			  (int)m.tainted, "unknown_to", waits_for(m.blind, m.blind_until), "needed_by",
			  waits_for(m.under, m.under_until), "pem", pem.data, pem.len);
	return OK;
}

struct err answer_root_set(const struct conf *conf, struct bytes body, json_t **out)
{
	struct wire_list list;
	json_t *items;
	struct err e = OK;

	TRY(wire_list_take(body, &list));
	items = json_array();
	while (e.code == ERR_OK && list.items.len > 0) {
		json_t *item = NULL;

		e = take_item(&list.items, &item);
		if (e.code == ERR_OK && json_array_append_new(items, item) != 0)
			e = ERR(ERR_INTERNAL, "admin: a root cannot be shown");
	}
	*out = e.code != ERR_OK
		       ? NULL
		       : json_pack("{sI ss sI sI sb so}", "seq", (json_int_t)list.next, "rotation",
				   conf->ca.rotation == CONF_ROTATION_AUTOMATIC && conf->ca.directory == 0 ? "automatic"
													   : "manual",
				   "prepare_at", (json_int_t)conf->ca.prepare_at, "activate_at",
				   (json_int_t)conf->ca.activate_at, "directory", (int)(conf->ca.directory != 0), "items",
				   items);
	if (*out == NULL) json_decref(items);
	return e;
}

struct err take_event(struct bytes *in, json_t **item)
{
	struct store_event ev;

	TRY(wire_event_take(in, &ev));
	*item = json_pack("{sI so so so so}", "index", (json_int_t)ev.index, "time", field_time(ev.time), "event",
	                  field_shown(bytes_str(ev.what)), "by", field_shown(bytes_str(ev.by)), "subject",
	                  field_shown(bytes_str(ev.subject)));
	if (*item != NULL && ev.detail[0] != '\0') (void)json_object_set_new(*item, "detail", field_shown(bytes_str(ev.detail)));
	return OK;
}

struct err take_limit(struct bytes *in, json_t **item)
{
	struct wire_limit m;

	TRY(wire_limit_take(in, &m));
	*item = json_pack("{so so sI}", "name", field_shown(m.name), "value", field_shown(m.value), "refused",
			  (json_int_t)m.refused);
	return OK;
}
