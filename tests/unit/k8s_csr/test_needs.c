/* What each setting needs leave for, and that nothing else is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "conf/load.h"
#include "k8s_csr/needs.h"

#define CLUSTERS "trust_domain: example.org\nclusters: [{ id: a }, { id: b }]\n"
#define FILING "create,get,list,watch,delete certificates.k8s.io/certificatesigningrequests;"
#define EVENTS "list /events in default;"
#define APPROVAL "patch certificates.k8s.io/certificatesigningrequests/approval;"
#define APPROVE(name) "approve certificates.k8s.io/signers " name ";"
#define ISSUER(more) "issuers: [{ name: x, cluster: a, roots_file: r, " more " }]\n"
#define JWT(more) "{ name: k, issuer: 'https://k', kind: kubernetes, cluster: a, audiences: [x], " more " }"
#define RULES(more) "policy: [{ name: p, spiffe_id: 'spiffe://example.org/x', impersonate: ['spiffe://example.org/**'], " more " }]\n"

static const struct {
	const char *name, *yaml, *a, *b; /* what is needed at the two clusters */
} cases[] = {
	{ "nothing", CLUSTERS, "", "" },
	{ "one_signer", CLUSTERS ISSUER("signer_name: s.example/m"), FILING EVENTS APPROVAL APPROVE("s.example/m"), "" },
	{ "a_domain_of_signers", CLUSTERS ISSUER("signer_domain: s.example"), FILING EVENTS APPROVAL APPROVE("s.example/*"), "" },
	{ "a_signer_and_a_domain", CLUSTERS ISSUER("signer_name: s.example/m, signer_domain: t.example"),
	  FILING EVENTS APPROVAL APPROVE("s.example/m") APPROVE("t.example/*"), "" },
	{ "approved_by_others", CLUSTERS ISSUER("signer_name: s.example/m, approve: external"), FILING EVENTS, "" },
	{ "kept", CLUSTERS ISSUER("signer_name: s.example/m, approve: external, after: keep"),
	  "create,get,list,watch certificates.k8s.io/certificatesigningrequests;" EVENTS, "" },
	{ "an_issuer_of_a_namespace", CLUSTERS ISSUER("signer_name: issuers.cert-manager.io/ns.is.s, approve: external"),
	  FILING EVENTS "reference cert-manager.io/signers is.s in ns;", "" },
	{ "a_cluster_issuer_needs_no_reference", CLUSTERS ISSUER("signer_name: clusterissuers.cert-manager.io/i, approve: external"),
	  FILING EVENTS, "" },
	{ "two_issuers_of_one_signer", CLUSTERS "issuers: [{ name: x, cluster: b, roots_file: r, signer_name: s.example/m },"
	  " { name: y, cluster: b, roots_file: r, signer_name: s.example/m, after: keep }, { name: z, cluster: a, roots_file: r, signer_name: s.example/z,"
	  " approve: external }]\n", FILING EVENTS, FILING EVENTS APPROVAL APPROVE("s.example/m") },
	{ "keys_of_the_cluster", CLUSTERS "jwt_issuers: [" JWT("") "]\n", "get /openid/v1/jwks;", "" },
	{ "review_alone", CLUSTERS "jwt_issuers: [" JWT("token_review: only") "]\n", "create authentication.k8s.io/tokenreviews;", "" },
	{ "review_also", CLUSTERS "jwt_issuers: [" JWT("token_review: also") "]\n",
	  "create authentication.k8s.io/tokenreviews;get /openid/v1/jwks;", "" },
	{ "keys_from_a_file", CLUSTERS "jwt_issuers: [" JWT("jwks_file: j") "]\n", "", "" },
	{ "same_node", CLUSTERS "jwt_issuers: [" JWT("jwks_file: j") "]\n" RULES("same_node: true"), "list,watch /pods;", "" },
	{ "impersonation_of_any_node", CLUSTERS "jwt_issuers: [" JWT("jwks_file: j") "]\n" RULES("same_node: false"), "", "" },
};

static void tell(const struct need *n, struct buf *out)
{
	for (size_t i = 0; i < n->verb_count; i++) assert_int_equal(buf_printf(out, "%s%s", i > 0 ? "," : "", n->verbs[i]).code, ERR_OK);
	if (n->url != NULL) assert_int_equal(buf_printf(out, " %s", n->url).code, ERR_OK);
	else assert_int_equal(buf_printf(out, " %s/%s%s%s", n->group, n->resource, n->subresource ? "/" : "", n->subresource ? n->subresource : "").code, ERR_OK);
	if (n->name[0] != '\0') assert_int_equal(buf_printf(out, " %s", n->name).code, ERR_OK);
	if (n->ns[0] != '\0') assert_int_equal(buf_printf(out, " in %s", n->ns).code, ERR_OK);
	assert_int_equal(buf_put_str(out, ";").code, ERR_OK);
	assert_true(strlen(n->why) > 10);
}

static void check(const char *name, const struct conf *conf, unsigned cluster, const char *want)
{
	AUTO(buf) struct buf got = { .max = 64 * 1024 };
	static struct need needs[NEEDS_MAX];
	size_t count = needs_of(conf, cluster, needs);

	for (size_t i = 0; i < count; i++) tell(&needs[i], &got);
	if (!bytes_is(buf_view(&got), want)) fail_msg("%s, cluster %u: %.*s", name, cluster, (int)got.len, got.data);
}

static void each_setting_needs_what_it_uses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(conf) struct conf *conf = NULL;
		struct conf_problem problem = { "" };

		if (conf_parse(bytes_str(cases[i].yaml), "t", &conf, &problem).code != ERR_OK) fail_msg("%s: %s", cases[i].name, problem.text);
		check(cases[i].name, conf, 0, cases[i].a);
		check(cases[i].name, conf, 1, cases[i].b);
	}
}

/* As many as a configuration can have. */
static void the_most_that_there_can_be_fits(void **state)
{
	AUTO(buf) struct buf yaml = { .max = 64 * 1024 };
	AUTO(conf) struct conf *conf = NULL;
	struct conf_problem problem = { "" };
	struct { struct need needs[NEEDS_MAX]; uint64_t guard; } *room = calloc(1, sizeof(*room));
	static const char head[] = CLUSTERS RULES("same_node: true") "jwt_issuers: [" JWT("token_review: also") "]\nissuers:\n";

	(void)state;
	assert_non_null(room);
	assert_int_equal(buf_put_str(&yaml, head).code, ERR_OK);
	for (int i = 0; i < CONF_CSR_ISSUERS_MAX; i++)
		assert_int_equal(buf_printf(&yaml, " - { name: i%d, cluster: a, roots_file: r, signer_name: issuers.cert-manager.io/n.i%d,"
					    " signer_domain: d%d.example }\n", i, i, i).code, ERR_OK);
	if (conf_parse(buf_view(&yaml), "t", &conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_int_equal(needs_of(conf, 0, room->needs), NEEDS_MAX);
	assert_int_equal(room->guard, 0);
	free(room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_setting_needs_what_it_uses),
		cmocka_unit_test(the_most_that_there_can_be_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
