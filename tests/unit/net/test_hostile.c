/* Peers that mean harm, or are broken: what they cost is bounded, and others are served. */
#include <sys/resource.h>

#include "net_harness.h"

static int begin(void **state)
{
	*state = harness_begin(NULL);
	return 0;
}

static int end(void **state)
{
	harness_free(*state);
	return 0;
}

static void expect_served(const struct harness *h)
{
	struct raw *r = raw_open(h);

	raw_call(r, 1, "/t/Echo", "x");
	raw_send(r);
	raw_expect(r, 1, 200, 0, "another peer");
	raw_close(r);
}

/* ---- floods ---- */

static const struct { const char *name; uint8_t type, flags; uint32_t stream; struct bytes payload; } floods[] = {
	{ "ping", NGHTTP2_PING, 0, 0, BYTES("12345678", 8) },
	{ "ping acks", NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, BYTES("12345678", 8) },
	{ "settings", NGHTTP2_SETTINGS, 0, 0, BYTES_NONE },
	{ "settings with an entry", NGHTTP2_SETTINGS, 0, 0, BYTES("\0\4\0\0\xff\xff", 6) },
	{ "priority", NGHTTP2_PRIORITY, 0, 1001, BYTES("\0\0\0\0\1", 5) },
	{ "window update", NGHTTP2_WINDOW_UPDATE, 0, 0, BYTES("\0\0\0\1", 4) },
	{ "empty data", NGHTTP2_DATA, 0, 1, BYTES_NONE },
	{ "padded empty data", NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, BYTES("\0", 1) },
	{ "window update on the stream", NGHTTP2_WINDOW_UPDATE, 0, 1, BYTES("\0\0\0\1", 4) },
};

static void control_frames_are_bounded(void **state)
{
	struct harness *h = *state;

	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		struct raw *r = raw_open(h);
		struct raw_answer a;

		raw_headers(r, 1, 0, (struct raw_request){ 0 });
		for (int n = 0; n < 5000; n++) raw_frame(r, floods[i].type, floods[i].flags, floods[i].stream, floods[i].payload);
		raw_send(r);
		a = raw_answer(r, 0, 3000);
		if (!a.closed || (a.goaway != NGHTTP2_ENHANCE_YOUR_CALM && a.goaway != -1)) fail_msg("%s: goaway %d", floods[i].name, (int)a.goaway);
		if (h->limits[LIMIT_CONTROL] != i + 1) fail_msg("%s: %u times told", floods[i].name, h->limits[LIMIT_CONTROL]);
		raw_close(r);
	}
	expect_served(h);
}

static void rapid_reset_is_bounded(void **state)
{
	static const uint8_t cancel[] = { 0, 0, 0, NGHTTP2_CANCEL };
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	for (uint32_t s = 1; s < 4000; s += 2) {
		raw_headers(r, s, NGHTTP2_FLAG_END_STREAM, (struct raw_request){ .path = "/t/Stream" });
		raw_frame(r, NGHTTP2_RST_STREAM, 0, s, BYTES(cancel, 4));
	}
	raw_send(r);
	assert_true(raw_answer(r, 0, 3000).closed);
	assert_true(h->ends <= 201);
	raw_close(r);
	expect_served(h);
}

/* CVE-2025-8671: the peer breaks its streams so that we reset them, request after request. */
static void provoked_resets_are_bounded(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	for (uint32_t s = 1; s < 4000; s += 2) {
		raw_headers(r, s, NGHTTP2_FLAG_END_STREAM, (struct raw_request){ .path = "/t/Stream" });
		raw_frame(r, NGHTTP2_WINDOW_UPDATE, 0, s, BYTES("\x7f\xff\xff\xff", 4));
		if (s % 200 == 199) {
			raw_send(r); /* in parts, so that answers go out between them */
			(void)usleep(2000);
		}
	}
	raw_send(r);
	assert_true(raw_answer(r, 0, 3000).closed);
	assert_true(h->ends < 1000);
	raw_close(r);
	expect_served(h);
}

static void honest_pings_are_answered(void **state)
{
	struct raw *r = raw_open(*state);
	struct raw_answer a;

	raw_call(r, 1, "/t/Later", "x");
	for (int n = 0; n < 50; n++) raw_frame(r, NGHTTP2_PING, 0, 0, BYTES("12345678", 8));
	raw_send(r);
	a = raw_answer(r, 1, 3000);
	assert_int_equal(a.pings, 50);
	assert_int_equal(a.goaway, -1);
	assert_int_equal(a.grpc, 0);
	raw_close(r);
}

static void busy_client_with_a_ping_per_call_is_no_flood(void **state)
{
	struct raw *r = raw_open(*state);

	for (uint32_t s = 1; s < 6000; s += 2) {
		raw_call(r, s, "/t/Echo", "x");
		raw_frame(r, NGHTTP2_PING, 0, 0, BYTES("12345678", 8));
		raw_frame(r, NGHTTP2_WINDOW_UPDATE, 0, 0, BYTES("\0\0\1\0", 4));
		raw_send(r);
		raw_expect(r, s, 200, 0, "call");
	}
	raw_close(r);
}

/* ---- limits ---- */

static void streams_over_the_limit_are_refused(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	for (uint32_t i = 0; i < 101; i++) raw_headers(r, 2 * i + 1, 0, (struct raw_request){ .path = "/t/Stream" });
	raw_send(r);
	assert_int_equal(raw_answer(r, 201, 3000).rst, NGHTTP2_REFUSED_STREAM);
	raw_message(r, 199, NGHTTP2_FLAG_END_STREAM, "x");
	raw_send(r);
	raw_expect(r, 199, 200, 0, "the last allowed");
	raw_close(r);
}

static void long_headers_are_refused(void **state)
{
	static char token[40 * 1024];
	struct raw *r = raw_open(*state);
	struct buf b = { .max = 1 << 20 };
	struct raw_answer a;

	memset(token, 'a', sizeof(token) - 1);
	raw_literal(&b, ":method", bytes_str("POST"));
	raw_literal(&b, ":scheme", bytes_str("http"));
	raw_literal(&b, ":path", bytes_str("/t/Echo"));
	raw_literal(&b, ":authority", bytes_str("test"));
	raw_literal(&b, "content-type", bytes_str("application/grpc"));
	raw_literal(&b, "authorization", bytes_str(token));
	raw_frame(r, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, BYTES(b.data, 16000));
	raw_frame(r, NGHTTP2_CONTINUATION, 0, 1, BYTES(b.data + 16000, 16000));
	raw_frame(r, NGHTTP2_CONTINUATION, NGHTTP2_FLAG_END_HEADERS, 1, BYTES(b.data + 32000, b.len - 32000));
	raw_send(r);
	a = raw_answer(r, 1, 3000);
	if (a.http != 200 || a.grpc != 8) fail_msg("http %d grpc %d rst %d goaway %d closed %d", a.http, a.grpc, (int)a.rst, (int)a.goaway, a.closed);
	raw_call(r, 3, "/t/Echo", "x");
	raw_send(r);
	raw_expect(r, 3, 200, 0, "the next");
	raw_close(r);
	buf_free(&b);
}

/* One field in the table of HPACK, named ten thousand times. */
static void hpack_bomb_is_cut(void **state)
{
	static char value[3000];
	struct harness *h = *state;
	struct raw *r = raw_open(h);
	struct buf b = { .max = 1 << 20 };

	memset(value, 'a', sizeof(value) - 1);
	raw_literal(&b, "x", bytes_str(value));
	b.data[0] = 0x40; /* with incremental indexing: entry 62 */
	for (int i = 0; i < 10000; i++) assert_int_equal(buf_put(&b, "\xbe", 1).code, ERR_OK);
	raw_frame(r, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_END_HEADERS, 1, buf_view(&b));
	raw_send(r);
	assert_true(raw_answer(r, 0, 3000).closed);
	raw_close(r);
	buf_free(&b);
	expect_served(h);
}

static void continuation_flood_is_cut(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);
	struct buf b = { .max = 1 << 20 };

	raw_literal(&b, "x", bytes_str("y"));
	raw_frame(r, NGHTTP2_HEADERS, 0, 1, buf_view(&b));
	for (int i = 0; i < 10000; i++) raw_frame(r, NGHTTP2_CONTINUATION, 0, 1, buf_view(&b));
	raw_send(r);
	assert_true(raw_answer(r, 0, 3000).closed);
	raw_close(r);
	buf_free(&b);
	expect_served(h);
}

static void unfinished_requests_are_bounded(void **state)
{
	static uint8_t chunk[16 * 1024 - 5];
	static const uint8_t prefix[] = { 0, 0, 1, 0, 0 };
	struct raw *r = raw_open(*state);
	unsigned refused = 0;

	/* 60 x 16 KiB, one byte short of a message each, and more than what a connection may have unfinished. */
	for (uint32_t s = 1; s < 200; s += 2) {
		raw_headers(r, s, 0, (struct raw_request){ 0 });
		raw_frame(r, NGHTTP2_DATA, 0, s, BYTES(prefix, 5));
		raw_frame(r, NGHTTP2_DATA, 0, s, BYTES(chunk, sizeof(chunk)));
		raw_send(r);
		(void)usleep(500);
	}
	for (;;) {
		struct raw_frame f;
		size_t used = 0;
		struct raw_answer a = { .grpc = -1 };

		if (raw_next(r, &f, &used, 300) != 1) break;
		raw_take(r, &f, f.stream, &a);
		if (a.grpc == 8) refused++;
		memmove(r->in, r->in + used, r->len - used);
		r->len -= used;
	}
	assert_true(refused > 30 && refused < 80);
	raw_close(r);
}

static const struct { const char *name; struct bytes bytes; } nonsense[] = {
	{ "HTTP/1.1", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27) },
	{ "TLS", BYTES("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", 10) },
	{ "zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 30) },
	{ "no SETTINGS first", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x08\6\0\0\0\0\0abcdefgh", 41) },
	{ "frame over 16 KiB", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\xff\xff\xff\0\0\0\0\0\1", 42) },
	{ "DATA on stream 0", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\1\0\0\0\0\0\0x", 43) },
	{ "DATA on an idle stream", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\1\0\0\0\0\0\5x", 43) },
	{ "even stream", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\1\1\5\0\0\0\2\x83", 43) },
	{ "bad HPACK", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\3\1\5\0\0\0\1\xff\xff\xff", 45) },
	{ "PUSH_PROMISE", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\4\5\4\0\0\0\1\0\0\0\2", 46) },
	{ "GOAWAY then RST on idle", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\4\3\0\0\0\0\7\0\0\0\0", 46) },
};

static void nonsense_is_cut_off(void **state)
{
	struct harness *h = *state;

	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		struct raw *r = raw_connect(h);

		raw_put(r, nonsense[i].bytes.data, nonsense[i].bytes.len);
		raw_send(r);
		if (!raw_answer(r, 0, 3000).closed) fail_msg("%s", nonsense[i].name);
		raw_close(r);
	}
	expect_served(h);
	assert_int_equal(h->messages, 1);
}

static void connections_are_counted(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 2, .max_streams = 10, .handshake_ms = 5000 });
	struct raw *a, *b, *c;

	(void)state;
	harness_start(h);
	a = raw_open(h);
	b = raw_open(h);
	raw_call(a, 1, "/t/Echo", "x");
	raw_call(b, 1, "/t/Echo", "x");
	raw_send(a);
	raw_send(b);
	raw_expect(a, 1, 200, 0, "first");
	raw_expect(b, 1, 200, 0, "second");
	c = raw_open(h);
	assert_true(raw_answer(c, 0, 3000).closed);
	assert_int_equal(h->metrics.value[M_CONNECTIONS_REFUSED], 1);
	assert_int_equal(h->limits[LIMIT_CONNECTIONS], 1);
	raw_close(a);
	raw_close(c);
	assert_true(harness_reaches(&h->conns_gone, 1));
	expect_served(h);
	raw_close(b);
	harness_free(h);
}

static void idle_connection_makes_room(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 2, .max_streams = 10, .handshake_ms = 5000 });
	struct raw *idle, *busy, *third;
	struct raw_answer a;

	(void)state;
	h->server->idle.delay_us = 100000;
	harness_start(h);
	idle = raw_open(h);
	busy = raw_open(h);
	raw_call(busy, 1, "/t/Echo", "hang");
	raw_send(busy);
	assert_true(harness_reaches(&h->messages, 1));
	raw_call(idle, 1, "/t/Echo", "x");
	raw_send(idle);
	raw_expect(idle, 1, 200, 0, "first");
	third = raw_open(h);
	assert_true(raw_answer(third, 0, 3000).closed); /* not idle for long enough */
	raw_close(third);
	(void)usleep(150000);
	third = raw_open(h);
	raw_call(third, 1, "/t/Echo", "x");
	raw_send(third);
	raw_expect(third, 1, 200, 0, "in the place of the idle one");
	a = raw_answer(idle, 0, 3000);
	assert_true(a.closed && a.goaway == NGHTTP2_NO_ERROR);
	raw_frame(busy, NGHTTP2_PING, 0, 0, BYTES("12345678", 8));
	raw_send(busy);
	assert_int_equal(raw_answer(busy, 0, 200).pings, 1);
	for (uint32_t s = 3; s < 9; s += 2) { /* and a connection that rested goes on */
		(void)usleep(150000);
		raw_call(third, s, "/t/Echo", "x");
		raw_send(third);
		raw_expect(third, s, 200, 0, "after a rest");
	}
	raw_close(third);
	raw_close(idle);
	raw_close(busy);
	harness_free(h);
}

/* Or a few streams that anybody may open hold every connection for ever. */
static void connection_of_silent_streams_makes_room(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 1, .max_streams = 10, .handshake_ms = 5000 });
	struct raw *silent, *next;

	(void)state;
	h->server->idle.delay_us = 100000;
	harness_start(h);
	silent = raw_open(h);
	raw_headers(silent, 1, 0, (struct raw_request){ .path = "/t/Stream" });
	raw_headers(silent, 3, 0, (struct raw_request){ .path = "/t/Stream" });
	raw_message(silent, 3, 0, "x");
	raw_send(silent);
	assert_true(harness_reaches(&h->messages, 1));
	(void)usleep(200000);
	next = raw_open(h);
	raw_call(next, 1, "/t/Echo", "x");
	raw_send(next);
	raw_expect(next, 1, 200, 0, "in the place of the silent one");
	assert_true(raw_answer(silent, 0, 3000).closed);
	assert_true(harness_reaches(&h->gone, 1)); /* the stream that the method knows */
	raw_close(next);
	raw_close(silent);
	harness_free(h);
}

/* ---- one address, all others ---- */

static void an_address_has_its_share_of_connections(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 50, .max_streams = 10, .handshake_ms = 5000,
								       .per_address = { .connections = 2 } });
	struct raw *a, *b, *c;

	(void)state;
	harness_start(h);
	a = raw_open(h);
	b = raw_open(h);
	raw_call(b, 1, "/t/Echo", "x");
	raw_send(b);
	raw_expect(b, 1, 200, 0, "the second");
	c = raw_open(h);
	assert_true(raw_answer(c, 0, 3000).closed);
	assert_int_equal(h->limits[LIMIT_ADDRESS_CONNECTIONS], 1);
	raw_close(c);
	raw_close(a);
	for (int i = 0; i < 100 && atomic_load(&h->metrics.value[M_CONNECTIONS]) > 1; i++) (void)usleep(20000);
	expect_served(h);
	raw_close(b);
	harness_free(h);
}

static void an_address_has_its_share_of_handshakes(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 50, .max_streams = 10, .handshake_ms = 5000,
								       .per_address = { .handshakes = 2 } });
	struct raw *mute, *served, *more;

	(void)state;
	harness_start(h);
	mute = raw_connect(h);
	served = raw_open(h);
	raw_call(served, 1, "/t/Echo", "x");
	raw_send(served);
	raw_expect(served, 1, 200, 0, "greeted");
	more = raw_open(h); /* in the place of the one that is through */
	for (int i = 0; i < 100 && atomic_load(&h->metrics.value[M_CONNECTIONS]) < 3; i++) (void)usleep(20000);
	assert_int_equal(h->limits[LIMIT_ADDRESS_HANDSHAKES], 0);
	{
		struct raw *over = raw_open(h);

		assert_true(raw_answer(over, 0, 3000).closed);
		raw_close(over);
	}
	assert_int_equal(h->limits[LIMIT_ADDRESS_HANDSHAKES], 1);
	raw_close(mute);
	raw_close(more);
	raw_close(served);
	harness_free(h);
}

static void silent_handshakes_make_room_and_busy_ones_are_waited_for(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 50, .max_streams = 10, .handshake_ms = 60000,
								       .max_handshakes = 2 });
	struct raw *mute[2], *next;
	int64_t before = clock_mono_us();

	(void)state;
	harness_start(h);
	mute[0] = raw_connect(h);
	mute[1] = raw_connect(h);
	for (int i = 0; i < 100 && atomic_load(&h->metrics.value[M_CONNECTIONS]) < 2; i++) (void)usleep(20000);
	next = raw_open(h); /* in the kernel's queue, until one of them has been silent for two seconds */
	raw_call(next, 1, "/t/Echo", "x");
	raw_send(next);
	raw_expect(next, 1, 200, 0, "in the place of a silent one");
	assert_true(clock_mono_us() - before > 1500000);
	assert_int_equal(h->limits[LIMIT_HANDSHAKES], 1);
	assert_true(raw_answer(mute[0], 0, 3000).closed);
	raw_close(mute[0]);
	raw_close(mute[1]);
	raw_close(next);
	harness_free(h);
}

/* ---- time ---- */

static struct harness *hurried(void)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 10, .max_streams = 100, .handshake_ms = 150 });

	h->server->requests.delay_us = 150000;
	h->server->stalls.delay_us = 250000;
	harness_start(h);
	return h;
}

static void silent_peer_is_cut(void **state)
{
	struct harness *h = hurried();
	struct raw *mute = raw_connect(h), *polite = raw_open(h), *served = raw_open(h);
	int64_t before = clock_mono_us();

	(void)state;
	raw_call(served, 1, "/t/Echo", "x");
	raw_send(served);
	assert_true(raw_answer(mute, 0, 3000).closed);
	assert_true(raw_answer(polite, 0, 3000).closed); /* a SETTINGS frame is not a request */
	assert_in_range(clock_mono_us() - before, 100000, 1000000);
	assert_int_equal(h->limits[LIMIT_HANDSHAKE_TIME], 2);
	raw_expect(served, 1, 200, 0, "had a request");
	raw_call(served, 3, "/t/Echo", "x");
	raw_send(served);
	raw_expect(served, 3, 200, 0, "and may stay");
	raw_close(mute);
	raw_close(polite);
	raw_close(served);
	harness_free(h);
}

static void request_that_never_ends_is_answered(void **state)
{
	struct harness *h = hurried();
	struct raw *r = raw_open(h);

	(void)state;
	raw_headers(r, 1, 0, (struct raw_request){ 0 });
	raw_headers(r, 3, 0, (struct raw_request){ .path = "/t/Stream" });
	raw_frame(r, NGHTTP2_DATA, 0, 3, BYTES("\0\0", 2));
	raw_headers(r, 5, 0, (struct raw_request){ .path = "/t/Stream" }); /* an idle stream may live */
	raw_message(r, 5, 0, "x");
	raw_send(r);
	raw_expect(r, 1, 200, 4, "unary");
	raw_expect(r, 3, 200, 4, "stream, in a message");
	(void)usleep(200000);
	raw_message(r, 5, NGHTTP2_FLAG_END_STREAM, "y");
	raw_send(r);
	assert_int_equal(raw_answer(r, 5, 3000).grpc, 0);
	raw_close(r);
	harness_free(h);
}

/* Its window is shut, but it acknowledges and pings. */
static void peer_without_window_is_cut(void **state)
{
	struct harness *h = hurried();
	struct raw *r = raw_connect(h);
	int64_t before = clock_mono_us();
	struct raw_answer a;

	(void)state;
	raw_put(r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	raw_frame(r, NGHTTP2_SETTINGS, 0, 0, BYTES("\0\4\0\0\0\0", 6));
	raw_call(r, 1, "/t/Echo", "x");
	do {
		raw_frame(r, NGHTTP2_PING, 0, 0, BYTES("12345678", 8));
		raw_send(r);
		a = raw_answer(r, 0, 50);
	} while (!a.closed && clock_mono_us() - before < 3000000);
	assert_true(a.closed);
	raw_close(r);
	harness_free(h);
}

/* Large windows, and a socket that it never reads. */
static void peer_that_never_reads_is_cut(void **state)
{
	struct harness *h = hurried();
	struct raw *r = raw_connect(h);

	(void)state;
	raw_put(r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	raw_frame(r, NGHTTP2_SETTINGS, 0, 0, BYTES("\0\4\x7f\xff\xff\xff", 6));
	raw_frame(r, NGHTTP2_WINDOW_UPDATE, 0, 0, BYTES("\x7f\0\0\0", 4));
	for (uint32_t s = 1; s < 60; s += 2) raw_call(r, s, "/t/Big", "x");
	raw_send(r);
	for (int i = 0; i < 300 && atomic_load(&h->metrics.value[M_CONNECTIONS]) > 0; i++) (void)usleep(10000);
	assert_int_equal(atomic_load(&h->metrics.value[M_CONNECTIONS]), 0);
	expect_served(h);
	raw_close(r);
	harness_free(h);
}

/* ---- descriptors ---- */

static int64_t cpu_us(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

/* Clients in the backlog, and no descriptor for them: the limit is set while the server is not yet running. */
static void no_descriptors_is_no_busy_loop(void **state)
{
	struct harness *h = harness_new(NULL, (struct server_options){ .max_connections = 10, .max_streams = 10, .handshake_ms = 5000 });
	struct raw *r = raw_open(h);
	struct rlimit old, low;
	int64_t before;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = (struct rlimit){ .rlim_cur = (rlim_t)r->fd + 1, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	harness_start(h);
	before = cpu_us();
	(void)usleep(500000);
	assert_true(cpu_us() - before < 100000);
	assert_int_equal(h->metrics.value[M_CONNECTIONS_TOTAL], 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	raw_call(r, 1, "/t/Echo", "x");
	raw_send(r);
	raw_expect(r, 1, 200, 0, "served once there are descriptors");
	raw_close(r);
	harness_free(h);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(control_frames_are_bounded),
		T(rapid_reset_is_bounded),
		T(provoked_resets_are_bounded),
		T(honest_pings_are_answered),
		T(busy_client_with_a_ping_per_call_is_no_flood),
		T(streams_over_the_limit_are_refused),
		T(long_headers_are_refused),
		T(hpack_bomb_is_cut),
		T(continuation_flood_is_cut),
		T(unfinished_requests_are_bounded),
		T(nonsense_is_cut_off),
		cmocka_unit_test(an_address_has_its_share_of_connections),
		cmocka_unit_test(an_address_has_its_share_of_handshakes),
		cmocka_unit_test(silent_handshakes_make_room_and_busy_ones_are_waited_for),
		cmocka_unit_test(connections_are_counted),
		cmocka_unit_test(idle_connection_makes_room),
		cmocka_unit_test(connection_of_silent_streams_makes_room),
		cmocka_unit_test(silent_peer_is_cut),
		cmocka_unit_test(request_that_never_ends_is_answered),
		cmocka_unit_test(peer_without_window_is_cut),
		cmocka_unit_test(peer_that_never_reads_is_cut),
		cmocka_unit_test(no_descriptors_is_no_busy_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
