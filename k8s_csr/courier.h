/* courier.h: the process that asks Kubernetes API servers and OIDC issuers, for the keeper (certificates by other signers,
 * ca/wire_courier.h) and for fronts (tokens, pods, keys of issuers, k8s_csr/wire_front.h).  One thread, one loop.
 *
 * A front that breaks its protocol loses its channel, and nothing else ends with it; the keeper is believed, and without it the
 * courier ends.  What is in hand then stays in the clusters, and its successor is told to resume it. */
#ifndef SIGNET_K8S_CSR_COURIER_H
#define SIGNET_K8S_CSR_COURIER_H

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"

#define COURIER_QUESTIONS_MAX 1024 /* of all fronts together, each its share; ours: what reviews and the keyring take */
#define COURIER_DRAIN_MS 5000 /* ours: what is in hand may take so long after CONTROL_STOP */

struct https;
struct loop;

struct courier_options {
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics; /* our own page, writable */
	struct loop *loop;       /* borrowed, ours alone meanwhile */
	struct https *https;     /* on that loop; borrowed: made before the sandbox, so not here */
	int control_fd;          /* base/control.h; taken over */
	int keeper_fd;           /* taken over; -1: no issuer needs the keeper's words */
};
/* Runs until CONTROL_STOP, or until the monitor is gone (then OK, when nothing is in hand or COURIER_DRAIN_MS are over).
 * UNAVAILABLE: the keeper is gone; INVALID_ARGUMENT: it or the monitor broke the protocol; RESOURCE_EXHAUSTED: memory. */
struct err courier_run(const struct courier_options *options);

#endif
