/* wire_issuers.h: issuers as the keeper tells admin of them (docs/protocols/keeper.md); see ca/wire.h.  What the configuration
 * says of them, admin knows by itself. */
#ifndef SIGNET_CA_WIRE_ISSUERS_H
#define SIGNET_CA_WIRE_ISSUERS_H

#include "ca/wire_admin.h"
#include "ca/wire_courier.h"

#define WIRE_ISSUER_ROOTS_MAX (192 * 1024)               /* bytes; ours: more than DER of WIRE_ROOTS_MAX of PEM */
#define WIRE_ISSUER_REFUSED ((REASON_COUNT - 1) * 8) /* bytes */
enum wire_issuer_from { WIRE_ROOTS_NONE = 0, WIRE_ROOTS_OWN = 1, WIRE_ROOTS_FILE = 2, WIRE_ROOTS_PINNED = 3 };
struct wire_issuer { /* an element of ADMIN_ISSUERS's answer: our own CA first, then as in the configuration */
	struct bytes name;
	uint8_t from;              /* enum wire_issuer_from: where its roots come from */
	uint64_t pending, issued;  /* now; since the keeper started */
	int64_t last_issued, last_refused; /* Unix seconds; 0: none since then */
	uint8_t last_reason;       /* enum keeper_reason of last_refused */
	struct bytes last_why;     /* what the log said of it; may be empty */
	struct bytes refused;      /* u64 each: how many, by reason, from 1 on */
	struct bytes roots;        /* struct wire_issuer_root, one behind the other */
};
struct err wire_issuer_put(struct buf *out, const struct wire_issuer *m);
struct err wire_issuer_take(struct bytes *in, struct wire_issuer *m);

struct wire_issuer_root { uint8_t id[32]; int64_t not_after; struct bytes cert; }; /* SHA-256 of the certificate; DER */
struct err wire_issuer_root_put(struct buf *out, const struct wire_issuer_root *m);
struct err wire_issuer_root_take(struct bytes *in, struct wire_issuer_root *m);

#endif
