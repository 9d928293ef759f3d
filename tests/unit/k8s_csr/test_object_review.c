/* TokenReviews and access reviews: who is vouched for, and everything that is not good enough. */
#include "k8s_csr/samples.h"

#include "k8s_csr/object_review.h"

static const char *const istio[] = { "istio-ca" }, *const several[] = { "signet", "istio-ca" }, *const other[] = { "istio" };
#define WANTED(list) ((struct kube_audiences){ list, ARRAY_LEN(list) })

/* ---- TokenReview: body ---- */

static void a_body_names_token_and_audiences(void **state)
{
	AUTO(buf) struct buf out = { .max = 4096 };

	(void)state;
	assert_int_equal(kube_token_review_body(bytes_str("ey.a-_=\"\\"), WANTED(several), &out).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\",\"spec\":{\"token\":"
					     "\"ey.a-_=\\\"\\\\\",\"audiences\":[\"signet\",\"istio-ca\"]}}"));
}

static void what_is_no_token_is_not_asked_about(void **state)
{
	static char text[KUBE_TOKEN_MAX + 1];
	static const char *const bad[] = { "", " ", "a b", "a\n", "a\x7f", "\xc3\xa4", "\xff" };
	AUTO(buf) struct buf out = { .max = 64 * 1024 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (kube_token_review_body(bytes_str(bad[i]), WANTED(istio), &out).code != ERR_INVALID_ARGUMENT) fail_msg("took \"%s\"", bad[i]);
	assert_int_equal(kube_token_review_body(BYTES("a\0b", 3), WANTED(istio), &out).code, ERR_INVALID_ARGUMENT);
	memset(text, 'a', sizeof(text));
	assert_int_equal(kube_token_review_body(BYTES(text, sizeof(text)), WANTED(istio), &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(kube_token_review_body(bytes_str("a"), (struct kube_audiences){ istio, 0 }, &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(out.len, 0);
	assert_int_equal(kube_token_review_body(BYTES(text, KUBE_TOKEN_MAX), WANTED(istio), &out).code, ERR_OK);
	out.max = out.len + 10;
	assert_int_equal(kube_token_review_body(bytes_str("a"), WANTED(istio), &out).code, ERR_RESOURCE_EXHAUSTED);
}

/* ---- TokenReview: answer ---- */

static void a_bound_token_says_pod_and_node(void **state)
{
	AUTO(json) json_t *review = sample("token-review.json", "");
	struct kube_token t;
	kube_text said;

	(void)state;
	assert_int_equal(kube_token_review_read(review, WANTED(several), &t, said).code, ERR_OK);
	assert_string_equal(t.ns, "default");
	assert_string_equal(t.account, "web");
	assert_string_equal(t.uid, "f41fd01a-18d3-43ed-b00d-59195fcbf60c");
	assert_string_equal(t.credential_id, "JTI=272fd507-cbeb-4afd-b36a-c5ab385fa007");
	assert_string_equal(t.pod_name, "web-7d4b9c-x2x9k");
	assert_string_equal(t.pod_uid, "f75b9c21-48fc-4b13-a38c-c50c97d5edfb");
	assert_string_equal(t.node_name, "worker-1");
	assert_string_equal(t.node_uid, "2ea59547-d65b-4394-b1b5-1dd6107103c9");
	assert_string_equal(said, "");
}

static void a_token_need_not_be_bound(void **state)
{
	AUTO(json) json_t *review = sample("token-review-unbound.json", "");
	struct kube_token t;
	kube_text said;

	(void)state;
	assert_int_equal(kube_token_review_read(review, WANTED(istio), &t, said).code, ERR_OK);
	assert_string_equal(t.account, "web");
	assert_string_equal(t.pod_name, "");
	assert_string_equal(t.pod_uid, "");
	assert_string_equal(t.node_name, "");
	assert_string_equal(t.node_uid, "");
}

static void what_the_api_server_says_of_a_bad_token_is_kept(void **state)
{
	AUTO(json) json_t *bad = sample("token-review-bad.json", "");
	AUTO(json) json_t *audience = sample("token-review-audience.json", "");
	struct kube_token t = { .ns = "untouched" };
	kube_text said;

	(void)state;
	assert_int_equal(kube_token_review_read(bad, WANTED(istio), &t, said).code, ERR_UNAUTHENTICATED);
	assert_string_equal(said, "invalid bearer token");
	assert_int_equal(kube_token_review_read(audience, WANTED(istio), &t, said).code, ERR_UNAUTHENTICATED);
	assert_string_equal(said, "[invalid bearer token, token audiences [\"istio-ca\"] is invalid for the target audiences [\"vault\"]]");
	assert_string_equal(t.ns, "untouched");
}

#define STATUS(s) "{\"status\":{" s "}}"
#define USER(s) STATUS("\"user\":{" s "}")
#define EXTRA(key, value) USER("\"extra\":{\"authentication.kubernetes.io/" key "\":" value "}")
#define NOT_ACCEPTED "token_review: the API server does not accept the token"
#define NOT_OURS "token_review: not for an audience that is wanted"
#define NO_ACCOUNT "token_review: not the token of a service account"
#define NO_GROUP "token_review: not in the group system:serviceaccounts"
#define NO_STRINGS "token_review: a list holds something else than strings"
#define NOT_ONE "token_review: an attribute of the user has not one value"
#define BAD_NAME "token_review: the name of a pod or node is malformed"
static const struct {
	const char *patch;
	enum err_code want;
	const char *reason;
} answers[] = {
	{ "{}", ERR_OK, "ok" },
	{ "{\"kind\":null,\"apiVersion\":null,\"spec\":null,\"metadata\":null}", ERR_OK, "ok" },
	{ STATUS("\"error\":null"), ERR_OK, "ok" },
	{ STATUS("\"audiences\":[\"a\",\"istio-ca\",\"b\"]"), ERR_OK, "ok" },
	{ USER("\"extra\":null"), ERR_OK, "ok" },
	{ USER("\"extra\":{\"example.org/other\":{\"any\":1}}"), ERR_OK, "ok" },
	{ USER("\"groups\":[\"system:serviceaccounts\"]"), ERR_OK, "ok" },
	{ EXTRA("pod-name", "null"), ERR_OK, "ok" },
	/* no */
	{ STATUS("\"authenticated\":false"), ERR_UNAUTHENTICATED, NOT_ACCEPTED },
	{ STATUS("\"authenticated\":null"), ERR_UNAUTHENTICATED, NOT_ACCEPTED },
	{ STATUS("\"error\":\"token expired\""), ERR_UNAUTHENTICATED, NOT_ACCEPTED },
	{ STATUS("\"audiences\":null"), ERR_UNAUTHENTICATED, NOT_OURS },
	{ STATUS("\"audiences\":[]"), ERR_UNAUTHENTICATED, NOT_OURS },
	{ STATUS("\"audiences\":[\"istio\",\"istio-ca2\",\"ISTIO-CA\",\"\"]"), ERR_UNAUTHENTICATED, NOT_OURS },
	{ STATUS("\"audiences\":[\"istio-ca\\u0000\"]"), ERR_UNAUTHENTICATED, NOT_OURS },
	{ USER("\"username\":\"\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"username\":\"Jane Doe\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"username\":\"system:node:worker-1\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"username\":\"system:serviceaccount:default\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"username\":\"system:serviceaccount:default:web:x\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"username\":\"system:serviceaccount::web\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"username\":\"system:serviceaccount:default:web\\u0000\""), ERR_UNAUTHENTICATED, NO_ACCOUNT },
	{ USER("\"groups\":null"), ERR_UNAUTHENTICATED, NO_GROUP },
	{ USER("\"groups\":[]"), ERR_UNAUTHENTICATED, NO_GROUP },
	{ USER("\"groups\":[\"system:serviceaccounts:default\",\"system:authenticated\"]"), ERR_UNAUTHENTICATED, NO_GROUP },
	/* nonsense */
	{ "{\"kind\":\"SubjectAccessReview\"}", ERR_INVALID_ARGUMENT, OTHER_KIND },
	{ "{\"apiVersion\":\"authentication.k8s.io/v1beta1\"}", ERR_INVALID_ARGUMENT, OTHER_KIND },
	{ "{\"status\":null}", ERR_INVALID_ARGUMENT, MISSING },
	{ "{\"status\":true}", ERR_INVALID_ARGUMENT, NO_OBJECT },
	{ STATUS("\"authenticated\":\"true\""), ERR_INVALID_ARGUMENT, "object: a member is neither true nor false" },
	{ STATUS("\"authenticated\":1"), ERR_INVALID_ARGUMENT, "object: a member is neither true nor false" },
	{ STATUS("\"error\":{}"), ERR_INVALID_ARGUMENT, NO_STRING },
	{ STATUS("\"audiences\":\"istio-ca\""), ERR_INVALID_ARGUMENT, NO_ARRAY },
	{ STATUS("\"audiences\":[\"istio-ca\",7]"), ERR_INVALID_ARGUMENT, NO_STRINGS },
	{ STATUS("\"user\":null"), ERR_INVALID_ARGUMENT, MISSING },
	{ STATUS("\"user\":\"web\""), ERR_INVALID_ARGUMENT, NO_OBJECT },
	{ USER("\"username\":null"), ERR_INVALID_ARGUMENT, "token_review: no user name" },
	{ USER("\"username\":7"), ERR_INVALID_ARGUMENT, "token_review: no user name" },
	{ USER("\"uid\":null"), ERR_INVALID_ARGUMENT, MISSING },
	{ USER("\"uid\":\"a b\""), ERR_INVALID_ARGUMENT, CHARACTERS },
	{ USER("\"groups\":{}"), ERR_INVALID_ARGUMENT, NO_ARRAY },
	{ USER("\"groups\":[[\"system:serviceaccounts\"]]"), ERR_INVALID_ARGUMENT, NO_STRINGS },
	{ USER("\"extra\":[]"), ERR_INVALID_ARGUMENT, NO_OBJECT },
	{ EXTRA("pod-name", "\"web\""), ERR_INVALID_ARGUMENT, NO_ARRAY },
	{ EXTRA("pod-name", "[]"), ERR_INVALID_ARGUMENT, NOT_ONE },
	{ EXTRA("pod-name", "[\"a\",\"b\"]"), ERR_INVALID_ARGUMENT, NOT_ONE },
	{ EXTRA("pod-name", "[7]"), ERR_INVALID_ARGUMENT, NO_STRING },
	{ EXTRA("pod-name", "[null]"), ERR_INVALID_ARGUMENT, NO_STRING },
	{ EXTRA("pod-name", "[\"Web\"]"), ERR_INVALID_ARGUMENT, BAD_NAME },
	{ EXTRA("pod-name", "[\"../web\"]"), ERR_INVALID_ARGUMENT, BAD_NAME },
	{ EXTRA("node-name", "[\"worker_1\"]"), ERR_INVALID_ARGUMENT, BAD_NAME },
	{ EXTRA("pod-uid", "[\"a b\"]"), ERR_INVALID_ARGUMENT, CHARACTERS },
	{ EXTRA("node-uid", "[\"" SIXTY "aaaaa\"]"), ERR_INVALID_ARGUMENT, TOO_LONG },
	{ EXTRA("credential-id", "[\"" SIXTY SIXTY "aaaaaaaaa\"]"), ERR_INVALID_ARGUMENT, TOO_LONG },
};

static void nobody_is_vouched_for_by_halves(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		AUTO(json) json_t *review = sample("token-review.json", ""), *patch = NULL;
		struct kube_token t = { .uid = "untouched" };
		kube_text said = "?";
		struct err e;

		assert_int_equal(kube_parse(bytes_str(answers[i].patch), &patch).code, ERR_OK);
		assert_int_equal(json_object_update_recursive(review, patch), 0);
		e = kube_token_review_read(review, WANTED(istio), &t, said);
		if (e.code != answers[i].want || strcmp(e.reason, answers[i].reason) != 0) fail_msg("%s: %s", answers[i].patch, e.reason);
		if ((e.code == ERR_OK) == (strcmp(t.uid, "untouched") == 0)) fail_msg("%s: output", answers[i].patch);
		assert_string_not_equal(said, "?");
	}
}

static void the_audience_is_the_wanted_one(void **state)
{
	AUTO(json) json_t *review = sample("token-review.json", "");
	struct kube_token t;
	kube_text said;

	(void)state;
	assert_string_equal(kube_token_review_read(review, WANTED(other), &t, said).reason, NOT_OURS);
	assert_string_equal(kube_token_review_read(review, (struct kube_audiences){ istio, 0 }, &t, said).reason, NOT_OURS);
}

/* ---- access ---- */

static void a_question_holds_what_is_said(void **state)
{
	const struct kube_access access = { .verb = "approve", .group = "certificates.k8s.io", .resource = "signers", .name = "a.b/c" };
	const struct kube_access core = { .verb = "get", .group = "", .resource = "pods", .subresource = "log", .ns = "default" };
	AUTO(buf) struct buf out = { .max = 4096 };

	(void)state;
#define HEAD "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":"
	assert_int_equal(kube_access_review_body(&access, &out).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), HEAD "{\"verb\":\"approve\",\"group\":\"certificates.k8s.io\",\"resource\":\"signers\","
						  "\"name\":\"a.b/c\"}}}"));
	out.len = 0;
	assert_int_equal(kube_access_review_body(&(struct kube_access){ .verb = "get", .url = "/openid/v1/jwks" }, &out).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":"
					     "{\"nonResourceAttributes\":{\"verb\":\"get\",\"path\":\"/openid/v1/jwks\"}}}"));
	out.len = 0;
	assert_int_equal(kube_access_review_body(&core, &out).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), HEAD "{\"verb\":\"get\",\"group\":\"\",\"resource\":\"pods\",\"subresource\":\"log\","
						  "\"namespace\":\"default\"}}}"));
}

#define SILENT "access_review: does not say whether it is allowed"
static const struct {
	const char *patch, *error;
	bool allowed;
	const char *reason;
} accesses[] = {
	{ "{}", "ok", true, "" },
	{ STATUS("\"allowed\":false"), "ok", false, "" },
	{ STATUS("\"allowed\":true,\"denied\":true"), "ok", false, "" },
	{ STATUS("\"allowed\":true,\"denied\":false"), "ok", true, "" },
	{ STATUS("\"allowed\":false,\"reason\":\"no\\nrule\""), "ok", false, "no?rule" },
	{ STATUS("\"allowed\":null"), SILENT, false, "" },
	{ STATUS("\"allowed\":\"true\""), SILENT, false, "" },
	{ STATUS("\"allowed\":1"), SILENT, false, "" },
	{ STATUS("\"denied\":\"true\""), "object: a member is neither true nor false", false, "" },
	{ STATUS("\"reason\":7"), NO_STRING, false, "" },
	{ "{\"status\":null}", MISSING, false, "" },
	{ "{\"kind\":\"SubjectAccessReview\"}", OTHER_KIND, false, "" },
	{ "{\"apiVersion\":\"v1\"}", OTHER_KIND, false, "" },
};

static void an_answer_says_yes_or_no(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(accesses); i++) {
		AUTO(json) json_t *review = sample("access-allowed.json", accesses[i].patch);
		bool allowed = false;
		kube_text reason = "";
		struct err e = kube_access_review_read(review, &allowed, reason);

		if (strcmp(e.reason, accesses[i].error) != 0) fail_msg("%s: %s", accesses[i].patch, e.reason);
		if (allowed != accesses[i].allowed || strcmp(reason, accesses[i].reason) != 0) fail_msg("%s: answer", accesses[i].patch);
	}
}

static void real_answers_are_read(void **state)
{
	AUTO(json) json_t *review = sample("access-denied.json", "");
	kube_text reason;
	bool allowed = true;

	(void)state;
	assert_int_equal(kube_access_review_read(review, &allowed, reason).code, ERR_OK);
	assert_false(allowed);
}

#define SELF(more) "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"" more "}"
static const struct {
	const char *text, *error, *user;
} selves[] = {
	{ SELF(",\"status\":{\"userInfo\":{\"username\":\"system:serviceaccount:a:b\",\"groups\":[]}}"), "ok", "system:serviceaccount:a:b" },
	{ SELF(",\"status\":{\"userInfo\":{\"username\":\"a\\nb\"}}"), "ok", "a?b" },
	{ SELF(",\"status\":{\"userInfo\":{}}"), "ok", "" },
	{ SELF(",\"status\":{\"userInfo\":{\"username\":7}}"), NO_STRING, "" },
	{ SELF(",\"status\":{}"), MISSING, "" },
	{ SELF(""), MISSING, "" },
	{ "{\"kind\":\"TokenReview\",\"status\":{\"userInfo\":{\"username\":\"a\"}}}", OTHER_KIND, "" },
};

static void an_answer_says_who_we_are(void **state)
{
	AUTO(buf) struct buf out = { .max = 4096 };

	(void)state;
	assert_int_equal(kube_self_review_body(&out).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), SELF("")));
	for (size_t i = 0; i < ARRAY_LEN(selves); i++) {
		AUTO(json) json_t *review = NULL;
		kube_text user = "";
		struct err e;

		assert_int_equal(kube_parse(bytes_str(selves[i].text), &review).code, ERR_OK);
		e = kube_self_review_read(review, user);
		if (strcmp(e.reason, selves[i].error) != 0 || strcmp(user, selves[i].user) != 0)
			fail_msg("%s: %s, %s", selves[i].text, e.reason, user);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_names_token_and_audiences),
		cmocka_unit_test(what_is_no_token_is_not_asked_about),
		cmocka_unit_test(a_bound_token_says_pod_and_node),
		cmocka_unit_test(a_token_need_not_be_bound),
		cmocka_unit_test(what_the_api_server_says_of_a_bad_token_is_kept),
		cmocka_unit_test(nobody_is_vouched_for_by_halves),
		cmocka_unit_test(the_audience_is_the_wanted_one),
		cmocka_unit_test(a_question_holds_what_is_said),
		cmocka_unit_test(an_answer_says_yes_or_no),
		cmocka_unit_test(real_answers_are_read),
		cmocka_unit_test(an_answer_says_who_we_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
