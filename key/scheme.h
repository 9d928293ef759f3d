/* scheme.h: what a signature scheme is made of; for key/ and hsm/ only. */
#ifndef SIGNET_KEY_SCHEME_H
#define SIGNET_KEY_SCHEME_H

#include "key/key.h"

enum key_hash { HASH_SHA256, HASH_SHA384, HASH_SHA512, HASH_COUNT };
#define HASH_MAX 64 /* octets of SHA-512 */

enum key_padding { PADDING_NONE, PADDING_PKCS1, PADDING_PSS };

struct key_scheme_parts {
	enum key_type type;
	enum key_hash hash; /* Ed25519 hashes by itself: unused */
	enum key_padding padding;
	struct bytes algorithm; /* AlgorithmIdentifier element, as we write it; none for PSS */
};

/* NULL for SCHEME_NONE and values outside the enum. */
const struct key_scheme_parts *key_scheme_find(enum key_scheme scheme);
/* OpenSSL's name of a hash, and its octets. */
const char *key_hash_name(enum key_hash hash);
size_t key_hash_len(enum key_hash hash);

#endif
