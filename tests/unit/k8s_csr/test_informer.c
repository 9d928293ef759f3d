/* An informer against API servers that end, break, forget and lie: what its owner hears, and what it asks. */
#include "kube_world.h"

#include "k8s_csr/informer.h"

struct heard {
	struct kube *k;
	struct informer *informer;
	const char *until; /* the loop stops when `text` is that */
	char text[4096];
};

static void hear(struct heard *h, const char *what, const char *name)
{
	size_t n = strlen(h->text);

	(void)snprintf(h->text + n, sizeof(h->text) - n, "%s%s%s", n == 0 ? "" : " ", what, name);
	if (h->until != NULL && strcmp(h->text, h->until) == 0) loop_stop(h->k->w->loop);
}

static void on_begin(void *ctx) { hear(ctx, "[", ""); }
static void on_synced(void *ctx) { hear(ctx, "]", ""); }

static void on_seen(void *ctx, const json_t *object)
{
	struct kube_meta m;

	assert_int_equal(kube_meta_read(object, &m).code, ERR_OK);
	hear(ctx, "+", m.name);
}

static void on_gone(void *ctx, const json_t *object)
{
	struct kube_meta m;

	assert_int_equal(kube_meta_read(object, &m).code, ERR_OK);
	hear(ctx, "-", m.name);
}

static void begin(struct heard *h, struct kube *k, const char *path, int64_t silence_ms, const char *selector)
{
	struct informer_options o = {
		.cluster = k->cluster, .path = path, .kind = "PodList", .selector = selector, .begin = on_begin, .seen = on_seen, .gone = on_gone,
		.synced = on_synced, .ctx = h, .silence_ms = silence_ms,
	};

	*h = (struct heard){ .k = k };
	assert_int_equal(informer_new(&o, &h->informer).code, ERR_OK);
	assert_false(informer_is_live(h->informer));
}

static void hear_until(struct heard *h, const char *text)
{
	h->until = text;
	h->k->w->late = false;
	if (strcmp(h->text, text) == 0) return;
	world_run(h->k->w, 2 * LONGEST_MS);
	if (h->k->w->late) fail_msg("heard \"%s\" and not \"%s\"", h->text, text);
}

static void value_of(const char *line, const char *key, char out[64])
{
	const char *at = strstr(line, key), *end = strchr(line, '\n');

	out[0] = '\0';
	if (at == NULL || at > end) return;
	(void)snprintf(out, 64, "%.*s", (int)strcspn(at + strlen(key), "& \n"), at + strlen(key));
}

/* What was asked, in short: L list (with `more` and the size of a page, unless 500), W watch (with the version). */
static void shorten(const char *asked, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (const char *line = asked; *line != '\0'; line = strchr(line, '\n') + 1) {
		char version[64], more[64], page[64], watch[64];

		value_of(line, "resourceVersion=", version);
		value_of(line, "continue=", more);
		value_of(line, "limit=", page);
		value_of(line, "watch=", watch);
		n += (size_t)snprintf(out + n, size - n, "%s%s%s", n == 0 ? "" : " ", watch[0] != '\0' ? "W" : "L",
		                      watch[0] != '\0' ? version : more);
		if (page[0] != '\0' && strcmp(page, "500") != 0) n += (size_t)snprintf(out + n, size - n, "/%s", page);
	}
}

#define LIST_A "{'list': 'a', 'version': '10'}, "
#define END "{'watch': ['ADDED end 99'], 'end': 'hang'}"
static const struct story {
	const char *name, *steps, *heard, *asked;
	unsigned lost;
} stories[] = {
	{ "plain", "{'list': 'a b', 'version': '10'}, {'watch': ['ADDED c 11', 'DELETED a 12', 'MODIFIED b 13', 'ADDED end 99'], 'end': 'hang'}",
	  "[ +a +b ] +c -a +b +end", "L W10", 0 },
	{ "none", "{'list': '', 'version': '10'}, " END, "[ ] +end", "L W10", 0 },
	{ "pages", "{'list': 'a', 'version': '9', 'more': 'm1'}, {'list': 'b', 'version': '9', 'more': 'm/2'}, {'list': 'c', 'version': '10'}, " END,
	  "[ +a +b +c ] +end", "L Lm1 Lm%2F2 W10", 0 },
	{ "page_expired", "{'list': 'a', 'version': '9', 'more': 'm1'}, {'status': 410}, {'list': 'b', 'version': '10'}, " END,
	  "[ +a [ +b ] +end", "L Lm1 L W10", 0 },
	{ "page_fails", "{'list': 'a', 'version': '9', 'more': 'm1'}, {'status': 500}, {'list': 'b', 'version': '10'}, " END,
	  "[ +a [ +b ] +end", "L Lm1 L W10", 1 },
	{ "large_pages", "{'list': 'a b', 'pad': 3000000, 'version': '9'}, {'list': 'a b', 'pad': 3000000, 'version': '9'}, "
	  "{'list': 'a', 'version': '10'}, {'status': 410}, {'list': 'a', 'version': '20'}, " END,
	  "[ +a ] [ +a ] +end", "L L/250 L/125 W10 L/250 W20", 0 },
	{ "pieces", "{'list': 'a', 'version': '10'}, {'watch': ['ADDED b||c 11', 'DEL||ETED a 1||2', 'ADDED end 99'], 'end': 'hang'}",
	  "[ +a ] +bc -a +end", "L W10", 0 },
	/* ends */
	{ "well", LIST_A "{'watch': ['ADDED b 11'], 'hold': 2}, " END, "[ +a ] +b +end", "L W10 W11", 0 },
	{ "bookmark", LIST_A "{'watch': ['BOOKMARK - 15'], 'hold': 2}, " END, "[ +a ] +end", "L W10 W15", 0 },
	{ "well_empty", LIST_A "{'watch': [], 'hold': 2}, " END, "[ +a ] +end", "L W10 W10", 0 },
	{ "at_once", LIST_A "{'watch': ['ADDED b 11']}, " END, "[ +a ] +b +end", "L W10 W11", 1 },
	{ "cut", LIST_A "{'watch': ['ADDED b 11'], 'end': 'cut'}, " END, "[ +a ] +b +end", "L W10 W11", 1 },
	{ "cut_late", LIST_A "{'watch': ['ADDED b 11'], 'hold': 2, 'end': 'cut'}, " END, "[ +a ] +b +end", "L W10 W11", 1 },
	{ "inside_a_line", LIST_A "{'watch': ['ADDED b 11', '!{\"type\":']}, " END, "[ +a ] +b +end", "L W10 W11", 1 },
	/* too old */
	{ "gone", LIST_A "{'status': 410}, {'list': 'b', 'version': '20'}, " END, "[ +a ] [ +b ] +end", "L W10 L W20", 0 },
	{ "gone_inside", LIST_A "{'watch': ['ADDED b 11', 'ERROR 410 too old'], 'end': 'hang'}, {'list': 'c', 'version': '20'}, " END,
	  "[ +a ] +b [ +c ] +end", "L W10 L W20", 0 },
	{ "gone_twice", LIST_A "{'status': 410}, {'list': 'b', 'version': '20'}, {'status': 410}, {'list': 'c', 'version': '30'}, " END,
	  "[ +a ] [ +b ] [ +c ] +end", "L W10 L W20 L W30", 1 },
	/* nonsense */
	{ "no_json", LIST_A "{'watch': ['ADDED b 11', '!hello\\n', 'ADDED c 12'], 'end': 'hang'}, {'list': 'd', 'version': '20'}, " END,
	  "[ +a ] +b [ +d ] +end", "L W10 L W20", 1 },
	{ "no_type", LIST_A "{'watch': ['PRAISED b 11'], 'end': 'hang'}, {'list': 'c', 'version': '20'}, " END,
	  "[ +a ] [ +c ] +end", "L W10 L W20", 1 },
	{ "long_line", LIST_A "{'watch': ['!5000000'], 'end': 'hang'}, {'list': 'c', 'version': '20'}, " END,
	  "[ +a ] [ +c ] +end", "L W10 L W20", 1 },
	{ "other_error", LIST_A "{'watch': ['ERROR 500 disabled'], 'end': 'hang'}, {'list': 'c', 'version': '20'}, " END,
	  "[ +a ] [ +c ] +end", "L W10 L W20", 1 },
	{ "other_list", "{'body': '{\"kind\":\"ConfigMapList\",\"items\":[]}'}, " LIST_A END, "[ +a ] +end", "L L W10", 1 },
	{ "no_list", "{'body': '[]'}, " LIST_A END, "[ +a ] +end", "L L W10", 1 },
	{ "list_cut", "{'watch': ['!{'], 'end': 'cut'}, " LIST_A END, "[ +a ] +end", "L L W10", 1 },
	/* refused */
	{ "forbidden", "{'status': 403}, {'status': 403}, " LIST_A END, "[ +a ] +end", "L L L W10", 1 },
	{ "watch_forbidden", LIST_A "{'status': 403}, " END, "[ +a ] +end", "L W10 W10", 1 },
	{ "watch_missing", LIST_A "{'status': 404}, {'list': 'b', 'version': '20'}, " END, "[ +a ] [ +b ] +end", "L W10 L W20", 1 },
	{ "watch_broken", LIST_A "{'status': 500}, {'status': 503}, " END, "[ +a ] +end", "L W10 W10 W10", 1 },
	{ "busy", "{'status': 429, 'body': 'Too many', 'fields': ['Retry-After: 1', 'Content-Type: text/plain']}, " LIST_A
	  "{'status': 429, 'body': 'Too many', 'fields': ['Retry-After: 1']}, " END, "[ +a ] +end", "L L W10 W10", 1 },
};

static void wait_for_log(struct kube *k, const char *what)
{
	for (int i = 0; i < 1000 && logged(k, what) == 0; i++) world_run(k->w, 20);
	if (logged(k, what) != 1) fail_msg("the log has %u times: %s", logged(k, what), what);
}

/* Of one informer. */
static unsigned logged_of(struct kube *k, const char *event, const char *name)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%s cluster=far path=/%s/pods", event, name);
	return logged(k, text);
}

static struct cluster *run(struct kube *k, struct heard *h, const char *name, const char *steps, int64_t silence_ms)
{
	char script[2048], path[64];
	struct cluster *cluster;

	(void)snprintf(script, sizeof(script), "{'steps': [%s]}", steps);
	(void)snprintf(path, sizeof(path), "/%s/pods", name);
	kube_script(k, name, script);
	kube_cluster(k, "kubeconfig", 0); /* of its own: a target has few connections */
	begin(h, k, path, silence_ms, NULL);
	cluster = k->cluster;
	k->cluster = NULL;
	return cluster;
}

static bool is_told(struct kube *k, const struct story *s, const struct heard *h)
{
	return strcmp(h->text, s->heard) == 0 && (s->lost == 0 || logged_of(k, "kube_watch_back", s->name) > 0);
}

static void check_story(struct kube *k, const struct story *s, const struct heard *h)
{
	char asked[512];
	struct got g;

	kube_asked(k, s->name, &g);
	shorten(g.body, asked, sizeof(asked));
	if (strcmp(h->text, s->heard) != 0) fail_msg("%s: heard %s; asked %s", s->name, h->text, asked);
	if (strcmp(asked, s->asked) != 0) fail_msg("%s: asked %s", s->name, asked);
	if (!informer_is_live(h->informer)) fail_msg("%s: does not live", s->name);
	if (logged_of(k, "kube_watch_lost", s->name) != s->lost || logged_of(k, "kube_watch_back", s->name) != s->lost)
		fail_msg("%s: told otherwise", s->name);
}

/* All at the same time. */
static void owner_hears_all_and_the_server_is_asked_no_more(void **state)
{
	struct kube *k = *state;
	static struct heard h[ARRAY_LEN(stories)];
	struct cluster *clusters[ARRAY_LEN(stories)];
	size_t told = 0;

	for (size_t i = 0; i < ARRAY_LEN(stories); i++) clusters[i] = run(k, &h[i], stories[i].name, stories[i].steps, 0);
	for (int n = 0; n < 600 && told < ARRAY_LEN(stories); n++) {
		world_run(k->w, 50);
		for (told = 0; told < ARRAY_LEN(stories) && is_told(k, &stories[told], &h[told]); told++) {}
	}
	for (size_t i = 0; i < ARRAY_LEN(stories); i++) check_story(k, &stories[i], &h[i]);
	for (size_t i = 0; i < ARRAY_LEN(stories); i++) {
		informer_free(h[i].informer);
		cluster_free(clusters[i]);
	}
}

/* It is listed anew: of a version that is yet to come a server tells nothing. */
static void silence_ends_a_watch(void **state)
{
	struct kube *k = *state;
	struct heard h;
	struct cluster *cluster = run(k, &h, "silence", LIST_A "{'watch': ['ADDED b 11'], 'end': 'hang'}, {'list': 'c', 'version': '20'}, " END, 900);
	char asked[512];
	struct got g;

	hear_until(&h, "[ +a ] +b [ +c ] +end");
	kube_asked(k, "silence", &g);
	shorten(g.body, asked, sizeof(asked));
	assert_string_equal(asked, "L W10 L W20");
	assert_int_equal(logged_of(k, "kube_watch_lost", "silence"), 1);
	informer_free(h.informer);
	cluster_free(cluster);
}

/* ---- what is asked ---- */

static void queries_are_complete_and_encoded(void **state)
{
	struct kube *k = *state;
	struct heard h;
	struct got g;
	unsigned seconds = 0;
	const char *at;

	kube_script(k, "query", "{'steps': [" LIST_A END "]}");
	kube_cluster(k, "kubeconfig", 0);
	begin(&h, k, "/query/pods?fieldSelector=x", 0, "signet.dev/a=b c");
	hear_until(&h, "[ +a ] +end");
	kube_asked(k, "query", &g);
	assert_has(&g, "GET /query/pods?fieldSelector=x&limit=500&labelSelector=signet.dev%2Fa%3Db%20c Bearer " SECRET "\n");
	assert_has(&g, "GET /query/pods?fieldSelector=x&watch=1&allowWatchBookmarks=true&timeoutSeconds=");
	assert_has(&g, "&resourceVersion=10&labelSelector=signet.dev%2Fa%3Db%20c Bearer " SECRET "\n");
	at = strstr(g.body, "timeoutSeconds=");
	assert_int_equal(sscanf(at, "timeoutSeconds=%u", &seconds), 1);
	assert_true(seconds >= 240 && seconds <= 360);
	assert_int_equal(logged(k, SECRET), 0);
	informer_free(h.informer);
}

static void too_long_a_path_is_refused(void **state)
{
	static char text[4096];
	struct kube *k = *state;
	struct informer *informer = NULL;
	struct informer_options o = { .path = text, .kind = "PodList", .begin = on_begin, .seen = on_seen, .gone = on_gone, .synced = on_synced };

	memset(text, 'x', sizeof(text) - 1);
	kube_cluster(k, "kubeconfig", 0);
	o.cluster = k->cluster;
	assert_int_equal(informer_new(&o, &informer).code, ERR_INVALID_ARGUMENT);
	o.path = "/api/v1/pods";
	o.selector = text;
	assert_int_equal(informer_new(&o, &informer).code, ERR_INVALID_ARGUMENT);
	assert_null(informer);
}

/* ---- servers that make it run in circles ---- */

static void circles_are_slow(void **state)
{
	static const struct { const char *name, *steps; } cases[] = {
		{ "circle_gone", "{'list': '', 'version': '1'}, {'status': 410}" },
		{ "circle_gone_inside", "{'list': '', 'version': '1'}, {'watch': ['ERROR 410 old']}" },
		{ "circle_list_gone", "{'status': 410}" },
		{ "circle_end", "{'list': '', 'version': '1'}, {'watch': []}" },
		{ "circle_refused", "{'status': 403}" },
		{ "circle_nonsense", "{'list': '', 'version': '1'}, {'watch': ['!x\\n']}" },
		{ "circle_large", "{'watch': ['!5000000']}" },
	};
	struct kube *k = *state;
	struct heard h[ARRAY_LEN(cases)];
	struct cluster *clusters[ARRAY_LEN(cases)];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char steps[2000] = "";

		for (int n = 0; n < 12; n++) (void)snprintf(steps + strlen(steps), sizeof(steps) - strlen(steps), "%s, ", cases[i].steps);
		clusters[i] = run(k, &h[i], cases[i].name, steps, 0);
	}
	world_run(k->w, 2500);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct got g;

		kube_asked(k, cases[i].name, &g);
		if (count_lines(g.body) < 2 || count_lines(g.body) > 16) fail_msg("%s: asked %s", cases[i].name, g.body);
		if (logged_of(k, "kube_watch_lost", cases[i].name) > 1) fail_msg("%s: told often", cases[i].name);
		informer_free(h[i].informer);
		cluster_free(clusters[i]);
	}
}

/* ---- outages ---- */

static void outage_is_told_once_with_what_the_server_says(void **state)
{
	struct kube *k = *state;
	struct heard h;

	kube_script(k, "denied", "{'steps': [" "{'status': 403, 'body': '{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":403,\"message\":\"pods is forbidden\"}'}]}");
	kube_cluster(k, "kubeconfig", 0);
	begin(&h, k, "/denied/pods", 0, NULL);
	for (int i = 0; i < 1000 && metric_of(k, MO_CALLS) < 3; i++) world_run(k->w, 20);
	assert_int_equal(logged(k, "kube_watch_lost"), 1);
	assert_int_equal(logged(k, "pods is forbidden"), 1);
	assert_int_equal(logged(k, "path=/denied/pods"), 1);
	assert_int_equal(logged(k, "status=403"), 1);
	assert_int_equal(logged(k, "kube_watch_back"), 0);
	assert_false(informer_is_live(h.informer));
	informer_free(h.informer);
}

static void server_that_starts_anew_is_found_again(void **state)
{
	struct kube *k = *state;
	struct heard h;

	kube_script(k, "anew", "{'steps': [" LIST_A "{'watch': ['ADDED b 11'], 'end': 'hang'}]}");
	kube_cluster(k, "kubeconfig", 0);
	begin(&h, k, "/anew/pods", 0, NULL);
	hear_until(&h, "[ +a ] +b");
	assert_true(informer_is_live(h.informer));
	site_stop(k->w->site);
	wait_for_log(k, "kube_watch_lost");
	assert_false(informer_is_live(h.informer));
	kube_script(k, "anew", "{'steps': [" END "]}");
	site_start(k->w->site);
	hear_until(&h, "[ +a ] +b +end");
	wait_for_log(k, "kube_watch_back");
	assert_true(informer_is_live(h.informer));
	assert_int_equal(logged(k, "kube_watch_lost"), 1);
	informer_free(h.informer);
}

/* In every state. */
static void freed_informers_are_silent(void **state)
{
	struct kube *k = *state;
	struct heard h;

	kube_script(k, "free", "{'steps': [{'list': 'a', 'version': '10', 'after': 0.2}, {'watch': ['ADDED b 11'], 'end': 'hang'}, {'status': 500}]}");
	kube_cluster(k, "kubeconfig", 0);
	begin(&h, k, "/free/pods", 0, NULL);
	world_run(k->w, 50);
	informer_free(h.informer);
	begin(&h, k, "/free/pods", 0, NULL);
	informer_free(h.informer);
	kube_script(k, "free2", "{'steps': [" LIST_A "{'watch': ['ADDED b 11'], 'end': 'hang'}]}");
	begin(&h, k, "/free2/pods", 0, NULL);
	hear_until(&h, "[ +a ] +b");
	informer_free(h.informer);
	kube_script(k, "free3", "{'steps': [{'status': 500}]}");
	begin(&h, k, "/free3/pods", 0, NULL);
	wait_for_log(k, "path=/free3/pods");
	informer_free(h.informer);
	informer_free(NULL);
	h.text[0] = '\0';
	world_run(k->w, 300);
	assert_string_equal(h.text, "");
}

#define T(name) cmocka_unit_test_setup_teardown(name, kube_begin, kube_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(owner_hears_all_and_the_server_is_asked_no_more),
		T(silence_ends_a_watch),
		T(queries_are_complete_and_encoded),
		T(too_long_a_path_is_refused),
		T(circles_are_slow),
		T(outage_is_told_once_with_what_the_server_says),
		T(server_that_starts_anew_is_found_again),
		T(freed_informers_are_silent),
	};

	return cmocka_run_group_tests(tests, site_begin, site_end);
}
