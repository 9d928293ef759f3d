#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/own.h"
#include "daemon/listen.h"

static char dir[64];

static in_port_t port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	return ntohs(sin.sin_port);
}

static void a_tcp_address_can_be_taken_once(void **state)
{
	AUTO(fd) int first = -1, second = -1;
	char text[32];
	struct err e;

	(void)state;
	assert_int_equal(listen_tcp("127.0.0.1:0", &first).code, ERR_OK);
	assert_int_equal(fcntl(first, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(fcntl(first, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	(void)snprintf(text, sizeof(text), "127.0.0.1:%u", port_of(first));
	e = listen_tcp(text, &second);
	assert_int_equal(e.code, ERR_UNAVAILABLE);
	assert_int_equal(e.cause, EADDRINUSE);
	assert_int_equal(second, -1);
	assert_int_equal(listen_tcp("no-such-host.invalid:1", &second).code, ERR_NOT_FOUND);
}

static void all_addresses_mean_ipv4_too(void **state)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(fd) int fd = -1, client = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in6 own;
	socklen_t len = sizeof(own);

	(void)state;
	assert_int_equal(listen_tcp(":0", &fd).code, ERR_OK);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
	sin.sin_port = own.sin6_port; /* at the same place in sockaddr_in */
	assert_int_equal(connect(client, (struct sockaddr *)&sin, sizeof(sin)), 0);
}

/* ---- unix ---- */

static void a_unix_socket_is_for_owner_and_group(void **state)
{
	AUTO(fd) int fd = -1, second = -1;
	char path[128];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &fd).code, ERR_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &second).code, ERR_ALREADY_EXISTS); /* it answers */
	close(MOVE_FD(fd));
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &second).code, ERR_OK); /* nobody does: left behind */
	assert_int_equal(unlink(path), 0);
}

/* bind() of this program: when armed, an attacker who may write the directory puts a link in the socket's place. */
static const char *swap_for;
int bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	const char *path = ((const struct sockaddr_un *)sa)->sun_path;
	int rc = (int)syscall(SYS_bind, fd, sa, len);

	if (rc != 0 || swap_for == NULL || sa->sa_family != AF_UNIX) return rc;
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(swap_for, path), 0);
	return 0;
}

static void a_link_in_the_place_of_a_new_socket_is_not_followed(void **state)
{
	AUTO(fd) int fd = -1, file = -1;
	char path[128], victim[128];
	struct stat st;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	(void)snprintf(victim, sizeof(victim), "%s/victim", dir);
	file = open(victim, O_WRONLY | O_CREAT, 0600);
	swap_for = victim;
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &fd).code, ERR_PERMISSION_DENIED);
	swap_for = NULL;
	assert_int_equal(fstat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(unlink(victim), 0);
}

static void what_is_no_socket_is_never_removed(void **state)
{
	AUTO(fd) int fd = -1, file = -1;
	char path[128], link[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	(void)snprintf(link, sizeof(link), "%s/link", dir);
	file = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &fd).code, ERR_ALREADY_EXISTS);
	assert_int_equal(listen_unix(link, (uid_t)-1, (gid_t)-1, &fd).code, ERR_ALREADY_EXISTS);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(unlink(path), 0);
	memset(path, 'a', 120);
	path[0] = '/';
	path[120] = '\0';
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &fd).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(fd, -1);
}

/* ---- handed over ---- */

static void hand_over(const char *pid, const char *count, const char *names)
{
	char own[16];

	(void)snprintf(own, sizeof(own), "%d", getpid());
	(void)setenv("LISTEN_PID", pid == NULL ? own : pid, 1);
	(void)setenv("LISTEN_FDS", count, 1);
	(void)setenv("LISTEN_FDNAMES", names, 1);
}

/* The test has cmocka's descriptors at 3 and above only if it opens any; it moves its own there. */
static void put_at(int fd, int at)
{
	assert_int_equal(dup2(fd, at), at);
}

static void sockets_of_the_service_manager_are_told_apart(void **state)
{
	AUTO(fd) int tcp = -1, metrics = -1, admin = -1;
	struct listen_inherited got;
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/handed", dir);
	assert_int_equal(listen_tcp("127.0.0.1:0", &tcp).code, ERR_OK);
	assert_int_equal(listen_tcp("127.0.0.1:0", &metrics).code, ERR_OK);
	assert_int_equal(listen_unix(path, (uid_t)-1, (gid_t)-1, &admin).code, ERR_OK);
	tcp = fcntl(tcp, F_DUPFD, 20);
	metrics = fcntl(metrics, F_DUPFD, 20);
	admin = fcntl(admin, F_DUPFD, 20);
	put_at(metrics, 3);
	put_at(admin, 4);
	put_at(tcp, 5);
	hand_over(NULL, "3", "metrics:admin:clients");
	assert_int_equal(listen_inherit(&got).code, ERR_OK);
	assert_int_equal(got.metrics, 3);
	assert_int_equal(got.admin, 4);
	assert_int_equal(got.front, 5);
	assert_int_equal(fcntl(5, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	hand_over(NULL, "3", ""); /* two TCP sockets without a name */
	assert_int_equal(listen_inherit(&got).code, ERR_INVALID_ARGUMENT);
	hand_over("1", "3", ""); /* meant for another process */
	assert_int_equal(listen_inherit(&got).code, ERR_OK);
	assert_int_equal(got.front, -1);
	hand_over(NULL, "4", "");
	assert_int_equal(listen_inherit(&got).code, ERR_INVALID_ARGUMENT);
	put_at(socket(AF_INET, SOCK_STREAM, 0), 3); /* does not listen */
	hand_over(NULL, "1", "");
	assert_int_equal(listen_inherit(&got).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(unlink(path), 0);
}

static int setup(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/signet-listen-XXXXXX");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tcp_address_can_be_taken_once),
		cmocka_unit_test(all_addresses_mean_ipv4_too),
		cmocka_unit_test(a_unix_socket_is_for_owner_and_group),
		cmocka_unit_test(what_is_no_socket_is_never_removed),
		cmocka_unit_test(a_link_in_the_place_of_a_new_socket_is_not_followed),
		cmocka_unit_test(sockets_of_the_service_manager_are_told_apart),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
