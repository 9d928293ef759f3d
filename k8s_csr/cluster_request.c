#include <string.h>

#include "base/clock.h"
#include "base/own.h"
#include "k8s_csr/backoff.h"
#include "k8s_csr/cluster_internal.h"

#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS 10000
#define ROOM_MS 25 /* between two looks whether others have left room; ours */
#define NEW_US (30 * INT64_C(1000000)) /* after it was away; ours: an API server takes some seconds to know all roles */

enum state {
	IDLE,
	QUEUED,  /* for room; timer: no longer */
	SENT,
	RESTING, /* timer: send it (again) */
	FAILED,  /* could not be sent; timer: tell, for no callback comes from within a caller's call */
};

struct cluster_request {
	struct cluster *c;
	struct cluster_request *prev, *next; /* QUEUED */
	struct cluster_ask ask;              /* path, type and body point to what is here */
	char *path, *content_type;
	struct buf body;                     /* wiped, whether secret or not */
	enum state state;
	struct https_request *http;          /* SENT */
	struct timer *timer;
	struct k8s_backoff backoff;
	unsigned generation;                 /* of the credentials that it was sent with */
	bool asked_again;                    /* after a 401 */
	struct err failure;                  /* FAILED */
};

static void request_free(struct cluster_request *r)
{
	if (r == NULL) return;
	timer_free(r->timer);
	free(r->path);
	free(r->content_type);
	buf_wipe(&r->body);
	free(r);
}
static inline void auto_cluster_request(struct cluster_request **r) { request_free(*r); }

static int64_t ms_until(int64_t us)
{
	return (us - clock_mono_us() + 999) / 1000;
}

/* ---- the queue ---- */

static void enqueue(struct cluster_request *r, bool front)
{
	struct cluster *c = r->c;

	r->state = QUEUED;
	r->prev = front ? NULL : c->last;
	r->next = front ? c->first : NULL;
	if (r->prev != NULL) r->prev->next = r;
	else c->first = r;
	if (r->next != NULL) r->next->prev = r;
	else c->last = r;
	(void)timer_start(c->room, ROOM_MS);
}

static void dequeue(struct cluster_request *r)
{
	struct cluster *c = r->c;

	if (r->prev != NULL) r->prev->next = r->next;
	else c->first = r->next;
	if (r->next != NULL) r->next->prev = r->prev;
	else c->last = r->prev;
	r->prev = r->next = NULL;
	r->state = IDLE;
	if (c->first == NULL) timer_stop(c->room);
}

/* ---- one attempt ---- */

static void on_answer(void *ctx, struct err e, const struct https_answer *answer);

/* The request may be cancelled in these. */
static void on_piece(void *ctx, struct bytes piece)
{
	struct cluster_request *r = ctx;

	r->ask.data(r->ask.ctx, piece);
}

static void on_opened(void *ctx)
{
	struct cluster_request *r = ctx;

	if (r->ask.opened != NULL) r->ask.opened(r->ask.ctx);
}

static int64_t attempt_ms(const struct cluster_request *r)
{
	int64_t left = r->ask.until_us > 0 ? ms_until(r->ask.until_us) : r->ask.timeout_ms;

	if (left > r->ask.timeout_ms) left = r->ask.timeout_ms;
	return left < 1 && r->ask.timeout_ms >= 1 ? 1 : left;
}

static void count(const struct cluster *c, enum metric_of m)
{
	metric_add_of(c->o.metrics, m, (size_t)(c->o.cluster - c->o.conf->clusters), 1);
}

static struct err attempt(struct cluster_request *r)
{
	const struct cluster_ask *a = &r->ask;
	struct https_ask ask = {
		.target = r->c->target,
		.method = a->method,
		.path = a->path,
		.content_type = a->content_type,
		.body = a->body,
		.timeout_ms = attempt_ms(r),
		.max_answer = a->max_answer,
		.data = a->data != NULL ? on_piece : NULL,
		.opened = on_opened,
		.done = on_answer,
		.ctx = r,
	};

	if (r->c->target == NULL) FAIL(ERR_UNAVAILABLE, "cluster: no credentials that can be used");
	TRY(https_start(&ask, &r->http));
	timer_stop(r->timer);
	r->state = SENT;
	r->generation = r->c->generation;
	count(r->c, MO_CALLS);
	return OK;
}

static void fail_later(struct cluster_request *r, struct err e)
{
	r->state = FAILED;
	r->failure = e;
	(void)timer_start(r->timer, 0);
}

/* Behind those that came before. */
static void send_or_wait(struct cluster_request *r)
{
	struct err e = r->c->first == NULL ? attempt(r) : ERR(ERR_RESOURCE_EXHAUSTED, "cluster: others wait for room");

	if (e.code == ERR_OK) return;
	if (e.code != ERR_RESOURCE_EXHAUSTED) {
		fail_later(r, e);
		return;
	}
	enqueue(r, false);
	(void)timer_start(r->timer, r->ask.until_us > 0 ? ms_until(r->ask.until_us) : r->ask.timeout_ms);
}

void cluster_send_waiting(struct cluster *c)
{
	struct cluster_request *r;

	while ((r = c->first) != NULL) {
		struct err e;

		dequeue(r);
		e = attempt(r);
		if (e.code == ERR_RESOURCE_EXHAUSTED) {
			enqueue(r, true);
			return;
		}
		if (e.code != ERR_OK) fail_later(r, e);
	}
}

/* ---- its end ---- */

static void finish(struct cluster_request *r, struct err e, const struct https_answer *answer)
{
	r->c->count--;
	r->ask.done(r->ask.ctx, e, answer);
	request_free(r);
}

static bool is_busy(long status)
{
	return status == 429 || (status >= 500 && status <= 599);
}

/* A server that has just started answers before it knows who we are and what we may do: it says no to everybody. */
static bool is_new(const struct cluster *c, long status)
{
	return (status == 401 || status == 403) && c->away_us != 0 && clock_mono_us() - c->away_us < NEW_US;
}

static bool may_pass(const struct cluster *c, struct err e, long status)
{
	return e.code == ERR_UNAVAILABLE || e.code == ERR_DEADLINE_EXCEEDED ||
	       (e.code == ERR_OK && (is_busy(status) || is_new(c, status)));
}

/* Try again, or tell. */
static void conclude(struct cluster_request *r, struct err e, const struct https_answer *answer)
{
	int64_t rest;

	r->state = IDLE;
	if (r->ask.until_us > 0 && may_pass(r->c, e, answer->status)) {
		rest = k8s_backoff_failed(&r->backoff, cluster_random(), answer->retry_after);
		if (clock_mono_us() + rest * 1000 < r->ask.until_us) {
			r->state = RESTING;
			(void)timer_start(r->timer, rest);
			return;
		}
	}
	finish(r, e, answer);
}

static void count_answer(const struct cluster *c, struct err e, long status)
{
	if (e.code != ERR_OK || is_busy(status)) count(c, MO_ERRORS);
	if (status == 401) count(c, MO_UNAUTHORIZED);
}

static void on_answer(void *ctx, struct err e, const struct https_answer *answer)
{
	struct cluster_request *r = ctx;
	bool refused = e.code == ERR_OK && answer->status == 401;

	r->http = NULL;
	r->state = IDLE;
	if (e.code == ERR_UNAVAILABLE) r->c->away_us = clock_mono_us();
	count_answer(r->c, e, answer->status);
	/* without an answer: we may trust others than it shows now */
	if (refused || (e.code == ERR_UNAVAILABLE && answer->status == 0)) cluster_doubt(r->c);
	if (refused && !r->asked_again && r->generation != r->c->generation) {
		r->asked_again = true;
		send_or_wait(r);
		cluster_send_waiting(r->c);
		return;
	}
	cluster_send_waiting(r->c);
	conclude(r, e, answer);
}

static void on_timer(void *ctx)
{
	struct cluster_request *r = ctx;
	struct https_answer none = { .text = "waited too long for its turn" };

	if (r->state == RESTING) {
		send_or_wait(r);
	} else if (r->state == QUEUED) {
		dequeue(r);
		finish(r, ERR(ERR_DEADLINE_EXCEEDED, "cluster: too many requests before this one"), &none);
	} else if (r->state == FAILED) {
		none.text = r->failure.reason;
		conclude(r, r->failure, &none);
	}
}

/* ---- start and cancel ---- */

static struct err copy_ask(struct cluster_request *r, const struct cluster_ask *ask)
{
	r->ask = *ask;
	r->body.max = ask->body.len;
	TRY(buf_put(&r->body, ask->body.data, ask->body.len));
	r->path = strdup(ask->path);
	if (ask->content_type != NULL) r->content_type = strdup(ask->content_type);
	if (r->path == NULL || (ask->content_type != NULL && r->content_type == NULL))
		FAIL(ERR_RESOURCE_EXHAUSTED, "cluster: out of memory");
	r->ask.path = r->path;
	r->ask.content_type = r->content_type;
	r->ask.body = buf_view(&r->body);
	return OK;
}

struct err cluster_start(struct cluster *c, const struct cluster_ask *ask, struct cluster_request **out)
{
	AUTO(cluster_request) struct cluster_request *r = NULL;

	if (ask->path == NULL || ask->done == NULL || (ask->data != NULL && ask->until_us != 0))
		FAIL(ERR_INVALID_ARGUMENT, "cluster: no path or callback, or a stream to be tried again");
	if (c->count >= CLUSTER_REQUESTS_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "cluster: too many requests");
	r = calloc(1, sizeof(*r));
	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "cluster: out of memory");
	r->c = c;
	r->backoff = (struct k8s_backoff){ .first_ms = RETRY_FIRST_MS, .max_ms = RETRY_MAX_MS };
	TRY(copy_ask(r, ask));
	TRY(timer_new(c->o.loop, on_timer, r, &r->timer));
	send_or_wait(r);
	c->count++;
	if (out != NULL) *out = r;
	(void)MOVE(r);
	return OK;
}

void cluster_cancel(struct cluster_request *r)
{
	struct cluster *c;

	if (r == NULL) return;
	c = r->c;
	if (r->state == QUEUED) dequeue(r);
	https_cancel(r->http);
	request_free(r);
	c->count--;
	cluster_send_waiting(c);
}
