/* monitor.h: start the children, wait, start again what died, stop.  One thread; after the keeper has been started it is in
 * its sandbox and opens nothing but the files of a reload.
 *
 * SIGTERM, SIGINT: fronts and admin are told to stop; when they have ended, the keeper; who has not ended after STOP_MS is
 * killed.  SIGHUP: JWKS and TLS files are read again, and the fronts are replaced one after the other.  The keeper is never
 * started again: what it held in memory about requests in flight is gone, so the daemon ends with EXIT_KEEPER. */
#ifndef SIGNET_DAEMON_MONITOR_H
#define SIGNET_DAEMON_MONITOR_H

#include "daemon/start.h"

/* Until a signal or the keeper's death; *status is signetd's exit status.  An error: not even started. */
struct err monitor_run(struct start *s, int *status);

#endif
