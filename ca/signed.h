/* signed.h: what another signer sent back, held to what was asked for, before anybody gets it or it is recorded: its key, its
 * names, its life, and a chain that leads to roots we were told to trust.  Pure: no I/O, no clock; any thread. */
#ifndef SIGNET_CA_SIGNED_H
#define SIGNET_CA_SIGNED_H

#include "ca/brought.h"
#include "ca/wire.h"

#define SIGNED_PEM_MAX (48 * 1024) /* bytes of all certificates; ours: they fit into a message */
#define SIGNED_SKEW 300            /* seconds that the signer's clock may be ahead, or round up; ours */

struct signed_want { /* views live for the call */
	struct bytes spki;
	struct bytes spiffe_id;        /* empty: a server's certificate, with `names` only */
	const struct wire_name *names; /* DNS and IP names, in any order */
	size_t name_count;
	const char *trust_domain;
	struct bytes roots_pem;        /* what the chain must lead to */
	int64_t now, lifetime;         /* Unix seconds; seconds that were asked for */
};
struct signed_chain { /* views point into `der` and `above` */
	struct buf der;          /* the leaf */
	struct cert leaf;
	struct brought *above;   /* chain[]: from who signed it up to below the root; none if a root did */
	bool outlives;           /* the leaf ends after one above it */
};

/* OK: *out is the caller's.  `pem`: the leaf first, then others in any order; roots and duplicates among them are left out.
 * INVALID_ARGUMENT: report->problem says what is wrong.  A leaf that outlives its chain is none of these: *out says so. */
struct err signed_check(struct bytes pem, const struct signed_want *want, struct brought_report *report, struct signed_chain **out);
void signed_free(struct signed_chain *s); /* NULL is allowed */
static inline void auto_signed(struct signed_chain **p) { signed_free(*p); }

#endif
