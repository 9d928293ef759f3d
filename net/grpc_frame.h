/* grpc_frame.h: messages cut out of a gRPC byte stream (gRPC PROTOCOL-HTTP2, Length-Prefixed-Message), which HTTP/2 may cut
 * anywhere.  No I/O; one owner.  Memory follows the bytes that came, never the length that a peer only announced. */
#ifndef SIGNET_NET_GRPC_FRAME_H
#define SIGNET_NET_GRPC_FRAME_H

#include "base/bytes.h"

#define GRPC_PREFIX_BYTES 5 /* compressed flag, then a 32-bit length */

struct grpc_frame {
	uint32_t max;       /* bytes of a message */
	uint8_t have;       /* bytes of the prefix that came */
	uint8_t prefix[GRPC_PREFIX_BYTES];
	struct buf message; /* message.max is its announced length once the prefix is whole */
};

void grpc_frame_init(struct grpc_frame *f, uint32_t max);
void grpc_frame_free(struct grpc_frame *f);
/* Take bytes from *in until a message is whole (*whole, look at f->message, then grpc_frame_next()) or *in is empty.
 * UNIMPLEMENTED: compressed; INTERNAL: another flag; RESOURCE_EXHAUSTED: longer than max, or no memory.  Useless after an error. */
struct err grpc_frame_feed(struct grpc_frame *f, struct bytes *in, bool *whole);
/* Forget the message; keeps its memory for the next. */
void grpc_frame_next(struct grpc_frame *f);
/* Between two messages? */
static inline bool grpc_frame_idle(const struct grpc_frame *f) { return f->have == 0; }
/* The prefix of an uncompressed message. */
void grpc_frame_prefix(uint32_t len, uint8_t out[GRPC_PREFIX_BYTES]);

#endif
