/* seccomp_lists.h: which system calls a role may make once it is in its sandbox, one a line, with the reason.
 *
 * Whatever is not here kills the process (SIGSYS).  Read by tools/seccomp_gen.c at build time only.  A rule may bound one
 * argument, (value & mask) == want, and a second one.  The monitor's list holds its children's too, because a filter
 * is inherited over execve() and the monitor starts them again later.  What is really called, on x86-64, tools/seccomp-seen
 * tells (docs/hardening.md). */
#ifndef SIGNET_TOOLS_SECCOMP_LISTS_H
#define SIGNET_TOOLS_SECCOMP_LISTS_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct call {
	const char *name, *why;
	enum { ANY, ARG, REFUSE, REFUSE_ARG } how;
	unsigned arg;        /* ARG, REFUSE_ARG: its index */
	uint64_t mask, want; /* the same */
	unsigned also;       /* ARG: index of a second argument, and the value of its low 32 bits; 0: none */
	uint64_t also_want;
	int error;           /* REFUSE, REFUSE_ARG: errno instead of death, where a library asks and has another way */
};

#define ANY_(call, reason) { .name = (call), .why = (reason), .how = ANY }
#define IF_(call, i, m, w, reason) { .name = (call), .why = (reason), .how = ARG, .arg = (i), .mask = (m), .want = (w) }
#define LOW UINT64_C(0xffffffff)
#define IS_(call, i, w, reason) IF_(call, i, LOW, w, reason)
#define OPTION_(level, option, reason)                                                                                 \
	{ .name = "setsockopt", .why = (reason), .how = ARG, .arg = 1, .mask = LOW, .want = (level), .also = 2,        \
	  .also_want = (option) }
#define NO_(call, e, reason) { .name = (call), .why = (reason), .how = REFUSE, .error = (e) }

#define NO_IF_(call, i, m, w, e, reason)                                                                               \
	{ .name = (call), .why = (reason), .how = REFUSE_ARG, .arg = (i), .mask = (m), .want = (w), .error = (e) }

/* What glibc's pthread_create() passes to clone(): a thread of this process, never a process. */
#define THREAD_FLAGS                                                                                                   \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |             \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
/* What its fork() passes. */
#define FORK_FLAGS (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD)

/* Every role: memory, time, its log, its channels, its end. */
static const struct call core_calls[] = {
	ANY_("read", "descriptors given at start"),
	ANY_("write", "log lines; eventfd"),
	ANY_("writev", "glibc's own last words"),
	ANY_("close", "descriptors"),
	IF_("sendmsg", 2, MSG_FASTOPEN, 0, "channels; never MSG_FASTOPEN, which is a connect() that Landlock does not see"),
	ANY_("recvmsg", "channels"),
	ANY_("poll", "waiting"),
	ANY_("ppoll", "waiting"),
	IF_("newfstatat", 3, AT_EMPTY_PATH, AT_EMPTY_PATH, "fstat() of glibc 2.33 and newer"),
	ANY_("fstat", "fstat() of an older or newer glibc"),
	IS_("fcntl", 1, F_GETFL, "chan_new()"),
	IS_("fcntl", 1, F_SETFL, "chan_new()"),
	IS_("fcntl", 1, F_GETFD, "is an optional descriptor there?"),
	IS_("fcntl", 1, F_SETFD, "close-on-exec"),
	IS_("fcntl", 1, F_DUPFD_CLOEXEC, "a descriptor queued for sending"),
	IS_("fcntl", 1, F_GET_SEALS, "is this memfd sealed?"),
	ANY_("brk", "malloc"),
	IF_("mmap", 2, PROT_EXEC, 0, "malloc, memfds; never executable"),
	IF_("mprotect", 2, PROT_EXEC, 0, "thread stacks, malloc arenas; never executable"),
	ANY_("munmap", "malloc, memfds"),
	ANY_("mremap", "realloc of large blocks"),
	ANY_("madvise", "free of arenas and stacks"),
	ANY_("futex", "locks"),
	ANY_("getrandom", "OpenSSL, malloc"),
	ANY_("getpid", "OpenSSL asks before each random number"),
	ANY_("gettid", "glibc's locks"),
	ANY_("getuid", "OpenSSL's and our own checks"),
	ANY_("geteuid", "the same"),
	ANY_("getgid", "the same"),
	ANY_("getegid", "the same"),
	ANY_("clock_gettime", "where the vDSO cannot answer"),
	ANY_("clock_getres", "libuv"),
	ANY_("gettimeofday", "where the vDSO cannot answer"),
	ANY_("time", "where the vDSO cannot answer"),
	ANY_("nanosleep", "waiting"),
	ANY_("clock_nanosleep", "waiting"),
	ANY_("restart_syscall", "the kernel's own, after a stop and continue"),
	ANY_("rt_sigprocmask", "glibc around thread start and exit"),
	ANY_("rt_sigaction", "a library that ignores SIGPIPE"),
	ANY_("rt_sigreturn", "end of a signal handler"),
	ANY_("sched_getaffinity", "how many cores"),
	ANY_("sched_yield", "spinning locks"),
	ANY_("sysinfo", "glibc's qsort() asks how much memory there is"),
	IS_("prlimit64", 0, 0, "glibc asks for the stack's limit"),
	ANY_("uname", "libuv"),
	ANY_("exit", "end of a thread"),
	ANY_("exit_group", "end of the process"),
	NO_("clone3", ENOSYS, "its flags cannot be seen here; glibc then uses clone()"),
	NO_("io_uring_setup", ENOSYS, "libuv asks; then uses epoll"),
};

static const struct call thread_calls[] = {
	IS_("clone", 0, THREAD_FLAGS, "a thread; any other flags are a process, which may not be"),
	ANY_("set_robust_list", "a thread's start"),
	ANY_("rseq", "a thread's start"),
};

/* Bytes over TCP, and waiting for them in a loop.  No filters, no TLS or other protocols put into the kernel, nothing of IPv6: much
 * code, for a process that is taken over. */
static const struct call stream_calls[] = {
	ANY_("getsockname", "libmicrohttpd; libcurl; glibc's order of addresses"),
	ANY_("getpeername", "the peer's address, for the log; libcurl"),
	ANY_("getsockopt", "peer credentials, errors; did a connection come about?"),
	OPTION_(IPPROTO_TCP, TCP_NODELAY, "requests and answers at once"),
	OPTION_(SOL_SOCKET, SO_KEEPALIVE, "a peer that vanished is noticed"),
	OPTION_(IPPROTO_TCP, TCP_KEEPIDLE, "the same"),
	OPTION_(IPPROTO_TCP, TCP_KEEPINTVL, "the same"),
	OPTION_(IPPROTO_TCP, TCP_KEEPCNT, "the same"),
	OPTION_(IPPROTO_TCP, TCP_USER_TIMEOUT, "a peer that does not read"),
	ANY_("recvfrom", "bytes from a peer"),
	IF_("sendto", 3, MSG_FASTOPEN, 0, "bytes to a peer; never MSG_FASTOPEN (see sendmsg)"),
	ANY_("epoll_create1", "libuv, libmicrohttpd"),
	ANY_("epoll_ctl", "libuv, libmicrohttpd"),
	ANY_("epoll_wait", "libuv, libmicrohttpd"),
	ANY_("epoll_pwait", "libuv"),
	ANY_("eventfd2", "libuv, libmicrohttpd"),
	ANY_("pipe2", "libuv's signal pipe"),
	IS_("ioctl", 1, FIONBIO, "libuv, libcurl make a descriptor non-blocking"),
};

/* Serving peers on sockets that were given: there is no socket(), bind() or connect() here. */
static const struct call serve_calls[] = {
	ANY_("accept4", "new connections"),
	OPTION_(IPPROTO_TCP, TCP_CORK, "libmicrohttpd"),
	ANY_("shutdown", "end of a connection"),
};

static const struct call keeper_calls[] = {
	ANY_("openat", "LMDB, below data_dir only (Landlock)"),
	ANY_("newfstatat", "files below data_dir"),
	ANY_("unlink", "an index that is rebuilt"),
	ANY_("lseek", "files"),
	ANY_("pread64", "LMDB"),
	ANY_("pwrite64", "LMDB"),
	ANY_("fdatasync", "nothing leaves before it is durable"),
	ANY_("fsync", "the same, where it is new"),
	ANY_("ftruncate", "LMDB's map; memfds"),
	ANY_("fstatfs", "LMDB: does fdatasync() of this kernel and file system do what it should?"),
	ANY_("statfs", "how full is the file system of data_dir?"),
	ANY_("flock", "one daemon per directory"),
	IS_("fcntl", 1, F_SETLK, "LMDB's lock file"),
	IS_("fcntl", 1, F_SETLKW, "the same"),
	IS_("fcntl", 1, F_GETLK, "the same"),
	IS_("fcntl", 1, F_OFD_SETLK, "one daemon per directory"),
	IS_("fcntl", 1, F_ADD_SEALS, "roots and lists travel as sealed memfds"),
	ANY_("memfd_create", "the same"),
	ANY_("eventfd2", "signer threads wake the loop"),
	ANY_("shutdown", "a peer that broke its table"),
};

/* Connections out, names looked up (glibc, in threads of libcurl), credentials read again.  Where to is Landlock's and the
 * configuration's business; over which protocols is said here. */
static const struct call courier_calls[] = {
	IS_("socket", 0, AF_INET, "TCP to API servers and issuers, UDP to name servers"),
	IS_("socket", 0, AF_INET6, "the same"),
	ANY_("connect", "to them"),
	NO_IF_("socket", 0, LOW, AF_UNIX, EAFNOSUPPORT, "glibc looks for nscd, systemd-resolved; then does it itself"),
	NO_IF_("socket", 0, LOW, AF_NETLINK, EAFNOSUPPORT, "glibc looks which addresses we have; then takes all for possible"),
	NO_IF_("mmap", 2, PROT_EXEC, PROT_EXEC, EACCES, "glibc would load more modules for names: files and dns it has"),
	ANY_("sendmmsg", "glibc asks for both kinds of addresses at once"),
	IF_("socketpair", 1, 0xf, SOCK_STREAM,
	    "libcurl wakes its own poll(); of datagrams it could be connected to any unix socket"),
	OPTION_(IPPROTO_IP, IP_RECVERR, "glibc hears that no name server is there"),
	OPTION_(IPPROTO_IPV6, IPV6_RECVERR, "the same"),
	IS_("ioctl", 1, FIONREAD, "glibc: how large is the name server's answer?"),
	ANY_("openat", "credentials, resolv.conf and hosts; no writing (Landlock)"),
	ANY_("newfstatat", "the same"),
	ANY_("lseek", "the same"),
	ANY_("pread64", "the same"),
	ANY_("readlink", "the same"),
	ANY_("access", "the same"),
	IS_("fcntl", 1, F_ADD_SEALS, "keys of issuers travel as sealed memfds"),
	ANY_("memfd_create", "the same"),
};

/* Starting a program: what the dynamic loader and a child's own setup do before the child's stricter sandbox. */
static const struct call monitor_calls[] = {
	IS_("clone", 0, FORK_FLAGS, "a child that died is started again"),
	ANY_("execveat", "the same"),
	ANY_("wait4", "how a child ended"),
	ANY_("kill", "a child that does not stop"),
	ANY_("socketpair", "channels of a new child"),
	OPTION_(SOL_SOCKET, SO_SNDBUF, "the same"),
	ANY_("memfd_create", "files read again on reload"),
	IS_("fcntl", 1, F_ADD_SEALS, "the same"),
	ANY_("dup3", "a child's descriptors"),
	ANY_("close_range", "nothing else reaches a child"),
	ANY_("unlinkat", "the admin socket at the end"),
	ANY_("openat", "the loader; files read again; no writing (Landlock)"),
	ANY_("pread64", "the loader"),
	ANY_("lseek", "files read again"),
	ANY_("newfstatat", "the loader"),
	ANY_("access", "the loader"),
	ANY_("mmap", "the loader maps programs"),
	ANY_("mprotect", "the loader"),
	ANY_("arch_prctl", "the loader"),
	ANY_("set_tid_address", "the loader"),
	ANY_("set_robust_list", "the loader"),
	ANY_("rseq", "the loader"),
	ANY_("readlink", "realpath() of what a courier reads, before its sandbox"),
	ANY_("getppid", "a child looks whether its monitor still is"),
	ANY_("prctl", "a child's sandbox"),
	ANY_("capset", "the same"),
	ANY_("prlimit64", "the same"),
	ANY_("landlock_create_ruleset", "the same"),
	ANY_("landlock_add_rule", "the same"),
	ANY_("landlock_restrict_self", "the same"),
	ANY_("seccomp", "the same"),
	ANY_("mlock2", "OpenSSL's secure heap in a child, before its sandbox"),
};

#define GROUP(table) { table, sizeof(table) / sizeof((table)[0]) }
#define GROUPS_MAX 7
struct group { const struct call *calls; size_t count; };
static const struct { const char *name; struct group groups[GROUPS_MAX]; } roles[] = {
	{ "keeper", { GROUP(keeper_calls), GROUP(thread_calls), GROUP(core_calls) } },
	{ "front", { GROUP(serve_calls), GROUP(stream_calls), GROUP(core_calls) } },
	{ "admin", { GROUP(serve_calls), GROUP(stream_calls), GROUP(core_calls) } },
	{ "monitor", { GROUP(monitor_calls), GROUP(serve_calls), GROUP(stream_calls), GROUP(core_calls) } },
	{ "courier", { GROUP(courier_calls), GROUP(stream_calls), GROUP(thread_calls), GROUP(core_calls) } },
	{ "monitor_courier",
	  { GROUP(monitor_calls), GROUP(serve_calls), GROUP(courier_calls), GROUP(stream_calls), GROUP(thread_calls),
	    GROUP(core_calls) } },
};

#endif
