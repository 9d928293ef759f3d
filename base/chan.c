#include "base/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/wire.h"

#define HEADER_LEN 8
#define QUEUE_SPAN_MAX (CHAN_QUEUE_MAX + CHAN_FRAME_MAX)

/* Frames that the socket did not take, oldest first: {u32 length, i32 descriptor or -1, bytes}. */
struct queued {
	struct queued *next;
	int fd;
	size_t len;
	uint8_t data[];
};

struct chan {
	int fd;
	const struct chan_rule *rules;
	size_t rule_count;
	void *self;
	uint8_t state;
	uint8_t in[CHAN_FRAME_MAX];

	pthread_mutex_t lock; /* of all below */
	uint8_t out[CHAN_FRAME_MAX];
	size_t out_len;
	struct queued *head, **tail;
	size_t queued_bytes;
	struct err broken; /* not OK: a frame could not be kept */
};

struct err chan_new(int fd, const struct chan_rule *rules, size_t rule_count, void *self, struct chan **out)
{
	struct chan *c;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		FAIL_BY(ERR_INTERNAL, "chan: not a usable descriptor", errno);
	c = calloc(1, sizeof(*c));
	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "chan: out of memory");
	c->fd = fd;
	c->rules = rules;
	c->rule_count = rule_count;
	c->self = self;
	c->tail = &c->head;
	c->broken = OK;
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return OK;
}

static void queued_free(struct queued *q)
{
	if (q->fd >= 0) close(q->fd);
	explicit_bzero(q->data, q->len);
	free(q);
}

void chan_free(struct chan *c)
{
	if (c == NULL) return;
	while (c->head != NULL) {
		struct queued *q = c->head;

		c->head = q->next;
		queued_free(q);
	}
	close(c->fd);
	pthread_mutex_destroy(&c->lock);
	explicit_bzero(c, sizeof(*c)); /* frames may have held what must not linger */
	free(c);
}

int chan_fd(const struct chan *c)
{
	return c->fd;
}

/* ---- receiving ---- */

static const struct chan_rule *rule_for(const struct chan *c, uint16_t type)
{
	for (size_t i = 0; i < c->rule_count; i++)
		if (c->rules[i].state == c->state && c->rules[i].type == type) return &c->rules[i];
	return NULL;
}

static struct err chan_dispatch(struct chan *c, struct chan_msg *msg)
{
	const struct chan_rule *rule = rule_for(c, msg->type);

	if (rule == NULL) FAIL_BY(ERR_INVALID_ARGUMENT, "chan: message not allowed in this state", msg->type);
	if (msg->payload.len < rule->min || msg->payload.len > rule->max)
		FAIL_BY(ERR_INVALID_ARGUMENT, "chan: message size not allowed", msg->type);
	if ((msg->fd >= 0) != rule->with_fd)
		FAIL_BY(ERR_INVALID_ARGUMENT, "chan: descriptor where none may be, or none", msg->type);
	TRY(rule->handle(c->self, msg));
	c->state = rule->next;
	return OK;
}

static struct err chan_take_message(struct bytes *frame, struct chan_msg *msg)
{
	uint32_t len;
	uint16_t zero;

	TRY(wire_u32(frame, &len));
	TRY(wire_u16(frame, &msg->type));
	TRY(wire_u16(frame, &zero));
	if (zero != 0) FAIL(ERR_INVALID_ARGUMENT, "chan: malformed header");
	return wire_raw(frame, len, &msg->payload);
}

static struct err chan_take_frame(struct chan *c, struct bytes frame, int *fd)
{
	bool first = true;

	if (frame.len == 0) FAIL(ERR_INVALID_ARGUMENT, "chan: empty frame");
	while (frame.len > 0) {
		struct chan_msg msg = { .fd = -1 };
		struct err e;

		TRY(chan_take_message(&frame, &msg));
		if (*fd >= 0 && (!first || frame.len > 0)) FAIL(ERR_INVALID_ARGUMENT, "chan: descriptor in a frame of several");
		msg.fd = MOVE_FD(*fd);
		e = chan_dispatch(c, &msg);
		if (msg.fd >= 0) close(msg.fd);
		if (e.code != ERR_OK) return e;
		first = false;
	}
	return OK;
}

/* Keeps the first descriptor, closes any other: more than one is refused by the caller. */
static int take_descriptors(struct msghdr *m, int *fd)
{
	int count = 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS) continue;
		for (size_t i = 0; i < n; i++) {
			int got;

			memcpy(&got, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (count++ == 0) *fd = got;
			else close(got);
		}
	}
	return count;
}

static struct err chan_receive_one(struct chan *c, bool *empty)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = c->in, .iov_len = sizeof(c->in) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	AUTO(fd) int fd = -1;
	struct err e;
	ssize_t n;

	m.msg_control = control.bytes;
	m.msg_controllen = sizeof(control.bytes);
	n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	*empty = n < 0 && (errno == EAGAIN || errno == EINTR);
	if (*empty) return OK;
	if (n <= 0) FAIL_BY(ERR_UNAVAILABLE, "chan: peer is gone", n < 0 ? errno : 0);
	if (take_descriptors(&m, &fd) > 1 || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		FAIL(ERR_INVALID_ARGUMENT, "chan: frame too large or too many descriptors");
	e = chan_take_frame(c, BYTES(c->in, (size_t)n), &fd);
	/* Join tokens and their callers' secrets pass here, and nobody knows when the next frame comes. */
	explicit_bzero(c->in, (size_t)n);
	return e;
}

static struct err state_of(struct chan *c)
{
	struct err e;

	pthread_mutex_lock(&c->lock);
	e = c->broken;
	pthread_mutex_unlock(&c->lock);
	return e;
}

struct err chan_receive(struct chan *c, unsigned max_frames, unsigned *frames)
{
	bool empty = false;

	*frames = 0;
	TRY(state_of(c));
	for (; *frames < max_frames; (*frames)++) {
		TRY(chan_receive_one(c, &empty));
		if (empty) break;
	}
	return OK;
}

/* ---- sending; the lock is held ---- */

/* 1: sent, 0: would block, -1: the peer is gone (errno). */
static int send_frame(int sock, const uint8_t *data, size_t len, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		struct cmsghdr *h;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	if (sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return 1;
	return errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? 0 : -1;
}

static struct err queue_frame(struct chan *c, const uint8_t *data, size_t len, int fd)
{
	struct queued *q;

	if (c->queued_bytes + len > QUEUE_SPAN_MAX || (c->queued_bytes > 0 && c->queued_bytes + len > CHAN_QUEUE_MAX))
		FAIL(ERR_RESOURCE_EXHAUSTED, "chan: peer does not read");
	q = malloc(sizeof(*q) + len);
	if (q == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "chan: out of memory");
	q->next = NULL;
	q->len = len;
	q->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && q->fd < 0) {
		free(q);
		FAIL_BY(ERR_RESOURCE_EXHAUSTED, "chan: no descriptor left", errno);
	}
	memcpy(q->data, data, len);
	*c->tail = q;
	c->tail = &q->next;
	c->queued_bytes += len;
	return OK;
}

static struct err flush_queue(struct chan *c)
{
	while (c->head != NULL) {
		struct queued *q = c->head;
		int sent = send_frame(c->fd, q->data, q->len, q->fd);

		if (sent < 0) FAIL_BY(ERR_UNAVAILABLE, "chan: peer is gone", errno);
		if (sent == 0) return OK;
		c->head = q->next;
		if (c->head == NULL) c->tail = &c->head;
		c->queued_bytes -= q->len;
		queued_free(q);
	}
	return OK;
}

static struct err emit(struct chan *c, const uint8_t *data, size_t len, int fd)
{
	int sent = 0;

	TRY(flush_queue(c));
	if (c->head == NULL) sent = send_frame(c->fd, data, len, fd);
	if (sent < 0) FAIL_BY(ERR_UNAVAILABLE, "chan: peer is gone", errno);
	return sent > 0 ? OK : queue_frame(c, data, len, fd);
}

/* What is under construction. */
static struct err emit_out(struct chan *c, int fd)
{
	struct err e = emit(c, c->out, c->out_len, fd);

	explicit_bzero(c->out, c->out_len);
	c->out_len = 0;
	return e;
}

static struct err emit_frame(struct chan *c)
{
	return c->out_len == 0 ? flush_queue(c) : emit_out(c, -1);
}

static void append(struct chan *c, uint16_t type, struct bytes payload)
{
	uint8_t *p = c->out + c->out_len;
	uint32_t n = (uint32_t)payload.len;

	for (int i = 0; i < 4; i++) p[i] = (uint8_t)(n >> (24 - 8 * i));
	p[4] = (uint8_t)(type >> 8);
	p[5] = (uint8_t)type;
	p[6] = p[7] = 0;
	if (n > 0) memcpy(p + HEADER_LEN, payload.data, n);
	c->out_len += HEADER_LEN + n;
}

static struct err put_locked(struct chan *c, uint16_t type, struct bytes payload, int fd)
{
	if (payload.len > CHAN_PAYLOAD_MAX) FAIL(ERR_INVALID_ARGUMENT, "chan: message too large");
	if (fd >= 0 || payload.len + HEADER_LEN > CHAN_FRAME_MAX - c->out_len) TRY(emit_frame(c));
	append(c, type, payload);
	return fd < 0 ? OK : emit_out(c, fd);
}

/* A frame that is lost ends the channel, whoever notices: a peer that lives would wait for what was in it. */
static struct err broken_by(struct chan *c, struct err e)
{
	if (e.code == ERR_RESOURCE_EXHAUSTED) c->broken = e;
	return e;
}

struct err chan_put(struct chan *c, uint16_t type, struct bytes payload)
{
	struct err e;

	pthread_mutex_lock(&c->lock);
	e = c->broken.code != ERR_OK ? c->broken : broken_by(c, put_locked(c, type, payload, -1));
	pthread_mutex_unlock(&c->lock);
	return e;
}

struct err chan_put_fd(struct chan *c, uint16_t type, struct bytes payload, int fd)
{
	struct err e;

	pthread_mutex_lock(&c->lock);
	e = c->broken.code != ERR_OK ? c->broken : broken_by(c, put_locked(c, type, payload, fd));
	pthread_mutex_unlock(&c->lock);
	return e;
}

struct err chan_flush(struct chan *c)
{
	struct err e;

	pthread_mutex_lock(&c->lock);
	e = c->broken.code != ERR_OK ? c->broken : broken_by(c, emit_frame(c));
	pthread_mutex_unlock(&c->lock);
	return e;
}

bool chan_wants_write(struct chan *c)
{
	bool wants;

	pthread_mutex_lock(&c->lock);
	wants = c->head != NULL;
	pthread_mutex_unlock(&c->lock);
	return wants;
}

/* ---- pairs and sealed memory ---- */

struct err chan_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		FAIL_BY(ERR_UNAVAILABLE, "chan: cannot make a socket pair", errno);
	for (int i = 0; i < 2; i++) {
		int size = 1024 * 1024; /* ours: sixteen frames; the kernel may give less */

		(void)setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	}
	return OK;
}

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

struct err chan_memfd(const char *name, struct bytes content, int *out)
{
	AUTO(fd) int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0) FAIL_BY(ERR_UNAVAILABLE, "chan: cannot make a memfd", errno);
	while (done < content.len) {
		ssize_t n = write(fd, content.data + done, content.len - done);

		if (n <= 0) FAIL_BY(ERR_RESOURCE_EXHAUSTED, "chan: cannot fill a memfd", errno);
		done += (size_t)n;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALS) != 0) FAIL_BY(ERR_UNAVAILABLE, "chan: cannot seal a memfd", errno);
	*out = MOVE_FD(fd);
	return OK;
}

struct err chan_memfd_map(int fd, size_t max, struct bytes *out)
{
	int seals = fcntl(fd, F_GET_SEALS); /* -1 for what is no memfd: all bits set */
	struct stat st;
	void *p;

	if (seals < 0 || (seals & SEALS) != SEALS) FAIL(ERR_INVALID_ARGUMENT, "chan: memory that is not sealed");
	if (fstat(fd, &st) != 0 || st.st_size <= 0 || (uint64_t)st.st_size > max)
		FAIL(ERR_INVALID_ARGUMENT, "chan: sealed memory of a wrong size");
	/* private: before Linux 6.7 a shared mapping of a write-sealed descriptor that is open for writing is refused (EPERM) */
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED) FAIL_BY(ERR_RESOURCE_EXHAUSTED, "chan: cannot map sealed memory", errno);
	*out = BYTES(p, (size_t)st.st_size);
	return OK;
}
