#include "net/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define ACCEPT_BURST 8       /* connections per wake-up; ours: other processes and other connections have a turn */
#define ACCEPT_BUSY_MS 5     /* until handshakes that are under way may be through; ours */
#define ACCEPT_AGAIN_MS 200  /* pause after "no descriptors", so that a waiting client does not make us spin; ours */

/* ---- time: one timer for all the lists of due.h ---- */

static struct due *earliest(struct server *s)
{
	struct due_list *const lists[] = { &s->handshakes, &s->requests, &s->stalls, &s->idle };
	struct due *first = NULL;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct due *d = due_first(lists[i]);

		if (d != NULL && (first == NULL || d->at_us < first->at_us)) first = d;
	}
	return first;
}

void server_touch_clock(struct server *s)
{
	struct due *first = earliest(s);

	if (first == NULL || (s->clock_at != 0 && s->clock_at <= first->at_us)) return;
	s->clock_at = first->at_us;
	(void)timer_start(s->clock, (first->at_us - clock_mono_us()) / 1000 + 1);
}

static struct due *late(struct due_list *l, int64_t now_us)
{
	struct due *d = due_first(l);

	if (d == NULL || d->at_us > now_us) return NULL;
	due_remove(d);
	return d;
}

/* Nothing to send is left, so what lies in its frame buffer is of no use to anybody. */
static void rest(struct conn *c)
{
	pages_clean(c->frame_pages);
	due_add(&c->server->resting, &c->due, clock_mono_us());
}

void server_limit(struct server *s, enum server_limit limit, const char *address)
{
	if (s->o.limit != NULL) s->o.limit(s->o.ctx, limit, address);
}

static void end_by(struct conn *c, enum server_limit limit)
{
	server_limit(c->server, limit, c->address);
	conn_kill(c);
}

static void on_clock(void *ctx)
{
	struct server *s = ctx;
	int64_t now = clock_mono_us();
	struct due *d;

	s->clock_at = 0;
	while ((d = late(&s->handshakes, now)) != NULL) end_by(CONTAINER(d, struct conn, due), LIMIT_HANDSHAKE_TIME);
	while ((d = late(&s->stalls, now)) != NULL) end_by(CONTAINER(d, struct conn, due), LIMIT_STALLED);
	while ((d = late(&s->idle, now)) != NULL) rest(CONTAINER(d, struct conn, due));
	while ((d = late(&s->requests, now)) != NULL) {
		struct call *call = CONTAINER(d, struct call, due);

		server_limit(s, LIMIT_REQUEST_TIME, call->conn->address);
		call_abort(call, ERR_DEADLINE_EXCEEDED, "the request did not arrive in time");
	}
	server_touch_clock(s);
}

/* ---- accept ---- */

static void address_text(const struct sockaddr_storage *from, char *out, size_t size)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;
	char host[INET6_ADDRSTRLEN] = "";

	(void)snprintf(out, size, "unix");
	if (from->ss_family == AF_INET && inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
		(void)snprintf(out, size, "%s:%u", host, ntohs(v4->sin_port));
	if (from->ss_family == AF_INET6 && inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
		(void)snprintf(out, size, "[%s]:%u", host, ntohs(v6->sin6_port));
}

static void on_accept_again(void *ctx)
{
	struct server *s = ctx;

	if (s->watch != NULL) (void)watch_set(s->watch, LOOP_READ);
}

/* Room for one more?  At the limit the connection that is idle longest goes: its peer can come back when it needs us, and so
 * nobody keeps others out by holding connections that he does not use. */
static bool make_room(struct server *s)
{
	struct due *d;
	struct conn *c;

	if (s->conn_count < s->o.max_connections) return true;
	d = due_first(&s->resting);
	if (d == NULL) return false;
	due_remove(d);
	c = CONTAINER(d, struct conn, due);
	if (c->calls == NULL) http2_goaway(c);
	else conn_kill(c); /* open streams would outlive a GOAWAY */
	return true;
}

/* Room for one more handshake?  Who waits for us is answered in each round, so the oldest that has said nothing for a while is the
 * one to go; if there is none such, all are busy, and new ones wait in the kernel's queue until some are through. */
static bool make_room_for_handshake(struct server *s)
{
	int64_t now = clock_mono_us();
	struct due *d = due_first(&s->handshakes);
	struct pollfd waiting = { .fd = s->o.listen_fd, .events = POLLIN };
	struct conn *c;

	if (s->o.max_handshakes == 0 || s->handshake_count < s->o.max_handshakes || d == NULL) return true;
	c = CONTAINER(d, struct conn, due);
	if (now - c->heard_us < HANDSHAKE_PATIENCE_MS * INT64_C(1000)) return false;
	if (poll(&waiting, 1, 0) != 1) return true; /* for nobody */
	due_remove(d);
	end_by(c, LIMIT_HANDSHAKES);
	return true;
}

static void look_away(struct server *s, int64_t ms)
{
	(void)watch_set(s->watch, 0);
	(void)timer_start(s->accept_again, ms);
}

static void take(struct server *s, int fd, const struct sockaddr_storage *from)
{
	static const enum server_limit limits[] = { [PEERS_CONNECTIONS] = LIMIT_ADDRESS_CONNECTIONS,
		                                    [PEERS_HANDSHAKES] = LIMIT_ADDRESS_HANDSHAKES,
		                                    [PEERS_RATE] = LIMIT_ADDRESS_RATE };
	struct peer *peer = NULL;
	enum peers_verdict verdict = PEERS_OK;
	char address[64];
	bool room = make_room(s);

	address_text(from, address, sizeof(address));
	if (room) verdict = peers_enter(s->peers, from, clock_mono_us(), &peer);
	if (room && verdict == PEERS_OK) {
		if (conn_new(s, fd, address, peer).code != ERR_OK) metric_inc(s->o.metrics, M_CONNECTIONS_REFUSED);
		return;
	}
	server_limit(s, room ? limits[verdict] : LIMIT_CONNECTIONS, address);
	metric_inc(s->o.metrics, M_CONNECTIONS_REFUSED);
	(void)close(fd);
}

/* One connection; false: none is waiting, or none can be had now. */
static bool accept_one(struct server *s)
{
	struct sockaddr_storage from = { 0 };
	socklen_t len = sizeof(from);
	int fd;

	if (!make_room_for_handshake(s)) {
		look_away(s, ACCEPT_BUSY_MS);
		return false;
	}
	fd = accept4(s->o.listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (errno == ECONNABORTED || errno == EINTR) return true;
		if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
		look_away(s, ACCEPT_AGAIN_MS); /* EMFILE and its like: the socket stays readable */
		return false;
	}
	take(s, fd, &from);
	return true;
}

static void on_accept(void *ctx, unsigned events)
{
	struct server *s = ctx;

	(void)events;
	for (int i = 0; i < ACCEPT_BURST && accept_one(s); i++) {}
}

/* Accepted sockets inherit these from the listening one (Linux), which saves five system calls for each.  They fail on a unix
 * socket, which needs none of them. */
static void tune(int fd)
{
	static const struct { int level, name, value; } options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 }, /* a client that vanished is noticed within two minutes */
		{ IPPROTO_TCP, TCP_KEEPIDLE, 60 },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 4 },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, STALL_MS },
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(options[i].value));
}

/* ---- life ---- */

static inline void auto_server(struct server **p) { server_free(*p); }

static struct err copy_methods(struct server *s)
{
	s->methods = calloc(s->o.method_count + 1, sizeof(s->methods[0]));
	if (s->methods == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "server: out of memory");
	if (s->o.method_count > 0) memcpy(s->methods, s->o.methods, s->o.method_count * sizeof(s->methods[0]));
	s->o.methods = s->methods;
	return OK;
}

static struct err make_parts(struct server *s)
{
	TRY(copy_methods(s));
	TRY(peers_new(&s->o.per_address, &s->peers));
	s->rx = malloc(RX_BYTES);
	s->plain = malloc(PLAIN_BYTES);
	s->io.out = malloc(STAGE_BYTES);
	s->io.out_size = STAGE_BYTES;
	if (s->rx == NULL || s->plain == NULL || s->io.out == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "server: out of memory");
	TRY(timer_new(s->o.loop, on_clock, s, &s->clock));
	TRY(timer_new(s->o.loop, on_accept_again, s, &s->accept_again));
	TRY(http2_callbacks(&s->callbacks));
	return http2_options(&s->option);
}

struct err server_new(const struct server_options *options, struct server **out)
{
	AUTO(server) struct server *s = calloc(1, sizeof(*s));

	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "server: out of memory");
	s->o = *options;
	while (s->o.headers != NULL && s->o.headers[s->kept_count].name != NULL) s->kept_count++;
	if (s->kept_count > KEPT_MAX) FAIL(ERR_INVALID_ARGUMENT, "server: too many headers to keep");
	pages_init(&s->pages, s->o.max_connections);
	due_init(&s->handshakes, s->o.handshake_ms * 1000);
	due_init(&s->idle, IDLE_MS * INT64_C(1000));
	due_init(&s->resting, 0);
	due_init(&s->requests, REQUEST_MS * INT64_C(1000));
	due_init(&s->stalls, STALL_MS * INT64_C(1000));
	TRY(make_parts(s));
	*out = MOVE(s);
	return OK;
}

void server_set_tls(struct server *s, struct tls *tls)
{
	struct tls *old = s->tls;

	s->tls = tls == NULL ? NULL : tls_ref(tls);
	tls_unref(old);
}

struct err server_start(struct server *s)
{
	if (s->watch != NULL) FAIL(ERR_FAILED_PRECONDITION, "server: already started");
	tune(s->o.listen_fd);
	TRY(watch_new(s->o.loop, s->o.listen_fd, on_accept, s, &s->watch));
	return watch_set(s->watch, LOOP_READ);
}

void server_distrust(struct server *s)
{
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (c->ssl == NULL) continue;
		if (c->session == NULL) conn_kill(c); /* by the rules of before */
		else if (c->leaf_len > 0) http2_goaway(c);
	}
}

static void on_goaway(void *ctx)
{
	struct server *s = ctx;

	s->lame = true;
	for (struct conn *c = s->conns; c != NULL; c = c->next) http2_goaway(c);
}

void server_drain(struct server *s)
{
	if (s->draining) return;
	s->draining = true;
	watch_free(MOVE(s->watch));
	timer_stop(s->accept_again);
	for (struct conn *c = s->conns; c != NULL; c = c->next) {
		if (c->session == NULL) {
			conn_kill(c);
			continue;
		}
		(void)nghttp2_submit_shutdown_notice(c->session);
		conn_mark(c);
	}
	if (timer_new(s->o.loop, on_goaway, s, &s->goaway).code != ERR_OK || timer_start(s->goaway, GOAWAY_MS).code != ERR_OK)
		on_goaway(s);
}

size_t server_calls(const struct server *s)
{
	/* Draining: a connection with nothing left to say closes itself once its last GOAWAY is out. */
	return s->call_count + (s->draining ? s->conn_count : s->blocked_count);
}

void server_forget(struct conn *c)
{
	struct server *s = c->server;

	if (c->prev != NULL) c->prev->next = c->next;
	else s->conns = c->next;
	if (c->next != NULL) c->next->prev = c->prev;
	s->conn_count--;
}

static void dispatch(struct server *s)
{
	while (s->ready != NULL) {
		struct call *call = s->ready;

		call_unready(call);
		call_deliver(call);
	}
}

void server_flush(struct server *s)
{
	dispatch(s);
	while (s->dirty != NULL) {
		struct conn *c = s->dirty;

		s->dirty = c->dirty_next;
		c->dirty = false;
		if (!c->dead) conn_write(c);
		if (c->dead && !c->dirty) conn_free(c);
	}
}

void server_free(struct server *s)
{
	if (s == NULL) return;
	watch_free(s->watch);
	while (s->conns != NULL) conn_free(s->conns);
	timer_free(s->clock);
	timer_free(s->accept_again);
	timer_free(s->goaway);
	nghttp2_session_callbacks_del(s->callbacks);
	nghttp2_option_del(s->option);
	tls_unref(s->tls);
	pages_free(&s->pages);
	peers_free(s->peers);
	free(s->methods);
	free(s->rx);
	free(s->plain);
	free(s->io.out);
	free(s);
}
