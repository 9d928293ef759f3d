/* internal.h: what the files of storage/ share.  Nobody else includes it. */
#ifndef SIGNET_STORAGE_INTERNAL_H
#define SIGNET_STORAGE_INTERNAL_H

#include "storage/env.h"
#include "storage/query.h"
#include "storage/record.h"
#include "storage/revoke.h"

enum store_db { DB_META, DB_RECORDS, DB_TILES, DB_TOKENS, DB_TOKEN_IDS, DB_TOKEN_EXPIRY, DB_BANS, DB_VALUES,
	        DB_REVOKED, DB_EVENTS, DB_NODES, DB_INTENTS, DB_COUNT };
#define DB_KEPT DB_REVOKED /* those before it have been there from the beginning */

#define STORE_ID_LEN 16    /* random; names the directory, so that an index is never taken for another's */
#define STORE_NAME_MAX 64

struct store_index;

struct store_batch {
	struct store *s;
	bool open;
	MDB_txn *txn;
	struct buf log;         /* every change so far, to be repeated in a bigger map */
	struct err failed;      /* not OK: the batch can only end */
	uint64_t first, next;   /* indexes appended in this batch: [first, next) */
	uint64_t promised;      /* one past the highest index that a token was spent for */
};

struct store {
	int lock_fd;
	struct store_env env;
	uint8_t id[STORE_ID_LEN];
	struct store_batch batch;
	bool unsettled;         /* what is seen may not be on disk yet: the next commit puts a header of its own on top */
	struct store_index *index;
	void (*at_point)(const char *point, void *ctx);
	void *at_point_ctx;
};

struct store_view {
	struct store *s;
	MDB_txn *txn;
};

void store_at_point(struct store *s, const char *point);

/* batch.c: the two changes that all others are made of; a failure fails the batch.  Values read from the transaction
 * before are gone afterwards (growth begins another one). */
struct err store_change_put(struct store_batch *b, enum store_db db, struct bytes key, struct bytes value);
struct err store_change_delete(struct store_batch *b, enum store_db db, struct bytes key);
/* May the batch still be changed?  Its failure, otherwise. */
struct err store_batch_usable(const struct store_batch *b);
struct err store_batch_find(struct store_batch *b, enum store_db db, struct bytes key, struct bytes *value);

/* view.c: the entry after the cursor's, which becomes the cursor's; NOT_FOUND at the end. */
struct err store_entry_next(struct store_view *v, enum store_db db, struct store_cursor *cursor, struct bytes *value);

/* node.c: the node of a record is found by its serial as long as the record is there. */
struct err store_node_put(struct store_batch *b, const struct store_record *r);
struct err store_node_drop(struct store_batch *b, uint64_t index);

/* sequence.c: the first index there is, and the next one, as one transaction sees them. */
struct err store_sequence(const struct store *s, MDB_txn *txn, uint64_t *first, uint64_t *end);
struct err store_read_record(const struct store *s, MDB_txn *txn, uint64_t index, struct store_record *out);
struct err store_read_leaf_hash(const struct store *s, MDB_txn *txn, uint64_t index, uint8_t out[STORE_HASH_LEN]);

/* index.c.  Opening and closing never fail the store: an index that cannot be used is built anew when caught up. */
struct err store_index_new(struct store *s, const char *dir, uint64_t map_max);
void store_index_free(struct store *s);

#endif
