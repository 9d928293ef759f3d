#include "cli/kube.h"

#include <string.h>

#include "base/loop.h"
#include "k8s_csr/jwks_fetch.h"

struct err kube_open(struct kube *k)
{
	TRY(loop_new(&k->loop));
	return https_new(&(struct https_options){ .loop = k->loop, .max_requests = 4, .max_connections = 2 }, &k->https);
}

void kube_close(struct kube *k)
{
	https_target_unref(k->target);
	https_free(k->https);
	loop_free(k->loop);
	*k = (struct kube){ .loop = NULL };
}

struct err kube_use(struct kube *k, const struct credentials *c)
{
	const struct https_target_options o = {
		.url = c->server,
		.server_name = c->server_name,
		.roots_pem = buf_view(&c->roots),
		.cert_pem = buf_view(&c->cert),
		.key_pem = buf_view(&c->key),
		.token = buf_view(&c->token),
	};

	https_target_unref(k->target);
	k->target = NULL;
	return https_target_new(k->https, &o, &k->target);
}

/* ---- a question ---- */

struct asked {
	struct kube *k;
	struct kube_answer *out;
};

static void set_why(char why[KUBE_WHY_MAX], const char *what, const char *detail)
{
	(void)snprintf(why, KUBE_WHY_MAX, "%s%s%s", what, detail[0] == '\0' ? "" : ": ", detail);
}

static void on_answer(void *ctx, struct err e, const struct https_answer *a)
{
	const struct asked *asked = ctx;
	struct kube_answer *out = asked->out;
	struct kube_status status = { .message = "" };
	char what[32];

	out->e = e;
	out->status = a->status;
	if (e.code != ERR_OK) set_why(out->why, e.reason, a->text);
	if (e.code == ERR_OK && kube_parse(a->body, &out->body).code != ERR_OK) out->body = NULL;
	if (e.code == ERR_OK && a->status / 100 != 2) {
		(void)snprintf(what, sizeof(what), "status %ld", a->status);
		if (out->body == NULL || kube_status_read(out->body, &status).code != ERR_OK) status.message[0] = '\0';
		set_why(out->why, what, status.message);
	}
	loop_stop(asked->k->loop);
}

void kube_ask(struct kube *k, const char *path, struct bytes body, struct kube_answer *out)
{
	struct asked asked = { k, out };
	struct https_ask ask = { .target = k->target, .path = path, .timeout_ms = KUBE_ASK_MS, .max_answer = KUBE_ANSWER_MAX,
		                 .body = body, .done = on_answer, .ctx = &asked };

	*out = (struct kube_answer){ .e = ERR(ERR_INTERNAL, "kube: no answer") };
	if (body.len > 0) {
		ask.method = HTTPS_POST;
		ask.content_type = "application/json";
	}
	struct err e = https_start(&ask, NULL);

	if (e.code == ERR_OK) e = loop_run(k->loop);
	if (e.code == ERR_OK) return;
	out->e = e;
	set_why(out->why, e.reason, "");
}

void kube_answer_free(struct kube_answer *a)
{
	json_decref(a->body);
	a->body = NULL;
}

/* ---- keys ---- */

struct fetch {
	struct kube *k;
	struct kube_keys *out;
};

static void on_keys(void *ctx, const struct jwks_fetched *got)
{
	const struct fetch *f = ctx;

	f->out->e = got->e;
	f->out->count = got->count;
	if (got->e.code != ERR_OK) set_why(f->out->why, got->e.reason, got->text);
	loop_stop(f->k->loop);
}

void kube_fetch_keys(struct kube *k, const struct conf *conf, unsigned issuer, struct kube_keys *out)
{
	struct fetch f = { k, out };
	struct jwks_fetch *fetch;
	struct err e;

	*out = (struct kube_keys){ .e = ERR(ERR_INTERNAL, "kube: no answer") };
	e = jwks_fetch_start(
		&(struct jwks_fetch_options){ .https = k->https, .conf = conf, .issuer = issuer, .done = on_keys, .ctx = &f },
		&fetch);
	if (e.code == ERR_OK) e = loop_run(k->loop);
	if (e.code == ERR_OK) return;
	out->e = e;
	set_why(out->why, e.reason, e.cause != 0 ? strerror((int)e.cause) : "");
}
