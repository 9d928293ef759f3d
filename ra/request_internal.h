/* request_internal.h: one CreateCertificate while its steps run.  For the steps alone, which are in several files (request.c has
 * the row of them). */
#ifndef SIGNET_RA_REQUEST_INTERNAL_H
#define SIGNET_RA_REQUEST_INTERNAL_H

#include "ca/wire.h"
#include "csr/cert.h"
#include "csr/csr.h"
#include "proto/decode.h"
#include "ra/request.h"

enum step_result { STEP_DONE, STEP_WAIT };

struct request {
	struct request_service *service;
	struct call *call; /* NULL: the client has gone */
	char id[REQUEST_ID_MAX + 1];    /* valid (base/request_id.h) */
	size_t step;
	int64_t started_us, step_us;
	struct proto_istio_request ask; /* views of `message` */
	struct bytes message;           /* borrowed from the call's callback until request_keep() */
	uint8_t *kept;                  /* our copy of it, when a step waits before the last one that reads it */
	struct identity *identity;
	char impersonate[SPIFFE_ID_MAX + 1], cert_signer[WIRE_NAME_MAX + 1], spiffe_id[SPIFFE_ID_MAX + 1];
	struct policy_grant *grant; /* with csr, from `decide` to `issue` */
	struct csr *csr;
	const char *rule, *issuer;
	const char *client_text; /* what the client reads when a step failed; NULL: derived from the error */
	char told[WIRE_VERDICT_WHY_MAX + 1]; /* what the courier said; for the log */
	uint8_t token_hash[32];
	uint8_t serial[CERT_SERIAL_MAX];
	size_t serial_len;
	uint64_t record;
};

/* The message lives only as long as its callback: before a step waits, keep what later steps read.  Twice does no harm. */
struct err request_keep(struct request *r);
/* The wait of the step is over: on with the next one, or, if it failed or the client is gone, the end (then r is gone). */
void request_resume(struct request *r, struct err e);
/* For the log: what the courier said, if it was not yes. */
void request_note(struct request *r, const struct desk_answer *answer);

/* ra/authenticate.c: -> identity; may wait for the keeper (join tokens) and the courier (keys, reviews). */
struct err request_authenticate(struct request *r, enum step_result *result);
/* ra/same_node.c: may the proxy speak for that pod?  Only if the grant says so; waits for the courier. */
struct err request_same_node(struct request *r, enum step_result *result);

#endif
