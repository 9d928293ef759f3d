/* query.h: look-ups over the records (admin, command line), and what there is.
 *
 * The indexes (serial, SPIFFE ID, and a summary of times per tile) live in an environment of their own, are not synced
 * with a commit, and hold nothing that is not in the records: they are rebuilt from them whenever they are missing, older,
 * damaged or not trusted.  An answer never depends on them, only its speed; but what they have not caught up with yet is
 * not found by serial or SPIFFE ID.  Rules: docs/protocols/storage.md. */
#ifndef SIGNET_STORAGE_QUERY_H
#define SIGNET_STORAGE_QUERY_H

#include "storage/store.h"

/* Catch up by at most max_records (0: all); *behind is how many are left.  One thread at a time, any one. */
struct err store_index_catch_up(struct store *s, uint64_t max_records, uint64_t *behind);

struct store_query {
	struct bytes serial;      /* exact; empty: any */
	struct bytes spiffe_id;   /* exact; empty: any */
	int64_t expires_from, expires_to; /* not_after in [from, to); both 0: any */
	int64_t issued_from, issued_to;   /* time_ms in [from, to); both 0: any */
	bool newest_first;
	uint64_t after;           /* page: continue after this index; UINT64_MAX: from the start */
	uint32_t limit;           /* 1..1000 records returned */
	uint32_t scan_limit;      /* at most so many records looked at; 0: 100 000 */
};
/* Calls `row` for each match in order (the record's views last for the call).  *next is the index to pass as `after` for
 * the next page, UINT64_MAX when there is none.  Uses the best index; the caller catches up first for complete answers. */
struct err store_query(struct store *s, const struct store_query *q,
                       struct err (*row)(void *ctx, const struct store_record *r), void *ctx, uint64_t *next);

struct store_stats {
	uint64_t records_first, records_end, index_behind;
	uint64_t map_bytes, used_bytes, index_used_bytes;
	uint64_t tokens, bans, revoked;
};
struct err store_stats(struct store *s, struct store_stats *out);

#endif
