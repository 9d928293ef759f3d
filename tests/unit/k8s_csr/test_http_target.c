/* Whom the courier trusts, as whom it asks, and what it takes for a target. */
#include "http_world.h"

/* ---- the server's certificate ---- */

static void server_is_verified(void **state)
{
	static const struct {
		const char *name;
		enum kind kind;
		const char *host, *server_name;
		bool other_roots;
		const char *reason; /* NULL: good */
	} cases[] = {
		{ "address", H1, "127.0.0.1", NULL, false, NULL },
		{ "tls-server-name", H1, "localhost", "kubernetes.default.svc", false, NULL },
		{ "tls-server-name in capitals", H2, "localhost", "Kubernetes.Default.Svc", false, NULL },
		{ "tls-server-name is an address", H1, "localhost", "127.0.0.1", false, NULL },
		{ "name that is not in it", H1, "localhost", NULL, false, "does not verify" },
		{ "other tls-server-name", H1, "127.0.0.1", "other.test", false, "does not verify" },
		{ "part of the name", H1, "127.0.0.1", "kubernetes.default", false, "does not verify" },
		{ "other address", H1, "127.0.0.1", "127.0.0.2", false, "does not verify" },
		{ "other roots", H1, "127.0.0.1", NULL, true, "does not verify" },
		{ "other roots, right name", H2, "127.0.0.1", "kubernetes.default.svc", true, "does not verify" },
		{ "expired", EXPIRED, "127.0.0.1", NULL, false, "does not verify" },
		{ "TLS 1.1", OLD, "127.0.0.1", NULL, false, "TLS failed" },
		{ "no TLS", CLEAR, "127.0.0.1", NULL, false, "TLS failed" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct https_target_options o = target_options(w);
		struct https_target *t;
		struct https_ask ask;
		struct got g;

		o.server_name = cases[i].server_name;
		if (cases[i].other_roots) o.roots_pem = w->site->other.pem;
		t = target_at(w, cases[i].kind, cases[i].host, o);
		ask = ask_for(&g, t, "/hello");
		get(w, &g, &ask);
		if (g.e.code != (cases[i].reason == NULL ? ERR_OK : ERR_UNAVAILABLE)) fail_msg("%s: %s, %s", cases[i].name, g.e.reason, g.text);
		if (cases[i].reason != NULL && (strstr(g.e.reason, cases[i].reason) == NULL || g.text[0] == '\0' || g.e.cause == 0))
			fail_msg("%s: %s, %s, %lu", cases[i].name, g.e.reason, g.text, g.e.cause);
		https_target_unref(t);
	}
}

/* It goes into SNI and is verified; Host stays what the URL says. */
static void other_name_is_for_tls_only(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		enum kind kind = i == 0 ? H1 : H2;
		struct https_target_options o = target_options(w);
		struct https_target *t;
		struct got g;
		char want[64];

		o.server_name = "kubernetes.default.svc";
		t = target_at(w, kind, "localhost", o);
		get_ok(w, &g, t, "/hello");
		assert_has(&g, "sni: kubernetes.default.svc\n");
		(void)snprintf(want, sizeof(want), "host: localhost:%u\n", w->site->ports[kind]);
		assert_has(&g, want);
		https_target_unref(t);
	}
}

/* ---- who asks ---- */

static void client_certificate_is_shown(void **state)
{
	struct world *w = *state;
	const struct { struct pki_leaf *leaf; bool good; } cases[] = {
		{ &w->site->client, true }, { &w->site->client2, true }, { NULL, false }, { &w->site->foreign, false },
	};
	char peers[2][64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct https_target_options o = target_options(w);
		struct https_target *t;
		struct https_ask ask;
		struct got g;

		if (cases[i].leaf != NULL) {
			o.cert_pem = cases[i].leaf->chain_pem;
			o.key_pem = cases[i].leaf->key_pem;
		}
		t = target_at(w, MTLS, "127.0.0.1", o);
		ask = ask_for(&g, t, "/hello");
		get(w, &g, &ask);
		assert_int_equal(g.e.code, cases[i].good ? ERR_OK : ERR_UNAVAILABLE);
		if (cases[i].good) assert_int_equal(sscanf(strstr(g.body, "peer: "), "peer: %63s", peers[i]), 1);
		https_target_unref(t);
	}
	assert_string_not_equal(peers[0], "None");
	assert_string_not_equal(peers[0], peers[1]);
}

static void key_of_another_certificate_is_useless(void **state)
{
	struct world *w = *state;
	struct https_target_options o = target_options(w);
	struct https_target *t;
	struct https_ask ask;
	struct got g;

	o.cert_pem = w->site->client.chain_pem;
	o.key_pem = w->site->client2.key_pem;
	t = target_at(w, MTLS, "127.0.0.1", o);
	ask = ask_for(&g, t, "/hello");
	get(w, &g, &ask);
	assert_int_equal(g.e.code, ERR_UNAVAILABLE);
	assert_non_null(strstr(g.e.reason, "client certificate or its key"));
	https_target_unref(t);
}

/* Not even where the old one had the same certificates, which libcurl would take for the same. */
static void new_target_has_new_connections(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		enum kind kind = i == 0 ? H1 : H2;
		struct https_target *t = target_at(w, kind, "127.0.0.1", target_options(w));
		struct got g, again, other;

		get_ok(w, &g, w->target[kind], "/hello");
		get_ok(w, &other, t, "/hello");
		get_ok(w, &again, w->target[kind], "/hello");
		assert_int_equal(conn_of(&g), conn_of(&again));
		assert_int_not_equal(conn_of(&g), conn_of(&other));
		https_target_unref(t);
	}
}

static void token_is_the_one_of_the_start(void **state)
{
	struct world *w = *state;
	struct got g, before;
	struct https_ask ask = ask_for(&before, w->target[H1], "/hello");

	assert_int_equal(https_target_set_token(w->target[H1], bytes_str("one")).code, ERR_OK);
	w->awaited = 1;
	start(w, &before, &ask);
	assert_int_equal(https_target_set_token(w->target[H1], bytes_str("two")).code, ERR_OK);
	world_run(w, 0);
	assert_has(&before, "authorization: Bearer one\n");
	get_ok(w, &g, w->target[H1], "/hello");
	assert_has(&g, "authorization: Bearer two\n");
	assert_int_equal(conn_of(&g), conn_of(&before));
	assert_int_equal(https_target_set_token(w->target[H1], bytes_str("bad one")).code, ERR_INVALID_ARGUMENT);
	get_ok(w, &g, w->target[H1], "/hello");
	assert_has(&g, "authorization: Bearer two\n");
	assert_int_equal(https_target_set_token(w->target[H1], BYTES_NONE).code, ERR_OK);
	get_ok(w, &g, w->target[H1], "/hello");
	assert_has(&g, "authorization: None\n");
	get_ok(w, &g, w->target[H2], "/hello");
	assert_has(&g, "authorization: None\n");
}

static void requests_outlive_the_callers_reference(void **state)
{
	struct world *w = *state;
	struct got g;
	struct https_target *t = target_at(w, H2, "127.0.0.1", target_options(w));
	struct https_ask ask = ask_for(&g, t, "/hello");

	w->awaited = 1;
	start(w, &g, &ask);
	https_target_unref(t);
	world_run(w, 0);
	assert_int_equal(g.status, 200);
}

/* ---- what the environment says ---- */

static void environment_is_not_asked(void **state)
{
	static const char *const names[] = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy" };
	struct world *w = *state;
	struct site *site = w->site;
	struct stat st;
	struct got g;
	char log[128];

	(void)world_end(state);
	(void)snprintf(log, sizeof(log), "%s/keys", site->dir);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) (void)setenv(names[i], "http://127.0.0.1:1", 1);
	(void)setenv("SSLKEYLOGFILE", log, 1);
	(void)setenv("SSL_CERT_FILE", "/dev/null", 1);
	*state = w = world_new(site, 8, 2);
	get_ok(w, &g, w->target[H1], "/hello");
	get_ok(w, &g, w->target[H2], "/hello");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) (void)unsetenv(names[i]);
	(void)unsetenv("SSL_CERT_FILE");
	assert_int_not_equal(stat(log, &st), 0);
}

/* ---- names ---- */

/* Looked up by a thread of libcurl's: found wanting, cancelled under way, too late. */
static void name_that_is_not_there(void **state)
{
	struct world *w = *state;
	struct https_target *t = target_at(w, H1, "no-such-host.invalid", target_options(w));
	struct got g, cancelled, freed;
	struct https_ask ask = ask_for(&cancelled, t, "/");

	start(w, &cancelled, &ask);
	world_run(w, 1);
	https_cancel(cancelled.request);
	ask.ctx = &g;
	ask.timeout_ms = 8000;
	get(w, &g, &ask);
	if (g.e.code != ERR_UNAVAILABLE) fail_msg("%s, %s", g.e.reason, g.text);
	assert_non_null(strstr(g.e.reason, "name is not found"));
	assert_non_null(strstr(g.text, "no-such-host.invalid"));
	ask.ctx = &freed;
	start(w, &freed, &ask);
	world_run(w, 1);
	https_target_unref(t);
}

/* ---- options ---- */

static void targets_that_cannot_be(void **state)
{
	static const char *const bad[] = {
		"", "https://", "http://127.0.0.1:1", "HTTP://127.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd", "127.0.0.1:443", "https:/127.0.0.1",
		"https:127.0.0.1", "https://user@127.0.0.1", "https://user:pass@127.0.0.1", "https://127.0.0.1?x", "https://127.0.0.1/#x",
		"https://127.0.0.1/a b", "https://127.0.0.1/\n", "https://127.0.0.1:99999", "https://127.0.0.1:x", "https://[::1", "https://[::1%25lo]",
		"https://[fe80::1%lo]", "https://a_b.test", "https://h\xc3\xa4.test", "https://-a.test", "https://a..test", "https:///path", "https://:443",
		"https://a.test\\@b.test", "https://*.test", "https://a.test/\"", "https://a.test/<x>",
	};
	static const char *const good[] = {
		"https://a.test", "https://a.test/", "https://127.0.0.1:6443", "https://[::1]:6443/k8s/clusters/c-1/", "https://A.test:1/x%20y",
	};
	static const char *const names[] = { "", "a b", "a/b", "*.test", "a.test:443", "a.test\r\nX: y", "[::1]", "h\xc3\xa4.test" };
	struct world *w = *state;
	struct https_target_options o = target_options(w);

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct https_target *t = NULL;

		o.url = bad[i];
		if (https_target_new(w->https, &o, &t).code != ERR_INVALID_ARGUMENT || t != NULL) fail_msg("taken: %s", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		AUTO(https_target) struct https_target *t = NULL;

		o.url = good[i];
		if (https_target_new(w->https, &o, &t).code != ERR_OK) fail_msg("refused: %s", good[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct https_target *t = NULL;

		o.server_name = names[i];
		if (https_target_new(w->https, &o, &t).code != ERR_INVALID_ARGUMENT || t != NULL) fail_msg("taken as a name: %s", names[i]);
	}
}

static void credentials_that_cannot_be(void **state)
{
	static const char encrypted[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
	static const char old[] = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAAA\n-----END RSA PRIVATE KEY-----\n";
	struct world *w = *state;
	const struct site *s = w->site;
	struct https_target_options o = { .url = "https://a.test" };
	struct bytes cert = s->client.chain_pem, key = s->client.key_pem, roots = s->ca.pem;
	char *large = calloc(1, HTTPS_TOKEN_MAX + 2);
	const struct { const char *name; struct bytes roots, cert, key, token; } cases[] = {
		{ "no roots", BYTES_NONE, BYTES_NONE, BYTES_NONE, BYTES_NONE },
		{ "roots are a key", key, BYTES_NONE, BYTES_NONE, BYTES_NONE },
		{ "roots are text", bytes_str("roots"), BYTES_NONE, BYTES_NONE, BYTES_NONE },
		{ "roots are cut", BYTES(roots.data, roots.len - 10), BYTES_NONE, BYTES_NONE, BYTES_NONE },
		{ "certificate without key", roots, cert, BYTES_NONE, BYTES_NONE },
		{ "key without certificate", roots, BYTES_NONE, key, BYTES_NONE },
		{ "each in the other's place", roots, key, cert, BYTES_NONE },
		{ "encrypted key", roots, cert, bytes_str(encrypted), BYTES_NONE },
		{ "encrypted key of old", roots, cert, bytes_str(old), BYTES_NONE },
		{ "token with a line end", roots, BYTES_NONE, BYTES_NONE, bytes_str("a\r\nX: y") },
		{ "token with a final line end", roots, BYTES_NONE, BYTES_NONE, bytes_str("a\n") },
		{ "token with a NUL", roots, BYTES_NONE, BYTES_NONE, BYTES("a\0b", 3) },
		{ "token of other letters", roots, BYTES_NONE, BYTES_NONE, bytes_str("\xc3\xa4") },
		{ "token too large", roots, BYTES_NONE, BYTES_NONE, BYTES(large, HTTPS_TOKEN_MAX + 1) },
	};

	memset(large, 'x', HTTPS_TOKEN_MAX + 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct https_target *t = NULL;

		o.roots_pem = cases[i].roots;
		o.cert_pem = cases[i].cert;
		o.key_pem = cases[i].key;
		o.token = cases[i].token;
		if (https_target_new(w->https, &o, &t).code != ERR_INVALID_ARGUMENT || t != NULL) fail_msg("taken: %s", cases[i].name);
	}
	o = (struct https_target_options){ .url = "https://a.test", .roots_pem = roots, .token = BYTES(large, HTTPS_TOKEN_MAX) };
	{
		AUTO(https_target) struct https_target *t = NULL;

		assert_int_equal(https_target_new(w->https, &o, &t).code, ERR_OK);
	}
	free(large);
}

/* A prefix of the URL comes before each path. */
static void prefix_comes_first(void **state)
{
	struct world *w = *state;
	struct https_target_options o = target_options(w);
	AUTO(https_target) struct https_target *t = NULL;
	struct got g;
	char url[128];

	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/k8s/clusters/c-1/", w->site->ports[H1]);
	o.url = url;
	assert_int_equal(https_target_new(w->https, &o, &t).code, ERR_OK);
	get_ok(w, &g, t, "/api/v1?x=y");
	assert_has(&g, "GET /k8s/clusters/c-1/api/v1?x=y\n");
}

static void bounds_are_bounded(void **state)
{
	static const struct { unsigned requests, connections; } bad[] = { { 0, 1 }, { 4097, 1 }, { 1, 0 }, { 1, 65 } };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct https_options o = { .loop = w->loop, .max_requests = bad[i].requests, .max_connections = bad[i].connections };
		struct https *h = NULL;

		assert_int_equal(https_new(&o, &h).code, ERR_INVALID_ARGUMENT);
		assert_null(h);
	}
	https_free(NULL);
	https_target_unref(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_begin, world_end)
	const struct CMUnitTest tests[] = {
		TEST(server_is_verified),
		TEST(other_name_is_for_tls_only),
		TEST(client_certificate_is_shown),
		TEST(key_of_another_certificate_is_useless),
		TEST(new_target_has_new_connections),
		TEST(token_is_the_one_of_the_start),
		TEST(requests_outlive_the_callers_reference),
		TEST(environment_is_not_asked),
		TEST(name_that_is_not_there),
		TEST(targets_that_cannot_be),
		TEST(credentials_that_cannot_be),
		TEST(prefix_comes_first),
		TEST(bounds_are_bounded),
	};

	return cmocka_run_group_tests(tests, site_begin, site_end);
}
