/* wire_courier.h: what keeper and courier may say to each other (docs/protocols/keeper.md); see ca/wire.h.
 *
 * The keeper asks for a certificate by another signer only when its intent is durable; it asks again, with `resume`, for what
 * was in hand when a courier or the daemon died.  The courier tells what came of it, once; the keeper believes nothing of that
 * before it has checked it (ca/signed.h). */
#ifndef SIGNET_CA_WIRE_COURIER_H
#define SIGNET_CA_WIRE_COURIER_H

#include "ca/signed.h"
#include "conf/conf.h"
#include "csr/csr.h"
#include "storage/intent.h"

enum wire_courier_type {
	/* courier -> keeper */
	COURIER_HELLO = 1,     /* struct wire_hello, number 0 */
	COURIER_SIGNED = 2,    /* struct wire_signed */
	COURIER_FAILED = 3,    /* struct wire_failed */
	/* keeper -> courier */
	KEEPER_INSTANCE = 16,  /* after HELLO: WIRE_INSTANCE_LEN octets: whose requests ours are, in every cluster */
	KEEPER_FILE = 17,      /* struct wire_file */
	KEEPER_DONE = 19,      /* u64 id: its answer is durable, or wanted no more: clean up */
	KEEPER_FILED_ALL = 18, /* empty, after INSTANCE: all that is in hand has been sent; what else is found is left over */
};
#define WIRE_INSTANCE_LEN 16

struct wire_file { /* please have this signed */
	uint64_t id;               /* the keeper's; unique among those in hand */
	uint8_t issuer;            /* index among conf's kubernetes_csr issuers */
	bool resume;               /* it may be there already: look, and do not make it anew */
	int64_t deadline;          /* Unix seconds: what is not signed then has failed */
	uint32_t lifetime;         /* seconds to ask for */
	struct bytes name;         /* of the object, STORE_INTENT_NAME_MAX */
	struct bytes signer_name;  /* empty: the issuer's own */
	/* Who and why: for the object's annotations.  Without a SPIFFE ID it is a server's certificate, ours. */
	struct bytes spiffe_id, caller, rule;
	struct bytes request_id;   /* the same; may be empty */
	struct bytes csr;          /* DER */
};
struct err wire_file_put(struct buf *out, const struct wire_file *m);
struct err wire_file_take(struct bytes in, struct wire_file *m);

struct wire_signed { uint64_t id; struct bytes pem; }; /* as the signer gave it: leaf first */
struct err wire_signed_put(struct buf *out, const struct wire_signed *m);
struct err wire_signed_take(struct bytes in, struct wire_signed *m);

/* Why there is no certificate; each has a keeper_reason, and so a code for the client and a metric (wire_failure_reason()). */
enum wire_failure {
	FAILURE_DENIED = 1,   /* an approver said no */
	FAILURE_FAILED,       /* the signer said no */
	FAILURE_DELETED,      /* somebody deleted the request */
	FAILURE_DEADLINE,     /* nobody signed it in time */
	FAILURE_UNAVAILABLE,  /* the API server cannot be reached, or is overloaded */
	FAILURE_FORBIDDEN,    /* the API server does not let us: permissions are missing */
	FAILURE_REFUSED,      /* the API server refuses the request as such */
	FAILURE_ANSWER,       /* what it answered cannot be read */
	FAILURE_LOST,         /* to be resumed, and not there */
	FAILURE_COUNT
};
struct wire_failed { uint64_t id; uint8_t failure; struct bytes why; }; /* why: printable, for the log */
#define WIRE_WHY_MAX 512
struct err wire_failed_put(struct buf *out, const struct wire_failed *m);
struct err wire_failed_take(struct bytes in, struct wire_failed *m);
enum keeper_reason wire_failure_reason(enum wire_failure failure);

#endif
