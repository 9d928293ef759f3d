/* issuers.h: what became of requests, issuer by issuer, since the keeper started; what admin sees of issuers, and may change.
 * Inside ca/ only. */
#ifndef SIGNET_CA_ISSUERS_H
#define SIGNET_CA_ISSUERS_H

#include "base/chan.h"
#include "ca/inside.h"

/* Before any thread; after the configuration is known. */
struct err issuers_start(struct keeper *k);
void issuers_free(struct keeper *k);

/* Whom it is for, as the metrics count it: an index among conf's issuers, or METRIC_OWN. */
unsigned issuers_slot(const struct keeper *k, const struct wire_issue *m);
/* Any thread: counted, and kept as the newest. */
void issuers_issued(struct keeper *k, unsigned slot);
void issuers_refused(struct keeper *k, unsigned slot, enum keeper_reason reason);
/* Not counted, for it may be that nobody waits; why: what the log says, may be empty. */
void issuers_failed(struct keeper *k, unsigned slot, enum keeper_reason reason, struct bytes why);

/* Clerk: answer of ADMIN_ISSUERS. */
void issuers_answer(struct keeper *k, struct job *job);
/* Main thread: ADMIN_ISSUER_FORGET. */
struct err issuers_on_forget(void *self, struct chan_msg *msg);

#endif
