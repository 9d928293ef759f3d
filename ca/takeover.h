/* takeover.h: the CA that signs, at start and when another is brought; inside ca/ only. */
#ifndef SIGNET_CA_TAKEOVER_H
#define SIGNET_CA_TAKEOVER_H

#include "base/chan.h"
#include "ca/inside.h"

/* Sets k->roots, signer, immediate, roots_fd.  Wipes the key-encryption key and the files, whatever comes of it. */
struct err takeover_start(struct keeper *k);
/* CONTROL_CA: judge what is brought; a good one becomes k->next_ca, for takeover_try(). */
struct err takeover_on_files(void *self, struct chan_msg *msg);
/* Take k->next_ca if no certificate is on its way.  Main thread. */
void takeover_try(struct keeper *k);

/* Log its warnings, and its problem if there is an error. */
void takeover_tell(const struct keeper *k, const struct brought_report *report, struct err e);

#endif
