/* Events: appended with the change that they tell of, read newest first, bounded; and what a record says of its origin. */
#include "storage/fixture.h"
#include "storage/event.h"
#include "storage/node.h"
#include "storage/record.h"

static struct store_event event(const char *what, const char *subject)
{
	struct store_event ev = { .time = 1000, .by = "uid:0", .detail = "why" };

	snprintf(ev.what, sizeof(ev.what), "%s", what);
	snprintf(ev.subject, sizeof(ev.subject), "%s", subject);
	return ev;
}

static void put(struct fixture *f, const struct store_event *ev, bool commit)
{
	struct store_batch *b;

	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_event(b, ev));
	if (commit) OKAY(store_batch_commit(b));
	else store_batch_abort(b);
}

static void events_are_read_newest_first_with_every_field(void **state)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct fixture *f = *state;
	struct store_event one = event("root_prepared", "aa"), two = event("root_activated", "bb"),
			   never = event("never", "cc"), got;
	struct store_cursor c = { 0 };

	put(f, &one, true);
	put(f, &never, false);
	put(f, &two, true);
	fixture_reopen(f);
	OKAY(store_view_open(f->store, &v));
	OKAY(store_view_event_next(v, &c, &got));
	two.index = 1;
	assert_true(got.index == 1 && got.time == 1000 && strcmp(got.detail, "why") == 0);
	assert_string_equal(got.what, two.what);
	assert_string_equal(got.subject, two.subject);
	assert_string_equal(got.by, two.by);
	OKAY(store_view_event_next(v, &c, &got));
	assert_string_equal(got.what, one.what);
	REFUSED(ERR_NOT_FOUND, store_view_event_next(v, &c, &got));
}

static void an_event_needs_a_name_and_ends_its_texts(void **state)
{
	struct fixture *f = *state;
	struct store_event none = event("", "x"), endless = event("what", "x");
	struct store_batch *b;

	memset(endless.by, 'x', sizeof(endless.by));
	OKAY(store_batch_begin(f->store, &b));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_event(b, &none));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_event(b, &endless));
	store_batch_abort(b);
}

static void the_oldest_event_goes_when_there_is_one_too_many_and_no_index_comes_back(void **state)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct fixture *f = *state;
	struct store_event ev = event("e", "s"), got;
	struct store_cursor c = { 0 };
	struct store_batch *b;
	size_t n = 0;

	OKAY(store_batch_begin(f->store, &b));
	for (size_t i = 0; i < STORE_EVENTS_MAX + 3; i++) OKAY(store_batch_event(b, &ev));
	OKAY(store_batch_commit(b));
	OKAY(store_view_open(f->store, &v));
	while (store_view_event_next(v, &c, &got).code == ERR_OK) {
		if (n++ == 0) assert_int_equal(got.index, STORE_EVENTS_MAX + 2);
	}
	assert_int_equal(n, STORE_EVENTS_MAX);
	assert_int_equal(got.index, 3);
}

static void a_record_keeps_its_node_and_request_and_without_them_is_as_before(void **state)
{
	AUTO(store_view) struct store_view *v = NULL;
	AUTO(buf) struct buf plain = { .max = 65536 };
	struct fixture *f = *state;
	struct store_record got;
	struct store_batch *b;
	struct sample x;

	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_append(b, sample(&x, 0)));
	sample(&x, 1);
	x.r.node = bytes_str("node-1");
	x.r.request_id = bytes_str("req-1");
	OKAY(store_batch_append(b, &x.r));
	sample(&x, 2);
	x.r.request_id = bytes_str("req-2");
	OKAY(store_batch_append(b, &x.r));
	OKAY(store_batch_commit(b));
	OKAY(store_view_open(f->store, &v));
	expect_record(v, 0);
	OKAY(store_view_record(v, 1, &got));
	assert_true(bytes_is(got.node, "node-1") && bytes_is(got.request_id, "req-1"));
	OKAY(store_view_record(v, 2, &got));
	assert_true(got.node.len == 0 && bytes_is(got.request_id, "req-2"));
	OKAY(store_record_encode(sample(&x, 0), &plain));
	assert_int_equal(plain.data[0], 1);
}

static void a_node_that_is_too_long_is_refused(void **state)
{
	AUTO(buf) struct buf out = { .max = 65536 };
	char name[STORE_NODE_MAX + 2];
	struct sample x;

	(void)state;
	memset(name, 'n', sizeof(name));
	sample(&x, 0);
	x.r.node = BYTES(name, STORE_NODE_MAX + 1);
	REFUSED(ERR_INVALID_ARGUMENT, store_record_encode(&x.r, &out));
}

/* As long as the record is there, and no longer. */
static void a_certificate_s_node_is_found_by_its_serial(void **state)
{
	struct fixture *f = *state;
	char node[STORE_NODE_MAX + 1], serial[3][STORE_SERIAL_MAX];
	size_t len[3];
	struct store_batch *b;
	struct sample x;
	uint64_t dropped;

	OKAY(store_batch_begin(f->store, &b));
	for (unsigned i = 0; i < 2 * STORE_TILE; i++) {
		unsigned kept = i == 0 ? 0 : i == 7 ? 1 : 2; /* one without a node, two with one: the second in the second tile */

		sample(&x, i);
		if (i % 7 == 0 && i > 0) x.r.node = bytes_str("node-7");
		memcpy(serial[kept], x.r.serial.data, len[kept] = x.r.serial.len);
		if (i == 2 * STORE_TILE - 1) x.r.node = bytes_str("node-last");
		OKAY(store_batch_append(b, &x.r));
	}
	OKAY(store_batch_commit(b));
	OKAY(store_batch_begin(f->store, &b));
	REFUSED(ERR_NOT_FOUND, store_batch_node(b, BYTES(serial[0], len[0]), node));
	assert_string_equal(node, "");
	OKAY(store_batch_node(b, BYTES(serial[1], len[1]), node));
	assert_string_equal(node, "node-7");
	REFUSED(ERR_NOT_FOUND, store_batch_node(b, bytes_str("no such serial"), node));
	OKAY(store_batch_retain(b, INT64_MAX, 1, &dropped));
	assert_int_equal(dropped, STORE_TILE);
	REFUSED(ERR_NOT_FOUND, store_batch_node(b, BYTES(serial[1], len[1]), node));
	OKAY(store_batch_node(b, BYTES(serial[2], len[2]), node));
	assert_string_equal(node, "node-last");
	OKAY(store_batch_commit(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(events_are_read_newest_first_with_every_field),
		TEST_UP(an_event_needs_a_name_and_ends_its_texts),
		TEST_UP(the_oldest_event_goes_when_there_is_one_too_many_and_no_index_comes_back),
		TEST_UP(a_record_keeps_its_node_and_request_and_without_them_is_as_before),
		TEST_UP(a_node_that_is_too_long_is_refused),
		TEST_UP(a_certificate_s_node_is_found_by_its_serial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
