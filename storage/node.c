/* On which node was a certificate obtained?  Asked for every client certificate that renews itself, so kept beside the records, by
 * serial; certificates without a node have no entry. */
#include <string.h>

#include "storage/internal.h"
#include "storage/node.h"

struct err store_node_put(struct store_batch *b, const struct store_record *r)
{
	return r->node.len == 0 ? OK : store_change_put(b, DB_NODES, r->serial, r->node);
}

/* The record's view does not last: a change may begin another transaction. */
struct err store_node_drop(struct store_batch *b, uint64_t index)
{
	uint8_t serial[STORE_SERIAL_MAX], key[8];
	struct store_record r;
	struct bytes raw, node;
	struct err e;

	store_key_u64(index, key);
	TRY(store_batch_find(b, DB_RECORDS, BYTES(key, sizeof(key)), &raw));
	TRY(store_record_decode(raw, &r));
	if (r.node.len == 0) return OK;
	memcpy(serial, r.serial.data, r.serial.len);
	e = store_batch_find(b, DB_NODES, r.serial, &node);
	if (e.code == ERR_NOT_FOUND) return OK;
	TRY(e);
	return store_change_delete(b, DB_NODES, BYTES(serial, r.serial.len));
}

struct err store_batch_node(struct store_batch *b, struct bytes serial, char out[STORE_NODE_MAX + 1])
{
	struct bytes node;

	out[0] = '\0';
	TRY(store_batch_find(b, DB_NODES, serial, &node));
	if (node.len > STORE_NODE_MAX) FAIL(ERR_DATA_LOSS, "storage: a node's name does not parse");
	memcpy(out, node.data, node.len);
	out[node.len] = '\0';
	return OK;
}
