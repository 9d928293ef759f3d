/* pods_table.h: which pod runs where, as whom, and whether some pod of an account runs on a node; in memory, by hash tables with a
 * bound.  Pods that have ended, and those without a node or an account, are none.  One owner; no I/O. */
#ifndef SIGNET_K8S_CSR_PODS_TABLE_H
#define SIGNET_K8S_CSR_PODS_TABLE_H

#include "k8s_csr/object_core.h"
#include "k8s_csr/wire_front.h"

struct pods_table;

/* At most `max` pods, of about 250 bytes each.  RESOURCE_EXHAUSTED: memory; INTERNAL: no random numbers. */
struct err pods_table_new(size_t max, struct pods_table **out);
void pods_table_free(struct pods_table *t); /* NULL is allowed */

/* As it is now; did that change anything?  What does not fit is not there, and pods_table_is_full(). */
bool pods_table_put(struct pods_table *t, const struct kube_pod *pod);
bool pods_table_remove(struct pods_table *t, const char *ns, const char *name);

/* All pods are put anew from here on ... */
void pods_table_begin(struct pods_table *t);
/* ... to here: the others are gone. */
void pods_table_sweep(struct pods_table *t);

size_t pods_table_count(const struct pods_table *t);
/* Did something not fit since pods_table_begin()? */
bool pods_table_is_full(const struct pods_table *t);
/* As pods_allow(): YES or NO. */
enum wire_verdict pods_table_allow(const struct pods_table *t, const struct wire_node *m, const char **why);

#endif
