/* crl_inside.h: what the files of the keeper's CRLs share; nobody else includes it. */
#ifndef SIGNET_CA_CRL_INSIDE_H
#define SIGNET_CA_CRL_INSIDE_H

#include "ca/brought_crl.h"
#include "ca/crl.h"
#include "ca/crl_issue.h"
#include "ca/fields.h"

#define CRL_LISTS_MAX (1 + ROOTS_FORMERS_MAX)
#define CRL_BACKDATE TEMPLATE_BACKDATE /* seconds: clients' clocks may be slow */
#define CRL_DROP_MAX 8192   /* ended entries that one transaction takes out of the store; ours: some milliseconds */
#define CRL_PAGE 4096       /* entries read under one view; ours: a few milliseconds */

/* What the store keeps of the newest list of a key, under "crl.<key id>". */
struct crl_kept {
	uint16_t version;
	uint64_t number;
	int64_t this_update, next_update;
};
extern const struct wire_form crl_kept_form;

struct crl_list { /* one CRL of ours */
	uint8_t ski[KEY_SKI_LEN];         /* of the key that signed it */
	uint8_t issuer[STORE_HASH_LEN];   /* SHA-256 of its issuer's Name: the same key under another name is another CA */
	struct crl_kept kept;
	int64_t scheduled;                /* thisUpdate of the newest one that was scheduled: what ended before has been on it */
	uint64_t count;
	unsigned generation;              /* of revocations that it has; 0: restored from the store */
	struct buf der;                   /* TBSCertList until it is signed */
};

struct crl_signer { /* a copy: while its list is on its way another CA may take over */
	uint8_t ski[KEY_SKI_LEN], name[TEMPLATE_NAME_MAX];
	size_t name_len;
	struct bytes algorithm;           /* static storage */
	bool stored;                      /* its key is in the store: a list can be made again after a restart */
	bool former;
};

enum crl_stage { CRL_IDLE, CRL_BUILT, CRL_SUBMITTED, CRL_SIGNED }; /* of clerk, main, key, commit thread */
struct crls {
	struct hsm_job sign;     /* first, so that the hsm_job is the crls */
	struct keeper *keeper;
	atomic_int stage;
	atomic_uint wanted;      /* generation: grows with every revocation */
	struct crl_signer signers[CRL_LISTS_MAX], target; /* the clerk's; of whose stage it is */
	size_t signer_count;
	bool scheduled;          /* the one on its way is not because of a revocation */
	int64_t until;           /* when the last certificate under a key ends that may be gone tomorrow; 0: any other */
	bool skip_ended;         /* or it would be too large */
	struct crl_head head;    /* of `next`; its issuer is in target.name */
	struct crl_list next;    /* on its way: of the thread whose stage it is */
	struct err signature;
	atomic_int_least64_t retry_us;
	atomic_uint failures;    /* one after the other */
	/* entries that are to leave the store: the clerk's, then (ready) the commit thread's */
	atomic_bool drop_ready;
	struct buf dropping;     /* u8 length, serial */
	size_t drop_count;
	int64_t drop_us;         /* when to look again */

	pthread_rwlock_t lock;   /* of what follows */
	struct crl_list lists[CRL_LISTS_MAX];
	size_t list_count;
	struct buf raw;          /* newest ca-crl.pem, good or not: it may fit the next CA */
	struct brought_crls *brought; /* NULL: none */
};

/* Under the lock.  NULL: there is none. */
struct crl_list *crl_list_find(struct crls *c, const uint8_t ski[KEY_SKI_LEN]);
#define CRL_NAME_LEN (sizeof("crl-list.") + 2 * STORE_KEY_ID_LEN)
void crl_value_name(const char *prefix, const uint8_t ski[KEY_SKI_LEN], char name[CRL_NAME_LEN]);
/* crl_lists.c: a list as it is kept for a key that may be gone after a restart; the other way round. */
struct err crl_list_store(struct store_batch *batch, const struct crl_list *list, struct bytes der);
struct err crl_list_load(struct store *store, struct crl_list *list);
/* Publish: takes *der over. */
void crl_list_publish(struct keeper *k, const struct crl_list *list, struct buf *der);
/* crl_drop.c */
bool crl_has_been_listed(struct crls *c, const struct store_revocation *r, int64_t steady_now);

#endif
