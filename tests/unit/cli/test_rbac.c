/* Rules and roles as text: what YAML means by it is tested against a real API server (tests/kube/test_kube_check.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "cli/json.h"
#include "cli/rbac.h"

static const struct need needs[] = {
	{ .why = "w1", .group = "g.io", .resource = "things", .subresource = "sub", .verbs = { "get", "list" }, .verb_count = 2 },
	{ .why = "w2", .group = "", .resource = "pods", .verbs = { "watch" }, .verb_count = 1, .ns = "n1" },
	{ .why = "w3", .url = "/a/b", .verbs = { "get" }, .verb_count = 1 },
	{ .why = "w4", .group = "g.io", .resource = "signers", .name = "d.io/*", .verbs = { "approve" }, .verb_count = 1 },
	{ .why = "w5", .group = "g.io", .resource = "signers", .name = "x", .verbs = { "reference" }, .verb_count = 1, .ns = "n1" },
};
static const struct {
	const char *line, *yaml, *json;
} texts[ARRAY_LEN(needs)] = {
	{ "get, list things/sub (g.io)", " # w1\n - apiGroups: [\"g.io\"]\n   resources: [\"things/sub\"]\n   verbs: [\"get\", \"list\"]\n",
	  "{\"apiGroups\":[\"g.io\"],\"resources\":[\"things/sub\"],\"verbs\":[\"get\",\"list\"]}" },
	{ "watch pods in namespace n1", " # w2\n - apiGroups: [\"\"]\n   resources: [\"pods\"]\n   verbs: [\"watch\"]\n",
	  "{\"apiGroups\":[\"\"],\"namespace\":\"n1\",\"resources\":[\"pods\"],\"verbs\":[\"watch\"]}" },
	{ "get /a/b", " # w3\n - nonResourceURLs: [\"/a/b\"]\n   verbs: [\"get\"]\n", "{\"nonResourceURLs\":[\"/a/b\"],\"verbs\":[\"get\"]}" },
	{ "approve signers (g.io) d.io/*",
	  " # w4\n - apiGroups: [\"g.io\"]\n   resources: [\"signers\"]\n   resourceNames: [\"d.io/*\"]\n   verbs: [\"approve\"]\n",
	  "{\"apiGroups\":[\"g.io\"],\"resourceNames\":[\"d.io/*\"],\"resources\":[\"signers\"],\"verbs\":[\"approve\"]}" },
	{ "reference signers (g.io) x in namespace n1",
	  " # w5\n - apiGroups: [\"g.io\"]\n   resources: [\"signers\"]\n   resourceNames: [\"x\"]\n   verbs: [\"reference\"]\n",
	  "{\"apiGroups\":[\"g.io\"],\"namespace\":\"n1\",\"resourceNames\":[\"x\"],\"resources\":[\"signers\"],\"verbs\":[\"reference\"]}" },
};

static void a_rule_is_written_in_three_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) {
		AUTO(buf) struct buf line = { .max = 1024 };
		AUTO(buf) struct buf yaml = { .max = 1024 };
		AUTO(json) json_t *rule = rbac_rule_json(&needs[i]);
		AUTO(heap) char *json = json_dumps(rule, JSON_COMPACT | JSON_SORT_KEYS);

		assert_int_equal(rbac_put_line(&needs[i], &line).code, ERR_OK);
		assert_int_equal(rbac_put_rule(&needs[i], " ", &yaml).code, ERR_OK);
		if (!bytes_is(buf_view(&line), texts[i].line)) fail_msg("%.*s", (int)line.len, line.data);
		if (!bytes_is(buf_view(&yaml), texts[i].yaml)) fail_msg("%.*s", (int)yaml.len, yaml.data);
		assert_string_equal(json, texts[i].json);
	}
}

static char *manifest(const struct rbac *rbac)
{
	struct buf out = { .max = RBAC_MAX };

	assert_int_equal(rbac_put_manifest(rbac, &out).code, ERR_OK);
	assert_int_equal(buf_put(&out, "", 1).code, ERR_OK);
	return (char *)out.data;
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++) n++;
	return n;
}

static void each_namespace_has_a_role_and_its_binding(void **state)
{
	const struct rbac rbac = { .name = "r", .user = "system:serviceaccount:ns:sa", .account = true, .needs = needs,
		                   .count = ARRAY_LEN(needs) };
	AUTO(heap) char *text = manifest(&rbac);

	(void)state;
	assert_int_equal(count(text, "---\n"), 4);
	assert_int_equal(count(text, "\nkind: ServiceAccount\n"), 1);
	assert_int_equal(count(text, "\nkind: ClusterRole\n"), 1);
	assert_int_equal(count(text, "\nkind: ClusterRoleBinding\n"), 1);
	assert_int_equal(count(text, "\nkind: Role\nmetadata:\n  name: r\n  namespace: n1\nrules:\n"), 1);
	assert_int_equal(count(text, "\nkind: RoleBinding\nmetadata:\n  name: r\n  namespace: n1\n"), 1);
	assert_int_equal(count(text, "  - kind: ServiceAccount\n    namespace: ns\n    name: sa\n"), 2);
	for (size_t i = 0; i < ARRAY_LEN(needs); i++) assert_int_equal(count(text, needs[i].why), 1);
	assert_true(strstr(text, "w1") < strstr(text, "w4") && strstr(text, "w4") < strstr(text, "w2"));
}

static void a_user_is_bound_by_the_name(void **state)
{
	static const char *const users[][2] = { { "jane", "\"jane\"" }, { "a \"b\" \\c: #", "\"a \\\"b\\\" \\\\c: #\"" },
		                                { "system:serviceaccount:no", "\"system:serviceaccount:no\"" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		const struct rbac rbac = { .name = "r", .user = users[i][0], .account = true, .needs = needs, .count = 1 };
		AUTO(heap) char *text = manifest(&rbac);
		char want[128];

		(void)snprintf(want, sizeof(want), "    kind: User\n    name: %s\n", users[i][1]);
		if (strstr(text, want) == NULL || strstr(text, "ServiceAccount") != NULL) fail_msg("%s", text);
	}
}

static void nothing_needs_no_role(void **state)
{
	const struct rbac rbac = { .name = "r", .user = "jane", .needs = needs, .count = 0 };
	AUTO(heap) char *text = manifest(&rbac);

	(void)state;
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_is_written_in_three_ways),
		cmocka_unit_test(each_namespace_has_a_role_and_its_binding),
		cmocka_unit_test(a_user_is_bound_by_the_name),
		cmocka_unit_test(nothing_needs_no_role),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
