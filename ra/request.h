/* request.h: one CreateCertificate, told as a row of steps: AUTHENTICATE, DECIDE, SAME_NODE, ISSUE, ANSWER.
 *
 * A step finishes, waits for the keeper or the courier, or fails; a failure ends the request with one log line and one status.
 * Codes and texts are Istio's (istio.md 1): clients retry by them. */
#ifndef SIGNET_RA_REQUEST_H
#define SIGNET_RA_REQUEST_H

#include "base/log.h"
#include "net/server.h"
#include "ra/answer.h"
#include "ra/auth.h"
#include "ra/desk.h"
#include "ra/limits_told.h"
#include "ra/link.h"
#include "ra/rates.h"
#include "ra/request_id.h"

struct request_service { /* what requests need; owned by the front, outlives them */
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics;
	struct auth *auth;
	struct link *link;
	struct desk *desk;
	struct key_verifier *verifier;
	struct rates *rates;
	struct limits_told told;
	struct answer_tail tail;
	struct request_ids ids;
	struct buf scratch;     /* of one answer at a time */
	struct {
		int64_t second;
		uint32_t lines, unlogged;
	} strangers;            /* refusals of callers that nobody knows: how many were logged in this second, and not */
};

/* Lines a second about requests that were refused before anybody was authenticated; the next line counts those that were left
 * out.  Ours: anybody can make them, and more of them say nothing new. */
#define REQUEST_STRANGERS_LOGGED 100

#define REQUEST_PATH "/istio.v1.auth.IstioCertificateService/CreateCertificate"
/* For `message` of the gRPC method. */
void request_start(struct request_service *s, struct call *call, struct bytes message);
/* For `gone`: the client has gone (or its deadline passed): the answer, if one still comes, is dropped and logged. */
void request_gone(struct call *call);
/* The connection has gone: forget who was on it. */
void request_conn_gone(void *user);

#endif
