#include "k8s_csr/reviews.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/own.h"
#include "k8s_csr/object_review.h"
#include "k8s_csr/same_node.h"

#define REVIEW_PATH "/apis/authentication.k8s.io/v1/tokenreviews"
#define REVIEW_ATTEMPT_MS 4000             /* ours: a hung connection leaves time for another */
#define REVIEW_ANSWER_MAX (256 * 1024)     /* bytes; ours: the token comes back, with a user's groups */
#define REVIEW_AUDIENCES_MAX 32            /* of an issuer (conf/schema.c) */
#define FORBIDDEN_EVERY_US (60 * INT64_C(1000000)) /* the log hears of it; ours */
#define FORBIDDEN_NEEDS "create tokenreviews (authentication.k8s.io), as in the ClusterRole system:auth-delegator"

struct waiter {
	struct waiter *next;
	void *asker;
	uint64_t id;
};

struct question {
	struct reviews *r;
	struct question *next;
	struct waiter *waiters;
	struct cluster_request *request;
	struct timer *timer;
	bool answered; /* its waiters are being told: nobody may join, and forgetting leaves it alone */
	uint8_t issuer;
	size_t token_len;
	uint8_t token[];
};

struct reviews {
	struct reviews_options o;
	const struct cluster_options *cluster;
	struct question *questions;
	size_t waiters;
	int64_t forbidden_us; /* when the log heard of it last; 0: never */
	struct same_node *nodes; /* NULL: no rule has same_node */
};

static void question_free(struct question *q)
{
	if (q == NULL) return;
	cluster_cancel(q->request);
	timer_free(q->timer);
	explicit_bzero(q->token, q->token_len);
	free(q);
}
static inline void auto_question(struct question **p) { question_free(*p); }

static void question_end(struct question *q)
{
	struct question **at = &q->r->questions;

	while (*at != q) at = &(*at)->next;
	*at = q->next;
	question_free(q);
}

/* ---- what the API server says ---- */

struct outcome {
	struct wire_reviewed m;
	struct kube_token token;
	char why[WIRE_VERDICT_WHY_MAX + 1];
};

static void set_why(struct outcome *o, const char *what, const char *detail)
{
	(void)snprintf(o->why, sizeof(o->why), "%s%s%s", what, detail[0] == '\0' ? "" : ": ", detail);
	for (char *p = o->why; *p != '\0'; p++)
		if (*p < ' ' || *p > '~') *p = '?';
	o->m.why = bytes_str(o->why);
}

struct audiences {
	const char *texts[REVIEW_AUDIENCES_MAX];
	struct kube_audiences list;
	size_t len;
};

static void audiences_of(const struct conf *conf, unsigned issuer, struct audiences *out)
{
	struct conf_list list = conf->issuers[issuer].audiences;

	*out = (struct audiences){ .list.list = out->texts };
	for (uint32_t i = 0; i < list.count && i < REVIEW_AUDIENCES_MAX; i++) {
		out->texts[i] = conf_item(conf, list, i);
		out->len += strlen(out->texts[i]);
		out->list.count++;
	}
}

static void fill(struct outcome *o)
{
	const struct kube_token *t = &o->token;

	o->m.ns = bytes_str(t->ns);
	o->m.account = bytes_str(t->account);
	o->m.account_uid = bytes_str(t->uid);
	o->m.pod = bytes_str(t->pod_name);
	o->m.pod_uid = bytes_str(t->pod_uid);
	o->m.node = bytes_str(t->node_name);
	o->m.node_uid = bytes_str(t->node_uid);
}

static void read_review(const struct question *q, struct bytes body, struct outcome *o)
{
	AUTO(json) json_t *review = NULL;
	struct audiences audiences;
	kube_text said = "";
	struct err e;

	audiences_of(q->r->cluster->conf, q->issuer, &audiences);
	e = json_object_parse_pruned(body, REVIEW_ANSWER_MAX, "spec", &review); /* without the token, which nobody would wipe */
	if (e.code == ERR_OK) e = kube_token_review_read(review, audiences.list, &o->token, said);
	if (e.code == ERR_OK) {
		o->m.verdict = VERDICT_YES;
		fill(o);
		return;
	}
	o->m.verdict = e.code == ERR_UNAUTHENTICATED ? VERDICT_NO : VERDICT_AWAY;
	set_why(o, e.reason, said);
}

static void tell_forbidden(struct reviews *r, const char *said)
{
	int64_t now = clock_mono_us();

	if (r->forbidden_us != 0 && now - r->forbidden_us < FORBIDDEN_EVERY_US) return;
	r->forbidden_us = now;
	log_event(r->cluster->log, LOG_ERROR, "kube_review_forbidden", F_STR("cluster", cluster_id(r->o.cluster)),
	          F_STR("needs", FORBIDDEN_NEEDS), F_STR("said", said));
}

static void refused(struct reviews *r, const struct https_answer *a, struct outcome *o)
{
	AUTO(json) json_t *object = NULL;
	struct kube_status status = { .message = "" };
	char what[64];

	if (json_object_parse_pruned(a->body, REVIEW_ANSWER_MAX, "spec", &object).code == ERR_OK)
		(void)(kube_status_read(object, &status).code == ERR_OK); /* a proxy's error page says nothing that we read */
	(void)snprintf(what, sizeof(what), "the API server answers the review with status %ld", a->status);
	set_why(o, what, status.message);
	if (a->status == 403) tell_forbidden(r, status.message);
}

/* ---- telling it ---- */

static void tell(const struct reviews *r, void *asker, const struct wire_reviewed *m)
{
	r->o.reviewed(r->o.ctx, asker, m);
}

static void finish(struct question *q, struct wire_reviewed *m)
{
	q->answered = true;
	for (struct waiter *w; (w = q->waiters) != NULL;) {
		void *asker = w->asker;

		m->id = w->id;
		q->waiters = w->next;
		q->r->waiters--;
		free(w);
		tell(q->r, asker, m);
	}
	question_end(q);
}

static void on_answer(void *ctx, struct err e, const struct https_answer *a)
{
	struct question *q = ctx;
	struct outcome o = { .m.verdict = VERDICT_AWAY };

	q->request = NULL;
	if (e.code != ERR_OK) set_why(&o, e.reason, a->text);
	else if (a->status == 201 || a->status == 200) read_review(q, a->body, &o);
	else refused(q->r, a, &o);
	finish(q, &o.m);
}

static void on_time_up(void *ctx)
{
	struct question *q = ctx;
	struct outcome o = { .m.verdict = VERDICT_AWAY };

	cluster_cancel(q->request);
	q->request = NULL;
	set_why(&o, "the API server has not answered the review in time", "");
	finish(q, &o.m);
}

/* ---- asking ---- */

static struct question *find(const struct reviews *r, const struct wire_review *m)
{
	for (struct question *q = r->questions; q != NULL; q = q->next)
		if (!q->answered && q->issuer == m->issuer && bytes_equal(BYTES(q->token, q->token_len), m->token)) return q;
	return NULL;
}

static struct err question_new(struct reviews *r, const struct wire_review *m, struct question **out)
{
	AUTO(question) struct question *q = calloc(1, sizeof(*q) + m->token.len);

	if (q == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "reviews: out of memory");
	*q = (struct question){ .r = r, .issuer = m->issuer, .token_len = m->token.len };
	memcpy(q->token, m->token.data, m->token.len);
	TRY(timer_new(r->cluster->loop, on_time_up, q, &q->timer));
	TRY(timer_start(q->timer, REVIEW_TIME_MS));
	*out = MOVE(q);
	return OK;
}

static struct err put_body(const struct question *q, struct buf *body)
{
	struct audiences audiences;
	uint8_t *at;

	audiences_of(q->r->cluster->conf, q->issuer, &audiences);
	/* At once, as a copy would stay unwiped: JSON's escapes make at most 2 of a token's bytes and 6 of a text's. */
	body->max = 1024 + 2 * q->token_len + 6 * audiences.len;
	TRY(buf_reserve(body, body->max, &at));
	return kube_token_review_body(BYTES(q->token, q->token_len), audiences.list, body);
}

static struct err ask(struct question *q)
{
	AUTO(buf_wipe) struct buf body = { .max = 0 };
	struct cluster_ask ask = { .method = HTTPS_POST,
		                   .path = REVIEW_PATH,
		                   .content_type = "application/json",
		                   .secret = true,
		                   .timeout_ms = REVIEW_ATTEMPT_MS,
		                   .until_us = clock_mono_us() + REVIEW_TIME_MS * INT64_C(1000),
		                   .max_answer = REVIEW_ANSWER_MAX,
		                   .done = on_answer,
		                   .ctx = q };

	TRY(put_body(q, &body));
	ask.body = buf_view(&body);
	/* What cannot be a token is no token; but nothing else that goes wrong here says anything about it. */
	if (cluster_start(q->r->o.cluster, &ask, &q->request).code != ERR_OK)
		FAIL(ERR_UNAVAILABLE, "reviews: the API server cannot be asked");
	return OK;
}

/* The question, asked; NULL: it could not be, and *m says what is to be told instead. */
static struct err begin(struct reviews *r, const struct wire_review *review, struct question **out, struct wire_reviewed *m)
{
	AUTO(question) struct question *q = NULL;
	struct err e;

	TRY(question_new(r, review, &q));
	e = ask(q);
	if (e.code == ERR_OK) {
		q->next = r->questions;
		r->questions = *out = MOVE(q);
		return OK;
	}
	*m = (struct wire_reviewed){ .id = review->id,
		                     .verdict = e.code == ERR_INVALID_ARGUMENT ? VERDICT_NO : VERDICT_AWAY,
		                     .why = bytes_str(e.reason) };
	return OK;
}

static bool is_ours(const struct reviews *r, unsigned cluster)
{
	const struct conf *c = r->cluster->conf;

	return cluster < c->cluster_count && strcmp(conf_text(c, c->clusters[cluster].id), cluster_id(r->o.cluster)) == 0;
}

static bool issuer_is_ours(const struct reviews *r, unsigned issuer)
{
	const struct conf *c = r->cluster->conf;

	return issuer < c->issuer_count && strcmp(conf_text(c, c->issuers[issuer].cluster), cluster_id(r->o.cluster)) == 0;
}

struct err reviews_token(struct reviews *r, void *asker, const struct wire_review *m)
{
	AUTO(heap) struct waiter *w = NULL;
	struct question *q;
	struct wire_reviewed instead;

	if (!is_ours(r, m->cluster) || !issuer_is_ours(r, m->issuer))
		FAIL(ERR_INVALID_ARGUMENT, "reviews: not an issuer of this cluster");
	if (r->waiters >= REVIEWS_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "reviews: too many tokens wait for the API server");
	w = malloc(sizeof(*w));
	if (w == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "reviews: out of memory");
	q = find(r, m);
	if (q == NULL) TRY(begin(r, m, &q, &instead));
	if (q == NULL) {
		tell(r, asker, &instead);
		return OK;
	}
	*w = (struct waiter){ .next = q->waiters, .asker = asker, .id = m->id };
	q->waiters = MOVE(w);
	r->waiters++;
	return OK;
}

struct err reviews_node(struct reviews *r, void *asker, const struct wire_node *m)
{
	if (!is_ours(r, m->cluster)) FAIL(ERR_INVALID_ARGUMENT, "reviews: another cluster's pods");
	if (r->nodes != NULL) return same_node_ask(r->nodes, asker, m);
	r->o.node(r->o.ctx, asker,
	          &(struct wire_node_answer){
			  .id = m->id, .verdict = VERDICT_NO, .why = bytes_str("pods are not watched: no rule has same_node") });
	return OK;
}

/* ---- forgetting ---- */

static void forget_waiters(struct question *q, const void *asker)
{
	for (struct waiter **at = &q->waiters, *w; (w = *at) != NULL;) {
		if (asker != NULL && w->asker != asker) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		q->r->waiters--;
		free(w);
	}
}

static void forget(struct reviews *r, const void *asker)
{
	for (struct question *q = r->questions, *next; q != NULL; q = next) {
		next = q->next;
		forget_waiters(q, asker);
		if (q->waiters == NULL && !q->answered) question_end(q);
	}
}

void reviews_forget(struct reviews *r, const void *asker)
{
	forget(r, asker);
	if (r->nodes != NULL) same_node_forget(r->nodes, asker);
}

struct err reviews_new(const struct reviews_options *options, struct reviews **out)
{
	AUTO(heap) struct reviews *r = calloc(1, sizeof(*r));
	struct same_node_options nodes = { .cluster = options->cluster, .answer = options->node, .ctx = options->ctx };

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "reviews: out of memory");
	r->o = *options;
	r->cluster = cluster_options_of(options->cluster);
	if (options->pods) TRY(same_node_new(&nodes, &r->nodes));
	*out = MOVE(r);
	return OK;
}

void reviews_free(struct reviews *r)
{
	if (r == NULL) return;
	forget(r, NULL);
	same_node_free(r->nodes);
	free(r);
}
