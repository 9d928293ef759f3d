/* tls_io.h: how the other files of net/ use a struct tls: one SSL per connection over memory that the connections of a
 * thread share, so that an idle connection owns no buffer. */
#ifndef SIGNET_NET_TLS_IO_H
#define SIGNET_NET_TLS_IO_H

#include <openssl/ssl.h>

#include "net/tls.h"

/* What SSL reads from and writes to while one connection has its turn.  Before the turn ends `in` must be used up (SSL
 * keeps a part of a record itself) and `out` sent or copied away.  A write that does not fit fails. */
struct tls_io {
	struct bytes in;
	uint8_t *out;
	size_t out_len, out_size;
};

/* A server-side SSL on `io`, which must outlive it.  RESOURCE_EXHAUSTED: out of memory. */
struct err tls_session(struct tls *tls, struct tls_io *io, SSL **out);

/* Certificates and keys for either side (also the client's).  Each adds all PEM blocks of `pem`.
 * INVALID_ARGUMENT: nothing in it, or not what it should be. */
struct err tls_use_chain(SSL_CTX *ctx, struct bytes pem);
struct err tls_add_roots(X509_STORE *store, struct bytes pem);
/* What both sides of ours speak: versions from min_version (12, 13), suites, groups, no tickets, no renegotiation. */
struct err tls_harden(SSL_CTX *ctx, int min_version);

static inline void auto_ssl(SSL **p) { SSL_free(*p); }

#endif
