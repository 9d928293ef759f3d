/* cluster_internal.h: what the files of cluster share. */
#ifndef SIGNET_K8S_CSR_CLUSTER_INTERNAL_H
#define SIGNET_K8S_CSR_CLUSTER_INTERNAL_H

#include "base/loop.h"
#include "k8s_csr/cluster.h"
#include "k8s_csr/credentials.h"

struct cluster {
	struct cluster_options o;
	/* credentials */
	struct credentials credentials;       /* those that are in use */
	struct https_target *target;          /* NULL: none could be used yet */
	unsigned generation;                  /* of what requests are sent with, the token too */
	int64_t read_us;                      /* when the files were looked at last */
	struct timer *reread;
	struct conf_problem told;             /* "": all is well */
	int64_t away_us;                      /* when it was found away last; 0: never */
	/* requests */
	size_t count;                         /* all there are */
	struct cluster_request *first, *last; /* those that wait for room */
	struct timer *room;                   /* then: others may have left some */
};

/* cluster.c: the API server has refused them, or shows others than they trust: read them again, at most once a second. */
void cluster_doubt(struct cluster *c);

/* cluster_request.c: those that wait are sent as far as there is room; calls no callback. */
void cluster_send_waiting(struct cluster *c);

/* For jitter. */
uint32_t cluster_random(void);

#endif
