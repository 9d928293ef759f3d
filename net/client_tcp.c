#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "net/client_conn.h"

void client_say(struct client_conn *c, const char *fmt, ...)
{
	va_list ap;

	if (c->detail_size == 0) return;
	va_start(ap, fmt);
	(void)vsnprintf(c->detail, c->detail_size, fmt, ap);
	va_end(ap);
}

struct err client_late(struct client_conn *c)
{
	client_say(c, "no answer from %s:%s within %lld ms", c->at.host, c->at.port, (long long)c->options->timeout_ms);
	FAIL(ERR_DEADLINE_EXCEEDED, "client: deadline exceeded");
}

struct err client_wait(struct client_conn *c, short events)
{
	struct pollfd p = { .fd = c->fd, .events = events };
	int64_t left;
	int n;

	do {
		left = c->deadline_us - clock_mono_us();
		n = left <= 0 ? 0 : poll(&p, 1, (int)(left / 1000 > 3600000 ? 3600000 : left / 1000 + 1));
	} while (left > 0 && (n == 0 || (n < 0 && errno == EINTR)));
	if (n > 0) return OK;
	if (n < 0) FAIL_BY(ERR_INTERNAL, "client: poll", errno);
	return client_late(c);
}

static struct err connected(struct client_conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	TRY(client_wait(c, POLLOUT));
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) error = errno;
	if (error == 0) return OK;
	errno = error;
	FAIL_BY(ERR_UNAVAILABLE, "client: cannot connect", error);
}

static struct err connect_one(struct client_conn *c, const struct addrinfo *at)
{
	int one = 1;

	if (c->fd >= 0) (void)close(c->fd);
	c->fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol);
	if (c->fd < 0) FAIL_BY(ERR_UNAVAILABLE, "client: no socket", errno);
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, at->ai_addr, at->ai_addrlen) == 0) return OK;
	if (errno != EINPROGRESS && errno != EINTR) FAIL_BY(ERR_UNAVAILABLE, "client: cannot connect", errno);
	return connected(c);
}

static const char *connect_text(int error)
{
	switch (error) {
	case ECONNREFUSED: return "connection refused: is the server running and listening there?";
	case EHOSTUNREACH:
	case ENETUNREACH: return "no route to it";
	case ETIMEDOUT: return "it does not answer";
	default: return strerror(error);
	}
}

static inline void auto_addrinfo(struct addrinfo **p)
{
	if (*p != NULL) freeaddrinfo(*p);
}

struct err client_connect(struct client_conn *c)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	AUTO(addrinfo) struct addrinfo *list = NULL;
	struct err e = ERR(ERR_UNAVAILABLE, "client: no address");
	int r = getaddrinfo(c->at.host, c->at.port, &hints, &list);

	if (r != 0) {
		client_say(c, "cannot find the address of %s port %s: %s", c->at.host, c->at.port, gai_strerror(r));
		FAIL_BY(ERR_UNAVAILABLE, "client: name not found", (unsigned)r);
	}
	for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
		e = connect_one(c, at);
		if (e.code == ERR_OK || e.code == ERR_DEADLINE_EXCEEDED) return e;
	}
	client_say(c, "cannot connect to %s:%s: %s", c->at.host, c->at.port, connect_text((int)e.cause));
	return e;
}

void auto_client_conn(struct client_conn *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->ctx);
	if (c->fd >= 0) (void)close(c->fd);
}
