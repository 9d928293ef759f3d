/* cluster.h: one Kubernetes API server, asked as who we are there.  The credentials (a kubeconfig file, or the pod's own service
 * account) are read here, read again each minute, on a 401, and on cluster_reload(); a set that cannot be used is told once and
 * the one before it stays.  The loop's thread. */
#ifndef SIGNET_K8S_CSR_CLUSTER_H
#define SIGNET_K8S_CSR_CLUSTER_H

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "k8s_csr/http.h"

#define CLUSTER_REREAD_MS (60 * 1000) /* client-go's */
#define CLUSTER_REQUESTS_MAX 8192     /* at once, those that wait included; ours */

struct cluster;
struct cluster_request;

struct cluster_options { /* borrowed until cluster_free() */
	struct loop *loop;
	struct https *https;
	const struct conf *conf;
	const struct conf_cluster *cluster;
	const struct log *log;
	struct metrics *metrics;
	int64_t reread_ms; /* between two readings of the credentials; 0: CLUSTER_REREAD_MS */
};
/* Credentials that cannot be used yet are none of these: requests fail with UNAVAILABLE until they can.
 * RESOURCE_EXHAUSTED: memory. */
struct err cluster_new(const struct cluster_options *options, struct cluster **out);
/* Every request must have ended, or been cancelled.  NULL is allowed. */
void cluster_free(struct cluster *c);
const char *cluster_id(const struct cluster *c);
const struct cluster_options *cluster_options_of(const struct cluster *c);
void cluster_reload(struct cluster *c);

struct cluster_ask {
	enum https_method method;
	const char *path, *content_type; /* as in struct https_ask */
	struct bytes body;               /* copied */
	bool secret;                     /* body holds a secret: every copy of it is wiped */
	int64_t timeout_ms;              /* of one attempt */
	/* Monotonic, as clock_mono_us(): until then UNAVAILABLE, DEADLINE_EXCEEDED, 429 and 5xx are tried again, and 401 and 403 of
	 * a server that was away just before; with back-off and as the server's Retry-After wants it.  0: one
	 * attempt.  (What was begun may have been done: http.h.) */
	int64_t until_us;
	size_t max_answer;
	void (*data)(void *ctx, struct bytes piece); /* a stream; until_us is 0 then */
	void (*opened)(void *ctx);                   /* as in struct https_ask */
	/* Once, unless cancelled, never from within cluster_start(): the last attempt's outcome as https_ask.done tells it. */
	void (*done)(void *ctx, struct err e, const struct https_answer *answer);
	void *ctx;
};
/* A 401 makes the credentials be read again, and is tried once more if they changed.  While https has no room (https.h:
 * max_requests) it waits, first come, first served, until until_us, or for timeout_ms if that is 0: then it is DEADLINE_EXCEEDED.
 * *out (NULL is allowed) is for cluster_cancel() until done().
 * RESOURCE_EXHAUSTED: CLUSTER_REQUESTS_MAX, or memory; INVALID_ARGUMENT: a field (or done() tells that). */
struct err cluster_start(struct cluster *c, const struct cluster_ask *ask, struct cluster_request **out);
void cluster_cancel(struct cluster_request *r); /* NULL is allowed */

#endif
