#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/client_conn.h"
#include "net/grpc_frame.h"
#include "net/grpc_text.h"

#define CLIENT_MESSAGE_MAX (16 * 1024 * 1024) /* bytes of an answer; ours, the caller's buffer has its own bound */
#define CLIENT_HEADERS_MAX 32                 /* extra headers; ours */
#define CLIENT_WINDOW (1024 * 1024)           /* bytes; ours */
#define DEADLINE_EARLY_US (100 * 1000)        /* by so much the server's clock may run ahead of ours; ours */

struct exchange {
	struct client_conn *conn;
	nghttp2_session *session;
	struct buf out; /* the framed request */
	size_t out_at;
	struct grpc_frame frame;
	struct buf *reply;
	struct client_status *status;
	struct err failure; /* the first thing wrong with the answer */
	int http_status;
	uint32_t stream_error;
	bool grpc, has_status, has_message, closed;
};

static inline void auto_exchange(struct exchange *x)
{
	nghttp2_session_del(x->session);
	buf_wipe(&x->out);
	grpc_frame_free(&x->frame);
}

static void fail(struct exchange *x, struct err e)
{
	if (x->failure.code == ERR_OK) x->failure = e;
}

/* ---- the answer ---- */

static bool small_number(struct bytes text, int *out)
{
	int n = 0;

	if (text.len == 0 || text.len > 3) return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') return false;
		n = n * 10 + text.data[i] - '0';
	}
	*out = n;
	return true;
}

static void take_http_status(struct exchange *x, struct bytes value)
{
	(void)small_number(value, &x->http_status);
}

static void take_content_type(struct exchange *x, struct bytes value)
{
	x->grpc = grpc_content_type_ok(value);
}

static void take_grpc_status(struct exchange *x, struct bytes value)
{
	int n = ERR_UNKNOWN;

	x->has_status = true;
	if (!small_number(value, &n) || n > ERR_UNAUTHENTICATED) n = ERR_UNKNOWN;
	x->status->code = (enum err_code)n;
}

static void take_grpc_message(struct exchange *x, struct bytes value)
{
	grpc_percent_decode(value, x->status->text, sizeof(x->status->text));
}

static const struct { const char *name; void (*take)(struct exchange *x, struct bytes value); } fields[] = {
	{ ":status", take_http_status },
	{ "content-type", take_content_type },
	{ "grpc-status", take_grpc_status },
	{ "grpc-message", take_grpc_message },
};

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
	/* #lizard forgives: the signature is the library's */
	(void)session;
	(void)frame;
	(void)flags;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (bytes_is(BYTES(name, name_len), fields[i].name)) fields[i].take(user, BYTES(value, value_len));
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
	/* #lizard forgives: the signature is the library's */
	struct exchange *x = user;
	struct bytes in = BYTES(data, len);
	bool whole = false;
	struct err e = OK;

	(void)session;
	(void)flags;
	(void)stream;
	while (e.code == ERR_OK && in.len > 0) {
		if (x->has_message) e = ERR(ERR_INTERNAL, "client: more than one message in the answer");
		else e = grpc_frame_feed(&x->frame, &in, &whole);
		if (whole) x->has_message = true;
	}
	if (e.code != ERR_OK) fail(x, e);
	return e.code == ERR_OK ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error_code, void *user)
{
	struct exchange *x = user;

	(void)session;
	(void)stream;
	x->closed = true;
	x->stream_error = error_code;
	return 0;
}

/* ---- the request ---- */

static ssize_t provide(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
	/* #lizard forgives: the signature is the library's */
	struct exchange *x = user;
	size_t left = x->out.len - x->out_at, n = left < size ? left : size;

	(void)session;
	(void)stream;
	(void)source;
	if (n > 0) memcpy(to, x->out.data + x->out_at, n);
	x->out_at += n;
	if (n == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static nghttp2_nv field(const char *name, struct bytes value, uint8_t flags)
{
	/* nghttp2 takes mutable pointers and does not write. */
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value.data,
		.namelen = strlen(name),
		.valuelen = value.len,
		.flags = flags,
	};
}

static struct err submit(struct exchange *x, const char *path)
{
	const struct client_options *o = x->conn->options;
	const nghttp2_data_provider provider = { .read_callback = provide };
	char timeout[GRPC_TIMEOUT_TEXT];
	nghttp2_nv nv[8 + CLIENT_HEADERS_MAX];
	size_t n = 0;

	if (o->header_count > CLIENT_HEADERS_MAX) FAIL(ERR_INVALID_ARGUMENT, "client: too many headers");
	grpc_timeout_text((x->conn->deadline_us - clock_mono_us()) / 1000, timeout);
	nv[n++] = field(":method", bytes_str("POST"), 0);
	nv[n++] = field(":scheme", bytes_str("https"), 0);
	nv[n++] = field(":authority", bytes_str(o->address), 0);
	nv[n++] = field(":path", bytes_str(path), 0);
	nv[n++] = field("te", bytes_str("trailers"), 0);
	nv[n++] = field("content-type", bytes_str("application/grpc"), 0);
	nv[n++] = field("user-agent", bytes_str("signet/" SIGNET_VERSION), 0);
	nv[n++] = field("grpc-timeout", bytes_str(timeout), 0);
	for (size_t i = 0; i < o->header_count; i++)
		nv[n++] = field(o->headers[i].name, o->headers[i].value, NGHTTP2_NV_FLAG_NO_INDEX); /* secrets (RFC 7541 s7.1.3) */
	if (nghttp2_submit_request(x->session, NULL, nv, n, &provider, NULL) < 0) FAIL(ERR_INVALID_ARGUMENT, "client: bad request");
	return OK;
}

static inline void auto_callbacks(nghttp2_session_callbacks **p) { nghttp2_session_callbacks_del(*p); }

static struct err open_session(struct exchange *x)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, CLIENT_WINDOW },
	};
	AUTO(callbacks) nghttp2_session_callbacks *cb = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0) FAIL(ERR_RESOURCE_EXHAUSTED, "client: out of memory");
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	if (nghttp2_session_client_new(&x->session, cb, x) != 0 ||
	    nghttp2_submit_settings(x->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
	    nghttp2_session_set_local_window_size(x->session, NGHTTP2_FLAG_NONE, 0, CLIENT_WINDOW) != 0)
		FAIL(ERR_RESOURCE_EXHAUSTED, "client: out of memory");
	return OK;
}

static struct err frame_request(struct exchange *x, struct bytes message)
{
	uint8_t prefix[GRPC_PREFIX_BYTES];

	if (message.len > UINT32_MAX) FAIL(ERR_INVALID_ARGUMENT, "client: message too large");
	grpc_frame_prefix((uint32_t)message.len, prefix);
	x->out.max = message.len + sizeof(prefix);
	TRY(buf_put(&x->out, prefix, sizeof(prefix)));
	return buf_put(&x->out, message.data, message.len);
}

/* ---- to and fro ---- */

static struct err not_grpc(struct exchange *x, const char *what)
{
	if (x->conn->detail_size > 0 && x->conn->detail[0] == '\0')
		client_say(x->conn, "%s:%s does not speak gRPC: %s", x->conn->at.host, x->conn->at.port, what);
	FAIL(ERR_INTERNAL, "client: the peer does not speak gRPC");
}

static struct err send_all(struct exchange *x)
{
	const uint8_t *frame;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(x->session, &frame)) > 0) TRY(client_write(x->conn, BYTES(frame, (size_t)n)));
	return n < 0 ? not_grpc(x, "HTTP/2 error") : OK;
}

static struct err receive_some(struct exchange *x)
{
	uint8_t data[16 * 1024];
	size_t len = 0;

	TRY(client_read(x->conn, data, sizeof(data), &len));
	if (len == 0) {
		client_say(x->conn, "%s:%s closed the connection before it answered", x->conn->at.host, x->conn->at.port);
		FAIL(ERR_UNAVAILABLE, "client: connection lost");
	}
	if (nghttp2_session_mem_recv(x->session, data, len) >= 0) return OK;
	if (x->failure.code == ERR_OK) return not_grpc(x, "HTTP/2 error");
	client_say(x->conn, "the answer of %s:%s cannot be read: %s", x->conn->at.host, x->conn->at.port, x->failure.reason);
	return x->failure;
}

/* We send our deadline along, so the server's clock may meet it first: it says so, or cancels the stream (grpc-go does). */
static bool is_late(const struct exchange *x)
{
	if (x->has_status) return x->status->code == ERR_DEADLINE_EXCEEDED;
	return x->stream_error == NGHTTP2_CANCEL && clock_mono_us() + DEADLINE_EARLY_US >= x->conn->deadline_us;
}

static struct err judge(struct exchange *x)
{
	char text[64];

	if (is_late(x)) return client_late(x->conn);
	if (!x->has_status && x->stream_error == NGHTTP2_REFUSED_STREAM) { /* RFC 9113 s8.7: nothing was done */
		client_say(x->conn, "%s:%s takes no more requests now", x->conn->at.host, x->conn->at.port);
		FAIL(ERR_UNAVAILABLE, "client: stream refused");
	}
	if (x->http_status == 0) {
		(void)snprintf(text, sizeof(text), "stream reset, code %u", x->stream_error);
		return not_grpc(x, text);
	}
	if (!x->has_status) {
		(void)snprintf(text, sizeof(text), "HTTP status %d without grpc-status", x->http_status);
		return not_grpc(x, text);
	}
	if (x->status->code != ERR_OK) return OK;
	if (!x->grpc || !x->has_message) return not_grpc(x, "no message in its answer");
	return buf_put(x->reply, x->frame.message.data, x->frame.message.len);
}

struct err client_exchange(struct client_conn *c, const char *path, struct bytes message, struct buf *reply,
                           struct client_status *status)
{
	AUTO(exchange) struct exchange x = { .conn = c, .reply = reply, .status = status, .failure = OK };

	*status = (struct client_status){ .code = ERR_UNKNOWN };
	grpc_frame_init(&x.frame, CLIENT_MESSAGE_MAX);
	TRY(frame_request(&x, message));
	TRY(open_session(&x));
	TRY(submit(&x, path));
	while (!x.closed) {
		TRY(send_all(&x));
		if (x.closed) break;
		if (nghttp2_session_want_read(x.session) == 0) return not_grpc(&x, "HTTP/2 error");
		TRY(receive_some(&x));
	}
	return judge(&x);
}
