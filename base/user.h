/* user.h: whom the daemon becomes, and the command that looks with its eyes.  One thread. */
#ifndef SIGNET_BASE_USER_H
#define SIGNET_BASE_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct user {
	char name[33];
	uid_t uid;
	gid_t gid;
	bool change; /* started as root, and uid is somebody else */
};

/* Started as root: the user of that name.  Otherwise who we are already, whatever the name.  NOT_FOUND: no such user. */
struct err user_resolve(const char *name, struct user *out);
/* Become that user for good: groups, group, user, in all three ids; and make sure there is no way back. */
struct err user_become(const struct user *u);

#endif
