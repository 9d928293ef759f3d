/* Pods, Events and discovery documents. */
#include "k8s_csr/samples.h"

#include "k8s_csr/object_core.h"
#include "k8s_csr/oidc.h"

/* ---- pods ---- */

static void a_pod_is_read(void **state)
{
	AUTO(json) json_t *object = sample("pod.json", "");
	AUTO(json) json_t *deleting = sample("pod-deleting.json", "");
	struct kube_pod pod;

	(void)state;
	assert_int_equal(kube_pod_read(object, &pod).code, ERR_OK);
	assert_string_equal(pod.meta.name, "web-7d4b9c-x2x9k");
	assert_string_equal(pod.meta.ns, "default");
	assert_string_equal(pod.meta.uid, "f75b9c21-48fc-4b13-a38c-c50c97d5edfb");
	assert_string_equal(pod.account, "web");
	assert_string_equal(pod.node, "worker-1");
	assert_int_equal(pod.phase, KUBE_POD_PENDING);
	assert_false(pod.meta.deleting);
	assert_int_equal(kube_pod_read(deleting, &pod).code, ERR_OK);
	assert_true(pod.meta.deleting);
}

/* With all that makes managedFields deep: as deep as JSON_DEPTH_MAX allows. */
static void pods_of_a_list_are_read(void **state)
{
	AUTO(json) json_t *root = sample("pod-list.json", "");
	struct kube_list l;
	struct kube_pod pod;

	(void)state;
	assert_int_equal(kube_list_read(root, "PodList", &l).code, ERR_OK);
	assert_int_equal(json_array_size(l.items), 1);
	assert_int_equal(kube_pod_read(json_array_get(l.items, 0), &pod).code, ERR_OK);
	assert_string_equal(pod.meta.name, "rich");
	assert_int_equal(pod.phase, KUBE_POD_RUNNING);
}

static const struct {
	const char *patch;
	enum kube_pod_phase phase;
} phases[] = {
	{ "{\"status\":{\"phase\":\"Unknown\"}}", KUBE_POD_UNKNOWN },     { "{\"status\":{\"phase\":\"Pending\"}}", KUBE_POD_PENDING },
	{ "{\"status\":{\"phase\":\"Running\"}}", KUBE_POD_RUNNING },     { "{\"status\":{\"phase\":\"Succeeded\"}}", KUBE_POD_SUCCEEDED },
	{ "{\"status\":{\"phase\":\"Failed\"}}", KUBE_POD_FAILED },       { "{\"status\":{\"phase\":\"Dreaming\"}}", KUBE_POD_UNKNOWN },
	{ "{\"status\":{\"phase\":\"running\"}}", KUBE_POD_UNKNOWN },     { "{\"status\":{\"phase\":null}}", KUBE_POD_UNKNOWN },
	{ "{\"status\":null}", KUBE_POD_UNKNOWN },
};

static void a_phase_that_is_not_known_is_unknown(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		AUTO(json) json_t *object = sample("pod.json", phases[i].patch);
		struct kube_pod pod;

		assert_int_equal(kube_pod_read(object, &pod).code, ERR_OK);
		if (pod.phase != phases[i].phase) fail_msg("%s", phases[i].patch);
	}
}

#define BAD_POD "object: a pod without a namespace or with a malformed name"
#define BAD_NAME "object: a name in a pod is malformed"
static const struct sample_case pod_cases[] = {
	{ "{}", "" },
	{ "{\"spec\":{\"nodeName\":null,\"serviceAccountName\":null}}", "" },
	{ "{\"kind\":\"Node\"}", OTHER_KIND },
	{ "{\"apiVersion\":\"v2\"}", OTHER_KIND },
	{ "{\"metadata\":{\"namespace\":null}}", BAD_POD },
	{ "{\"metadata\":{\"name\":\"Web\"}}", BAD_POD },
	{ "{\"metadata\":{\"name\":\"../x\"}}", BAD_POD },
	{ "{\"metadata\":{\"uid\":null}}", MISSING },
	{ "{\"spec\":null}", MISSING },
	{ "{\"spec\":\"x\"}", NO_OBJECT },
	{ "{\"spec\":{\"nodeName\":7}}", NO_STRING },
	{ "{\"spec\":{\"nodeName\":\"a b\"}}", CHARACTERS },
	{ "{\"spec\":{\"nodeName\":\"worker_1\"}}", BAD_NAME },
	{ "{\"spec\":{\"serviceAccountName\":\"we:b\"}}", BAD_NAME },
	{ "{\"spec\":{\"serviceAccountName\":[\"web\"]}}", NO_STRING },
	{ "{\"status\":[]}", NO_OBJECT },
	{ "{\"status\":{\"phase\":1}}", NO_STRING },
};

static void a_pod_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pod_cases); i++) {
		AUTO(json) json_t *object = sample("pod.json", pod_cases[i].patch);
		struct kube_pod pod = { .node = "untouched" };
		struct err e = kube_pod_read(object, &pod);

		SAMPLE_CHECK(e, pod_cases, i);
		if ((e.code == ERR_OK) == (strcmp(pod.node, "untouched") == 0)) fail_msg("%s: output", pod_cases[i].patch);
	}
}

/* ---- events ---- */

static void events_say_what_a_signer_waits_for(void **state)
{
	AUTO(json) json_t *root = sample("events.json", "");
	struct kube_list l;
	struct kube_event e;

	(void)state;
	assert_int_equal(kube_list_read(root, "EventList", &l).code, ERR_OK);
	assert_int_equal(json_array_size(l.items), 2);
	assert_int_equal(kube_event_read(json_array_get(l.items, 0), &e).code, ERR_OK);
	assert_string_equal(e.type, "Normal");
	assert_int_equal(kube_event_read(json_array_get(l.items, 1), &e).code, ERR_OK);
	assert_string_equal(e.type, "Warning");
	assert_string_equal(e.reason, "IssuerNotFound");
	assert_string_equal(e.message, "Referenced ClusterIssuer /none not found");
	assert_int_equal(e.count, 1);
}

static const struct {
	const char *event, *reason;
	int64_t count;
} event_cases[] = {
	{ "{}", "ok", 1 },
	{ "{\"count\":7}", "ok", 7 },
	{ "{\"count\":0}", "ok", 1 },
	{ "{\"count\":-7}", "ok", 1 },
	{ "{\"count\":9223372036854775807}", "ok", INT32_MAX },
	{ "{\"count\":7,\"series\":{\"count\":9}}", "ok", 9 },
	{ "{\"count\":null,\"series\":{}}", "ok", 1 },
	{ "{\"kind\":\"Event\",\"apiVersion\":\"v1\"}", "ok", 1 },
	{ "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\"}", OTHER_KIND, 0 },
	{ "{\"kind\":\"Pod\"}", OTHER_KIND, 0 },
	{ "{\"reason\":{}}", NO_STRING, 0 },
	{ "{\"message\":7}", NO_STRING, 0 },
	{ "{\"type\":[]}", NO_STRING, 0 },
	{ "{\"count\":\"7\"}", "object: a member is not a whole number", 0 },
	{ "{\"count\":1.5}", "object: a member is not a whole number", 0 },
	{ "{\"series\":[]}", NO_OBJECT, 0 },
};

static void an_event_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(event_cases); i++) {
		AUTO(json) json_t *object = NULL;
		struct kube_event event = { .count = 0 };
		struct err e;

		assert_int_equal(kube_parse(bytes_str(event_cases[i].event), &object).code, ERR_OK);
		e = kube_event_read(object, &event);
		if (strcmp(e.reason, event_cases[i].reason) != 0 || event.count != event_cases[i].count)
			fail_msg("%s: %s, %lld", event_cases[i].event, e.reason, (long long)event.count);
	}
	assert_int_equal(kube_event_read(NULL, &(struct kube_event){ .count = 0 }).code, ERR_INVALID_ARGUMENT);
}

/* ---- discovery ---- */

#define ISSUER "https://kubernetes.default.svc.cluster.local"
#define ANOTHER "oidc: the discovery document is of another issuer"
#define NONE "oidc: the discovery document names no issuer"
#define NO_URI "oidc: the discovery document has no jwks_uri"
static const struct {
	const char *patch, *reason;
} documents[] = {
	{ "{}", "ok" },
	{ "{\"jwks_uri\":\"https://login.example.org/common/discovery/keys?appid=1\"}", "ok" },
	{ "{\"issuer\":\"" ISSUER "/\"}", ANOTHER },
	{ "{\"issuer\":\"HTTPS://kubernetes.default.svc.cluster.local\"}", ANOTHER },
	{ "{\"issuer\":\"https://kubernetes.default.svc.cluster.loca\"}", ANOTHER },
	{ "{\"issuer\":\"" ISSUER "\\u0000\"}", ANOTHER },
	{ "{\"issuer\":\"\"}", ANOTHER },
	{ "{\"issuer\":null}", NONE },
	{ "{\"issuer\":[\"" ISSUER "\"]}", NONE },
	{ "{\"jwks_uri\":null}", NO_URI },
	{ "{\"jwks_uri\":{}}", NO_URI },
	{ "{\"jwks_uri\":\"\"}", "url: does not begin with https://" },
	{ "{\"jwks_uri\":\"http://a/jwks\"}", "url: does not begin with https://" },
	{ "{\"jwks_uri\":\"file:///etc/passwd\"}", "url: does not begin with https://" },
	{ "{\"jwks_uri\":\"https://user@a/jwks\"}", "url: may not hold a user or password" },
	{ "{\"jwks_uri\":\"https://a/jwks#x\"}", "url: may not have a fragment (#)" },
	{ "{\"jwks_uri\":\"https://a/../jwks\"}", "url: a segment of the path is . or .." },
	{ "{\"jwks_uri\":\"https://a/jw ks\"}", "url: holds a character that needs to be %XX" },
};

static void keys_are_only_where_the_wanted_issuer_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		AUTO(json) json_t *document = sample("discovery.json", ""), *patch = NULL;
		char uri[URL_MAX + 1] = "untouched";
		struct err e;

		assert_int_equal(kube_parse(bytes_str(documents[i].patch), &patch).code, ERR_OK);
		assert_int_equal(json_object_update_recursive(document, patch), 0);
		e = oidc_discovery_read(document, ISSUER, uri);
		if (strcmp(e.reason, documents[i].reason) != 0) fail_msg("%s: %s", documents[i].patch, e.reason);
		if ((e.code == ERR_OK) == (strcmp(uri, "untouched") == 0)) fail_msg("%s: output", documents[i].patch);
		if (i == 0) assert_string_equal(uri, "https://127.0.0.1:21251/openid/v1/jwks");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_read),
		cmocka_unit_test(pods_of_a_list_are_read),
		cmocka_unit_test(a_phase_that_is_not_known_is_unknown),
		cmocka_unit_test(a_pod_is_taken_or_refused_whole),
		cmocka_unit_test(events_say_what_a_signer_waits_for),
		cmocka_unit_test(an_event_is_taken_or_refused_whole),
		cmocka_unit_test(keys_are_only_where_the_wanted_issuer_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
