/* auth.h: who is asking?  Client certificate, then bearer token (istio.md 1): the first evidence that is there decides.
 *
 * Every failure says only "request authenticate failure" to the client; the reason is for the log.  UNAUTHENTICATED, unless the
 * trouble is ours. */
#ifndef SIGNET_RA_AUTH_H
#define SIGNET_RA_AUTH_H

#include <stdbool.h>

#include "base/metrics.h"
#include "conf/conf.h"
#include "k8s_csr/wire_front.h"
#include "ra/identity.h"

struct auth;

struct auth_options {
	const struct conf *conf;
	struct metrics *metrics;
	/* conf->issuer_count JWK Sets, in the order of conf->issuers; read by auth_new() only, and only those from a jwks_file. */
	const struct bytes *jwks;
};
/* INVALID_ARGUMENT: a JWK Set does not parse; *bad_issuer is its index. */
struct err auth_new(const struct auth_options *options, struct auth **out, size_t *bad_issuer);
/* Has the issuer a key at all?  If not, each of its tokens is refused. */
bool auth_has_keys(const struct auth *a, size_t issuer);
/* These are the issuer's keys now.  Who was believed by the old ones is forgotten: a key may be gone because it was stolen.
 * A sound set without a usable key takes all keys away.  INVALID_ARGUMENT: it does not parse; the old keys stay. */
struct err auth_set_keys(struct auth *a, size_t issuer, struct bytes jwks);
void auth_free(struct auth *a); /* NULL is allowed */

/* Is this client certificate, whose chain TLS has verified, one that may authenticate?  (X509-SVID rules, our trust domain.) */
struct err auth_check_peer(const struct auth *a, struct bytes leaf_der);
/* The caller of a client certificate that passed auth_check_peer().  chain: DER one behind the other, the leaf first. */
struct err auth_mtls(const struct auth *a, struct bytes chain, int64_t now, struct identity **out);

/* What an `authorization` header holds. */
enum auth_bearer { AUTH_NOTHING, AUTH_JOIN_TOKEN, AUTH_JWT };
enum auth_bearer auth_bearer(struct bytes header, struct bytes *token);

struct auth_token {
	struct bytes text, cluster; /* a JWT; the clusterid header, or empty */
	int64_t now;                /* Unix seconds */
	bool looked;                /* the courier was asked for new keys on behalf of this request */
};
/* What to ask the courier before it is known whose token it is; indexes in conf->issuers and conf->clusters. */
struct auth_ask {
	enum { AUTH_ASK_NOTHING, AUTH_ASK_KEYS, AUTH_ASK_REVIEW } what;
	uint8_t issuer, cluster;
};
/* A JWT.  Its entry of jwt_issuers is the one of its `iss` and of the cluster that the request names, else the one of its `iss`
 * without a cluster; a request that names no cluster means the first entry of that `iss`.
 * OK with ask->what AUTH_ASK_NOTHING: *out is who it is, from the cache, or verified and put there.
 * OK with AUTH_ASK_KEYS: the key is not known here: ask, and come again with `looked`.
 * OK with AUTH_ASK_REVIEW: as far as we can see it is good; auth_reviewed() with the API server's yes.
 * UNAVAILABLE: the issuer's keys have never come. */
struct err auth_jwt(struct auth *a, const struct auth_token *t, struct auth_ask *ask, struct identity **out);
/* The API server said yes.  What we can check is checked again, so keys that went meanwhile count for nothing; what the token
 * claims must agree with what the API server says.  The answer is believed for review_cache. */
struct err auth_reviewed(struct auth *a, const struct auth_token *t, const struct wire_reviewed *m, struct identity **out);
/* A join token that the keeper knows: hash is its SHA-256, the rest is the keeper's answer. */
struct err auth_join_token(const struct auth *a, const uint8_t hash[32], struct bytes spiffe_id, struct bytes token_id,
                           struct identity **out);

#endif
