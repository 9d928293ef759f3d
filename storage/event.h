/* event.h: what operators did, and what the daemon did by itself, in the order it was made durable: each in the transaction
 * of the change that it tells of, so neither is there without the other.  Threads and failures as in storage/store.h. */
#ifndef SIGNET_STORAGE_EVENT_H
#define SIGNET_STORAGE_EVENT_H

#include "storage/store.h"

#define STORE_EVENT_WHAT_MAX 32
#define STORE_EVENT_DETAIL_MAX (STORE_WHY_MAX + 64)
#define STORE_EVENTS_MAX 65536 /* kept; the oldest goes when one more comes.  Ours */

struct store_event {
	uint64_t index;                   /* set by the store; never reused */
	int64_t time;                     /* Unix seconds */
	char what[STORE_EVENT_WHAT_MAX + 1]; /* "root_activated"; not empty */
	char by[STORE_BY_MAX + 1];        /* "uid:1000", "signet" */
	char subject[STORE_TEXT_MAX + 1];
	char detail[STORE_EVENT_DETAIL_MAX + 1];
};

struct err store_batch_event(struct store_batch *b, const struct store_event *ev);
/* Newest first; *cursor as for store_view_ban_next(). */
struct err store_view_event_next(struct store_view *v, struct store_cursor *cursor, struct store_event *out);

#endif
