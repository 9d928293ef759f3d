/* backoff.h: how long to wait before a child that died is started again.  Pure. */
#ifndef SIGNET_DAEMON_BACKOFF_H
#define SIGNET_DAEMON_BACKOFF_H

#include <stdint.h>

#define BACKOFF_FIRST_MS 100    /* ours: soon enough that a client's retry finds the child again */
#define BACKOFF_MAX_MS 10000    /* ours: a child that cannot live costs a start each ten seconds */
#define BACKOFF_FORGET_MS 60000 /* ours: who lived a minute starts anew */

struct backoff { /* {0} before the first start */
	int64_t next_ms;
};
/* It died after living so long: wait this many milliseconds. */
int64_t backoff_died(struct backoff *b, int64_t lived_ms);

#endif
