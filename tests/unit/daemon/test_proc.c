/* A child that cannot be started leaves nothing behind that would keep it from being started later; what a child may say. */
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

static const struct {
	const char *name;
	enum control_role role;
	bool ready, joined;
	int64_t ago_ms; /* of the join */
	bool heard, lives;
} asks[] = {
	{ "front", CONTROL_FRONT, true, true, 1000, true, true },
	{ "front_that_was_joined_just_now", CONTROL_FRONT, true, true, 10, false, true },
	{ "front_that_asked_already", CONTROL_FRONT, true, false, 1000, false, true },
	{ "front_that_is_not_ready", CONTROL_FRONT, false, true, 1000, false, false },
	{ "keeper", CONTROL_KEEPER, true, true, 1000, false, false },
	{ "admin", CONTROL_ADMIN, true, true, 1000, false, false },
	{ "courier", CONTROL_COURIER, true, true, 1000, false, false },
};

static void only_fronts_ask_for_a_courier_and_not_often(void **state)
{
	const struct log log = { .level = LOG_ERROR, .process = "monitor" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(asks); i++) {
		struct proc p = { .role = asks[i].role, .metrics = -1, .joined = asks[i].joined ? 1 : 0 };
		AUTO(chan) struct chan *child = NULL;
		int ends[2];

		p.joined_ms = proc_now_ms() - asks[i].ago_ms;
		assert_int_equal(chan_pair(ends).code, ERR_OK);
		assert_int_equal(proc_control(&p, ends[0]).code, ERR_OK);
		assert_int_equal(chan_new(ends[1], NULL, 0, NULL, &child).code, ERR_OK);
		if (asks[i].ready) assert_int_equal(chan_put(child, CONTROL_READY, BYTES_NONE).code, ERR_OK);
		assert_int_equal(chan_put(child, CONTROL_NO_COURIER, BYTES_NONE).code, ERR_OK);
		assert_int_equal(chan_flush(child).code, ERR_OK);
		proc_serve(&p, &log);
		if ((p.control != NULL) != asks[i].lives) fail_msg("%s", asks[i].name);
		if ((p.joined == 0) != (asks[i].heard || !asks[i].joined)) fail_msg("%s", asks[i].name);
		proc_free(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(a_start_that_fails_leaves_nothing),
		                            cmocka_unit_test(only_fronts_ask_for_a_courier_and_not_often) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
