/* The client against our server: what it says when things go wrong. */
#include <signal.h>

#include "net/client.h"
#include "net_harness.h"
#include "net_pki.h"

struct world {
	struct pki_ca ca, other;
	struct pki_leaf server;
	struct harness *h;
	char detail[512], address[64];
	struct client_status status;
	struct buf reply;
};

static int begin_as(void **state, const char *san, long days)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tls_options o = { .min_version = 12 };
	struct tls *tls = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	w->ca = pki_ca_new("test");
	w->other = pki_ca_new("other");
	w->server = pki_leaf_new(&w->ca, san, "serverAuth", days);
	w->reply.max = 2 << 20;
	o.chain_pem = w->server.chain_pem;
	o.key_pkcs8 = w->server.key_der;
	assert_int_equal(tls_new(&o, &tls).code, ERR_OK);
	w->h = harness_begin(tls);
	tls_unref(tls);
	(void)snprintf(w->address, sizeof(w->address), "127.0.0.1:%u", w->h->port);
	*state = w;
	return 0;
}

static int begin(void **state)
{
	return begin_as(state, "DNS:ca.test,DNS:*.wild.test,IP:127.0.0.1", 5);
}

static int begin_expired(void **state)
{
	return begin_as(state, "IP:127.0.0.1", 0);
}

static int begin_plain(void **state)
{
	(void)begin(state);
	server_set_tls(((struct world *)*state)->h->server, NULL);
	return 0;
}

static int end(void **state)
{
	struct world *w = *state;

	harness_free(w->h);
	pki_ca_free(&w->ca);
	pki_ca_free(&w->other);
	pki_leaf_free(&w->server);
	buf_free(&w->reply);
	free(w);
	return 0;
}

static struct client_options options(const struct world *w)
{
	return (struct client_options){ .address = w->address, .roots_pem = w->ca.pem, .timeout_ms = 3000 };
}

static enum err_code call(struct world *w, struct client_options o, const char *path, const char *text)
{
	w->reply.len = 0;
	return client_call(&o, path, bytes_str(text), &w->reply, &w->status, w->detail, sizeof(w->detail)).code;
}

static void calls_by_address_and_by_name(void **state)
{
	struct world *w = *state;
	const struct client_header auth = { "authorization", bytes_str("Bearer secret") };
	struct client_options o = options(w);

	o.headers = &auth;
	o.header_count = 1;
	assert_int_equal(call(w, o, "/t/Echo", "hello"), ERR_OK);
	assert_int_equal(w->status.code, ERR_OK);
	assert_true(bytes_is(buf_view(&w->reply), "hello"));
	assert_string_equal(w->h->authorization, "Bearer secret");
	o.server_name = "ca.test";
	assert_int_equal(call(w, o, "/t/Echo", ""), ERR_OK);
	assert_int_equal(w->status.code, ERR_OK);
	o.server_name = "a.wild.test";
	assert_int_equal(call(w, o, "/t/Big", "x"), ERR_OK);
	assert_int_equal(w->reply.len, 1000000);
}

static void status_of_the_server_is_told(void **state)
{
	struct world *w = *state;

	assert_int_equal(call(w, options(w), "/t/Echo", "fail"), ERR_OK);
	assert_int_equal(w->status.code, ERR_PERMISSION_DENIED);
	assert_string_equal(w->status.text, "100 % no");
	assert_int_equal(w->reply.len, 0);
	assert_int_equal(call(w, options(w), "/t/Nope", "x"), ERR_OK);
	assert_int_equal(w->status.code, ERR_UNIMPLEMENTED);
}

static void untrusted_server_is_refused(void **state)
{
	static const char *const names[] = { "other.test", "127.0.0.2", "a.b.wild.test", "::1", "test" };
	struct world *w = *state;
	struct client_options o = options(w);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		o.server_name = names[i];
		if (call(w, o, "/t/Echo", "x") != ERR_UNAUTHENTICATED || strstr(w->detail, names[i]) == NULL || strstr(w->detail, "another") == NULL)
			fail_msg("%s: %s", names[i], w->detail);
	}
	o = options(w);
	o.roots_pem = w->other.pem;
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_UNAUTHENTICATED);
	assert_non_null(strstr(w->detail, "none of the given root certificates issued it"));
	assert_int_equal(w->h->messages, 0);
}

static void expired_server_is_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(call(w, options(w), "/t/Echo", "x"), ERR_UNAUTHENTICATED);
	assert_non_null(strstr(w->detail, "expired"));
}

static void nobody_listens(void **state)
{
	struct world *w = *state;
	struct client_options o = options(w);

	o.address = "127.0.0.1:1";
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_UNAVAILABLE);
	assert_non_null(strstr(w->detail, "127.0.0.1:1: connection refused"));
	o.address = "no-such-host.invalid:443";
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_UNAVAILABLE);
	assert_non_null(strstr(w->detail, "no-such-host.invalid"));
}

static void odd_addresses_are_refused(void **state)
{
	static const char *const addresses[] = { "", "localhost", ":1", "localhost:", "::1:443", "[]:443", "[::1]" };
	struct world *w = *state;
	struct client_options o = options(w);

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		o.address = addresses[i];
		if (call(w, o, "/t/Echo", "x") != ERR_INVALID_ARGUMENT) fail_msg("%s", addresses[i]);
	}
}

static void deadline_is_kept(void **state)
{
	struct world *w = *state;
	struct client_options o = options(w);
	int64_t before = clock_mono_us();

	o.timeout_ms = 200;
	assert_int_equal(call(w, o, "/t/Echo", "hang"), ERR_DEADLINE_EXCEEDED); /* whoever of the two notices first */
	assert_non_null(strstr(w->detail, "within 200 ms"));
	assert_in_range(clock_mono_us() - before, 150000, 1500000);
}

static void mute_server_meets_the_deadline(void **state)
{
	struct world *w = *state;
	struct harness mute = { 0 };
	struct client_options o = options(w);
	char address[64];

	harness_listen(&mute); /* the kernel accepts; nobody says a word */
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", mute.port);
	o.address = address;
	o.timeout_ms = 200;
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_DEADLINE_EXCEEDED);
	assert_non_null(strstr(w->detail, address));
	(void)close(mute.listen_fd);
}

static void server_without_tls_is_told(void **state)
{
	struct world *w = *state;

	assert_int_equal(call(w, options(w), "/t/Echo", "x"), ERR_UNAVAILABLE);
	assert_non_null(strstr(w->detail, "TLS"));
}

static void bad_inputs_are_refused(void **state)
{
	struct world *w = *state;
	struct client_options o = options(w);

	o.roots_pem = BYTES_NONE;
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_INVALID_ARGUMENT);
	assert_non_null(strstr(w->detail, "root"));
	o = options(w);
	o.chain_pem = w->server.chain_pem;
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_INVALID_ARGUMENT);
	o.key_pem = bytes_str("junk");
	assert_int_equal(call(w, o, "/t/Echo", "x"), ERR_INVALID_ARGUMENT);
}

static void answer_over_the_buffer_is_an_error(void **state)
{
	struct world *w = *state;

	w->reply.max = 1000;
	assert_int_equal(call(w, options(w), "/t/Big", "x"), ERR_RESOURCE_EXHAUSTED);
	w->reply.max = 2 << 20;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(calls_by_address_and_by_name),
		T(status_of_the_server_is_told),
		T(untrusted_server_is_refused),
		cmocka_unit_test_setup_teardown(expired_server_is_refused, begin_expired, end),
		T(nobody_listens),
		T(odd_addresses_are_refused),
		T(deadline_is_kept),
		T(mute_server_meets_the_deadline),
		cmocka_unit_test_setup_teardown(server_without_tls_is_told, begin_plain, end),
		T(bad_inputs_are_refused),
		T(answer_over_the_buffer_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
