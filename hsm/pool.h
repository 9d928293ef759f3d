/* pool.h: threads that sign by one key; private to hsm/.  Jobs are a list through job->next, so the pool allocates nothing
 * per job and is bounded by what its one submitter has in flight. */
#ifndef SIGNET_HSM_POOL_H
#define SIGNET_HSM_POOL_H

#include <openssl/evp.h>

#include "hsm/hsm.h"

struct hsm_pool;
/* INTERNAL, RESOURCE_EXHAUSTED: a thread or OpenSSL object cannot be made.  Takes a reference to pkey. */
struct err hsm_pool_new(EVP_PKEY *pkey, enum key_scheme scheme, unsigned threads, struct hsm_pool **out);
void hsm_pool_submit(struct hsm_pool *pool, struct hsm_job *job);
/* Waits for the signatures being made; jobs not begun are answered UNAVAILABLE, on this thread. */
void hsm_pool_free(struct hsm_pool *pool);
static inline void auto_hsm_pool(struct hsm_pool **p) { hsm_pool_free(*p); }

#endif
