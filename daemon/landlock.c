/* landlock.c: what of the file system a role may touch, and no new TCP, but the courier's.  The kernel's numbers are written here,
 * because Debian 12's header ends at ABI 2; what a kernel does not have is left out by its ABI number. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/own.h"
#include "daemon/sandbox.h"

#ifdef SIGNET_SANITIZED
struct err sandbox_landlock(const struct sandbox_options *o, int *abi)
{
	(void)o;
	*abi = 0;
	return OK;
}
#else
struct ruleset { /* struct landlock_ruleset_attr of ABI 6; the kernel takes shorter ones */
	uint64_t fs, net, scoped;
};
struct beneath { /* struct landlock_path_beneath_attr */
	uint64_t access;
	int32_t dir;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ (UINT64_C(3) << 2)         /* files and directories */
#define FS_REMOVE_FILE (UINT64_C(1) << 5)
#define FS_TRUNCATE (UINT64_C(1) << 14)
#define FS_ALL_1 ((UINT64_C(1) << 13) - 1) /* ABI 1: everything up to making symbolic links */
#define FS_REFER (UINT64_C(1) << 13)       /* ABI 2 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15)   /* ABI 5 */
/* What the keeper does below data_dir: read, write, and make, replace and remove files and directories. */
#define FS_KEEPER                                                                                                      \
	((UINT64_C(1) << 1) | FS_READ | (UINT64_C(1) << 4) | FS_REMOVE_FILE | (UINT64_C(1) << 7) |                     \
	 (UINT64_C(1) << 8) | FS_TRUNCATE)
/* What the monitor gives up: changing anything.  Reading and executing stay: it starts programs. */
#define FS_MONITOR_KEEPS (FS_EXECUTE | FS_READ | FS_IOCTL_DEV)

#define NET_BIND 1            /* ABI 4 */
#define NET_TCP 3             /* bind, connect */
#define SCOPE_UNIX_SIGNAL 3   /* ABI 6: abstract unix sockets, signals */

static struct ruleset ruleset_for(enum sandbox_role role, int abi)
{
	struct ruleset r = { .fs = FS_ALL_1 };

	if (abi >= 2) r.fs |= FS_REFER;
	if (abi >= 3) r.fs |= FS_TRUNCATE;
	if (abi >= 4) r.net = role == SANDBOX_COURIER || role == SANDBOX_MONITOR_COURIER ? NET_BIND : NET_TCP;
	if (abi >= 5) r.fs |= FS_IOCTL_DEV;
	if (abi >= 6) r.scoped = SCOPE_UNIX_SIGNAL;
	if (role == SANDBOX_MONITOR || role == SANDBOX_MONITOR_COURIER) {
		r.fs &= ~FS_MONITOR_KEEPS;
		r.scoped = 0; /* it signals the keeper, which is not below it, and tells systemd */
	}
	return r;
}

static struct err allow_beneath(int ruleset, int dir, uint64_t access)
{
	struct beneath b = { .access = access, .dir = dir };

	if (dir < 0) return OK;
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &b, 0) != 0)
		FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: landlock refused a rule", errno);
	return OK;
}

/* The one file outside data_dir that the keeper reads: the name of this boot, by which the store knows whether an index that
 * was not closed can be believed.  Without /proc it does without. */
static struct err allow_boot_id(int ruleset)
{
	AUTO(fd) int fd = open("/proc/sys/kernel/random/boot_id", O_PATH | O_CLOEXEC);

	return allow_beneath(ruleset, fd, FS_READ_FILE);
}

/* A file has no directory's rights. */
static struct err allow_reading(int ruleset, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: a file that is to be read is gone", errno);
	return allow_beneath(ruleset, fd, S_ISDIR(st.st_mode) ? FS_READ : FS_READ_FILE);
}

struct err sandbox_landlock(const struct sandbox_options *o, int *abi)
{
	static const size_t sizes[] = { 8, 8, 8, 16, 16, 24 }; /* of the ruleset, by ABI - 1 */
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	AUTO(fd) int ruleset = -1;
	struct ruleset r;
	size_t size;

	*abi = version < 1 ? 0 : (int)version;
	if (*abi == 0) return OK; /* ENOSYS, EOPNOTSUPP: not there, or switched off at boot */
	r = ruleset_for(o->role, *abi);
	size = sizes[*abi <= (int)ARRAY_LEN(sizes) ? *abi - 1 : (int)ARRAY_LEN(sizes) - 1];
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (ruleset < 0) FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: landlock refused the ruleset", errno);
	TRY(allow_beneath(ruleset, o->data_dir, FS_KEEPER & r.fs));
	if (o->role == SANDBOX_KEEPER) TRY(allow_boot_id(ruleset));
	TRY(allow_beneath(ruleset, o->run_dir, FS_REMOVE_FILE));
	for (size_t i = 0; i < o->readable_count; i++) TRY(allow_reading(ruleset, o->readable[i]));
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		FAIL_BY(ERR_FAILED_PRECONDITION, "sandbox: landlock refused", errno);
	return OK;
}
#endif
