/* net_harness.h: a server of net/ in a thread of its own, and a raw HTTP/2 client that may say anything. */
#ifndef SIGNET_TESTS_NET_HARNESS_H
#define SIGNET_TESTS_NET_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/internal.h"

struct harness {
	struct loop *loop;
	struct server *server;
	struct watch *watch;
	struct timer *later;
	struct call *waiting;      /* of "/t/Later", answered by the timer */
	pthread_t thread;
	int listen_fd, orders[2];
	uint16_t port;
	struct metrics metrics;
	_Atomic unsigned messages, gone, ends, conns_gone, limits[LIMIT_COUNT];
	char peer[64];             /* of the last call */
	uint8_t peer_cert[4096];
	size_t peer_cert_len, authorizations;
	char authorization[64];
};

static inline void harness_unary(void *ctx, struct call *call, struct bytes message)
{
	struct harness *h = ctx;
	struct bytes cert = call_peer_cert(call), auth = call_header(call, "authorization", &h->authorizations);

	(void)snprintf(h->peer, sizeof(h->peer), "%s", call_peer_address(call));
	(void)snprintf(h->authorization, sizeof(h->authorization), "%.*s", (int)auth.len, (const char *)auth.data);
	h->peer_cert_len = cert.len;
	if (cert.len > 0) memcpy(h->peer_cert, cert.data, cert.len < sizeof(h->peer_cert) ? cert.len : sizeof(h->peer_cert));
	conn_set_user(call, h);
	atomic_fetch_add(&h->messages, 1);
	if (bytes_is(message, "hang")) return;
	if (bytes_is(message, "fail")) call_finish(call, ERR_PERMISSION_DENIED, "100 % no");
	else if (call_reply(call, message).code != ERR_OK) call_finish(call, ERR_RESOURCE_EXHAUSTED, NULL);
}

static inline void harness_later(void *ctx, struct call *call, struct bytes message)
{
	struct harness *h = ctx;

	(void)message;
	atomic_fetch_add(&h->messages, 1);
	h->waiting = call;
	(void)timer_start(h->later, 200);
}

static inline void harness_later_fires(void *ctx)
{
	struct harness *h = ctx;

	if (h->waiting != NULL) assert_int_equal(call_reply(h->waiting, bytes_str("late")).code, ERR_OK);
	h->waiting = NULL;
}

/* Answers a megabyte less a little. */
static inline void harness_big(void *ctx, struct call *call, struct bytes message)
{
	static const uint8_t zeros[1000 * 1000];
	struct harness *h = ctx;

	(void)message;
	atomic_fetch_add(&h->messages, 1);
	assert_int_equal(call_reply(call, BYTES(zeros, sizeof(zeros))).code, ERR_OK);
}

static inline void harness_stream(void *ctx, struct call *call, struct bytes message)
{
	struct harness *h = ctx;

	atomic_fetch_add(&h->messages, 1);
	if (bytes_is(message, "stop")) {
		call_finish(call, ERR_ABORTED, "stopped");
		return;
	}
	if (call_send(call, message).code != ERR_OK) call_finish(call, ERR_RESOURCE_EXHAUSTED, NULL);
}

static inline void harness_end(void *ctx, struct call *call)
{
	struct harness *h = ctx;

	atomic_fetch_add(&h->ends, 1);
	call_finish(call, ERR_OK, NULL);
}

static inline void harness_gone(void *ctx, struct call *call)
{
	struct harness *h = ctx;

	if (h->waiting == call) h->waiting = NULL;
	atomic_fetch_add(&h->gone, 1);
}

static inline void harness_conn_gone(void *ctx, void *user)
{
	struct harness *h = ctx;

	if (user != h) abort();
	atomic_fetch_add(&h->conns_gone, 1);
}

static inline void harness_flush(void *ctx)
{
	struct harness *h = ctx;

	server_flush(h->server);
}

static inline void harness_order(void *ctx, unsigned events)
{
	struct harness *h = ctx;
	char order = 0;

	(void)events;
	if (read(h->orders[0], &order, 1) != 1) return;
	if (order == 'd') server_drain(h->server);
	if (order == 's') loop_stop(h->loop);
}

static inline void *harness_run(void *ctx)
{
	struct harness *h = ctx;

	if (loop_run(h->loop).code != ERR_OK) abort();
	return NULL;
}

static inline void harness_listen(struct harness *h)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	h->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(h->listen_fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(h->listen_fd, 128), 0);
	assert_int_equal(getsockname(h->listen_fd, (struct sockaddr *)&at, &len), 0);
	h->port = ntohs(at.sin_port);
}

/* limits: max_connections, max_streams, handshake_ms are taken from it. */
static inline void harness_limit(void *ctx, enum server_limit limit, const char *address)
{
	struct harness *h = ctx;

	assert_non_null(strchr(address, ':'));
	atomic_fetch_add(&h->limits[limit], 1);
}

static inline struct harness *harness_new(struct tls *tls, struct server_options limits)
{
	static const struct server_header headers[] = { { "authorization", "Bearer " }, { "clusterid", "" }, { NULL, NULL } };
	struct harness *h = calloc(1, sizeof(*h));
	struct grpc_method methods[] = {
		{ .path = "/t/Echo", .ctx = h, .message = harness_unary, .gone = harness_gone },
		{ .path = "/t/Later", .ctx = h, .message = harness_later, .gone = harness_gone },
		{ .path = "/t/Big", .ctx = h, .message = harness_big, .gone = harness_gone },
		{ .path = "/t/Stream", .ctx = h, .streaming = true, .message = harness_stream, .end = harness_end, .gone = harness_gone },
	};

	assert_int_equal(loop_new(&h->loop).code, ERR_OK);
	harness_listen(h);
	limits.loop = h->loop;
	limits.listen_fd = h->listen_fd;
	limits.metrics = &h->metrics;
	limits.methods = methods;
	limits.method_count = ARRAY_LEN(methods);
	limits.ctx = h;
	limits.headers = headers;
	limits.conn_gone = harness_conn_gone;
	limits.limit = harness_limit;
	assert_int_equal(server_new(&limits, &h->server).code, ERR_OK);
	server_set_tls(h->server, tls);
	assert_int_equal(pipe(h->orders), 0);
	assert_int_equal(watch_new(h->loop, h->orders[0], harness_order, h, &h->watch).code, ERR_OK);
	assert_int_equal(watch_set(h->watch, LOOP_READ).code, ERR_OK);
	assert_int_equal(timer_new(h->loop, harness_later_fires, h, &h->later).code, ERR_OK);
	loop_on_flush(h->loop, harness_flush, h);
	return h;
}

static inline void harness_start(struct harness *h)
{
	assert_int_equal(server_start(h->server).code, ERR_OK);
	assert_int_equal(pthread_create(&h->thread, NULL, harness_run, h), 0);
}

static inline struct harness *harness_begin(struct tls *tls)
{
	struct harness *h = harness_new(tls, (struct server_options){ .max_connections = 50, .max_streams = 100, .handshake_ms = 5000 });

	harness_start(h);
	return h;
}

static inline void harness_say(struct harness *h, char order)
{
	assert_int_equal(write(h->orders[1], &order, 1), 1);
}

static inline void harness_free(struct harness *h)
{
	harness_say(h, 's');
	assert_int_equal(pthread_join(h->thread, NULL), 0);
	server_free(h->server);
	assert_int_equal(atomic_load(&h->metrics.value[M_CONNECTIONS]), 0);
	watch_free(h->watch);
	timer_free(h->later);
	loop_free(h->loop);
	(void)close(h->listen_fd);
	(void)close(h->orders[0]);
	(void)close(h->orders[1]);
	free(h);
}

static inline bool harness_reaches(_Atomic unsigned *counter, unsigned want)
{
	for (int i = 0; i < 2000 && atomic_load(counter) < want; i++) (void)usleep(10000);
	return atomic_load(counter) == want;
}

/* ---- raw HTTP/2 ---- */

struct raw { int fd; uint8_t in[96 * 1024]; size_t len; nghttp2_hd_inflater *hpack; struct buf out; };
struct raw_frame { uint8_t type, flags; uint32_t stream, length; uint8_t *payload; };
/* What became of a stream. */
struct raw_answer {
	int http, grpc;         /* -1: none came */
	char text[256];
	uint8_t body[256];
	size_t body_len;
	int64_t rst, goaway;    /* -1: none */
	bool ended, closed, late;
	unsigned pings;
};

static inline void raw_put(struct raw *r, const void *data, size_t len)
{
	assert_int_equal(buf_put(&r->out, data, len).code, ERR_OK);
}

static inline void raw_frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t stream, struct bytes payload)
{
	const uint8_t head[9] = { (uint8_t)(payload.len >> 16), (uint8_t)(payload.len >> 8), (uint8_t)payload.len, type, flags,
		                  (uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream };

	raw_put(r, head, sizeof(head));
	raw_put(r, payload.data, payload.len);
}

/* Send what was put; a peer that closed is no failure of ours. */
static inline void raw_send(struct raw *r)
{
	size_t at = 0;

	while (at < r->out.len) {
		ssize_t n = send(r->fd, r->out.data + at, r->out.len - at, MSG_NOSIGNAL);

		if (n <= 0) break;
		at += (size_t)n;
	}
	r->out.len = 0;
}

static inline struct raw *raw_connect(const struct harness *h)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(h->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct raw *r = calloc(1, sizeof(*r));

	r->out.max = 64 << 20;
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(r->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(nghttp2_hd_inflate_new(&r->hpack), 0);
	return r;
}

static inline struct raw *raw_open(const struct harness *h)
{
	struct raw *r = raw_connect(h);

	raw_put(r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	raw_frame(r, NGHTTP2_SETTINGS, 0, 0, BYTES_NONE);
	raw_send(r);
	return r;
}

static inline void raw_close(struct raw *r)
{
	(void)close(r->fd);
	nghttp2_hd_inflate_del(r->hpack);
	buf_free(&r->out);
	free(r);
}

/* A literal field without indexing and without Huffman (RFC 7541 s6.2.2). */
static inline void raw_literal(struct buf *b, const char *name, struct bytes value)
{
	uint8_t head[2] = { 0, (uint8_t)strlen(name) };
	size_t n = value.len;
	uint8_t c = n < 127 ? (uint8_t)n : 127;

	assert_int_equal(buf_put(b, head, 2).code | buf_put_str(b, name).code | buf_put(b, &c, 1).code, ERR_OK);
	for (n -= n < 127 ? n : 127; value.len >= 127; n >>= 7) {
		c = (uint8_t)((n & 127) | (n > 127 ? 128 : 0));
		assert_int_equal(buf_put(b, &c, 1).code, ERR_OK);
		if (n <= 127) break;
	}
	assert_int_equal(buf_put(b, value.data, value.len).code, ERR_OK);
}

struct raw_request { const char *method, *path, *type, *timeout, *authorization, *cluster; };

static inline void raw_headers(struct raw *r, uint32_t stream, uint8_t flags, struct raw_request q)
{
	struct buf b = { .max = 1 << 20 };

	raw_literal(&b, ":method", bytes_str(q.method == NULL ? "POST" : q.method));
	raw_literal(&b, ":scheme", bytes_str("http"));
	raw_literal(&b, ":authority", bytes_str("test"));
	raw_literal(&b, ":path", bytes_str(q.path == NULL ? "/t/Echo" : q.path));
	raw_literal(&b, "content-type", bytes_str(q.type == NULL ? "application/grpc" : q.type));
	raw_literal(&b, "te", bytes_str("trailers"));
	if (q.timeout != NULL) raw_literal(&b, "grpc-timeout", bytes_str(q.timeout));
	if (q.authorization != NULL) raw_literal(&b, "authorization", bytes_str(q.authorization));
	if (q.cluster != NULL) raw_literal(&b, "clusterid", bytes_str(q.cluster));
	raw_frame(r, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream, buf_view(&b));
	buf_free(&b);
}

static inline void raw_message(struct raw *r, uint32_t stream, uint8_t flags, const char *text)
{
	struct buf b = { .max = 1 << 20 };
	uint8_t prefix[5];

	grpc_frame_prefix((uint32_t)strlen(text), prefix);
	assert_int_equal(buf_put(&b, prefix, 5).code | buf_put_str(&b, text).code, ERR_OK);
	raw_frame(r, NGHTTP2_DATA, flags, stream, buf_view(&b));
	buf_free(&b);
}

static inline void raw_call(struct raw *r, uint32_t stream, const char *path, const char *text)
{
	raw_headers(r, stream, 0, (struct raw_request){ .path = path });
	raw_message(r, stream, NGHTTP2_FLAG_END_STREAM, text);
}

/* 1: a frame; 0: closed; -1: nothing within ms. */
static inline int raw_next(struct raw *r, struct raw_frame *f, size_t *used, int ms)
{
	for (;;) {
		struct pollfd p = { .fd = r->fd, .events = POLLIN };
		ssize_t n;

		if (r->len >= 9) {
			f->length = (uint32_t)r->in[0] << 16 | (uint32_t)r->in[1] << 8 | r->in[2];
			f->type = r->in[3];
			f->flags = r->in[4];
			f->stream = (uint32_t)r->in[5] << 24 | (uint32_t)r->in[6] << 16 | (uint32_t)r->in[7] << 8 | r->in[8];
			f->payload = r->in + 9;
			*used = 9 + f->length;
			if (r->len >= *used) return 1;
		}
		if (poll(&p, 1, ms) <= 0) return -1;
		n = recv(r->fd, r->in + r->len, sizeof(r->in) - r->len, 0);
		if (n <= 0) return 0;
		r->len += (size_t)n;
	}
}

static inline uint32_t raw_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void raw_inflate(struct raw *r, const struct raw_frame *f, struct raw_answer *a)
{
	uint8_t *in = f->payload;
	size_t left = f->length;
	int flags = 0;

	while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
		nghttp2_nv nv;
		ssize_t n = nghttp2_hd_inflate_hd2(r->hpack, &nv, &flags, in, left, 1);

		assert_true(n >= 0);
		in += n;
		left -= (size_t)n;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
		if (bytes_is(BYTES(nv.name, nv.namelen), ":status")) a->http = atoi((const char *)nv.value);
		if (bytes_is(BYTES(nv.name, nv.namelen), "grpc-status")) a->grpc = atoi((const char *)nv.value);
		if (bytes_is(BYTES(nv.name, nv.namelen), "grpc-message"))
			(void)snprintf(a->text, sizeof(a->text), "%.*s", (int)nv.valuelen, (const char *)nv.value);
	}
	(void)nghttp2_hd_inflate_end_headers(r->hpack);
}

static inline void raw_take(struct raw *r, const struct raw_frame *f, uint32_t stream, struct raw_answer *a)
{
	struct raw_answer other;
	size_t room = sizeof(a->body) - a->body_len;

	if (f->type == NGHTTP2_HEADERS) raw_inflate(r, f, f->stream == stream ? a : &other);
	if (f->type == NGHTTP2_GOAWAY) a->goaway = raw_u32(f->payload + 4);
	if (f->type == NGHTTP2_PING && f->flags == NGHTTP2_FLAG_ACK) a->pings++;
	if (f->stream != stream) return;
	if (f->type == NGHTTP2_RST_STREAM) a->rst = raw_u32(f->payload);
	if (f->type == NGHTTP2_DATA && f->length <= room) {
		memcpy(a->body + a->body_len, f->payload, f->length);
		a->body_len += f->length;
	}
	if (f->type <= NGHTTP2_HEADERS && (f->flags & NGHTTP2_FLAG_END_STREAM) != 0) a->ended = true;
}

/* Read until `stream` has ended or was reset, and for a stream 0 until the connection is closed; ms without any frame: late. */
static inline struct raw_answer raw_answer(struct raw *r, uint32_t stream, int ms)
{
	struct raw_answer a = { .http = -1, .grpc = -1, .rst = -1, .goaway = -1 };

	while (!a.ended && a.rst < 0) {
		struct raw_frame f;
		size_t used = 0;
		int got = raw_next(r, &f, &used, ms);

		if (got <= 0) {
			a.closed = got == 0;
			a.late = got < 0;
			break;
		}
		raw_take(r, &f, stream, &a);
		memmove(r->in, r->in + used, r->len - used);
		r->len -= used;
	}
	return a;
}

static inline void raw_expect(struct raw *r, uint32_t stream, int http, int grpc, const char *what)
{
	struct raw_answer a = raw_answer(r, stream, 3000);

	if (a.http != http || a.grpc != grpc) fail_msg("%s: http %d grpc %d \"%s\" rst %d goaway %d%s%s", what, a.http, a.grpc, a.text,
		                                       (int)a.rst, (int)a.goaway, a.closed ? " closed" : "", a.late ? " late" : "");
}

#endif
