/* Which pods a node's proxy may speak for: istio's node authorizer, and the memory that it needs. */
#include "kube_world.h"

#include "k8s_csr/pods.h"
#include "k8s_csr/pods_table.h"

static struct kube_pod pod_of(const char *ns, const char *name, const char *uid, const char *account, const char *node, enum kube_pod_phase phase)
{
	struct kube_pod p = { .phase = phase };

	(void)snprintf(p.meta.ns, sizeof(p.meta.ns), "%s", ns);
	(void)snprintf(p.meta.name, sizeof(p.meta.name), "%s", name);
	(void)snprintf(p.meta.uid, sizeof(p.meta.uid), "%s", uid);
	(void)snprintf(p.account, sizeof(p.account), "%s", account);
	(void)snprintf(p.node, sizeof(p.node), "%s", node);
	return p;
}

static const struct kube_pod_row { const char *ns, *name, *uid, *account, *node; enum kube_pod_phase phase; } pods[] = {
	{ "istio-system", "zt-1", "u1", "ztunnel", "n1", KUBE_POD_RUNNING },
	{ "istio-system", "zt-2", "u2", "ztunnel", "n2", KUBE_POD_RUNNING },
	{ "istio-system", "zt-old", "u3", "ztunnel", "n1", KUBE_POD_FAILED },
	{ "istio-system", "zt-new", "u4", "ztunnel", "", KUBE_POD_PENDING },
	{ "shop", "web-1", "w1", "web", "n1", KUBE_POD_RUNNING },
	{ "shop", "web-2", "w2", "web", "n2", KUBE_POD_RUNNING },
	{ "shop", "db-1", "d1", "db", "n2", KUBE_POD_RUNNING },
	{ "shop", "start-1", "s1", "start", "n1", KUBE_POD_PENDING },
	{ "shop", "odd-1", "o1", "odd", "n1", KUBE_POD_UNKNOWN },
	{ "shop", "done-1", "e1", "done", "n1", KUBE_POD_SUCCEEDED },
	{ "shop", "dead-1", "e2", "dead", "n1", KUBE_POD_FAILED },
	{ "shop", "later-1", "l1", "later", "", KUBE_POD_PENDING },
	{ "shop", "static-1", "m1", "", "n1", KUBE_POD_RUNNING },
	{ "pay", "db-1", "p1", "till", "n1", KUBE_POD_RUNNING },
};

/* Rules 1 (who is trusted to ask) and 2 (what may be asked for) are policy's: any pod's question is answered here. */
#define ZT "istio-system", "ztunnel", "zt-1", "u1"
static const struct rule_case {
	const char *name, *proxy_ns, *proxy_account, *proxy_pod, *proxy_uid, *ns, *account;
	enum wire_verdict want;
	const char *why;
} rules[] = {
	{ "1: a proxy", ZT, "shop", "web", VERDICT_YES, NULL },
	{ "1: anybody", "shop", "web", "web-1", "w1", "shop", "odd", VERDICT_YES, NULL },
	{ "2: itself", ZT, "istio-system", "ztunnel", VERDICT_YES, NULL },
	{ "2: no namespace", ZT, "", "web", VERDICT_NO, "no pod of that account" },
	{ "2: no account", ZT, "shop", "", VERDICT_NO, "no pod of that account" },
	{ "2: nothing", ZT, "", "", VERDICT_NO, "no pod of that account" },
	{ "2: moved", ZT, "sho", "pweb", VERDICT_NO, "no pod of that account" },
	{ "3: unknown pod", "istio-system", "ztunnel", "zt-9", "u1", "shop", "web", VERDICT_NO, "no such pod" },
	{ "3: in another namespace", "shop", "ztunnel", "zt-1", "u1", "shop", "web", VERDICT_NO, "no such pod" },
	{ "3: no pod", "istio-system", "ztunnel", "", "", "shop", "web", VERDICT_NO, "no such pod" },
	{ "3: nobody", "", "", "", "", "shop", "web", VERDICT_NO, "no such pod" },
	{ "3: has ended", "istio-system", "ztunnel", "zt-old", "u3", "shop", "web", VERDICT_NO, "no such pod" },
	{ "3: runs nowhere yet", "istio-system", "ztunnel", "zt-new", "u4", "shop", "web", VERDICT_NO, "no such pod" },
	{ "3: a prefix", "istio-system", "ztunnel", "zt-", "u1", "shop", "web", VERDICT_NO, "no such pod" },
	{ "4: other uid", "istio-system", "ztunnel", "zt-1", "u2", "shop", "web", VERDICT_NO, "another one by now" },
	{ "4: no uid", "istio-system", "ztunnel", "zt-1", "", "shop", "web", VERDICT_NO, "another one by now" },
	{ "4: longer uid", "istio-system", "ztunnel", "zt-1", "u11", "shop", "web", VERDICT_NO, "another one by now" },
	{ "5: other account", "istio-system", "web", "zt-1", "u1", "shop", "web", VERDICT_NO, "another account" },
	{ "5: no account", "istio-system", "", "zt-1", "u1", "shop", "web", VERDICT_NO, "another account" },
	{ "6: also elsewhere", "istio-system", "ztunnel", "zt-2", "u2", "shop", "web", VERDICT_YES, NULL },
	{ "6: elsewhere only", ZT, "shop", "db", VERDICT_NO, "no pod of that account" },
	{ "6: there", "istio-system", "ztunnel", "zt-2", "u2", "shop", "db", VERDICT_YES, NULL },
	{ "6: starts", ZT, "shop", "start", VERDICT_YES, NULL },
	{ "6: phase unknown", ZT, "shop", "odd", VERDICT_YES, NULL },
	{ "6: has succeeded", ZT, "shop", "done", VERDICT_NO, "no pod of that account" },
	{ "6: has failed", ZT, "shop", "dead", VERDICT_NO, "no pod of that account" },
	{ "6: without a node", ZT, "shop", "later", VERDICT_NO, "no pod of that account" },
	{ "6: other namespace", ZT, "pay", "web", VERDICT_NO, "no pod of that account" },
	{ "6: same name in another namespace", ZT, "pay", "till", VERDICT_YES, NULL },
	{ "6: nobody's", ZT, "shop", "nobody", VERDICT_NO, "no pod of that account" },
};

static enum wire_verdict ask(const struct pods_table *t, const struct rule_case *r, const char **why)
{
	const struct wire_node m = {
		.proxy_ns = bytes_str(r->proxy_ns), .proxy_account = bytes_str(r->proxy_account), .proxy_pod = bytes_str(r->proxy_pod),
		.proxy_uid = bytes_str(r->proxy_uid), .ns = bytes_str(r->ns), .account = bytes_str(r->account),
	};

	return pods_table_allow(t, &m, why);
}

static struct pods_table *table_of(size_t max)
{
	struct pods_table *t = NULL;

	assert_int_equal(pods_table_new(max, &t).code, ERR_OK);
	return t;
}

static bool put(struct pods_table *t, const struct kube_pod_row *r)
{
	struct kube_pod p = pod_of(r->ns, r->name, r->uid, r->account, r->node, r->phase);

	return pods_table_put(t, &p);
}

static void six_rules(void **state)
{
	struct pods_table *t = table_of(100);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(pods); i++) (void)put(t, &pods[i]);
		for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
			const char *why = "";

			if (ask(t, &rules[i], &why) != rules[i].want || (rules[i].why != NULL && strstr(why, rules[i].why) == NULL))
				fail_msg("%s: %s", rules[i].name, why);
		}
	}
	assert_int_equal(pods_table_count(t), 8);
	pods_table_free(t);
}

static void nul_in_a_question_ends_nothing(void **state)
{
	struct pods_table *t = table_of(100);
	struct wire_node m = {
		.proxy_ns = bytes_str("istio-system"), .proxy_account = bytes_str("ztunnel"), .proxy_pod = bytes_str("zt-1"), .proxy_uid = bytes_str("u1"),
		.ns = bytes_str("shop"), .account = BYTES("web\0", 4),
	};
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) (void)put(t, &pods[i]);
	assert_int_equal(pods_table_allow(t, &m, &why), VERDICT_NO);
	m.account.len = 3;
	assert_int_equal(pods_table_allow(t, &m, &why), VERDICT_YES);
	m.proxy_uid = BYTES("u1\0", 3);
	assert_int_equal(pods_table_allow(t, &m, &why), VERDICT_NO);
	m.proxy_uid = m.proxy_pod = m.proxy_ns = m.ns = m.account = BYTES_NONE;
	assert_int_equal(pods_table_allow(t, &m, &why), VERDICT_NO);
	pods_table_free(t);
}

/* ---- as they change ---- */

static const struct rule_case shop_web = { "", ZT, "shop", "web", VERDICT_YES, NULL };

static void pods_change(void **state)
{
	static const struct { const char *name; struct kube_pod_row pod; bool changed, allowed; } steps[] = {
		{ "again", { "shop", "web-1", "w1", "web", "n1", KUBE_POD_RUNNING }, false, true },
		{ "phase only", { "shop", "web-1", "w1", "web", "n1", KUBE_POD_PENDING }, false, true },
		{ "anew elsewhere", { "shop", "web-1", "w9", "web", "n2", KUBE_POD_RUNNING }, true, false },
		{ "anew here", { "shop", "web-1", "w10", "web", "n1", KUBE_POD_RUNNING }, true, true },
		{ "another account", { "shop", "web-1", "w11", "db", "n1", KUBE_POD_RUNNING }, true, false },
		{ "back", { "shop", "web-1", "w12", "web", "n1", KUBE_POD_RUNNING }, true, true },
		{ "ended", { "shop", "web-1", "w12", "web", "n1", KUBE_POD_SUCCEEDED }, true, false },
		{ "ended still", { "shop", "web-1", "w12", "web", "n1", KUBE_POD_SUCCEEDED }, false, false },
		{ "back again", { "shop", "web-1", "w13", "web", "n1", KUBE_POD_RUNNING }, true, true },
		{ "a second", { "shop", "web-3", "w14", "web", "n1", KUBE_POD_RUNNING }, true, true },
		{ "one less", { "shop", "web-1", "w13", "web", "n1", KUBE_POD_FAILED }, true, true },
		{ "none", { "shop", "web-3", "w14", "web", "n1", KUBE_POD_FAILED }, true, false },
		{ "back once more", { "shop", "web-3", "w15", "web", "n1", KUBE_POD_RUNNING }, true, true },
		{ "proxy anew", { "istio-system", "zt-1", "u9", "ztunnel", "n1", KUBE_POD_RUNNING }, true, false },
		{ "proxy as it was", { "istio-system", "zt-1", "u1", "ztunnel", "n1", KUBE_POD_RUNNING }, true, true },
		{ "proxy as another", { "istio-system", "zt-1", "u1", "default", "n1", KUBE_POD_RUNNING }, true, false },
	};
	struct pods_table *t = table_of(100);
	const char *why;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) (void)put(t, &pods[i]);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (put(t, &steps[i].pod) != steps[i].changed) fail_msg("%s: changed", steps[i].name);
		if ((ask(t, &shop_web, &why) == VERDICT_YES) != steps[i].allowed) fail_msg("%s: allowed", steps[i].name);
	}
	pods_table_free(t);
}

static void what_a_list_has_not_is_gone(void **state)
{
	struct pods_table *t = table_of(100);
	const char *why;

	(void)state;
	pods_table_begin(t);
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) (void)put(t, &pods[i]);
	pods_table_sweep(t);
	assert_int_equal(ask(t, &shop_web, &why), VERDICT_YES);
	pods_table_begin(t);
	for (size_t i = 0; i < 4; i++) (void)put(t, &pods[i]);
	assert_int_equal(ask(t, &shop_web, &why), VERDICT_YES); /* until it is whole */
	pods_table_begin(t);                                    /* it broke off */
	for (size_t i = 0; i < 2; i++) (void)put(t, &pods[i]);
	pods_table_sweep(t);
	assert_int_equal(ask(t, &shop_web, &why), VERDICT_NO);
	assert_int_equal(pods_table_count(t), 2);
	assert_true(pods_table_remove(t, "istio-system", "zt-1"));
	assert_false(pods_table_remove(t, "istio-system", "zt-1"));
	assert_false(pods_table_remove(t, "shop", "zt-2"));
	pods_table_begin(t);
	pods_table_sweep(t);
	assert_int_equal(pods_table_count(t), 0);
	pods_table_free(t);
}

static void no_more_than_fit(void **state)
{
	struct pods_table *t = table_of(3);
	const char *why;

	(void)state;
	pods_table_begin(t);
	(void)put(t, &pods[0]);
	(void)put(t, &pods[1]);
	(void)put(t, &pods[6]);
	assert_false(pods_table_is_full(t));
	assert_true(put(t, &(struct kube_pod_row){ "shop", "db-1", "d2", "db", "n2", KUBE_POD_RUNNING })); /* in its own place */
	assert_false(pods_table_is_full(t));
	assert_false(put(t, &pods[4]));
	assert_true(pods_table_is_full(t));
	assert_int_equal(pods_table_count(t), 3);
	assert_int_equal(ask(t, &shop_web, &why), VERDICT_NO);
	assert_true(pods_table_remove(t, "shop", "db-1"));
	assert_true(put(t, &pods[4]));
	assert_int_equal(ask(t, &shop_web, &why), VERDICT_YES);
	pods_table_begin(t);
	assert_false(pods_table_is_full(t));
	pods_table_free(t);
}

/* Against a model that does it the long way. */
static void many_pods_are_as_a_plain_list_says(void **state)
{
	enum { NAMES = 3000, ACCOUNTS = 40, NODES = 10 };
	static struct { bool there; int account, node; } model[NAMES];
	struct pods_table *t = table_of(NAMES);
	uint64_t random = 1;
	size_t count = 0;

	(void)state;
	memset(model, 0, sizeof(model));
	for (int i = 0; i < 40000; i++) {
		int name, account, node;
		char text[3][16];
		bool there;

		random = random * 6364136223846793005 + 1442695040888963407;
		name = (int)(random >> 33) % NAMES;
		account = (int)(random >> 40) % ACCOUNTS;
		node = (int)(random >> 50) % NODES;
		there = (random >> 35) % 4 != 0;
		(void)snprintf(text[0], sizeof(text[0]), "p%d", name);
		(void)snprintf(text[1], sizeof(text[1]), "a%d", account);
		(void)snprintf(text[2], sizeof(text[2]), "n%d", node);
		if (there) (void)put(t, &(struct kube_pod_row){ "ns", text[0], "uid", text[1], text[2], KUBE_POD_RUNNING });
		else assert_int_equal(pods_table_remove(t, "ns", text[0]), model[name].there);
		count += (size_t)there - (size_t)model[name].there;
		model[name].there = there;
		model[name].account = account;
		model[name].node = node;
	}
	assert_int_equal(pods_table_count(t), count);
	for (int account = 0; account < ACCOUNTS; account++)
		for (int proxy = 0; proxy < NAMES; proxy += 7) {
			char text[3][16];
			const char *why;
			bool want = false;

			(void)snprintf(text[0], sizeof(text[0]), "p%d", proxy);
			(void)snprintf(text[1], sizeof(text[1]), "a%d", model[proxy].account);
			(void)snprintf(text[2], sizeof(text[2]), "a%d", account);
			for (int n = 0; n < NAMES && model[proxy].there && !want; n++)
				want = model[n].there && model[n].account == account && model[n].node == model[proxy].node;
			if ((ask(t, &(struct rule_case){ "", "ns", text[1], text[0], "uid", "ns", text[2], 0, NULL }, &why) == VERDICT_YES) != want)
				fail_msg("%s for %s", text[0], text[2]);
		}
	pods_table_free(t);
}

/* ---- with an API server ---- */

struct told { struct kube *k; struct pods *pods; unsigned changes; };

static void on_change(void *ctx)
{
	struct told *t = ctx;

	t->changes++;
	assert_true(pods_is_synced(t->pods)); /* all of a list at once */
	loop_stop(t->k->w->loop);
}

static enum wire_verdict ask_as(const struct pods *p, const char *proxy, const char **why)
{
	char uid[64];
	struct wire_node m = {
		.proxy_ns = bytes_str("ns"), .proxy_account = bytes_str("sa"), .proxy_pod = bytes_str(proxy), .ns = bytes_str("ns"), .account = bytes_str("sa"),
	};

	(void)snprintf(uid, sizeof(uid), "uid-%s", proxy);
	m.proxy_uid = bytes_str(uid);
	return pods_allow(p, &m, why);
}

static void wait_for_verdict(struct kube *k, const struct pods *p, const char *proxy, enum wire_verdict want)
{
	const char *why = "";

	for (int i = 0; i < 1000 && ask_as(p, proxy, &why) != want; i++) world_run(k->w, 20);
	if (ask_as(p, proxy, &why) != want) fail_msg("%s: not %d, %s", proxy, want, why);
}

#define UNREADABLE_B                                                                                                    \
	"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"name\":\"b\",\"namespace\":\"ns\",\"uid\":\"uid-b\","           \
	"\"resourceVersion\":\"21\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":[]}}"

/* The path of the real thing: /api/v1/pods. */
static void cluster_is_followed(void **state)
{
	struct kube *k = *state;
	struct told told = { .k = k };
	struct pods *p = NULL;
	const char *why = NULL;

	kube_script(k, "api", "{'steps': [{'list': 'a b e', 'version': '10', 'after': 0.3}, "
	            "{'watch': ['ADDED c 11', 'MODIFIED c 12', 'DELETED a 13'], 'hold': 2}, {'status': 410}, {'list': 'b d', 'version': '20'}, "
	            "{'watch': ['!" UNREADABLE_B "\\n'], 'end': 'hang'}]}");
	kube_cluster(k, "kubeconfig", 0);
	assert_int_equal(pods_new(k->cluster, on_change, &told, &p).code, ERR_OK);
	told.pods = p;
	assert_int_equal(told.changes, 0);
	assert_false(pods_is_synced(p));
	assert_int_equal(ask_as(p, "a", &why), VERDICT_AWAY);
	assert_non_null(why);
	world_run(k->w, 0);
	assert_true(told.changes >= 1);
	assert_true(pods_is_synced(p));
	assert_int_equal(ask_as(p, "e", &why), VERDICT_YES);
	wait_for_verdict(k, p, "c", VERDICT_YES);
	wait_for_verdict(k, p, "a", VERDICT_NO);
	assert_true(told.changes <= 4); /* `c` as it was is no change */
	wait_for_verdict(k, p, "d", VERDICT_YES);
	wait_for_verdict(k, p, "b", VERDICT_NO); /* cannot be read any more */
	assert_int_equal(ask_as(p, "c", &why), VERDICT_NO);
	assert_int_equal(ask_as(p, "e", &why), VERDICT_NO);
	pods_free(p);
	pods_free(NULL);
}

static void away_until_the_first_list(void **state)
{
	struct kube *k = *state;
	struct told told = { .k = k };
	struct pods *p = NULL;
	const char *why;

	kube_script(k, "api", "{'steps': [{'list': 'a', 'version': '9', 'more': 'm'}, {'status': 403}]}");
	kube_cluster(k, "kubeconfig", 0);
	assert_int_equal(pods_new(k->cluster, on_change, &told, &p).code, ERR_OK);
	for (int i = 0; i < 1000 && logged(k, "kube_watch_lost") == 0; i++) world_run(k->w, 20);
	assert_int_equal(logged(k, "path=/api/v1/pods"), 1);
	assert_false(pods_is_synced(p));
	assert_int_equal(ask_as(p, "a", &why), VERDICT_AWAY); /* half a list is none */
	assert_int_equal(told.changes, 0);
	pods_free(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kube_begin, kube_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(six_rules),
		cmocka_unit_test(nul_in_a_question_ends_nothing),
		cmocka_unit_test(pods_change),
		cmocka_unit_test(what_a_list_has_not_is_gone),
		cmocka_unit_test(no_more_than_fit),
		cmocka_unit_test(many_pods_are_as_a_plain_list_says),
		T(cluster_is_followed),
		T(away_until_the_first_list),
	};

	return cmocka_run_group_tests(tests, site_begin, site_end);
}
