/* link.h: the front's end of its channel to the keeper: questions out, answers matched by id.  One thread.
 *
 * At most `max_pending` questions are out at once, a quarter of them about tokens, which anybody may ask (then
 * RESOURCE_EXHAUSTED).  Requests are collected and sent by link_flush(), which marks the last one, so that an idle keeper
 * commits at once. */
#ifndef SIGNET_RA_LINK_H
#define SIGNET_RA_LINK_H

#include "base/loop.h"
#include "base/metrics.h"
#include "ca/wire_bundle.h"

struct link;

struct link_serving { /* borrowed */
	int64_t not_after;
	struct bytes cert;      /* DER */
	bool chained;           /* by another issuer: chain_pem follows it, not the chain of `roots`; not_after is not told */
	struct bytes chain_pem; /* may be empty */
};
struct link_events { /* what comes unasked, or after link_ask_serving() */
	void (*roots)(void *ctx, const struct wire_roots *roots);
	void (*serving)(void *ctx, const struct link_serving *serving);
	void (*serving_refused)(void *ctx, struct err why);
	void (*lost)(void *ctx, struct err why); /* the keeper is gone or speaks nonsense: the front ends */
	void *ctx;
};
struct err link_new(struct loop *loop, int fd, struct metrics *metrics, size_t max_pending, struct link **out);
void link_on(struct link *l, const struct link_events *events);
void link_free(struct link *l); /* open questions are answered UNAVAILABLE first */

struct err link_hello(struct link *l, uint16_t number);
/* Our own certificate: by our own CA for an SPKI, by another issuer for a CSR. */
struct err link_ask_serving(struct link *l, enum wire_front_type type, struct bytes what);

/* The answer to a question; `user` is what the asker gave.  Exactly one call per question, later, from the loop. */
struct link_answer {
	struct err err;                       /* OK, or the keeper's refusal (keeper_reason_err) */
	uint64_t record;                      /* of an issued certificate */
	struct bytes cert;                    /* DER, borrowed */
	bool chained;                         /* by another issuer: chain_pem follows it, not the chain of `roots` */
	struct bytes chain_pem;               /* borrowed; may be empty */
	const struct wire_token_state *token; /* of a token question */
};
typedef void link_done(void *user, const struct link_answer *answer);

struct err link_token(struct link *l, const uint8_t hash[32], link_done *done, void *user);
/* m->id and m->flags are set here. */
struct err link_issue(struct link *l, struct wire_issue *m, link_done *done, void *user);
/* Send what was collected in this round. */
void link_flush(struct link *l);

#endif
