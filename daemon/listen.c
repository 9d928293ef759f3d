#include "daemon/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/own.h"

#define INHERITED_FIRST 3 /* SD_LISTEN_FDS_START */
#define INHERITED_MAX 3

/* ---- TCP ---- */

static struct err listen_on(const struct addrinfo *ai, int *out)
{
	AUTO(fd) int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, zero = 0;

	if (fd < 0) FAIL_BY(ERR_UNAVAILABLE, "listen: no socket", errno);
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "listen: cannot set an option", errno);
	if (ai->ai_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "listen: cannot set an option", errno);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0) FAIL_BY(ERR_UNAVAILABLE, "listen: cannot take the address", errno);
	if (listen(fd, LISTEN_BACKLOG) != 0) FAIL_BY(ERR_UNAVAILABLE, "listen: cannot listen", errno);
	*out = MOVE_FD(fd);
	return OK;
}

struct err listen_tcp(const char *text, int *fd)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *found = NULL;
	struct err e = ERR(ERR_NOT_FOUND, "listen: no such host");
	struct address a;

	TRY(address_split(text, &a));
	/* all addresses: one IPv6 socket that takes IPv4 too; where there is no IPv6, IPv4 */
	if (getaddrinfo(a.host[0] ? a.host : "::", a.port, &hints, &found) != 0) return e;
	e = listen_on(found, fd);
	freeaddrinfo(found);
	if (e.code == ERR_OK || a.host[0] != '\0' || e.cause == EADDRINUSE || e.cause == EACCES) return e;
	if (getaddrinfo("0.0.0.0", a.port, &hints, &found) != 0) return e;
	e = listen_on(found, fd);
	freeaddrinfo(found);
	return e;
}

/* ---- unix ---- */

/* Remove a socket that nobody answers on; refuse anything else. */
static struct err remove_stale(const struct sockaddr_un *sun)
{
	AUTO(fd) int fd = -1;
	struct stat st;

	if (lstat(sun->sun_path, &st) != 0) return errno == ENOENT ? OK : ERR_BY(ERR_UNAVAILABLE, "listen: cannot look", errno);
	if (!S_ISSOCK(st.st_mode)) FAIL(ERR_ALREADY_EXISTS, "listen: the path is there and is not a socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) FAIL_BY(ERR_UNAVAILABLE, "listen: no socket", errno);
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno != ECONNREFUSED)
		FAIL(ERR_ALREADY_EXISTS, "listen: another daemon has this socket");
	if (unlink(sun->sun_path) != 0 && errno != ENOENT) FAIL_BY(ERR_UNAVAILABLE, "listen: cannot remove a stale socket", errno);
	return OK;
}

/* By descriptor: whoever may write the directory could put a link in the socket's place, and we may be root. */
static struct err give_socket(const char *path, uid_t owner, gid_t group)
{
	AUTO(fd) int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) FAIL_BY(ERR_UNAVAILABLE, "listen: cannot look at the socket just made", errno);
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		FAIL(ERR_PERMISSION_DENIED, "listen: something else is in the place of the socket just made");
	if (fchownat(fd, "", owner, group, AT_EMPTY_PATH) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "listen: cannot give the socket its group", errno);
	return OK;
}

struct err listen_unix(const char *path, uid_t owner, gid_t group, int *out)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	AUTO(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc;

	if (fd < 0) FAIL_BY(ERR_UNAVAILABLE, "listen: no socket", errno);
	if (strlen(path) >= sizeof(sun.sun_path)) FAIL(ERR_INVALID_ARGUMENT, "listen: socket path too long");
	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	TRY(remove_stale(&sun));
	mask = umask(0117); /* made with mode 0660; nobody can connect before it listens, when owner and group are right */
	rc = bind(fd, (const struct sockaddr *)&sun, sizeof(sun));
	umask(mask);
	if (rc != 0) FAIL_BY(ERR_UNAVAILABLE, "listen: cannot make the socket", errno);
	TRY(give_socket(path, owner, group));
	if (listen(fd, 64) != 0) FAIL_BY(ERR_UNAVAILABLE, "listen: cannot listen", errno);
	*out = MOVE_FD(fd);
	return OK;
}

/* ---- handed over ---- */

static struct err take_inherited(int fd, const char *name, struct listen_inherited *out)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss), size = sizeof(int);
	int listens = 0, *slot;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
	    getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		FAIL(ERR_INVALID_ARGUMENT, "listen: a descriptor was handed over that does not listen");
	slot = ss.ss_family == AF_UNIX ? &out->admin : strcmp(name, "metrics") == 0 ? &out->metrics : &out->front;
	if (*slot >= 0) FAIL(ERR_INVALID_ARGUMENT, "listen: two sockets of a kind were handed over");
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
		FAIL_BY(ERR_INTERNAL, "listen: cannot set flags", errno);
	*slot = fd;
	return OK;
}

struct err listen_inherit(struct listen_inherited *out)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	AUTO(heap) char *copy = strdup(names == NULL ? "" : names);
	struct listen_inherited got = { .front = -1, .metrics = -1, .admin = -1 };
	char *rest = copy;
	int n;

	if (copy == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "listen: out of memory");
	*out = got;
	if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid()) return OK;
	n = atoi(count);
	if (n < 0 || n > INHERITED_MAX) FAIL(ERR_INVALID_ARGUMENT, "listen: more sockets were handed over than are of use");
	for (int i = 0; i < n; i++) {
		const char *name = strsep(&rest, ":");

		TRY(take_inherited(INHERITED_FIRST + i, name == NULL ? "" : name, &got));
	}
	*out = got;
	return OK;
}
