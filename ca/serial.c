#include "ca/serial.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>

#define POOL 64 /* serials a fetch; ours: RAND_bytes costs the same for one as for all of them (ca.md 4.3) */

struct serials {
	uint8_t replica;
	size_t left; /* of pool */
	uint8_t pool[POOL][SERIAL_RANDOM_LEN];
};

struct err serials_new(int64_t replica, struct serials **out)
{
	struct serials *s;

	if (replica < 1 || replica > 127) FAIL(ERR_INVALID_ARGUMENT, "ca: replica out of range");
	s = calloc(1, sizeof(*s));
	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	s->replica = (uint8_t)replica;
	*out = s;
	return OK;
}

void serials_free(struct serials *s)
{
	if (s == NULL) return;
	explicit_bzero(s, sizeof(*s));
	free(s);
}

struct err serials_next(struct serials *s, int64_t now, uint8_t out[SERIAL_LEN])
{
	uint8_t *random;

	if (s->left == 0) {
		if (RAND_bytes((uint8_t *)s->pool, sizeof(s->pool)) != 1)
			FAIL_BY(ERR_UNAVAILABLE, "ca: no randomness", ERR_get_error());
		s->left = POOL;
	}
	random = s->pool[--s->left];
	out[0] = s->replica;
	for (int i = 0; i < SERIAL_TIME_LEN; i++) out[1 + i] = (uint8_t)((uint64_t)now >> (8 * (SERIAL_TIME_LEN - 1 - i)));
	memcpy(out + 1 + SERIAL_TIME_LEN, random, SERIAL_RANDOM_LEN);
	memset(random, 0, SERIAL_RANDOM_LEN); /* used once, whatever happens */
	return OK;
}
