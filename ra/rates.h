/* rates.h: requests a second of each identity, so that one of them, whatever it does, leaves the others their turn.  A table of
 * fixed size: of those who asked last, the oldest is forgotten first.  One owner. */
#ifndef SIGNET_RA_RATES_H
#define SIGNET_RA_RATES_H

#include "base/bytes.h"
#include "base/own.h"

struct rates;
/* per_second 0: no limit.  RESOURCE_EXHAUSTED: memory; UNAVAILABLE: no randomness. */
struct err rates_new(int64_t per_second, struct rates **out);
void rates_free(struct rates *r); /* NULL is allowed */
static inline void auto_rates(struct rates **p) { rates_free(*p); }
/* May it have one more now (monotonic)?  It counts then. */
bool rates_take(struct rates *r, const char *identity, int64_t now_us);

#endif
