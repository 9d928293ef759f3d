/* desk.h: where the front asks the courier (k8s_csr/wire_front.h): questions out, answers matched by id.  One thread.
 *
 * The courier may die and come back: the monitor then brings a new channel, and what was not answered is asked again there.  A
 * question has wait_ms in all, waiting for a courier included.  A courier that says what it may not say loses its channel, not
 * the front.
 *
 * At most conf's listen.max_pending questions are out at once, and DESK_BYTES_MAX of them.  A quarter of both is kept for
 * desk_node(), because the others are about tokens that anybody may have made up; and no more than a quarter is desk_keys(),
 * because a key's name is made up most easily. */
#ifndef SIGNET_RA_DESK_H
#define SIGNET_RA_DESK_H

#include "base/chan.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "k8s_csr/wire_front.h"

#define DESK_WAIT_MS 10000 /* ours: a client waits for it */
#define DESK_BYTES_MAX (CHAN_QUEUE_MAX / 2) /* ours: a new channel takes all of it at once */

struct desk;

struct desk_options { /* conf, log, metrics: borrowed until desk_free() */
	struct loop *loop;
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics;
	uint16_t number; /* of the front */
	int64_t wait_ms;
	/* The keys of an issuer whose keys are the courier's to bring; jwks is borrowed, and not checked. */
	void (*keys)(void *ctx, unsigned issuer, struct bytes jwks);
	void (*lost)(void *ctx); /* there is no courier any more, or none that speaks as it should; NULL: nobody cares */
	void *ctx;
};
struct err desk_new(const struct desk_options *options, struct desk **out);
/* NULL is allowed.  Open questions are answered UNAVAILABLE first. */
void desk_free(struct desk *d);
/* A channel to a courier that has (re)started, in place of any before it.  Takes over fd, on failure too. */
struct err desk_channel(struct desk *d, int fd);

/* The answer to a question; `user` is what the asker gave.  Exactly one call per question that was taken, later, from the loop. */
struct desk_answer {
	struct err err; /* OK: yes, or keys were looked for; UNAUTHENTICATED: no; UNAVAILABLE: nobody can say */
	const struct wire_reviewed *reviewed; /* of desk_review(), if OK: with a valid namespace and account; else NULL */
	struct bytes why;                     /* the courier's words, for the log; may be empty */
};
typedef void desk_done(void *user, const struct desk_answer *answer);

/* m->id is set here.  RESOURCE_EXHAUSTED: too many are out.  INVALID_ARGUMENT: *m is out of the message's bounds. */
struct err desk_review(struct desk *d, struct wire_review *m, desk_done *done, void *user);
struct err desk_node(struct desk *d, struct wire_node *m, desk_done *done, void *user);
struct err desk_keys(struct desk *d, struct wire_keys_ask *m, desk_done *done, void *user);
/* Send what was collected in this round. */
void desk_flush(struct desk *d);

#endif
