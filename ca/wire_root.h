/* wire_root.h: admin's requests about the root set, and their answers (docs/protocols/keeper.md); see ca/wire.h. */
#ifndef SIGNET_CA_WIRE_ROOT_H
#define SIGNET_CA_WIRE_ROOT_H

#include "ca/wire_admin.h"

struct wire_root_step { /* ROOT_STEP */
	uint64_t id;
	uint8_t kind;              /* enum step_kind, up to STEP_UNTAINT */
	bool force, dry_run, cross;
	struct bytes root;         /* first hex digits of its id; empty: the only one that it can be */
	struct bytes signer;       /* TAINT, UNTAINT: key identifier in hex */
	struct bytes cert;         /* ADD: PEM */
	struct bytes by;
};
struct err wire_root_step_put(struct buf *out, const struct wire_root_step *m);
struct err wire_root_step_take(struct bytes in, struct wire_root_step *m);

struct wire_root_done { /* what was done, or with dry_run would be */
	uint32_t seq;
	bool changed;
	struct bytes event, subject; /* "root_activated", id of the root in hex */
	uint64_t certs, identities;  /* that break, or would */
	int64_t until;               /* when the last of these certificates ends; 0: there is none */
	uint32_t listed;
	struct bytes ids;            /* so many SPIFFE IDs, wire_put_bytes() each */
};
struct err wire_root_done_put(struct buf *out, const struct wire_root_done *m);
struct err wire_root_done_take(struct bytes in, struct wire_root_done *m);

struct wire_root_item { /* an element of ROOT_STATUS: roots, then what signs below them */
	uint8_t state, origin;     /* enum root_state, root_origin */
	uint8_t id[32], key_id[KEY_SKI_LEN]; /* SHA-256 of the certificate; as what it signs names it */
	int64_t since, not_before, not_after;
	bool key_here, crossed, tainted;
	uint64_t blind, under;     /* certificates that keep it from signing; that keep it from going (ca/outlook.h) */
	int64_t blind_until, under_until;
	struct bytes cert;         /* DER */
};
struct err wire_root_item_put(struct buf *out, const struct wire_root_item *m);
struct err wire_root_item_take(struct bytes *in, struct wire_root_item *m);

struct err wire_event_put(struct buf *out, const struct store_event *m);
struct err wire_event_take(struct bytes *in, struct store_event *m);

struct wire_limit { struct bytes name, value; uint64_t refused; }; /* an element of LIMITS: what the keeper holds to */
struct err wire_limit_put(struct buf *out, const struct wire_limit *m);
struct err wire_limit_take(struct bytes *in, struct wire_limit *m);

#endif
