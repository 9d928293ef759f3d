/* keyring.h: the keys of each issuer of tokens whose keys are not in a file: from a JWKS URL, by OIDC discovery, or a cluster's
 * own.  Fetched at the start, by age (keys_refresh), and when a front meets an unknown key id (at most each KEYRING_LEAST_S); the
 * last good keys serve while the issuer is away.  The loop's thread. */
#ifndef SIGNET_K8S_CSR_KEYRING_H
#define SIGNET_K8S_CSR_KEYRING_H

#include "k8s_csr/cluster.h"
#include "k8s_csr/wire_front.h"

#define KEYRING_LEAST_S 10 /* between two fetches of one issuer's keys, whoever asks; ours */
#define KEYRING_LOOKERS_MAX 1024 /* that wait; ours */

struct keyring;

struct keyring_options {
	struct loop *loop;
	struct https *https;
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics;
	/* conf->cluster_count of them, in conf's order; borrowed */
	struct cluster *const *clusters;
	/* Issuer's keys are these now (a JSON object with an array `keys`); fd: sealed memory with it, borrowed. */
	void (*changed)(void *ctx, unsigned issuer, int fd);
	/* What keyring_look() was for is over: `asker` may try again.  From the loop, after changed(), if there is news. */
	void (*looked)(void *ctx, void *asker, uint64_t id);
	void *ctx;
};
struct err keyring_new(const struct keyring_options *options, struct keyring **out);
void keyring_free(struct keyring *k); /* not from within a callback; NULL is allowed */
/* A token names a key that is not among the issuer's: fetch them, or do not if that was done just now; looked() comes, later.
 * INVALID_ARGUMENT: keys of that issuer are not fetched; RESOURCE_EXHAUSTED: too many wait, or memory. */
struct err keyring_look(struct keyring *k, void *asker, uint64_t id, unsigned issuer);
void keyring_forget(struct keyring *k, const void *asker);
/* Sealed memory with the issuer's keys as they are; -1: none yet. */
int keyring_fd(const struct keyring *k, unsigned issuer);

#endif
