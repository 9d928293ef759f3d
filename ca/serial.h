/* serial.h: serial numbers: replica, time, then random bits (RFC 5280 s4.1.2.2; CA/B baseline: 64 bits of a CSPRNG).
 * One owner; not locked. */
#ifndef SIGNET_CA_SERIAL_H
#define SIGNET_CA_SERIAL_H

#include "base/bytes.h"
#include "base/own.h"

#define SERIAL_LEN 16       /* octets: 1 replica, 5 time in seconds, 10 random; 20 is the most RFC 5280 allows */
#define SERIAL_TIME_LEN 5
#define SERIAL_RANDOM_LEN 10 /* 80 bits: among 2^20 serials of one second two are equal with 2^-41 */

struct serials; /* random octets fetched many at a time */
/* replica: 1..127, so that the INTEGER is positive and not shortened.  INVALID_ARGUMENT otherwise. */
struct err serials_new(int64_t replica, struct serials **out);
void serials_free(struct serials *s); /* wipes what is left; NULL is allowed */
static inline void auto_serials(struct serials **p) { serials_free(*p); }
/* now: Unix seconds (its low 40 bits are used).  UNAVAILABLE: no randomness. */
struct err serials_next(struct serials *s, int64_t now, uint8_t out[SERIAL_LEN]);

#endif
