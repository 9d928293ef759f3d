#include "storage/intent.h"

#include <string.h>

#include "storage/internal.h"

static struct err name_check(const char *name)
{
	size_t len = strnlen(name, STORE_INTENT_NAME_MAX + 1);

	if (len < 1 || len > STORE_INTENT_NAME_MAX || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
		FAIL(ERR_INVALID_ARGUMENT, "storage: name of an intent out of range");
	return OK;
}

struct err store_batch_intent_add(struct store_batch *b, const char *name, struct bytes value)
{
	struct bytes raw;
	struct err e;

	TRY(name_check(name));
	if (value.len < 1 || value.len > STORE_INTENT_VALUE_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "storage: length of an intent out of range");
	e = store_batch_find(b, DB_INTENTS, bytes_str(name), &raw);
	if (e.code == ERR_OK) FAIL(ERR_ALREADY_EXISTS, "storage: intent exists");
	if (e.code != ERR_NOT_FOUND) return e;
	return store_change_put(b, DB_INTENTS, bytes_str(name), value);
}

struct err store_batch_intent_drop(struct store_batch *b, const char *name)
{
	struct bytes raw;

	TRY(name_check(name));
	TRY(store_batch_find(b, DB_INTENTS, bytes_str(name), &raw));
	return store_change_delete(b, DB_INTENTS, bytes_str(name));
}

struct err store_view_intent_next(struct store_view *v, struct store_cursor *cursor, struct store_intent *out)
{
	TRY(store_entry_next(v, DB_INTENTS, cursor, &out->value));
	if (cursor->len < 1 || cursor->len > STORE_INTENT_NAME_MAX) FAIL(ERR_DATA_LOSS, "storage: an intent's key is damaged");
	memcpy(out->name, cursor->key, cursor->len);
	out->name[cursor->len] = '\0';
	return OK;
}
