/* Retention: whole tiles of records go, their leaf hashes stay, so that a Merkle tree over the sequence stays whole. */
#include <string.h>

#include "storage/internal.h"

/* The tile's hashes, and whether every certificate in it ended before `ended_before`. */
static struct err tile_read(struct store_batch *b, uint64_t first, int64_t ended_before, uint8_t *hashes, bool *ended)
{
	struct store_record r;
	struct bytes raw;
	uint8_t key[8];

	*ended = false;
	for (uint64_t i = 0; i < STORE_TILE; i++) {
		store_key_u64(first + i, key);
		if (store_batch_find(b, DB_RECORDS, BYTES(key, sizeof(key)), &raw).code != ERR_OK ||
		    store_record_decode(raw, &r).code != ERR_OK)
			FAIL(ERR_DATA_LOSS, "storage: a record is damaged or missing; its tile stays");
		if (r.not_after >= ended_before) return OK;
		TRY(store_leaf_hash(raw, hashes + i * STORE_HASH_LEN));
	}
	*ended = true;
	return OK;
}

static struct err tile_drop(struct store_batch *b, uint64_t first, const uint8_t *hashes)
{
	uint8_t key[8];

	store_key_u64(first / STORE_TILE, key);
	TRY(store_change_put(b, DB_TILES, BYTES(key, sizeof(key)), BYTES(hashes, STORE_TILE * STORE_HASH_LEN)));
	for (uint64_t i = 0; i < STORE_TILE; i++) {
		TRY(store_node_drop(b, first + i));
		store_key_u64(first + i, key);
		TRY(store_change_delete(b, DB_RECORDS, BYTES(key, sizeof(key))));
	}
	return OK;
}

struct err store_batch_retain(struct store_batch *b, int64_t ended_before, unsigned max_tiles, uint64_t *dropped)
{
	uint8_t hashes[STORE_TILE * STORE_HASH_LEN];
	uint64_t first, end;
	bool ended;

	*dropped = 0;
	TRY(store_batch_usable(b));
	TRY(store_sequence(b->s, b->txn, &first, &end));
	if (first % STORE_TILE != 0) FAIL(ERR_DATA_LOSS, "storage: the records do not begin with a tile");
	for (unsigned n = 0; n < max_tiles && end - first >= STORE_TILE; n++, first += STORE_TILE) {
		TRY(tile_read(b, first, ended_before, hashes, &ended));
		if (!ended) break;
		TRY(tile_drop(b, first, hashes));
		*dropped += STORE_TILE;
	}
	return OK;
}
