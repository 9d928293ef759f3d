/* sandbox.h: what a role gives up for ever, before it starts a thread and before it reads a byte from a peer.
 *
 * In order: no new privileges, no capabilities (bounding, ambient, and all sets), not dumpable, no core, bounded
 * descriptors; Landlock (as far as this kernel has it); a seccomp allow-list that KILLS THE PROCESS (SIGSYS).
 * The lists: tools/seccomp_lists.h, compiled to BPF at build time.  There is no switch to leave any of it out; only a
 * sanitized build (-DSIGNET_SANITIZED) has neither seccomp nor Landlock, because the sanitizers cannot live in them.
 * Call from the only thread: Landlock binds the calling thread and those it starts. */
#ifndef SIGNET_DAEMON_SANDBOX_H
#define SIGNET_DAEMON_SANDBOX_H

#include "base/log.h"

enum sandbox_role {
	SANDBOX_MONITOR,
	SANDBOX_MONITOR_COURIER, /* a monitor whose children are a courier too: its own filters hold for that one as well */
	SANDBOX_KEEPER,
	SANDBOX_FRONT,
	SANDBOX_ADMIN,
	SANDBOX_COURIER,
	SANDBOX_ROLES
};

struct sandbox_options {
	enum sandbox_role role;
	int data_dir;        /* keeper: the one directory that it may use; otherwise -1 */
	int run_dir;         /* monitor: where it may remove its socket at the end; otherwise -1 */
	const int *readable; /* courier: files and directories that it may read from */
	size_t readable_count;
	unsigned files;      /* descriptors that the process may have open; 0: leave the limit */
	const struct log *log;
};

/* FAILED_PRECONDITION: something could not be given up (the process must end).  Landlock that the kernel does not have is
 * only logged. */
struct err sandbox_enter(const struct sandbox_options *options);

/* The last step alone: install the role's seccomp filter. */
struct err sandbox_seccomp(enum sandbox_role role);
/* Landlock alone; *abi is what the kernel has, 0: none.  Needs no_new_privs. */
struct err sandbox_landlock(const struct sandbox_options *options, int *abi);
/* The bounding set alone; needs CAP_SETPCAP, so the monitor calls it while it is root.  Without it: nothing, and OK. */
struct err sandbox_drop_bounding(void);

#endif
