/* wire_admin.h: fields of admin's requests to the keeper and of the answers (docs/protocols/keeper.md); see ca/wire.h. */
#ifndef SIGNET_CA_WIRE_ADMIN_H
#define SIGNET_CA_WIRE_ADMIN_H

#include "ca/wire_bundle.h"
#include "storage/event.h"
#include "storage/query.h"
#include "storage/revoke.h"

#define WIRE_LIST_MAX (4 * 1024 * 1024) /* bytes of a list in a memfd */
#define WIRE_REASON_MAX 256    /* bytes of a refusal's reason */

/* Answers: u64 id, u8 code, reason (empty when OK), then `body` to the end. */
struct wire_answer { uint64_t id; uint8_t code; struct bytes reason, body; };
struct err wire_answer_put(struct buf *out, const struct wire_answer *m);
struct err wire_answer_take(struct bytes in, struct wire_answer *m);

struct wire_token_create { uint64_t id; struct bytes spiffe_id, by; int64_t lifetime; }; /* seconds; 0: the default */
struct err wire_token_create_put(struct buf *out, const struct wire_token_create *m);
struct err wire_token_create_take(struct bytes in, struct wire_token_create *m);
struct wire_token_created { struct bytes token, token_id; int64_t expires; }; /* answer; token is a secret: wipe */
struct err wire_token_created_put(struct buf *out, const struct wire_token_created *m);
struct err wire_token_created_take(struct bytes in, struct wire_token_created *m);

struct wire_cursor { uint64_t id; struct bytes cursor; uint32_t limit; }; /* TOKEN_LIST, BAN_LIST; empty: from the start */
struct err wire_cursor_put(struct buf *out, const struct wire_cursor *m);
struct err wire_cursor_take(struct bytes in, struct wire_cursor *m);

struct wire_subject { uint64_t id; uint8_t kind; struct bytes subject, by; }; /* TOKEN_REVOKE (kind 0), BAN_REMOVE */
struct err wire_subject_put(struct buf *out, const struct wire_subject *m);
struct err wire_subject_take(struct bytes in, struct wire_subject *m);

struct wire_ban { uint64_t id; uint8_t kind; struct bytes subject, reason, by; int64_t since; };
struct err wire_ban_put(struct buf *out, const struct wire_ban *m);
struct err wire_ban_take(struct bytes *in, struct wire_ban *m); /* takes one from a list; requests: then wire_end() */

enum wire_revoke_kind { /* which certificates, among those that have not ended */
	REVOKE_SERIAL = 1, REVOKE_SPIFFE_ID = 2, REVOKE_KEY = 3, REVOKE_RULE = 4,
	REVOKE_CALLER = 5, /* what this caller obtained, and what was renewed with that */
	REVOKE_NODE = 6,   /* what was obtained on this node, and what was renewed with that */
	REVOKE_CA_KEY = 7, /* what this key signed: its key identifier in hex */
	REVOKE_KIND_COUNT
};
/* What the API calls them, by number; "" for 0. */
extern const char *const wire_revoke_kinds[REVOKE_KIND_COUNT];
#define WIRE_BAN_KIND_COUNT (STORE_BAN_NODE + 1)
extern const char *const wire_ban_kinds[WIRE_BAN_KIND_COUNT];
struct wire_revoke { /* CERT_REVOKE; subject: serial, key and CA key as hex */
	uint64_t id;
	uint8_t kind, reason;      /* reason: CRLReason */
	bool dry_run;              /* count, change nothing */
	struct bytes subject, by;
};
struct err wire_revoke_put(struct buf *out, const struct wire_revoke *m);
struct err wire_revoke_take(struct bytes in, struct wire_revoke *m);
struct wire_revoked { uint64_t matched, revoked; }; /* its answer: how many there are, how many of them were not revoked before */
struct err wire_revoked_put(struct buf *out, const struct wire_revoked *m);
struct err wire_revoked_take(struct bytes in, struct wire_revoked *m);
struct wire_revocation { /* an element of REVOCATION_LIST; and behind the record of a revoked certificate in CERT_GET */
	struct bytes serial;
	uint8_t reason, issuer[STORE_KEY_ID_LEN];
	int64_t time, not_after;
	uint64_t record;
	struct bytes by;
};
struct err wire_revocation_put(struct buf *out, const struct wire_revocation *m);
struct err wire_revocation_take(struct bytes *in, struct wire_revocation *m);
struct err wire_revocation_put_stored(struct buf *out, const struct store_revocation *r);

#define WIRE_CRL_MAX (32 * 1024 * 1024) /* bytes; ours: some 700 000 entries */
#define WIRE_CRLS_MAX (2 * WIRE_CRL_MAX) /* of all lists together */
#define WIRE_MEMFD_MAX (WIRE_CRLS_MAX + 256) /* the largest answer in a memfd */
enum wire_crl_source { WIRE_CRL_OURS = 0, WIRE_CRL_FORMER = 1, WIRE_CRL_BROUGHT = 2 }; /* signing key; key of before; ca-crl.pem */
struct wire_crl { /* an element of ADMIN_CRL's answer, the signing key's first */
	uint8_t source;            /* enum wire_crl_source */
	uint64_t number, count;    /* of entries */
	int64_t this_update, next_update;
	uint8_t issuer[STORE_KEY_ID_LEN];
	struct bytes der;
};
struct err wire_crl_put(struct buf *out, const struct wire_crl *m);
struct err wire_crl_take(struct bytes *in, struct wire_crl *m);

struct wire_query { uint64_t id; struct store_query q; };
struct err wire_query_put(struct buf *out, const struct wire_query *m);
struct err wire_query_take(struct bytes in, struct wire_query *m);

struct wire_ca_import { /* CA_IMPORT: PEM; answer: struct wire_root_done */
	uint64_t id;
	bool force, dry_run;
	struct bytes by, chain, roots;
};
#define WIRE_CA_PEM_MAX (24 * 1024) /* bytes of each; ours */
struct err wire_ca_import_put(struct buf *out, const struct wire_ca_import *m);
struct err wire_ca_import_take(struct bytes in, struct wire_ca_import *m);

struct wire_get { uint64_t id, index; }; /* CERT_GET; STATUS and ROOTS with index 0 */
struct err wire_get_put(struct buf *out, const struct wire_get *m);
struct err wire_get_take(struct bytes in, struct wire_get *m);

/* Lists (the answers of ..._LIST, always in a memfd whose message has an empty body): struct wire_list, whose items are
 * elements to the end, taken one by one. */
struct wire_list {
	uint64_t next; /* CERT_LIST: pass as `after` for the next page; UINT64_MAX: there is none.  ROOT_STATUS: sequence */
	struct bytes cursor;       /* TOKEN_LIST, BAN_LIST: for the next page; empty: there is none */
	struct bytes items;
};
#define WIRE_CURSOR_MAX 80     /* bytes; struct store_cursor */
struct err wire_list_put(struct buf *out, const struct wire_list *m);
struct err wire_list_take(struct bytes in, struct wire_list *m);
struct err wire_record_put(struct buf *out, const struct store_record *r);
struct err wire_record_take(struct bytes *in, struct store_record *r);
/* Without the token's hash, which stays with the keeper: zeros after take. */
struct err wire_token_item_put(struct buf *out, const struct store_token *t);
struct err wire_token_item_take(struct bytes *in, struct store_token *t);

struct wire_status { /* answer of ADMIN_STATUS */
	struct store_stats store;
	uint32_t root_seq;
	int64_t root_not_after;
	struct bytes key_type;     /* of the CA: "P-256" ... */
	uint64_t issued, refused;  /* since the keeper started */
	int64_t started;           /* Unix seconds */
	uint32_t fronts;           /* connected */
	uint8_t store_ok;          /* the last commit succeeded */
};
struct err wire_status_put(struct buf *out, const struct wire_status *m);
struct err wire_status_take(struct bytes in, struct wire_status *m);
/* Answer of ADMIN_ROOTS: struct wire_roots; of ADMIN_CERT_GET: one wire_record, and a wire_revocation if it is revoked; of
 * TOKEN_REVOKE and BAN_*: empty. */

#endif
