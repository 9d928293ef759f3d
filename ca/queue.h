/* queue.h: jobs from many threads to one.  Inside ca/ only. */
#ifndef SIGNET_CA_QUEUE_H
#define SIGNET_CA_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"

struct job; /* ca/inside.h */
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *head, **tail;
	size_t count;
	size_t expected;         /* jobs that the next batch may hope for: see commit.c */
	bool urgent;
	bool nudged;             /* its thread has something to do besides */
	atomic_bool stop;
	enum { QUEUE_BUSY, QUEUE_EMPTY, QUEUE_COMPANY } waiting; /* what its thread waits for */
	int64_t oldest_us;       /* when it last became non-empty */
};

struct err queue_init(struct queue *q);
void queue_destroy(struct queue *q);
void queue_append(struct queue *q, struct job *job); /* under q->lock */
void queue_push(struct queue *q, struct job *job);
void queue_stop(struct queue *q);
/* Wait on q->more (under q->lock) until deadline_us (monotonic). */
void queue_wait(struct queue *q, int64_t deadline_us);
/* Up to `max` jobs, oldest first (under q->lock). */
struct job *queue_take(struct queue *q, size_t max);

#endif
