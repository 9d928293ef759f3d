/* inside.h: what the files of the keeper share; nobody else includes it.  A job is one request of a peer on its way: made by
 * the main thread, maybe signed on another, then the commit thread's (or the clerk's), which answers and frees it.  At any
 * time one thread owns it. */
#ifndef SIGNET_CA_INSIDE_H
#define SIGNET_CA_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ca/bans.h"
#include "ca/keeper.h"
#include "ca/limits.h"
#include "ca/queue.h"
#include "ca/roots.h"
#include "ca/wire_admin.h"

#define JOBS_MAX 16384      /* requests in hand, of all peers; ours: past it REASON_RATE at once */
#define JOBS_ADMIN_MAX 64   /* reads of the admin channel: past it RESOURCE_EXHAUSTED */
#define JOBS_ADMIN_ROOM 256 /* beyond JOBS_MAX, for admin only; ours: more than it ever asks at once (admin/admin.c) */
#define PEERS_MAX 80        /* fronts (conf: at most 64), admin, and those that are just going */
#define BATCH_ENOUGH 64     /* jobs that are not kept waiting for more: a commit costs the same (DESIGN.md) */
#define COMPANY_MIN 8       /* expected jobs from which on there is load, and company is worth waiting for; ours */
#define BATCH_MAX 1024      /* jobs of one transaction; ours: bounds its time */
#define PUBLISH_AT 32       /* signed jobs that the commit thread hears of although more requests are readable; ours */
#define TOKEN_TEXT_LEN 48   /* "sgt1_" and 32 octets in base64url */

enum writing { WRITING_RECORDS, WRITING_CRL, WRITING_ROOTS };
struct rotation;
struct keeper;
struct peer { /* a front or admin; the main thread's, but for the atomics */
	struct keeper *keeper;
	struct chan *chan;
	uint8_t role; /* enum control_role */
	uint16_t number;
	atomic_bool dead;        /* to be freed when pending is 0 */
	bool dirty;              /* something was put and not flushed */
	bool greeted;            /* a front that said HELLO: it hears of new roots */
	bool touched;            /* the same as dirty, of the commit thread */
	struct rate rate;
	atomic_uint pending;     /* jobs that refer to it */
	atomic_bool last;        /* its newest request said WIRE_ISSUE_LAST */
	atomic_uint_least64_t serving; /* record of the serving certificate that it was given last; SET_NEVER: none */
	struct peer *next;
};

struct job {
	struct hsm_job sign;     /* first, so that the hsm_job is the job */
	struct job *next;
	struct peer *peer;
	struct err (*apply)(struct keeper *k, struct job *job, struct store_batch *batch); /* writes: into the batch */
	void (*answer)(struct keeper *k, struct job *job);
	/* The clerk's part of a write, before `apply`; NULL: none.  True: the commit thread has the job now. */
	bool (*search)(struct keeper *k, struct job *job);
	bool urgent;             /* admin's: commit without waiting for company */
	bool kept;               /* answered, and now the main thread's (external.c) */
	bool counted;            /* in keeper.issuing */
	struct external_job *external; /* external.c; NULL: signed here */
	bool more;               /* what was applied is a slice: to be applied again instead of answered */
	enum keeper_reason reason; /* issue: refused if not REASON_NONE */
	struct err result;       /* issue: of the signature; admin's: of the change */
	struct buf payload;      /* the message; `issue` and the record borrow it */
	struct buf tbs, cert;
	uint64_t id;
	struct wire_issue issue;
	struct store_record record;
	uint8_t serial[SERIAL_LEN];
	uint64_t earlier;        /* spent before for the same key: answer this record */
	bool again;
	struct wire_token_create token;
	struct wire_subject subject;
	struct wire_ban ban;
	struct revocation *revocation; /* revoke.c */
	bool added;
	char secret[TOKEN_TEXT_LEN + 1], token_id[STORE_TOKEN_ID_LEN + 1]; /* secret: the join token, wiped with the job */
	int64_t now, expires;
};

struct issuers_news;
struct keeper {
	const struct keeper_options *options;
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics;
	struct store *store;
	struct roots *roots;     /* replaced by the main thread under roots_lock, and only while issuing is 0 */
	const struct root_signer *signer;
	pthread_mutex_t roots_lock, writer; /* of the clerk, who reads roots; one batch of the store */
	struct rotation *rotation; /* rotate.c */
	struct hsm_kek ca_kek;   /* what keys in the root set are wrapped under */
	int64_t remind_us;       /* the clerk's: when to warn again of the CA's end */
	struct serials *serials;
	struct limits *limits;
	struct bans *bans;
	struct crls *crls;       /* crl_issue.c */
	struct external *external; /* external.c; NULL: there is no other issuer */
	struct issuers_news *news_of; /* issuers.c */
	atomic_int writing;      /* what the commit that is under way is of: its points are named so */
	struct chan *control;
	int roots_fd, wake_fd;
	struct peer *peers;      /* changed by the main thread under queue.lock */
	struct job *fresh, **fresh_tail; /* signed on the main thread, not yet handed over */
	size_t fresh_count;
	unsigned fresh_turns;    /* since the last was handed over */
	bool immediate;          /* hsm_key_is_immediate() */
	bool news, stopping;
	struct job *spare;       /* main thread: jobs to use again */
	size_t spare_count;
	pthread_mutex_t freed_lock;
	struct job *freed;       /* given back by other threads */
	atomic_size_t jobs, issuing; /* issuing: those of fronts */
	atomic_uint_least64_t issued, refused;
	atomic_bool store_ok;
	int64_t started, started_us; /* wall clock in seconds; monotonic */
	struct queue queue, clerk_queue;
	pthread_t commit_thread, clerk_thread;
	bool commit_runs, clerk_runs;
	struct { char point[32]; unsigned at; atomic_uint seen; } kill; /* SIGNET_TEST_POINTS */
};

void keeper_at_point(struct keeper *k, const char *point);
void keeper_wake(struct keeper *k); /* the main thread out of its wait; any thread */

/* job.c.  NULL: JOBS_MAX reached or out of memory. */
struct job *job_new(struct keeper *k, struct peer *peer, struct bytes payload);
/* Any thread; once freed, its peer may go. */
void job_free(struct keeper *k, struct job *job);
void jobs_drop(struct keeper *k); /* main thread, at the end */

/* front.c, admin.c: what a peer may say. */
struct err front_channel(struct peer *p, int fd);
struct err admin_channel(struct peer *p, int fd);
void front_refuse(struct job *job, enum keeper_reason reason);
void front_send_chain(struct peer *p, const struct wire_issued_chain *m);
void front_send_issued(struct peer *p, uint64_t id, uint64_t index, struct bytes cert);

/* Not one of those any more for which another CA waits. */
void job_uncount(struct keeper *k, struct job *job);
/* issue.c: build, lint, sign; then the commit thread's part. */
void issue_start(struct keeper *k, struct job *job, bool serving);
/* commit.c */
struct err commit_start(struct keeper *k);
void keeper_publish(struct keeper *k); /* hand k->fresh to the commit thread */
/* The wall clock, but never ahead of how long we have been running: what is dropped by it is gone. */
int64_t keeper_steady_now(const struct keeper *k);

#endif
