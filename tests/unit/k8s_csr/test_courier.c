/* The courier between the monitor, the keeper and fronts: whose word goes where, and what ends what.  What it drives (clusters,
 * filings, reviews, the keyring) is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/chan.h"
#include "base/clock.h"
#include "base/control.h"
#include "base/loop.h"
#include "base/wire.h"
#include "k8s_csr/courier.h"
#include "k8s_csr/filing.h"
#include "k8s_csr/keyring.h"
#include "k8s_csr/reviews.h"

#define LONGEST_US (30 * 1000000LL)
#define SAID_MAX 4096
#define FRONTS 3

struct cluster { struct cluster_options o; size_t number; };
struct filings { struct filings_options o; size_t cluster; };
struct reviews { struct reviews_options o; };
struct keyring { struct keyring_options o; };

struct peer { /* another process, at the other end of a channel */
	struct world *w;
	struct chan *chan;
	int fd;     /* the courier's end, until it is handed over */
	bool ended; /* the courier closed it */
	char said[SAID_MAX]; /* what the courier said: "NAME NUMBER;" */
};

struct world {
	struct loop *loop;
	struct timer *timer;
	struct conf *conf;
	struct log log;
	struct metrics metrics;
	struct courier_options o;
	struct peer monitor, keeper, fronts[FRONTS];
	bool (*const *steps)(struct world *w); /* ended by NULL; the next when one says true */
	int64_t begun_us;
	bool late;
	struct err end;

	/* the fakes' */
	struct keyring *keyring;
	struct reviews *reviews[2];
	struct filings *filings[2];
	bool pods[2];
	size_t clusters, in_hand;
	struct err refuse;   /* what filings, reviews and the keyring say to a question */
	int keys_fd;         /* of issuer 1 */
	void *asker;         /* of the newest question */
	char done[SAID_MAX]; /* what they were called for */
	uint8_t breach;      /* of a table */
};
static struct world *world;

static void note(char *where, const char *what, uint64_t number)
{
	size_t len = strlen(where);

	(void)snprintf(where + len, SAID_MAX - len, "%s %llu;", what, (unsigned long long)number);
}

/* ---- fakes ---- */

struct err cluster_new(const struct cluster_options *options, struct cluster **out)
{
	*out = calloc(1, sizeof(**out));
	assert_non_null(*out);
	(*out)->o = *options;
	(*out)->number = (size_t)(options->cluster - options->conf->clusters);
	world->clusters++;
	return OK;
}

void cluster_free(struct cluster *c)
{
	if (c == NULL) return;
	world->clusters--;
	free(c);
}

struct err filings_new(const struct filings_options *options, struct filings **out)
{
	struct filings *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->o = *options;
	f->cluster = options->cluster->number;
	assert_memory_equal(f->o.instance, "0123456789abcdef", WIRE_INSTANCE_LEN);
	world->filings[f->cluster] = f;
	note(world->done, "new", f->cluster);
	*out = f;
	return OK;
}

void filings_free(struct filings *f) { free(f); }

struct err filings_file(struct filings *f, const struct wire_file *m)
{
	note(world->done, "file", m->id);
	note(world->done, "at", f->cluster);
	return world->refuse;
}

void filings_done(struct filings *f, uint64_t id)
{
	(void)f;
	note(world->done, "done", id);
}

void filings_sweep(struct filings *f) { note(world->done, "sweep", f->cluster); }

size_t filings_count(const struct filings *f)
{
	return f->cluster == 0 ? world->in_hand : 0;
}

struct err reviews_new(const struct reviews_options *options, struct reviews **out)
{
	struct reviews *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->o = *options;
	world->reviews[options->cluster->number] = r;
	world->pods[options->cluster->number] = options->pods;
	*out = r;
	return OK;
}

void reviews_free(struct reviews *r) { free(r); }

struct err reviews_token(struct reviews *r, void *asker, const struct wire_review *m)
{
	note(world->done, "review", m->id);
	note(world->done, "at", r->o.cluster->number);
	world->asker = asker;
	return world->refuse;
}

struct err reviews_node(struct reviews *r, void *asker, const struct wire_node *m)
{
	note(world->done, "node", m->id);
	world->asker = asker;
	if (world->refuse.code == ERR_OK) /* at once */
		r->o.node(r->o.ctx, asker, &(struct wire_node_answer){ .id = m->id, .verdict = VERDICT_YES });
	return world->refuse;
}

void reviews_forget(struct reviews *r, const void *asker)
{
	(void)asker;
	note(world->done, "forget", r->o.cluster->number);
}

struct err keyring_new(const struct keyring_options *options, struct keyring **out)
{
	struct keyring *k = calloc(1, sizeof(*k));

	assert_non_null(k);
	k->o = *options;
	world->keyring = k;
	*out = k;
	return OK;
}

void keyring_free(struct keyring *k) { free(k); }

struct err keyring_look(struct keyring *k, void *asker, uint64_t id, unsigned issuer)
{
	(void)k;
	note(world->done, "look", id);
	note(world->done, "for", issuer);
	world->asker = asker;
	return world->refuse;
}

void keyring_forget(struct keyring *k, const void *asker)
{
	(void)k;
	(void)asker;
	note(world->done, "forget-keys", 0);
}

int keyring_fd(const struct keyring *k, unsigned issuer)
{
	(void)k;
	return issuer == 1 ? world->keys_fd : -1;
}

/* ---- peers ---- */

static struct err on_hello(void *self, struct chan_msg *msg)
{
	(void)msg;
	note(((struct peer *)self)->said, "hello", 0);
	return OK;
}

static struct err on_ready(void *self, struct chan_msg *msg)
{
	(void)msg;
	note(((struct peer *)self)->said, "ready", 0);
	return OK;
}

static struct err on_signed(void *self, struct chan_msg *msg)
{
	struct wire_signed m;

	TRY(wire_signed_take(msg->payload, &m));
	assert_true(bytes_is(m.pem, "PEM"));
	note(((struct peer *)self)->said, "signed", m.id);
	return OK;
}

static struct err on_failed(void *self, struct chan_msg *msg)
{
	struct wire_failed m;

	TRY(wire_failed_take(msg->payload, &m));
	note(((struct peer *)self)->said, "failed", m.id);
	note(((struct peer *)self)->said, "by", m.failure);
	return OK;
}

static struct err on_keys(void *self, struct chan_msg *msg)
{
	assert_true(msg->fd >= 0);
	note(((struct peer *)self)->said, "keys", msg->payload.data[0]);
	return OK;
}

static struct err on_reviewed(void *self, struct chan_msg *msg)
{
	struct wire_reviewed m;

	TRY(wire_reviewed_take(msg->payload, &m));
	note(((struct peer *)self)->said, "reviewed", m.id);
	note(((struct peer *)self)->said, "verdict", m.verdict);
	return OK;
}

static struct err on_node(void *self, struct chan_msg *msg)
{
	struct wire_node_answer m;

	TRY(wire_node_answer_take(msg->payload, &m));
	note(((struct peer *)self)->said, "node", m.id);
	note(((struct peer *)self)->said, "verdict", m.verdict);
	return OK;
}

static struct err on_looked(void *self, struct chan_msg *msg)
{
	struct bytes in = msg->payload;
	uint64_t id;

	TRY(wire_u64(&in, &id));
	note(((struct peer *)self)->said, "looked", id);
	return OK;
}

static const struct chan_rule monitor_rules[] = { { 0, CONTROL_READY, 0, 0, false, on_ready, 0 } };
static const struct chan_rule keeper_rules[] = {
	{ 0, COURIER_HELLO, 4, 4, false, on_hello, 1 },
	{ 1, COURIER_SIGNED, 1, CHAN_PAYLOAD_MAX, false, on_signed, 1 },
	{ 1, COURIER_FAILED, 1, CHAN_PAYLOAD_MAX, false, on_failed, 1 },
};
static const struct chan_rule front_rules[] = {
	{ 0, COURIER_KEYS, 1, 1, true, on_keys, 0 },
	{ 0, COURIER_REVIEWED, 1, CHAN_PAYLOAD_MAX, false, on_reviewed, 0 },
	{ 0, COURIER_NODE, 1, CHAN_PAYLOAD_MAX, false, on_node, 0 },
	{ 0, COURIER_LOOKED, 8, 8, false, on_looked, 0 },
};

static void peer_begin(struct peer *p, const struct chan_rule *rules, size_t count)
{
	int fds[2];

	assert_int_equal(chan_pair(fds).code, ERR_OK);
	p->fd = fds[1];
	assert_int_equal(chan_new(fds[0], rules, count, p, &p->chan).code, ERR_OK);
}

static void peer_end(struct peer *p)
{
	chan_free(p->chan);
	p->chan = NULL;
	p->ended = true;
}

static void peer_read(struct peer *p)
{
	unsigned frames;
	struct err e;

	if (p->chan == NULL || p->ended) return;
	e = chan_receive(p->chan, 64, &frames);
	if (e.code != ERR_OK && e.code != ERR_UNAVAILABLE) fail_msg("%s", e.reason);
	p->ended = e.code == ERR_UNAVAILABLE;
}

static void say(struct peer *p, uint16_t type, struct bytes payload)
{
	assert_int_equal(chan_put(p->chan, type, payload).code, ERR_OK);
	(void)chan_flush(p->chan).code; /* it may have ended meanwhile */
}

#define SAY(peer, type, KIND, ...)                                                                                       \
	do {                                                                                                             \
		uint8_t room_[4096];                                                                                     \
		struct buf out_ = BUF_ON(room_);                                                                         \
		assert_int_equal(wire_##KIND##_put(&out_, &(struct wire_##KIND){ __VA_ARGS__ }).code, ERR_OK);           \
		say(peer, type, buf_view(&out_));                                                                        \
	} while (0)

static void say_number(struct peer *p, uint16_t type, uint64_t id)
{
	uint8_t room[8];
	struct buf out = BUF_ON(room);

	assert_int_equal(wire_put_u64(&out, id).code, ERR_OK);
	say(p, type, buf_view(&out));
}

static void say_file(struct peer *p, uint64_t id, uint8_t issuer)
{
	SAY(p, KEEPER_FILE, file, .id = id, .issuer = issuer, .deadline = 1, .lifetime = 1, .name = bytes_str("n"),
	    .spiffe_id = bytes_str("s"), .caller = bytes_str("c"), .csr = bytes_str("d"));
}

/* The monitor gives a front's end to the courier. */
static void give(struct world *w, struct peer *p, uint8_t role, uint16_t number)
{
	uint8_t room[CONTROL_PEER_LEN];
	struct buf out = BUF_ON(room);

	assert_int_equal(control_peer_put(&out, &(struct control_peer){ .role = role, .number = number }).code, ERR_OK);
	assert_int_equal(chan_put_fd(w->monitor.chan, CONTROL_CHANNEL, buf_view(&out), p->fd).code, ERR_OK);
	(void)close(p->fd);
	p->fd = -1;
}

static void hello(struct peer *p, uint16_t number)
{
	SAY(p, ASK_HELLO, hello, .version = WIRE_VERSION, .number = number);
}

/* ---- a world ---- */

static void on_time(void *ctx)
{
	struct world *w = ctx;

	peer_read(&w->monitor);
	peer_read(&w->keeper);
	for (size_t i = 0; i < FRONTS; i++) peer_read(&w->fronts[i]);
	w->late = clock_mono_us() > w->begun_us + LONGEST_US;
	if (w->late) loop_stop(w->loop);
	if (*w->steps != NULL && (*w->steps)(w)) w->steps++;
	assert_int_equal(timer_start(w->timer, 2).code, ERR_OK);
}

static void world_begin(struct world *w)
{
	static const char pool[] = "\0a\0b";

	*w = (struct world){ .end = OK, .refuse = OK, .keys_fd = -1 };
	world = w;
	w->conf = calloc(1, sizeof(*w->conf) + sizeof(pool));
	assert_non_null(w->conf);
	memcpy(w->conf->pool, pool, sizeof(pool));
	w->conf->pool_len = sizeof(pool);
	w->conf->cluster_count = 2;
	w->conf->clusters[0].id = 1;
	w->conf->clusters[1].id = 3;
	w->conf->csr_issuer_count = 3;
	w->conf->csr_issuers[0].cluster = w->conf->csr_issuers[1].cluster = 3;
	w->conf->csr_issuers[2].cluster = 1;
	w->conf->issuer_count = 2;
	w->conf->issuers[1].cluster = 3;
	w->conf->rule_count = 1;
	w->log = (struct log){ .level = LOG_ERROR, .process = "courier" };
	assert_int_equal(loop_new(&w->loop).code, ERR_OK);
	assert_int_equal(timer_new(w->loop, on_time, w, &w->timer).code, ERR_OK);
	peer_begin(&w->monitor, monitor_rules, ARRAY_LEN(monitor_rules));
	peer_begin(&w->keeper, keeper_rules, ARRAY_LEN(keeper_rules));
	for (size_t i = 0; i < FRONTS; i++) peer_begin(&w->fronts[i], front_rules, ARRAY_LEN(front_rules));
	assert_int_equal(chan_memfd("keys", bytes_str("{}"), &w->keys_fd).code, ERR_OK);
	w->o = (struct courier_options){ .conf = w->conf, .log = &w->log, .metrics = &w->metrics, .loop = w->loop,
		                         .control_fd = w->monitor.fd, .keeper_fd = w->keeper.fd };
}

static void world_run(struct world *w, bool (*const *steps)(struct world *w))
{
	w->steps = steps;
	w->begun_us = clock_mono_us();
	assert_int_equal(timer_start(w->timer, 0).code, ERR_OK);
	w->end = courier_run(&w->o);
	if (w->late) fail_msg("too late: the courier did \"%s\"; it said \"%s\" and \"%s\"", w->done, w->keeper.said, w->fronts[0].said);
	if (*w->steps != NULL) fail_msg("it ended too early: %s", w->end.reason);
	assert_int_equal(w->clusters, 0);
}

static void world_end(struct world *w)
{
	peer_end(&w->monitor);
	peer_end(&w->keeper);
	for (size_t i = 0; i < FRONTS; i++) {
		peer_end(&w->fronts[i]);
		if (w->fronts[i].fd >= 0) (void)close(w->fronts[i].fd);
	}
	(void)close(w->keys_fd);
	timer_free(w->timer);
	loop_free(w->loop);
	free(w->conf);
}

/* Has it said, or done, exactly this by now? */
static bool is(const char *what, const char *want)
{
	if (strlen(what) >= strlen(want) && strcmp(what, want) != 0) fail_msg("\"%s\" instead of \"%s\"", what, want);
	return strcmp(what, want) == 0;
}

/* ---- steps ---- */

static bool when_ready_be_instance(struct world *w)
{
	if (!is(w->monitor.said, "ready 0;") || !is(w->keeper.said, "hello 0;")) return false;
	say(&w->keeper, KEEPER_INSTANCE, bytes_str("0123456789abcdef"));
	return true;
}

static bool stop(struct world *w)
{
	say(&w->monitor, CONTROL_STOP, BYTES_NONE);
	return true;
}

static bool when_ready_stop(struct world *w) { return is(w->monitor.said, "ready 0;") && stop(w); }

/* ---- the keeper ---- */

static bool file_all(struct world *w)
{
	if (!is(w->done, "new 1;new 0;")) return false;
	say_file(&w->keeper, 10, 0);
	say_file(&w->keeper, 11, 1);
	say_file(&w->keeper, 12, 2);
	say(&w->keeper, KEEPER_FILED_ALL, BYTES_NONE);
	say_number(&w->keeper, KEEPER_DONE, 11);
	return true;
}

static bool answer_all(struct world *w)
{
	const struct filings_options *o;

	if (!is(w->done, "new 1;new 0;file 10;at 1;file 11;at 1;file 12;at 0;sweep 0;sweep 1;done 11;done 11;")) return false;
	o = &w->filings[1]->o;
	o->signed_pem(o->ctx, 10, bytes_str("PEM"));
	o->failed(o->ctx, 12, FAILURE_DENIED, "no");
	w->refuse = ERR(ERR_RESOURCE_EXHAUSTED, "fake: full");
	say_file(&w->keeper, 13, 0);
	return true;
}

static bool stop_when_answered(struct world *w)
{
	return is(w->keeper.said, "hello 0;signed 10;failed 12;by 1;failed 13;by 5;") && stop(w);
}

static void test_what_the_keeper_orders(void **state)
{
	static bool (*const steps[])(struct world *w) = { when_ready_be_instance, file_all, answer_all, stop_when_answered, NULL };
	struct world w;

	(void)state;
	world_begin(&w);
	world_run(&w, steps);
	assert_int_equal(w.end.code, ERR_OK);
	world_end(&w);
}

enum { TWICE, SHORT, TOO_EARLY, NO_ISSUER, CUT_OFF, SAME_ID, NO_SUCH_TYPE, GONE };
static const struct { const char *name; uint8_t breach; enum err_code want; } keeper_breaches[] = {
	{ "instance_twice", TWICE, ERR_INVALID_ARGUMENT },
	{ "instance_too_short", SHORT, ERR_INVALID_ARGUMENT },
	{ "order_before_the_instance", TOO_EARLY, ERR_INVALID_ARGUMENT },
	{ "issuer_is_not_there", NO_ISSUER, ERR_INVALID_ARGUMENT },
	{ "order_is_cut_off", CUT_OFF, ERR_INVALID_ARGUMENT },
	{ "id_is_in_hand", SAME_ID, ERR_ALREADY_EXISTS },
	{ "no_such_type", NO_SUCH_TYPE, ERR_INVALID_ARGUMENT },
	{ "keeper_is_gone", GONE, ERR_UNAVAILABLE },
};

static bool break_keeper(struct world *w)
{
	static const uint8_t zeros[64] = { 0 };

	if (!is(w->keeper.said, "hello 0;")) return false;
	if (w->breach != TOO_EARLY && w->breach != SHORT) say(&w->keeper, KEEPER_INSTANCE, bytes_str("0123456789abcdef"));
	switch (w->breach) {
	case TWICE: say(&w->keeper, KEEPER_INSTANCE, bytes_str("0123456789abcdef")); break;
	case SHORT: say(&w->keeper, KEEPER_INSTANCE, bytes_str("0123456789abcde")); break;
	case TOO_EARLY: say_file(&w->keeper, 1, 0); break;
	case NO_ISSUER: say_file(&w->keeper, 1, 3); break;
	case CUT_OFF: say(&w->keeper, KEEPER_FILE, BYTES(zeros, sizeof(zeros))); break;
	case SAME_ID:
		w->refuse = ERR(ERR_ALREADY_EXISTS, "fake: there is one");
		say_file(&w->keeper, 1, 0);
		break;
	case NO_SUCH_TYPE: say(&w->keeper, 99, BYTES_NONE); break;
	default: peer_end(&w->keeper); break;
	}
	return true;
}

static void test_a_keeper_that_breaks_the_protocol_ends_it(void **state)
{
	static bool (*const steps[])(struct world *w) = { break_keeper, NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(keeper_breaches); i++) {
		struct world w;

		world_begin(&w);
		w.breach = keeper_breaches[i].breach;
		world_run(&w, steps);
		if (w.end.code != keeper_breaches[i].want) fail_msg("%s: %d %s", keeper_breaches[i].name, w.end.code, w.end.reason);
		world_end(&w);
	}
}

static void test_without_a_keeper(void **state)
{
	static bool (*const steps[])(struct world *w) = { when_ready_stop, NULL };
	struct world w;

	(void)state;
	world_begin(&w);
	(void)close(w.o.keeper_fd);
	w.o.keeper_fd = -1;
	world_run(&w, steps);
	assert_int_equal(w.end.code, ERR_OK);
	world_end(&w);
}

/* ---- fronts ---- */

static void review(struct peer *p, uint64_t id, uint8_t issuer, uint8_t cluster)
{
	SAY(p, ASK_REVIEW, review, .id = id, .issuer = issuer, .cluster = cluster, .token = bytes_str("token"));
}

static void node(struct peer *p, uint64_t id, uint8_t cluster)
{
	SAY(p, ASK_NODE, node, .id = id, .cluster = cluster, .proxy_ns = bytes_str("n"), .proxy_account = bytes_str("a"),
	    .proxy_pod = bytes_str("p"), .proxy_uid = bytes_str("u"), .ns = bytes_str("n"), .account = bytes_str("a"));
}

static void look(struct peer *p, uint64_t id, uint8_t issuer)
{
	SAY(p, ASK_KEYS, keys_ask, .id = id, .issuer = issuer);
}

static bool greet(struct world *w)
{
	if (!is(w->monitor.said, "ready 0;")) return false;
	give(w, &w->fronts[0], CONTROL_FRONT, 0);
	give(w, &w->fronts[1], CONTROL_FRONT, 1); /* which says nothing, and so is told nothing */
	hello(&w->fronts[0], 0);
	return true;
}

static bool ask_all(struct world *w)
{
	if (!is(w->fronts[0].said, "keys 1;")) return false;
	w->keyring->o.changed(w->keyring->o.ctx, 0, w->keys_fd);
	node(&w->fronts[0], 20, 1);
	look(&w->fronts[0], 22, 1);
	review(&w->fronts[0], 21, 1, 1);
	return true;
}

static bool answer_front(struct world *w)
{
	const struct reviews_options *o;

	if (!is(w->done, "node 20;look 22;for 1;review 21;at 1;")) return false;
	o = &w->reviews[1]->o;
	o->reviewed(o->ctx, w->asker, &(struct wire_reviewed){ .id = 21, .verdict = VERDICT_NO });
	w->keyring->o.looked(w->keyring->o.ctx, w->asker, 22);
	return true;
}

#define ANSWERED "keys 1;keys 0;node 20;verdict 1;reviewed 21;verdict 2;looked 22;"
#define REFUSED "reviewed 31;verdict 3;node 32;verdict 3;looked 33;"

static bool ask_too_much(struct world *w)
{
	if (!is(w->fronts[0].said, ANSWERED)) return false;
	w->refuse = ERR(ERR_RESOURCE_EXHAUSTED, "fake: full");
	review(&w->fronts[0], 31, 0, 0);
	node(&w->fronts[0], 32, 0);
	look(&w->fronts[0], 33, 0);
	return true;
}

static bool stop_front(struct world *w) { return is(w->fronts[0].said, ANSWERED REFUSED) && stop(w); }

static void test_what_fronts_ask(void **state)
{
	static bool (*const steps[])(struct world *w) = { greet, ask_all, answer_front, ask_too_much, stop_front, NULL };
	struct world w;

	(void)state;
	world_begin(&w);
	world_run(&w, steps);
	assert_int_equal(w.end.code, ERR_OK);
	assert_string_equal(w.fronts[1].said, "");
	world_end(&w);
}

/* One front must not use up what the others need. */
#define SHARE (COURIER_QUESTIONS_MAX / 2) /* of two fronts */
static void *greedy;

static bool ask_for_all(struct world *w)
{
	if (!is(w->fronts[0].said, "keys 1;")) return false;
	for (uint64_t id = 0; id <= SHARE; id++) review(&w->fronts[0], 10000 + id, 0, 0);
	return true;
}

static bool other_asks(struct world *w)
{
	if (!is(w->fronts[0].said, "keys 1;reviewed 10512;verdict 3;")) return false;
	greedy = w->asker;
	w->done[0] = '\0';
	hello(&w->fronts[1], 1);
	review(&w->fronts[1], 5, 0, 0);
	return true;
}

static bool all_are_answered(struct world *w)
{
	const struct reviews_options *o = &w->reviews[0]->o;

	if (!is(w->done, "review 5;at 0;")) return false;
	o->reviewed(o->ctx, w->asker, &(struct wire_reviewed){ .id = 5, .verdict = VERDICT_NO });
	for (uint64_t id = 0; id < SHARE; id++) o->reviewed(o->ctx, greedy, &(struct wire_reviewed){ .id = 10000 + id, .verdict = VERDICT_NO });
	return stop(w);
}

static void test_a_front_has_its_share_of_questions(void **state)
{
	static bool (*const steps[])(struct world *w) = { greet, ask_for_all, other_asks, all_are_answered, NULL };
	struct world w;

	(void)state;
	world_begin(&w);
	world_run(&w, steps);
	assert_int_equal(w.end.code, ERR_OK);
	world_end(&w);
}

enum { F_EARLY, F_VERSION, F_NUMBER, F_CLUSTER, F_ISSUER, F_NODE_CLUSTER, F_KEYS_ISSUER, F_TYPE, F_EMPTY, F_TWICE, F_GONE };
static const char *const front_breaches[] = {
	[F_EARLY] = "question_before_hello", [F_VERSION] = "another_version",   [F_NUMBER] = "anothers_number",
	[F_CLUSTER] = "no_such_cluster",     [F_ISSUER] = "no_such_issuer",     [F_NODE_CLUSTER] = "no_such_cluster_of_a_node",
	[F_KEYS_ISSUER] = "no_such_issuer_of_keys", [F_TYPE] = "no_such_type",  [F_EMPTY] = "empty_review",
	[F_TWICE] = "hello_twice",           [F_GONE] = "it_is_gone",
};

static void break_front(struct peer *p, uint8_t breach)
{
	if (breach == F_VERSION) SAY(p, ASK_HELLO, hello, .version = WIRE_VERSION + 1, .number = 0);
	else if (breach != F_EARLY) hello(p, breach == F_NUMBER ? 1 : 0);
	switch (breach) {
	case F_EARLY: look(p, 1, 0); break;
	case F_CLUSTER: review(p, 1, 0, 2); break;
	case F_ISSUER: review(p, 1, 2, 0); break;
	case F_NODE_CLUSTER: node(p, 1, 2); break;
	case F_KEYS_ISSUER: look(p, 1, 2); break;
	case F_TYPE: say(p, 99, BYTES_NONE); break;
	case F_EMPTY: say(p, ASK_REVIEW, BYTES_NONE); break;
	case F_TWICE: hello(p, 0); break;
	case F_GONE: peer_end(p); break;
	default: break;
	}
}

static bool one_breaks_it(struct world *w)
{
	if (!is(w->monitor.said, "ready 0;")) return false;
	give(w, &w->fronts[0], CONTROL_FRONT, 0);
	give(w, &w->fronts[1], CONTROL_FRONT, 1);
	break_front(&w->fronts[0], w->breach);
	return true;
}

/* What it asked is forgotten everywhere; the other front is served on. */
static bool the_other_asks(struct world *w)
{
	if (!w->fronts[0].ended || !is(w->done, "forget 0;forget 1;forget-keys 0;")) return false;
	hello(&w->fronts[1], 1);
	node(&w->fronts[1], 40, 0);
	return true;
}

static bool stop_other(struct world *w) { return is(w->fronts[1].said, "keys 1;node 40;verdict 1;") && stop(w); }

static void test_a_front_that_breaks_the_protocol_is_alone(void **state)
{
	static bool (*const steps[])(struct world *w) = { one_breaks_it, the_other_asks, stop_other, NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(front_breaches); i++) {
		struct world w;

		world_begin(&w);
		w.breach = (uint8_t)i;
		world_run(&w, steps);
		if (w.end.code != ERR_OK) fail_msg("%s: %s", front_breaches[i], w.end.reason);
		world_end(&w);
	}
}

static bool restart(struct world *w)
{
	if (!is(w->fronts[0].said, "keys 1;")) return false;
	give(w, &w->fronts[2], CONTROL_FRONT, 0);
	hello(&w->fronts[2], 0);
	return true;
}

static bool stop_restarted(struct world *w)
{
	return w->fronts[0].ended && is(w->fronts[2].said, "keys 1;") && !w->fronts[1].ended && stop(w);
}

static void test_a_front_that_was_restarted_takes_its_predecessors_place(void **state)
{
	static bool (*const steps[])(struct world *w) = { greet, restart, stop_restarted, NULL };
	struct world w;

	(void)state;
	world_begin(&w);
	world_run(&w, steps);
	assert_int_equal(w.end.code, ERR_OK);
	world_end(&w);
}

/* Pods are watched where a rule asks for them and tokens say where they are. */
static void test_whose_pods_are_watched(void **state)
{
	static bool (*const steps[])(struct world *w) = { when_ready_stop, NULL };

	(void)state;
	for (unsigned same_node = 0; same_node < 2; same_node++) {
		struct world w;

		world_begin(&w);
		w.conf->rules[0].same_node = same_node == 1;
		world_run(&w, steps);
		assert_false(w.pods[0]);
		assert_int_equal(w.pods[1], same_node == 1);
		world_end(&w);
	}
}

/* ---- the end ---- */

static bool ask_and_stop(struct world *w)
{
	if (!is(w->fronts[0].said, "keys 1;")) return false;
	review(&w->fronts[0], 50, 0, 0);
	return true;
}

static bool stop_with_a_question_open(struct world *w) { return is(w->done, "review 50;at 0;") && stop(w); }

static bool answer_late(struct world *w)
{
	const struct reviews_options *o = &w->reviews[0]->o;

	o->reviewed(o->ctx, w->asker, &(struct wire_reviewed){ .id = 50, .verdict = VERDICT_NO });
	return true;
}

static void test_what_is_asked_is_answered_before_it_stops(void **state)
{
	static bool (*const steps[])(struct world *w) = { greet, ask_and_stop, stop_with_a_question_open, answer_late, NULL };
	struct world w;

	(void)state;
	world_begin(&w);
	world_run(&w, steps);
	assert_int_equal(w.end.code, ERR_OK);
	peer_read(&w.fronts[0]);
	assert_string_equal(w.fronts[0].said, "keys 1;reviewed 50;verdict 2;");
	world_end(&w);
}

static bool stop_with_one_in_hand(struct world *w)
{
	if (!is(w->done, "new 1;new 0;")) return false;
	w->in_hand = 1;
	return stop(w);
}

static bool keeper_ends(struct world *w)
{
	peer_end(&w->keeper);
	return true;
}

static bool nothing_in_hand(struct world *w)
{
	w->in_hand = 0;
	return true;
}

static bool monitor_ends(struct world *w)
{
	if (!is(w->monitor.said, "ready 0;")) return false;
	peer_end(&w->monitor);
	return true;
}

static bool channel_to_nobody(struct world *w)
{
	if (!is(w->monitor.said, "ready 0;")) return false;
	give(w, &w->fronts[0], CONTROL_ADMIN, 0);
	return true;
}

static void test_ends(void **state)
{
	static const struct {
		const char *name;
		bool (*steps[5])(struct world *w);
		enum err_code want;
	} cases[] = {
		{ "told_to", { when_ready_stop, NULL }, ERR_OK },
		{ "told_twice", { when_ready_be_instance, stop_with_one_in_hand, stop, nothing_in_hand, NULL }, ERR_OK },
		{ "monitor_is_gone", { monitor_ends, NULL }, ERR_OK },
		{ "nothing_is_in_hand_any_more", { when_ready_be_instance, stop_with_one_in_hand, nothing_in_hand, NULL }, ERR_OK },
		{ "keeper_ends_first", { when_ready_be_instance, stop_with_one_in_hand, keeper_ends, NULL }, ERR_OK },
		{ "drained_for_long_enough", { when_ready_be_instance, stop_with_one_in_hand, NULL }, ERR_OK },
		{ "monitor_breaks_the_protocol", { channel_to_nobody, NULL }, ERR_INVALID_ARGUMENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world w;

		world_begin(&w);
		world_run(&w, cases[i].steps);
		if (w.end.code != cases[i].want) fail_msg("%s: %d %s", cases[i].name, w.end.code, w.end.reason);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_keeper_orders),
		cmocka_unit_test(test_a_keeper_that_breaks_the_protocol_ends_it),
		cmocka_unit_test(test_without_a_keeper),
		cmocka_unit_test(test_what_fronts_ask),
		cmocka_unit_test(test_a_front_has_its_share_of_questions),
		cmocka_unit_test(test_a_front_that_breaks_the_protocol_is_alone),
		cmocka_unit_test(test_a_front_that_was_restarted_takes_its_predecessors_place),
		cmocka_unit_test(test_whose_pods_are_watched),
		cmocka_unit_test(test_what_is_asked_is_answered_before_it_stops),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
