#include "base/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

struct err user_resolve(const char *name, struct user *out)
{
	struct user u = { .uid = geteuid(), .gid = getegid() };
	const struct passwd *pw;

	if (u.uid == 0) {
		pw = getpwnam(name);
		if (pw == NULL) FAIL(ERR_NOT_FOUND, "user: no such user; make it (useradd --system) or set user:");
		u.uid = pw->pw_uid;
		u.gid = pw->pw_gid;
		u.change = u.uid != 0;
	}
	(void)snprintf(u.name, sizeof(u.name), "%s", name);
	*out = u;
	return OK;
}

struct err user_become(const struct user *u)
{
	uid_t uid, euid, suid;

	if (!u->change) return OK;
	if (initgroups(u->name, u->gid) != 0 || setresgid(u->gid, u->gid, u->gid) != 0 || setresuid(u->uid, u->uid, u->uid) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "user: cannot become the user", errno);
	if (getresuid(&uid, &euid, &suid) != 0 || uid != u->uid || euid != u->uid || suid != u->uid || setuid(0) == 0)
		FAIL(ERR_INTERNAL, "user: the kernel did not keep its word");
	return OK;
}
