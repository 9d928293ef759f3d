/* The server's TLS: what it agrees to, whom it lets in.  The other side is OpenSSL itself, or our client. */
#include <openssl/err.h>
#include <signal.h>

#include "net/client.h"
#include "net_harness.h"
#include "net_pki.h"

struct world {
	struct pki_ca ca, other;
	struct pki_leaf server;
	struct harness *h;
	_Atomic unsigned checked;
	_Atomic bool refuse;
	struct bytes seen;
};

static struct err check_peer(void *ctx, struct bytes leaf_der)
{
	struct world *w = ctx;

	atomic_fetch_add(&w->checked, 1);
	if (leaf_der.len == 0) abort();
	return w->refuse ? ERR(ERR_PERMISSION_DENIED, "test: refused") : OK;
}

static int begin_with(void **state, int min_version)
{
	struct world *w = calloc(1, sizeof(*w));
	struct tls_options o = { .min_version = min_version, .check_peer = check_peer, .check_ctx = w };
	struct tls *tls = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	w->ca = pki_ca_new("test");
	w->other = pki_ca_new("other");
	w->server = pki_leaf_new(&w->ca, "DNS:ca.test,IP:127.0.0.1", "serverAuth", 5);
	o.chain_pem = w->server.chain_pem;
	o.key_pkcs8 = w->server.key_der;
	o.client_ca_pem = w->ca.pem;
	assert_int_equal(tls_new(&o, &tls).code, ERR_OK);
	w->h = harness_begin(tls);
	tls_unref(tls);
	*state = w;
	return 0;
}

static int begin(void **state)
{
	return begin_with(state, 12);
}

static int begin_13(void **state)
{
	return begin_with(state, 13);
}

static int end(void **state)
{
	struct world *w = *state;

	harness_free(w->h);
	pki_ca_free(&w->ca);
	pki_ca_free(&w->other);
	pki_leaf_free(&w->server);
	free(w);
	return 0;
}

/* ---- handshakes of a plain OpenSSL client ---- */

struct hello { const char *name; int min, max; const char *suites12, *suites13, *alpn; bool ok; };

static unsigned tickets_seen;

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	tickets_seen++;
	return 0;
}

static SSL_CTX *client_context(const struct hello *hello)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	SSL_CTX_set_security_level(ctx, 0);
	assert_true(SSL_CTX_set_min_proto_version(ctx, hello->min) == 1 && SSL_CTX_set_max_proto_version(ctx, hello->max) == 1);
	if (hello->suites12 != NULL) assert_int_equal(SSL_CTX_set_cipher_list(ctx, hello->suites12), 1);
	if (hello->suites13 != NULL) assert_int_equal(SSL_CTX_set_ciphersuites(ctx, hello->suites13), 1);
	if (hello->alpn != NULL) assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)hello->alpn, (unsigned)strlen(hello->alpn)), 0);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_sess_set_new_cb(ctx, on_ticket);
	return ctx;
}

/* A handshake, then the server's first bytes (in TLS 1.3 a refusal comes there). */
static bool shakes_hands(const struct harness *h, const struct hello *hello)
{
	struct raw *r = raw_connect(h);
	SSL_CTX *ctx = client_context(hello);
	SSL *ssl = SSL_new(ctx);
	char first[9];
	bool ok;

	assert_int_equal(SSL_set_fd(ssl, r->fd), 1);
	ok = SSL_connect(ssl) == 1 && SSL_write(ssl, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33) == 33 &&
	     SSL_read(ssl, first, sizeof(first)) == 9 && first[3] == NGHTTP2_SETTINGS;
	if (ok && hello->max == TLS1_2_VERSION) assert_true(SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1 || SSL_read(ssl, first, 9) <= 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	raw_close(r);
	ERR_clear_error();
	return ok;
}

#define H2 "\2h2"
static const struct hello hellos[] = {
	{ "1.3 as ztunnel", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256", H2, true },
	{ "1.3 AES-128 only", TLS1_3_VERSION, TLS1_3_VERSION, NULL, "TLS_AES_128_GCM_SHA256", H2, true },
	{ "1.3 h2 among others", TLS1_3_VERSION, TLS1_3_VERSION, NULL, NULL, "\x8http/1.1\2h2", true },
	{ "1.2 ECDHE AES-128-GCM as Envoy", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, H2, true },
	{ "1.2 ECDHE AES-256-GCM", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", NULL, H2, true },
	{ "1.2 CBC", TLS1_2_VERSION, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", NULL, H2, false },
	{ "1.2 static RSA", TLS1_2_VERSION, TLS1_2_VERSION, "AES128-GCM-SHA256", NULL, H2, false },
	{ "1.1", TLS1_1_VERSION, TLS1_1_VERSION, NULL, NULL, H2, false },
	{ "no ALPN", TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL, NULL, false },
	{ "ALPN http/1.1", TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL, "\x8http/1.1", false },
	{ "ALPN h2c", TLS1_2_VERSION, TLS1_3_VERSION, NULL, NULL, "\3h2c", false },
};

static void agrees_to_what_it_should(void **state)
{
	struct world *w = *state;
	unsigned failed = 0;

	tickets_seen = 0;
	for (size_t i = 0; i < ARRAY_LEN(hellos); i++) {
		if (shakes_hands(w->h, &hellos[i]) != hellos[i].ok) fail_msg("%s", hellos[i].name);
		failed += hellos[i].ok ? 0 : 1;
	}
	assert_int_equal(tickets_seen, 0);
	/* The server counts a moment after the client has given up. */
	for (int i = 0; i < 1000 && atomic_load(&w->h->metrics.value[M_TLS_FAILED]) < failed; i++) (void)usleep(5000);
	assert_int_equal(w->h->metrics.value[M_TLS_FAILED], failed);
	assert_int_equal(w->checked, 0);
}

static void minimum_version_13_is_kept(void **state)
{
	struct world *w = *state;

	assert_true(shakes_hands(w->h, &hellos[0]));
	assert_false(shakes_hands(w->h, &hellos[3]));
}

static void broken_handshakes_end(void **state)
{
	static const struct bytes cases[] = {
		BYTES("GET / HTTP/1.1\r\n\r\n", 18),
		BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24),
		BYTES("\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9),
		BYTES("\x16\x03\x01\xff\xff\x01\x00\x00\x00", 9),
		BYTES("\x15\x03\x03\x00\x02\x02\x28", 7),
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct raw *r = raw_connect(w->h);
		char sink[512];

		raw_put(r, cases[i].data, cases[i].len);
		raw_send(r);
		while (recv(r->fd, sink, sizeof(sink), 0) > 0) {}
		raw_close(r);
	}
	assert_true(shakes_hands(w->h, &hellos[0]));
}

/* ---- calls and client certificates ---- */

static struct err call(struct world *w, const struct pki_leaf *client, struct client_status *status, char detail[256])
{
	char address[64];
	struct client_options o = { .address = address, .server_name = "ca.test", .roots_pem = w->ca.pem, .timeout_ms = 5000 };
	AUTO(buf) struct buf reply = { .max = 1024 };
	struct err e;

	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", w->h->port);
	if (client != NULL) {
		o.chain_pem = client->chain_pem;
		o.key_pem = client->key_pem;
	}
	e = client_call(&o, "/t/Echo", bytes_str("hello"), &reply, status, detail, 256);
	if (e.code == ERR_OK && status->code == ERR_OK) assert_true(bytes_is(buf_view(&reply), "hello"));
	return e;
}

static void client_certificate_is_verified_and_handed_on(void **state)
{
	struct world *w = *state;
	struct pki_leaf client = pki_leaf_new(&w->ca, "URI:spiffe://test/a", "clientAuth", 1);
	struct client_status status;
	char detail[256];

	assert_int_equal(call(w, &client, &status, detail).code, ERR_OK);
	assert_int_equal(status.code, ERR_OK);
	assert_int_equal(w->checked, 1);
	assert_true(bytes_equal(BYTES(w->h->peer_cert, w->h->peer_cert_len), client.cert_der));
	pki_leaf_free(&client);
}

static void client_certificate_is_optional(void **state)
{
	struct world *w = *state;
	struct client_status status;
	char detail[256];

	assert_int_equal(call(w, NULL, &status, detail).code, ERR_OK);
	assert_int_equal(status.code, ERR_OK);
	assert_int_equal(w->checked, 0);
	assert_int_equal(w->h->peer_cert_len, 0);
}

static void bad_client_certificates_end_the_handshake(void **state)
{
	struct world *w = *state;
	struct pki_leaf cases[] = {
		pki_leaf_new(&w->other, "URI:spiffe://test/a", "clientAuth", 1), /* another CA */
		pki_leaf_new(&w->ca, "URI:spiffe://test/a", "serverAuth", 1),    /* another purpose */
		pki_leaf_new(&w->ca, "URI:spiffe://test/a", "clientAuth", 0),    /* expired an hour ago */
	};
	struct client_status status;
	char detail[256];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (call(w, &cases[i], &status, detail).code != ERR_UNAVAILABLE) fail_msg("case %zu", i);
		pki_leaf_free(&cases[i]);
	}
	assert_int_equal(w->checked, 0); /* asked only about a chain that verifies */
	assert_int_equal(w->h->messages, 0);
}

static void check_peer_ends_the_handshake(void **state)
{
	struct world *w = *state;
	struct pki_leaf client = pki_leaf_new(&w->ca, "URI:spiffe://test/a", "clientAuth", 1);
	struct client_status status;
	char detail[256];

	w->refuse = true;
	assert_int_equal(call(w, &client, &status, detail).code, ERR_UNAVAILABLE);
	assert_int_equal(w->checked, 1);
	assert_int_equal(w->h->messages, 0);
	pki_leaf_free(&client);
}

static void settings_that_cannot_work_are_refused(void **state)
{
	struct world *w = *state;
	struct pki_leaf second = pki_leaf_new(&w->ca, "DNS:x", "serverAuth", 1);
	const struct bytes none = BYTES_NONE, junk = bytes_str("junk");
	const struct bytes cut = BYTES(w->server.chain_pem.data, w->server.chain_pem.len - 40);
	const struct { const char *name; struct bytes chain, key, roots; } cases[] = {
		{ "no chain", none, w->server.key_der, none },
		{ "junk for a chain", junk, w->server.key_der, none },
		{ "half a certificate", cut, w->server.key_der, none },
		{ "no key", w->server.chain_pem, none, none },
		{ "junk for a key", w->server.chain_pem, junk, none },
		{ "key of another", w->server.chain_pem, second.key_der, none },
		{ "junk for roots", w->server.chain_pem, w->server.key_der, junk },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_options o = { .chain_pem = cases[i].chain, .key_pkcs8 = cases[i].key, .client_ca_pem = cases[i].roots, .min_version = 12 };
		struct tls *tls = NULL;

		if (tls_new(&o, &tls).code != ERR_INVALID_ARGUMENT || tls != NULL) fail_msg("%s", cases[i].name);
	}
	pki_leaf_free(&second);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(agrees_to_what_it_should),
		cmocka_unit_test_setup_teardown(minimum_version_13_is_kept, begin_13, end),
		T(broken_handshakes_end),
		T(client_certificate_is_verified_and_handed_on),
		T(client_certificate_is_optional),
		T(bad_client_certificates_end_the_handshake),
		T(check_peer_ends_the_handshake),
		T(settings_that_cannot_work_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
