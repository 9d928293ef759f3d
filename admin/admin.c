#include "admin/admin.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "admin/http.h"
#include "base/control.h"
#include "base/wire.h"

#define QUESTIONS_MAX 128 /* ours: more than connections */
#define PAGES_MAX 128     /* processes whose metrics are shown: fronts and the rest */

struct admin {
	const struct admin_options *o;
	struct chan *control, *keeper;
	struct http *http;
	uint64_t next_id;
	struct question {
		uint64_t id; /* 0: free */
		struct http_request *request; /* NULL: it went away */
	} questions[QUESTIONS_MAX];
	struct page {
		struct control_peer peer;
		struct metrics *metrics;
	} pages[PAGES_MAX];
	size_t page_count;
	char status[CONTROL_STATUS_MAX + 1]; /* of the processes, as the monitor tells it */
	bool stopping;
};

/* ---- questions to the keeper ---- */

static struct question *question_slot(struct admin *a, uint64_t id)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (a->questions[i].id == id) return &a->questions[i];
	return NULL;
}

static struct err ask(struct admin *a, struct http_request *r, const struct api_operation *op, struct api_request *req)
{
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };
	struct question *q = question_slot(a, 0);

	if (q == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "admin: too many requests at once");
	req->id = ++a->next_id;
	TRY(op->ask(req, &out));
	TRY(chan_put(a->keeper, op->message, buf_view(&out)));
	TRY(chan_flush(a->keeper));
	*q = (struct question){ .id = req->id, .request = r };
	return OK;
}

static void on_api(void *ctx, struct http_request *r, const struct api_operation *op, struct api_request *req)
{
	struct err e = ask(ctx, r, op, req);

	if (e.code != ERR_OK) http_answer(r, e, e.reason, NULL);
}

static void on_gone(void *ctx, struct http_request *r)
{
	struct admin *a = ctx;

	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (a->questions[i].request == r) a->questions[i].request = NULL;
}

static void add_processes(const struct admin *a, const struct api_operation *op, json_t *result)
{
	if (op->message == ADMIN_STATUS && result != NULL) (void)json_object_set_new(result, "processes", json_string(a->status));
}

/* `body` is in the message or in a memfd. */
static struct err settle(struct admin *a, const struct wire_answer *m, struct bytes body)
{
	struct question *q = m->id == 0 ? NULL : question_slot(a, m->id);
	struct err e = { .code = (enum err_code)m->code, .reason = "admin: the keeper refused" };
	char reason[WIRE_REASON_MAX + 1];
	struct http_request *r;
	json_t *result = NULL;

	if (q == NULL) FAIL(ERR_INVALID_ARGUMENT, "admin: answer to a question that was not asked");
	r = q->request;
	*q = (struct question){ 0 };
	if (r == NULL) return OK;
	memcpy(reason, m->reason.data, m->reason.len);
	reason[m->reason.len] = '\0';
	if (e.code == ERR_OK) {
		TRY(http_request_op(r)->answer(a->o->conf, body, &result));
		add_processes(a, http_request_op(r), result);
	}
	http_answer(r, e, reason, result);
	return OK;
}

static struct err on_answer(void *self, struct chan_msg *msg)
{
	struct wire_answer m;

	TRY(wire_answer_take(msg->payload, &m));
	if (m.reason.len > WIRE_REASON_MAX) FAIL(ERR_INVALID_ARGUMENT, "admin: reason too long");
	return settle(self, &m, m.body);
}

static struct err on_answer_memfd(void *self, struct chan_msg *msg)
{
	struct wire_answer m;
	struct bytes body;
	struct err e;

	TRY(wire_answer_take(msg->payload, &m));
	if (m.reason.len > WIRE_REASON_MAX) FAIL(ERR_INVALID_ARGUMENT, "admin: reason too long");
	TRY(chan_memfd_map(msg->fd, WIRE_MEMFD_MAX, &body));
	e = settle(self, &m, body);
	(void)munmap((void *)(uintptr_t)body.data, body.len);
	return e;
}

static const struct chan_rule keeper_rules[] = {
	{ 0, KEEPER_ANSWER, 9, CHAN_PAYLOAD_MAX, false, on_answer, 0 },
	{ 0, KEEPER_ANSWER_MEMFD, 9, CHAN_PAYLOAD_MAX, true, on_answer_memfd, 0 },
};

/* ---- from the monitor ---- */

static struct err on_stop(void *self, struct chan_msg *msg)
{
	struct admin *a = self;

	(void)msg;
	a->stopping = true;
	return OK;
}

static bool same_peer(const struct control_peer *x, const struct control_peer *y)
{
	return x->role == y->role && x->number == y->number;
}

static struct err on_metrics(void *self, struct chan_msg *msg)
{
	struct admin *a = self;
	struct page page;
	size_t i = 0;

	TRY(control_peer_take(msg->payload, &page.peer));
	TRY(metrics_map(msg->fd, false, &page.metrics));
	while (i < a->page_count && !same_peer(&a->pages[i].peer, &page.peer)) i++;
	if (i == PAGES_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "admin: too many metrics pages");
	if (i < a->page_count) (void)munmap(a->pages[i].metrics, sizeof(struct metrics));
	else a->page_count++;
	a->pages[i] = page;
	return OK;
}

static struct err on_status(void *self, struct chan_msg *msg)
{
	struct admin *a = self;

	memcpy(a->status, msg->payload.data, msg->payload.len);
	a->status[msg->payload.len] = '\0';
	return OK;
}

static const struct chan_rule control_rules[] = {
	{ 0, CONTROL_STOP, 0, 0, false, on_stop, 0 },
	{ 0, CONTROL_METRICS, CONTROL_PEER_LEN, CONTROL_PEER_LEN, true, on_metrics, 0 },
	{ 0, CONTROL_STATUS, 0, CONTROL_STATUS_MAX, false, on_status, 0 },
};

/* ---- metrics and health ---- */

_Static_assert(METRIC_OWN == CONF_CSR_ISSUERS_MAX && METRIC_SLOTS >= CONF_CLUSTERS_MAX, "a slot for each issuer and cluster");

static void name_slots(const struct conf *conf, struct metric_names *names)
{
	*names = (struct metric_names){ .name[METRIC_OF_ISSUER][METRIC_OWN] = CONF_OWN_ISSUER };
	for (uint32_t i = 0; i < conf->csr_issuer_count; i++)
		names->name[METRIC_OF_ISSUER][i] = names->name[METRIC_OF_SIGNER][i] = conf_text(conf, conf->csr_issuers[i].name);
	for (uint32_t i = 0; i < conf->cluster_count; i++)
		names->name[METRIC_OF_CLUSTER][i] = conf_text(conf, conf->clusters[i].id);
}

static struct err on_render(void *ctx, struct buf *out)
{
	struct admin *a = ctx;
	struct metrics *pages[PAGES_MAX];
	struct metric_names names;

	name_slots(a->o->conf, &names);
	for (size_t i = 0; i < a->page_count; i++) pages[i] = a->pages[i].metrics;
	return metrics_render(&(struct metric_pages){ .pages = pages, .count = a->page_count, .names = &names }, out);
}

/* Ready: some front serves (it has its certificate, so the keeper answered it). */
static bool on_is_ready(void *ctx)
{
	struct admin *a = ctx;

	for (size_t i = 0; i < a->page_count; i++)
		if (a->pages[i].peer.role == CONTROL_FRONT && atomic_load(&a->pages[i].metrics->value[M_SERVING]) > 0) return true;
	return false;
}

/* ---- the loop ---- */

static struct err wait_once(struct admin *a)
{
	struct pollfd fds[2 + HTTP_FDS] = { { .fd = chan_fd(a->control), .events = POLLIN },
		                            { .fd = chan_fd(a->keeper), .events = POLLIN } };
	int http[HTTP_FDS];
	size_t n = http_fds(a->http, http);
	unsigned frames;

	if (chan_wants_write(a->keeper)) fds[1].events |= POLLOUT;
	for (size_t i = 0; i < n; i++) fds[2 + i] = (struct pollfd){ .fd = http[i], .events = POLLIN };
	if (poll(fds, 2 + n, http_timeout_ms(a->http)) < 0 && errno != EINTR) FAIL_BY(ERR_INTERNAL, "admin: poll", errno);
	if (fds[0].revents != 0) TRY(chan_receive(a->control, 4, &frames));
	if (fds[1].revents != 0) {
		TRY(chan_flush(a->keeper));
		TRY(chan_receive(a->keeper, 16, &frames));
	}
	http_run(a->http);
	return OK;
}

static struct err admin_begin(struct admin *a)
{
	struct http_events events = { .api = on_api, .gone = on_gone, .ready = on_is_ready, .metrics = on_render, .ctx = a };
	uint8_t room[4];
	struct buf hello = BUF_ON(room);

	TRY(chan_new(a->o->control_fd, control_rules, ARRAY_LEN(control_rules), a, &a->control));
	TRY(chan_new(a->o->keeper_fd, keeper_rules, ARRAY_LEN(keeper_rules), a, &a->keeper));
	TRY(http_new(a->o, &events, &a->http));
	TRY(wire_hello_put(&hello, &(struct wire_hello){ .version = WIRE_VERSION }));
	TRY(chan_put(a->keeper, ADMIN_HELLO, buf_view(&hello)));
	TRY(chan_flush(a->keeper));
	TRY(chan_put(a->control, CONTROL_READY, BYTES_NONE));
	return chan_flush(a->control);
}

/* Who still waits is told: MHD_stop_daemon() aborts the process while a connection is suspended. */
static void answer_waiting(struct admin *a)
{
	struct err e = ERR(ERR_UNAVAILABLE, "admin: the daemon is stopping");

	if (a->http == NULL) return;
	for (size_t i = 0; i < QUESTIONS_MAX; i++) {
		struct http_request *r = a->questions[i].request;

		a->questions[i] = (struct question){ 0 };
		if (r != NULL) http_answer(r, e, e.reason, NULL);
	}
	http_run(a->http); /* resumes them, and sends what the sockets take */
}

struct err admin_run(const struct admin_options *options)
{
	struct admin *a = calloc(1, sizeof(*a));
	struct err e;

	if (a == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "admin: out of memory");
	a->o = options;
	e = admin_begin(a);
	while (e.code == ERR_OK && !a->stopping) e = wait_once(a);
	answer_waiting(a);
	http_free(a->http);
	chan_free(a->keeper);
	chan_free(a->control);
	free(a);
	return e;
}
