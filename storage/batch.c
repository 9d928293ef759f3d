/* One batch = one synced LMDB transaction.  Each change is noted in the batch's log before it is made, so that the batch
 * can be repeated in a bigger map when LMDB finds its map full in the middle (also in the middle of the commit). */
#include <string.h>

#include "storage/internal.h"

#define LOG_MAX (256ULL << 20) /* bytes; ours: of changes in one batch */
#define LOG_KEEP (4ULL << 20)  /* bytes; ours: kept allocated for the next batch */

struct change { /* in the log, followed by the key and the value */
	uint32_t value_len;
	uint16_t key_len;
	uint8_t db;
	bool remove;
};

/* ---- the log ---- */
static struct change change_at(const struct store_batch *b, size_t at)
{
	struct change c;

	memcpy(&c, b->log.data + at, sizeof(c));
	return c;
}

static size_t change_size(struct change c)
{
	return sizeof(c) + c.key_len + c.value_len;
}

static int change_apply(struct store_batch *b, size_t at)
{
	struct change c = change_at(b, at);
	MDB_val k = { c.key_len, b->log.data + at + sizeof(c) };
	MDB_val v = { c.value_len, b->log.data + at + sizeof(c) + c.key_len };
	MDB_dbi dbi = b->s->env.dbi[c.db];

	if (c.remove) return mdb_del(b->txn, dbi, &k, NULL);
	return mdb_put(b->txn, dbi, &k, &v, c.db == DB_RECORDS ? MDB_APPEND : 0);
}

static int log_apply(struct store_batch *b)
{
	int rc = 0;

	for (size_t at = 0; at < b->log.len && rc == 0; at += change_size(change_at(b, at))) rc = change_apply(b, at);
	return rc;
}

/* A bigger map needs the transaction to end, and then all of it again. */
static struct err log_repeat(struct store_batch *b)
{
	int rc;

	do {
		if (b->txn != NULL) mdb_txn_abort(MOVE(b->txn));
		TRY(store_env_grow(&b->s->env));
		TRY(store_env_err(mdb_txn_begin(b->s->env.mdb, NULL, 0, &b->txn)));
		rc = log_apply(b);
	} while (rc == MDB_MAP_FULL);
	return store_env_err(rc);
}

/* ---- changes ---- */
struct err store_batch_usable(const struct store_batch *b)
{
	return b->failed;
}

static struct err batch_fail(struct store_batch *b, struct err e)
{
	if (e.code != ERR_OK) b->failed = e;
	return e;
}

/* Begin a change: its header and key; the caller appends the value to b->log and then calls change_end(). */
static struct err change_begin(struct store_batch *b, struct change c, struct bytes key)
{
	c.key_len = (uint16_t)key.len;
	TRY(buf_put(&b->log, &c, sizeof(c)));
	return buf_put(&b->log, key.data, key.len);
}

static struct err change_end(struct store_batch *b, size_t at)
{
	struct change c = change_at(b, at);
	int rc;

	c.value_len = (uint32_t)(b->log.len - at - sizeof(c) - c.key_len);
	memcpy(b->log.data + at, &c, sizeof(c));
	rc = change_apply(b, at);
	return rc == MDB_MAP_FULL ? log_repeat(b) : store_env_err(rc);
}

static struct err change_make(struct store_batch *b, struct change c, struct bytes key, struct bytes value)
{
	size_t at = b->log.len;

	TRY(change_begin(b, c, key));
	TRY(buf_put(&b->log, value.data, value.len));
	return change_end(b, at);
}

struct err store_change_put(struct store_batch *b, enum store_db db, struct bytes key, struct bytes value)
{
	TRY(store_batch_usable(b));
	return batch_fail(b, change_make(b, (struct change){ .db = (uint8_t)db }, key, value));
}

struct err store_change_delete(struct store_batch *b, enum store_db db, struct bytes key)
{
	TRY(store_batch_usable(b));
	return batch_fail(b, change_make(b, (struct change){ .db = (uint8_t)db, .remove = true }, key, BYTES_NONE));
}

struct err store_batch_find(struct store_batch *b, enum store_db db, struct bytes key, struct bytes *value)
{
	struct err e;

	TRY(store_batch_usable(b));
	e = store_env_get(b->txn, b->s->env.dbi[db], key, value);
	return e.code == ERR_NOT_FOUND ? e : batch_fail(b, e);
}

/* Encoded straight into the log: no allocation of its own. */
struct err store_batch_append(struct store_batch *b, struct store_record *r)
{
	size_t at = b->log.len;
	uint8_t key[8];
	struct err e;

	TRY(store_batch_usable(b));
	r->index = b->next;
	store_key_u64(r->index, key);
	e = change_begin(b, (struct change){ .db = DB_RECORDS }, BYTES(key, sizeof(key)));
	if (e.code == ERR_OK) e = store_record_encode(r, &b->log);
	if (e.code != ERR_OK) { /* nothing was changed yet: the batch goes on without it */
		b->log.len = at;
		if (b->promised <= b->next) return e;
		return batch_fail(b, ERR(ERR_INTERNAL, "storage: a token was spent for a record that cannot be appended"));
	}
	TRY(batch_fail(b, change_end(b, at)));
	b->next++;
	return store_node_put(b, r);
}

uint64_t store_batch_next(const struct store_batch *b)
{
	return b->next;
}

/* ---- begin and end ---- */
static struct err batch_txn(struct store_batch *b)
{
	struct store_env *env = &b->s->env;
	int rc = env->mdb == NULL ? MDB_PANIC : mdb_txn_begin(env->mdb, NULL, 0, &b->txn);

	if (rc == MDB_PANIC) { /* after an error of an earlier commit that LMDB does not go on from */
		TRY(store_env_reopen(env));
		rc = mdb_txn_begin(env->mdb, NULL, 0, &b->txn);
	}
	return store_env_err(rc);
}

static void batch_end(struct store_batch *b)
{
	if (b->txn != NULL) mdb_txn_abort(MOVE(b->txn));
	b->log.len = 0;
	if (b->log.cap > LOG_KEEP) buf_free(&b->log);
	b->open = false;
}

struct err store_batch_begin(struct store *s, struct store_batch **out)
{
	struct store_batch *b = &s->batch;
	uint64_t first;
	struct err e;

	if (b->open) FAIL(ERR_FAILED_PRECONDITION, "storage: a batch is open already");
	b->s = s;
	b->log.max = LOG_MAX;
	b->failed = OK;
	b->promised = 0;
	TRY(batch_txn(b));
	b->open = true;
	e = store_sequence(s, b->txn, &first, &b->next);
	if (e.code != ERR_OK) {
		batch_end(b);
		return e;
	}
	b->first = b->next;
	*out = b;
	return OK;
}

void store_batch_abort(struct store_batch *b)
{
	if (b != NULL && b->open) batch_end(b);
}

/* One more, tiny commit.  LMDB synced the batch's pages before it tried the header, so a later header on disk holds it.
 * A sync alone would not do: after an error the kernel may have dropped the header's page and report success. */
static struct err commit_on_top(struct store_env *env, size_t id)
{
	AUTO(txn) MDB_txn *txn = NULL;
	uint8_t value[8];
	MDB_val k = store_val(bytes_str("settled")), v = { sizeof(value), value };

	store_key_u64(id, value);
	TRY(store_env_err(mdb_txn_begin(env->mdb, NULL, 0, &txn)));
	TRY(store_env_err(mdb_put(txn, env->dbi[DB_META], &k, &v, 0)));
	return store_env_err(mdb_txn_commit(MOVE(txn)));
}

/* The commit failed.  LMDB writes its header last; if only that write reported an error, the header may be there all the
 * same, and LMDB wants to be reopened (MDB_PANIC): what is in the file then decides. */
static struct err commit_settle(struct store_batch *b, size_t id, struct err failed)
{
	struct store_env *env = &b->s->env;
	MDB_envinfo info;
	MDB_txn *probe = NULL;
	int rc = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &probe);

	if (probe != NULL) mdb_txn_abort(probe);
	if (rc != MDB_PANIC) return failed;
	if (store_env_reopen(env).code == ERR_OK && mdb_env_info(env->mdb, &info) == 0) {
		if (info.me_last_txnid < id) return failed;
		if (commit_on_top(env, id).code == ERR_OK) return OK;
	}
	b->s->unsettled = true;
	FAIL_BY(ERR_UNKNOWN, "storage: an I/O error leaves open whether the batch is there", failed.cause);
}

static struct err commit_once(struct store_batch *b, bool *again)
{
	size_t id = mdb_txn_id(b->txn);
	int rc = mdb_txn_commit(MOVE(b->txn)); /* frees the transaction, whatever comes of it */

	*again = rc == MDB_MAP_FULL;
	if (rc == 0) return OK;
	if (*again) return log_repeat(b);
	return commit_settle(b, id, store_env_err(rc));
}

/* LMDB syncs nothing for a transaction that changes nothing; but what our caller read in it may be in the page cache only:
 * left there by a commit that ended in UNKNOWN, or by a process that was killed in the middle of its header's write. */
static struct err batch_settle(struct store_batch *b)
{
	uint8_t value[8];

	if (!b->s->unsettled) return OK;
	store_key_u64(mdb_txn_id(b->txn), value);
	return store_change_put(b, DB_META, bytes_str("settled"), BYTES(value, sizeof(value)));
}

static struct err batch_commit(struct store_batch *b)
{
	bool again = true;

	TRY(store_batch_usable(b));
	TRY(batch_settle(b));
	if (b->promised > b->next) FAIL(ERR_INTERNAL, "storage: a token was spent for a record that was not appended");
	store_at_point(b->s, "before-commit");
	while (again) TRY(commit_once(b, &again));
	b->s->unsettled = false;
	store_at_point(b->s, "after-commit");
	return OK;
}

struct err store_batch_commit(struct store_batch *b)
{
	struct err e = batch_commit(b);

	batch_end(b);
	return e;
}
