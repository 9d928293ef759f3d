/* Killed at each point of a batch: what was committed is there, what was not is gone, and the directory opens at once. */
#include <signal.h>
#include <sys/wait.h>

#include "storage/fixture.h"

struct plan { const char *point; unsigned at; unsigned seen; };

static void kill_at(const char *point, void *ctx)
{
	struct plan *p = ctx;

	if (strcmp(point, p->point) == 0 && ++p->seen == p->at) raise(SIGKILL);
}

/* In a child: open, commit batches of 10, catch up after each; killed by the hook. */
static void run_and_die(struct fixture *f, struct plan plan)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		uint64_t behind;

		f->options.at_point = kill_at;
		f->options.at_point_ctx = &plan;
		f->options.dir = f->dir;
		if (store_open(&f->options, &f->store).code != ERR_OK) _exit(2);
		for (int i = 0; i < 10; i++) {
			if (try_append(f->store, 10).code != ERR_OK) _exit(3);
			if (store_index_catch_up(f->store, 0, &behind).code != ERR_OK) _exit(4);
		}
		_exit(5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status)) fail_msg("the child was not killed: %d", WEXITSTATUS(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static struct err count_row(void *ctx, const struct store_record *r)
{
	(void)r;
	(*(uint64_t *)ctx)++;
	return OK;
}

/* By the index: as many of one SPIFFE ID as there must be. */
static void expect_indexed(struct store *s, uint64_t end)
{
	struct store_query q = { .spiffe_id = bytes_str("spiffe://example.org/ns/a/sa/0"), .limit = 1000, .after = UINT64_MAX };
	uint64_t found = 0, next;

	catch_up(s);
	OKAY(store_query(s, &q, count_row, &found, &next));
	assert_int_equal(found, (end + SAMPLE_IDS - 1) / SAMPLE_IDS);
}

static void killed_at_each_point(void **state)
{
	static const struct { struct plan plan; uint64_t committed; } rows[] = {
		{ { "before-commit", 1, 0 }, 0 },  { { "after-commit", 1, 0 }, 10 }, { { "before-commit", 3, 0 }, 20 },
		{ { "after-commit", 3, 0 }, 30 },  { { "before-index", 1, 0 }, 10 }, { { "before-index", 2, 0 }, 20 },
		{ { "after-commit", 10, 0 }, 100 },
	};
	struct fixture *f = *state;
	uint64_t end = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct store_options plain = f->options;

		run_and_die(f, rows[i].plan);
		end += rows[i].committed;
		f->options = plain;
		fixture_open(f);
		expect_records(f->store, 0, end);
		expect_indexed(f->store, end);
		append(f->store, 1); /* and it goes on */
		end++;
		expect_records(f->store, 0, end);
		fixture_close(f);
	}
}

static void killed_in_the_middle_of_a_batch(void **state)
{
	struct fixture *f = *state;
	struct store_batch *b;
	struct sample x;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fixture_open(f);
		append(f->store, 7);
		OKAY(store_batch_begin(f->store, &b));
		for (int i = 0; i < 5000; i++) OKAY(store_batch_append(b, sample(&x, 0)));
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fixture_open(f);
	expect_records(f->store, 0, 7);
}

static void a_token_spent_in_a_batch_that_died_is_unspent(void **state)
{
	static const struct { const char *point; bool spent; } rows[] = { { "before-commit", false }, { "after-commit", true } };
	struct fixture *f = *state;
	struct store_token t = { .id = "0123456789abcdef0123456789abcdef", .created = 1, .expires = 9000 };
	struct store_spend x = { .now = 5 };
	struct store_batch *b;
	struct sample r;
	uint64_t earlier;

	fixture_open(f);
	OKAY(store_batch_begin(f->store, &b));
	OKAY(store_batch_token_add(b, &t));
	OKAY(store_batch_commit(b));
	fixture_close(f);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(store_view) struct store_view *v = NULL;
		struct plan plan = { rows[i].point, 1, 0 };
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			f->options.at_point = kill_at;
			f->options.at_point_ctx = &plan;
			fixture_open(f);
			OKAY(store_batch_begin(f->store, &b));
			x.index = store_batch_next(b);
			OKAY(store_batch_token_spend(b, &x, &earlier));
			OKAY(store_batch_append(b, sample(&r, 0)));
			(void)store_batch_commit(b).code;
			_exit(1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		fixture_open(f);
		OKAY(store_view_open(f->store, &v));
		OKAY(store_view_token(v, t.hash, &t));
		assert_int_equal(t.spent, rows[i].spent);
		expect_range(f->store, 0, rows[i].spent ? 1 : 0);
		store_view_close(MOVE(v));
		fixture_close(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_DIR(killed_at_each_point), TEST_DIR(killed_in_the_middle_of_a_batch),
		TEST_DIR(a_token_spent_in_a_batch_that_died_is_unspent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
