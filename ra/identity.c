#include "ra/identity.h"

#include <string.h>

struct err identity_new(struct caller *caller, int64_t expires, struct identity **out)
{
	struct identity *id = calloc(1, sizeof(*id));

	if (id == NULL) {
		caller_free(caller);
		FAIL(ERR_RESOURCE_EXHAUSTED, "identity: out of memory");
	}
	id->refs = 1;
	id->caller = caller;
	id->expires = expires;
	id->cluster = -1;
	*out = id;
	return OK;
}

struct identity *identity_ref(struct identity *id)
{
	id->refs++;
	return id;
}

void identity_unref(struct identity *id)
{
	if (id == NULL || --id->refs > 0) return;
	caller_free(id->caller);
	free(id);
}

#define WAYS 4 /* ours: enough to keep unlucky sets rare */

struct entry {
	uint8_t key[32];
	struct identity *id;
	uint64_t used; /* tick of the last use */
};

struct identity_cache {
	size_t mask; /* sets - 1 */
	uint64_t tick;
	struct entry entries[];
};

struct err identity_cache_new(size_t entries, struct identity_cache **out)
{
	struct identity_cache *c;
	size_t sets = 1;

	while (sets * WAYS < entries) sets *= 2;
	c = calloc(1, sizeof(*c) + sets * WAYS * sizeof(struct entry));
	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "identity: out of memory");
	c->mask = sets - 1;
	*out = c;
	return OK;
}

static void entry_clear(struct entry *e)
{
	identity_unref(e->id);
	*e = (struct entry){ 0 };
}

void identity_cache_flush(struct identity_cache *c)
{
	for (size_t i = 0; i < (c->mask + 1) * WAYS; i++) entry_clear(&c->entries[i]);
}

void identity_cache_free(struct identity_cache *c)
{
	if (c == NULL) return;
	identity_cache_flush(c);
	free(c);
}

static struct entry *set_of(struct identity_cache *c, const uint8_t key[32])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h)); /* the key is a hash already */
	return &c->entries[(h & c->mask) * WAYS];
}

struct identity *identity_cache_get(struct identity_cache *c, const uint8_t key[32], int64_t now)
{
	struct entry *set = set_of(c, key);

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].id == NULL || memcmp(set[i].key, key, 32) != 0) continue;
		if (now >= set[i].id->expires) {
			entry_clear(&set[i]);
			return NULL;
		}
		set[i].used = ++c->tick;
		return identity_ref(set[i].id);
	}
	return NULL;
}

void identity_cache_put(struct identity_cache *c, const uint8_t key[32], struct identity *id, int64_t now)
{
	struct entry *set = set_of(c, key), *victim = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].id == NULL || now >= set[i].id->expires) {
			victim = &set[i];
			break;
		}
		if (set[i].used < victim->used) victim = &set[i];
	}
	entry_clear(victim);
	memcpy(victim->key, key, 32);
	victim->id = identity_ref(id);
	victim->used = ++c->tick;
}
