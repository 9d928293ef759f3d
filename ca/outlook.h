/* outlook.h: what would a change of the root set break?  Found from the records: every certificate that has not ended was
 * answered together with the roots of its time, and verifies by the root that was above its signer.
 *
 * Reads the store only; may take long (a second for a million certificates): the clerk's, or at start. */
#ifndef SIGNET_CA_OUTLOOK_H
#define SIGNET_CA_OUTLOOK_H

#include "ca/set.h"
#include "storage/store.h"

struct outlook_count {
	uint64_t certs;      /* that have not ended */
	int64_t until;       /* Unix seconds: when the last of them ends; 0: there is none */
};
struct outlook {
	uint32_t seq;        /* of the set that this is about */
	uint64_t first, end; /* records that were looked at: [first, end) */
	int64_t now;
	struct {
		struct outlook_count blind; /* roots: holders that were answered before it was trusted, so may not know it */
		struct outlook_count under; /* certificates that verify by this one only; FORMER: that it signed */
	} items[SET_ITEMS_MAX];
	struct outlook_count unknown; /* as `blind`, for a root that nobody was ever told of */
	struct outlook_count reigns[SET_REIGNS_MAX];
	struct outlook_count tainted;
};
/* `now`: the keeper's steady clock, so that one that steps forward makes nothing look ended. */
struct err outlook_make(struct store *store, const struct root_set *set, int64_t now, struct outlook *out);

/* Who is meant by one of these counts: SPIFFE IDs, each once, oldest certificate first. */
enum outlook_kind { OUTLOOK_BLIND, OUTLOOK_UNDER, OUTLOOK_UNKNOWN };
#define OUTLOOK_IDS_MAX 1000  /* that are listed */
#define OUTLOOK_COUNT_MAX 1000000 /* that are counted; ours: 64 MiB of hashes */
struct outlook_who {
	enum outlook_kind kind;  /* asked: which count */
	unsigned item;           /* asked: of which item; not for OUTLOOK_UNKNOWN */
	uint64_t identities; /* OUTLOOK_COUNT_MAX: that many or more */
	uint32_t listed;
	struct buf ids;      /* wire_put_bytes() each; the caller sets max, and frees */
};
struct err outlook_who(struct store *store, const struct root_set *set, const struct outlook *o, struct outlook_who *who);

#endif
