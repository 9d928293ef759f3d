/* watch.h: when ca.directory is to be read again: it has changed and then stayed the same for a look, or it was refused and may be
 * good by now (a certificate that begins in a moment, a passphrase that came later).  Pure but for stat(); one thread. */
#ifndef SIGNET_DAEMON_WATCH_H
#define SIGNET_DAEMON_WATCH_H

#include "daemon/start.h"

#define WATCH_LOOK_MS 1000       /* ours: some ten stat() a second, and a change is in use within two */
#define WATCH_RETRY_MS 2000      /* ours: after a refusal, doubled each time */
#define WATCH_RETRY_MAX_MS 300000

struct ca_watch {
	uint64_t mark;               /* start_ca_mark() at the last look; 0: there is nothing to look at */
	bool changed;                /* it was another one than before */
	bool first;                  /* not yet read since the start: it may have changed before anybody looked */
	int64_t look_ms;             /* monotonic: when to look again */
	int64_t retry_ms, delay_ms;  /* after a refusal; 0: none */
};
void ca_watch_start(struct ca_watch *w, const struct start *s);
/* Is it to be read now?  *wait_ms: until the next call, -1: never. */
bool ca_watch_due(struct ca_watch *w, const struct start *s, int64_t now_ms, int *wait_ms);
/* It is about to be read. */
void ca_watch_reading(struct ca_watch *w, const struct start *s);
/* What came of it. */
void ca_watch_result(struct ca_watch *w, bool taken, int64_t now_ms);

#endif
