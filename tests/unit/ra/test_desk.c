/* The front's end of its channels to the courier; the test plays the courier, who dies, comes back, and says what it likes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "conf/load.h"
#include "ra/desk.h"

#define MAX_PENDING 8 /* and so two kept for desk_node(), and two at most for desk_keys() */
#define PATIENCE_MS 20000

struct fixture {
	struct loop *loop;
	struct timer *patience;
	struct desk *desk;
	struct conf *conf;
	struct metrics metrics;
	struct log log;
	/* the courier's side */
	struct chan *courier;
	struct watch *courier_watch;
	bool courier_sees_end;
	size_t hellos, heard;
	struct { uint16_t type; uint64_t id; uint8_t payload[64]; size_t len; } asked[32];
	/* the front's side */
	size_t answers, key_sets, losses;
	struct err last;
	char ns[64], why[64], keys[64];
	unsigned keys_of;
	bool ask_again; /* on_done asks a new question */
	const size_t *counter; /* until it has reached `want` */
	size_t want;
};

static const char yaml[] =
	"trust_domain: example.org\n"
	"listen: { max_pending: 8 }\n"
	"clusters: [ { id: c1 } ]\n"
	"jwt_issuers:\n"
	"  - { name: file, issuer: 'https://f', jwks_file: /k, audiences: [a] }\n"
	"  - { name: url, issuer: 'https://u', jwks_url: 'https://u/keys', ca_file: /c, audiences: [a] }\n"
	"  - { name: only, issuer: 'https://o', kind: kubernetes, cluster: c1, token_review: only, audiences: [a] }\n"
	"  - { name: cluster, issuer: 'https://c', kind: kubernetes, cluster: c1, audiences: [a] }\n";

static void look_at(struct fixture *f)
{
	if (f->counter != NULL && *f->counter >= f->want) loop_stop(f->loop);
}

/* ---- the courier's side ---- */

static struct err heard(void *self, struct chan_msg *msg)
{
	struct fixture *f = self;
	size_t n = f->heard++;

	if (n >= ARRAY_LEN(f->asked)) return OK;
	f->asked[n].type = msg->type;
	f->asked[n].len = msg->payload.len;
	memcpy(f->asked[n].payload, msg->payload.data, msg->payload.len < 64 ? msg->payload.len : 64);
	for (int i = 0; i < 8; i++) f->asked[n].id = f->asked[n].id << 8 | msg->payload.data[i];
	return OK;
}

static struct err heard_hello(void *self, struct chan_msg *msg)
{
	static const uint8_t want[] = { 0, WIRE_VERSION, 0, 7 };

	assert_memory_equal(msg->payload.data, want, sizeof(want));
	((struct fixture *)self)->hellos++;
	return OK;
}

static const struct chan_rule rules[] = {
	{ 0, ASK_HELLO, 4, 4, false, heard_hello, 1 },
	{ 1, ASK_REVIEW, 10, CHAN_PAYLOAD_MAX, false, heard, 1 },
	{ 1, ASK_NODE, 9, CHAN_PAYLOAD_MAX, false, heard, 1 },
	{ 1, ASK_KEYS, 9, 9, false, heard, 1 },
};

static void courier_ready(void *ctx, unsigned events)
{
	struct fixture *f = ctx;
	unsigned frames;
	struct err e = chan_receive(f->courier, 64, &frames);

	(void)events;
	if (e.code == ERR_UNAVAILABLE) {
		f->courier_sees_end = true;
		assert_int_equal(watch_set(f->courier_watch, 0).code, ERR_OK);
		loop_stop(f->loop);
	} else if (e.code != ERR_OK) {
		fail_msg("the front said %s", e.reason);
	}
	look_at(f);
}

static void courier_dies(struct fixture *f)
{
	watch_free(f->courier_watch);
	f->courier_watch = NULL;
	chan_free(f->courier);
	f->courier = NULL;
}

static void courier_up(struct fixture *f)
{
	int fds[2];

	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], rules, ARRAY_LEN(rules), f, &f->courier).code, ERR_OK);
	assert_int_equal(watch_new(f->loop, fds[1], courier_ready, f, &f->courier_watch).code, ERR_OK);
	assert_int_equal(watch_set(f->courier_watch, LOOP_READ).code, ERR_OK);
	f->courier_sees_end = false;
	assert_int_equal(desk_channel(f->desk, fds[0]).code, ERR_OK);
}

static void say_bytes(struct fixture *f, uint16_t type, struct bytes payload)
{
	assert_int_equal(chan_put(f->courier, type, payload).code, ERR_OK);
	assert_int_equal(chan_flush(f->courier).code, ERR_OK);
}

static void say(struct fixture *f, uint16_t type, struct buf *out)
{
	say_bytes(f, type, buf_view(out));
	buf_free(out);
}

static void say_reviewed(struct fixture *f, const struct wire_reviewed *m)
{
	struct buf out = { .max = 4096 };

	assert_int_equal(wire_reviewed_put(&out, m).code, ERR_OK);
	say(f, COURIER_REVIEWED, &out);
}

static void say_yes(struct fixture *f, uint64_t id, const char *ns)
{
	say_reviewed(f, &(struct wire_reviewed){ .id = id, .verdict = VERDICT_YES, .ns = bytes_str(ns), .account = bytes_str("a") });
}

static void say_node(struct fixture *f, uint64_t id, enum wire_verdict verdict, const char *why)
{
	struct buf out = { .max = 4096 };

	assert_int_equal(wire_node_answer_put(&out, &(struct wire_node_answer){ id, (uint8_t)verdict, bytes_str(why) }).code, ERR_OK);
	say(f, COURIER_NODE, &out);
}

static void say_id(struct fixture *f, uint16_t type, uint64_t id)
{
	uint8_t payload[8];

	for (int i = 0; i < 8; i++) payload[i] = (uint8_t)(id >> (56 - 8 * i));
	say_bytes(f, type, BYTES(payload, sizeof(payload)));
}

static void say_keys(struct fixture *f, uint8_t issuer, const char *jwks)
{
	int fd;

	assert_int_equal(chan_memfd("jwks", bytes_str(jwks), &fd).code, ERR_OK);
	assert_int_equal(chan_put_fd(f->courier, COURIER_KEYS, BYTES(&issuer, 1), fd).code, ERR_OK);
	close(fd);
}

/* ---- the front's side ---- */

static void on_keys(void *ctx, unsigned issuer, struct bytes jwks)
{
	struct fixture *f = ctx;

	f->key_sets++;
	f->keys_of = issuer;
	(void)snprintf(f->keys, sizeof(f->keys), "%.*s", (int)jwks.len, jwks.data);
	look_at(f);
}

static void on_done(void *user, const struct desk_answer *a)
{
	struct fixture *f = user;

	f->answers++;
	f->last = a->err;
	assert_true(a->reviewed == NULL || a->err.code == ERR_OK);
	f->ns[0] = '\0';
	if (a->reviewed != NULL) (void)snprintf(f->ns, sizeof(f->ns), "%.*s", (int)a->reviewed->ns.len, a->reviewed->ns.data);
	(void)snprintf(f->why, sizeof(f->why), "%.*s", (int)a->why.len, (const char *)a->why.data);
	if (f->ask_again) {
		struct wire_keys_ask m = { .issuer = 1 };

		f->ask_again = false;
		assert_int_equal(desk_keys(f->desk, &m, on_done, f).code, ERR_OK);
	}
	look_at(f);
}

static struct err review_of(struct fixture *f, struct bytes token)
{
	struct wire_review m = { .issuer = 2, .cluster = 0, .token = token };

	return desk_review(f->desk, &m, on_done, f);
}

static struct err review(struct fixture *f)
{
	return review_of(f, bytes_str("TOKEN"));
}

static struct err node(struct fixture *f)
{
	struct wire_node m = { .cluster = 0, .proxy_ns = bytes_str("istio-system"), .proxy_account = bytes_str("ztunnel"),
		               .proxy_pod = bytes_str("ztunnel-1"), .proxy_uid = bytes_str("u1"), .ns = bytes_str("web"),
		               .account = bytes_str("shop") };

	return desk_node(f->desk, &m, on_done, f);
}

static struct err look(struct fixture *f)
{
	struct wire_keys_ask m = { .issuer = 1 };

	return desk_keys(f->desk, &m, on_done, f);
}

static void on_lost(void *ctx)
{
	struct fixture *f = ctx;

	f->losses++;
	look_at(f);
}

static void impatient(void *ctx)
{
	(void)ctx;
	fail_msg("nothing happened");
}

static void run(struct fixture *f)
{
	assert_int_equal(timer_start(f->patience, PATIENCE_MS).code, ERR_OK);
	assert_int_equal(loop_run(f->loop).code, ERR_OK);
	timer_stop(f->patience);
}

static void until(struct fixture *f, const size_t *counter, size_t want)
{
	f->counter = counter;
	f->want = want;
	if (*counter < want) run(f);
	f->counter = NULL;
	assert_int_equal(*counter, want);
}

static void until_ended(struct fixture *f)
{
	if (!f->courier_sees_end) run(f);
	assert_true(f->courier_sees_end);
}

static void flush(void *ctx)
{
	desk_flush(((struct fixture *)ctx)->desk);
}

static void make_desk(struct fixture *f, int64_t wait_ms)
{
	const struct desk_options o = { .loop = f->loop, .conf = f->conf, .log = &f->log, .metrics = &f->metrics, .number = 7,
		                        .wait_ms = wait_ms, .keys = on_keys, .lost = on_lost, .ctx = f };

	assert_int_equal(desk_new(&o, &f->desk).code, ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct conf_problem problem;

	f->log = (struct log){ .level = LOG_ERROR, .process = "front" };
	if (conf_parse(bytes_str(yaml), "test", &f->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_int_equal(loop_new(&f->loop).code, ERR_OK);
	assert_int_equal(timer_new(f->loop, impatient, f, &f->patience).code, ERR_OK);
	loop_on_flush(f->loop, flush, f);
	make_desk(f, PATIENCE_MS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_on_flush(f->loop, NULL, NULL);
	desk_free(f->desk);
	courier_dies(f);
	timer_free(f->patience);
	loop_free(f->loop);
	conf_free(f->conf);
	free(f);
	return 0;
}

/* ---- tests ---- */

static const struct {
	const char *name;
	enum wire_verdict verdict;
	enum err_code want;
} verdicts[] = {
	{ "yes", VERDICT_YES, ERR_OK },
	{ "no", VERDICT_NO, ERR_UNAUTHENTICATED },
	{ "away", VERDICT_AWAY, ERR_UNAVAILABLE },
};

static void test_verdicts_on_tokens(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		struct wire_reviewed m = { .verdict = (uint8_t)verdicts[i].verdict, .why = bytes_str("because") };
		struct wire_review asked;

		assert_int_equal(review(f).code, ERR_OK);
		until(f, &f->heard, i + 1);
		assert_int_equal(wire_review_take(BYTES(f->asked[i].payload, f->asked[i].len), &asked).code, ERR_OK);
		assert_true(bytes_is(asked.token, "TOKEN") && asked.issuer == 2);
		m.id = f->asked[i].id;
		if (verdicts[i].verdict == VERDICT_YES) {
			m.ns = bytes_str("web");
			m.account = bytes_str("shop");
		}
		say_reviewed(f, &m);
		until(f, &f->answers, i + 1);
		if (f->last.code != verdicts[i].want) fail_msg("%s: %s", verdicts[i].name, f->last.reason);
		assert_string_equal(f->ns, verdicts[i].verdict == VERDICT_YES ? "web" : "");
		assert_string_equal(f->why, "because");
	}
}

static void test_verdicts_on_nodes(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		assert_int_equal(node(f).code, ERR_OK);
		until(f, &f->heard, i + 1);
		assert_int_equal(f->asked[i].type, ASK_NODE);
		say_node(f, f->asked[i].id, verdicts[i].verdict, "elsewhere");
		until(f, &f->answers, i + 1);
		if (f->last.code != verdicts[i].want) fail_msg("%s: %s", verdicts[i].name, f->last.reason);
		assert_string_equal(f->why, "elsewhere");
	}
}

static void test_keys_come_unasked_and_when_looked_for(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	say_keys(f, 1, "{\"keys\":1}");
	until(f, &f->key_sets, 1);
	assert_int_equal(f->keys_of, 1);
	assert_string_equal(f->keys, "{\"keys\":1}");
	assert_int_equal(look(f).code, ERR_OK);
	until(f, &f->heard, 1);
	assert_int_equal(f->asked[0].payload[8], 1);
	say_keys(f, 3, "{\"keys\":3}");
	say_id(f, COURIER_LOOKED, f->asked[0].id);
	until(f, &f->answers, 1);
	assert_int_equal(f->last.code, ERR_OK);
	assert_int_equal(f->key_sets, 2);
	assert_int_equal(f->keys_of, 3);
}

static void test_answers_may_come_in_any_order(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	assert_int_equal(review(f).code, ERR_OK);
	assert_int_equal(node(f).code, ERR_OK);
	until(f, &f->heard, 2);
	say_node(f, f->asked[1].id, VERDICT_NO, "");
	until(f, &f->answers, 1);
	assert_int_equal(f->last.code, ERR_UNAUTHENTICATED);
	say_yes(f, f->asked[0].id, "web");
	until(f, &f->answers, 2);
	assert_int_equal(f->last.code, ERR_OK);
}

static void test_question_that_an_answer_leads_to(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	f->ask_again = true;
	assert_int_equal(review(f).code, ERR_OK);
	until(f, &f->heard, 1);
	say_yes(f, f->asked[0].id, "web");
	until(f, &f->heard, 2);
	assert_int_equal(f->asked[1].type, ASK_KEYS);
	assert_int_equal(f->answers, 1);
}

static void test_question_waits_for_a_courier(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(review(f).code, ERR_OK);
	courier_up(f);
	until(f, &f->heard, 1);
	assert_int_equal(f->hellos, 1);
	say_yes(f, f->asked[0].id, "web");
	until(f, &f->answers, 1);
	assert_int_equal(f->last.code, ERR_OK);
}

/* What the dead one had answered is not asked again; the rest is, under the same ids. */
static void test_courier_that_dies_and_comes_back(void **state)
{
	struct fixture *f = *state;
	uint64_t second;

	courier_up(f);
	assert_int_equal(review(f).code, ERR_OK);
	assert_int_equal(node(f).code, ERR_OK);
	until(f, &f->heard, 2);
	second = f->asked[1].id;
	say_yes(f, f->asked[0].id, "web");
	courier_dies(f);
	until(f, &f->answers, 1);
	assert_int_equal(f->last.code, ERR_OK);
	courier_up(f);
	until(f, &f->heard, 3);
	assert_int_equal(f->hellos, 2);
	assert_true(f->asked[2].id == second);
	say_node(f, second, VERDICT_YES, "");
	until(f, &f->answers, 2);
	assert_int_equal(f->last.code, ERR_OK);
}

static void test_new_channel_takes_the_place_of_one_that_lives(void **state)
{
	struct fixture *f = *state;
	struct chan *old;
	struct watch *old_watch;

	courier_up(f);
	assert_int_equal(review(f).code, ERR_OK);
	until(f, &f->heard, 1);
	old = f->courier;
	old_watch = f->courier_watch;
	assert_int_equal(watch_set(old_watch, 0).code, ERR_OK);
	courier_up(f);
	until(f, &f->heard, 2);
	watch_free(old_watch);
	chan_free(old);
	say_yes(f, f->asked[1].id, "web");
	until(f, &f->answers, 1);
	assert_int_equal(f->last.code, ERR_OK);
}

static void test_questions_end_by_themselves(void **state)
{
	struct fixture *f = *state;

	desk_free(f->desk);
	make_desk(f, 50);
	assert_int_equal(review(f).code, ERR_OK); /* no courier at all */
	until(f, &f->answers, 1);
	assert_int_equal(f->last.code, ERR_UNAVAILABLE);
	assert_string_equal(f->last.reason, "front: there is no courier");
	courier_up(f); /* one that does not answer */
	assert_int_equal(f->heard, 0);
	assert_int_equal(node(f).code, ERR_OK);
	until(f, &f->answers, 2);
	assert_int_equal(f->last.code, ERR_UNAVAILABLE);
	until(f, &f->heard, 1);
	say_node(f, f->asked[0].id, VERDICT_YES, ""); /* late: no harm, and no second answer */
	say_keys(f, 1, "{}");
	until(f, &f->key_sets, 1);
	assert_int_equal(f->answers, 2);
	courier_dies(f);
	courier_up(f); /* and it is not asked again */
	until(f, &f->hellos, 2);
	say_keys(f, 1, "{}");
	until(f, &f->key_sets, 2);
	assert_int_equal(f->heard, 1);
}

static void test_second_answer_finds_nobody(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	assert_int_equal(review(f).code, ERR_OK);
	until(f, &f->heard, 1);
	say_yes(f, f->asked[0].id, "web");
	until(f, &f->answers, 1);
	assert_int_equal(node(f).code, ERR_OK); /* in the same place */
	until(f, &f->heard, 2);
	assert_int_equal((uint32_t)f->asked[1].id, (uint32_t)f->asked[0].id);
	say_yes(f, f->asked[0].id, "web");
	say_node(f, f->asked[1].id, VERDICT_NO, "");
	until(f, &f->answers, 2);
	assert_int_equal(f->last.code, ERR_UNAUTHENTICATED);
}

static void test_questions_are_bounded(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) assert_int_equal(look(f).code, ERR_OK);
	assert_int_equal(look(f).code, ERR_RESOURCE_EXHAUSTED);
	for (int i = 0; i < 4; i++) assert_int_equal(review(f).code, ERR_OK);
	assert_int_equal(review(f).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(look(f).code, ERR_RESOURCE_EXHAUSTED);
	for (int i = 0; i < MAX_PENDING / 4; i++) assert_int_equal(node(f).code, ERR_OK); /* strangers cannot keep them out */
	assert_int_equal(node(f).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(atomic_load(&f->metrics.value[M_OVERLOADED]), 4);
	courier_up(f);
	until(f, &f->heard, MAX_PENDING);
	for (size_t i = 0; i < MAX_PENDING; i++) {
		if (f->asked[i].type == ASK_KEYS) say_id(f, COURIER_LOOKED, f->asked[i].id);
		if (f->asked[i].type == ASK_NODE) say_node(f, f->asked[i].id, VERDICT_YES, "");
	}
	until(f, &f->answers, 4);
	assert_int_equal(look(f).code, ERR_OK); /* there is room again */
	assert_int_equal(review(f).code, ERR_OK);
	assert_int_equal(review(f).code, ERR_RESOURCE_EXHAUSTED);
}

/* Whoever makes up the largest tokens takes no more than what the channel to the next courier holds. */
static void test_all_that_waits_fits_into_a_new_channel(void **state)
{
	struct fixture *f = *state;
	struct conf *conf;
	struct conf_problem problem;
	static char token[WIRE_TOKEN_MAX];
	const size_t many = 20000;
	size_t taken = 0;

	if (conf_parse(bytes_str("trust_domain: example.org\nlisten: { max_pending: 65536 }\n"), "test", &conf, &problem).code != ERR_OK)
		fail_msg("%s", problem.text);
	conf_free(f->conf);
	f->conf = conf;
	desk_free(f->desk);
	make_desk(f, PATIENCE_MS);
	memset(token, 'x', sizeof(token));
	while (taken < many && review_of(f, BYTES(token, sizeof(token))).code == ERR_OK) taken++;
	assert_in_range(taken, 64, many - 1);
	assert_int_equal(node(f).code, ERR_OK); /* those who are known have room of their own */
	courier_up(f);
	until(f, &f->heard, taken + 1);
	assert_int_equal(f->losses, 0);
	desk_free(f->desk);
	make_desk(f, PATIENCE_MS);
}

static void test_loss_of_a_channel_is_told(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	courier_dies(f);
	until(f, &f->losses, 1);
	courier_up(f);
	say_node(f, 0, VERDICT_NO, ""); /* never asked */
	until(f, &f->losses, 2);
}

static void test_message_out_of_bounds_takes_no_place(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 3 * MAX_PENDING; i++) {
		struct wire_review m = { .token = BYTES_NONE };

		assert_int_equal(desk_review(f->desk, &m, on_done, f).code, ERR_INVALID_ARGUMENT);
	}
	assert_int_equal(review(f).code, ERR_OK);
}

static void test_end_of_the_front_answers_what_is_open(void **state)
{
	struct fixture *f = *state;

	courier_up(f);
	assert_int_equal(review(f).code, ERR_OK);
	assert_int_equal(node(f).code, ERR_OK);
	loop_on_flush(f->loop, NULL, NULL);
	desk_free(f->desk);
	f->desk = NULL;
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->last.code, ERR_UNAVAILABLE);
}

/* ---- a courier that says what it may not ---- */

static const struct {
	const char *name;
	uint16_t type;
	enum { ID_ASKED, ID_PLUS_GENERATION, ID_NO_SLOT, ID_ZERO } id;
	const char *ns, *account, *pod; /* of COURIER_REVIEWED */
} lies[] = {
	{ "review_of_no_namespace", COURIER_REVIEWED, ID_ASKED, "", "shop", "" },
	{ "review_of_no_account", COURIER_REVIEWED, ID_ASKED, "web", "", "" },
	{ "namespace_that_is_none", COURIER_REVIEWED, ID_ASKED, "we/b", "shop", "" },
	{ "account_that_is_none", COURIER_REVIEWED, ID_ASKED, "web", "Shop", "" },
	{ "pod_that_is_none", COURIER_REVIEWED, ID_ASKED, "web", "shop", "a pod" },
	{ "review_never_asked_for", COURIER_REVIEWED, ID_PLUS_GENERATION, "web", "shop", "" },
	{ "review_of_no_slot", COURIER_REVIEWED, ID_NO_SLOT, "web", "shop", "" },
	{ "id_zero", COURIER_REVIEWED, ID_ZERO, "web", "shop", "" },
	{ "node_to_a_review", COURIER_NODE, ID_ASKED, NULL, NULL, NULL },
	{ "looked_to_a_review", COURIER_LOOKED, ID_ASKED, NULL, NULL, NULL },
	{ "a_front_s_own_message", ASK_REVIEW, ID_ASKED, NULL, NULL, NULL },
	{ "unknown_type", 99, ID_ASKED, NULL, NULL, NULL },
};

static void say_lie(struct fixture *f, size_t i)
{
	uint64_t id = f->asked[f->heard - 1].id;

	if (lies[i].id == ID_PLUS_GENERATION) id += UINT64_C(1) << 32;
	if (lies[i].id == ID_NO_SLOT) id = (id & ~UINT64_C(0xffffffff)) | MAX_PENDING;
	if (lies[i].id == ID_ZERO) id = 0;
	if (lies[i].ns != NULL)
		say_reviewed(f, &(struct wire_reviewed){ .id = id, .verdict = VERDICT_YES, .ns = bytes_str(lies[i].ns),
		                                         .account = bytes_str(lies[i].account), .pod = bytes_str(lies[i].pod) });
	else if (lies[i].type == COURIER_NODE) say_node(f, id, VERDICT_YES, "");
	else say_id(f, lies[i].type, id);
}

/* The channel ends, the question does not: it is for the next courier. */
static void test_lies_end_the_channel_only(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		size_t before = f->heard, answers = f->answers;

		courier_up(f);
		assert_int_equal(review(f).code, ERR_OK);
		until(f, &f->heard, before + 1);
		say_lie(f, i);
		until_ended(f);
		if (f->answers != answers) fail_msg("%s was believed", lies[i].name);
		courier_dies(f);
		courier_up(f);
		until(f, &f->heard, before + 2);
		say_yes(f, f->asked[before + 1].id, "web");
		until(f, &f->answers, answers + 1);
		if (f->last.code != ERR_OK) fail_msg("%s: %s", lies[i].name, f->last.reason);
		courier_dies(f);
	}
}

static const struct {
	const char *name;
	uint8_t issuer;
	bool sealed;
	size_t size;
} bad_keys[] = {
	{ "keys_that_come_from_a_file", 0, true, 2 },
	{ "keys_of_an_issuer_without_keys", 2, true, 2 },
	{ "keys_of_nobody", 4, true, 2 },
	{ "keys_of_more_than_there_can_be", 255, true, 2 },
	{ "memory_that_is_not_sealed", 1, false, 2 },
	{ "empty_memory", 1, true, 0 },
	{ "more_than_keys_may_be", 1, true, WIRE_JWKS_MAX + 1 },
};

static void test_keys_that_may_not_come_end_the_channel(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad_keys); i++) {
		char *content = calloc(1, WIRE_JWKS_MAX + 1);
		char path[] = "/tmp/test_desk.XXXXXX";
		int fd;

		courier_up(f);
		if (bad_keys[i].sealed) {
			assert_int_equal(chan_memfd("jwks", BYTES(content, bad_keys[i].size), &fd).code, ERR_OK);
		} else {
			fd = mkstemp(path);
			assert_int_equal(write(fd, "{}", 2), 2);
			assert_int_equal(unlink(path), 0);
		}
		assert_int_equal(chan_put_fd(f->courier, COURIER_KEYS, BYTES(&bad_keys[i].issuer, 1), fd).code, ERR_OK);
		until_ended(f);
		if (f->key_sets != 0) fail_msg("%s", bad_keys[i].name);
		courier_dies(f);
		close(fd);
		free(content);
	}
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_verdicts_on_tokens),
		TEST(test_verdicts_on_nodes),
		TEST(test_keys_come_unasked_and_when_looked_for),
		TEST(test_answers_may_come_in_any_order),
		TEST(test_question_that_an_answer_leads_to),
		TEST(test_question_waits_for_a_courier),
		TEST(test_courier_that_dies_and_comes_back),
		TEST(test_new_channel_takes_the_place_of_one_that_lives),
		TEST(test_questions_end_by_themselves),
		TEST(test_second_answer_finds_nobody),
		TEST(test_questions_are_bounded),
		TEST(test_all_that_waits_fits_into_a_new_channel),
		TEST(test_loss_of_a_channel_is_told),
		TEST(test_message_out_of_bounds_takes_no_place),
		TEST(test_end_of_the_front_answers_what_is_open),
		TEST(test_lies_end_the_channel_only),
		TEST(test_keys_that_may_not_come_end_the_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
