#include "hsm/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "hsm/signer.h"

struct worker {
	struct hsm_pool *pool;
	struct hsm_signer signer;
	pthread_t thread;
	bool started;
};

struct hsm_pool {
	pthread_mutex_t lock; /* guards the next four */
	pthread_cond_t wake;
	struct hsm_job *first, **last;
	bool stopping;
	unsigned count;
	struct worker workers[];
};

/* Wait for a job; NULL when it is time to end. */
static struct hsm_job *pool_take(struct hsm_pool *pool)
{
	struct hsm_job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	while (pool->first == NULL && !pool->stopping) pthread_cond_wait(&pool->wake, &pool->lock);
	if (!pool->stopping) {
		job = pool->first;
		pool->first = job->next;
		if (pool->first == NULL) pool->last = &pool->first;
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;

	for (struct hsm_job *job = pool_take(w->pool); job != NULL; job = pool_take(w->pool)) {
		struct err e = hsm_signer_sign(&w->signer, job);

		job->done(job, e); /* the job may be gone after this */
	}
	return NULL;
}

/* Signals are the main thread's business. */
static struct err worker_start(struct worker *w)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&w->thread, NULL, worker_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0) FAIL_BY(ERR_RESOURCE_EXHAUSTED, "hsm: cannot start a signer thread", rc);
	w->started = true;
	return OK;
}

struct err hsm_pool_new(EVP_PKEY *pkey, enum key_scheme scheme, unsigned threads, struct hsm_pool **out)
{
	AUTO(hsm_pool) struct hsm_pool *pool = calloc(1, sizeof(*pool) + threads * sizeof(pool->workers[0]));

	if (pool == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "hsm: out of memory");
	pool->last = &pool->first;
	pool->count = threads;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->wake, NULL);
	for (unsigned i = 0; i < threads; i++) {
		struct worker *w = &pool->workers[i];

		w->pool = pool;
		TRY(hsm_signer_open(&w->signer, pkey, scheme));
		TRY(worker_start(w));
	}
	*out = MOVE(pool);
	return OK;
}

void hsm_pool_submit(struct hsm_pool *pool, struct hsm_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->last = job;
	pool->last = &job->next;
	pthread_cond_signal(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
}

static void pool_stop(struct hsm_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->wake);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->count; i++)
		if (pool->workers[i].started) pthread_join(pool->workers[i].thread, NULL);
}

void hsm_pool_free(struct hsm_pool *pool)
{
	struct hsm_job *next;

	if (pool == NULL) return;
	pool_stop(pool);
	for (struct hsm_job *job = pool->first; job != NULL; job = next) {
		next = job->next;
		job->done(job, ERR(ERR_UNAVAILABLE, "hsm: the key is being closed"));
	}
	for (unsigned i = 0; i < pool->count; i++) hsm_signer_close(&pool->workers[i].signer);
	pthread_cond_destroy(&pool->wake);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
