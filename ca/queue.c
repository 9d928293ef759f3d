#include "ca/inside.h"

#include <time.h>

#include "base/clock.h"

struct err queue_init(struct queue *q)
{
	pthread_condattr_t attr;
	int rc;

	*q = (struct queue){ .tail = &q->head };
	rc = pthread_mutex_init(&q->lock, NULL);
	if (rc == 0) rc = pthread_condattr_init(&attr);
	if (rc == 0) rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a wall clock that steps must not stop us */
	if (rc == 0) rc = pthread_cond_init(&q->more, &attr);
	if (rc != 0) FAIL_BY(ERR_INTERNAL, "keeper: cannot make a queue", rc);
	pthread_condattr_destroy(&attr);
	return OK;
}

void queue_destroy(struct queue *q)
{
	pthread_cond_destroy(&q->more);
	pthread_mutex_destroy(&q->lock);
}

void queue_append(struct queue *q, struct job *job)
{
	if (q->head == NULL) q->oldest_us = clock_mono_us();
	job->next = NULL;
	*q->tail = job;
	q->tail = &job->next;
	q->count++;
	q->urgent |= job->urgent;
}

void queue_push(struct queue *q, struct job *job)
{
	pthread_mutex_lock(&q->lock);
	queue_append(q, job);
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

void queue_stop(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->stop = true;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

void queue_wait(struct queue *q, int64_t deadline_us)
{
	struct timespec at = { .tv_sec = (time_t)(deadline_us / 1000000), .tv_nsec = (long)(deadline_us % 1000000) * 1000 };

	(void)pthread_cond_timedwait(&q->more, &q->lock, &at);
}

struct job *queue_take(struct queue *q, size_t max)
{
	struct job *first = q->head, **end = &q->head;

	while (max-- > 0 && *end != NULL) {
		end = &(*end)->next;
		q->count--;
	}
	q->head = *end;
	*end = NULL;
	if (q->head == NULL) {
		q->tail = &q->head;
		q->urgent = false;
	}
	return first;
}
