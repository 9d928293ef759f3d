/* A store in a directory of its own under $TMPDIR, and records to put in it. */
#ifndef SIGNET_TESTS_STORAGE_FIXTURE_H
#define SIGNET_TESTS_STORAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "storage/query.h"

#define OKAY(call) expect_code((call), ERR_OK, #call, __LINE__)
#define REFUSED(want, call) expect_code((call), (want), #call, __LINE__)

static inline void expect_code(struct err e, enum err_code want, const char *what, int line)
{
	if (e.code != want)
		fail_msg("line %d: %s: %s (%s, cause %lu), not %s", line, what, err_code_name(e.code), e.reason, e.cause,
		         err_code_name(want));
}

struct fixture {
	char dir[256];
	struct store_options options;
	struct store *store;
};

static inline void fixture_open(struct fixture *f)
{
	f->options.dir = f->dir;
	OKAY(store_open(&f->options, &f->store));
}

static inline void fixture_close(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

static inline void fixture_reopen(struct fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

static inline int fixture_dir(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%s/signet-storage-XXXXXX", tmp != NULL ? tmp : "/tmp");
	*state = f;
	return mkdtemp(f->dir) == NULL;
}

static inline int fixture_up(void **state)
{
	if (fixture_dir(state) != 0) return 1;
	fixture_open(*state);
	return 0;
}

static inline const char *fixture_path(const struct fixture *f, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return path;
}

static inline int fixture_down(void **state)
{
	static const char *const files[] = { "lock", "records.mdb", "records.mdb-lock", "index.mdb", "index.mdb-lock",
	                                     "index.state", "link" };
	struct fixture *f = *state;

	store_close(f->store);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) (void)unlink(fixture_path(f, files[i]));
	if (rmdir(f->dir) != 0) fail_msg("%s: something else was left in it", f->dir);
	free(f);
	return 0;
}

/* Record number n of a test: each field differs with n; serial and SPIFFE ID are a function of it. */
struct sample {
	struct store_record r;
	uint8_t serial[16];
	char spiffe_id[64];
	uint8_t cert[600];
};

#define SAMPLE_IDS 10     /* number n has SPIFFE ID n % 10 */
#define SAMPLE_TIME 1000  /* seconds: of issuance of number 0; one second each; valid for 100 */

static inline struct store_record *sample(struct sample *s, uint64_t n)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < 8; i++) s->serial[15 - i] = (uint8_t)(n >> (8 * i));
	s->serial[0] = 0x42;
	snprintf(s->spiffe_id, sizeof(s->spiffe_id), "spiffe://example.org/ns/a/sa/%u", (unsigned)(n % SAMPLE_IDS));
	memset(s->cert, (int)(n & 0xff), sizeof(s->cert));
	memset(s->r.key_hash, (int)(n >> 8 & 0xff), sizeof(s->r.key_hash));
	s->r.time_ms = (int64_t)(SAMPLE_TIME + n) * 1000;
	s->r.not_before = SAMPLE_TIME + (int64_t)n;
	s->r.not_after = SAMPLE_TIME + (int64_t)n + 100;
	s->r.serial = BYTES(s->serial, sizeof(s->serial));
	s->r.spiffe_id = bytes_str(s->spiffe_id);
	s->r.caller = bytes_str("jwt:system:serviceaccount:a:b");
	s->r.rule = bytes_str("workloads");
	s->r.issuer = bytes_str("default");
	s->r.evidence = STORE_BY_JWT;
	s->r.root_seq = 7;
	s->r.cert = BYTES(s->cert, sizeof(s->cert));
	return &s->r;
}

/* Append `count` records in one batch, with the numbers of their indexes. */
static inline struct err try_append(struct store *s, uint64_t count)
{
	struct store_batch *b;
	struct sample x;

	TRY(store_batch_begin(s, &b));
	for (uint64_t i = 0; i < count; i++) {
		struct err e = store_batch_append(b, sample(&x, store_batch_next(b)));

		if (e.code == ERR_OK) continue;
		store_batch_abort(b);
		return e;
	}
	return store_batch_commit(b);
}

static inline void append(struct store *s, uint64_t count)
{
	OKAY(try_append(s, count));
}

static inline void expect_range(struct store *s, uint64_t first, uint64_t end)
{
	AUTO(store_view) struct store_view *v = NULL;
	uint64_t got_first, got_end;

	OKAY(store_view_open(s, &v));
	OKAY(store_view_range(v, &got_first, &got_end));
	assert_int_equal(got_first, first);
	assert_int_equal(got_end, end);
}

static inline void expect_record(struct store_view *v, uint64_t n)
{
	struct store_record got;
	struct sample x;
	const struct store_record *r = sample(&x, n);

	OKAY(store_view_record(v, n, &got));
	assert_int_equal(got.index, n);
	assert_int_equal(got.time_ms, r->time_ms);
	assert_int_equal(got.not_before, r->not_before);
	assert_int_equal(got.not_after, r->not_after);
	assert_int_equal(got.root_seq, r->root_seq);
	assert_int_equal(got.evidence, r->evidence);
	assert_memory_equal(got.key_hash, r->key_hash, STORE_HASH_LEN);
	assert_memory_equal(got.evidence_hash, r->evidence_hash, STORE_HASH_LEN);
	assert_true(bytes_equal(got.serial, r->serial));
	assert_true(bytes_equal(got.spiffe_id, r->spiffe_id));
	assert_true(bytes_equal(got.caller, r->caller));
	assert_true(bytes_equal(got.rule, r->rule));
	assert_true(bytes_equal(got.issuer, r->issuer));
	assert_true(bytes_equal(got.cert, r->cert));
}

static inline void expect_records(struct store *s, uint64_t first, uint64_t end)
{
	AUTO(store_view) struct store_view *v = NULL;

	expect_range(s, first, end);
	OKAY(store_view_open(s, &v));
	for (uint64_t i = first; i < end; i++) expect_record(v, i);
}

static inline void catch_up(struct store *s)
{
	uint64_t behind = 1;

	OKAY(store_index_catch_up(s, 0, &behind));
	assert_int_equal(behind, 0);
}

#define TEST_UP(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
#define TEST_DIR(f) cmocka_unit_test_setup_teardown(f, fixture_dir, fixture_down)

#endif
