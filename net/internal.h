/* internal.h: what the files of the server share.  server.c: sockets, time, rounds.  conn.c: bytes in and out of one
 * connection.  http2.c: frames in (nghttp2's callbacks) and floods.  call.c: one stream as a gRPC call.  answer.c: its answer.
 *
 * A round of the loop: connections that can be read are read (conn.c); what becomes a whole unary request joins
 * server->ready; server_flush() then hands those to the methods, and writes every connection that is dirty once.
 * nghttp2 forbids freeing a session inside its callbacks, so a connection that must go is marked (conn_kill) and freed in
 * server_flush() only. */
#ifndef SIGNET_NET_INTERNAL_H
#define SIGNET_NET_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "base/own.h"
#include "net/bounds.h"
#include "net/due.h"
#include "net/grpc_frame.h"
#include "net/pages.h"
#include "net/server.h"
#include "net/tls_io.h"

struct kept { nghttp2_rcbuf *value; uint32_t count; };

struct call {
	struct conn *conn;
	struct call *prev, *next;             /* of the connection */
	struct call *ready_prev, *ready_next; /* of the server: whole, waits for `message` */
	struct due due;                       /* server->requests: a message is on its way */
	struct timer *deadline;               /* from grpc-timeout; mostly NULL */
	const struct grpc_method *method;     /* NULL: no such method */
	void *user;
	int64_t started_us, timeout_us;
	struct grpc_frame frame;
	struct buf out;                       /* framed messages not yet with nghttp2 */
	size_t out_at, held, header_bytes, streamed; /* streamed: bytes of `out` that are counted, of a streaming method */
	char *text;                           /* encoded grpc-message for the trailers */
	char *header_value; const char *header_name; /* one more response header; NULL: none */
	int32_t stream;
	enum err_code code;
	bool post, grpc, bad_timeout;         /* what the headers said */
	bool ready, whole;                    /* unary: whole message, waits for its end or for dispatch */
	bool known;                           /* the method has seen this call */
	bool finished;                        /* nothing more may come from the method */
	bool answering, waiting;              /* HEADERS are with nghttp2; its data provider sleeps */
	bool ended;                           /* the client ended its side */
	struct kept kept[];                   /* one for each of options.headers */
};

#define PEER_CHAIN_BYTES (128 * 1024)      /* OpenSSL takes 100 KiB in a handshake */

struct conn {
	struct server *server;
	struct conn *prev, *next;     /* of the server */
	struct conn *dirty_next;
	struct call *calls;
	nghttp2_session *session;     /* NULL until the handshake is over */
	void *frame_pages;            /* where it builds frames; empty between two conn_write() unless the socket is full */
	SSL *ssl;                     /* NULL: plain */
	struct tls *tls;
	struct watch *watch;
	struct peer *peer_address;    /* its share of the limits; NULL: it has none */
	int64_t heard_us;             /* when bytes came last */
	struct due due;               /* server->handshakes, then ->stalls, ->idle or ->resting */
	struct buf pending;           /* bytes that the socket did not take */
	struct buf peer;              /* the client's certificates, one behind the other, its own first; empty: it showed none */
	size_t leaf_len;              /* of its own */
	size_t held, streamed, answers; /* answers: finished calls whose stream is not closed */
	void *user;
	int64_t second;               /* of the counts below */
	uint32_t control, resets;
	int fd;
	bool dirty, dead, blocked;
	bool greeted;                 /* a first request came */
	bool shaking;                 /* counts among server->handshake_count */
	bool progress;                /* it took something of an answer since update_due() looked */
	bool stalling;                /* is on server->stalls */
	char address[64];
};

struct server {
	struct server_options o;
	struct grpc_method *methods;  /* our copy; o.methods points to it */
	struct pages pages;
	size_t kept_count;
	struct tls *tls;
	struct watch *watch;
	struct timer *clock, *accept_again, *goaway;
	int64_t clock_at;             /* when `clock` fires; 0: it does not run */
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	struct conn *conns, *dirty;
	struct call *ready, *ready_last;
	struct peers *peers;
	size_t conn_count, call_count, blocked_count, held, streamed, handshake_count;
	struct due_list handshakes, requests, stalls, idle;
	struct due_list resting;      /* idle for long; not watched by the clock: oldest first, for when room is needed */
	struct tls_io io;
	uint8_t *rx, *plain;
	int64_t now_us;               /* of the current wake-up */
	bool started, draining, lame; /* lame: the last GOAWAY is out */
};

/* server.c */
void server_touch_clock(struct server *s); /* after due_add() */
void server_limit(struct server *s, enum server_limit limit, const char *address);
void server_forget(struct conn *c);        /* conn_free() only: off the server's list */

/* conn.c */
struct err conn_new(struct server *s, int fd, const char *address, struct peer *peer); /* takes fd and peer, also on error */
void conn_free(struct conn *c);
void conn_shaken(struct conn *c);          /* its handshake is over, or it is */
void conn_kill(struct conn *c);            /* to be freed in the next server_flush() */
void conn_mark(struct conn *c);            /* dirty: to be written in the next server_flush() */
void conn_input(struct conn *c, struct bytes in);
void conn_write(struct conn *c);

/* http2.c */
struct err http2_callbacks(nghttp2_session_callbacks **out);
struct err http2_options(nghttp2_option **out);
struct err http2_open(struct conn *c);
void http2_goaway(struct conn *c);         /* the last GOAWAY: no new streams; without streams the end */

/* call.c */
struct call *call_new(struct conn *c, int32_t stream);
void call_free(struct call *call);         /* off every list; `gone` is not told */
int call_take_header(struct call *call, nghttp2_rcbuf *name, nghttp2_rcbuf *value); /* a code of nghttp2 */
void call_take_headers_end(struct call *call);
void call_take_data(struct call *call, struct bytes data);
void call_take_end(struct call *call);
void call_deliver(struct call *call);      /* a ready one, to its method */
void call_lost(struct call *call);         /* tell `gone` if the method knows it and did not finish it */
void call_abort(struct call *call, enum err_code code, const char *text); /* answer, then call_lost() */
void call_unready(struct call *call);

/* answer.c */
void answer_refuse(struct call *call, const char *http_status, enum err_code code, const char *text);
void answer_finish(struct call *call, enum err_code code, const char *text);
void answer_drop(struct call *call);       /* what of `out` is still there */

#endif
