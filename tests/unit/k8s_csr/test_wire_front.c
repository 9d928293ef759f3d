/* What front and courier say to each other: there and back, and every bound of every field on both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "k8s_csr/wire_front.h"

#define TEXT(s) BYTES(s, sizeof(s) - 1)
#define UID "f75b9c21-48fc-4b13-a38c-c50c97d5edfb"

static const struct wire_review review = { .id = 7, .issuer = 3, .cluster = 1, .token = TEXT("ey.J.x") };
static const struct wire_reviewed reviewed = { .id = 7,
					       .verdict = VERDICT_YES,
					       .ns = TEXT("default"),
					       .account = TEXT("web"),
					       .account_uid = TEXT(UID),
					       .pod = TEXT("web-7d4b9c-x2x9k"),
					       .pod_uid = TEXT(UID),
					       .node = TEXT("worker-1"),
					       .node_uid = TEXT(UID),
					       .why = TEXT("as the API server says") };
static const struct wire_node node = { .id = UINT64_MAX,
				       .cluster = 1,
				       .proxy_ns = TEXT("istio-system"),
				       .proxy_account = TEXT("ztunnel"),
				       .proxy_pod = TEXT("ztunnel-x2x9k"),
				       .proxy_uid = TEXT(UID),
				       .ns = TEXT("default"),
				       .account = TEXT("web") };
static const struct wire_node_answer node_answer = { .id = 9, .verdict = VERDICT_NO, .why = TEXT("no such pod on that node") };
static const struct wire_keys_ask keys_ask = { .id = 10, .issuer = 31 };

union message {
	struct wire_review review;
	struct wire_reviewed reviewed;
	struct wire_node node;
	struct wire_node_answer node_answer;
	struct wire_keys_ask keys_ask;
};
#define MESSAGE(name)                                                                                                              \
	static struct err put_##name(struct buf *out, const union message *m) { return wire_##name##_put(out, &m->name); }         \
	static struct err take_##name(struct bytes in, union message *m) { return wire_##name##_take(in, &m->name); }
MESSAGE(review)
MESSAGE(reviewed)
MESSAGE(node)
MESSAGE(node_answer)
MESSAGE(keys_ask)

enum which { REVIEW, REVIEWED, NODE, NODE_ANSWER, KEYS_ASK };
#define CASE(name) { #name, &(name), sizeof(name), put_##name, take_##name }
static const struct {
	const char *name;
	const void *sample;
	size_t size;
	struct err (*put)(struct buf *out, const union message *m);
	struct err (*take)(struct bytes in, union message *m);
} messages[] = { CASE(review), CASE(reviewed), CASE(node), CASE(node_answer), CASE(keys_ask) };

static union message sample_of(enum which i)
{
	union message m;

	memset(&m, 0, sizeof(m));
	memcpy(&m, messages[i].sample, messages[i].size);
	return m;
}

static void every_message_survives_the_way_there_and_back(void **state)
{
	(void)state;
	for (enum which i = REVIEW; i <= KEYS_ASK; i++) {
		AUTO(buf) struct buf a = { .max = 65536 }, b = { .max = 65536 };
		union message m = sample_of(i), got;

		if (messages[i].put(&a, &m).code != ERR_OK) fail_msg("%s is not encoded", messages[i].name);
		if (messages[i].take(buf_view(&a), &got).code != ERR_OK) fail_msg("%s is not decoded", messages[i].name);
		if (messages[i].put(&b, &got).code != ERR_OK) fail_msg("%s is not encoded again", messages[i].name);
		if (!bytes_equal(buf_view(&a), buf_view(&b))) fail_msg("%s changed", messages[i].name);
	}
}

static void nothing_gets_lost_on_the_way(void **state)
{
	AUTO(buf) struct buf a = { .max = 65536 };
	struct wire_reviewed got;

	(void)state;
	assert_int_equal(wire_reviewed_put(&a, &reviewed).code, ERR_OK);
	assert_int_equal(wire_reviewed_take(buf_view(&a), &got).code, ERR_OK);
	assert_true(got.id == 7 && got.verdict == VERDICT_YES);
	assert_true(bytes_equal(got.ns, reviewed.ns) && bytes_equal(got.account, reviewed.account));
	assert_true(bytes_equal(got.pod, reviewed.pod) && bytes_equal(got.node, reviewed.node));
	assert_true(bytes_is(got.account_uid, UID) && bytes_is(got.pod_uid, UID) && bytes_is(got.node_uid, UID));
	assert_true(bytes_is(got.why, "as the API server says"));
}

static void every_message_is_refused_when_cut_or_longer(void **state)
{
	(void)state;
	for (enum which i = REVIEW; i <= KEYS_ASK; i++) {
		AUTO(buf) struct buf a = { .max = 65536 };
		union message m = sample_of(i), got;
		size_t len;

		assert_int_equal(messages[i].put(&a, &m).code, ERR_OK);
		len = a.len;
		assert_int_equal(buf_put(&a, "", 1).code, ERR_OK);
		for (size_t n = 0; n <= a.len; n++) {
			if (n == len) continue;
			memset(&got, 0xa5, sizeof(got));
			if (messages[i].take(BYTES(a.data, n), &got).code != ERR_INVALID_ARGUMENT)
				fail_msg("%s of %zu bytes instead of %zu is taken", messages[i].name, n, len);
			for (size_t at = 0; at < messages[i].size; at++)
				if (((const uint8_t *)&got)[at] != 0) fail_msg("%s: something of a refused one is left", messages[i].name);
		}
	}
}

/* Texts: their fewest and most octets; each is also refused with a NUL in it. */
#define OF(which, type, member, least, most) { #type "." #member, which, offsetof(struct type, member), least, most }
static const struct {
	const char *name;
	enum which which;
	size_t offset, least, most;
} texts[] = {
	OF(REVIEW, wire_review, token, 1, 16 * 1024),
	OF(REVIEWED, wire_reviewed, ns, 0, 63),
	OF(REVIEWED, wire_reviewed, account, 0, 253),
	OF(REVIEWED, wire_reviewed, account_uid, 0, 64),
	OF(REVIEWED, wire_reviewed, pod, 0, 253),
	OF(REVIEWED, wire_reviewed, pod_uid, 0, 64),
	OF(REVIEWED, wire_reviewed, node, 0, 253),
	OF(REVIEWED, wire_reviewed, node_uid, 0, 64),
	OF(REVIEWED, wire_reviewed, why, 0, 256),
	OF(NODE, wire_node, proxy_ns, 1, 63),
	OF(NODE, wire_node, proxy_account, 1, 253),
	OF(NODE, wire_node, proxy_pod, 1, 253),
	OF(NODE, wire_node, proxy_uid, 1, 64),
	OF(NODE, wire_node, ns, 1, 63),
	OF(NODE, wire_node, account, 1, 253),
	OF(NODE_ANSWER, wire_node_answer, why, 0, 256),
};

static enum err_code put_text(size_t i, struct bytes text, struct buf *out)
{
	union message m = sample_of(texts[i].which);

	memcpy((uint8_t *)&m + texts[i].offset, &text, sizeof(text));
	return messages[texts[i].which].put(out, &m).code;
}

static void texts_have_bounds(void **state)
{
	static char long_text[20000];

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(buf) struct buf least = { .max = 65536 }, most = { .max = 65536 }, none = { .max = 65536 };
		union message m;

		if (put_text(i, BYTES(long_text, texts[i].least), &least) != ERR_OK) fail_msg("%s: least", texts[i].name);
		if (put_text(i, BYTES(long_text, texts[i].most), &most) != ERR_OK) fail_msg("%s: most", texts[i].name);
		assert_int_equal(messages[texts[i].which].take(buf_view(&least), &m).code, ERR_OK);
		assert_int_equal(messages[texts[i].which].take(buf_view(&most), &m).code, ERR_OK);
		if (put_text(i, BYTES(long_text, texts[i].most + 1), &none) != ERR_INVALID_ARGUMENT) fail_msg("%s: longer", texts[i].name);
		if (put_text(i, BYTES("a\0b", 3), &none) != ERR_INVALID_ARGUMENT) fail_msg("%s: NUL", texts[i].name);
		if (texts[i].least > 0 && put_text(i, BYTES_NONE, &none) != ERR_INVALID_ARGUMENT) fail_msg("%s: empty", texts[i].name);
		assert_int_equal(none.len, 0);
	}
}

/* The receiver's side of the same: the text is the message's only 'Z's; its length is before it. */
static void a_peer_cannot_break_the_bounds_of_texts(void **state)
{
	static char zs[20000];

	(void)state;
	memset(zs, 'Z', sizeof(zs));
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(buf) struct buf good = { .max = 65536 }, bad = { .max = 65536 };
		size_t n = texts[i].most, at = 0;
		union message m;

		assert_int_equal(put_text(i, BYTES(zs, n), &good), ERR_OK);
		while (good.data[at] != 'Z') at++;
		assert_memory_equal(good.data + at, zs, n);
		assert_int_equal(good.data[at - 2] << 8 | good.data[at - 1], n);
		assert_int_equal(buf_put(&bad, good.data, at).code, ERR_OK);
		bad.data[at - 2] = (uint8_t)((n + 1) >> 8);
		bad.data[at - 1] = (uint8_t)(n + 1);
		assert_int_equal(buf_put(&bad, zs, n + 1).code, ERR_OK);
		assert_int_equal(buf_put(&bad, good.data + at + n, good.len - at - n).code, ERR_OK);
		if (messages[texts[i].which].take(buf_view(&bad), &m).code != ERR_INVALID_ARGUMENT) fail_msg("%s: longer", texts[i].name);
		good.data[at + n / 2] = 0;
		if (messages[texts[i].which].take(buf_view(&good), &m).code != ERR_INVALID_ARGUMENT) fail_msg("%s: NUL", texts[i].name);
	}
}

/* One octet of an encoded sample is set. */
static const struct {
	const char *name;
	enum which which;
	size_t at;
	uint8_t value;
	enum err_code want;
} octets[] = {
	{ "the last issuer", REVIEW, 8, CONF_ISSUERS_MAX - 1, ERR_OK },
	{ "an issuer that cannot be", REVIEW, 8, CONF_ISSUERS_MAX, ERR_INVALID_ARGUMENT },
	{ "issuer 255", REVIEW, 8, 255, ERR_INVALID_ARGUMENT },
	{ "the last cluster", REVIEW, 9, CONF_CLUSTERS_MAX - 1, ERR_OK },
	{ "a cluster that cannot be", REVIEW, 9, CONF_CLUSTERS_MAX, ERR_INVALID_ARGUMENT },
	{ "a no", REVIEWED, 8, VERDICT_NO, ERR_OK },
	{ "away", REVIEWED, 8, VERDICT_AWAY, ERR_OK },
	{ "no verdict", REVIEWED, 8, 0, ERR_INVALID_ARGUMENT },
	{ "an unknown verdict", REVIEWED, 8, VERDICT_COUNT, ERR_INVALID_ARGUMENT },
	{ "a node's last cluster", NODE, 8, CONF_CLUSTERS_MAX - 1, ERR_OK },
	{ "a node's cluster that cannot be", NODE, 8, CONF_CLUSTERS_MAX, ERR_INVALID_ARGUMENT },
	{ "a node's yes", NODE_ANSWER, 8, VERDICT_YES, ERR_OK },
	{ "no verdict of a node", NODE_ANSWER, 8, 0, ERR_INVALID_ARGUMENT },
	{ "an unknown verdict of a node", NODE_ANSWER, 8, VERDICT_COUNT, ERR_INVALID_ARGUMENT },
	{ "the first issuer's keys", KEYS_ASK, 8, 0, ERR_OK },
	{ "keys of an issuer that cannot be", KEYS_ASK, 8, CONF_ISSUERS_MAX, ERR_INVALID_ARGUMENT },
};

static void numbers_have_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(octets); i++) {
		AUTO(buf) struct buf a = { .max = 65536 };
		union message m = sample_of(octets[i].which), got;

		assert_int_equal(messages[octets[i].which].put(&a, &m).code, ERR_OK);
		assert_int_not_equal(a.data[octets[i].at], octets[i].value);
		a.data[octets[i].at] = octets[i].value;
		if (messages[octets[i].which].take(buf_view(&a), &got).code != octets[i].want) fail_msg("%s", octets[i].name);
	}
}

static void numbers_out_of_bounds_are_not_sent(void **state)
{
	AUTO(buf) struct buf out = { .max = 65536 };
	struct wire_review a = review, b = review;
	struct wire_reviewed c = reviewed, d = reviewed;
	struct wire_node e = node;
	struct wire_node_answer f = node_answer;
	struct wire_keys_ask g = keys_ask;

	(void)state;
	a.issuer = CONF_ISSUERS_MAX;
	b.cluster = CONF_CLUSTERS_MAX;
	c.verdict = 0;
	d.verdict = VERDICT_COUNT;
	e.cluster = CONF_CLUSTERS_MAX;
	f.verdict = VERDICT_COUNT;
	g.issuer = CONF_ISSUERS_MAX;
	assert_int_equal(wire_review_put(&out, &a).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_review_put(&out, &b).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_reviewed_put(&out, &c).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_reviewed_put(&out, &d).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_node_put(&out, &e).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_node_answer_put(&out, &f).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(wire_keys_ask_put(&out, &g).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(out.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_survives_the_way_there_and_back),
		cmocka_unit_test(nothing_gets_lost_on_the_way),
		cmocka_unit_test(every_message_is_refused_when_cut_or_longer),
		cmocka_unit_test(texts_have_bounds),
		cmocka_unit_test(a_peer_cannot_break_the_bounds_of_texts),
		cmocka_unit_test(numbers_have_bounds),
		cmocka_unit_test(numbers_out_of_bounds_are_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
