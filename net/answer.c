/* What a call answers: Response-Headers, messages, Trailers; or Trailers-Only (gRPC PROTOCOL-HTTP2, Responses). */
#include "net/internal.h"

#include <string.h>

#include "net/grpc_text.h"

static nghttp2_nv field(const char *name, const char *value, size_t value_len)
{
	/* nghttp2 takes mutable pointers and does not write; these texts outlive the frame. */
	return (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = value_len,
		.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE,
	};
}

static const char *const status_texts[] = {
	"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
};

#define STATUS_MAX 3

/* Who is sent away because we are full is told when to come back (gRPC A6), not all at the same time. */
static const char *pushback(const struct call *call)
{
	static const char *const ms[] = { "400", "600", "800", "1000", "1300", "1600", "2000", "2500" };

	return ms[(size_t)(call->started_us ^ call->stream) % ARRAY_LEN(ms)];
}

/* grpc-status and, if there is a text, grpc-message; how many. */
static size_t put_status(const struct call *call, nghttp2_nv nv[STATUS_MAX])
{
	size_t code = (size_t)call->code < ARRAY_LEN(status_texts) ? (size_t)call->code : ERR_UNKNOWN, n = 0;

	nv[n++] = field("grpc-status", status_texts[code], strlen(status_texts[code]));
	if (code == ERR_RESOURCE_EXHAUSTED) nv[n++] = field("grpc-retry-pushback-ms", pushback(call), strlen(pushback(call)));
	if (call->text == NULL) return n;
	nv[n] = field("grpc-message", call->text, strlen(call->text));
	nv[n++].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME; /* the call may be freed before the frame is */
	return n;
}

#define HEADERS_MAX 3
static size_t put_headers(const struct call *call, const char *http_status, nghttp2_nv nv[HEADERS_MAX])
{
	nv[0] = field(":status", http_status, 3);
	nv[1] = field("content-type", "application/grpc", 16);
	if (call->header_value == NULL) return 2;
	nv[2] = field(call->header_name, call->header_value, strlen(call->header_value));
	nv[2].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME; /* the call may be freed before the frame is */
	return 3;
}

/* A stream that cannot be answered is reset. */
static void must(struct call *call, int result)
{
	if (result == 0) return;
	(void)nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_INTERNAL_ERROR);
}

/* What streaming calls (anybody may make them) have waiting is bounded for the connection and for all of them: a unary call has
 * one answer, but a stream can ask for ever and take nothing. */
static bool count_streamed(struct call *call, size_t bytes)
{
	struct conn *c = call->conn;

	if (!call->method->streaming) return true;
	if (bytes > CONN_STREAMED_MAX - c->streamed || bytes > SERVER_STREAMED_MAX - c->server->streamed) return false;
	call->streamed += bytes;
	c->streamed += bytes;
	c->server->streamed += bytes;
	return true;
}

void answer_drop(struct call *call)
{
	call->conn->streamed -= call->streamed;
	call->conn->server->streamed -= call->streamed;
	call->streamed = 0;
	call->out_at = 0;
	buf_free(&call->out);
}

static ssize_t provide(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
	/* #lizard forgives: the signature is the library's */
	struct call *call = source->ptr;
	size_t left = call->out.len - call->out_at, n = left < size ? left : size;
	nghttp2_nv nv[STATUS_MAX];

	(void)user;
	if (n > 0) memcpy(to, call->out.data + call->out_at, n);
	call->out_at += n;
	if (n > 0) call->conn->progress = true;
	if (n < left) return (ssize_t)n;
	answer_drop(call);
	if (!call->finished) {
		call->waiting = n == 0;
		return n == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
	}
	*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
	if (nghttp2_submit_trailer(session, stream, nv, put_status(call, nv)) != 0) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	return (ssize_t)n;
}

static void wake(struct call *call)
{
	if (call->waiting) {
		call->waiting = false;
		(void)nghttp2_session_resume_data(call->conn->session, call->stream);
	}
	conn_mark(call->conn);
}

static void begin(struct call *call)
{
	const nghttp2_data_provider provider = { .source = { .ptr = call }, .read_callback = provide };
	nghttp2_nv nv[HEADERS_MAX];

	call->answering = true;
	must(call, nghttp2_submit_response(call->conn->session, call->stream, nv, put_headers(call, "200", nv), &provider));
}

static char *encoded(const char *text)
{
	char out[GRPC_TEXT_MAX];
	size_t n;

	if (text == NULL || text[0] == '\0') return NULL;
	n = grpc_percent_encode(bytes_str(text), out, sizeof(out));
	return strndup(out, n);
}

static void finish(struct call *call, const char *http_status, enum err_code code, const char *text)
{
	nghttp2_nv nv[HEADERS_MAX + STATUS_MAX];
	size_t n;

	if (call->finished) return;
	call->finished = true;
	call->conn->answers++;
	call_unready(call);
	if (call->conn->dead) return;
	call->code = code;
	call->text = encoded(text);
	if (!call->answering) {
		n = put_headers(call, http_status, nv);
		n += put_status(call, nv + n);
		call->answering = true;
		must(call, nghttp2_submit_response(call->conn->session, call->stream, nv, n, NULL));
	}
	wake(call);
}

void answer_refuse(struct call *call, const char *http_status, enum err_code code, const char *text)
{
	finish(call, http_status, code, text);
}

void answer_finish(struct call *call, enum err_code code, const char *text)
{
	finish(call, "200", code, text);
}

/* ---- what a method may do ---- */

void call_set_header(struct call *call, const char *name, const char *value)
{
	free(call->header_value);
	call->header_value = strdup(value); /* without memory: without the header */
	call->header_name = name;
}

struct err call_send(struct call *call, struct bytes message)
{
	uint8_t prefix[GRPC_PREFIX_BYTES];

	if (call->finished) FAIL(ERR_FAILED_PRECONDITION, "call: already finished");
	if (call->conn->dead) return OK; /* `gone` is about to say so */
	if (message.len > CALL_OUT_MAX - GRPC_PREFIX_BYTES || call->out.len > CALL_OUT_MAX - GRPC_PREFIX_BYTES - message.len)
		FAIL(ERR_RESOURCE_EXHAUSTED, "call: the peer does not read");
	if (!count_streamed(call, message.len + GRPC_PREFIX_BYTES)) FAIL(ERR_RESOURCE_EXHAUSTED, "call: the peer does not read");
	grpc_frame_prefix((uint32_t)message.len, prefix);
	if (call->out.cap - call->out.len < message.len + sizeof(prefix)) {
		uint8_t *at;

		TRY(buf_reserve(&call->out, message.len + sizeof(prefix), &at)); /* all or nothing, and one allocation */
	}
	TRY(buf_put(&call->out, prefix, sizeof(prefix)));
	TRY(buf_put(&call->out, message.data, message.len));
	if (!call->answering) begin(call);
	wake(call);
	return OK;
}

void call_finish(struct call *call, enum err_code code, const char *text)
{
	answer_finish(call, code, text);
}

struct err call_reply(struct call *call, struct bytes message)
{
	struct err e = call_send(call, message);

	/* Finished in any case: a call that nobody answers would wait for ever, and Istio's clients set no deadline. */
	call_finish(call, e.code, e.code == ERR_OK ? NULL : "the answer could not be sent");
	return e;
}
