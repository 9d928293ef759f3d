/* Health and reflection over a real server: what an unauthenticated peer may do to them. */
#include "net_harness.h"
#include "ra/services.h"

#define WATCH "/grpc.health.v1.Health/Watch"
#define REFLECT "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

/* A harness whose methods are the services; h.waiting is not used. */
struct bench {
	struct harness h;
	struct services *services;
	atomic_uint done;
};

static void flush(void *ctx)
{
	struct bench *b = ctx;

	server_flush(b->h.server);
}

static void order(void *ctx, unsigned events)
{
	struct bench *b = ctx;
	char what = 0;

	(void)events;
	if (read(b->h.orders[0], &what, 1) != 1) return;
	if (what == 'n') services_set_serving(b->services, false);
	if (what == 'y') services_set_serving(b->services, true);
	if (what == 's') loop_stop(b->h.loop);
	atomic_fetch_add(&b->done, 1);
}

static struct bench *bench_new(void)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct harness *h = &b->h;
	struct grpc_method methods[SERVICES_METHODS];
	struct server_options o = { .metrics = &h->metrics, .methods = methods, .method_count = SERVICES_METHODS, .ctx = b,
		                    .max_connections = 50, .max_streams = 300, .handshake_ms = 5000 };

	assert_int_equal(loop_new(&h->loop).code, ERR_OK);
	harness_listen(h);
	assert_int_equal(services_new(&b->services).code, ERR_OK);
	services_methods(b->services, methods);
	o.loop = h->loop;
	o.listen_fd = h->listen_fd;
	assert_int_equal(server_new(&o, &h->server).code, ERR_OK);
	h->server->stalls.delay_us = 500000; /* not half a minute */
	assert_int_equal(pipe(h->orders), 0);
	assert_int_equal(watch_new(h->loop, h->orders[0], order, b, &h->watch).code, ERR_OK);
	assert_int_equal(watch_set(h->watch, LOOP_READ).code, ERR_OK);
	loop_on_flush(h->loop, flush, b);
	harness_start(h);
	return b;
}

/* Tell the server's thread, and wait until it did it. */
static void tell(struct bench *b, char what)
{
	unsigned before = atomic_load(&b->done);

	harness_say(&b->h, what);
	assert_true(harness_reaches(&b->done, before + 1));
}

static void bench_free(struct bench *b)
{
	struct harness *h = &b->h;

	tell(b, 's');
	assert_int_equal(pthread_join(h->thread, NULL), 0);
	server_free(h->server);
	assert_int_equal(atomic_load(&h->metrics.value[M_CONNECTIONS]), 0);
	services_free(b->services);
	watch_free(h->watch);
	loop_free(h->loop);
	(void)close(h->listen_fd);
	(void)close(h->orders[0]);
	(void)close(h->orders[1]);
	free(b);
}

static void test_watcher_is_told_of_changes(void **state)
{
	struct bench *b = bench_new();
	struct raw *r = raw_open(&b->h);
	struct raw_answer a;

	(void)state;
	raw_headers(r, 1, 0, (struct raw_request){ .path = WATCH });
	raw_message(r, 1, 0, "");
	raw_send(r);
	a = raw_answer(r, 1, 300);
	assert_int_equal(a.body_len, 7);
	assert_int_equal(a.body[6], 2); /* NOT_SERVING */
	tell(b, 'y');
	a = raw_answer(r, 1, 300);
	assert_int_equal(a.body_len, 7);
	assert_int_equal(a.body[6], 1);
	raw_close(r);
	bench_free(b);
}

/* The refused call must not stay among the watchers: its memory is gone with its stream. */
static void test_second_request_on_watch_ends_it_and_is_forgotten(void **state)
{
	struct bench *b = bench_new();
	struct raw *r = raw_open(&b->h);

	(void)state;
	for (uint32_t stream = 1; stream < 200; stream += 2) {
		raw_headers(r, stream, 0, (struct raw_request){ .path = WATCH });
		raw_message(r, stream, 0, "");
		raw_message(r, stream, 0, "");
		raw_send(r);
		assert_int_equal(raw_answer(r, stream, 2000).grpc, ERR_INVALID_ARGUMENT);
	}
	raw_close(r);
	tell(b, 'y');
	tell(b, 'n');
	r = raw_open(&b->h); /* and the places are free again */
	raw_headers(r, 1, 0, (struct raw_request){ .path = WATCH });
	raw_message(r, 1, 0, "");
	raw_send(r);
	assert_int_equal(raw_answer(r, 1, 300).body_len, 7);
	raw_close(r);
	bench_free(b);
}

/* "\x22": file_containing_symbol = 4 */
#define ASK_HEALTH "\x22\x15grpc.health.v1.Health"

/* A peer that lets nothing out of its streams: its window is 0. */
static struct raw *open_without_window(const struct bench *b)
{
	static const uint8_t no_window[] = { 0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0, 0, 0, 0 };
	struct raw *r = raw_connect(&b->h);

	raw_put(r, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
	raw_frame(r, NGHTTP2_SETTINGS, 0, 0, BYTES(no_window, sizeof(no_window)));
	return r;
}

static void test_streams_that_take_nothing_share_one_bound_and_are_cut(void **state)
{
	struct bench *b = bench_new();
	struct raw *r = open_without_window(b), *other;
	struct raw_answer a;

	(void)state;
	for (uint32_t stream = 1; stream < 400; stream += 2) {
		raw_headers(r, stream, 0, (struct raw_request){ .path = REFLECT });
		for (int i = 0; i < 20; i++) raw_message(r, stream, 0, ASK_HEALTH);
	}
	raw_send(r);
	/* Every stream may have a megabyte; the 200th, which has nothing waiting, is told that the others have too much. */
	assert_int_equal(raw_answer(r, 399, 2000).grpc, ERR_RESOURCE_EXHAUSTED);
	other = raw_open(&b->h);
	raw_headers(other, 1, 0, (struct raw_request){ .path = REFLECT });
	raw_message(other, 1, 0, ASK_HEALTH);
	raw_frame(other, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 1, BYTES_NONE);
	raw_send(other);
	assert_int_equal(raw_answer(other, 1, 2000).grpc, ERR_OK);
	a = raw_answer(r, 0, 3000); /* and then it is cut */
	assert_true(a.closed);
	raw_close(r);
	raw_close(other);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watcher_is_told_of_changes),
		cmocka_unit_test(test_second_request_on_watch_ends_it_and_is_forgotten),
		cmocka_unit_test(test_streams_that_take_nothing_share_one_bound_and_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
