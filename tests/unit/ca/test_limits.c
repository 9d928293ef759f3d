/* What the keeper refuses whatever policy granted: limits, bans, rate. */
#include "ca/support.h"

#include <sys/stat.h>

#include "ca/bans.h"
#include "base/rate.h"
#include "ca/limits.h"

#define ORG "trust_domain: example.org\n"
#define ALLOW                                                                                                          \
	ORG "ca:\n  allow_dns_names: ['*.a.svc', '**.mesh', 'istiod.mesh', ca.example.org]\n"                          \
	    "  allow_ip_ranges: [10.0.0.0/8, 192.0.2.128/25, 'fd00::/8', 203.0.113.7/32]\n"                            \
	    "tls:\n  names: [CA.example.org, 10.1.2.3, 'fd00::1', localhost]\n"

static struct limits *limits_of(const char *yaml, struct conf **conf)
{
	struct limits *l = NULL;

	*conf = conf_of(yaml);
	MUST(limits_new(*conf, &l));
	return l;
}

/* ---- SPIFFE IDs ---- */

static const struct { const char *yaml, *id; enum keeper_reason want; } ids[] = {
	{ ORG, "spiffe://example.org/ns/a/sa/b", REASON_NONE },
	{ ORG, "spiffe://example.org/x", REASON_NONE },
	{ ORG, "spiffe://example.org", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://example.org/", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://example.com/ns/a/sa/b", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://example.org.evil.com/ns/a", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://sub.example.org/ns/a", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://Example.org/ns/a", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://example.org/ns/../sa", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://example.org/ns//sa", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "spiffe://example.org/a%2fb", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "https://example.org/ns/a", REASON_LIMIT_SPIFFE_ID },
	{ ORG, "", REASON_LIMIT_SPIFFE_ID },
	{ ORG "ca:\n  allow_spiffe_ids: ['spiffe://example.org/ns/*/sa/*']\n", "spiffe://example.org/ns/a/sa/b", REASON_NONE },
	{ ORG "ca:\n  allow_spiffe_ids: ['spiffe://example.org/ns/*/sa/*']\n", "spiffe://example.org/ns/a/b/sa/c", REASON_LIMIT_SPIFFE_ID },
	{ ORG "ca:\n  allow_spiffe_ids: ['spiffe://example.org/ns/*/sa/*']\n", "spiffe://example.org/node/a", REASON_LIMIT_SPIFFE_ID },
};

static void test_spiffe_ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct conf *conf;
		AUTO(limits) struct limits *l = limits_of(ids[i].yaml, &conf);

		if (limits_check_spiffe_id(l, bytes_str(ids[i].id)) != ids[i].want) fail_msg("%s under %s", ids[i].id, ids[i].yaml);
		conf_free(conf);
	}
}

/* ---- names ---- */

#define DNS(s, want) { WIRE_TAG_DNS, s, sizeof(s) - 1, REASON_##want }
#define IP(s, want) { WIRE_TAG_IP, s, sizeof(s) - 1, REASON_##want }
static const struct { uint8_t tag; const char *name; size_t len; enum keeper_reason want; } names[] = {
	DNS("b.a.svc", NONE),
	DNS("x.y.mesh", NONE),
	DNS("b-c.a.svc", NONE),
	DNS("b_c.a.svc", LIMIT_NAME),
	DNS("c.b.a.svc", LIMIT_NAME), /* '*' is one label; '**' is more */
	DNS("c.b.mesh", NONE),
	DNS("a.svc", LIMIT_NAME),
	DNS("b.a.svc.", LIMIT_NAME),
	DNS(".a.svc", LIMIT_NAME),
	DNS("b..a.svc", LIMIT_NAME),
	DNS("-b.a.svc", LIMIT_NAME),
	DNS("b-.a.svc", LIMIT_NAME),
	DNS("B.a.svc", LIMIT_NAME),
	DNS("*.a.svc", LIMIT_NAME),
	DNS("b\0c.a.svc", LIMIT_NAME),
	DNS("b c.a.svc", LIMIT_NAME),
	DNS("b\xc3\xa4.a.svc", LIMIT_NAME),
	DNS("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.a.svc", LIMIT_NAME), /* a label of 64 */
	DNS("elsewhere.org", LIMIT_NAME),
	DNS("", LIMIT_NAME),
	DNS("istiod.mesh", RESERVED_NAME), /* allowed by name, and reserved all the same */
	DNS("istiod.istio-system.svc", RESERVED_NAME),
	DNS("istiod", RESERVED_NAME),
	DNS("kubernetes.default.svc", RESERVED_NAME),
	DNS("signet", RESERVED_NAME),
	DNS("localhost", RESERVED_NAME),
	DNS("ca.example.org", RESERVED_NAME), /* tls.names, in another case */
	DNS("CA.EXAMPLE.ORG", RESERVED_NAME),
	IP("\x0a\x00\x00\x01", NONE),
	IP("\x0a\xff\xff\xff", NONE),
	IP("\xc0\x00\x02\x80", NONE),
	IP("\xcb\x00\x71\x07", NONE),
	IP("\xfd\x12\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", NONE),
	IP("\x0b\x00\x00\x01", LIMIT_NAME),
	IP("\xc0\x00\x02\x7f", LIMIT_NAME),
	IP("\xcb\x00\x71\x06", LIMIT_NAME),
	IP("\x7f\x00\x00\x01", LIMIT_NAME),
	IP("\xfe\x12\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", LIMIT_NAME),
	IP("\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x00\x00\x01", LIMIT_NAME), /* an IPv4 address in IPv6's clothes */
	IP("\x0a\x01\x02\x03", RESERVED_NAME),
	IP("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", RESERVED_NAME),
	{ 6, "spiffe://example.org/x", 22, REASON_LIMIT_NAME },
};

static void test_names(void **state)
{
	struct conf *conf;
	AUTO(limits) struct limits *l = limits_of(ALLOW, &conf);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct wire_name n = { names[i].tag, BYTES(names[i].name, names[i].len) };
		enum keeper_reason got = limits_check_name(l, &n);

		if (got != names[i].want) fail_msg("row %zu, %s: %d", i, names[i].name, got);
	}
	conf_free(conf);
}

static void test_ipv4_in_ipv6_is_refused_also_where_all_of_ipv6_is_allowed(void **state)
{
	struct conf *conf;
	AUTO(limits) struct limits *l = limits_of(ORG "ca: { allow_ip_ranges: ['::/0'] }\n", &conf);
	struct wire_name mapped = { WIRE_TAG_IP, BYTES("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16) };
	struct wire_name other = { WIRE_TAG_IP, BYTES("\0\0\0\0\0\0\0\0\0\0\xff\xfe\x7f\0\0\1", 16) };

	(void)state;
	assert_int_equal(limits_check_name(l, &mapped), REASON_LIMIT_NAME); /* 127.0.0.1 is in tls.names */
	assert_int_equal(limits_check_name(l, &other), REASON_NONE);
	conf_free(conf);
}

static void test_no_name_is_allowed_by_default(void **state)
{
	struct conf *conf;
	AUTO(limits) struct limits *l = limits_of(ORG, &conf);

	(void)state;
	assert_int_equal(limits_check_name(l, &(struct wire_name){ WIRE_TAG_DNS, TEXT("b.a.svc") }), REASON_LIMIT_NAME);
	assert_int_equal(limits_check_name(l, &(struct wire_name){ WIRE_TAG_IP, TEXT("\x0a\0\0\1") }), REASON_LIMIT_NAME);
	conf_free(conf);
}

/* ---- the whole request ---- */

static const struct { const char *name; uint32_t lifetime; enum key_type key; const char *issuer; enum keeper_reason want; } requests[] = {
	{ "as it should be", 3600, KEY_P256, "default", REASON_NONE },
	{ "the default issuer, unnamed", 3600, KEY_P256, "", REASON_NONE },
	{ "the longest", 7200, KEY_ED25519, "default", REASON_NONE },
	{ "a second more", 7201, KEY_P256, "default", REASON_LIFETIME },
	{ "for ever", UINT32_MAX, KEY_P256, "default", REASON_LIFETIME },
	{ "for no time", 0, KEY_P256, "default", REASON_LIFETIME },
	{ "RSA, which is not configured", 3600, KEY_RSA, "default", REASON_KEY_TYPE },
	{ "P-384, which is not configured", 3600, KEY_P384, "default", REASON_KEY_TYPE },
	{ "P-521, which never is", 3600, KEY_P521, "default", REASON_KEY_TYPE },
	{ "no key", 3600, KEY_NONE, "default", REASON_KEY_TYPE },
	{ "an issuer elsewhere", 3600, KEY_P256, "mesh", REASON_PROFILE },
};

static void test_requests(void **state)
{
	struct conf *conf;
	AUTO(limits) struct limits *l = limits_of(ORG "cert:\n  max_lifetime: 2h\n  default_lifetime: 1h\n  key_types: [p256, ed25519]\n", &conf);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		struct wire_issue m = { .spiffe_id = TEXT(WORKLOAD), .lifetime = requests[i].lifetime, .issuer = bytes_str(requests[i].issuer) };
		struct key_info key = { .type = requests[i].key };

		if (limits_check(l, &m, &key) != requests[i].want) fail_msg("%s", requests[i].name);
	}
	conf_free(conf);
}

/* ---- rate ---- */

static void test_rate_holds_one_second_and_fills_steadily(void **state)
{
	struct rate r;
	int64_t now = 5000000;
	unsigned got = 0;

	(void)state;
	rate_start(&r, 100, now);
	for (int i = 0; i < 1000; i++) got += rate_take(&r, now);
	assert_int_equal(got, 100);
	now += 500000;
	for (got = 0; rate_take(&r, now);) got++;
	assert_int_equal(got, 50);
	now += 3600LL * 1000000; /* an hour idle saves up no more than a second */
	for (got = 0; rate_take(&r, now);) got++;
	assert_int_equal(got, 100);
	assert_false(rate_take(&r, now - 1000000)); /* a clock that goes back gives nothing */
	rate_start(&r, 1000000, now);
	for (got = 0; got < 2000000 && rate_take(&r, now);) got++;
	assert_int_equal(got, 1000000);
}

/* ---- bans ---- */

static void test_bans_hit_exactly_what_they_name(void **state)
{
	AUTO(bans) struct bans *b = NULL;
	uint8_t key[32] = { 0xab, 1 }, other[32] = { 0xab, 2 };
	struct bans_question q = { .spiffe_id = TEXT("spiffe://example.org/a"), .caller = TEXT("c"), .key_hash = key };
	char hex[65], text[64];
	bool added;

	(void)state;
	MUST(bans_new(&b));
	assert_false(bans_hit(b, &q));
	for (int i = 0; i < 500; i++) { /* many others, in no order */
		(void)snprintf(text, sizeof(text), "spiffe://example.org/%d", i * 7919 % 500);
		MUST(bans_add(b, STORE_BAN_SPIFFE_ID, bytes_str(text), &added));
		assert_true(added);
	}
	assert_int_equal(bans_count(b), 500);
	assert_false(bans_hit(b, &q));
	MUST(bans_add(b, STORE_BAN_CALLER, TEXT("spiffe://example.org/a"), &added)); /* a caller of that name, not the ID */
	assert_false(bans_hit(b, &q));
	bytes_hex(BYTES(key, 32), hex);
	MUST(bans_add(b, STORE_BAN_KEY, bytes_str(hex), &added));
	assert_true(bans_hit(b, &q));
	q.key_hash = other;
	assert_false(bans_hit(b, &q));
	q.spiffe_id = TEXT("spiffe://example.org/42");
	assert_true(bans_hit(b, &q));
	MUST(bans_add(b, STORE_BAN_SPIFFE_ID, q.spiffe_id, &added));
	assert_false(added);
	bans_remove(b, STORE_BAN_SPIFFE_ID, q.spiffe_id);
	bans_remove(b, STORE_BAN_SPIFFE_ID, q.spiffe_id); /* twice does no harm */
	assert_false(bans_hit(b, &q));
	assert_int_equal(bans_count(b), 501);
}

/* With a client certificate a banned workload asks for another key, or (as a node proxy may) for another ID. */
static void test_bans_hold_for_who_asks_too(void **state)
{
	AUTO(bans) struct bans *b = NULL;
	uint8_t old[32] = { 1 }, new[32] = { 2 };
	struct bans_question q = { .spiffe_id = TEXT("spiffe://example.org/a"), .caller = TEXT("spiffe://example.org/proxy"),
				   .key_hash = new, .peer_hash = old };
	char hex[65];
	bool added;

	(void)state;
	MUST(bans_new(&b));
	MUST(bans_add(b, STORE_BAN_SPIFFE_ID, TEXT("spiffe://example.org/b"), &added));
	assert_false(bans_hit(b, &q));
	bytes_hex(BYTES(old, 32), hex);
	MUST(bans_add(b, STORE_BAN_KEY, bytes_str(hex), &added));
	assert_true(bans_hit(b, &q));
	q.peer_hash = NULL;
	assert_false(bans_hit(b, &q));
	MUST(bans_add(b, STORE_BAN_SPIFFE_ID, q.caller, &added));
	assert_true(bans_hit(b, &q));
}

/* With a token, its caller is no SPIFFE ID: what the rule would give the proxy itself is asked, and the node of the token. */
static void test_bans_hold_for_proxies_and_nodes_with_tokens(void **state)
{
	AUTO(bans) struct bans *b = NULL;
	uint8_t key[32] = { 1 };
	struct bans_question q = { .spiffe_id = TEXT("spiffe://example.org/a"), .caller = TEXT("cluster|sa"), .key_hash = key,
				   .own_id = TEXT("spiffe://example.org/proxy"), .node = TEXT("node-1") };
	bool added;

	(void)state;
	MUST(bans_new(&b));
	MUST(bans_add(b, STORE_BAN_NODE, TEXT("node-10"), &added));
	MUST(bans_add(b, STORE_BAN_CALLER, TEXT("node-1"), &added));
	MUST(bans_add(b, STORE_BAN_NODE, TEXT("cluster|sa"), &added));
	MUST(bans_add(b, STORE_BAN_CALLER, q.own_id, &added));
	assert_false(bans_hit(b, &q));
	MUST(bans_add(b, STORE_BAN_NODE, q.node, &added));
	assert_true(bans_hit(b, &q));
	q.node = BYTES_NONE;
	assert_false(bans_hit(b, &q));
	MUST(bans_add(b, STORE_BAN_SPIFFE_ID, q.own_id, &added));
	assert_true(bans_hit(b, &q));
	q.own_id = BYTES_NONE;
	assert_false(bans_hit(b, &q));
}

static const struct { enum store_ban_kind kind; const char *subject; bool good; } subjects[] = {
	{ STORE_BAN_SPIFFE_ID, "spiffe://example.org/a", true },
	{ STORE_BAN_SPIFFE_ID, "example.org/a", false },
	{ STORE_BAN_SPIFFE_ID, "", false },
	{ STORE_BAN_KEY, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", true },
	{ STORE_BAN_KEY, "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF", false },
	{ STORE_BAN_KEY, "00112233445566778899aabbccddeeff", false },
	{ STORE_BAN_KEY, "sha256:00", false },
	{ STORE_BAN_CALLER, "system:serviceaccount:a:b", true },
	{ STORE_BAN_CALLER, "", false },
	{ STORE_BAN_NODE, "ip-10-0-0-1.example.internal", true },
	{ STORE_BAN_NODE, "", false },
};

static void test_a_ban_that_could_never_hit_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++)
		if ((bans_subject_check(subjects[i].kind, bytes_str(subjects[i].subject)).code == ERR_OK) != subjects[i].good)
			fail_msg("%s", subjects[i].subject);
	assert_int_equal(bans_subject_check(STORE_BAN_CALLER, TEXT("a\0b")).code, ERR_INVALID_ARGUMENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spiffe_ids),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ipv4_in_ipv6_is_refused_also_where_all_of_ipv6_is_allowed),
		cmocka_unit_test(test_no_name_is_allowed_by_default),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_rate_holds_one_second_and_fills_steadily),
		cmocka_unit_test(test_bans_hit_exactly_what_they_name),
		cmocka_unit_test(test_bans_hold_for_who_asks_too),
		cmocka_unit_test(test_bans_hold_for_proxies_and_nodes_with_tokens),
		cmocka_unit_test(test_a_ban_that_could_never_hit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
