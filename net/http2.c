#include "net/internal.h"

#include <string.h>

#define CONTROL_MAX 1000   /* frames that carry no request, per connection and second; ours: ping-per-round-trip clients
                              (grpc-go measures bandwidth so) stay below, a flood is a hundred times as much */
#define CONTROL_CREDIT 8   /* more of them for each whole message: window updates, pings, a reset; ours */
#define RESETS_MIN 200     /* streams reset per connection and second, or twice max_streams (all at once, twice); ours */
#define TINY_DATA 8        /* DATA of fewer bytes counts as control; ours: Envoy may send the 5-byte prefix alone */
#define DEFLATE_TABLE 256  /* bytes of our HPACK table; ours: we repeat three fields */
#define MAX_SETTINGS 32    /* entries of one SETTINGS frame; nghttp2's own default */
#define MAX_ACKS 1000      /* acknowledgements queued for a peer that does not read; ours */

/* ---- floods (RFC 9113 s10.5; CVE-2019-9512 and on, CVE-2023-44487, CVE-2025-8671) ---- */

static void new_second(struct conn *c)
{
	int64_t second = c->server->now_us / 1000000;

	if (second == c->second) return;
	c->second = second;
	c->control = c->resets = 0;
}

static void calm_down(struct conn *c)
{
	(void)nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void count_control(struct conn *c)
{
	new_second(c);
	if (++c->control != CONTROL_MAX) return;
	server_limit(c->server, LIMIT_CONTROL, c->address);
	calm_down(c);
}

static void count_reset(struct conn *c)
{
	uint32_t max = 2 * c->server->o.max_streams;

	new_second(c);
	if (++c->resets != (max > RESETS_MIN ? max : RESETS_MIN)) return;
	server_limit(c->server, LIMIT_RESETS, c->address);
	calm_down(c);
}

static void credit(struct conn *c)
{
	c->control -= c->control < CONTROL_CREDIT ? c->control : CONTROL_CREDIT;
}

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
	struct conn *c = user;

	(void)session;
	if (hd->type == NGHTTP2_HEADERS) return 0;
	if (hd->type == NGHTTP2_DATA && (hd->length >= TINY_DATA || (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0)) return 0;
	count_control(c);
	return 0;
}

/* ---- frames in ---- */

static struct call *call_of(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

static bool is_request(const nghttp2_frame *frame)
{
	return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct call *call;

	if (!is_request(frame)) return 0;
	call = call_new(user, frame->hd.stream_id);
	if (call == NULL) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	(void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                     uint8_t flags, void *user)
{
	/* #lizard forgives: the signature is the library's */
	struct call *call = is_request(frame) ? call_of(session, frame->hd.stream_id) : NULL;

	(void)flags;
	(void)user;
	return call == NULL ? 0 : call_take_header(call, name, value);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len, void *user)
{
	/* #lizard forgives: the signature is the library's */
	struct call *call = call_of(session, stream);

	(void)flags;
	(void)user;
	if (call != NULL) call_take_data(call, BYTES(data, len));
	return 0;
}

static void greet(struct conn *c)
{
	if (c->greeted) return;
	c->greeted = true;
	conn_shaken(c);
	peers_greeted(c->peer_address);
	due_remove(&c->due);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct conn *c = user;
	struct call *call;

	if (frame->hd.type == NGHTTP2_RST_STREAM) count_reset(c);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
	call = call_of(session, frame->hd.stream_id);
	if (call == NULL) return 0;
	if (is_request(frame)) {
		greet(c);
		call_take_headers_end(call);
	}
	if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
		credit(c);
		call_take_end(call);
	}
	return 0;
}

/* ---- frames out ---- */

static bool ends_stream(const nghttp2_frame *frame)
{
	return (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
	       (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct conn *c = user;

	/* A whole answer before the end of the request: ask the client to stop without an error (RFC 9113 s8.1). */
	if (ends_stream(frame) && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	/* Resets that a peer provokes cost us as much as its own; more streams than allowed are an honest mistake at first. */
	if (frame->hd.type == NGHTTP2_RST_STREAM) {
		if (frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM) count_control(c);
		else if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR) count_reset(c);
	}
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error_code, void *user)
{
	struct call *call = call_of(session, stream);

	(void)error_code;
	(void)user;
	if (call == NULL) return 0;
	(void)nghttp2_session_set_stream_user_data(session, stream, NULL);
	call->conn->progress = true;
	call_lost(call);
	call_free(call);
	return 0;
}

/* ---- sessions ---- */

struct err http2_callbacks(nghttp2_session_callbacks **out)
{
	nghttp2_session_callbacks *cb = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0) FAIL(ERR_RESOURCE_EXHAUSTED, "http2: out of memory");
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback2(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	*out = cb;
	return OK;
}

struct err http2_options(nghttp2_option **out)
{
	nghttp2_option *option = NULL;

	if (nghttp2_option_new(&option) != 0) FAIL(ERR_RESOURCE_EXHAUSTED, "http2: out of memory");
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_max_deflate_dynamic_table_size(option, DEFLATE_TABLE);
	nghttp2_option_set_max_outbound_ack(option, MAX_ACKS);
	nghttp2_option_set_max_settings(option, MAX_SETTINGS);
	*out = option;
	return OK;
}

struct err http2_open(struct conn *c)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, c->server->o.max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADERS_MAX },
		{ NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 }, /* RFC 9218 s2.1: no priority tree to maintain */
	};

	c->server->pages.last = NULL;
	if (nghttp2_session_server_new3(&c->session, c->server->callbacks, c, c->server->option, &c->server->pages.mem) != 0 ||
	    nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
	    nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, CONN_WINDOW) != 0)
		FAIL(ERR_RESOURCE_EXHAUSTED, "http2: out of memory");
	c->frame_pages = c->server->pages.last;
	if (c->server->draining) (void)nghttp2_submit_shutdown_notice(c->session);
	conn_mark(c);
	return OK;
}

void http2_goaway(struct conn *c)
{
	if (c->session == NULL) return;
	(void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(c->session),
	                            NGHTTP2_NO_ERROR, NULL, 0);
	conn_mark(c);
}
