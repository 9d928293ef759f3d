/* access.h: who may administer, by number: names are looked up by the monitor, because admin opens no file.  root and the
 * daemon's own user always may; they are not in the list.  One thread (the passwd calls). */
#ifndef SIGNET_DAEMON_ACCESS_H
#define SIGNET_DAEMON_ACCESS_H

#include <sys/types.h>

#include "admin/admin.h"
#include "conf/conf.h"

#define ACCESS_WIRE_MAX (2 + 4 + 2 + 4 * ADMIN_UIDS_MAX)

struct access_list {
	bool has_group;
	gid_t group;
	uint16_t uid_count;
	uid_t uids[ADMIN_UIDS_MAX];
};

struct err access_put(struct buf *out, const struct access_list *a);
struct err access_take(struct bytes in, struct access_list *a); /* INVALID_ARGUMENT: malformed or too many */
/* From the names in admin.users and admin.group.  NOT_FOUND: *unknown is the name that this system does not know. */
struct err access_resolve(const struct conf *conf, struct access_list *a, const char **unknown);

#endif
