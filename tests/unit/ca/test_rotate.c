/* The root set in a running keeper: the rules as the records decide them, each step undone, killed between any two writes, and
 * rotation by itself. */
#include "ca/wall_clock.h"
#include "ca/world.h"

#include "ca/step.h"
#include "ca/wire_root.h"

struct status {
	uint64_t seq;
	unsigned count;
	struct wire_root_item items[16];
	uint8_t room[65536]; /* their certificates */
};

static struct wire_list list_of(struct world *w, uint16_t type)
{
	AUTO(buf) struct buf m = { .max = 64 };
	struct wire_list list;

	if (type == ADMIN_EVENT_LIST) MUST(wire_cursor_put(&m, &(struct wire_cursor){ .id = 5, .limit = 1000 }));
	else MUST(wire_get_put(&m, &(struct wire_get){ 5, 0 }));
	assert_int_equal(admin_ask(w, type, &m), ERR_OK);
	MUST(wire_list_take(BYTES(w->admin.got.body, w->admin.got.body_len), &list));
	return list;
}

static void look(struct world *w, struct status *s)
{
	struct wire_list list = list_of(w, ADMIN_ROOT_STATUS);
	struct bytes in;

	s->seq = list.next;
	s->count = 0;
	memcpy(s->room, list.items.data, list.items.len);
	for (in = BYTES(s->room, list.items.len); in.len > 0; s->count++) MUST(wire_root_item_take(&in, &s->items[s->count]));
}

#define MANUAL CONF "ca: { rotation: manual }\n"

/* "next active old kept ..." */
static const char *states(struct world *w)
{
	static const char *const names[] = { "", "next", "active", "old", "kept", "chain", "former" };
	static char text[256];
	static struct status s;

	look(w, &s);
	text[0] = '\0';
	for (unsigned i = 0; i < s.count; i++) {
		if (i > 0) strcat(text, " ");
		strcat(text, names[s.items[i].state]);
	}
	return text;
}

static struct wire_root_item *item_in(struct status *s, enum root_state state)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->items[i].state == state) return &s->items[i];
	fail_msg("no root in state %d", state);
	return NULL;
}

static void id_in(struct world *w, enum root_state state, char hex[65])
{
	static struct status s;

	look(w, &s);
	bytes_hex(BYTES(item_in(&s, state)->id, 32), hex);
}

#define FORCE 1
#define DRY 2
static void put_step(struct buf *out, enum step_kind kind, const char *root, unsigned how)
{
	struct wire_root_step m = { .id = 7, .kind = (uint8_t)kind, .force = (how & FORCE) != 0, .dry_run = (how & DRY) != 0,
				    .root = bytes_str(root), .by = TEXT("uid:7") };

	MUST(wire_root_step_put(out, &m));
}

static uint8_t step(struct world *w, enum step_kind kind, const char *root, unsigned how, struct wire_root_done *done)
{
	AUTO(buf) struct buf out = { .max = 8192 };
	struct wire_root_done m;
	uint8_t code;

	put_step(&out, kind, root, how);
	code = admin_ask(w, ADMIN_ROOT_STEP, &out);
	if (code != ERR_OK) return code;
	MUST(wire_root_done_take(BYTES(w->admin.got.body, w->admin.got.body_len), &m));
	if (done != NULL) *done = m;
	return code;
}

static void step_ok(struct world *w, enum step_kind kind, const char *root, unsigned how)
{
	if (step(w, kind, root, how, NULL) != ERR_OK) fail_msg("step %d: %s", kind, w->admin.got.text);
}

static void step_refused(struct world *w, enum step_kind kind, const char *root, enum err_code code, const char *why)
{
	if (step(w, kind, root, 0, NULL) != code || strstr(w->admin.got.text, why) == NULL)
		fail_msg("step %d: code %d, %s", kind, w->admin.got.code, w->admin.got.text);
}

static size_t events(struct world *w, struct store_event *newest)
{
	struct wire_list list = list_of(w, ADMIN_EVENT_LIST);
	size_t n = 0;

	for (struct bytes in = list.items; in.len > 0; n++) {
		struct store_event ev;

		MUST(wire_event_take(&in, &ev));
		if (n == 0 && newest != NULL) *newest = ev;
	}
	return n;
}

static void issue(struct world *w)
{
	struct wire_issue m = request(w, 1);

	issue_ok(w, &m);
}

/* As if the keeper had been off for so long. */
static void pass(struct world *w, int64_t seconds)
{
	stop(w);
	atomic_fetch_add(&ahead, seconds);
	start(w);
}

static void test_the_records_decide_when_a_root_may_sign_and_when_it_may_go(void **state)
{
	struct wire_root_done done;
	struct store_event ev;
	static struct status s;
	struct world w;
	uint64_t before;

	(void)state;
	world_open(&w, MANUAL);
	issue(&w);
	step_refused(&w, STEP_ACTIVATE, "", ERR_FAILED_PRECONDITION, "prepare");
	step_refused(&w, STEP_RETIRE, "", ERR_FAILED_PRECONDITION, "");
	step_ok(&w, STEP_PREPARE, "", 0);
	assert_string_equal(states(&w), "next active");
	issue(&w); /* this one knows both */
	step_refused(&w, STEP_ACTIVATE, "", ERR_FAILED_PRECONDITION, "1 certificate");
	assert_int_equal(step(&w, STEP_ACTIVATE, "", DRY, &done), ERR_OK);
	assert_true(done.certs == 1 && done.identities == 1 && done.listed == 1 && done.until > clock_wall());
	assert_string_equal(states(&w), "next active");
	look(&w, &s);
	before = s.seq;
	assert_int_equal(item_in(&s, ROOT_NEXT)->blind, 1);
	pass(&w, 3700); /* both have ended */
	step_ok(&w, STEP_ACTIVATE, "", 0);
	assert_string_equal(states(&w), "active old");
	issue(&w);
	step_ok(&w, STEP_RETIRE, "", 0); /* nothing is left under the old one */
	assert_string_equal(states(&w), "active kept");
	look(&w, &s);
	assert_int_equal(s.seq, before + 2);
	assert_true(events(&w, &ev) >= 3);
	assert_string_equal(ev.what, "root_retired");
	assert_string_equal(ev.by, "uid:7");
	atomic_store(&ahead, 0);
	world_close(&w);
}

static void test_an_old_root_stays_for_its_last_certificate(void **state)
{
	struct wire_root_done done;
	struct store_event ev;
	struct world w;

	(void)state;
	world_open(&w, MANUAL);
	step_ok(&w, STEP_PREPARE, "", 0);
	issue(&w);
	step_ok(&w, STEP_ACTIVATE, "", 0); /* nobody was answered without it */
	issue(&w);
	step_refused(&w, STEP_RETIRE, "", ERR_FAILED_PRECONDITION, "1 certificate");
	assert_int_equal(step(&w, STEP_RETIRE, "", DRY, &done), ERR_OK);
	assert_int_equal(done.certs, 1);
	assert_int_equal(step(&w, STEP_RETIRE, "", FORCE, &done), ERR_OK);
	assert_true(done.certs == 1 && done.changed);
	assert_string_equal(states(&w), "active kept");
	(void)events(&w, &ev);
	assert_non_null(strstr(ev.detail, "forced: 1 certificates of 1 identities"));
	world_close(&w);
}

static void test_each_step_is_undone(void **state)
{
	struct world w;
	char first[65], second[65];

	(void)state;
	world_open(&w, MANUAL);
	id_in(&w, ROOT_ACTIVE, first);
	step_ok(&w, STEP_PREPARE, "", 0);
	id_in(&w, ROOT_NEXT, second);
	step_ok(&w, STEP_RETIRE, second, 0);
	assert_string_equal(states(&w), "active kept");
	step_ok(&w, STEP_DELETE, second, 0);
	assert_string_equal(states(&w), "active");
	step_ok(&w, STEP_PREPARE, "", 0);
	id_in(&w, ROOT_NEXT, second);
	step_ok(&w, STEP_ACTIVATE, "", 0);
	issue(&w);
	step_ok(&w, STEP_ACTIVATE, first, 0);
	id_in(&w, ROOT_ACTIVE, second);
	assert_string_equal(first, second);
	assert_string_equal(states(&w), "active old");
	pass(&w, 3700);
	step_ok(&w, STEP_RETIRE, "", 0);
	step_ok(&w, STEP_RESTORE, "", 0);
	assert_string_equal(states(&w), "active old");
	stop(&w);
	start(&w);
	assert_string_equal(states(&w), "active old");
	atomic_store(&ahead, 0);
	world_close(&w);
}

/* ---- killed ---- */

static const struct { enum step_kind kind; unsigned how; } whole[] = {
	{ STEP_PREPARE, 0 }, { STEP_ACTIVATE, FORCE }, { STEP_RETIRE, FORCE }, { STEP_RESTORE, 0 }, { STEP_RETIRE, FORCE }, { STEP_DELETE, 0 },
};

/* A root is deleted by its name only. */
static void put_whole(struct world *w, unsigned i, struct buf *out)
{
	char id[65] = "";

	if (whole[i].kind == STEP_DELETE) id_in(w, ROOT_KEPT, id);
	put_step(out, whole[i].kind, id, whole[i].how);
}

static void do_whole(struct world *w, unsigned i)
{
	AUTO(buf) struct buf out = { .max = 8192 };

	put_whole(w, i, &out);
	if (admin_ask(w, ADMIN_ROOT_STEP, &out) != ERR_OK) fail_msg("change %u: %s", i, w->admin.got.text);
}

static const char *const after[] = { "active", "next active", "active old", "active kept", "active old", "active kept", "active" };

/* Killed at this point of the nth change: then it is made, with its event, or it is not; and the rest can be done. */
static void kill_at(const char *point, bool made, unsigned nth)
{
	AUTO(buf) struct buf out = { .max = 8192 };
	struct world w;
	size_t told;
	int status;
	pid_t pid;

	world_open(&w, MANUAL);
	issue(&w);
	told = events(&w, NULL);
	stop(&w);
	w.die_nth = nth + 1;
	pid = start_process(&w, point);
	for (unsigned i = 0; i < nth; i++) do_whole(&w, i);
	put_whole(&w, nth, &out);
	admin_put(&w, ADMIN_ROOT_STEP, &out);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	chan_free(w.control.chan);
	chan_free(w.front.chan);
	chan_free(w.admin.chan);
	start(&w);
	if (strcmp(states(&w), after[nth + made]) != 0) fail_msg("%s, change %u: %s", point, nth, states(&w));
	assert_int_equal(events(&w, NULL), told + nth + made);
	issue(&w);
	for (unsigned i = nth + made; i < ARRAY_LEN(whole); i++) do_whole(&w, i);
	assert_string_equal(states(&w), "active");
	issue(&w);
	world_close(&w);
}

static void test_a_sudden_death_leaves_a_step_made_or_not(void **state)
{
	(void)state;
	for (unsigned nth = 0; nth < ARRAY_LEN(whole); nth++) {
		kill_at("before-roots", false, nth);
		kill_at("after-roots", true, nth);
	}
}

/* ---- by itself ---- */

static void wait_states(struct world *w, const char *want)
{
	for (unsigned i = 0; i < 500 && strcmp(states(w), want) != 0; i++) usleep(10000);
	assert_string_equal(states(w), want);
}

#define DAYS INT64_C(86400)
static void test_a_root_is_followed_by_the_next_by_itself(void **state)
{
	struct store_event ev;
	struct world w;
	char first[65], second[65];

	(void)state;
	world_open(&w, CONF "ca: { root_lifetime: 100d, prepare_at: 70, activate_at: 85 }\n");
	id_in(&w, ROOT_ACTIVE, first);
	pass(&w, 69 * DAYS);
	issue(&w);
	usleep(200000);
	assert_string_equal(states(&w), "active");
	pass(&w, 2 * DAYS);
	wait_states(&w, "next active");
	issue(&w);
	pass(&w, 10 * DAYS);
	usleep(200000);
	assert_string_equal(states(&w), "next active");
	pass(&w, 5 * DAYS);
	wait_states(&w, "active kept"); /* nothing was left under the first */
	id_in(&w, ROOT_ACTIVE, second);
	assert_string_not_equal(first, second);
	id_in(&w, ROOT_KEPT, second);
	assert_string_equal(first, second);
	(void)events(&w, &ev);
	assert_string_equal(ev.what, "root_retired");
	assert_string_equal(ev.by, "signet");
	issue(&w);
	atomic_store(&ahead, 0);
	world_close(&w);
}

static void test_by_hand_means_by_hand(void **state)
{
	struct world w;

	(void)state;
	world_open(&w, CONF "ca: { root_lifetime: 100d, rotation: manual }\n");
	pass(&w, 90 * DAYS);
	issue(&w);
	usleep(300000);
	assert_string_equal(states(&w), "active");
	atomic_store(&ahead, 0);
	world_close(&w);
}

static void test_what_an_operator_took_back_is_not_made_again(void **state)
{
	struct world w;
	char next[65];

	(void)state;
	world_open(&w, CONF "ca: { root_lifetime: 100d }\n");
	pass(&w, 75 * DAYS);
	wait_states(&w, "next active");
	id_in(&w, ROOT_NEXT, next);
	step_ok(&w, STEP_RETIRE, next, 0);
	stop(&w);
	start(&w);
	usleep(300000);
	assert_string_equal(states(&w), "active kept");
	atomic_store(&ahead, 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_records_decide_when_a_root_may_sign_and_when_it_may_go),
		cmocka_unit_test(test_an_old_root_stays_for_its_last_certificate),
		cmocka_unit_test(test_each_step_is_undone),
		cmocka_unit_test(test_a_sudden_death_leaves_a_step_made_or_not),
		cmocka_unit_test(test_a_root_is_followed_by_the_next_by_itself),
		cmocka_unit_test(test_by_hand_means_by_hand),
		cmocka_unit_test(test_what_an_operator_took_back_is_not_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
