/* kube_check.h: the checks of `signet kube check`.  One thread. */
#ifndef SIGNET_CLI_KUBE_CHECK_H
#define SIGNET_CLI_KUBE_CHECK_H

#include "cli/kube.h"
#include "cli/report.h"
#include "k8s_csr/needs.h"

struct kube_missing { /* at one cluster */
	kube_text user; /* who we are there; "": it does not say */
	struct need needs[NEEDS_MAX];
	size_t count;
};
/* Everything at conf.clusters[cluster]. */
void kube_check_cluster(struct kube *k, struct report *r, unsigned cluster, struct kube_missing *missing);
/* The keys of conf.issuers[issuer], if they are fetched from elsewhere than a cluster. */
void kube_check_issuer(struct kube *k, struct report *r, unsigned issuer);

#endif
