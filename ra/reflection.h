/* reflection.h: gRPC server reflection over the descriptors that were embedded at build time (proto/public/). */
#ifndef SIGNET_RA_REFLECTION_H
#define SIGNET_RA_REFLECTION_H

#include "net/server.h"

/* grpc_method callbacks of ServerReflectionInfo, v1 and v1alpha (the same on the wire). */
void reflection_message(void *ctx, struct call *call, struct bytes message);
void reflection_end(void *ctx, struct call *call);

#endif
