/* limits_told.h: each limit that a client runs into is counted, and named in the log: one line a second for each kind, with how
 * many were left out.  One owner. */
#ifndef SIGNET_RA_LIMITS_TOLD_H
#define SIGNET_RA_LIMITS_TOLD_H

#include "base/log.h"
#include "base/metrics.h"
#include "net/server.h"

enum { TOLD_IDENTITY = LIMIT_COUNT, TOLD_PENDING, TOLD_COUNT }; /* limits of ra/, behind those of net/ */

struct limits_told {
	const struct log *log;
	struct metrics *metrics;
	struct { int64_t second; uint64_t left_out; } kinds[TOLD_COUNT];
};
/* kind: enum server_limit, or one of the above; who: an address or an identity. */
void limits_tell(struct limits_told *t, unsigned kind, const char *who);

#endif
