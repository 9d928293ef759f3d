/* crl_issue.h: the CRLs of every key under which something has not ended: of the one that signs and of those that signed
 * before, each issued at start, after every revocation, and half its life before it ends; and the lists that the operator
 * brought.
 *
 * One at a time, and it passes every thread of the keeper: the clerk reads the store and builds it, the main thread submits it
 * to the key (which has one submitter), the commit thread makes its number durable, and only then it is published.  Inside
 * ca/ only. */
#ifndef SIGNET_CA_CRL_ISSUE_H
#define SIGNET_CA_CRL_ISSUE_H

#include "base/chan.h"
#include "ca/inside.h"

struct err crls_new(struct keeper *k); /* after the roots are open: restores what is stored */
void crls_free(struct crls *c); /* NULL is allowed; nothing may be on its way */

void crls_want(struct keeper *k);   /* something was revoked: new ones please; any thread */
void crls_build(struct keeper *k);  /* the clerk's turn: begin one if it is time */
void crls_sign(struct keeper *k);   /* the main thread's turn: submit what was built */
bool crls_have_work(struct keeper *k); /* for the commit thread? */
void crls_commit(struct keeper *k); /* the commit thread's turn: make durable and publish what was signed, drop what ended */
void crls_drop_look(struct keeper *k); /* the clerk's: which entries may leave the store?  (crl_drop.c) */

/* Answer admin with all of them: a list of struct wire_crl in a memfd, the signing key's first. */
void crls_answer(struct keeper *k, struct job *job);

/* ---- lists that are brought (crl_brought.c); main thread ---- */
/* At start and CONTROL_CRL: PEM; a good file replaces the one before, an empty one clears it, a bad one is refused. */
void crls_bring(struct keeper *k, struct bytes pem);
struct err crls_on_file(void *self, struct chan_msg *msg);
/* Another set of roots is in use. */
void crls_on_roots(struct keeper *k);
/* Is the certificate with this serial on the brought list of the key that it names as its issuer's (if it names none: on any)?  Any
 * thread. */
bool crls_brought_revoked(struct keeper *k, struct bytes issuer, struct bytes serial);

#endif
