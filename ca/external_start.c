/* external_start.c: what was in hand when the last keeper ended, and what is kept of other signers. */
#include <openssl/rand.h>
#include <string.h>

#include "base/clock.h"
#include "base/control.h"
#include "ca/external_inside.h"

static struct err resume(struct keeper *k, const struct store_intent *intent)
{
	struct external *x = k->external;
	struct external_intent m;
	struct job *job;
	struct err e;

	TRY(external_intent_take(intent->value, &m));
	job = job_new(k, &x->nobody, m.issue);
	if (job == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: too many requests are left from before");
	e = wire_issue_take(buf_view(&job->payload), &job->issue);
	if (e.code == ERR_OK) e = external_new(k, job);
	if (e.code == ERR_OK && !external_slot_take(k, job))
		e = ERR(ERR_RESOURCE_EXHAUSTED, "keeper: too many requests are left from before");
	if (e.code == ERR_OK) e = key_sha256(job->issue.spki, job->record.key_hash);
	if (e.code != ERR_OK) {
		if (job->external != NULL) external_slot_give(k, job);
		job_free(k, job);
		return e;
	}
	job->now = clock_wall();
	job->external->stage = EXTERNAL_ASKED;
	job->external->resume = true;
	job->external->deadline = m.deadline > job->now ? m.deadline
							: job->now + k->conf->csr_issuers[job->external->issuer].deadline;
	job->external->lifetime = m.lifetime;
	memcpy(job->external->name, intent->name, sizeof(job->external->name));
	return OK;
}

static struct err resume_all(struct keeper *k, struct store_view *view)
{
	struct store_cursor cursor = { .len = 0 };
	struct store_intent intent;
	unsigned count = 0;
	struct err e;

	while ((e = store_view_intent_next(view, &cursor, &intent)).code == ERR_OK) {
		e = resume(k, &intent);
		/* of an issuer that conf names no more, say: it stays until it does */
		if (e.code != ERR_OK) log_event(k->log, LOG_WARN, "intent_not_resumed", F_STR("name", intent.name), F_ERR(e));
		else count++;
	}
	if (count > 0) log_event(k->log, LOG_INFO, "intents_resumed", F_INT("count", count));
	return e.code == ERR_NOT_FOUND ? OK : e;
}

static struct err store_value(struct keeper *k, const char *name, struct bytes value, const struct store_event *ev)
{
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(k->store, &batch));
	e = store_batch_put(batch, name, value);
	if (e.code == ERR_OK && ev != NULL) e = store_batch_event(batch, ev);
	if (e.code == ERR_OK) return store_batch_commit(batch);
	store_batch_abort(batch);
	return e;
}

struct err external_store(struct keeper *k, const char *name, struct bytes value, const struct store_event *ev)
{
	struct err e;

	pthread_mutex_lock(&k->writer);
	e = store_value(k, name, value, ev);
	pthread_mutex_unlock(&k->writer);
	return e;
}

static struct err make_instance(struct keeper *k)
{
	struct external *x = k->external;

	if (RAND_bytes(x->instance, sizeof(x->instance)) != 1) FAIL(ERR_UNAVAILABLE, "keeper: no randomness");
	return external_store(k, ISSUER_INSTANCE, BYTES(x->instance, sizeof(x->instance)), NULL);
}

static struct err read_store(struct keeper *k, bool *new_instance)
{
	struct external *x = k->external;
	AUTO(store_view) struct store_view *view = NULL;
	AUTO(buf) struct buf saved = { .max = STORE_VALUE_MAX };
	struct buf instance = BUF_ON(x->instance);
	struct err e;

	TRY(store_view_open(k->store, &view));
	e = store_view_get(view, ISSUER_INSTANCE, &instance);
	*new_instance = e.code == ERR_NOT_FOUND;
	if (e.code != ERR_OK && !*new_instance) return e;
	e = store_view_get(view, ISSUER_ROOTS, &saved);
	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
	TRY(issuer_roots_load(x->roots, buf_view(&saved)));
	return resume_all(k, view);
}

struct err external_start(struct keeper *k)
{
	struct external *x;
	bool new_instance;

	if (k->conf->csr_issuer_count == 0) return OK;
	x = k->external = calloc(1, sizeof(*x));
	if (x == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	pthread_mutex_init(&x->lock, NULL);
	x->nobody.keeper = k;
	x->nobody.role = CONTROL_COURIER;
	for (size_t i = JOBS_MAX; i > 0; i--) x->free[x->free_count++] = (uint16_t)(i - 1);
	TRY(key_verifier_new(&x->verifier));
	TRY(issuer_roots_new(k->conf, &x->roots));
	TRY(read_store(k, &new_instance));
	external_note_roots(k);
	return new_instance ? make_instance(k) : OK;
}

void external_stop(struct keeper *k)
{
	k->stopping = true; /* also after a start that failed */
	external_turn(k);
}

void external_free(struct keeper *k)
{
	struct external *x = MOVE(k->external);

	if (x == NULL) return;
	key_verifier_free(x->verifier);
	issuer_roots_free(x->roots);
	pthread_mutex_destroy(&x->lock);
	free(x);
}
