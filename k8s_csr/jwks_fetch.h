/* jwks_fetch.h: the keys of one issuer of tokens, fetched once: from its jwks_url, from where its discovery document says
 * (OpenID Connect Discovery 1.0 s4), or from its cluster's API server.  The loop's thread. */
#ifndef SIGNET_K8S_CSR_JWKS_FETCH_H
#define SIGNET_K8S_CSR_JWKS_FETCH_H

#include "k8s_csr/cluster.h"

#define JWKS_FETCH_MS (10 * 1000) /* of each request; ours */
#define JWKS_CLUSTER_PATH "/openid/v1/jwks" /* 406 for whoever takes application/json only; our requests take anything */

struct jwks_fetch;

struct jwks_fetched { /* borrowed until done() returns */
	struct err e;
	struct bytes set;     /* OK: a JSON object with an array `keys`, of WIRE_JWKS_MAX bytes at most */
	size_t count;         /* elements of it */
	unsigned retry_after; /* seconds; 0: not said */
	const char *text;     /* what failed, for the log (it may hold a peer's bytes); "" after OK */
};

struct jwks_fetch_options {
	struct https *https;
	const struct conf *conf;
	unsigned issuer;         /* conf_keys_of() it: URL, DISCOVERY or CLUSTER */
	struct cluster *cluster; /* of CLUSTER */
	/* Once, unless cancelled, never from within jwks_fetch_start(); the fetch is gone then. */
	void (*done)(void *ctx, const struct jwks_fetched *got);
	void *ctx;
};
/* The issuer's ca_file is read now (of discovery, again before the second request).  Everything that can go wrong is told to
 * done(), or here: then done() is not called. */
struct err jwks_fetch_start(const struct jwks_fetch_options *options, struct jwks_fetch **out);
void jwks_fetch_cancel(struct jwks_fetch *f); /* NULL is allowed */

#endif
