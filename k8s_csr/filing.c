/* filing.c: what is in hand, from the keeper's order to its answer, and what the watch says of it. */
#include "k8s_csr/filing.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kube_name.h"
#include "k8s_csr/filing_internal.h"

#define TICK_MS 1000

static const char *const words[FAILURE_COUNT] = {
	[FAILURE_DENIED] = "denied",     [FAILURE_FAILED] = "failed",           [FAILURE_DELETED] = "deleted",
	[FAILURE_DEADLINE] = "deadline", [FAILURE_UNAVAILABLE] = "unavailable", [FAILURE_FORBIDDEN] = "forbidden",
	[FAILURE_REFUSED] = "refused",   [FAILURE_ANSWER] = "answer",           [FAILURE_LOST] = "lost",
};

const struct conf_csr_issuer *filing_issuer(const struct filing *x)
{
	return &x->f->world->conf->csr_issuers[x->issuer];
}

const char *filing_signer(const struct filing *x)
{
	return x->signer != NULL ? x->signer : conf_text(x->f->world->conf, filing_issuer(x)->signer_name);
}

/* ---- one ---- */

static void filing_free(struct filing *x)
{
	if (x == NULL) return;
	filing_call_cancel(x->call);
	free(x->signer);
	free(x->csr);
	free(x);
}
static void auto_filing(struct filing **p)
{
	filing_free(*p);
}

static struct err filing_new(struct filings *f, const struct wire_file *m, struct filing **out)
{
	AUTO(filing) struct filing *x = calloc(1, sizeof(*x));

	if (x == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "filing: out of memory");
	if (m->name.len >= sizeof(x->name)) FAIL(ERR_INVALID_ARGUMENT, "filing: the name is too long");
	x->f = f;
	x->id = m->id;
	x->issuer = m->issuer;
	x->resumed = x->may_exist = m->resume;
	x->wanted = x->deadline = m->deadline;
	if (x->resumed && x->deadline < clock_wall() + FILING_LOOK_S) x->deadline = clock_wall() + FILING_LOOK_S;
	x->begun_us = x->step_us = clock_mono_us();
	memcpy(x->name, m->name.data, m->name.len);
	x->csr = malloc(m->csr.len + 1);
	if (m->signer_name.len > 0) x->signer = strndup((const char *)m->signer_name.data, m->signer_name.len);
	if (x->csr == NULL || (m->signer_name.len > 0 && x->signer == NULL)) FAIL(ERR_RESOURCE_EXHAUSTED, "filing: out of memory");
	memcpy(x->csr, m->csr.data, m->csr.len);
	x->csr_len = (uint32_t)m->csr.len;
	*out = MOVE(x);
	return OK;
}

/* ---- all ---- */

static int by_id(const void *a, const void *b)
{
	const struct filing *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int by_name(const void *a, const void *b)
{
	const struct filing *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static struct err tree_add(void **root, struct filing *x, int (*order)(const void *, const void *))
{
	struct filing **place = tsearch(x, root, order);

	if (place == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "filing: out of memory");
	if (*place != x) FAIL(ERR_ALREADY_EXISTS, "filing: there is one with that id or name");
	return OK;
}

static struct err add(struct filings *f, struct filing *x)
{
	struct err e;

	TRY(tree_add(&f->by_id, x, by_id));
	e = tree_add(&f->by_name, x, by_name);
	if (e.code != ERR_OK) {
		(void)tdelete(x, &f->by_id, by_id);
		return e;
	}
	LIST_INSERT_HEAD(&f->waiting, x, link);
	f->waiting_count++;
	return OK;
}

static void wait_no_more(struct filing *x)
{
	LIST_REMOVE(x, link);
	x->f->waiting_count--;
}

static void drop(struct filing *x)
{
	struct filings *f = x->f;

	(void)tdelete(x, &f->by_id, by_id);
	(void)tdelete(x, &f->by_name, by_name);
	if (!x->answered) {
		wait_no_more(x);
	} else {
		LIST_REMOVE(x, link);
		f->answered_count--;
	}
	filing_free(x);
}

static struct filing *find_id(const struct filings *f, uint64_t id)
{
	struct filing key = { .id = id }, **place = tfind(&key, &f->by_id, by_id);

	return place == NULL ? NULL : *place;
}

static struct filing *find_name(const struct filings *f, const char *name)
{
	struct filing key = { .id = 0 }, **place;
	size_t len = strlen(name);

	if (len >= sizeof(key.name)) return NULL;
	memcpy(key.name, name, len);
	place = tfind(&key, &f->by_name, by_name);
	return place == NULL ? NULL : *place;
}

/* ---- ends ---- */

void filing_signed(struct filing *x, struct bytes pem)
{
	struct filings *f = x->f;
	int64_t now = clock_mono_us();

	filing_call_cancel(x->call);
	x->call = NULL;
	x->step = STEP_NONE;
	wait_no_more(x);
	x->answered = true;
	LIST_INSERT_HEAD(&f->answered, x, link);
	f->answered_count++;
	if (!x->resumed) {
		metric_observe_of(f->world->metrics, HO_CSR_SIGN, x->issuer, now - x->step_us);
		metric_observe_of(f->world->metrics, HO_CSR, x->issuer, now - x->begun_us);
	}
	f->o.signed_pem(f->o.ctx, x->id, pem);
}

/* Nobody wants its object any more. */
static void clean_up(const struct filing *x, bool events)
{
	bool remove = filing_issuer(x)->after == CONF_AFTER_DELETE;

	if (!x->may_exist || (!remove && !events)) return;
	filing_clean(x->f, &(struct clean){ .name = x->name, .uid = x->uid, .events = events, .remove = remove });
}

void filing_fail(struct filing *x, enum wire_failure failure, const char *why)
{
	struct filings *f = x->f;
	uint64_t id = x->id;

	log_event(f->world->log, LOG_WARN, "kube_csr_failed", F_STR("cluster", cluster_id(f->o.cluster)), F_STR("name", x->name),
	          F_STR("signer", filing_signer(x)), F_STR("failure", words[failure]), F_STR("why", why));
	clean_up(x, failure == FAILURE_DEADLINE);
	drop(x);
	f->o.failed(f->o.ctx, id, failure, why);
}

void filing_doom(struct filing *x, enum wire_failure failure, const char *why)
{
	x->failure = (uint8_t)failure;
	x->doom = why;
	(void)timer_start(x->f->tick, 0); /* fails for a timer that is being freed only */
}

/* ---- time ---- */

static bool is_over(const struct filing *x, int64_t now)
{
	return x->doom != NULL || now >= x->deadline + (x->step == STEP_NONE ? 0 : FILING_GRACE_S);
}

static void end(struct filing *x)
{
	if (x->doom != NULL) filing_fail(x, x->failure, x->doom);
	else if (x->step != STEP_NONE) filing_fail(x, FAILURE_UNAVAILABLE, "the API server has not answered until the deadline");
	else if (!x->approved) filing_fail(x, FAILURE_DEADLINE, "nobody approved it until the deadline");
	else filing_fail(x, FAILURE_DEADLINE, "it is approved, and the signer has not signed it until the deadline");
}

/* All are looked at: that costs less than an order kept by deadlines that are seconds apart, and the clock may step. */
static void on_tick(void *ctx)
{
	struct filings *f = ctx;
	struct filing_list over = LIST_HEAD_INITIALIZER(over);
	struct filing *x, *next;
	int64_t now = clock_wall();

	for (x = LIST_FIRST(&f->waiting); x != NULL; x = next) {
		next = LIST_NEXT(x, link);
		if (!is_over(x, now)) continue;
		LIST_REMOVE(x, link);
		LIST_INSERT_HEAD(&over, x, link);
	}
	if (!LIST_EMPTY(&f->waiting)) (void)timer_start(f->tick, TICK_MS);
	/* What is called back may be done with others of them, or order new ones. */
	while ((x = LIST_FIRST(&over)) != NULL) end(x);
}

static void on_go_on(void *ctx)
{
	filing_calls_go_on(ctx);
}

/* ---- what the watch says ---- */

static void on_begin(void *ctx)
{
	struct filings *f = ctx;

	f->list++;
	if (f->sweep == SWEEP_ORDERED) f->sweep = SWEEP_NOW;
}

/* With our label and of nobody. */
static void left_over(struct filings *f, const json_t *object, const struct kube_meta *meta)
{
	const char *instance = kube_label(object, FILING_LABEL), *after = kube_label(object, FILING_AFTER);

	if (f->sweep != SWEEP_NOW || meta->deleting) return;
	if (instance == NULL || strcmp(instance, f->label) != 0) return;
	if (after != NULL && strcmp(after, FILING_KEEP) == 0) return;
	if (strlen(meta->name) > STORE_INTENT_NAME_MAX || !kube_name_valid(bytes_str(meta->name))) return; /* no name of ours */
	f->swept++;
	filing_clean(f, &(struct clean){ .name = meta->name, .uid = meta->uid, .remove = true });
}

static void on_seen(void *ctx, const json_t *object)
{
	struct filings *f = ctx;
	struct kube_meta meta;
	struct filing *x;

	if (kube_meta_read(object, &meta).code != ERR_OK) return;
	x = find_name(f, meta.name);
	if (x == NULL) {
		left_over(f, object, &meta);
		return;
	}
	x->seen = f->list;
	if (!x->answered && x->doom == NULL) filing_object(x, object);
}

static void on_gone(void *ctx, const json_t *object)
{
	struct filings *f = ctx;
	struct kube_meta meta;
	struct filing *x;

	if (kube_meta_read(object, &meta).code != ERR_OK) return;
	x = find_name(f, meta.name);
	if (x == NULL || strcmp(x->uid, meta.uid) != 0) return;
	x->may_exist = false;
	if (!x->answered && x->doom == NULL) filing_fail(x, FAILURE_DELETED, "somebody deleted it");
}

/* A list may be older than what is known since; so who is missing from it is looked for. */
static void on_synced(void *ctx)
{
	struct filings *f = ctx;
	struct filing *x;

	LIST_FOREACH(x, &f->waiting, link)
		if (x->uid[0] != '\0' && x->step == STEP_NONE && x->doom == NULL && x->known < f->list && x->seen < f->list)
			filing_look(x);
	if (f->sweep != SWEEP_NOW) return;
	f->sweep = SWEEP_NONE;
	if (f->swept == 0) return;
	log_event(f->world->log, LOG_INFO, "kube_csr_swept", F_STR("cluster", cluster_id(f->o.cluster)), F_INT("count", f->swept));
	f->swept = 0;
}

static struct err watch(struct filings *f, struct informer **out)
{
	char selector[sizeof(FILING_LABEL "=") + sizeof(f->label)];

	(void)snprintf(selector, sizeof(selector), "%s=%s", FILING_LABEL, f->label);
	return informer_new(&(struct informer_options){ .cluster = f->o.cluster,
	                                                .path = FILING_PATH,
	                                                .kind = "CertificateSigningRequestList",
	                                                .selector = selector,
	                                                .begin = on_begin,
	                                                .seen = on_seen,
	                                                .gone = on_gone,
	                                                .synced = on_synced,
	                                                .ctx = f },
	                    out);
}

/* ---- the contract ---- */

static void auto_filings(struct filings **p)
{
	filings_free(*p);
}

struct err filings_new(const struct filings_options *options, struct filings **out)
{
	AUTO(filings) struct filings *f = calloc(1, sizeof(*f));

	if (f == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "filing: out of memory");
	f->o = *options;
	f->world = cluster_options_of(f->o.cluster);
	bytes_hex(BYTES(f->o.instance, sizeof(f->o.instance)), f->label);
	for (size_t i = 0; i < RANK_COUNT; i++) TAILQ_INIT(&f->queues[i]);
	TRY(timer_new(f->world->loop, on_tick, f, &f->tick));
	TRY(timer_new(f->world->loop, on_go_on, f, &f->go_on));
	TRY(watch(f, &f->informer));
	*out = MOVE(f);
	return OK;
}

void filings_free(struct filings *f)
{
	struct filing *x;

	if (f == NULL) return;
	informer_free(f->informer);
	filing_clean_cancel(f);
	while ((x = LIST_FIRST(&f->waiting)) != NULL) drop(x);
	while ((x = LIST_FIRST(&f->answered)) != NULL) drop(x);
	timer_free(f->tick);
	timer_free(f->go_on);
	free(f);
}

struct err filings_file(struct filings *f, const struct wire_file *m)
{
	AUTO(filing) struct filing *x = NULL;

	TRY(filing_new(f, m, &x));
	if (LIST_EMPTY(&f->waiting)) TRY(timer_start(f->tick, TICK_MS));
	TRY(add(f, x));
	if (!kube_name_valid(m->name)) filing_doom(x, FAILURE_REFUSED, "filing: malformed name");
	else if (m->resume) filing_look(x);
	else if (m->deadline <= clock_wall()) filing_doom(x, FAILURE_DEADLINE, "the deadline was over when it was asked for");
	else filing_create(x, m);
	(void)MOVE(x);
	return OK;
}

void filings_done(struct filings *f, uint64_t id)
{
	struct filing *x = find_id(f, id);

	if (x == NULL) return;
	clean_up(x, false);
	drop(x);
}

/* With a list of its own, so that all that is left over comes by. */
void filings_sweep(struct filings *f)
{
	struct informer *fresh = NULL;
	struct err e;

	f->sweep = SWEEP_ORDERED;
	e = watch(f, &fresh);
	if (e.code != ERR_OK) {
		f->sweep = SWEEP_NONE;
		log_event(f->world->log, LOG_WARN, "kube_csr_not_swept", F_STR("cluster", cluster_id(f->o.cluster)), F_ERR(e));
		return;
	}
	informer_free(f->informer);
	f->informer = fresh;
}

size_t filings_count(const struct filings *f)
{
	return f->waiting_count + f->answered_count + f->cleaning_count;
}
