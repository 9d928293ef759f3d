/* grpc_text.h: the texts of gRPC's header fields (gRPC PROTOCOL-HTTP2).  Pure. */
#ifndef SIGNET_NET_GRPC_TEXT_H
#define SIGNET_NET_GRPC_TEXT_H

#include "base/bytes.h"

/* "application/grpc", alone or followed by "+..." or ";..."; case does not matter. */
bool grpc_content_type_ok(struct bytes value);
/* grpc-timeout: 1 to 8 digits and one of H M S m u n; microseconds, rounded up, never over INT64_MAX / 2 (so that it may
 * be added to a clock).  INVALID_ARGUMENT otherwise. */
struct err grpc_timeout_parse(struct bytes value, int64_t *us);
/* The grpc-timeout of ms milliseconds (1..99 999 999; cut to that) into out[16]. */
#define GRPC_TIMEOUT_TEXT 16
void grpc_timeout_text(int64_t ms, char out[GRPC_TIMEOUT_TEXT]);
/* grpc-message: everything but printable ASCII without "%" becomes %XX.  Cut between characters so that at most `size`
 * bytes come out (no NUL is written); returns how many. */
size_t grpc_percent_encode(struct bytes text, char *out, size_t size);
/* The reverse, into out[size] with a NUL (cut to fit).  A "%" without two hex digits stays as it is, as gRPC asks. */
void grpc_percent_decode(struct bytes text, char *out, size_t size);

#endif
