/* external.h: certificates by other signers, which the courier asks for.  Inside ca/ only.
 *
 * A request that may be granted becomes an intent, durable before anybody is asked; then the courier files it and tells what came
 * of it; what was signed is held to what was asked for (ca/signed.h), recorded, and only then answered.  Its job is the commit
 * thread's while it writes (`out`), the main thread's otherwise.  Intents that a dead keeper left are resumed by the next: nobody
 * waits for them, but what was signed meanwhile is recorded.  (docs/protocols/keeper.md) */
#ifndef SIGNET_CA_EXTERNAL_H
#define SIGNET_CA_EXTERNAL_H

#include "base/chan.h"
#include "ca/inside.h"
#include "ca/wire_courier.h"
#include "storage/event.h"

#define EXTERNAL_LIFETIME_MIN 600 /* seconds; certificates.k8s.io/v1 expirationSeconds */
#define EXTERNAL_JOBS_MAX (JOBS_MAX - JOBS_MAX / 4) /* the rest is our own CA's, however many wait for others */
#define EXTERNAL_GRACE 10         /* seconds after its deadline that a courier may take to say so; ours */
#define EXTERNAL_LOOK_US 1000000  /* between two looks at deadlines and at what could not be written; ours */

enum external_stage {
	EXTERNAL_INTENT, /* the intent is being written */
	EXTERNAL_ASKED,  /* the courier's turn */
	EXTERNAL_RECORD, /* signed: the record is being written, the intent dropped */
	EXTERNAL_DROP,   /* refused and answered: the intent is being dropped */
};
struct external_job {
	uint64_t id;              /* in the table; the courier's word for it */
	unsigned issuer;          /* of conf's csr_issuers */
	enum external_stage stage;
	bool out;                 /* with the commit thread */
	bool resume;              /* nobody waits for it: it was asked for by a keeper that is no more */
	bool told;                /* the courier that is there was asked for it */
	bool clamped;             /* asked for a second time, to end with its chain */
	int64_t deadline;         /* Unix seconds */
	uint32_t lifetime;        /* seconds that are asked for */
	char name[STORE_INTENT_NAME_MAX + 1];   /* of its intent and its object */
	char former[STORE_INTENT_NAME_MAX + 1]; /* that it replaces; "": none */
	struct buf chain;         /* PEM of those above the leaf, its issuer first */
};
void external_job_free(struct external_job *e); /* any thread; NULL is allowed */

/* Intents, roots and the instance's name are read; nothing if conf names no other issuer.  After the store and the limits. */
struct err external_start(struct keeper *k);
/* The threads have ended: what is in hand is let go, but for what is in the queue; external_free() when that is dropped. */
void external_stop(struct keeper *k);
void external_free(struct keeper *k);

struct issuer_roots;
/* Changed by the main thread under roots_lock; NULL: there are none. */
const struct issuer_roots *external_roots(const struct keeper *k);

/* ---- main thread ---- */
/* May it be filed?  REASON_NONE: job->external is set, external_file() is next. */
enum keeper_reason external_prepare(struct keeper *k, struct job *job);
void external_file(struct keeper *k, struct job *job);
/* What the commit thread gave back, and deadlines.  While the keeper stops, all that waits is refused; its intents stay. */
void external_turn(struct keeper *k);
int external_wait_ms(const struct keeper *k); /* until external_turn() has something to do by itself; -1: never */
void external_forget(struct keeper *k, struct peer *p); /* it is closed: its requests go on without it */
struct err external_on_roots(void *self, struct chan_msg *msg); /* CONTROL_ISSUER_ROOTS */
/* A root that was pinned on first use is pinned no more: durable, with its event, and told to all.  FAILED_PRECONDITION: none
 * was. */
struct err external_unpin(struct keeper *k, unsigned issuer, const struct store_event *ev);
/* courier.c: what the courier says. */
struct err courier_channel(struct peer *p, int fd);
void external_hello(struct keeper *k, struct peer *courier);
void external_signed(struct keeper *k, const struct wire_signed *m);
void external_failed(struct keeper *k, const struct wire_failed *m);

/* external_commit.c: the commit thread's part. */
struct err external_intent_apply(struct keeper *k, struct job *job, struct store_batch *batch);
struct err external_record_apply(struct keeper *k, struct job *job, struct store_batch *batch);
struct err external_drop_apply(struct keeper *k, struct job *job, struct store_batch *batch);
void external_written(struct keeper *k, struct job *job);        /* answer: nobody yet */
void external_record_answer(struct keeper *k, struct job *job);
void external_return(struct keeper *k, struct job *job);         /* to the main thread */
/* The intent's value, read again. */
struct external_intent { uint8_t version; int64_t deadline; uint32_t lifetime; struct bytes issue; };
struct err external_intent_take(struct bytes in, struct external_intent *m);

/* external_serving.c: does another signer sign the fronts' own certificates (tls.issuer)? */
bool external_serves(const struct keeper *k);
/* The wire_issue that such a CSR of a front becomes.  INVALID_ARGUMENT: it is none. */
struct err external_serving(struct keeper *k, struct bytes csr, struct buf *out);

/* external_csr.c: a CSR that another signer copies names from: those of the grant, and nothing else. */
bool external_csr_fits(struct key_verifier *verifier, const struct wire_issue *m);

#endif
