#include "storage/env.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "base/own.h"
#include "base/wire.h"

#define MAP_STEP_MAX (1ULL << 30) /* bytes; ours: what one growth adds at most */
#define MAP_PAGE 4096ULL          /* sizes are multiples of it (lmdb.h: "a multiple of the OS page size") */

static const struct { int rc; struct err err; } env_errors[] = {
	{ MDB_SUCCESS, { ERR_OK, "ok", 0 } },
	{ MDB_NOTFOUND, { ERR_NOT_FOUND, "storage: not found", 0 } },
	{ ENOSPC, { ERR_RESOURCE_EXHAUSTED, "storage: disk full", 0 } },
	{ EDQUOT, { ERR_RESOURCE_EXHAUSTED, "storage: disk quota reached", 0 } },
	{ EFBIG, { ERR_RESOURCE_EXHAUSTED, "storage: file size limit reached", 0 } },
	{ ENOMEM, { ERR_RESOURCE_EXHAUSTED, "storage: out of memory", 0 } },
	{ MDB_MAP_FULL, { ERR_RESOURCE_EXHAUSTED, "storage: map full", 0 } },
	{ MDB_TXN_FULL, { ERR_RESOURCE_EXHAUSTED, "storage: batch too large", 0 } },
	{ MDB_READERS_FULL, { ERR_RESOURCE_EXHAUSTED, "storage: too many views", 0 } },
	{ EIO, { ERR_UNAVAILABLE, "storage: I/O error, or the disk is full", 0 } },
	{ MDB_PANIC, { ERR_UNAVAILABLE, "storage: engine stopped after an I/O error", 0 } },
	{ EACCES, { ERR_FAILED_PRECONDITION, "storage: no access to a file", 0 } },
	{ EROFS, { ERR_FAILED_PRECONDITION, "storage: read-only file system", 0 } },
	{ MDB_VERSION_MISMATCH, { ERR_FAILED_PRECONDITION, "storage: file of another LMDB version", 0 } },
	{ MDB_CORRUPTED, { ERR_DATA_LOSS, "storage: file is damaged", 0 } },
	{ MDB_PAGE_NOTFOUND, { ERR_DATA_LOSS, "storage: file is damaged (page missing)", 0 } },
	{ MDB_INVALID, { ERR_DATA_LOSS, "storage: not an LMDB file", 0 } },
	{ MDB_INCOMPATIBLE, { ERR_DATA_LOSS, "storage: file is damaged (database kind)", 0 } },
};

struct err store_env_err(int rc)
{
	for (size_t i = 0; i < ARRAY_LEN(env_errors); i++) {
		struct err e = env_errors[i].err;

		if (env_errors[i].rc != rc) continue;
		e.cause = (unsigned long)(unsigned)rc;
		return e;
	}
	FAIL_BY(ERR_UNAVAILABLE, "storage: engine error", (unsigned)rc);
}

struct err store_env_init(struct store_env *e, const char *dir, const char *file)
{
	pthread_condattr_t attr;

	if (asprintf(&e->path, "%s/%s", dir, file) < 0) {
		e->path = NULL;
		FAIL(ERR_RESOURCE_EXHAUSTED, "storage: out of memory");
	}
	pthread_mutex_init(&e->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a stepping wall clock must not stretch a wait */
	pthread_cond_init(&e->changed, &attr);
	pthread_condattr_destroy(&attr);
	return OK;
}

void store_env_free(struct store_env *e)
{
	if (e->path == NULL) return;
	store_env_close(e);
	pthread_cond_destroy(&e->changed);
	pthread_mutex_destroy(&e->mutex);
	free(e->path);
	e->path = NULL;
}

void store_env_close(struct store_env *e)
{
	if (e->mdb != NULL) mdb_env_close(e->mdb);
	e->mdb = NULL;
}

struct err store_env_get(MDB_txn *txn, MDB_dbi dbi, struct bytes key, struct bytes *value)
{
	MDB_val k = store_val(key), v;

	TRY(store_env_err(mdb_get(txn, dbi, &k, &v)));
	*value = store_bytes(v);
	return OK;
}

/* ---- opening ---- */
static struct err env_create_dbs(struct store_env *e, MDB_txn *txn)
{
	uint8_t format[4] = { (uint8_t)(e->format >> 24), (uint8_t)(e->format >> 16), (uint8_t)(e->format >> 8),
	                      (uint8_t)e->format };
	MDB_val k = store_val(bytes_str("format")), v = store_val(BYTES(format, sizeof(format)));

	for (size_t i = 0; i < e->count; i++)
		TRY(store_env_err(mdb_dbi_open(txn, e->names[i], MDB_CREATE, &e->dbi[i])));
	return store_env_err(mdb_put(txn, e->dbi[0], &k, &v, 0));
}

static struct err env_find_db(struct store_env *e, MDB_txn *txn, size_t i)
{
	int rc = mdb_dbi_open(txn, e->names[i], i < e->kept ? 0 : MDB_CREATE, &e->dbi[i]);

	if (rc == MDB_NOTFOUND) FAIL(ERR_DATA_LOSS, "storage: a database is missing in the file");
	return store_env_err(rc);
}

static struct err env_find_dbs(struct store_env *e, MDB_txn *txn)
{
	struct bytes raw;
	uint32_t format;

	TRY(env_find_db(e, txn, 0));
	if (store_env_get(txn, e->dbi[0], bytes_str("format"), &raw).code != ERR_OK || raw.len != sizeof(format))
		FAIL(ERR_DATA_LOSS, "storage: the file names no format");
	TRY(wire_u32(&raw, &format));
	if (format > e->format)
		FAIL_BY(ERR_FAILED_PRECONDITION, "storage: directory has a newer format than this program knows", format);
	if (format != e->format) FAIL_BY(ERR_DATA_LOSS, "storage: the file has an unknown format", format);
	for (size_t i = 1; i < e->count; i++) TRY(env_find_db(e, txn, i));
	return OK;
}

/* All databases and the format come into being in one transaction, so that a file has either none or all of them. */
static struct err env_open_dbs(struct store_env *e)
{
	AUTO(txn) MDB_txn *txn = NULL;
	MDB_stat st;
	bool whole;

	TRY(store_env_err(mdb_env_stat(e->mdb, &st)));
	whole = st.ms_entries >= e->count; /* the main database's entries are the databases */
	TRY(store_env_err(mdb_txn_begin(e->mdb, NULL, whole ? MDB_RDONLY : 0, &txn)));
	if (st.ms_entries == 0)
		TRY(env_create_dbs(e, txn));
	else
		TRY(env_find_dbs(e, txn));
	return store_env_err(mdb_txn_commit(MOVE(txn)));
}

/* LMDB reads through a map: a page past the end of a truncated file would be SIGBUS, not an error. */
static struct err env_check_length(struct store_env *e)
{
	MDB_envinfo info;
	MDB_stat st;
	struct stat file;

	TRY(store_env_err(mdb_env_info(e->mdb, &info)));
	TRY(store_env_err(mdb_env_stat(e->mdb, &st)));
	if (stat(e->path, &file) != 0) return store_env_err(errno);
	if ((uint64_t)file.st_size / st.ms_psize <= info.me_last_pgno)
		FAIL(ERR_DATA_LOSS, "storage: the file is shorter than what it holds");
	return OK;
}

/* Start with room to double, so that a big store is not grown in the middle of its first batch. */
static void env_size_map(struct store_env *e)
{
	struct stat file;
	uint64_t want = stat(e->path, &file) == 0 ? (uint64_t)file.st_size * 2 : 0;

	e->map = (e->map + MAP_PAGE - 1) / MAP_PAGE * MAP_PAGE;
	while (e->map < want && e->map < e->map_max) e->map += e->map < MAP_STEP_MAX ? e->map : MAP_STEP_MAX;
	if (e->map > e->map_max) e->map = e->map_max / MAP_PAGE * MAP_PAGE;
}

static struct err env_open_file(struct store_env *e)
{
	TRY(store_env_err(mdb_env_create(&e->mdb)));
	TRY(store_env_err(mdb_env_set_maxdbs(e->mdb, STORE_ENV_DBS)));
	TRY(store_env_err(mdb_env_set_mapsize(e->mdb, e->map)));
	/* No MDB_NOMEMINIT: it would write bytes of our heap into the file. */
	TRY(store_env_err(mdb_env_open(e->mdb, e->path, MDB_NOSUBDIR | MDB_NOTLS | e->flags, 0600)));
	TRY(env_check_length(e));
	return env_open_dbs(e);
}

struct err store_env_open(struct store_env *e)
{
	struct err err;

	env_size_map(e);
	err = env_open_file(e);
	if (err.code != ERR_OK) store_env_close(e);
	return err;
}

/* ---- the gate ---- */
static struct timespec env_deadline(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += STORE_ENV_WAIT_S;
	return ts;
}

struct err store_env_enter(struct store_env *e)
{
	struct timespec until = env_deadline();
	bool in;

	pthread_mutex_lock(&e->mutex);
	while (e->shut && pthread_cond_timedwait(&e->changed, &e->mutex, &until) == 0) continue;
	in = !e->shut && e->mdb != NULL;
	if (in) e->users++;
	pthread_mutex_unlock(&e->mutex);
	if (!in) FAIL(ERR_UNAVAILABLE, "storage: not open for reading just now");
	return OK;
}

void store_env_leave(struct store_env *e)
{
	pthread_mutex_lock(&e->mutex);
	if (--e->users == 0) pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->mutex);
}

struct err store_env_exclude(struct store_env *e)
{
	struct timespec until = env_deadline();
	bool alone;

	pthread_mutex_lock(&e->mutex);
	e->shut = true;
	while (e->users > 0 && pthread_cond_timedwait(&e->changed, &e->mutex, &until) == 0) continue;
	alone = e->users == 0;
	if (!alone) {
		e->shut = false;
		pthread_cond_broadcast(&e->changed);
	}
	pthread_mutex_unlock(&e->mutex);
	if (!alone) FAIL(ERR_UNAVAILABLE, "storage: a view was held for too long");
	return OK;
}

void store_env_admit(struct store_env *e)
{
	pthread_mutex_lock(&e->mutex);
	e->shut = false;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->mutex);
}

/* ---- growing ---- */
/* LMDB unmaps before it maps anew, and is lost when that fails: so try first whether there is room for the new map. */
static bool env_address_space(uint64_t size)
{
	void *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) return false;
	munmap(p, size);
	return true;
}

static struct err env_grow_alone(struct store_env *e, uint64_t size)
{
	int rc = mdb_env_set_mapsize(e->mdb, size);

	if (rc == 0) {
		e->map = size;
		return OK;
	}
	store_env_close(e);
	TRY(store_env_open(e));
	return store_env_err(rc);
}

struct err store_env_grow(struct store_env *e)
{
	uint64_t step = e->map < MAP_STEP_MAX ? e->map : MAP_STEP_MAX;
	uint64_t left = e->map_max > e->map ? (e->map_max - e->map) / MAP_PAGE * MAP_PAGE : 0;
	struct err err;

	if (step > left) step = left;
	if (step == 0) FAIL(ERR_RESOURCE_EXHAUSTED, "storage: full up to map_max");
	if (!env_address_space(e->map + step)) FAIL(ERR_RESOURCE_EXHAUSTED, "storage: no address space for a larger map");
	TRY(store_env_exclude(e));
	err = env_grow_alone(e, e->map + step);
	store_env_admit(e);
	return err;
}

struct err store_env_reopen(struct store_env *e)
{
	struct err err;

	TRY(store_env_exclude(e));
	store_env_close(e);
	err = store_env_open(e);
	store_env_admit(e);
	return err;
}
