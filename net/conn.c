#include "net/internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

/* ---- life ---- */

void conn_mark(struct conn *c)
{
	if (c->dirty) return;
	c->dirty = true;
	c->dirty_next = c->server->dirty;
	c->server->dirty = c;
}

void conn_shaken(struct conn *c)
{
	if (c->shaking) c->server->handshake_count--;
	c->shaking = false;
}

void conn_kill(struct conn *c)
{
	c->dead = true;
	conn_shaken(c);
	if (c->watch != NULL) (void)watch_set(c->watch, 0);
	conn_mark(c);
}

static void on_ready(void *ctx, unsigned events);

static struct err start(struct conn *c)
{
	struct server *s = c->server;

	TRY(watch_new(s->o.loop, c->fd, on_ready, c, &c->watch));
	TRY(watch_set(c->watch, LOOP_READ));
	if (s->tls == NULL) return http2_open(c);
	TRY(tls_session(s->tls, &s->io, &c->ssl));
	c->tls = tls_ref(s->tls);
	return OK;
}

struct err conn_new(struct server *s, int fd, const char *address, struct peer *peer)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct err e;

	if (c == NULL) {
		(void)close(fd);
		peers_leave(s->peers, peer, false);
		FAIL(ERR_RESOURCE_EXHAUSTED, "server: out of memory");
	}
	c->server = s;
	c->fd = fd;
	c->peer_address = peer;
	c->heard_us = clock_mono_us();
	c->shaking = true;
	s->handshake_count++;
	c->pending.max = PENDING_MAX;
	(void)snprintf(c->address, sizeof(c->address), "%s", address);
	c->next = s->conns;
	if (s->conns != NULL) s->conns->prev = c;
	s->conns = c;
	s->conn_count++;
	metric_inc(s->o.metrics, M_CONNECTIONS);
	metric_inc(s->o.metrics, M_CONNECTIONS_TOTAL);
	e = start(c);
	if (e.code != ERR_OK) {
		conn_free(c);
		return e;
	}
	due_add(&s->handshakes, &c->due, clock_mono_us());
	server_touch_clock(s);
	return OK;
}

static void off_dirty_list(struct conn *c)
{
	struct conn **at = &c->server->dirty;

	while (c->dirty && *at != NULL && *at != c) at = &(*at)->dirty_next;
	if (c->dirty && *at == c) *at = c->dirty_next;
	c->dirty = false;
}

void conn_free(struct conn *c)
{
	struct server *s = c->server;

	c->dead = true;
	/* The methods first, while the session that they may still poke is there. */
	for (struct call *call = c->calls; call != NULL; call = call->next) call_lost(call);
	if (c->user != NULL && s->o.conn_gone != NULL) s->o.conn_gone(s->o.ctx, c->user);
	while (c->calls != NULL) call_free(c->calls);
	nghttp2_session_del(c->session);
	off_dirty_list(c);
	due_remove(&c->due);
	if (c->blocked) s->blocked_count--;
	watch_free(c->watch);
	SSL_free(c->ssl);
	tls_unref(c->tls);
	(void)close(c->fd);
	buf_free(&c->pending);
	buf_free(&c->peer);
	peers_leave(s->peers, c->peer_address, c->greeted);
	conn_shaken(c);
	server_forget(c);
	metric_add(s->o.metrics, M_CONNECTIONS, (uint64_t)-1);
	free(c);
}

/* ---- out ---- */

/* Does a call wait for its request or its answer?  A stream with nothing to say is as idle as no call. */
static bool has_unary(const struct conn *c)
{
	for (const struct call *call = c->calls; call != NULL; call = call->next)
		if (call->method == NULL || !call->method->streaming) return true;
	return false;
}

/* Something waits for this peer: it has STALL_MS from the last time it took something.  Or nothing goes on at all. */
static void update_due(struct conn *c)
{
	bool owed = c->blocked || c->answers > 0 || c->streamed > 0, progress = c->progress;

	c->progress = false;
	if (!c->greeted) return; /* the handshake's own limit holds */
	if (!owed && !has_unary(c)) {
		due_add(&c->server->idle, &c->due, clock_mono_us());
		server_touch_clock(c->server);
	} else if (!owed) {
		due_remove(&c->due);
	} else if (progress || !c->stalling) {
		due_add(&c->server->stalls, &c->due, clock_mono_us());
		server_touch_clock(c->server);
	}
	c->stalling = owed;
}

static void set_blocked(struct conn *c, bool blocked)
{
	if (c->blocked == blocked) return;
	c->blocked = blocked;
	c->server->blocked_count += blocked ? 1 : (size_t)-1;
	/* While it does not take its answers, its requests wait in its own socket. */
	if (watch_set(c->watch, blocked ? LOOP_WRITE : LOOP_READ).code != ERR_OK) conn_kill(c);
}

/* How much the socket took; -1: the connection is lost. */
static ssize_t send_some(const struct conn *c, const uint8_t *data, size_t len)
{
	ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

	return n >= 0 ? n : (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

/* To the socket, or behind what it has not taken yet. */
static void push(struct conn *c, const uint8_t *data, size_t len)
{
	ssize_t n = c->pending.len > 0 ? 0 : send_some(c, data, len);

	if (n < 0 || buf_put(&c->pending, data + n, len - (size_t)n).code != ERR_OK) {
		conn_kill(c);
		return;
	}
	set_blocked(c, c->pending.len > 0);
}

static void push_stage(struct conn *c)
{
	struct tls_io *io = &c->server->io;
	size_t len = io->out_len;

	io->out_len = 0;
	if (len > 0 && !c->dead) push(c, io->out, len);
}

static void write_plain(struct conn *c, size_t len)
{
	size_t done = 0;

	if (c->ssl == NULL) {
		push(c, c->server->plain, len);
		return;
	}
	ERR_clear_error();
	if (SSL_write_ex(c->ssl, c->server->plain, len, &done) != 1 || done != len) conn_kill(c);
	push_stage(c);
}

/* Collect frames into server->plain until it is full or nghttp2 has none; false: none. */
static bool fill(struct conn *c, size_t *len)
{
	const uint8_t *frame;
	ssize_t n;

	*len = 0;
	/* nghttp2 hands out one frame of at most 16 KiB and 9 bytes at a time. */
	while (PLAIN_BYTES - *len >= 17 * 1024) {
		n = nghttp2_session_mem_send(c->session, &frame);
		if (n < 0 || (size_t)n > PLAIN_BYTES - *len) {
			conn_kill(c);
			return false;
		}
		if (n == 0) break;
		memcpy(c->server->plain + *len, frame, (size_t)n);
		*len += (size_t)n;
	}
	return *len > 0;
}

/* A good-bye in TLS (RFC 8446 s6.1), as far as it fits into the socket. */
static void say_goodbye(struct conn *c)
{
	if (c->ssl == NULL) return;
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl);
	push_stage(c);
}

void conn_write(struct conn *c)
{
	size_t len;

	if (c->session == NULL) return;
	while (!c->dead && !c->blocked && fill(c, &len)) write_plain(c, len);
	if (c->dead) return;
	update_due(c);
	if (!c->blocked && nghttp2_session_want_read(c->session) == 0 && nghttp2_session_want_write(c->session) == 0) {
		say_goodbye(c);
		conn_kill(c);
	}
}

static void on_writable(struct conn *c)
{
	ssize_t n = send_some(c, c->pending.data, c->pending.len);

	if (n < 0) {
		conn_kill(c);
		return;
	}
	buf_drop(&c->pending, (size_t)n);
	if (c->pending.len == 0) {
		buf_free(&c->pending);
		set_blocked(c, false);
		conn_mark(c);
	}
	if (n > 0) c->progress = true;
	update_due(c);
}

/* ---- in ---- */

static void feed_session(struct conn *c, struct bytes in)
{
	ssize_t n = nghttp2_session_mem_recv(c->session, in.data, in.len);

	if (n < 0) {
		conn_kill(c);
		return;
	}
	conn_mark(c);
}

static bool keep_cert(struct conn *c, const X509 *cert)
{
	int len = i2d_X509(cert, NULL);
	uint8_t *at;

	if (len <= 0 || buf_reserve(&c->peer, (size_t)len, &at).code != ERR_OK || i2d_X509(cert, &at) != len) return false;
	c->peer.len += (size_t)len;
	return true;
}

/* Without the root, which is ours. */
static bool keep_chain(struct conn *c)
{
	const STACK_OF(X509) *chain = SSL_get0_verified_chain(c->ssl);
	int n = sk_X509_num(chain);

	c->peer.max = PEER_CHAIN_BYTES;
	if (n < 2 || !keep_cert(c, sk_X509_value(chain, 0))) return false;
	c->leaf_len = c->peer.len;
	for (int i = 1; i < n - 1; i++)
		if (!keep_cert(c, sk_X509_value(chain, i))) return false;
	return true;
}

static void keep_peer(struct conn *c)
{
	if (SSL_get0_peer_certificate(c->ssl) == NULL) return;
	if (!keep_chain(c)) conn_kill(c); /* never go on as if it had shown none */
}

static void shake_hands(struct conn *c)
{
	int r, why;

	ERR_clear_error();
	r = SSL_do_handshake(c->ssl);
	why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, r);
	push_stage(c);
	if (r != 1 && why != SSL_ERROR_WANT_READ) {
		metric_inc(c->server->o.metrics, M_TLS_FAILED);
		conn_kill(c);
	}
	if (r != 1 || c->dead) return;
	keep_peer(c);
	if (!c->dead && http2_open(c).code != ERR_OK) conn_kill(c);
}

/* Everything of server->io.in through TLS into nghttp2. */
static void read_tls(struct conn *c)
{
	struct server *s = c->server;
	size_t n = 0;
	bool lost = false;

	if (c->session == NULL) shake_hands(c);
	while (!c->dead && c->session != NULL) {
		ERR_clear_error();
		if (SSL_read_ex(c->ssl, s->plain, PLAIN_BYTES, &n) != 1) {
			lost = SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_READ;
			break;
		}
		feed_session(c, BYTES(s->plain, n));
	}
	push_stage(c); /* an alert, or the answer to a key update */
	if (lost) conn_kill(c);
	s->io.in = BYTES_NONE;
}

void conn_input(struct conn *c, struct bytes in)
{
	c->heard_us = c->server->now_us = clock_mono_us();
	if (c->ssl == NULL) {
		feed_session(c, in);
		return;
	}
	c->server->io.in = in;
	read_tls(c);
}

static void on_ready(void *ctx, unsigned events)
{
	struct conn *c = ctx;
	ssize_t n;

	if (c->dead) return;
	if (c->blocked) {
		if ((events & LOOP_WRITE) != 0) on_writable(c);
		return;
	}
	if ((events & LOOP_READ) == 0) return;
	n = recv(c->fd, c->server->rx, RX_BYTES, 0);
	if (n > 0) conn_input(c, BYTES(c->server->rx, (size_t)n));
	else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) conn_kill(c);
}
