#include <stdlib.h>
#include <string.h>

#include "base/own.h"
#include "key/prepared.h"

struct key_public {
	struct key_hasher hasher;
	struct key_prepared prepared;
	struct key_info info; /* views into spki */
	uint8_t spki[];
};

struct err key_public_new(struct bytes spki, struct key_public **out)
{
	AUTO(key_public) struct key_public *key = NULL;
	struct key_info info;

	TRY(key_info_parse(spki, &info)); /* bounds spki.len */
	key = calloc(1, sizeof(*key) + spki.len);
	if (key == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "key: out of memory");
	memcpy(key->spki, spki.data, spki.len);
	TRY(key_info_parse(BYTES(key->spki, spki.len), &key->info));
	TRY(key_hasher_open(&key->hasher));
	TRY(key_prepared_load(&key->prepared, &key->info));
	*out = MOVE(key);
	return OK;
}

const struct key_info *key_public_info(const struct key_public *key)
{
	return &key->info;
}

struct err key_public_verify(struct key_public *key, enum key_scheme scheme, struct bytes msg, struct bytes sig)
{
	const struct key_claim claim = { .info = &key->info, .scheme = scheme, .msg = msg, .sig = sig };

	TRY(key_claim_check(&claim));
	return key_prepared_verify(&key->prepared, &key->hasher, &claim);
}

void key_public_free(struct key_public *key)
{
	if (key == NULL) return;
	key_prepared_close(&key->prepared);
	key_hasher_close(&key->hasher);
	free(key);
}
