/* Opening and closing a directory: it is ours alone, private, and of a format that we know. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "storage/internal.h"

#define MAP_INITIAL (64ULL << 20) /* bytes; ours */
#define MAP_MAX (1ULL << 40)

static const char *const db_names[DB_COUNT] = {
	[DB_META] = "meta", [DB_RECORDS] = "records", [DB_TILES] = "tiles", [DB_TOKENS] = "tokens",
	[DB_TOKEN_IDS] = "token_ids", [DB_TOKEN_EXPIRY] = "token_expiry", [DB_BANS] = "bans", [DB_VALUES] = "values",
	[DB_REVOKED] = "revoked", [DB_EVENTS] = "events", [DB_NODES] = "nodes", [DB_INTENTS] = "intents",
};

void store_at_point(struct store *s, const char *point)
{
	if (s->at_point != NULL) s->at_point(point, s->at_point_ctx);
}

static struct err dir_open(const char *dir, int *out)
{
	AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "storage: cannot open the directory", errno);
	if (st.st_uid != geteuid()) FAIL(ERR_FAILED_PRECONDITION, "storage: the directory is not ours");
	if ((st.st_mode & 07777) != 0700) FAIL(ERR_FAILED_PRECONDITION, "storage: the directory's mode is not 0700");
	*out = MOVE_FD(fd);
	return OK;
}

/* Held until the process ends or closes the store; the file stays (removing it would let two hold "the" lock). */
static struct err dir_lock(int dir_fd, int *out)
{
	AUTO(fd) int fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) return store_env_err(errno);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EWOULDBLOCK) FAIL(ERR_FAILED_PRECONDITION, "storage: the directory is in use by another process");
		FAIL_BY(ERR_UNAVAILABLE, "storage: cannot lock the directory", errno);
	}
	*out = MOVE_FD(fd);
	return OK;
}

/* The directory's own random name; made once. */
static struct err store_name(struct store *s)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct store_batch *b;
	struct bytes raw;

	TRY(store_view_open(s, &v));
	if (store_env_get(v->txn, s->env.dbi[DB_META], bytes_str("id"), &raw).code == ERR_OK) {
		if (raw.len != STORE_ID_LEN) FAIL(ERR_DATA_LOSS, "storage: the directory's id is damaged");
		memcpy(s->id, raw.data, STORE_ID_LEN);
		return OK;
	}
	store_view_close(MOVE(v));
	if (getrandom(s->id, STORE_ID_LEN, 0) != STORE_ID_LEN) FAIL_BY(ERR_UNAVAILABLE, "storage: no random bytes", errno);
	TRY(store_batch_begin(s, &b));
	(void)store_change_put(b, DB_META, bytes_str("id"), BYTES(s->id, STORE_ID_LEN)); /* the commit tells */
	return store_batch_commit(b);
}

static struct err store_start(struct store *s, const struct store_options *o)
{
	AUTO(fd) int dir_fd = -1;

	TRY(dir_open(o->dir, &dir_fd));
	TRY(dir_lock(dir_fd, &s->lock_fd));
	TRY(store_env_init(&s->env, o->dir, "records.mdb"));
	s->env.names = db_names;
	s->env.count = DB_COUNT;
	s->env.kept = DB_KEPT;
	s->env.format = STORE_FORMAT;
	s->env.map = o->map_initial != 0 ? o->map_initial : MAP_INITIAL;
	s->env.map_max = o->map_max != 0 ? o->map_max : MAP_MAX;
	TRY(store_env_open(&s->env));
	s->unsettled = true;
	/* The file's name must be as durable as what will be in it. */
	if (fsync(dir_fd) != 0) return store_env_err(errno);
	TRY(store_name(s));
	/* Only now: until here nobody is called back, and a refused open makes no promises to the hook. */
	s->at_point = o->at_point;
	s->at_point_ctx = o->at_point_ctx;
	return store_index_new(s, o->dir, s->env.map_max);
}

struct err store_open(const struct store_options *options, struct store **out)
{
	AUTO(store) struct store *s = calloc(1, sizeof(*s));

	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "storage: out of memory");
	s->lock_fd = -1;
	TRY(store_start(s, options));
	*out = MOVE(s);
	return OK;
}

void store_close(struct store *s)
{
	if (s == NULL) return;
	store_index_free(s);
	store_env_free(&s->env);
	buf_free(&s->batch.log);
	auto_fd(&s->lock_fd);
	free(s);
}
