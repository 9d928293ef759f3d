/* Look-ups: each filter, paging in both directions, bounds; with the indexes, without them, and half-way. */
#include "storage/fixture.h"

#define COUNT 1000

struct rows { uint64_t index[COUNT + 1]; size_t count; enum err_code answer; };

static struct err on_row(void *ctx, const struct store_record *r)
{
	struct rows *rows = ctx;

	assert_true(rows->count < ARRAY_LEN(rows->index));
	rows->index[rows->count++] = r->index;
	if (rows->answer != ERR_OK) return (struct err){ .code = rows->answer, .reason = "test" };
	return OK;
}

/* All pages of a query. */
static void all_pages(struct store *s, struct store_query q, struct rows *out)
{
	uint64_t next;
	size_t pages = 0;

	out->count = 0;
	q.after = UINT64_MAX;
	do {
		size_t before = out->count;

		OKAY(store_query(s, &q, on_row, out, &next));
		assert_true(out->count - before <= q.limit);
		assert_true(next == UINT64_MAX || next != q.after);
		q.after = next;
		if (++pages > 3 * COUNT) fail_msg("paging does not end");
	} while (next != UINT64_MAX);
}

static const uint8_t *serial_of(uint64_t n)
{
	static struct sample x;

	sample(&x, n);
	return x.serial;
}

#define ISSUED(n) ((SAMPLE_TIME + (int64_t)(n)) * 1000)
#define ENDS(n) (SAMPLE_TIME + 100 + (int64_t)(n))

struct row {
	const char *name;
	struct store_query q;
	uint64_t from, to, step; /* the answer: from, from + step, ... below to */
};

static size_t query_rows(struct row rows[16])
{
	static uint8_t serial[16], other[20];
	static const char id[] = "spiffe://example.org/ns/a/sa/3", stranger[] = "spiffe://example.org/nobody";
	size_t n = 0;

	memcpy(serial, serial_of(517), sizeof(serial));
#define ROW(...) rows[n++] = (struct row){ __VA_ARGS__ }
	ROW("all", { .limit = 1 }, 0, COUNT, 1);
	ROW("serial", { .serial = BYTES(serial, 16) }, 517, 518, 1);
	ROW("prefix of a serial", { .serial = BYTES(serial, 15) }, 0, 0, 1);
	ROW("unknown serial", { .serial = BYTES(other, 20) }, 0, 0, 1);
	ROW("ID", { .spiffe_id = BYTES(id, sizeof(id) - 1) }, 3, COUNT, SAMPLE_IDS);
	ROW("unknown ID", { .spiffe_id = BYTES(stranger, sizeof(stranger) - 1) }, 0, 0, 1);
	ROW("serial and another's ID", { .serial = BYTES(serial, 16), .spiffe_id = BYTES(id, sizeof(id) - 1) }, 0, 0, 1);
	ROW("expires", { .expires_from = ENDS(100), .expires_to = ENDS(300) }, 100, 300, 1);
	ROW("expires, empty range", { .expires_from = ENDS(300), .expires_to = ENDS(300) }, 0, 0, 1);
	ROW("expires, before all", { .expires_from = -5, .expires_to = 5 }, 0, 0, 1);
	ROW("issued", { .issued_from = ISSUED(700), .issued_to = ISSUED(999) }, 700, 999, 1);
	ROW("issued and expires", { .issued_from = ISSUED(0), .issued_to = ISSUED(600), .expires_from = ENDS(590),
	                            .expires_to = INT64_MAX }, 590, 600, 1);
	ROW("ID and issued", { .spiffe_id = BYTES(id, sizeof(id) - 1), .issued_from = ISSUED(500),
	                       .issued_to = ISSUED(600) }, 503, 600, SAMPLE_IDS);
	return n;
}

static void check(struct store *s, const struct row *row, struct store_query q)
{
	static struct rows got;
	size_t want = row->to > row->from ? (size_t)((row->to - row->from + row->step - 1) / row->step) : 0;

	all_pages(s, q, &got);
	if (got.count != want)
		fail_msg("%s (limit %u, scan %u, newest %d): %zu rows, not %zu", row->name, q.limit, q.scan_limit, q.newest_first,
		         got.count, want);
	for (size_t i = 0; i < want; i++) {
		uint64_t n = row->from + (q.newest_first ? want - 1 - i : i) * row->step;

		if (got.index[i] != n) fail_msg("%s: row %zu is %lu, not %lu", row->name, i, (unsigned long)got.index[i], (unsigned long)n);
	}
}

static void check_all(struct store *s)
{
	static const uint32_t limits[] = { 1000, 7, 1 }, scans[] = { 0, 300, 10 };
	struct row rows[16];
	size_t count = query_rows(rows);

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < 18; k++) {
			struct store_query q = rows[i].q;

			q.limit = limits[k % 3];
			q.scan_limit = scans[k / 3 % 3];
			q.newest_first = k >= 9;
			check(s, &rows[i], q);
		}
}

static void every_filter_pages_in_both_directions_with_the_indexes(void **state)
{
	struct fixture *f = *state;

	append(f->store, COUNT);
	catch_up(f->store);
	check_all(f->store);
}

static void the_answers_are_the_same_without_indexes(void **state)
{
	struct fixture *f = *state;

	append(f->store, COUNT);
	check_all(f->store);
}

static void the_answers_are_the_same_after_a_reopening_and_catching_up_in_slices(void **state)
{
	struct fixture *f = *state;
	uint64_t behind, left = COUNT, slices = 0;

	append(f->store, 600);
	OKAY(store_index_catch_up(f->store, 1, &behind));
	assert_int_equal(behind, 599);
	fixture_reopen(f);
	append(f->store, COUNT - 600);
	for (left = COUNT - 1; left > 0; slices++) {
		OKAY(store_index_catch_up(f->store, 37, &behind));
		assert_int_equal(behind, left > 37 ? left - 37 : 0);
		left = behind;
	}
	assert_int_equal(slices, (COUNT - 1 + 36) / 37);
	check_all(f->store);
}

/* By time, what is not indexed yet is found too: tiles without a summary are looked through. */
static void time_filters_see_what_the_indexes_have_not(void **state)
{
	struct fixture *f = *state;
	uint64_t behind;
	struct row rows[16];
	size_t count = query_rows(rows);

	append(f->store, COUNT);
	OKAY(store_index_catch_up(f->store, 300, &behind)); /* in the middle of a tile */
	for (size_t i = 0; i < count; i++) {
		struct store_query q = rows[i].q;

		if (q.serial.len != 0 || q.spiffe_id.len != 0) continue;
		q.limit = 1000;
		check(f->store, &rows[i], q);
	}
}

static void tiles_outside_the_times_are_not_looked_through(void **state)
{
	struct fixture *f = *state;
	static struct rows got;
	struct store_query q = { .issued_from = ISSUED(900), .issued_to = ISSUED(903), .limit = 3, .after = UINT64_MAX,
		                 .scan_limit = 150 };
	uint64_t next;

	append(f->store, COUNT);
	OKAY(store_query(f->store, &q, on_row, &got, &next));
	assert_int_equal(got.count, 0); /* 150 of them were looked at in vain */
	assert_int_equal(next, 149);
	catch_up(f->store);
	OKAY(store_query(f->store, &q, on_row, &got, &next));
	assert_int_equal(got.count, 3);
}

static void dropped_records_are_not_found(void **state)
{
	struct fixture *f = *state;
	static struct rows got;
	struct store_batch *b;
	uint64_t dropped;
	struct store_query q = { .spiffe_id = bytes_str("spiffe://example.org/ns/a/sa/3"), .limit = 1000 };

	append(f->store, COUNT);
	catch_up(f->store);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_retain(b, INT64_MAX, 2, &dropped));
	OKAY(store_batch_commit(b));
	for (int i = 0; i < 2; i++) {
		all_pages(f->store, q, &got);
		assert_int_equal(got.count, 49); /* 513, 523 ... 993 */
		assert_int_equal(got.index[0], 513);
		catch_up(f->store);
	}
}

static void bad_queries_are_refused(void **state)
{
	static const uint8_t long_serial[STORE_SERIAL_MAX + 1];
	static const struct { uint32_t limit; size_t serial; } rows[] = { { 0, 0 }, { 1001, 0 }, { 10, STORE_SERIAL_MAX + 1 } };
	struct fixture *f = *state;
	static struct rows got;
	uint64_t next;

	append(f->store, 5);
	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) { /* without the indexes, then with them */
		struct store_query q = { .limit = rows[i % 3].limit, .serial = BYTES(long_serial, rows[i % 3].serial),
			                 .after = UINT64_MAX };

		if (i == ARRAY_LEN(rows)) catch_up(f->store);
		REFUSED(ERR_INVALID_ARGUMENT, store_query(f->store, &q, on_row, &got, &next));
	}
	assert_int_equal(got.count, 0);
}

static void an_error_of_the_row_ends_the_query_and_the_next_page_goes_on_after_it(void **state)
{
	struct fixture *f = *state;
	static struct rows got = { .answer = ERR_NOT_FOUND };
	struct store_query q = { .limit = 10, .after = UINT64_MAX };
	uint64_t next;

	append(f->store, 5);
	REFUSED(ERR_NOT_FOUND, store_query(f->store, &q, on_row, &got, &next));
	assert_int_equal(got.count, 1);
	assert_int_equal(next, 0);
}

static void an_empty_store_answers_nothing(void **state)
{
	struct fixture *f = *state;
	static struct rows got;

	all_pages(f->store, (struct store_query){ .limit = 10 }, &got);
	catch_up(f->store);
	all_pages(f->store, (struct store_query){ .limit = 10, .newest_first = true }, &got);
	assert_int_equal(got.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(every_filter_pages_in_both_directions_with_the_indexes), TEST_UP(the_answers_are_the_same_without_indexes),
		TEST_UP(the_answers_are_the_same_after_a_reopening_and_catching_up_in_slices),
		TEST_UP(time_filters_see_what_the_indexes_have_not), TEST_UP(tiles_outside_the_times_are_not_looked_through),
		TEST_UP(dropped_records_are_not_found), TEST_UP(bad_queries_are_refused),
		TEST_UP(an_error_of_the_row_ends_the_query_and_the_next_page_goes_on_after_it),
		TEST_UP(an_empty_store_answers_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
