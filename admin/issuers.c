#include "admin/issuers.h"

#include "admin/fields.h"
#include "base/metrics.h"
#include "base/wire.h"
#include "ca/wire_issuers.h"
#include "der/pem.h"
#include "proto/json.h"

static const char *const from[] = { "none", "own", "file", "first_use" }; /* in the order of enum wire_issuer_from */

static struct err take_root(struct bytes *in, json_t **item)
{
	AUTO(buf) struct buf pem = { .max = 2 * STORE_CERT_MAX + 128 };
	struct wire_issuer_root m;

	TRY(wire_issuer_root_take(in, &m));
	TRY(pem_put(&pem, "CERTIFICATE", m.cert));
	*item = json_pack("{so so ss%}", "sha256", field_hex(BYTES(m.id, sizeof(m.id))), "not_after", field_time(m.not_after),
			  "pem", pem.data, pem.len);
	return OK;
}

static struct err take_roots(struct bytes in, json_t *list)
{
	while (in.len > 0) {
		json_t *item = NULL;

		TRY(take_root(&in, &item));
		if (json_array_append_new(list, item) != 0) FAIL(ERR_INTERNAL, "admin: a root cannot be shown");
	}
	return OK;
}

static const char *reason_name(unsigned reason)
{
	return metric_reason(keeper_reason_metric((enum keeper_reason)reason));
}

/* How many, by reason; those that there are. */
static json_t *refused(struct bytes in, uint64_t *total)
{
	json_t *o = json_object();
	uint64_t n;

	*total = 0;

	for (unsigned reason = REASON_NONE + 1; wire_u64(&in, &n).code == ERR_OK; reason++) {
		if (n > 0) (void)json_object_set_new(o, reason_name(reason), json_integer((json_int_t)n));
		*total += n;
	}
	return o;
}

static void put_last(json_t *o, const struct wire_issuer *m)
{
	json_t *last;

	if (m->last_issued != 0) (void)json_object_set_new(o, "last_issued", field_time(m->last_issued));
	if (m->last_refused == 0 || m->last_reason == REASON_NONE) return;
	last = json_pack("{so ss}", "time", field_time(m->last_refused), "reason", reason_name(m->last_reason));
	if (last != NULL && m->last_why.len > 0) (void)json_object_set_new(last, "why", field_shown(m->last_why));
	(void)json_object_set_new(o, "last_refused", last);
}

static void put_text(json_t *o, const char *name, const char *text)
{
	if (text[0] != '\0') (void)json_object_set_new(o, name, json_string(text));
}

/* What the configuration says of another signer. */
static void put_signer(json_t *o, const struct conf *conf, const struct conf_csr_issuer *s)
{
	put_text(o, "cluster", conf_text(conf, s->cluster));
	put_text(o, "signer", conf_text(conf, s->signer_name));
	put_text(o, "signer_domain", conf_text(conf, s->signer_domain));
	put_text(o, "roots_file", conf_text(conf, s->roots_file));
	put_text(o, "approve", s->approve == CONF_APPROVE_SELF ? "self" : "external");
	(void)json_object_set_new(o, "deadline", json_integer((json_int_t)s->deadline));
}

static struct err take_issuer(const struct conf *conf, struct bytes *in, json_t **out)
{
	AUTO(json) json_t *roots = json_array();
	struct wire_issuer m;
	uint64_t total;
	json_t *by;
	int at;

	TRY(wire_issuer_take(in, &m));
	TRY(take_roots(m.roots, roots));
	by = refused(m.refused, &total);
	at = conf_csr_issuer_find(conf, m.name);
	*out = json_pack("{so ss sb ss sO sI sI sI so}", "name", field_shown(m.name), "kind",
	                 at < 0 ? "ca" : "kubernetes_csr", "default", (int)bytes_is(m.name, conf_text(conf, conf->default_issuer)),
	                 "roots_from", from[m.from], "roots", roots, "pending", (json_int_t)m.pending, "issued",
	                 (json_int_t)m.issued, "refused", (json_int_t)total, "refused_by_reason", by);
	if (*out == NULL) FAIL(ERR_INTERNAL, "admin: an issuer cannot be shown");
	put_last(*out, &m);
	if (at >= 0) put_signer(*out, conf, &conf->csr_issuers[at]);
	return OK;
}

struct err answer_issuers(const struct conf *conf, struct bytes body, json_t **out)
{
	AUTO(json) json_t *items = json_array();
	struct wire_list list;

	TRY(wire_list_take(body, &list));
	while (list.items.len > 0) {
		json_t *item = NULL;

		TRY(take_issuer(conf, &list.items, &item));
		if (json_array_append_new(items, item) != 0) FAIL(ERR_INTERNAL, "admin: an issuer cannot be shown");
	}
	*out = json_pack("{sO}", "items", items);
	return OK;
}
