/* Who is told what, when, of tokens and nodes: with a cluster, pods and a clock that do what the test says. */
#include "k8s_csr/samples.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/loop.h"
#include "conf/load.h"
#include "k8s_csr/fake_cluster.h"
#include "k8s_csr/pods.h"
#include "k8s_csr/reviews.h"
#include "k8s_csr/same_node.h"

/* ---- a clock and its timers ---- */

static int64_t now_ms;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	(void)id;
	*ts = (struct timespec){ .tv_sec = 1000 + now_ms / 1000, .tv_nsec = now_ms % 1000 * 1000000 };
	return 0;
}

struct timer {
	struct timer *next;
	void (*fire)(void *ctx);
	void *ctx;
	int64_t at_ms; /* -1: stopped */
};
static struct timer *timers;

struct err timer_new(struct loop *loop, void (*fire)(void *ctx), void *ctx, struct timer **out)
{
	(void)loop;
	*out = malloc(sizeof(**out));
	**out = (struct timer){ timers, fire, ctx, -1 };
	timers = *out;
	return OK;
}

struct err timer_start(struct timer *t, int64_t ms)
{
	t->at_ms = now_ms + ms;
	return OK;
}

void timer_stop(struct timer *t) { t->at_ms = -1; }

void timer_free(struct timer *t)
{
	struct timer **at = &timers;

	if (t == NULL) return;
	while (*at != t) at = &(*at)->next;
	*at = t->next;
	free(t);
}

static void advance(int64_t ms)
{
	int64_t to = now_ms + ms;

	for (;;) {
		struct timer *first = NULL;

		for (struct timer *t = timers; t != NULL; t = t->next)
			if (t->at_ms >= 0 && t->at_ms <= to && (first == NULL || t->at_ms < first->at_ms)) first = t;
		if (first == NULL) break;
		now_ms = first->at_ms;
		first->at_ms = -1;
		first->fire(first->ctx);
	}
	now_ms = to;
}

/* ---- pods ---- */

struct pods {
	void (*changed)(void *ctx);
	void *ctx;
	bool synced;
	enum wire_verdict verdict;
	struct wire_node asked; /* the last question; its texts live as long as it does */
};
static struct pods *the_pods;

struct err pods_new(struct cluster *c, void (*changed)(void *ctx), void *ctx, struct pods **out)
{
	(void)c;
	*out = the_pods = calloc(1, sizeof(**out));
	**out = (struct pods){ .changed = changed, .ctx = ctx, .verdict = VERDICT_NO };
	return OK;
}

void pods_free(struct pods *p)
{
	free(p);
	the_pods = NULL;
}

bool pods_is_synced(const struct pods *p) { return p->synced; }

enum wire_verdict pods_allow(const struct pods *p, const struct wire_node *m, const char **why)
{
	assert_true(p->synced);
	the_pods->asked = *m;
	if (p->verdict != VERDICT_YES) *why = "no such pod on that node";
	return p->verdict;
}

static void pods_become(bool synced, enum wire_verdict verdict)
{
	the_pods->synced = synced;
	the_pods->verdict = verdict;
	the_pods->changed(the_pods->ctx);
}

/* ---- reviews, and what was heard ---- */

struct heard {
	void *asker;
	uint64_t id;
	enum wire_verdict verdict;
	char ns[64], account[256], uid[65], pod[256], pod_uid[65], node[256], node_uid[65], why[257];
};

static struct world {
	struct conf *conf;
	struct cluster *cluster;
	struct reviews *reviews;
	struct heard heard[4 * REVIEWS_MAX];
	size_t count;
	void *forget;     /* whom to forget as soon as anything is heard; NULL: nobody */
	bool ask_again;   /* the same, as soon as anything is heard */
} w;
static char one, two, three; /* askers */
static const struct log quiet = { .level = LOG_ERROR, .process = "test" };

static void note(struct heard *h)
{
	assert_true(w.count < ARRAY_LEN(w.heard));
	w.heard[w.count++] = *h;
	if (w.forget != NULL) reviews_forget(w.reviews, w.forget);
}

static struct err ask_for(void *asker, uint64_t id, const char *token)
{
	return reviews_token(w.reviews, asker, &(struct wire_review){ .id = id, .issuer = 0, .cluster = 1, .token = bytes_str(token) });
}

#define COPY(to, from) (void)snprintf(to, sizeof(to), "%.*s", (int)(from).len, (const char *)(from).data)
static void on_reviewed(void *ctx, void *asker, const struct wire_reviewed *m)
{
	AUTO(buf) struct buf out = { .max = 65536 };
	struct heard h = { .asker = asker, .id = m->id, .verdict = m->verdict };

	assert_ptr_equal(ctx, &w);
	assert_int_equal(wire_reviewed_put(&out, m).code, ERR_OK); /* whatever is said can be sent */
	COPY(h.ns, m->ns);
	COPY(h.account, m->account);
	COPY(h.uid, m->account_uid);
	COPY(h.pod, m->pod);
	COPY(h.pod_uid, m->pod_uid);
	COPY(h.node, m->node);
	COPY(h.node_uid, m->node_uid);
	COPY(h.why, m->why);
	note(&h);
	if (!w.ask_again) return;
	w.ask_again = false;
	assert_int_equal(ask_for(asker, m->id + 100, "ey.J.x").code, ERR_OK);
}

static void on_node(void *ctx, void *asker, const struct wire_node_answer *m)
{
	AUTO(buf) struct buf out = { .max = 65536 };
	struct heard h = { .asker = asker, .id = m->id, .verdict = m->verdict };

	assert_ptr_equal(ctx, &w);
	assert_int_equal(wire_node_answer_put(&out, m).code, ERR_OK);
	COPY(h.why, m->why);
	note(&h);
}

#define CLUSTERED(name, issuer, cluster)                                                                                           \
	" - { name: " name ", issuer: 'https://" issuer "', kind: kubernetes, token_review: only, cluster: " cluster ", audiences: "
static const char yaml[] = "trust_domain: example.org\n"
			   "clusters:\n - { id: away, kubeconfig: /k1 }\n - { id: here, kubeconfig: /k2 }\n"
			   "jwt_issuers:\n"
			   CLUSTERED("a", "a", "here") "[signet, istio-ca] }\n"
			   CLUSTERED("b", "b", "away") "[istio-ca] }\n"
			   CLUSTERED("c", "c", "here") "[vault] }\n"
			   " - { name: d, issuer: 'https://d', jwks_file: /j, audiences: [istio-ca] }\n";

static void begin(bool pods)
{
	struct conf_problem problem = { "" };
	struct cluster_options c = { .log = &quiet };
	struct reviews_options o = { .pods = pods, .reviewed = on_reviewed, .node = on_node, .ctx = &w };

	w = (struct world){ .count = 0 };
	now_ms = 0;
	if (conf_parse(bytes_str(yaml), "test", &w.conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	c.conf = w.conf;
	c.cluster = &w.conf->clusters[1];
	assert_int_equal(cluster_new(&c, &w.cluster).code, ERR_OK);
	o.cluster = w.cluster;
	assert_int_equal(reviews_new(&o, &w.reviews).code, ERR_OK);
}

static int set_up(void **state)
{
	(void)state;
	begin(true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	reviews_free(w.reviews);
	cluster_free(w.cluster);
	conf_free(w.conf);
	return timers == NULL && the_pods == NULL ? 0 : -1;
}

static void must_ask(void *asker, uint64_t id, const char *token)
{
	assert_int_equal(ask_for(asker, id, token).code, ERR_OK);
}

static char *sample_string(const char *file, const char *patch)
{
	AUTO(json) json_t *object = sample(file, patch);

	return json_dumps(object, 0);
}

static void answer_with(const char *file, const char *patch)
{
	AUTO(heap) char *text = sample_string(file, patch);

	fake_answers(w.cluster->requests, 201, text);
}

/* ---- tokens ---- */

static void the_api_server_is_asked_properly(void **state)
{
	const struct cluster_ask *ask;
	json_t *body, *spec;

	(void)state;
	must_ask(&one, 7, "ey.J.x");
	assert_int_equal(w.cluster->asked, 1);
	ask = &w.cluster->requests->ask;
	assert_int_equal(ask->method, HTTPS_POST);
	assert_string_equal(w.cluster->requests->path, "/apis/authentication.k8s.io/v1/tokenreviews");
	assert_string_equal(ask->content_type, "application/json");
	assert_true(ask->secret);
	assert_null(ask->data);
	assert_true(ask->timeout_ms > 0 && ask->timeout_ms < REVIEW_TIME_MS); /* there is time for a second attempt */
	assert_int_equal(ask->until_us, (1000 * 1000 + REVIEW_TIME_MS) * 1000LL);
	body = parsed(&w.cluster->requests->body);
	spec = json_object_get(body, "spec");
	assert_string_equal(json_string_value(json_object_get(spec, "token")), "ey.J.x");
	assert_int_equal(json_array_size(json_object_get(spec, "audiences")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(spec, "audiences"), 0)), "signet");
	json_decref(body);
	assert_int_equal(w.count, 0);
}

static void yes_says_who_and_where(void **state)
{
	const struct heard *h = &w.heard[0];

	(void)state;
	must_ask(&one, 7, "ey.J.x");
	answer_with("token-review.json", "");
	assert_int_equal(w.count, 1);
	assert_true(h->asker == &one && h->id == 7 && h->verdict == VERDICT_YES);
	assert_string_equal(h->ns, "default");
	assert_string_equal(h->account, "web");
	assert_string_equal(h->uid, "f41fd01a-18d3-43ed-b00d-59195fcbf60c");
	assert_string_equal(h->pod, "web-7d4b9c-x2x9k");
	assert_string_equal(h->pod_uid, "f75b9c21-48fc-4b13-a38c-c50c97d5edfb");
	assert_string_equal(h->node, "worker-1");
	assert_string_equal(h->node_uid, "2ea59547-d65b-4394-b1b5-1dd6107103c9");
	assert_string_equal(h->why, "");
	advance(60000);
	assert_int_equal(w.count, 1);
}

#define STATUS(s) "{\"status\":{" s "}}"
#define USER(s) STATUS("\"user\":{" s "}")
#define AUDIENCE_TEXT "[invalid bearer token, token audiences [\"istio-ca\"] is invalid for the target audiences [\"vault\"]]"
static const struct {
	const char *file, *patch;
	enum wire_verdict want;
	const char *why;
} reviews[] = {
	{ "token-review.json", "", VERDICT_YES, "" },
	{ "token-review-unbound.json", "", VERDICT_YES, "" },
	/* the API server says no */
	{ "token-review-bad.json", "", VERDICT_NO, "invalid bearer token" },
	{ "token-review-audience.json", "", VERDICT_NO, AUDIENCE_TEXT },
	{ "token-review.json", STATUS("\"authenticated\":false"), VERDICT_NO, "does not accept" },
	{ "token-review.json", STATUS("\"authenticated\":null"), VERDICT_NO, "does not accept" },
	{ "token-review.json", STATUS("\"error\":\"odd \\u00e4\\n\""), VERDICT_NO, "odd" },
	{ "token-review.json", STATUS("\"audiences\":[\"vault\"]"), VERDICT_NO, "not for an audience" },
	{ "token-review.json", STATUS("\"audiences\":[]"), VERDICT_NO, "not for an audience" },
	{ "token-review.json", STATUS("\"audiences\":null"), VERDICT_NO, "not for an audience" },
	{ "token-review.json", USER("\"username\":\"alice\""), VERDICT_NO, "not the token of a service account" },
	{ "token-review.json", USER("\"username\":\"system:serviceaccount:default\""), VERDICT_NO, "not the token of a service account" },
	{ "token-review.json", USER("\"username\":\"system:serviceaccount:a:b:c\""), VERDICT_NO, "not the token of a service account" },
	{ "token-review.json", USER("\"groups\":[\"system:authenticated\"]"), VERDICT_NO, "not in the group" },
	/* it says what cannot be */
	{ "token-review.json", STATUS("\"authenticated\":\"true\""), VERDICT_AWAY, "" },
	{ "token-review.json", "{\"status\":null}", VERDICT_AWAY, "" },
	{ "token-review.json", "{\"kind\":\"Pod\"}", VERDICT_AWAY, "another kind" },
	{ "token-review.json", USER("\"uid\":null"), VERDICT_AWAY, "" },
	{ "pod.json", "", VERDICT_AWAY, "another kind" },
};

static void what_the_api_server_says_becomes_a_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reviews); i++) {
		const struct heard *h = &w.heard[i];

		must_ask(&one, i, "ey.J.x");
		answer_with(reviews[i].file, reviews[i].patch);
		if (w.count != i + 1) fail_msg("%zu: not told", i);
		if (h->verdict != reviews[i].want) fail_msg("%zu: verdict %d, %s", i, h->verdict, h->why);
		if (strstr(h->why, reviews[i].why) == NULL) fail_msg("%zu: %s", i, h->why);
		if (h->verdict != VERDICT_YES && (h->ns[0] != '\0' || h->account[0] != '\0' || h->why[0] == '\0'))
			fail_msg("%zu: who, or not why", i);
		for (const char *p = h->why; *p != '\0'; p++) assert_in_range(*p, ' ', '~');
	}
}

static const struct {
	long status;
	const char *body, *why;
} answers[] = {
	{ 201, "", "length" },
	{ 201, "{", "json" },
	{ 201, "[]", "json" },
	{ 200, "<html>", "json" },
	{ 202, "{}", "status 202" },
	{ 302, "", "status 302" },
	{ 400, "{}", "status 400" },
	{ 401, "{}", "status 401" },
	{ 404, "404 page not found", "status 404" },
	{ 422, "{}", "status 422" },
	{ 429, "Too many requests", "status 429" },
	{ 500, "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"etcd is away\"}", "status 500: etcd is away" },
	{ 503, "", "status 503" },
	{ 504, "\xff\xff", "status 504" },
};

static void what_is_no_answer_is_no_verdict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		must_ask(&one, i, "ey.J.x");
		fake_answers(w.cluster->requests, answers[i].status, answers[i].body);
		assert_int_equal(w.count, i + 1);
		if (w.heard[i].verdict != VERDICT_AWAY) fail_msg("%zu: verdict %d", i, w.heard[i].verdict);
		if (strstr(w.heard[i].why, answers[i].why) == NULL) fail_msg("%zu: %s", i, w.heard[i].why);
	}
}

static void an_api_server_that_cannot_be_reached_is_away(void **state)
{
	static char text[400];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[0] = '\n';
	must_ask(&one, 1, "ey.J.x");
	fake_answer(w.cluster->requests, ERR(ERR_UNAVAILABLE, "http: no connection"), &(struct https_answer){ .text = text });
	must_ask(&one, 2, "ey.J.x");
	fake_answer(w.cluster->requests, ERR(ERR_DEADLINE_EXCEEDED, "http: too late"), &(struct https_answer){ .text = "" });
	must_ask(&one, 3, "ey.J.x");
	fake_answer(w.cluster->requests, ERR(ERR_RESOURCE_EXHAUSTED, "http: too large"), &(struct https_answer){ .status = 201, .text = "" });
	w.cluster->refuse = ERR(ERR_RESOURCE_EXHAUSTED, "cluster: too many requests");
	must_ask(&one, 4, "ey.J.x");
	w.cluster->refuse = ERR(ERR_INVALID_ARGUMENT, "cluster: a field"); /* says nothing about the token */
	must_ask(&one, 5, "ey.J.x");
	assert_int_equal(w.count, 5);
	for (size_t i = 0; i < 5; i++) assert_true(w.heard[i].id == i + 1 && w.heard[i].verdict == VERDICT_AWAY && w.heard[i].why[0] != '\0');
	assert_int_equal(strlen(w.heard[0].why), WIRE_VERDICT_WHY_MAX);
	assert_memory_equal(w.heard[0].why, "http: no connection: ?xxx", 25); /* a peer's bytes, made printable */
	assert_string_equal(w.heard[1].why, "http: too late");
}

static void one_that_never_answers_is_given_up(void **state)
{
	(void)state;
	must_ask(&one, 1, "ey.J.x");
	advance(REVIEW_TIME_MS - 1);
	assert_int_equal(w.count, 0);
	advance(1);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.heard[0].verdict, VERDICT_AWAY);
	assert_int_equal(w.cluster->cancelled, 1);
	must_ask(&one, 2, "ey.J.x"); /* a new question */
	assert_int_equal(w.cluster->asked, 2);
	answer_with("token-review.json", "");
	assert_int_equal(w.heard[1].verdict, VERDICT_YES);
}

static void what_cannot_be_a_token_is_not_asked_about(void **state)
{
	static const char *const bad[] = { " ", "a b", "a\n", "a\x7f", "\xc3\xa4", "\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		must_ask(&one, i, bad[i]);
		assert_int_equal(w.count, i + 1);
		if (w.heard[i].verdict != VERDICT_NO) fail_msg("%zu: verdict %d", i, w.heard[i].verdict);
	}
	assert_int_equal(w.cluster->asked, 0);
}

static void only_issuers_of_this_cluster_are_asked_about(void **state)
{
	static const struct { uint8_t issuer, cluster; enum err_code want; } rows[] = {
		{ 0, 1, ERR_OK }, { 2, 1, ERR_OK }, { 0, 0, ERR_INVALID_ARGUMENT }, { 1, 0, ERR_INVALID_ARGUMENT },
		{ 1, 1, ERR_INVALID_ARGUMENT }, { 3, 1, ERR_INVALID_ARGUMENT }, { 4, 1, ERR_INVALID_ARGUMENT }, { 0, 2, ERR_INVALID_ARGUMENT },
		{ 31, 15, ERR_INVALID_ARGUMENT }, { 255, 255, ERR_INVALID_ARGUMENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_review m = { .id = 1, .issuer = rows[i].issuer, .cluster = rows[i].cluster, .token = bytes_str("ey.J.x") };

		if (reviews_token(w.reviews, &one, &m).code != rows[i].want) fail_msg("issuer %u at %u", m.issuer, m.cluster);
	}
	assert_int_equal(w.cluster->asked, 2);
	assert_int_equal(w.count, 0);
}

static void the_same_question_is_asked_once(void **state)
{
	(void)state;
	must_ask(&one, 1, "ey.J.x");
	must_ask(&two, 1, "ey.J.x");
	must_ask(&one, 2, "ey.J.x");
	assert_int_equal(w.cluster->asked, 1);
	must_ask(&one, 3, "ey.J.y"); /* another token, and another issuer */
	assert_int_equal(w.cluster->asked, 2);
	assert_int_equal(reviews_token(w.reviews, &one, &(struct wire_review){ .id = 4, .issuer = 2, .cluster = 1, .token = bytes_str("ey.J.x") }).code, ERR_OK);
	assert_int_equal(w.cluster->asked, 3);
	answer_with("token-review-bad.json", ""); /* the newest */
	assert_int_equal(w.count, 1);
	assert_true(w.heard[0].id == 4 && w.heard[0].verdict == VERDICT_NO);
	answer_with("token-review-bad.json", "");
	assert_int_equal(w.count, 2);
	assert_true(w.heard[1].id == 3);
	answer_with("token-review.json", "");
	assert_int_equal(w.count, 5);
	for (size_t i = 2; i < 5; i++) assert_int_equal(w.heard[i].verdict, VERDICT_YES);
	assert_true(w.heard[2].asker != w.heard[3].asker || w.heard[3].asker != w.heard[4].asker);
	must_ask(&one, 5, "ey.J.x"); /* nothing is kept */
	assert_int_equal(w.cluster->asked, 4);
}

static void an_answer_may_lead_to_the_same_question(void **state)
{
	(void)state;
	must_ask(&one, 1, "ey.J.x");
	must_ask(&two, 2, "ey.J.x");
	w.ask_again = true;
	answer_with("token-review-bad.json", "");
	assert_int_equal(w.count, 2);
	assert_int_equal(w.cluster->asked, 2);
	answer_with("token-review.json", "");
	assert_int_equal(w.count, 3);
	assert_true(w.heard[2].id > 100 && w.heard[2].verdict == VERDICT_YES);
}

static void those_who_are_gone_are_not_told(void **state)
{
	(void)state;
	must_ask(&one, 1, "ey.J.x");
	must_ask(&two, 2, "ey.J.x");
	must_ask(&one, 3, "ey.J.y");
	reviews_forget(w.reviews, &three);
	assert_int_equal(w.cluster->cancelled, 0);
	reviews_forget(w.reviews, &one);
	assert_int_equal(w.cluster->cancelled, 1); /* nobody else wants to know of y */
	answer_with("token-review.json", "");
	assert_int_equal(w.count, 1);
	assert_ptr_equal(w.heard[0].asker, &two);
	must_ask(&one, 4, "ey.J.x");
	must_ask(&two, 5, "ey.J.x");
	must_ask(&one, 6, "ey.J.x");
	w.forget = &one; /* while they are told */
	answer_with("token-review.json", "");
	assert_in_range(w.count, 2, 3);
	assert_true(w.heard[1].id == 6 || w.heard[1].id == 5 || w.heard[1].id == 4);
	advance(60000);
	assert_in_range(w.count, 2, 3);
}

static void flood(void) /* two ask about each token */
{
	for (uint64_t i = 0; i < REVIEWS_MAX; i++) {
		char token[32];

		(void)snprintf(token, sizeof(token), "ey.J.%u", (unsigned)(i / 2));
		must_ask(i % 2 == 0 ? &one : &two, i, token);
	}
}

static void a_flood_is_refused_and_does_not_stay(void **state)
{
	(void)state;
	flood();
	assert_int_equal(w.cluster->asked, REVIEWS_MAX / 2);
	assert_int_equal(ask_for(&one, 1, "ey.J.x").code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(ask_for(&one, 1, "ey.J.0").code, ERR_RESOURCE_EXHAUSTED);
	reviews_forget(w.reviews, &two);
	assert_int_equal(ask_for(&three, 1, "ey.J.0").code, ERR_OK);
	advance(REVIEW_TIME_MS);
	assert_int_equal(w.count, REVIEWS_MAX / 2 + 1);
	assert_int_equal(w.cluster->cancelled, REVIEWS_MAX / 2);
	flood(); /* there is room again */
	assert_int_equal(ask_for(&one, 1, "ey.J.x").code, ERR_RESOURCE_EXHAUSTED);
}

/* What is logged while `work` runs, into `out`. */
static void logged(void (*work)(void), char *out, size_t size)
{
	char path[] = "/tmp/signet-log.XXXXXX";
	int fd = mkstemp(path), old = dup(2);
	ssize_t n;

	assert_true(fd >= 0 && old >= 0);
	(void)unlink(path);
	assert_int_equal(dup2(fd, 2), 2);
	work();
	assert_int_equal(dup2(old, 2), 2);
	n = pread(fd, out, size - 1, 0);
	assert_true(n >= 0);
	out[n] = '\0';
	(void)close(old);
	(void)close(fd);
}

static void forbid(void)
{
	AUTO(heap) char *text = sample_string("status-forbidden.json", "");

	must_ask(&one, 1, "ey.J.secret");
	fake_answers(w.cluster->requests, 403, text);
}

static void that_we_may_not_ask_is_logged_each_minute(void **state)
{
	char out[4096];

	(void)state;
	logged(forbid, out, sizeof(out));
	assert_non_null(strstr(out, "kube_review_forbidden"));
	assert_non_null(strstr(out, "cluster=here"));
	assert_non_null(strstr(out, "create tokenreviews"));
	assert_null(strstr(out, "secret"));
	advance(59000);
	logged(forbid, out, sizeof(out));
	assert_string_equal(out, "");
	advance(1000);
	logged(forbid, out, sizeof(out));
	assert_non_null(strstr(out, "kube_review_forbidden"));
	assert_int_equal(w.count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(w.heard[i].verdict, VERDICT_AWAY);
		assert_non_null(strstr(w.heard[i].why, "status 403: "));
	}
}

/* ---- nodes ---- */

static struct err ask_node(void *asker, uint64_t id)
{
	char texts[6][32] = { "istio-system", "ztunnel", "ztunnel-x2x9k", "uid-1", "default", "web" };
	struct err e = reviews_node(w.reviews, asker, &(struct wire_node){ .id = id,
								     .cluster = 1,
								     .proxy_ns = bytes_str(texts[0]),
								     .proxy_account = bytes_str(texts[1]),
								     .proxy_pod = bytes_str(texts[2]),
								     .proxy_uid = bytes_str(texts[3]),
								     .ns = bytes_str(texts[4]),
								     .account = bytes_str(texts[5]) });

	memset(texts, 'x', sizeof(texts));
	return e;
}

static void must_ask_node(void *asker, uint64_t id)
{
	assert_int_equal(ask_node(asker, id).code, ERR_OK);
}

static void a_known_pod_is_allowed_at_once(void **state)
{
	(void)state;
	pods_become(true, VERDICT_YES);
	must_ask_node(&one, 7);
	assert_int_equal(w.count, 1);
	assert_true(w.heard[0].asker == &one && w.heard[0].id == 7 && w.heard[0].verdict == VERDICT_YES);
	advance(60000);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.cluster->asked, 0);
}

/* What the pods are like at a time, and what is heard by then. */
static const struct {
	const char *name;
	struct { int64_t ms; bool synced; enum wire_verdict verdict; } become[3];
	int64_t told_ms; /* -1: at once */
	enum wire_verdict want;
} waits[] = {
	{ "pods that are never known", { { 0, false, VERDICT_NO } }, 5000, VERDICT_AWAY },
	{ "pods that become known", { { 0, false, VERDICT_NO }, { 3000, true, VERDICT_YES } }, 3000, VERDICT_YES },
	{ "known late, and not allowed", { { 0, false, VERDICT_NO }, { 3000, true, VERDICT_NO } }, 5000, VERDICT_NO },
	{ "known at the last moment", { { 0, false, VERDICT_NO }, { 4900, true, VERDICT_NO } }, 6900, VERDICT_NO },
	{ "known late, then new", { { 0, false, VERDICT_NO }, { 3000, true, VERDICT_NO }, { 4000, true, VERDICT_YES } }, 4000, VERDICT_YES },
	{ "known late, then others change", { { 0, false, VERDICT_NO }, { 1000, true, VERDICT_NO }, { 2500, true, VERDICT_NO } }, 3000, VERDICT_NO },
	{ "not allowed", { { 0, true, VERDICT_NO } }, 2000, VERDICT_NO },
	{ "others change", { { 0, true, VERDICT_NO }, { 1000, true, VERDICT_NO }, { 1900, true, VERDICT_NO } }, 2000, VERDICT_NO },
	{ "a new pod", { { 0, true, VERDICT_NO }, { 1500, true, VERDICT_YES } }, 1500, VERDICT_YES },
	{ "pods get lost", { { 0, true, VERDICT_NO }, { 1000, false, VERDICT_NO } }, 2000, VERDICT_AWAY },
	{ "pods get lost for a moment", { { 0, true, VERDICT_NO }, { 500, false, VERDICT_NO }, { 1000, true, VERDICT_NO } }, 2000, VERDICT_NO },
};

static void a_question_waits_for_pods(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		now_ms = 0;
		w.count = 0;
		pods_become(waits[i].become[0].synced, waits[i].become[0].verdict);
		must_ask_node(&one, i);
		for (size_t j = 1; j < 3 && waits[i].become[j].verdict != 0; j++) {
			advance(waits[i].become[j].ms - 1 - now_ms);
			if (w.count != 0) fail_msg("%s: told at %d ms", waits[i].name, (int)now_ms);
			advance(1);
			pods_become(waits[i].become[j].synced, waits[i].become[j].verdict);
		}
		if (now_ms < waits[i].told_ms) {
			advance(waits[i].told_ms - 1 - now_ms);
			if (w.count != 0) fail_msg("%s: told at %d ms", waits[i].name, (int)now_ms);
			advance(1);
		}
		if (w.count != 1) fail_msg("%s: not told", waits[i].name);
		if (w.heard[0].verdict != waits[i].want || w.heard[0].id != i) fail_msg("%s: verdict %d", waits[i].name, w.heard[0].verdict);
		assert_true((w.heard[0].verdict == VERDICT_YES) == (w.heard[0].why[0] == '\0'));
		if (waits[i].want == VERDICT_NO) assert_string_equal(w.heard[0].why, "no such pod on that node");
		advance(60000);
		assert_int_equal(w.count, 1);
		assert_null(timers);
	}
}

static void the_question_is_kept_whole(void **state)
{
	const struct wire_node *m;

	(void)state;
	must_ask_node(&one, 7);
	pods_become(true, VERDICT_NO);
	m = &the_pods->asked;
	assert_true(m->id == 7 && m->cluster == 1);
	assert_true(bytes_is(m->proxy_ns, "istio-system") && bytes_is(m->proxy_account, "ztunnel"));
	assert_true(bytes_is(m->proxy_pod, "ztunnel-x2x9k") && bytes_is(m->proxy_uid, "uid-1"));
	assert_true(bytes_is(m->ns, "default") && bytes_is(m->account, "web"));
}

static void nodes_of_another_cluster_are_not_answered(void **state)
{
	(void)state;
	assert_int_equal(reviews_node(w.reviews, &one, &(struct wire_node){ .cluster = 0 }).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(reviews_node(w.reviews, &one, &(struct wire_node){ .cluster = 2 }).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(w.count, 0);
}

static void pods_that_no_rule_needs_are_not_watched(void **state)
{
	(void)state;
	(void)tear_down(state);
	begin(false);
	assert_null(the_pods);
	must_ask_node(&one, 7);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.heard[0].verdict, VERDICT_NO);
}

static void those_who_are_gone_are_not_told_of_nodes(void **state)
{
	(void)state;
	must_ask_node(&one, 1);
	must_ask_node(&two, 2);
	must_ask_node(&one, 3);
	reviews_forget(w.reviews, &one);
	pods_become(true, VERDICT_YES);
	assert_int_equal(w.count, 1);
	assert_int_equal(w.heard[0].id, 2);
	pods_become(true, VERDICT_NO);
	for (uint64_t i = 4; i < 10; i++) must_ask_node(i % 2 == 0 ? &one : &two, i);
	w.forget = &one; /* while they are told */
	pods_become(true, VERDICT_YES);
	assert_in_range(w.count, 4, 5); /* all three of two, and of one the first at most */
	advance(60000);
	assert_in_range(w.count, 4, 5);
}

static void a_flood_of_nodes_is_refused(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < SAME_NODE_MAX; i++) must_ask_node(i % 2 == 0 ? &one : &two, i);
	assert_int_equal(ask_node(&three, 1).code, ERR_RESOURCE_EXHAUSTED);
	reviews_forget(w.reviews, &two);
	must_ask_node(&three, 1);
	pods_become(true, VERDICT_YES);
	assert_int_equal(w.count, SAME_NODE_MAX / 2 + 1);
	pods_become(true, VERDICT_NO); /* there is room again */
	for (uint64_t i = 0; i < SAME_NODE_MAX; i++) must_ask_node(&one, i);
	assert_int_equal(ask_node(&three, 1).code, ERR_RESOURCE_EXHAUSTED);
	the_pods->verdict = VERDICT_YES;
	must_ask_node(&three, 2); /* what need not wait has no bound */
	assert_int_equal(w.count, SAME_NODE_MAX / 2 + 2);
	advance(SAME_NODE_NEW_POD_MS);
	the_pods->verdict = VERDICT_NO;
	must_ask_node(&one, 3);
}

static void what_waits_is_dropped_at_the_end(void **state)
{
	(void)state;
	must_ask(&one, 1, "ey.J.x");
	must_ask(&two, 2, "ey.J.y");
	must_ask_node(&one, 3); /* tear_down() sees whether a timer or a request is left */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_api_server_is_asked_properly),
		TEST(yes_says_who_and_where),
		TEST(what_the_api_server_says_becomes_a_verdict),
		TEST(what_is_no_answer_is_no_verdict),
		TEST(an_api_server_that_cannot_be_reached_is_away),
		TEST(one_that_never_answers_is_given_up),
		TEST(what_cannot_be_a_token_is_not_asked_about),
		TEST(only_issuers_of_this_cluster_are_asked_about),
		TEST(the_same_question_is_asked_once),
		TEST(an_answer_may_lead_to_the_same_question),
		TEST(those_who_are_gone_are_not_told),
		TEST(a_flood_is_refused_and_does_not_stay),
		TEST(that_we_may_not_ask_is_logged_each_minute),
		TEST(a_known_pod_is_allowed_at_once),
		TEST(a_question_waits_for_pods),
		TEST(the_question_is_kept_whole),
		TEST(nodes_of_another_cluster_are_not_answered),
		TEST(pods_that_no_rule_needs_are_not_watched),
		TEST(those_who_are_gone_are_not_told_of_nodes),
		TEST(a_flood_of_nodes_is_refused),
		TEST(what_waits_is_dropped_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
