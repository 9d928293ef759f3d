/* Intents: there from their own transaction on, and gone with the one that ends them. */
#include "storage/fixture.h"
#include "storage/intent.h"

static struct store_batch *begin(struct fixture *f)
{
	struct store_batch *b;

	OKAY(store_batch_begin(f->store, &b));
	return b;
}

static void they_are_listed_by_name_until_they_are_dropped(void **state)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct fixture *f = *state;
	struct store_cursor cursor = { 0 };
	struct store_intent got;
	struct store_batch *b = begin(f);

	OKAY(store_batch_intent_add(b, "b-2", bytes_str("two")));
	OKAY(store_batch_intent_add(b, "a-1", bytes_str("one")));
	OKAY(store_batch_intent_add(b, "c", bytes_str("three")));
	REFUSED(ERR_ALREADY_EXISTS, store_batch_intent_add(b, "c", bytes_str("again")));
	OKAY(store_batch_commit(b));
	b = begin(f);
	OKAY(store_batch_intent_drop(b, "b-2"));
	REFUSED(ERR_NOT_FOUND, store_batch_intent_drop(b, "b-2"));
	OKAY(store_batch_commit(b));
	fixture_reopen(f);
	OKAY(store_view_open(f->store, &v));
	OKAY(store_view_intent_next(v, &cursor, &got));
	assert_string_equal(got.name, "a-1");
	assert_true(bytes_is(got.value, "one"));
	OKAY(store_view_intent_next(v, &cursor, &got));
	assert_string_equal(got.name, "c");
	assert_true(bytes_is(got.value, "three"));
	REFUSED(ERR_NOT_FOUND, store_view_intent_next(v, &cursor, &got));
}

static void what_is_out_of_range_is_refused(void **state)
{
	static const char *const names[] = { "", "A", "a b", "a/b", "a_b", "a.b",
					     "a123456789012345678901234567890123456789012345678901234567890123" };
	AUTO(buf) struct buf big = { .max = STORE_INTENT_VALUE_MAX + 1 };
	struct fixture *f = *state;
	struct store_batch *b = begin(f);
	uint8_t *at;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		REFUSED(ERR_INVALID_ARGUMENT, store_batch_intent_add(b, names[i], bytes_str("x")));
		REFUSED(ERR_INVALID_ARGUMENT, store_batch_intent_drop(b, names[i]));
	}
	OKAY(buf_reserve(&big, big.max, &at));
	memset(at, 7, big.max);
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_intent_add(b, "x", BYTES(at, big.max)));
	REFUSED(ERR_INVALID_ARGUMENT, store_batch_intent_add(b, "x", BYTES_NONE));
	OKAY(store_batch_intent_add(b, "x", BYTES(at, STORE_INTENT_VALUE_MAX)));
	OKAY(store_batch_commit(b));
}

static void an_aborted_batch_leaves_none(void **state)
{
	AUTO(store_view) struct store_view *v = NULL;
	struct fixture *f = *state;
	struct store_cursor cursor = { 0 };
	struct store_intent got;
	struct store_batch *b = begin(f);

	OKAY(store_batch_intent_add(b, "x", bytes_str("x")));
	store_batch_abort(b);
	OKAY(store_view_open(f->store, &v));
	REFUSED(ERR_NOT_FOUND, store_view_intent_next(v, &cursor, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST_UP(they_are_listed_by_name_until_they_are_dropped),
		TEST_UP(what_is_out_of_range_is_refused),
		TEST_UP(an_aborted_batch_leaves_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
