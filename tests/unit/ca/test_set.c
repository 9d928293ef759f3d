/* The root set as a stored value: all of it comes back, nothing else is taken, and what programs before this one wrote is understood. */
#include "ca/root_sets.h"

#include "base/wire.h"

/* Every state and origin, a cross-certificate, reigns, taints. */
static void bench_full(struct bench *b)
{
	bench_first(b);
	b->step.next = 10;
	b->step.cross = false;
	prepare(b);
	b->set.items[1].cross = buf_view(&root_new(b)->cert);
	b->set.items[2] = item_of(root_new(b), ROOT_KEPT, ORIGIN_OWN, SET_NEVER);
	b->set.items[3] = item_of(root_new(b), ROOT_OLD, ORIGIN_ADDED, 4);
	b->set.items[4] = item_of(root_new(b), ROOT_FORMER, ORIGIN_HELD, SET_NEVER);
	b->set.items[3].pinned = true;
	b->set.items[3].since = -5;
	b->set.item_count = 5;
	b->set.seq = 77;
	b->step.next = 20;
	reign_of(b, &b->set.items[1], 20);
	b->set.taints[0] = (struct root_taint){ .signer = { 1, 2 }, .since = 9 };
	b->set.taint_count = 1;
}

static void everything_comes_back(void **state)
{
	AUTO(buf) struct buf out = { .max = SET_VALUE_MAX }, again = { .max = SET_VALUE_MAX };
	static struct root_set got;
	uint16_t version;
	struct bench b;

	(void)state;
	bench_open(&b);
	bench_full(&b);
	MUST(set_encode(&b.set, &out));
	MUST(set_decode(buf_view(&out), &version, &got));
	assert_int_equal(version, SET_VERSION);
	assert_int_equal(got.seq, 77);
	assert_int_equal(got.item_count, 5);
	assert_true(got.items[3].pinned && got.items[3].since == -5 && got.items[3].published == 4);
	assert_true(bytes_equal(got.items[1].cross, b.set.items[1].cross));
	assert_int_equal(got.reign_count, 2);
	assert_int_equal(got.reigns[1].from, 20);
	assert_true(set_is_tainted(&got, got.taints[0].signer));
	assert_false(set_is_tainted(&got, got.reigns[0].signer));
	MUST(set_encode(&got, &again));
	assert_true(bytes_equal(buf_view(&out), buf_view(&again)));
	bench_close(&b);
}

static void what_is_cut_or_longer_is_refused(void **state)
{
	AUTO(buf) struct buf out = { .max = SET_VALUE_MAX };
	static struct root_set got;
	uint16_t version;
	struct bench b;

	(void)state;
	bench_open(&b);
	bench_full(&b);
	MUST(set_encode(&b.set, &out));
	for (size_t n = 0; n < out.len; n++)
		if (set_decode(BYTES(out.data, n), &version, &got).code != ERR_INVALID_ARGUMENT) fail_msg("cut to %zu", n);
	MUST(buf_put(&out, "", 1));
	assert_int_equal(set_decode(buf_view(&out), &version, &got).code, ERR_INVALID_ARGUMENT);
	bench_close(&b);
}

static void two_active(struct root_set *s) { s->items[1].state = ROOT_ACTIVE; }
static void no_active(struct root_set *s) { s->items[0].state = ROOT_OLD; }
static void own_without_key(struct root_set *s) { s->items[1].blob = BYTES_NONE; }
static void added_with_key(struct root_set *s) { s->items[3].blob = s->items[1].blob; }
static void added_with_cross(struct root_set *s) { s->items[3].cross = s->items[1].cross; }
static void kept_that_is_not_ours(struct root_set *s) { s->items[3].state = ROOT_KEPT; s->items[3].published = SET_NEVER; }
static void former_of_ours(struct root_set *s) { s->items[4].origin = ORIGIN_OWN; s->items[4].blob = s->items[1].blob; }
static void published_and_kept(struct root_set *s) { s->items[2].published = 3; }
static void trusted_and_never_published(struct root_set *s) { s->items[1].published = SET_NEVER; }
static void the_same_twice(struct root_set *s) { s->items[3].cert = s->items[1].cert; }
static void no_certificate(struct root_set *s) { s->items[3].cert = bytes_str("x"); }
static void a_chain_under_our_own(struct root_set *s) { s->items[4].state = ROOT_CHAIN; }
static void no_reign(struct root_set *s) { s->reign_count = 0; }
static void reigns_out_of_order(struct root_set *s) { s->reigns[0].from = 21; }

static const struct { const char *name; void (*spoil)(struct root_set *); } bad_sets[] = {
#define BAD(f) { #f, f }
	BAD(two_active), BAD(no_active), BAD(own_without_key), BAD(added_with_key), BAD(added_with_cross), BAD(kept_that_is_not_ours),
	BAD(former_of_ours), BAD(published_and_kept), BAD(trusted_and_never_published), BAD(the_same_twice), BAD(no_certificate),
	BAD(a_chain_under_our_own), BAD(no_reign), BAD(reigns_out_of_order),
};

static void what_is_no_set_is_neither_written_nor_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad_sets); i++) {
		AUTO(buf) struct buf out = { .max = SET_VALUE_MAX };
		struct bench b;

		bench_open(&b);
		bench_full(&b);
		bad_sets[i].spoil(&b.set);
		if (set_encode(&b.set, &out).code != ERR_INVALID_ARGUMENT) fail_msg("%s", bad_sets[i].name);
		bench_close(&b);
	}
}

/* ---- values of programs before this one ---- */

static void old_head(struct buf *out, uint16_t version, uint8_t count)
{
	out->len = 0;
	MUST(wire_put_u16(out, version));
	MUST(wire_put_u32(out, 5));
	MUST(wire_put_u8(out, count));
}

static void old_item(struct buf *out, uint8_t state, const struct made *m, bool key)
{
	MUST(wire_put_u8(out, state));
	MUST(wire_put_bytes(out, buf_view(&m->cert)));
	MUST(wire_put_bytes(out, key ? buf_view(&m->blob) : BYTES_NONE));
}

static const struct {
	const char *name;
	uint16_t version;
	const char *items; /* of each the state, and K if it has a key */
	const char *want;  /* states and origins, or NULL: refused */
} old_values[] = {
	{ "a root of ours", 1, "2K", "21" },
	{ "next, active, old", 1, "1K2K3K", "112131" },
	{ "kept, which version 1 has not", 1, "2K4K", NULL },
	{ "no active one", 1, "1K", NULL },
	{ "ours without a key", 1, "2-", NULL },
	{ "ours, and one that is kept", 2, "2K4K", "2141" },
	{ "brought: the chain, its root, another", 2, "5-6-6-", "522232" },
	{ "brought: the root signs by itself", 2, "6-", "22" },
	{ "imported: its key is here", 2, "5K6-", "5222" },
	{ "brought, and ours is kept", 2, "5-6-4K", "522241" },
	{ "a root that was brought, with a key", 2, "6K", NULL },
	{ "a chain without a root", 2, "5-", NULL },
	{ "a state that nobody has", 2, "2K7-", NULL },
	{ "a version that nobody has", 4, "2K", NULL },
};

static void values_of_before_are_understood(void **state)
{
	static struct root_set got;
	struct bench b;

	(void)state;
	bench_open(&b);
	for (unsigned n = 0; n < 3; n++) (void)root_new(&b);
	for (size_t i = 0; i < ARRAY_LEN(old_values); i++) {
		AUTO(buf) struct buf out = { .max = SET_VALUE_MAX };
		size_t count = strlen(old_values[i].items) / 2;
		uint16_t version;
		struct err e;

		old_head(&out, old_values[i].version, (uint8_t)count);
		for (size_t n = 0; n < count; n++)
			old_item(&out, (uint8_t)(old_values[i].items[2 * n] - '0'), &b.made[n], old_values[i].items[2 * n + 1] == 'K');
		e = set_decode(buf_view(&out), &version, &got);
		if ((e.code == ERR_OK) != (old_values[i].want != NULL)) fail_msg("%s: %s", old_values[i].name, e.reason);
		if (e.code != ERR_OK) continue;
		assert_int_equal(version, old_values[i].version);
		assert_int_equal(got.seq, 5);
		assert_int_equal(got.reign_count, 1); /* all that there is counts as of what signs now */
		assert_int_equal(got.reigns[0].from, 0);
		for (size_t n = 0; n < count; n++)
			if (got.items[n].state != old_values[i].want[2 * n] - '0' || got.items[n].origin != old_values[i].want[2 * n + 1] - '0')
				fail_msg("%s: item %zu", old_values[i].name, n);
	}
	bench_close(&b);
}

/* ---- who signed when ---- */

static struct root_reign reign(uint64_t from, uint8_t who)
{
	return (struct root_reign){ .from = from, .root_key = { who }, .signer = { who } };
}

static void reigns_are_few_and_in_order(void **state)
{
	static struct root_set set;
	struct root_reign r;

	(void)state;
	memset(&set, 0, sizeof(set));
	r = reign(0, 1);
	set_reign(&set, &r);
	r = reign(10, 1); /* the same again */
	set_reign(&set, &r);
	assert_int_equal(set.reign_count, 1);
	r = reign(20, 2);
	set_reign(&set, &r);
	r = reign(20, 3); /* the second signed nothing */
	set_reign(&set, &r);
	assert_int_equal(set.reign_count, 2);
	assert_int_equal(set.reigns[1].signer[0], 3);
	for (unsigned i = 0; i < 2 * SET_REIGNS_MAX; i++) {
		r = reign(100 + i, (uint8_t)(10 + i % 2));
		set_reign(&set, &r);
	}
	assert_int_equal(set.reign_count, SET_REIGNS_MAX);
	assert_int_equal(set.reigns[0].from, 0); /* the oldest records still have somebody */
	assert_int_equal(set.reigns[SET_REIGNS_MAX - 1].from, 100 + 2 * SET_REIGNS_MAX - 1);
	set_forget_reigns(&set, set.reigns[5].from);
	assert_int_equal(set.reign_count, SET_REIGNS_MAX - 5);
	set_forget_reigns(&set, UINT64_MAX);
	assert_int_equal(set.reign_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(what_is_cut_or_longer_is_refused),
		cmocka_unit_test(what_is_no_set_is_neither_written_nor_read),
		cmocka_unit_test(values_of_before_are_understood),
		cmocka_unit_test(reigns_are_few_and_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
