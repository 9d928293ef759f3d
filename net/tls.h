/* tls.h: server-side TLS settings as one immutable object that new connections share (OpenSSL).  One thread.
 *
 * TLS 1.2 (ECDHE with AES-GCM or ChaCha20 only) and 1.3; no tickets, no session cache, no renegotiation, no compression,
 * no early data; a client that does not offer ALPN "h2" is turned away (RFC 7301 s3.2).  Buffers are released on idle
 * connections (SSL_MODE_RELEASE_BUFFERS). */
#ifndef SIGNET_NET_TLS_H
#define SIGNET_NET_TLS_H

#include "base/bytes.h"
#include "base/own.h"

#define PEER_CHAIN_MAX 8 /* certificates of a client without the root; a longer chain is refused */

struct tls; /* reference-counted */

struct tls_options {
	struct bytes chain_pem;     /* leaf first */
	struct bytes key_pkcs8;     /* DER; the caller wipes its own copy */
	struct bytes client_ca_pem; /* roots that client certificates chain to; empty: client certificates are not asked for */
	int min_version;            /* 12 or 13 */
	/* Called for a client leaf whose chain OpenSSL has verified (purpose client); an error aborts the handshake. */
	struct err (*check_peer)(void *ctx, struct bytes leaf_der);
	void *check_ctx;
};
/* INVALID_ARGUMENT: key and certificate do not match, nothing to read; INTERNAL: OpenSSL. */
struct err tls_new(const struct tls_options *options, struct tls **out);
struct tls *tls_ref(struct tls *tls);
void tls_unref(struct tls *tls); /* NULL is allowed */

#endif
