/* request_id.h: what a request is called: as its client says, or as we do.  One thread. */
#ifndef SIGNET_RA_REQUEST_ID_H
#define SIGNET_RA_REQUEST_ID_H

#include "base/request_id.h"

#define REQUEST_ID_HEADER "x-request-id" /* Envoy's, and so Istio's */

struct request_ids {
	char prefix[32]; /* of this front since its start */
	uint64_t last;
};
/* UNAVAILABLE: no randomness. */
struct err request_ids_start(struct request_ids *ids, uint16_t front);
/* `said` if it is a valid one; otherwise a new one, which no other request has: "f0-9b1c02d7e4aa-1f". */
void request_id_for(struct request_ids *ids, struct bytes said, char out[REQUEST_ID_MAX + 1]);

#endif
