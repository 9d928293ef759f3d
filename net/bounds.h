/* bounds.h: how much a peer can make the server keep, and how long it may take.  Inside net/ only. */
#ifndef SIGNET_NET_BOUNDS_H
#define SIGNET_NET_BOUNDS_H

#define RX_BYTES (64 * 1024)               /* one recv; ours */
#define PLAIN_BYTES (64 * 1024)            /* one SSL_write at most; ours: four frames of nghttp2's largest size */
#define STAGE_BYTES (PLAIN_BYTES + 32 * 1024) /* the same as records, with a handshake's flight; ours */
#define PENDING_MAX (2 * STAGE_BYTES)      /* bytes kept for a socket that is full, then nothing more is written; ours */
#define STREAM_WINDOW (128 * 1024)         /* bytes; ours: GRPC_MESSAGE_MAX fits, so a request never waits for us */
#define CONN_WINDOW (1024 * 1024)          /* bytes; ours */
#define CONN_HELD_MAX (1024 * 1024)        /* bytes of unfinished requests of one connection; ours */
#define SERVER_HELD_MAX (64 * 1024 * 1024) /* of all of them; ours */
#define CALL_OUT_MAX (1024 * 1024)         /* bytes of answers that wait for one stream's window; ours */
#define CONN_STREAMED_MAX (1024 * 1024)    /* of all streaming calls of one connection: they need no authentication; ours */
#define SERVER_STREAMED_MAX (64 * 1024 * 1024) /* of all of them; ours */
#define REQUEST_MS (30 * 1000)             /* from HEADERS to the end of a message; ours */
#define STALL_MS (30 * 1000)               /* a peer that takes none of its answers for so long is cut; ours */
#define GOAWAY_MS 1000                     /* between the two GOAWAYs of a drain (RFC 9113 s6.8): a round trip; ours */
#define IDLE_MS (10 * 1000)                /* a connection that waits for nothing for so long rests, and may have to make
                                              room; ours */
#define HANDSHAKE_PATIENCE_MS 2000         /* a peer that says nothing for so long in its handshake may have to make room; ours */
#define KEPT_MAX 16                        /* request headers that an owner may ask for; ours */

#endif
