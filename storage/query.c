/* Look-ups: a walk over candidate indexes, by one of the indexes or by all records in order, and the filters on each.
 * Both walks go in the order of the record's index, so that a page ends and begins anywhere, and the one can take over
 * from the other when the indexes turn out to be unusable. */
#include <string.h>

#include "storage/index.h"

#define LIMIT_MAX 1000
#define SCAN_LIMIT 100000

struct walk {
	struct store *s;
	const struct store_query *q;
	struct store_view *view;
	MDB_txn *txn;          /* in the index environment; NULL: there is no index */
	enum index_db db;      /* IX_SERIAL or IX_SPIFFE: by that key.  IX_TILES: by all records */
	uint8_t key[INDEX_PREFIX_MAX + 8];
	size_t prefix;
	uint64_t mark;         /* indexed up to here, as the transaction sees it */
	uint64_t lo, hi;       /* candidates left: [lo, hi) */
	uint64_t looked, look_max;
};

/* ---- filters ---- */
static bool in_range(int64_t t, int64_t from, int64_t to)
{
	return (from == 0 && to == 0) || (t >= from && t < to);
}

static bool filter_match(const struct store_query *q, const struct store_record *r)
{
	if (q->serial.len != 0 && !bytes_equal(q->serial, r->serial)) return false;
	if (q->spiffe_id.len != 0 && !bytes_equal(q->spiffe_id, r->spiffe_id)) return false;
	return in_range(r->not_after, q->expires_from, q->expires_to) && in_range(r->time_ms, q->issued_from, q->issued_to);
}

/* May anything between min and max be in the range? */
static bool overlaps(int64_t min, int64_t max, int64_t from, int64_t to)
{
	return (from == 0 && to == 0) || (max >= from && min < to);
}

/* ---- walking ---- */
static void walk_end(struct walk *w)
{
	if (w->txn != NULL) {
		mdb_txn_abort(MOVE(w->txn));
		store_index_leave(w->s->index);
	}
	store_view_close(w->view);
}
static inline void auto_walk(struct walk *w) { walk_end(w); }

/* Go on without the indexes. */
static void walk_give_up_index(struct walk *w, struct err e)
{
	(void)store_index_blame(w->s->index, e);
	if (w->txn != NULL) mdb_txn_abort(MOVE(w->txn));
	store_index_leave(w->s->index);
	w->db = IX_TILES;
}

/* Enter the indexes, if there are any to be believed. */
static void walk_enter_index(struct walk *w)
{
	struct index_mark m;
	struct err e;

	if (store_index_enter(w->s->index).code != ERR_OK) return;
	e = store_env_err(mdb_txn_begin(w->s->index->env.mdb, NULL, MDB_RDONLY, &w->txn));
	if (e.code == ERR_OK) e = store_index_mark_read(w->s->index, w->txn, &m);
	if (e.code == ERR_OK)
		w->mark = m.mark;
	else
		walk_give_up_index(w, e);
}

static struct err walk_choose(struct walk *w)
{
	const struct store_query *q = w->q;

	w->db = IX_TILES;
	walk_enter_index(w);
	if (w->txn == NULL) return OK;
	if (q->serial.len != 0) {
		w->db = IX_SERIAL;
		return store_index_serial_prefix(q->serial, w->key, &w->prefix);
	}
	if (q->spiffe_id.len == 0) return OK;
	w->db = IX_SPIFFE;
	return store_index_spiffe_prefix(q->spiffe_id, w->key, &w->prefix);
}

static struct err walk_begin(struct walk *w, struct store *s, const struct store_query *q)
{
	w->s = s;
	w->q = q;
	w->look_max = q->scan_limit == 0 ? SCAN_LIMIT : q->scan_limit;
	TRY(walk_choose(w));
	TRY(store_view_open(s, &w->view));
	TRY(store_view_range(w->view, &w->lo, &w->hi));
	if (q->after == UINT64_MAX) return OK;
	if (q->newest_first && q->after < w->hi) w->hi = q->after;
	if (!q->newest_first && q->after >= w->lo) w->lo = q->after + 1;
	return OK;
}

/* One candidate, or one tile, is done with. */
static void walk_pass(struct walk *w, uint64_t from, uint64_t to)
{
	if (w->q->newest_first)
		w->hi = from > w->lo ? from : w->lo;
	else
		w->lo = to < w->hi ? to : w->hi;
	w->looked++;
}

/* The index in the entry at the cursor, if it belongs to our key. */
static struct err entry_index(const struct walk *w, MDB_val k, uint64_t *out)
{
	if (k.mv_size != w->prefix + 8 || memcmp(k.mv_data, w->key, w->prefix) != 0) return store_env_err(MDB_NOTFOUND);
	*out = store_key_read((const uint8_t *)k.mv_data + w->prefix);
	return OK;
}

static struct err key_seek(struct walk *w, uint64_t *out)
{
	AUTO(cursor) MDB_cursor *c = NULL;
	MDB_val k = { w->prefix + 8, w->key }, v;
	int rc;

	TRY(store_env_err(mdb_cursor_open(w->txn, w->s->index->env.dbi[w->db], &c)));
	store_key_u64(w->q->newest_first ? w->hi : w->lo, w->key + w->prefix);
	rc = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
	if (w->q->newest_first && (rc == 0 || rc == MDB_NOTFOUND))
		rc = mdb_cursor_get(c, &k, &v, rc == 0 ? MDB_PREV : MDB_LAST);
	TRY(store_env_err(rc));
	return entry_index(w, k, out);
}

/* Can the candidate's tile be passed over? */
static bool tile_without(struct walk *w, uint64_t index)
{
	const struct store_query *q = w->q;
	struct index_times t;
	struct err e;

	if (w->txn == NULL || index / STORE_TILE >= w->mark / STORE_TILE) return false; /* not in full */
	e = store_index_times_read(w->s->index, w->txn, index / STORE_TILE, &t);
	if (e.code != ERR_OK) {
		if (e.code != ERR_NOT_FOUND) walk_give_up_index(w, e);
		return false;
	}
	return !overlaps(t.ended_min, t.ended_max, q->expires_from, q->expires_to) ||
	       !overlaps(t.issued_min, t.issued_max, q->issued_from, q->issued_to);
}

static struct err scan_next(struct walk *w, uint64_t *out)
{
	uint64_t tile;

	while (w->lo < w->hi && w->looked < w->look_max) {
		*out = w->q->newest_first ? w->hi - 1 : w->lo;
		tile = *out / STORE_TILE * STORE_TILE;
		if (!tile_without(w, *out)) return OK;
		walk_pass(w, tile, tile + STORE_TILE);
	}
	return store_env_err(MDB_NOTFOUND);
}

/* The next candidate in [lo, hi); NOT_FOUND if there is none, or no more may be looked at. */
static struct err walk_next(struct walk *w, uint64_t *out)
{
	struct err e;

	if (w->lo >= w->hi || w->looked >= w->look_max) return store_env_err(MDB_NOTFOUND);
	if (w->db != IX_TILES) {
		e = key_seek(w, out);
		if (e.code == ERR_OK && *out >= w->lo && *out < w->hi) return OK;
		if (e.code == ERR_OK || e.code == ERR_NOT_FOUND) {
			w->lo = w->hi; /* no more entries of this key */
			return store_env_err(MDB_NOTFOUND);
		}
		walk_give_up_index(w, e);
	}
	return scan_next(w, out);
}

/* Where the next page begins. */
static uint64_t walk_position(const struct walk *w)
{
	if (w->lo >= w->hi) return UINT64_MAX;
	return w->q->newest_first ? w->hi : w->lo - 1;
}

typedef struct err (*row_fn)(void *ctx, const struct store_record *r);

static struct err walk_row(struct walk *w, uint64_t index, row_fn row, void *ctx, uint32_t *found)
{
	struct store_record r;
	struct err e = store_view_record(w->view, index, &r);

	if (e.code == ERR_NOT_FOUND) return OK; /* an entry of a record that retention dropped */
	TRY(e);
	if (!filter_match(w->q, &r)) return OK;
	(*found)++;
	return row(ctx, &r);
}

static struct err walk_rows(struct walk *w, row_fn row, void *ctx, uint64_t *next)
{
	struct err e = OK;
	uint64_t index = 0;

	for (uint32_t found = 0; found < w->q->limit && walk_next(w, &index).code == ERR_OK;) {
		walk_pass(w, index, index + 1);
		e = walk_row(w, index, row, ctx, &found);
		if (e.code != ERR_OK) break;
	}
	*next = walk_position(w);
	return e;
}

struct err store_query(struct store *s, const struct store_query *q, row_fn row, void *ctx, uint64_t *next)
{
	AUTO(walk) struct walk w = { 0 };

	if (q->limit < 1 || q->limit > LIMIT_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: limit of a query out of range");
	if (q->serial.len > STORE_SERIAL_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: serial of a query too long");
	TRY(walk_begin(&w, s, q));
	return walk_rows(&w, row, ctx, next);
}

/* ---- statistics ---- */
static struct err entries(MDB_txn *txn, MDB_dbi dbi, uint64_t *out)
{
	MDB_stat st;

	TRY(store_env_err(mdb_stat(txn, dbi, &st)));
	*out = st.ms_entries;
	return OK;
}

/* Pages up to the last one ever used: what the file is long, free pages within it included. */
static struct err used(MDB_env *mdb, uint64_t *out)
{
	MDB_envinfo info;
	MDB_stat st;

	TRY(store_env_err(mdb_env_info(mdb, &info)));
	TRY(store_env_err(mdb_env_stat(mdb, &st)));
	*out = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize;
	return OK;
}

struct err store_stats(struct store *s, struct store_stats *out)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_stats st = { 0 };
	uint64_t mark = s->index->mark;

	if (store_index_enter(s->index).code == ERR_OK) {
		(void)used(s->index->env.mdb, &st.index_used_bytes);
		store_index_leave(s->index);
	}
	TRY(store_view_open(s, &v));
	TRY(store_view_range(v, &st.records_first, &st.records_end));
	TRY(entries(v->txn, s->env.dbi[DB_TOKENS], &st.tokens));
	TRY(entries(v->txn, s->env.dbi[DB_BANS], &st.bans));
	TRY(entries(v->txn, s->env.dbi[DB_REVOKED], &st.revoked));
	TRY(used(s->env.mdb, &st.used_bytes));
	st.map_bytes = s->env.map;
	if (mark < st.records_first) mark = st.records_first;
	st.index_behind = st.records_end > mark ? st.records_end - mark : 0;
	*out = st;
	return OK;
}
