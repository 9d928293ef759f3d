/* peers.h: what each client address holds of a server: connections, handshakes that are not over, new connections a second.  So
 * that one address, whatever it does, leaves room for the others.  An IPv6 address counts with its /64, which is one customer's.
 * One owner. */
#ifndef SIGNET_NET_PEERS_H
#define SIGNET_NET_PEERS_H

#include <sys/socket.h>

#include "base/err.h"
#include "base/own.h"
#include "base/rate.h"

#define PEERS_IDLE_MAX 4096 /* addresses without a connection that are remembered, for their rate; ours */

struct peers;
struct peer; /* one address */

struct peers_limits { /* of each address; 0: none */
	uint32_t connections, handshakes;
	uint32_t per_second; /* new connections */
};
enum peers_verdict { PEERS_OK, PEERS_CONNECTIONS, PEERS_HANDSHAKES, PEERS_RATE };

/* RESOURCE_EXHAUSTED: memory. */
struct err peers_new(const struct peers_limits *limits, struct peers **out);
void peers_free(struct peers *p); /* NULL is allowed */
static inline void auto_peers(struct peers **p) { peers_free(*p); }

/* A connection came.  OK: it counts, as a handshake too, until peers_leave(); *out is NULL for a unix socket, which has no limits,
 * and without memory.  now_us: monotonic. */
enum peers_verdict peers_enter(struct peers *p, const struct sockaddr_storage *from, int64_t now_us, struct peer **out);
void peers_greeted(struct peer *peer); /* its handshake is over; NULL is allowed */
/* It is closed; `greeted` as it was.  NULL is allowed. */
void peers_leave(struct peers *p, struct peer *peer, bool greeted);
size_t peers_count(const struct peers *p);

#endif
