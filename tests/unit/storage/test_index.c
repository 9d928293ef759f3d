/* The indexes are believed only when they may be; whatever happens to their files, no record is lost and nothing crashes
 * twice. */
#include <fcntl.h>
#include <lmdb.h>
#include <openssl/evp.h>
#include <signal.h>
#include <sys/wait.h>

#include "storage/fixture.h"

#define COUNT 1500

static uint64_t behind(struct store *s)
{
	struct store_stats st;

	OKAY(store_stats(s, &st));
	return st.index_behind;
}

static struct err count_row(void *ctx, const struct store_record *r)
{
	(void)r;
	(*(uint64_t *)ctx)++;
	return OK;
}

static uint64_t count_of(struct store *s, unsigned id)
{
	char text[64];
	struct store_query q = { .limit = 1000, .after = UINT64_MAX };
	uint64_t found = 0, next;

	snprintf(text, sizeof(text), "spiffe://example.org/ns/a/sa/%u", id);
	q.spiffe_id = bytes_str(text);
	OKAY(store_query(s, &q, count_row, &found, &next));
	return found;
}

/* Open: the indexes must have been built anew, or kept; and then be whole either way. */
static void expect_opened(struct fixture *f, bool kept, uint64_t end, const char *why)
{
	uint64_t left;

	fixture_open(f);
	left = behind(f->store);
	if (left != (kept ? 0 : end)) fail_msg("%s: %lu behind", why, (unsigned long)left);
	expect_range(f->store, 0, end);
	catch_up(f->store);
	assert_int_equal(count_of(f->store, 3), (end - 3 + SAMPLE_IDS - 1) / SAMPLE_IDS);
	assert_int_equal(count_of(f->store, SAMPLE_IDS), 0);
	fixture_close(f);
}

static void fill(struct fixture *f)
{
	fixture_open(f);
	append(f->store, COUNT);
	catch_up(f->store);
	fixture_close(f);
}

/* ---- files ---- */
static void file_read(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	uint8_t *at;

	assert_non_null(file);
	out->max = 64 << 20;
	out->len = 0;
	OKAY(buf_reserve(out, 32 << 20, &at));
	out->len = fread(at, 1, 32 << 20, file);
	fclose(file);
}

static void file_write(const char *path, struct bytes content)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(content.data, 1, content.len, file), content.len);
	assert_int_equal(fclose(file), 0);
}

static void garble(const char *path, size_t at, size_t len)
{
	AUTO(buf) struct buf file = { 0 };

	file_read(path, &file);
	for (size_t i = at; i < at + len && i < file.len; i++) file.data[i] = (uint8_t)(i * 251 + 13);
	file_write(path, buf_view(&file));
}

/* ---- the rule, row by row ---- */
static void a_clean_close_is_believed(void **state)
{
	fill(*state);
	expect_opened(*state, true, COUNT, "clean");
	expect_opened(*state, true, COUNT, "clean again");
}

static void missing_and_damaged_files_are_built_anew(void **state)
{
	enum { REMOVE, TRUNCATE, GARBLE };
	static const struct { const char *name, *file; int what; size_t at, len; bool kept; } rows[] = {
		{ "no index", "index.mdb", REMOVE, 0, 0, false },
		{ "no state", "index.state", REMOVE, 0, 0, false },
		{ "no lock file", "index.mdb-lock", REMOVE, 0, 0, true },
		{ "empty index", "index.mdb", TRUNCATE, 0, 0, false },
		{ "short index", "index.mdb", TRUNCATE, 12288, 0, false },
		{ "empty state", "index.state", TRUNCATE, 0, 0, false },
		{ "short state", "index.state", TRUNCATE, 40, 0, false },
		{ "garbage for headers", "index.mdb", GARBLE, 0, 8192, false },
		{ "garbage for all", "index.mdb", GARBLE, 0, 32 << 20, false },
		{ "garbage after the headers", "index.mdb", GARBLE, 8192, 32 << 20, false },
		{ "one page of garbage", "index.mdb", GARBLE, 5 * 4096, 4096, false },
		{ "one octet", "index.mdb", GARBLE, 7 * 4096 + 99, 1, false },
		{ "busy octet", "index.state", GARBLE, 0, 1, false },
		{ "octet of the state", "index.state", GARBLE, 30, 1, false },
		{ "octet of its sum", "index.state", GARBLE, 120, 1, false },
	};
	struct fixture *f = *state;

	fill(f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *path = fixture_path(f, rows[i].file);

		if (rows[i].what == REMOVE) assert_int_equal(unlink(path), 0);
		if (rows[i].what == TRUNCATE) assert_int_equal(truncate(path, (off_t)rows[i].at), 0);
		if (rows[i].what == GARBLE) garble(path, rows[i].at, rows[i].len);
		expect_opened(f, rows[i].kept, COUNT, rows[i].name);
	}
}

/* A state file as index.c writes it, changed in `at`, with the right sum (docs/protocols/storage.md). */
static void forge_state(const struct fixture *f, size_t at, uint8_t flip)
{
	AUTO(buf) struct buf file = { 0 };

	file_read(fixture_path(f, "index.state"), &file);
	assert_true(file.len > 33 && at < file.len - 32);
	file.data[at] ^= flip;
	assert_int_equal(EVP_Digest(file.data + 1, file.len - 33, file.data + file.len - 32, NULL, EVP_sha256(), NULL), 1);
	file_write(fixture_path(f, "index.state"), buf_view(&file));
}

static void killed(struct fixture *f, void (*work)(struct store *s))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fixture_open(f);
		work(f->store);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void idle(struct store *s)
{
	append(s, 1);
	catch_up(s);
}

static struct err die_row(void *ctx, const struct store_record *r)
{
	(void)ctx, (void)r;
	raise(SIGKILL);
	return OK;
}

static void die_inside(struct store *s)
{
	struct store_query q = { .spiffe_id = bytes_str("spiffe://example.org/ns/a/sa/1"), .limit = 1, .after = UINT64_MAX };
	uint64_t next;

	(void)store_query(s, &q, die_row, NULL, &next).code;
}

#define STATE_FORMAT_AT 1
#define STATE_ID_AT 6
#define STATE_BOOT_AT 24 /* after busy 1, format 4, state 1, id 16, length 2 */

static void who_died_and_how_decides(void **state)
{
	struct fixture *f = *state;

	fill(f);
	killed(f, idle);
	expect_opened(f, true, COUNT + 1, "killed while nobody was inside");
	killed(f, die_inside);
	expect_opened(f, false, COUNT + 1, "killed while somebody was inside");
	killed(f, idle);
	forge_state(f, STATE_BOOT_AT, 1);
	expect_opened(f, false, COUNT + 2, "the machine went down");
	forge_state(f, STATE_BOOT_AT, 1);
	expect_opened(f, true, COUNT + 2, "closed cleanly before the machine went down");
	forge_state(f, STATE_FORMAT_AT + 3, 3);
	expect_opened(f, false, COUNT + 2, "another format");
	forge_state(f, STATE_ID_AT, 1);
	expect_opened(f, false, COUNT + 2, "another directory's");
}

/* Well-formed for LMDB, nonsense for us. */
static void put_nonsense(const struct fixture *f, const char *db, struct bytes key)
{
	MDB_val k = { key.len, (void *)key.data }, v = { 3, "abc" };
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, fixture_path(f, "index.mdb"), MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void nonsense_in_an_index_changes_no_answer(void **state)
{
	static const uint8_t first_tile[8];
	struct fixture *f = *state;
	struct store_query q = { .limit = 1000, .after = UINT64_MAX, .issued_from = 1, .issued_to = (SAMPLE_TIME + 300) * 1000 };
	uint64_t found = 0, next;

	fill(f);
	killed(f, idle); /* so that no hash is asked for */
	put_nonsense(f, "tiles", BYTES(first_tile, sizeof(first_tile)));
	fixture_open(f);
	assert_int_equal(behind(f->store), 0);
	OKAY(store_query(f->store, &q, count_row, &found, &next));
	assert_int_equal(found, 300);
	fixture_close(f); /* and it is not believed again */
	expect_opened(f, false, COUNT + 1, "it was found out");

	killed(f, idle);
	put_nonsense(f, "meta", bytes_str("mark"));
	expect_opened(f, false, COUNT + 2, "no mark");
}

/* The records are put back from a backup, the index is not. */
static void an_index_of_other_records_is_not_believed(void **state)
{
	struct fixture *f = *state;
	AUTO(buf) struct buf backup = { 0 }, index = { 0 }, index_state = { 0 };
	struct store_batch *b;
	struct sample x;

	fixture_open(f);
	append(f->store, 100);
	catch_up(f->store);
	fixture_close(f);
	file_read(fixture_path(f, "records.mdb"), &backup);
	fixture_open(f);
	append(f->store, 100);
	catch_up(f->store);
	fixture_close(f);
	file_read(fixture_path(f, "index.mdb"), &index);
	file_read(fixture_path(f, "index.state"), &index_state);

	file_write(fixture_path(f, "records.mdb"), buf_view(&backup));
	expect_opened(f, false, 100, "fewer records than indexed");
	fixture_open(f);
	OKAY(store_batch_begin(f->store, &b));
	for (uint64_t i = 100; i < 250; i++) OKAY(store_batch_append(b, sample(&x, i + 7)));
	OKAY(store_batch_commit(b));
	fixture_close(f);
	file_write(fixture_path(f, "index.mdb"), buf_view(&index));
	file_write(fixture_path(f, "index.state"), buf_view(&index_state));
	fixture_open(f);
	assert_int_equal(behind(f->store), 250);
	catch_up(f->store);
	assert_int_equal(count_of(f->store, 3), 10 + 15);
}

/* Garbage under a running process: LMDB may crash on it.  That is the only loss, and only once. */
static void garbage_under_a_running_store_costs_one_crash_at_most(void **state)
{
	static const struct { size_t from, len; } rows[] = {
		{ 0, 8192 }, { 2 * 4096, 64 << 10 }, { 4 * 4096, 4096 }, { 8192, 1 << 20 }, { 9 * 4096, 100 },
	};
	struct fixture *f = *state;
	uint64_t end = COUNT;

	fill(f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			static uint8_t junk[1 << 20];
			uint64_t left;
			int fd;

			signal(SIGABRT, SIG_DFL);
			signal(SIGSEGV, SIG_DFL);
			fixture_open(f);
			catch_up(f->store);
			for (size_t k = 0; k < sizeof(junk); k++) junk[k] = (uint8_t)(k * 197 + i);
			fd = open(fixture_path(f, "index.mdb"), O_RDWR);
			if (fd < 0 || pwrite(fd, junk, rows[i].len, (off_t)rows[i].from) != (ssize_t)rows[i].len) _exit(9);
			if (try_append(f->store, 50).code != ERR_OK) _exit(8); /* durable before the index is asked */
			(void)count_of(f->store, 1);
			for (int k = 0; k < 3; k++) (void)store_index_catch_up(f->store, 0, &left).code;
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) assert_true(WEXITSTATUS(status) < 8);
		end += 50;
		fixture_open(f);
		expect_records(f->store, 0, end);
		catch_up(f->store);
		assert_int_equal(count_of(f->store, 3), end / SAMPLE_IDS);
		fixture_close(f);
	}
}

static void a_hundred_thousand_records(void **state)
{
	struct fixture *f = *state;
	struct store_stats before, after;
	struct store_batch *b;
	uint64_t dropped, end = 100000;

	fixture_open(f);
	for (uint64_t i = 0; i < end; i += 500) append(f->store, 500);
	catch_up(f->store);
	assert_int_equal(count_of(f->store, 3), 1000); /* the limit of one page */
	OKAY(store_stats(f->store, &before));

	/* Retention leaves mostly entries of dropped records: then the indexes are built anew, and small. */
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_retain(b, INT64_MAX, 350, &dropped));
	assert_int_equal(dropped, 350 * STORE_TILE);
	OKAY(store_batch_commit(b));
	catch_up(f->store);
	OKAY(store_stats(f->store, &after));
	assert_true(after.index_used_bytes < before.index_used_bytes / 4);
	assert_int_equal(count_of(f->store, 3), 1000);
	expect_records(f->store, dropped, end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_DIR(a_clean_close_is_believed), TEST_DIR(missing_and_damaged_files_are_built_anew),
		TEST_DIR(who_died_and_how_decides), TEST_DIR(nonsense_in_an_index_changes_no_answer), TEST_DIR(an_index_of_other_records_is_not_believed),
		TEST_DIR(garbage_under_a_running_store_costs_one_crash_at_most), TEST_DIR(a_hundred_thousand_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
