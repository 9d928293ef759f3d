/* chan.h: messages between two of our processes over a SOCK_SEQPACKET pair.
 *
 * A frame is one datagram of at most CHAN_FRAME_MAX bytes and holds one or more messages back to back, each a header
 * {u32 payload length, u16 type, u16 zero} (big-endian) and its payload.  At most one descriptor travels with a frame,
 * and then the frame holds that one message only.
 *
 * What a peer may say is a table: state x type x size x descriptor -> handler -> next state.  Anything else is an error of
 * the peer, and the owner of the channel closes it (and kills the process behind it).
 *
 * Threads: the receiving half belongs to one thread; the sending half is locked and any thread may use it. */
#ifndef SIGNET_BASE_CHAN_H
#define SIGNET_BASE_CHAN_H

#include "base/bytes.h"
#include "base/own.h"

#define CHAN_FRAME_MAX (64 * 1024)         /* bytes; ours: fits one socket buffer several times */
#define CHAN_PAYLOAD_MAX (CHAN_FRAME_MAX - 8)
#define CHAN_QUEUE_MAX (8 * 1024 * 1024)   /* bytes waiting for a slow peer before it is given up; ours */

struct chan_msg {
	uint16_t type;
	struct bytes payload; /* borrowed until the handler returns */
	int fd;               /* -1, or a descriptor: the handler takes it with MOVE_FD or it is closed after the call */
};

struct chan_rule {
	uint8_t state;           /* in which this message may come */
	uint16_t type;
	uint32_t min, max;       /* payload bytes */
	bool with_fd;            /* must carry a descriptor; otherwise must not */
	struct err (*handle)(void *self, struct chan_msg *msg); /* any error ends the channel */
	uint8_t next;            /* state after the handler returned OK */
};

struct chan; /* opaque */

/* Takes over fd (non-blocking, close-on-exec are set here).  The table and self outlive the channel.  State starts at 0. */
struct err chan_new(int fd, const struct chan_rule *rules, size_t rule_count, void *self, struct chan **out);
void chan_free(struct chan *c); /* closes; NULL is allowed */
static inline void auto_chan(struct chan **p) { chan_free(*p); }
int chan_fd(const struct chan *c);

/* Receive and dispatch up to max_frames frames; *frames says how many there were.  OK when nothing is left to read.
 * UNAVAILABLE: the peer is gone.  INVALID_ARGUMENT: it broke the table.  A handler's own error is passed on. */
struct err chan_receive(struct chan *c, unsigned max_frames, unsigned *frames);

/* Append a message to the frame under construction; full frames go out at once.  RESOURCE_EXHAUSTED: over CHAN_QUEUE_MAX,
 * the peer does not read; then something is lost, the channel is broken, and every later call, chan_receive() too, says so.
 * UNAVAILABLE: the peer is gone. */
struct err chan_put(struct chan *c, uint16_t type, struct bytes payload);
/* A frame of its own with a descriptor (duplicated by the kernel; the caller keeps its own). */
struct err chan_put_fd(struct chan *c, uint16_t type, struct bytes payload, int fd);
/* Send what is under construction or queued, as far as the socket takes it. */
struct err chan_flush(struct chan *c);
/* Is something still queued (then wait for POLLOUT and flush again)? */
bool chan_wants_write(struct chan *c);

/* A connected pair: both ends close-on-exec. */
struct err chan_pair(int fds[2]);
/* A sealed memfd with these bytes (name is for /proc only).  UNAVAILABLE: none can be made; RESOURCE_EXHAUSTED: no room. */
struct err chan_memfd(const char *name, struct bytes content, int *fd);
/* Map a sealed memfd from a peer read-only; munmap() it.  INVALID_ARGUMENT: a seal is missing, or not 1..max bytes;
 * RESOURCE_EXHAUSTED: no address space. */
struct err chan_memfd_map(int fd, size_t max, struct bytes *out);

#endif
