/* client_conn.h: the parts of client_call().  client_tcp.c: a connected socket, waiting with a deadline.  client_tls.c: the
 * handshake and what may be wrong with it.  client_http2.c: one call. */
#ifndef SIGNET_NET_CLIENT_CONN_H
#define SIGNET_NET_CLIENT_CONN_H

#include <openssl/ssl.h>

#include "base/address.h"
#include "base/own.h"
#include "net/client.h"

struct client_conn {
	const struct client_options *options;
	struct address at;
	int64_t deadline_us;
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	char *detail;
	size_t detail_size;
};

/* Text for the human; the last one said stays. */
void client_say(struct client_conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Until the socket is ready for `events` of poll(); DEADLINE_EXCEEDED. */
struct err client_wait(struct client_conn *c, short events);
/* DEADLINE_EXCEEDED, and says so. */
struct err client_late(struct client_conn *c);
struct err client_connect(struct client_conn *c);
struct err client_handshake(struct client_conn *c);
struct err client_exchange(struct client_conn *c, const char *path, struct bytes message, struct buf *reply,
                           struct client_status *status);
/* All of data; or some bytes into data[*len] (*len 0: the peer closed). */
struct err client_write(struct client_conn *c, struct bytes data);
struct err client_read(struct client_conn *c, uint8_t *data, size_t size, size_t *len);
void auto_client_conn(struct client_conn *c);

#endif
