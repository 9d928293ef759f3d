/* crl.h: read a certificate revocation list (RFC 5280 s5) that somebody else issued.
 *
 * Strict DER, no signature check, no I/O.  All views borrow `der`.  Lists for one issuer only: a critical extension that this
 * reader does not know (delta lists, indirect ones, partitions) refuses the list, because what it means would be lost. */
#ifndef SIGNET_CSR_CRL_H
#define SIGNET_CSR_CRL_H

#include "key/key.h"

#define CRL_SERIAL_MAX 20 /* octets; RFC 5280 s4.1.2.2 */

struct crl {
	struct bytes der, tbs;
	struct bytes algorithm;   /* AlgorithmIdentifier element, the same inside and outside */
	struct bytes signature;
	struct bytes issuer;      /* Name element */
	int64_t this_update, next_update; /* Unix seconds */
	struct bytes aki;         /* keyIdentifier; empty: none */
	bool has_number;
	uint64_t number;          /* UINT64_MAX: larger than that */
	struct bytes revoked;     /* for crl_next() */
	size_t count;             /* of entries */
};
/* INVALID_ARGUMENT: malformed, trailing bytes, no nextUpdate (s5.1.2.5: "MUST include"), an unknown critical extension of the
 * list or of an entry, an extension twice, an unknown reason. */
struct err crl_parse(struct bytes der, struct crl *out);

struct crl_revoked {
	struct bytes serial;      /* magnitude, 1..20 octets */
	int64_t time;             /* Unix seconds */
	uint8_t reason;           /* CRLReason; 0 if it says none */
};
/* Take the next entry of a list that crl_parse() has read; NOT_FOUND at the end. */
struct err crl_next(struct bytes *revoked, struct crl_revoked *out);

#endif
