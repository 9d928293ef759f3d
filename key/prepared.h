/* prepared.h: OpenSSL objects that are made once and used for many verifications; private to key/.  One thread. */
#ifndef SIGNET_KEY_PREPARED_H
#define SIGNET_KEY_PREPARED_H

#include <openssl/evp.h>

#include "key/openssl.h"
#include "key/scheme.h"

/* The hash functions, fetched once: an EVP_MD by name is looked up again at every use. */
struct key_hasher {
	EVP_MD *md[HASH_COUNT];
	EVP_MD_CTX *ctx;
};
struct err key_hasher_open(struct key_hasher *h);
void key_hasher_close(struct key_hasher *h); /* {0} is allowed */

/* A public key and its verify context, set up for the scheme `ready`. */
struct key_prepared {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx;
	enum key_scheme ready;
};
void key_prepared_close(struct key_prepared *p); /* {0} is allowed */
/* Load any key; INVALID_ARGUMENT if OpenSSL refuses it (point off the curve).  *p must be {0}. */
struct err key_prepared_load(struct key_prepared *p, const struct key_info *info);
/* What is to be verified: `sig` over `msg` by the key of `info`. */
struct key_claim {
	const struct key_info *info;
	enum key_scheme scheme;
	struct bytes msg, sig;
};
/* What can be refused without the key: the scheme does not go with it, the signature has another form.  INVALID_ARGUMENT. */
struct err key_claim_check(const struct key_claim *claim);
/* Verify a checked claim by the key in *p, which is the one of claim->info.  INVALID_ARGUMENT: wrong. */
struct err key_prepared_verify(struct key_prepared *p, struct key_hasher *h, const struct key_claim *claim);

#endif
