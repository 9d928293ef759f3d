/* spawn.h: fork and execute one child with exactly the descriptors of a map.  One thread. */
#ifndef SIGNET_DAEMON_SPAWN_H
#define SIGNET_DAEMON_SPAWN_H

#include <sys/types.h>

#include "base/err.h"
#include "daemon/fds.h"

struct spawn_fd { /* our descriptor `from` is the child's `to` (FD_CONTROL .. CHILD_FD_END - 1); from < 0: not there */
	int from, to;
};

struct spawn {
	int dir;              /* directory of the programs */
	const char *program;  /* file name in it; argv[0] too */
	uint16_t number;      /* argv[1] */
	bool pod_environment; /* pass on where kubelet says that the API server is */
	const struct spawn_fd *fds;
	size_t fd_count;      /* at most CHILD_FD_END */
};
/* The child has 0, 1, 2 as we do, the map, and nothing else; an empty environment
 * (but for pod_environment); it ignores SIGINT, SIGTERM, SIGHUP
 * and SIGPIPE (it is told to stop over its control channel); it is killed when we die.  UNAVAILABLE: no process.  That
 * the program cannot be executed shows as exit status SPAWN_NO_PROGRAM of the child. */
#define SPAWN_NO_PROGRAM 127
struct err spawn(const struct spawn *s, pid_t *pid);

#endif
