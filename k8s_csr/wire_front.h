/* wire_front.h: what front and courier may say to each other (docs/protocols/courier.md); how: ca/wire.h.
 *
 * The front asks whether a token is good and where a pod runs; it cannot make the courier ask anything else of an API server. */
#ifndef SIGNET_K8S_CSR_WIRE_FRONT_H
#define SIGNET_K8S_CSR_WIRE_FRONT_H

#include "base/kube_name.h"
#include "ca/wire.h"
#include "conf/conf.h"

enum wire_ask_type {
	/* front -> courier */
	ASK_HELLO = 1,        /* struct wire_hello */
	ASK_REVIEW = 2,       /* struct wire_review */
	ASK_NODE = 3,         /* struct wire_node */
	ASK_KEYS = 4,         /* struct wire_keys_ask: a token names a key that we do not have */
	/* courier -> front */
	COURIER_KEYS = 16,    /* u8: index of the issuer, with sealed memory: its JWK Set; after HELLO and on every change */
	COURIER_REVIEWED = 17, /* struct wire_reviewed */
	COURIER_NODE = 18,    /* struct wire_node_answer */
	COURIER_LOOKED = 19,  /* u64 id: what ASK_KEYS asked for is done, or was done just now */
};
#define WIRE_TOKEN_MAX (16 * 1024) /* bytes of a token */
#define WIRE_UID_MAX 64
#define WIRE_JWKS_MAX (1024 * 1024) /* bytes in the memory of COURIER_KEYS; ours */

enum wire_verdict { VERDICT_YES = 1, VERDICT_NO, VERDICT_AWAY, VERDICT_COUNT }; /* AWAY: the API server gave no answer */

struct wire_review { uint64_t id; uint8_t issuer, cluster; struct bytes token; }; /* indexes in conf: whose audiences; where */
struct err wire_review_put(struct buf *out, const struct wire_review *m);
struct err wire_review_take(struct bytes in, struct wire_review *m);

struct wire_reviewed { /* COURIER_REVIEWED; all but id and verdict are empty unless YES, and those that are not said */
	uint64_t id;
	uint8_t verdict; /* enum wire_verdict */
	struct bytes ns, account, account_uid, pod, pod_uid, node, node_uid;
	struct bytes why; /* printable; for the log */
};
#define WIRE_VERDICT_WHY_MAX 256
struct err wire_reviewed_put(struct buf *out, const struct wire_reviewed *m);
struct err wire_reviewed_take(struct bytes in, struct wire_reviewed *m);

struct wire_node { /* ASK_NODE: may this proxy speak for such pods?  (istio's node authorizer) */
	uint64_t id;
	uint8_t cluster;
	struct bytes proxy_ns, proxy_account, proxy_pod, proxy_uid; /* as its token says */
	struct bytes ns, account;                                   /* for whom */
};
struct err wire_node_put(struct buf *out, const struct wire_node *m);
struct err wire_node_take(struct bytes in, struct wire_node *m);

struct wire_node_answer { uint64_t id; uint8_t verdict; struct bytes why; };
struct err wire_node_answer_put(struct buf *out, const struct wire_node_answer *m);
struct err wire_node_answer_take(struct bytes in, struct wire_node_answer *m);

struct wire_keys_ask { uint64_t id; uint8_t issuer; };
struct err wire_keys_ask_put(struct buf *out, const struct wire_keys_ask *m);
struct err wire_keys_ask_take(struct bytes in, struct wire_keys_ask *m);

#endif
