/* server.h: a gRPC server over TLS and HTTP/2 (RFC 9113, gRPC PROTOCOL-HTTP2): bytes <-> messages.  Knows no X.509 issuance.
 *
 * One thread, one loop.  A connection costs one recv and one coalesced write per wake-up.  Everything a peer can make grow
 * is bounded here: connections, handshakes (time), streams, header bytes, message bytes, frames of control, answers not
 * read.  Calls are answered from any callback of the same loop, at once or later.
 *
 * Nothing happens without server_flush(): it hands whole unary requests to their methods and writes what is to be written.
 * The owner of the loop calls it from the loop's flush hook (loop_on_flush), once for each server, and before it flushes the
 * channels that the methods may have put something into. */
#ifndef SIGNET_NET_SERVER_H
#define SIGNET_NET_SERVER_H

#include "base/loop.h"
#include "base/metrics.h"
#include "net/peers.h"
#include "net/tls.h"

#define GRPC_MESSAGE_MAX (64 * 1024)   /* bytes of one request message; ours (a CSR request is 1 KiB) */
#define GRPC_HEADERS_MAX (32 * 1024)   /* bytes of all header fields of a request; ours (a token is up to 16 KiB) */
#define GRPC_TEXT_MAX 1024             /* bytes of grpc-message; ours */

struct server;
struct conn;
struct call; /* one stream; valid from `open`/`message` until call_finish() or `gone` */

struct grpc_method {
	const char *path;   /* "/istio.v1.auth.IstioCertificateService/CreateCertificate" */
	void *ctx;          /* of the callbacks */
	bool streaming;     /* false: unary in: `message` is called exactly once, with the one message, after the client ended */
	/* A whole message, borrowed for the call.  Unary: none or two messages are answered INTERNAL here, as grpc-go does. */
	void (*message)(void *ctx, struct call *call, struct bytes message);
	/* Streaming only, may be NULL: the client ended its side. */
	void (*end)(void *ctx, struct call *call);
	/* The call ended without call_finish(): cancelled, connection lost, deadline (already answered DEADLINE_EXCEEDED). */
	void (*gone)(void *ctx, struct call *call);
};

struct server_header {
	const char *name;              /* lower case */
	const char *prefix;            /* "" or what a value must begin with to be seen (and counted) at all */
};
/* What a peer ran into.  Each is told once for each connection that it ends, or request that it refuses. */
enum server_limit {
	LIMIT_CONNECTIONS,         /* max_connections, and nobody was idle long enough to make room */
	LIMIT_ADDRESS_CONNECTIONS, LIMIT_ADDRESS_HANDSHAKES, LIMIT_ADDRESS_RATE, /* options.per_address */
	LIMIT_HANDSHAKES,          /* max_handshakes: the oldest went to make room */
	LIMIT_HANDSHAKE_TIME,      /* handshake_ms */
	LIMIT_REQUEST_TIME,        /* a request that did not arrive in time */
	LIMIT_STALLED,             /* a peer that does not take its answers */
	LIMIT_CONTROL, LIMIT_RESETS, /* floods of frames, of streams that are reset */
	LIMIT_HEADERS,             /* GRPC_HEADERS_MAX */
	LIMIT_HELD,                /* bytes of unfinished requests, of one connection or of all */
	LIMIT_COUNT
};

struct server_options {
	struct loop *loop;
	int listen_fd;                 /* shared with other processes; accepted from, never closed */
	struct metrics *metrics;       /* required: CONNECTIONS, CONNECTIONS_TOTAL, CONNECTIONS_REFUSED, TLS_FAILED are kept here */
	const struct grpc_method *methods; /* copied, their paths are not */
	size_t method_count;           /* anything else is UNIMPLEMENTED */
	void *ctx;                     /* of conn_gone */
	const struct server_header *headers; /* to keep for call_header(); at most 16, the last one's name is NULL; the owner's */
	size_t max_connections;        /* above: whoever is idle longest (10 s at least) makes room; if none, accept and close */
	uint32_t max_streams;          /* SETTINGS_MAX_CONCURRENT_STREAMS */
	int64_t handshake_ms;          /* from accept to the first request's HEADERS */
	size_t max_handshakes;         /* connections without a first request yet; above, new ones wait in the kernel's queue for a
	                                * moment, then the oldest that says nothing goes; 0: no limit */
	struct peers_limits per_address;
	/* A limit was hit, by this address.  Sets no limit itself; must not call the server.  May be NULL. */
	void (*limit)(void *ctx, enum server_limit limit, const char *address);
	/* Once per connection, when it closes, for what conn_set_user() put there.  May be NULL. */
	void (*conn_gone)(void *ctx, void *user);
};
struct err server_new(const struct server_options *options, struct server **out);
/* TLS for connections accepted from now on (NULL: plain h2c with prior knowledge, for unix sockets).  Takes a reference. */
void server_set_tls(struct server *s, struct tls *tls);
/* Begin to accept / stop accepting, send GOAWAY, and let calls end. */
struct err server_start(struct server *s);
/* Whom client certificates were believed for is believed no more: such connections, and handshakes that are under way, take no
 * more calls; those they have are answered. */
void server_distrust(struct server *s);
void server_drain(struct server *s);
/* The end of a round of the loop: see above.  Must not be called from a method's callback. */
void server_flush(struct server *s);
/* Calls whose answer is not yet with the kernel; while draining (a second at least) also connections not yet closed. */
size_t server_calls(const struct server *s);
void server_free(struct server *s);          /* closes everything; calls get `gone`.  Then loop_free() (or a round of the loop) */

/* ---- calls ---- */
/* First value of a kept header; empty view if absent.  count (may be NULL): how many times it occurred. */
struct bytes call_header(const struct call *call, const char *name, size_t *count);
/* Leaf certificate of a verified client, DER; empty if none.  Borrowed for the life of the connection. */
struct bytes call_peer_cert(const struct call *call);
/* All that was verified, DER one behind the other: leaf, then up to below the root (at most PEER_CHAIN_MAX, net/tls.h).  As
 * above. */
struct bytes call_peer_chain(const struct call *call);
const char *call_peer_address(const struct call *call); /* "192.0.2.1:40112", "[2001:db8::1]:40112", "unix" */
int64_t call_started_us(const struct call *call);       /* clock_mono_us() when the request was complete */
void call_set_user(struct call *call, void *user);
void *call_user(const struct call *call);
/* Something remembered per connection (for example who the peer is). */
void conn_set_user(struct call *call, void *user);
void *conn_user(const struct call *call);

/* One more header of the response, before anything of it was sent; name: a literal, value: valid in a header, copied. */
void call_set_header(struct call *call, const char *name, const char *value);

/* Send one message (the bytes are copied).  RESOURCE_EXHAUSTED: the peer does not read (it, or with other streams of its
 * connection, or with all of the server); finish the call then. */
struct err call_send(struct call *call, struct bytes message);
/* End with a status.  `text` is for the client; percent-encoded as gRPC wants, cut at GRPC_TEXT_MAX. */
void call_finish(struct call *call, enum err_code code, const char *text);
/* Unary answer: send and finish OK in one.  An error is for the log only: the call is finished with it. */
struct err call_reply(struct call *call, struct bytes message);

#endif
