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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_watcher_is_told_of_changes),
		cmocka_unit_test(test_second_request_on_watch_ends_it_and_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
