/* Opening a directory, records, named values, bans. */
#include <fcntl.h>
#include <lmdb.h>
#include <sys/wait.h>

#include "storage/fixture.h"

/* ---- records ---- */
static void appended_records_are_read_back_with_every_field(void **state)
{
	struct fixture *f = *state;

	append(f->store, 3);
	append(f->store, 64);
	expect_records(f->store, 0, 67);
	fixture_reopen(f);
	expect_records(f->store, 0, 67);
}

static void an_empty_store_has_no_records(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	struct store_record r;
	uint8_t hash[STORE_HASH_LEN];

	expect_range(f->store, 0, 0);
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_NOT_FOUND, store_view_record(v, 0, &r));
	REFUSED(ERR_NOT_FOUND, store_view_leaf_hash(v, 0, hash));
}

static void a_view_does_not_see_what_is_committed_after_it(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	uint64_t first, end;

	append(f->store, 2);
	OKAY(store_view_open(f->store, &v));
	append(f->store, 5);
	OKAY(store_view_range(v, &first, &end));
	assert_int_equal(end, 2);
}

static void an_aborted_batch_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct sample x;

	append(f->store, 1);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_append(b, sample(&x, 9)));
	OKAY(store_batch_put(b, "roots", bytes_str("x")));
	store_batch_abort(b);
	expect_records(f->store, 0, 1);
	append(f->store, 1);
	expect_records(f->store, 0, 2);
}

static void a_second_batch_at_once_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b, *other;

	OKAY(store_batch_begin(f->store, &b));
	REFUSED(ERR_FAILED_PRECONDITION, store_batch_begin(f->store, &other));
	store_batch_abort(b);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_commit(b));
}

static uint8_t big[STORE_CERT_MAX + 1];

static void times_may_step_back_and_be_extreme(void **state)
{
	static const int64_t times[] = { 5000, 1000, -1, INT64_MIN, INT64_MAX, 0 };
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	struct store_batch *b;
	struct store_record got;
	struct sample x;

	OKAY(store_batch_begin(f->store, &b));
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct store_record *r = sample(&x, i);

		r->time_ms = r->not_after = r->not_before = times[i];
		OKAY(store_batch_append(b, r));
	}
	OKAY(store_batch_commit(b));
	OKAY(store_view_open(f->store, &v));
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		OKAY(store_view_record(v, i, &got));
		assert_true(got.time_ms == times[i] && got.not_after == times[i] && got.not_before == times[i]);
	}
	store_view_close(MOVE(v));
	catch_up(f->store);
}

/* Each refused on its own, and the batch goes on without it. */
static void records_out_of_bounds_are_refused_and_the_batch_goes_on(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct sample x;
	struct store_record *r;

	OKAY(store_batch_begin(f->store, &b));
#define BAD(field, value) r = sample(&x, 0), r->field = (value), REFUSED(ERR_INVALID_ARGUMENT, store_batch_append(b, r))
	BAD(serial, BYTES_NONE);
	BAD(serial, BYTES(big, STORE_SERIAL_MAX + 1));
	BAD(spiffe_id, BYTES(big, STORE_TEXT_MAX + 1));
	BAD(caller, BYTES(big, STORE_TEXT_MAX + 1));
	BAD(rule, BYTES(big, STORE_TEXT_MAX + 1));
	BAD(issuer, BYTES(big, STORE_TEXT_MAX + 1));
	BAD(cert, BYTES(big, STORE_CERT_MAX + 1));
	BAD(evidence, (enum store_evidence)5);
	assert_int_equal(store_batch_next(b), 0);
	OKAY(store_batch_append(b, sample(&x, 0)));
	assert_int_equal(x.r.index, 0);
	OKAY(store_batch_commit(b));
	expect_records(f->store, 0, 1);
}

static void the_largest_record_is_kept_whole(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	struct store_batch *b;
	struct store_record got;
	struct sample x;
	struct store_record *r = sample(&x, 0);

	for (size_t i = 0; i < sizeof(big); i++) big[i] = (uint8_t)(i * 7);
	r->serial = BYTES(big, STORE_SERIAL_MAX);
	r->spiffe_id = r->caller = r->rule = r->issuer = BYTES(big, STORE_TEXT_MAX);
	r->cert = BYTES(big, STORE_CERT_MAX);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_append(b, r));
	OKAY(store_batch_commit(b));
	OKAY(store_view_open(f->store, &v));
	OKAY(store_view_record(v, 0, &got));
	assert_true(bytes_equal(got.cert, r->cert) && bytes_equal(got.issuer, r->issuer) && bytes_equal(got.serial, r->serial));
}

/* ---- the directory ---- */
static void the_directory_must_be_private_and_there(void **state)
{
	static const mode_t modes[] = { 0755, 0750, 0701, 0770, 0500, 01700 };
	struct fixture *f = *state;
	struct store_options o = { .dir = f->dir };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		assert_int_equal(chmod(f->dir, modes[i]), 0);
		REFUSED(ERR_FAILED_PRECONDITION, store_open(&o, &f->store));
		assert_null(f->store);
	}
	assert_int_equal(chmod(f->dir, 0700), 0);
	o.dir = "/nonexistent/signet";
	REFUSED(ERR_FAILED_PRECONDITION, store_open(&o, &f->store));
}

static void a_second_user_of_the_directory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store *other = NULL;
	int status;
	pid_t pid;

	REFUSED(ERR_FAILED_PRECONDITION, store_open(&f->options, &other)); /* in this process */
	pid = fork();
	if (pid == 0) _exit(store_open(&f->options, &other).code == ERR_FAILED_PRECONDITION ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	append(f->store, 1); /* and the first one was not disturbed */
	fixture_reopen(f);
	expect_records(f->store, 0, 1);
}

static void a_lock_that_is_a_link_is_not_followed(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .dir = f->dir };
	char link[512];

	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(symlink(link, fixture_path(f, "lock")), 0);
	assert_true(store_open(&o, &f->store).code != ERR_OK);
}

/* As a later program would leave it: the number of the format is all that this one may rely on. */
static void set_meta(const struct fixture *f, const char *file, const char *key, struct bytes value)
{
	MDB_val k = { strlen(key), (void *)key }, v = { value.len, (void *)value.data };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 1), 0);
	assert_int_equal(mdb_env_open(env, fixture_path(f, file), MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
	assert_int_equal(value.len == 0 ? mdb_del(txn, dbi, &k, NULL) : mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void other_formats_are_refused_and_left_alone(void **state)
{
	static const struct { uint8_t value[4]; size_t len; enum err_code want; unsigned long cause; } rows[] = {
		{ { 0, 0, 0, STORE_FORMAT + 1 }, 4, ERR_FAILED_PRECONDITION, STORE_FORMAT + 1 },
		{ { 1, 0, 0, 0 }, 4, ERR_FAILED_PRECONDITION, 0x1000000 },
		{ { 0, 0, 0, 0 }, 4, ERR_DATA_LOSS, 0 },
		{ { 0, 0, 1 }, 3, ERR_DATA_LOSS, 0 },
		{ { 0 }, 0, ERR_DATA_LOSS, 0 },
	};
	struct fixture *f = *state;
	struct store_options o = { .dir = f->dir };
	static const uint8_t ours[4] = { 0, 0, 0, STORE_FORMAT };

	append(f->store, 2);
	fixture_close(f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e;

		set_meta(f, "records.mdb", "format", BYTES(rows[i].value, rows[i].len));
		e = store_open(&o, &f->store);
		expect_code(e, rows[i].want, "store_open", (int)i);
		assert_int_equal(e.cause, rows[i].cause);
		assert_null(f->store);
		set_meta(f, "records.mdb", "format", BYTES(ours, sizeof(ours)));
	}
	fixture_open(f);
	expect_records(f->store, 0, 2);
}

static void overwrite(const struct fixture *f, const char *file, off_t at, size_t len)
{
	static uint8_t junk[1 << 20];
	int fd = open(fixture_path(f, file), O_RDWR);

	for (size_t i = 0; i < sizeof(junk); i++) junk[i] = (uint8_t)(i * 131 + 17);
	assert_true(fd >= 0 && pwrite(fd, junk, len, at) == (ssize_t)len);
	close(fd);
}

static void a_file_that_is_not_ours_is_data_loss(void **state)
{
	struct fixture *f = *state;
	struct store_options o = { .dir = f->dir };

	append(f->store, 300);
	fixture_close(f);
	assert_int_equal(truncate(fixture_path(f, "records.mdb"), 5 * 4096), 0);
	REFUSED(ERR_DATA_LOSS, store_open(&o, &f->store));
	overwrite(f, "records.mdb", 0, 8192);
	REFUSED(ERR_DATA_LOSS, store_open(&o, &f->store));
	assert_null(f->store);
}

/* ---- named values ---- */
static void named_values_are_replaced_and_deleted(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	AUTO(buf) struct buf out = { .max = 2 * STORE_VALUE_MAX };
	static uint8_t large[STORE_VALUE_MAX + 1];
	struct store_batch *b;

	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_put(b, "roots", bytes_str("one")));
	OKAY(store_batch_put(b, "roots", bytes_str("two")));
	OKAY(store_batch_put(b, "key.1", BYTES(large, STORE_VALUE_MAX)));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_put(b, "key.2", BYTES(large, STORE_VALUE_MAX + 1)));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_put(b, "key.2", BYTES_NONE));
	REFUSED(ERR_NOT_FOUND, store_batch_delete(b, "key.2"));
	OKAY(store_batch_commit(b));
	fixture_reopen(f);

	OKAY(store_view_open(f->store, &v));
	OKAY(buf_put_str(&out, ">"));
	OKAY(store_view_get(v, "roots", &out));
	assert_true(bytes_is(buf_view(&out), ">two"));
	OKAY(store_view_get(v, "key.1", &out));
	assert_int_equal(out.len, 4 + STORE_VALUE_MAX);
	out.max = STORE_VALUE_MAX;
	REFUSED(ERR_RESOURCE_EXHAUSTED, store_view_get(v, "roots", &out));
	REFUSED(ERR_NOT_FOUND, store_view_get(v, "key.2", &out));
	store_view_close(MOVE(v));

	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_delete(b, "roots"));
	OKAY(store_batch_commit(b));
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_NOT_FOUND, store_view_get(v, "roots", &out));
}

static void names_of_values_are_checked(void **state)
{
	static const char *const bad[] = { "", "Roots", "a b", "a/b", "\x80", "a:b",
	                                   "0123456789012345678901234567890123456789012345678901234567890123x" };
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *v = NULL;
	AUTO(buf) struct buf out = { .max = 10 };
	struct store_batch *b;

	OKAY(store_view_open(f->store, &v));
	OKAY(store_batch_begin(f->store, &b));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		REFUSED(ERR_INVALID_ARGUMENT, store_batch_put(b, bad[i], bytes_str("x")));
		REFUSED(ERR_INVALID_ARGUMENT, store_batch_delete(b, bad[i]));
		REFUSED(ERR_INVALID_ARGUMENT, store_view_get(v, bad[i], &out));
	}
	OKAY(store_batch_put(b, "az09._-", bytes_str("x")));
	OKAY(store_batch_commit(b));
}

/* ---- bans ---- */
static struct store_ban ban(enum store_ban_kind kind, const char *subject)
{
	struct store_ban b = { .kind = kind, .reason = "left", .by = "uid:0", .since = 1700000000 };

	snprintf(b.subject, sizeof(b.subject), "%s", subject);
	return b;
}

static size_t count_bans(struct store *s, const char *subject, struct store_ban *out)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_cursor c = { 0 };
	struct store_ban got;
	size_t n = 0, found = 0;
	struct err e;

	OKAY(store_view_open(s, &v));
	while ((e = store_view_ban_next(v, &c, &got)).code == ERR_OK) {
		n++;
		if (strcmp(got.subject, subject) == 0) found++, *out = got;
	}
	REFUSED(ERR_NOT_FOUND, e);
	assert_true(found <= 1);
	return n;
}

static void bans_are_added_listed_and_removed(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct store_ban one = ban(STORE_BAN_SPIFFE_ID, "spiffe://example.org/a"), two = ban(STORE_BAN_CALLER, one.subject);
	struct store_ban got = { 0 }, longest = ban(STORE_BAN_CALLER, "x");

	memset(longest.subject, 'y', STORE_TEXT_MAX);
	longest.subject[STORE_TEXT_MAX] = '\0';
	assert_int_equal(count_bans(f->store, "", &got), 0);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_ban_add(b, &one));
	REFUSED(ERR_ALREADY_EXISTS, store_batch_ban_add(b, &one));
	REFUSED(ERR_NOT_FOUND, store_batch_ban_remove(b, STORE_BAN_KEY, one.subject));
	REFUSED(ERR_NOT_FOUND, store_batch_ban_remove(b, STORE_BAN_SPIFFE_ID, "spiffe://example.org/b"));
	OKAY(store_batch_ban_add(b, &two)); /* the same subject, of another kind */
	OKAY(store_batch_ban_remove(b, STORE_BAN_CALLER, two.subject));
	OKAY(store_batch_ban_add(b, &longest));
	OKAY(store_batch_commit(b));
	fixture_reopen(f);
	assert_int_equal(count_bans(f->store, one.subject, &got), 2);
	assert_int_equal(got.kind, STORE_BAN_SPIFFE_ID);
	assert_int_equal(got.since, one.since);
	assert_string_equal(got.reason, one.reason);
	assert_string_equal(got.by, one.by);
	assert_int_equal(count_bans(f->store, longest.subject, &got), 2);
	assert_string_equal(got.subject, longest.subject);
}

static void bans_out_of_bounds_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct store_ban bad[] = { ban(0, "x"), ban(6, "x"), ban(STORE_BAN_KEY, ""), ban(STORE_BAN_KEY, "x"),
		                   ban(STORE_BAN_KEY, "x"), ban(STORE_BAN_KEY, "x") };

	memset(bad[3].subject, 'a', sizeof(bad[3].subject)); /* texts that do not end */
	memset(bad[4].reason, 'a', sizeof(bad[4].reason));
	memset(bad[5].by, 'a', sizeof(bad[5].by));
	OKAY(store_batch_begin(f->store, &b));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) REFUSED(ERR_INVALID_ARGUMENT, store_batch_ban_add(b, &bad[i]));
	OKAY(store_batch_commit(b));
}

static void statistics_count_what_is_there(void **state)
{
	struct fixture *f = *state;
	struct store_stats st;
	struct store_batch *b;
	struct store_ban one = ban(STORE_BAN_KEY, "00");

	append(f->store, 10);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_ban_add(b, &one));
	OKAY(store_batch_commit(b));
	OKAY(store_stats(f->store, &st));
	assert_int_equal(st.records_first, 0);
	assert_int_equal(st.records_end, 10);
	assert_int_equal(st.index_behind, 10);
	assert_int_equal(st.bans, 1);
	assert_int_equal(st.tokens, 0);
	assert_int_equal(st.map_bytes, 64 << 20);
	assert_true(st.used_bytes >= 10 * 600 && st.used_bytes < 1 << 20);
	catch_up(f->store);
	OKAY(store_stats(f->store, &st));
	assert_int_equal(st.index_behind, 0);
	assert_true(st.index_used_bytes > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(appended_records_are_read_back_with_every_field), TEST_UP(an_empty_store_has_no_records),
		TEST_UP(a_view_does_not_see_what_is_committed_after_it), TEST_UP(an_aborted_batch_leaves_nothing),
		TEST_UP(a_second_batch_at_once_is_refused), TEST_UP(times_may_step_back_and_be_extreme),
		TEST_UP(records_out_of_bounds_are_refused_and_the_batch_goes_on), TEST_UP(the_largest_record_is_kept_whole),
		TEST_DIR(the_directory_must_be_private_and_there), TEST_UP(a_second_user_of_the_directory_is_refused),
		TEST_DIR(a_lock_that_is_a_link_is_not_followed), TEST_UP(other_formats_are_refused_and_left_alone),
		TEST_UP(a_file_that_is_not_ours_is_data_loss), TEST_UP(named_values_are_replaced_and_deleted),
		TEST_UP(names_of_values_are_checked), TEST_UP(bans_are_added_listed_and_removed),
		TEST_UP(bans_out_of_bounds_are_refused), TEST_UP(statistics_count_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
