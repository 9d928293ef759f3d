/* filing_internal.h: what the files of filing share; for k8s_csr/filing*.c alone. */
#ifndef SIGNET_K8S_CSR_FILING_INTERNAL_H
#define SIGNET_K8S_CSR_FILING_INTERNAL_H

#include <sys/queue.h>

#include "base/loop.h"
#include "k8s_csr/filing.h"
#include "k8s_csr/informer.h"
#include "k8s_csr/object_csr.h"

#define FILING_PATH "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define FILING_AFTER "signet.dev/after" /* label with the value "keep": not ours to sweep */
#define FILING_KEEP "keep"
#define FILING_URL_MAX (sizeof(FILING_PATH) + STORE_INTENT_NAME_MAX + 128)
#define FILING_ATTEMPT_MS 10000 /* ours: an API server that takes longer is as good as away */
#define FILING_APPROVE_MAX 5    /* attempts, if others change the object meanwhile; ours */
#define FILING_LOOK_S 30        /* ours: so long a look for what is resumed may take, be its deadline over or not */
#define FILING_GRACE_S 2        /* ours: from the deadline on, for the request in flight to tell why it does not end */

#define FILING_CALLS_MAX 16     /* at once; ours, measured: with 8 to 16 a burst is over soonest */

typedef char filing_why[WIRE_WHY_MAX + 1];

enum filing_step { STEP_NONE, STEP_CREATE, STEP_LOOK, STEP_APPROVE };

struct filing { /* one request in hand */
	LIST_ENTRY(filing) link; /* filings.waiting, or .answered */
	struct filings *f;
	struct filing_call *call; /* unless STEP_NONE */
	uint64_t id;
	int64_t deadline;                /* Unix seconds; that of the first look of what is resumed may be later: */
	int64_t wanted;                  /* what the keeper said */
	int64_t begun_us, step_us;       /* monotonic; of the step before */
	char *signer;                    /* NULL: the issuer's */
	uint8_t *csr;                    /* DER, until the object is known to be ours */
	const char *doom;                /* a literal: it has failed, which is to be told from the loop */
	uint32_t csr_len;
	uint32_t known, seen;            /* the lists in which its uid became known, and in which it was seen last */
	uint8_t issuer, step, attempts, failure; /* failure: with doom */
	bool resumed;
	bool may_exist;                  /* the object in the cluster is ours and there, for all that we know */
	bool approved, answered;
	char name[STORE_INTENT_NAME_MAX + 1];
	char uid[KUBE_UID_MAX + 1];      /* "": not known yet */
};
LIST_HEAD(filing_list, filing);

struct cleaning; /* an object that is to go, filing_clean.c */
LIST_HEAD(cleaning_list, cleaning);

struct filing_call;
TAILQ_HEAD(filing_queue, filing_call);
enum filing_rank { RANK_GO_ON, RANK_OTHER, RANK_COUNT }; /* which goes first */

enum sweep { SWEEP_NONE, SWEEP_ORDERED, SWEEP_NOW };

struct filings {
	struct filings_options o;
	const struct cluster_options *world;
	char label[2 * WIRE_INSTANCE_LEN + 1];
	struct informer *informer;
	struct timer *tick;       /* each second while something waits */
	struct timer *go_on;      /* calls were cancelled: others may begin */
	struct filing_queue queues[RANK_COUNT];
	size_t calls;             /* in flight */
	void *by_id, *by_name;    /* tsearch() trees of struct filing */
	struct filing_list waiting, answered;
	struct cleaning_list cleaning;
	size_t waiting_count, answered_count, cleaning_count, swept;
	uint32_t list;            /* number of the informer's list, or of the one it is at */
	enum sweep sweep;
};

const struct conf_csr_issuer *filing_issuer(const struct filing *x);
const char *filing_signer(const struct filing *x);

/* ---- filing.c: its ends; x may be gone when they return ---- */
void filing_signed(struct filing *x, struct bytes pem);
void filing_fail(struct filing *x, enum wire_failure failure, const char *why);
/* As filing_fail(), later, from the loop: for whom must not call back. */
void filing_doom(struct filing *x, enum wire_failure failure, const char *why);

/* ---- filing_call.c ---- */
/* As cluster_start() and cluster_cancel(); until others have ended it waits.  Started later it may be UNAVAILABLE for lack of
 * memory. */
struct err filing_call(struct filings *f, enum filing_rank rank, const struct cluster_ask *ask, struct filing_call **out);
void filing_call_cancel(struct filing_call *call);
void filing_calls_go_on(struct filings *f);

/* ---- filing_body.c: POST ---- */
struct err filing_body(const struct filing *x, const struct wire_file *m, struct buf *out);

/* ---- filing_step.c ---- */
/* Requests; what cannot be started is doomed. */
void filing_create(struct filing *x, const struct wire_file *m);
void filing_look(struct filing *x);
/* The object, wherever it came from; x may be gone then. */
void filing_object(struct filing *x, const json_t *object);
/* Printable; for the log and the keeper. */
void filing_describe(struct err e, const struct https_answer *a, filing_why out);

/* ---- filing_clean.c ---- */
struct clean {
	const char *name, *uid; /* uid "": whatever has that name */
	bool events;            /* tell first what the cluster says of it */
	bool remove;
};
/* What cannot be done is logged. */
void filing_clean(struct filings *f, const struct clean *clean);
void filing_clean_cancel(struct filings *f);

#endif
