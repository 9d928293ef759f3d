#include "ra/rates.h"

#include <openssl/rand.h>
#include <string.h>

#include "base/rate.h"

#define SETS 2048 /* ours: 8192 identities that ask within the same second or so */
#define WAYS 4

struct entry {
	uint64_t hash; /* 0: free */
	struct rate rate;
};
struct rates {
	int64_t per_second;
	uint64_t seed;
	struct entry sets[SETS][WAYS];
};

struct err rates_new(int64_t per_second, struct rates **out)
{
	AUTO(rates) struct rates *r = calloc(1, sizeof(*r));

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	r->per_second = per_second;
	if (RAND_bytes((uint8_t *)&r->seed, sizeof(r->seed)) != 1) FAIL(ERR_UNAVAILABLE, "front: no randomness");
	*out = MOVE(r);
	return OK;
}

void rates_free(struct rates *r)
{
	free(r);
}

/* FNV-1a from a secret start, then mixed: two that meet share a rate, which nobody can bring about on purpose. */
static uint64_t hash_of(const struct rates *r, const char *identity)
{
	uint64_t h = r->seed ^ UINT64_C(0xcbf29ce484222325);

	for (; *identity != '\0'; identity++) h = (h ^ (uint8_t)*identity) * UINT64_C(0x100000001b3);
	h = (h ^ (h >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
	h ^= h >> 29;
	return h == 0 ? 1 : h;
}

static struct entry *find(struct rates *r, uint64_t hash, int64_t now_us)
{
	struct entry *set = r->sets[hash % SETS], *oldest = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].hash == hash) return &set[i];
		if (set[i].hash == 0 || (oldest->hash != 0 && set[i].rate.last_us < oldest->rate.last_us)) oldest = &set[i];
	}
	oldest->hash = hash;
	rate_start(&oldest->rate, r->per_second, now_us);
	return oldest;
}

bool rates_take(struct rates *r, const char *identity, int64_t now_us)
{
	if (r->per_second == 0) return true;
	return rate_take(&find(r, hash_of(r, identity), now_us)->rate, now_us);
}
