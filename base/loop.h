/* loop.h: the event loop of the processes that face many peers (front, admin): a thin, owned face of libuv.
 *
 * One thread.  Watchers and timers are freed only by their own functions, and may be freed inside their own callback.
 * (Monitor and keeper wait with ppoll() on a handful of descriptors and do not link libuv.) */
#ifndef SIGNET_BASE_LOOP_H
#define SIGNET_BASE_LOOP_H

#include "base/bytes.h"

struct loop;
struct watch;
struct timer;

#define LOOP_READ 1
#define LOOP_WRITE 2

struct err loop_new(struct loop **out);
/* Runs until loop_stop().  After each round of callbacks, `flush` (loop_on_flush) is called once, before waiting again. */
struct err loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
void loop_free(struct loop *loop);
void loop_on_flush(struct loop *loop, void (*flush)(void *ctx), void *ctx);

/* events: LOOP_READ | LOOP_WRITE; changed with watch_set (0: paused).  The descriptor stays the caller's, and must be open
 * until watch_free(). */
struct err watch_new(struct loop *loop, int fd, void (*ready)(void *ctx, unsigned events), void *ctx, struct watch **out);
struct err watch_set(struct watch *w, unsigned events);
void watch_free(struct watch *w); /* NULL is allowed */

/* One-shot. */
struct err timer_new(struct loop *loop, void (*fire)(void *ctx), void *ctx, struct timer **out);
struct err timer_start(struct timer *t, int64_t ms); /* restarts if running */
void timer_stop(struct timer *t);
void timer_free(struct timer *t); /* NULL is allowed */

#endif
