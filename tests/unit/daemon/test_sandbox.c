/* The real sandbox of each role, entered in a child: what it forbids kills it, what it needs works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/own.h"
#include "daemon/sandbox.h"

#define K (1 << SANDBOX_KEEPER)
#define F (1 << SANDBOX_FRONT)
#define A (1 << SANDBOX_ADMIN)
#define M (1 << SANDBOX_MONITOR)
#define C (1 << SANDBOX_COURIER)
#define W (1 << SANDBOX_MONITOR_COURIER)

static char dir[64];           /* data_dir and run_dir of the sandboxes */
static int dir_fd, listening;  /* opened before, as the monitor does */
static const struct log quiet = { .level = LOG_ERROR, .process = "test" };
static const char *const role_names[] = {
	[SANDBOX_MONITOR] = "monitor",	 [SANDBOX_MONITOR_COURIER] = "monitor with a courier", [SANDBOX_KEEPER] = "keeper",
	[SANDBOX_FRONT] = "front",	 [SANDBOX_ADMIN] = "admin",			       [SANDBOX_COURIER] = "courier",
};

static struct err enter(enum sandbox_role role)
{
	bool is_monitor = role == SANDBOX_MONITOR || role == SANDBOX_MONITOR_COURIER;

	return sandbox_enter(&(struct sandbox_options){ .role = role, .data_dir = role == SANDBOX_KEEPER ? dir_fd : -1,
	                                                .run_dir = is_monitor ? dir_fd : -1, .files = 64, .log = &quiet,
	                                                .readable = &dir_fd, .readable_count = role == SANDBOX_COURIER });
}

/* Wait status of a child that enters the role's sandbox and then does that; its result is its exit status. */
static int in_sandbox(enum sandbox_role role, int (*what)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (enter(role).code != ERR_OK) _exit(99);
		_exit(what());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#ifndef SIGNET_SANITIZED
/* ---- what kills ---- */

static int do_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) < 0; }
static int do_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) < 0; }
static int do_datagram_pair(void) { int fds[2]; return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) < 0; }
static int do_packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0) < 0; }
static int do_connect(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/x" };
	return connect(listening, (struct sockaddr *)&sun, sizeof(sun)) < 0;
}
static int do_bind(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "/x" };
	return bind(listening, (struct sockaddr *)&sun, sizeof(sun)) < 0;
}
static int do_listen(void) { return listen(listening, 1) < 0; }
static int do_accept(void) { return accept4(listening, NULL, NULL, SOCK_CLOEXEC) < 0 && errno != EAGAIN; }
/* shutdown() turns a listening socket into a fresh one, and a send with MSG_FASTOPEN connects it: outwards, without connect(). */
static int do_sendto_fastopen(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	return sendto(listening, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0;
}
static int do_sendmsg_fastopen(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct iovec v = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr m = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &v, .msg_iovlen = 1 };
	return sendmsg(listening, &m, MSG_FASTOPEN | MSG_NOSIGNAL) < 0;
}
static int do_setsockopt_ulp(void) { return setsockopt(listening, IPPROTO_TCP, TCP_ULP, "tls", 3) < 0; }
static int do_setsockopt_filter(void) { return setsockopt(listening, SOL_SOCKET, SO_ATTACH_FILTER, "", 0) < 0; }
static int do_setsockopt_ipv6(void) { return setsockopt(listening, IPPROTO_IPV6, IPV6_ADDRFORM, "", 0) < 0; }
static int do_setsockopt_buffer(void)
{
	int size = 65536;
	return setsockopt(listening, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0;
}
static int do_open_passwd(void) { return open("/etc/passwd", O_RDONLY) < 0; }
static int do_stat_passwd(void)
{
	struct stat st;
	return stat("/etc/passwd", &st) < 0;
}
static int do_exec(void)
{
	char *argv[] = { (char *)(uintptr_t)"true", NULL };
	return execve("/bin/true", argv, NULL) < 0;
}
static int do_mkdir(void) { return mkdir("/tmp/signet-sandbox-must-not-be", 0700) < 0; }
static int do_rename(void) { return renameat(dir_fd, "kept", dir_fd, "kept2") < 0; }
static int do_list(void) { return syscall(SYS_getdents64, dir_fd, NULL, 0) < 0; }
static int do_chmod(void) { return fchmod(dir_fd, 0777) < 0; }
static int do_unlinkat(void) { return unlinkat(dir_fd, "kept", 0) < 0; }
static int do_pipe(void)
{
	int ends[2];
	return pipe2(ends, O_CLOEXEC) < 0;
}
static int do_fork(void)
{
	pid_t pid = fork();
	if (pid == 0) _exit(0);
	return pid < 0 || waitpid(pid, NULL, 0) != pid;
}
static int do_vfork(void) { return (int)syscall(SYS_vfork); }
static int do_clone_newuser(void) { return (int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL); }
static int do_unshare(void) { return unshare(CLONE_NEWUSER) < 0; }
static int do_kill_parent(void) { return kill(getppid(), 0) < 0; }
static int do_kill_self(void) { return kill(getpid(), 0) < 0; }
static int do_ptrace(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0; }
static int do_process_vm(void)
{
	struct iovec v = { 0 };
	return syscall(SYS_process_vm_readv, getpid(), &v, 1, &v, 1, 0) < 0;
}
static int do_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}
static int do_mprotect_exec(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) < 0;
}
static int do_pkey_mprotect(void) { return syscall(SYS_pkey_mprotect, &quiet, 4096, PROT_EXEC, 0) < 0; }
static int do_setuid(void) { return setuid(0) < 0; }
static int do_prctl_dumpable(void) { return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0; }
static int do_memfd(void) { return memfd_create("x", 0) < 0; }
static int do_fcntl_owner(void) { return fcntl(listening, F_SETOWN, getpid()) < 0; }
static int do_ioctl_tiocsti(void) { return ioctl(0, TIOCSTI, "x") < 0; }
static int do_mount(void) { return syscall(SYS_mount, "", "/", "", 0, NULL) < 0; }
static int do_bpf(void) { return syscall(SYS_bpf, 0, NULL, 0) < 0; }
static int do_keyctl(void) { return syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0; }
static int do_perf(void) { return syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0) < 0; }
static int do_userfaultfd(void) { return syscall(SYS_userfaultfd, 0) < 0; }
static int do_no_such_call(void) { return syscall(4000) < 0; }
#ifdef __x86_64__
static int do_int80(void) /* the 32-bit getpid: another architecture's numbers mean other calls */
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	return r < 0;
}
static int do_x32(void) { return syscall(0x40000000 | SYS_getpid) < 0; }
#endif

static const struct { const char *name; int (*what)(void); int kills; } forbidden[] = {
	{ "socket(AF_INET)", do_socket, K | F | A | M },
	{ "socket(AF_UNIX)", do_unix_socket, K | F | A | M },
	{ "socketpair(SOCK_DGRAM)", do_datagram_pair, K | F | A | C },
	{ "connect", do_connect, K | F | A | M },
	{ "socket(AF_PACKET)", do_packet_socket, K | F | A | M | C | W },
	{ "bind", do_bind, K | F | A | M | C | W },
	{ "listen", do_listen, K | F | A | M | C | W },
	{ "sendto(MSG_FASTOPEN)", do_sendto_fastopen, K | F | A | M | C | W },
	{ "sendmsg(MSG_FASTOPEN)", do_sendmsg_fastopen, K | F | A | M | C | W },
	{ "setsockopt(TCP_ULP)", do_setsockopt_ulp, K | F | A | M | C | W },
	{ "setsockopt(SO_ATTACH_FILTER)", do_setsockopt_filter, K | F | A | M | C | W },
	{ "setsockopt(IPV6_ADDRFORM)", do_setsockopt_ipv6, K | F | A | M | C | W },
	{ "setsockopt(SO_SNDBUF)", do_setsockopt_buffer, K | F | A | C },
	{ "accept4", do_accept, K | C },
	{ "open", do_open_passwd, F | A },
	{ "stat", do_stat_passwd, F | A },
	{ "mkdir", do_mkdir, K | F | A | M | C | W },
	{ "renameat", do_rename, K | F | A | M | C | W },
	{ "getdents64", do_list, K | F | A | M | C | W },
	{ "fchmod", do_chmod, K | F | A | M | C | W },
	{ "unlinkat", do_unlinkat, K | F | A | C },
	{ "pipe2", do_pipe, K },
	{ "execve", do_exec, K | F | A | M | C | W },
	{ "fork", do_fork, K | F | A | C },
	{ "vfork", do_vfork, K | F | A | M | C | W },
	{ "clone(CLONE_NEWUSER)", do_clone_newuser, K | F | A | M | C | W },
	{ "unshare", do_unshare, K | F | A | M | C | W },
	{ "kill another", do_kill_parent, K | F | A | C },
	{ "kill", do_kill_self, K | F | A | C },
	{ "ptrace", do_ptrace, K | F | A | M | C | W },
	{ "process_vm_readv", do_process_vm, K | F | A | M | C | W },
	{ "mmap(PROT_EXEC)", do_mmap_exec, K | F | A },
	{ "mprotect(PROT_EXEC)", do_mprotect_exec, K | F | A | C },
	{ "pkey_mprotect", do_pkey_mprotect, K | F | A | M | C | W },
	{ "setuid", do_setuid, K | F | A | M | C | W },
	{ "prctl", do_prctl_dumpable, K | F | A | C },
	{ "memfd_create", do_memfd, F | A },
	{ "fcntl(F_SETOWN)", do_fcntl_owner, K | F | A | M | C | W },
	{ "ioctl(TIOCSTI)", do_ioctl_tiocsti, K | F | A | M | C | W },
	{ "mount", do_mount, K | F | A | M | C | W },
	{ "bpf", do_bpf, K | F | A | M | C | W },
	{ "keyctl", do_keyctl, K | F | A | M | C | W },
	{ "perf_event_open", do_perf, K | F | A | M | C | W },
	{ "userfaultfd", do_userfaultfd, K | F | A | M | C | W },
	{ "a call of the future", do_no_such_call, K | F | A | M | C | W },
#ifdef __x86_64__
	{ "int 0x80", do_int80, K | F | A | M | C | W },
	{ "an x32 call", do_x32, K | F | A | M | C | W },
#endif
};

static void what_a_role_does_not_need_kills_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
		for (int role = 0; role < SANDBOX_ROLES; role++) {
			bool want = (forbidden[i].kills & (1 << role)) != 0;
			int status = in_sandbox((enum sandbox_role)role, forbidden[i].what);

			if ((WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) != want)
				fail_msg("%s in %s: wait status 0x%x", forbidden[i].name, role_names[role], (unsigned)status);
		}
}

/* ---- what the file system refuses (Landlock), to those that may call open() at all ---- */

static int is_refused(int fd) { return fd < 0 && errno == EACCES ? 0 : 1; }
static int refused_passwd(void) { return is_refused(open("/etc/passwd", O_RDONLY)); }
static int refused_write(void) { return is_refused(open("/tmp/signet-sandbox-must-not-be", O_WRONLY | O_CREAT, 0600)); }
static int refused_above(void) { return is_refused(openat(dir_fd, "..", O_RDONLY | O_DIRECTORY)); }
static int refused_unlink(void) { return is_refused(unlink("/tmp/signet-sandbox-other")); }
static int refused_unlinkat(void) { return is_refused(unlinkat(AT_FDCWD, "/tmp/signet-sandbox-other", 0)); }
static int refused_symlink_out(void) { return is_refused(openat(dir_fd, "link", O_RDONLY)); }
static int refused_in_run_dir(void) { return is_refused(openat(dir_fd, "new", O_WRONLY | O_CREAT, 0600)); }

static int refused_unix_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EAFNOSUPPORT; }
static int refused_netlink(void) { return socket(AF_NETLINK, SOCK_RAW, 0) >= 0 || errno != EAFNOSUPPORT; }
static int refused_mmap_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED || errno != EACCES;
}

static const struct { const char *name; int (*what)(void); enum sandbox_role role; } refused[] = {
	{ "reading /etc/passwd", refused_passwd, SANDBOX_KEEPER },
	{ "a symbolic link that leads out", refused_symlink_out, SANDBOX_KEEPER },
	{ "the directory above", refused_above, SANDBOX_KEEPER },
	{ "a file elsewhere", refused_write, SANDBOX_KEEPER },
	{ "removing elsewhere", refused_unlink, SANDBOX_KEEPER },
	{ "a file elsewhere", refused_write, SANDBOX_MONITOR },
	{ "a file in run_dir", refused_in_run_dir, SANDBOX_MONITOR },
	{ "removing elsewhere", refused_unlinkat, SANDBOX_MONITOR },
	{ "a file elsewhere", refused_write, SANDBOX_MONITOR_COURIER },
	{ "a file in run_dir", refused_in_run_dir, SANDBOX_MONITOR_COURIER },
	{ "reading /etc/passwd", refused_passwd, SANDBOX_COURIER },
	{ "a symbolic link that leads out", refused_symlink_out, SANDBOX_COURIER },
	{ "a file in what may be read", refused_in_run_dir, SANDBOX_COURIER },
	{ "a unix socket", refused_unix_socket, SANDBOX_COURIER },
	{ "a look at our addresses", refused_netlink, SANDBOX_COURIER },
	{ "memory that can be executed", refused_mmap_exec, SANDBOX_COURIER },
};

static void landlock_keeps_a_role_in_its_directory(void **state)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1), other;

	(void)state;
	if (abi < 1) skip(); /* a kernel without it: seccomp alone, and the log says so */
	other = open("/tmp/signet-sandbox-other", O_WRONLY | O_CREAT, 0600);
	close(other);
	assert_int_equal(symlinkat("/etc/passwd", dir_fd, "link"), 0);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		int status = in_sandbox(refused[i].role, refused[i].what);

		if (status != 0) fail_msg("%s by %s: wait status 0x%x", refused[i].name, role_names[refused[i].role], (unsigned)status);
	}
	assert_int_equal(unlinkat(dir_fd, "link", 0), 0);
	assert_int_equal(unlink("/tmp/signet-sandbox-other"), 0);
}
#else
static void a_sanitized_build_has_no_seccomp(void **state)
{
	(void)state;
	assert_int_equal(sandbox_seccomp(SANDBOX_KEEPER).code, ERR_OK);
	assert_int_equal(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);
}
#endif

/* ---- what must work ---- */

static void *thread(void *arg)
{
	void *p = malloc(1 << 20); /* an arena of its own */

	memset(p, 1, 1 << 20);
	free(p);
	return arg;
}
static int can_start_a_thread(void)
{
	pthread_t t;
	return pthread_create(&t, NULL, thread, NULL) != 0 || pthread_join(t, NULL) != 0;
}
static int can_keep_files(void)
{
	AUTO(fd) int fd = openat(dir_fd, "kept", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char kept[80];
	void *p;

	(void)snprintf(kept, sizeof(kept), "%s/kept", dir);
	if (fd < 0 || ftruncate(fd, 8192) != 0 || pwrite(fd, "x", 1, 4096) != 1 || fdatasync(fd) != 0) return 1;
	if (fcntl(fd, F_SETLK, &lock) != 0) return 2;
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED || munmap(p, 8192) != 0) return 3;
	return unlink(kept) != 0;
}
static int can_seal_memory(void)
{
	AUTO(fd) int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 || write(fd, "x", 1) != 1 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) != 0;
}
static int can_serve(void)
{
	AUTO(fd) int ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN };

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listening, &ev) != 0) return 1;
	if (epoll_wait(ep, &ev, 1, 0) != 0) return 2;
	return accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) != -1 || errno != EAGAIN;
}
static int can_keep_alive(void)
{
	int one = 1;
	(void)setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* refused by a unix socket, and that is all */
	(void)setsockopt(listening, IPPROTO_TCP, TCP_USER_TIMEOUT, &one, sizeof(one));
	return setsockopt(listening, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) != 0;
}
static int can_ask_for_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL) != -1 || errno == 0; }
static int can_allocate(void)
{
	char *p = malloc(64 << 20), *q;

	if (p == NULL) return 1;
	memset(p, 1, 64 << 20);
	q = realloc(p, 128 << 20);
	free(q);
	return q == NULL;
}
static int can_start_and_kill(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		pause();
		_exit(0);
	}
	if (pid < 0 || kill(pid, SIGKILL) != 0 || waitpid(pid, &status, 0) != pid) return 1;
	return !WIFSIGNALED(status);
}
static int can_execute(void) /* as spawn does */
{
	char *argv[] = { (char *)(uintptr_t)"true", NULL };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		execveat(AT_FDCWD, "/bin/true", argv, NULL, 0);
		_exit(1);
	}
	return waitpid(pid, &status, 0) != pid || status != 0;
}
static int can_read_files(void)
{
	AUTO(fd) int fd = open("/etc/passwd", O_RDONLY);
	return fd < 0;
}
static int can_connect(void) /* nobody listens there: it is the kernel's own refusal that comes back */
{
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1), .sin_addr = { htonl(INADDR_LOOPBACK) } };

	return fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno != ECONNREFUSED;
}
static int can_look_up(void) /* whatever comes of it, the way there kills nobody */
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;

	if (getaddrinfo("no-such-name.invalid", "443", &hints, &found) == 0) freeaddrinfo(found);
	return getaddrinfo("127.0.0.1", "443", &hints, &found) != 0;
}
static int can_read_in_directory(void)
{
	AUTO(fd) int fd = openat(dir_fd, "readable", O_RDONLY | O_CLOEXEC);

	return fd < 0;
}
static int can_remove_its_socket(void) { return unlinkat(dir_fd, "socket", 0) != 0; }
static int can_read_the_boot_id(void)
{
	AUTO(fd) int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	char c;
	return fd < 0 || read(fd, &c, 1) != 1;
}
static int can_log(void) /* with the time in UTC */
{
	time_t now = time(NULL);
	struct tm tm;
	return gmtime_r(&now, &tm) == NULL || write(2, "", 0) != 0;
}

static const struct { const char *name; int (*what)(void); int roles; } allowed[] = {
	{ "log", can_log, K | F | A | M | C | W },
	{ "large allocations", can_allocate, K | F | A | M | C | W },
	{ "io_uring is not there", can_ask_for_uring, K | F | A | M | C | W },
	{ "a thread", can_start_a_thread, K | C },
	{ "files below data_dir", can_keep_files, K },
	{ "sealed memfds", can_seal_memory, K | M | C | W },
	{ "the boot's name", can_read_the_boot_id, K },
	{ "accepting", can_serve, F | A },
	{ "keepalive", can_keep_alive, F | A | C },
	{ "a child, and its end", can_start_and_kill, M | W },
	{ "a program", can_execute, M | W },
	{ "a connection out", can_connect, C | W },
	{ "a name looked up", can_look_up, C },
	{ "what may be read", can_read_in_directory, C },
	{ "reading files again", can_read_files, M | W },
	{ "removing the admin socket", can_remove_its_socket, M | W },
};

static void what_a_role_needs_works(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++)
		for (int role = 0; role < SANDBOX_ROLES; role++) {
			int status;

			if ((allowed[i].roles & (1 << role)) == 0) continue;
			assert_true(mknodat(dir_fd, "readable", S_IFREG | 0600, 0) == 0 || errno == EEXIST);
			assert_true(mknodat(dir_fd, "socket", S_IFSOCK | 0600, 0) == 0 || errno == EEXIST);
			status = in_sandbox((enum sandbox_role)role, allowed[i].what);
			if (status != 0) fail_msg("%s in %s: wait status 0x%x", allowed[i].name, role_names[role], (unsigned)status);
		}
	(void)unlinkat(dir_fd, "socket", 0);
	(void)unlinkat(dir_fd, "readable", 0);
}

/* ---- what the kernel says of a process in there ---- */

static void status_field(pid_t pid, const char *field, char out[64])
{
	char path[64], line[256];
	size_t len = strlen(field);
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	out[0] = '\0';
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, field, len) == 0 && line[len] == ':') (void)sscanf(line + len + 1, " %63s", out);
	fclose(f);
}

static const struct { const char *field, *want; } kernel_says[] = {
	{ "NoNewPrivs", "1" },
	{ "CapInh", "0000000000000000" },
	{ "CapPrm", "0000000000000000" },
	{ "CapEff", "0000000000000000" },
	{ "CapAmb", "0000000000000000" },
#ifndef SIGNET_SANITIZED
	{ "Seccomp", "2" },
#endif
};

static void a_process_has_nothing_left_to_give_up(void **state)
{
	(void)state;
	for (int role = 0; role < SANDBOX_ROLES; role++) {
		int ready[2], status;
		struct rlimit core;
		char byte, got[64];
		pid_t pid;

		assert_int_equal(pipe(ready), 0);
		pid = fork();
		if (pid == 0) {
			close(ready[0]);
			if (enter((enum sandbox_role)role).code != ERR_OK) _exit(99);
			(void)!write(ready[1], "x", 1);
			for (;;) (void)poll(NULL, 0, 1000);
		}
		close(ready[1]);
		assert_int_equal(read(ready[0], &byte, 1), 1);
		for (size_t i = 0; i < ARRAY_LEN(kernel_says); i++) {
			status_field(pid, kernel_says[i].field, got);
			if (strcmp(got, kernel_says[i].want) != 0) fail_msg("%s: %s %s", role_names[role], kernel_says[i].field, got);
		}
		status_field(pid, "CapBnd", got);
		if (getuid() == 0) assert_string_equal(got, "0000000000000000");
		assert_int_equal(prlimit(pid, RLIMIT_CORE, NULL, &core), 0);
		assert_int_equal(core.rlim_max, 0);
		assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &core), 0);
		assert_true(core.rlim_max <= 64);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		close(ready[0]);
	}
}

static int setup(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/signet-sandbox-XXXXXX");
	if (mkdtemp(dir) == NULL) return -1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* an autobind name: nothing is left in the file system */
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&sun, sizeof(sun.sun_family)) != 0 || listen(listening, 8) != 0) return -1;
	return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifndef SIGNET_SANITIZED
		cmocka_unit_test(what_a_role_does_not_need_kills_it),
		cmocka_unit_test(landlock_keeps_a_role_in_its_directory),
#else
		cmocka_unit_test(a_sanitized_build_has_no_seccomp),
#endif
		cmocka_unit_test(what_a_role_needs_works),
		cmocka_unit_test(a_process_has_nothing_left_to_give_up),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
