/* reviews.h: is this token good at that cluster (TokenReview), and does such a pod run where that one does (same_node)?  Asked by
 * fronts, answered once (k8s_csr/wire_front.h).  The loop's thread.  Nothing is cached here but pods: fronts keep what they were
 * told. */
#ifndef SIGNET_K8S_CSR_REVIEWS_H
#define SIGNET_K8S_CSR_REVIEWS_H

#include "k8s_csr/cluster.h"
#include "k8s_csr/wire_front.h"

#define REVIEW_TIME_MS 10000 /* in all, tries again included; ours: a client waits for it */
#define REVIEWS_MAX 1024     /* askers that wait for a review; ours */

struct reviews;

struct reviews_options {
	struct cluster *cluster; /* borrowed */
	bool pods;               /* a rule with same_node may ask: watch all pods */
	/* `asker` and m->id are what was given; what m points to lives for the call. */
	void (*reviewed)(void *ctx, void *asker, const struct wire_reviewed *m);
	void (*node)(void *ctx, void *asker, const struct wire_node_answer *m);
	void *ctx;
};
struct err reviews_new(const struct reviews_options *options, struct reviews **out);
void reviews_free(struct reviews *r); /* not from within a callback; NULL is allowed */
/* What need not be asked, or cannot be, is answered at once, from within it.  The same token, asked about for the same issuer while
 * the API server has not answered, is asked about once.  The token is copied, and wiped.
 * INVALID_ARGUMENT: the issuer is not one of that cluster; RESOURCE_EXHAUSTED: too many at once, or memory. */
struct err reviews_token(struct reviews *r, void *asker, const struct wire_review *m);
/* Answered at once, from within it, or when the pods are known first (same_node.h).
 * INVALID_ARGUMENT: another cluster; RESOURCE_EXHAUSTED: too many at once, or memory. */
struct err reviews_node(struct reviews *r, void *asker, const struct wire_node *m);
/* This asker is gone: none of its questions is answered any more. */
void reviews_forget(struct reviews *r, const void *asker);

#endif
