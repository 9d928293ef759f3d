/* Join tokens: what a spend can come to, and that it counts only with its batch. */
#include "storage/fixture.h"

#define EXPIRES 2000

static struct store_token token(uint8_t n, int64_t expires)
{
	struct store_token t = { .created = 1000, .expires = expires };

	memset(t.hash, n, sizeof(t.hash));
	snprintf(t.id, sizeof(t.id), "%032x", n);
	snprintf(t.spiffe_id, sizeof(t.spiffe_id), "spiffe://example.org/vm/%u", n);
	snprintf(t.created_by, sizeof(t.created_by), "uid:0");
	return t;
}

static void add(struct store *s, uint8_t n, int64_t expires)
{
	struct store_token t = token(n, expires);
	struct store_batch *b;

	OKAY(store_batch_begin(s, &b));
	OKAY(store_batch_token_add(b, &t));
	OKAY(store_batch_commit(b));
}

static struct store_spend spend(const struct store_batch *b, uint8_t n, uint8_t key, int64_t now)
{
	struct store_spend x = { .now = now, .index = store_batch_next(b) };

	memset(x.hash, n, sizeof(x.hash));
	memset(x.key_hash, key, sizeof(x.key_hash));
	return x;
}

static struct store_token stored(struct store *s, uint8_t n)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_token want = token(n, 0), got = { 0 };

	OKAY(store_view_open(s, &v));
	OKAY(store_view_token(v, want.hash, &got));
	return got;
}

/* Spend token n for `key` and record it, in a batch of its own. */
static void spent_for(struct store *s, uint8_t n, uint8_t key)
{
	struct store_batch *b;
	struct store_spend x;
	struct sample r;
	uint64_t earlier;

	OKAY(store_batch_begin(s, &b));
	x = spend(b, n, key, EXPIRES - 1);
	OKAY(store_batch_token_spend(b, &x, &earlier));
	OKAY(store_batch_append(b, sample(&r, store_batch_next(b))));
	OKAY(store_batch_commit(b));
}

static void revoked(struct store *s, uint8_t n)
{
	struct store_token t = token(n, 0);
	struct store_batch *b;

	OKAY(store_batch_begin(s, &b));
	OKAY(store_batch_token_revoke(b, t.id));
	OKAY(store_batch_commit(b));
}

enum { FRESH = 1, SPENT = 2, REVOKED = 3, NEVER = 4 };

static void each_outcome_of_a_spend(void **state)
{
	static const struct { const char *name; uint8_t token, key; int64_t now; enum err_code want; } rows[] = {
		{ "fresh", FRESH, 7, EXPIRES - 1, ERR_OK },
		{ "fresh, clock long before its creation", FRESH, 7, -5, ERR_OK },
		{ "expired at that very second", FRESH, 7, EXPIRES, ERR_PERMISSION_DENIED },
		{ "expired", FRESH, 7, EXPIRES + 100, ERR_PERMISSION_DENIED },
		{ "the same key again", SPENT, 7, EXPIRES - 1, ERR_ALREADY_EXISTS },
		{ "the same key again, expired since", SPENT, 7, EXPIRES + 1, ERR_ALREADY_EXISTS },
		{ "another key", SPENT, 8, EXPIRES - 1, ERR_PERMISSION_DENIED },
		{ "revoked", REVOKED, 7, EXPIRES - 1, ERR_PERMISSION_DENIED },
		{ "unknown", NEVER, 7, EXPIRES - 1, ERR_NOT_FOUND },
	};
	struct fixture *f = *state;

	append(f->store, 5);
	for (uint8_t n = FRESH; n < NEVER; n++) add(f->store, n, EXPIRES);
	spent_for(f->store, SPENT, 7); /* record 5 */
	revoked(f->store, REVOKED);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_batch *b;
		struct store_spend x;
		uint64_t earlier = 99;

		OKAY(store_batch_begin(f->store, &b));
		x = spend(b, rows[i].token, rows[i].key, rows[i].now);
		expect_code(store_batch_token_spend(b, &x, &earlier), rows[i].want, rows[i].name, __LINE__);
		assert_int_equal(earlier, rows[i].want == ERR_ALREADY_EXISTS ? 5 : 99);
		store_batch_abort(b);
	}
	assert_false(stored(f->store, FRESH).spent);
}

static void a_spent_token_says_for_what(void **state)
{
	struct fixture *f = *state;
	struct store_token t, want = token(1, EXPIRES);

	append(f->store, 3);
	add(f->store, 1, EXPIRES);
	spent_for(f->store, 1, 0x55);
	fixture_reopen(f);
	t = stored(f->store, 1);
	assert_true(t.spent && !t.revoked);
	assert_int_equal(t.record, 3);
	assert_int_equal(t.key_hash[31], 0x55);
	assert_string_equal(t.id, want.id);
	assert_string_equal(t.spiffe_id, want.spiffe_id);
	assert_string_equal(t.created_by, want.created_by);
	assert_int_equal(t.created, want.created);
	assert_int_equal(t.expires, want.expires);
}

static void a_spend_in_an_aborted_batch_leaves_the_token_unspent(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct store_spend x;
	struct sample r;
	uint64_t earlier;

	add(f->store, 1, EXPIRES);
	OKAY(store_batch_begin(f->store, &b));
	x = spend(b, 1, 7, 1500);
	OKAY(store_batch_append(b, sample(&r, 0)));
	OKAY(store_batch_token_spend(b, &x, &earlier)); /* after its record */
	store_batch_abort(b);
	assert_false(stored(f->store, 1).spent);
	spent_for(f->store, 1, 8); /* another key may have it */
	assert_true(stored(f->store, 1).spent);
}

static void the_second_spend_in_one_batch_sees_the_first(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct store_spend x, again, other;
	struct sample r;
	uint64_t earlier = 0;

	append(f->store, 2);
	add(f->store, 1, EXPIRES);
	OKAY(store_batch_begin(f->store, &b));
	x = spend(b, 1, 7, 1500);
	OKAY(store_batch_token_spend(b, &x, &earlier));
	OKAY(store_batch_append(b, sample(&r, 2)));
	again = spend(b, 1, 7, 1500);
	other = spend(b, 1, 8, 1500);
	REFUSED(ERR_ALREADY_EXISTS, store_batch_token_spend(b, &again, &earlier));
	assert_int_equal(earlier, 2);
	REFUSED(ERR_PERMISSION_DENIED, store_batch_token_spend(b, &other, &earlier));
	OKAY(store_batch_commit(b));
	expect_range(f->store, 0, 3);
}

/* Or the next record would take its index, and the token would stand for another's certificate. */
static void a_spend_whose_record_cannot_be_appended_ends_the_batch(void **state)
{
	struct fixture *f = *state;
	struct sample bad, good;
	struct store_spend x;
	struct store_batch *b;
	uint64_t earlier;

	add(f->store, 1, EXPIRES);
	OKAY(store_batch_begin(f->store, &b));
	x = spend(b, 1, 7, 1500);
	OKAY(store_batch_token_spend(b, &x, &earlier));
	sample(&bad, 0)->serial.len = 0;
	REFUSED(ERR_INTERNAL, store_batch_append(b, &bad.r));
	REFUSED(ERR_INTERNAL, store_batch_append(b, sample(&good, 0)));
	REFUSED(ERR_INTERNAL, store_batch_commit(b));
	assert_false(stored(f->store, 1).spent);
}

static void a_spend_without_its_record_is_not_committed(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct store_spend x;
	uint64_t earlier;

	append(f->store, 2);
	add(f->store, 1, EXPIRES);
	OKAY(store_batch_begin(f->store, &b));
	x = spend(b, 1, 7, 1500);
	x.index = 1; /* of an earlier batch */
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_token_spend(b, &x, &earlier));
	x.index = 3; /* not the next one */
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_token_spend(b, &x, &earlier));
	x.index = 2;
	OKAY(store_batch_token_spend(b, &x, &earlier));
	REFUSED(ERR_INTERNAL, store_batch_commit(b));
	assert_false(stored(f->store, 1).spent);
	expect_range(f->store, 0, 2);
	spent_for(f->store, 1, 7);
}

static void adding_the_same_token_or_id_twice_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_token hash = token(1, EXPIRES), id = token(2, EXPIRES);
	struct store_batch *b;

	add(f->store, 1, EXPIRES);
	memcpy(hash.id, token(2, 0).id, sizeof(hash.id));
	memcpy(id.id, token(1, 0).id, sizeof(id.id));
	OKAY(store_batch_begin(f->store, &b));
	REFUSED(ERR_ALREADY_EXISTS, store_batch_token_add(b, &hash));
	REFUSED(ERR_ALREADY_EXISTS, store_batch_token_add(b, &id));
	OKAY(store_batch_commit(b));
}

static void tokens_out_of_bounds_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_token bad[] = { token(1, 9), token(1, 9), token(1, 9), token(1, 9), token(1, 9), token(1, 9), token(1, 9) };
	struct store_batch *b;

	bad[0].spent = true;
	bad[1].revoked = true;
	bad[2].id[31] = '\0';
	bad[3].id[0] = 'A';
	memset(bad[4].id, 'a', sizeof(bad[4].id)); /* texts that do not end */
	memset(bad[5].spiffe_id, 'a', sizeof(bad[5].spiffe_id));
	memset(bad[6].created_by, 'a', sizeof(bad[6].created_by));
	OKAY(store_batch_begin(f->store, &b));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) REFUSED(ERR_INVALID_ARGUMENT, store_batch_token_add(b, &bad[i]));
	OKAY(store_batch_commit(b));
}

static void revoking(void **state)
{
	struct fixture *f = *state;
	struct store_token one = token(1, 0), two = token(2, 0), never = token(9, 0);
	struct store_batch *b;

	add(f->store, 1, EXPIRES);
	add(f->store, 2, EXPIRES);
	spent_for(f->store, 2, 7);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_token_revoke(b, one.id));
	REFUSED(ERR_ALREADY_EXISTS, store_batch_token_revoke(b, one.id));
	REFUSED(ERR_FAILED_PRECONDITION, store_batch_token_revoke(b, two.id));
	REFUSED(ERR_NOT_FOUND, store_batch_token_revoke(b, never.id));
	REFUSED(ERR_NOT_FOUND, store_batch_token_revoke(b, "0000"));
	OKAY(store_batch_commit(b));
	assert_true(stored(f->store, 1).revoked);
	assert_false(stored(f->store, 2).revoked);
}

static size_t expire(struct store *s, int64_t before, size_t max)
{
	struct store_batch *b;
	size_t dropped;

	OKAY(store_batch_begin(s, &b));
	OKAY(store_batch_token_expire(b, before, max, &dropped));
	OKAY(store_batch_commit(b));
	return dropped;
}

static size_t count(struct store *s)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_cursor c = { 0 };
	struct store_token t;
	uint8_t last = 0;
	size_t n = 0;
	struct err e;

	OKAY(store_view_open(s, &v));
	while ((e = store_view_token_next(v, &c, &t)).code == ERR_OK) {
		assert_true(t.hash[0] > last); /* each once */
		last = t.hash[0];
		n++;
	}
	REFUSED(ERR_NOT_FOUND, e);
	return n;
}

static void expired_tokens_are_dropped_oldest_first_within_the_bound(void **state)
{
	struct fixture *f = *state;
	struct store_token gone = token(1, 0);
	AUTO(store_view) struct store_view *v = NULL;
	struct store_stats st;

	for (uint8_t n = 1; n <= 200; n++) add(f->store, n, n == 200 ? -5 : 1000 + n); /* also before 1970 */
	assert_int_equal(count(f->store), 200);
	assert_int_equal(expire(f->store, -5, 10), 0);
	assert_int_equal(expire(f->store, 1001, 10), 1); /* the negative one */
	assert_int_equal(expire(f->store, 1101, 70), 70);
	assert_int_equal(expire(f->store, 1101, 70), 30);
	assert_int_equal(expire(f->store, 1101, 70), 0);
	assert_int_equal(count(f->store), 99);
	OKAY(store_stats(f->store, &st));
	assert_int_equal(st.tokens, 99);
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_NOT_FOUND, store_view_token(v, gone.hash, &gone));
	store_view_close(MOVE(v));
	add(f->store, 1, EXPIRES); /* its id is free again */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(each_outcome_of_a_spend), TEST_UP(a_spent_token_says_for_what),
		TEST_UP(a_spend_in_an_aborted_batch_leaves_the_token_unspent),
		TEST_UP(a_spend_whose_record_cannot_be_appended_ends_the_batch),
		TEST_UP(the_second_spend_in_one_batch_sees_the_first), TEST_UP(a_spend_without_its_record_is_not_committed),
		TEST_UP(adding_the_same_token_or_id_twice_is_refused), TEST_UP(tokens_out_of_bounds_are_refused),
		TEST_UP(revoking), TEST_UP(expired_tokens_are_dropped_oldest_first_within_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
