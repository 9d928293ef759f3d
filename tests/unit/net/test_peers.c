/* What one address may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "net/peers.h"

#define SECOND INT64_C(1000000)

static struct sockaddr_storage address(const char *text)
{
	struct sockaddr_storage s = { 0 };
	struct sockaddr_in *v4 = (void *)&s;
	struct sockaddr_in6 *v6 = (void *)&s;

	if (strcmp(text, "unix") == 0) {
		s.ss_family = AF_UNIX;
	} else if (strchr(text, ':') == NULL) {
		s.ss_family = AF_INET;
		v4->sin_port = 1234;
		assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
	} else {
		s.ss_family = AF_INET6;
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	}
	return s;
}

static enum peers_verdict enter(struct peers *p, const char *text, int64_t now, struct peer **out)
{
	struct sockaddr_storage s = address(text);

	return peers_enter(p, &s, now, out);
}

static struct peers *peers_of(struct peers_limits limits)
{
	struct peers *p = NULL;

	assert_int_equal(peers_new(&limits, &p).code, ERR_OK);
	return p;
}

static void connections_count_for_each_address(void **state)
{
	struct peers *p = peers_of((struct peers_limits){ .connections = 2 });
	struct peer *a, *b, *other, *none;

	(void)state;
	assert_int_equal(enter(p, "192.0.2.1", 0, &a), PEERS_OK);
	assert_int_equal(enter(p, "192.0.2.1", 0, &b), PEERS_OK);
	assert_int_equal(enter(p, "192.0.2.1", 0, &none), PEERS_CONNECTIONS);
	assert_null(none);
	assert_int_equal(enter(p, "192.0.2.2", 0, &other), PEERS_OK);
	peers_leave(p, a, false);
	assert_int_equal(enter(p, "192.0.2.1", 0, &a), PEERS_OK);
	peers_leave(p, a, false);
	peers_leave(p, b, false);
	peers_leave(p, other, false);
	peers_free(p);
}

static void a_handshake_counts_until_it_is_over(void **state)
{
	struct peers *p = peers_of((struct peers_limits){ .connections = 10, .handshakes = 2 });
	struct peer *held[4];

	(void)state;
	assert_int_equal(enter(p, "::1", 0, &held[0]), PEERS_OK);
	assert_int_equal(enter(p, "::1", 0, &held[1]), PEERS_OK);
	assert_int_equal(enter(p, "::1", 0, &held[2]), PEERS_HANDSHAKES);
	peers_greeted(held[0]);
	assert_int_equal(enter(p, "::1", 0, &held[2]), PEERS_OK);
	assert_int_equal(enter(p, "::1", 0, &held[3]), PEERS_HANDSHAKES);
	peers_leave(p, held[1], false); /* it never got so far */
	assert_int_equal(enter(p, "::1", 0, &held[1]), PEERS_OK);
	peers_leave(p, held[0], true);
	assert_int_equal(enter(p, "::1", 0, &held[3]), PEERS_HANDSHAKES);
	peers_leave(p, held[1], false);
	peers_leave(p, held[2], false);
	peers_free(p);
}

static void new_connections_have_a_rate(void **state)
{
	struct peers *p = peers_of((struct peers_limits){ .per_second = 5 });
	struct peer *peer;
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		if (enter(p, "192.0.2.1", SECOND, &peer) == PEERS_OK) {
			taken++;
			peers_leave(p, peer, false); /* coming and going does not help */
		}
	assert_int_equal(taken, 5);
	assert_int_equal(enter(p, "192.0.2.1", SECOND, &peer), PEERS_RATE);
	assert_int_equal(enter(p, "192.0.2.9", SECOND, &peer), PEERS_OK);
	peers_leave(p, peer, true);
	assert_int_equal(enter(p, "192.0.2.1", SECOND + SECOND / 5, &peer), PEERS_OK);
	peers_leave(p, peer, true);
	assert_int_equal(enter(p, "192.0.2.1", SECOND + SECOND / 5, &peer), PEERS_RATE);
	peers_free(p);
}

static const struct { const char *one, *other; bool same; } kinds[] = {
	{ "192.0.2.1", "192.0.2.2", false },
	{ "192.0.2.1", "::ffff:192.0.2.1", true }, /* as a socket for both kinds shows it */
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
	{ "2001:db8::1", "2001:db8::ffff:1", true },
	{ "2001:db8:0:1::1", "2001:db8:0:2::1", false },
	{ "192.0.2.1", "2001:db8::1", false },
};

static void an_ipv6_network_is_one_address(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct peers *p = peers_of((struct peers_limits){ .connections = 1 });
		struct peer *one, *other;

		assert_int_equal(enter(p, kinds[i].one, 0, &one), PEERS_OK);
		if ((enter(p, kinds[i].other, 0, &other) == PEERS_CONNECTIONS) != kinds[i].same)
			fail_msg("%s and %s", kinds[i].one, kinds[i].other);
		peers_leave(p, one, false);
		peers_leave(p, other, false);
		peers_free(p);
	}
}

static void a_unix_socket_has_no_limits(void **state)
{
	struct peers *p = peers_of((struct peers_limits){ .connections = 1, .handshakes = 1, .per_second = 1 });
	struct peer *peer;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(enter(p, "unix", 0, &peer), PEERS_OK);
		assert_null(peer);
	}
	peers_leave(p, NULL, false);
	peers_free(p);
}

static void memory_is_bounded_and_who_is_here_is_never_forgotten(void **state)
{
	struct peers *p = peers_of((struct peers_limits){ .connections = 1 });
	struct peer *here, *peer;
	char text[32];

	(void)state;
	assert_int_equal(enter(p, "198.51.100.1", 0, &here), PEERS_OK);
	for (unsigned i = 0; i < 3 * PEERS_IDLE_MAX; i++) {
		(void)snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(enter(p, text, 0, &peer), PEERS_OK);
		peers_leave(p, peer, i % 2 == 0);
	}
	assert_int_equal(peers_count(p), PEERS_IDLE_MAX + 1);
	assert_int_equal(enter(p, "198.51.100.1", 0, &peer), PEERS_CONNECTIONS);
	peers_leave(p, here, false);
	assert_int_equal(enter(p, "198.51.100.1", 0, &here), PEERS_OK);
	peers_free(p); /* with one that is still here */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_count_for_each_address),
		cmocka_unit_test(a_handshake_counts_until_it_is_over),
		cmocka_unit_test(new_connections_have_a_rate),
		cmocka_unit_test(an_ipv6_network_is_one_address),
		cmocka_unit_test(a_unix_socket_has_no_limits),
		cmocka_unit_test(memory_is_bounded_and_who_is_here_is_never_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
