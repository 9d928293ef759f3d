/* request_id.h: the name that a client, or a proxy before us, gives a request (`x-request-id`), by which it is found again
 * in every log and in the record.  Pure; any thread. */
#ifndef SIGNET_BASE_REQUEST_ID_H
#define SIGNET_BASE_REQUEST_ID_H

#include "base/bytes.h"

#define REQUEST_ID_MAX 128 /* bytes; ours: Envoy's is a UUID of 36 */

/* 1..REQUEST_ID_MAX letters, digits and -_.:/+=@ : it is told in logs, to API servers, and to the client. */
bool request_id_valid(struct bytes id);

#endif
