/* idset.h: a set of SHA-256 hashes in memory.  One owner; no bound of its own. */
#ifndef SIGNET_CA_IDSET_H
#define SIGNET_CA_IDSET_H

#include "base/err.h"
#include "base/own.h"
#include "storage/store.h"

struct idset { /* zeroed: empty */
	uint8_t (*slots)[STORE_HASH_LEN]; /* open addressing */
	size_t count, cap;
};
bool idset_has(const struct idset *set, const uint8_t hash[STORE_HASH_LEN]);
/* Zeros, which stand for no hash, are never in.  *added: it was not there and is now (may be NULL).  RESOURCE_EXHAUSTED: out of
 * memory. */
struct err idset_add(struct idset *set, const uint8_t hash[STORE_HASH_LEN], bool *added);
void idset_free(struct idset *set); /* empty again */
static inline void auto_idset(struct idset *set) { idset_free(set); }

#endif
