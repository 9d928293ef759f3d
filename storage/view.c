/* Reading: one LMDB read transaction, entered through the gate of the environment. */
#include <string.h>

#include "storage/internal.h"

struct err store_view_open(struct store *s, struct store_view **out)
{
	AUTO(heap) struct store_view *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "storage: out of memory");
	TRY(store_env_enter(&s->env));
	rc = mdb_txn_begin(s->env.mdb, NULL, MDB_RDONLY, &v->txn);
	if (rc != 0) {
		store_env_leave(&s->env);
		return store_env_err(rc);
	}
	v->s = s;
	*out = MOVE(v);
	return OK;
}

void store_view_close(struct store_view *v)
{
	if (v == NULL) return;
	mdb_txn_abort(v->txn);
	store_env_leave(&v->s->env);
	free(v);
}

struct err store_view_range(struct store_view *v, uint64_t *first, uint64_t *end)
{
	return store_sequence(v->s, v->txn, first, end);
}

struct err store_view_record(struct store_view *v, uint64_t index, struct store_record *out)
{
	return store_read_record(v->s, v->txn, index, out);
}

struct err store_view_leaf_hash(struct store_view *v, uint64_t index, uint8_t out[STORE_HASH_LEN])
{
	return store_read_leaf_hash(v->s, v->txn, index, out);
}

static struct err token_read(struct bytes key, struct bytes raw, struct store_token *out)
{
	if (key.len != STORE_HASH_LEN) FAIL(ERR_DATA_LOSS, "storage: a token's key is damaged");
	memcpy(out->hash, key.data, STORE_HASH_LEN);
	if (store_token_decode(raw, out).code != ERR_OK) FAIL(ERR_DATA_LOSS, "storage: a token is damaged");
	return OK;
}

struct err store_view_token(struct store_view *v, const uint8_t hash[STORE_HASH_LEN], struct store_token *out)
{
	struct bytes raw, key = BYTES(hash, STORE_HASH_LEN);

	TRY(store_env_get(v->txn, v->s->env.dbi[DB_TOKENS], key, &raw));
	return token_read(key, raw, out);
}

/* ---- iterating ---- */
/* The first entry after the cursor's key; the cursor then holds its key. */
struct err store_entry_next(struct store_view *v, enum store_db db, struct store_cursor *cursor, struct bytes *value)
{
	AUTO(cursor) MDB_cursor *c = NULL;
	MDB_val k = { cursor->len, cursor->key }, val;
	int rc;

	if (cursor->len > sizeof(cursor->key)) FAIL(ERR_INVALID_ARGUMENT, "storage: bad cursor");
	TRY(store_env_err(mdb_cursor_open(v->txn, v->s->env.dbi[db], &c)));
	rc = mdb_cursor_get(c, &k, &val, cursor->len == 0 ? MDB_FIRST : MDB_SET_RANGE);
	if (rc == 0 && bytes_equal(store_bytes(k), BYTES(cursor->key, cursor->len)))
		rc = mdb_cursor_get(c, &k, &val, MDB_NEXT);
	TRY(store_env_err(rc));
	if (k.mv_size > sizeof(cursor->key)) FAIL(ERR_DATA_LOSS, "storage: a key of the wrong size");
	memcpy(cursor->key, k.mv_data, k.mv_size);
	cursor->len = k.mv_size;
	*value = store_bytes(val);
	return OK;
}

struct err store_view_token_next(struct store_view *v, struct store_cursor *cursor, struct store_token *out)
{
	struct bytes raw;

	TRY(store_entry_next(v, DB_TOKENS, cursor, &raw));
	return token_read(BYTES(cursor->key, cursor->len), raw, out);
}

struct err store_view_ban_next(struct store_view *v, struct store_cursor *cursor, struct store_ban *out)
{
	struct bytes raw;

	TRY(store_entry_next(v, DB_BANS, cursor, &raw));
	if (store_ban_decode(raw, out).code != ERR_OK) FAIL(ERR_DATA_LOSS, "storage: a ban is damaged");
	return OK;
}

/* ---- revocations ---- */
static struct err revocation_read(struct bytes key, struct bytes raw, struct store_revocation *out)
{
	if (key.len < 1 || key.len > sizeof(out->serial)) FAIL(ERR_DATA_LOSS, "storage: a revocation's key is damaged");
	memcpy(out->serial, key.data, key.len);
	out->serial_len = (uint8_t)key.len;
	if (store_revocation_decode(raw, out).code != ERR_OK) FAIL(ERR_DATA_LOSS, "storage: a revocation is damaged");
	return OK;
}

struct err store_view_revocation(struct store_view *v, struct bytes serial, struct store_revocation *out)
{
	struct bytes raw;

	if (serial.len < 1 || serial.len > STORE_SERIAL_MAX) FAIL(ERR_NOT_FOUND, "storage: no such serial");
	TRY(store_env_get(v->txn, v->s->env.dbi[DB_REVOKED], serial, &raw));
	return revocation_read(serial, raw, out);
}

struct err store_view_revocation_next(struct store_view *v, struct store_cursor *cursor, struct store_revocation *out)
{
	struct bytes raw;

	TRY(store_entry_next(v, DB_REVOKED, cursor, &raw));
	return revocation_read(BYTES(cursor->key, cursor->len), raw, out);
}
