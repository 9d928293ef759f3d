#include "k8s_csr/jwks_fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/own.h"
#include "k8s_csr/oidc.h"
#include "k8s_csr/wire_front.h"

#define WELL_KNOWN "/.well-known/openid-configuration"
#define CLUSTER_NEEDS "the ClusterRole system:service-account-issuer-discovery"

struct jwks_fetch {
	struct jwks_fetch_options o;
	const struct conf_jwt_issuer *issuer;
	struct https_request *request;
	struct cluster_request *at_cluster;
};

void jwks_fetch_cancel(struct jwks_fetch *f)
{
	if (f == NULL) return;
	https_cancel(f->request);
	cluster_cancel(f->at_cluster);
	free(f);
}
static inline void auto_jwks_fetch(struct jwks_fetch **p) { jwks_fetch_cancel(*p); }

static void end(struct jwks_fetch *f, const struct jwks_fetched *got)
{
	f->o.done(f->o.ctx, got);
	jwks_fetch_cancel(f);
}

static void fail(struct jwks_fetch *f, struct err e, const char *text, unsigned retry_after)
{
	end(f, &(struct jwks_fetched){ .e = e, .retry_after = retry_after, .text = text });
}

/* ---- answers ---- */

/* Is it 200?  If not, that is the end. */
static bool came(struct jwks_fetch *f, struct err e, const struct https_answer *a)
{
	bool forbidden = a->status == 403 && conf_keys_of(f->issuer) == CONF_KEYS_CLUSTER;
	char text[128];

	if (e.code != ERR_OK) {
		fail(f, e, a->text, a->retry_after);
		return false;
	}
	if (a->status == 200) return true;
	(void)snprintf(text, sizeof(text), "status %ld%s", a->status, forbidden ? ": needs " CLUSTER_NEEDS : "");
	fail(f, ERR(ERR_UNAVAILABLE, "keys: the answer is not 200"), text, a->retry_after);
	return false;
}

static void take_keys(struct jwks_fetch *f, struct bytes set)
{
	AUTO(json) json_t *object = NULL;
	struct err e = json_object_parse(set, WIRE_JWKS_MAX, &object);
	const json_t *keys = json_object_get(object, "keys");

	if (e.code == ERR_OK && !json_is_array(keys)) e = ERR(ERR_INVALID_ARGUMENT, "keys: not a JWK set");
	end(f, &(struct jwks_fetched){ .e = e, .set = set, .count = json_array_size(keys), .text = "" });
}

static void on_keys(void *ctx, struct err e, const struct https_answer *a)
{
	struct jwks_fetch *f = ctx;

	f->request = NULL;
	f->at_cluster = NULL;
	if (came(f, e, a)) take_keys(f, a->body);
}

/* ---- requests ---- */

static struct err read_file(const char *path, struct buf *out)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	uint8_t *at;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0) FAIL_BY(ERR_UNAVAILABLE, "keys: cannot open the file with the roots", errno);
	if (!S_ISREG(st.st_mode) || st.st_size < 1 || st.st_size > (off_t)out->max)
		FAIL(ERR_INVALID_ARGUMENT, "keys: the file with the roots is empty, too large, or no file");
	TRY(buf_reserve(out, (size_t)st.st_size, &at));
	while (out->len < (size_t)st.st_size) {
		n = read(fd, out->data + out->len, (size_t)st.st_size - out->len);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) FAIL_BY(ERR_UNAVAILABLE, "keys: cannot read the file with the roots", errno);
		if (n == 0) break; /* it was cut meanwhile */
		out->len += (size_t)n;
	}
	return OK;
}

/* A url_check()ed URL. */
static struct err get(struct jwks_fetch *f, const char *url, size_t max,
                      void (*done)(void *ctx, struct err e, const struct https_answer *answer))
{
	AUTO(buf) struct buf roots = { .max = HTTPS_PEM_MAX };
	AUTO(https_target) struct https_target *target = NULL;
	struct https_target_options o = { .url = NULL };
	struct https_ask ask = { .method = HTTPS_GET, .timeout_ms = JWKS_FETCH_MS, .max_answer = max, .done = done, .ctx = f };
	const char *ca_file = conf_text(f->o.conf, f->issuer->ca_file);
	char origin[URL_MAX + 1], path[URL_MAX + 2];
	size_t host = strlen("https://"), len = host + strcspn(url + host, "/?");

	(void)snprintf(origin, sizeof(origin), "%.*s", (int)len, url);
	(void)snprintf(path, sizeof(path), "%s%s", url[len] == '/' ? "" : "/", url + len);
	TRY(read_file(ca_file, &roots));
	o.url = origin;
	o.roots_pem = buf_view(&roots);
	TRY(https_target_new(f->o.https, &o, &target));
	ask.target = target;
	ask.path = path;
	return https_start(&ask, &f->request);
}

static void on_discovery(void *ctx, struct err e, const struct https_answer *a)
{
	AUTO(json) json_t *document = NULL;
	struct jwks_fetch *f = ctx;
	char url[URL_MAX + 1];

	f->request = NULL;
	if (!came(f, e, a)) return;
	e = json_object_parse(a->body, OIDC_DISCOVERY_MAX, &document);
	if (e.code == ERR_OK) e = oidc_discovery_read(document, conf_text(f->o.conf, f->issuer->issuer), url);
	if (e.code == ERR_OK) e = get(f, url, WIRE_JWKS_MAX, on_keys);
	if (e.code != ERR_OK) fail(f, e, "after discovery", 0);
}

/* s4: "any terminating / MUST be removed before appending". */
static struct err discover(struct jwks_fetch *f)
{
	const char *issuer = conf_text(f->o.conf, f->issuer->issuer);
	size_t len = strlen(issuer);
	char url[URL_MAX + 1];

	if (len > 0 && issuer[len - 1] == '/') len--;
	if (snprintf(url, sizeof(url), "%.*s%s", (int)len, issuer, WELL_KNOWN) >= (int)sizeof(url))
		FAIL(ERR_INVALID_ARGUMENT, "keys: the issuer is too long to be asked");
	return get(f, url, OIDC_DISCOVERY_MAX, on_discovery);
}

static struct err ask_cluster(struct jwks_fetch *f)
{
	struct cluster_ask ask = { .method = HTTPS_GET,
		                   .path = JWKS_CLUSTER_PATH,
		                   .timeout_ms = JWKS_FETCH_MS,
		                   .max_answer = WIRE_JWKS_MAX,
		                   .done = on_keys,
		                   .ctx = f };

	return cluster_start(f->o.cluster, &ask, &f->at_cluster);
}

struct err jwks_fetch_start(const struct jwks_fetch_options *options, struct jwks_fetch **out)
{
	AUTO(jwks_fetch) struct jwks_fetch *f = calloc(1, sizeof(*f));

	if (f == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keys: out of memory");
	f->o = *options;
	f->issuer = &options->conf->issuers[options->issuer];
	switch (conf_keys_of(f->issuer)) {
	case CONF_KEYS_URL: TRY(get(f, conf_text(f->o.conf, f->issuer->jwks_url), WIRE_JWKS_MAX, on_keys)); break;
	case CONF_KEYS_DISCOVERY: TRY(discover(f)); break;
	case CONF_KEYS_CLUSTER: TRY(ask_cluster(f)); break;
	default: FAIL(ERR_INVALID_ARGUMENT, "keys: they are not to be fetched");
	}
	*out = MOVE(f);
	return OK;
}
