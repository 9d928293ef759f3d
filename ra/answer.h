/* answer.h: the response of CreateCertificate: repeated string cert_chain = 1, leaf first, one certificate an element, the root
 * bundle last as one element (istio.md 1).  What follows the leaf is the same for all and encoded once. */
#ifndef SIGNET_RA_ANSWER_H
#define SIGNET_RA_ANSWER_H

#include "ca/wire_bundle.h"

struct answer_tail { /* encoded elements after the leaf */
	struct buf encoded;
	uint32_t seq;
};
/* Replaces what was there.  INVALID_ARGUMENT: the chain is not PEM certificates, or there is no root. */
struct err answer_tail_set(struct answer_tail *tail, const struct wire_roots *roots);
void answer_tail_free(struct answer_tail *tail);
/* Append the whole response for one leaf. */
struct err answer_put(struct buf *out, struct bytes leaf_der, const struct answer_tail *tail);

#endif
