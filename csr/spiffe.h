/* spiffe.h: SPIFFE IDs (SPIFFE-ID.md s2).  Pure; any thread. */
#ifndef SIGNET_CSR_SPIFFE_H
#define SIGNET_CSR_SPIFFE_H

#include "base/bytes.h"

#define SPIFFE_ID_MAX 2048          /* bytes without NUL; SPIFFE-ID s2.3 */
#define SPIFFE_TRUST_DOMAIN_MAX 255 /* bytes without NUL; SPIFFE-ID s2.3 */

/* Check a trust domain name: 1..255 of [a-z0-9._-].  INVALID_ARGUMENT otherwise. */
struct err spiffe_trust_domain_check(struct bytes name);
/* Check a whole ID: scheme exactly "spiffe://", trust domain, and a path that is absent or made of non-empty segments
 * of [A-Za-z0-9._-], none "." or "..", no trailing '/'.  *trust_domain and *path (with its leading '/', or empty) are
 * views into id; either may be NULL.  INVALID_ARGUMENT otherwise (so also for NUL, '%', '?', '#', user info, port). */
struct err spiffe_id_parse(struct bytes id, struct bytes *trust_domain, struct bytes *path);
/* A workload's: as above and the path is not empty (X509-SVID s2). */
struct err spiffe_workload_id_parse(struct bytes id, struct bytes *trust_domain, struct bytes *path);

#endif
