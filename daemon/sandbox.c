#include "daemon/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/own.h"

#ifndef SIGNET_SANITIZED
#include "daemon/seccomp_admin.h"
#include "daemon/seccomp_courier.h"
#include "daemon/seccomp_front.h"
#include "daemon/seccomp_keeper.h"
#include "daemon/seccomp_monitor.h"
#include "daemon/seccomp_monitor_courier.h"

#define FILTER(table) { .len = ARRAY_LEN(table), .filter = (struct sock_filter *)(uintptr_t)(table) }
struct err sandbox_seccomp(enum sandbox_role role)
{
	const struct sock_fprog filters[SANDBOX_ROLES] = {
		[SANDBOX_MONITOR] = FILTER(seccomp_monitor),
		[SANDBOX_KEEPER] = FILTER(seccomp_keeper),
		[SANDBOX_FRONT] = FILTER(seccomp_front),
		[SANDBOX_ADMIN] = FILTER(seccomp_admin),
		[SANDBOX_COURIER] = FILTER(seccomp_courier),
		[SANDBOX_MONITOR_COURIER] = FILTER(seccomp_monitor_courier),
	};

	/* by system call: glibc has no wrapper; without TSYNC, as there is one thread */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filters[role]) != 0)
		FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: seccomp refused the filter", errno);
	return OK;
}
#else
struct err sandbox_seccomp(enum sandbox_role role)
{
	(void)role;
	return OK;
}
#endif

/* Without CAP_SETPCAP there is nothing to gain a capability from either: execve() cannot, with no_new_privs. */
struct err sandbox_drop_bounding(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
			FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: cannot drop the bounding set", errno);
	return OK;
}

/* All sets are empty afterwards. */
static struct err drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	TRY(sandbox_drop_bounding());
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: cannot clear ambient capabilities", errno);
	if (syscall(SYS_capset, &header, none) != 0)
		FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: cannot drop capabilities", errno);
	return OK;
}

/* Lowers soft and hard limit; never raises. */
static struct err limit(__rlimit_resource_t what, rlim_t max)
{
	struct rlimit now;

	if (getrlimit(what, &now) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: cannot read a limit", errno);
	if (now.rlim_max > max) now.rlim_max = max;
	now.rlim_cur = now.rlim_max;
	if (setrlimit(what, &now) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: cannot set a limit", errno);
	return OK;
}

/* No RLIMIT_FSIZE: descriptor 2 may be a file of any size.  No RLIMIT_NPROC: it counts the user's other processes too, and
 * the filter allows no process anyway. */
static struct err limits(const struct sandbox_options *o)
{
	struct rlimit now;

	TRY(limit(RLIMIT_CORE, 0));
	if (o->files == 0) return OK;
	TRY(limit(RLIMIT_NOFILE, o->files));
	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < o->files)
		log_event(o->log, LOG_WARN, "few descriptors", F_INT("have", now.rlim_cur), F_INT("want", o->files));
	return OK;
}

static void tell_landlock(const struct sandbox_options *o, int abi)
{
#ifdef SIGNET_SANITIZED
	(void)abi;
	log_event(o->log, LOG_WARN, "sandbox off", F_STR("why", "sanitized build"));
#else
	if (abi < 1) log_event(o->log, LOG_WARN, "no landlock", F_STR("why", "this kernel does not have it; seccomp alone holds"));
#endif
}

struct err sandbox_enter(const struct sandbox_options *o)
{
	int abi = 0;

	tzset(); /* glibc reads /etc/localtime at the first gmtime_r(), though UTC needs nothing of it */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: no_new_privs", errno);
	TRY(drop_capabilities());
#ifndef SIGNET_SANITIZED /* LeakSanitizer traces its own process at the end */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: cannot become undumpable", errno);
#endif
	TRY(limits(o));
	TRY(sandbox_landlock(o, &abi));
	tell_landlock(o, abi);
	return sandbox_seccomp(o->role);
}
