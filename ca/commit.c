/* commit.c: the one thread that writes the store.  It takes all that is waiting, makes it durable in one transaction, and
 * only then answers; a transaction that fails refuses every job in it, and the next one starts afresh. */
#include "base/chan.h"
#include "base/clock.h"
#include "ca/crl_issue.h"
#include "ca/external.h"

#define IDLE_US 250000             /* without work for so long: a look whether housekeeping is due */
#define SLICE_US 25000             /* between two slices; ours: 20 480 records a second, more than are made */
#define HOUSEKEEPING_US 60000000   /* between two rounds that found nothing; ours */
#define RETAIN_TILES 2             /* of a slice: some 512 records, a few milliseconds */
#define EXPIRE_TOKENS 256          /* of a slice */
#define TOKEN_KEEP 86400           /* seconds that an expired token can still be listed; ours */

struct committer { /* the commit thread's own */
	struct keeper *keeper;
	struct peer *touched[PEERS_MAX];
	size_t touched_count;
	int64_t housekeeping_us; /* when it is due */
};

/* ---- pacing (under the queue's lock) ---- */

/* Has every front that waits for something nothing more in hand? */
static bool fronts_idle(const struct keeper *k)
{
	for (const struct peer *p = k->peers; p != NULL; p = p->next)
		if (atomic_load(&p->pending) > 0 && !atomic_load(&p->last)) return false;
	return true;
}

static size_t count(const struct job *jobs)
{
	size_t n = 0;

	for (; jobs != NULL; jobs = jobs->next) n++;
	return n;
}

/* Clients that keep their connections ask again when they are answered.  So the batch just answered and those who
 * came while it was committed are the company to expect (at most storage.commit_wait): two groups of clients that
 * take turns become one, and a client that is alone never waits for anybody.  Counted before the answers leave: who
 * asks again at once would be counted twice. */
static void expect_company(struct queue *q, const struct job *jobs)
{
	size_t answered = count(jobs);

	pthread_mutex_lock(&q->lock);
	q->expected = answered + q->count < BATCH_ENOUGH ? answered + q->count : BATCH_ENOUGH;
	pthread_mutex_unlock(&q->lock);
}

/* Three quarters are company enough: one client that leaves must not cost the others storage.commit_wait. */
static bool has_company(const struct queue *q)
{
	return q->expected < COMPANY_MIN || q->count * 4 >= q->expected * 3;
}

static bool should_commit(const struct keeper *k)
{
	const struct queue *q = &k->queue;

	return q->count >= BATCH_ENOUGH || q->urgent || q->stop || (has_company(q) && fronts_idle(k));
}

/* NULL: nothing came, or the queue is stopped and empty (*over). */
static struct job *next_batch(struct keeper *k, bool *over)
{
	struct queue *q = &k->queue;
	struct job *jobs;
	int64_t deadline;

	pthread_mutex_lock(&q->lock);
	q->waiting = QUEUE_EMPTY;
	deadline = clock_mono_us() + IDLE_US;
	while (q->head == NULL && !q->stop && !q->nudged && clock_mono_us() < deadline) queue_wait(q, deadline);
	q->nudged = false;
	if (q->head == NULL) q->expected = 0; /* whoever comes after a pause is alone again */
	q->waiting = QUEUE_COMPANY;
	while (q->head != NULL && !should_commit(k) && clock_mono_us() < q->oldest_us + k->conf->storage.commit_wait_us)
		queue_wait(q, q->oldest_us + k->conf->storage.commit_wait_us);
	q->waiting = QUEUE_BUSY;
	*over = q->head == NULL && q->stop;
	jobs = queue_take(q, BATCH_MAX);
	pthread_mutex_unlock(&q->lock);
	return jobs;
}

void keeper_publish(struct keeper *k)
{
	struct queue *q = &k->queue;

	if (k->fresh == NULL && !k->news) return;
	pthread_mutex_lock(&q->lock);
	while (k->fresh != NULL) {
		struct job *job = k->fresh;

		k->fresh = job->next;
		queue_append(q, job);
	}
	/* A thread that waits for company is woken only when the waiting is over: a wake-up costs more than a job. */
	if ((q->waiting == QUEUE_EMPTY && q->head != NULL) || (q->waiting == QUEUE_COMPANY && should_commit(k)))
		pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
	k->fresh_tail = &k->fresh;
	k->fresh_count = k->fresh_turns = 0;
	k->news = false;
}

/* ---- one batch ---- */

static void note_waiting(struct keeper *k, const struct job *jobs, int64_t now)
{
	metric_set(k->metrics, M_QUEUED, count(jobs));
	for (; jobs != NULL; jobs = jobs->next)
		if (jobs->begun_us != 0) metric_observe(k->metrics, H_QUEUE, now - jobs->begun_us);
}

static void note_time(struct keeper *k, const struct job *jobs, int64_t us)
{
	size_t n = count(jobs);

	metric_observe(k->metrics, H_COMMIT, us);
	metric_add(k->metrics, M_COMMITTED, n);
	log_event(k->log, LOG_DEBUG, "committed", F_INT("requests", n), F_INT("us", us));
}

static void note_commit(struct keeper *k, struct err e, uint64_t records)
{
	bool before = atomic_exchange(&k->store_ok, e.code == ERR_OK);

	metric_set(k->metrics, M_STORE_FAILING, e.code != ERR_OK);
	metric_inc(k->metrics, e.code == ERR_OK ? M_COMMITS : M_COMMIT_FAILED);
	if (e.code == ERR_OK) metric_set(k->metrics, M_RECORDS, records);
	/* Once for each change: a full disk must not fill the log too. */
	if (before && e.code != ERR_OK) log_event(k->log, LOG_ERROR, "store_commit_failed", F_ERR(e));
	if (!before && e.code == ERR_OK) log_event(k->log, LOG_WARN, "store_recovered", F_INT("records", records));
}

static struct err apply_all(struct keeper *k, struct job *jobs, struct store_batch *batch)
{
	for (struct job *job = jobs; job != NULL; job = job->next) {
		struct err e = job->apply(k, job, batch);

		if (e.code == ERR_OK) continue;
		if (e.code != ERR_INVALID_ARGUMENT) return e;
		job->reason = REASON_PROFILE; /* this record alone cannot be written */
	}
	return OK;
}

static struct err commit_jobs(struct keeper *k, struct job *jobs, uint64_t *records)
{
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(k->store, &batch));
	e = apply_all(k, jobs, batch);
	if (e.code != ERR_OK) {
		store_batch_abort(batch);
		return e;
	}
	*records = store_batch_next(batch);
	return store_batch_commit(batch);
}

/* The main thread writes too, when another CA takes over. */
static struct err commit_all(struct keeper *k, struct job *jobs, uint64_t *records)
{
	struct err e;

	pthread_mutex_lock(&k->writer);
	e = commit_jobs(k, jobs, records);
	pthread_mutex_unlock(&k->writer);
	return e;
}

static void fail_all(struct job *jobs, struct err e)
{
	for (struct job *job = jobs; job != NULL; job = job->next) {
		if (job->reason == REASON_NONE) job->reason = e.code == ERR_RESOURCE_EXHAUSTED ? REASON_FULL : REASON_STORE;
		job->result = e.code == ERR_UNKNOWN ? e : keeper_reason_err(job->reason); /* admin must know the difference */
	}
}

static void touch(struct committer *c, struct peer *p)
{
	if (p->chan == NULL || p->touched || c->touched_count == PEERS_MAX) return;
	p->touched = true;
	c->touched[c->touched_count++] = p;
}

/* One frame for each peer as far as they fit; what the socket does not take the main thread sends when it does. */
static void flush_touched(struct committer *c)
{
	bool waits = false;

	for (size_t i = 0; i < c->touched_count; i++) {
		struct peer *p = c->touched[i];

		(void)chan_flush(p->chan); /* a peer that is gone is the main thread's to find */
		waits |= chan_wants_write(p->chan);
		p->touched = false;
	}
	c->touched_count = 0;
	if (waits) keeper_wake(c->keeper);
}

static void run_batch(struct committer *c, struct job *jobs)
{
	struct keeper *k = c->keeper;
	int64_t from_us = clock_mono_us();
	uint64_t records = 0;
	struct err e;

	note_waiting(k, jobs, from_us);
	e = commit_all(k, jobs, &records);
	if (e.code == ERR_OK) note_time(k, jobs, clock_mono_us() - from_us);
	note_commit(k, e, records);
	if (e.code != ERR_OK) fail_all(jobs, e);
	expect_company(&k->queue, jobs);
	keeper_at_point(k, "before-answer");
	for (struct job *job = jobs; job != NULL; job = job->next) {
		job->more &= e.code == ERR_OK;
		if (job->more) continue;
		job->answer(k, job);
		touch(c, job->peer);
	}
	flush_touched(c);
	while (jobs != NULL) {
		struct job *job = jobs;

		jobs = job->next;
		if (job->more) queue_push(&k->queue, job);
		else if (job->kept) external_return(k, job);
		else job_free(k, job);
	}
}

/* ---- housekeeping ---- */

/* What is dropped is gone: a wall clock that steps forward while we run must not make certificates look expired that are not. */
int64_t keeper_steady_now(const struct keeper *k)
{
	int64_t now = clock_wall(), steady = k->started + (clock_mono_us() - k->started_us) / 1000000;

	return now < steady ? now : steady;
}

static struct err drop_records(struct keeper *k, struct store_batch *batch, uint64_t *dropped)
{
	return store_batch_retain(batch, keeper_steady_now(k) - k->conf->storage.keep_expired, RETAIN_TILES, dropped);
}

static struct err drop_tokens(struct keeper *k, struct store_batch *batch, uint64_t *dropped)
{
	size_t n = 0;
	struct err e = store_batch_token_expire(batch, keeper_steady_now(k) - TOKEN_KEEP, EXPIRE_TOKENS, &n);

	*dropped = n;
	return e;
}

/* Each kind by itself: a damaged record stops retention, and must not keep the tokens too. */
static struct err clean_slice(struct keeper *k, struct err (*drop)(struct keeper *, struct store_batch *, uint64_t *), bool *more)
{
	struct store_batch *batch;
	uint64_t dropped = 0;
	struct err e;

	TRY(store_batch_begin(k->store, &batch));
	e = drop(k, batch, &dropped);
	if (e.code != ERR_OK || dropped == 0) {
		store_batch_abort(batch);
		return e;
	}
	*more = true;
	return store_batch_commit(batch);
}

static void housekeeping(struct committer *c)
{
	static struct err (*const drops[])(struct keeper *, struct store_batch *, uint64_t *) = { drop_records, drop_tokens };
	struct keeper *k = c->keeper;
	bool more = false, bad = false;
	struct err e;

	if (clock_mono_us() < c->housekeeping_us) return;
	for (size_t i = 0; i < ARRAY_LEN(drops); i++) {
		pthread_mutex_lock(&k->writer);
		e = clean_slice(k, drops[i], &more);
		pthread_mutex_unlock(&k->writer);
		if (e.code != ERR_OK) log_event(k->log, LOG_WARN, "housekeeping_failed", F_ERR(e));
		bad |= e.code != ERR_OK;
	}
	c->housekeeping_us = clock_mono_us() + (bad || !more ? HOUSEKEEPING_US : SLICE_US);
}

static void *commit_main(void *arg)
{
	struct committer c = { .keeper = arg };
	bool over = false;

	while (!over) {
		struct job *jobs = next_batch(c.keeper, &over);

		if (jobs != NULL) run_batch(&c, jobs);
		if (!over) crls_commit(c.keeper);
		if (!over) housekeeping(&c); /* also between batches: who is never idle must not keep everything for ever */
	}
	return NULL;
}

struct err commit_start(struct keeper *k)
{
	int rc = pthread_create(&k->commit_thread, NULL, commit_main, k);

	if (rc != 0) FAIL_BY(ERR_UNAVAILABLE, "keeper: cannot start the commit thread", rc);
	k->commit_runs = true;
	return OK;
}
