/* revoke.h: revoking certificates: a job of admin's that passes both threads of the keeper behind the main one.  The clerk finds
 * the records (which may take long), the commit thread makes revocations of them, slice by slice, and last of those that were
 * recorded in between; only then is it answered.  Inside ca/ only. */
#ifndef SIGNET_CA_REVOKE_H
#define SIGNET_CA_REVOKE_H

#include "ca/inside.h"

struct revocation; /* of one job */
void revocation_free(struct revocation *r); /* NULL is allowed */

/* The admin message. */
struct err revoke_on_request(void *self, struct chan_msg *msg);
/* The clerk's list, and what it puts behind the record of a revoked certificate. */
void revoke_list(struct keeper *k, struct job *job);
struct err revoke_put_state(struct store_view *view, const struct store_record *r, struct buf *out);

#endif
