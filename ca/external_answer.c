/* external_answer.c: what another signer sent back: held to what was asked for, then on its way to the record. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "ca/external_inside.h"
#include "ca/takeover.h"
#include "der/pem.h"

static void refuse_answer(struct keeper *k, struct job *job, const char *what)
{
	log_event(k->log, LOG_ERROR, "issuer_answer_refused",
	          F_STR("issuer", conf_text(k->conf, k->conf->csr_issuers[job->external->issuer].name)),
	          F_STR("name", job->external->name), F_BYTES("spiffe_id", job->issue.spiffe_id), F_STR("what", what));
	external_refuse(k, job, REASON_ISSUER_ANSWER, bytes_str(what));
}

/* ---- its roots ---- */

/* An issuer whose roots nobody told us: those that its first certificate came with, from then on. */
static struct err roots_for(struct keeper *k, const struct job *job, struct bytes pem, struct buf *first)
{
	const struct conf_csr_issuer *issuer = &k->conf->csr_issuers[job->external->issuer];
	struct bytes known = issuer_roots_of(k->external->roots, job->external->issuer);

	if (known.len > 0) return buf_put(first, known.data, known.len);
	if (!issuer->trust_on_first_use) FAIL(ERR_NOT_FOUND, "keeper: the issuer's roots are not known");
	return issuer_roots_among(pem, first);
}

static struct err save_roots(struct keeper *k, const struct store_event *ev)
{
	AUTO(buf) struct buf saved = { .max = STORE_VALUE_MAX };

	TRY(issuer_roots_save(k->external->roots, &saved));
	return external_store(k, ISSUER_ROOTS, buf_view(&saved), ev);
}

/* Durable, then told to all. */
static struct err use_roots(struct keeper *k)
{
	TRY(save_roots(k, NULL));
	return takeover_publish(k);
}

static struct err pin(struct keeper *k, struct job *job, struct bytes roots)
{
	struct external *x = k->external;
	struct err e = OK;

	if (issuer_roots_of(x->roots, job->external->issuer).len > 0) return OK;
	pthread_mutex_lock(&k->roots_lock);
	e = issuer_roots_pin(x->roots, job->external->issuer, roots);
	pthread_mutex_unlock(&k->roots_lock);
	if (e.code == ERR_OK) e = use_roots(k);
	if (e.code == ERR_OK)
		log_event(k->log, LOG_WARN, "issuer_root_pinned",
		          F_STR("issuer", conf_text(k->conf, k->conf->csr_issuers[job->external->issuer].name)),
		          F_STR("note", "trusted because it came with the first certificate; write it into roots_file"));
	return e;
}

struct err external_unpin(struct keeper *k, unsigned issuer, const struct store_event *ev)
{
	AUTO(buf) struct buf before = { .max = ISSUER_ROOTS_MAX };
	struct issuer_roots *roots = k->external->roots;
	struct err e;

	if (!issuer_roots_pinned(roots, issuer))
		FAIL(ERR_FAILED_PRECONDITION, "keeper: no root of this issuer was pinned on first use");
	TRY(buf_put(&before, issuer_roots_of(roots, issuer).data, issuer_roots_of(roots, issuer).len));
	pthread_mutex_lock(&k->roots_lock);
	issuer_roots_unpin(roots, issuer);
	pthread_mutex_unlock(&k->roots_lock);
	e = save_roots(k, ev);
	if (e.code != ERR_OK) { /* what was not written has not happened */
		pthread_mutex_lock(&k->roots_lock);
		(void)issuer_roots_pin(roots, issuer, buf_view(&before));
		pthread_mutex_unlock(&k->roots_lock);
		return e;
	}
	k->external->chain_end[issuer] = 0;
	return takeover_publish(k);
}

struct err external_on_roots(void *self, struct chan_msg *msg)
{
	struct keeper *k = self;
	struct bytes pem = BYTES_NONE;
	const char *why = "it cannot be read";
	unsigned issuer = msg->payload.data[0];
	bool changed = false;
	struct err e;

	if (k->external == NULL || issuer >= k->conf->csr_issuer_count) FAIL(ERR_INVALID_ARGUMENT, "keeper: roots of nobody");
	e = chan_memfd_map(msg->fd, ISSUER_ROOTS_MAX, &pem);
	pthread_mutex_lock(&k->roots_lock);
	if (e.code == ERR_OK) e = issuer_roots_set(k->external->roots, issuer, pem, &why, &changed);
	pthread_mutex_unlock(&k->roots_lock);
	if (pem.len > 0) (void)munmap((void *)(uintptr_t)pem.data, pem.len);
	if (e.code == ERR_OK && changed) e = use_roots(k);
	if (e.code != ERR_OK || changed)
		log_event(k->log, e.code == ERR_OK ? LOG_INFO : LOG_ERROR,
			  e.code == ERR_OK ? "issuer_roots" : "issuer_roots_refused",
			  F_STR("issuer", conf_text(k->conf, k->conf->csr_issuers[issuer].name)),
			  F_STR("file", conf_text(k->conf, k->conf->csr_issuers[issuer].roots_file)),
			  F_STR("what", e.code == ERR_OK ? "" : why));
	return OK;
}

/* ---- the certificate ---- */

static struct err put_chain(struct buf *out, const struct signed_chain *s)
{
	out->len = 0;
	for (size_t i = 0; i < s->above->chain_count; i++) TRY(pem_put(out, "CERTIFICATE", s->above->chain[i]));
	return OK;
}

static struct err fill_record(struct keeper *k, struct job *job, const struct signed_chain *s)
{
	struct store_record *r = &job->record;
	struct cert cert;

	job->cert.len = 0;
	TRY(buf_put(&job->cert, s->der.data, s->der.len));
	TRY(cert_parse(buf_view(&job->cert), &cert));
	r->cert = buf_view(&job->cert);
	r->time_ms = clock_wall_ms();
	r->not_before = cert.not_before;
	r->not_after = cert.not_after;
	r->serial = cert.serial;
	r->spiffe_id = job->issue.spiffe_id;
	r->caller = job->issue.caller;
	r->rule = job->issue.rule;
	r->issuer = job->issue.issuer;
	r->evidence = (enum store_evidence)job->issue.evidence;
	memcpy(r->evidence_hash, job->issue.evidence_hash, STORE_HASH_LEN);
	r->root_seq = roots_seq(k->roots);
	return put_chain(&job->external->chain, s);
}

/* Once more, for as long as the chain still lives. */
static bool ask_again(struct keeper *k, struct job *job, int64_t chain_end)
{
	struct external_job *e = job->external;
	int64_t left = chain_end - clock_wall();
	char former[sizeof(e->name)];

	if (k->conf->csr_issuers[e->issuer].outlive != CONF_OUTLIVE_CLAMP || e->clamped || e->resume) return false;
	if (left < EXTERNAL_LIFETIME_MIN || left >= e->lifetime) return false;
	memcpy(former, e->name, sizeof(former));
	external_done(k, job); /* the courier may clean up the first */
	if (external_name(k, job) != REASON_NONE) return false;
	memcpy(e->former, former, sizeof(former));
	e->lifetime = (uint32_t)left;
	e->clamped = true;
	external_push(k, job, EXTERNAL_INTENT);
	return true;
}

static void take_chain(struct keeper *k, struct job *job, const struct signed_chain *s, struct bytes roots)
{
	struct err e;

	k->external->chain_end[job->external->issuer] = s->above->not_after;
	if (s->outlives && ask_again(k, job, s->above->not_after)) return;
	if (s->outlives) {
		refuse_answer(k, job, "it outlives its chain");
		return;
	}
	e = pin(k, job, roots);
	if (e.code == ERR_OK) e = fill_record(k, job, s);
	if (e.code == ERR_OK) {
		external_push(k, job, EXTERNAL_RECORD);
		return;
	}
	refuse_answer(k, job, e.reason);
}

void external_take(struct keeper *k, struct job *job, struct bytes pem)
{
	AUTO(signed) struct signed_chain *s = NULL;
	AUTO(buf) struct buf roots = { .max = SIGNED_PEM_MAX + ISSUER_ROOTS_MAX };
	struct brought_report report = { .problem = "" };
	struct signed_want want = { .spki = job->issue.spki, .spiffe_id = job->issue.spiffe_id, .names = job->issue.names,
				    .name_count = job->issue.name_count, .now = clock_wall(),
				    .trust_domain = conf_text(k->conf, k->conf->trust_domain),
				    .lifetime = job->external->lifetime };
	struct err e = roots_for(k, job, pem, &roots);

	want.roots_pem = buf_view(&roots);
	if (e.code == ERR_OK && roots.len == 0) e = ERR(ERR_INVALID_ARGUMENT, "no root came with it that could be trusted");
	if (e.code == ERR_OK) e = signed_check(pem, &want, &report, &s);
	if (e.code == ERR_OK) {
		take_chain(k, job, s, buf_view(&roots));
		return;
	}
	refuse_answer(k, job, report.problem[0] != '\0' ? report.problem : e.reason);
}
