/* crl_issue.h: the signing key's CRL, kept fresh: issued at start, after every revocation, and half its life before it ends.
 *
 * One at a time, and it passes every thread of the keeper: the clerk reads the store and builds it, the main thread submits it
 * to the key (which has one submitter), the commit thread makes its number durable, and only then it is published.  Inside
 * ca/ only. */
#ifndef SIGNET_CA_CRL_ISSUE_H
#define SIGNET_CA_CRL_ISSUE_H

#include "ca/inside.h"

struct err crls_new(struct crls **out);
void crls_free(struct crls *c); /* NULL is allowed; nothing may be on its way */

void crls_want(struct keeper *k);   /* something was revoked: a new one please; any thread */
void crls_build(struct keeper *k);  /* the clerk's turn: begin one if it is time */
void crls_sign(struct keeper *k);   /* the main thread's turn: submit what was built */
bool crls_is_signed(struct keeper *k);
void crls_commit(struct keeper *k); /* the commit thread's turn: make durable and publish what was signed */

/* Answer admin with the newest: struct wire_crl in a memfd.  UNAVAILABLE: there is none yet. */
void crls_answer(struct keeper *k, struct job *job);

#endif
