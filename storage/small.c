/* Bans and small named values. */
#include <string.h>

#include "storage/internal.h"

#define BAN_VALUE_MAX (STORE_TEXT_MAX + 512) /* bytes of an encoded ban */
#define BAN_KEY_LEN (1 + STORE_HASH_LEN)

/* A subject is longer than an LMDB key may be (511 bytes): its hash stands for it. */
static struct err ban_key(enum store_ban_kind kind, const char *subject, uint8_t out[BAN_KEY_LEN])
{
	out[0] = (uint8_t)kind;
	return store_sha256(BYTES(subject, strnlen(subject, STORE_TEXT_MAX + 1)), BYTES_NONE, out + 1);
}

struct err store_batch_ban_add(struct store_batch *b, const struct store_ban *ban)
{
	AUTO(buf) struct buf value = { .max = BAN_VALUE_MAX };
	uint8_t key[BAN_KEY_LEN];
	struct bytes raw;
	struct err e;

	TRY(store_ban_encode(ban, &value));
	TRY(ban_key(ban->kind, ban->subject, key));
	e = store_batch_find(b, DB_BANS, BYTES(key, sizeof(key)), &raw);
	if (e.code == ERR_OK) FAIL(ERR_ALREADY_EXISTS, "storage: ban exists");
	if (e.code != ERR_NOT_FOUND) return e;
	return store_change_put(b, DB_BANS, BYTES(key, sizeof(key)), buf_view(&value));
}

struct err store_batch_ban_remove(struct store_batch *b, enum store_ban_kind kind, const char *subject)
{
	uint8_t key[BAN_KEY_LEN];
	struct bytes raw;

	TRY(ban_key(kind, subject, key));
	TRY(store_batch_find(b, DB_BANS, BYTES(key, sizeof(key)), &raw));
	return store_change_delete(b, DB_BANS, BYTES(key, sizeof(key)));
}

static struct err name_check(const char *name)
{
	size_t len = strnlen(name, STORE_NAME_MAX + 1);

	if (len < 1 || len > STORE_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != len)
		FAIL(ERR_INVALID_ARGUMENT, "storage: name of a value out of range");
	return OK;
}

struct err store_batch_put(struct store_batch *b, const char *name, struct bytes value)
{
	TRY(name_check(name));
	if (value.len < 1 || value.len > STORE_VALUE_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: length of a value out of range");
	return store_change_put(b, DB_VALUES, bytes_str(name), value);
}

struct err store_batch_get(struct store_batch *b, const char *name, struct buf *out)
{
	struct bytes raw;

	TRY(name_check(name));
	TRY(store_batch_find(b, DB_VALUES, bytes_str(name), &raw));
	return buf_put(out, raw.data, raw.len);
}

struct err store_batch_delete(struct store_batch *b, const char *name)
{
	struct bytes raw;

	TRY(name_check(name));
	TRY(store_batch_find(b, DB_VALUES, bytes_str(name), &raw));
	return store_change_delete(b, DB_VALUES, bytes_str(name));
}

struct err store_view_get(struct store_view *v, const char *name, struct buf *out)
{
	struct bytes raw;

	TRY(name_check(name));
	TRY(store_env_get(v->txn, v->s->env.dbi[DB_VALUES], bytes_str(name), &raw));
	return buf_put(out, raw.data, raw.len);
}
