/* bundle.h: the roots as a SPIFFE bundle: a JWK Set with an X.509 certificate in each key (SPIFFE_Trust_Domain_and_Bundle s4,
 * RFC 7517).  Pure. */
#ifndef SIGNET_CLI_BUNDLE_H
#define SIGNET_CLI_BUNDLE_H

#include "cli/json.h"

#define BUNDLE_REFRESH_HINT 300 /* seconds; the default of the specification, s4.1.3 */
/* INVALID_ARGUMENT: a certificate that does not parse.  OK: *out is the caller's. */
struct err bundle_json(struct bytes roots_pem, int64_t sequence, json_t **out);

#endif
