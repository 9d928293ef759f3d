/* filing_clean.c: objects that are to go: those that are answered, and what earlier lives left behind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "k8s_csr/filing_internal.h"
#include "k8s_csr/members.h"
#include "k8s_csr/object_core.h"

#define CLEAN_US (60 * 1000000LL) /* ours: what an API server that is away keeps so long is swept at the next start */
#define EVENTS_MAX 5              /* ours */

struct cleaning {
	LIST_ENTRY(cleaning) link;
	struct filings *f;
	struct filing_call *call;
	bool remove;
	char name[STORE_INTENT_NAME_MAX + 1];
	char uid[KUBE_UID_MAX + 1];
};

static void cleaning_end(struct cleaning *c)
{
	LIST_REMOVE(c, link);
	c->f->cleaning_count--;
	free(c);
}

static void not_deleted(const struct cleaning *c, const char *why)
{
	log_event(c->f->world->log, LOG_WARN, "kube_csr_not_deleted", F_STR("cluster", cluster_id(c->f->o.cluster)),
	          F_STR("name", c->name), F_STR("why", why));
}

/* ---- DELETE ---- */

static void on_deleted(void *ctx, struct err e, const struct https_answer *a)
{
	struct cleaning *c = ctx;
	bool other = a->status == 409; /* another uid: ours is gone */
	filing_why why;

	if (e.code != ERR_OK || (a->status / 100 != 2 && a->status != 404 && !other)) {
		filing_describe(e, a, why);
		not_deleted(c, why);
	}
	cleaning_end(c);
}

/* The object that was ours, not whatever has its name now. */
static struct err delete_body(const struct cleaning *c, struct buf *out)
{
	if (c->uid[0] == '\0') return OK;
	return members_put(
		json_pack("{ss ss s{ss}}", "kind", "DeleteOptions", "apiVersion", "v1", "preconditions", "uid", c->uid), out);
}

static void delete(struct cleaning *c)
{
	AUTO(buf) struct buf body = { .max = 1024 };
	char path[FILING_URL_MAX];
	struct cluster_ask ask = {
		.method = HTTPS_DELETE, .path = path, .timeout_ms = FILING_ATTEMPT_MS, .done = on_deleted, .ctx = c
	};
	struct err e = delete_body(c, &body);

	(void)snprintf(path, sizeof(path), "%s/%s", FILING_PATH, c->name);
	ask.body = buf_view(&body);
	ask.content_type = body.len > 0 ? "application/json" : NULL;
	ask.until_us = clock_mono_us() + CLEAN_US;
	ask.max_answer = KUBE_ANSWER_MAX;
	if (e.code == ERR_OK) e = filing_call(c->f, RANK_OTHER, &ask, &c->call);
	if (e.code == ERR_OK) return;
	not_deleted(c, e.reason);
	cleaning_end(c);
}

/* ---- events: what a signer says when it does nothing ---- */

static void tell_event(const struct cleaning *c, const json_t *item)
{
	struct kube_event event;

	if (kube_event_read(item, &event).code != ERR_OK) return;
	log_event(c->f->world->log, LOG_WARN, "kube_csr_event", F_STR("cluster", cluster_id(c->f->o.cluster)),
		  F_STR("name", c->name), F_STR("type", event.type), F_STR("reason", event.reason),
		  F_STR("message", event.message));
}

static void on_events(void *ctx, struct err e, const struct https_answer *a)
{
	struct cleaning *c = ctx;
	AUTO(json) json_t *list = NULL;
	struct kube_list events = { .items = NULL };
	const json_t *item;
	size_t i;

	c->call = NULL;
	/* Who may not read them is told no more: they help, and nothing needs them. */
	if (e.code == ERR_OK && a->status == 200) e = kube_parse(a->body, &list);
	if (list != NULL && e.code == ERR_OK) e = kube_list_read(list, "EventList", &events);
	json_array_foreach(events.items, i, item)
		if (i < EVENTS_MAX) tell_event(c, item);
	if (c->remove) delete(c);
	else cleaning_end(c);
}

/* Those of objects without a namespace are in "default". */
static void ask_events(struct cleaning *c)
{
	char path[FILING_URL_MAX];
	struct cluster_ask ask = {
		.method = HTTPS_GET, .path = path, .timeout_ms = FILING_ATTEMPT_MS, .done = on_events, .ctx = c
	};

	(void)snprintf(path, sizeof(path), "/api/v1/namespaces/default/events?limit=%d&fieldSelector=involvedObject.name%%3D%s",
	               EVENTS_MAX, c->name);
	ask.max_answer = KUBE_ANSWER_MAX;
	if (filing_call(c->f, RANK_OTHER, &ask, &c->call).code == ERR_OK) return;
	if (c->remove) delete(c);
	else cleaning_end(c);
}

/* ---- all ---- */

void filing_clean(struct filings *f, const struct clean *clean)
{
	struct cleaning *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		log_event(f->world->log, LOG_WARN, "kube_csr_not_deleted", F_STR("cluster", cluster_id(f->o.cluster)),
		          F_STR("name", clean->name), F_STR("why", "filing: out of memory"));
		return;
	}
	c->f = f;
	c->remove = clean->remove;
	(void)snprintf(c->name, sizeof(c->name), "%s", clean->name);
	(void)snprintf(c->uid, sizeof(c->uid), "%s", clean->uid);
	LIST_INSERT_HEAD(&f->cleaning, c, link);
	f->cleaning_count++;
	if (clean->events) ask_events(c);
	else delete(c);
}

void filing_clean_cancel(struct filings *f)
{
	struct cleaning *c;

	while ((c = LIST_FIRST(&f->cleaning)) != NULL) {
		filing_call_cancel(c->call);
		cleaning_end(c);
	}
}
