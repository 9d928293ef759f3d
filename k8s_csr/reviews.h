/* reviews.h: is this token good at that cluster (TokenReview), and does such a pod run where that one does (same_node)?  Asked by
 * fronts, answered once (k8s_csr/wire_front.h).  The loop's thread.  Nothing is cached here but pods: fronts keep what they were
 * told. */
#ifndef SIGNET_K8S_CSR_REVIEWS_H
#define SIGNET_K8S_CSR_REVIEWS_H

#include "k8s_csr/cluster.h"
#include "k8s_csr/wire_front.h"

#define REVIEW_TIME_MS 10000 /* in all, tries again included; ours: a client waits for it */

struct reviews;

struct reviews_options {
	struct cluster *cluster; /* borrowed */
	bool pods;               /* a rule with same_node may ask: watch all pods */
	/* `asker` and m->id are what was given. */
	void (*reviewed)(void *ctx, void *asker, const struct wire_reviewed *m);
	void (*node)(void *ctx, void *asker, const struct wire_node_answer *m);
	void *ctx;
};
struct err reviews_new(const struct reviews_options *options, struct reviews **out);
void reviews_free(struct reviews *r); /* NULL is allowed */
/* RESOURCE_EXHAUSTED: too many at once. */
struct err reviews_token(struct reviews *r, void *asker, const struct wire_review *m);
/* Answered at once, or when the pods are known first. */
struct err reviews_node(struct reviews *r, void *asker, const struct wire_node *m);
/* This asker is gone: none of its questions is answered any more. */
void reviews_forget(struct reviews *r, const void *asker);

#endif
