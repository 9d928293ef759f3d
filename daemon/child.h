/* child.h: what every child's main() does first: its configuration, its log, its metrics page.  One thread. */
#ifndef SIGNET_DAEMON_CHILD_H
#define SIGNET_DAEMON_CHILD_H

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "daemon/fds.h"
#include "daemon/sandbox.h"

struct child {
	struct log log;
	const struct conf *conf;
	struct metrics *metrics;
	uint16_t number; /* within the role */
};

/* From the descriptors of fds.h and argv[1].  FAILED_PRECONDITION: not started by signetd. */
struct err child_start(struct child *c, const char *process, int argc, char **argv);
/* The number if it is open, otherwise -1. */
int child_fd(int fd);
/* The child's result as its exit status; an error is logged. */
int child_end(const struct child *c, struct err e);

#endif
