/* bench.h: CreateCertificate over a real server whose loop has a thread of its own, asked by a raw client; the test plays the
 * keeper and the courier. */
#ifndef SIGNET_TESTS_RA_BENCH_H
#define SIGNET_TESTS_RA_BENCH_H

#include "net_harness.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "conf/load.h"
#include "ra/request.h"

#define ID "spiffe://example.org/vm/one"
#define TOKEN "Bearer sgt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PATIENCE_MS 20000 /* for what will happen; the machine may be slow */

struct bench {
	struct harness h;
	struct request_service service;
	struct log log;
	struct conf *conf;
	struct chan *keeper, *courier; /* the test's ends */
	uint64_t id;                   /* of the newest question to the keeper */
	unsigned tokens, issues;       /* questions to the keeper */
	unsigned hellos, reviews, nodes, looks; /* to the courier */
	struct buf heard;              /* the newest question to the courier; the keeper's newest FRONT_ISSUE */
	struct buf issue;
	int courier_fd;                /* for the loop to take */
	_Atomic unsigned done, lost, channels, keys;
};

/* ---- keeper and courier ---- */

static inline struct err bench_keeper_heard(void *self, struct chan_msg *msg)
{
	struct bench *b = self;

	b->id = 0;
	for (int i = 0; i < 8; i++) b->id = b->id << 8 | msg->payload.data[i];
	b->tokens += msg->type == FRONT_TOKEN;
	b->issues += msg->type == FRONT_ISSUE;
	b->issue.len = 0;
	return buf_put(&b->issue, msg->payload.data, msg->payload.len);
}

static const struct chan_rule bench_keeper_rules[] = {
	{ 0, FRONT_TOKEN, 40, 40, false, bench_keeper_heard, 0 },
	{ 0, FRONT_ISSUE, 1, CHAN_PAYLOAD_MAX, false, bench_keeper_heard, 0 },
};

static inline struct err bench_courier_heard(void *self, struct chan_msg *msg)
{
	struct bench *b = self;

	b->hellos += msg->type == ASK_HELLO;
	b->reviews += msg->type == ASK_REVIEW;
	b->nodes += msg->type == ASK_NODE;
	b->looks += msg->type == ASK_KEYS;
	b->heard.len = 0;
	return buf_put(&b->heard, msg->payload.data, msg->payload.len);
}

static const struct chan_rule bench_courier_rules[] = {
	{ 0, ASK_HELLO, 4, 4, false, bench_courier_heard, 0 },
	{ 0, ASK_REVIEW, 1, CHAN_PAYLOAD_MAX, false, bench_courier_heard, 0 },
	{ 0, ASK_NODE, 1, CHAN_PAYLOAD_MAX, false, bench_courier_heard, 0 },
	{ 0, ASK_KEYS, 9, 9, false, bench_courier_heard, 0 },
};

static inline void bench_listen(struct chan *c)
{
	struct pollfd p = { .fd = c == NULL ? -1 : chan_fd(c), .events = POLLIN };
	unsigned frames;

	if (poll(&p, 1, 5) > 0) assert_int_equal(chan_receive(c, 16, &frames).code, ERR_OK);
}

static inline bool bench_hears(struct bench *b, const unsigned *counter, unsigned want)
{
	int64_t until = clock_mono_us() + PATIENCE_MS * INT64_C(1000);

	while (*counter < want && clock_mono_us() < until) {
		bench_listen(b->keeper);
		bench_listen(b->courier);
	}
	return *counter == want;
}

static inline void bench_say(struct chan *to, uint16_t type, struct buf *out)
{
	assert_int_equal(chan_put(to, type, buf_view(out)).code, ERR_OK);
	assert_int_equal(chan_flush(to).code, ERR_OK);
	buf_free(out);
}

static inline void say_token(struct bench *b, enum wire_token state)
{
	struct wire_token_state m = { .id = b->id, .state = (uint8_t)state, .spiffe_id = bytes_str(ID), .token_id = bytes_str("t1") };
	struct buf out = { .max = 4096 };

	assert_int_equal(wire_token_put(&out, &m).code, ERR_OK);
	bench_say(b->keeper, KEEPER_TOKEN, &out);
}

static inline void say_refused(struct bench *b, enum keeper_reason reason)
{
	struct wire_refused m = { .id = b->id, .reason = (uint16_t)reason };
	struct buf out = { .max = 64 };

	assert_int_equal(wire_refused_put(&out, &m).code, ERR_OK);
	bench_say(b->keeper, KEEPER_REFUSED, &out);
}

/* As much of a certificate as a front looks at. */
static inline void say_issued(struct bench *b)
{
	static const uint8_t cert[] = { 0x30, 0x0a, 0x30, 0x08, 0xa0, 0x03, 2, 1, 2, 2, 1, 0x55 };
	struct wire_issued m = { .id = b->id, .index = 3, .cert = BYTES(cert, sizeof(cert)) };
	struct buf out = { .max = 4096 };

	assert_int_equal(wire_issued_put(&out, &m).code, ERR_OK);
	bench_say(b->keeper, KEEPER_ISSUED, &out);
}

/* ---- the front ---- */

static inline void bench_on_message(void *ctx, struct call *call, struct bytes message)
{
	request_start(&((struct bench *)ctx)->service, call, message);
}

static inline void bench_on_gone(void *ctx, struct call *call)
{
	struct bench *b = ctx;

	request_gone(call);
	atomic_fetch_add(&b->h.gone, 1);
}

static inline void bench_on_lost(void *ctx, struct err why)
{
	(void)why;
	atomic_fetch_add(&((struct bench *)ctx)->lost, 1);
}

static inline void bench_on_keys(void *ctx, unsigned issuer, struct bytes jwks)
{
	struct bench *b = ctx;

	(void)auth_set_keys(b->service.auth, issuer, jwks).code;
	atomic_fetch_add(&b->keys, 1);
}

/* As in front.c. */
static inline void bench_flush(void *ctx)
{
	struct bench *b = ctx;

	server_flush(b->h.server);
	desk_flush(b->service.desk);
	link_flush(b->service.link);
	server_flush(b->h.server);
}

static inline void bench_order(void *ctx, unsigned events)
{
	struct bench *b = ctx;
	char what = 0;

	(void)events;
	if (read(b->h.orders[0], &what, 1) != 1) return;
	if (what == 's') loop_stop(b->h.loop);
	if (what == 'c') {
		if (desk_channel(b->service.desk, b->courier_fd).code != ERR_OK) abort();
		atomic_fetch_add(&b->channels, 1);
	}
}

/* The monitor brings a channel to a new courier. */
static inline void bench_courier_up(struct bench *b)
{
	unsigned before = atomic_load(&b->channels);
	int fds[2];

	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], bench_courier_rules, ARRAY_LEN(bench_courier_rules), b, &b->courier).code, ERR_OK);
	b->courier_fd = fds[0];
	harness_say(&b->h, 'c');
	assert_true(harness_reaches(&b->channels, before + 1));
	assert_true(bench_hears(b, &b->hellos, b->hellos + 1));
}

static inline void bench_courier_dies(struct bench *b)
{
	chan_free(MOVE(b->courier));
}

static inline void bench_make_service(struct bench *b, int keeper_fd)
{
	struct bytes no_keys[CONF_ISSUERS_MAX];
	struct auth_options auth = { .conf = b->conf, .metrics = &b->h.metrics, .jwks = no_keys };
	struct link_events events = { .lost = bench_on_lost, .ctx = b };
	struct wire_roots roots = { .seq = 1, .roots_pem = bytes_str("ROOTS") };
	struct request_service *s = &b->service;
	const struct desk_options desk = { .loop = b->h.loop, .conf = b->conf, .log = &b->log, .metrics = &b->h.metrics,
		                           .wait_ms = PATIENCE_MS, .keys = bench_on_keys, .ctx = b };
	size_t bad;

	for (size_t i = 0; i < CONF_ISSUERS_MAX; i++) no_keys[i] = bytes_str("{\"keys\":[]}");
	s->conf = b->conf;
	s->log = &b->log;
	s->metrics = &b->h.metrics;
	s->told = (struct limits_told){ .log = s->log, .metrics = s->metrics };
	assert_int_equal(rates_new(b->conf->listen.rate_per_identity, &s->rates).code, ERR_OK);
	s->scratch.max = 2 * WIRE_ROOTS_MAX;
	assert_int_equal(auth_new(&auth, &s->auth, &bad).code, ERR_OK);
	assert_int_equal(desk_new(&desk, &s->desk).code, ERR_OK);
	assert_int_equal(link_new(b->h.loop, keeper_fd, &b->h.metrics, 64, &s->link).code, ERR_OK);
	link_on(s->link, &events);
	assert_int_equal(key_verifier_new(&s->verifier).code, ERR_OK);
	assert_int_equal(answer_tail_set(&s->tail, &roots).code, ERR_OK);
}

static inline void bench_make_server(struct bench *b)
{
	static const struct server_header headers[] = { { "authorization", "Bearer " }, { "clusterid", "" }, { NULL, NULL } };
	const struct grpc_method method = { .path = REQUEST_PATH, .ctx = b, .message = bench_on_message, .gone = bench_on_gone };
	struct harness *h = &b->h;
	struct server_options o = { .loop = h->loop, .metrics = &h->metrics, .methods = &method, .method_count = 1, .ctx = b,
		                    .headers = headers, .max_connections = 50, .max_streams = 300, .handshake_ms = PATIENCE_MS };

	harness_listen(h);
	o.listen_fd = h->listen_fd;
	assert_int_equal(server_new(&o, &h->server).code, ERR_OK);
	assert_int_equal(pipe(h->orders), 0);
	assert_int_equal(watch_new(h->loop, h->orders[0], bench_order, b, &h->watch).code, ERR_OK);
	assert_int_equal(watch_set(h->watch, LOOP_READ).code, ERR_OK);
	loop_on_flush(h->loop, bench_flush, b);
}

static inline int bench_up(void **state, const char *yaml)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct conf_problem problem;
	int fds[2];

	b->log = (struct log){ .level = LOG_INFO, .process = "front" };
	b->heard.max = b->issue.max = CHAN_PAYLOAD_MAX;
	if (conf_parse(bytes_str(yaml), "test", &b->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], bench_keeper_rules, ARRAY_LEN(bench_keeper_rules), b, &b->keeper).code, ERR_OK);
	assert_int_equal(loop_new(&b->h.loop).code, ERR_OK);
	bench_make_service(b, fds[0]);
	bench_make_server(b);
	harness_start(&b->h);
	*state = b;
	return 0;
}

/* In the order of front_finish(). */
static inline int bench_down(void **state)
{
	struct bench *b = *state;
	struct harness *h = &b->h;

	harness_say(h, 's');
	assert_int_equal(pthread_join(h->thread, NULL), 0);
	server_free(h->server);
	desk_free(b->service.desk);
	link_free(b->service.link);
	auth_free(b->service.auth);
	key_verifier_free(b->service.verifier);
	rates_free(b->service.rates);
	answer_tail_free(&b->service.tail);
	buf_free(&b->service.scratch);
	watch_free(h->watch);
	loop_on_flush(h->loop, NULL, NULL);
	loop_free(h->loop);
	chan_free(b->keeper);
	chan_free(b->courier);
	buf_free(&b->heard);
	buf_free(&b->issue);
	conf_free(b->conf);
	(void)close(h->listen_fd);
	(void)close(h->orders[0]);
	(void)close(h->orders[1]);
	free(b);
	return 0;
}

/* ---- the client ---- */

/* An IstioCertificateRequest with a CSR of a new key: csr = 1.  No octet of it is 0. */
static inline char *csr_request(void)
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

struct asked { const char *authorization, *cluster, *impersonate, *csr; }; /* csr: instead of a good one */

/* metadata = 4: a google.protobuf.Struct with ImpersonatedIdentity; an ID short enough for lengths of one octet. */
static inline char *with_metadata(const char *message, const char *impersonate)
{
	static const char key[] = "ImpersonatedIdentity";
	int n = (int)strlen(impersonate), value = n + 2, entry = 2 + (int)sizeof(key) - 1 + 2 + value;
	char *text;

	assert_true(entry + 2 < 128);
	assert_true(asprintf(&text, "%s\x22%c\x0a%c\x0a%c%s\x12%c\x1a%c%s", message, entry + 2, entry, (int)sizeof(key) - 1, key, value,
	                     n, impersonate) > 0);
	return text;
}

static inline void bench_ask(struct raw *r, uint32_t stream, struct asked q)
{
	AUTO(heap) char *message = q.csr == NULL ? csr_request() : strdup(q.csr);

	if (q.impersonate != NULL) {
		char *more = with_metadata(message, q.impersonate);

		free(message);
		message = more;
	}
	raw_headers(r, stream, 0, (struct raw_request){ .path = REQUEST_PATH, .authorization = q.authorization, .cluster = q.cluster });
	raw_message(r, stream, NGHTTP2_FLAG_END_STREAM, message);
	raw_send(r);
}

static inline void bench_expect(struct raw *r, uint32_t stream, enum err_code code, const char *text)
{
	struct raw_answer a = raw_answer(r, stream, PATIENCE_MS);

	assert_int_equal(a.grpc, code);
	assert_string_equal(a.text, text);
}

#endif
