/* crl.h: the TBSCertList that is signed (RFC 5280 s5.1.2): v2, with authority key identifier, CRL number, and reason codes
 * where there is a reason.  Pure; any thread; no clock, no I/O.
 *
 *     struct crl_writer w;
 *     TRY(crl_begin(&w, &head, out));  TRY(crl_put(&w, &entry)) for each;  TRY(crl_end(&w)); */
#ifndef SIGNET_CA_CRL_H
#define SIGNET_CA_CRL_H

#include "der/der.h"
#include "key/key.h"

struct crl_head { /* views live until crl_end() returns */
	struct bytes issuer;     /* Name element of the CA */
	struct bytes algorithm;  /* AlgorithmIdentifier element it signs with */
	const uint8_t *ski;      /* its key identifier, KEY_SKI_LEN octets */
	uint64_t number;         /* grows with every list of this key */
	int64_t this_update, next_update; /* Unix seconds */
};
struct crl_entry {
	struct bytes serial;     /* magnitude, 1..20 octets */
	int64_t time;            /* of the revocation */
	uint8_t reason;          /* CRLReason; unspecified (0) is left out, as s5.3.1 wants it */
};
struct crl_writer {
	const struct crl_head *head;
	struct buf *out;
	struct der_open tbs, list;
	uint64_t count;          /* of entries */
};

/* Append to *out.  OUT_OF_RANGE: a time that X.509 cannot say; RESOURCE_EXHAUSTED: over out->max.  After a failure what was
 * appended is of no use. */
struct err crl_begin(struct crl_writer *w, const struct crl_head *head, struct buf *out);
struct err crl_put(struct crl_writer *w, const struct crl_entry *entry);
struct err crl_end(struct crl_writer *w);
/* Append the CertificateList: tbs, algorithm, signature. */
struct err crl_seal(const struct crl_head *head, struct bytes tbs, struct bytes signature, struct buf *out);

/* Is a list of these times to be replaced at `now`?  Half its life before it ends, and when the clock has stepped back
 * before its beginning. */
bool crl_is_due(int64_t this_update, int64_t next_update, int64_t now);

#endif
