/* services.h: the services beside the CSR API: grpc.health.v1.Health (Check, Watch) and server reflection (ra/reflection.h). */
#ifndef SIGNET_RA_SERVICES_H
#define SIGNET_RA_SERVICES_H

#include "net/server.h"

struct services;

#define SERVICES_METHODS 4
struct err services_new(struct services **out);
void services_free(struct services *s); /* NULL is allowed; no call may be open */
/* Fill methods[SERVICES_METHODS]. */
void services_methods(struct services *s, struct grpc_method *methods);
/* SERVING or NOT_SERVING, told to the watchers. */
void services_set_serving(struct services *s, bool serving);

#endif
