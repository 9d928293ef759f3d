/* set.h: the root set as a value: what signs, what is trusted, what was, and who signed when.
 *
 * Pure: no I/O, no clock, no keys in the clear.  The keeper keeps it as the store's value "roots" (docs/protocols/keeper.md);
 * every change makes a new value under the next sequence number (ca/step.h).  Any thread, each its own struct. */
#ifndef SIGNET_CA_SET_H
#define SIGNET_CA_SET_H

#include "csr/cert.h"
#include "storage/store.h"

#define SET_OWN_MAX 8       /* roots of our own, those that are retired included; ours */
#define SET_ITEMS_MAX 64    /* ours: own ones, a chain, those that are brought, and those that still wait for their last leaf */
#define SET_REIGNS_MAX 256  /* ours: the oldest two become one past it */
#define SET_TAINTS_MAX 32   /* ours */
#define SET_VALUE_MAX (1UL << 20) /* bytes, encoded; ours */
#define SET_BLOB_MAX 4096   /* bytes: an RSA-4096 key wrapped is about 2 500 */
#define SET_ID_LEN 32       /* SHA-256 of the certificate: what operators call it by */

enum root_state {
	ROOT_NEXT = 1,   /* trusted, so that clients know it before it signs */
	ROOT_ACTIVE = 2, /* trusted, and above all that is signed now; exactly one */
	ROOT_OLD = 3,    /* trusted, signed before */
	ROOT_KEPT = 4,   /* of our own, not trusted by anybody: retired, or another CA signs; it can be restored */
	ROOT_CHAIN = 5,  /* no root: the certificate that signs, then those above it up to below the active root */
	ROOT_FORMER = 6, /* no root: a signing certificate that signs no more, except the CRLs of what it issued */
};
enum root_origin {
	ORIGIN_OWN = 1,   /* made here: its key is in the blob */
	ORIGIN_FILES = 2, /* in the files of a CA that was brought or imported */
	ORIGIN_ADDED = 3, /* by an operator, as a root to be trusted */
	ORIGIN_HELD = 4,  /* was in such files, and something under it has not ended */
};

#define SET_NEVER UINT64_MAX
struct root_item { /* views borrow from whatever it was decoded from, or made of */
	uint8_t state, origin;  /* enum root_state, root_origin */
	bool pinned;            /* an operator put it there: rotation by itself leaves it alone */
	uint64_t published;     /* index of the first record that was answered together with it; SET_NEVER: it is not trusted */
	int64_t since;          /* Unix seconds: in this state */
	struct bytes cert;      /* DER */
	struct bytes blob;      /* its private key, wrapped (hsm_wrap()); empty: not here */
	struct bytes cross;     /* the same key and name, signed by another root of ours; empty: none */
};
struct root_reign { /* from this record on this key signed, under the root with that key */
	uint64_t from;
	uint8_t root_key[STORE_HASH_LEN]; /* SHA-256 of the root's SPKI */
	uint8_t signer[KEY_SKI_LEN];      /* key identifier, as it is in what it signed */
};
struct root_taint { /* everything under this key is to be renewed now */
	uint8_t signer[KEY_SKI_LEN];
	int64_t since;
};
struct root_set {
	uint32_t seq;           /* grows with every change; 0: nothing yet */
	uint8_t item_count, taint_count;
	uint16_t reign_count;
	struct root_item items[SET_ITEMS_MAX]; /* the active root is found by its state; a chain is in order */
	struct root_reign reigns[SET_REIGNS_MAX];
	struct root_taint taints[SET_TAINTS_MAX];
};

/* INVALID_ARGUMENT: over a bound, or not a set (set_check()). */
struct err set_encode(const struct root_set *set, struct buf *out);
/* Takes versions 1 and 2 of programs before this one as well; *version says which it was.  Views into `in`. */
#define SET_VERSION 3
struct err set_decode(struct bytes in, uint16_t *version, struct root_set *set);
/* INVALID_ARGUMENT: not exactly one active root; a chain under one of our own; a key where there should be none, or none where
 * there should be; a certificate twice; a certificate that does not parse; reigns out of order. */
struct err set_check(const struct root_set *set);

/* The item with this state, NULL: none.  FIRST of a chain: the signing certificate. */
const struct root_item *set_first(const struct root_set *set, enum root_state state);
static inline bool root_is_trusted(const struct root_item *item) { return item->state <= ROOT_OLD; }
static inline bool root_is_root(const struct root_item *item) { return item->state <= ROOT_KEPT; }
/* The certificate that signs: the chain's first, or the active root. */
const struct root_item *set_signer(const struct root_set *set);
/* The item whose certificate this is; NULL: none. */
struct root_item *set_find(struct root_set *set, struct bytes cert);
/* SHA-256 of the certificate. */
struct err root_id(const struct root_item *item, uint8_t out[SET_ID_LEN]);
/* The identifier that certificates under this CA certificate name: its own, or RFC 7093 method 1 of its key. */
struct err root_ski(const struct root_item *item, uint8_t out[KEY_SKI_LEN]);
/* SHA-256 of its SPKI. */
struct err root_key_hash(const struct root_item *item, uint8_t out[STORE_HASH_LEN]);
bool set_is_tainted(const struct root_set *set, const uint8_t signer[KEY_SKI_LEN]);
/* Append a reign, if it is another than the last. */
void set_reign(struct root_set *set, const struct root_reign *reign);
/* Drop those that ended before record `first`. */
void set_forget_reigns(struct root_set *set, uint64_t first);

#endif
