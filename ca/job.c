#include "ca/inside.h"

#include <string.h>

#include "base/control.h"
#include "ca/external.h"
#include "ca/revoke.h"

#define SPARE_MAX 256          /* jobs kept for use again; ours: a few commits' worth */
#define PAYLOAD_KEEP (4 * 1024) /* bytes; a job that grew beyond it is given back to the heap */

static void job_destroy(struct job *job)
{
	buf_wipe(&job->payload);
	buf_free(&job->tbs);
	buf_free(&job->cert);
	explicit_bzero(job, sizeof(*job));
	free(job);
}

/* Those that other threads gave back, in one go: the lock is taken once for many jobs. */
static void collect(struct keeper *k)
{
	struct job *list;

	pthread_mutex_lock(&k->freed_lock);
	list = MOVE(k->freed);
	pthread_mutex_unlock(&k->freed_lock);
	while (list != NULL) {
		struct job *job = list;

		list = job->next;
		if (k->spare_count >= SPARE_MAX || job->payload.cap > PAYLOAD_KEEP || job->cert.cap > PAYLOAD_KEEP) {
			job_destroy(job);
			continue;
		}
		job->next = k->spare;
		k->spare = job;
		k->spare_count++;
	}
}

static struct job *spare_take(struct keeper *k)
{
	struct job *job, clean;

	if (k->spare == NULL) collect(k);
	job = k->spare;
	if (job == NULL) return calloc(1, sizeof(*job));
	k->spare = job->next;
	k->spare_count--;
	clean = (struct job){ .payload = job->payload, .tbs = job->tbs, .cert = job->cert };
	*job = clean;
	job->payload.len = job->tbs.len = job->cert.len = 0;
	return job;
}

/* admin has room of its own: when fronts fill all the rest, somebody must be able to ban.  A front has no more out than its
 * own bound; one that was taken over and asks on takes no other front's room (the slack: answers on their way to it). */
static bool has_room(struct keeper *k, const struct peer *peer)
{
	if (peer->role == CONTROL_ADMIN) return atomic_load(&k->jobs) < JOBS_MAX + JOBS_ADMIN_ROOM;
	if (atomic_load(&k->jobs) >= JOBS_MAX) return false;
	return peer->chan == NULL || atomic_load(&peer->pending) < (size_t)k->conf->listen.max_pending + BATCH_MAX;
}

struct job *job_new(struct keeper *k, struct peer *peer, struct bytes payload)
{
	struct job *job;

	if (!has_room(k, peer)) return NULL;
	job = spare_take(k);
	if (job == NULL) return NULL;
	job->payload.max = CHAN_PAYLOAD_MAX;
	job->tbs.max = job->cert.max = STORE_CERT_MAX;
	if (buf_put(&job->payload, payload.data, payload.len).code != ERR_OK) {
		job_destroy(job);
		return NULL;
	}
	job->peer = peer;
	job->result = OK;
	atomic_fetch_add(&peer->pending, 1);
	if (peer->role == CONTROL_FRONT) job_count(k, job);
	atomic_fetch_add(&k->jobs, 1);
	return job;
}

void job_count(struct keeper *k, struct job *job)
{
	if (!job->counted) atomic_fetch_add(&k->issuing, 1);
	job->counted = true;
}

void job_uncount(struct keeper *k, struct job *job)
{
	if (job->counted) atomic_fetch_sub(&k->issuing, 1);
	job->counted = false;
}

void job_free(struct keeper *k, struct job *job)
{
	struct peer *peer = job->peer;

	explicit_bzero(job->secret, sizeof(job->secret));
	revocation_free(MOVE(job->revocation));
	external_job_free(MOVE(job->external));
	pthread_mutex_lock(&k->freed_lock);
	job->next = k->freed;
	k->freed = job;
	pthread_mutex_unlock(&k->freed_lock);
	job_uncount(k, job);
	atomic_fetch_sub(&peer->pending, 1);
	atomic_fetch_sub(&k->jobs, 1);
}

void jobs_drop(struct keeper *k)
{
	collect(k);
	while (k->spare != NULL) {
		struct job *job = k->spare;

		k->spare = job->next;
		job_destroy(job);
	}
	k->spare_count = 0;
}
