/* index.h: the look-up indexes: when they may be believed, and how they are entered.  Inside storage/ only. */
#ifndef SIGNET_STORAGE_INDEX_H
#define SIGNET_STORAGE_INDEX_H

#include <stdatomic.h>

#include "storage/internal.h"

enum index_db { IX_META, IX_SERIAL, IX_SPIFFE, IX_TILES, IX_COUNT };

#define STORE_INDEX_FORMAT 1
#define INDEX_PREFIX_MAX (1 + STORE_SERIAL_MAX)
#define INDEX_SPIFFE_LEN 16 /* octets of SHA-256 of the ID: hits are compared with the record, so collisions only cost */
#define INDEX_TIMES_LEN 32

struct index_mark {                /* indexed: [base, mark); leaf: hash of record mark - 1 */
	uint64_t base, mark;
	uint8_t leaf[STORE_HASH_LEN];
};

struct store_index {
	struct store_env env;
	char *state_path;
	int state_fd;
	pthread_mutex_t building;      /* one thread catches up at a time */
	pthread_mutex_t busy_mutex;
	unsigned busy;                 /* how many are inside; the state file says whether it is 0 */
	_Atomic bool suspect;          /* an error came from it: not entered again, built anew */
	_Atomic uint64_t mark;
};

/* The earliest and latest times in (a part of) a tile. */
struct index_times { int64_t ended_min, ended_max, issued_min, issued_max; };

/* Go in and out; UNAVAILABLE: there is none to be believed just now. */
struct err store_index_enter(struct store_index *ix);
void store_index_leave(struct store_index *ix);
/* Note what an error means for the trust in it; returns it.  NOT_FOUND and a lack of space mean nothing. */
struct err store_index_blame(struct store_index *ix, struct err e);
/* Empty, at base `first`; nobody may be inside. */
struct err store_index_rebuild(struct store *s, uint64_t first);
struct err store_index_mark_read(struct store_index *ix, MDB_txn *txn, struct index_mark *out);
struct err store_index_mark_write(struct store_index *ix, MDB_txn *txn, const struct index_mark *m);

/* What the keys of `serial` and `spiffe` begin with (an index follows); *len <= INDEX_PREFIX_MAX. */
struct err store_index_serial_prefix(struct bytes serial, uint8_t out[INDEX_PREFIX_MAX], size_t *len);
struct err store_index_spiffe_prefix(struct bytes spiffe_id, uint8_t out[INDEX_PREFIX_MAX], size_t *len);
/* NOT_FOUND if the tile is not summarized. */
struct err store_index_times_read(struct store_index *ix, MDB_txn *txn, uint64_t tile, struct index_times *out);

#endif
