/* needs.h: what a configuration needs leave for at each of its clusters, no more and no less, as RBAC's rules say it
 * (rbac.authorization.k8s.io/v1 PolicyRule).  What the courier asks a cluster changes here with it.  Pure; any thread. */
#ifndef SIGNET_K8S_CSR_NEEDS_H
#define SIGNET_K8S_CSR_NEEDS_H

#include "base/kube_name.h"
#include "conf/conf.h"

#define NEED_VERBS_MAX 5
#define NEEDS_MAX (6 + 3 * CONF_CSR_ISSUERS_MAX) /* of one cluster */

struct need { /* one rule; texts are literals */
	const char *why;
	const char *group, *resource, *subresource; /* subresource NULL: of the resource itself */
	const char *url;                            /* not NULL: of this, which is no resource; the three above are NULL */
	const char *verbs[NEED_VERBS_MAX];
	size_t verb_count;                          /* 1 or more */
	char name[KUBE_SIGNER_MAX + 1];             /* of this one alone ("signers" have all of a domain, too); "": of all */
	char ns[KUBE_NAMESPACE_MAX + 1];            /* in this namespace; "": in the whole cluster */
};

/* Those of conf.clusters[cluster]; their number. */
size_t needs_of(const struct conf *conf, unsigned cluster, struct need out[NEEDS_MAX]);
/* Does the courier watch that cluster's pods?  Only where tokens say where a caller runs, and only if a rule asks. */
bool needs_pods(const struct conf *conf, unsigned cluster);

#endif
