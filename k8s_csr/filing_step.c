/* filing_step.c: the calls that one request is made of, and what its object says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "k8s_csr/filing_internal.h"

#define S_US 1000000
#define WAIT_MAX_S 86400 /* ours: no deadline is that far off */

/* ---- answers in words ---- */

static void printable(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~') *text = '?';
}

void filing_describe(struct err e, const struct https_answer *a, filing_why out)
{
	struct kube_status status = { .code = 0 };
	AUTO(json) json_t *object = NULL;

	if (e.code != ERR_OK) {
		(void)snprintf(out, sizeof(filing_why), "%s%s%.400s", e.reason, a->text[0] == '\0' ? "" : ": ", a->text);
	} else if (kube_parse(a->body, &object).code == ERR_OK && kube_status_read(object, &status).code == ERR_OK) {
		(void)snprintf(out, sizeof(filing_why), "%ld %.100s: %s", a->status, status.reason, status.message);
	} else {
		(void)snprintf(out, sizeof(filing_why), "HTTP status %ld", a->status);
	}
	printable(out);
}

/* What stands for itself, whatever was asked. */
static enum wire_failure failure_of(struct err e, long status)
{
	if (e.code == ERR_RESOURCE_EXHAUSTED) return FAILURE_ANSWER; /* larger than any object */
	if (e.code != ERR_OK || status == 429 || status >= 500) return FAILURE_UNAVAILABLE;
	return status == 401 || status == 403 ? FAILURE_FORBIDDEN : FAILURE_REFUSED;
}

static void fail_by(struct filing *x, struct err e, const struct https_answer *a)
{
	filing_why why;

	filing_describe(e, a, why);
	filing_fail(x, failure_of(e, a->status), why);
}

/* ---- asking ---- */

static void on_answer(void *ctx, struct err e, const struct https_answer *a);

static const struct {
	enum https_method method;
	const char *suffix, *type;
	enum filing_rank rank;
} steps[] = {
	[STEP_CREATE] = { HTTPS_POST, "", "application/json", RANK_OTHER },
	[STEP_LOOK] = { HTTPS_GET, "", NULL, RANK_GO_ON },
	[STEP_APPROVE] = { HTTPS_PATCH, "/approval", "application/merge-patch+json", RANK_GO_ON },
};

/* Seconds until the deadline, 1 or more. */
static int64_t seconds_left(const struct filing *x)
{
	int64_t now = clock_wall();

	if (x->deadline <= now) return 1;
	return x->deadline < now + WAIT_MAX_S ? x->deadline - now : WAIT_MAX_S;
}

static void ask(struct filing *x, enum filing_step step, struct bytes body)
{
	int64_t left = seconds_left(x);
	char path[FILING_URL_MAX];
	struct cluster_ask a = { .method = steps[step].method, .path = path, .content_type = steps[step].type, .body = body };
	struct err e;

	(void)snprintf(path, sizeof(path), "%s%s%s%s", FILING_PATH, step == STEP_CREATE ? "" : "/",
	               step == STEP_CREATE ? "" : x->name, steps[step].suffix);
	a.timeout_ms = left * 1000 < FILING_ATTEMPT_MS ? left * 1000 : FILING_ATTEMPT_MS;
	a.until_us = clock_mono_us() + left * S_US;
	a.max_answer = KUBE_ANSWER_MAX;
	a.done = on_answer;
	a.ctx = x;
	e = filing_call(x->f, steps[step].rank, &a, &x->call);
	if (e.code == ERR_OK) x->step = (uint8_t)step;
	else filing_doom(x, e.code == ERR_RESOURCE_EXHAUSTED ? FAILURE_UNAVAILABLE : FAILURE_REFUSED, e.reason);
}

void filing_create(struct filing *x, const struct wire_file *m)
{
	AUTO(buf) struct buf body = { .max = HTTPS_BODY_MAX };
	struct err e = filing_body(x, m, &body);

	if (e.code != ERR_OK) {
		filing_doom(x, e.code == ERR_RESOURCE_EXHAUSTED ? FAILURE_UNAVAILABLE : FAILURE_REFUSED, e.reason);
		return;
	}
	x->may_exist = true;
	ask(x, STEP_CREATE, buf_view(&body));
}

void filing_look(struct filing *x)
{
	ask(x, STEP_LOOK, BYTES_NONE);
}

static void approve(struct filing *x, const json_t *object)
{
	/* guarded: what is approved is the object that was read, whoever may write others of that name */
	static const struct kube_approval approval = { .reason = "SignetPolicy",
		                                       .message = "Signet's policy grants it, by the rule in signet.dev/rule",
		                                       .guard = true };
	AUTO(buf) struct buf patch = { .max = HTTPS_BODY_MAX };
	struct err e = kube_csr_approve_patch(object, &approval, &patch);

	x->attempts++;
	if (e.code == ERR_OK) ask(x, STEP_APPROVE, buf_view(&patch));
	else filing_doom(x, FAILURE_ANSWER, e.reason);
}

/* ---- the object ---- */

/* Is it ours?  A name alone proves nothing: who may create objects may have taken it. */
static bool is_what_was_filed(const struct filing *x, const struct kube_csr *csr)
{
	return strcmp(csr->signer, filing_signer(x)) == 0 && bytes_equal(buf_view(&csr->request), BYTES(x->csr, x->csr_len));
}

static void know(struct filing *x, const struct kube_csr *csr)
{
	(void)snprintf(x->uid, sizeof(x->uid), "%s", csr->meta.uid);
	x->known = x->f->list;
	x->may_exist = true;
	free(x->csr);
	x->csr = NULL;
	if (x->resumed) return;
	metric_add_of(x->f->world->metrics, MO_FILED, x->issuer, 1);
	log_event(x->f->world->log, LOG_DEBUG, "kube_csr_filed", F_STR("cluster", cluster_id(x->f->o.cluster)),
		  F_STR("name", x->name), F_STR("signer", filing_signer(x)));
}

static void fail_decided(struct filing *x, const struct kube_csr *csr)
{
	filing_why why;

	(void)snprintf(why, sizeof(why), "%.200s: %s", csr->reason, csr->message);
	printable(why);
	filing_fail(x, csr->state == KUBE_CSR_DENIED ? FAILURE_DENIED : FAILURE_FAILED, why);
}

static void gone(struct filing *x, const char *why)
{
	x->may_exist = false;
	filing_fail(x, FAILURE_DELETED, why);
}

static bool is_to_approve(const struct filing *x)
{
	return !x->approved && x->step == STEP_NONE && filing_issuer(x)->approve == CONF_APPROVE_SELF && clock_wall() < x->deadline;
}

static void on_object(struct filing *x, const json_t *object, const struct kube_csr *csr)
{
	if (x->uid[0] != '\0' && strcmp(x->uid, csr->meta.uid) != 0) {
		gone(x, "somebody deleted it, and there is another of its name");
		return;
	}
	if (x->uid[0] == '\0' && !is_what_was_filed(x, csr)) {
		x->may_exist = false;
		filing_fail(x, FAILURE_REFUSED, "there is another request of its name");
		return;
	}
	if (x->uid[0] == '\0') know(x, csr);
	x->approved |= csr->state == KUBE_CSR_APPROVED;
	if (csr->state == KUBE_CSR_DENIED || csr->state == KUBE_CSR_FAILED) fail_decided(x, csr);
	else if (csr->state == KUBE_CSR_APPROVED && csr->certificate.len > SIGNED_PEM_MAX)
		filing_fail(x, FAILURE_ANSWER, "the certificates are too large");
	else if (csr->state == KUBE_CSR_APPROVED && csr->certificate.len > 0) filing_signed(x, buf_view(&csr->certificate));
	else if (is_to_approve(x)) approve(x, object);
}

void filing_object(struct filing *x, const json_t *object)
{
	AUTO(kube_csr) struct kube_csr csr = { .state = KUBE_CSR_PENDING };
	struct err e = kube_csr_read(object, &csr);

	if (e.code == ERR_OK) on_object(x, object, &csr);
	else filing_fail(x, FAILURE_ANSWER, e.reason);
}

static void on_body(struct filing *x, struct bytes body)
{
	AUTO(json) json_t *object = NULL;
	struct err e = kube_parse(body, &object);

	if (e.code == ERR_OK) filing_object(x, object);
	else filing_fail(x, FAILURE_ANSWER, e.reason);
}

/* ---- answers ---- */

/* A step went well: from here the next one is measured. */
static void step_done(struct filing *x, enum histogram_of h)
{
	int64_t now = clock_mono_us();

	if (!x->resumed) metric_observe_of(x->f->world->metrics, h, x->issuer, now - x->step_us);
	x->step_us = now;
}

static void on_created(struct filing *x, const struct https_answer *a)
{
	if (a->status == 409) { /* ours, of an attempt whose answer was lost, or somebody else's */
		if (x->uid[0] == '\0') x->may_exist = false;
		filing_look(x);
		return;
	}
	if (a->status != 201 && a->status != 200) {
		x->may_exist = false;
		fail_by(x, OK, a);
		return;
	}
	step_done(x, HO_CSR_CREATE);
	on_body(x, a->body);
}

static void on_looked(struct filing *x, const struct https_answer *a)
{
	x->deadline = x->wanted;
	if (a->status == 200) {
		on_body(x, a->body);
	} else if (a->status != 404) {
		fail_by(x, OK, a);
	} else if (x->resumed && x->uid[0] == '\0') {
		x->may_exist = false;
		filing_fail(x, FAILURE_LOST, "it is to be resumed, and is not there");
	} else {
		gone(x, "somebody deleted it");
	}
}

static void on_approved(struct filing *x, const struct https_answer *a)
{
	bool changed = a->status == 409 || a->status == 422; /* since it was read; maybe somebody else has decided */

	if (a->status == 200) {
		step_done(x, HO_CSR_APPROVE);
		x->approved = true;
		on_body(x, a->body);
	} else if (a->status == 404) {
		gone(x, "somebody deleted it");
	} else if (changed && x->attempts < FILING_APPROVE_MAX) {
		filing_look(x);
	} else {
		fail_by(x, OK, a);
	}
}

static void on_answer(void *ctx, struct err e, const struct https_answer *a)
{
	static void (*const answered[])(struct filing * x, const struct https_answer *a) = {
		[STEP_CREATE] = on_created,
		[STEP_LOOK] = on_looked,
		[STEP_APPROVE] = on_approved,
	};
	struct filing *x = ctx;
	uint8_t step = x->step;

	x->step = STEP_NONE;
	x->call = NULL;
	if (e.code != ERR_OK || a->status == 429 || a->status >= 500) fail_by(x, e, a);
	else answered[step](x, a);
}
