/* Requests of the courier against an ordinary and a hostile server. */
#include "http_world.h"

#define U ERR_UNAVAILABLE
#define D ERR_DEADLINE_EXCEEDED
#define R ERR_RESOURCE_EXHAUSTED

/* ---- the server's side of it ---- */

struct answer_case {
	const char *path;
	enum err_code want;
	long status;
	const char *body;   /* begins so; NULL: whatever */
	const char *reason; /* has it; NULL: whatever */
	bool stream;
	int64_t ms;         /* 0: 5000 */
	unsigned retry_after;
	size_t max;         /* 0: 4095 */
};

#define A(p, w, s, b, ...) { .path = (p), .want = (w), .status = (s), .body = (b), ##__VA_ARGS__ }
static const struct answer_case answers[] = {
	A("/hello", ERR_OK, 200, "GET /hello\n"),
	A("/none", ERR_OK, 204, ""),
	A("/status", ERR_OK, 403, "{\"kind\":\"Status\""),
	A("/status", ERR_OK, 403, "{\"kind\":\"Status\"", .stream = true),
	A("/unauthorized", ERR_OK, 401, "who?"),
	A("/cookie", ERR_OK, 200, "have"),
	A("/upgrade", ERR_OK, 200, "no"),
	A("/gzip", ERR_OK, 200, "\x1f\x8b"),
	A("/header-some", ERR_OK, 200, "some"),
	A("/big", ERR_OK, 200, "xxxx", .max = 100000),
	A("/pieces", ERR_OK, 200, "piece0\npiece1\npiece2\n"),
	A("/pieces", ERR_OK, 200, "piece0\npiece1\npiece2\n", .stream = true),
	A("/redirect", ERR_OK, 302, "there"),
	A("/redirect-same", ERR_OK, 307, "there"),
	A("/redirect-clear", ERR_OK, 301, "there"),
	A("/redirect", ERR_OK, 302, "there", .stream = true),
	A("/later", ERR_OK, 429, "later", .retry_after = 7),
	A("/later", ERR_OK, 429, "later", .retry_after = 7, .stream = true),
	A("/later-date", ERR_OK, 503, "later", .retry_after = 30),
	A("/later-far", ERR_OK, 429, "later", .retry_after = HTTPS_RETRY_AFTER_MAX),
	A("/later-past", ERR_OK, 429, "later"),
	A("/later-minus", ERR_OK, 429, "later"),
	A("/later-odd", ERR_OK, 429, "later"),
	/* time */
	A("/silent", D, 0, "", .reason = "no answer in time", .ms = 300),
	A("/silent", D, 0, "", .reason = "no answer in time", .ms = 300, .stream = true),
	A("/drip", D, 200, "xx", .reason = "no answer in time", .ms = 500),
	A("/stall", D, 200, "piece0\n", .reason = "no answer in time", .ms = 400),
	A("/stall", D, 200, "piece0\n", .reason = "no answer in time", .ms = 300, .stream = true),
	A("/stall-headers", D, 200, "", .reason = "no answer in time", .ms = 300),
	A("/stall-headers", D, 200, "", .reason = "no answer in time", .ms = 300, .stream = true),
	A("/stall-first", D, 200, "", .reason = "no answer in time", .ms = 300, .stream = true),
	/* cut */
	A("/cut", U, 200, "0123456789", .reason = "cut short"),
	A("/cut", U, 200, "0123456789", .reason = "cut short", .stream = true),
	A("/cut-abrupt", U, 200, "0123456789", .reason = "cut short"),
	A("/cut-chunk", U, 200, "01234", .reason = "cut short"),
	A("/cut-chunks", U, 200, "whole chunk", .reason = "cut short"),
	A("/cut-chunks", U, 200, "whole chunk", .reason = "cut short", .stream = true),
	A("/open", U, 200, "until the end", .reason = "where it ends"),
	A("/open-abrupt", U, 200, "until the end", .reason = "where it ends"),
	A("/open-abrupt", U, 200, "until the end", .reason = "where it ends", .stream = true),
	A("/nothing", U, 0, "", .reason = "closed without an answer"),
	A("/reset", U, 0, "", .reason = "lost"),
	A("/reset-late", U, 200, "0123456789", .reason = "lost"),
	A("/reset-late", U, 200, "0123456789", .reason = "lost", .stream = true),
	A("/garbage", U, 0, "", .reason = "lost"),
	A("/version", U, 0, "", .reason = "lost"),
	/* size */
	A("/big", R, 200, NULL, .reason = "too large", .max = 99999),
	A("/endless", R, 200, NULL, .reason = "too large"),
	A("/endless-open", R, 200, NULL, .reason = "too large"),
	A("/status-big", R, 403, NULL, .reason = "too large", .stream = true),
	A("/status-endless", R, 500, NULL, .reason = "too large", .stream = true),
	A("/headers", R, 200, "", .reason = "too large"),
	A("/headers", R, 200, "", .reason = "too large", .stream = true),
	A("/header", R, 200, "", .reason = "too large"),
	A("/continue", R, 100, "", .reason = "too large"),
	A("/trailers", R, 200, "x", .reason = "too large"),
};
#undef A

static void check_answer(const struct answer_case *c, const struct got *g)
{
	const char *how = c->stream ? "streamed" : "collected";

	if (g->e.code != c->want || g->status != c->status)
		fail_msg("%s, %s: %s (%s), cause %lu, status %ld", c->path, how, g->e.reason, g->text, g->e.cause, g->status);
	if (c->reason != NULL && strstr(g->e.reason, c->reason) == NULL) fail_msg("%s, %s: %s, cause %lu", c->path, how, g->e.reason, g->e.cause);
	if (c->body != NULL && strncmp(g->body, c->body, c->body[0] == '\0' ? 1 : strlen(c->body)) != 0)
		fail_msg("%s, %s: %s", c->path, how, g->body);
	if ((g->e.code == ERR_OK) != (g->text[0] == '\0')) fail_msg("%s, %s: text \"%s\"", c->path, how, g->text);
	if (g->retry_after > c->retry_after || g->retry_after + 2 < c->retry_after) fail_msg("%s: Retry-After %u", c->path, g->retry_after);
	if (c->stream && c->status == 200 && g->body_len != 0) fail_msg("%s: streamed and collected", c->path);
	if (c->stream && c->want == ERR_OK && g->opened != (c->status == 200)) fail_msg("%s: opened %u times", c->path, g->opened);
	if ((!c->stream || c->status != 200) && g->opened != 0) fail_msg("%s: opened", c->path);
	if (c->stream && c->status != 200 && g->pieces != 0) fail_msg("%s: refusal was streamed", c->path);
	if (strstr(g->text, "secret-token") != NULL) fail_msg("%s: tells the token", c->path);
}

static void each_answer_is_what_it_is(void **state)
{
	struct world *w = *state;

	assert_int_equal(https_target_set_token(w->target[H1], bytes_str("secret-token")).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		const struct answer_case *c = &answers[i];
		struct got g;
		struct https_ask ask = ask_for(&g, w->target[H1], c->path);

		if (c->ms > 0) ask.timeout_ms = c->ms;
		if (c->max > 0) ask.max_answer = c->max;
		if (c->stream) ask.data = got_piece;
		get(w, &g, &ask);
		check_answer(c, &g);
	}
	assert_int_equal(seen(w, "/leak"), 0); /* no redirect was followed */
	assert_int_equal(seen(w, "/connections/expired"), 0);
	assert_int_equal(seen(w, "/connections/clear"), 0);
}

/* ---- our side of it ---- */

static void request_says_what_it_should(void **state)
{
	static const struct { enum https_method method; const char *name, *type, *body; } cases[] = {
		{ HTTPS_GET, "GET", NULL, "" },
		{ HTTPS_POST, "POST", "application/json", "{\"a\":1}" },
		{ HTTPS_POST, "POST", "application/json", "" },
		{ HTTPS_PUT, "PUT", "application/json", "{}" },
		{ HTTPS_PATCH, "PATCH", "application/merge-patch+json", "{\"b\":2}" },
		{ HTTPS_DELETE, "DELETE", NULL, "" },
		{ HTTPS_DELETE, "DELETE", "application/json", "{\"kind\":\"DeleteOptions\"}" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		enum kind kind = i % 2 == 0 ? H1 : H2;
		struct got g;
		struct https_ask ask = ask_for(&g, w->target[kind], "/a/../b?x=%20y&z=1");
		char want[256];

		ask.method = cases[i / 2].method;
		ask.content_type = cases[i / 2].type;
		ask.body = bytes_str(cases[i / 2].body);
		get(w, &g, &ask);
		assert_int_equal(g.status, 200);
		(void)snprintf(want, sizeof(want), "%s /a/../b?x=%%20y&z=1\n", cases[i / 2].name);
		assert_has(&g, want);
		(void)snprintf(want, sizeof(want), "host: 127.0.0.1:%u\ncontent-type: %s\nauthorization: None\naccept: application/json,",
		               w->site->ports[kind], cases[i / 2].type == NULL ? "None" : cases[i / 2].type);
		assert_has(&g, want);
		assert_has(&g, "\naccept-encoding: None\ncookie: None\nexpect: None\nuser-agent: signet/");
		(void)snprintf(want, sizeof(want), "body: %s\n", cases[i / 2].body);
		assert_has(&g, want);
	}
}

static void large_body_is_sent_whole(void **state)
{
	struct world *w = *state;
	uint8_t *body = malloc(HTTPS_BODY_MAX + 1);

	memset(body, 'b', HTTPS_BODY_MAX + 1);
	for (int i = 0; i < 2; i++) {
		struct got g;
		struct https_ask ask = ask_for(&g, w->target[i == 0 ? H1 : H2], "/echo");

		ask.method = HTTPS_POST;
		ask.content_type = "text/plain";
		ask.body = BYTES(body, HTTPS_BODY_MAX);
		get(w, &g, &ask);
		assert_int_equal(g.status, 200);
		assert_has(&g, "expect: None");
		assert_has(&g, "length: 2097152\nbody: bbb");
		ask.body = BYTES(body, HTTPS_BODY_MAX + 1);
		assert_int_equal(https_start(&ask, NULL).code, ERR_INVALID_ARGUMENT);
	}
	free(body);
}

static void malformed_ask_is_refused(void **state)
{
	struct world *w = *state;
	struct got g = { .w = w };
	const struct https_ask good = ask_for(&g, w->target[H1], "/x");
	static char long_path[HTTPS_PATH_MAX + 2];
	struct https_ask bad[15];
	size_t n = 0;

#define BAD(...)                                                                                                       \
	do {                                                                                                           \
		struct https_ask a = good;                                                                             \
		__VA_ARGS__;                                                                                           \
		bad[n++] = a;                                                                                          \
	} while (0)
	memset(long_path, '/', sizeof(long_path) - 1);
	BAD(a.target = NULL);
	BAD(a.done = NULL);
	BAD(a.path = NULL);
	BAD(a.path = "x");
	BAD(a.path = "/a b");
	BAD(a.path = "/a\r\nX: y");
	BAD(a.path = "/a#b");
	BAD(a.path = long_path);
	BAD(a.method = HTTPS_POST);
	BAD(a.body = bytes_str("x"));
	BAD(a.content_type = "text/plain");
	BAD(a.method = HTTPS_PUT; a.content_type = "text/plain\r\nX: y");
	BAD(a.timeout_ms = 0);
	BAD(a.max_answer = 0);
	BAD(a.max_answer = (size_t)HTTPS_ANSWER_MAX + 1);
#undef BAD
	for (size_t i = 0; i < n; i++)
		if (https_start(&bad[i], NULL).code != ERR_INVALID_ARGUMENT) fail_msg("malformed ask %zu was taken", i);
	assert_int_equal(g.ends, 0);
}

/* ---- time ---- */

static void stream_lives_as_long_as_it_speaks(void **state)
{
	struct world *w = *state;
	struct got stream, whole;
	struct https_ask ask = ask_for(&stream, w->target[H1], "/drip"); /* a byte each 50 ms */

	ask.timeout_ms = 400;
	ask.data = got_piece;
	start(w, &stream, &ask);
	ask.data = NULL;
	ask.ctx = &whole;
	w->awaited = 1;
	start(w, &whole, &ask);
	world_run(w, 0);
	assert_int_equal(whole.e.code, ERR_DEADLINE_EXCEEDED);
	world_run(w, 1000);
	assert_int_equal(stream.ends, 0);
	assert_true(stream.streamed > 10);
	https_cancel(stream.request);
}

static void pieces_come_as_they_are_sent(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		struct got g;
		struct https_ask ask = ask_for(&g, w->target[i == 0 ? H1 : H2], "/pieces");

		ask.data = got_piece;
		get(w, &g, &ask);
		assert_int_equal(g.e.code, ERR_OK);
		assert_string_equal(g.body, "piece0\npiece1\npiece2\n");
		assert_int_equal(g.opened, 1);
		if (i == 0) assert_int_equal(g.pieces, 3);
	}
}

static void server_that_takes_connections_and_says_nothing(void **state)
{
	struct world *w = *state;
	struct got g[3];

	w->awaited = ARRAY_LEN(g);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		struct https_ask ask = ask_for(&g[i], w->target[MUTE], "/");

		ask.timeout_ms = 300;
		start(w, &g[i], &ask);
	}
	world_run(w, 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		assert_int_equal(g[i].e.code, ERR_DEADLINE_EXCEEDED);
		assert_non_null(strstr(g[i].text, "no connection to ask on within 300 ms"));
	}
}

/* ---- cancel ---- */

struct canceller {
	struct got got;
	struct got *others[2]; /* cancelled by it */
	struct https_ask next; /* started by it, if it has a target */
	struct got next_got;
	struct https_target *given_back;
	bool itself;
};

static void cancel_others(struct canceller *c)
{
	for (size_t i = 0; i < ARRAY_LEN(c->others); i++) {
		if (c->others[i] == NULL) continue;
		https_cancel(c->others[i]->request);
		c->others[i] = NULL;
	}
	if (c->next.target != NULL) {
		c->next.ctx = &c->next_got;
		c->next_got.w = c->got.w;
		assert_int_equal(https_start(&c->next, NULL).code, ERR_OK);
		assert_int_equal(c->next_got.ends, 0);
		c->next.target = NULL;
	}
	https_target_unref(c->given_back);
	c->given_back = NULL;
}

static void cancelling_piece(void *ctx, struct bytes piece)
{
	struct canceller *c = ctx;

	got_piece(&c->got, piece);
	cancel_others(c);
	if (c->itself) {
		https_cancel(c->got.request);
		got_end(c->got.w);
	}
}

static void cancelling_done(void *ctx, struct err e, const struct https_answer *a)
{
	struct canceller *c = ctx;

	cancel_others(c);
	got_done(&c->got, e, a);
}

static void nothing_comes_after_cancel(void **state)
{
	static const char *const paths[] = { "/silent", "/drip", "/endless", "/pieces", "/stall", "/hello" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(paths) * 4; i++) {
		struct got g;
		struct https_ask ask = ask_for(&g, w->target[i % 2 == 0 ? H1 : H2], paths[i / 4]);
		unsigned pieces;

		ask.data = got_piece;
		start(w, &g, &ask);
		if (i % 4 < 2) world_run(w, 20); /* otherwise before it was begun */
		pieces = g.pieces;
		if (g.ends == 0) https_cancel(g.request);
		world_run(w, 20);
		assert_int_equal(g.pieces, pieces);
		if (i % 4 >= 2) assert_int_equal(g.ends + g.pieces, 0);
	}
	https_cancel(NULL);
}

/* A stream's piece and its end cancel it, cancel others, start others, and give back a target whose last user they are. */
static void callbacks_may_do_anything(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 16; i++) {
		enum kind kind = (i & 1) == 0 ? H1 : H2;
		bool in_done = (i & 2) != 0, own_target = (i & 8) != 0;
		struct https_target *t = own_target ? target_at(w, kind, "127.0.0.1", target_options(w)) : w->target[kind];
		struct canceller c = { .got.w = w, .itself = (i & 4) != 0 && !in_done };
		struct got idle, waiting;
		struct https_ask ask = ask_for(&idle, t, "/silent");

		start(w, &idle, &ask);
		world_run(w, 30);
		ask.ctx = &waiting;
		start(w, &waiting, &ask);
		c.others[0] = &idle;
		c.others[1] = &waiting;
		c.next = ask_for(&c.next_got, t, "/hello");
		c.given_back = own_target ? t : NULL;
		ask = ask_for(&c.got, t, "/pieces");
		ask.data = cancelling_piece;
		ask.ctx = &c;
		if (in_done) {
			ask.data = got_piece;
			ask.done = cancelling_done;
		}
		w->awaited = 2;
		assert_int_equal(https_start(&ask, &c.got.request).code, ERR_OK);
		world_run(w, 0);
		assert_int_equal(c.got.ends, c.itself ? 0 : 1);
		if (c.itself) assert_int_equal(c.got.pieces, 1);
		assert_int_equal(c.next_got.ends, 1);
		assert_int_equal(c.next_got.status, 200);
		assert_int_equal(idle.ends + waiting.ends, 0);
	}
}

static void free_ends_what_is_in_flight(void **state)
{
	struct world *w = *state;
	struct got g[12];

	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		static const char *const paths[] = { "/silent", "/stall", "/hello" };
		static const enum kind kinds[] = { H1, H2, MUTE, MTLS };
		struct https_ask ask = ask_for(&g[i], w->target[kinds[i / 3]], paths[i % 3]);

		start(w, &g[i], &ask);
	}
	world_run(w, 50); /* world_end() frees */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		TEST(each_answer_is_what_it_is),
		TEST(request_says_what_it_should),
		TEST(large_body_is_sent_whole),
		TEST(malformed_ask_is_refused),
		TEST(stream_lives_as_long_as_it_speaks),
		TEST(pieces_come_as_they_are_sent),
		TEST(server_that_takes_connections_and_says_nothing),
		TEST(nothing_comes_after_cancel),
		TEST(callbacks_may_do_anything),
		TEST(free_ends_what_is_in_flight),
	};

	return cmocka_run_group_tests(tests, site_begin, site_end);
}
