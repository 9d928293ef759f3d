/* lint.h: the last look before a signature: reads the TBSCertificate back, by code that shares nothing with its builder but
 * der/, and holds it to a built-in list of RFC 5280 and SPIFFE rules and to what was granted.  Pure; any thread. */
#ifndef SIGNET_CA_LINT_H
#define SIGNET_CA_LINT_H

#include "ca/template.h"

struct lint_want { /* what must come out; views live for the call */
	enum template_profile profile;
	struct bytes issuer;         /* Name element of the signing CA */
	struct bytes algorithm;      /* AlgorithmIdentifier it signs with */
	struct bytes issuer_ski;     /* 20 octets */
	struct bytes spki, ski;
	enum key_type key_type;
	const char *trust_domain;
	struct bytes uri;            /* empty for serving */
	struct bytes subject;        /* cross: Name element */
	const struct wire_name *names;
	size_t name_count;
	uint8_t replica;             /* first octet of the serial */
	int64_t now, max_lifetime;   /* Unix seconds; seconds */
	int64_t chain_not_after;     /* the certificate may not outlive it */
};
/* INTERNAL: the reason names the rule that is broken. */
struct err lint_tbs(struct bytes tbs, const struct lint_want *want);
/* The rules, in order, for documentation and tests; NULL at the end. */
const char *lint_rule(size_t i);

#endif
