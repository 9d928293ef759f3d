/* CertificateSigningRequests: the bodies that are written, and what is read of those that come back. */
#include "k8s_csr/samples.h"

#include "der/base64.h"
#include "der/pem.h"
#include "k8s_csr/object_csr.h"

static struct bytes request_der(void)
{
	static char *text;
	static size_t len;

	if (text == NULL) text = sample_text("request.der", &len);
	return BYTES(text, len);
}

/* ---- create ---- */

static const char *const good_usages[] = { "digital signature", "server auth", "client auth" };
static const struct kube_pair good_labels[] = { { "app.kubernetes.io/managed-by", "signet" }, { "empty", "" } };
static const struct kube_pair good_annotations[] = { { "experimental.cert-manager.io/request-duration", "1h" }, { "note", "\"\xc3\xa4\n\"" } };

static struct kube_csr_new good_new(void)
{
	return (struct kube_csr_new){
		.name = "signet-1-7f3a",
		.signer = "clusterissuers.cert-manager.io/mesh",
		.labels = good_labels,
		.label_count = 2,
		.annotations = good_annotations,
		.annotation_count = 2,
		.request = request_der(),
		.usages = good_usages,
		.usage_count = 3,
		.expiration = 3600,
	};
}

static void a_body_says_what_was_asked_for(void **state)
{
	AUTO(buf) struct buf out = { .max = 64 * 1024 };
	AUTO(json) json_t *body = NULL;
	AUTO(json) json_t *want = NULL;
	struct kube_csr_new csr = good_new();

	(void)state;
	assert_int_equal(kube_csr_create_body(&csr, &out).code, ERR_OK);
	body = parsed(&out);
	want = sample("csr-created.json", "");
	assert_string_equal(json_string_value(json_object_get(json_object_get(body, "spec"), "request")),
			    json_string_value(json_object_get(json_object_get(want, "spec"), "request")));
	json_decref(want);
	want = json_pack("{ss ss s{ss s{ss ss} s{ss ss}} s{sO ss s[sss] si}}", "apiVersion", "certificates.k8s.io/v1", "kind",
			 "CertificateSigningRequest", "metadata", "name", csr.name, "labels", "app.kubernetes.io/managed-by", "signet",
			 "empty", "", "annotations", good_annotations[0].key, "1h", "note", "\"\xc3\xa4\n\"", "spec", "request",
			 json_object_get(json_object_get(body, "spec"), "request"), "signerName", csr.signer, "usages", "digital signature",
			 "server auth", "client auth", "expirationSeconds", 3600);
	assert_true(json_equal(body, want));
}

static void what_is_not_asked_for_is_not_there(void **state)
{
	AUTO(buf) struct buf out = { .max = 64 * 1024 };
	AUTO(json) json_t *body = NULL;
	struct kube_csr_new csr = good_new();

	(void)state;
	csr.label_count = csr.annotation_count = 0;
	csr.expiration = 0;
	assert_int_equal(kube_csr_create_body(&csr, &out).code, ERR_OK);
	body = parsed(&out);
	assert_int_equal(json_object_size(json_object_get(body, "metadata")), 1);
	assert_int_equal(json_object_size(json_object_get(body, "spec")), 3);
}

static void every_usage_of_the_api_is_known(void **state)
{
	static const char *const all[] = {
		"signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
		"cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
		"email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
		"microsoft sgc", "netscape sgc",
	};
	AUTO(buf) struct buf out = { .max = 64 * 1024 };
	struct kube_csr_new csr = good_new();

	(void)state;
	csr.usages = all;
	csr.usage_count = ARRAY_LEN(all);
	assert_int_equal(kube_csr_create_body(&csr, &out).code, ERR_OK);
}

static void check_refused(const struct kube_csr_new *csr, const char *change, const char *reason)
{
	AUTO(buf) struct buf out = { .max = 64 * 1024 };
	struct err e = kube_csr_create_body(csr, &out);

	if (e.code != ERR_INVALID_ARGUMENT || strcmp(e.reason, reason) != 0) fail_msg("%s: %s", change, e.reason);
	assert_int_equal(out.len, 0);
}

static void what_an_api_server_would_refuse_is_not_filed(void **state)
{
	static const struct kube_pair bad_key[] = { { "a b", "" } }, bad_value[] = { { "a", "b c" } }, latin1[] = { { "a", "\xff" } };
	static const struct kube_pair twice[] = { { "a", "1" }, { "a", "2" } };
	static const char *const unknown[] = { "client auth", "Server Auth" }, *const again[] = { "any", "any" };
	static uint8_t large[KUBE_REQUEST_MAX + 1];
	static char text[KUBE_PAIRS_MAX + 1];
	const struct kube_pair huge[] = { { "a", text } };

	(void)state;
#define REFUSED(change, reason)                                                                                                    \
	do {                                                                                                                       \
		struct kube_csr_new csr = good_new();                                                                              \
		csr.change;                                                                                                        \
		check_refused(&csr, #change, reason);                                                                              \
	} while (0)
	memset(text, 'x', KUBE_PAIRS_MAX);
	REFUSED(name = "", "object: malformed name");
	REFUSED(name = "Signet", "object: malformed name");
	REFUSED(name = "a/b", "object: malformed name");
	REFUSED(name = "..", "object: malformed name");
	REFUSED(signer = "", "object: malformed signer name");
	REFUSED(signer = "mesh", "object: malformed signer name");
	REFUSED(signer = "kubernetes.io/legacy-unknown", "object: malformed signer name");
	REFUSED(request.len = 0, "object: length of the request is out of range");
	REFUSED(request = BYTES(large, sizeof(large)), "object: length of the request is out of range");
	REFUSED(expiration = 599, "object: expirationSeconds below 600");
	REFUSED(expiration = -1, "object: expirationSeconds below 600");
	REFUSED(usage_count = 0, "object: no usage");
	REFUSED(usages = unknown; csr.usage_count = 2, "object: an unknown usage");
	REFUSED(usages = again; csr.usage_count = 2, "object: a usage is there twice");
	REFUSED(labels = bad_key; csr.label_count = 1, "object: malformed key of a label or annotation");
	REFUSED(labels = bad_value; csr.label_count = 1, "object: malformed value of a label");
	REFUSED(labels = twice, "object: a label or annotation is there twice");
	REFUSED(annotations = bad_key; csr.annotation_count = 1, "object: malformed key of a label or annotation");
	REFUSED(annotations = latin1; csr.annotation_count = 1, "object: value of an annotation is not UTF-8");
	REFUSED(annotations = huge; csr.annotation_count = 1, "object: labels or annotations are too large");
	REFUSED(annotations = twice, "object: a label or annotation is there twice");
}

static void a_body_is_whole_or_not_there(void **state)
{
	struct kube_csr_new csr = good_new();

	(void)state;
	for (size_t max = 0; max < 1200; max += 37) {
		AUTO(buf) struct buf out = { .max = max };
		struct err e;

		if (max > 0) assert_int_equal(buf_put(&out, "x", 1).code, ERR_OK);
		e = kube_csr_create_body(&csr, &out);
		if (e.code == ERR_OK) return;
		assert_int_equal(e.code, ERR_RESOURCE_EXHAUSTED);
		assert_int_equal(out.len, max > 0);
	}
	fail_msg("never enough");
}

/* ---- approve ---- */

static const struct kube_approval guarded = { .reason = "SignetApproved", .message = "rule \"mesh\"", .guard = true };
static const struct kube_approval plain = { .reason = "SignetApproved", .message = "rule \"mesh\"" };

static void a_patch_approves(void **state)
{
	AUTO(buf) struct buf out = { .max = 4096 };
	AUTO(json) json_t *csr = sample("csr-created.json", "");

	(void)state;
	assert_int_equal(kube_csr_approve_patch(csr, &plain, &out).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), "{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\",\"reason\":"
					     "\"SignetApproved\",\"message\":\"rule \\\"mesh\\\"\"}]}}"));
	out.len = 0;
	assert_int_equal(kube_csr_approve_patch(csr, &guarded, &out).code, ERR_OK);
	assert_true(bytes_has_prefix(buf_view(&out), bytes_str("{\"metadata\":{\"resourceVersion\":\"282\"},\"status\":{")));
}

/* facts/kubernetes.md 1: a merge patch replaces the list whole. */
static void a_patch_keeps_the_conditions_that_are_there(void **state)
{
	AUTO(buf) struct buf out = { .max = 4096 };
	AUTO(json) json_t *csr = sample("csr-created.json", "{\"status\":{\"conditions\":[{\"type\":\"Mine\",\"status\":\"Unknown\",\"x\":[1]}]}}");
	AUTO(json) json_t *patch = NULL;
	const json_t *list;

	(void)state;
	assert_int_equal(kube_csr_approve_patch(csr, &plain, &out).code, ERR_OK);
	patch = parsed(&out);
	list = json_object_get(json_object_get(patch, "status"), "conditions");
	assert_int_equal(json_array_size(list), 2);
	assert_true(json_equal(json_array_get(list, 0), json_array_get(json_object_get(json_object_get(csr, "status"), "conditions"), 0)));
	assert_int_equal(json_array_size(json_object_get(json_object_get(csr, "status"), "conditions")), 1);
}

static const struct {
	const char *file, *patch;
	enum err_code want;
} approvals[] = {
	{ "csr-created.json", "", ERR_OK },
	{ "csr-created.json", "{\"status\":null}", ERR_OK },
	{ "csr-approved.json", "", ERR_FAILED_PRECONDITION },
	{ "csr-denied.json", "", ERR_FAILED_PRECONDITION },
	{ "csr-failed.json", "", ERR_FAILED_PRECONDITION },
	{ "csr-issued.json", "", ERR_FAILED_PRECONDITION },
	{ "pod.json", "", ERR_INVALID_ARGUMENT },
	{ "status-conflict.json", "", ERR_INVALID_ARGUMENT },
	{ "csr-created.json", "{\"status\":[]}", ERR_INVALID_ARGUMENT },
	{ "csr-created.json", "{\"status\":{\"conditions\":{}}}", ERR_INVALID_ARGUMENT },
	{ "csr-created.json", "{\"status\":{\"conditions\":[\"Approved\"]}}", ERR_INVALID_ARGUMENT },
	{ "csr-created.json", "{\"metadata\":{\"resourceVersion\":null}}", ERR_INVALID_ARGUMENT },
};

static void only_what_is_pending_is_approved(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(approvals); i++) {
		AUTO(buf) struct buf out = { .max = 4096 };
		AUTO(json) json_t *csr = sample(approvals[i].file, approvals[i].patch);
		struct err e = kube_csr_approve_patch(csr, &guarded, &out);

		if (e.code != approvals[i].want) fail_msg("%s %s: %s", approvals[i].file, approvals[i].patch, e.reason);
		if ((e.code == ERR_OK) != (out.len > 0)) fail_msg("%s: output", approvals[i].file);
	}
}

/* ---- read ---- */

static const struct {
	const char *file;
	enum kube_csr_state state;
	const char *reason, *message;
	bool issued;
} states[] = {
	{ "csr-created.json", KUBE_CSR_PENDING, "", "", false },
	{ "csr-approved.json", KUBE_CSR_APPROVED, "SignetApproved", "granted by rule kubernetes", false },
	{ "csr-issued.json", KUBE_CSR_APPROVED, "SignetApproved", "granted by rule kubernetes", true },
	{ "csr-denied.json", KUBE_CSR_DENIED, "PolicyDenied", "no rule allows?this name", false },
	{ "csr-failed.json", KUBE_CSR_FAILED, "SignerValidationFailure", "usages", false },
};

static void what_became_of_a_request_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		AUTO(json) json_t *object = sample(states[i].file, "");
		AUTO(kube_csr) struct kube_csr csr = { .state = KUBE_CSR_PENDING };

		assert_int_equal(kube_csr_read(object, &csr).code, ERR_OK);
		if (csr.state != states[i].state) fail_msg("%s: state %d", states[i].file, csr.state);
		assert_string_equal(csr.reason, states[i].reason);
		assert_string_equal(csr.message, states[i].message);
		assert_true(bytes_equal(buf_view(&csr.request), request_der()));
		assert_int_equal(csr.certificate.len > 0, states[i].issued);
		if (states[i].issued) assert_true(bytes_has_prefix(buf_view(&csr.certificate), bytes_str("-----BEGIN CERTIFICATE-----\n")));
		if (i > 0 && i < 3) assert_string_equal(csr.signer, "clusterissuers.cert-manager.io/mesh");
	}
}

#define STATUS(conditions) "{\"status\":{\"conditions\":[" conditions "]}}"
#define TRUE(type) "{\"type\":\"" type "\",\"status\":\"True\",\"reason\":\"" type "\"}"
static const struct {
	const char *patch;
	enum kube_csr_state state;
	const char *reason;
} decisions[] = {
	{ "{\"status\":null}", KUBE_CSR_PENDING, "" },
	{ "{\"status\":{\"conditions\":null}}", KUBE_CSR_PENDING, "" },
	{ STATUS(""), KUBE_CSR_PENDING, "" },
	{ STATUS(TRUE("Mine")), KUBE_CSR_PENDING, "" },
	{ STATUS(TRUE("approved")), KUBE_CSR_PENDING, "" },
	{ STATUS(TRUE("Approved ")), KUBE_CSR_PENDING, "" },
	{ STATUS(TRUE("Approved\\u0000")), KUBE_CSR_PENDING, "" },
	{ STATUS("{\"type\":\"Mine\",\"status\":\"False\"}," TRUE("Approved")), KUBE_CSR_APPROVED, "Approved" },
	{ STATUS(TRUE("Approved") "," TRUE("Failed")), KUBE_CSR_FAILED, "Failed" },
	{ STATUS(TRUE("Failed") "," TRUE("Approved")), KUBE_CSR_FAILED, "Failed" },
	{ STATUS(TRUE("Approved") "," TRUE("Denied")), KUBE_CSR_DENIED, "Denied" },
	{ STATUS(TRUE("Denied") "," TRUE("Failed") "," TRUE("Approved")), KUBE_CSR_DENIED, "Denied" },
	{ STATUS("{\"type\":\"Denied\",\"status\":\"True\"}"), KUBE_CSR_DENIED, "" },
};

static void a_refusal_is_never_overruled(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(decisions); i++) {
		/* text, so that a NUL in it goes the way of an answer */
		AUTO(json) json_t *object = sample("csr-created.json", ""), *patch = NULL;
		AUTO(kube_csr) struct kube_csr csr = { .state = KUBE_CSR_PENDING };

		assert_int_equal(kube_parse(bytes_str(decisions[i].patch), &patch).code, ERR_OK);
		assert_int_equal(json_object_update_recursive(object, patch), 0);
		assert_int_equal(kube_csr_read(object, &csr).code, ERR_OK);
		if (csr.state != decisions[i].state || strcmp(csr.reason, decisions[i].reason) != 0) fail_msg("%s", decisions[i].patch);
	}
}

#define SPEC(request) "{\"spec\":{\"request\":" request "}}"
static const struct sample_case read_cases[] = {
	{ "{}", "" },
	{ "{\"kind\":null,\"apiVersion\":null}", "" },
	{ "{\"status\":{\"certificate\":null}}", "" },
	{ "{\"status\":{\"certificate\":\"\"}}", "" },
	{ "{\"status\":{\"certificate\":\"AAAA\"}}", "" },
	{ "{\"kind\":\"Status\"}", OTHER_KIND },
	{ "{\"apiVersion\":\"certificates.k8s.io/v1beta1\"}", OTHER_KIND },
	{ "{\"apiVersion\":7}", OTHER_KIND },
	{ "{\"metadata\":null}", MISSING },
	{ "{\"spec\":null}", MISSING },
	{ "{\"spec\":[]}", NO_OBJECT },
	{ "{\"spec\":{\"signerName\":null}}", MISSING },
	{ "{\"spec\":{\"signerName\":\"a b\"}}", CHARACTERS },
	{ SPEC("null"), "pem: no block" },
	{ SPEC("\"\""), "pem: no block" },
	{ SPEC("7"), "json: member is not a string" },
	{ SPEC("\"!\""), "base64: truncated" },
	{ SPEC("\"!!!!\""), "base64: character outside the alphabet" },
	{ SPEC("\"AAAA\""), "pem: no block" },
	/* BEGIN X, BEGIN CERTIFICATE */
	{ SPEC("\"LS0tLS1CRUdJTiBYLS0tLS0KQUFBQQotLS0tLUVORCBYLS0tLS0K\""), "object: the request is another kind of PEM" },
	{ "{\"status\":[]}", NO_OBJECT },
	{ "{\"status\":{\"conditions\":{}}}", NO_ARRAY },
	{ "{\"status\":{\"certificate\":{}}}", "json: member is not a string" },
	{ "{\"status\":{\"certificate\":\"A\"}}", "base64: truncated" },
	{ "{\"status\":{\"certificate\":\"AAA=AAAA\"}}", "base64: data after the padding" },
	{ STATUS("7"), "object: a condition without type or status" },
	{ STATUS("{}"), "object: a condition without type or status" },
	{ STATUS("{\"type\":\"Approved\"}"), "object: a condition without type or status" },
	{ STATUS("{\"status\":\"True\"}"), "object: a condition without type or status" },
	{ STATUS("{\"type\":1,\"status\":\"True\"}"), "object: a condition without type or status" },
	{ STATUS("{\"type\":\"Approved\",\"status\":true}"), "object: a condition without type or status" },
	{ STATUS("{\"type\":\"Approved\",\"status\":\"False\"}"), "object: a condition of the request is not True" },
	{ STATUS("{\"type\":\"Denied\",\"status\":\"Unknown\"}"), "object: a condition of the request is not True" },
	{ STATUS("{\"type\":\"Failed\",\"status\":\"true\"}"), "object: a condition of the request is not True" },
	{ STATUS("{\"type\":\"Approved\",\"status\":\"True\",\"reason\":7}"), NO_STRING },
	{ STATUS("{\"type\":\"Approved\",\"status\":\"True\",\"message\":[]}"), NO_STRING },
};

static void a_request_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(read_cases); i++) {
		AUTO(json) json_t *object = sample("csr-issued.json", read_cases[i].patch);
		AUTO(kube_csr) struct kube_csr csr = { .signer = "untouched" };
		struct err e = kube_csr_read(object, &csr);

		SAMPLE_CHECK(e, read_cases, i);
		if ((e.code == ERR_OK) == (strcmp(csr.signer, "untouched") == 0)) fail_msg("%s: output", read_cases[i].patch);
	}
}

/* Put base64 of `text` at status.certificate, or at spec.request. */
static struct err read_with(const char *section, const char *member, struct bytes text, struct kube_csr *csr)
{
	AUTO(json) json_t *object = sample("csr-issued.json", "");
	AUTO(buf) struct buf base64 = { .max = 256 * 1024 };

	assert_int_equal(base64_put(&base64, text).code, ERR_OK);
	assert_int_equal(json_object_set_new(json_object_get(object, section), member, json_stringn((const char *)base64.data, base64.len)), 0);
	return kube_csr_read(object, csr);
}

static void a_certificate_is_bounded(void **state)
{
	AUTO(heap) char *text = calloc(1, KUBE_CERTIFICATE_MAX + 8);
	AUTO(kube_csr) struct kube_csr csr = { .state = KUBE_CSR_PENDING };

	(void)state;
	assert_int_equal(read_with("status", "certificate", BYTES(text, KUBE_CERTIFICATE_MAX), &csr).code, ERR_OK);
	assert_int_equal(csr.certificate.len, KUBE_CERTIFICATE_MAX);
	for (size_t over = 1; over < 8; over++) {
		struct kube_csr none;

		assert_int_equal(read_with("status", "certificate", BYTES(text, KUBE_CERTIFICATE_MAX + over), &none).code, ERR_INVALID_ARGUMENT);
	}
}

static void a_request_is_bounded_and_alone(void **state)
{
	AUTO(heap) uint8_t *der = calloc(1, KUBE_REQUEST_MAX + 1);
	AUTO(buf) struct buf pem = { .max = 256 * 1024 };
	struct kube_csr csr;

	(void)state;
	assert_int_equal(pem_put(&pem, "CERTIFICATE REQUEST", BYTES(der, KUBE_REQUEST_MAX)).code, ERR_OK);
	assert_int_equal(read_with("spec", "request", buf_view(&pem), &csr).code, ERR_OK);
	assert_int_equal(csr.request.len, KUBE_REQUEST_MAX);
	kube_csr_free(&csr);
	pem.len = 0;
	assert_int_equal(pem_put(&pem, "CERTIFICATE REQUEST", BYTES(der, KUBE_REQUEST_MAX + 1)).code, ERR_OK);
	assert_int_equal(read_with("spec", "request", buf_view(&pem), &csr).code, ERR_INVALID_ARGUMENT);
	pem.len = 0;
	for (size_t i = 0; i < 2; i++) assert_int_equal(pem_put(&pem, "CERTIFICATE REQUEST", BYTES(der, 9)).code, ERR_OK);
	assert_string_equal(read_with("spec", "request", buf_view(&pem), &csr).reason, "pem: something follows the only block");
}

/* tests/data/k8s/csr-list-hostile.json: NULs, invalid UTF-8 and managedFields 40 deep, as an API server handed them on. */
static void one_object_cannot_hide_the_others(void **state)
{
	AUTO(json) json_t *root = sample("csr-list-hostile.json", "");
	size_t i, taken = 0;
	struct kube_list l;
	json_t *item;

	(void)state;
	assert_int_equal(kube_list_read(root, "CertificateSigningRequestList", &l).code, ERR_OK);
	assert_int_equal(json_array_size(l.items), 5);
	json_array_foreach(l.items, i, item) {
		AUTO(kube_csr) struct kube_csr csr = { .state = KUBE_CSR_PENDING };

		taken += kube_csr_read(item, &csr).code == ERR_OK; /* but the one whose name has a NUL */
	}
	assert_int_equal(taken, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_says_what_was_asked_for),
		cmocka_unit_test(what_is_not_asked_for_is_not_there),
		cmocka_unit_test(every_usage_of_the_api_is_known),
		cmocka_unit_test(what_an_api_server_would_refuse_is_not_filed),
		cmocka_unit_test(a_body_is_whole_or_not_there),
		cmocka_unit_test(a_patch_approves),
		cmocka_unit_test(a_patch_keeps_the_conditions_that_are_there),
		cmocka_unit_test(only_what_is_pending_is_approved),
		cmocka_unit_test(what_became_of_a_request_is_read),
		cmocka_unit_test(a_refusal_is_never_overruled),
		cmocka_unit_test(a_request_is_taken_or_refused_whole),
		cmocka_unit_test(a_certificate_is_bounded),
		cmocka_unit_test(a_request_is_bounded_and_alone),
		cmocka_unit_test(one_object_cannot_hide_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
