/* template.h: the TBSCertificate that is signed (RFC 5280 s4.1.2), by our own writer from precomputed DER.
 *
 * Profiles: DESIGN.md "Workload certificate profile"; docs/protocols/keeper.md.  What is the same in every certificate
 * of an issuer is encoded once.  Any thread may build from one template; no clock, no I/O. */
#ifndef SIGNET_CA_TEMPLATE_H
#define SIGNET_CA_TEMPLATE_H

#include "base/own.h"
#include "ca/wire.h"
#include "key/key.h"

#define TEMPLATE_BACKDATE 120 /* seconds; ours: clients' clocks may be two minutes slow */
#define TEMPLATE_NAME_MAX 512 /* bytes of an issuer's Name; ours */

enum template_profile {
	PROFILE_WORKLOAD, /* one SPIFFE URI, granted DNS and IP names; serverAuth and clientAuth */
	PROFILE_SERVING,  /* the daemon's own: DNS and IP names, no URI; serverAuth */
	PROFILE_ROOT,     /* self-signed: CA:TRUE, path length 1 (a cross-certificate, then leafs); URI of the trust domain */
	PROFILE_CROSS,    /* another root's key and name, by this one: CA:TRUE, path length 0; URI of the trust domain */
};

struct template_request { /* views live until template_build() returns */
	enum template_profile profile;
	struct bytes serial;            /* magnitude, first octet 1..127 */
	int64_t not_before, not_after;  /* Unix seconds */
	struct bytes spki;
	enum key_type key_type;
	const uint8_t *ski;             /* KEY_SKI_LEN octets: RFC 7093 method 1 */
	struct bytes uri;               /* workload, root, cross */
	struct bytes subject;           /* cross: Name element */
	const struct wire_name *names;  /* workload, serving */
	size_t name_count;
};

struct template;
/* issuer: its Name element; ski: its subject key identifier; scheme: what it signs with. */
struct err template_new(struct bytes issuer, const uint8_t ski[KEY_SKI_LEN], enum key_scheme scheme, struct template **out);
void template_free(struct template *t); /* NULL is allowed */
static inline void auto_template(struct template **p) { template_free(*p); }

/* Append the TBSCertificate.  OUT_OF_RANGE: a time that X.509 cannot say; RESOURCE_EXHAUSTED: over out->max. */
struct err template_build(const struct template *t, const struct template_request *r, struct buf *out);
/* Append the Certificate: tbs, algorithm, signature. */
struct err template_seal(const struct template *t, struct bytes tbs, struct bytes signature, struct buf *out);

/* Append the Name of a self-made root: O=<trust domain, cut at 64>, CN="Signet Root CA <first 8 hex digits of its SKI>". */
struct err template_root_name(const char *trust_domain, const uint8_t ski[KEY_SKI_LEN], struct buf *out);

/* The same for an intermediate: CN="Signet CA <...>". */
struct err template_intermediate_name(const char *trust_domain, const uint8_t ski[KEY_SKI_LEN], struct buf *out);

#endif
