/* wire.h: what front and keeper, and admin and keeper, may say to each other (docs/protocols/keeper.md).
 *
 * Encoders append to a struct buf; decoders check every bound, refuse trailing bytes (INVALID_ARGUMENT), and give views
 * that borrow the message.  What a channel cannot say, its process cannot do: the front's has no word for "make a token". */
#ifndef SIGNET_CA_WIRE_H
#define SIGNET_CA_WIRE_H

#include "base/chan.h"
#include "base/hostname.h"
#include "csr/csr.h"
#include "csr/spiffe.h"
#include "key/key.h"
#include "storage/revoke.h"
#include "storage/store.h"

#define WIRE_VERSION 1
#define WIRE_CALLER_MAX SPIFFE_ID_MAX /* bytes of the caller's id; over mTLS it is a SPIFFE ID */
#define WIRE_NAME_MAX 64       /* bytes of a rule's or issuer's name */
#define WIRE_NAMES_MAX 16      /* DNS and IP names of one request */
#define WIRE_PEERS_MAX 8
#define WIRE_SIGNER_NAME_MAX 571 /* bytes; certificates.k8s.io/v1 */
#define WIRE_TAG_DNS 2         /* GeneralName, RFC 5280 s4.2.1.6 */
#define WIRE_TAG_IP 7

enum wire_front_type { /* front's channel */
	/* front -> keeper */
	FRONT_HELLO = 1,   /* struct wire_hello: version, number of the front */
	FRONT_SERVING = 2, /* SPKI: a serving certificate please (names are the keeper's own configuration) */
	FRONT_TOKEN = 3,   /* struct wire_token_ask: which SPIFFE ID is this join token bound to? */
	FRONT_ISSUE = 4,   /* struct wire_issue */
	/* keeper -> front */
	KEEPER_ROOTS = 16,   /* sealed memfd: struct wire_roots; after HELLO and on every change */
	KEEPER_SERVING = 17, /* struct wire_serving */
	KEEPER_TOKEN = 18,   /* struct wire_token_state */
	KEEPER_ISSUED = 19,  /* struct wire_issued */
	KEEPER_ISSUED_CHAIN = 21, /* struct wire_issued_chain: by another issuer */
	KEEPER_REFUSED = 20, /* struct wire_refused; id WIRE_ID_SERVING answers FRONT_SERVING */
};
#define WIRE_ID_SERVING 0 /* so no FRONT_ISSUE has the id 0 */

/* Why the keeper refuses; text and code by keeper_reason_err().  One table (ca/wire.c). */
enum keeper_reason {
	REASON_NONE = 0, REASON_LIMIT_SPIFFE_ID, REASON_LIMIT_NAME, REASON_RESERVED_NAME, REASON_LIFETIME, REASON_KEY_TYPE,
	REASON_RATE, REASON_BANNED, REASON_TOKEN, REASON_STORE, REASON_FULL, REASON_SIGNER, REASON_CHAIN_EXPIRED,
	REASON_PROFILE, REASON_REVOKED,
	/* of another signer (ca/external.h) */
	REASON_CSR, REASON_ISSUER_SHORT, REASON_ISSUER_DENIED, REASON_ISSUER_FAILED, REASON_ISSUER_DELETED, REASON_ISSUER_DEADLINE,
	REASON_ISSUER_AWAY, REASON_ISSUER_FORBIDDEN, REASON_ISSUER_ANSWER, REASON_ISSUER_ROOTS, REASON_COUNT
};
struct err keeper_reason_err(enum keeper_reason reason); /* UNKNOWN number: INTERNAL */
/* Its metric (base/metrics.h: enum metric_of), which names it too: metric_reason(); not for REASON_NONE. */
unsigned keeper_reason_metric(enum keeper_reason reason);

#define WIRE_ISSUE_LAST 1 /* flag: the front has no other request in hand: commit as soon as you can */

struct wire_name { uint8_t tag; struct bytes value; }; /* WIRE_TAG_DNS or _IP */
struct wire_peer { struct bytes serial, issuer; }; /* issuer: the key identifier that it names, empty if none */
struct wire_issue { /* FRONT_ISSUE */
	uint64_t id;               /* front's own; unique among those in flight */
	uint8_t flags;
	uint8_t evidence;          /* enum store_evidence: JWT, MTLS, JOIN_TOKEN */
	uint32_t lifetime;         /* seconds */
	uint8_t evidence_hash[STORE_HASH_LEN]; /* SHA-256 of the token (a join token is spent with the record) or the peer's SPKI */
	struct bytes spiffe_id, caller, rule, issuer, spki;
	struct bytes signer_name;  /* of another issuer: the Kubernetes signer that was asked for by name; else empty */
	struct bytes csr;          /* of another issuer: the request's DER, which holds `spki`; else empty */
	struct bytes own_id;       /* a proxy that asks for another: its own SPIFFE ID, if its rule says one; else empty */
	struct bytes node;         /* the node that the token is bound to; else empty */
	uint8_t peer_count;        /* mTLS: the client certificate that asks, then those above it, without the root; else 0 */
	uint8_t name_count;
	struct wire_peer peers[WIRE_PEERS_MAX];
	struct wire_name names[WIRE_NAMES_MAX];
};
struct err wire_issue_put(struct buf *out, const struct wire_issue *m);
struct err wire_issue_take(struct bytes in, struct wire_issue *m);

/* A join token: this and 32 octets in base64url (ca/admin.c); longer is none. */
#define WIRE_TOKEN_PREFIX "sgt1_"
#define WIRE_TOKEN_TEXT_MAX 64

enum wire_token { TOKEN_UNKNOWN = 0, TOKEN_GOOD = 1, TOKEN_SPENT = 2, TOKEN_EXPIRED = 3, TOKEN_REVOKED = 4 };
struct wire_token_state { /* KEEPER_TOKEN; spent tokens are answered too: the same key may ask again */
	uint64_t id;
	uint8_t state;             /* enum wire_token */
	int64_t expires;
	struct bytes spiffe_id, token_id; /* token_id: its public name */
};
struct err wire_token_put(struct buf *out, const struct wire_token_state *m);
struct err wire_token_take(struct bytes in, struct wire_token_state *m);

struct wire_hello { uint16_t version, number; }; /* FRONT_HELLO; ADMIN_HELLO is the same with number 0 */
struct err wire_hello_put(struct buf *out, const struct wire_hello *m);
struct err wire_hello_take(struct bytes in, struct wire_hello *m);
struct wire_token_ask { uint64_t id; uint8_t hash[STORE_HASH_LEN]; }; /* FRONT_TOKEN */
struct err wire_token_ask_put(struct buf *out, const struct wire_token_ask *m);
struct err wire_token_ask_take(struct bytes in, struct wire_token_ask *m);
struct wire_serving { int64_t not_after; struct bytes cert; }; /* KEEPER_SERVING */
struct err wire_serving_put(struct buf *out, const struct wire_serving *m);
struct err wire_serving_take(struct bytes in, struct wire_serving *m);
struct wire_issued { uint64_t id, index; struct bytes cert; }; /* KEEPER_ISSUED; the leaf's DER: the chain is in KEEPER_ROOTS */
struct err wire_issued_put(struct buf *out, const struct wire_issued *m);
struct err wire_issued_take(struct bytes in, struct wire_issued *m);
struct wire_issued_chain { /* KEEPER_ISSUED_CHAIN */
	uint64_t id, index;
	struct bytes cert;         /* the leaf's DER */
	struct bytes chain_pem;    /* those above it, without the root; its issuer first; may be empty */
};
#define WIRE_CHAIN_PEM_MAX (48 * 1024) /* bytes; ours: it fits into a message */
struct err wire_issued_chain_put(struct buf *out, const struct wire_issued_chain *m);
struct err wire_issued_chain_take(struct bytes in, struct wire_issued_chain *m);
struct wire_refused { uint64_t id; uint16_t reason; }; /* KEEPER_REFUSED */
struct err wire_refused_put(struct buf *out, const struct wire_refused *m);
struct err wire_refused_take(struct bytes in, struct wire_refused *m);

/* ---- admin's channel: one request, one answer, by id ---- */
enum wire_admin_type {
	ADMIN_HELLO = 64,          /* struct wire_hello */
	ADMIN_STATUS = 65,         /* struct wire_get, index 0 */
	ADMIN_ROOTS = 66,          /* struct wire_get, index 0 */
	ADMIN_TOKEN_CREATE = 67,   /* u64 id, spiffe_id, by, i64 lifetime: the keeper makes the token; it is in the answer once */
	ADMIN_TOKEN_LIST = 68,     /* u64 id, cursor */
	ADMIN_TOKEN_REVOKE = 69,   /* u64 id, token id */
	ADMIN_CERT_LIST = 70,      /* u64 id, struct wire_query */
	ADMIN_CERT_GET = 71,       /* u64 id, u64 index */
	ADMIN_BAN_ADD = 72,        /* u64 id, struct store_ban */
	ADMIN_BAN_REMOVE = 73,     /* u64 id, u8 kind, subject */
	ADMIN_BAN_LIST = 74,       /* u64 id, cursor */
	ADMIN_CERT_REVOKE = 75,    /* struct wire_revoke */
	ADMIN_REVOCATION_LIST = 76, /* u64 id, cursor */
	ADMIN_CRL = 77,            /* struct wire_get, index 0 */
	ADMIN_CA_CSR = 78,         /* struct wire_get, index 0; answer: PKCS#10 DER */
	ADMIN_CA_IMPORT = 79,      /* struct wire_ca_import */
	ADMIN_ROOT_STEP = 80,      /* struct wire_root_step; answer: struct wire_root_done */
	ADMIN_ROOT_STATUS = 81,    /* struct wire_get, index 0; answer: list of struct wire_root_item */
	ADMIN_EVENT_LIST = 82,     /* u64 id, cursor */
	ADMIN_LIMITS = 83,         /* struct wire_get, index 0; answer: list of struct wire_limit */
	ADMIN_ISSUERS = 84,        /* struct wire_get, index 0; answer: list of struct wire_issuer */
	ADMIN_ISSUER_FORGET = 85,  /* struct wire_subject, kind 0: the roots that were pinned on first use */
	KEEPER_ANSWER = 96,        /* u64 id, u8 enum err_code, reason text, then the answer of that request (if OK) */
	KEEPER_ANSWER_MEMFD = 97,  /* the same with the answer in a sealed memfd (lists) */
};
/* The admin messages' and answers' exact fields, encoders and decoders: ca/wire_admin.h. */

#endif
