/* filing_world.h: a cluster and an informer that do what a test says, and a `filings` upon them. */
#ifndef SIGNET_TESTS_FILING_WORLD_H
#define SIGNET_TESTS_FILING_WORLD_H

#include "samples.h"

#include "base/clock.h"
#include "base/loop.h"
#include "der/base64.h"
#include "der/pem.h"
#include "k8s_csr/filing.h"
#include "k8s_csr/informer.h"

#define SIGNER "example.org/mesh"
#define UID "11111111-2222-3333-4444-555555555555"
#define LONGEST_US (30 * 1000000LL)
#define REQUESTS_MAX 4096
#define INSTANCE "000102030405060708090a0b0c0d0e0f"
#define NAME "signet-1-00aa"

struct cluster {
	struct cluster_options o;
	struct cluster_request *all[REQUESTS_MAX]; /* in order; NULL: ended */
	size_t count;
	bool full; /* starts fail */
};
struct cluster_request {
	struct cluster *c;
	size_t at;
	struct cluster_ask ask;
	char *path, *body;
};
struct informer {
	struct informer_options o;
};

struct world {
	struct loop *loop;
	struct conf *conf;
	struct log log;
	struct metrics metrics;
	struct cluster cluster;
	struct informer *informer; /* the newest */
	unsigned informers;
	bool no_informer; /* none can be made */
	struct filings *filings;
	bool done_within; /* filings_done() is called from within the answer */
	size_t answers;
	char said[1024]; /* of the last answer: "signed PEM", or its failure; and why */
	char why[1024];
	uint64_t id;
	struct buf csr;
};
static struct world *world; /* for the fakes */

/* ---- cluster.h ---- */

const char *cluster_id(const struct cluster *c)
{
	(void)c;
	return "one";
}

const struct cluster_options *cluster_options_of(const struct cluster *c)
{
	return &c->o;
}

struct err cluster_start(struct cluster *c, const struct cluster_ask *ask, struct cluster_request **out)
{
	struct cluster_request *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	if (c->full) {
		free(r);
		FAIL(ERR_RESOURCE_EXHAUSTED, "fake: full");
	}
	assert_true(c->count < REQUESTS_MAX);
	*r = (struct cluster_request){ .c = c, .at = c->count, .ask = *ask, .path = strdup(ask->path) };
	r->body = strndup(ask->body.len == 0 ? "" : (const char *)ask->body.data, ask->body.len);
	assert_true(ask->timeout_ms >= 1 && ask->timeout_ms <= 10000 && ask->max_answer >= 1 && ask->done != NULL);
	assert_true((ask->content_type != NULL) == (ask->body.len > 0));
	c->all[c->count++] = r;
	*out = r;
	return OK;
}

void cluster_cancel(struct cluster_request *r)
{
	if (r == NULL) return;
	r->c->all[r->at] = NULL;
	free(r->path);
	free(r->body);
	free(r);
}

/* ---- informer.h ---- */

struct err informer_new(const struct informer_options *options, struct informer **out)
{
	struct informer *i = calloc(1, sizeof(*i));

	assert_non_null(i);
	assert_string_equal(options->selector, FILING_LABEL "=" INSTANCE);
	assert_string_equal(options->path, "/apis/certificates.k8s.io/v1/certificatesigningrequests");
	assert_string_equal(options->kind, "CertificateSigningRequestList");
	if (world->no_informer) {
		free(i);
		FAIL(ERR_RESOURCE_EXHAUSTED, "fake: no informer");
	}
	i->o = *options;
	world->informer = i;
	world->informers++;
	*out = i;
	return OK;
}

void informer_free(struct informer *i)
{
	if (i == NULL) return;
	world->informers--;
	free(i);
}

/* ---- what is asked, and the answers ---- */

static const char *const methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE" };

static inline struct cluster_request *request_of(const char *method)
{
	for (size_t i = 0; i < world->cluster.count; i++) {
		struct cluster_request *r = world->cluster.all[i];

		if (r != NULL && strcmp(methods[r->ask.method], method) == 0) return r;
	}
	return NULL;
}

static inline size_t requests(void)
{
	size_t n = 0;

	for (size_t i = 0; i < world->cluster.count; i++) n += world->cluster.all[i] != NULL;
	return n;
}

/* status 0: there is none. */
static inline void answer(struct cluster_request *r, long status, const char *body)
{
	struct https_answer a = { .status = status, .body = bytes_str(body), .text = status == 0 ? "connection r\x01 fused" : "" };
	struct cluster_ask ask = r->ask;

	cluster_cancel(r);
	ask.done(ask.ctx, status == 0 ? ERR(ERR_UNAVAILABLE, "fake: away") : OK, &a);
}

/* ---- objects ---- */

struct look { /* how an object looks; members of conditions in JSON */
	const char *word, *conditions, *certificate, *uid, *signer;
	bool other_request;
};
#define CONDITION(type) "[{\"type\":\"" type "\",\"status\":\"True\",\"reason\":\"Because\",\"message\":\"it is so\"}]"
static const struct look looks[] = {
	{ "PENDING", "[]", "", UID, SIGNER, false },
	{ "APPROVED", CONDITION("Approved"), "", UID, SIGNER, false },
	{ "ISSUED", CONDITION("Approved"), "PEM", UID, SIGNER, false },
	{ "EARLY", "[]", "PEM", UID, SIGNER, false }, /* a certificate that nobody approved */
	{ "DENIED", CONDITION("Denied"), "", UID, SIGNER, false },
	{ "DENIED_ISSUED", CONDITION("Denied"), "PEM", UID, SIGNER, false },
	{ "FAILED", CONDITION("Failed"), "", UID, SIGNER, false },
	{ "REPLACED", CONDITION("Approved"), "PEM", "another-uid", SIGNER, false },
	{ "OTHER_SIGNER", CONDITION("Approved"), "PEM", UID, "example.org/other", false },
	{ "OTHER_KEY", CONDITION("Approved"), "PEM", UID, SIGNER, true },
	{ "BROKEN", "[{\"type\":\"Approved\",\"status\":\"False\"}]", "", UID, SIGNER, false },
	{ "HUGE", CONDITION("Approved"), "huge", UID, SIGNER, false },
};

static inline json_t *base64_json(struct bytes in)
{
	AUTO(buf) struct buf text = { .max = 1024 * 1024 };

	assert_int_equal(base64_put(&text, in).code, ERR_OK);
	return json_stringn((const char *)text.data, text.len);
}

static inline json_t *object(const struct look *look, const char *name)
{
	AUTO(buf) struct buf pem = { .max = 64 * 1024 }, huge = { .max = 64 * 1024 };
	json_t *o;

	assert_int_equal(pem_put(&pem, "CERTIFICATE REQUEST", look->other_request ? BYTES("\x30\x00", 2) : buf_view(&world->csr)).code,
	                 ERR_OK);
	while (strcmp(look->certificate, "huge") == 0 && huge.len <= SIGNED_PEM_MAX)
		assert_int_equal(buf_put_str(&huge, "1234567").code, ERR_OK);
	o = json_pack("{s{ss ss ss ss s{ss}} s{so ss} s{so}}", "metadata", "name", name, "uid", look->uid, "resourceVersion", "7",
	              "creationTimestamp", "2026-11-30T08:20:44Z", "labels", FILING_LABEL, INSTANCE, "spec", "request",
	              base64_json(buf_view(&pem)), "signerName", look->signer, "status", "conditions",
	              json_loads(look->conditions, 0, NULL));
	assert_non_null(o);
	if (look->certificate[0] != '\0')
		(void)json_object_set_new(json_object_get(o, "status"), "certificate",
		                          base64_json(huge.len > 0 ? buf_view(&huge) : bytes_str(look->certificate)));
	return o;
}

static inline json_t *object_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(looks); i++)
		if (strcmp(looks[i].word, word) == 0) return object(&looks[i], NAME);
	fail_msg("no object %s", word);
	return NULL;
}

/* ---- a world ---- */

static inline void on_signed(void *ctx, uint64_t id, struct bytes pem)
{
	struct world *w = ctx;

	w->answers++;
	w->id = id;
	(void)snprintf(w->said, sizeof(w->said), "signed %.*s", (int)pem.len, (const char *)pem.data);
	if (w->done_within) filings_done(w->filings, id);
}

static inline void on_failed(void *ctx, uint64_t id, enum wire_failure failure, const char *why)
{
	static const char *const words[] = { "", "denied", "failed", "deleted", "deadline", "unavailable", "forbidden",
		                             "refused", "answer", "lost" };
	struct world *w = ctx;

	w->answers++;
	w->id = id;
	(void)snprintf(w->said, sizeof(w->said), "%s", words[failure]);
	(void)snprintf(w->why, sizeof(w->why), "%s", why);
	assert_true(strlen(why) > 0 && strlen(why) <= WIRE_WHY_MAX);
	for (const char *p = why; *p != '\0'; p++) assert_true(*p >= ' ' && *p <= '~');
	if (w->done_within) filings_done(w->filings, id);
}

static inline void world_begin(struct world *w)
{
	static const char pool[] = "\0one\0" SIGNER;
	struct filings_options o = { .signed_pem = on_signed, .failed = on_failed, .ctx = w };
	size_t len;
	AUTO(heap) char *der = sample_text("request.der", &len);

	memset(w, 0, sizeof(*w));
	world = w;
	w->csr.max = len;
	assert_int_equal(buf_put(&w->csr, der, len).code, ERR_OK);
	w->conf = calloc(1, sizeof(*w->conf) + sizeof(pool));
	assert_non_null(w->conf);
	memcpy(w->conf->pool, pool, sizeof(pool));
	w->conf->pool_len = sizeof(pool);
	w->conf->csr_issuer_count = 1;
	w->conf->csr_issuers[0] = (struct conf_csr_issuer){ .name = 1, .cluster = 1, .signer_name = 5, .deadline = 60 };
	w->log = (struct log){ .level = LOG_ERROR, .process = "courier" };
	assert_int_equal(loop_new(&w->loop).code, ERR_OK);
	w->cluster.o = (struct cluster_options){ .loop = w->loop, .conf = w->conf, .log = &w->log, .metrics = &w->metrics };
	for (uint8_t i = 0; i < WIRE_INSTANCE_LEN; i++) o.instance[i] = i;
	o.cluster = &w->cluster;
	assert_int_equal(filings_new(&o, &w->filings).code, ERR_OK);
}

static inline void world_end(struct world *w)
{
	filings_free(w->filings);
	assert_int_equal(requests(), 0);
	assert_int_equal(w->informers, 0);
	loop_free(w->loop);
	buf_free(&w->csr);
	free(w->conf);
}

static inline struct wire_file order(uint64_t id, const char *name)
{
	return (struct wire_file){ .id = id,
		                   .deadline = clock_wall() + 3600,
		                   .lifetime = 3600,
		                   .name = bytes_str(name),
		                   .spiffe_id = bytes_str("spiffe://example.org/ns/default/sa/web"),
		                   .caller = bytes_str("system:serviceaccount:default:web"),
		                   .rule = bytes_str("mesh"),
		                   .csr = buf_view(&world->csr) };
}

/* ---- time ---- */

static inline void stop(void *ctx)
{
	loop_stop(ctx);
}

/* The loop runs until so many answers, and starts of requests, have come; a test has failed if they do not. */
static inline void run_until_both(size_t answers, size_t started)
{
	int64_t end = clock_mono_us() + LONGEST_US;
	struct timer *t;

	assert_int_equal(timer_new(world->loop, stop, world->loop, &t).code, ERR_OK);
	while (world->answers < answers || world->cluster.count < started) {
		if (clock_mono_us() > end) fail_msg("%zu answers, %zu requests", world->answers, world->cluster.count);
		assert_int_equal(timer_start(t, 10).code, ERR_OK);
		(void)loop_run(world->loop);
	}
	timer_free(t);
}

static inline void run_for(int64_t ms)
{
	struct timer *t;

	assert_int_equal(timer_new(world->loop, stop, world->loop, &t).code, ERR_OK);
	assert_int_equal(timer_start(t, ms).code, ERR_OK);
	(void)loop_run(world->loop);
	timer_free(t);
}

static inline void run_until(size_t answers)
{
	run_until_both(answers, 0);
}

static inline void run_until_started(size_t requests)
{
	run_until_both(0, requests);
}

#endif
