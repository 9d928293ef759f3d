/* rate.h: so many a second, with one second's worth at once: a bucket that fills.  Pure; one owner. */
#ifndef SIGNET_BASE_RATE_H
#define SIGNET_BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
	int64_t per_second, credit_us, last_us; /* per_second: 1 or more; credit in microseconds of waiting */
};
/* Full.  now_us: monotonic, here and below. */
void rate_start(struct rate *r, int64_t per_second, int64_t now_us);
bool rate_take(struct rate *r, int64_t now_us);

#endif
