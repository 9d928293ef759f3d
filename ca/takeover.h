/* takeover.h: the CA that signs: opened at start, replaced while requests come in; inside ca/ only. */
#ifndef SIGNET_CA_TAKEOVER_H
#define SIGNET_CA_TAKEOVER_H

#include "base/chan.h"
#include "ca/brought.h"
#include "ca/inside.h"

/* Sets k->roots, signer, immediate, roots_fd, ca_kek.  Wipes the key-encryption key and the files, whatever comes of it. */
struct err takeover_start(struct keeper *k);
/* CONTROL_CA: judge what is brought; a good one goes to rotate_files(). */
struct err takeover_on_files(void *self, struct chan_msg *msg);
/* Store another set, use it, and tell the fronts.  Main thread, while no certificate is on its way.  On failure nothing has
 * changed. */
struct err takeover_make(struct keeper *k, struct roots_change *change);
/* The roots of other issuers have changed: tell the fronts.  Main thread. */
struct err takeover_publish(struct keeper *k);
/* ca.directory is in use; it was refused, by whatever.  The monitor hears of it.  Main thread. */
void takeover_taken(struct keeper *k);
void takeover_refused(struct keeper *k, struct err e);
/* Log once a day that the CA ends soon, if it does.  The clerk's. */
void takeover_remind(struct keeper *k);
/* Log its warnings, and its problem if there is an error. */
void takeover_tell(const struct keeper *k, const struct brought_report *report, struct err e);

#endif
