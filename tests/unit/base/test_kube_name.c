/* Kubernetes' names: what each rule takes and refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/kube_name.h"
#include "base/own.h"

#define TEN "aaaaaaaaaa"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define DOMAIN_253 SIXTY SIXTY SIXTY SIXTY "aaaaaaaaa.bb" "b" /* 240 + 13 */
#define PATH_317 DOMAIN_253 "." SIXTY "ccc"

enum { NAMESPACE = 1, NAME = 2, SIGNER = 4, KEY = 8, VALUE = 16 };

static const struct {
	const char *text;
	unsigned taken; /* by which rules */
} cases[] = {
	{ "", VALUE },
	{ "a", NAMESPACE | NAME | KEY | VALUE },
	{ "0", NAMESPACE | NAME | KEY | VALUE },
	{ "kube-system", NAMESPACE | NAME | KEY | VALUE },
	{ "web-7d4b9c-x2x9k", NAMESPACE | NAME | KEY | VALUE },
	{ SIXTY "aaa", NAMESPACE | NAME | KEY | VALUE },
	{ SIXTY "aaaa", NAME },
	{ "a.b", NAME | KEY | VALUE },
	{ "ip-10-0-0-1.ec2.internal", NAME | KEY | VALUE },
	{ SIXTY "aaaa.b", NAME },
	{ DOMAIN_253, NAME },
	{ DOMAIN_253 "b", 0 },
	{ "A", KEY | VALUE },
	{ "a_b", KEY | VALUE },
	{ "a..b", KEY | VALUE },
	{ "a.-b", KEY | VALUE },
	{ "-", 0 },
	{ "-a", 0 },
	{ "a-", 0 },
	{ ".a", 0 },
	{ "a.", 0 },
	{ "_a", 0 },
	{ "a b", 0 },
	{ "a\n", 0 },
	{ "a:b", 0 },
	{ "\xc3\xa4", 0 },
	{ "app.kubernetes.io/managed-by", SIGNER | KEY },
	{ "example.com/foo", SIGNER | KEY },
	{ "example/foo", KEY },
	{ "example.com/", 0 },
	{ "/foo", 0 },
	{ "/", 0 },
	{ "example.com/foo/bar", 0 },
	{ "example.com/foo.bar", SIGNER | KEY },
	{ "example.com/Foo", KEY },
	{ "Example.com/foo", 0 },
	{ "example.com/foo_bar", KEY },
	{ "example..com/foo", 0 },
	{ "example.com/-foo", 0 },
	{ "example.com/*", 0 },
	{ "clusterissuers.cert-manager.io/mesh", SIGNER | KEY },
	{ "issuers.cert-manager.io/istio-system.mesh", SIGNER | KEY },
	{ "kubernetes.io/legacy-unknown", KEY },
	{ "kubernetes.io/kubelet-serving", SIGNER | KEY },
	{ DOMAIN_253 "/" PATH_317, SIGNER },
	{ DOMAIN_253 "/" PATH_317 "c", 0 },
	{ DOMAIN_253 "b/a", 0 },
	{ "a.b/" SIXTY "aaa", SIGNER | KEY },
	{ "a.b/" SIXTY "aaaa", SIGNER },
};

static unsigned taken_by(struct bytes text)
{
	return (kube_namespace_valid(text) ? NAMESPACE : 0u) | (kube_name_valid(text) ? NAME : 0u) |
	       (kube_signer_valid(text) ? SIGNER : 0u) | (kube_label_key_valid(text) ? KEY : 0u) |
	       (kube_label_value_valid(text) ? VALUE : 0u);
}

static void each_rule_takes_what_the_api_server_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		unsigned got = taken_by(bytes_str(cases[i].text));

		if (got != cases[i].taken) fail_msg("\"%s\": %x", cases[i].text, got);
	}
	assert_int_equal(taken_by(BYTES("a\0b", 3)), 0);
	assert_int_equal(taken_by(BYTES("a.b/c\0d", 7)), 0);
}

static const char *const not_accounts[] = {
	"",
	"system:serviceaccount:",
	"system:serviceaccount:web",
	"system:serviceaccount:web:",
	"system:serviceaccount::shop",
	"system:serviceaccount:web:shop:x",
	"system:serviceaccount:web:shop:",
	"system:serviceaccount:we/b:shop",
	"system:serviceaccount:we.b:shop",
	"system:serviceaccount:web:Shop",
	"system:serviceaccount:-web:shop",
	"system:serviceaccount:web:shop-",
	"system:serviceaccount:web:..",
	"system:serviceaccount:" SIXTY "aaaa:shop",
	"system:serviceaccounts:web:shop",
	"system:node:worker-1",
	"xsystem:serviceaccount:web:shop",
	"system:serviceaccount:web:shop ",
};

static void a_service_account_is_exactly_four_parts(void **state)
{
	struct bytes ns, name;

	(void)state;
	assert_int_equal(kube_account_split(bytes_str("system:serviceaccount:istio-system:a.b"), &ns, &name).code, ERR_OK);
	assert_true(bytes_is(ns, "istio-system") && bytes_is(name, "a.b"));
	for (size_t i = 0; i < ARRAY_LEN(not_accounts); i++) {
		if (kube_account_split(bytes_str(not_accounts[i]), &ns, &name).code != ERR_INVALID_ARGUMENT)
			fail_msg("took %s", not_accounts[i]);
		if (!bytes_is(ns, "istio-system")) fail_msg("%s: output touched", not_accounts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_takes_what_the_api_server_takes),
		cmocka_unit_test(a_service_account_is_exactly_four_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
