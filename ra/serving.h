/* serving.h: the front's own TLS identity: a key that never leaves this process, certified by our CA or by another issuer
 * (tls.issuer) and renewed at half its life; or the operator's files.  Also who may come as a client: the current roots. */
#ifndef SIGNET_RA_SERVING_H
#define SIGNET_RA_SERVING_H

#include "net/tls.h"
#include "ra/front.h"
#include "ra/link.h"

struct serving;

struct serving_options {
	const struct front_options *front;
	struct loop *loop;
	struct link *link;
	struct err (*check_peer)(void *ctx, struct bytes leaf_der);
	void *check_ctx;
	void (*ready)(void *ctx, struct tls *tls); /* borrowed: new settings for connections from now on */
	void (*failed)(void *ctx, struct err why); /* cannot ever be ready */
	void (*distrust)(void *ctx);               /* a root is trusted no more; `ready` came before, with the others */
	void *ctx;
};
struct err serving_new(const struct serving_options *options, struct serving **out);
void serving_free(struct serving *s); /* NULL is allowed */
/* The keeper said so. */
void serving_on_roots(struct serving *s, const struct wire_roots *roots);
void serving_on_cert(struct serving *s, const struct link_serving *serving);
void serving_on_refused(struct serving *s, struct err why);

#endif
