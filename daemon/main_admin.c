/* signet-admin: faces operators and their machines.  Everything comes by descriptor (daemon/fds.h); the work is
 * admin/admin.h. */
#include <jansson.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "admin/admin.h"
#include "base/chan.h"
#include "base/own.h"
#include "daemon/access.h"
#include "daemon/child.h"

#define FILES_MAX 1024 /* descriptors: operators' and scrapers' connections; ours */

static struct err take_access(struct admin_options *o)
{
	struct access_list list;
	struct bytes in;

	TRY(chan_memfd_map(ADMIN_FD_ACCESS, ACCESS_WIRE_MAX, &in));
	TRY(access_take(in, &list));
	munmap((void *)(uintptr_t)in.data, in.len);
	close(ADMIN_FD_ACCESS);
	memcpy(o->uids, list.uids, sizeof(o->uids));
	o->uid_count = list.uid_count;
	o->gid = list.has_group ? list.group : (gid_t)-1;
	return OK;
}

static struct err run(struct child *c)
{
	struct admin_options o = { .conf = c->conf, .log = &c->log, .metrics = c->metrics, .control_fd = FD_CONTROL,
		                   .keeper_fd = ADMIN_FD_KEEPER, .socket_fd = ADMIN_FD_SOCKET,
		                   .metrics_fd = child_fd(ADMIN_FD_METRICS) };

	TRY(take_access(&o));
	json_object_seed(0); /* reads /dev/urandom, and would do so at the first object */
	TRY(sandbox_enter(&(struct sandbox_options){ .role = SANDBOX_ADMIN, .data_dir = -1, .run_dir = -1, .log = &c->log,
		                                     .files = FILES_MAX }));
	return admin_run(&o);
}

int main(int argc, char **argv)
{
	struct child c;
	struct err e = child_start(&c, "admin", argc, argv);

	return child_end(&c, e.code != ERR_OK ? e : run(&c));
}
