/* signer.h: one thread's reused OpenSSL objects for signing by one key; private to hsm/. */
#ifndef SIGNET_HSM_SIGNER_H
#define SIGNET_HSM_SIGNER_H

#include <openssl/evp.h>

#include "hsm/hsm.h"

struct hsm_signer {
	EVP_PKEY *pkey; /* a reference of its own */
	EVP_PKEY_CTX *ctx;
	EVP_MD *md;
	EVP_MD_CTX *hash;
	enum key_scheme scheme;
};
/* INTERNAL: OpenSSL cannot be set up. */
struct err hsm_signer_open(struct hsm_signer *s, EVP_PKEY *pkey, enum key_scheme scheme);
/* Sign job->msg into job->sig; does not call done. */
struct err hsm_signer_sign(struct hsm_signer *s, struct hsm_job *job);
void hsm_signer_close(struct hsm_signer *s); /* {0} is allowed */

#endif
