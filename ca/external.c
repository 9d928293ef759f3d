#include "ca/external.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/chan.h"
#include "base/clock.h"
#include "base/wire.h"
#include "ca/external_inside.h"
#include "ca/issuers.h"

#define NAME_PREFIX "signet-"
#define NAME_RANDOM 16 /* octets */

static const struct conf_csr_issuer *issuer_of(const struct keeper *k, const struct job *job)
{
	return &k->conf->csr_issuers[job->external->issuer];
}

void external_job_free(struct external_job *e)
{
	if (e == NULL) return;
	buf_free(&e->chain);
	free(e);
}

/* ---- the table: ids that the courier says, to jobs ---- */

static struct job **slot_of(struct external *x, uint64_t id)
{
	struct job **slot = &x->jobs[id % JOBS_MAX];

	return *slot != NULL && (*slot)->external->id == id ? slot : NULL;
}

bool external_slot_take(struct keeper *k, struct job *job)
{
	struct external *x = k->external;

	if (JOBS_MAX - x->free_count >= EXTERNAL_JOBS_MAX) return false;
	job->external->id = ++x->generation * JOBS_MAX + x->free[--x->free_count];
	x->jobs[job->external->id % JOBS_MAX] = job;
	metric_add_of(k->metrics, MO_PENDING, job->external->issuer, 1);
	return true;
}

void external_slot_give(struct keeper *k, struct job *job)
{
	struct external *x = k->external;
	uint16_t at = (uint16_t)(job->external->id % JOBS_MAX);

	if (job->external->id == 0) return;
	x->jobs[at] = NULL;
	x->free[x->free_count++] = at;
	job->external->id = 0;
	metric_add_of(k->metrics, MO_PENDING, job->external->issuer, UINT64_MAX); /* one less */
}

/* ---- what the courier is told ---- */

static void tell(struct external *x, uint16_t type, struct bytes payload)
{
	if (x->courier == NULL) return;
	(void)chan_put(x->courier->chan, type, payload); /* a lost peer is seen by who reads from it */
	x->courier->dirty = true;
}

static void tell_done(struct external *x, uint64_t id)
{
	uint8_t room[8];
	struct buf out = BUF_ON(room);

	if (id != 0 && wire_put_u64(&out, id).code == ERR_OK) tell(x, KEEPER_DONE, buf_view(&out));
}

void external_done(struct keeper *k, const struct job *job)
{
	tell_done(k->external, job->external->id);
}

static void tell_file(struct keeper *k, struct job *job)
{
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };
	struct external_job *e = job->external;
	const struct wire_issue *i = &job->issue;
	bool resume = e->resume || e->stage == EXTERNAL_RECORD;
	struct wire_file m = { .id = e->id,
			       .issuer = (uint8_t)e->issuer,
			       .resume = resume,
			       .deadline = e->deadline,
			       .lifetime = e->lifetime,
			       .name = bytes_str(e->name),
			       .signer_name = i->signer_name,
			       .spiffe_id = i->spiffe_id,
			       .caller = i->caller,
			       .rule = i->rule,
			       .request_id = i->request_id,
			       .csr = i->csr };

	e->told = k->external->courier != NULL;
	if (wire_file_put(&out, &m).code == ERR_OK) tell(k->external, KEEPER_FILE, buf_view(&out));
}

static bool is_behind(const struct external *x)
{
	return x->courier != NULL && x->untold <= JOBS_MAX && !chan_wants_write(x->courier->chan);
}

/* What is signed and not recorded yet is told too: nobody may take its object for left over. */
static bool is_for_courier(const struct job *job)
{
	const struct external_job *e = job->external;

	return !e->told && (e->stage == EXTERNAL_ASKED || e->stage == EXTERNAL_RECORD);
}

/* As fast as the courier reads: all at once may be more than its channel holds. */
static void tell_rest(struct keeper *k)
{
	struct external *x = k->external;

	while (is_behind(x) && x->untold < JOBS_MAX) {
		struct job *job = x->jobs[x->untold++];

		if (job != NULL && is_for_courier(job)) tell_file(k, job);
	}
	if (!is_behind(x)) return;
	tell(x, KEEPER_FILED_ALL, BYTES_NONE);
	x->untold++;
}

void external_hello(struct keeper *k, struct peer *courier)
{
	struct external *x = k->external;

	x->courier = courier;
	x->untold = 0;
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (x->jobs[i] != NULL) x->jobs[i]->external->told = false;
	tell(x, KEEPER_INSTANCE, BYTES(x->instance, sizeof(x->instance)));
	tell_rest(k);
}

/* ---- from one stage to the next ---- */

void external_push(struct keeper *k, struct job *job, enum external_stage stage)
{
	static struct err (*const apply[])(struct keeper *, struct job *, struct store_batch *) = {
		[EXTERNAL_INTENT] = external_intent_apply,
		[EXTERNAL_RECORD] = external_record_apply,
		[EXTERNAL_DROP] = external_drop_apply,
	};

	if (stage == EXTERNAL_RECORD) job_count(k, job); /* between its record and its answer no root may become known */
	job->external->stage = stage;
	job->external->out = true;
	job->reason = REASON_NONE;
	job->result = OK;
	job->apply = apply[stage];
	job->answer = stage == EXTERNAL_RECORD ? external_record_answer : external_written;
	queue_push(&k->queue, job);
}

/* Nobody waits for it any more. */
static void move_to_nobody(struct keeper *k, struct job *job)
{
	struct peer *nobody = &k->external->nobody;

	atomic_fetch_add(&nobody->pending, 1);
	atomic_fetch_sub(&job->peer->pending, 1);
	job->peer = nobody;
}

/* The client is told at once; what was prepared for it is undone in its own time. */
void external_refuse(struct keeper *k, struct job *job, enum keeper_reason reason, struct bytes why)
{
	front_refuse(job, reason);
	issuers_failed(k, job->external->issuer, reason, why);
	job->peer->dirty = true;
	move_to_nobody(k, job);
	external_push(k, job, EXTERNAL_DROP);
}

static void finish(struct keeper *k, struct job *job)
{
	external_done(k, job);
	external_slot_give(k, job);
	job_free(k, job);
}

/* Only what an intent says may be asked for.  An intent that could not be written has asked for nothing. */
static void on_intent(struct keeper *k, struct job *job)
{
	struct external_job *e = job->external;

	if (job->reason == REASON_NONE) {
		e->stage = EXTERNAL_ASKED;
		e->former[0] = '\0';
		tell_file(k, job);
		return;
	}
	front_refuse(job, job->reason);
	job->peer->dirty = true;
	if (e->former[0] == '\0') {
		finish(k, job);
		return;
	}
	memcpy(e->name, e->former, sizeof(e->name)); /* the one that it was to replace is still there */
	move_to_nobody(k, job);
	external_push(k, job, EXTERNAL_DROP);
}

static void on_returned(struct keeper *k, struct job *job)
{
	job->kept = job->external->out = false;
	job_uncount(k, job);
	if (atomic_load(&job->peer->dead)) move_to_nobody(k, job);
	if (job->external->stage == EXTERNAL_INTENT) on_intent(k, job);
	else if (job->result.code == ERR_OK) finish(k, job);
	else move_to_nobody(k, job); /* its client was answered; the write is tried again by look() */
}

/* Never further off than at its beginning: the wall clock may have been set back since. */
static bool is_over(struct keeper *k, struct job *job, int64_t now)
{
	int64_t furthest = now + issuer_of(k, job)->deadline;

	if (job->external->deadline > furthest) job->external->deadline = furthest;
	return now > job->external->deadline + EXTERNAL_GRACE;
}

static void look(struct keeper *k)
{
	struct external *x = k->external;
	int64_t now = clock_wall();

	if (clock_mono_us() < x->look_us) return;
	x->look_us = clock_mono_us() + EXTERNAL_LOOK_US;
	if (x->roots_new) (void)(external_use_roots(k).code == ERR_OK); /* if not: later */
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *job = x->jobs[i];

		if (job == NULL || job->external->out) continue;
		if (job->external->stage != EXTERNAL_ASKED) external_push(k, job, job->external->stage);
		else if (is_over(k, job, now)) external_refuse(k, job, REASON_ISSUER_DEADLINE, BYTES_NONE);
	}
}

/* The keeper ends: clients may go elsewhere, what was asked for is resumed by the next keeper. */
static void let_go(struct keeper *k)
{
	struct external *x = k->external;

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct job *job = x->jobs[i];

		if (job == NULL || job->external->out) continue;
		if (job->external->stage == EXTERNAL_ASKED) front_refuse(job, REASON_ISSUER_AWAY);
		job->peer->dirty = true;
		external_slot_give(k, job);
		job_free(k, job);
	}
}

void external_turn(struct keeper *k)
{
	struct external *x = k->external;
	struct job *list;

	if (x == NULL) return;
	pthread_mutex_lock(&x->lock);
	list = MOVE(x->returned);
	pthread_mutex_unlock(&x->lock);
	while (list != NULL) {
		struct job *job = list;

		list = job->next;
		on_returned(k, job);
	}
	tell_rest(k);
	if (k->stopping) let_go(k);
	else look(k);
}

const struct issuer_roots *external_roots(const struct keeper *k)
{
	return k->external == NULL ? NULL : k->external->roots;
}

int external_wait_ms(const struct keeper *k)
{
	if (k->external == NULL) return -1;
	if (is_behind(k->external)) return 0;
	return k->external->free_count < JOBS_MAX || k->external->roots_new ? EXTERNAL_LOOK_US / 1000 : -1;
}

void external_forget(struct keeper *k, struct peer *p)
{
	struct external *x = k->external;

	if (x == NULL) return;
	if (x->courier == p) x->courier = NULL;
	for (size_t i = 0; i < JOBS_MAX; i++)
		if (x->jobs[i] != NULL && !x->jobs[i]->external->out && x->jobs[i]->peer == p) move_to_nobody(k, x->jobs[i]);
}

void external_signed(struct keeper *k, const struct wire_signed *m)
{
	struct job **slot = slot_of(k->external, m->id);

	/* Refused meanwhile: its intent is being dropped, or was. */
	if (slot != NULL && (*slot)->external->stage == EXTERNAL_ASKED) external_take(k, *slot, m->pem);
}

void external_failed(struct keeper *k, const struct wire_failed *m)
{
	struct job **slot = slot_of(k->external, m->id);
	struct job *job = slot == NULL ? NULL : *slot;

	if (job == NULL || job->external->stage != EXTERNAL_ASKED) return;
	log_event(k->log, LOG_WARN, "issuer_failed", F_BYTES("request_id", job->issue.request_id),
		  F_STR("issuer", conf_text(k->conf, issuer_of(k, job)->name)), F_STR("name", job->external->name),
		  F_BYTES("spiffe_id", job->issue.spiffe_id), F_BYTES("why", m->why));
	external_refuse(k, job, wire_failure_reason((enum wire_failure)m->failure), m->why);
}

/* ---- a new one ---- */

enum keeper_reason external_name(struct keeper *k, struct job *job)
{
	struct external_job *e = job->external;
	uint8_t random[NAME_RANDOM];
	char hex[2 * NAME_RANDOM + 1];

	if (RAND_bytes(random, sizeof(random)) != 1) return REASON_SIGNER;
	bytes_hex(BYTES(random, sizeof(random)), hex);
	(void)snprintf(e->name, sizeof(e->name), "%s%s", NAME_PREFIX, hex);
	external_slot_give(k, job);
	return external_slot_take(k, job) ? REASON_NONE : REASON_RATE;
}

/* An issuer whose chain ends soon is asked for no more than that, if it is known and wanted. */
static enum keeper_reason set_lifetime(struct keeper *k, struct job *job)
{
	const struct conf_csr_issuer *issuer = issuer_of(k, job);
	int64_t end = job->issue.signer_name.len > 0 ? 0 : k->external->chain_end[job->external->issuer], left = end - job->now;

	job->external->lifetime = job->issue.lifetime;
	if (job->issue.lifetime < EXTERNAL_LIFETIME_MIN) return REASON_ISSUER_SHORT;
	if (issuer->outlive != CONF_OUTLIVE_CLAMP || end == 0 || left >= job->issue.lifetime) return REASON_NONE;
	/* what is known may be old: a chain that was renewed since is found out by asking */
	job->external->lifetime = left < EXTERNAL_LIFETIME_MIN ? EXTERNAL_LIFETIME_MIN : (uint32_t)left;
	return REASON_NONE;
}

static enum keeper_reason set_up(struct keeper *k, struct job *job)
{
	const struct conf_csr_issuer *issuer = issuer_of(k, job);
	struct external *x = k->external;
	enum keeper_reason reason;

	if (!external_csr_fits(x->verifier, &job->issue)) return REASON_CSR;
	if (issuer_roots_of(x->roots, job->external->issuer).len == 0 && !issuer->trust_on_first_use) return REASON_ISSUER_ROOTS;
	reason = set_lifetime(k, job);
	job->external->deadline = job->now + issuer->deadline;
	return reason != REASON_NONE ? reason : external_name(k, job);
}

struct err external_new(struct keeper *k, struct job *job)
{
	int at = conf_csr_issuer_find(k->conf, job->issue.issuer);

	if (k->external == NULL || at < 0) FAIL(ERR_NOT_FOUND, "keeper: no such issuer");
	job->external = calloc(1, sizeof(*job->external));
	if (job->external == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	job->external->issuer = (unsigned)at;
	job->external->chain.max = WIRE_CHAIN_PEM_MAX;
	return OK;
}

enum keeper_reason external_prepare(struct keeper *k, struct job *job)
{
	enum keeper_reason reason;

	if (external_new(k, job).code != ERR_OK) return REASON_PROFILE;
	job->again = false; /* the key that the token was spent for: a lost answer is replaced by a new certificate */
	reason = set_up(k, job);
	if (reason != REASON_NONE) external_job_free(MOVE(job->external));
	return reason;
}

void external_file(struct keeper *k, struct job *job)
{
	job_uncount(k, job); /* another CA need not wait for what others sign */
	external_push(k, job, EXTERNAL_INTENT);
}
