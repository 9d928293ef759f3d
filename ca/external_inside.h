/* external_inside.h: what the files about other signers share; nobody else includes it. */
#ifndef SIGNET_CA_EXTERNAL_INSIDE_H
#define SIGNET_CA_EXTERNAL_INSIDE_H

#include "ca/external.h"
#include "ca/issuer_roots.h"

#define ISSUER_ROOTS "issuer-roots" /* stored value: issuer_roots_save() */
#define ISSUER_INSTANCE "instance"  /* stored value: WIRE_INSTANCE_LEN octets */

struct external { /* the main thread's, but for what `lock` guards */
	struct peer nobody;         /* whose requests of lost fronts and of earlier keepers are */
	struct peer *courier;       /* that said HELLO; NULL: there is none */
	uint8_t instance[WIRE_INSTANCE_LEN];
	struct key_verifier *verifier;
	struct issuer_roots *roots;
	int64_t chain_end[CONF_CSR_ISSUERS_MAX]; /* of what was signed last; 0: not known */
	struct job *jobs[JOBS_MAX];
	uint16_t free[JOBS_MAX];    /* indexes in jobs */
	size_t free_count;
	uint64_t generation;        /* of ids: none is used twice */
	int64_t look_us;
	pthread_mutex_t lock;
	struct job *returned;       /* by the commit thread */
};

/* external.c: a named value, durable, and with it an event (NULL: none); the caller holds no batch. */
struct err external_store(struct keeper *k, const char *name, struct bytes value, const struct store_event *ev);
/* external_answer.c: what the courier said, or failed to say.  Main thread. */
void external_push(struct keeper *k, struct job *job, enum external_stage stage);
void external_refuse(struct keeper *k, struct job *job, enum keeper_reason reason, struct bytes why);
void external_take(struct keeper *k, struct job *job, struct bytes pem);
/* external.c: the courier may clean it up; the same grant under another name. */
void external_done(struct keeper *k, const struct job *job);
enum keeper_reason external_name(struct keeper *k, struct job *job);

#endif
