/* env.h: one LMDB environment that can grow and be reopened under its readers.  Inside storage/ only.
 *
 * mdb_env_set_mapsize() and reopening must not run while this process has a transaction (lmdb.h), so whoever reads enters
 * the environment and leaves it, and growing shuts everybody out first.  The one writing transaction is not counted: its
 * owner ends it before it calls store_env_grow() or store_env_reopen(). */
#ifndef SIGNET_STORAGE_ENV_H
#define SIGNET_STORAGE_ENV_H

#include <lmdb.h>
#include <pthread.h>

#include "base/bytes.h"

#define STORE_ENV_DBS 12
#define STORE_ENV_WAIT_S 5 /* ours: the longest wait for readers to leave, and for the shut gate to open */

struct store_env {
	const char *const *names; /* of the databases; [0] is "meta", which holds "format" */
	size_t count, kept; /* those from [kept] on came later within the format: made when they are missing */
	uint32_t format;
	unsigned flags;   /* more flags for mdb_env_open() */
	char *path;
	uint64_t map, map_max;
	MDB_env *mdb;     /* NULL: not open */
	MDB_dbi dbi[STORE_ENV_DBS];
	pthread_mutex_t mutex; /* of the gate: */
	pthread_cond_t changed;
	unsigned users;
	bool shut;
};

/* The gate and the path (copied); nothing is opened yet.  Release with store_env_free(). */
struct err store_env_init(struct store_env *e, const char *dir, const char *file);
void store_env_free(struct store_env *e);

/* Open or create.  FAILED_PRECONDITION: newer format (cause: which); DATA_LOSS: not readable as ours.  No one may be in. */
struct err store_env_open(struct store_env *e);
void store_env_close(struct store_env *e);

/* A reader goes in and out.  UNAVAILABLE: shut for too long, or not open. */
struct err store_env_enter(struct store_env *e);
void store_env_leave(struct store_env *e);
/* Alone inside: waits until all readers left; UNAVAILABLE if they do not.  Undone by store_env_admit(). */
struct err store_env_exclude(struct store_env *e);
void store_env_admit(struct store_env *e);

/* RESOURCE_EXHAUSTED at map_max or when the address space is not to be had; UNAVAILABLE as store_env_exclude(). */
struct err store_env_grow(struct store_env *e);
/* Close and open again, after an error that LMDB does not go on from (MDB_PANIC). */
struct err store_env_reopen(struct store_env *e);

/* What an LMDB or system error means to our caller; OK for 0. */
struct err store_env_err(int rc);
static inline MDB_val store_val(struct bytes b) { return (MDB_val){ .mv_size = b.len, .mv_data = (void *)b.data }; }
static inline struct bytes store_bytes(MDB_val v) { return BYTES(v.mv_data, v.mv_size); }
static inline void auto_txn(MDB_txn **txn)
{
	if (*txn != NULL) mdb_txn_abort(*txn);
}
static inline void auto_cursor(MDB_cursor **c) /* declared after its transaction, so that it goes first */
{
	if (*c != NULL) mdb_cursor_close(*c);
}
/* NOT_FOUND if it is not there.  The value lives until the transaction ends or, in a writing one, changes. */
struct err store_env_get(MDB_txn *txn, MDB_dbi dbi, struct bytes key, struct bytes *value);

#endif
