/* rotate.h: changes of the root set, one at a time: asked by admin, brought by files, or due by themselves.  Inside ca/ only.
 *
 * The clerk finds out what a change would break and makes keys; the main thread makes the change between two requests, when no
 * certificate is on its way (ca/takeover.h); then it is answered. */
#ifndef SIGNET_CA_ROTATE_H
#define SIGNET_CA_ROTATE_H

#include "base/chan.h"
#include "ca/inside.h"
#include "ca/step.h"

struct rotation;
struct err rotation_new(struct keeper *k);
void rotation_free(struct rotation *r);

/* ADMIN_ROOT_STEP. */
struct err rotate_on_step(void *self, struct chan_msg *msg);
/* Main thread: a CA whose key was made here, judged; the job is answered when all is done.  Takes over b. */
struct rotate_import {
	struct job *job;
	struct brought *brought;
	struct bytes by;
	bool force, dry_run;
};
struct err rotate_import(struct keeper *k, const struct rotate_import *import);
/* Main thread: files that were judged good; one that is under way is waited for, one that waits is overtaken.  Takes over b. */
void rotate_files(struct keeper *k, struct brought *b);
/* Main thread: is a change ready, so that fronts are to be held? */
bool rotate_is_ready(const struct keeper *k);
/* Main thread: make it, if no certificate is on its way. */
void rotate_try(struct keeper *k);
/* Clerk: work out what was asked; from time to time, look what is due. */
void rotate_work(struct keeper *k);
/* Clerk: answer of ADMIN_ROOT_STATUS. */
void rotate_status(struct keeper *k, struct job *job);
/* The metrics of a set.  (root_status.c) */
void rotate_gauges(struct keeper *k, const struct root_set *set, const struct outlook *o);
/* At the end: nobody will answer. */
void rotate_stop(struct keeper *k);
/* Clerk: when the last certificate of this signing key ends, 0: there is none.  False: not known, until the next look. */
bool rotate_until(struct keeper *k, const uint8_t signer[KEY_SKI_LEN], int64_t *until);

#endif
