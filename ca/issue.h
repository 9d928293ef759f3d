/* issue.h: what every certificate goes through, whoever signs it.  Inside ca/ only. */
#ifndef SIGNET_CA_ISSUE_H
#define SIGNET_CA_ISSUE_H

#include "ca/inside.h"

/* ---- main thread ---- */
/* Rate, limits, bans, join token.  job->again: the token was spent for this very key. */
enum keeper_reason issue_check(struct keeper *k, struct job *job, const struct key_info *key, bool serving);

/* ---- commit thread, in the transaction that records it ---- */
struct issue_node { /* where the certificate was obtained first: a ban of it holds through all renewals */
	char text[STORE_NODE_MAX + 1];
	struct bytes name; /* into text, or the request */
};
/* Bans and revocations once more: job->reason says if there are any. */
struct err issue_admit(struct keeper *k, struct job *job, struct store_batch *batch, struct issue_node *node);
/* A join token is spent for the record `index` of this batch; job->again: it was spent for this key before. */
enum keeper_reason issue_spend(struct job *job, struct store_batch *batch, uint64_t index);
struct err issue_append(struct job *job, struct store_batch *batch, const struct issue_node *node);

#endif
