/* revoke.h: certificates that were revoked: by serial, which is unique over all keys and replicas.  Threads and failures as in
 * storage/store.h.  An entry stays until a CRL issued after the certificate's end has named it (ca/crl.h). */
#ifndef SIGNET_STORAGE_REVOKE_H
#define SIGNET_STORAGE_REVOKE_H

#include "storage/store.h"

#define STORE_KEY_ID_LEN 20 /* octets of a CA's key identifier */
#define STORE_REASON_MAX 10 /* CRLReason aACompromise, the highest there is */

struct store_revocation {
	uint8_t serial[STORE_SERIAL_MAX], serial_len;
	uint8_t reason;                   /* CRLReason, RFC 5280 s5.3.1 */
	uint8_t issuer[STORE_KEY_ID_LEN]; /* key identifier of the key that signed it: whose CRL names it */
	int64_t time, not_after;          /* Unix seconds: of the revocation; the certificate's end */
	uint64_t record;                  /* index of the certificate's record */
	char by[STORE_BY_MAX + 1];
};

struct err store_batch_revoke(struct store_batch *b, const struct store_revocation *r); /* ALREADY_EXISTS */
struct err store_batch_revocation_drop(struct store_batch *b, struct bytes serial);     /* NOT_FOUND */
/* Is it revoked, as far as this batch knows? */
struct err store_batch_is_revoked(struct store_batch *b, struct bytes serial, bool *revoked);
/* As store_view_record(); the views last until the next change of the batch. */
struct err store_batch_record(struct store_batch *b, uint64_t index, struct store_record *out);

struct err store_view_revocation(struct store_view *v, struct bytes serial, struct store_revocation *out); /* NOT_FOUND */
/* As store_view_ban_next(). */
struct err store_view_revocation_next(struct store_view *v, struct store_cursor *cursor, struct store_revocation *out);

#endif
