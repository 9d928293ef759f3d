/* kube.h: questions to the servers of a configuration, one at a time, with the courier's own HTTPS client: what answers here
 * answers the daemon.  One thread. */
#ifndef SIGNET_CLI_KUBE_H
#define SIGNET_CLI_KUBE_H

#include "k8s_csr/credentials.h"
#include "k8s_csr/http.h"
#include "k8s_csr/object.h"

#define KUBE_ASK_MS (15 * 1000) /* of each question; ours */
#define KUBE_WHY_MAX 512

struct kube {
	struct loop *loop;
	struct https *https;
	struct https_target *target; /* of the cluster that was opened last; NULL: none */
};
struct err kube_open(struct kube *k);
void kube_close(struct kube *k); /* a zero one is allowed */
static inline void auto_kube(struct kube *k) { kube_close(k); }

/* From now on questions go to the server of these credentials.  INVALID_ARGUMENT, RESOURCE_EXHAUSTED as https_target_new(). */
struct err kube_use(struct kube *k, const struct credentials *credentials);

struct kube_answer {
	struct err e;              /* OK: there is one, whatever its status */
	long status;
	json_t *body;              /* NULL: no JSON object */
	char why[KUBE_WHY_MAX];    /* unless status is 2xx: what failed, printable */
};
/* body: JSON, POSTed; none: GET. */
void kube_ask(struct kube *k, const char *path, struct bytes body, struct kube_answer *out);
void kube_answer_free(struct kube_answer *a);
static inline void auto_kube_answer(struct kube_answer *a) { kube_answer_free(a); }
static inline bool kube_answer_good(const struct kube_answer *a) { return a->e.code == ERR_OK && a->status / 100 == 2; }

/* The keys of conf.issuers[issuer], which is not a cluster's: their number, or what failed. */
struct kube_keys {
	struct err e;
	size_t count;
	char why[KUBE_WHY_MAX];
};
void kube_fetch_keys(struct kube *k, const struct conf *conf, unsigned issuer, struct kube_keys *out);

#endif
