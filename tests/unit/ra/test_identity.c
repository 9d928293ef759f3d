/* The cache of verified tokens: bounded, forgets what has expired, shares what it holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ra/auth.h"
#include "ra/identity.h"

static struct identity *make(const char *id, int64_t expires)
{
	struct caller *c = NULL;
	struct identity *out = NULL;

	assert_int_equal(caller_new(CALLER_JWT, id, &c).code, ERR_OK);
	assert_int_equal(identity_new(c, expires, &out).code, ERR_OK);
	return out;
}

static void key_of(unsigned i, uint8_t key[32])
{
	memset(key, 0, 32);
	memcpy(key + 8, &i, sizeof(i)); /* all in one set: the first eight octets choose it */
}

static void test_cache_gives_back_until_expiry(void **state)
{
	struct identity_cache *cache;
	AUTO(identity) struct identity *id = make("a", 100), *got = NULL;
	uint8_t key[32], other[32];

	(void)state;
	key_of(1, key);
	key_of(2, other);
	assert_int_equal(identity_cache_new(16, &cache).code, ERR_OK);
	assert_null(identity_cache_get(cache, key, 0));
	identity_cache_put(cache, key, id, 0);
	got = identity_cache_get(cache, key, 99);
	assert_ptr_equal(got, id);
	assert_null(identity_cache_get(cache, other, 0));
	assert_null(identity_cache_get(cache, key, 100)); /* the moment it expires */
	assert_null(identity_cache_get(cache, key, 0));   /* and it is gone, also for a clock that steps back */
	identity_cache_free(cache);
	assert_string_equal(caller_id(got->caller), "a"); /* our reference outlives the cache */
}

static void test_cache_is_bounded_and_drops_the_least_used(void **state)
{
	struct identity_cache *cache;
	uint8_t key[32];
	unsigned found = 0;

	(void)state;
	assert_int_equal(identity_cache_new(4, &cache).code, ERR_OK);
	for (unsigned i = 0; i < 100; i++) {
		AUTO(identity) struct identity *id = make("x", 1000), *first = NULL;

		key_of(i, key);
		identity_cache_put(cache, key, id, 0);
		key_of(0, key);
		first = identity_cache_get(cache, key, 0); /* keeps number 0 fresh */
		assert_non_null(first);
	}
	for (unsigned i = 0; i < 100; i++) {
		AUTO(identity) struct identity *id = NULL;

		key_of(i, key);
		id = identity_cache_get(cache, key, 0);
		found += id != NULL;
	}
	assert_int_equal(found, 4);
	identity_cache_free(cache);
}

static void test_flush_forgets_all(void **state)
{
	struct identity_cache *cache;
	AUTO(identity) struct identity *id = make("a", 100), *again = NULL;
	uint8_t key[32];

	(void)state;
	assert_int_equal(identity_cache_new(64, &cache).code, ERR_OK);
	for (unsigned i = 0; i < 64; i++) {
		key_of(i, key);
		key[0] = (uint8_t)i; /* in all sets */
		identity_cache_put(cache, key, id, 0);
	}
	identity_cache_flush(cache);
	assert_int_equal(id->refs, 1);
	for (unsigned i = 0; i < 64; i++) {
		key_of(i, key);
		key[0] = (uint8_t)i;
		assert_null(identity_cache_get(cache, key, 0));
	}
	identity_cache_put(cache, key, id, 0); /* and goes on */
	again = identity_cache_get(cache, key, 0);
	assert_ptr_equal(again, id);
	identity_cache_free(cache);
}

static const struct {
	const char *header;
	enum auth_bearer want;
} bearers[] = {
	{ "Bearer a.b.c", AUTH_JWT },
	{ "Bearer sgt1_abc", AUTH_JOIN_TOKEN },
	{ "Bearer sgt1_0123456789012345678901234567890123456789012345678901234567890123456789", AUTH_JWT }, /* too long for ours */
	{ "Bearer  x", AUTH_JWT },
	{ "", AUTH_NOTHING },
	{ "Bearer", AUTH_NOTHING },
	{ "Bearer ", AUTH_NOTHING },
	{ "bearer a.b.c", AUTH_NOTHING },
	{ "BEARER a.b.c", AUTH_NOTHING },
	{ "Basic YTpi", AUTH_NOTHING },
	{ " Bearer a.b.c", AUTH_NOTHING },
};

static void test_bearer_is_read_as_istio_reads_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bearers); i++) {
		struct bytes token;

		if (auth_bearer(bytes_str(bearers[i].header), &token) != bearers[i].want) fail_msg("\"%s\"", bearers[i].header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache_gives_back_until_expiry),
		cmocka_unit_test(test_cache_is_bounded_and_drops_the_least_used),
		cmocka_unit_test(test_flush_forgets_all),
		cmocka_unit_test(test_bearer_is_read_as_istio_reads_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
