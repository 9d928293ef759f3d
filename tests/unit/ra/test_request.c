/* CreateCertificate over a real server, asked by a raw client; the test plays the keeper. */
#include "ra/bench.h"

static int up(void **state)
{
	return bench_up(state, "trust_domain: example.org\n");
}

static void ask(struct raw *r, uint32_t stream, const char *authorization)
{
	bench_ask(r, stream, (struct asked){ .authorization = authorization });
}

/* ---- tests ---- */

static void test_join_token_gets_a_certificate(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	ask(r, 1, TOKEN);
	assert_true(bench_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_true(bench_hears(b, &b->issues, 1));
	say_issued(b);
	raw_expect(r, 1, 200, ERR_OK, "issued");
	raw_close(r);
}

static const struct {
	const char *name;
	enum wire_token state;
} bad_tokens[] = {
	{ "unknown", TOKEN_UNKNOWN }, { "expired", TOKEN_EXPIRED }, { "revoked", TOKEN_REVOKED },
};

/* The client learns no more from one than from the other. */
static void test_join_tokens_that_are_no_good_read_alike(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);
	uint32_t stream = 1;

	for (size_t i = 0; i < ARRAY_LEN(bad_tokens); i++, stream += 2) {
		ask(r, stream, TOKEN);
		assert_true(bench_hears(b, &b->tokens, (unsigned)i + 1));
		say_token(b, bad_tokens[i].state);
		bench_expect(r, stream, ERR_UNAUTHENTICATED, "request authenticate failure");
	}
	ask(r, stream, TOKEN); /* good when asked, spent for another key when it was to be used */
	assert_true(bench_hears(b, &b->tokens, 4));
	say_token(b, TOKEN_GOOD);
	assert_true(bench_hears(b, &b->issues, 1));
	say_refused(b, REASON_TOKEN);
	bench_expect(r, stream, ERR_UNAUTHENTICATED, "request authenticate failure");
	raw_close(r);
}

static void test_empty_request_with_a_join_token(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	raw_headers(r, 1, 0, (struct raw_request){ .path = REQUEST_PATH, .authorization = TOKEN });
	raw_message(r, 1, NGHTTP2_FLAG_END_STREAM, "");
	raw_send(r);
	assert_true(bench_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_int_equal(raw_answer(r, 1, 3000).grpc, ERR_INVALID_ARGUMENT);
	raw_close(r);
}

static void test_client_that_leaves_while_the_keeper_looks_up_its_token(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	ask(r, 1, TOKEN);
	assert_true(bench_hears(b, &b->tokens, 1));
	raw_close(r);
	assert_true(harness_reaches(&b->h.gone, 1));
	say_token(b, TOKEN_GOOD);
	r = raw_open(&b->h);
	ask(r, 1, TOKEN); /* the front lives, and asked nothing more for who is gone */
	assert_true(bench_hears(b, &b->tokens, 2));
	assert_int_equal(b->issues, 0);
	say_refused(b, REASON_RATE);
	assert_int_equal(raw_answer(r, 1, 3000).grpc, ERR_RESOURCE_EXHAUSTED);
	raw_close(r);
}

static void test_stream_that_is_reset_while_the_keeper_issues(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);
	const uint8_t cancel[4] = { 0, 0, 0, NGHTTP2_CANCEL };

	ask(r, 1, TOKEN);
	assert_true(bench_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_true(bench_hears(b, &b->issues, 1));
	raw_frame(r, NGHTTP2_RST_STREAM, 0, 1, BYTES(cancel, sizeof(cancel)));
	raw_send(r);
	assert_true(harness_reaches(&b->h.gone, 1));
	say_issued(b);
	ask(r, 3, TOKEN);
	assert_true(bench_hears(b, &b->tokens, 2));
	say_token(b, TOKEN_EXPIRED);
	assert_int_equal(raw_answer(r, 3, 3000).grpc, ERR_UNAUTHENTICATED);
	raw_close(r);
}

/* Open requests in every state when the keeper dies: none is answered twice, and all end with the front. */
static void test_keeper_that_dies_with_open_requests(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h), *other = raw_open(&b->h);

	ask(r, 1, TOKEN);
	assert_true(bench_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_true(bench_hears(b, &b->issues, 1));
	ask(r, 3, TOKEN);
	ask(other, 1, TOKEN);
	assert_true(bench_hears(b, &b->tokens, 3));
	raw_close(other);
	assert_true(harness_reaches(&b->h.gone, 1));
	chan_free(MOVE(b->keeper));
	assert_true(harness_reaches(&b->lost, 1));
	raw_close(r);
	assert_true(harness_reaches(&b->h.gone, 3));
}

static const struct {
	const char *name, *authorization;
} strangers[] = {
	{ "nothing", NULL }, { "basic", "Basic eA==" }, { "lower_case", "bearer sgt1_x" },
	{ "not_a_jwt", "Bearer x.y.z" }, { "prefix_alone_is_no_jwt", "Bearer sgt1" },
};

static void test_who_shows_nothing_is_not_authenticated(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);
	uint32_t stream = 1;

	for (size_t i = 0; i < ARRAY_LEN(strangers); i++, stream += 2) {
		ask(r, stream, strangers[i].authorization);
		bench_expect(r, stream, ERR_UNAUTHENTICATED, "request authenticate failure");
	}
	assert_int_equal(b->tokens + b->issues, 0);
	raw_close(r);
}

/* Lines on descriptor 2 while many strangers ask. */
static size_t lines_of(struct bench *b, unsigned requests)
{
	FILE *file = tmpfile();
	int kept = dup(STDERR_FILENO);
	struct raw *r = raw_open(&b->h);
	size_t lines = 0;
	int c;

	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	for (uint32_t i = 0; i < requests; i++) {
		ask(r, 2 * i + 1, "Bearer x.y.z");
		assert_int_equal(raw_answer(r, 2 * i + 1, 3000).grpc, ERR_UNAUTHENTICATED);
	}
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	(void)close(kept);
	rewind(file);
	while ((c = getc(file)) != EOF) lines += c == '\n';
	(void)fclose(file);
	raw_close(r);
	return lines;
}

static void test_strangers_cannot_fill_the_log(void **state)
{
	struct bench *b = *state;
	int64_t from = clock_mono_us();
	size_t lines = lines_of(b, 500), seconds = (size_t)((clock_mono_us() - from) / 1000000) + 2;

	assert_in_range(lines, 1, seconds * (REQUEST_STRANGERS_LOGGED + 1));
	assert_int_equal(atomic_load(&b->h.metrics.value[M_AUTH_FAILURE]), 500); /* counted they are all */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_join_token_gets_a_certificate),
		TEST(test_join_tokens_that_are_no_good_read_alike),
		TEST(test_empty_request_with_a_join_token),
		TEST(test_client_that_leaves_while_the_keeper_looks_up_its_token),
		TEST(test_stream_that_is_reset_while_the_keeper_issues),
		TEST(test_keeper_that_dies_with_open_requests),
		TEST(test_who_shows_nothing_is_not_authenticated),
		TEST(test_strangers_cannot_fill_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
