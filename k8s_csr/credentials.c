#include "k8s_csr/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "der/pem.h"
#include "k8s_csr/http.h"
#include "k8s_csr/kubeconfig.h"

/* ---- files ---- */

static struct err refuse(struct conf_problem *problem, const char *file, const char *why)
{
	(void)snprintf(problem->text, sizeof(problem->text), "%s: %s", file, why);
	FAIL(ERR_INVALID_ARGUMENT, "credentials: a file cannot be used");
}

static struct err cannot_read(struct conf_problem *problem, const char *file)
{
	int by = errno;

	(void)snprintf(problem->text, sizeof(problem->text), "%s: cannot read it: %s", file, strerror(by));
	FAIL_BY(ERR_UNAVAILABLE, "credentials: a file cannot be read", by);
}

static struct err no_memory(struct conf_problem *problem)
{
	(void)snprintf(problem->text, sizeof(problem->text), "out of memory");
	FAIL(ERR_RESOURCE_EXHAUSTED, "credentials: out of memory");
}

/* To its end, which may be further than its size was. */
static struct err read_open(int fd, const char *file, size_t size, struct buf *out, struct conf_problem *problem)
{
	uint8_t *at;
	ssize_t n;

	out->max = size + 1;
	if (buf_reserve(out, out->max, &at).code != ERR_OK) return no_memory(problem); /* at once: no copies are left behind */
	while (out->len < out->max) {
		n = read(fd, out->data + out->len, out->max - out->len);
		if (n < 0) return cannot_read(problem, file);
		if (n == 0) return OK;
		out->len += (size_t)n;
	}
	return refuse(problem, file, "it grew while it was read");
}

/* Links are followed: Kubernetes replaces mounted files by moving one.  O_NONBLOCK: a fifo in its place must not hang us. */
static struct err read_file(const char *file, size_t max, struct buf *out, struct conf_problem *problem)
{
	AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) return cannot_read(problem, file);
	if (!S_ISREG(st.st_mode)) return refuse(problem, file, "not a regular file");
	if (st.st_size <= 0) return refuse(problem, file, "empty");
	if ((uint64_t)st.st_size > max) return refuse(problem, file, "too large");
	return read_open(fd, file, (size_t)st.st_size, out, problem);
}

/* ---- what is in them ---- */

static bool ends_with(const char *label, const char *kind)
{
	size_t n = strlen(label), k = strlen(kind);

	return n >= k && strcmp(label + n - k, kind) == 0;
}

/* Well formed, with a block of that kind. */
static bool is_pem(struct bytes text, const char *kind)
{
	bool found = false;

	for (;;) {
		AUTO(buf_wipe) struct buf der = { .max = HTTPS_PEM_MAX };
		char label[PEM_LABEL_MAX];
		struct err e = pem_take(&text, HTTPS_PEM_MAX, label, &der);

		if (e.code == ERR_NOT_FOUND) return found;
		if (e.code != ERR_OK) return false;
		found = found || ends_with(label, kind);
	}
}

static struct err read_pem(const char *file, const char *kind, struct buf *out, struct conf_problem *problem)
{
	TRY(read_file(file, HTTPS_PEM_MAX, out, problem));
	if (!is_pem(buf_view(out), kind)) return refuse(problem, file, "no PEM with what belongs there");
	return OK;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Without space around it, as client-go takes it. */
static struct err read_token(const char *file, struct buf *out, struct conf_problem *problem)
{
	size_t front = 0;

	TRY(read_file(file, HTTPS_TOKEN_MAX, out, problem));
	while (out->len > 0 && is_space(out->data[out->len - 1])) out->len--;
	while (front < out->len && is_space(out->data[front])) front++;
	buf_drop(out, front);
	if (out->len == 0) return refuse(problem, file, "no token in it");
	for (size_t i = 0; i < out->len; i++)
		if (out->data[i] < '!' || out->data[i] > '~') return refuse(problem, file, "characters that no token has");
	return OK;
}

/* ---- a pod's service account ---- */

static struct err pod_server(struct credentials *c, struct conf_problem *problem)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	bool v6;

	if (host == NULL || host[0] == '\0') host = CREDENTIALS_POD_SERVER;
	if (port == NULL || port[0] == '\0') port = "443";
	v6 = strchr(host, ':') != NULL;
	if (asprintf(&c->server, "https://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port) >= 0) return OK;
	c->server = NULL;
	return no_memory(problem);
}

static struct err read_pod(const char *dir, struct credentials *c, struct conf_problem *problem)
{
	AUTO(heap) char *token = NULL;
	AUTO(heap) char *ca = NULL;

	TRY(pod_server(c, problem));
	if (asprintf(&token, "%s/token", dir) < 0) {
		token = NULL;
		return no_memory(problem);
	}
	if (asprintf(&ca, "%s/ca.crt", dir) < 0) {
		ca = NULL;
		return no_memory(problem);
	}
	TRY(read_token(token, &c->token, problem));
	return read_pem(ca, "CERTIFICATE", &c->roots, problem);
}

/* ---- a kubeconfig ---- */

static void take_text(struct kubeconfig_source *from, struct buf *to)
{
	*to = from->text;
	from->text = (struct buf){ 0 };
}

static struct err take_pem(struct kubeconfig_source *from, const char *kind, struct buf *to, struct conf_problem *problem)
{
	if (from->path != NULL) return read_pem(from->path, kind, to, problem);
	take_text(from, to);
	return OK;
}

static struct err take_sources(struct kubeconfig *k, struct credentials *c, struct conf_problem *problem)
{
	if (k->ca.path == NULL && k->ca.text.len == 0)
		TRY(read_pem(CREDENTIALS_SYSTEM_ROOTS, "CERTIFICATE", &c->roots, problem));
	else TRY(take_pem(&k->ca, "CERTIFICATE", &c->roots, problem));
	TRY(take_pem(&k->certificate, "CERTIFICATE", &c->cert, problem));
	TRY(take_pem(&k->key, "PRIVATE KEY", &c->key, problem));
	if (k->token.path != NULL) return read_token(k->token.path, &c->token, problem);
	take_text(&k->token, &c->token);
	return OK;
}

static struct err read_kubeconfig(const char *file, const char *context, struct credentials *c, struct conf_problem *problem)
{
	AUTO(buf_wipe) struct buf yaml = { 0 };
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	const char *slash = strrchr(file, '/');
	AUTO(heap) char *folder = slash == NULL ? strdup(".") : strndup(file, slash == file ? 1 : (size_t)(slash - file));
	const struct kubeconfig_options o = { .name = file, .folder = folder, .context = context[0] != '\0' ? context : NULL };

	if (folder == NULL) return no_memory(problem);
	TRY(read_file(file, KUBECONFIG_MAX, &yaml, problem));
	TRY(kubeconfig_parse(buf_view(&yaml), &o, &k, problem));
	c->server = MOVE(k.server);
	c->server_name = MOVE(k.server_name);
	return take_sources(&k, c, problem);
}

/* ---- both ---- */

struct err credentials_read(const struct conf *conf, const struct conf_cluster *cluster, struct credentials *out,
			    struct conf_problem *problem)
{
	AUTO(credentials) struct credentials c = { .server = NULL };

	problem->text[0] = '\0';
	if (cluster->kubeconfig == 0) TRY(read_pod(conf_text(conf, cluster->service_account_dir), &c, problem));
	else TRY(read_kubeconfig(conf_text(conf, cluster->kubeconfig), conf_text(conf, cluster->context), &c, problem));
	*out = c;
	c = (struct credentials){ .server = NULL };
	return OK;
}

void credentials_wipe(struct credentials *c)
{
	if (c == NULL) return;
	free(c->server);
	free(c->server_name);
	buf_wipe(&c->roots);
	buf_wipe(&c->cert);
	buf_wipe(&c->key);
	buf_wipe(&c->token);
	*c = (struct credentials){ .server = NULL };
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool credentials_same_but_token(const struct credentials *a, const struct credentials *b)
{
	return same_text(a->server, b->server) && same_text(a->server_name, b->server_name) &&
	       bytes_equal(buf_view(&a->roots), buf_view(&b->roots)) && bytes_equal(buf_view(&a->cert), buf_view(&b->cert)) &&
	       bytes_equal_secret(buf_view(&a->key), buf_view(&b->key));
}
