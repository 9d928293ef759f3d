/* The front's end of the channel to the keeper; the test plays the keeper. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "ra/link.h"

#define MAX_PENDING 8 /* and so two about tokens */

struct keeper { /* what it heard */
	struct chan *chan;
	uint64_t ids[16];
	uint8_t flags[16];
	size_t count, hellos, servings;
};
struct fixture {
	struct loop *loop;
	struct timer *timer;
	struct link *link;
	struct metrics metrics;
	struct keeper keeper;
	size_t lost, refused, roots, answers, servings, serving_refused;
	bool chained;
	struct err why;
	struct link_answer last;
	struct link *ask_again; /* on_done asks a new question */
};

/* ---- the keeper's side ---- */

static struct err heard(void *self, struct chan_msg *msg)
{
	struct keeper *k = self;

	k->hellos += msg->type == FRONT_HELLO;
	k->servings += msg->type == FRONT_SERVING;
	if (msg->type == FRONT_TOKEN || msg->type == FRONT_ISSUE) {
		uint64_t id = 0;

		for (int i = 0; i < 8; i++) id = id << 8 | msg->payload.data[i];
		k->flags[k->count] = msg->payload.data[8];
		k->ids[k->count++] = id;
	}
	return OK;
}

static const struct chan_rule rules[] = {
	{ 0, FRONT_HELLO, 4, 4, false, heard, 0 },
	{ 0, FRONT_SERVING, 1, 8192, false, heard, 0 },
	{ 0, FRONT_TOKEN, 40, 40, false, heard, 0 },
	{ 0, FRONT_ISSUE, 1, CHAN_PAYLOAD_MAX, false, heard, 0 },
};

static void listen_to(struct fixture *f)
{
	unsigned frames;

	assert_int_equal(chan_receive(f->keeper.chan, 64, &frames).code, ERR_OK);
}

static void say(struct fixture *f, uint16_t type, struct bytes payload)
{
	assert_int_equal(chan_put(f->keeper.chan, type, payload).code, ERR_OK);
	assert_int_equal(chan_flush(f->keeper.chan).code, ERR_OK);
}

static void refuse(struct fixture *f, uint64_t id, enum keeper_reason reason)
{
	struct buf out = { .max = 64 };
	struct wire_refused m = { .id = id, .reason = (uint16_t)reason };

	assert_int_equal(wire_refused_put(&out, &m).code, ERR_OK);
	say(f, KEEPER_REFUSED, buf_view(&out));
	buf_free(&out);
}

static void issue(struct fixture *f, uint64_t id)
{
	struct buf out = { .max = 64 };
	struct wire_issued m = { .id = id, .index = 7, .cert = bytes_str("DER") };

	assert_int_equal(wire_issued_put(&out, &m).code, ERR_OK);
	say(f, KEEPER_ISSUED, buf_view(&out));
	buf_free(&out);
}

/* ---- the front's side ---- */

static void on_lost(void *ctx, struct err why)
{
	struct fixture *f = ctx;

	f->lost++;
	f->why = why;
}

static void on_roots(void *ctx, const struct wire_roots *roots)
{
	(void)roots;
	((struct fixture *)ctx)->roots++;
}

static void on_serving(void *ctx, const struct link_serving *serving)
{
	struct fixture *f = ctx;

	f->servings++;
	f->chained = serving->chained;
}

static void on_serving_refused(void *ctx, struct err why)
{
	struct fixture *f = ctx;

	f->serving_refused++;
	f->why = why;
}

static void on_done(void *user, const struct link_answer *answer)
{
	static const uint8_t hash[32] = { 9 };
	struct fixture *f = user;

	f->answers++;
	f->last = *answer;
	if (f->ask_again != NULL) (void)link_token(MOVE(f->ask_again), hash, on_done, f).code;
}

static void on_timer(void *ctx)
{
	loop_stop(((struct fixture *)ctx)->loop);
}

/* Let the loop run until what was sent has been read. */
static void turn(struct fixture *f)
{
	assert_int_equal(timer_start(f->timer, 20).code, ERR_OK);
	assert_int_equal(loop_run(f->loop).code, ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct link_events events = { .roots = on_roots, .serving = on_serving, .serving_refused = on_serving_refused, .lost = on_lost, .ctx = f };
	int fds[2];

	assert_int_equal(loop_new(&f->loop).code, ERR_OK);
	assert_int_equal(timer_new(f->loop, on_timer, f, &f->timer).code, ERR_OK);
	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], rules, ARRAY_LEN(rules), &f->keeper, &f->keeper.chan).code, ERR_OK);
	assert_int_equal(link_new(f->loop, fds[0], &f->metrics, MAX_PENDING, &f->link).code, ERR_OK);
	link_on(f->link, &events);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	link_free(f->link);
	chan_free(f->keeper.chan);
	timer_free(f->timer);
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct err ask(struct fixture *f)
{
	static const uint8_t hash[32] = { 1 };

	return link_token(f->link, hash, on_done, f);
}

static struct err ask_issue(struct fixture *f)
{
	struct wire_issue m = { .evidence = STORE_BY_JWT, .lifetime = 60, .spiffe_id = bytes_str("spiffe://example.org/a"),
		                .caller = bytes_str("a"), .spki = bytes_str("key") };

	return link_issue(f->link, &m, on_done, f);
}

static void flush_and_listen(struct fixture *f)
{
	link_flush(f->link);
	listen_to(f);
}

/* ---- tests ---- */

static void test_answers_find_their_question(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask_issue(f).code, ERR_OK);
	assert_int_equal(ask_issue(f).code, ERR_OK);
	flush_and_listen(f);
	assert_int_equal(f->keeper.count, 2);
	assert_int_equal(f->keeper.flags[0], 0);
	assert_int_equal(f->keeper.flags[1], WIRE_ISSUE_LAST);
	issue(f, f->keeper.ids[1]);
	turn(f);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->last.err.code, ERR_OK);
	assert_int_equal(f->last.record, 7);
	refuse(f, f->keeper.ids[0], REASON_BANNED);
	turn(f);
	assert_int_equal(f->answers, 2);
	assert_int_equal(f->last.err.code, ERR_PERMISSION_DENIED);
	assert_int_equal(atomic_load(&f->metrics.value[M_PENDING]), 0);
	assert_int_equal(f->lost, 0);
}

/* The keeper may refuse a serving certificate (a full disk, say): the front goes on with the one it has. */
static void test_refused_serving_certificate_is_no_end(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(link_ask_serving(f->link, FRONT_SERVING, bytes_str("key")).code, ERR_OK);
	listen_to(f);
	assert_int_equal(f->keeper.servings, 1);
	refuse(f, WIRE_ID_SERVING, REASON_STORE);
	turn(f);
	assert_int_equal(f->lost, 0);
	assert_int_equal(f->serving_refused, 1);
	assert_int_equal(f->why.code, ERR_UNAVAILABLE);
	assert_int_equal(ask_issue(f).code, ERR_OK);
	flush_and_listen(f);
	issue(f, f->keeper.ids[0]);
	turn(f);
	assert_int_equal(f->answers, 1);
}

static void test_serving_certificate_of_another_issuer_is_no_answer_to_a_request(void **state)
{
	struct fixture *f = *state;
	AUTO(buf) struct buf out = { .max = 256 };

	assert_int_equal(wire_issued_chain_put(&out, &(struct wire_issued_chain){ .id = WIRE_ID_SERVING, .cert = bytes_str("c") }).code, ERR_OK);
	assert_int_equal(chan_put(f->keeper.chan, KEEPER_ISSUED_CHAIN, buf_view(&out)).code, ERR_OK);
	assert_int_equal(chan_flush(f->keeper.chan).code, ERR_OK);
	turn(f);
	assert_int_equal(f->lost, 0);
	assert_int_equal(f->servings, 1);
	assert_true(f->chained);
	assert_int_equal(f->answers, 0);
}

static void test_unasked_answer_ends_the_link(void **state)
{
	struct fixture *f = *state;

	issue(f, 1);
	turn(f);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->why.code, ERR_INVALID_ARGUMENT);
	assert_int_equal(f->answers, 0);
}

static void test_second_answer_ends_the_link(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f).code, ERR_OK);
	flush_and_listen(f);
	refuse(f, f->keeper.ids[0], REASON_RATE);
	refuse(f, f->keeper.ids[0], REASON_RATE);
	turn(f);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->lost, 1);
}

/* The slot is used again under another id: an answer to the old question must not reach the new one. */
static void test_old_answer_does_not_reach_the_next_question(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f).code, ERR_OK);
	flush_and_listen(f);
	refuse(f, f->keeper.ids[0], REASON_RATE);
	turn(f);
	assert_int_equal(ask(f).code, ERR_OK);
	flush_and_listen(f);
	assert_int_not_equal(f->keeper.ids[0], f->keeper.ids[1]);
	issue(f, f->keeper.ids[0]);
	turn(f);
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->lost, 1);
}

static void test_slot_beyond_the_table_ends_the_link(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f).code, ERR_OK);
	flush_and_listen(f);
	issue(f, f->keeper.ids[0] + MAX_PENDING);
	turn(f);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->answers, 0);
}

static void test_more_questions_than_slots_are_refused_at_once(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < MAX_PENDING; i++) assert_int_equal(ask_issue(f).code, ERR_OK);
	assert_int_equal(ask(f).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(ask_issue(f).code, ERR_RESOURCE_EXHAUSTED);
	flush_and_listen(f);
	refuse(f, f->keeper.ids[0], REASON_RATE);
	turn(f);
	assert_int_equal(ask(f).code, ERR_OK);
}

/* Strangers who ask for tokens leave room for those who are known. */
static void test_tokens_have_their_share_of_the_slots(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < MAX_PENDING / 4; i++) assert_int_equal(ask(f).code, ERR_OK);
	assert_int_equal(ask(f).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(ask_issue(f).code, ERR_OK);
	flush_and_listen(f);
	refuse(f, f->keeper.ids[0], REASON_RATE);
	turn(f);
	assert_int_equal(ask(f).code, ERR_OK);
	assert_int_equal(ask(f).code, ERR_RESOURCE_EXHAUSTED);
}

static void test_question_asked_in_an_answer(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f).code, ERR_OK);
	flush_and_listen(f);
	f->ask_again = f->link;
	refuse(f, f->keeper.ids[0], REASON_RATE);
	turn(f);
	flush_and_listen(f);
	assert_int_equal(f->keeper.count, 2);
	assert_int_equal(atomic_load(&f->metrics.value[M_PENDING]), 1);
}

static void test_dead_keeper_is_told_once_and_questions_are_answered_at_the_end(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < MAX_PENDING; i++) assert_int_equal((i % 4 == 0 ? ask(f) : ask_issue(f)).code, ERR_OK);
	link_flush(f->link);
	chan_free(MOVE(f->keeper.chan));
	turn(f);
	assert_int_equal(f->lost, 1);
	link_flush(f->link);
	assert_int_equal(f->answers, 0);
	link_free(MOVE(f->link));
	assert_int_equal(f->answers, MAX_PENDING);
	assert_int_equal(f->last.err.code, ERR_UNAVAILABLE);
	assert_int_equal(f->lost, 1);
}

static void test_question_to_a_dead_keeper_is_refused(void **state)
{
	struct fixture *f = *state;

	chan_free(MOVE(f->keeper.chan));
	assert_int_equal(ask_issue(f).code, ERR_OK); /* it is held until the flush */
	link_flush(f->link);
	assert_int_equal(f->lost, 1);
	link_free(MOVE(f->link));
	assert_int_equal(f->answers, 1);
	assert_int_equal(f->last.err.code, ERR_UNAVAILABLE);
}

static const struct {
	const char *name;
	uint16_t type;
	const char *payload;
	size_t len;
} nonsense[] = {
	{ "refuses_front_message", FRONT_HELLO, "\0\1\0\0", 4 },
	{ "refuses_unknown_type", 999, "x", 1 },
	{ "refuses_roots_without_descriptor", KEEPER_ROOTS, "", 0 },
	{ "refuses_short_refusal", KEEPER_REFUSED, "\0\0\0\0\0\0\0\1", 8 },
	{ "refuses_long_refusal", KEEPER_REFUSED, "\0\0\0\0\0\0\0\1\0\1x", 11 },
	{ "refuses_issued_without_certificate", KEEPER_ISSUED, "\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 16 },
	{ "refuses_token_of_an_unknown_state", KEEPER_TOKEN, "\0\0\0\0\0\0\0\1\x09\0\0\0\0\0\0\0\0\0\0\0\0", 21 },
};

static void test_nonsense_ends_the_link(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		struct fixture *f;

		if (i > 0) {
			(void)teardown(state);
			(void)setup(state);
		}
		f = *state;
		say(f, nonsense[i].type, BYTES(nonsense[i].payload, nonsense[i].len));
		turn(f);
		if (f->lost != 1) fail_msg("%s", nonsense[i].name);
	}
}

static void test_roots_in_memory_that_is_not_sealed_end_the_link(void **state)
{
	struct fixture *f = *state;
	FILE *plain = tmpfile();

	assert_non_null(plain);
	assert_int_equal(chan_put_fd(f->keeper.chan, KEEPER_ROOTS, BYTES_NONE, fileno(plain)).code, ERR_OK);
	turn(f);
	assert_int_equal(f->lost, 1);
	assert_int_equal(f->roots, 0);
	(void)fclose(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_find_their_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_serving_certificate_is_no_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_serving_certificate_of_another_issuer_is_no_answer_to_a_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unasked_answer_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_answer_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_answer_does_not_reach_the_next_question, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slot_beyond_the_table_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_questions_than_slots_are_refused_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tokens_have_their_share_of_the_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_question_asked_in_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_keeper_is_told_once_and_questions_are_answered_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_question_to_a_dead_keeper_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense_ends_the_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_roots_in_memory_that_is_not_sealed_end_the_link, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
