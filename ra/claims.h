/* claims.h: a verified token's claims become attributes of a caller.  Pure; any thread. */
#ifndef SIGNET_RA_CLAIMS_H
#define SIGNET_RA_CLAIMS_H

#include <jansson.h>

#include "conf/conf.h"
#include "k8s_csr/wire_front.h"
#include "policy/policy.h"

/* OK: *out is the caller's.  The id is "ISSUER-NAME:SUB" ("kubernetes:NS/SA" shape for service accounts:
 * "ISSUER-NAME:NS/SA").  Attributes: policy.h; of the claims only those that a rule asks for (policy_asks_for); a claim of another
 * type (null, a fraction, deeper objects) is left out.
 * UNAUTHENTICATED: no usable `sub`; a claim that a rule asks for is too long, there are too many, or two claims have its
 * name (capitals are lowered); for a kubernetes issuer: `sub` is not exactly system:serviceaccount:NS:SA (istio.md 1: three
 * parts make istiod panic), or the kubernetes.io claim says another namespace or account. */
struct err claims_caller(const struct conf *conf, const struct conf_jwt_issuer *issuer, const json_t *claims,
                         struct bytes cluster, struct caller **out);

/* The same for a token that only its API server has read: m is a yes.  There are no claim.NAME then: what the token says of
 * itself nobody has vouched for. */
struct err claims_reviewed_caller(const struct conf *conf, const struct conf_jwt_issuer *issuer, const struct wire_reviewed *m,
                                  struct bytes cluster, struct caller **out);
/* Does the API server speak of the account, and if both name one of the pod, that the token's claims made? */
bool claims_agree(const struct caller *caller, const struct wire_reviewed *m);

#endif
