/* record.h: stored values to structs and back, byte for byte (docs/protocols/storage.md).  Inside storage/, and for its
 * tests and fuzz target.  Any thread; no I/O.  Each decoder fails with INVALID_ARGUMENT; each encoder appends to *out and
 * fails with INVALID_ARGUMENT on a field over its bound: whatever it writes, the decoder accepts and gives back. */
#ifndef SIGNET_STORAGE_RECORD_H
#define SIGNET_STORAGE_RECORD_H

#include "storage/event.h"
#include "storage/revoke.h"

struct err store_record_encode(const struct store_record *r, struct buf *out);
struct err store_record_decode(struct bytes raw, struct store_record *out); /* views into raw */

/* Without the hash, which is the key. */
struct err store_token_encode(const struct store_token *t, struct buf *out);
struct err store_token_decode(struct bytes raw, struct store_token *out); /* leaves out->hash */

struct err store_ban_encode(const struct store_ban *b, struct buf *out);
struct err store_ban_decode(struct bytes raw, struct store_ban *out);

/* Without the serial, which is the key. */
struct err store_revocation_encode(const struct store_revocation *r, struct buf *out);
struct err store_revocation_decode(struct bytes raw, struct store_revocation *out); /* leaves out->serial */

/* Without the index, which is the key. */
struct err store_event_encode(const struct store_event *ev, struct buf *out);
struct err store_event_decode(struct bytes raw, struct store_event *out); /* leaves out->index */

/* SHA-256(a || b); UNAVAILABLE if libcrypto fails. */
struct err store_sha256(struct bytes a, struct bytes b, uint8_t out[STORE_HASH_LEN]);
/* RFC 6962 s2.1: SHA-256(0x00 || stored bytes). */
struct err store_leaf_hash(struct bytes raw, uint8_t out[STORE_HASH_LEN]);
/* Big-endian keys: index; and a time, biased so that negative ones sort first. */
void store_key_u64(uint64_t v, uint8_t out[8]);
void store_key_time(int64_t v, uint8_t out[8]);
uint64_t store_key_read(const uint8_t in[8]);

#endif
