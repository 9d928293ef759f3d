/* same_node.h: answers to ASK_NODE, which may have to wait: kubelet starts a pod before our watch has told of it, and after a start
 * no pod is known yet.  The loop's thread. */
#ifndef SIGNET_K8S_CSR_SAME_NODE_H
#define SIGNET_K8S_CSR_SAME_NODE_H

#include "k8s_csr/pods.h"

#define SAME_NODE_MAX 1024         /* questions that wait; ours */
#define SAME_NODE_SYNC_MS 5000     /* until the pods are known, then AWAY; ours: a client waits for it */
#define SAME_NODE_NEW_POD_MS 2000  /* after a NO, for a pod that was scheduled just now; ours: watches lag by less than a second */

struct same_node;

struct same_node_options {
	struct cluster *cluster; /* borrowed */
	void (*answer)(void *ctx, void *asker, const struct wire_node_answer *m);
	void *ctx;
};
struct err same_node_new(const struct same_node_options *options, struct same_node **out);
void same_node_free(struct same_node *s); /* not from within answer(); NULL is allowed */
/* A YES comes at once, from within it.  RESOURCE_EXHAUSTED: too many wait, or memory. */
struct err same_node_ask(struct same_node *s, void *asker, const struct wire_node *m);
void same_node_forget(struct same_node *s, const void *asker);

#endif
