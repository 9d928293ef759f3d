/* auth.h: who is asking?  Client certificate, then bearer token (istio.md 1): the first evidence that is there decides.
 *
 * Every failure is UNAUTHENTICATED and says only "request authenticate failure" to the client; the reason is for the log. */
#ifndef SIGNET_RA_AUTH_H
#define SIGNET_RA_AUTH_H

#include <stdbool.h>

#include "base/metrics.h"
#include "conf/conf.h"
#include "ra/identity.h"

struct auth;

struct auth_options {
	const struct conf *conf;
	struct metrics *metrics;
	const struct bytes *jwks; /* conf->issuer_count JWK Sets, in the order of conf->issuers; read by auth_new() only */
};
/* INVALID_ARGUMENT: a JWK Set does not parse; *bad_issuer is its index. */
struct err auth_new(const struct auth_options *options, struct auth **out, size_t *bad_issuer);
/* Has the issuer a key at all?  If not, each of its tokens is refused. */
bool auth_has_keys(const struct auth *a, size_t issuer);
void auth_free(struct auth *a); /* NULL is allowed */

/* Is this client certificate, whose chain TLS has verified, one that may authenticate?  (X509-SVID rules, our trust domain.) */
struct err auth_check_peer(const struct auth *a, struct bytes leaf_der);
/* The caller of a client certificate that passed auth_check_peer().  chain: DER one behind the other, the leaf first. */
struct err auth_mtls(const struct auth *a, struct bytes chain, int64_t now, struct identity **out);

/* What an `authorization` header holds. */
enum auth_bearer { AUTH_NOTHING, AUTH_JOIN_TOKEN, AUTH_JWT };
enum auth_bearer auth_bearer(struct bytes header, struct bytes *token);
/* A JWT: from the cache, or verified and put there.  cluster: the clusterid header, or empty. */
struct err auth_jwt(struct auth *a, struct bytes token, struct bytes cluster, int64_t now, struct identity **out);
/* A join token that the keeper knows: hash is its SHA-256, the rest is the keeper's answer. */
struct err auth_join_token(const struct auth *a, const uint8_t hash[32], struct bytes spiffe_id, struct bytes token_id,
                           struct identity **out);

#endif
