#include "k8s_csr/pods.h"

#include "base/loop.h"
#include "base/own.h"
#include "k8s_csr/informer.h"
#include "k8s_csr/pods_table.h"

#define PODS_MAX 200000 /* ours; Kubernetes is made for 150 000 in a cluster */

struct pods {
	struct cluster *cluster;
	struct pods_table *table;
	struct informer *informer;
	struct timer *tell; /* runs: there is something to tell, once for all that came together, and not from within the watch */
	bool synced;
	void (*changed)(void *ctx);
	void *ctx;
};

static void on_tell(void *ctx)
{
	struct pods *p = ctx;

	p->changed(p->ctx);
}

static void on_begin(void *ctx)
{
	struct pods *p = ctx;

	pods_table_begin(p->table);
}

/* Before the first list is whole the answer is AWAY, whatever is known. */
static void tell_later(struct pods *p)
{
	if (p->synced) (void)timer_start(p->tell, 0);
}

/* Whatever cannot be read is not there; nor is what it was before. */
static bool take(struct pods *p, const json_t *object, bool gone)
{
	struct kube_pod pod;
	struct kube_meta meta;

	if (!gone && kube_pod_read(object, &pod).code == ERR_OK) return pods_table_put(p->table, &pod);
	return kube_meta_read(object, &meta).code == ERR_OK && pods_table_remove(p->table, meta.ns, meta.name);
}

static void on_seen(void *ctx, const json_t *object)
{
	struct pods *p = ctx;
	bool was_full = pods_table_is_full(p->table);

	if (take(p, object, false)) tell_later(p);
	if (!was_full && pods_table_is_full(p->table))
		log_event(cluster_options_of(p->cluster)->log, LOG_ERROR, "kube_pods_full",
			  F_STR("cluster", cluster_id(p->cluster)), F_INT("pods", pods_table_count(p->table)));
}

static void on_gone(void *ctx, const json_t *object)
{
	struct pods *p = ctx;

	if (take(p, object, true)) tell_later(p);
}

static void on_synced(void *ctx)
{
	struct pods *p = ctx;

	pods_table_sweep(p->table);
	p->synced = true;
	tell_later(p);
}

static inline void auto_pods(struct pods **p) { pods_free(*p); }

struct err pods_new(struct cluster *c, void (*changed)(void *ctx), void *ctx, struct pods **out)
{
	AUTO(pods) struct pods *p = calloc(1, sizeof(*p));
	struct informer_options o = { .cluster = c, .path = "/api/v1/pods", .kind = "PodList", .ctx = p };

	if (p == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "pods: out of memory");
	*p = (struct pods){ .cluster = c, .changed = changed, .ctx = ctx };
	o.begin = on_begin;
	o.seen = on_seen;
	o.gone = on_gone;
	o.synced = on_synced;
	TRY(pods_table_new(PODS_MAX, &p->table));
	TRY(timer_new(cluster_options_of(c)->loop, on_tell, p, &p->tell));
	TRY(informer_new(&o, &p->informer));
	*out = MOVE(p);
	return OK;
}

void pods_free(struct pods *p)
{
	if (p == NULL) return;
	informer_free(p->informer);
	timer_free(p->tell);
	pods_table_free(p->table);
	free(p);
}

bool pods_is_synced(const struct pods *p)
{
	return p->synced;
}

enum wire_verdict pods_allow(const struct pods *p, const struct wire_node *m, const char **why)
{
	if (p->synced) return pods_table_allow(p->table, m, why);
	*why = "the cluster's pods are not known yet";
	return VERDICT_AWAY;
}
