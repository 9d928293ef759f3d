#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/own.h"
#include "k8s_csr/cluster_internal.h"

#define DOUBT_US (1000 * 1000) /* between two readings that a server's answers cause */

uint32_t cluster_random(void)
{
	uint32_t random = 0;

	return getrandom(&random, sizeof(random), 0) == sizeof(random) ? random : 0; /* jitter alone depends on it */
}

/* ---- credentials ---- */

/* Each problem is told once, however often it is met. */
static void tell_problem(struct cluster *c, const struct conf_problem *problem)
{
	if (strcmp(c->told.text, problem->text) == 0) return;
	c->told = *problem;
	log_event(c->o.log, LOG_ERROR, "kube_credentials_refused", F_STR("cluster", cluster_id(c)), F_STR("what", problem->text));
}

static struct err make_target(const struct cluster *c, const struct credentials *k, struct https_target **out)
{
	const struct https_target_options o = {
		.url = k->server,
		.server_name = k->server_name,
		.roots_pem = buf_view(&k->roots),
		.cert_pem = buf_view(&k->cert),
		.key_pem = buf_view(&k->key),
		.token = buf_view(&k->token),
	};

	return https_target_new(c->o.https, &o, out);
}

/* Another token is no other target: its connections stay.  Requests under way hold the target that they were sent to. */
static struct err use(struct cluster *c, struct credentials *fresh)
{
	AUTO(https_target) struct https_target *target = NULL;
	bool other = c->target == NULL || !credentials_same_but_token(&c->credentials, fresh);

	if (!other && bytes_equal_secret(buf_view(&c->credentials.token), buf_view(&fresh->token))) return OK;
	if (other) TRY(make_target(c, fresh, &target));
	else TRY(https_target_set_token(c->target, buf_view(&fresh->token)));
	if (other) {
		https_target_unref(c->target);
		c->target = MOVE(target);
		log_event(c->o.log, LOG_INFO, "kube_credentials", F_STR("cluster", cluster_id(c)), F_STR("server", fresh->server));
	}
	credentials_wipe(&c->credentials);
	c->credentials = *fresh;
	*fresh = (struct credentials){ .server = NULL };
	c->generation++;
	return OK;
}

static void name_source(const struct cluster *c, struct err e, struct conf_problem *problem)
{
	const struct conf_cluster *k = c->o.cluster;

	(void)snprintf(problem->text, sizeof(problem->text), "%s: %s",
		       conf_text(c->o.conf, k->kubeconfig != 0 ? k->kubeconfig : k->service_account_dir), e.reason);
}

void cluster_reload(struct cluster *c)
{
	AUTO(credentials) struct credentials fresh = { .server = NULL };
	struct conf_problem problem;
	struct err e = credentials_read(c->o.conf, c->o.cluster, &fresh, &problem);

	c->read_us = clock_mono_us();
	if (e.code == ERR_OK) {
		e = use(c, &fresh);
		if (e.code != ERR_OK) name_source(c, e, &problem);
	}
	if (e.code != ERR_OK) tell_problem(c, &problem);
	else c->told.text[0] = '\0';
}

void cluster_doubt(struct cluster *c)
{
	if (clock_mono_us() - c->read_us >= DOUBT_US) cluster_reload(c);
}

static void on_reread(void *ctx)
{
	struct cluster *c = ctx;

	cluster_reload(c);
	(void)timer_start(c->reread, c->o.reread_ms);
}

/* ---- life ---- */

static void on_room(void *ctx)
{
	cluster_send_waiting(ctx);
}

static inline void auto_cluster(struct cluster **c) { cluster_free(*c); }

struct err cluster_new(const struct cluster_options *o, struct cluster **out)
{
	AUTO(cluster) struct cluster *c = calloc(1, sizeof(*c));

	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "cluster: out of memory");
	c->o = *o;
	if (c->o.reread_ms == 0) c->o.reread_ms = CLUSTER_REREAD_MS;
	TRY(timer_new(o->loop, on_room, c, &c->room));
	TRY(timer_new(o->loop, on_reread, c, &c->reread));
	TRY(timer_start(c->reread, c->o.reread_ms));
	cluster_reload(c);
	*out = MOVE(c);
	return OK;
}

void cluster_free(struct cluster *c)
{
	if (c == NULL) return;
	timer_free(c->room);
	timer_free(c->reread);
	https_target_unref(c->target);
	credentials_wipe(&c->credentials);
	free(c);
}

const char *cluster_id(const struct cluster *c)
{
	return conf_text(c->o.conf, c->o.cluster->id);
}

const struct cluster_options *cluster_options_of(const struct cluster *c)
{
	return &c->o;
}
