/* Many requests at once, connections that are kept, and those that break. */
#include "http_world.h"

/* ---- many ---- */

static void past_the_bound_is_refused_at_once(void **state)
{
	struct world *w = *state;
	struct got g[65];

	for (size_t i = 0; i < 64; i++) {
		struct https_ask ask = ask_for(&g[i], w->target[i % 2 == 0 ? H1 : H2], "/silent");

		start(w, &g[i], &ask);
	}
	for (int i = 0; i < 3; i++) {
		struct https_ask ask = ask_for(&g[64], w->target[H1], "/hello");

		assert_int_equal(https_start(&ask, NULL).code, ERR_RESOURCE_EXHAUSTED);
		https_cancel(g[i].request);
		g[64] = (struct got){ .w = w };
		assert_int_equal(https_start(&ask, &g[i].request).code, ERR_OK);
		https_cancel(g[i].request);
		g[i].request = NULL;
		ask = ask_for(&g[i], w->target[H1], "/silent");
		start(w, &g[i], &ask);
		world_run(w, 10);
	}
	for (size_t i = 0; i < 64; i++) https_cancel(g[i].request);
	get_ok(w, &g[0], w->target[H1], "/hello");
}

/* HTTP/1.1: eight connections and no more, which are used again; all get their answer. */
static void requests_wait_for_a_connection(void **state)
{
	struct world *w = *state;
	struct got g[60];
	unsigned before = seen(w, "/connections/h1"), after;

	w->awaited = ARRAY_LEN(g);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		struct https_ask ask = ask_for(&g[i], w->target[H1], "/hello");

		start(w, &g[i], &ask);
	}
	world_run(w, 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) assert_int_equal(g[i].status, 200);
	after = seen(w, "/connections/h1");
	if (after - before > 8) fail_msg("%u connections", after - before);
}

/* HTTP/2: fifty at once on one connection, though none was there when they began. */
static void http2_shares_one_connection(void **state)
{
	struct world *w = *state;
	struct got g[50];

	for (int round = 0; round < 2; round++) {
		w->awaited = ARRAY_LEN(g);
		for (size_t i = 0; i < ARRAY_LEN(g); i++) {
			struct https_ask ask = ask_for(&g[i], w->target[H2], "/hold/50");

			start(w, &g[i], &ask);
		}
		world_run(w, 0);
		for (size_t i = 0; i < ARRAY_LEN(g); i++) {
			assert_int_equal(g[i].status, 200);
			assert_string_equal(g[i].body, g[0].body);
		}
	}
}

/* A target that hangs holds up no other. */
static void targets_do_not_wait_for_each_other(void **state)
{
	struct world *w = *state;
	struct got stuck[4], g[4];

	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) {
		struct https_ask ask = ask_for(&stuck[i], w->target[MUTE], "/");

		start(w, &stuck[i], &ask);
	}
	w->awaited = ARRAY_LEN(g);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		struct https_ask ask = ask_for(&g[i], w->target[H2], "/hold/4");

		ask.timeout_ms = 2000;
		start(w, &g[i], &ask);
	}
	world_run(w, 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) assert_int_equal(g[i].status, 200);
	for (size_t i = 0; i < ARRAY_LEN(stuck); i++) https_cancel(stuck[i].request);
}

/* ---- kept connections ---- */

static void connection_is_kept_unless_it_failed(void **state)
{
	static const struct { enum kind kind; const char *path; bool kept; } cases[] = {
		{ H1, "/status", true },     { H1, "/none", true },     { H1, "/cut", false },      { H1, "/silent", false },
		{ H1, "/reset", false },     { H1, "/endless", false }, { H1, "/goodbye", false },  { H1, "/stall", false },
		{ H2, "/hello", true },      { H2, "/reset", true },    { H2, "/silent", false },   { H2, "/stall", false },
		{ H2, "/close", false },     { H2, "/goaway", false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct got first, between, last;
		struct https_ask ask = ask_for(&between, w->target[cases[i].kind], cases[i].path);

		get_ok(w, &first, ask.target, "/hello");
		ask.timeout_ms = 300;
		get(w, &between, &ask);
		get_ok(w, &last, ask.target, "/hello");
		if ((conn_of(&first) == conn_of(&last)) != cases[i].kept)
			fail_msg("%s: connection %u, then %u (%s)", cases[i].path, conn_of(&first), conn_of(&last), between.text);
	}
}

/* After a request's time was up nobody new gets its connection; a stream that is well on it stays. */
static void late_answer_does_not_end_a_stream_beside_it(void **state)
{
	struct world *w = *state;
	struct got stream, late, g;
	struct https_ask ask = ask_for(&stream, w->target[H2], "/stall");
	unsigned first;

	get_ok(w, &g, w->target[H2], "/hello");
	first = conn_of(&g);
	ask.data = got_piece;
	start(w, &stream, &ask);
	ask = ask_for(&late, w->target[H2], "/silent");
	ask.timeout_ms = 200;
	get(w, &late, &ask);
	assert_int_equal(late.e.code, ERR_DEADLINE_EXCEEDED);
	get_ok(w, &g, w->target[H2], "/hello");
	assert_int_not_equal(conn_of(&g), first);
	assert_int_equal(stream.pieces, 1);
	assert_int_equal(stream.ends, 0);
	https_cancel(stream.request);
}

/* At once, if nobody else is on it: a server that is stuck must not keep what is nobody's. */
static void connection_of_a_late_answer_is_closed(void **state)
{
	struct world *w = *state;
	struct got g;
	struct https_ask ask = ask_for(&g, w->target[H2], "/silent");
	unsigned open = seen(w, "/open/h2");

	ask.timeout_ms = 100;
	get(w, &g, &ask);
	assert_int_equal(g.e.code, ERR_DEADLINE_EXCEEDED);
	for (int i = 0; i < 100 && seen(w, "/open/h2") != open; i++) world_run(w, 10);
	assert_int_equal(seen(w, "/open/h2"), open);
}

/* GOAWAY: streams that are open live on, new requests get another connection. */
static void server_that_sends_us_elsewhere(void **state)
{
	struct world *w = *state;
	struct got stream, g;
	struct https_ask ask = ask_for(&stream, w->target[H2], "/stall");

	ask.data = got_piece;
	start(w, &stream, &ask);
	for (int i = 0; i < 20; i++) {
		unsigned told;

		get_ok(w, &g, w->target[H2], "/goaway-soft");
		told = conn_of(&g);
		if (i % 2 == 0) world_run(w, 10); /* GOAWAY has come; otherwise perhaps not yet */
		get_ok(w, &g, w->target[H2], "/hello");
		if (i % 2 == 0) assert_int_not_equal(conn_of(&g), told);
	}
	assert_int_equal(stream.pieces, 1);
	assert_int_equal(stream.ends, 0);
	https_cancel(stream.request);
}

/* What http.h says of POSTs: twice on a kept connection that breaks, once on a new one. */
static void kept_connection_that_breaks_is_tried_anew(void **state)
{
	struct world *w = *state;
	struct got g;
	struct https_ask ask = ask_for(&g, w->target[H1], "/once");
	unsigned first;

	ask.method = HTTPS_POST;
	ask.content_type = "text/plain";
	ask.body = bytes_str("x");
	get(w, &g, &ask);
	assert_int_equal(g.status, 200);
	first = conn_of(&g);
	get(w, &g, &ask);
	assert_int_equal(g.status, 200);
	assert_int_not_equal(conn_of(&g), first);
	assert_int_equal(seen(w, "/once"), 3);
	ask.path = "/nothing";
	https_target_unref(w->target[H1]);
	ask.target = w->target[H1] = target_at(w, H1, "127.0.0.1", target_options(w));
	first = seen(w, "/nothing"); /* on a connection of its own, that is kept */
	get(w, &g, &ask);
	assert_int_equal(g.e.code, ERR_UNAVAILABLE);
	assert_int_equal(seen(w, "/nothing"), first + 2);
}

/* REFUSED_STREAM says that nothing was done (RFC 9113 s8.7). */
static void refused_stream_is_tried_anew(void **state)
{
	struct world *w = *state;
	struct got g;
	struct https_ask ask = ask_for(&g, w->target[H2], "/refuse");

	get(w, &g, &ask);
	assert_int_equal(g.e.code, ERR_UNAVAILABLE);
	assert_int_equal(seen(w, "/refuse"), 6);
	get_ok(w, &g, w->target[H2], "/hello");
}

static void server_starts_again(void **state)
{
	struct world *w = *state;
	struct got g, streams[2];

	for (int i = 0; i < 2; i++) {
		struct https_ask ask = ask_for(&streams[i], w->target[i == 0 ? H1 : H2], "/stall");

		get_ok(w, &g, ask.target, "/hello");
		ask.data = got_piece;
		start(w, &streams[i], &ask);
	}
	world_run(w, 100);
	w->awaited = 2;
	site_stop(w->site);
	world_run(w, 0);
	for (int i = 0; i < 2; i++) {
		struct https_ask ask = ask_for(&g, w->target[i == 0 ? H1 : H2], "/hello");

		assert_int_equal(streams[i].e.code, ERR_UNAVAILABLE); /* at once, not by time */
		get(w, &g, &ask);
		assert_int_equal(g.e.code, ERR_UNAVAILABLE);
		assert_non_null(strstr(g.e.reason, "cannot connect"));
	}
	site_start(w->site);
	get_ok(w, &g, w->target[H1], "/hello");
	get_ok(w, &g, w->target[H2], "/hello");
	site_stop(w->site);
	site_start(w->site);
	get_ok(w, &g, w->target[H1], "/hello"); /* the kept connection has died meanwhile */
	get_ok(w, &g, w->target[H2], "/hello");
}

/* Starts, cancels and ends in an order that nobody thought of (but the same in each run, as far as the server's part goes). */
static void any_order_of_things(void **state)
{
	static const char *const paths[] = { "/hello", "/silent", "/pieces", "/drip", "/cut", "/reset", "/endless", "/once", "/close", "/goaway",
		                             "/refuse", "/stall", "/later", "/big", "/goodbye", "/nothing" };
	static const enum kind kinds[] = { H1, H1, H2, H2, MTLS, MUTE, EXPIRED, CLEAR };
	struct world *w = *state;
	struct got g[48] = { 0 };
	uint32_t x = 1;

	for (int step = 0; step < 1500; step++) {
		struct got *one = &g[(x = x * 1664525 + 1013904223) >> 16 & 31];
		unsigned dice = (x = x * 1664525 + 1013904223) >> 16;
		struct https_ask ask = ask_for(one, w->target[kinds[dice & 7]], paths[dice >> 3 & 15]);

		assert_true(one->ends <= 1);
		if (one->request != NULL) {
			https_cancel(one->request);
			one->request = NULL;
		} else {
			ask.timeout_ms = 1 + (dice >> 7 & 63);
			if ((dice & 1024) != 0) ask.data = got_piece;
			start(w, one, &ask);
		}
		if ((dice & 6144) == 0) world_run(w, 1 + (dice >> 13 & 3));
	}
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		if (g[i].request != NULL) https_cancel(g[i].request);
		g[i].request = NULL;
	}
	for (int try = 0, good = 0; good < 2; try++) { /* a kept connection may be breaking at this very moment */
		struct https_ask ask = ask_for(&g[0], w->target[good == 0 ? H1 : H2], "/hello");

		get(w, &g[0], &ask);
		if (g[0].status == 200) good++;
		else if (try == 10) fail_msg("%s, %s", g[0].e.reason, g[0].text);
	}
	w->awaited = ARRAY_LEN(g);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) { /* and nothing is left that counts */
		struct https_ask ask = ask_for(&g[i], w->target[i % 2 == 0 ? H1 : H2], "/hello");

		start(w, &g[i], &ask);
	}
	world_run(w, 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) assert_int_equal(g[i].ends, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		TEST(past_the_bound_is_refused_at_once),
		TEST(requests_wait_for_a_connection),
		TEST(http2_shares_one_connection),
		TEST(targets_do_not_wait_for_each_other),
		TEST(connection_is_kept_unless_it_failed),
		TEST(late_answer_does_not_end_a_stream_beside_it),
		TEST(connection_of_a_late_answer_is_closed),
		TEST(server_that_sends_us_elsewhere),
		TEST(kept_connection_that_breaks_is_tried_anew),
		TEST(refused_stream_is_tried_anew),
		TEST(server_starts_again),
		TEST(any_order_of_things),
	};

	return cmocka_run_group_tests(tests, site_begin, site_end);
}
