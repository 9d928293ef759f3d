/* pods.h: the pods of one cluster, as far as a node's proxy is concerned: which runs where, as whom (istio.md 1, "node
 * authorizer").  Kept by a watch.  The loop's thread. */
#ifndef SIGNET_K8S_CSR_PODS_H
#define SIGNET_K8S_CSR_PODS_H

#include "k8s_csr/cluster.h"
#include "k8s_csr/wire_front.h"

struct pods;

/* changed(): what pods_is_synced() or pods_allow() say may be something else now; not from within pods_new(). */
struct err pods_new(struct cluster *c, void (*changed)(void *ctx), void *ctx, struct pods **out);
void pods_free(struct pods *p); /* NULL is allowed */
/* Are all pods known? */
bool pods_is_synced(const struct pods *p);
/* May this proxy speak for such pods?  *why is a literal, set unless YES. */
enum wire_verdict pods_allow(const struct pods *p, const struct wire_node *m, const char **why);

#endif
