/* answer.h: the response of CreateCertificate: repeated string cert_chain = 1, leaf first, one certificate an element, the root
 * bundle last as one element (istio.md 1).  What follows the leaf is the same for all and encoded once. */
#ifndef SIGNET_RA_ANSWER_H
#define SIGNET_RA_ANSWER_H

#include "ca/wire_bundle.h"

struct answer_tail { /* encoded elements after the leaf */
	struct buf encoded;
	size_t roots_at;     /* in it: where the chain ends */
	uint32_t seq;
};
/* Replaces what was there.  INVALID_ARGUMENT: the chain is not PEM certificates, or there is no root. */
struct err answer_tail_set(struct answer_tail *tail, const struct wire_roots *roots);
void answer_tail_free(struct answer_tail *tail);
/* Append the whole response for one leaf. */
struct err answer_put(struct buf *out, struct bytes leaf_der, const struct answer_tail *tail);

/* The same for a leaf of another issuer, whose chain is its own. */
struct err answer_put_chain(struct buf *out, struct bytes leaf_der, struct bytes chain_pem, const struct answer_tail *tail);

#endif
