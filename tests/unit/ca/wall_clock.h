/* wall_clock.h: a test program whose wall clock is ahead of the machine's; the monotonic clock stays.  One source file only. */
#ifndef SIGNET_TESTS_CA_WALL_CLOCK_H
#define SIGNET_TESTS_CA_WALL_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t ahead; /* seconds */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, id, ts);

	if (id == CLOCK_REALTIME) ts->tv_sec += atomic_load(&ahead);
	return rc;
}

#endif
