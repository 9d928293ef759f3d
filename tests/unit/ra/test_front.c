/* front_run() in a thread: the couriers that the monitor brings it.  The test plays monitor, keeper and courier. */
#include "net_harness.h"

#include "base/control.h"
#include "conf/load.h"
#include "k8s_csr/wire_front.h"
#include "ra/front.h"

#define PATIENCE_MS 20000
#define NUMBER 3

struct bench {
	struct front_options o;
	struct conf *conf;
	struct log log;
	struct metrics metrics;
	struct chan *monitor, *keeper, *courier; /* the test's ends */
	pthread_t thread;
	struct err result;
	unsigned keeper_hellos, hellos, asked;
	bool ended;
};

static struct err heard(void *self, struct chan_msg *msg)
{
	struct bench *b = self;
	struct wire_hello m;

	if (msg->type != FRONT_HELLO) return OK; /* of the keeper: a serving certificate is asked for */
	assert_int_equal(wire_hello_take(msg->payload, &m).code, ERR_OK);
	assert_int_equal(m.number, NUMBER);
	b->keeper_hellos++;
	return OK;
}

static struct err heard_hello(void *self, struct chan_msg *msg)
{
	struct bench *b = self;
	struct wire_hello m;

	assert_int_equal(wire_hello_take(msg->payload, &m).code, ERR_OK);
	assert_int_equal(m.version, WIRE_VERSION);
	assert_int_equal(m.number, NUMBER);
	b->hellos++;
	return OK;
}

static const struct chan_rule keeper_rules[] = {
	{ 0, FRONT_HELLO, 4, 4, false, heard, 0 },
	{ 0, FRONT_SERVING, 1, 8192, false, heard, 0 },
};
static const struct chan_rule courier_rules[] = { { 0, ASK_HELLO, 4, 4, false, heard_hello, 0 } };
static struct err heard_ask(void *self, struct chan_msg *msg)
{
	(void)msg;
	((struct bench *)self)->asked++;
	return OK;
}

static const struct chan_rule monitor_rules[] = {
	{ 0, CONTROL_READY, 0, 0, false, heard, 0 },
	{ 0, CONTROL_NO_COURIER, 0, 0, false, heard_ask, 0 },
};

/* One message or the end of the channel. */
static struct err next(struct chan *c)
{
	struct pollfd p = { .fd = chan_fd(c), .events = POLLIN };
	unsigned frames;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	return chan_receive(c, 1, &frames);
}

static void *run(void *ctx)
{
	struct bench *b = ctx;

	b->result = front_run(&b->o);
	return NULL;
}

static void pair(struct bench *b, const struct chan_rule *rules, size_t count, struct chan **mine, int *theirs)
{
	int fds[2];

	assert_int_equal(chan_pair(fds).code, ERR_OK);
	assert_int_equal(chan_new(fds[1], rules, count, b, mine).code, ERR_OK);
	*theirs = fds[0];
}

static int setup(void **state)
{
	static const char yaml[] = "trust_domain: example.org\n"
				   "jwt_issuers: [ { name: u, issuer: 'https://u', jwks_url: 'https://u/keys', ca_file: /c, audiences: [a] } ]\n";
	struct bench *b = calloc(1, sizeof(*b));
	struct harness h = { 0 };
	static struct bytes jwks[CONF_ISSUERS_MAX];
	struct conf_problem problem;

	harness_listen(&h);
	b->log = (struct log){ .level = LOG_ERROR, .process = "front" };
	if (conf_parse(bytes_str(yaml), "test", &b->conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	b->o = (struct front_options){ .conf = b->conf, .log = &b->log, .metrics = &b->metrics, .listen_fd = h.listen_fd,
		                       .number = NUMBER, .jwks = jwks };
	pair(b, monitor_rules, ARRAY_LEN(monitor_rules), &b->monitor, &b->o.control_fd);
	pair(b, keeper_rules, ARRAY_LEN(keeper_rules), &b->keeper, &b->o.keeper_fd);
	assert_int_equal(pthread_create(&b->thread, NULL, run, b), 0);
	assert_int_equal(next(b->keeper).code, ERR_OK);
	assert_int_equal(b->keeper_hellos, 1);
	*state = b;
	return 0;
}

static struct err ended(struct bench *b)
{
	if (!b->ended) assert_int_equal(pthread_join(b->thread, NULL), 0);
	b->ended = true;
	return b->result;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	if (!b->ended) {
		assert_int_equal(chan_put(b->monitor, CONTROL_STOP, BYTES_NONE).code, ERR_OK);
		assert_int_equal(chan_flush(b->monitor).code, ERR_OK);
		assert_int_equal(ended(b).code, ERR_OK);
	}
	chan_free(b->monitor);
	chan_free(b->keeper);
	chan_free(b->courier);
	close(b->o.listen_fd);
	conf_free(b->conf);
	free(b);
	return 0;
}

static void bring(struct bench *b, enum control_role role)
{
	uint8_t room[CONTROL_PEER_LEN];
	struct buf out = BUF_ON(room);
	int theirs;

	pair(b, courier_rules, ARRAY_LEN(courier_rules), &b->courier, &theirs);
	assert_int_equal(control_peer_put(&out, &(struct control_peer){ (uint8_t)role, 0 }).code, ERR_OK);
	assert_int_equal(chan_put_fd(b->monitor, CONTROL_CHANNEL, buf_view(&out), theirs).code, ERR_OK);
	close(theirs);
}

static void courier_says_keys(struct bench *b, const char *jwks)
{
	const uint8_t issuer = 0;
	int fd;

	assert_int_equal(chan_memfd("jwks", bytes_str(jwks), &fd).code, ERR_OK);
	assert_int_equal(chan_put_fd(b->courier, COURIER_KEYS, BYTES(&issuer, 1), fd).code, ERR_OK);
	close(fd);
}

static void test_couriers_come_and_go(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 1; i <= 3; i++) {
		bring(b, CONTROL_COURIER);
		assert_int_equal(next(b->courier).code, ERR_OK);
		assert_int_equal(b->hellos, i);
		chan_free(b->courier);
		b->courier = NULL;
	}
}

static void test_new_courier_takes_the_place_of_one_that_lives(void **state)
{
	struct bench *b = *state;
	struct chan *old;

	bring(b, CONTROL_COURIER);
	assert_int_equal(next(b->courier).code, ERR_OK);
	old = b->courier;
	bring(b, CONTROL_COURIER);
	assert_int_equal(next(b->courier).code, ERR_OK);
	assert_int_equal(next(old).code, ERR_UNAVAILABLE);
	chan_free(old);
}

/* The courier may live on without it, and then the monitor sees nothing. */
static void test_front_without_a_courier_asks_for_one(void **state)
{
	struct bench *b = *state;
	uint8_t nonsense = 1;

	for (unsigned i = 1; i <= 2; i++) {
		bring(b, CONTROL_COURIER);
		assert_int_equal(next(b->courier).code, ERR_OK);
		assert_int_equal(b->asked, i - 1);
		assert_int_equal(chan_put(b->courier, COURIER_KEYS, BYTES(&nonsense, 1)).code, ERR_OK);
		assert_int_equal(chan_flush(b->courier).code, ERR_OK);
		assert_int_equal(next(b->courier).code, ERR_UNAVAILABLE);
		chan_free(b->courier);
		b->courier = NULL;
		assert_int_equal(next(b->monitor).code, ERR_OK);
		assert_int_equal(b->asked, i);
	}
}

static const struct {
	const char *name, *jwks;
} sets[] = {
	{ "good", "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"ed\",\"x\":\"iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"}]}" },
	{ "no_keys", "{\"keys\":[]}" },
	{ "not_a_set", "keys" },
};

/* Whatever keys it brings, the courier is not blamed and the front lives. */
static void test_keys(void **state)
{
	struct bench *b = *state;
	uint8_t nonsense = 1;

	bring(b, CONTROL_COURIER);
	assert_int_equal(next(b->courier).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) courier_says_keys(b, sets[i].jwks);
	chan_free(b->courier);
	bring(b, CONTROL_COURIER);
	assert_int_equal(next(b->courier).code, ERR_OK);
	/* But for nonsense it loses its channel. */
	assert_int_equal(chan_put(b->courier, COURIER_KEYS, BYTES(&nonsense, 1)).code, ERR_OK);
	assert_int_equal(chan_flush(b->courier).code, ERR_OK);
	assert_int_equal(next(b->courier).code, ERR_UNAVAILABLE);
	chan_free(b->courier);
	bring(b, CONTROL_COURIER);
	assert_int_equal(next(b->courier).code, ERR_OK);
}

static void test_channel_to_anybody_else_ends_the_front(void **state)
{
	struct bench *b = *state;

	bring(b, CONTROL_ADMIN);
	assert_int_equal(ended(b).code, ERR_INVALID_ARGUMENT);
}

static void test_keeper_that_goes_ends_the_front(void **state)
{
	struct bench *b = *state;

	bring(b, CONTROL_COURIER);
	assert_int_equal(next(b->courier).code, ERR_OK);
	chan_free(b->keeper);
	b->keeper = NULL;
	assert_int_equal(ended(b).code, ERR_UNAVAILABLE);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_couriers_come_and_go),
		TEST(test_new_courier_takes_the_place_of_one_that_lives),
		TEST(test_front_without_a_courier_asks_for_one),
		TEST(test_keys),
		TEST(test_channel_to_anybody_else_ends_the_front),
		TEST(test_keeper_that_goes_ends_the_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
