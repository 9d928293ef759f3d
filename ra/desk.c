#include "ra/desk.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/chan.h"
#include "base/wire.h"

#define SHARE 4 /* one slot in so many is kept for those who are known, and one at most is about keys; ours */
#define NAMES_MIN (8 + 1 + 8 * 2) /* COURIER_REVIEWED: id, verdict, eight texts */

struct question {
	struct desk *desk;
	desk_done *done; /* NULL: free slot */
	void *user;
	struct timer *deadline;
	struct buf message; /* as it is sent, again on each new channel; may hold a token */
	uint16_t type;
	uint32_t generation; /* the upper half of the id: an old answer finds nobody */
	uint32_t next_free;
};

struct desk {
	struct desk_options o;
	struct chan *chan; /* NULL: no courier */
	struct watch *watch;
	bool lost; /* the channel is no good any more, and is closed by desk_flush(): who noticed may be one of its handlers */
	size_t pending, looks, max; /* looks: pending ones about keys */
	size_t bytes;               /* of the messages of all that are pending */
	uint32_t free_head;
	struct question slots[];
};

/* ---- the channel ---- */

static void lose(struct desk *d, struct err why)
{
	if (d->chan == NULL || d->lost) return;
	d->lost = true;
	(void)watch_set(d->watch, 0);
	log_event(d->o.log, LOG_WARN, "courier_lost", F_ERR(why), F_INT("unanswered", d->pending));
}

static void drop(struct desk *d)
{
	watch_free(d->watch);
	chan_free(d->chan);
	d->watch = NULL;
	d->chan = NULL;
	d->lost = false;
}

static void put(struct desk *d, const struct question *q)
{
	struct err e;

	if (d->chan == NULL || d->lost) return; /* it is asked when there is a courier */
	e = chan_put(d->chan, q->type, buf_view(&q->message));
	if (e.code != ERR_OK) lose(d, e);
}

void desk_flush(struct desk *d)
{
	struct err e = OK;

	if (d->chan != NULL && !d->lost) {
		e = chan_flush(d->chan);
		if (e.code == ERR_OK) e = watch_set(d->watch, LOOP_READ | (chan_wants_write(d->chan) ? LOOP_WRITE : 0));
		if (e.code != ERR_OK) lose(d, e);
	}
	if (!d->lost) return;
	drop(d);
	if (d->o.lost != NULL) d->o.lost(d->o.ctx);
}

/* ---- questions ---- */

static void slot_release(struct desk *d, struct question *q)
{
	d->looks -= q->type == ASK_KEYS;
	d->bytes -= q->message.len;
	timer_free(q->deadline);
	buf_wipe(&q->message);
	*q = (struct question){ .desk = d, .generation = q->generation, .next_free = d->free_head };
	d->free_head = (uint32_t)(q - d->slots);
	metric_set(d->o.metrics, M_DESK_PENDING, --d->pending);
}

/* Ends a question. */
static void settle(struct question *q, const struct desk_answer *answer)
{
	desk_done *done = q->done;
	void *user = q->user;

	slot_release(q->desk, q);
	done(user, answer);
}

static void on_deadline(void *ctx)
{
	struct question *q = ctx;
	struct err e = q->desk->chan == NULL ? ERR(ERR_UNAVAILABLE, "front: there is no courier")
	                                     : ERR(ERR_UNAVAILABLE, "front: the courier has not answered in time");

	settle(q, &(struct desk_answer){ .err = e });
}

static struct err overloaded(struct desk *d)
{
	metric_inc(d->o.metrics, M_OVERLOADED);
	FAIL(ERR_RESOURCE_EXHAUSTED, "front: too many requests wait for the courier");
}

static struct err slot_take(struct desk *d, uint16_t type, uint64_t *id, struct question **out)
{
	size_t kept = type == ASK_NODE ? 0 : d->max / SHARE;
	bool full = d->pending >= d->max - kept || (type == ASK_KEYS && d->looks >= (d->max + SHARE - 1) / SHARE);
	struct question *q;

	if (full) return overloaded(d);
	q = &d->slots[d->free_head];
	d->free_head = q->next_free;
	d->pending++;
	d->looks += type == ASK_KEYS;
	metric_set(d->o.metrics, M_DESK_PENDING, d->pending);
	q->type = type;
	q->message.max = CHAN_PAYLOAD_MAX;
	if (++q->generation == 0) q->generation = 1;
	*id = (uint64_t)q->generation << 32 | (uint32_t)(q - d->slots);
	*out = q;
	return OK;
}

/* A channel that is given more than it holds is lost, and with it everybody who waits. */
static struct err check_bytes(struct desk *d, uint16_t type)
{
	size_t kept = type == ASK_NODE ? 0 : DESK_BYTES_MAX / SHARE;

	return d->bytes <= DESK_BYTES_MAX - kept ? OK : overloaded(d);
}

/* From here on it will be answered. */
static struct err ask(struct question *q, struct err encoded, desk_done *done, void *user)
{
	struct desk *d = q->desk;
	struct err e = encoded;

	d->bytes += q->message.len;
	if (e.code == ERR_OK) e = check_bytes(d, q->type);
	if (e.code == ERR_OK) e = timer_new(d->o.loop, on_deadline, q, &q->deadline);
	if (e.code == ERR_OK) e = timer_start(q->deadline, d->o.wait_ms);
	if (e.code != ERR_OK) {
		slot_release(d, q);
		return e;
	}
	q->done = done;
	q->user = user;
	put(d, q);
	return OK;
}

struct err desk_review(struct desk *d, struct wire_review *m, desk_done *done, void *user)
{
	struct question *q;

	TRY(slot_take(d, ASK_REVIEW, &m->id, &q));
	return ask(q, wire_review_put(&q->message, m), done, user);
}

struct err desk_node(struct desk *d, struct wire_node *m, desk_done *done, void *user)
{
	struct question *q;

	TRY(slot_take(d, ASK_NODE, &m->id, &q));
	return ask(q, wire_node_put(&q->message, m), done, user);
}

struct err desk_keys(struct desk *d, struct wire_keys_ask *m, desk_done *done, void *user)
{
	struct question *q;

	TRY(slot_take(d, ASK_KEYS, &m->id, &q));
	return ask(q, wire_keys_ask_put(&q->message, m), done, user);
}

/* ---- answers ---- */

/* *out is NULL if the question has ended meanwhile (its deadline, or an answer through the channel before this one). */
static struct err find(struct desk *d, uint64_t id, uint16_t type, struct question **out)
{
	uint32_t i = (uint32_t)id, generation = (uint32_t)(id >> 32);

	if (i >= d->max || generation == 0 || generation > d->slots[i].generation)
		FAIL(ERR_INVALID_ARGUMENT, "front: answer to a question that was not asked");
	*out = &d->slots[i];
	if (generation < d->slots[i].generation || d->slots[i].done == NULL) *out = NULL;
	else if (d->slots[i].type != type) FAIL(ERR_INVALID_ARGUMENT, "front: answer to another question");
	return OK;
}

static struct err verdict_err(uint8_t verdict)
{
	if (verdict == VERDICT_YES) return OK;
	if (verdict == VERDICT_NO) return ERR(ERR_UNAUTHENTICATED, "front: the API server says no");
	return ERR(ERR_UNAVAILABLE, "front: the API server gave no answer");
}

static bool is_name_or_none(struct bytes v)
{
	return v.len == 0 || kube_name_valid(v);
}

static struct err on_reviewed(void *self, struct chan_msg *msg)
{
	struct wire_reviewed m;
	struct question *q;
	struct err e;

	TRY(wire_reviewed_take(msg->payload, &m));
	TRY(find(self, m.id, ASK_REVIEW, &q));
	e = verdict_err(m.verdict);
	if (e.code == ERR_OK && (!kube_namespace_valid(m.ns) || !kube_name_valid(m.account) || !is_name_or_none(m.pod) ||
	                         !is_name_or_none(m.node)))
		FAIL(ERR_INVALID_ARGUMENT, "front: a review of nobody");
	if (q != NULL) settle(q, &(struct desk_answer){ .err = e, .reviewed = e.code == ERR_OK ? &m : NULL, .why = m.why });
	return OK;
}

static struct err on_node(void *self, struct chan_msg *msg)
{
	struct wire_node_answer m;
	struct question *q;

	TRY(wire_node_answer_take(msg->payload, &m));
	TRY(find(self, m.id, ASK_NODE, &q));
	if (q != NULL) settle(q, &(struct desk_answer){ .err = verdict_err(m.verdict), .why = m.why });
	return OK;
}

static struct err on_looked(void *self, struct chan_msg *msg)
{
	struct bytes in = msg->payload;
	struct question *q;
	uint64_t id;

	TRY(wire_u64(&in, &id)); /* and that is all: the rule has its size */
	TRY(find(self, id, ASK_KEYS, &q));
	if (q != NULL) settle(q, &(struct desk_answer){ .err = OK });
	return OK;
}

/* Keys that come from a file are not the courier's to replace. */
static struct err on_keys(void *self, struct chan_msg *msg)
{
	struct desk *d = self;
	const struct conf *c = d->o.conf;
	struct bytes jwks;
	uint8_t issuer = msg->payload.data[0];

	if (issuer >= c->issuer_count || conf_keys_of(&c->issuers[issuer]) <= CONF_KEYS_FILE)
		FAIL(ERR_INVALID_ARGUMENT, "front: keys of an issuer whose keys are not the courier's");
	TRY(chan_memfd_map(msg->fd, WIRE_JWKS_MAX, &jwks));
	d->o.keys(d->o.ctx, issuer, jwks);
	(void)munmap((void *)(uintptr_t)jwks.data, jwks.len);
	return OK;
}

static const struct chan_rule rules[] = { /* k8s_csr/wire_front.h */
	{ 0, COURIER_KEYS, 1, 1, true, on_keys, 0 },
	{ 0, COURIER_REVIEWED, NAMES_MIN, CHAN_PAYLOAD_MAX, false, on_reviewed, 0 },
	{ 0, COURIER_NODE, 11, 11 + WIRE_VERDICT_WHY_MAX, false, on_node, 0 },
	{ 0, COURIER_LOOKED, 8, 8, false, on_looked, 0 },
};

static void on_ready(void *ctx, unsigned events)
{
	struct desk *d = ctx;
	unsigned frames;
	struct err e = OK;

	if (d->lost) return;
	if ((events & LOOP_WRITE) != 0) e = chan_flush(d->chan);
	if (e.code == ERR_OK && (events & LOOP_READ) != 0) e = chan_receive(d->chan, 16, &frames);
	if (e.code != ERR_OK) lose(d, e);
}

static struct err say_hello(struct desk *d)
{
	uint8_t room[4];
	struct buf out = BUF_ON(room);

	TRY(wire_hello_put(&out, &(struct wire_hello){ .version = WIRE_VERSION, .number = d->o.number }));
	return chan_put(d->chan, ASK_HELLO, buf_view(&out));
}

static struct err open_channel(struct desk *d, int *fd)
{
	int number = *fd;

	TRY(chan_new(number, rules, ARRAY_LEN(rules), d, &d->chan));
	*fd = -1; /* the channel's now */
	TRY(watch_new(d->o.loop, number, on_ready, d, &d->watch));
	TRY(watch_set(d->watch, LOOP_READ));
	return say_hello(d);
}

struct err desk_channel(struct desk *d, int fd)
{
	AUTO(fd) int own = fd;
	struct err e;

	drop(d);
	e = open_channel(d, &own);
	if (e.code != ERR_OK) {
		drop(d);
		return e;
	}
	for (size_t i = 0; i < d->max; i++)
		if (d->slots[i].done != NULL) put(d, &d->slots[i]);
	return OK;
}

struct err desk_new(const struct desk_options *options, struct desk **out)
{
	size_t max = (size_t)options->conf->listen.max_pending;
	struct desk *d = calloc(1, sizeof(*d) + max * sizeof(struct question));

	if (d == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	d->o = *options;
	d->max = max;
	for (size_t i = 0; i < max; i++) {
		d->slots[i].desk = d;
		d->slots[i].next_free = (uint32_t)(i + 1);
	}
	*out = d;
	return OK;
}

void desk_free(struct desk *d)
{
	if (d == NULL) return;
	for (size_t i = 0; i < d->max; i++)
		if (d->slots[i].done != NULL)
			settle(&d->slots[i], &(struct desk_answer){ .err = ERR(ERR_UNAVAILABLE, "front: it ends") });
	drop(d);
	free(d);
}
