/* A child that cannot be started leaves nothing behind that would keep it from being started later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "base/own.h"
#include "daemon/proc.h"

pid_t fork(void) /* of this program: there is no room for another process */
{
	errno = EAGAIN;
	return -1;
}

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL) n++;
	closedir(d);
	return n;
}

static void a_start_that_fails_leaves_nothing(void **state)
{
	AUTO(fd) int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), conf = open("/dev/null", O_RDONLY | O_CLOEXEC);
	const struct start s = { .bin_dir = dir, .conf_fd = conf, .data_dir = dir };
	struct proc p = { .role = CONTROL_KEEPER, .metrics = -1, .due_ms = 1 };
	unsigned before;

	(void)state;
	assert_int_equal(metrics_create(&p.metrics).code, ERR_OK);
	before = open_files();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(proc_start(&p, &s, NULL).code, ERR_UNAVAILABLE);
		assert_int_equal(p.pid, 0);
		assert_null(p.control);
		assert_int_equal(p.kill_ms, 0); /* nobody is there to be killed, so nothing stands before the next start */
		assert_int_equal(open_files(), before);
	}
	proc_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_start_that_fails_leaves_nothing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
