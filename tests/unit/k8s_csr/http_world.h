/* http_world.h: the server that tests/data/https_server.py is, a loop with a courier's https on it, and what came of a request. */
#ifndef SIGNET_TESTS_HTTP_WORLD_H
#define SIGNET_TESTS_HTTP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/own.h"
#include "k8s_csr/http.h"
#include "net_pki.h"

#define LONGEST_MS 15000 /* of waiting for anything: a test that reaches it fails */

enum kind { H1, EXPIRED, MTLS, H2, OLD, MUTE, CLEAR, KINDS };

/* For all tests. */
struct site {
	char dir[64];
	struct pki_ca ca, other;
	struct pki_leaf server, expired, client, client2, foreign;
	unsigned ports[KINDS];
	pid_t pid;
	int stdin_fd;
};

/* For one test. */
struct world {
	struct site *site;
	struct loop *loop;
	struct timer *guard;
	struct https *https;
	struct https_target *target[KINDS];
	unsigned awaited; /* ends until the loop stops */
	bool late;
};

struct got {
	struct world *w;
	struct https_request *request;
	unsigned ends, pieces, opened;
	size_t streamed;
	struct err e;
	long status;
	unsigned retry_after;
	char body[4096], text[512];
	size_t body_len;
	int64_t at_us; /* when it ended */
};

static inline void site_write(const struct site *s, const char *name, struct bytes a, struct bytes b)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(a.data, 1, a.len, f) + (b.len == 0 ? 0 : fwrite(b.data, 1, b.len, f)), a.len + b.len);
	assert_int_equal(fclose(f), 0);
}

/* Again on the same ports, if it has had some. */
static inline void site_start(struct site *s)
{
	char ports[KINDS][8], *argv[KINDS + 4] = { (char *)(uintptr_t)"python3", (char *)(uintptr_t)"tests/data/https_server.py", s->dir };
	int in[2], out[2];
	FILE *f;

	for (int i = 0; s->ports[0] != 0 && i < KINDS; i++) {
		(void)snprintf(ports[i], sizeof(ports[i]), "%u", s->ports[i]);
		argv[3 + i] = ports[i];
	}
	assert_int_equal(pipe2(in, 0) | pipe2(out, 0), 0);
	s->pid = fork();
	assert_true(s->pid >= 0);
	if (s->pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)close(in[0]);
		(void)close(in[1]);
		(void)close(out[0]);
		(void)close(out[1]);
		(void)execv("/usr/bin/python3", argv);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	s->stdin_fd = in[1];
	f = fdopen(out[0], "r");
	assert_non_null(f);
	for (int i = 0; i < KINDS; i++) assert_int_equal(fscanf(f, "%u", &s->ports[i]), 1);
	(void)fclose(f);
}

static inline void site_stop(struct site *s)
{
	int status;

	(void)kill(s->pid, SIGKILL);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
	(void)close(s->stdin_fd);
}

static inline int site_begin(void **state)
{
	static struct site s;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(s.dir, sizeof(s.dir), "/tmp/signet-http.XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	s.ca = pki_ca_new("test");
	s.other = pki_ca_new("other");
	s.server = pki_leaf_new(&s.ca, "DNS:kubernetes.default.svc,IP:127.0.0.1", "serverAuth", 5);
	s.expired = pki_leaf_new(&s.ca, "DNS:localhost,IP:127.0.0.1", "serverAuth", 0);
	s.client = pki_leaf_new(&s.ca, "URI:spiffe://test/one", "clientAuth", 5);
	s.client2 = pki_leaf_new(&s.ca, "URI:spiffe://test/two", "clientAuth", 5);
	s.foreign = pki_leaf_new(&s.other, "URI:spiffe://test/one", "clientAuth", 5);
	site_write(&s, "server.pem", s.server.chain_pem, s.server.key_pem);
	site_write(&s, "expired.pem", s.expired.chain_pem, s.expired.key_pem);
	site_write(&s, "ca.pem", s.ca.pem, BYTES_NONE);
	site_start(&s);
	*state = &s;
	return 0;
}

static inline int site_end(void **state)
{
	static const char *const names[] = { "server.pem", "expired.pem", "ca.pem" };
	struct site *s = *state;
	char path[128];

	site_stop(s);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", s->dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(s->dir), 0);
	pki_ca_free(&s->ca);
	pki_ca_free(&s->other);
	pki_leaf_free(&s->server);
	pki_leaf_free(&s->expired);
	pki_leaf_free(&s->client);
	pki_leaf_free(&s->client2);
	pki_leaf_free(&s->foreign);
	return 0;
}

/* ---- one test ---- */

static inline struct https_target_options target_options(const struct world *w)
{
	return (struct https_target_options){ .roots_pem = w->site->ca.pem };
}

static inline struct https_target *target_at(struct world *w, enum kind kind, const char *host, struct https_target_options o)
{
	struct https_target *t = NULL;
	char url[128];

	(void)snprintf(url, sizeof(url), "https://%s:%u", host, w->site->ports[kind]);
	o.url = url;
	assert_int_equal(https_target_new(w->https, &o, &t).code, ERR_OK);
	return t;
}

static inline void guard_fires(void *ctx)
{
	struct world *w = ctx;

	w->late = true;
	loop_stop(w->loop);
}

static inline struct world *world_new(struct site *site, unsigned max_requests, unsigned max_connections)
{
	struct world *w = calloc(1, sizeof(*w));
	struct https_options o = { .max_requests = max_requests, .max_connections = max_connections };

	w->site = site;
	assert_int_equal(loop_new(&w->loop).code, ERR_OK);
	assert_int_equal(timer_new(w->loop, guard_fires, w, &w->guard).code, ERR_OK);
	o.loop = w->loop;
	assert_int_equal(https_new(&o, &w->https).code, ERR_OK);
	for (enum kind k = H1; k < KINDS; k++) {
		struct https_target_options t = target_options(w);

		if (k == MTLS) {
			t.cert_pem = site->client.chain_pem;
			t.key_pem = site->client.key_pem;
		}
		w->target[k] = target_at(w, k, "127.0.0.1", t);
	}
	return w;
}

static inline int world_begin(void **state)
{
	*state = world_new(*state, 64, 8);
	return 0;
}

static inline int world_end(void **state)
{
	struct world *w = *state;
	struct site *site = w->site;

	for (enum kind k = H1; k < KINDS; k++) https_target_unref(w->target[k]);
	https_free(w->https);
	timer_free(w->guard);
	loop_free(w->loop);
	free(w);
	*state = site;
	return 0;
}

/* Run the loop until w->awaited has counted down, or for ms (then that is no failure). */
static inline void world_run(struct world *w, int64_t ms)
{
	w->late = false;
	assert_int_equal(timer_start(w->guard, ms > 0 ? ms : LONGEST_MS).code, ERR_OK);
	assert_int_equal(loop_run(w->loop).code, ERR_OK);
	timer_stop(w->guard);
	if (ms == 0 && w->late) fail_msg("nothing came in %d ms", LONGEST_MS);
}

static inline void got_end(struct world *w)
{
	if (w->awaited > 0 && --w->awaited == 0) loop_stop(w->loop);
}

static inline void got_done(void *ctx, struct err e, const struct https_answer *a)
{
	struct got *g = ctx;
	size_t n = a->body.len < sizeof(g->body) ? a->body.len : sizeof(g->body) - 1;

	g->ends++;
	g->request = NULL;
	g->e = e;
	g->status = a->status;
	g->retry_after = a->retry_after;
	g->body_len = a->body.len;
	if (n > 0) memcpy(g->body, a->body.data, n);
	if (g->pieces == 0) g->body[n] = '\0';
	(void)snprintf(g->text, sizeof(g->text), "%s", a->text);
	g->at_us = clock_mono_us();
	got_end(g->w);
}

/* What is streamed lands in body, too. */
static inline void got_piece(void *ctx, struct bytes piece)
{
	struct got *g = ctx;

	g->pieces++;
	if (g->opened == 0) fail_msg("a piece before the header fields");
	if (g->streamed + piece.len < sizeof(g->body)) memcpy(g->body + g->streamed, piece.data, piece.len);
	g->streamed += piece.len;
}

static inline void got_opened(void *ctx)
{
	((struct got *)ctx)->opened++;
}

static inline struct https_ask ask_for(struct got *g, struct https_target *t, const char *path)
{
	return (struct https_ask){ .target = t, .path = path, .timeout_ms = 5000, .max_answer = sizeof(g->body) - 1, .opened = got_opened, .done = got_done, .ctx = g };
}

static inline void start(struct world *w, struct got *g, const struct https_ask *ask)
{
	*g = (struct got){ .w = w };
	assert_int_equal(https_start(ask, &g->request).code, ERR_OK);
	assert_int_equal(g->ends, 0);
}

static inline void get(struct world *w, struct got *g, const struct https_ask *ask)
{
	w->awaited = 1;
	start(w, g, ask);
	world_run(w, 0);
	assert_int_equal(g->ends, 1);
}

/* GET path of a target, and expect 200. */
static inline void get_ok(struct world *w, struct got *g, struct https_target *t, const char *path)
{
	struct https_ask ask = ask_for(g, t, path);

	get(w, g, &ask);
	if (g->e.code != ERR_OK || g->status != 200) fail_msg("%s: %s, %s, status %ld", path, g->e.reason, g->text, g->status);
}

static inline unsigned seen(struct world *w, const char *path)
{
	struct got g;
	char ask[128];
	unsigned n = 0;

	(void)snprintf(ask, sizeof(ask), "/seen%s", path);
	get_ok(w, &g, w->target[H1], ask);
	assert_int_equal(sscanf(g.body, "seen %u", &n), 1);
	return n;
}

/* Of an answer that tells its connection. */
static inline unsigned conn_of(const struct got *g)
{
	const char *at = strstr(g->body, "conn: ");
	unsigned n = 0;

	assert_non_null(at);
	assert_int_equal(sscanf(at, "conn: %u", &n), 1);
	return n;
}

#define assert_has(g, what)                                                                                            \
	do {                                                                                                           \
		if (strstr((g)->body, what) == NULL) fail_msg("no \"%s\" in: %s", what, (g)->body);                    \
	} while (0)

#endif
