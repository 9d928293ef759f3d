/* What all objects have, Status, lists and watches: what is read of real answers, and what is refused. */
#include "k8s_csr/samples.h"

/* ---- metadata ---- */

static void metadata_is_read(void **state)
{
	AUTO(json) json_t *csr = sample("csr-created.json", "");
	AUTO(json) json_t *pod = sample("pod-deleting.json", "");
	struct kube_meta m;

	(void)state;
	assert_int_equal(kube_meta_read(csr, &m).code, ERR_OK);
	assert_string_equal(m.name, "signet-1-7f3a");
	assert_string_equal(m.ns, "");
	assert_string_equal(m.uid, "188c9cf1-f58a-4c58-965a-9afbe80c1c38");
	assert_string_equal(m.version, "282");
	assert_int_equal(m.created, 1796026844);
	assert_false(m.deleting);
	assert_string_equal(kube_label(csr, "app.kubernetes.io/managed-by"), "signet");
	assert_null(kube_label(csr, "app"));
	assert_int_equal(kube_meta_read(pod, &m).code, ERR_OK);
	assert_string_equal(m.ns, "default");
	assert_true(m.deleting);
}

static const struct sample_case meta_cases[] = {
	{ "{}", "" },
	{ "{\"metadata\":{\"name\":\"any;Name_that/is%visible\"}}", "" },
	{ "{\"metadata\":{\"name\":\"" SIXTY SIXTY SIXTY SIXTY TEN "aaa\"}}", "" },
	{ "{\"metadata\":{\"deletionTimestamp\":null,\"namespace\":null}}", "" },
	{ "{\"metadata\":{\"unknown\":{\"a\":[1]}}}", "" },
	{ "{\"metadata\":null}", MISSING },
	{ "{\"metadata\":[]}", NO_OBJECT },
	{ "{\"metadata\":\"x\"}", NO_OBJECT },
	{ "{\"metadata\":{\"name\":null}}", MISSING },
	{ "{\"metadata\":{\"name\":\"\"}}", MISSING },
	{ "{\"metadata\":{\"name\":7}}", NO_STRING },
	{ "{\"metadata\":{\"name\":{}}}", NO_STRING },
	{ "{\"metadata\":{\"name\":\"" SIXTY SIXTY SIXTY SIXTY TEN "aaaa\"}}", TOO_LONG },
	{ "{\"metadata\":{\"name\":\"a b\"}}", CHARACTERS },
	{ "{\"metadata\":{\"name\":\"a\\nb\"}}", CHARACTERS },
	{ "{\"metadata\":{\"name\":\"a\\u007f\"}}", CHARACTERS },
	{ "{\"metadata\":{\"name\":\"\xc3\xa4\"}}", CHARACTERS },
	{ "{\"metadata\":{\"uid\":null}}", MISSING },
	{ "{\"metadata\":{\"uid\":\"" SIXTY "aaaa\"}}", "" },
	{ "{\"metadata\":{\"uid\":\"" SIXTY "aaaaa\"}}", TOO_LONG },
	{ "{\"metadata\":{\"uid\":[\"a\"]}}", NO_STRING },
	{ "{\"metadata\":{\"resourceVersion\":null}}", MISSING },
	{ "{\"metadata\":{\"resourceVersion\":282}}", NO_STRING },
	{ "{\"metadata\":{\"resourceVersion\":\"" SIXTY "aaaaa\"}}", TOO_LONG },
	{ "{\"metadata\":{\"resourceVersion\":\"2&x=\\u0001\"}}", CHARACTERS },
	{ "{\"metadata\":{\"namespace\":\"we/b\"}}", "object: the namespace is not a name" },
	{ "{\"metadata\":{\"namespace\":\"..\"}}", "object: the namespace is not a name" },
	{ "{\"metadata\":{\"namespace\":\"Web\"}}", "object: the namespace is not a name" },
	{ "{\"metadata\":{\"namespace\":\"" SIXTY "aaaa\"}}", TOO_LONG },
	{ "{\"metadata\":{\"creationTimestamp\":null}}", MISSING },
	{ "{\"metadata\":{\"creationTimestamp\":1796026844}}", NO_STRING },
	{ "{\"metadata\":{\"creationTimestamp\":\"yesterday\"}}", "object: creationTimestamp is not a time" },
	{ "{\"metadata\":{\"creationTimestamp\":\"2026-02-30T08:20:44Z\"}}", "object: creationTimestamp is not a time" },
	{ "{\"metadata\":{\"creationTimestamp\":\"2026-11-30T08:20:44+01:00\"}}", "object: creationTimestamp is not a time" },
	{ "{\"metadata\":{\"deletionTimestamp\":true}}", NO_STRING },
};

static void metadata_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(meta_cases); i++) {
		AUTO(json) json_t *pod = sample("pod.json", meta_cases[i].patch);
		struct kube_meta m = { .name = "untouched" };
		struct err e = kube_meta_read(pod, &m);

		SAMPLE_CHECK(e, meta_cases, i);
		if ((e.code == ERR_OK) == (strcmp(m.name, "untouched") == 0)) fail_msg("%s: output", meta_cases[i].patch);
	}
}

/* ---- Status ---- */

static const struct {
	const char *file, *reason;
	int code;
	bool success;
} statuses[] = {
	{ "status-conflict.json", "Conflict", 409, false },   { "status-deleted.json", "", 0, true },
	{ "status-expired.json", "Expired", 410, false },     { "status-forbidden.json", "Forbidden", 403, false },
	{ "status-invalid.json", "Invalid", 422, false },     { "status-not-found.json", "NotFound", 404, false },
};

static void statuses_are_read(void **state)
{
	struct kube_status s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		AUTO(json) json_t *object = sample(statuses[i].file, "");

		assert_int_equal(kube_status_read(object, &s).code, ERR_OK);
		if (s.code != statuses[i].code || s.success != statuses[i].success || strcmp(s.reason, statuses[i].reason) != 0 || s.retry_after != 0)
			fail_msg("%s: %d %s", statuses[i].file, s.code, s.reason);
	}
	assert_int_equal(strlen(s.message), strlen("certificatesigningrequests.certificates.k8s.io \"none\" not found"));
}

static const struct sample_case status_cases[] = {
	{ "{}", "" },
	{ "{\"message\":null,\"reason\":null,\"code\":null,\"details\":null}", "" },
	{ "{\"kind\":\"Pod\"}", OTHER_KIND },
	{ "{\"kind\":null}", MISSING },
	{ "{\"kind\":7}", OTHER_KIND },
	{ "{\"apiVersion\":\"v2\"}", OTHER_KIND },
	{ "{\"status\":null}", MISSING },
	{ "{\"status\":{}}", NO_STRING },
	{ "{\"code\":\"410\"}", "object: a member is not a whole number" },
	{ "{\"code\":410.0}", "object: a member is not a whole number" },
	{ "{\"code\":99}", "object: the code is no HTTP status" },
	{ "{\"code\":600}", "object: the code is no HTTP status" },
	{ "{\"code\":-410}", "object: the code is no HTTP status" },
	{ "{\"code\":4294967706}", "object: the code is no HTTP status" },
	{ "{\"reason\":[]}", NO_STRING },
	{ "{\"message\":{}}", NO_STRING },
	{ "{\"details\":[]}", NO_OBJECT },
	{ "{\"details\":{\"retryAfterSeconds\":\"1\"}}", "object: a member is not a whole number" },
};

static void a_status_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(status_cases); i++) {
		AUTO(json) json_t *object = sample("status-expired.json", status_cases[i].patch);
		struct kube_status s = { .code = 7 };
		struct err e = kube_status_read(object, &s);

		SAMPLE_CHECK(e, status_cases, i);
		if ((e.code == ERR_OK) == (s.code == 7)) fail_msg("%s: output", status_cases[i].patch);
	}
}

static const struct {
	const char *said;
	int64_t taken;
} retries[] = { { "0", 0 }, { "1", 1 }, { "3600", 3600 }, { "3601", 3600 }, { "9223372036854775807", 3600 }, { "-1", 0 }, { "null", 0 } };

static void a_server_cannot_put_us_off_for_ever(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(retries); i++) {
		char patch[128];
		json_t *object;
		struct kube_status s;

		(void)snprintf(patch, sizeof(patch), "{\"details\":{\"retryAfterSeconds\":%s}}", retries[i].said);
		object = sample("status-conflict.json", patch);
		assert_int_equal(kube_status_read(object, &s).code, ERR_OK);
		if (s.retry_after != retries[i].taken) fail_msg("%s: %lld", retries[i].said, (long long)s.retry_after);
		json_decref(object);
	}
}

#define LONG_TEXT SIXTY SIXTY SIXTY SIXTY TEN "aaaaaa"
static const struct {
	const char *said, *read;
} texts[] = {
	{ "plain text: ~!", "plain text: ~!" },
	{ "a\\nb\\tc\\u001b[2J\\u007f", "a?b?c?[2J?" },
	{ "x\\u0000y", "x?y" },
	{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z", "???z" },
	{ "\\u202eabc\\u2028", "?abc?" },
	{ LONG_TEXT, LONG_TEXT },
	{ LONG_TEXT "b", LONG_TEXT },
	{ SIXTY SIXTY SIXTY SIXTY TEN "aaaaa\xc3\xa4\xc3\xa4", SIXTY SIXTY SIXTY SIXTY TEN "aaaaa?" },
};

static void what_people_read_is_cut_and_printable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		char text[1024];
		AUTO(json) json_t *object = NULL;
		struct kube_status s;

		(void)snprintf(text, sizeof(text), "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"%s\"}", texts[i].said);
		assert_int_equal(kube_parse(bytes_str(text), &object).code, ERR_OK);
		assert_int_equal(kube_status_read(object, &s).code, ERR_OK);
		assert_string_equal(s.message, texts[i].read);
	}
}

/* ---- lists ---- */

static void lists_are_read(void **state)
{
	AUTO(json) json_t *page = sample("csr-list.json", "");
	AUTO(json) json_t *empty = sample("csr-list-empty.json", "");
	AUTO(json) json_t *null = sample("csr-list-empty.json", "{\"items\":null}");
	struct kube_list l;

	(void)state;
	assert_int_equal(kube_list_read(page, "CertificateSigningRequestList", &l).code, ERR_OK);
	assert_string_equal(l.version, "308");
	assert_string_equal(l.more, "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MzA4LCJzdGFydCI6Ii9iLWZhaWxlZFx1MDAwMCJ9");
	assert_int_equal(json_array_size(l.items), 2);
	assert_int_equal(kube_list_read(empty, "CertificateSigningRequestList", &l).code, ERR_OK);
	assert_string_equal(l.more, "");
	assert_int_equal(json_array_size(l.items), 0);
	assert_int_equal(kube_list_read(null, "CertificateSigningRequestList", &l).code, ERR_OK);
	assert_int_equal(json_array_size(l.items), 0);
}

static const struct sample_case list_cases[] = {
	{ "{\"kind\":null}", MISSING },
	{ "{\"kind\":\"Status\"}", OTHER_KIND },
	{ "{\"kind\":\"CertificateSigningRequest\"}", OTHER_KIND },
	{ "{\"kind\":\"certificatesigningrequestlist\"}", OTHER_KIND },
	{ "{\"metadata\":null}", MISSING },
	{ "{\"metadata\":{\"resourceVersion\":null}}", MISSING },
	{ "{\"metadata\":{\"resourceVersion\":\"\"}}", MISSING },
	{ "{\"metadata\":{\"continue\":7}}", NO_STRING },
	{ "{\"metadata\":{\"continue\":\"a b\"}}", CHARACTERS },
	{ "{\"items\":{}}", NO_ARRAY },
	{ "{\"items\":\"x\"}", NO_ARRAY },
};

static void a_list_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list_cases); i++) {
		AUTO(json) json_t *object = sample("csr-list.json", list_cases[i].patch);
		struct kube_list l = { .version = "untouched" };
		struct err e = kube_list_read(object, "CertificateSigningRequestList", &l);

		SAMPLE_CHECK(e, list_cases, i);
		assert_string_equal(l.version, "untouched");
	}
}

static void a_continue_token_is_bounded(void **state)
{
	AUTO(json) json_t *list = sample("csr-list-empty.json", "");
	char token[KUBE_CONTINUE_MAX + 2] = "";
	struct kube_list l;

	(void)state;
	memset(token, 'a', KUBE_CONTINUE_MAX);
	json_object_set_new(json_object_get(list, "metadata"), "continue", json_string(token));
	assert_int_equal(kube_list_read(list, "CertificateSigningRequestList", &l).code, ERR_OK);
	assert_string_equal(l.more, token);
	token[KUBE_CONTINUE_MAX] = 'a';
	json_object_set_new(json_object_get(list, "metadata"), "continue", json_string(token));
	assert_string_equal(kube_list_read(list, "CertificateSigningRequestList", &l).reason, TOO_LONG);
}

/* ---- watches ---- */

static const struct {
	enum kube_watch_type type;
	const char *version;
	bool initial_end;
} events[] = {
	{ KUBE_WATCH_MODIFIED, "287", false }, { KUBE_WATCH_MODIFIED, "288", false }, { KUBE_WATCH_DELETED, "290", false },
	{ KUBE_WATCH_BOOKMARK, "290", false }, { KUBE_WATCH_BOOKMARK, "309", true },  { KUBE_WATCH_ERROR, "", false },
};

static void a_watch_is_read_line_by_line(void **state)
{
	size_t len, i = 0;
	AUTO(heap) char *text = sample_text("watch.jsonl", &len);
	char *rest = NULL;

	(void)state;
	for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest), i++) {
		AUTO(json) json_t *json = NULL;
		struct kube_watch w;
		struct kube_meta m;

		assert_true(i < ARRAY_LEN(events));
		assert_int_equal(kube_parse(bytes_str(line), &json).code, ERR_OK);
		assert_int_equal(kube_watch_read(json, &w).code, ERR_OK);
		assert_int_equal(w.type, events[i].type);
		assert_string_equal(w.version, events[i].version);
		assert_int_equal(w.initial_end, events[i].initial_end);
		assert_int_equal(w.object != NULL, w.type < KUBE_WATCH_BOOKMARK);
		if (w.object == NULL) continue;
		assert_int_equal(kube_meta_read(w.object, &m).code, ERR_OK);
		assert_string_equal(m.version, w.version);
	}
	assert_int_equal(i, ARRAY_LEN(events));
}

#define OBJECT(version) "\"object\":{\"metadata\":{\"resourceVersion\":" version "}}"
#define STATUS "\"object\":{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Expired\",\"code\":410}"
static const struct sample_case watch_cases[] = {
	{ "{\"type\":\"ADDED\"," OBJECT("\"1\"") "}", "" },
	{ "{\"type\":\"ERROR\"," STATUS "}", "" },
	{ "{}", MISSING },
	{ "{\"type\":null," OBJECT("\"1\"") "}", MISSING },
	{ "{\"type\":1," OBJECT("\"1\"") "}", NO_STRING },
	{ "{\"type\":\"added\"," OBJECT("\"1\"") "}", "object: an event of an unknown type" },
	{ "{\"type\":\"SYNC\"," OBJECT("\"1\"") "}", "object: an event of an unknown type" },
	{ "{\"type\":\"ADDEDADDEDADDEDADDED\"," OBJECT("\"1\"") "}", TOO_LONG },
	{ "{\"type\":\"ADDED\"}", MISSING },
	{ "{\"type\":\"ADDED\",\"object\":null}", MISSING },
	{ "{\"type\":\"ADDED\",\"object\":[]}", NO_OBJECT },
	{ "{\"type\":\"ADDED\",\"object\":{}}", MISSING },
	{ "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{}}}", MISSING },
	{ "{\"type\":\"BOOKMARK\"," OBJECT("7") "}", NO_STRING },
	{ "{\"type\":\"BOOKMARK\"," OBJECT("\"\"") "}", MISSING },
	{ "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\",\"annotations\":[]}}}", NO_OBJECT },
	{ "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\",\"annotations\":{\"k8s.io/initial-events-end\":true}}}}", NO_STRING },
	{ "{\"type\":\"ADDED\"," STATUS "}", MISSING },
	{ "{\"type\":\"ERROR\"," OBJECT("\"1\"") "}", MISSING },
	{ "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Pod\",\"status\":\"Failure\"}}", OTHER_KIND },
};

static void a_line_of_a_watch_is_taken_or_refused_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(watch_cases); i++) {
		AUTO(json) json_t *line = NULL;
		struct kube_watch w = { .version = "untouched" };
		struct err e;

		assert_int_equal(kube_parse(bytes_str(watch_cases[i].patch), &line).code, ERR_OK);
		e = kube_watch_read(line, &w);
		SAMPLE_CHECK(e, watch_cases, i);
		if ((e.code == ERR_OK) == (strcmp(w.version, "untouched") == 0)) fail_msg("%s: output", watch_cases[i].patch);
	}
}

static void a_watch_that_ends_says_why(void **state)
{
	AUTO(json) json_t *line = NULL;
	struct kube_watch w;

	(void)state;
	assert_int_equal(kube_parse(bytes_str("{\"type\":\"ERROR\"," STATUS "}"), &line).code, ERR_OK);
	assert_int_equal(kube_watch_read(line, &w).code, ERR_OK);
	assert_int_equal(w.status.code, 410);
	assert_string_equal(w.status.reason, "Expired");
}

static void an_answer_is_bounded(void **state)
{
	AUTO(heap) char *text = calloc(1, KUBE_ANSWER_MAX + 2);
	AUTO(json) json_t *out = NULL;
	AUTO(json) json_t *none = NULL;

	(void)state;
	memset(text, ' ', KUBE_ANSWER_MAX + 1);
	memcpy(text, "{}", 2);
	assert_int_equal(kube_parse(BYTES(text, KUBE_ANSWER_MAX), &out).code, ERR_OK);
	assert_int_equal(kube_parse(BYTES(text, KUBE_ANSWER_MAX + 1), &none).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(kube_parse(bytes_str("Too many requests, please try again later."), &none).code, ERR_INVALID_ARGUMENT);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_is_read),
		cmocka_unit_test(metadata_is_taken_or_refused_whole),
		cmocka_unit_test(statuses_are_read),
		cmocka_unit_test(a_status_is_taken_or_refused_whole),
		cmocka_unit_test(a_server_cannot_put_us_off_for_ever),
		cmocka_unit_test(what_people_read_is_cut_and_printable),
		cmocka_unit_test(lists_are_read),
		cmocka_unit_test(a_list_is_taken_or_refused_whole),
		cmocka_unit_test(a_continue_token_is_bounded),
		cmocka_unit_test(a_watch_is_read_line_by_line),
		cmocka_unit_test(a_line_of_a_watch_is_taken_or_refused_whole),
		cmocka_unit_test(a_watch_that_ends_says_why),
		cmocka_unit_test(an_answer_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
