/* The sequence of records: where it begins and ends, and how it is read.  The next index is not stored: it is one past
 * the last record, or, when retention has dropped them all, past the last tile of kept hashes. */
#include <string.h>

#include "storage/internal.h"

/* The number in the first or last key of a database; NOT_FOUND if it is empty. */
static struct err edge_key(MDB_txn *txn, MDB_dbi dbi, MDB_cursor_op op, uint64_t *out)
{
	AUTO(cursor) MDB_cursor *c = NULL;
	MDB_val k, v;

	TRY(store_env_err(mdb_cursor_open(txn, dbi, &c)));
	TRY(store_env_err(mdb_cursor_get(c, &k, &v, op)));
	if (k.mv_size != 8) FAIL(ERR_DATA_LOSS, "storage: a key of the wrong size");
	*out = store_key_read(k.mv_data);
	return OK;
}

struct err store_sequence(const struct store *s, MDB_txn *txn, uint64_t *first, uint64_t *end)
{
	uint64_t last = 0, tile = 0;
	struct err e = edge_key(txn, s->env.dbi[DB_RECORDS], MDB_LAST, &last);

	if (e.code == ERR_OK) {
		*end = last + 1;
		return edge_key(txn, s->env.dbi[DB_RECORDS], MDB_FIRST, first);
	}
	if (e.code != ERR_NOT_FOUND) return e;
	e = edge_key(txn, s->env.dbi[DB_TILES], MDB_LAST, &tile);
	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
	*first = *end = e.code == ERR_OK ? (tile + 1) * STORE_TILE : 0;
	return OK;
}

struct err store_read_record(const struct store *s, MDB_txn *txn, uint64_t index, struct store_record *out)
{
	struct store_record r;
	struct bytes raw;
	uint8_t key[8];

	store_key_u64(index, key);
	TRY(store_env_get(txn, s->env.dbi[DB_RECORDS], BYTES(key, 8), &raw));
	if (store_record_decode(raw, &r).code != ERR_OK || r.index != index)
		FAIL(ERR_DATA_LOSS, "storage: a record is damaged");
	*out = r;
	return OK;
}

struct err store_read_leaf_hash(const struct store *s, MDB_txn *txn, uint64_t index, uint8_t out[STORE_HASH_LEN])
{
	struct bytes raw;
	uint8_t key[8];
	struct err e;

	store_key_u64(index, key);
	e = store_env_get(txn, s->env.dbi[DB_RECORDS], BYTES(key, 8), &raw);
	if (e.code == ERR_OK) return store_leaf_hash(raw, out);
	if (e.code != ERR_NOT_FOUND) return e;
	store_key_u64(index / STORE_TILE, key);
	TRY(store_env_get(txn, s->env.dbi[DB_TILES], BYTES(key, 8), &raw));
	if (raw.len != STORE_TILE * STORE_HASH_LEN) FAIL(ERR_DATA_LOSS, "storage: a tile is damaged");
	memcpy(out, raw.data + index % STORE_TILE * STORE_HASH_LEN, STORE_HASH_LEN);
	return OK;
}
