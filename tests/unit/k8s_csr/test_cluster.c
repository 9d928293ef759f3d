/* A cluster's requests: its credentials as they change and break, what is tried again and until when, who waits for room. */
#include "kube_world.h"

#include "k8s_csr/credentials.h"

/* ---- tried again, or not ---- */

static const struct attempt_case {
	const char *name, *steps;
	int64_t until_ms, timeout_ms; /* 0: once; 0: 10 s */
	enum err_code want;
	long status;
	unsigned attempts, errors;
	int64_t least_ms, most_ms;    /* 0: any */
} attempts[] = {
	{ "answer", "{'body': 'well'}", 9000, 0, ERR_OK, 200, 1, 0, 0, 0 },
	{ "missing", "{'status': 404}, {'body': 'well'}", 9000, 0, ERR_OK, 404, 1, 0, 0, 0 },
	{ "conflict", "{'status': 409}, {'body': 'well'}", 9000, 0, ERR_OK, 409, 1, 0, 0, 0 },
	{ "forbidden", "{'status': 403}, {'body': 'well'}", 9000, 0, ERR_OK, 403, 1, 0, 0, 0 },
	/* a server that has just come back does not know all rights and accounts yet */
	{ "forbidden_by_a_new_server", "{'end': 'cut', 'watch': ['!half']}, {'status': 403}, {'body': 'well'}", 14000, 0, ERR_OK, 200, 3, 1, 0, 0 },
	{ "unknown_to_a_new_server", "{'end': 'cut', 'watch': ['!half']}, {'status': 401}, {'body': 'well'}", 14000, 0, ERR_OK, 200, 3, 1, 0, 0 },
	{ "forbidden_to_the_end", "{'end': 'cut', 'watch': ['!half']}, {'status': 403}", 2500, 0, ERR_OK, 403, 0, 0, 0, 8000 },
	{ "broken", "{'status': 500}, {'status': 503}, {'body': 'well'}", 14000, 0, ERR_OK, 200, 3, 2, 0, 0 },
	{ "broken_once", "{'status': 503}, {'body': 'well'}", 0, 0, ERR_OK, 503, 1, 1, 0, 0 },
	{ "busy", "{'status': 429, 'body': 'Too many', 'fields': ['Retry-After: 1', 'Content-Type: text/plain']}, {'body': 'well'}", 14000, 0,
	  ERR_OK, 200, 2, 1, 950, 0 },
	{ "busy_for_long", "{'status': 429, 'fields': ['Retry-After: 100']}, {'body': 'well'}", 9000, 0, ERR_OK, 429, 1, 1, 0, 8000 },
	{ "busy_once", "{'status': 429, 'fields': ['Retry-After: 1']}, {'body': 'well'}", 0, 0, ERR_OK, 429, 1, 1, 0, 0 },
	{ "cut", "{'end': 'cut', 'watch': ['!half']}, {'body': 'well'}", 14000, 0, ERR_OK, 200, 2, 1, 0, 0 },
	{ "cut_once", "{'end': 'cut', 'watch': ['!half']}, {'body': 'well'}", 0, 0, ERR_UNAVAILABLE, 200, 1, 1, 0, 0 },
	{ "hang", "{'end': 'hang'}, {'body': 'well'}", 14000, 300, ERR_OK, 200, 2, 1, 250, 0 },
	{ "hang_once", "{'end': 'hang'}, {'body': 'well'}", 0, 300, ERR_DEADLINE_EXCEEDED, 0, 1, 1, 250, 0 },
	{ "hang_to_the_end", "{'end': 'hang'}", 700, 30000, ERR_DEADLINE_EXCEEDED, 0, 1, 1, 600, 10000 },
	{ "broken_to_the_end", "{'status': 500}", 900, 0, ERR_OK, 500, 0, 0, 0, 8000 },
	{ "too_large", "{'watch': ['!5000']}, {'body': 'well'}", 9000, 0, ERR_RESOURCE_EXHAUSTED, 200, 1, 1, 0, 0 },
};

static void what_may_pass_is_tried_again_until_then(void **state)
{
	struct kube *k = *state;

	for (const struct attempt_case *a = attempts; a < attempts + ARRAY_LEN(attempts); a++) {
		struct got g, asked;
		struct cluster_ask ask;
		char script[512], path[64];
		int64_t began;
		uint64_t calls, errors;
		unsigned n;

		(void)snprintf(script, sizeof(script), "{'steps': [%s]}", a->steps);
		(void)snprintf(path, sizeof(path), "/%s/x", a->name);
		kube_script(k, a->name, script);
		kube_cluster(k, "kubeconfig", 0);
		calls = metric_of(k, MO_CALLS);
		errors = metric_of(k, MO_ERRORS);
		ask = kube_ask(&g, path);
		if (a->timeout_ms != 0) ask.timeout_ms = a->timeout_ms;
		began = clock_mono_us();
		if (a->until_ms != 0) ask.until_us = began + a->until_ms * 1000;
		kube_get(k, &g, &ask);
		if (g.e.code != a->want || g.status != a->status) fail_msg("%s: %s, status %ld, %s", a->name, g.e.reason, g.status, g.text);
		if ((g.at_us - began) / 1000 < a->least_ms || (a->most_ms != 0 && (g.at_us - began) / 1000 > a->most_ms))
			fail_msg("%s: after %lld ms", a->name, (long long)(g.at_us - began) / 1000);
		if (a->attempts != 0) {
			kube_asked(k, a->name, &asked);
			n = count_lines(asked.body);
			if (n != a->attempts || metric_of(k, MO_CALLS) - calls != n) fail_msg("%s: %u attempts", a->name, n);
			if (metric_of(k, MO_ERRORS) - errors != a->errors) fail_msg("%s: errors", a->name);
		}
		cluster_free(k->cluster);
		k->cluster = NULL;
	}
}

static void what_is_sent_arrives(void **state)
{
	struct kube *k = *state;
	struct got g;
	struct cluster_ask ask = kube_ask(&g, "/hello?a=b");
	char body[] = "{\"a\":1}";

	kube_cluster(k, "kubeconfig", 0);
	ask.method = HTTPS_POST;
	ask.content_type = "application/json";
	ask.body = bytes_str(body);
	ask.secret = true;
	k->w->awaited = 1;
	(void)kube_start(k, &g, &ask);
	memset(body, 'x', sizeof(body) - 1); /* it is copied */
	world_run(k->w, 0);
	assert_int_equal(g.status, 200);
	assert_has(&g, "POST /hello?a=b\n");
	assert_has(&g, "authorization: Bearer " SECRET "\n");
	assert_has(&g, "content-type: application/json\n");
	assert_has(&g, "body: {\"a\":1}\n");
	assert_int_equal(strcmp(cluster_id(k->cluster), "far"), 0);
}

static void malformed_asks_are_refused(void **state)
{
	struct kube *k = *state;
	struct got g;
	const struct cluster_ask good = kube_ask(&g, "/hello");

	kube_cluster(k, "kubeconfig", 0);
	for (int i = 0; i < 7; i++) {
		struct cluster_ask ask = good;
		struct err e;

		if (i == 0) ask.path = NULL;
		if (i == 1) ask.done = NULL;
		if (i == 2) ask.data = got_piece, ask.until_us = INT64_MAX;
		if (i == 3) ask.path = "hello";
		if (i == 4) ask.timeout_ms = 0;
		if (i == 5) ask.max_answer = 0;
		if (i == 6) ask.method = HTTPS_POST;
		g = (struct got){ .w = k->w };
		e = cluster_start(k->cluster, &ask, NULL);
		k->w->awaited = 1;
		if (e.code == ERR_OK) world_run(k->w, 0); /* done() tells */
		if ((e.code == ERR_OK ? g.e.code : e.code) != ERR_INVALID_ARGUMENT) fail_msg("%d: %s, %s", i, e.reason, g.e.reason);
	}
	assert_int_equal(metric_of(k, MO_CALLS), 0);
}

/* ---- credentials ---- */

static void expect_token(struct kube *k, const char *token)
{
	struct got g;
	struct cluster_ask ask = kube_ask(&g, "/hello");
	char line[64];

	kube_get(k, &g, &ask);
	if (g.status != 200) fail_msg("%s %s", g.e.reason, g.text);
	(void)snprintf(line, sizeof(line), "authorization: %s%s\n", strcmp(token, "None") == 0 ? "" : "Bearer ", token);
	assert_has(&g, line);
}

static void client_certificate_is_shown(void **state)
{
	struct kube *k = *state;

	kube_config(k, MTLS, "ca.pem", "client-certificate: cert.pem, client-key: key.pem");
	kube_cluster(k, "kubeconfig", 0);
	expect_token(k, "None");
}

static void token_in_a_file_is_followed(void **state)
{
	struct kube *k = *state;
	static const struct { const char *text, *want; } cases[] = {
		{ "second", "second" }, { "  third \r\n\n", "third" }, { "third", "third" }, { SECRET "\n", SECRET },
	};

	kube_cluster(k, "kubeconfig", 0);
	expect_token(k, SECRET);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		kube_write(k, "kube/token", cases[i].text);
		cluster_reload(k->cluster);
		expect_token(k, cases[i].want);
	}
	assert_int_equal(logged(k, "kube_credentials"), 1); /* a token is no news */
}

static void files_are_read_again_by_and_by(void **state)
{
	struct kube *k = *state;
	struct got g = { .status = 0 };
	struct cluster_ask ask = kube_ask(&g, "/hello");

	kube_cluster(k, "kubeconfig", 50);
	expect_token(k, SECRET);
	kube_write(k, "kube/token", "second");
	for (int i = 0; i < 1000 && strstr(g.body, "Bearer second") == NULL; i++) {
		world_run(k->w, 20);
		kube_get(k, &g, &ask);
	}
	assert_has(&g, "Bearer second");
}

static void a_refused_token_is_read_again_at_once(void **state)
{
	struct kube *k = *state;
	struct got g[3], asked;
	struct cluster_ask ask = kube_ask(&g[0], "/refused/x");

	kube_script(k, "refused", "{'token': 'second', 'steps': [{'body': 'well'}]}");
	kube_cluster(k, "kubeconfig", 0);
	world_run(k->w, 1100); /* no more than once a second */
	kube_get(k, &g[0], &ask);
	assert_int_equal(g[0].status, 401); /* there is no other one */
	kube_asked(k, "refused", &asked);
	assert_int_equal(count_lines(asked.body), 1);
	world_run(k->w, 1100);
	kube_write(k, "kube/token", "second");
	k->w->awaited = ARRAY_LEN(g);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		ask.ctx = &g[i];
		(void)kube_start(k, &g[i], &ask);
	}
	world_run(k->w, 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) assert_int_equal(g[i].status, 200);
	kube_asked(k, "refused", &asked);
	if (count_lines(asked.body) > 1 + 2 * ARRAY_LEN(g)) fail_msg("%s", asked.body);
	assert_true(metric_of(k, MO_UNAUTHORIZED) >= 2);
}

/* What makes the files bad, and what the log then names. */
static const struct bad_case { const char *name, *file, *text, *ca, *user, *want; } bad_sets[] = {
	{ "no file", "config", NULL, NULL, NULL, "/kube/config: cannot read it: No such file" },
	{ "empty", "config", "", NULL, NULL, "/kube/config: empty" },
	{ "no YAML", "config", "\t{", NULL, NULL, "/kube/config" },
	{ "no kubeconfig", "config", "a: b\n", NULL, NULL, "/kube/config" },
	{ "exec", NULL, NULL, "ca.pem", "exec: {command: x}", "user.exec" },
	{ "no user", NULL, NULL, "ca.pem", "", "no credentials" },
	{ "no token", "token", NULL, NULL, NULL, "/kube/token: cannot read it" },
	{ "empty token", "token", "", NULL, NULL, "/kube/token: empty" },
	{ "blank token", "token", " \n", NULL, NULL, "/kube/token: no token" },
	{ "two tokens", "token", SECRET "\n" SECRET "\n", NULL, NULL, "/kube/token: characters" },
	{ "header in a token", "token", SECRET "\r\nX: y", NULL, NULL, "/kube/token: characters" },
	{ "token is a folder", NULL, NULL, "ca.pem", "tokenFile: .", "not a regular file" },
	{ "token is a device", NULL, NULL, "ca.pem", "tokenFile: /dev/zero", "/dev/zero: not a regular file" },
	{ "no CA", "ca.pem", NULL, NULL, NULL, "/kube/ca.pem: cannot read it" },
	{ "CA is none", "ca.pem", "hello\n", NULL, NULL, "/kube/ca.pem: no PEM" },
	{ "CA cut", "ca.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n", NULL, NULL, "/kube/ca.pem: no PEM" },
	{ "CA is a key", NULL, NULL, "key.pem", "tokenFile: token", "/kube/key.pem: no PEM" },
	{ "key is a certificate", NULL, NULL, "ca.pem", "client-certificate: cert.pem, client-key: cert.pem", "/kube/cert.pem: no PEM" },
	{ "key is missing", NULL, NULL, "ca.pem", "client-certificate: cert.pem, client-key: gone.pem", "/kube/gone.pem: cannot read" },
	{ "key with a passphrase", "key.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n", "ca.pem",
	  "client-certificate: cert.pem, client-key: key.pem", "/kube/config: http: PEM" },
	{ "certificate without key", NULL, NULL, "ca.pem", "client-certificate: cert.pem", "both are needed" },
};

static void spoil(const struct kube *k, const struct bad_case *b)
{
	char path[256];

	if (b->user != NULL) kube_config(k, H1, b->ca, b->user);
	if (b->file == NULL) return;
	(void)snprintf(path, sizeof(path), "kube/%s", b->file);
	if (b->text != NULL) {
		kube_write(k, path, b->text);
	} else {
		(void)snprintf(path, sizeof(path), "%s/kube/%s", k->dir, b->file);
		assert_int_equal(unlink(path), 0);
	}
}

static void bad_set_is_told_once_and_the_old_one_stays(void **state)
{
	struct kube *k = *state;

	kube_cluster(k, "kubeconfig", 0);
	for (const struct bad_case *b = bad_sets; b < bad_sets + ARRAY_LEN(bad_sets); b++) {
		kube_log_clear(k);
		spoil(k, b);
		for (int i = 0; i < 3; i++) cluster_reload(k->cluster);
		if (logged(k, "kube_credentials_refused") != 1 || logged(k, b->want) != 1) fail_msg("%s: told otherwise", b->name);
		if (logged(k, "cluster=far") != 1) fail_msg("%s: which cluster?", b->name);
		if (logged(k, SECRET) != 0 || logged(k, "PRIVATE") != 0) fail_msg("%s: the log has a secret", b->name);
		expect_token(k, SECRET);
		kube_good_files(k);
		cluster_reload(k->cluster);
		spoil(k, b);
		cluster_reload(k->cluster);
		if (logged(k, b->want) != 2) fail_msg("%s: not told again", b->name);
		kube_good_files(k);
		cluster_reload(k->cluster);
	}
}

struct later { struct kube *k; struct timer *timer; };

static void mend(void *ctx)
{
	struct later *l = ctx;

	kube_good_files(l->k);
	cluster_reload(l->k->cluster);
}

/* From the start: requests fail until there are some, and who has time gets his answer then. */
static void first_set_may_come_later(void **state)
{
	struct kube *k = *state;
	struct later later = { .k = k };
	struct got g;
	struct cluster_ask ask = kube_ask(&g, "/hello");

	spoil(k, &bad_sets[0]);
	kube_cluster(k, "kubeconfig", 0);
	kube_get(k, &g, &ask);
	assert_int_equal(g.e.code, ERR_UNAVAILABLE);
	assert_string_equal(g.text, "cluster: no credentials that can be used");
	assert_int_equal(metric_of(k, MO_CALLS), 0);
	assert_int_equal(timer_new(k->w->loop, mend, &later, &later.timer).code, ERR_OK);
	assert_int_equal(timer_start(later.timer, 100).code, ERR_OK);
	ask.until_us = clock_mono_us() + LONGEST_MS * 1000;
	kube_get(k, &g, &ask);
	assert_int_equal(g.status, 200);
	timer_free(later.timer);
}

/* What was begun ends where it began; what begins goes to the new place. */
static void other_server_is_for_new_requests(void **state)
{
	struct kube *k = *state;
	struct got old, g;
	struct cluster_ask ask = kube_ask(&old, "/old/x");

	kube_script(k, "old", "{'steps': [{'body': 'old', 'after': 1}]}");
	kube_cluster(k, "kubeconfig", 0);
	(void)kube_start(k, &old, &ask);
	kube_config(k, MTLS, "ca.pem", "client-certificate: cert.pem, client-key: key.pem");
	cluster_reload(k->cluster);
	ask = kube_ask(&g, "/hello");
	k->w->awaited = 2;
	(void)kube_start(k, &g, &ask);
	world_run(k->w, 0);
	assert_string_equal(old.body, "old");
	assert_int_equal(g.status, 200);
	if (strstr(g.body, "peer: None") != NULL) fail_msg("%s", g.body);
	assert_has(&g, "authorization: None");
	assert_int_equal(logged(k, "event=kube_credentials ") + logged(k, " kube_credentials "), 2);
}

/* Another CA signs the server's certificate than we know: found out by its failing, not a minute later. */
static void other_ca_is_found_out_by_a_failure(void **state)
{
	struct kube *k = *state;
	struct got g;
	struct cluster_ask ask = kube_ask(&g, "/hello");

	site_write(k->w->site, "kube/ca.pem", k->w->site->other.pem, BYTES_NONE);
	kube_cluster(k, "kubeconfig", 0);
	kube_get(k, &g, &ask);
	assert_int_equal(g.e.code, ERR_UNAVAILABLE);
	kube_good_files(k);
	ask.until_us = clock_mono_us() + LONGEST_MS * 1000;
	kube_get(k, &g, &ask);
	assert_int_equal(g.status, 200);
}

/* ---- a pod's own ---- */

static void set_env(const char *host, const char *port)
{
	if (host == NULL) (void)unsetenv("KUBERNETES_SERVICE_HOST");
	else (void)setenv("KUBERNETES_SERVICE_HOST", host, 1);
	if (port == NULL) (void)unsetenv("KUBERNETES_SERVICE_PORT");
	else (void)setenv("KUBERNETES_SERVICE_PORT", port, 1);
}

static void make_version(struct kube *k, const char *version, const char *token)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/kube/%s", k->dir, version);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof(path), "kube/%s/token", version);
	kube_write(k, path, token);
	(void)snprintf(path, sizeof(path), "kube/%s/ca.crt", version);
	site_write(k->w->site, path, k->w->site->ca.pem, BYTES_NONE);
}

/* As kubelet does it: the files are links through ..data, which is replaced at once. */
static void swap_to(struct kube *k, const char *version)
{
	char command[512];

	(void)snprintf(command, sizeof(command), "cd '%s/kube' && ln -s %s ..new && mv -T ..new ..data && ln -sf ..data/token token && "
	               "ln -sf ..data/ca.crt ca.crt", k->dir, version);
	assert_int_equal(system(command), 0);
}

static void service_account_is_followed_through_links(void **state)
{
	struct kube *k = *state;
	char port[16];

	(void)snprintf(port, sizeof(port), "%u", k->w->site->ports[H1]);
	set_env("127.0.0.1", port);
	make_version(k, "..v1", "first");
	make_version(k, "..v2", "second");
	swap_to(k, "..v1");
	kube_cluster(k, "service_account_dir", 0);
	set_env(NULL, NULL);
	expect_token(k, "first");
	set_env("127.0.0.1", port);
	swap_to(k, "..v2");
	cluster_reload(k->cluster);
	set_env(NULL, NULL);
	expect_token(k, "second");
}

static void pods_server_is_that_of_the_environment(void **state)
{
	static const struct { const char *host, *port, *want; } cases[] = {
		{ NULL, NULL, "https://kubernetes.default.svc:443" }, { "", "", "https://kubernetes.default.svc:443" },
		{ "10.0.0.1", NULL, "https://10.0.0.1:443" },         { "10.0.0.1", "6443", "https://10.0.0.1:6443" },
		{ "fd00::1", "443", "https://[fd00::1]:443" },
	};
	struct kube *k = *state;

	make_version(k, "..v1", "first");
	swap_to(k, "..v1");
	k->conf = kube_conf(k, "service_account_dir");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(credentials) struct credentials c = { .server = NULL };
		struct conf_problem problem;

		set_env(cases[i].host, cases[i].port);
		assert_int_equal(credentials_read(k->conf, &k->conf->clusters[0], &c, &problem).code, ERR_OK);
		assert_string_equal(c.server, cases[i].want);
		assert_int_equal(c.token.len, 5);
	}
	set_env(NULL, NULL);
}

/* ---- room ---- */

static int room_for_one(void **state)
{
	*state = kube_new(*state, 1);
	return 0;
}

static int room_for_two(void **state)
{
	*state = kube_new(*state, 2);
	return 0;
}

static void many_wait_for_room_in_their_order(void **state)
{
	struct kube *k = *state;
	struct got g[60];
	struct cluster_ask ask = kube_ask(&g[0], "/hello");

	kube_cluster(k, "kubeconfig", 0);
	k->w->awaited = ARRAY_LEN(g);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		ask.ctx = &g[i];
		(void)kube_start(k, &g[i], &ask);
	}
	world_run(k->w, 0);
	for (size_t i = 0; i < ARRAY_LEN(g); i++) {
		assert_int_equal(g[i].status, 200);
		if (i >= 1 && g[i].at_us < g[i - 1].at_us) fail_msg("%zu came before the one before", i);
	}
}

/* Room that others have taken, who do not tell when they leave. */
static void room_that_others_leave_is_found(void **state)
{
	struct kube *k = *state;
	struct got other[2], g[3];
	struct cluster_request *r[3];
	struct https_ask elsewhere = ask_for(&other[0], k->w->target[H1], "/silent");
	struct cluster_ask ask = kube_ask(&g[0], "/hello");

	kube_cluster(k, "kubeconfig", 0);
	for (int i = 0; i < 2; i++) {
		elsewhere.ctx = &other[i];
		start(k->w, &other[i], &elsewhere);
	}
	for (int i = 0; i < 3; i++) {
		ask.ctx = &g[i];
		ask.timeout_ms = i == 1 ? 200 : 10000;
		ask.until_us = i == 2 ? clock_mono_us() + 10000000 : 0;
		r[i] = kube_start(k, &g[i], &ask);
	}
	k->w->awaited = 1;
	world_run(k->w, 0);
	assert_int_equal(g[1].e.code, ERR_DEADLINE_EXCEEDED); /* it has waited for as long as its attempt might have */
	assert_int_equal(g[0].ends + g[2].ends, 0);
	cluster_cancel(r[0]); /* from the middle of nowhere */
	https_cancel(other[1].request);
	k->w->awaited = 1;
	world_run(k->w, 0);
	assert_int_equal(g[2].status, 200);
	assert_int_equal(g[0].ends, 0);
	https_cancel(other[0].request);
}

static void too_many_are_refused(void **state)
{
	static struct cluster_request *r[CLUSTER_REQUESTS_MAX];
	static struct got g;
	struct kube *k = *state;
	struct cluster_ask ask = kube_ask(&g, "/silent");

	kube_cluster(k, "kubeconfig", 0);
	for (size_t i = 0; i < CLUSTER_REQUESTS_MAX; i++) r[i] = kube_start(k, &g, &ask);
	assert_int_equal(cluster_start(k->cluster, &ask, NULL).code, ERR_RESOURCE_EXHAUSTED);
	cluster_cancel(r[100]);
	r[100] = kube_start(k, &g, &ask);
	for (size_t i = CLUSTER_REQUESTS_MAX; i-- > 0;) cluster_cancel(r[i]);
	world_run(k->w, 50);
	assert_int_equal(g.ends, 0);
}

/* In every state. */
static void cancelled_requests_are_silent(void **state)
{
	struct kube *k = *state;
	struct got g[4];
	struct cluster_request *r[4];
	struct cluster_ask ask = kube_ask(&g[0], "/silent");

	kube_script(k, "bad", "{'steps': [{'status': 500, 'fields': ['Retry-After: 3']}]}");
	kube_cluster(k, "kubeconfig", 0);
	r[0] = kube_start(k, &g[0], &ask);
	ask = kube_ask(&g[1], "/bad/x");
	ask.until_us = clock_mono_us() + 60000000;
	r[1] = kube_start(k, &g[1], &ask);
	ask.ctx = &g[2];
	ask.path = "none";
	r[2] = kube_start(k, &g[2], &ask);
	for (int i = 0; i < 500 && metric_of(k, MO_ERRORS) == 0; i++) world_run(k->w, 20); /* r[1] rests; r[2] has ended */
	assert_int_equal(g[2].e.code, ERR_INVALID_ARGUMENT);
	ask.ctx = &g[3];
	r[3] = kube_start(k, &g[3], &ask);
	cluster_cancel(r[0]);
	cluster_cancel(r[1]);
	cluster_cancel(r[3]);
	cluster_cancel(NULL);
	world_run(k->w, 50);
	assert_int_equal(g[0].ends + g[1].ends + g[3].ends, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kube_begin, kube_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_may_pass_is_tried_again_until_then),
		T(what_is_sent_arrives),
		T(malformed_asks_are_refused),
		T(client_certificate_is_shown),
		T(token_in_a_file_is_followed),
		T(files_are_read_again_by_and_by),
		T(a_refused_token_is_read_again_at_once),
		T(bad_set_is_told_once_and_the_old_one_stays),
		T(first_set_may_come_later),
		T(other_server_is_for_new_requests),
		T(other_ca_is_found_out_by_a_failure),
		T(service_account_is_followed_through_links),
		T(pods_server_is_that_of_the_environment),
		cmocka_unit_test_setup_teardown(many_wait_for_room_in_their_order, room_for_one, kube_end),
		cmocka_unit_test_setup_teardown(room_that_others_leave_is_found, room_for_two, kube_end),
		T(too_many_are_refused),
		T(cancelled_requests_are_silent),
	};

	return cmocka_run_group_tests(tests, site_begin, site_end);
}
