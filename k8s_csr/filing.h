/* filing.h: certificate requests at one cluster: filed, approved, awaited over one shared watch, fetched, cleaned up.  What it is
 * asked for and what it answers are the keeper's messages (ca/wire_courier.h).  The loop's thread.
 *
 * A request costs three calls (POST, PATCH of its approval, DELETE) and what the watch brings; `resume` costs a GET.  While it
 * waits it costs about 350 bytes (struct filing has 248) and a look each second; a call about 500 more, and its body while it waits
 * for its turn.  Any number may be ordered at once: a few calls are in flight, the others wait.
 *
 * An object is believed to be ours by its request and signer, and from then on by its uid: who deletes it and makes another of its
 * name has deleted it.  What is approved is the object as it was read.  What has failed is deleted at once if the issuer's `after`
 * is delete; of what is over its deadline the log first tells the cluster's Events ("kube_csr_event").  Objects of an issuer
 * whose `after` is keep have the label signet.dev/after=keep, and filings_sweep() lets them be. */
#ifndef SIGNET_K8S_CSR_FILING_H
#define SIGNET_K8S_CSR_FILING_H

#include "ca/wire_courier.h"
#include "k8s_csr/cluster.h"

#define FILING_LABEL "signet.dev/instance" /* of all requests: 32 hex digits, whose they are */

struct filings;

struct filings_options {
	struct cluster *cluster;                /* borrowed */
	uint8_t instance[WIRE_INSTANCE_LEN];
	/* Once for each filings_file(), never from within it; what is pointed to lives for the call. */
	void (*signed_pem)(void *ctx, uint64_t id, struct bytes pem);
	void (*failed)(void *ctx, uint64_t id, enum wire_failure failure, const char *why);
	void *ctx;
};
struct err filings_new(const struct filings_options *options, struct filings **out);
/* What is in hand is dropped without an answer and stays in the cluster, to be resumed.  NULL is allowed. */
void filings_free(struct filings *f);
/* m->issuer is one of this cluster.  Everything is copied.  What is resumed is looked for even if its deadline is over: it may have
 * been signed in time.  RESOURCE_EXHAUSTED: memory; ALREADY_EXISTS: that id, or that name; INVALID_ARGUMENT: over
 * STORE_INTENT_NAME_MAX. */
struct err filings_file(struct filings *f, const struct wire_file *m);
/* The answer is recorded, or wanted no more (none comes then): now the object may go (the issuer's `after`).  An unknown id is none
 * of ours.  May be called from within the answer. */
void filings_done(struct filings *f, uint64_t id);
/* All that is in hand was filed: other objects with our label are left over from earlier, and deleted when they are seen in a list
 * that begins now.  Not from within an answer. */
void filings_sweep(struct filings *f);
/* In hand: until it failed, or until filings_done(), and then until its object is deleted. */
size_t filings_count(const struct filings *f);

#endif
