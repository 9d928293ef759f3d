/* Filling the indexes from the records: slices, each one transaction of the index environment.
 *   serial   length of the serial (1 octet), serial, index (8)      -> nothing
 *   spiffe   SHA-256(SPIFFE ID)[0..15], index (8)                    -> nothing
 *   tiles    tile number (8)                                         -> earliest and latest notAfter, and time of issuance */
#include <string.h>

#include "storage/index.h"

#define SLICE 512          /* records in one transaction; ours: some milliseconds of an open view */
#define STALE_KEEP 65536   /* ours: entries of dropped records that are not worth building anew for */

struct builder {
	struct store_index *ix;
	MDB_txn *txn;
	struct index_times times; /* of tile `tile` so far */
	uint64_t tile;
};

/* ---- keys and values ---- */
struct err store_index_serial_prefix(struct bytes serial, uint8_t out[INDEX_PREFIX_MAX], size_t *len)
{
	if (serial.len < 1 || serial.len > STORE_SERIAL_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: serial out of range");
	out[0] = (uint8_t)serial.len;
	memcpy(out + 1, serial.data, serial.len);
	*len = 1 + serial.len;
	return OK;
}

struct err store_index_spiffe_prefix(struct bytes spiffe_id, uint8_t out[INDEX_PREFIX_MAX], size_t *len)
{
	uint8_t hash[STORE_HASH_LEN];

	TRY(store_sha256(spiffe_id, BYTES_NONE, hash));
	memcpy(out, hash, INDEX_SPIFFE_LEN);
	*len = INDEX_SPIFFE_LEN;
	return OK;
}

struct err store_index_times_read(struct store_index *ix, MDB_txn *txn, uint64_t tile, struct index_times *out)
{
	struct bytes raw;
	uint8_t key[8];

	store_key_u64(tile, key);
	TRY(store_env_get(txn, ix->env.dbi[IX_TILES], BYTES(key, sizeof(key)), &raw));
	if (raw.len != INDEX_TIMES_LEN) FAIL(ERR_DATA_LOSS, "storage: index is damaged");
	out->ended_min = (int64_t)store_key_read(raw.data);
	out->ended_max = (int64_t)store_key_read(raw.data + 8);
	out->issued_min = (int64_t)store_key_read(raw.data + 16);
	out->issued_max = (int64_t)store_key_read(raw.data + 24);
	return OK;
}

static struct err times_write(struct builder *b)
{
	uint8_t key[8], raw[INDEX_TIMES_LEN];
	MDB_val k = { sizeof(key), key }, v = { sizeof(raw), raw };

	store_key_u64(b->tile, key);
	store_key_u64((uint64_t)b->times.ended_min, raw);
	store_key_u64((uint64_t)b->times.ended_max, raw + 8);
	store_key_u64((uint64_t)b->times.issued_min, raw + 16);
	store_key_u64((uint64_t)b->times.issued_max, raw + 24);
	return store_env_err(mdb_put(b->txn, b->ix->env.dbi[IX_TILES], &k, &v, 0));
}

static const struct index_times no_times = { INT64_MAX, INT64_MIN, INT64_MAX, INT64_MIN };

static struct err times_begin(struct builder *b, uint64_t tile)
{
	struct err e = store_index_times_read(b->ix, b->txn, tile, &b->times);

	b->tile = tile;
	if (e.code == ERR_NOT_FOUND) b->times = no_times;
	return e.code == ERR_NOT_FOUND ? OK : e;
}

static void times_add(struct index_times *t, int64_t ended, int64_t issued)
{
	if (ended < t->ended_min) t->ended_min = ended;
	if (ended > t->ended_max) t->ended_max = ended;
	if (issued < t->issued_min) t->issued_min = issued;
	if (issued > t->issued_max) t->issued_max = issued;
}

static struct err key_add(struct builder *b, enum index_db db, uint8_t key[INDEX_PREFIX_MAX + 8], size_t len)
{
	MDB_val k = { len, key }, v = { 0, key };

	return store_env_err(mdb_put(b->txn, b->ix->env.dbi[db], &k, &v, 0));
}

static struct err record_add(struct builder *b, const struct store_record *r)
{
	uint8_t key[INDEX_PREFIX_MAX + 8];
	size_t len;

	times_add(&b->times, r->not_after, r->time_ms);
	TRY(store_index_serial_prefix(r->serial, key, &len));
	store_key_u64(r->index, key + len);
	TRY(key_add(b, IX_SERIAL, key, len + 8));
	if (r->spiffe_id.len == 0) return OK;
	TRY(store_index_spiffe_prefix(r->spiffe_id, key, &len));
	store_key_u64(r->index, key + len);
	return key_add(b, IX_SPIFFE, key, len + 8);
}

/* A damaged record cannot be indexed; its tile must then never be passed over. */
static struct err index_add(struct builder *b, struct store_view *v, uint64_t index)
{
	struct store_record r;
	struct err e;

	if (index / STORE_TILE != b->tile) {
		TRY(times_write(b));
		TRY(times_begin(b, index / STORE_TILE));
	}
	e = store_view_record(v, index, &r);
	if (e.code == ERR_OK) return record_add(b, &r);
	times_add(&b->times, INT64_MIN, INT64_MIN);
	times_add(&b->times, INT64_MAX, INT64_MAX);
	return OK;
}

/* ---- slices ---- */
static struct err slice_write(struct store *s, struct store_view *v, uint64_t to)
{
	AUTO(txn) MDB_txn *txn = NULL;
	struct builder b = { .ix = s->index };
	struct index_mark m;

	TRY(store_env_err(mdb_txn_begin(s->index->env.mdb, NULL, 0, &txn)));
	b.txn = txn;
	TRY(store_index_mark_read(s->index, txn, &m));
	TRY(times_begin(&b, m.mark / STORE_TILE));
	for (; m.mark < to; m.mark++) TRY(index_add(&b, v, m.mark));
	TRY(times_write(&b));
	TRY(store_view_leaf_hash(v, to - 1, m.leaf));
	TRY(store_index_mark_write(s->index, txn, &m));
	store_at_point(s, "before-index");
	TRY(store_env_err(mdb_txn_commit(MOVE(txn))));
	s->index->mark = to;
	return OK;
}

struct progress {
	uint64_t added, behind; /* by this step; after it */
	bool stale, again;
};

/* Older than the first record, or mostly of records that are gone: building anew then costs less than it saves. */
static bool mark_stale(const struct index_mark *m, uint64_t first)
{
	return m->mark < first || (first > m->base && first - m->base > m->mark - first + STALE_KEEP);
}

static struct err mark_now(struct store_index *ix, struct index_mark *out)
{
	AUTO(txn) MDB_txn *txn = NULL;

	TRY(store_env_err(mdb_txn_begin(ix->env.mdb, NULL, MDB_RDONLY, &txn)));
	return store_index_mark_read(ix, txn, out);
}

static struct err slice_inside(struct store *s, uint64_t max, struct progress *p)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct index_mark m;
	uint64_t first, end;

	TRY(store_view_open(s, &v));
	TRY(store_view_range(v, &first, &end));
	TRY(store_index_blame(s->index, mark_now(s->index, &m)));
	p->stale = mark_stale(&m, first);
	if (p->stale || m.mark >= end) return OK;
	p->added = end - m.mark;
	if (p->added > SLICE) p->added = SLICE;
	if (p->added > max) p->added = max;
	p->behind = end - m.mark - p->added;
	return store_index_blame(s->index, slice_write(s, v, m.mark + p->added));
}

static struct err rebuild(struct store *s)
{
	AUTO(store_view) struct store_view *v = NULL;
	uint64_t first, end;

	TRY(store_view_open(s, &v));
	TRY(store_view_range(v, &first, &end));
	store_view_close(MOVE(v)); /* the writer may want all views closed while we wait for readers of the index */
	return store_index_rebuild(s, first);
}

/* One slice, or what is needed before the next one can be: a new file, a bigger map. */
static struct err step(struct store *s, uint64_t max, struct progress *p)
{
	struct err e;

	*p = (struct progress){ .again = true };
	if (s->index->env.mdb == NULL || s->index->suspect) return rebuild(s);
	TRY(store_index_enter(s->index));
	e = slice_inside(s, max, p);
	store_index_leave(s->index);
	if (e.code != ERR_OK) p->added = 0;
	if (e.code == ERR_RESOURCE_EXHAUSTED && e.cause == (unsigned)MDB_MAP_FULL) return store_env_grow(&s->index->env);
	TRY(e);
	if (p->stale) return rebuild(s);
	p->again = p->behind > 0;
	return OK;
}

static struct err catch_up(struct store *s, uint64_t max, uint64_t *behind)
{
	uint64_t left = max == 0 ? UINT64_MAX : max;
	struct progress p;

	do {
		TRY(step(s, left, &p));
		left -= p.added;
	} while (p.again && left > 0);
	*behind = p.behind;
	return OK;
}

struct err store_index_catch_up(struct store *s, uint64_t max_records, uint64_t *behind)
{
	struct err e;

	pthread_mutex_lock(&s->index->building);
	e = catch_up(s, max_records, behind);
	pthread_mutex_unlock(&s->index->building);
	return e;
}
