/* filing_call.c: calls to the API server, a few at a time, and first those that bring requests nearer to their end.
 *
 * More at once make nothing faster: hundreds keep an API server so busy that it closes all watches of these objects, ours and those
 * of signers, because nobody takes their events in time.  Reviews for fronts do not wait here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "k8s_csr/filing_internal.h"

struct filing_call {
	TAILQ_ENTRY(filing_call) link; /* in the queue of its rank, while it waits */
	struct filings *f;
	struct cluster_request *request; /* NULL: it waits */
	struct cluster_ask ask;          /* as it was given, with our own path and body */
	enum filing_rank rank;
	struct buf body;
	char path[FILING_URL_MAX];
};

static void call_free(struct filing_call *call)
{
	buf_free(&call->body);
	free(call);
}

static void on_answer(void *ctx, struct err e, const struct https_answer *a)
{
	struct filing_call *call = ctx;
	struct filings *f = call->f;
	struct cluster_ask ask = call->ask;

	f->calls--;
	call_free(call);
	ask.done(ask.ctx, e, a); /* what it starts goes before those that wait */
	filing_calls_go_on(f);
}

static struct err start(struct filing_call *call)
{
	struct cluster_ask ask = call->ask;

	ask.path = call->path;
	ask.body = buf_view(&call->body);
	ask.done = on_answer;
	ask.ctx = call;
	TRY(cluster_start(call->f->o.cluster, &ask, &call->request));
	call->f->calls++;
	buf_free(&call->body);
	call->body = (struct buf){ .max = 0 };
	return OK;
}

static struct filing_call *next(struct filings *f)
{
	for (size_t i = 0; i < RANK_COUNT; i++)
		if (!TAILQ_EMPTY(&f->queues[i])) return TAILQ_FIRST(&f->queues[i]);
	return NULL;
}

void filing_calls_go_on(struct filings *f)
{
	struct filing_call *call;

	while (f->calls < FILING_CALLS_MAX && (call = next(f)) != NULL) {
		struct cluster_ask ask = call->ask;
		struct err e;

		TAILQ_REMOVE(&f->queues[call->rank], call, link);
		e = start(call);
		if (e.code == ERR_OK) continue;
		call_free(call);
		ask.done(ask.ctx, (struct err){ .code = ERR_UNAVAILABLE, .reason = e.reason },
			 &(struct https_answer){ .text = "" });
	}
}

struct err filing_call(struct filings *f, enum filing_rank rank, const struct cluster_ask *ask, struct filing_call **out)
{
	struct filing_call *call = calloc(1, sizeof(*call));
	struct err e;

	if (call == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "filing: out of memory");
	call->f = f;
	call->rank = rank;
	call->ask = *ask;
	call->body.max = HTTPS_BODY_MAX;
	(void)snprintf(call->path, sizeof(call->path), "%s", ask->path);
	e = buf_put(&call->body, ask->body.data, ask->body.len);
	if (e.code == ERR_OK && f->calls < FILING_CALLS_MAX) e = start(call);
	else if (e.code == ERR_OK) TAILQ_INSERT_TAIL(&f->queues[rank], call, link);
	if (e.code == ERR_OK) *out = call;
	else call_free(call);
	return e;
}

void filing_call_cancel(struct filing_call *call)
{
	if (call == NULL) return;
	if (call->request == NULL) {
		TAILQ_REMOVE(&call->f->queues[call->rank], call, link);
	} else {
		cluster_cancel(call->request);
		call->f->calls--;
		(void)timer_start(call->f->go_on, 0); /* not from here: it may call others back */
	}
	call_free(call);
}
