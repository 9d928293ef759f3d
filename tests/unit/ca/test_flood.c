/* One peer that never stops asking, and the others: a certificate that was signed leaves all the same. */
#include "ca/world.h"

struct flood {
	struct side *side;
	uint16_t type;
	struct buf message;
	atomic_bool stop;
	atomic_ulong sent;
};

static void *flood_main(void *arg)
{
	struct flood *f = arg;
	unsigned frames;

	while (!atomic_load(&f->stop)) {
		for (int i = 0; i < 200 && !chan_wants_write(f->side->chan); i++) {
			if (chan_put(f->side->chan, f->type, buf_view(&f->message)).code != ERR_OK) return NULL;
			atomic_fetch_add(&f->sent, 1);
		}
		if (chan_flush(f->side->chan).code != ERR_OK || chan_receive(f->side->chan, 64, &frames).code != ERR_OK) return NULL;
	}
	return NULL;
}

static void issue_under(struct world *w, struct flood *f)
{
	struct wire_issue r = request(w, 1);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, flood_main, f), 0);
	while (atomic_load(&f->sent) < 1000) usleep(1000);
	for (int i = 0; i < 20; i++, r.id++) issue_ok(w, &r); /* each within WAIT_US */
	atomic_store(&f->stop, true);
	pthread_join(thread, NULL);
	assert_true(atomic_load(&f->sent) > 1000);
	buf_free(&f->message);
}

static void test_a_front_that_floods_keeps_no_other_waiting(void **state)
{
	static struct side second;
	struct flood f = { .side = &second, .type = FRONT_TOKEN, .message = { .max = 128 } };
	struct world w;

	(void)state;
	world_open(&w, CONF);
	give_channel(&w, &second, CONTROL_FRONT, 1);
	hello(&second, FRONT_HELLO, WIRE_VERSION, 1);
	EXPECT(&second, roots, 1);
	MUST(wire_token_ask_put(&f.message, &(struct wire_token_ask){ .id = 5 }));
	issue_under(&w, &f);
	world_close(&w);
	chan_free(second.chan);
}

static void test_an_admin_that_floods_keeps_no_front_waiting(void **state)
{
	struct world w;
	struct flood f = { .type = ADMIN_STATUS, .message = { .max = 128 } };

	(void)state;
	world_open(&w, CONF);
	f.side = &w.admin;
	MUST(wire_get_put(&f.message, &(struct wire_get){ 9, 0 }));
	issue_under(&w, &f);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_front_that_floods_keeps_no_other_waiting),
		cmocka_unit_test(test_an_admin_that_floods_keeps_no_front_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
