#include "ca/idset.h"

#include <string.h>

/* Hashes are random already; an all-zero slot is free, and zeros (no hash at all) are never in a set. */
static bool is_none(const uint8_t hash[STORE_HASH_LEN])
{
	static const uint8_t none[STORE_HASH_LEN];

	return memcmp(hash, none, STORE_HASH_LEN) == 0;
}

static uint8_t *slot(const struct idset *set, const uint8_t hash[STORE_HASH_LEN])
{
	size_t i;

	memcpy(&i, hash, sizeof(i));
	for (i &= set->cap - 1;; i = (i + 1) & (set->cap - 1))
		if (memcmp(set->slots[i], hash, STORE_HASH_LEN) == 0 || is_none(set->slots[i])) return set->slots[i];
}

bool idset_has(const struct idset *set, const uint8_t hash[STORE_HASH_LEN])
{
	return set->cap > 0 && !is_none(hash) && memcmp(slot(set, hash), hash, STORE_HASH_LEN) == 0;
}

static struct err grow(struct idset *set)
{
	struct idset grown = { .count = set->count, .cap = set->cap == 0 ? 1024 : set->cap * 2 };

	if (set->count * 2 < set->cap) return OK;
	grown.slots = calloc(grown.cap, sizeof(*grown.slots));
	if (grown.slots == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	for (size_t i = 0; i < set->cap; i++)
		if (!is_none(set->slots[i])) memcpy(slot(&grown, set->slots[i]), set->slots[i], STORE_HASH_LEN);
	free(set->slots);
	*set = grown;
	return OK;
}

struct err idset_add(struct idset *set, const uint8_t hash[STORE_HASH_LEN], bool *added)
{
	bool there = idset_has(set, hash);

	if (added != NULL) *added = !there && !is_none(hash);
	if (there || is_none(hash)) return OK;
	TRY(grow(set));
	memcpy(slot(set, hash), hash, STORE_HASH_LEN);
	set->count++;
	return OK;
}

void idset_free(struct idset *set)
{
	free(set->slots);
	*set = (struct idset){ .count = 0 };
}
