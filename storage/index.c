/* When the indexes may be believed.  They are not synced, and LMDB trusts the pages that it maps: on garbage it may crash
 * rather than fail.  So a file beside them says how they were left:
 *   clean  synced and closed; with the hash of the whole file, unless it is too big to be read at each start
 *   open   in use, by this boot of the machine: believed after our own death, for the kernel still had every page;
 *          not after the machine's
 *   busy   somebody was inside when we died: maybe because of what is in there.  Never believed
 * Anything else than a state that is believed: the indexes are removed and built anew from the records. */
#include "storage/index.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/wire.h"

#define INDEX_MAP (16ULL << 20)    /* bytes; ours: it grows */
#define CHECKED_MAX (256ULL << 20) /* bytes; ours: a bigger file is not hashed (0.2 s at start and at stop) */
#define BOOT_ID_LEN 36
#define STATE_MAX 256

enum { STATE_OPEN = 1, STATE_CLEAN = 2 };

static const char *const index_names[IX_COUNT] = {
	[IX_META] = "meta", [IX_SERIAL] = "serial", [IX_SPIFFE] = "spiffe", [IX_TILES] = "tiles",
};

/* ---- the state file: busy octet, body, SHA-256(body) ---- */
/* "" if it cannot be read: then no open state is ever believed. */
static void boot_id(char out[BOOT_ID_LEN + 1])
{
	AUTO(fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, out, BOOT_ID_LEN) != BOOT_ID_LEN) out[0] = '\0';
	out[BOOT_ID_LEN] = '\0';
}

static void auto_md(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static struct err fd_hash(int fd, uint8_t out[STORE_HASH_LEN])
{
	AUTO(md) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t chunk[16384];
	ssize_t n;

	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) FAIL(ERR_UNAVAILABLE, "storage: SHA-256 failed");
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1) FAIL(ERR_UNAVAILABLE, "storage: SHA-256 failed");
	if (n < 0) return store_env_err(errno);
	if (EVP_DigestFinal_ex(ctx, out, NULL) != 1) FAIL(ERR_UNAVAILABLE, "storage: SHA-256 failed");
	return OK;
}

/* The hash of the index file; all zeros when it is too big. */
static struct err file_hash(const char *path, uint8_t out[STORE_HASH_LEN])
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	memset(out, 0, STORE_HASH_LEN);
	if (fd < 0 || fstat(fd, &st) != 0) return store_env_err(errno);
	return (uint64_t)st.st_size > CHECKED_MAX ? OK : fd_hash(fd, out);
}

static struct err state_body(const struct store *s, uint8_t state, struct buf *out)
{
	uint8_t sum[STORE_HASH_LEN] = { 0 };
	char boot[BOOT_ID_LEN + 1];

	boot_id(boot);
	if (state == STATE_CLEAN) TRY(file_hash(s->index->env.path, sum));
	TRY(wire_put_u32(out, STORE_INDEX_FORMAT));
	TRY(wire_put_u8(out, state));
	TRY(buf_put(out, s->id, STORE_ID_LEN));
	TRY(wire_put_str(out, boot));
	return buf_put(out, sum, sizeof(sum));
}

/* Durable when it returns: nothing may change in the indexes while the disk still says "clean". */
static struct err state_write(const struct store *s, uint8_t state, uint8_t busy)
{
	AUTO(buf) struct buf out = { .max = STATE_MAX };
	uint8_t sum[STORE_HASH_LEN];

	TRY(wire_put_u8(&out, busy));
	TRY(state_body(s, state, &out));
	TRY(store_sha256(BYTES(out.data + 1, out.len - 1), BYTES_NONE, sum));
	TRY(buf_put(&out, sum, sizeof(sum)));
	if (pwrite(s->index->state_fd, out.data, out.len, 0) != (ssize_t)out.len) return store_env_err(EIO);
	return store_env_err(fdatasync(s->index->state_fd) == 0 ? 0 : errno);
}

struct state {
	uint32_t format;
	uint8_t busy, state;
	struct bytes id, sum;
	char boot[BOOT_ID_LEN + 1];
};

static struct err state_parse(struct bytes in, struct state *out)
{
	uint8_t sum[STORE_HASH_LEN];
	struct bytes body, stored;

	TRY(wire_u8(&in, &out->busy));
	if (in.len < STORE_HASH_LEN) FAIL(ERR_DATA_LOSS, "storage: index state too short");
	TRY(wire_raw(&in, in.len - STORE_HASH_LEN, &body));
	TRY(wire_raw(&in, STORE_HASH_LEN, &stored));
	TRY(store_sha256(body, BYTES_NONE, sum));
	if (!bytes_equal(stored, BYTES(sum, sizeof(sum)))) FAIL(ERR_DATA_LOSS, "storage: index state is damaged");
	TRY(wire_u32(&body, &out->format));
	TRY(wire_u8(&body, &out->state));
	TRY(wire_raw(&body, STORE_ID_LEN, &out->id));
	TRY(wire_str(&body, out->boot, sizeof(out->boot)));
	TRY(wire_raw(&body, STORE_HASH_LEN, &out->sum));
	return wire_end(&body);
}

static bool state_believed(const struct store *s)
{
	static const uint8_t unchecked[STORE_HASH_LEN];
	uint8_t raw[STATE_MAX], sum[STORE_HASH_LEN];
	char boot[BOOT_ID_LEN + 1];
	struct state st = { 0 };
	ssize_t n = pread(s->index->state_fd, raw, sizeof(raw), 0);

	if (n <= 0 || state_parse(BYTES(raw, (size_t)n), &st).code != ERR_OK) return false;
	if (st.busy != 0 || st.format != STORE_INDEX_FORMAT || !bytes_equal(st.id, BYTES(s->id, STORE_ID_LEN))) return false;
	boot_id(boot);
	if (st.state == STATE_OPEN) return boot[0] != '\0' && strcmp(boot, st.boot) == 0;
	if (st.state != STATE_CLEAN) return false;
	return bytes_equal(st.sum, BYTES(unchecked, sizeof(unchecked))) ||
	       (file_hash(s->index->env.path, sum).code == ERR_OK && bytes_equal(st.sum, BYTES(sum, sizeof(sum))));
}

/* ---- entering ---- */
/* A write to the page cache, not to the disk: it has to outlive this process only. */
static void busy_write(struct store_index *ix, uint8_t busy)
{
	if (pwrite(ix->state_fd, &busy, 1, 0) != 1) ix->suspect = true;
}

struct err store_index_enter(struct store_index *ix)
{
	if (ix->suspect) FAIL(ERR_UNAVAILABLE, "storage: the index is to be built anew");
	TRY(store_env_enter(&ix->env));
	pthread_mutex_lock(&ix->busy_mutex);
	if (ix->busy++ == 0) busy_write(ix, 1);
	pthread_mutex_unlock(&ix->busy_mutex);
	return OK;
}

void store_index_leave(struct store_index *ix)
{
	pthread_mutex_lock(&ix->busy_mutex);
	if (--ix->busy == 0 && !ix->suspect) busy_write(ix, 0); /* suspect: also for the next start */
	pthread_mutex_unlock(&ix->busy_mutex);
	store_env_leave(&ix->env);
}

struct err store_index_blame(struct store_index *ix, struct err e)
{
	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND && e.code != ERR_RESOURCE_EXHAUSTED) ix->suspect = true;
	return e;
}

/* ---- the mark ---- */
struct err store_index_mark_read(struct store_index *ix, MDB_txn *txn, struct index_mark *out)
{
	struct bytes raw, leaf;

	if (store_env_get(txn, ix->env.dbi[IX_META], bytes_str("mark"), &raw).code != ERR_OK)
		FAIL(ERR_DATA_LOSS, "storage: index without its mark");
	TRY(wire_u64(&raw, &out->base));
	TRY(wire_u64(&raw, &out->mark));
	TRY(wire_raw(&raw, STORE_HASH_LEN, &leaf));
	memcpy(out->leaf, leaf.data, STORE_HASH_LEN);
	return wire_end(&raw);
}

struct err store_index_mark_write(struct store_index *ix, MDB_txn *txn, const struct index_mark *m)
{
	uint8_t raw[16 + STORE_HASH_LEN];
	MDB_val k = store_val(bytes_str("mark")), v = store_val(BYTES(raw, sizeof(raw)));

	store_key_u64(m->base, raw);
	store_key_u64(m->mark, raw + 8);
	memcpy(raw + 16, m->leaf, STORE_HASH_LEN);
	return store_env_err(mdb_put(txn, ix->env.dbi[IX_META], &k, &v, 0));
}

/* Is it of these very records, and not older than the first of them? */
static struct err mark_check(struct store *s)
{
	AUTO(store_view) struct store_view *v = NULL;
	AUTO(txn) MDB_txn *txn = NULL;
	uint8_t leaf[STORE_HASH_LEN];
	struct index_mark m;
	uint64_t first, end;

	TRY(store_view_open(s, &v));
	TRY(store_view_range(v, &first, &end));
	TRY(store_env_err(mdb_txn_begin(s->index->env.mdb, NULL, MDB_RDONLY, &txn)));
	TRY(store_index_mark_read(s->index, txn, &m));
	if (m.base > m.mark || m.mark > end || m.mark < first) FAIL(ERR_DATA_LOSS, "storage: index of other records");
	s->index->mark = m.mark;
	if (m.mark == m.base) return OK;
	TRY(store_view_leaf_hash(v, m.mark - 1, leaf));
	if (memcmp(leaf, m.leaf, sizeof(leaf)) != 0) FAIL(ERR_DATA_LOSS, "storage: index of other records");
	return OK;
}

/* ---- life ---- */
static struct err index_open(struct store *s)
{
	TRY(state_write(s, STATE_OPEN, 1)); /* busy: should opening it crash, the next start does not try again */
	TRY(store_env_open(&s->index->env));
	TRY(mark_check(s));
	busy_write(s->index, 0);
	return OK;
}

static void index_remove(struct store_index *ix)
{
	char lock[4096];

	store_env_close(&ix->env);
	ix->mark = 0;
	(void)unlink(ix->env.path);
	if ((size_t)snprintf(lock, sizeof(lock), "%s-lock", ix->env.path) < sizeof(lock)) (void)unlink(lock);
}

static struct err index_create(struct store *s, uint64_t first)
{
	AUTO(txn) MDB_txn *txn = NULL;
	struct index_mark m = { .base = first, .mark = first };

	TRY(state_write(s, STATE_OPEN, 1));
	s->index->env.map = INDEX_MAP;
	TRY(store_env_open(&s->index->env));
	TRY(store_env_err(mdb_txn_begin(s->index->env.mdb, NULL, 0, &txn)));
	TRY(store_index_mark_write(s->index, txn, &m));
	TRY(store_env_err(mdb_txn_commit(MOVE(txn))));
	s->index->mark = first;
	s->index->suspect = false;
	busy_write(s->index, 0);
	return OK;
}

struct err store_index_rebuild(struct store *s, uint64_t first)
{
	struct err e;

	TRY(store_env_exclude(&s->index->env));
	index_remove(s->index);
	e = index_create(s, first);
	if (e.code != ERR_OK) index_remove(s->index); /* the next call tries again */
	store_env_admit(&s->index->env);
	return e;
}

static struct err index_start(struct store *s, const char *dir, uint64_t map_max)
{
	struct store_index *ix = s->index;

	TRY(store_env_init(&ix->env, dir, "index.mdb"));
	ix->env.names = index_names;
	ix->env.count = ix->env.kept = IX_COUNT;
	ix->env.format = STORE_INDEX_FORMAT;
	ix->env.flags = MDB_NOSYNC;
	ix->env.map = INDEX_MAP;
	ix->env.map_max = map_max > INDEX_MAP ? map_max : INDEX_MAP;
	if (asprintf(&ix->state_path, "%s/index.state", dir) < 0) {
		ix->state_path = NULL;
		return store_env_err(ENOMEM);
	}
	ix->state_fd = open(ix->state_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return store_env_err(ix->state_fd >= 0 ? 0 : errno);
}

struct err store_index_new(struct store *s, const char *dir, uint64_t map_max)
{
	struct store_index *ix = calloc(1, sizeof(*ix));

	if (ix == NULL) return store_env_err(ENOMEM);
	s->index = ix;
	ix->state_fd = -1;
	pthread_mutex_init(&ix->building, NULL);
	pthread_mutex_init(&ix->busy_mutex, NULL);
	TRY(index_start(s, dir, map_max));
	if (!state_believed(s) || index_open(s).code != ERR_OK) index_remove(ix);
	return OK;
}

void store_index_free(struct store *s)
{
	struct store_index *ix = s->index;
	bool clean;

	if (ix == NULL) return;
	clean = ix->env.mdb != NULL && !ix->suspect && mdb_env_sync(ix->env.mdb, 1) == 0;
	if (ix->env.mdb != NULL) store_env_close(&ix->env);
	if (clean) (void)state_write(s, STATE_CLEAN, 0); /* if not: the state stays "open" */
	store_env_free(&ix->env);
	auto_fd(&ix->state_fd);
	pthread_mutex_destroy(&ix->building);
	pthread_mutex_destroy(&ix->busy_mutex);
	free(ix->state_path);
	free(ix);
	s->index = NULL;
}
