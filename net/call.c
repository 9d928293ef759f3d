#include "net/internal.h"

#include <string.h>

#include "base/clock.h"
#include "net/grpc_text.h"

/* ---- life ---- */

struct call *call_new(struct conn *c, int32_t stream)
{
	struct call *call = calloc(1, sizeof(*call) + c->server->kept_count * sizeof(call->kept[0]));

	if (call == NULL) return NULL;
	call->conn = c;
	call->stream = stream;
	call->timeout_us = -1;
	call->out.max = CALL_OUT_MAX;
	grpc_frame_init(&call->frame, GRPC_MESSAGE_MAX);
	call->next = c->calls;
	if (c->calls != NULL) c->calls->prev = call;
	c->calls = call;
	c->server->call_count++;
	return call;
}

/* What the client makes us keep is counted, for the connection and for all of them. */
static bool hold(struct call *call, size_t bytes)
{
	struct conn *c = call->conn;

	c->held = c->held - call->held + bytes;
	c->server->held = c->server->held - call->held + bytes;
	call->held = bytes;
	return c->held <= CONN_HELD_MAX && c->server->held <= SERVER_HELD_MAX;
}

static void drop_message(struct call *call)
{
	grpc_frame_free(&call->frame);
	(void)hold(call, call->header_bytes);
}

void call_unready(struct call *call)
{
	struct server *s = call->conn->server;

	if (!call->ready) return;
	if (call->ready_prev != NULL) call->ready_prev->ready_next = call->ready_next;
	else s->ready = call->ready_next;
	if (call->ready_next != NULL) call->ready_next->ready_prev = call->ready_prev;
	else s->ready_last = call->ready_prev;
	call->ready_prev = call->ready_next = NULL;
	call->ready = false;
}

static void make_ready(struct call *call)
{
	struct server *s = call->conn->server;

	call->ready = true;
	call->ready_prev = s->ready_last;
	if (s->ready_last != NULL) s->ready_last->ready_next = call;
	else s->ready = call;
	s->ready_last = call;
}

void call_free(struct call *call)
{
	struct conn *c = call->conn;

	call_unready(call);
	due_remove(&call->due);
	timer_free(call->deadline);
	(void)hold(call, 0);
	for (size_t i = 0; i < c->server->kept_count; i++)
		if (call->kept[i].value != NULL) nghttp2_rcbuf_decref(call->kept[i].value);
	if (call->prev != NULL) call->prev->next = call->next;
	else c->calls = call->next;
	if (call->next != NULL) call->next->prev = call->prev;
	if (call->finished) c->answers--;
	c->server->call_count--;
	grpc_frame_free(&call->frame);
	answer_drop(call);
	free(call->text);
	free(call->header_value);
	free(call);
}

void call_lost(struct call *call)
{
	bool tell = call->known && !call->finished;

	if (!call->finished) call->conn->answers++; /* call_free() takes it back */
	call->finished = true;
	call_unready(call);
	if (tell && call->method->gone != NULL) call->method->gone(call->method->ctx, call);
}

void call_abort(struct call *call, enum err_code code, const char *text)
{
	bool tell = call->known && !call->finished;

	if (call->finished) return;
	answer_finish(call, code, text);
	if (tell && call->method->gone != NULL) call->method->gone(call->method->ctx, call);
}

/* ---- headers ---- */

static struct bytes view(nghttp2_rcbuf *b)
{
	nghttp2_vec v = nghttp2_rcbuf_get_buf(b);

	return BYTES(v.base, v.len);
}

static void take_path(struct call *call, struct bytes path)
{
	const struct server_options *o = &call->conn->server->o;

	for (size_t i = 0; i < o->method_count; i++)
		if (bytes_is(path, o->methods[i].path)) call->method = &o->methods[i];
}

static void take_method(struct call *call, struct bytes method)
{
	call->post = bytes_is(method, "POST");
}

static void take_content_type(struct call *call, struct bytes type)
{
	call->grpc = grpc_content_type_ok(type);
}

static void take_timeout(struct call *call, struct bytes timeout)
{
	call->bad_timeout = grpc_timeout_parse(timeout, &call->timeout_us).code != ERR_OK;
}

static const struct { const char *name; void (*take)(struct call *call, struct bytes value); } known_headers[] = {
	{ ":path", take_path },
	{ ":method", take_method },
	{ "content-type", take_content_type },
	{ "grpc-timeout", take_timeout },
};

static void keep(struct call *call, struct bytes name, nghttp2_rcbuf *value)
{
	const struct server *s = call->conn->server;

	for (size_t i = 0; i < s->kept_count; i++) {
		if (!bytes_is(name, s->o.headers[i].name)) continue;
		if (!bytes_has_prefix(view(value), bytes_str(s->o.headers[i].prefix))) return;
		if (call->kept[i].count++ > 0) return;
		nghttp2_rcbuf_incref(value);
		call->kept[i].value = value;
		return;
	}
}

#define FIELD_OVERHEAD 32   /* RFC 9113 s10.5.1, RFC 7541 s4.1 */
#define HEADERS_PATIENCE 8  /* times GRPC_HEADERS_MAX, then the connection is cut: HPACK makes much from few bytes; ours */

int call_take_header(struct call *call, nghttp2_rcbuf *name, nghttp2_rcbuf *value)
{
	struct bytes n = view(name), v = view(value);

	call->header_bytes += n.len + v.len + FIELD_OVERHEAD;
	if (call->header_bytes > HEADERS_PATIENCE * (size_t)GRPC_HEADERS_MAX) {
		server_limit(call->conn->server, LIMIT_HEADERS, call->conn->address);
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	}
	if (call->header_bytes > GRPC_HEADERS_MAX) return 0;
	for (size_t i = 0; i < ARRAY_LEN(known_headers); i++) {
		if (!bytes_is(n, known_headers[i].name)) continue;
		known_headers[i].take(call, v);
		return 0;
	}
	keep(call, n, value);
	return 0;
}

static void on_deadline(void *ctx)
{
	struct call *call = ctx;

	call_abort(call, ERR_DEADLINE_EXCEEDED, "context deadline exceeded");
}

static void start_deadline(struct call *call)
{
	if (call->timeout_us < 0) return;
	if (timer_new(call->conn->server->o.loop, on_deadline, call, &call->deadline).code != ERR_OK ||
	    timer_start(call->deadline, (call->timeout_us + 999) / 1000).code != ERR_OK)
		call_abort(call, ERR_RESOURCE_EXHAUSTED, "out of memory");
}

static void expect_message(struct call *call)
{
	struct server *s = call->conn->server;

	if (due_listed(&call->due)) return;
	due_add(&s->requests, &call->due, s->now_us);
	server_touch_clock(s);
}

/* The order and the answers are grpc-go's (internal/transport/http2_server.go, operateHeaders). */
void call_take_headers_end(struct call *call)
{
	bool fits = hold(call, call->header_bytes), large = call->header_bytes > GRPC_HEADERS_MAX;

	if (large || !fits)
		server_limit(call->conn->server, large ? LIMIT_HEADERS : LIMIT_HELD, call->conn->address);
	if (large)
		answer_refuse(call, "200", ERR_RESOURCE_EXHAUSTED, "header fields larger than the limit");
	else if (!call->grpc) answer_refuse(call, "415", ERR_INVALID_ARGUMENT, "invalid gRPC request content-type");
	else if (call->bad_timeout) answer_refuse(call, "400", ERR_INTERNAL, "malformed grpc-timeout");
	else if (!call->post) answer_refuse(call, "405", ERR_INTERNAL, "a gRPC request's method is POST");
	else if (call->method == NULL) answer_refuse(call, "200", ERR_UNIMPLEMENTED, "unknown service or method");
	else if (!fits) answer_refuse(call, "200", ERR_RESOURCE_EXHAUSTED, "too many unfinished requests");
	if (call->finished) return;
	start_deadline(call);
	if (!call->method->streaming) expect_message(call);
}

/* ---- the message ---- */

static void give_up(struct call *call, struct err e)
{
	due_remove(&call->due);
	call_abort(call, e.code, e.reason);
	drop_message(call);
}

/* Streaming: at once.  nghttp2 is in the middle of its input, which the answering functions allow. */
static void deliver_streamed(struct call *call)
{
	call->known = true;
	call->started_us = call->conn->server->now_us;
	call->method->message(call->method->ctx, call, buf_view(&call->frame.message));
}

static void update_expectation(struct call *call)
{
	if (!call->method->streaming) return;
	if (grpc_frame_idle(&call->frame)) due_remove(&call->due);
	else expect_message(call);
}

void call_take_data(struct call *call, struct bytes data)
{
	bool whole = false;
	struct err e = OK;

	while (data.len > 0 && !call->finished) {
		if (call->whole) e = ERR(ERR_INTERNAL, "more than one message in a unary request");
		else e = grpc_frame_feed(&call->frame, &data, &whole);
		if (e.code == ERR_OK && !hold(call, call->header_bytes + call->frame.message.cap)) {
			e = ERR(ERR_RESOURCE_EXHAUSTED, "too many unfinished requests");
			server_limit(call->conn->server, LIMIT_HELD, call->conn->address);
		}
		if (e.code != ERR_OK) {
			give_up(call, e);
			return;
		}
		if (!whole) break;
		if (!call->method->streaming) {
			call->whole = true;
			continue;
		}
		deliver_streamed(call);
		grpc_frame_next(&call->frame);
	}
	if (!call->finished) update_expectation(call);
}

static void end_unary(struct call *call)
{
	if (!call->whole) {
		give_up(call, ERR(ERR_INTERNAL, "the request ended before its message"));
		return;
	}
	call->started_us = call->conn->server->now_us;
	make_ready(call);
}

static void end_streaming(struct call *call)
{
	if (!grpc_frame_idle(&call->frame)) {
		give_up(call, ERR(ERR_INTERNAL, "the request ended inside a message"));
		return;
	}
	call->known = true;
	if (call->method->end != NULL) call->method->end(call->method->ctx, call);
}

void call_take_end(struct call *call)
{
	call->ended = true;
	due_remove(&call->due);
	if (call->finished) return;
	if (call->method->streaming) end_streaming(call);
	else end_unary(call);
}

void call_deliver(struct call *call)
{
	call->known = true;
	call->method->message(call->method->ctx, call, buf_view(&call->frame.message));
	drop_message(call);
}

/* ---- what a method may ask ---- */

struct bytes call_header(const struct call *call, const char *name, size_t *count)
{
	const struct server *s = call->conn->server;

	for (size_t i = 0; i < s->kept_count; i++) {
		if (strcmp(name, s->o.headers[i].name) != 0) continue;
		if (count != NULL) *count = call->kept[i].count;
		return call->kept[i].value == NULL ? BYTES_NONE : view(call->kept[i].value);
	}
	if (count != NULL) *count = 0;
	return BYTES_NONE;
}

struct bytes call_peer_cert(const struct call *call)
{
	return BYTES(call->conn->peer.data, call->conn->leaf_len);
}

struct bytes call_peer_chain(const struct call *call)
{
	return buf_view(&call->conn->peer);
}

const char *call_peer_address(const struct call *call)
{
	return call->conn->address;
}

int64_t call_started_us(const struct call *call)
{
	return call->started_us;
}

void call_set_user(struct call *call, void *user)
{
	call->user = user;
}

void *call_user(const struct call *call)
{
	return call->user;
}

void conn_set_user(struct call *call, void *user)
{
	call->conn->user = user;
}

void *conn_user(const struct call *call)
{
	return call->conn->user;
}
