/* Keys of issuers, fetched from a real HTTPS server (tests/data/https_server.py) on a clock that the test sets ahead. */
#include "k8s_csr/http_world.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/metrics.h"
#include "conf/load.h"
#include "k8s_csr/fake_cluster.h"
#include "k8s_csr/keyring.h"

static _Atomic int64_t ahead_s;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE) ts->tv_sec += atomic_load(&ahead_s);
	return rc;
}

/* ---- one test ---- */

#define LOOKS_MAX (KEYRING_LOOKERS_MAX + 8)

static struct ring {
	struct world *w;
	struct conf *conf;
	struct cluster *cluster;
	struct keyring *keyring;
	unsigned changes, looks;
	unsigned changed_issuer;
	bool within; /* a callback from within keyring_look() is wrong */
	struct { void *asker; uint64_t id; unsigned changes; } looked[LOOKS_MAX];
	int log_fd, stderr_fd;
} r;
static char one, two; /* askers */
static struct metrics metrics;
static const struct log info = { .level = LOG_INFO, .process = "test" };

static void on_changed(void *ctx, unsigned issuer, int fd)
{
	assert_ptr_equal(ctx, &r);
	assert_false(r.within);
	assert_int_equal(fd, keyring_fd(r.keyring, issuer));
	r.changes++;
	r.changed_issuer = issuer;
}

static void on_looked(void *ctx, void *asker, uint64_t id)
{
	assert_ptr_equal(ctx, &r);
	assert_false(r.within);
	assert_true(r.looks < LOOKS_MAX);
	r.looked[r.looks].asker = asker;
	r.looked[r.looks].id = id;
	r.looked[r.looks++].changes = r.changes;
	got_end(r.w);
}

static int set_up(void **state)
{
	char path[] = "/tmp/signet-log.XXXXXX";

	(void)world_begin(state);
	r = (struct ring){ .w = *state, .log_fd = mkstemp(path), .stderr_fd = dup(2) };
	assert_true(r.log_fd >= 0 && r.stderr_fd >= 0);
	(void)unlink(path);
	assert_int_equal(dup2(r.log_fd, 2), 2);
	memset(&metrics, 0, sizeof(metrics));
	return 0;
}

static void stop(void)
{
	keyring_free(r.keyring);
	cluster_free(r.cluster);
	conf_free(r.conf);
	r.keyring = NULL;
	r.cluster = NULL;
	r.conf = NULL;
}

static void logged(char *out, size_t size)
{
	ssize_t n = pread(r.log_fd, out, size - 1, 0);

	assert_true(n >= 0);
	out[n] = '\0';
}

/* What was caught goes to where it belongs: there may be why the test failed. */
static int tear_down(void **state)
{
	char out[64 * 1024];

	stop();
	logged(out, sizeof(out));
	(void)dup2(r.stderr_fd, 2);
	(void)fputs(out, stderr);
	(void)close(r.stderr_fd);
	(void)close(r.log_fd);
	return world_end(state);
}

static unsigned log_count(const char *what)
{
	char out[64 * 1024];
	unsigned n = 0;

	logged(out, sizeof(out));
	for (const char *p = out; (p = strstr(p, what)) != NULL; p++) n++;
	return n;
}

static void log_clear(void)
{
	assert_int_equal(ftruncate(r.log_fd, 0), 0);
	assert_int_equal(lseek(r.log_fd, 0, SEEK_SET), 0);
}

/* Of one issuer; PORT, DIR and OTHER (port of the expired certificate) in `entry` stand for what they are. */
static void start_with(const char *entry)
{
	static const struct conf_cluster at = { .id = 0 };
	struct conf_problem problem = { "" };
	struct cluster_options c = { .log = &info, .cluster = &at };
	struct keyring_options o = { .loop = r.w->loop, .https = r.w->https, .log = &info, .metrics = &metrics, .clusters = &r.cluster,
		                     .changed = on_changed, .looked = on_looked, .ctx = &r };
	AUTO(buf) struct buf yaml = { .max = 65536 };

	assert_int_equal(buf_put_str(&yaml, "trust_domain: example.org\nclusters: [ { id: here, kubeconfig: /k } ]\n"
					    "jwt_issuers: [ { name: idle, issuer: 'https://idle', jwks_file: /j, audiences: [a] }, "
					    "{ name: id, audiences: [a], ").code, ERR_OK);
	for (const char *p = entry; *p != '\0'; p++) {
		struct err e;

		if (strncmp(p, "PORT", 4) == 0) e = buf_printf(&yaml, "%u", r.w->site->ports[H1]), p += 3;
		else if (strncmp(p, "OTHER", 5) == 0) e = buf_printf(&yaml, "%u", r.w->site->ports[EXPIRED]), p += 4;
		else if (strncmp(p, "DIR", 3) == 0) e = buf_put_str(&yaml, r.w->site->dir), p += 2;
		else e = buf_put(&yaml, p, 1);
		assert_int_equal(e.code, ERR_OK);
	}
	assert_int_equal(buf_put_str(&yaml, " } ]\n").code, ERR_OK);
	if (conf_parse(buf_view(&yaml), "test", &r.conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	c.conf = o.conf = r.conf;
	assert_int_equal(cluster_new(&c, &r.cluster).code, ERR_OK);
	assert_int_equal(keyring_new(&o, &r.keyring).code, ERR_OK);
	assert_int_equal(keyring_fd(r.keyring, 1), -1);
}

#define URL_ENTRY "issuer: 'https://x', ca_file: DIR/ca.pem, jwks_url: 'https://127.0.0.1:PORT/files/keys'"

static void file_put(const char *name, const char *status, const char *body)
{
	AUTO(buf) struct buf text = { .max = 4 * 1024 * 1024 };
	char port[8];

	(void)snprintf(port, sizeof(port), "%u", r.w->site->ports[H1]);
	assert_int_equal(buf_printf(&text, "%s\n", status).code, ERR_OK);
	for (const char *p = body; *p != '\0'; p++) {
		bool is_port = strncmp(p, "PORT", 4) == 0;

		assert_int_equal((is_port ? buf_put_str(&text, port) : buf_put(&text, p, 1)).code, ERR_OK);
		if (is_port) p += 3;
	}
	site_write(r.w->site, name, buf_view(&text), BYTES_NONE);
}

static void keys_are(const char *want)
{
	struct bytes set;

	assert_true(keyring_fd(r.keyring, 1) >= 0);
	assert_int_equal(chan_memfd_map(keyring_fd(r.keyring, 1), WIRE_JWKS_MAX, &set).code, ERR_OK);
	if (!bytes_is(set, want)) fail_msg("keys: %.*s", (int)set.len, set.data);
	(void)munmap((void *)(uintptr_t)set.data, set.len);
}

static void ask_look(void *asker, uint64_t id)
{
	r.within = true;
	assert_int_equal(keyring_look(r.keyring, asker, id, 1).code, ERR_OK);
	r.within = false;
}

/* Look, and wait for what comes of it. */
static void look(void)
{
	unsigned before = r.looks;

	r.w->awaited = 1;
	ask_look(&one, 7);
	world_run(r.w, 0);
	assert_int_equal(r.looks, before + 1);
	assert_true(r.looked[before].asker == &one && r.looked[before].id == 7);
}

/* Let time pass, for the loop too; what is due begins. */
static void jump(int64_t seconds)
{
	atomic_fetch_add(&ahead_s, seconds);
	world_run(r.w, 1);
}

static uint64_t metric(enum metric m) { return atomic_load(&metrics.value[m]); }

/* Until so many fetches have ended. */
static void await_ended(uint64_t n)
{
	for (int i = 0; i < LONGEST_MS / 10 && metric(M_KEYS_FETCHED) + metric(M_KEYS_FAILED) < n; i++) world_run(r.w, 10);
	assert_int_equal(metric(M_KEYS_FETCHED) + metric(M_KEYS_FAILED), n);
}

#define SET_A "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"a\"}]}"
#define SET_B "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"a\"},{\"kty\":\"EC\",\"kid\":\"b\"}]}"

/* ---- what is fetched ---- */

static void keys_are_fetched_at_the_start(void **state)
{
	(void)state;
	file_put("keys", "200", SET_B);
	start_with(URL_ENTRY);
	await_ended(1);
	assert_int_equal(r.changes, 1);
	assert_int_equal(r.changed_issuer, 1);
	keys_are(SET_B);
	assert_int_equal(metric(M_KEYS_FETCHED), 1);
	assert_int_equal(log_count("keys_changed"), 1);
	assert_int_equal(log_count("issuer=id keys=2"), 1);
	assert_int_equal(log_count("keys_back"), 0);
	assert_int_equal(keyring_fd(r.keyring, 0), -1); /* those of a file are not fetched */
	assert_int_equal(keyring_fd(r.keyring, 2), -1);
	assert_int_equal(keyring_fd(r.keyring, 1000), -1);
	assert_int_equal(keyring_look(r.keyring, &one, 1, 0).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(keyring_look(r.keyring, &one, 1, 31).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(keyring_look(r.keyring, &one, 1, 1000).code, ERR_INVALID_ARGUMENT);
}

#define DISCOVERY(issuer) "ca_file: DIR/ca.pem, discovery: true, issuer: 'https://127.0.0.1:PORT/files/" issuer "'"
#define DOCUMENT(issuer, uri) "{\"issuer\":\"https://127.0.0.1:PORT/files/" issuer "\",\"jwks_uri\":\"" uri "\",\"x\":[1,{}]}"
#define FILES "https://127.0.0.1:PORT/files/"
#define ID_DOCUMENT "id_.well-known_openid-configuration"

static const struct {
	const char *name, *entry, *document;
} good[] = {
	{ "a query", "issuer: x, ca_file: DIR/ca.pem, jwks_url: 'https://127.0.0.1:PORT/files/keys?a=b&c=%20'", NULL },
	{ "discovery", DISCOVERY("id"), DOCUMENT("id", FILES "keys") },
	{ "an issuer that ends with a slash", DISCOVERY("id/"), DOCUMENT("id/", FILES "keys") },
	{ "keys behind a query", DISCOVERY("id"), DOCUMENT("id", FILES "keys?tenant=1") },
};

static void where_keys_may_be(void **state)
{
	(void)state;
	file_put("keys", "200", SET_A);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (good[i].document != NULL) file_put(ID_DOCUMENT, "200", good[i].document);
		start_with(good[i].entry);
		look();
		if (r.changes != i + 1) fail_msg("%s", good[i].name);
		keys_are(SET_A);
		stop();
	}
}

#define AT(path) "issuer: x, ca_file: DIR/ca.pem, jwks_url: 'https://127.0.0.1:PORT" path "'"
#define ROOTS(file) "issuer: x, ca_file: DIR/" file ", jwks_url: 'https://127.0.0.1:PORT/files/keys'"
static const struct {
	const char *entry;
	const char *status, *body; /* of files/keys */
	const char *document;      /* of files/id/.well-known/openid-configuration */
	const char *why;           /* of the log */
} bad[] = {
	/* the answer */
	{ AT("/files/keys"), "500", SET_A, NULL, "status 500" },
	{ AT("/files/keys"), "404", SET_A, NULL, "status 404" },
	{ AT("/files/keys"), "201", SET_A, NULL, "status 201" },
	{ AT("/files/keys"), "403", SET_A, NULL, "text=\"status 403\"" },
	{ AT("/redirect"), "200", SET_A, NULL, "status 302" },
	{ AT("/redirect-same"), "200", SET_A, NULL, "status 307" },
	{ AT("/none"), "200", SET_A, NULL, "status 204" },
	{ AT("/cut"), "200", SET_A, NULL, "UNAVAILABLE" },
	{ AT("/endless"), "200", SET_A, NULL, "RESOURCE_EXHAUSTED" },
	{ AT("/status-endless"), "200", SET_A, NULL, "RESOURCE_EXHAUSTED" },
	/* the set */
	{ AT("/files/keys"), "200", "", NULL, "json: length" },
	{ AT("/files/keys"), "200", "<html>", NULL, "json: malformed" },
	{ AT("/files/keys"), "200", "[{\"kty\":\"EC\"}]", NULL, "json: not an object" },
	{ AT("/files/keys"), "200", "{}", NULL, "keys: not a JWK set" },
	{ AT("/files/keys"), "200", "{\"keys\":{}}", NULL, "keys: not a JWK set" },
	{ AT("/files/keys"), "200", "{\"keys\":null}", NULL, "keys: not a JWK set" },
	{ AT("/files/keys"), "200", "{\"keys\":[],\"keys\":[]}", NULL, "json: duplicate" },
	{ AT("/files/keys"), "200", SET_A "x", NULL, "json: malformed" },
	{ AT("/files/keys"), "200", "{\"keys\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", NULL, "json: nested" },
	/* who it is */
	{ ROOTS("missing.pem"), "200", SET_A, NULL, "cannot open the file with the roots" },
	{ ROOTS("empty.pem"), "200", SET_A, NULL, "empty, too large, or no file" },
	{ ROOTS("large.pem"), "200", SET_A, NULL, "empty, too large, or no file" },
	{ ROOTS(""), "200", SET_A, NULL, "empty, too large, or no file" },
	{ ROOTS("garbage.pem"), "200", SET_A, NULL, "the certificates to trust cannot be used" },
	{ ROOTS("other.pem"), "200", SET_A, NULL, "UNAVAILABLE" },
	{ "issuer: x, ca_file: DIR/ca.pem, jwks_url: 'https://127.0.0.1:OTHER/files/keys'", "200", SET_A, NULL, "UNAVAILABLE" },
	{ "issuer: x, ca_file: DIR/ca.pem, jwks_url: 'https://127.0.0.1:1/files/keys'", "200", SET_A, NULL, "UNAVAILABLE" },
	/* discovery */
	{ DISCOVERY("id"), "200", SET_A, DOCUMENT("other", FILES "keys"), "of another issuer" },
	{ DISCOVERY("id/"), "200", SET_A, DOCUMENT("id", FILES "keys"), "of another issuer" },
	{ DISCOVERY("id"), "200", SET_A, DOCUMENT("id", "http://127.0.0.1:PORT/files/keys"), "INVALID_ARGUMENT" },
	{ DISCOVERY("id"), "200", SET_A, DOCUMENT("id", "https://u@127.0.0.1:PORT/files/keys"), "INVALID_ARGUMENT" },
	{ DISCOVERY("id"), "200", SET_A, DOCUMENT("id", "/files/keys"), "INVALID_ARGUMENT" },
	{ DISCOVERY("id"), "200", SET_A, "{\"issuer\":\"https://127.0.0.1:PORT/files/id\"}", "no jwks_uri" },
	{ DISCOVERY("id"), "200", SET_A, "{\"jwks_uri\":\"https://127.0.0.1:PORT/files/keys\"}", "names no issuer" },
	{ DISCOVERY("id"), "200", SET_A, SET_A, "names no issuer" },
	{ DISCOVERY("id"), "200", SET_A, "[]", "json: not an object" },
	{ DISCOVERY("id"), "200", SET_A, DOCUMENT("id", "https://127.0.0.1:PORT/redirect"), "status 302" },
	{ DISCOVERY("id"), "503", SET_A, DOCUMENT("id", FILES "keys"), "status 503" },
	{ DISCOVERY("nobody"), "200", SET_A, NULL, "status 404" },
};

static void what_is_no_key_set_is_refused(void **state)
{
	static char large[1024 * 1024 + 2];

	(void)state;
	memset(large, '\n', sizeof(large) - 1);
	site_write(r.w->site, "empty.pem", bytes_str(""), BYTES_NONE);
	site_write(r.w->site, "large.pem", bytes_str(large), BYTES_NONE);
	site_write(r.w->site, "garbage.pem", bytes_str("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), BYTES_NONE);
	site_write(r.w->site, "other.pem", r.w->site->other.pem, BYTES_NONE);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		file_put("keys", bad[i].status, bad[i].body);
		if (bad[i].document != NULL) file_put(ID_DOCUMENT, "200", bad[i].document);
		log_clear();
		start_with(bad[i].entry);
		look();
		if (r.changes != 0 || keyring_fd(r.keyring, 1) != -1) fail_msg("%zu: taken", i);
		if (log_count("keys_failed") != 1 || log_count(bad[i].why) == 0) fail_msg("%zu: not %s", i, bad[i].why);
		if (metric(M_KEYS_FAILED) != i + 1) fail_msg("%zu: not counted", i);
		stop();
	}
	assert_int_equal(metric(M_KEYS_FETCHED), 0);
	assert_int_equal(seen(r.w, "/leak"), 0);
}

static void a_set_may_be_as_large_as_memory_for_it(void **state)
{
	char *text = calloc(1, WIRE_JWKS_MAX + 2);

	(void)state;
	memset(text, ' ', WIRE_JWKS_MAX + 1);
	memcpy(text, SET_A, strlen(SET_A));
	file_put("keys", "200", text);
	start_with(URL_ENTRY);
	look();
	assert_int_equal(keyring_fd(r.keyring, 1), -1);
	text[WIRE_JWKS_MAX] = '\0';
	file_put("keys", "200", text);
	jump(KEYRING_LEAST_S);
	look();
	assert_true(keyring_fd(r.keyring, 1) >= 0);
	free(text);
}

/* ---- as time goes by ---- */

static void only_news_are_told(void **state)
{
	static const struct { const char *set; unsigned changes; } rows[] = {
		{ SET_A, 1 }, { SET_A, 1 }, { SET_B, 2 }, { SET_B, 2 }, { SET_A, 3 }, { SET_A " ", 4 }, { "{\"keys\":[]}", 5 }, { SET_A, 6 },
	};

	(void)state;
	file_put("keys", "200", SET_A);
	start_with(URL_ENTRY);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		file_put("keys", "200", rows[i].set);
		look();
		if (r.changes != rows[i].changes) fail_msg("%zu: %u changes", i, r.changes);
		assert_int_equal(r.looked[i].changes, r.changes); /* news come first */
		keys_are(rows[i].set);
		jump(KEYRING_LEAST_S);
	}
	assert_int_equal(log_count("keys_changed"), 6);
	assert_int_equal(log_count("keys_failed"), 0);
}

static void an_outage_is_logged_once_and_the_last_keys_stay(void **state)
{
	(void)state;
	file_put("keys", "500", "");
	start_with(URL_ENTRY);
	for (int i = 0; i < 3; i++) {
		look();
		jump(KEYRING_LEAST_S);
	}
	assert_int_equal(log_count("keys_failed"), 1);
	assert_int_equal(log_count("no keys"), 1);
	file_put("keys", "200", SET_A);
	look();
	assert_int_equal(log_count("keys_back"), 1);
	assert_int_equal(r.changes, 1);
	jump(KEYRING_LEAST_S);
	file_put("keys", "200", "{");
	look();
	assert_int_equal(log_count("keys_failed"), 2);
	assert_int_equal(log_count("the keys fetched last"), 1);
	keys_are(SET_A);
	jump(KEYRING_LEAST_S);
	file_put("keys", "200", SET_A);
	look();
	assert_int_equal(log_count("keys_back"), 2);
	assert_int_equal(r.changes, 1); /* the same bytes again */
	keys_are(SET_A);
	assert_int_equal(metric(M_KEYS_FETCHED), 2);
	assert_true(metric(M_KEYS_FAILED) >= 4); /* and what was tried by itself */
}

static void failures_are_tried_again_by_themselves(void **state)
{
	(void)state;
	file_put("keys", "500", "");
	start_with(URL_ENTRY);
	await_ended(1);
	for (uint64_t i = 2; i < 9; i++) {
		jump(61); /* longer than any back-off */
		await_ended(i);
	}
	file_put("keys", "200", SET_A);
	jump(61);
	await_ended(9);
	assert_int_equal(r.changes, 1);
	assert_int_equal(log_count("keys_failed"), 1);
}

static void keys_are_fetched_anew_by_age(void **state)
{
	(void)state;
	file_put("keys", "200", SET_A);
	start_with(URL_ENTRY ", keys_refresh: 1h");
	await_ended(1);
	file_put("keys", "200", SET_B);
	jump(3600 * 7 / 8 - 30);
	world_run(r.w, 50);
	assert_int_equal(metric(M_KEYS_FETCHED), 1);
	jump(3600 / 8 + 60);
	await_ended(2);
	keys_are(SET_B);
	file_put("keys", "500", ""); /* then the back-off's pace, not that of the age */
	jump(3601);
	await_ended(3);
	jump(61);
	await_ended(4);
	keys_are(SET_B);
}

static void roots_are_read_at_each_fetch(void **state)
{
	(void)state;
	file_put("keys", "200", SET_A);
	start_with(ROOTS("roots.pem"));
	look();
	site_write(r.w->site, "roots.pem", r.w->site->other.pem, BYTES_NONE);
	jump(KEYRING_LEAST_S);
	look();
	assert_int_equal(r.changes, 0);
	site_write(r.w->site, "roots.pem", r.w->site->ca.pem, BYTES_NONE);
	jump(KEYRING_LEAST_S);
	look();
	keys_are(SET_A);
	assert_int_equal(log_count("keys_failed"), 1);
	assert_int_equal(log_count("keys_back"), 1);
}

/* ---- who waits ---- */

static void unknown_keys_cannot_make_us_ask_all_the_time(void **state)
{
	unsigned before;

	(void)state;
	file_put("keys", "200", SET_A);
	before = seen(r.w, "/files/keys");
	start_with(URL_ENTRY);
	for (int i = 0; i < 20; i++) look();
	assert_int_equal(seen(r.w, "/files/keys"), before + 1);
	jump(KEYRING_LEAST_S - 2);
	look();
	assert_int_equal(seen(r.w, "/files/keys"), before + 1);
	jump(2);
	look();
	look();
	assert_int_equal(seen(r.w, "/files/keys"), before + 2);
	file_put("keys", "500", ""); /* nor if it fails */
	jump(KEYRING_LEAST_S);
	for (int i = 0; i < 5; i++) look();
	assert_int_equal(metric(M_KEYS_FAILED), 1);
}

static void all_who_wait_are_told_of_one_fetch(void **state)
{
	unsigned before;

	(void)state;
	file_put("keys", "200", SET_A);
	before = seen(r.w, "/files/keys");
	start_with(URL_ENTRY);
	ask_look(&one, 1);
	ask_look(&two, 2);
	ask_look(&one, 3);
	ask_look(&two, 4);
	keyring_forget(r.keyring, &two);
	ask_look(&two, 5);
	r.w->awaited = 3;
	world_run(r.w, 0);
	world_run(r.w, 50);
	assert_int_equal(r.looks, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r.looked[i].changes, 1);
		assert_true((r.looked[i].asker == &two) == (r.looked[i].id == 5));
	}
	assert_int_equal(seen(r.w, "/files/keys"), before + 1);
	ask_look(&one, 6);
	keyring_forget(r.keyring, &one);
	world_run(r.w, 50);
	assert_int_equal(r.looks, 3);
}

static void a_flood_is_refused(void **state)
{
	(void)state;
	file_put("keys", "200", SET_A);
	start_with(URL_ENTRY);
	for (unsigned i = 0; i < KEYRING_LOOKERS_MAX; i++) ask_look(i % 2 == 0 ? &one : &two, i);
	assert_int_equal(keyring_look(r.keyring, &one, 1, 1).code, ERR_RESOURCE_EXHAUSTED);
	keyring_forget(r.keyring, &two);
	ask_look(&one, 1);
	r.w->awaited = KEYRING_LOOKERS_MAX / 2 + 1;
	world_run(r.w, 0);
	assert_int_equal(r.looks, KEYRING_LOOKERS_MAX / 2 + 1);
	look(); /* there is room again */
}

static void what_runs_is_dropped_at_the_end(void **state)
{
	(void)state;
	file_put(ID_DOCUMENT, "200", DOCUMENT("id", "https://127.0.0.1:PORT/silent"));
	start_with(AT("/silent"));
	ask_look(&one, 1);
	world_run(r.w, 100);
	stop();
	start_with(DISCOVERY("id"));
	ask_look(&one, 1);
	for (int i = 0; i < LONGEST_MS / 50 && seen(r.w, "/silent") < 2; i++) world_run(r.w, 50);
	stop();
	world_run(r.w, 50);
	assert_int_equal(r.looks, 0);
	assert_int_equal(r.changes, 0);
}

/* ---- a cluster's ---- */

#define CLUSTER_ENTRY "issuer: 'https://kubernetes.default.svc', kind: kubernetes, cluster: here"

static void keys_of_a_cluster_come_from_its_api_server(void **state)
{
	const struct cluster_ask *ask;

	(void)state;
	start_with(CLUSTER_ENTRY);
	world_run(r.w, 20);
	for (int i = 0; i < 100 && r.cluster->asked == 0; i++) world_run(r.w, 20);
	assert_int_equal(r.cluster->asked, 1);
	ask = &r.cluster->requests->ask;
	assert_int_equal(ask->method, HTTPS_GET);
	assert_string_equal(r.cluster->requests->path, "/openid/v1/jwks");
	assert_null(ask->content_type);
	assert_int_equal(ask->max_answer, WIRE_JWKS_MAX);
	fake_answers(r.cluster->requests, 200, SET_A);
	assert_int_equal(r.changes, 1);
	keys_are(SET_A);
	jump(KEYRING_LEAST_S);
	ask_look(&one, 7);
	fake_answers(r.cluster->requests, 403, "{}");
	assert_int_equal(log_count("keys_failed"), 1);
	assert_int_equal(log_count("system:service-account-issuer-discovery"), 1);
	r.w->awaited = 1;
	world_run(r.w, 0);
	assert_int_equal(r.looks, 1);
	keys_are(SET_A);
	jump(61);
	assert_non_null(r.cluster->requests);
	fake_answer(r.cluster->requests, ERR(ERR_UNAVAILABLE, "http: no connection"), &(struct https_answer){ .text = "" });
	jump(61);
	assert_non_null(r.cluster->requests); /* stop() cancels it */
}

static void a_cluster_that_cannot_be_asked_is_tried_again(void **state)
{
	(void)state;
	start_with(CLUSTER_ENTRY);
	r.cluster->refuse = ERR(ERR_RESOURCE_EXHAUSTED, "cluster: too many requests");
	look();
	assert_int_equal(log_count("keys_failed"), 1);
	r.cluster->refuse = OK;
	jump(61);
	assert_non_null(r.cluster->requests);
	fake_answers(r.cluster->requests, 200, SET_A);
	keys_are(SET_A);
}

static void a_server_s_retry_after_is_respected(void **state)
{
	(void)state;
	start_with(CLUSTER_ENTRY);
	ask_look(&one, 7);
	fake_answer(r.cluster->requests, OK, &(struct https_answer){ .status = 429, .retry_after = 200, .text = "" });
	jump(150);
	assert_int_equal(r.cluster->asked, 1);
	jump(60);
	assert_int_equal(r.cluster->asked, 2);
}

static int group_end(void **state)
{
	struct site *s = *state;
	DIR *d = opendir(s->dir);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && strcmp(e->d_name, "server.pem") != 0) (void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
	return site_end(state);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(keys_are_fetched_at_the_start),
		TEST(where_keys_may_be),
		TEST(what_is_no_key_set_is_refused),
		TEST(a_set_may_be_as_large_as_memory_for_it),
		TEST(only_news_are_told),
		TEST(an_outage_is_logged_once_and_the_last_keys_stay),
		TEST(failures_are_tried_again_by_themselves),
		TEST(keys_are_fetched_anew_by_age),
		TEST(roots_are_read_at_each_fetch),
		TEST(unknown_keys_cannot_make_us_ask_all_the_time),
		TEST(all_who_wait_are_told_of_one_fetch),
		TEST(a_flood_is_refused),
		TEST(what_runs_is_dropped_at_the_end),
		TEST(keys_of_a_cluster_come_from_its_api_server),
		TEST(a_cluster_that_cannot_be_asked_is_tried_again),
		TEST(a_server_s_retry_after_is_respected),
	};

	return cmocka_run_group_tests(tests, site_begin, group_end);
}
