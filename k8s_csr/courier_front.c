/* courier_front.c: what a front may ask (docs/protocols/courier.md), and what it is told. */
#include <stdlib.h>
#include <string.h>

#include "base/wire.h"
#include "k8s_csr/courier_internal.h"
#include "k8s_csr/needs.h"

enum front_state { FRONT_STATE_START = 0, FRONT_STATE_READY = 1 };

/* ---- answers ---- */

static void send_reviewed(struct asker *a, const struct wire_reviewed *m)
{
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };

	line_put(&a->line, COURIER_REVIEWED, wire_reviewed_put(&out, m), &out);
}

static void send_node(struct asker *a, const struct wire_node_answer *m)
{
	uint8_t room[16 + WIRE_VERDICT_WHY_MAX];
	struct buf out = BUF_ON(room);

	line_put(&a->line, COURIER_NODE, wire_node_answer_put(&out, m), &out);
}

static void send_looked(struct asker *a, uint64_t id)
{
	uint8_t room[8];
	struct buf out = BUF_ON(room);

	line_put(&a->line, COURIER_LOOKED, wire_put_u64(&out, id), &out);
}

static void send_keys(struct asker *a, unsigned issuer, int fd)
{
	uint8_t number = (uint8_t)issuer;

	line_put_fd(&a->line, COURIER_KEYS, BYTES(&number, 1), fd);
}

static void on_reviewed(void *ctx, void *asker, const struct wire_reviewed *m)
{
	struct asker *a = asker;

	(void)ctx;
	a->open--;
	send_reviewed(a, m);
}

static void on_node_known(void *ctx, void *asker, const struct wire_node_answer *m)
{
	struct asker *a = asker;

	(void)ctx;
	a->open--;
	send_node(a, m);
}

static void on_looked(void *ctx, void *asker, uint64_t id)
{
	struct asker *a = asker;

	(void)ctx;
	a->open--;
	send_looked(a, id);
}

static void on_changed(void *ctx, unsigned issuer, int fd)
{
	struct courier *c = ctx;
	struct asker *a;

	LIST_FOREACH(a, &c->askers, link)
		if (a->greeted) send_keys(a, issuer, fd);
}

/* ---- questions ---- */

static struct err on_hello(void *self, struct chan_msg *msg)
{
	struct asker *a = self;
	struct wire_hello hello;

	TRY(wire_hello_take(msg->payload, &hello));
	if (hello.version != WIRE_VERSION) FAIL(ERR_INVALID_ARGUMENT, "courier: a front of another version");
	if (hello.number != a->number) FAIL(ERR_INVALID_ARGUMENT, "courier: a front that gives another's number");
	a->greeted = true;
	for (unsigned i = 0; i < a->c->o->conf->issuer_count; i++) {
		int fd = keyring_fd(a->c->keyring, i);

		if (fd >= 0) send_keys(a, i, fd);
	}
	return OK;
}

/* So many questions are open at once; one front that was taken over, or has hostile clients, may have no more than its share. */
static struct err may_ask(const struct asker *a)
{
	const struct asker *other;
	size_t fronts = 0;

	LIST_FOREACH(other, &a->c->askers, link) fronts++;
	if (a->open >= COURIER_QUESTIONS_MAX / fronts) FAIL(ERR_RESOURCE_EXHAUSTED, "courier: too many questions of one front");
	return OK;
}

static struct err on_review(void *self, struct chan_msg *msg)
{
	struct asker *a = self;
	const struct conf *conf = a->c->o->conf;
	struct wire_review m;
	struct err e;

	TRY(wire_review_take(msg->payload, &m));
	if (m.cluster >= conf->cluster_count || m.issuer >= conf->issuer_count)
		FAIL(ERR_INVALID_ARGUMENT, "courier: a front names a cluster or an issuer that is not there");
	e = may_ask(a);
	a->open++;
	if (e.code == ERR_OK) e = reviews_token(a->c->reviews[m.cluster], a, &m);
	if (e.code == ERR_OK) return OK;
	a->open--;
	send_reviewed(a, &(struct wire_reviewed){ .id = m.id, .verdict = VERDICT_AWAY, .why = bytes_str(e.reason) });
	return OK;
}

static struct err on_node(void *self, struct chan_msg *msg)
{
	struct asker *a = self;
	struct wire_node m;
	struct err e;

	TRY(wire_node_take(msg->payload, &m));
	if (m.cluster >= a->c->o->conf->cluster_count)
		FAIL(ERR_INVALID_ARGUMENT, "courier: a front names a cluster that is not there");
	e = may_ask(a);
	a->open++;
	if (e.code == ERR_OK) e = reviews_node(a->c->reviews[m.cluster], a, &m);
	if (e.code == ERR_OK) return OK;
	a->open--;
	send_node(a, &(struct wire_node_answer){ .id = m.id, .verdict = VERDICT_AWAY, .why = bytes_str(e.reason) });
	return OK;
}

static struct err on_keys(void *self, struct chan_msg *msg)
{
	struct asker *a = self;
	struct wire_keys_ask m;
	struct err e;

	TRY(wire_keys_ask_take(msg->payload, &m));
	if (m.issuer >= a->c->o->conf->issuer_count)
		FAIL(ERR_INVALID_ARGUMENT, "courier: a front names an issuer that is not there");
	e = may_ask(a);
	a->open++;
	if (e.code == ERR_OK) e = keyring_look(a->c->keyring, a, m.id, m.issuer);
	if (e.code == ERR_OK) return OK;
	a->open--;
	send_looked(a, m.id);
	return OK;
}

static const struct chan_rule rules[] = { /* docs/protocols/courier.md */
	{ FRONT_STATE_START, ASK_HELLO, 4, 4, false, on_hello, FRONT_STATE_READY },
	{ FRONT_STATE_READY, ASK_REVIEW, 13, 16 + WIRE_TOKEN_MAX, false, on_review, FRONT_STATE_READY },
	{ FRONT_STATE_READY, ASK_NODE, 27, CHAN_PAYLOAD_MAX, false, on_node, FRONT_STATE_READY },
	{ FRONT_STATE_READY, ASK_KEYS, 9, 9, false, on_keys, FRONT_STATE_READY },
};

/* ---- fronts ---- */

void courier_front_close(struct asker *a)
{
	struct courier *c = a->c;

	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++)
		if (c->reviews[i] != NULL) reviews_forget(c->reviews[i], a);
	if (c->keyring != NULL) keyring_forget(c->keyring, a);
	LIST_REMOVE(a, link);
	line_close(&a->line);
	free(a);
}

struct err courier_front_open(struct courier *c, uint16_t number, int fd)
{
	struct asker *a, *next;
	struct err e;

	for (a = LIST_FIRST(&c->askers); a != NULL; a = next) { /* its predecessor is gone */
		next = LIST_NEXT(a, link);
		if (a->number == number) courier_front_close(a);
	}
	a = calloc(1, sizeof(*a));
	if (a == NULL) {
		(void)close(fd);
		FAIL(ERR_RESOURCE_EXHAUSTED, "courier: out of memory");
	}
	a->c = c;
	a->number = number;
	LIST_INSERT_HEAD(&c->askers, a, link);
	e = line_open(&a->line, c->o->loop, fd, (struct line_rules){ rules, ARRAY_LEN(rules) }, a);
	if (e.code != ERR_OK) courier_front_close(a);
	return e;
}

/* ---- who answers ---- */

struct err courier_front_answers(struct courier *c)
{
	const struct courier_options *o = c->o;
	struct keyring_options keys = { .loop = o->loop, .https = o->https, .conf = o->conf, .log = o->log, .metrics = o->metrics,
		                        .clusters = c->clusters, .changed = on_changed, .looked = on_looked, .ctx = c };
	struct reviews_options reviews = { .reviewed = on_reviewed, .node = on_node_known, .ctx = c };

	for (size_t i = 0; i < o->conf->cluster_count; i++) {
		reviews.cluster = c->clusters[i];
		reviews.pods = needs_pods(o->conf, (unsigned)i);
		TRY(reviews_new(&reviews, &c->reviews[i]));
	}
	return keyring_new(&keys, &c->keyring);
}
