/* The bytes of an HTTP/2 client to a server without TLS, in pieces: each piece is a length byte (0: 256) and that many bytes, so
 * that what waits for a round of the loop is met too.  Input bit 7 of the first byte puts the client's preface before.
 *
 * Contract: every call that a method saw ends exactly once, by call_finish() or by `gone`; messages are within their bound;
 * nothing stays behind. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/internal.h"

#define INPUT_MAX (64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct seen { size_t open, finished, gone, conns; struct call *last; };

static void on_message(void *ctx, struct call *call, struct bytes message)
{
	struct seen *s = ctx;
	size_t count = 0;

	if (message.len > GRPC_MESSAGE_MAX) __builtin_trap();
	if (call_header(call, "authorization", &count).len > GRPC_HEADERS_MAX) __builtin_trap();
	s->open++;
	conn_set_user(call, s);
	if (message.len % 3 == 0) return; /* stays open: `gone` must come */
	s->finished++;
	if (message.len % 3 == 1) call_finish(call, ERR_NOT_FOUND, "no \xff");
	else if (call_reply(call, message).code != ERR_OK) call_finish(call, ERR_RESOURCE_EXHAUSTED, NULL);
}

static void on_stream_message(void *ctx, struct call *call, struct bytes message)
{
	struct seen *s = ctx;

	if (message.len > GRPC_MESSAGE_MAX) __builtin_trap();
	if (call_user(call) == NULL) s->open++;
	call_set_user(call, s);
	if (call_send(call, message).code == ERR_OK && message.len != 4) return;
	s->finished++;
	call_finish(call, ERR_ABORTED, "enough");
}

static void on_stream_end(void *ctx, struct call *call)
{
	struct seen *s = ctx;

	if (call_user(call) == NULL) s->open++;
	s->finished++;
	call_finish(call, ERR_OK, NULL);
}

static void on_gone(void *ctx, struct call *call)
{
	struct seen *s = ctx;

	(void)call;
	s->gone++;
}

static void on_conn_gone(void *ctx, void *user)
{
	struct seen *s = ctx;

	if (user != s) __builtin_trap();
	s->conns++;
}

static struct server *make_server(struct loop *loop, struct metrics *metrics, struct seen *seen)
{
	static const struct server_header headers[] = { { "authorization", "" }, { NULL, NULL } };
	const struct grpc_method methods[] = {
		{ .path = "/u", .ctx = seen, .message = on_message, .gone = on_gone },
		{ .path = "/s", .ctx = seen, .streaming = true, .message = on_stream_message, .end = on_stream_end,
		  .gone = on_gone },
	};
	const struct server_options o = {
		.loop = loop,
		.listen_fd = -1,
		.metrics = metrics,
		.methods = methods,
		.method_count = ARRAY_LEN(methods),
		.ctx = seen,
		.headers = headers,
		.max_connections = 4,
		.max_streams = 8,
		.handshake_ms = 1000,
		.conn_gone = on_conn_gone,
	};
	struct server *s = NULL;

	if (server_new(&o, &s).code != ERR_OK) abort();
	return s;
}

/* What it wrote is thrown away; the buffers of the pair are bounded, so a full one is met too. */
static void drain(int fd)
{
	uint8_t sink[16 * 1024];

	while (recv(fd, sink, sizeof(sink), MSG_DONTWAIT) > 0) {}
}

static void feed(struct server *s, int peer, const uint8_t *data, size_t len)
{
	while (len > 0 && s->conns != NULL) {
		size_t n = data[0] == 0 ? 256 : data[0];

		data++;
		len--;
		if (n > len) n = len;
		if (!s->conns->dead && !s->conns->blocked) conn_input(s->conns, BYTES(data, n));
		server_flush(s);
		drain(peer);
		data += n;
		len -= n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
	struct metrics metrics = { 0 };
	struct seen seen = { 0 };
	struct loop *loop = NULL;
	struct server *s;
	int pair[2];

	if (len < 2 || len > INPUT_MAX) return 0;
	if (loop_new(&loop).code != ERR_OK) abort();
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) abort();
	s = make_server(loop, &metrics, &seen);
	if (conn_new(s, pair[0], "fuzz", NULL).code != ERR_OK) abort();
	if ((data[0] & 0x80) != 0) conn_input(s->conns, BYTES(preface, sizeof(preface) - 1));
	feed(s, pair[1], data + 1, len - 1);
	if ((data[0] & 0x40) != 0) server_drain(s);
	server_flush(s);
	server_free(s);
	if (seen.open != seen.finished + seen.gone || seen.conns > 1) __builtin_trap();
	if (atomic_load(&metrics.value[M_CONNECTIONS]) != 0) __builtin_trap();
	loop_free(loop);
	(void)close(pair[1]);
	return 0;
}
