/* Calls over plain HTTP/2, byte by byte: what is answered, and how. */
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

static void expect_echo(struct raw *r, uint32_t stream, const char *text)
{
	struct raw_answer a = raw_answer(r, stream, 3000);

	assert_int_equal(a.http, 200);
	assert_int_equal(a.grpc, 0);
	assert_true(a.body_len == 5 + strlen(text) && memcmp(a.body + 5, text, strlen(text)) == 0);
	assert_int_equal(a.body[4], strlen(text));
}

static void unary_is_echoed(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	for (uint32_t s = 1; s < 20; s += 2) {
		raw_call(r, s, "/t/Echo", "hello");
		raw_send(r);
		expect_echo(r, s, "hello");
	}
	raw_call(r, 21, "/t/Echo", "");
	raw_send(r);
	expect_echo(r, 21, "");
	assert_int_equal(strncmp(h->peer, "127.0.0.1:", 10), 0);
	raw_close(r);
	assert_true(harness_reaches(&h->conns_gone, 1));
	assert_int_equal(h->gone, 0);
}

static void frames_and_segments_of_one_byte(void **state)
{
	static const uint8_t message[] = "\0\0\0\0\5hello";
	struct raw *r = raw_open(*state);

	raw_headers(r, 1, 0, (struct raw_request){ 0 });
	for (size_t i = 0; i < sizeof(message) - 1; i++) raw_frame(r, NGHTTP2_DATA, 0, 1, BYTES(message + i, 1));
	raw_frame(r, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, BYTES_NONE);
	for (size_t i = 0; i < r->out.len; i++) {
		assert_int_equal(send(r->fd, r->out.data + i, 1, MSG_NOSIGNAL), 1);
		if (i % 16 == 0) (void)usleep(200);
	}
	expect_echo(r, 1, "hello");
	raw_close(r);
}

static void longest_message_needs_no_help(void **state)
{
	static uint8_t chunk[16 * 1024];
	static const uint8_t prefix[] = { 0, 0, 1, 0, 0 };
	struct raw *r = raw_open(*state);
	struct raw_answer a;

	raw_headers(r, 1, 0, (struct raw_request){ .path = "/t/Big" });
	raw_frame(r, NGHTTP2_DATA, 0, 1, BYTES(prefix, 5));
	for (int i = 0; i < 4; i++) raw_frame(r, NGHTTP2_DATA, i == 3 ? NGHTTP2_FLAG_END_STREAM : 0, 1, BYTES(chunk, sizeof(chunk)));
	raw_send(r);
	/* The answer is larger than the window that we gave: it must stop there and wait. */
	a = raw_answer(r, 1, 300);
	assert_true(a.http == 200 && a.late);
	raw_close(r);
}

static const struct { const char *name; struct raw_request q; int http, grpc; } refusals[] = {
	{ "unknown method", { .path = "/t/Nope" }, 200, 12 },
	{ "no path at all", { .path = "/" }, 200, 12 },
	{ "prefix of a path", { .path = "/t/Ech" }, 200, 12 },
	{ "GET", { .method = "GET" }, 405, 13 },
	{ "PUT", { .method = "PUT" }, 405, 13 },
	{ "JSON", { .type = "application/json" }, 415, 3 },
	{ "gRPC-Web", { .type = "application/grpc-web" }, 415, 3 },
	{ "bad timeout", { .timeout = "soon" }, 400, 13 },
	{ "timeout of 9 digits", { .timeout = "123456789m" }, 400, 13 },
};

static void refuses_before_the_message(void **state)
{
	struct raw *r = raw_open(*state);
	uint32_t s = 1;

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++, s += 2) {
		raw_headers(r, s, 0, refusals[i].q);
		raw_send(r);
		raw_expect(r, s, refusals[i].http, refusals[i].grpc, refusals[i].name);
		/* It had not ended its side: it is asked to stop, without an error. */
		assert_int_equal(raw_answer(r, s, 3000).rst, NGHTTP2_NO_ERROR);
		raw_frame(r, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, s, BYTES("\0\0\0\0\1x", 6)); /* was on its way */
		raw_headers(r, s + 2, NGHTTP2_FLAG_END_STREAM, refusals[i].q);
		raw_send(r);
		s += 2;
		raw_expect(r, s, refusals[i].http, refusals[i].grpc, refusals[i].name);
	}
	raw_call(r, s, "/t/Echo", "still here");
	raw_send(r);
	expect_echo(r, s, "still here");
	raw_close(r);
}

static const struct { const char *name, *path; struct bytes data; int grpc; } bodies[] = {
	{ "none", "/t/Echo", { NULL, 0 }, 13 },
	{ "half a prefix", "/t/Echo", BYTES("\0\0\0", 3), 13 },
	{ "half a message", "/t/Echo", BYTES("\0\0\0\0\3ab", 7), 13 },
	{ "two messages", "/t/Echo", BYTES("\0\0\0\0\1a\0\0\0\0\1b", 12), 13 },
	{ "a message and a byte", "/t/Echo", BYTES("\0\0\0\0\1a\0", 7), 13 },
	{ "two empty messages", "/t/Echo", BYTES("\0\0\0\0\0\0\0\0\0\0", 10), 13 },
	{ "compressed", "/t/Echo", BYTES("\1\0\0\0\1a", 6), 12 },
	{ "another flag", "/t/Echo", BYTES("\2\0\0\0\1a", 6), 13 },
	{ "over-long", "/t/Echo", BYTES("\0\0\1\0\1a", 6), 8 },
	{ "stream, half a message", "/t/Stream", BYTES("\0\0\0\0\3ab", 7), 13 },
	{ "stream, compressed", "/t/Stream", BYTES("\1\0\0\0\1a", 6), 12 },
	{ "stream, over-long", "/t/Stream", BYTES("\0\377\377\377\377", 5), 8 },
};

static void refuses_bad_bodies(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);
	uint32_t s = 1;

	for (size_t i = 0; i < ARRAY_LEN(bodies); i++, s += 2) {
		raw_headers(r, s, 0, (struct raw_request){ .path = bodies[i].path });
		raw_frame(r, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, s, bodies[i].data);
		raw_send(r);
		raw_expect(r, s, 200, bodies[i].grpc, bodies[i].name);
	}
	raw_close(r);
	assert_int_equal(h->messages, 0);
}

static void answers_come_later_too(void **state)
{
	struct raw *r = raw_open(*state);
	struct raw_answer a;

	raw_call(r, 1, "/t/Later", "x");
	raw_send(r);
	a = raw_answer(r, 1, 3000);
	assert_true(a.grpc == 0 && a.body_len == 9 && memcmp(a.body + 5, "late", 4) == 0);
	raw_close(r);
}

static void status_text_is_percent_encoded(void **state)
{
	struct raw *r = raw_open(*state);
	struct raw_answer a;

	raw_call(r, 1, "/t/Echo", "fail");
	raw_send(r);
	a = raw_answer(r, 1, 3000);
	assert_true(a.http == 200 && a.grpc == 7 && a.body_len == 0);
	assert_string_equal(a.text, "100 %25 no");
	raw_close(r);
}

static void deadline_is_kept(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	raw_headers(r, 1, 0, (struct raw_request){ .timeout = "100m" });
	raw_message(r, 1, NGHTTP2_FLAG_END_STREAM, "hang");
	raw_headers(r, 3, 0, (struct raw_request){ .timeout = "50m" }); /* its message never comes */
	raw_headers(r, 5, 0, (struct raw_request){ .timeout = "5S" });
	raw_message(r, 5, NGHTTP2_FLAG_END_STREAM, "in time");
	raw_send(r);
	expect_echo(r, 5, "in time");
	raw_expect(r, 3, 200, 4, "no message");
	raw_expect(r, 1, 200, 4, "hang");
	assert_true(harness_reaches(&h->gone, 1)); /* the other's method never saw it */
	raw_close(r);
	assert_int_equal(h->gone, 1);
}

static void cancelled_call_is_gone_once(void **state)
{
	static const uint8_t cancel[] = { 0, 0, 0, NGHTTP2_CANCEL };
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	raw_call(r, 1, "/t/Echo", "hang");
	raw_call(r, 3, "/t/Later", "x");
	raw_headers(r, 5, 0, (struct raw_request){ 0 }); /* unknown to its method: no `gone` */
	raw_send(r);
	assert_true(harness_reaches(&h->messages, 2));
	raw_frame(r, NGHTTP2_RST_STREAM, 0, 1, BYTES(cancel, 4));
	raw_frame(r, NGHTTP2_RST_STREAM, 0, 5, BYTES(cancel, 4));
	raw_send(r);
	assert_true(harness_reaches(&h->gone, 1));
	raw_close(r); /* takes the other with it */
	assert_true(harness_reaches(&h->gone, 2));
}

static void request_cancelled_in_the_same_breath_is_never_seen(void **state)
{
	static const uint8_t cancel[] = { 0, 0, 0, NGHTTP2_CANCEL };
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	raw_call(r, 1, "/t/Echo", "x");
	raw_frame(r, NGHTTP2_RST_STREAM, 0, 1, BYTES(cancel, 4));
	raw_call(r, 3, "/t/Echo", "y");
	raw_send(r);
	expect_echo(r, 3, "y");
	assert_int_equal(h->messages, 1);
	assert_int_equal(h->gone, 0);
	raw_close(r);
}

static void keeps_the_headers_asked_for(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	raw_headers(r, 1, 0, (struct raw_request){ .authorization = "Bearer abc" });
	raw_message(r, 1, NGHTTP2_FLAG_END_STREAM, "x");
	raw_send(r);
	expect_echo(r, 1, "x");
	assert_string_equal(h->authorization, "Bearer abc");
	assert_int_equal(h->authorizations, 1);
	raw_call(r, 3, "/t/Echo", "x");
	raw_send(r);
	expect_echo(r, 3, "x");
	assert_string_equal(h->authorization, "");
	assert_int_equal(h->authorizations, 0);
	raw_close(r);
}

static void streams_flow_both_ways(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);
	struct raw_answer a;

	raw_headers(r, 1, 0, (struct raw_request){ .path = "/t/Stream" });
	raw_message(r, 1, 0, "one");
	raw_send(r);
	a = raw_answer(r, 1, 200);
	assert_true(a.http == 200 && a.late && a.body_len == 8);
	raw_message(r, 1, 0, "two");
	raw_message(r, 1, NGHTTP2_FLAG_END_STREAM, "three");
	raw_send(r);
	a = raw_answer(r, 1, 3000);
	assert_true(a.grpc == 0 && a.body_len == 18 && a.ended);
	assert_int_equal(h->ends, 1);
	raw_close(r);
	assert_int_equal(h->gone, 0);
}

static void server_may_end_a_stream_first(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h);

	raw_headers(r, 1, 0, (struct raw_request){ .path = "/t/Stream" });
	raw_message(r, 1, 0, "stop");
	raw_message(r, 1, 0, "more");
	raw_send(r);
	raw_expect(r, 1, 200, 10, "stopped");
	assert_int_equal(raw_answer(r, 1, 3000).rst, NGHTTP2_NO_ERROR);
	assert_int_equal(h->messages, 1);
	raw_close(r);
}

static void drain_lets_calls_end(void **state)
{
	struct harness *h = *state;
	struct raw *r = raw_open(h), *idle = raw_open(h), *mute = raw_connect(h);
	struct raw_answer a;

	raw_call(r, 1, "/t/Later", "x");
	raw_send(r);
	assert_true(harness_reaches(&h->messages, 1));
	harness_say(h, 'd');
	a = raw_answer(r, 1, 3000);
	assert_true(a.goaway == NGHTTP2_NO_ERROR && a.grpc == 0);
	raw_call(r, 3, "/t/Echo", "between the two"); /* the first GOAWAY promises nothing yet */
	raw_send(r);
	expect_echo(r, 3, "between the two");
	assert_true(raw_answer(r, 0, 3000).closed);
	a = raw_answer(idle, 0, 3000);
	assert_true(a.closed && a.goaway == NGHTTP2_NO_ERROR);
	assert_true(raw_answer(mute, 0, 3000).closed);
	raw_close(r);
	raw_close(idle);
	raw_close(mute);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(unary_is_echoed),
		T(frames_and_segments_of_one_byte),
		T(longest_message_needs_no_help),
		T(refuses_before_the_message),
		T(refuses_bad_bodies),
		T(answers_come_later_too),
		T(status_text_is_percent_encoded),
		T(deadline_is_kept),
		T(cancelled_call_is_gone_once),
		T(request_cancelled_in_the_same_breath_is_never_seen),
		T(keeps_the_headers_asked_for),
		T(streams_flow_both_ways),
		T(server_may_end_a_stream_first),
		T(drain_lets_calls_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
