/* informer.h: all objects of a collection, as they are and as they change: list, watch from there, list again when the server
 * says 410 or the line breaks (Kubernetes API concepts, "efficient detection of changes").  Nothing is kept: the owner keeps what
 * it wants.  The loop's thread.
 *
 * It survives: errors inside HTTP 200, 410, clean ends, dropped and half-dead connections (a silence of
 * INFORMER_SILENCE_S ends the watch), servers that restart or hang.  The log hears of each outage once, and of its end. */
#ifndef SIGNET_K8S_CSR_INFORMER_H
#define SIGNET_K8S_CSR_INFORMER_H

#include "k8s_csr/cluster.h"
#include "k8s_csr/object.h"

#define INFORMER_SILENCE_S 90 /* ours: API servers send a bookmark about each minute */

struct informer;

struct informer_options {
	struct cluster *cluster;  /* borrowed */
	const char *path;         /* "/api/v1/pods"; copied */
	const char *kind;         /* of the list: "PodList"; copied */
	const char *selector;     /* labelSelector, not encoded; NULL: all; copied */
	/* A list begins: what is not `seen` before `synced` comes is gone. */
	void (*begin)(void *ctx);
	void (*seen)(void *ctx, const json_t *object);
	void (*gone)(void *ctx, const json_t *object); /* DELETED in a watch */
	void (*synced)(void *ctx);
	void *ctx;
};
struct err informer_new(const struct informer_options *options, struct informer **out);
void informer_free(struct informer *i); /* NULL is allowed; not from within a callback */
/* Has it a list and a watch that lives? */
bool informer_is_live(const struct informer *i);

#endif
