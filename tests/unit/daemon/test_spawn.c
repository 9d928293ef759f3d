/* A child started by spawn() tells what it finds: this program again, which is that child when descriptor 3 is a channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/chan.h"
#include "base/own.h"
#include "daemon/spawn.h"

#define FD_LIMIT 256

struct report {
	char open[FD_LIMIT];   /* 1: open */
	char inode[FD_LIMIT];  /* first byte readable by pread(), of memfds */
	int environment, argc, death_signal;
	char number[8];
	bool ignores[NSIG];
	bool blocks_any;
};

static int child_main(int argc, char **argv)
{
	struct report r = { .argc = argc };
	sigset_t blocked;

	for (int fd = 0; fd < FD_LIMIT; fd++) {
		r.open[fd] = fcntl(fd, F_GETFD) >= 0;
		if (r.open[fd] && fd > FD_CONTROL) (void)!pread(fd, &r.inode[fd], 1, 0);
	}
	for (char **e = environ; *e != NULL; e++)
		r.environment += strncmp(*e, "ASAN_OPTIONS", 12) != 0 && strncmp(*e, "UBSAN_OPTIONS", 13) != 0;
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction now;

		r.ignores[sig] = sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
	}
	(void)sigprocmask(SIG_BLOCK, NULL, &blocked);
	for (int sig = 1; sig < NSIG; sig++) r.blocks_any |= sigismember(&blocked, sig) == 1;
	(void)prctl(PR_GET_PDEATHSIG, &r.death_signal, 0, 0, 0);
	(void)snprintf(r.number, sizeof(r.number), "%s", argv[1]);
	return send(FD_CONTROL, &r, sizeof(r), 0) == (ssize_t)sizeof(r) ? 7 : 8;
}

static int own_dir(char name[256])
{
	char path[512];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	assert_true(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	assert_non_null(slash);
	*slash = '\0';
	(void)snprintf(name, 256, "%s", slash + 1);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int memfd_with(char c)
{
	AUTO(fd) int fd = -1;

	assert_int_equal(chan_memfd("test", BYTES(&c, 1), &fd).code, ERR_OK);
	return fcntl(fd, F_DUPFD_CLOEXEC, 10); /* above what must be there: 0 to FD_CONTROL */
}

static void a_child_has_its_descriptors_by_number_and_nothing_else(void **state)
{
	AUTO(fd) int dir = -1, a = memfd_with('a'), b = memfd_with('b');
	AUTO(fd) int leak = open("/dev/null", O_RDONLY), high = fcntl(leak, F_DUPFD, 200);
	struct report r = { .argc = 0 };
	char name[256];
	int pair[2], status;
	sigset_t some;
	pid_t pid = 0;

	(void)state;
	dir = own_dir(name);
	assert_int_equal(chan_pair(pair).code, ERR_OK);
	/* the sources crossed with the targets: each move would overwrite another's source */
	const struct spawn_fd fds[] = { { pair[1], FD_CONTROL }, { a, b }, { b, a }, { dir, CHILD_FD_END - 1 }, { -1, 30 } };

	sigemptyset(&some);
	sigaddset(&some, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &some, NULL);
	assert_true(a > FD_CONTROL && b > FD_CONTROL && a < 30 && b < 30);
	assert_int_equal(spawn(&(struct spawn){ .dir = dir, .program = name, .number = 65535, .fds = fds,
	                                        .fd_count = ARRAY_LEN(fds) }, &pid).code, ERR_OK);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_int_equal(recv(pair[0], &r, sizeof(r), 0), sizeof(r));
	for (int fd = 0; fd < FD_LIMIT; fd++) {
		bool want = fd <= FD_CONTROL || fd == a || fd == b || fd == CHILD_FD_END - 1;

		if ((r.open[fd] == 1) != want) fail_msg("descriptor %d is %s", fd, want ? "missing" : "there");
	}
	assert_int_equal(r.inode[a], 'b');
	assert_int_equal(r.inode[b], 'a');
	assert_string_equal(r.number, "65535");
	assert_int_equal(r.argc, 2);
	assert_int_equal(r.environment, 0);
	assert_int_equal(r.death_signal, SIGKILL);
	assert_true(r.ignores[SIGINT] && r.ignores[SIGTERM] && r.ignores[SIGHUP] && r.ignores[SIGPIPE]);
	assert_false(r.ignores[SIGSYS] || r.ignores[SIGSEGV] || r.ignores[SIGCHLD]);
	assert_false(r.blocks_any);
	assert_true(high >= 200);
	close(pair[0]);
	close(pair[1]);
}

static void a_program_that_is_not_there_shows_in_the_exit_status(void **state)
{
	AUTO(fd) int dir = -1;
	char name[256];
	int status;
	pid_t pid = 0;

	(void)state;
	dir = own_dir(name);
	assert_int_equal(spawn(&(struct spawn){ .dir = dir, .program = "no-such-program" }, &pid).code, ERR_OK);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), SPAWN_NO_PROGRAM);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_has_its_descriptors_by_number_and_nothing_else),
		cmocka_unit_test(a_program_that_is_not_there_shows_in_the_exit_status),
	};
	int type;
	socklen_t len = sizeof(type);

	if (argc == 2 && getsockopt(FD_CONTROL, SOL_SOCKET, SO_TYPE, &type, &len) == 0) return child_main(argc, argv);
	(void)setenv("SECRET", "must not be inherited", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
