/* A disk that is full or fails, at every single system call of a commit: what was reported durable is there, what was
 * refused is not, and the store goes on.  LMDB's calls are caught by defining them here. */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "storage/fixture.h"

/* ---- injection: counts the calls; call number `at` and the `more` after it fail ---- */
enum how { FAIL_ENOSPC, FAIL_EIO, FAIL_SHORT, FAIL_DONE /* the first is done and reported as failed */ };
static struct { bool on; enum how how; unsigned calls, at, more; } inject;

static bool fails_now(void)
{
	unsigned n;

	if (!inject.on) return false;
	n = ++inject.calls;
	return n >= inject.at && n - inject.at <= inject.more;
}

static ssize_t failure(void)
{
	errno = inject.how == FAIL_ENOSPC ? ENOSPC : EIO;
	return -1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (!fails_now()) return REAL(pwrite)(fd, data, len, at);
	if (inject.how == FAIL_SHORT && len > 1) return REAL(pwrite)(fd, data, len / 2, at);
	if (inject.how == FAIL_DONE && inject.calls == inject.at) (void)!REAL(pwrite)(fd, data, len, at);
	return failure();
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	return pwrite(fd, data, len, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
	if (!fails_now()) return REAL(pwritev)(fd, iov, n, at);
	if (inject.how == FAIL_SHORT) return REAL(pwritev)(fd, iov, n > 1 ? n - 1 : n, at);
	return failure();
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return fails_now() ? failure() : REAL(writev)(fd, iov, n);
}

ssize_t write(int fd, const void *data, size_t len)
{
	return fails_now() ? failure() : REAL(write)(fd, data, len);
}

int fdatasync(int fd)
{
	return fails_now() ? (int)failure() : REAL(fdatasync)(fd);
}

int fsync(int fd)
{
	return fails_now() ? (int)failure() : REAL(fsync)(fd);
}

/* Is there exactly [0, end), whole? */
static uint64_t end_of(struct store *s)
{
	AUTO(store_view) struct store_view *v = NULL;
	uint64_t first, end;

	OKAY(store_view_open(s, &v));
	OKAY(store_view_range(v, &first, &end));
	assert_int_equal(first, 0);
	return end;
}

/* One commit of `count` records with the injection on.  Returns how many calls it made. */
static unsigned injected_append(struct store *s, uint64_t count, struct err *out)
{
	inject.calls = 0;
	inject.on = true;
	*out = try_append(s, count);
	inject.on = false;
	return inject.calls;
}

static void every_failing_call_of_a_commit_is_survived(void **state)
{
	static const struct { enum how how; unsigned more; uint64_t count; } rows[] = {
		{ FAIL_ENOSPC, 0, 3 }, { FAIL_EIO, 0, 3 },     { FAIL_SHORT, 0, 300 }, { FAIL_ENOSPC, 99, 3 },
		{ FAIL_EIO, 99, 300 }, { FAIL_SHORT, 99, 30 }, { FAIL_EIO, 1, 3 },     { FAIL_EIO, 2, 3 },
		{ FAIL_DONE, 0, 3 },   { FAIL_DONE, 1, 3 },    { FAIL_DONE, 9, 3 },
	};
	struct fixture *f = *state;
	uint64_t end = 0;
	unsigned failed = 0, doubts = 0;

	append(f->store, 10);
	end = 10;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned calls = 1, at = 1;

		for (; calls + 1 >= at; at++) { /* until the whole commit was done before the call that was to fail */
			struct err e;

			inject.how = rows[i].how;
			inject.at = at;
			inject.more = rows[i].more;
			calls = injected_append(f->store, rows[i].count, &e);
			if (e.code == ERR_OK) {
				end += rows[i].count;
			} else if (e.code == ERR_UNKNOWN) { /* whole or not at all */
				doubts++;
				if (end_of(f->store) != end) end += rows[i].count;
			} else {
				failed++;
				assert_true(e.code == ERR_RESOURCE_EXHAUSTED || e.code == ERR_UNAVAILABLE);
			}
			append(f->store, 2); /* goes on at once: and this shows whether anything of it was left */
			end += 2;
			assert_int_equal(end_of(f->store), end);
			if (at > 60) fail_msg("more calls than a commit makes");
		}
		assert_true(at > 3); /* a write, a sync and the header's write at the least: the injection works */
		fixture_reopen(f);
		expect_records(f->store, 0, end);
	}
	assert_true(failed >= 8 && doubts >= 1);
}

/* LMDB wants to be reopened, and a view is in the way: nothing is read or written until it is closed, then all goes on. */
static void a_commit_left_open_by_a_held_view_is_settled_later(void **state)
{
	struct fixture *f = *state;
	AUTO(store_view) struct store_view *held = NULL, *v = NULL;
	struct err e = OK;

	append(f->store, 3);
	OKAY(store_view_open(f->store, &held));
	inject.how = FAIL_EIO;
	inject.more = 99;
	for (inject.at = 1; e.code != ERR_UNKNOWN && inject.at < 20; inject.at++) {
		(void)injected_append(f->store, 3, &e);
		assert_int_not_equal(e.code, ERR_OK);
	}
	assert_int_equal(e.code, ERR_UNKNOWN);
	REFUSED(ERR_UNAVAILABLE, store_view_open(f->store, &v));
	expect_record(held, 2); /* what it sees, it sees */
	store_view_close(MOVE(held));
	append(f->store, 3);
	expect_records(f->store, 0, 6);
}

static unsigned calls_of_an_empty_commit(struct store *s)
{
	struct store_batch *b;

	inject.at = 1000;
	inject.calls = 0;
	inject.on = true;
	OKAY(store_batch_begin(s, &b));
	OKAY(store_batch_commit(b));
	inject.on = false;
	return inject.calls;
}

/* What is seen after a commit of open outcome, or after a process that was killed, may be in the page cache only: whoever
 * reads it in a batch and commits may then answer it. */
static void what_is_seen_is_durable_after_the_next_commit_even_an_empty_one(void **state)
{
	struct fixture *f = *state;
	struct err e = OK;
	uint64_t end = 3;

	append(f->store, 3);
	assert_int_equal(calls_of_an_empty_commit(f->store), 0);
	inject.how = FAIL_DONE;
	inject.more = 99;
	for (unsigned at = 1; at < 20 && end == 3; at++) {
		inject.at = at;
		(void)injected_append(f->store, 3, &e);
		assert_int_not_equal(e.code, ERR_OK);
		end = end_of(f->store);
	}
	assert_int_equal(e.code, ERR_UNKNOWN);
	assert_int_equal(end, 6); /* it is there, but who knows where */
	assert_true(calls_of_an_empty_commit(f->store) >= 3); /* pages, sync, header */
	assert_int_equal(calls_of_an_empty_commit(f->store), 0);
	fixture_reopen(f);
	assert_true(calls_of_an_empty_commit(f->store) >= 3);
	assert_int_equal(calls_of_an_empty_commit(f->store), 0);
	expect_records(f->store, 0, 6);
}

static void the_indexes_survive_a_full_disk(void **state)
{
	static const enum how hows[] = { FAIL_ENOSPC, FAIL_EIO, FAIL_SHORT };
	struct fixture *f = *state;
	struct store_stats st;
	uint64_t behind;

	for (size_t i = 0; i < ARRAY_LEN(hows); i++) {
		for (unsigned at = 1; at < 12; at++) {
			append(f->store, 20);
			inject.how = hows[i];
			inject.at = at;
			inject.more = i == 0 ? 0 : 99;
			inject.calls = 0;
			inject.on = true;
			(void)store_index_catch_up(f->store, 0, &behind).code;
			inject.on = false;
			if (store_index_catch_up(f->store, 0, &behind).code != ERR_OK) catch_up(f->store);
			OKAY(store_stats(f->store, &st));
			assert_int_equal(st.index_behind, 0);
		}
	}
	expect_records(f->store, 0, 20 * 11 * 3);
}

static void a_file_size_limit_is_an_error_and_lifting_it_recovers(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, small;
	struct store_stats st;
	struct err e = OK;
	uint64_t n = 20, behind;

	append(f->store, n);
	OKAY(store_stats(f->store, &st));
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ st.used_bytes + 100000, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	while ((e = try_append(f->store, 20)).code == ERR_OK) n += 20;
	for (int i = 0; i < 5; i++) assert_true(try_append(f->store, 20).code != ERR_OK);
	(void)store_index_catch_up(f->store, 0, &behind).code;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(e.code == ERR_RESOURCE_EXHAUSTED || e.code == ERR_UNAVAILABLE);
	expect_records(f->store, 0, n);
	append(f->store, 50);
	expect_records(f->store, 0, n + 50);
	(void)store_index_catch_up(f->store, 0, &behind).code;
	catch_up(f->store);
	fixture_reopen(f);
	expect_records(f->store, 0, n + 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(every_failing_call_of_a_commit_is_survived), TEST_UP(a_commit_left_open_by_a_held_view_is_settled_later),
		TEST_UP(what_is_seen_is_durable_after_the_next_commit_even_an_empty_one),
		TEST_UP(the_indexes_survive_a_full_disk),
		TEST_UP(a_file_size_limit_is_an_error_and_lifting_it_recovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
