/* Stored values that do not parse: every reader says so, nothing else stops. */
#include <lmdb.h>

#include "storage/fixture.h"
#include "storage/record.h"

static void encoded(uint64_t n, struct buf *out)
{
	struct sample x;

	out->max = 20000;
	sample(&x, n)->index = n;
	OKAY(store_record_encode(&x.r, out));
}

static void every_part_of_a_record_and_every_addition_to_it_is_refused(void **state)
{
	AUTO(buf) struct buf raw = { 0 };
	struct store_record r;

	(void)state;
	encoded(1, &raw);
	OKAY(store_record_decode(buf_view(&raw), &r));
	for (size_t n = 0; n < raw.len; n++) REFUSED(ERR_INVALID_ARGUMENT, store_record_decode(BYTES(raw.data, n), &r));
	OKAY(buf_put(&raw, "\0", 1));
	REFUSED(ERR_INVALID_ARGUMENT, store_record_decode(buf_view(&raw), &r));
}

static void lengths_over_the_bounds_are_refused(void **state)
{
	static const struct { size_t at; uint8_t value; } rows[] = {
		{ 0, 2 },    /* version */
		{ 37, 5 },   /* evidence */
		{ 102, 1 },  /* serial: 272 octets */
		{ 103, 21 }, /* serial: 21 octets */
		{ 103, 0 },  /* serial: none */
		{ 120, 9 },  /* SPIFFE ID: over 2048 octets */
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf raw = { 0 };
		struct store_record r;

		encoded(1, &raw);
		raw.data[rows[i].at] = rows[i].value;
		expect_code(store_record_decode(buf_view(&raw), &r), ERR_INVALID_ARGUMENT, "decode", (int)i);
	}
}

/* Put a value straight into the closed store's file. */
static void put_raw(const struct fixture *f, const char *db, struct bytes key, struct bytes value)
{
	MDB_val k = { key.len, (void *)key.data }, v = { value.len, (void *)value.data };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, fixture_path(f, "records.mdb"), MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static struct err count_row(void *ctx, const struct store_record *r)
{
	(void)r;
	(*(uint64_t *)ctx)++;
	return OK;
}

static void damaged(struct fixture *f, struct bytes value)
{
	uint8_t key[8];

	append(f->store, 300);
	fixture_close(f);
	store_key_u64(7, key);
	put_raw(f, "records", BYTES(key, 8), value);
	fixture_open(f);
}

static void expect_damaged(struct fixture *f)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_record r;

	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_DATA_LOSS, store_view_record(v, 7, &r));
	expect_record(v, 6);
	expect_record(v, 8);
	REFUSED(ERR_NOT_FOUND, store_view_record(v, 300, &r));
}

static void a_damaged_record_is_data_loss_and_the_others_go_on(void **state)
{
	struct fixture *f = *state;
	struct store_query q = { .limit = 1000, .after = UINT64_MAX };
	struct store_batch *b;
	uint64_t found = 0, next, dropped;

	damaged(f, bytes_str("nonsense"));
	expect_damaged(f);
	catch_up(f->store); /* does not stop at it */
	REFUSED(ERR_DATA_LOSS, store_query(f->store, &q, count_row, &found, &next));
	assert_int_equal(found, 7);
	assert_int_equal(next, 7);
	q.after = next;
	OKAY(store_query(f->store, &q, count_row, &found, &next));
	assert_int_equal(found, 299);

	q = (struct store_query){ .limit = 5, .after = UINT64_MAX, .issued_from = 1, .issued_to = 2 };
	REFUSED(ERR_DATA_LOSS, store_query(f->store, &q, count_row, &found, &next)); /* its tile is never passed over */

	OKAY(store_batch_begin(f->store, &b));
	REFUSED(ERR_DATA_LOSS, store_batch_retain(b, INT64_MAX, 9, &dropped));
	OKAY(store_batch_commit(b)); /* and the batch went on without it */
	expect_range(f->store, 0, 300);
	append(f->store, 1);
}

static void a_record_under_another_ones_index_is_data_loss(void **state)
{
	AUTO(buf) struct buf other = { 0 };

	encoded(8, &other);
	damaged(*state, buf_view(&other));
	expect_damaged(*state);
}

static void damaged_tokens_bans_and_tiles_are_data_loss(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	uint8_t hash[STORE_HASH_LEN] = { 1 }, key[8], leaf[STORE_HASH_LEN];
	struct store_spend x = { .hash = { 1 } };
	struct store_cursor c = { 0 };
	struct store_token t;
	struct store_ban ban;
	struct store_batch *b;
	uint64_t earlier;

	fixture_close(f);
	put_raw(f, "tokens", BYTES(hash, sizeof(hash)), bytes_str("nonsense"));
	put_raw(f, "bans", bytes_str("x"), bytes_str("nonsense"));
	store_key_u64(0, key);
	put_raw(f, "tiles", BYTES(key, 8), bytes_str("nonsense"));
	fixture_open(f);
	expect_range(f->store, 256, 256); /* the dropped tile counts all the same */
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_DATA_LOSS, store_view_token(v, hash, &t));
	REFUSED(ERR_DATA_LOSS, store_view_token_next(v, &c, &t));
	REFUSED(ERR_NOT_FOUND, store_view_token_next(v, &c, &t)); /* passed */
	c = (struct store_cursor){ 0 };
	REFUSED(ERR_DATA_LOSS, store_view_ban_next(v, &c, &ban));
	REFUSED(ERR_NOT_FOUND, store_view_ban_next(v, &c, &ban));
	c.len = sizeof(c.key) + 1;
	REFUSED(ERR_INVALID_ARGUMENT, store_view_ban_next(v, &c, &ban));
	REFUSED(ERR_DATA_LOSS, store_view_leaf_hash(v, 0, leaf));
	OKAY(store_batch_begin(f->store, &b));
	x.index = store_batch_next(b);
	REFUSED(ERR_DATA_LOSS, store_batch_token_spend(b, &x, &earlier));
	store_batch_abort(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_of_a_record_and_every_addition_to_it_is_refused),
		cmocka_unit_test(lengths_over_the_bounds_are_refused), TEST_UP(a_damaged_record_is_data_loss_and_the_others_go_on),
		TEST_UP(a_record_under_another_ones_index_is_data_loss), TEST_UP(damaged_tokens_bans_and_tiles_are_data_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
