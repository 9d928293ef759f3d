/* CreateCertificate over a real server, asked by a raw client; the test plays the keeper. */
#include "net_harness.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "conf/load.h"
#include "ra/request.h"

#define ID "spiffe://example.org/vm/one"
#define TOKEN "Bearer sgt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

struct bench {
	struct harness h;
	struct request_service service;
	struct log log;
	struct conf *conf;
	struct chan *keeper;      /* the test's end */
	uint64_t id;              /* of the newest question */
	unsigned tokens, issues;
	atomic_uint done, lost;
};

/* ---- the keeper ---- */

static struct err heard(void *self, struct chan_msg *msg)
{
	struct bench *b = self;

	b->id = 0;
	for (int i = 0; i < 8; i++) b->id = b->id << 8 | msg->payload.data[i];
	b->tokens += msg->type == FRONT_TOKEN;
	b->issues += msg->type == FRONT_ISSUE;
	return OK;
}

static const struct chan_rule keeper_rules[] = {
	{ 0, FRONT_TOKEN, 40, 40, false, heard, 0 },
	{ 0, FRONT_ISSUE, 1, CHAN_PAYLOAD_MAX, false, heard, 0 },
};

static bool keeper_hears(struct bench *b, const unsigned *counter, unsigned want)
{
	for (int i = 0; i < 300 && *counter < want; i++) {
		struct pollfd p = { .fd = chan_fd(b->keeper), .events = POLLIN };
		unsigned frames;

		if (poll(&p, 1, 10) > 0) assert_int_equal(chan_receive(b->keeper, 16, &frames).code, ERR_OK);
	}
	return *counter == want;
}

static void say(struct bench *b, uint16_t type, struct buf *out)
{
	assert_int_equal(chan_put(b->keeper, type, buf_view(out)).code, ERR_OK);
	assert_int_equal(chan_flush(b->keeper).code, ERR_OK);
	buf_free(out);
}

static void say_token(struct bench *b, enum wire_token state)
{
	struct wire_token_state m = { .id = b->id, .state = (uint8_t)state, .spiffe_id = bytes_str(ID), .token_id = bytes_str("t1") };
	struct buf out = { .max = 4096 };

	assert_int_equal(wire_token_put(&out, &m).code, ERR_OK);
	say(b, KEEPER_TOKEN, &out);
}

static void say_refused(struct bench *b, enum keeper_reason reason)
{
	struct wire_refused m = { .id = b->id, .reason = (uint16_t)reason };
	struct buf out = { .max = 64 };

	assert_int_equal(wire_refused_put(&out, &m).code, ERR_OK);
	say(b, KEEPER_REFUSED, &out);
}

/* As much of a certificate as a front looks at. */
static void say_issued(struct bench *b)
{
	static const uint8_t cert[] = { 0x30, 0x0a, 0x30, 0x08, 0xa0, 0x03, 2, 1, 2, 2, 1, 0x55 };
	struct wire_issued m = { .id = b->id, .index = 3, .cert = BYTES(cert, sizeof(cert)) };
	struct buf out = { .max = 4096 };

	assert_int_equal(wire_issued_put(&out, &m).code, ERR_OK);
	say(b, KEEPER_ISSUED, &out);
}

/* ---- the front ---- */

static void on_message(void *ctx, struct call *call, struct bytes message)
{
	request_start(&((struct bench *)ctx)->service, call, message);
}

static void on_gone(void *ctx, struct call *call)
{
	struct bench *b = ctx;

	request_gone(call);
	atomic_fetch_add(&b->h.gone, 1);
}

static void on_lost(void *ctx, struct err why)
{
	(void)why;
	atomic_fetch_add(&((struct bench *)ctx)->lost, 1);
}

static void flush(void *ctx)
{
	struct bench *b = ctx;

	server_flush(b->h.server);
	link_flush(b->service.link);
	server_flush(b->h.server);
}

static void order(void *ctx, unsigned events)
{
	struct bench *b = ctx;
	char what = 0;

	(void)events;
	if (read(b->h.orders[0], &what, 1) == 1 && what == 's') loop_stop(b->h.loop);
}

static void make_service(struct bench *b, int keeper_fd)
{
	struct auth_options auth = { .conf = b->conf, .metrics = &b->h.metrics };
	struct link_events events = { .lost = on_lost, .ctx = b };
	struct wire_roots roots = { .seq = 1, .roots_pem = bytes_str("ROOTS") };
	struct request_service *s = &b->service;
	size_t bad;

	s->conf = b->conf;
	s->log = &b->log;
	s->metrics = &b->h.metrics;
	s->scratch.max = 2 * WIRE_ROOTS_MAX;
	assert_int_equal(auth_new(&auth, &s->auth, &bad).code, ERR_OK);
	assert_int_equal(link_new(b->h.loop, keeper_fd, &b->h.metrics, 64, &s->link).code, ERR_OK);
	link_on(s->link, &events);
	assert_int_equal(key_verifier_new(&s->verifier).code, ERR_OK);
	assert_int_equal(answer_tail_set(&s->tail, &roots).code, ERR_OK);
}

static void make_server(struct bench *b)
{
	static const struct server_header headers[] = { { "authorization", "Bearer " }, { "clusterid", "" }, { NULL, NULL } };
	const struct grpc_method method = { .path = REQUEST_PATH, .ctx = b, .message = on_message, .gone = on_gone };
	struct harness *h = &b->h;
	struct server_options o = { .loop = h->loop, .metrics = &h->metrics, .methods = &method, .method_count = 1, .ctx = b,
		                    .headers = headers, .max_connections = 50, .max_streams = 300, .handshake_ms = 5000 };

	harness_listen(h);
	o.listen_fd = h->listen_fd;
	assert_int_equal(server_new(&o, &h->server).code, ERR_OK);
	assert_int_equal(pipe(h->orders), 0);
	assert_int_equal(watch_new(h->loop, h->orders[0], order, b, &h->watch).code, ERR_OK);
	assert_int_equal(watch_set(h->watch, LOOP_READ).code, ERR_OK);
	loop_on_flush(h->loop, flush, b);
}

static int bench_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct conf_problem problem;
	int fds[2];

	b->log = (struct log){ .level = LOG_INFO, .process = "front" };
	if (conf_parse(bytes_str("trust_domain: example.org\n"), "test", &b->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], keeper_rules, ARRAY_LEN(keeper_rules), b, &b->keeper).code, ERR_OK);
	assert_int_equal(loop_new(&b->h.loop).code, ERR_OK);
	make_service(b, fds[0]);
	make_server(b);
	harness_start(&b->h);
	*state = b;
	return 0;
}

/* In the order of front_finish(). */
static int bench_down(void **state)
{
	struct bench *b = *state;
	struct harness *h = &b->h;

	harness_say(h, 's');
	assert_int_equal(pthread_join(h->thread, NULL), 0);
	server_free(h->server);
	link_free(b->service.link);
	auth_free(b->service.auth);
	key_verifier_free(b->service.verifier);
	answer_tail_free(&b->service.tail);
	buf_free(&b->service.scratch);
	watch_free(h->watch);
	loop_on_flush(h->loop, NULL, NULL);
	loop_free(h->loop);
	chan_free(b->keeper);
	conf_free(b->conf);
	(void)close(h->listen_fd);
	(void)close(h->orders[0]);
	(void)close(h->orders[1]);
	free(b);
	return 0;
}

/* ---- the client ---- */

/* An IstioCertificateRequest with a CSR of a new key: csr = 1. */
static char *csr_request(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509_REQ *req = X509_REQ_new();
	BIO *out = BIO_new(BIO_s_mem());
	char *pem, *text;
	long n;

	assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_REQ(out, req), 1);
	n = BIO_get_mem_data(out, &pem);
	assert_int_equal(asprintf(&text, "\x0a%c%c%.*s", (int)(n & 127) | 128, (int)(n >> 7), (int)n, pem), n + 3);
	BIO_free(out);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return text;
}

static void ask(struct raw *r, uint32_t stream, const char *authorization)
{
	AUTO(heap) char *message = csr_request();

	raw_headers(r, stream, 0, (struct raw_request){ .path = REQUEST_PATH, .authorization = authorization });
	raw_message(r, stream, NGHTTP2_FLAG_END_STREAM, message);
	raw_send(r);
}

static void expect_text(struct raw *r, uint32_t stream, enum err_code code, const char *text)
{
	struct raw_answer a = raw_answer(r, stream, 3000);

	assert_int_equal(a.grpc, code);
	assert_string_equal(a.text, text);
}

/* ---- tests ---- */

static void test_join_token_gets_a_certificate(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	ask(r, 1, TOKEN);
	assert_true(keeper_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_true(keeper_hears(b, &b->issues, 1));
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
		assert_true(keeper_hears(b, &b->tokens, (unsigned)i + 1));
		say_token(b, bad_tokens[i].state);
		expect_text(r, stream, ERR_UNAUTHENTICATED, "request authenticate failure");
	}
	ask(r, stream, TOKEN); /* good when asked, spent for another key when it was to be used */
	assert_true(keeper_hears(b, &b->tokens, 4));
	say_token(b, TOKEN_GOOD);
	assert_true(keeper_hears(b, &b->issues, 1));
	say_refused(b, REASON_TOKEN);
	expect_text(r, stream, ERR_UNAUTHENTICATED, "request authenticate failure");
	raw_close(r);
}

static void test_empty_request_with_a_join_token(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	raw_headers(r, 1, 0, (struct raw_request){ .path = REQUEST_PATH, .authorization = TOKEN });
	raw_message(r, 1, NGHTTP2_FLAG_END_STREAM, "");
	raw_send(r);
	assert_true(keeper_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_int_equal(raw_answer(r, 1, 3000).grpc, ERR_INVALID_ARGUMENT);
	raw_close(r);
}

static void test_client_that_leaves_while_the_keeper_looks_up_its_token(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	ask(r, 1, TOKEN);
	assert_true(keeper_hears(b, &b->tokens, 1));
	raw_close(r);
	assert_true(harness_reaches(&b->h.gone, 1));
	say_token(b, TOKEN_GOOD);
	r = raw_open(&b->h);
	ask(r, 1, TOKEN); /* the front lives, and asked nothing more for who is gone */
	assert_true(keeper_hears(b, &b->tokens, 2));
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
	assert_true(keeper_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_true(keeper_hears(b, &b->issues, 1));
	raw_frame(r, NGHTTP2_RST_STREAM, 0, 1, BYTES(cancel, sizeof(cancel)));
	raw_send(r);
	assert_true(harness_reaches(&b->h.gone, 1));
	say_issued(b);
	ask(r, 3, TOKEN);
	assert_true(keeper_hears(b, &b->tokens, 2));
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
	assert_true(keeper_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	assert_true(keeper_hears(b, &b->issues, 1));
	ask(r, 3, TOKEN);
	ask(other, 1, TOKEN);
	assert_true(keeper_hears(b, &b->tokens, 3));
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
		expect_text(r, stream, ERR_UNAUTHENTICATED, "request authenticate failure");
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, bench_up, bench_down)

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
