/* Retention drops whole tiles, keeps their leaf hashes, and never gives an index twice. */
#include <openssl/evp.h>

#include "storage/fixture.h"
#include "storage/record.h"

static uint64_t retain(struct store *s, int64_t ended_before, unsigned max_tiles)
{
	struct store_batch *b;
	uint64_t dropped;

	OKAY(store_batch_begin(s, &b));
	OKAY(store_batch_retain(b, ended_before, max_tiles, &dropped));
	OKAY(store_batch_commit(b));
	return dropped;
}

/* RFC 6962 s2.1, by libcrypto directly: MTH({d(0)}) = SHA-256(0x00 || d(0)); d is the encoded record. */
static void want_leaf(uint64_t n, uint8_t out[STORE_HASH_LEN])
{
	AUTO(buf) struct buf leaf = { .max = 20000 };
	struct sample x;

	sample(&x, n)->index = n;
	OKAY(buf_put(&leaf, "\0", 1));
	OKAY(store_record_encode(&x.r, &leaf));
	assert_int_equal(EVP_Digest(leaf.data, leaf.len, out, NULL, EVP_sha256(), NULL), 1);
}

static void expect_leaves(struct store *s, uint64_t end)
{
	AUTO(store_view) struct store_view *v = NULL;
	uint8_t want[STORE_HASH_LEN], got[STORE_HASH_LEN];

	OKAY(store_view_open(s, &v));
	for (uint64_t i = 0; i < end; i++) {
		want_leaf(i, want);
		OKAY(store_view_leaf_hash(v, i, got));
		assert_memory_equal(got, want, STORE_HASH_LEN);
	}
	REFUSED(ERR_NOT_FOUND, store_view_leaf_hash(v, end, got));
}

#define ENDED(n) (SAMPLE_TIME + 100 + (int64_t)(n)) /* notAfter of record n */

static void whole_ended_tiles_go_and_their_leaf_hashes_stay(void **state)
{
	/* 700 records: tiles [0, 256) and [256, 512) are whole, [512, 700) is not. */
	static const struct { int64_t before; unsigned tiles; uint64_t dropped, first; } steps[] = {
		{ ENDED(255), 9, 0, 0 },         /* the last of the first tile had not ended before that */
		{ ENDED(256), 0, 0, 0 },
		{ ENDED(256), 9, 256, 256 },
		{ INT64_MAX, 1, 256, 512 },
		{ INT64_MAX, 9, 0, 512 },        /* the last tile is not whole */
	};
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	struct store_record r;

	append(f->store, 700);
	expect_leaves(f->store, 700);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_int_equal(retain(f->store, steps[i].before, steps[i].tiles), steps[i].dropped);
		expect_records(f->store, steps[i].first, 700);
	}
	fixture_reopen(f);
	expect_leaves(f->store, 700);
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_NOT_FOUND, store_view_record(v, 0, &r));
	REFUSED(ERR_NOT_FOUND, store_view_record(v, 511, &r));
	expect_record(v, 512);
}

static void an_index_is_not_used_again_when_all_records_are_dropped(void **state)
{
	struct fixture *f = *state;

	append(f->store, 512);
	assert_int_equal(retain(f->store, INT64_MAX, 9), 512);
	expect_range(f->store, 512, 512);
	fixture_reopen(f);
	expect_range(f->store, 512, 512);
	append(f->store, 3);
	expect_records(f->store, 512, 515);
	expect_leaves(f->store, 515);
}

static void one_unended_certificate_keeps_its_tile_and_what_is_after_it(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct sample x;

	append(f->store, 300);
	OKAY(store_batch_begin(f->store, &b));
	sample(&x, 300)->not_after = 5000000;
	OKAY(store_batch_append(b, &x.r));
	OKAY(store_batch_commit(b));
	append(f->store, 800);
	assert_int_equal(retain(f->store, 4000000, 9), 256);
	assert_int_equal(retain(f->store, 4000000, 9), 0);
	expect_range(f->store, 256, 1101);
	assert_int_equal(retain(f->store, 6000000, 9), 768);
	expect_range(f->store, 1024, 1101);
}

static void an_aborted_retention_drops_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	uint64_t dropped;

	append(f->store, 256);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_retain(b, INT64_MAX, 1, &dropped));
	assert_int_equal(dropped, 256);
	assert_int_equal(store_batch_next(b), 256);
	store_batch_abort(b);
	expect_records(f->store, 0, 256);
}

static void dropped_space_is_used_again(void **state)
{
	struct fixture *f = *state;
	struct store_stats before, after;

	for (int i = 0; i < 8; i++) append(f->store, 256);
	OKAY(store_stats(f->store, &before));
	for (int i = 0; i < 16; i++) {
		retain(f->store, INT64_MAX, 1);
		append(f->store, 256);
	}
	OKAY(store_stats(f->store, &after));
	assert_int_equal(after.records_end - after.records_first, 8 * 256);
	assert_true(after.used_bytes < before.used_bytes * 3 / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(whole_ended_tiles_go_and_their_leaf_hashes_stay),
		TEST_UP(an_index_is_not_used_again_when_all_records_are_dropped),
		TEST_UP(one_unended_certificate_keeps_its_tile_and_what_is_after_it),
		TEST_UP(an_aborted_retention_drops_nothing), TEST_UP(dropped_space_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
