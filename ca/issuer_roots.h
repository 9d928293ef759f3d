/* issuer_roots.h: what the certificates of other issuers must lead to, and what clients are told to trust because of them: each
 * issuer's roots_file, or (a choice that is warned of) the root that came with its first certificate.  Inside ca/; one owner. */
#ifndef SIGNET_CA_ISSUER_ROOTS_H
#define SIGNET_CA_ISSUER_ROOTS_H

#include "ca/brought.h"
#include "conf/conf.h"

#define ISSUER_ROOTS_MAX (64 * 1024) /* bytes of PEM of one issuer; ours */

struct issuer_roots;
struct err issuer_roots_new(const struct conf *conf, struct issuer_roots **out);
void issuer_roots_free(struct issuer_roots *r); /* NULL is allowed */
/* PEM; empty: not known. */
struct bytes issuer_roots_of(const struct issuer_roots *r, unsigned issuer);
/* From now on these; *changed: they are others than before.  INVALID_ARGUMENT, nothing changed: not 1..BROUGHT_ROOTS_MAX
 * self-signed CA certificates in PEM; `why` names what is wrong. */
struct err issuer_roots_set(struct issuer_roots *r, unsigned issuer, struct bytes pem, const char **why, bool *changed);
/* The self-signed ones among what a signer sent, appended as PEM. */
struct err issuer_roots_among(struct bytes pem, struct buf *out);
/* As issuer_roots_set(), of what came with a certificate. */
struct err issuer_roots_pin(struct issuer_roots *r, unsigned issuer, struct bytes pem);
/* Are they such?  Then from now on none are known. */
bool issuer_roots_pinned(const struct issuer_roots *r, unsigned issuer);
void issuer_roots_unpin(struct issuer_roots *r, unsigned issuer);
/* Grows with every change. */
uint32_t issuer_roots_epoch(const struct issuer_roots *r);
/* All of it, to be stored, and read again: issuers that are gone, or whose roots come from elsewhere now, are passed over. */
struct err issuer_roots_save(const struct issuer_roots *r, struct buf *out);
struct err issuer_roots_load(struct issuer_roots *r, struct bytes saved); /* DATA_LOSS */
/* Append to *pem those of all issuers that are not in it yet. */
struct err issuer_roots_put(const struct issuer_roots *r, struct buf *pem);

#endif
