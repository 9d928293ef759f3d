/* listen.h: the monitor's listening sockets: made here, or handed over by systemd (sd_listen_fds(3)).  One thread. */
#ifndef SIGNET_DAEMON_LISTEN_H
#define SIGNET_DAEMON_LISTEN_H

#include <sys/types.h>

#include "base/err.h"

#define LISTEN_BACKLOG 4096 /* connections; ours, the kernel lowers it to net.core.somaxconn */

/* A TCP socket that listens there (base/address.h; no host: on all addresses, IPv6 and IPv4), non-blocking, close-on-exec.
 * INVALID_ARGUMENT: no address; NOT_FOUND: no such host; UNAVAILABLE: cause is errno. */
struct err listen_tcp(const char *text, int *fd);
/* A unix socket of mode 0660 and this owner and group ((uid_t)-1, (gid_t)-1: leave).  What a dead daemon left behind is
 * removed.  ALREADY_EXISTS: somebody listens there, or it is no socket; INVALID_ARGUMENT: path too long. */
struct err listen_unix(const char *path, uid_t owner, gid_t group, int *fd);

struct listen_inherited { /* -1: not handed over */
	int front, metrics, admin;
};
/* Sockets from LISTEN_FDS, if LISTEN_PID is this process: a unix socket is admin's; a TCP socket named "metrics"
 * (FileDescriptorName=) is for metrics, any other is the clients'.  INVALID_ARGUMENT: one that does not listen, or two of
 * a kind. */
struct err listen_inherit(struct listen_inherited *out);

#endif
