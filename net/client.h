/* client.h: one unary gRPC call over TLS and HTTP/2, blocking, for the command line (and later the agent's bootstrap). */
#ifndef SIGNET_NET_CLIENT_H
#define SIGNET_NET_CLIENT_H

#include "base/bytes.h"

struct client_header { const char *name; struct bytes value; }; /* value is not logged */
struct client_options {
	const char *address;        /* "host:port", "[v6]:port" */
	const char *server_name;    /* to verify (DNS or IP); NULL: the host of address */
	struct bytes roots_pem;     /* required; no system roots, no "insecure" */
	struct bytes chain_pem, key_pem; /* client certificate; both or none */
	int64_t timeout_ms;         /* of everything, connect included; also sent as grpc-timeout */
	const struct client_header *headers;
	size_t header_count;
};
struct client_status { enum err_code code; char text[1024]; }; /* grpc-status, decoded grpc-message */

/* The program must ignore SIGPIPE.  Names are looked up by getaddrinfo(), which knows no deadline.
 * OK: the server answered; look at status->code; *reply (appended) is its message if that is OK.
 * UNAVAILABLE: cannot connect; UNAUTHENTICATED: the server's certificate does not verify or name the host;
 * DEADLINE_EXCEEDED, by our clock or the server's; INTERNAL: the peer does not speak gRPC.  detail (size bytes)
 * says more for a human. */
struct err client_call(const struct client_options *options, const char *path, struct bytes message, struct buf *reply,
                       struct client_status *status, char *detail, size_t size);

#endif
