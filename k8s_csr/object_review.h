/* object_review.h: questions to the API server: whose token is this (authentication.k8s.io/v1 TokenReview), who are we
 * (SelfSubjectReview), and what may we do (authorization.k8s.io/v1 SelfSubjectAccessReview).  Pure; any thread; how readers and
 * builders fail: object.h. */
#ifndef SIGNET_K8S_CSR_OBJECT_REVIEW_H
#define SIGNET_K8S_CSR_OBJECT_REVIEW_H

#include "k8s_csr/object.h"

#define KUBE_TOKEN_MAX (16 * 1024) /* bytes; ours, as jwt/ takes */
#define KUBE_CREDENTIAL_MAX 128    /* bytes; ours: "JTI=" and a UUID */

/* Audiences that are wanted, one or more; borrowed. */
struct kube_audiences {
	const char *const *list;
	size_t count;
};

/* Body of POST .../tokenreviews.  The token: 1..KUBE_TOKEN_MAX visible ASCII characters; it is in *out, so buf_wipe() that.
 * INVALID_ARGUMENT also without an audience: the API server would then take its own. */
struct err kube_token_review_body(struct bytes token, struct kube_audiences audiences, struct buf *out);

struct kube_token { /* of a service account */
	char ns[KUBE_NAMESPACE_MAX + 1], account[KUBE_NAME_MAX + 1]; /* kube_account_split() of the user name */
	char uid[KUBE_UID_MAX + 1];                                  /* of the service account */
	/* What the token is bound to, each "" if the API server does not say: pods for bound tokens only. */
	char credential_id[KUBE_CREDENTIAL_MAX + 1];
	char pod_name[KUBE_NAME_MAX + 1], pod_uid[KUBE_UID_MAX + 1];
	char node_name[KUBE_NAME_MAX + 1], node_uid[KUBE_UID_MAX + 1];
};
/* The answer (HTTP 201 whatever it says).  OK: the API server vouches for a service account's token for one of `audiences`.
 * UNAUTHENTICATED, *out untouched: it does not; the audience is not in its answer (an authenticator that ignores audiences names
 * none); not a service account, or not of the group system:serviceaccounts.
 * `said`, always set, is what the API server gave as its reason, "" if nothing: for a log, as it may quote the token's claims. */
struct err kube_token_review_read(const json_t *review, struct kube_audiences audiences, struct kube_token *out, kube_text said);

struct kube_access { /* borrowed; NULL: not said */
	const char *verb, *group, *resource, *subresource, *name, *ns;
	const char *url; /* a path that is no resource: then of the others only the verb counts */
};
/* Body of POST .../selfsubjectaccessreviews. */
struct err kube_access_review_body(const struct kube_access *access, struct buf *out);
/* `allowed` is needed; *allowed is false also if it is `denied`.  reason: "" if it gives none, as is usual. */
struct err kube_access_review_read(const json_t *review, bool *allowed, kube_text reason);

/* Body of POST .../selfsubjectreviews (authentication.k8s.io/v1, since Kubernetes 1.28), and who its answer says that we are. */
struct err kube_self_review_body(struct buf *out);
struct err kube_self_review_read(const json_t *review, kube_text user);

#endif
