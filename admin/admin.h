/* admin.h: the process that operators and their machines talk to: a JSON API on a unix socket (docs/protocols/admin.md), and
 * metrics and health on an address of their own.  It holds nothing: it asks the keeper.  One thread; opens no file. */
#ifndef SIGNET_ADMIN_ADMIN_H
#define SIGNET_ADMIN_ADMIN_H

#include <sys/types.h>

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"

#define ADMIN_UIDS_MAX 64 /* admin.users (conf/schema.c) */

struct admin_options {
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics;     /* our own page, writable */
	int control_fd, keeper_fd;   /* channels; taken over */
	int socket_fd;               /* listening unix socket */
	int metrics_fd;              /* listening TCP socket; -1: none */
	/* Who may speak on the unix socket, by peer credentials: root and our own uid always may. */
	uid_t uids[ADMIN_UIDS_MAX];
	size_t uid_count;
	gid_t gid;                   /* members may, too; (gid_t)-1: none */
};
/* Runs until CONTROL_STOP (then OK) or until the keeper or the monitor is gone. */
struct err admin_run(const struct admin_options *options);

#endif
