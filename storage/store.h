/* store.h: what must outlive the process: records, tokens, bans, keys and roots.  One embedded engine (LMDB) behind it.
 *
 * Threads: exactly one thread writes (store_batch_*); any thread may read, each through a struct store_view of its own.
 * Nothing in a batch is visible or durable until store_batch_commit() returns OK, and then all of it is durable
 * (synced); on failure nothing of it is, and the store stays usable (a full disk is RESOURCE_EXHAUSTED or UNAVAILABLE;
 * try again later).  One process per directory (lock file; FAILED_PRECONDITION for a second).
 *
 * Records are an append-only sequence: index 0, 1, 2, ... never reused, also after retention.  They are laid out in tiles
 * of 256, so that an RFC 6962 tree can be put over them: the leaf hash of a record is SHA-256(0x00 || its stored bytes).
 * Retention drops whole tiles and keeps their 256 leaf hashes.  Look-ups: storage/query.h; revocations: storage/revoke.h.
 * Format and on-disk layout: docs/protocols/storage.md. */
#ifndef SIGNET_STORAGE_STORE_H
#define SIGNET_STORAGE_STORE_H

#include "base/bytes.h"
#include "base/own.h"

#define STORE_FORMAT 1       /* of the directory; a newer one is refused, an older one would be migrated */
#define STORE_TILE 256       /* records */
#define STORE_SERIAL_MAX 20  /* octets */
#define STORE_HASH_LEN 32    /* SHA-256 */
#define STORE_TEXT_MAX 2048  /* bytes of each text field */
#define STORE_CERT_MAX 8192  /* bytes of a certificate */
#define STORE_NODE_MAX 253   /* bytes of a node's name (RFC 1123) */
#define STORE_REQUEST_ID_MAX 128 /* bytes */
#define STORE_VALUE_MAX (4UL << 20) /* bytes of a named value */
#define STORE_TOKEN_ID_LEN 32 /* hex digits of a join token's public name */
#define STORE_BY_MAX 64      /* bytes of a peer of the admin socket: "uid:1000" */
#define STORE_WHY_MAX 256    /* bytes of an operator's reason */
struct store;

struct store_options {
	const char *dir;          /* exists, owned by us, mode 0700 */
	uint64_t map_initial;     /* bytes; 0: 64 MiB.  It grows by itself (doubling, at most 1 GiB a step) */
	uint64_t map_max;         /* bytes; 0: 1 TiB (an address-space bound, not disk) */
	/* Test hook, NULL in production: called at the named points "before-commit", "after-commit", "before-index". */
	void (*at_point)(const char *point, void *ctx);
	void *at_point_ctx;
};
/* Opens or creates.  FAILED_PRECONDITION: in use, or a newer format (the message says which); DATA_LOSS: unreadable. */
struct err store_open(const struct store_options *options, struct store **out);
void store_close(struct store *s); /* NULL is allowed; no view or batch may be open */
static inline void auto_store(struct store **p) { store_close(*p); }

/* ---- records ---- */
enum store_evidence { STORE_BY_NONE = 0, STORE_BY_JWT = 1, STORE_BY_MTLS = 2, STORE_BY_JOIN_TOKEN = 3, STORE_BY_DAEMON = 4 };
struct store_record { /* views are borrowed: from the caller on write, from the store_view on read */
	uint64_t index;          /* set by the store on append */
	int64_t time_ms;         /* of issuance, wall clock; may step back between records */
	int64_t not_before, not_after; /* Unix seconds */
	struct bytes serial;     /* 1..20 octets */
	struct bytes spiffe_id;  /* "" for the daemon's own serving certificates */
	struct bytes caller;     /* who was authenticated, as text */
	struct bytes rule;       /* policy rule that granted it */
	struct bytes issuer;     /* name of the issuer */
	struct bytes node, request_id; /* that the token was bound to; as the client named it; empty: not known */
	enum store_evidence evidence;
	uint8_t evidence_hash[STORE_HASH_LEN]; /* of the token or the peer certificate's SPKI; zeros if none */
	uint8_t key_hash[STORE_HASH_LEN];      /* SHA-256 of the SPKI */
	uint32_t root_seq;       /* root set that signed */
	struct bytes cert;       /* DER */
};

/* ---- one batch: one durable transaction; the writer thread only, the same one from begin to commit ----
 * When the map has to grow, the batch waits up to 5 s until no view is open (so the writer thread holds none meanwhile)
 * and then repeats itself in the bigger map.  An error of the engine fails the whole batch: commit returns it again. */
struct store_batch;
struct err store_batch_begin(struct store *s, struct store_batch **out);
/* Append; r->index is set.  The views need not outlive the call. */
struct err store_batch_append(struct store_batch *b, struct store_record *r);
/* The index that the next append will get. */
uint64_t store_batch_next(const struct store_batch *b);
/* Durable or nothing; OK also says that all that was read in the batch is durable, even if it changed nothing.  The batch is gone
 * either way.  UNKNOWN: the disk failed in its last write and in every attempt to settle it: read anew (and answer nothing). */
struct err store_batch_commit(struct store_batch *b);
void store_batch_abort(struct store_batch *b); /* NULL is allowed */

/* Join tokens; only the SHA-256 of a token is ever here. */
struct store_token {
	uint8_t hash[STORE_HASH_LEN];
	char id[STORE_TOKEN_ID_LEN + 1];
	char spiffe_id[STORE_TEXT_MAX + 1];
	char created_by[STORE_BY_MAX + 1];
	int64_t created, expires;    /* Unix seconds */
	bool spent, revoked;
	uint8_t key_hash[STORE_HASH_LEN]; /* of the key it was spent for */
	uint64_t record;             /* index of the record it was spent in */
};
/* ALREADY_EXISTS if the hash or the id is there. */
struct err store_batch_token_add(struct store_batch *b, const struct store_token *t);
/* Spend for record `index` of this very batch: one already appended, or the one appended next (so that a refusal leaves
 * no record; a commit without that record is refused as INTERNAL).  OK; ALREADY_EXISTS with *earlier set: spent before
 * with the same key hash (maybe in this batch: answer after its commit); PERMISSION_DENIED: spent with another key,
 * revoked or expired at `now`; NOT_FOUND.  Anything but OK changes nothing, and the batch goes on. */
struct store_spend {
	uint8_t hash[STORE_HASH_LEN], key_hash[STORE_HASH_LEN];
	int64_t now; /* Unix seconds */
	uint64_t index;
};
struct err store_batch_token_spend(struct store_batch *b, const struct store_spend *spend, uint64_t *earlier);
/* NOT_FOUND; ALREADY_EXISTS if it was revoked; FAILED_PRECONDITION if spent. */
struct err store_batch_token_revoke(struct store_batch *b, const char *id);
/* Drop tokens that expired before `before` (their records stay); at most `max`; *dropped says how many. */
struct err store_batch_token_expire(struct store_batch *b, int64_t before, size_t max, size_t *dropped);

/* Bans. */
enum store_ban_kind {
	STORE_BAN_SPIFFE_ID = 1, STORE_BAN_KEY = 2, STORE_BAN_CALLER = 3, STORE_BAN_NODE = 4,
};
struct store_ban {
	enum store_ban_kind kind;
	char subject[STORE_TEXT_MAX + 1]; /* the ID, the hex key hash, the caller text, the node's name */
	char reason[STORE_WHY_MAX + 1];
	char by[STORE_BY_MAX + 1];
	int64_t since; /* Unix seconds */
};
struct err store_batch_ban_add(struct store_batch *b, const struct store_ban *ban);      /* ALREADY_EXISTS */
struct err store_batch_ban_remove(struct store_batch *b, enum store_ban_kind kind, const char *subject); /* NOT_FOUND */

/* Small named values: the root set, wrapped keys, the replica's own name.  name: 1..64 of [a-z0-9._-]; 1..STORE_VALUE_MAX bytes. */
struct err store_batch_put(struct store_batch *b, const char *name, struct bytes value);
struct err store_batch_get(struct store_batch *b, const char *name, struct buf *out); /* appended; NOT_FOUND */
struct err store_batch_delete(struct store_batch *b, const char *name); /* NOT_FOUND */

/* Retention: drop the records of up to `max_tiles` oldest whole tiles in which every certificate ended before
 * `ended_before` (Unix seconds), keeping their leaf hashes; *dropped counts records. */
struct err store_batch_retain(struct store_batch *b, int64_t ended_before, unsigned max_tiles, uint64_t *dropped);

/* ---- reading: a view is one consistent snapshot; keep it short-lived (milliseconds), and open no second one under it.
 * UNAVAILABLE: the map is being grown or the engine reopened, for longer than 5 s; try again ---- */
struct store_view;
struct err store_view_open(struct store *s, struct store_view **out);
void store_view_close(struct store_view *v); /* NULL is allowed */
static inline void auto_store_view(struct store_view **p) { store_view_close(*p); }

/* First index still there, and one past the last ever used. */
struct err store_view_range(struct store_view *v, uint64_t *first, uint64_t *end);
/* NOT_FOUND if never used or dropped; DATA_LOSS if the stored bytes do not parse. */
struct err store_view_record(struct store_view *v, uint64_t index, struct store_record *out);
struct err store_view_leaf_hash(struct store_view *v, uint64_t index, uint8_t out[STORE_HASH_LEN]); /* also for dropped ones */
struct err store_view_token(struct store_view *v, const uint8_t hash[STORE_HASH_LEN], struct store_token *out); /* NOT_FOUND */
/* Iterate: start with *cursor all zero; fills out; NOT_FOUND at the end. */
struct store_cursor { uint8_t key[80]; size_t len; };
struct err store_view_token_next(struct store_view *v, struct store_cursor *cursor, struct store_token *out);
struct err store_view_ban_next(struct store_view *v, struct store_cursor *cursor, struct store_ban *out);
/* Named value, appended to *out; NOT_FOUND. */
struct err store_view_get(struct store_view *v, const char *name, struct buf *out);

#endif
