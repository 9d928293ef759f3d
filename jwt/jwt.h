/* jwt.h: compact JWS (RFC 7515) carrying a JWT (RFC 7519), and JWK Sets (RFC 7517): parse and verify.  No I/O, no clock:
 * the time is an argument.  A key set belongs to one thread.
 *
 * Algorithms: RS/PS 256 384 512, ES256 (P-256 only), ES384 (P-384 only), ES512 (P-521 only), EdDSA (Ed25519 only).  The
 * algorithm of the header must go with the type and curve of the key, and with the key's own `alg` if it has one;
 * `none`, every HS* and everything else is refused before any key is touched (RFC 8725 s3.1, s3.2). */
#ifndef SIGNET_JWT_JWT_H
#define SIGNET_JWT_JWT_H

#include "base/own.h"
#include "key/key.h"
#include "proto/json.h"

#define JWT_MAX (16 * 1024)      /* bytes of compact text; ours (a bound service-account token is about 1.2 KiB) */
#define JWT_KID_MAX 256          /* bytes; ours */
#define JWKS_MAX (1024 * 1024)   /* bytes of JSON; ours */
#define JWKS_KEYS_MAX 256        /* ours */

struct jwt_keys; /* opaque */

/* Parse a JWK Set.  Unknown kty, crv or alg, use other than absent/"sig"/"jwt-svid", key_ops without "verify": that key
 * is skipped (RFC 7517 s5); private or symmetric members (d, k ...) on any key: the whole set is refused, and it says so.
 * INVALID_ARGUMENT: bad JSON, duplicate keys in JSON, a malformed or weak known key, an alg that does not go with it, two
 * usable keys with the same kid, more than JWKS_KEYS_MAX.  NOT_FOUND: a sound set without a usable key: its issuer has
 * withdrawn all keys (SPIFFE bundle, `"keys": []`), so keys known from before must no longer be used. */
struct err jwt_keys_parse(struct bytes json, struct jwt_keys **out);
size_t jwt_keys_count(const struct jwt_keys *keys);
/* Keys that were skipped as unknown. */
size_t jwt_keys_skipped(const struct jwt_keys *keys);
void jwt_keys_free(struct jwt_keys *keys); /* NULL is allowed */
static inline void auto_jwt_keys(struct jwt_keys **p) { jwt_keys_free(*p); }

/* The unverified view: header fields and the `iss` claim, to choose the issuer; nothing of it may be trusted.
 * INVALID_ARGUMENT: length, not three base64url parts, bad JSON, `crit` (RFC 7515 s4.1.11) or `b64`, a header that brings
 * or points to a key (jku, jwk, x5u, x5c: RFC 8725 s3.10; x5t and unknown members are ignored), an alg that we never take,
 * typ other than absent, "JWT", "JOSE", "at+jwt" (any case), iss over 511 bytes or not a string, exp that is not a time.  The
 * signature part is not decoded.  An empty kid counts as absent (old Kubernetes tokens have it). */
struct jwt_peek {
	char alg[8];
	char kid[JWT_KID_MAX + 1]; /* "" if absent */
	char iss[512];             /* "" if absent */
	int64_t exp;               /* INT64_MAX if absent */
};
struct err jwt_peek(struct bytes compact, struct jwt_peek *out);
/* Is the key that such a token names (or, without kid, the one that goes with its alg) in the set?  It may still not be usable. */
bool jwt_keys_has(struct jwt_keys *keys, const struct jwt_peek *peek);

struct jwt_expect {
	const char *issuer;            /* exact; required */
	const char *const *audiences;  /* at least one must be in `aud` */
	size_t audience_count;         /* 0: UNAUTHENTICATED always */
	int64_t now;                   /* Unix seconds */
	int64_t leeway;                /* seconds, for exp, nbf, iat */
	int64_t max_lifetime;          /* seconds, exp - (iat or now); 0: no limit */
};

/* Verify signature and claims: `iss` equal, `aud` a string or array holding one of ours, `exp` present and ahead, `nbf`
 * and `iat`, if there, not ahead.  With a kid, only that key; without, only if exactly one key of the set goes with alg.
 * Everything that jwt_peek() refuses is refused.  OK: *claims is the caller's reference.  UNAUTHENTICATED otherwise, the
 * reason names the check; RESOURCE_EXHAUSTED: no memory. */
struct err jwt_verify(struct bytes compact, struct jwt_keys *keys, const struct jwt_expect *expect, json_t **claims);

#endif
