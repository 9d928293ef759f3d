/* import.h: an intermediate whose key is made here and never leaves: a request for the parent (an offline root), and the
 * certificate that comes back.  Inside ca/ only. */
#ifndef SIGNET_CA_IMPORT_H
#define SIGNET_CA_IMPORT_H

#include "base/chan.h"
#include "ca/inside.h"

/* ADMIN_CA_CSR: the request for the pending key, which is made and stored if there is none. */
struct err import_on_csr(void *self, struct chan_msg *msg);
/* ADMIN_CA_IMPORT: judge the chain; a good one goes to rotate_import(), and the answer is given when it has taken over. */
struct err import_on_chain(void *self, struct chan_msg *msg);

#endif
