/* Requests that wait for the courier: reviews of tokens, keys that are not known yet, pods of a node.  The test plays keeper and
 * courier. */
#include "jwt/sign.h"
#include "ra/bench.h"

static const char yaml[] =
	"trust_domain: example.org\n"
	"clusters: [ { id: c1 }, { id: c2 } ]\n"
	"jwt_issuers:\n"
	"  - { name: url, issuer: 'https://u', kind: kubernetes, jwks_url: 'https://u/keys', ca_file: /c, audiences: [istio-ca] }\n"
	"  - { name: keys, issuer: 'https://k', kind: kubernetes, cluster: c2, audiences: [istio-ca] }\n"
	"  - { name: also, issuer: 'https://also', kind: kubernetes, cluster: c2, token_review: also, audiences: [istio-ca] }\n"
	"  - { name: only1, issuer: 'https://only', kind: kubernetes, cluster: c1, token_review: only, audiences: [istio-ca] }\n"
	"  - { name: only2, issuer: 'https://only', kind: kubernetes, cluster: c2, token_review: only, audiences: [istio-ca] }\n"
	"policy:\n"
	"  - { name: proxies, match: { k8s.namespace: istio-system }, impersonate: ['spiffe://example.org/**'], same_node: true,\n"
	"      spiffe_id: 'spiffe://example.org/ns/istio-system/sa/ztunnel' }\n"
	"  - { name: vms, match: { spiffe_id: 'spiffe://example.org/vm/**' }, impersonate: ['spiffe://example.org/**'],\n"
	"      same_node: true, spiffe_id: '{spiffe_id}' }\n"
	"  - { name: mesh, match: { k8s.namespace: '*' }, spiffe_id: 'spiffe://example.org/ns/{k8s.namespace}/sa/{k8s.service_account}' }\n";
enum { URL, KEYS, ALSO, ONLY1, ONLY2 };

#define SHOP "spiffe://example.org/ns/web/sa/shop"
#define STRANGER "request authenticate failure"
#define NOT_FOR_THEM "request impersonation authentication failure"

static struct sign_keys *signers;

static int group_setup(void **state)
{
	int rc = sign_setup(state);

	signers = *state;
	return rc;
}

static int group_teardown(void **state)
{
	*state = signers;
	return sign_teardown(state);
}

static int up(void **state)
{
	return bench_up(state, yaml);
}

struct made { const char *iss, *kid, *account, *pod; }; /* NULL: the usual; pod "": not bound to one */

static char *bearer(struct made m)
{
	struct buf out = { .max = 65536 }, token = { .max = 65536 };
	char header[128], payload[1024], bound[128] = "";

	if (m.pod == NULL) m.pod = "u1";
	if (*m.pod != '\0')
		(void)snprintf(bound, sizeof(bound), ",\"pod\":{\"name\":\"pod-%s\",\"uid\":\"%s\"},\"node\":{\"name\":\"n1\"}", m.pod, m.pod);
	(void)snprintf(header, sizeof(header), "{\"alg\":\"ES256\",\"kid\":\"%s\"}", m.kid == NULL ? "a" : m.kid);
	(void)snprintf(payload, sizeof(payload),
	               "{\"iss\":\"%s\",\"aud\":\"istio-ca\",\"exp\":%lld,\"sub\":\"system:serviceaccount:%s\",\"kubernetes.io\":{\"x\":1%s}}",
	               m.iss, (long long)clock_wall() + 3600, m.account == NULL ? "web:shop" : m.account, bound);
	sign_put_token(&token, SIGN_ES256, signers->pkey[P256_A], header, payload);
	sign_must(buf_printf(&out, "Bearer %.*s", (int)token.len, (char *)token.data));
	buf_free(&token);
	sign_must(buf_put(&out, "", 1));
	return (char *)out.data;
}

static void ask(struct raw *r, uint32_t stream, struct made m, struct asked q)
{
	AUTO(heap) char *authorization = bearer(m);

	q.authorization = authorization;
	bench_ask(r, stream, q);
}

/* ---- the courier ---- */

static uint64_t heard_id(struct bench *b)
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++) id = id << 8 | b->heard.data[i];
	return id;
}

static void say_reviewed(struct bench *b, enum wire_verdict verdict, const char *ns, const char *account, const char *uid)
{
	struct wire_reviewed m = { .id = heard_id(b), .verdict = (uint8_t)verdict, .ns = bytes_str(ns), .account = bytes_str(account),
		                   .pod_uid = bytes_str(uid), .why = bytes_str("the courier's words") };
	struct buf out = { .max = 4096 };

	if (*uid != '\0') m.pod = bytes_str("pod-u1");
	sign_must(wire_reviewed_put(&out, &m));
	bench_say(b->courier, COURIER_REVIEWED, &out);
}

static void say_node(struct bench *b, enum wire_verdict verdict)
{
	struct wire_node_answer m = { .id = heard_id(b), .verdict = (uint8_t)verdict, .why = bytes_str("no such pod there") };
	struct buf out = { .max = 4096 };

	sign_must(wire_node_answer_put(&out, &m));
	bench_say(b->courier, COURIER_NODE, &out);
}

static void say_looked(struct bench *b)
{
	struct buf out = { .max = 8 };

	sign_must(buf_put(&out, b->heard.data, 8));
	bench_say(b->courier, COURIER_LOOKED, &out);
}

static void say_keys(struct bench *b, uint8_t issuer, const char *kid)
{
	unsigned before = atomic_load(&b->keys);
	struct buf jwks = { .max = 65536 };
	char member[64];
	int fd;

	(void)snprintf(member, sizeof(member), ",\"kid\":\"%s\"", kid);
	sign_must(buf_put_str(&jwks, "{\"keys\":["));
	sign_put_jwk(&jwks, signers->pkey[P256_A], member);
	sign_must(buf_put_str(&jwks, "]}"));
	sign_must(chan_memfd("jwks", buf_view(&jwks), &fd));
	sign_must(chan_put_fd(b->courier, COURIER_KEYS, BYTES(&issuer, 1), fd));
	close(fd);
	buf_free(&jwks);
	assert_true(harness_reaches(&b->keys, before + 1));
}

/* Is the keeper asked for this ID now?  Then it issues. */
static void expect_issue(struct bench *b, struct raw *r, uint32_t stream, const char *spiffe_id)
{
	struct wire_issue m;

	assert_true(bench_hears(b, &b->issues, b->issues + 1));
	sign_must(wire_issue_take(buf_view(&b->issue), &m));
	if (!bytes_is(m.spiffe_id, spiffe_id)) fail_msg("%.*s", (int)m.spiffe_id.len, m.spiffe_id.data);
	say_issued(b);
	bench_expect(r, stream, ERR_OK, "");
}

/* ---- reviews ---- */

static const struct {
	const char *name, *iss;
	enum wire_verdict verdict;
	const char *ns, *account, *uid;
	enum err_code want;
} reviews[] = {
	{ "only_yes", "https://only", VERDICT_YES, "web", "shop", "u1", ERR_OK },
	{ "only_no", "https://only", VERDICT_NO, "", "", "", ERR_UNAUTHENTICATED },
	{ "only_away", "https://only", VERDICT_AWAY, "", "", "", ERR_UNAVAILABLE },
	{ "also_yes", "https://also", VERDICT_YES, "web", "shop", "u1", ERR_OK },
	{ "also_no", "https://also", VERDICT_NO, "", "", "", ERR_UNAUTHENTICATED },
	{ "also_away", "https://also", VERDICT_AWAY, "", "", "", ERR_UNAVAILABLE },
	{ "also_other_namespace", "https://also", VERDICT_YES, "kube-system", "shop", "u1", ERR_UNAUTHENTICATED },
	{ "also_other_account", "https://also", VERDICT_YES, "web", "admin", "u1", ERR_UNAUTHENTICATED },
	{ "also_other_pod", "https://also", VERDICT_YES, "web", "shop", "u2", ERR_UNAUTHENTICATED },
};

static void test_verdicts_on_tokens(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
		uint32_t stream = (uint32_t)(2 * i + 1);
		struct wire_review m;

		say_keys(b, ALSO, "a"); /* nothing is cached */
		ask(r, stream, (struct made){ .iss = reviews[i].iss }, (struct asked){ .cluster = "c2" });
		assert_true(bench_hears(b, &b->reviews, (unsigned)i + 1));
		sign_must(wire_review_take(buf_view(&b->heard), &m));
		assert_int_equal(m.cluster, 1);
		assert_int_equal(m.issuer, strcmp(reviews[i].iss, "https://also") == 0 ? ALSO : ONLY2);
		say_reviewed(b, reviews[i].verdict, reviews[i].ns, reviews[i].account, reviews[i].uid);
		if (reviews[i].want == ERR_OK) {
			expect_issue(b, r, stream, SHOP);
		} else {
			struct raw_answer a = raw_answer(r, stream, PATIENCE_MS);

			if (a.grpc != (int)reviews[i].want || strcmp(a.text, STRANGER) != 0) fail_msg("%s: %d %s", reviews[i].name, a.grpc, a.text);
		}
	}
	assert_int_equal(b->issues, 2);
	raw_close(r);
}

static void test_answer_is_believed_for_a_while(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);
	AUTO(heap) char *one = bearer((struct made){ .iss = "https://only" });

	bench_courier_up(b);
	bench_ask(r, 1, (struct asked){ .authorization = one, .cluster = "c1" });
	assert_true(bench_hears(b, &b->reviews, 1));
	say_reviewed(b, VERDICT_YES, "web", "shop", "u1");
	expect_issue(b, r, 1, SHOP);
	bench_ask(r, 3, (struct asked){ .authorization = one, .cluster = "c1" });
	expect_issue(b, r, 3, SHOP);
	assert_int_equal(b->reviews, 1);
	bench_ask(r, 5, (struct asked){ .authorization = one, .cluster = "c2" }); /* but not of another cluster */
	assert_true(bench_hears(b, &b->reviews, 2));
	say_reviewed(b, VERDICT_NO, "", "", "");
	bench_expect(r, 5, ERR_UNAUTHENTICATED, STRANGER);
	raw_close(r);
}

static const struct {
	const char *name, *header;
	int cluster, issuer; /* -1: refused, and nobody is asked */
} clusters[] = {
	{ "first", "c1", 0, ONLY1 }, { "second", "c2", 1, ONLY2 }, { "none_is_the_first", NULL, 0, ONLY1 },
	{ "empty_is_none", "", 0, ONLY1 }, { "unknown", "c3", -1, -1 }, { "by_another_spelling", "C2", -1, -1 },
};

static void test_header_chooses_the_cluster(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);
	uint32_t stream = 1;

	bench_courier_up(b);
	for (size_t i = 0; i < ARRAY_LEN(clusters); i++, stream += 2) {
		struct wire_review m;

		ask(r, stream, (struct made){ .iss = "https://only" }, (struct asked){ .cluster = clusters[i].header });
		if (clusters[i].cluster < 0) {
			bench_expect(r, stream, ERR_UNAUTHENTICATED, STRANGER);
			continue;
		}
		assert_true(bench_hears(b, &b->reviews, b->reviews + 1));
		sign_must(wire_review_take(buf_view(&b->heard), &m));
		if (m.cluster != clusters[i].cluster || m.issuer != clusters[i].issuer) fail_msg("%s", clusters[i].name);
		say_reviewed(b, VERDICT_NO, "", "", "");
		bench_expect(r, stream, ERR_UNAUTHENTICATED, STRANGER);
	}
	assert_int_equal(b->reviews, 4);
	raw_close(r);
}

/* ---- keys ---- */

static void test_unknown_key_is_looked_for(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	ask(r, 1, (struct made){ .iss = "https://k" }, (struct asked){ 0 }); /* no keys at all yet */
	assert_true(bench_hears(b, &b->looks, 1));
	assert_int_equal(b->heard.data[8], KEYS);
	say_keys(b, KEYS, "a");
	say_looked(b);
	expect_issue(b, r, 1, SHOP);
	ask(r, 3, (struct made){ .iss = "https://k", .kid = "b" }, (struct asked){ 0 });
	assert_true(bench_hears(b, &b->looks, 2));
	say_keys(b, KEYS, "b");
	say_looked(b);
	expect_issue(b, r, 3, SHOP);
	ask(r, 5, (struct made){ .iss = "https://k", .kid = "c" }, (struct asked){ 0 }); /* one that nobody has */
	assert_true(bench_hears(b, &b->looks, 3));
	say_looked(b);
	bench_expect(r, 5, ERR_UNAUTHENTICATED, STRANGER);
	assert_int_equal(b->looks, 3); /* once a request */
	assert_int_equal(b->issues, 2);
	raw_close(r);
}

static void test_issuer_that_is_away_from_the_start(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	ask(r, 1, (struct made){ .iss = "https://u" }, (struct asked){ 0 });
	assert_true(bench_hears(b, &b->looks, 1));
	say_looked(b); /* and no keys came */
	bench_expect(r, 1, ERR_UNAVAILABLE, STRANGER);
	raw_close(r);
}

static void test_keys_first_and_then_the_review(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	ask(r, 1, (struct made){ .iss = "https://also" }, (struct asked){ 0 });
	assert_true(bench_hears(b, &b->looks, 1));
	say_keys(b, ALSO, "a");
	say_looked(b);
	assert_true(bench_hears(b, &b->reviews, 1));
	say_reviewed(b, VERDICT_YES, "web", "shop", "u1");
	expect_issue(b, r, 1, SHOP);
	raw_close(r);
}

/* A stolen key is taken away: who was believed by it is not any more, cached or under review. */
static void test_key_that_goes_takes_its_callers_along(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);
	AUTO(heap) char *known = bearer((struct made){ .iss = "https://k" });

	bench_courier_up(b);
	say_keys(b, KEYS, "a");
	say_keys(b, ALSO, "a");
	bench_ask(r, 1, (struct asked){ .authorization = known });
	expect_issue(b, r, 1, SHOP);
	bench_ask(r, 3, (struct asked){ .authorization = known });
	expect_issue(b, r, 3, SHOP);
	assert_int_equal(atomic_load(&b->h.metrics.value[M_JWT_CACHE_HIT]), 1);
	ask(r, 5, (struct made){ .iss = "https://also" }, (struct asked){ 0 });
	assert_true(bench_hears(b, &b->reviews, 1));
	say_keys(b, KEYS, "next");
	say_keys(b, ALSO, "next");
	say_reviewed(b, VERDICT_YES, "web", "shop", "u1");
	bench_expect(r, 5, ERR_UNAUTHENTICATED, STRANGER);
	bench_ask(r, 7, (struct asked){ .authorization = known });
	assert_true(bench_hears(b, &b->looks, 1));
	say_looked(b);
	bench_expect(r, 7, ERR_UNAUTHENTICATED, STRANGER);
	raw_close(r);
}

/* ---- couriers that are not there ---- */

static void test_request_waits_for_a_courier(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	ask(r, 1, (struct made){ .iss = "https://only" }, (struct asked){ 0 });
	bench_courier_up(b);
	assert_true(bench_hears(b, &b->reviews, 1));
	bench_courier_dies(b); /* and the next one is asked again */
	bench_courier_up(b);
	assert_true(bench_hears(b, &b->reviews, 2));
	say_reviewed(b, VERDICT_YES, "web", "shop", "u1");
	expect_issue(b, r, 1, SHOP);
	raw_close(r);
}

static void test_clients_that_leave_while_the_courier_is_asked(void **state)
{
	struct bench *b = *state;
	struct raw *r;

	bench_courier_up(b);
	say_keys(b, KEYS, "a");
	r = raw_open(&b->h);
	ask(r, 1, (struct made){ .iss = "https://only" }, (struct asked){ 0 });
	assert_true(bench_hears(b, &b->reviews, 1));
	raw_close(r);
	assert_true(harness_reaches(&b->h.gone, 1));
	say_reviewed(b, VERDICT_YES, "web", "shop", "u1");
	r = raw_open(&b->h);
	ask(r, 1, (struct made){ .iss = "https://u" }, (struct asked){ 0 });
	assert_true(bench_hears(b, &b->looks, 1));
	raw_close(r);
	assert_true(harness_reaches(&b->h.gone, 2));
	say_looked(b);
	r = raw_open(&b->h);
	ask(r, 1, (struct made){ .iss = "https://k", .account = "istio-system:ztunnel" }, (struct asked){ .impersonate = SHOP });
	assert_true(bench_hears(b, &b->nodes, 1));
	raw_close(r);
	assert_true(harness_reaches(&b->h.gone, 3));
	say_node(b, VERDICT_YES);
	r = raw_open(&b->h);
	ask(r, 1, (struct made){ .iss = "https://k" }, (struct asked){ 0 }); /* the front lives, and asked the keeper for none of them */
	expect_issue(b, r, 1, SHOP);
	assert_int_equal(b->issues, 1);
	raw_close(r);
}

/* bench_down() ends the front with requests that wait for all that there is. */
static void test_front_that_ends_with_open_questions(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	say_keys(b, KEYS, "a");
	ask(r, 1, (struct made){ .iss = "https://only" }, (struct asked){ 0 });
	ask(r, 3, (struct made){ .iss = "https://u" }, (struct asked){ 0 });
	ask(r, 5, (struct made){ .iss = "https://k", .account = "istio-system:ztunnel" }, (struct asked){ .impersonate = SHOP });
	assert_true(bench_hears(b, &b->nodes, 1));
	assert_int_equal(b->reviews + b->looks, 2);
	raw_close(r);
}

/* ---- same_node ---- */

#define PROXY .iss = "https://k", .account = "istio-system:ztunnel"
static const struct {
	const char *name;
	struct made token;
	struct asked ask;
	int verdict; /* 0: the courier is not asked */
	enum err_code want;
	const char *text; /* or the ID that is issued */
} nodes[] = {
	{ "pod_of_the_node", { PROXY }, { .impersonate = SHOP }, VERDICT_YES, ERR_OK, SHOP },
	{ "no_such_pod", { PROXY }, { .impersonate = SHOP }, VERDICT_NO, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "nobody_knows", { PROXY }, { .impersonate = SHOP }, VERDICT_AWAY, ERR_UNAVAILABLE,
	  "CSR signing error (front: the API server gave no answer)" },
	{ "itself_without_impersonation", { PROXY }, { 0 }, 0, ERR_OK, "spiffe://example.org/ns/istio-system/sa/ztunnel" },
	{ "account_with_dots", { PROXY }, { .impersonate = "spiffe://example.org/ns/web/sa/a.b" }, VERDICT_YES, ERR_OK,
	  "spiffe://example.org/ns/web/sa/a.b" },
	{ "proxy_that_is_no_pod", { PROXY, .pod = "" }, { .impersonate = SHOP }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "proxy_of_no_cluster", { .iss = "https://u", .account = "istio-system:ztunnel" }, { .impersonate = SHOP }, 0,
	  ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "caller_without_the_right", { .iss = "https://k" }, { .impersonate = SHOP }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "other_trust_domain", { PROXY }, { .impersonate = "spiffe://evil.example/ns/web/sa/shop" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "not_an_account", { PROXY }, { .impersonate = "spiffe://example.org/vm/one" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "no_account", { PROXY }, { .impersonate = "spiffe://example.org/ns/web" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "only_a_namespace", { PROXY }, { .impersonate = "spiffe://example.org/ns/web/sa" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "something_behind", { PROXY }, { .impersonate = "spiffe://example.org/ns/web/sa/shop/x" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "something_before", { PROXY }, { .impersonate = "spiffe://example.org/x/ns/web/sa/shop" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "other_word_for_ns", { PROXY }, { .impersonate = "spiffe://example.org/nx/web/sa/shop" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "other_word_for_sa", { PROXY }, { .impersonate = "spiffe://example.org/ns/web/sx/shop" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "namespace_with_a_capital", { PROXY }, { .impersonate = "spiffe://example.org/ns/Web/sa/shop" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "namespace_with_a_dot", { PROXY }, { .impersonate = "spiffe://example.org/ns/w.b/sa/shop" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "account_that_is_none", { PROXY }, { .impersonate = "spiffe://example.org/ns/web/sa/_" }, 0, ERR_UNAUTHENTICATED, NOT_FOR_THEM },
	{ "csr_that_is_none_costs_no_question", { PROXY }, { .impersonate = SHOP, .csr = "\x0a\x01x" }, 0, ERR_INVALID_ARGUMENT,
	  "CSR signing error (csr: not properly encoded PEM)" },
};

static void check_node(struct bench *b)
{
	struct wire_node m;

	sign_must(wire_node_take(buf_view(&b->heard), &m));
	assert_int_equal(m.cluster, 1);
	assert_true(bytes_is(m.proxy_ns, "istio-system") && bytes_is(m.proxy_account, "ztunnel"));
	assert_true(bytes_is(m.proxy_pod, "pod-u1") && bytes_is(m.proxy_uid, "u1"));
	assert_true(bytes_is(m.ns, "web"));
}

static void test_same_node(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	say_keys(b, KEYS, "a");
	say_keys(b, URL, "a");
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		uint32_t stream = (uint32_t)(2 * i + 1);

		ask(r, stream, nodes[i].token, nodes[i].ask);
		if (nodes[i].verdict != 0) {
			if (!bench_hears(b, &b->nodes, b->nodes + 1)) fail_msg("%s: not asked", nodes[i].name);
			check_node(b);
			say_node(b, (enum wire_verdict)nodes[i].verdict);
		}
		if (nodes[i].want == ERR_OK) {
			expect_issue(b, r, stream, nodes[i].text);
		} else {
			struct raw_answer a = raw_answer(r, stream, PATIENCE_MS);

			if (a.grpc != (int)nodes[i].want || strcmp(a.text, nodes[i].text) != 0)
				fail_msg("%s: %d %s", nodes[i].name, a.grpc, a.text);
		}
	}
	assert_int_equal(b->nodes, 4);
	raw_close(r);
}

/* Nor has it a pod, whoever it is that has a join token (or a certificate: the same kind of caller, without attributes of a pod). */
static void test_same_node_without_a_token_of_a_pod(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	bench_ask(r, 1, (struct asked){ .authorization = TOKEN, .impersonate = SHOP });
	assert_true(bench_hears(b, &b->tokens, 1));
	say_token(b, TOKEN_GOOD);
	bench_expect(r, 1, ERR_UNAUTHENTICATED, NOT_FOR_THEM);
	assert_int_equal(b->nodes + b->issues, 0);
	raw_close(r);
}

static void test_courier_that_dies_while_it_looks_for_a_pod(void **state)
{
	struct bench *b = *state;
	struct raw *r = raw_open(&b->h);

	bench_courier_up(b);
	say_keys(b, KEYS, "a");
	ask(r, 1, (struct made){ PROXY }, (struct asked){ .impersonate = SHOP });
	assert_true(bench_hears(b, &b->nodes, 1));
	bench_courier_dies(b);
	bench_courier_up(b);
	assert_true(bench_hears(b, &b->nodes, 2));
	check_node(b);
	say_node(b, VERDICT_YES);
	expect_issue(b, r, 1, SHOP);
	raw_close(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, bench_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_verdicts_on_tokens),
		TEST(test_answer_is_believed_for_a_while),
		TEST(test_header_chooses_the_cluster),
		TEST(test_unknown_key_is_looked_for),
		TEST(test_issuer_that_is_away_from_the_start),
		TEST(test_keys_first_and_then_the_review),
		TEST(test_key_that_goes_takes_its_callers_along),
		TEST(test_request_waits_for_a_courier),
		TEST(test_clients_that_leave_while_the_courier_is_asked),
		TEST(test_front_that_ends_with_open_questions),
		TEST(test_same_node),
		TEST(test_same_node_without_a_token_of_a_pod),
		TEST(test_courier_that_dies_while_it_looks_for_a_pod),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
