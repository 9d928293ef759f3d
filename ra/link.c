#include "ra/link.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/chan.h"
#include "base/clock.h"

#define FLAGS_OFFSET 8 /* of wire_issue.flags in its encoding: after the u64 id */
#define TOKEN_SHARE 4 /* one slot in so many may be a token's: anybody can ask for one; ours */

struct question {
	link_done *done; /* NULL: free slot */
	void *user;
	uint32_t generation; /* the upper half of the id: an old answer finds nobody */
	uint32_t next_free;
	bool token;
	int64_t asked_us;
};

struct link {
	struct chan *chan;
	struct watch *watch;
	struct metrics *metrics;
	struct link_events events;
	struct buf held; /* the newest FRONT_ISSUE, not yet in the channel: it may turn out to be the last */
	size_t pending, tokens, max;
	uint32_t free_head;
	bool lost;
	struct question slots[];
};

#define NO_SLOT UINT32_MAX

static void link_lost(struct link *l, struct err why)
{
	if (l->lost) return;
	l->lost = true;
	(void)watch_set(l->watch, 0);
	if (l->events.lost != NULL) l->events.lost(l->events.ctx, why);
}

/* ---- questions ---- */

static struct err slot_take(struct link *l, link_done *done, void *user, uint64_t *id)
{
	uint32_t i = l->free_head;
	struct question *q;

	if (i == NO_SLOT) {
		metric_inc(l->metrics, M_OVERLOADED);
		FAIL(ERR_RESOURCE_EXHAUSTED, "front: too many requests wait for the keeper");
	}
	q = &l->slots[i];
	l->free_head = q->next_free;
	q->done = done;
	q->user = user;
	q->asked_us = clock_mono_us();
	q->generation++;
	*id = (uint64_t)q->generation << 32 | i;
	metric_set(l->metrics, M_PENDING, ++l->pending);
	return OK;
}

static void slot_release(struct link *l, uint32_t i)
{
	l->slots[i].done = NULL;
	l->tokens -= l->slots[i].token;
	l->slots[i].token = false;
	l->slots[i].next_free = l->free_head;
	l->free_head = i;
	metric_set(l->metrics, M_PENDING, --l->pending);
}

/* An answer to what was never asked is a broken peer. */
static struct err slot_answer(struct link *l, uint64_t id, const struct link_answer *answer)
{
	uint32_t i = (uint32_t)id;
	struct question q;

	if (i >= l->max || l->slots[i].done == NULL || l->slots[i].generation != (uint32_t)(id >> 32))
		FAIL(ERR_INVALID_ARGUMENT, "front: answer to a question that was not asked");
	q = l->slots[i];
	slot_release(l, i);
	metric_observe(l->metrics, H_KEEPER, clock_mono_us() - q.asked_us);
	q.done(q.user, answer);
	return OK;
}

static struct err release_held(struct link *l, uint8_t flags)
{
	struct err e;

	if (l->held.len == 0) return OK;
	l->held.data[FLAGS_OFFSET] = flags;
	e = chan_put(l->chan, FRONT_ISSUE, buf_view(&l->held));
	l->held.len = 0;
	return e;
}

struct err link_issue(struct link *l, struct wire_issue *m, link_done *done, void *user)
{
	struct err e = release_held(l, 0);

	if (e.code != ERR_OK) {
		link_lost(l, e);
		return ERR(ERR_UNAVAILABLE, "front: the keeper is gone");
	}
	TRY(slot_take(l, done, user, &m->id));
	m->flags = 0;
	e = wire_issue_put(&l->held, m);
	if (e.code != ERR_OK) {
		l->held.len = 0;
		slot_release(l, (uint32_t)m->id);
	}
	return e;
}

struct err link_token(struct link *l, const uint8_t hash[32], link_done *done, void *user)
{
	uint8_t room[8 + STORE_HASH_LEN];
	struct buf out = BUF_ON(room);
	struct wire_token_ask ask;
	struct err e;

	if (l->tokens >= (l->max + TOKEN_SHARE - 1) / TOKEN_SHARE) {
		metric_inc(l->metrics, M_OVERLOADED);
		FAIL(ERR_RESOURCE_EXHAUSTED, "front: too many join tokens wait for the keeper");
	}
	TRY(slot_take(l, done, user, &ask.id));
	l->slots[(uint32_t)ask.id].token = true;
	l->tokens++;
	memcpy(ask.hash, hash, STORE_HASH_LEN);
	e = wire_token_ask_put(&out, &ask);
	if (e.code == ERR_OK) e = chan_put(l->chan, FRONT_TOKEN, buf_view(&out));
	if (e.code == ERR_OK) return OK;
	slot_release(l, (uint32_t)ask.id);
	link_lost(l, e);
	FAIL(ERR_UNAVAILABLE, "front: the keeper is gone");
}

struct err link_hello(struct link *l, uint16_t number)
{
	uint8_t room[4];
	struct buf out = BUF_ON(room);

	TRY(wire_hello_put(&out, &(struct wire_hello){ .version = WIRE_VERSION, .number = number }));
	TRY(chan_put(l->chan, FRONT_HELLO, buf_view(&out)));
	return chan_flush(l->chan);
}

struct err link_ask_serving(struct link *l, enum wire_front_type type, struct bytes what)
{
	TRY(chan_put(l->chan, (uint16_t)type, what));
	return chan_flush(l->chan);
}

void link_flush(struct link *l)
{
	struct err e = OK;

	if (l->lost) return;
	e = release_held(l, WIRE_ISSUE_LAST);
	if (e.code == ERR_OK) e = chan_flush(l->chan);
	if (e.code == ERR_OK) e = watch_set(l->watch, LOOP_READ | (chan_wants_write(l->chan) ? LOOP_WRITE : 0));
	if (e.code != ERR_OK) link_lost(l, e);
}

/* ---- answers ---- */

static struct err on_roots(void *self, struct chan_msg *msg)
{
	struct link *l = self;
	struct wire_roots roots;
	struct bytes content;
	struct err e;

	TRY(chan_memfd_map(msg->fd, WIRE_ROOTS_MAX, &content));
	e = wire_roots_take(content, &roots);
	if (e.code == ERR_OK) l->events.roots(l->events.ctx, &roots);
	(void)munmap((void *)(uintptr_t)content.data, content.len);
	return e;
}

static struct err on_serving(void *self, struct chan_msg *msg)
{
	struct link *l = self;
	struct wire_serving m;

	TRY(wire_serving_take(msg->payload, &m));
	l->events.serving(l->events.ctx, &(struct link_serving){ .not_after = m.not_after, .cert = m.cert });
	return OK;
}

static struct err on_token(void *self, struct chan_msg *msg)
{
	struct wire_token_state state;

	TRY(wire_token_take(msg->payload, &state));
	return slot_answer(self, state.id, &(struct link_answer){ .err = OK, .token = &state });
}

static struct err on_issued(void *self, struct chan_msg *msg)
{
	struct wire_issued m;

	TRY(wire_issued_take(msg->payload, &m));
	return slot_answer(self, m.id, &(struct link_answer){ .err = OK, .record = m.index, .cert = m.cert });
}

static struct err on_issued_chain(void *self, struct chan_msg *msg)
{
	struct link *l = self;
	struct wire_issued_chain m;

	TRY(wire_issued_chain_take(msg->payload, &m));
	if (m.id == WIRE_ID_SERVING) {
		l->events.serving(l->events.ctx,
				  &(struct link_serving){ .cert = m.cert, .chained = true, .chain_pem = m.chain_pem });
		return OK;
	}
	return slot_answer(l, m.id, &(struct link_answer){
		.err = OK, .record = m.index, .cert = m.cert, .chained = true, .chain_pem = m.chain_pem });
}

static struct err on_refused(void *self, struct chan_msg *msg)
{
	struct link *l = self;
	struct wire_refused m;

	TRY(wire_refused_take(msg->payload, &m));
	if (m.id == WIRE_ID_SERVING) {
		l->events.serving_refused(l->events.ctx, keeper_reason_err(m.reason));
		return OK;
	}
	return slot_answer(l, m.id, &(struct link_answer){ .err = keeper_reason_err(m.reason) });
}

static const struct chan_rule rules[] = { /* docs/protocols/keeper.md */
	{ 0, KEEPER_ROOTS, 0, 0, true, on_roots, 0 },
	{ 0, KEEPER_SERVING, 9, 8 + STORE_CERT_MAX, false, on_serving, 0 },
	{ 0, KEEPER_TOKEN, 12, CHAN_PAYLOAD_MAX, false, on_token, 0 },
	{ 0, KEEPER_ISSUED, 17, 16 + STORE_CERT_MAX, false, on_issued, 0 },
	{ 0, KEEPER_ISSUED_CHAIN, 23, CHAN_PAYLOAD_MAX, false, on_issued_chain, 0 },
	{ 0, KEEPER_REFUSED, 10, 10, false, on_refused, 0 },
};

static void on_ready(void *ctx, unsigned events)
{
	struct link *l = ctx;
	unsigned frames;
	struct err e = OK;

	if (l->lost) return;
	if ((events & LOOP_WRITE) != 0) e = chan_flush(l->chan);
	if (e.code == ERR_OK && (events & LOOP_READ) != 0) e = chan_receive(l->chan, 16, &frames);
	if (e.code != ERR_OK) link_lost(l, e);
}

struct err link_new(struct loop *loop, int fd, struct metrics *metrics, size_t max_pending, struct link **out)
{
	struct link *l = calloc(1, sizeof(*l) + max_pending * sizeof(struct question));
	struct err e;

	if (l == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	l->metrics = metrics;
	l->max = max_pending;
	l->held.max = CHAN_PAYLOAD_MAX;
	for (size_t i = 0; i < max_pending; i++) l->slots[i].next_free = i + 1 < max_pending ? (uint32_t)(i + 1) : NO_SLOT;
	e = chan_new(fd, rules, ARRAY_LEN(rules), l, &l->chan);
	if (e.code == ERR_OK) e = watch_new(loop, fd, on_ready, l, &l->watch);
	if (e.code == ERR_OK) e = watch_set(l->watch, LOOP_READ);
	if (e.code != ERR_OK) link_free(l);
	else *out = l;
	return e;
}

void link_on(struct link *l, const struct link_events *events)
{
	l->events = *events;
}

void link_free(struct link *l)
{
	if (l == NULL) return;
	for (size_t i = 0; i < l->max; i++) {
		struct question q = l->slots[i];

		if (q.done == NULL) continue;
		l->slots[i].done = NULL;
		q.done(q.user, &(struct link_answer){ .err = ERR(ERR_UNAVAILABLE, "front: the keeper is gone") });
	}
	watch_free(l->watch);
	chan_free(l->chan);
	buf_free(&l->held);
	free(l);
}
