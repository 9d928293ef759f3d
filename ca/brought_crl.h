/* brought_crl.h: revocation lists that the operator brings (ca-crl.pem): of the CAs above, and maybe of the signing key itself,
 * from before Signet had it.  Pure: no I/O, no clock; the same code judges in the keeper and in `signet ca check`.  Any thread.
 */
#ifndef SIGNET_CA_BROUGHT_CRL_H
#define SIGNET_CA_BROUGHT_CRL_H

#include "ca/brought.h"
#include "csr/crl.h"

#define BROUGHT_CRLS_MAX 16              /* lists in it; ours */

struct brought_crl_options {
	const struct bytes *cas;   /* DER of the CAs that may have issued one, the signing certificate first */
	size_t ca_count;           /* 1 or more */
	int64_t now;               /* Unix seconds */
};
struct brought_crl {
	struct crl crl;            /* views into the file's DER */
	uint8_t issuer[KEY_SKI_LEN]; /* key identifier of who signed it */
	bool of_signer;
	struct crl_revoked *entries; /* crl.count, sorted by serial */
};
struct brought_crls {
	struct buf der;
	size_t count;
	struct brought_crl items[BROUGHT_CRLS_MAX];
	bool revokes_ca;           /* one of the CAs is on the list of its issuer */
};

/* INVALID_ARGUMENT: report->problem says which list, what is wrong, what to do.  A file without a list gives none (count 0): so
 * lists are cleared. */
struct err brought_crls_check(struct bytes pem, const struct brought_crl_options *o, struct brought_report *report,
                              struct brought_crls **out);
void brought_crls_free(struct brought_crls *b); /* NULL is allowed */
static inline void auto_brought_crls(struct brought_crls **p) { brought_crls_free(*p); }
/* The list of this key; NULL: none. */
const struct brought_crl *brought_crls_of(const struct brought_crls *b, const uint8_t issuer[KEY_SKI_LEN]);
/* Its entry for this serial; NULL: none. */
const struct crl_revoked *brought_crl_find(const struct brought_crl *list, struct bytes serial);

#endif
