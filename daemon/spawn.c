#include "daemon/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/own.h"

/* The environment of a child is empty, but for what kubelet tells the courier; builds that are never installed let more through. */
#define ENVIRONMENT_MAX 16
static const char *const pod_words[] = { "KUBERNETES_SERVICE_HOST=", "KUBERNETES_SERVICE_PORT=" };
#if defined(SIGNET_TEST_POINTS) || defined(SIGNET_SANITIZED)
static const char *const test_words[] = { "SIGNET_TEST_", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "LSAN_OPTIONS=" };
#else
static const char *const test_words[] = { NULL };
#endif

static bool begins_with(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words[i] != NULL && strncmp(text, words[i], strlen(words[i])) == 0) return true;
	return false;
}

static void environment(const struct spawn *s, char *out[ENVIRONMENT_MAX])
{
	size_t n = 0;

	for (char **e = environ; *e != NULL && n < ENVIRONMENT_MAX - 1; e++)
		if (begins_with(*e, test_words, ARRAY_LEN(test_words)) ||
		    (s->pod_environment && begins_with(*e, pod_words, ARRAY_LEN(pod_words))))
			out[n++] = *e;
	out[n] = NULL;
}

/* ---- in the child, between fork and execve ---- */

static void reset_signals(void)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++) (void)signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First everything out of the way of the numbers to come, then each to its number, then the rest closed. */
static bool place_descriptors(const struct spawn *s, int *dir)
{
	int moved[CHILD_FD_END];
	bool used[CHILD_FD_END] = { false };

	*dir = fcntl(s->dir, F_DUPFD_CLOEXEC, CHILD_FD_END);
	if (*dir < 0 || s->fd_count > CHILD_FD_END) return false;
	for (size_t i = 0; i < s->fd_count; i++) {
		moved[i] = s->fds[i].from < 0 ? -1 : fcntl(s->fds[i].from, F_DUPFD_CLOEXEC, CHILD_FD_END);
		if (moved[i] < 0 && s->fds[i].from >= 0) return false;
	}
	for (size_t i = 0; i < s->fd_count; i++) {
		if (moved[i] < 0) continue;
		if (dup3(moved[i], s->fds[i].to, 0) < 0) return false; /* not close-on-exec */
		used[s->fds[i].to] = true;
	}
	for (int fd = FD_CONTROL; fd < CHILD_FD_END; fd++)
		if (!used[fd]) (void)close(fd);
	return close_range(CHILD_FD_END, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static void child(const struct spawn *s, pid_t parent)
{
	char *env[ENVIRONMENT_MAX], number[8];
	char *argv[] = { (char *)(uintptr_t)s->program, number, NULL };
	int dir;

	(void)snprintf(number, sizeof(number), "%u", s->number);
	environment(s, env);
	reset_signals();
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) return;
	if (place_descriptors(s, &dir)) (void)execveat(dir, s->program, argv, env, 0);
}

struct err spawn(const struct spawn *s, pid_t *out)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0) FAIL_BY(ERR_UNAVAILABLE, "spawn: cannot fork", errno);
	if (pid == 0) {
		child(s, parent);
		_exit(SPAWN_NO_PROGRAM);
	}
	*out = pid;
	return OK;
}
