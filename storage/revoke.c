/* Revocations: the writer's half. */
#include "storage/internal.h"

#define VALUE_MAX 256 /* bytes of an encoded revocation */

struct err store_batch_revoke(struct store_batch *b, const struct store_revocation *r)
{
	AUTO(buf) struct buf value = { .max = VALUE_MAX };
	struct bytes key = BYTES(r->serial, r->serial_len);
	bool revoked;

	if (key.len < 1 || key.len > STORE_SERIAL_MAX) FAIL(ERR_INVALID_ARGUMENT, "storage: serial of a revocation out of range");
	TRY(store_revocation_encode(r, &value));
	TRY(store_batch_is_revoked(b, key, &revoked));
	if (revoked) FAIL(ERR_ALREADY_EXISTS, "storage: revoked already");
	return store_change_put(b, DB_REVOKED, key, buf_view(&value));
}

struct err store_batch_revocation_drop(struct store_batch *b, struct bytes serial)
{
	bool revoked;

	TRY(store_batch_is_revoked(b, serial, &revoked));
	if (!revoked) FAIL(ERR_NOT_FOUND, "storage: not revoked");
	return store_change_delete(b, DB_REVOKED, serial);
}

struct err store_batch_is_revoked(struct store_batch *b, struct bytes serial, bool *revoked)
{
	struct err e = ERR(ERR_NOT_FOUND, "storage: no such serial");
	struct bytes raw;

	/* LMDB takes no empty key */
	if (serial.len >= 1 && serial.len <= STORE_SERIAL_MAX) e = store_batch_find(b, DB_REVOKED, serial, &raw);
	*revoked = e.code == ERR_OK;
	return e.code == ERR_NOT_FOUND ? OK : e;
}

struct err store_batch_record(struct store_batch *b, uint64_t index, struct store_record *out)
{
	TRY(store_batch_usable(b));
	return store_read_record(b->s, b->txn, index, out);
}
