/* Kubeconfigs: what is taken from one, and in which words the rest is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "k8s_csr/kubeconfig.h"

/* base64 of PEM; the last ones are of no use */
#define CERT_PEM "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define KEY_PEM "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCkFBRUMKLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo="
#define EC_PEM "LS0tLS1CRUdJTiBFQyBQQVJBTUVURVJTLS0tLS0KQmdncWhrak9QUU1CQnc9PQotLS0tLUVORCBFQyBQQVJBTUVURVJTLS0tLS0KLS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCkFBRUMKLS0tLS1FTkQgRUMgUFJJVkFURSBLRVktLS0tLQo="
#define ENCRYPTED_PEM "LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURSBLRVktLS0tLQpBQUFBCi0tLS0tRU5EIEVOQ1JZUFRFRCBQUklWQVRFIEtFWS0tLS0tCg=="
#define LEGACY_PEM "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpQcm9jLVR5cGU6IDQsRU5DUllQVEVECgpBQUFBCi0tLS0tRU5EIFJTQSBQUklWQVRFIEtFWS0tLS0tCg=="
#define OPEN_PEM "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEK"
#define TRUSTED_PEM "LS0tLS1CRUdJTiBUUlVTVEVEIENFUlRJRklDQVRFLS0tLS0KQUFBQQotLS0tLUVORCBUUlVTVEVEIENFUlRJRklDQVRFLS0tLS0K"

#define CERT_TEXT "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
#define KEY_TEXT "-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n"

/* As kubeadm writes /etc/kubernetes/admin.conf. */
static const char kubeadm[] = "apiVersion: v1\n"
			      "clusters:\n"
			      "- cluster:\n"
			      "    certificate-authority-data: " CERT_PEM "\n"
			      "    server: https://192.0.2.10:6443\n"
			      "  name: kubernetes\n"
			      "contexts:\n"
			      "- context:\n"
			      "    cluster: kubernetes\n"
			      "    user: kubernetes-admin\n"
			      "  name: kubernetes-admin@kubernetes\n"
			      "current-context: kubernetes-admin@kubernetes\n"
			      "kind: Config\n"
			      "users:\n"
			      "- name: kubernetes-admin\n"
			      "  user:\n"
			      "    client-certificate-data: " CERT_PEM "\n"
			      "    client-key-data: " KEY_PEM "\n";

/* As minikube, kubectl and cloud tools leave behind: extensions, several contexts, a user that is a plug-in. */
static const char several[] = "apiVersion: v1\n"
			      "kind: Config\n"
			      "preferences: {}\n"
			      "current-context: cloud\n"
			      "contexts:\n"
			      "- { name: cloud, context: { cluster: cloud, user: cloud } }\n"
			      "- name: minikube\n"
			      "  context:\n"
			      "    cluster: minikube\n"
			      "    extensions:\n"
			      "    - extension: { last-update: today, provider: minikube.sigs.k8s.io }\n"
			      "      name: context_info\n"
			      "    namespace: default\n"
			      "    user: minikube\n"
			      "clusters:\n"
			      "- { name: minikube, cluster: { server: \"https://[2001:db8::1]:8443/k8s/clusters/c-1/\", certificate-authority: ca/ca.crt, tls-server-name: minikubeCA } }\n"
			      "- { name: cloud, cluster: { server: \"https://a.example.org\", insecure-skip-tls-verify: false, proxy-url: \"\" } }\n"
			      "- { name: other, cluster: { server: \"http://localhost:8080\", insecure-skip-tls-verify: true } }\n"
			      "users:\n"
			      "- name: cloud\n"
			      "  user:\n"
			      "    exec: { apiVersion: client.authentication.k8s.io/v1, command: gke-gcloud-auth-plugin, args: [] }\n"
			      "- name: minikube\n"
			      "  user: { client-certificate: client.crt, client-key: /abs/client.key, token: abc, tokenFile: token, username: \"\", exec: null, as-groups: [] }\n";

static struct err parse(const char *yaml, const char *context, struct kubeconfig *k, struct conf_problem *problem)
{
	const struct kubeconfig_options options = { .name = "kc", .folder = "/etc/signet", .context = context };

	return kubeconfig_parse(bytes_str(yaml), &options, k, problem);
}

static void kubeadms_is_taken(void **state)
{
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	struct conf_problem problem;

	(void)state;
	if (parse(kubeadm, NULL, &k, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_string_equal(problem.text, "");
	assert_string_equal(k.server, "https://192.0.2.10:6443");
	assert_null(k.server_name);
	assert_true(bytes_is(buf_view(&k.ca.text), CERT_TEXT) && k.ca.path == NULL);
	assert_true(bytes_is(buf_view(&k.certificate.text), CERT_TEXT) && k.certificate.path == NULL);
	assert_true(bytes_is(buf_view(&k.key.text), KEY_TEXT) && k.key.path == NULL);
	assert_true(k.token.path == NULL && k.token.text.len == 0);
}

static void the_context_that_is_asked_for_is_taken(void **state)
{
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	struct conf_problem problem;

	(void)state;
	if (parse(several, "minikube", &k, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_string_equal(k.server, "https://[2001:db8::1]:8443/k8s/clusters/c-1");
	assert_string_equal(k.server_name, "minikubeCA");
	assert_string_equal(k.ca.path, "/etc/signet/ca/ca.crt");
	assert_string_equal(k.certificate.path, "/etc/signet/client.crt");
	assert_string_equal(k.key.path, "/abs/client.key");
	assert_string_equal(k.token.path, "/etc/signet/token");
	assert_int_equal(k.token.text.len, 0);
	assert_int_equal(parse(several, NULL, &k, &problem).code, ERR_INVALID_ARGUMENT);
	assert_string_equal(problem.text, "kc:22: users[0].user.exec: plug-ins are not run; use a token, a tokenFile, or a client-certificate "
					  "and client-key");
}

/* A file around one cluster and one user; line 2 is the cluster's, line 3 the user's. */
#define FILE_OF(cluster, user)                                                                                                     \
	"{ current-context: x, contexts: [{ name: x, context: { cluster: c, user: u } }],\n"                                       \
	"  clusters: [{ name: c, cluster: " cluster " }],\n"                                                                       \
	"  users: [{ name: u, user: " user " }] }\n"
#define SERVER(url) FILE_OF("{ server: \"" url "\" }", "{ token: t }")
#define CLUSTER(more) FILE_OF("{ server: \"https://a\", " more " }", "{ token: t }")
#define USER(user) FILE_OF("{ server: \"https://a\" }", "{ " user " }")
#define HEAD(head) "{ " head ", clusters: [{ name: c, cluster: { server: \"https://a\" } }], users: [{ name: u, user: { token: t } }] }\n"
#define X "contexts: [{ name: x, context: { cluster: c, user: u } }]"
#define INSTEAD "; use a token, a tokenFile, or a client-certificate and client-key"
#define VERIFIED "kc:2: clusters[0].cluster.insecure-skip-tls-verify: the server is always verified; give its certificate-authority, and " \
		 "tls-server-name if the certificate is for another name"
#define NOT_TEXT "expected text (a number or a truth value needs quotes)"

/* Which source is there, and what is in it. */
static const struct {
	const char *yaml, *token, *token_path, *certificate, *certificate_path, *key, *ca;
} taken[] = {
	{ USER("token: abc"), "abc", NULL, "", NULL, "", "" },
	{ USER("token: \"\", tokenFile: /t"), "", "/t", "", NULL, "", "" },
	{ USER("token: \"a b\", tokenFile: /t"), "", "/t", "", NULL, "", "" },
	{ USER("token: ~, tokenFile: t"), "", "/etc/signet/t", "", NULL, "", "" },
	{ USER("token: '12345'"), "12345", NULL, "", NULL, "", "" },
	{ USER("client-certificate: c, client-certificate-data: " CERT_PEM ", client-key: k"), "", NULL, CERT_TEXT, NULL, "", "" },
	{ USER("client-certificate: c, client-key: k, client-key-data: " KEY_PEM), "", NULL, "", "/etc/signet/c", KEY_TEXT, "" },
	{ USER("client-certificate: c, client-key-data: " KEY_PEM ", token: t"), "t", NULL, "", "/etc/signet/c", KEY_TEXT, "" },
	{ USER("token: t, unknown: { a: [1] }, exec: ~, auth-provider: null, as: \"\""), "t", NULL, "", NULL, "", "" },
	{ CLUSTER("certificate-authority: a, certificate-authority-data: " CERT_PEM), "t", NULL, "", NULL, "", CERT_TEXT },
	{ CLUSTER("insecure-skip-tls-verify: False, disable-compression: true"), "t", NULL, "", NULL, "", "" },
	{ CLUSTER("insecure-skip-tls-verify: ~, proxy-url: ~"), "t", NULL, "", NULL, "", "" },
	{ HEAD("kind: Config, apiVersion: v1, current-context: x, " X), "t", NULL, "", NULL, "", "" },
	{ HEAD("current-context: x, contexts: [{ name: 7 }, z, { a: b }, { name: x, context: { cluster: c, user: u } }]"), "t", NULL, "", NULL, "", "" },
};

static bool same_path(const char *a, const char *b)
{
	return a == NULL ? b == NULL : b != NULL && strcmp(a, b) == 0;
}

static void of_two_forms_client_gos_choice_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(taken); i++) {
		AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
		struct conf_problem problem;

		if (parse(taken[i].yaml, NULL, &k, &problem).code != ERR_OK) fail_msg("%s", problem.text);
		if (!bytes_is(buf_view(&k.token.text), taken[i].token) || !same_path(k.token.path, taken[i].token_path) ||
		    !bytes_is(buf_view(&k.certificate.text), taken[i].certificate) ||
		    !same_path(k.certificate.path, taken[i].certificate_path) || !bytes_is(buf_view(&k.key.text), taken[i].key) ||
		    !bytes_is(buf_view(&k.ca.text), taken[i].ca))
			fail_msg("%s", taken[i].yaml);
	}
}

static const struct {
	const char *yaml, *problem;
} refusals[] = {
	/* no kubeconfig at all */
	{ "", "kc: there is nothing in it; at least current-context is needed" },
	{ "---\n", "kc:2: expected a map of keys at the top" },
	{ "[]", "kc:1: expected a map of keys at the top" },
	{ "{ a: b", "kc:2: not YAML: did not find expected ',' or '}'" },
	{ "a: &x b\n", "kc:1: anchors (&) are not supported; write the value out" },
	{ "kind: Secret\napiVersion: v1\n", "kc:1: kind: is not Config: this is no kubeconfig" },
	{ "kind: Config\napiVersion: v2\n", "kc:1: apiVersion: is not v1" },
	{ "kind: Config\nkind: Config\n", "kc:2: the key \"kind\" is given twice, first in line 1" },
	/* contexts */
	{ HEAD(X), "kc:1: current-context: missing; set it, or ask for a context by its name" },
	{ HEAD("current-context: \"\", " X), "kc:1: current-context: missing; set it, or ask for a context by its name" },
	{ HEAD("current-context: 7, " X), "kc:1: current-context: " NOT_TEXT },
	{ HEAD("current-context: [x], " X), "kc:1: current-context: " NOT_TEXT },
	{ HEAD("current-context: y, " X), "kc:1: contexts: none has the name \"y\"" },
	{ HEAD("current-context: \"y\\n\", " X), "kc:1: contexts: none has the name \"y?\"" },
	{ HEAD("current-context: x"), "kc:1: contexts: there are none, so none with the name \"x\"" },
	{ HEAD("current-context: x, contexts: []"), "kc:1: contexts: there are none, so none with the name \"x\"" },
	{ HEAD("current-context: x, contexts: { x: y }"), "kc:1: contexts: expected a list" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: {} }, { name: x, context: {} }]"), "kc:1: contexts: two have the name \"x\"" },
	{ HEAD("current-context: x, contexts: [{ name: x }]"), "kc:1: contexts[0].context: expected a map" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: x }]"), "kc:1: contexts[0].context: expected a map" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: { user: u } }]"), "kc:1: contexts[0].context.cluster: missing" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: { cluster: c } }]"), "kc:1: contexts[0].context.user: missing" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: { cluster: d, user: u } }]"), "kc:1: clusters: none has the name \"d\"" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: { cluster: c, user: v } }]"), "kc:1: users: none has the name \"v\"" },
	{ HEAD("current-context: x, contexts: [{ name: x, context: { cluster: c, user: 1 } }]"), "kc:1: contexts[0].context.user: " NOT_TEXT },
	{ HEAD("current-context: x, contexts: [{ name: x, context: { user: u, user: v, cluster: c } }]"), "kc:1: the key \"user\" is given twice, first in line 1" },
	/* clusters */
	{ FILE_OF("{}", "{ token: t }"), "kc:2: clusters[0].cluster.server: missing" },
	{ FILE_OF("c", "{ token: t }"), "kc:2: clusters[0].cluster: expected a map" },
	{ FILE_OF("{ server: \"https://a\", server: \"https://b\" }", "{ token: t }"), "kc:2: the key \"server\" is given twice, first in line 2" },
	{ SERVER(""), "kc:2: clusters[0].cluster.server: missing" },
	{ SERVER("http://a"), "kc:2: clusters[0].cluster.server: does not begin with https://" },
	{ SERVER("localhost:8080"), "kc:2: clusters[0].cluster.server: does not begin with https://" },
	{ SERVER("https://u:p@a"), "kc:2: clusters[0].cluster.server: may not hold a user or password" },
	{ SERVER("https://a?b"), "kc:2: clusters[0].cluster.server: may not have a query (?)" },
	{ SERVER("https://a#b"), "kc:2: clusters[0].cluster.server: may not have a fragment (#)" },
	{ SERVER("https://fd00::1:6443"), "kc:2: clusters[0].cluster.server: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ CLUSTER("insecure-skip-tls-verify: true"), VERIFIED },
	{ CLUSTER("insecure-skip-tls-verify: yes"), VERIFIED },
	{ CLUSTER("insecure-skip-tls-verify: on"), VERIFIED },
	{ CLUSTER("insecure-skip-tls-verify: 1"), VERIFIED },
	{ CLUSTER("insecure-skip-tls-verify: \"true\""), VERIFIED },
	{ CLUSTER("insecure-skip-tls-verify: {}"), VERIFIED },
	{ CLUSTER("proxy-url: socks5://a"), "kc:2: clusters[0].cluster.proxy-url: proxies are not used; give a server that is in reach" },
	{ CLUSTER("tls-server-name: a b"), "kc:2: clusters[0].cluster.tls-server-name: is not a host name" },
	{ CLUSTER("tls-server-name: 7"), "kc:2: clusters[0].cluster.tls-server-name: " NOT_TEXT },
	{ CLUSTER("certificate-authority-data: \"!\""), "kc:2: clusters[0].cluster.certificate-authority-data: is not base64" },
	{ CLUSTER("certificate-authority-data: \"\\n\""), "kc:2: clusters[0].cluster.certificate-authority-data: is not base64" },
	{ CLUSTER("certificate-authority-data: AAAA"), "kc:2: clusters[0].cluster.certificate-authority-data: holds no PEM certificate" },
	{ CLUSTER("certificate-authority-data: " KEY_PEM), "kc:2: clusters[0].cluster.certificate-authority-data: holds no PEM certificate" },
	{ CLUSTER("certificate-authority-data: " OPEN_PEM), "kc:2: clusters[0].cluster.certificate-authority-data: holds no PEM certificate" },
	{ CLUSTER("certificate-authority-data: " TRUSTED_PEM), "kc:2: clusters[0].cluster.certificate-authority-data: holds no PEM certificate" },
	{ CLUSTER("certificate-authority-data: " CERT_PEM ", certificate-authority: 7"), "kc:2: clusters[0].cluster.certificate-authority: " NOT_TEXT },
	/* users */
	{ USER(""), "kc:3: users[0].user: has no credentials" INSTEAD },
	{ USER("token: \"\""), "kc:3: users[0].user: has no credentials" INSTEAD },
	{ FILE_OF("{ server: \"https://a\" }", "~"), "kc:3: users[0].user: expected a map" },
	{ USER("token: t, exec: {}"), "kc:3: users[0].user.exec: plug-ins are not run" INSTEAD },
	{ USER("exec: { command: aws }"), "kc:3: users[0].user.exec: plug-ins are not run" INSTEAD },
	{ USER("token: t, auth-provider: { name: oidc }"), "kc:3: users[0].user.auth-provider: auth-providers are not supported" INSTEAD },
	{ USER("token: t, username: a"), "kc:3: users[0].user.username: passwords are not supported" INSTEAD },
	{ USER("token: t, password: 7"), "kc:3: users[0].user.password: passwords are not supported" INSTEAD },
	{ USER("token: t, as: a"), "kc:3: users[0].user.as: impersonation is not supported; use that user's own credentials" },
	{ USER("token: t, as-groups: [a]"), "kc:3: users[0].user.as-groups: impersonation is not supported; use that user's own credentials" },
	{ USER("token: 123456"), "kc:3: users[0].user.token: " NOT_TEXT },
	{ USER("token: [secret]"), "kc:3: users[0].user.token: " NOT_TEXT },
	{ USER("token: { secret: a }"), "kc:3: users[0].user.token: " NOT_TEXT },
	{ USER("token: sec ret"), "kc:3: users[0].user.token: is too long, or holds other characters than a token may" },
	{ USER("token: \"secret\\r\\nX-A: b\""), "kc:3: users[0].user.token: is too long, or holds other characters than a token may" },
	{ USER("token: \"secret\\xe4\""), "kc:3: users[0].user.token: is too long, or holds other characters than a token may" },
	{ USER("token: t, token: u"), "kc:3: the key \"token\" is given twice, first in line 3" },
	{ USER("token: t, tokenFile: 7"), "kc:3: users[0].user.tokenFile: " NOT_TEXT },
	{ USER("token: t, client-certificate: c"), "kc:3: users[0].user: has one of client-certificate and client-key; both are needed" },
	{ USER("token: t, client-key-data: " KEY_PEM), "kc:3: users[0].user: has one of client-certificate and client-key; both are needed" },
	{ USER("client-key: k, client-certificate-data: " KEY_PEM), "kc:3: users[0].user.client-certificate-data: holds no PEM certificate" },
	{ USER("client-certificate: c, client-key-data: " CERT_PEM), "kc:3: users[0].user.client-key-data: holds no PEM private key without a passphrase" },
	{ USER("client-certificate: c, client-key-data: " ENCRYPTED_PEM), "kc:3: users[0].user.client-key-data: holds no PEM private key without a passphrase" },
	{ USER("client-certificate: c, client-key-data: " LEGACY_PEM), "kc:3: users[0].user.client-key-data: holds no PEM private key without a passphrase" },
	{ USER("client-certificate: c, client-key-data: c2VjcmV0IQ==="), "kc:3: users[0].user.client-key-data: is not base64" },
};

static void each_refusal_names_the_member_and_what_to_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct kubeconfig k = { .server = (char *)(uintptr_t)"untouched" };
		struct conf_problem problem = { .text = "" };
		struct err e = parse(refusals[i].yaml, NULL, &k, &problem);

		if (e.code != ERR_INVALID_ARGUMENT) fail_msg("took %s", refusals[i].yaml);
		if (strcmp(problem.text, refusals[i].problem) != 0) fail_msg("%s: %s", refusals[i].yaml, problem.text);
		assert_string_equal(k.server, "untouched");
	}
}

static void a_text_over_several_lines_is_one(void **state)
{
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	struct conf_problem problem;
	static const char yaml[] = "current-context: x\n"
				   "contexts: [{ name: x, context: { cluster: c, user: u } }]\n"
				   "clusters: [{ name: c, cluster: { server: \"https://a//\" } }]\n"
				   "users:\n"
				   "- name: u\n"
				   "  user:\n"
				   "    client-certificate: c\n"
				   "    client-key-data: |\n"
				   "      LS0tLS1CRUdJTiBFQyBQQVJBTUVURVJTLS0tLS0KQmdncWhrak9QUU1CQnc9PQotLS0tLUVO\n"
				   "      RCBFQyBQQVJBTUVURVJTLS0tLS0KLS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0tLS0tCkFB\n"
				   "      RUMKLS0tLS1FTkQgRUMgUFJJVkFURSBLRVktLS0tLQo=\n";

	(void)state;
	if (parse(yaml, NULL, &k, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	assert_string_equal(k.server, "https://a");
	assert_true(bytes_has_prefix(buf_view(&k.key.text), bytes_str("-----BEGIN EC PARAMETERS-----\n")));
}

static void paths_stay_as_they_are_without_a_folder(void **state)
{
	const struct kubeconfig_options options = { .name = "kc", .folder = "" };
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	struct conf_problem problem;

	(void)state;
	assert_int_equal(kubeconfig_parse(bytes_str(USER("tokenFile: ../t")), &options, &k, &problem).code, ERR_OK);
	assert_string_equal(k.token.path, "../t");
}

static void a_token_is_bounded(void **state)
{
	static char yaml[KUBECONFIG_TOKEN_MAX + 1024];
	static char token[KUBECONFIG_TOKEN_MAX + 2];
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	struct conf_problem problem;

	(void)state;
	memset(token, 't', KUBECONFIG_TOKEN_MAX);
	(void)snprintf(yaml, sizeof(yaml), USER("token: %s"), token);
	assert_int_equal(parse(yaml, NULL, &k, &problem).code, ERR_OK);
	assert_int_equal(k.token.text.len, KUBECONFIG_TOKEN_MAX);
	token[KUBECONFIG_TOKEN_MAX] = 't';
	(void)snprintf(yaml, sizeof(yaml), USER("token: %s"), token);
	assert_int_equal(parse(yaml, NULL, &k, &problem).code, ERR_INVALID_ARGUMENT);
}

static void wiping_leaves_nothing(void **state)
{
	static const struct kubeconfig zero;
	struct kubeconfig k;
	struct conf_problem problem;

	(void)state;
	assert_int_equal(parse(kubeadm, NULL, &k, &problem).code, ERR_OK);
	kubeconfig_wipe(&k);
	assert_null(k.server);
	assert_null(k.key.text.data);
	assert_int_equal(k.key.text.len, zero.key.text.len);
	kubeconfig_wipe(&k);
	kubeconfig_wipe(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kubeadms_is_taken),
		cmocka_unit_test(the_context_that_is_asked_for_is_taken),
		cmocka_unit_test(of_two_forms_client_gos_choice_is_taken),
		cmocka_unit_test(each_refusal_names_the_member_and_what_to_do),
		cmocka_unit_test(a_text_over_several_lines_is_one),
		cmocka_unit_test(paths_stay_as_they_are_without_a_folder),
		cmocka_unit_test(a_token_is_bounded),
		cmocka_unit_test(wiping_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
