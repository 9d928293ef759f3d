/* What is said to the API server and to the operator, and many requests at once. */
#include "filing_world.h"

#include <unistd.h>

#include "base/metrics.h"
#include "csr/csr.h"

#define AT_ONCE 16
#define PATH "/apis/certificates.k8s.io/v1/certificatesigningrequests"

static void answer_with(const char *method, long status, const char *word)
{
	struct cluster_request *r = request_of(method);
	AUTO(json) json_t *o = word[0] == '\0' ? NULL : object_of(word);
	AUTO(heap) char *text = o == NULL ? strdup("") : json_dumps(o, 0);

	assert_non_null(r);
	answer(r, status, text);
}

static void answer_newest(long status, const char *word)
{
	AUTO(json) json_t *o = object_of(word);
	AUTO(heap) char *text = json_dumps(o, 0);

	answer(world->cluster.all[world->cluster.count - 1], status, text);
}

static void file(uint64_t id, const char *name)
{
	struct wire_file m = order(id, name);

	assert_int_equal(filings_file(world->filings, &m).code, ERR_OK);
}

/* To be json_decref()ed. */
static json_t *body_of(const char *method, const char *path, const char *type)
{
	struct cluster_request *r = request_of(method);
	json_t *o;

	assert_non_null(r);
	assert_string_equal(r->path, path);
	assert_string_equal(r->ask.content_type, type);
	o = json_loads(r->body, 0, NULL);
	assert_non_null(o);
	return o;
}

/* dotted with '|': keys have dots */
static const char *at(const json_t *o, const char *path)
{
	char keys[256], *rest = keys;

	(void)snprintf(keys, sizeof(keys), "%s", path);
	for (char *key = strsep(&rest, "|"); key != NULL; key = strsep(&rest, "|")) o = json_object_get(o, key);
	return json_string_value(o) == NULL ? "(none)" : json_string_value(o);
}

/* ---- bodies ---- */

#define CERT_MANAGER "metadata|annotations|experimental.cert-manager.io/request-duration"

static void test_what_is_filed(void **state)
{
	static const struct { const char *path, *want; } wants[] = {
		{ "metadata|name", NAME },
		{ "metadata|labels|" FILING_LABEL, INSTANCE },
		{ "metadata|labels|app.kubernetes.io/managed-by", "signet" },
		{ "metadata|labels|signet.dev/after", "(none)" },
		{ "metadata|annotations|signet.dev/spiffe-id", "spiffe://example.org/ns/default/sa/web" },
		{ "metadata|annotations|signet.dev/caller", "system:serviceaccount:default:web" },
		{ "metadata|annotations|signet.dev/rule", "mesh" },
		{ CERT_MANAGER, "3600s" },
		{ "spec|signerName", SIGNER },
	};
	struct world w;
	json_t *body;

	(void)state;
	world_begin(&w);
	file(7, NAME);
	body = body_of("POST", PATH, "application/json");
	for (size_t i = 0; i < ARRAY_LEN(wants); i++)
		if (strcmp(at(body, wants[i].path), wants[i].want) != 0) fail_msg("%s: %s", wants[i].path, at(body, wants[i].path));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(body, "spec"), "expirationSeconds")), 3600);
	json_decref(body);
	world_end(&w);
}

/* SEQUENCE { SEQUENCE { 0, {}, SEQUENCE { SEQUENCE { rsaEncryption }}}}: what is looked at of a request with an RSA key. */
static const uint8_t rsa_csr[] = { 0x30, 0x16, 0x30, 0x14, 0x02, 0x01, 0x00, 0x30, 0x00, 0x30, 0x0d, 0x30, 0x0b,
	                           0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };

static void test_what_is_filed_depends_on_the_order(void **state)
{
	static const struct {
		const char *name, *signer, *rule, *want_signer, *want_duration, *want_after;
		uint32_t lifetime;
		int64_t want_expiration;
		size_t want_usages;
		bool rsa, keep;
	} cases[] = {
		{ "plain", "", "mesh", SIGNER, "3600s", "(none)", 3600, 3600, 3, false, false },
		{ "another_signer", "example.org/other", "", "example.org/other", "3600s", "(none)", 3600, 3600, 3, false, false },
		{ "shorter_than_the_API_takes", "", "mesh", SIGNER, "600s", "(none)", 60, 600, 3, false, false },
		{ "longer_than_it_can_say", "", "mesh", SIGNER, "2147483647s", "(none)", UINT32_MAX, INT32_MAX, 3, false, false },
		{ "RSA_can_encipher_keys", "", "mesh", SIGNER, "3600s", "(none)", 3600, 3600, 4, true, false },
		{ "kept", "", "mesh", SIGNER, "3600s", "keep", 3600, 3600, 3, false, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_file m;
		struct world w;
		const json_t *spec;
		json_t *body;

		world_begin(&w);
		w.conf->csr_issuers[0].after = cases[i].keep ? CONF_AFTER_KEEP : CONF_AFTER_DELETE;
		m = order(7, NAME);
		m.signer_name = bytes_str(cases[i].signer);
		m.rule = bytes_str(cases[i].rule);
		m.lifetime = cases[i].lifetime;
		if (cases[i].rsa) m.csr = BYTES(rsa_csr, sizeof(rsa_csr));
		assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
		if (request_of("POST") == NULL) fail_msg("%s: not filed", cases[i].name);
		body = body_of("POST", PATH, "application/json");
		spec = json_object_get(body, "spec");
		assert_string_equal(at(body, "spec|signerName"), cases[i].want_signer);
		assert_string_equal(at(body, CERT_MANAGER), cases[i].want_duration);
		assert_string_equal(at(body, "metadata|annotations|signet.dev/rule"), cases[i].rule);
		assert_string_equal(at(body, "metadata|labels|signet.dev/after"), cases[i].want_after);
		assert_int_equal(json_integer_value(json_object_get(spec, "expirationSeconds")), cases[i].want_expiration);
		assert_int_equal(json_array_size(json_object_get(spec, "usages")), cases[i].want_usages);
		json_decref(body);
		world_end(&w);
	}
}

/* What cannot be filed is told from the loop, and nothing is asked. */
static void test_what_cannot_be_filed(void **state)
{
	static const struct { const char *name, *object, *caller, *signer, *said; size_t csr_len; bool full; } cases[] = {
		{ "malformed_name", "Upper_Case", "me", "", "refused", 0, false },
		{ "slash_in_the_name", "a/approval", "me", "", "refused", 0, false },
		{ "malformed_signer", NAME, "me", "nothing", "refused", 0, false },
		{ "caller_is_not_utf8", NAME, "\xff", "", "refused", 0, false },
		{ "csr_is_cut_off", NAME, "me", "", "refused", 40, false },
		{ "no_memory_for_requests", NAME, "me", "", "unavailable", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct wire_file m;
		struct world w;

		world_begin(&w);
		w.cluster.full = cases[i].full;
		m = order(7, cases[i].object);
		m.caller = bytes_str(cases[i].caller);
		m.signer_name = bytes_str(cases[i].signer);
		if (cases[i].csr_len > 0) m.csr.len = cases[i].csr_len;
		assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
		assert_int_equal(w.answers, 0);
		run_until(1);
		if (strcmp(w.said, cases[i].said) != 0) fail_msg("%s: %s (%s)", cases[i].name, w.said, w.why);
		assert_int_equal(w.cluster.count, 0);
		world_end(&w);
	}
}

/* What was read is what is approved, with what others have said of it. */
static void test_approval(void **state)
{
	AUTO(json) json_t *o = NULL, *patch = NULL, *conditions = NULL;
	AUTO(heap) char *text = NULL;
	struct world w;

	(void)state;
	world_begin(&w);
	file(7, NAME);
	o = object_of("PENDING");
	conditions = json_loads("[{\"type\":\"Odd\",\"status\":\"True\"}]", 0, NULL);
	(void)json_object_set(json_object_get(o, "status"), "conditions", conditions);
	text = json_dumps(o, 0);
	answer(request_of("POST"), 201, text);
	patch = body_of("PATCH", PATH "/" NAME "/approval", "application/merge-patch+json");
	assert_string_equal(at(patch, "metadata|resourceVersion"), "7");
	conditions = (json_decref(conditions), json_incref(json_object_get(json_object_get(patch, "status"), "conditions")));
	assert_int_equal(json_array_size(conditions), 2);
	assert_string_equal(at(json_array_get(conditions, 0), "type"), "Odd");
	assert_string_equal(at(json_array_get(conditions, 1), "type"), "Approved");
	assert_string_equal(at(json_array_get(conditions, 1), "status"), "True");
	world_end(&w);
}

static void test_deletion_is_of_that_object_only(void **state)
{
	AUTO(json) json_t *body = NULL;
	struct world w;

	(void)state;
	world_begin(&w);
	file(7, NAME);
	answer_with("POST", 201, "ISSUED");
	filings_done(w.filings, 7);
	body = body_of("DELETE", PATH "/" NAME, "application/json");
	assert_string_equal(at(body, "preconditions|uid"), UID);
	assert_true(request_of("DELETE")->ask.until_us > clock_mono_us());
	world_end(&w);
}

/* Until when the cluster may go on trying. */
static void test_deadline_bounds_each_call(void **state)
{
	static const struct { int64_t from_now, least_s, most_s; } cases[] = {
		{ 5, 3, 5 }, { 3600, 3598, 3600 }, { INT64_MAX / 2, 86398, 86400 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int64_t before = clock_mono_us(), after;
		const struct cluster_ask *ask;
		struct wire_file m;
		struct world w;

		world_begin(&w);
		m = order(7, NAME);
		m.deadline = clock_wall() + cases[i].from_now;
		assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
		after = clock_mono_us();
		ask = &request_of("POST")->ask;
		assert_true(ask->until_us >= before + cases[i].least_s * 1000000 - (after - before));
		assert_true(ask->until_us <= after + cases[i].most_s * 1000000);
		assert_true(ask->timeout_ms <= cases[i].most_s * 1000);
		world_end(&w);
	}
}

/* ---- orders ---- */

static void test_orders(void **state)
{
	struct wire_file m;
	struct world w;

	(void)state;
	world_begin(&w);
	file(7, NAME);
	m = order(7, "another");
	assert_int_equal(filings_file(w.filings, &m).code, ERR_ALREADY_EXISTS);
	m = order(8, NAME);
	assert_int_equal(filings_file(w.filings, &m).code, ERR_ALREADY_EXISTS);
	filings_done(w.filings, 8); /* none of ours */
	assert_int_equal(filings_count(w.filings), 1);
	assert_int_equal(requests(), 1);
	answer_with("POST", 201, "ISSUED");
	assert_int_equal(filings_count(w.filings), 1); /* until the keeper is done */
	filings_done(w.filings, 7);
	filings_done(w.filings, 7);
	assert_int_equal(filings_count(w.filings), 1); /* until its object is deleted */
	answer(request_of("DELETE"), 200, "{}");
	assert_int_equal(filings_count(w.filings), 0);
	file(7, "another"); /* its id is free again */
	world_end(&w);
}

static void file_many(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "signet-%u", i);
		file(i, name);
	}
}

static void test_a_thousand_at_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	file_many(0, 1000);
	assert_int_equal(requests(), AT_ONCE);
	assert_int_equal(filings_count(w.filings), 1000);
	for (unsigned i = 0; i < 1000; i += 2) {
		struct look look = looks[2]; /* ISSUED */
		char name[32], uid[32];
		json_t *o;

		(void)snprintf(name, sizeof(name), "signet-%u", i);
		(void)snprintf(uid, sizeof(uid), "uid-%u", i);
		look.uid = uid;
		o = object(&look, name);
		w.informer->o.seen(w.informer->o.ctx, o);
		json_decref(o);
		assert_string_equal(w.said, "signed PEM");
		assert_int_equal(w.id, i);
		filings_done(w.filings, i);
	}
	assert_int_equal(w.answers, 500);
	assert_int_equal(filings_count(w.filings), 1000); /* 500 are to be deleted */
	assert_int_equal(metric_get_of(&w.metrics, MO_FILED, 0), 500);
	world_end(&w); /* the others are dropped without an answer */
	assert_int_equal(w.answers, 500);
}

/* Name of the object that the newest request is about, which is a POST. */
static const char *newest_name(char name[64])
{
	struct cluster_request *r = world->cluster.all[world->cluster.count - 1];
	json_t *o;

	assert_non_null(r);
	assert_int_equal(r->ask.method, HTTPS_POST);
	o = json_loads(r->body, 0, NULL);
	(void)snprintf(name, 64, "%s", at(o, "metadata|name"));
	json_decref(o);
	return name;
}

/* A few calls at a time: in order, but who has begun goes first. */
static void test_calls_wait_for_their_turn(void **state)
{
	struct world w;
	char name[64];

	(void)state;
	world_begin(&w);
	file_many(0, AT_ONCE + 3);
	assert_int_equal(requests(), AT_ONCE);
	file(1000, NAME);
	answer(w.cluster.all[0], 403, ""); /* signet-0 fails: a place for the next */
	assert_int_equal(requests(), AT_ONCE);
	assert_string_equal(newest_name(name), "signet-16");
	answer(w.cluster.all[1], 403, "");
	answer(w.cluster.all[2], 403, "");
	answer(w.cluster.all[3], 403, "");
	assert_string_equal(newest_name(name), NAME);
	file_many(50, 55);
	answer_newest(201, "PENDING"); /* its PATCH is not kept waiting by five that came later, nor by their POSTs */
	assert_int_equal(w.cluster.all[w.cluster.count - 1]->ask.method, HTTPS_PATCH);
	assert_int_equal(requests(), AT_ONCE);
	world_end(&w);
}

/* What is wanted no more makes room, wherever it is. */
static void test_calls_that_are_cancelled_make_room(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	w.conf->csr_issuers[0].after = CONF_AFTER_KEEP;
	file_many(0, AT_ONCE + 2);
	filings_done(w.filings, AT_ONCE); /* it waits */
	assert_int_equal(requests(), AT_ONCE);
	filings_done(w.filings, 0); /* it is in flight */
	run_until_started(AT_ONCE + 1);
	assert_int_equal(requests(), AT_ONCE);
	assert_int_equal(w.answers, 0);
	world_end(&w);
}

/* No memory when its turn comes: it fails then, and others go on. */
static void test_calls_that_cannot_be_started_in_turn(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	file_many(0, AT_ONCE + 2);
	w.cluster.full = true;
	answer(w.cluster.all[0], 403, "");
	assert_int_equal(w.answers, 3);
	assert_string_equal(w.said, "unavailable");
	assert_int_equal(filings_count(w.filings), AT_ONCE - 1);
	w.cluster.full = false;
	world_end(&w);
}

static void test_many_deadlines_at_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	w.done_within = true;
	for (unsigned i = 0; i < 100; i++) {
		struct wire_file m;
		char name[32];

		(void)snprintf(name, sizeof(name), "signet-%u", i);
		m = order(i, name);
		if (i % 2 == 0) m.deadline = clock_wall() - 1;
		assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
	}
	run_until(50);
	assert_int_equal(filings_count(w.filings), 50);
	assert_int_equal(requests(), AT_ONCE);
	world_end(&w);
}

/* ---- what is left over ---- */

/* Of that instance, with another label; to be json_decref()ed. */
static json_t *left_over(const char *name, const char *instance, const char *key, const char *value)
{
	json_t *o = object(&looks[0], name), *labels = json_object_get(json_object_get(o, "metadata"), "labels");

	(void)json_object_set_new(labels, FILING_LABEL, json_string(instance));
	(void)json_object_set_new(labels, key, json_string(value));
	return o;
}

static void see(const char *name, const char *instance, const char *key, const char *value)
{
	json_t *o = left_over(name, instance, key, value);

	world->informer->o.seen(world->informer->o.ctx, o);
	json_decref(o);
}

static void begin(void) { world->informer->o.begin(world->informer->o.ctx); }
static void synced(void) { world->informer->o.synced(world->informer->o.ctx); }

static void test_left_over_objects_are_swept(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	file(7, NAME);
	begin();
	see("early", INSTANCE, "a", "b"); /* perhaps in hand: not all was filed yet */
	synced();
	assert_null(request_of("DELETE"));
	filings_sweep(w.filings);
	see("too-early", INSTANCE, "a", "b"); /* no list began since */
	assert_null(request_of("DELETE"));
	begin();
	see(NAME, INSTANCE, "a", "b");
	see("foreign", "ffffffffffffffffffffffffffffffff", "a", "b");
	see("kept", INSTANCE, "signet.dev/after", "keep");
	see("Odd/name", INSTANCE, "a", "b");
	assert_null(request_of("DELETE"));
	see("left-over", INSTANCE, "a", "b");
	assert_non_null(request_of("DELETE"));
	assert_string_equal(request_of("DELETE")->path, PATH "/left-over");
	answer(request_of("DELETE"), 200, "{}");
	synced();
	see("late", INSTANCE, "a", "b"); /* another's, or of a later life: that will sweep it */
	assert_null(request_of("DELETE"));
	world_end(&w);
}

/* Without memory for a list of its own nothing is swept, and the watch goes on. */
static void test_sweep_without_a_list(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w);
	w.no_informer = true;
	filings_sweep(w.filings);
	begin();
	see("left-over", INSTANCE, "a", "b");
	synced();
	assert_null(request_of("DELETE"));
	w.no_informer = false;
	filings_sweep(w.filings);
	assert_int_equal(w.informers, 1);
	begin();
	see("left-over", INSTANCE, "a", "b");
	assert_non_null(request_of("DELETE"));
	world_end(&w);
}

/* ---- the log ---- */

struct tape { /* what goes to descriptor 2 */
	FILE *file;
	int kept;
	char text[16384];
};

static void tape_start(struct tape *t)
{
	world->log.level = LOG_DEBUG;
	t->file = tmpfile();
	assert_non_null(t->file);
	t->kept = dup(STDERR_FILENO);
	assert_true(dup2(fileno(t->file), STDERR_FILENO) >= 0);
}

static const char *tape_stop(struct tape *t)
{
	assert_true(dup2(t->kept, STDERR_FILENO) >= 0);
	(void)close(t->kept);
	rewind(t->file);
	t->text[fread(t->text, 1, sizeof(t->text) - 1, t->file)] = '\0';
	(void)fclose(t->file);
	return t->text;
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++) n++;
	return n;
}

static void test_a_deadline_is_explained_by_events(void **state)
{
	size_t len;
	AUTO(heap) char *events = sample_text("events.json", &len);
	struct tape tape = { .kept = -1 };
	struct wire_file m;
	struct world w;
	const char *text;

	(void)state;
	world_begin(&w);
	m = order(7, NAME);
	m.deadline = clock_wall() + 1;
	assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
	answer_with("POST", 201, "PENDING");
	answer_with("PATCH", 200, "APPROVED");
	tape_start(&tape);
	run_until(1);
	assert_string_equal(w.said, "deadline");
	assert_string_equal(request_of("GET")->path,
	                    "/api/v1/namespaces/default/events?limit=5&fieldSelector=involvedObject.name%3D" NAME);
	answer(request_of("GET"), 200, events);
	text = tape_stop(&tape);
	assert_int_equal(count_of(text, "kube_csr_failed"), 1);
	assert_non_null(strstr(text, "failure=deadline"));
	assert_non_null(strstr(text, "signer=" SIGNER));
	assert_true(count_of(text, "kube_csr_event") >= 1 && count_of(text, "kube_csr_event") <= 5);
	assert_non_null(strstr(text, "reason=IssuerNotFound"));
	assert_non_null(request_of("DELETE"));
	world_end(&w);
}

static void test_deletion_that_fails_is_told(void **state)
{
	static const struct { long status; size_t want; } cases[] = {
		{ 200, 0 }, { 202, 0 }, { 404, 0 }, { 409, 0 }, { 403, 1 }, { 500, 1 }, { 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct tape tape = { .kept = -1 };
		struct world w;

		world_begin(&w);
		file(7, NAME);
		answer_with("POST", 201, "ISSUED");
		filings_done(w.filings, 7);
		tape_start(&tape);
		answer(request_of("DELETE"), cases[i].status, "");
		if (count_of(tape_stop(&tape), "kube_csr_not_deleted") != cases[i].want) fail_msg("%ld", cases[i].status);
		world_end(&w);
	}
}

static void test_why_is_the_servers_own_word(void **state)
{
	size_t len;
	AUTO(heap) char *forbidden = sample_text("status-forbidden.json", &len);
	struct world w;

	(void)state;
	world_begin(&w);
	file(7, NAME);
	answer(request_of("POST"), 403, forbidden);
	assert_non_null(strstr(w.why, "Forbidden"));
	assert_non_null(strstr(w.why, "403"));
	file(7, NAME);
	answer(request_of("POST"), 0, "");
	assert_non_null(strstr(w.why, "connection r? fused")); /* printable, on_failed() looks at that */
	file(7, NAME);
	answer(request_of("POST"), 418, "I am a teapot");
	assert_string_equal(w.why, "HTTP status 418");
	world_end(&w);
}

static void test_steps_are_measured(void **state)
{
	static const enum histogram_of all[] = { HO_CSR, HO_CSR_CREATE, HO_CSR_APPROVE, HO_CSR_SIGN };

	(void)state;
	for (unsigned resumed = 0; resumed < 2; resumed++) { /* what was resumed began in another life */
		struct wire_file m;
		struct world w;

		world_begin(&w);
		m = order(7, NAME);
		m.resume = resumed == 1;
		assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
		answer_with(m.resume ? "GET" : "POST", m.resume ? 200 : 201, "PENDING");
		answer_with("PATCH", 200, "APPROVED");
		see(NAME, INSTANCE, "a", "b");
		filings_done(w.filings, 8);
		AUTO(json) json_t *issued = object_of("ISSUED");
		w.informer->o.seen(w.informer->o.ctx, issued);
		assert_string_equal(w.said, "signed PEM");
		assert_int_equal(metric_get_of(&w.metrics, MO_FILED, 0), 1 - resumed);
		for (size_t i = 0; i < ARRAY_LEN(all); i++) {
			uint64_t n = 0;

			for (size_t b = 0; b < HISTOGRAM_BUCKETS; b++) n += w.metrics.histogram_of[all[i]][0].bucket[b];
			assert_int_equal(n, 1 - resumed);
		}
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_filed),
		cmocka_unit_test(test_what_is_filed_depends_on_the_order),
		cmocka_unit_test(test_what_cannot_be_filed),
		cmocka_unit_test(test_approval),
		cmocka_unit_test(test_deletion_is_of_that_object_only),
		cmocka_unit_test(test_deadline_bounds_each_call),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_a_thousand_at_once),
		cmocka_unit_test(test_calls_wait_for_their_turn),
		cmocka_unit_test(test_calls_that_are_cancelled_make_room),
		cmocka_unit_test(test_calls_that_cannot_be_started_in_turn),
		cmocka_unit_test(test_many_deadlines_at_once),
		cmocka_unit_test(test_left_over_objects_are_swept),
		cmocka_unit_test(test_sweep_without_a_list),
		cmocka_unit_test(test_a_deadline_is_explained_by_events),
		cmocka_unit_test(test_deletion_that_fails_is_told),
		cmocka_unit_test(test_why_is_the_servers_own_word),
		cmocka_unit_test(test_steps_are_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
