/* clock.h: the two clocks.  Any thread.  Pure folders take times as arguments and never call these. */
#ifndef SIGNET_BASE_CLOCK_H
#define SIGNET_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Wall clock, milliseconds since 1970 UTC; may step either way. */
int64_t clock_wall_ms(void);
/* Wall clock in whole seconds (floor). */
int64_t clock_wall(void);
/* Monotonic, microseconds; for durations and deadlines only. */
int64_t clock_mono_us(void);

#define CLOCK_TEXT_MAX 32
/* RFC 3339 in UTC with seconds: "2026-11-20T17:52:00Z".  Years outside 1..9999 print as "-". */
void clock_text(int64_t unix_seconds, char out[CLOCK_TEXT_MAX]);
/* What clock_text() prints, and only that, back to seconds; false otherwise (*out untouched). */
bool clock_parse(const char *text, int64_t *out);

#endif
