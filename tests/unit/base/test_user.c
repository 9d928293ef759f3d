#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "base/user.h"

static void root_becomes_the_named_user_and_cannot_go_back(void **state)
{
	struct user u;
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) skip();
	assert_int_equal(user_resolve("nobody", &u).code, ERR_OK);
	assert_true(u.change);
	pid = fork();
	if (pid == 0) {
		gid_t groups[64];
		int n;

		if (setgroups(2, (gid_t[]){ 0, 4 }) != 0 || user_become(&u).code != ERR_OK) _exit(1);
		if (getuid() != u.uid || geteuid() != u.uid || getgid() != u.gid || getegid() != u.gid) _exit(2);
		if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0) _exit(3);
		n = getgroups(64, groups);
		for (int i = 0; i < n; i++)
			if (groups[i] == 0 || groups[i] == 4) _exit(4); /* root's groups stayed */
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void root_refuses_a_user_that_is_not_there(void **state)
{
	struct user u = { .uid = 4711 };

	(void)state;
	if (geteuid() != 0) skip();
	assert_int_equal(user_resolve("no-such-user-here", &u).code, ERR_NOT_FOUND);
	assert_int_equal(u.uid, 4711);
}

static void root_stays_root_only_when_told_so(void **state)
{
	struct user u;

	(void)state;
	if (geteuid() != 0) skip();
	assert_int_equal(user_resolve("root", &u).code, ERR_OK);
	assert_false(u.change);
	assert_int_equal(u.uid, 0);
}

static void an_ordinary_user_stays_who_it_is(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct user u;

		if (geteuid() == 0 && setresuid(12345, 12345, 12345) != 0) _exit(1);
		if (user_resolve("no-such-user-here", &u).code != ERR_OK || u.change || u.uid != geteuid()) _exit(2);
		_exit(user_become(&u).code == ERR_OK ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_becomes_the_named_user_and_cannot_go_back),
		cmocka_unit_test(root_refuses_a_user_that_is_not_there),
		cmocka_unit_test(root_stays_root_only_when_told_so),
		cmocka_unit_test(an_ordinary_user_stays_who_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
