/* alg.h: the signature algorithms of RFC 7518 s3.1 and RFC 8037 s3.1 that we take.  Inside jwt/ only. */
#ifndef SIGNET_JWT_ALG_H
#define SIGNET_JWT_ALG_H

#include "jwt/jwt.h"

struct jwt_alg {
	const char *name;
	enum key_type type;
	enum key_scheme scheme;
	size_t coordinate; /* ECDSA: octets of r and of s (RFC 7518 s3.4); else 0 */
};

/* Exact name; NULL for everything that is never taken ("none", HS*, ES256K ...). */
const struct jwt_alg *jwt_alg_find(struct bytes name);

/* The key for a header with this kid (empty: absent) and alg; *out is borrowed from the set.  NOT_FOUND: no such key, or
 * without kid not exactly one.  INVALID_ARGUMENT: the key named by kid does not go with alg. */
struct err jwt_keys_choose(struct jwt_keys *keys, struct bytes kid, const struct jwt_alg *alg, struct key_public **out);

#endif
