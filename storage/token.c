/* Join tokens.  Three databases: the token by its hash, its hash by its public id, and its hash by when it expires. */
#include <string.h>

#include "storage/internal.h"

#define TOKEN_VALUE_MAX (STORE_TEXT_MAX + 512) /* bytes of an encoded token */
#define EXPIRY_KEY_LEN (8 + STORE_HASH_LEN)
#define EXPIRE_SLICE 64 /* ours: tokens found before any of them is dropped */

static struct bytes hash_view(const uint8_t hash[STORE_HASH_LEN])
{
	return BYTES(hash, STORE_HASH_LEN);
}

static void expiry_key(const struct store_token *t, uint8_t out[EXPIRY_KEY_LEN])
{
	store_key_time(t->expires, out);
	memcpy(out + 8, t->hash, STORE_HASH_LEN);
}

static struct err token_find(struct store_batch *b, const uint8_t hash[STORE_HASH_LEN], struct store_token *out)
{
	struct bytes raw;

	TRY(store_batch_find(b, DB_TOKENS, hash_view(hash), &raw));
	memcpy(out->hash, hash, STORE_HASH_LEN);
	if (store_token_decode(raw, out).code != ERR_OK) FAIL(ERR_DATA_LOSS, "storage: a token is damaged");
	return OK;
}

static struct err token_put(struct store_batch *b, const struct store_token *t)
{
	AUTO(buf) struct buf value = { .max = TOKEN_VALUE_MAX };

	TRY(store_token_encode(t, &value));
	return store_change_put(b, DB_TOKENS, hash_view(t->hash), buf_view(&value));
}

static struct err must_be_free(struct store_batch *b, enum store_db db, struct bytes key)
{
	struct bytes raw;
	struct err e = store_batch_find(b, db, key, &raw);

	if (e.code == ERR_OK) FAIL(ERR_ALREADY_EXISTS, "storage: token exists");
	return e.code == ERR_NOT_FOUND ? OK : e;
}

struct err store_batch_token_add(struct store_batch *b, const struct store_token *t)
{
	uint8_t expiry[EXPIRY_KEY_LEN];

	if (t->spent || t->revoked) FAIL(ERR_INVALID_ARGUMENT, "storage: a new token is neither spent nor revoked");
	TRY(must_be_free(b, DB_TOKENS, hash_view(t->hash)));
	TRY(must_be_free(b, DB_TOKEN_IDS, BYTES(t->id, strnlen(t->id, sizeof(t->id)))));
	TRY(token_put(b, t));
	TRY(store_change_put(b, DB_TOKEN_IDS, bytes_str(t->id), hash_view(t->hash)));
	expiry_key(t, expiry);
	return store_change_put(b, DB_TOKEN_EXPIRY, BYTES(expiry, sizeof(expiry)), BYTES_NONE);
}

struct err store_batch_token_spend(struct store_batch *b, const struct store_spend *spend, uint64_t *earlier)
{
	struct store_token t = { 0 };

	if (spend->index < b->first || spend->index > b->next)
		FAIL(ERR_INVALID_ARGUMENT, "storage: a token is spent for a record of this batch only");
	TRY(token_find(b, spend->hash, &t));
	if (t.spent) {
		if (!bytes_equal_secret(hash_view(t.key_hash), hash_view(spend->key_hash)))
			FAIL(ERR_PERMISSION_DENIED, "storage: token was spent for another key");
		*earlier = t.record;
		FAIL(ERR_ALREADY_EXISTS, "storage: token was spent for this key");
	}
	if (t.revoked) FAIL(ERR_PERMISSION_DENIED, "storage: token is revoked");
	if (spend->now >= t.expires) FAIL(ERR_PERMISSION_DENIED, "storage: token has expired");
	t.spent = true;
	memcpy(t.key_hash, spend->key_hash, STORE_HASH_LEN);
	t.record = spend->index;
	TRY(token_put(b, &t));
	if (b->promised < spend->index + 1) b->promised = spend->index + 1;
	return OK;
}

struct err store_batch_token_revoke(struct store_batch *b, const char *id)
{
	struct store_token t = { 0 };
	struct bytes hash;

	TRY(store_batch_find(b, DB_TOKEN_IDS, BYTES(id, strnlen(id, sizeof(t.id))), &hash));
	if (hash.len != STORE_HASH_LEN) FAIL(ERR_DATA_LOSS, "storage: a token's id is damaged");
	TRY(token_find(b, hash.data, &t));
	if (t.revoked) FAIL(ERR_ALREADY_EXISTS, "storage: token is revoked already");
	if (t.spent) FAIL(ERR_FAILED_PRECONDITION, "storage: token is spent already");
	t.revoked = true;
	return token_put(b, &t);
}

/* ---- expiry ---- */
/* The oldest keys that expired before `before`: copied, for the first change may end the transaction under the cursor. */
static struct err expired_keys(struct store_batch *b, int64_t before, uint8_t keys[EXPIRE_SLICE][EXPIRY_KEY_LEN],
                               size_t *count)
{
	AUTO(cursor) MDB_cursor *c = NULL;
	uint8_t end[8];
	MDB_val k, v;
	int rc;

	store_key_time(before, end);
	*count = 0;
	TRY(store_env_err(mdb_cursor_open(b->txn, b->s->env.dbi[DB_TOKEN_EXPIRY], &c)));
	for (rc = mdb_cursor_get(c, &k, &v, MDB_FIRST); rc == 0; rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) {
		if (k.mv_size != EXPIRY_KEY_LEN) FAIL(ERR_DATA_LOSS, "storage: a token's expiry is damaged");
		if (*count == EXPIRE_SLICE || memcmp(k.mv_data, end, sizeof(end)) >= 0) return OK;
		memcpy(keys[(*count)++], k.mv_data, EXPIRY_KEY_LEN);
	}
	return rc == MDB_NOTFOUND ? OK : store_env_err(rc);
}

static struct err token_drop(struct store_batch *b, const uint8_t key[EXPIRY_KEY_LEN])
{
	struct store_token t = { 0 };
	struct err e = token_find(b, key + 8, &t);

	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
	TRY(store_change_delete(b, DB_TOKEN_EXPIRY, BYTES(key, EXPIRY_KEY_LEN)));
	if (e.code == ERR_NOT_FOUND) return OK; /* a key without its token must not stop the others */
	TRY(store_change_delete(b, DB_TOKEN_IDS, bytes_str(t.id)));
	return store_change_delete(b, DB_TOKENS, hash_view(t.hash));
}

struct err store_batch_token_expire(struct store_batch *b, int64_t before, size_t max, size_t *dropped)
{
	uint8_t keys[EXPIRE_SLICE][EXPIRY_KEY_LEN];
	size_t count;

	*dropped = 0;
	while (*dropped < max) {
		TRY(store_batch_usable(b));
		TRY(expired_keys(b, before, keys, &count));
		if (count == 0) break;
		for (size_t i = 0; i < count && *dropped < max; i++, (*dropped)++) TRY(token_drop(b, keys[i]));
	}
	return OK;
}
