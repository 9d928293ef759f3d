/* A verified token's claims become a caller, or are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/load.h"
#include "proto/json.h"
#include "ra/claims.h"

/* The rules ask for all that the tests look at but claim.unasked. */
static struct conf *conf_make(void)
{
	static const char yaml[] =
		"trust_domain: example.org\n"
		"jwt_issuers: [ { name: cluster, issuer: 'https://k', jwks_file: /k, audiences: [a] } ]\n"
		"policy:\n"
		"  - { name: a, deny: true, match: { claim.sub: x, claim.aud: x, claim.ok: x, claim.null: x, claim.deep.a.b.c: x } }\n"
		"  - { name: b, deny: true, match: { claim.groups: bad } }\n"
		"  - { name: c, spiffe_id: 'spiffe://{trust_domain}/{claim.exp}/{claim.kubernetes.io.pod.name}' }\n";
	struct conf *c = NULL;
	struct conf_problem problem;

	if (conf_parse(BYTES(yaml, sizeof(yaml) - 1), "test", &c, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	return c;
}

static struct err make(enum conf_issuer_kind kind, const char *json, struct caller **out)
{
	struct conf *c = conf_make();
	AUTO(json) json_t *claims = NULL;
	struct err e;

	c->issuers[0].kind = kind;
	assert_int_equal(json_object_parse(bytes_str(json), 65536, &claims).code, ERR_OK);
	e = claims_caller(c, &c->issuers[0], claims, bytes_str("c1"), out);
	conf_free(c);
	return e;
}

static const struct {
	const char *name;
	enum conf_issuer_kind kind;
	const char *json;
	enum err_code want;
} cases[] = {
	{ "account_of_four_parts", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount:web:shop\"}", ERR_OK },
	{ "account_that_is_bound", CONF_ISSUER_KUBERNETES,
	  "{\"sub\":\"system:serviceaccount:web:shop\",\"kubernetes.io\":{\"namespace\":\"web\",\"serviceaccount\":{\"name\":\"shop\"}}}", ERR_OK },
	{ "plain_subject", CONF_ISSUER_JWT, "{\"sub\":\"build/7\"}", ERR_OK },
	{ "claims_of_one_name_that_nobody_asks_for", CONF_ISSUER_JWT, "{\"sub\":\"x\",\"Team\":\"a\",\"team\":\"b\"}", ERR_OK },
	{ "refuses_two_claims_of_one_name", CONF_ISSUER_JWT, "{\"sub\":\"x\",\"groups\":\"a\",\"Groups\":\"b\"}", ERR_UNAUTHENTICATED },
	{ "refuses_dotted_beside_nested_name", CONF_ISSUER_JWT,
	  "{\"sub\":\"x\",\"kubernetes.io\":{\"pod\":{\"name\":\"a\"}},\"kubernetes\":{\"io.pod.name\":\"b\"}}", ERR_UNAUTHENTICATED },
	{ "refuses_no_sub", CONF_ISSUER_JWT, "{\"name\":\"x\"}", ERR_UNAUTHENTICATED },
	{ "refuses_empty_sub", CONF_ISSUER_JWT, "{\"sub\":\"\"}", ERR_UNAUTHENTICATED },
	{ "refuses_sub_that_is_a_number", CONF_ISSUER_JWT, "{\"sub\":7}", ERR_UNAUTHENTICATED },
	{ "refuses_account_of_three_parts", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount:web\"}", ERR_UNAUTHENTICATED },
	{ "refuses_account_of_five_parts", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount:web:shop:x\"}", ERR_UNAUTHENTICATED },
	{ "refuses_empty_namespace", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount::shop\"}", ERR_UNAUTHENTICATED },
	{ "refuses_empty_name", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount:web:\"}", ERR_UNAUTHENTICATED },
	{ "refuses_other_prefix", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:node:web:shop\"}", ERR_UNAUTHENTICATED },
	{ "refuses_slash_in_namespace", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount:we/b:shop\"}", ERR_UNAUTHENTICATED },
	{ "refuses_capital_in_name", CONF_ISSUER_KUBERNETES, "{\"sub\":\"system:serviceaccount:web:Shop\"}", ERR_UNAUTHENTICATED },
	{ "refuses_bound_to_other_namespace", CONF_ISSUER_KUBERNETES,
	  "{\"sub\":\"system:serviceaccount:web:shop\",\"kubernetes.io\":{\"namespace\":\"kube-system\"}}", ERR_UNAUTHENTICATED },
	{ "refuses_bound_to_other_account", CONF_ISSUER_KUBERNETES,
	  "{\"sub\":\"system:serviceaccount:web:shop\",\"kubernetes.io\":{\"serviceaccount\":{\"name\":\"admin\"}}}", ERR_UNAUTHENTICATED },
};

static void test_claims(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(caller) struct caller *c = NULL;

		if (make(cases[i].kind, cases[i].json, &c).code != cases[i].want) fail_msg("%s", cases[i].name);
		if ((c != NULL) != (cases[i].want == ERR_OK)) fail_msg("%s: output", cases[i].name);
	}
}

static const struct {
	const char *name, *want; /* NULL: absent */
} attributes[] = {
	{ "method", "jwt" }, { "issuer", "cluster" }, { "trust_domain", "example.org" }, { "cluster", "c1" },
	{ "k8s.namespace", "web" }, { "k8s.service_account", "shop" }, { "k8s.pod", "shop-7" }, { "k8s.pod_uid", "u1" },
	{ "k8s.node", "n1" }, { "claim.sub", "system:serviceaccount:web:shop" }, { "claim.aud", "a" }, { "claim.exp", "1700000000" },
	{ "claim.ok", "true" }, { "claim.kubernetes.io.pod.name", "shop-7" }, { "claim.null", NULL }, { "claim.bad name", NULL },
	{ "claim.deep.a.b.c", NULL }, { "spiffe_id", NULL },
	{ "claim.unasked", NULL },
};

static void test_claims_become_attributes(void **state)
{
	AUTO(caller) struct caller *c = NULL;

	(void)state;
	assert_int_equal(make(CONF_ISSUER_KUBERNETES,
	                      "{\"sub\":\"system:serviceaccount:web:shop\",\"aud\":[\"a\",\"b\"],\"exp\":1700000000,\"ok\":true,\"null\":null,"
	                      "\"bad name\":\"x\",\"unasked\":\"x\",\"deep\":{\"a\":{\"b\":{\"c\":\"x\"}}},\"spiffe_id\":\"spiffe://example.org/admin\","
	                      "\"kubernetes.io\":{\"namespace\":\"web\",\"pod\":{\"name\":\"shop-7\",\"uid\":\"u1\"},\"node\":{\"name\":\"n1\"}}}",
	                      &c).code, ERR_OK);
	assert_string_equal(caller_id(c), "cluster:web/shop");
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
		const char *got = caller_get(c, attributes[i].name);

		if ((got == NULL) != (attributes[i].want == NULL) || (got != NULL && strcmp(got, attributes[i].want) != 0))
			fail_msg("%s is %s", attributes[i].name, got == NULL ? "absent" : got);
	}
}

/* Fill with what nobody asks for, and then with what somebody does: the last group is the one that is denied. */
static char *many_claims(const char *key, size_t others, size_t groups)
{
	struct buf out = { .max = 1 << 20 };

	assert_int_equal(buf_printf(&out, "{\"sub\":\"s\"").code, ERR_OK);
	for (size_t i = 0; i < others; i++) assert_int_equal(buf_printf(&out, ",\"%s%zu\":\"x\"", key, i).code, ERR_OK);
	assert_int_equal(buf_printf(&out, ",\"groups\":[").code, ERR_OK);
	for (size_t i = 0; i < groups; i++) assert_int_equal(buf_printf(&out, "\"g%zu\",", i).code, ERR_OK);
	assert_int_equal(buf_printf(&out, "\"bad\"]}").code, ERR_OK);
	return (char *)out.data;
}

static void test_claims_that_nobody_asks_for_do_not_crowd_out_others(void **state)
{
	AUTO(caller) struct caller *c = NULL;
	AUTO(heap) char *json = many_claims("a", 500, 0);

	(void)state;
	assert_int_equal(make(CONF_ISSUER_JWT, json, &c).code, ERR_OK);
	assert_string_equal(caller_get(c, "claim.groups"), "bad");
}

/* A rule that denies a group must not be blind to the 65th group. */
static void test_refuses_more_values_than_policy_can_see(void **state)
{
	AUTO(caller) struct caller *c = NULL;
	AUTO(heap) char *json = many_claims("a", 0, 100);

	(void)state;
	assert_int_equal(make(CONF_ISSUER_JWT, json, &c).code, ERR_UNAUTHENTICATED);
	assert_null(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_claims_become_attributes),
		cmocka_unit_test(test_claims_that_nobody_asks_for_do_not_crowd_out_others),
		cmocka_unit_test(test_refuses_more_values_than_policy_can_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
