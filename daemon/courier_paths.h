/* courier_paths.h: what the courier may read once it is in its sandbox: credentials and CA files that the configuration names, with
 * the directories they are in (they are replaced there), and what glibc looks names up with. */
#ifndef SIGNET_DAEMON_COURIER_PATHS_H
#define SIGNET_DAEMON_COURIER_PATHS_H

#include "base/log.h"
#include "conf/conf.h"

#define COURIER_PATHS_MAX 192 /* 16 clusters with 5 directories each, 32 CA files, and the system's; ours */

struct courier_paths {
	int fds[COURIER_PATHS_MAX]; /* O_PATH */
	size_t count;
};
/* What is not there (yet) is left out and told in the log: when it comes, the courier must be started again to see it. */
void courier_paths_open(const struct conf *conf, const struct log *log, struct courier_paths *out);
void courier_paths_close(struct courier_paths *p);

#endif
