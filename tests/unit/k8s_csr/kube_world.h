/* kube_world.h: http_world.h's server as an API server that answers by script, a cluster that asks it, and what its log says. */
#ifndef SIGNET_TESTS_KUBE_WORLD_H
#define SIGNET_TESTS_KUBE_WORLD_H

#include "http_world.h"

#include <fcntl.h>

#include "conf/load.h"
#include "k8s_csr/cluster.h"

#define SECRET "tell.nobody"

struct kube {
	struct world *w;
	const char *dir; /* the server's, for scripts; ours below it, for files of credentials: DIR/kube */
	struct conf *conf;
	struct log log;
	struct metrics metrics;
	struct cluster *cluster;
	int err_fd, log_fd; /* the real descriptor 2; what it is meanwhile */
};

/* ---- files ---- */

static inline void kube_write(const struct kube *k, const char *name, const char *text)
{
	site_write(k->w->site, name, bytes_str(text), BYTES_NONE);
}

static inline void kube_script(const struct kube *k, const char *name, const char *script)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "%s.script", name);
	kube_write(k, file, script);
}

static inline void kube_empty_dir(const char *dir)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'/kube '%s'/*.script", dir, dir);
	assert_int_equal(system(command), 0);
}

/* A kubeconfig with `user` ("tokenFile: token") and a CA beside it, "" for none. */
static inline void kube_config(const struct kube *k, enum kind kind, const char *ca, const char *user)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
	               "kind: Config\ncurrent-context: x\nclusters: [{name: c, cluster: {server: \"https://127.0.0.1:%u\"%s%s}}]\n"
	               "users: [{name: u, user: {%s}}]\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n",
	               k->w->site->ports[kind], ca[0] == '\0' ? "" : ", certificate-authority: ", ca, user);
	kube_write(k, "kube/config", text);
}

static inline void kube_good_files(const struct kube *k)
{
	site_write(k->w->site, "kube/ca.pem", k->w->site->ca.pem, BYTES_NONE);
	site_write(k->w->site, "kube/cert.pem", k->w->site->client.chain_pem, BYTES_NONE);
	site_write(k->w->site, "kube/key.pem", k->w->site->client.key_pem, BYTES_NONE);
	kube_write(k, "kube/token", SECRET "\n");
	kube_config(k, H1, "ca.pem", "tokenFile: token");
}

/* ---- log ---- */

static inline void kube_log_begin(struct kube *k)
{
	char path[256];

	(void)fflush(stderr);
	(void)snprintf(path, sizeof(path), "%s/kube/log", k->dir);
	k->log_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	assert_true(k->log_fd >= 0);
	k->err_fd = dup(2);
	assert_int_equal(dup2(k->log_fd, 2), 2);
}

static inline unsigned logged(const struct kube *k, const char *what);

/* What cmocka says of a failure is in there, too. */
static inline void kube_log_end(struct kube *k)
{
	char text[8192];
	ssize_t n;

	(void)dup2(k->err_fd, 2);
	(void)lseek(k->log_fd, 0, SEEK_SET);
	while (logged(k, "ERROR: ") > 0 && (n = read(k->log_fd, text, sizeof(text))) > 0) (void)!write(2, text, (size_t)n);
	(void)close(k->err_fd);
	(void)close(k->log_fd);
}

static inline void kube_log_clear(const struct kube *k)
{
	assert_int_equal(ftruncate(k->log_fd, 0), 0);
}

/* How often the log has it. */
static inline unsigned logged(const struct kube *k, const char *what)
{
	static char text[256 * 1024];
	ssize_t n = pread(k->log_fd, text, sizeof(text) - 1, 0);
	unsigned count = 0;

	assert_true(n >= 0);
	text[n] = '\0';
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++) count++;
	return count;
}

/* ---- life ---- */

static inline struct conf *kube_conf(const struct kube *k, const char *source)
{
	struct conf_problem problem;
	struct conf *conf = NULL;
	char yaml[1024];

	(void)snprintf(yaml, sizeof(yaml), "trust_domain: a.test\nclusters: [{id: far, %s: \"%s/kube%s\"}]\n", source, k->dir,
	               strcmp(source, "kubeconfig") == 0 ? "/config" : "");
	if (conf_parse(bytes_str(yaml), "test", &conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	return conf;
}

/* Others that were made before must be from the same source. */
static inline void kube_cluster(struct kube *k, const char *source, int64_t reread_ms)
{
	struct cluster_options o = { .loop = k->w->loop, .https = k->w->https, .log = &k->log, .metrics = &k->metrics, .reread_ms = reread_ms };

	if (k->conf == NULL) k->conf = kube_conf(k, source);
	o.conf = k->conf;
	o.cluster = &k->conf->clusters[0];
	assert_int_equal(cluster_new(&o, &k->cluster).code, ERR_OK);
}

/* With good files, no cluster yet. */
static inline struct kube *kube_new(struct site *site, unsigned max_requests)
{
	struct kube *k = calloc(1, sizeof(*k));
	char path[256];

	k->w = world_new(site, max_requests, 8);
	k->dir = site->dir;
	(void)snprintf(path, sizeof(path), "%s/kube", k->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	k->log = (struct log){ .level = LOG_INFO, .process = "test" };
	kube_good_files(k);
	kube_log_begin(k);
	return k;
}

static inline void kube_free(struct kube *k)
{
	struct site *site = k->w->site;
	void *state = k->w;

	cluster_free(k->cluster);
	kube_log_end(k);
	(void)world_end(&state);
	kube_empty_dir(site->dir);
	conf_free(k->conf);
	free(k);
}

static inline int kube_begin(void **state)
{
	*state = kube_new(*state, 64);
	return 0;
}

static inline int kube_end(void **state)
{
	struct kube *k = *state;
	struct site *site = k->w->site;

	kube_free(k);
	*state = site;
	return 0;
}

/* ---- requests ---- */

static inline struct cluster_ask kube_ask(struct got *g, const char *path)
{
	return (struct cluster_ask){ .method = HTTPS_GET, .path = path, .timeout_ms = 10000, .max_answer = sizeof(g->body) - 1, .done = got_done, .ctx = g };
}

static inline struct cluster_request *kube_start(struct kube *k, struct got *g, const struct cluster_ask *ask)
{
	struct cluster_request *r = NULL;

	*g = (struct got){ .w = k->w };
	assert_int_equal(cluster_start(k->cluster, ask, &r).code, ERR_OK);
	assert_int_equal(g->ends, 0);
	return r;
}

static inline void kube_get(struct kube *k, struct got *g, const struct cluster_ask *ask)
{
	k->w->awaited = 1;
	(void)kube_start(k, g, ask);
	world_run(k->w, 0);
	assert_int_equal(g->ends, 1);
}

/* Who asked for what is scripted as `name`: "GET PATH AUTHORIZATION" lines. */
static inline void kube_asked(struct kube *k, const char *name, struct got *g)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/%s.asked", name);
	get_ok(k->w, g, k->w->target[H1], path);
}

static inline unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; *text != '\0'; text++) n += *text == '\n';
	return n;
}

static inline uint64_t metric_of(const struct kube *k, enum metric_of m)
{
	return metric_get_of(&k->metrics, m, 0);
}

#endif
