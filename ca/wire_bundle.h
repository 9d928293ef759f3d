/* wire_bundle.h: what the keeper publishes: content of the sealed memory of KEEPER_ROOTS, and the answer of ADMIN_ROOTS; see
 * ca/wire.h. */
#ifndef SIGNET_CA_WIRE_BUNDLE_H
#define SIGNET_CA_WIRE_BUNDLE_H

#include "ca/wire.h"

struct wire_roots {
	uint32_t seq;              /* grows with every change of the set */
	struct bytes chain_pem;    /* intermediates that follow a leaf, leaf's issuer first; empty if the root signs */
	struct bytes roots_pem;    /* every trusted root, each once: active, next, old, then those of other issuers */
};
#define WIRE_ROOTS_MAX (256 * 1024)
struct err wire_roots_put(struct buf *out, const struct wire_roots *m);
struct err wire_roots_take(struct bytes in, struct wire_roots *m);

#endif
