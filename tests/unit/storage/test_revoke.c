/* Revocations: put, found, listed, dropped; and a directory that is older than they are. */
#include <lmdb.h>

#include "storage/fixture.h"
#include "storage/revoke.h"

static struct store_revocation revocation(const char *serial, uint8_t reason)
{
	struct store_revocation r = { .reason = reason, .time = 1000, .not_after = 2000, .record = 7, .by = "uid:0" };

	r.serial_len = (uint8_t)strlen(serial);
	memcpy(r.serial, serial, r.serial_len);
	memset(r.issuer, 0xab, sizeof(r.issuer));
	return r;
}

static void revoke_one(struct fixture *f, const struct store_revocation *r)
{
	struct store_batch *b;

	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_revoke(b, r));
	OKAY(store_batch_commit(b));
}

static size_t count(struct store *s)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_cursor c = { 0 };
	struct store_revocation r;
	size_t n = 0;
	struct err e;

	OKAY(store_view_open(s, &v));
	while ((e = store_view_revocation_next(v, &c, &r)).code == ERR_OK) n++;
	REFUSED(ERR_NOT_FOUND, e);
	return n;
}

static void a_revocation_is_read_back_with_every_field(void **state)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct fixture *f = *state;
	struct store_revocation one = revocation("serial-1", 1), got;

	revoke_one(f, &one);
	fixture_reopen(f);
	OKAY(store_view_open(f->store, &v));
	memset(&got, 0, sizeof(got));
	OKAY(store_view_revocation(v, bytes_str("serial-1"), &got));
	assert_memory_equal(&got, &one, sizeof(got));
	REFUSED(ERR_NOT_FOUND, store_view_revocation(v, bytes_str("serial-"), &got));
	REFUSED(ERR_NOT_FOUND, store_view_revocation(v, bytes_str("serial-10"), &got));
	REFUSED(ERR_NOT_FOUND, store_view_revocation(v, BYTES_NONE, &got));
	REFUSED(ERR_NOT_FOUND, store_view_revocation(v, bytes_str("a serial of 21 octets"), &got));
}

static void out_of_bounds_is_refused_and_the_batch_goes_on(void **state)
{
	struct fixture *f = *state;
	struct store_revocation none = revocation("", 0), reason = revocation("a", STORE_REASON_MAX + 1), good = revocation("a", 0);
	struct store_revocation by = good, longest = revocation("a serial of 21 octets", 0);
	struct store_batch *b;

	memset(by.by, 'x', sizeof(by.by));
	OKAY(store_batch_begin(f->store, &b));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_revoke(b, &none));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_revoke(b, &longest));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_revoke(b, &reason));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_revoke(b, &by));
	OKAY(store_batch_revoke(b, &good));
	REFUSED(ERR_ALREADY_EXISTS, store_batch_revoke(b, &good));
	OKAY(store_batch_commit(b));
	assert_int_equal(count(f->store), 1);
}

static void a_batch_sees_what_it_revoked_and_dropped(void **state)
{
	struct fixture *f = *state;
	struct store_revocation r = revocation("a", 0);
	struct store_record record;
	struct store_batch *b;
	bool revoked = true;

	append(f->store, 1);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_is_revoked(b, bytes_str("a"), &revoked));
	assert_false(revoked);
	OKAY(store_batch_revoke(b, &r));
	OKAY(store_batch_is_revoked(b, bytes_str("a"), &revoked));
	assert_true(revoked);
	OKAY(store_batch_is_revoked(b, BYTES_NONE, &revoked));
	assert_false(revoked);
	OKAY(store_batch_revocation_drop(b, bytes_str("a")));
	REFUSED(ERR_NOT_FOUND, store_batch_revocation_drop(b, bytes_str("a")));
	OKAY(store_batch_record(b, 0, &record));
	REFUSED(ERR_NOT_FOUND, store_batch_record(b, 1, &record));
	OKAY(store_batch_commit(b));
	assert_int_equal(count(f->store), 0);
}

/* As a program left it that did not know of this database (or, for one of the others, as damage did). */
static void lose_database(struct fixture *f, const char *name)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	fixture_close(f);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_open(env, fixture_path(f, "records.mdb"), MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, name, 0, &dbi), 0);
	assert_int_equal(mdb_drop(txn, dbi, 1), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void a_directory_from_before_gets_the_database(void **state)
{
	struct fixture *f = *state;
	struct store_revocation r = revocation("a", 0);

	append(f->store, 3);
	lose_database(f, "revoked");
	fixture_open(f);
	expect_records(f->store, 0, 3);
	assert_int_equal(count(f->store), 0);
	revoke_one(f, &r);
	fixture_reopen(f);
	assert_int_equal(count(f->store), 1);
}

static void a_database_that_was_always_there_is_not_made_anew(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .dir = f->dir };

	lose_database(f, "bans");
	REFUSED(ERR_DATA_LOSS, store_open(&o, &f->store));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(a_revocation_is_read_back_with_every_field), TEST_UP(out_of_bounds_is_refused_and_the_batch_goes_on),
		TEST_UP(a_batch_sees_what_it_revoked_and_dropped), TEST_UP(a_directory_from_before_gets_the_database),
		TEST_UP(a_database_that_was_always_there_is_not_made_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
