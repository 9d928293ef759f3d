/* The map grows in the middle of a batch, also under readers in other threads. */
#include <pthread.h>
#include <stdatomic.h>

#include "storage/fixture.h"

#define TINY (128ULL << 10)

static int tiny_up(void **state)
{
	struct fixture *f;

	if (fixture_dir(state) != 0) return 1;
	f = *state;
	f->options.map_initial = TINY;
	fixture_open(f);
	return 0;
}

static uint64_t map_bytes(struct store *s)
{
	struct store_stats st;

	OKAY(store_stats(s, &st));
	return st.map_bytes;
}

static void a_batch_larger_than_the_map_is_repeated_whole(void **state)
{
	struct fixture *f = *state;
	struct store_token t = { .id = "0123456789abcdef0123456789abcdef", .created = 1, .expires = 9000 };
	struct store_ban ban = { .kind = STORE_BAN_KEY, .subject = "00" };
	AUTO(store_view) struct store_view *v = NULL;
	AUTO(buf) struct buf value = { .max = 100 };
	struct store_cursor c = { 0 };
	struct store_spend x = { .now = 5 };
	struct store_batch *b;
	struct sample r;
	uint64_t earlier, dropped;

	append(f->store, 40);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_put(b, "gone", bytes_str("x")));
	OKAY(store_batch_put(b, "kept", bytes_str("x")));
	OKAY(store_batch_delete(b, "gone"));
	OKAY(store_batch_ban_add(b, &ban));
	OKAY(store_batch_token_add(b, &t));
	x.index = store_batch_next(b);
	OKAY(store_batch_token_spend(b, &x, &earlier));
	for (int i = 0; i < 5000; i++) OKAY(store_batch_append(b, sample(&r, store_batch_next(b))));
	OKAY(store_batch_retain(b, INT64_MAX, 2, &dropped));
	assert_int_equal(dropped, 512);
	OKAY(store_batch_commit(b));
	assert_true(map_bytes(f->store) >= 4 << 20);
	expect_records(f->store, 512, 5040);

	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_NOT_FOUND, store_view_get(v, "gone", &value));
	OKAY(store_view_get(v, "kept", &value));
	OKAY(store_view_token(v, t.hash, &t));
	assert_true(t.spent && t.record == 40);
	OKAY(store_view_ban_next(v, &c, &ban));
	store_view_close(MOVE(v));
	fixture_reopen(f); /* with the tiny map asked for again */
	expect_records(f->store, 512, 5040);
}

static void every_size_of_batch_survives_a_full_map(void **state)
{
	struct fixture *f = *state;
	uint64_t end = 0;

	/* So that the map is found full at each place: in an append, and in the commit itself. */
	for (uint64_t n = 1; n < 60; n++, end += n - 1) append(f->store, n);
	expect_records(f->store, 0, end);
	assert_true(map_bytes(f->store) > TINY);
}

struct reader {
	struct store *s;
	_Atomic bool stop;
	_Atomic unsigned reads, queries;
	_Atomic int failed; /* line */
};

static struct err on_row(void *ctx, const struct store_record *r)
{
	volatile uint8_t *last = ctx;

	*last = r->cert.data[r->cert.len - 1];
	return OK;
}

static bool reader_once(struct reader *rd)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_record r;
	uint64_t first, end;

	if (store_view_open(rd->s, &v).code != ERR_OK || store_view_range(v, &first, &end).code != ERR_OK) return false;
	for (uint64_t i = first; i < end; i += 1 + (end - first) / 7) {
		if (store_view_record(v, i, &r).code != ERR_OK) return false;
		for (size_t k = 0; k < r.cert.len; k++)
			if (r.cert.data[k] != (uint8_t)i) return false;
	}
	return true;
}

static void *reader_run(void *arg)
{
	struct reader *rd = arg;

	while (!rd->stop && rd->failed == 0) {
		if (!reader_once(rd)) rd->failed = __LINE__;
		rd->reads++;
	}
	return NULL;
}

static void *querier_run(void *arg)
{
	struct reader *rd = arg;
	struct store_query q = { .spiffe_id = bytes_str("spiffe://example.org/ns/a/sa/3"), .limit = 5, .newest_first = true,
		                 .after = UINT64_MAX };
	uint64_t next, behind;
	uint8_t last;

	while (!rd->stop && rd->failed == 0) {
		if (store_index_catch_up(rd->s, 100, &behind).code != ERR_OK) rd->failed = __LINE__;
		if (store_query(rd->s, &q, on_row, &last, &next).code != ERR_OK) rd->failed = __LINE__;
		rd->queries++;
	}
	return NULL;
}

static void readers_in_other_threads_go_on_while_the_map_grows(void **state)
{
	struct fixture *f = *state;
	struct reader rd = { .s = f->store };
	pthread_t threads[3];
	uint64_t n = 0;

	for (size_t i = 0; i < 2; i++) assert_int_equal(pthread_create(&threads[i], NULL, reader_run, &rd), 0);
	assert_int_equal(pthread_create(&threads[2], NULL, querier_run, &rd), 0);
	for (; n < 60 || ((rd.reads < 50 || rd.queries < 20) && n < 2000); n++) append(f->store, 64);
	rd.stop = true;
	for (size_t i = 0; i < 3; i++) pthread_join(threads[i], NULL);
	if (rd.failed != 0) fail_msg("a reader failed: line %d", rd.failed);
	assert_true(map_bytes(f->store) >= 2 << 20);
	expect_records(f->store, 0, 64 * n);
	catch_up(f->store);
}

static void map_max_is_an_end_that_loses_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct sample r;
	struct err e = OK;
	uint64_t n = 0, end;

	f->options.map_initial = TINY;
	f->options.map_max = 4 * TINY;
	fixture_open(f);
	while ((e = try_append(f->store, 16)).code == ERR_OK) n += 16;
	assert_int_equal(e.code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(map_bytes(f->store), 4 * TINY);
	expect_records(f->store, 0, n);
	for (int i = 0; i < 3; i++) REFUSED(ERR_RESOURCE_EXHAUSTED, try_append(f->store, 400));
	OKAY(store_batch_begin(f->store, &b));
	do e = store_batch_append(b, sample(&r, store_batch_next(b)));
	while (e.code == ERR_OK);
	REFUSED(ERR_RESOURCE_EXHAUSTED, store_batch_put(b, "x", bytes_str("x"))); /* the batch stays failed */
	REFUSED(ERR_RESOURCE_EXHAUSTED, store_batch_commit(b));
	expect_records(f->store, 0, n);

	fixture_close(f);
	f->options.map_max = 0; /* raised by the operator */
	fixture_open(f);
	append(f->store, 500);
	end = n + 500;
	expect_records(f->store, 0, end);
}

static void a_view_held_by_the_writer_itself_ends_in_an_error_not_a_hang(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;

	append(f->store, 1);
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_UNAVAILABLE, try_append(f->store, 1000));
	expect_record(v, 0);
	store_view_close(MOVE(v));
	append(f->store, 1000);
	expect_records(f->store, 0, 1001);
}

#define TEST_TINY(f) cmocka_unit_test_setup_teardown(f, tiny_up, fixture_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_TINY(a_batch_larger_than_the_map_is_repeated_whole), TEST_TINY(every_size_of_batch_survives_a_full_map),
		TEST_TINY(readers_in_other_threads_go_on_while_the_map_grows), TEST_DIR(map_max_is_an_end_that_loses_nothing),
		TEST_TINY(a_view_held_by_the_writer_itself_ends_in_an_error_not_a_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
