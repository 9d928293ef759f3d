/* Events: an append-only sequence of their own, bounded by dropping the oldest. */
#include <string.h>

#include "storage/internal.h"

#define EVENT_VALUE_MAX 4096 /* bytes of an encoded event */
#define INDEX_LEN 8

/* First and one past the last index that are there; both 0: none. */
static struct err events_range(struct store_batch *b, uint64_t *first, uint64_t *end)
{
	AUTO(cursor) MDB_cursor *c = NULL;
	MDB_val k, v;
	int rc;

	*first = *end = 0;
	TRY(store_batch_usable(b));
	TRY(store_env_err(mdb_cursor_open(b->txn, b->s->env.dbi[DB_EVENTS], &c)));
	rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
	if (rc == MDB_NOTFOUND) return OK;
	TRY(store_env_err(rc));
	if (k.mv_size != INDEX_LEN) FAIL(ERR_DATA_LOSS, "storage: an event's key is damaged");
	*first = store_key_read(k.mv_data);
	TRY(store_env_err(mdb_cursor_get(c, &k, &v, MDB_LAST)));
	if (k.mv_size != INDEX_LEN) FAIL(ERR_DATA_LOSS, "storage: an event's key is damaged");
	*end = store_key_read(k.mv_data) + 1;
	return OK;
}

struct err store_batch_event(struct store_batch *b, const struct store_event *ev)
{
	AUTO(buf) struct buf value = { .max = EVENT_VALUE_MAX };
	uint8_t key[INDEX_LEN];
	uint64_t first, end;

	TRY(store_event_encode(ev, &value));
	TRY(events_range(b, &first, &end));
	if (end - first >= STORE_EVENTS_MAX) {
		store_key_u64(first, key);
		TRY(store_change_delete(b, DB_EVENTS, BYTES(key, sizeof(key))));
	}
	store_key_u64(end, key);
	return store_change_put(b, DB_EVENTS, BYTES(key, sizeof(key)), buf_view(&value));
}

struct err store_view_event_next(struct store_view *v, struct store_cursor *cursor, struct store_event *out)
{
	AUTO(cursor) MDB_cursor *c = NULL;
	MDB_val k = { cursor->len, cursor->key }, val;
	int rc;

	if (cursor->len != 0 && cursor->len != INDEX_LEN) FAIL(ERR_INVALID_ARGUMENT, "storage: bad cursor");
	TRY(store_env_err(mdb_cursor_open(v->txn, v->s->env.dbi[DB_EVENTS], &c)));
	/* the one before the cursor's: it may be dropped itself, and so may all before it */
	rc = mdb_cursor_get(c, &k, &val, cursor->len == 0 ? MDB_LAST : MDB_SET_RANGE);
	if (cursor->len != 0 && rc == 0) rc = mdb_cursor_get(c, &k, &val, MDB_PREV);
	TRY(store_env_err(rc));
	if (k.mv_size != INDEX_LEN) FAIL(ERR_DATA_LOSS, "storage: an event's key is damaged");
	memcpy(cursor->key, k.mv_data, INDEX_LEN);
	cursor->len = INDEX_LEN;
	out->index = store_key_read(cursor->key);
	if (store_event_decode(store_bytes(val), out).code != ERR_OK) FAIL(ERR_DATA_LOSS, "storage: an event is damaged");
	return OK;
}
