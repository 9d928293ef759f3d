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
#define INFORMER_PAGE 500     /* elements asked for at once, fewer if these are too large together; client-go's */

struct informer;

struct informer_options {
	struct cluster *cluster;  /* borrowed */
	const char *path;         /* "/api/v1/pods", which may have a query; copied */
	const char *kind;         /* of the list: "PodList"; copied */
	const char *selector;     /* labelSelector, not encoded; NULL: all; copied */
	/* A list begins: what is not `seen` before `synced` comes is gone.  (If it breaks off another one begins.) */
	void (*begin)(void *ctx);
	void (*seen)(void *ctx, const json_t *object);
	void (*gone)(void *ctx, const json_t *object); /* DELETED in a watch */
	void (*synced)(void *ctx);
	void *ctx;
	int64_t silence_ms; /* 0: INFORMER_SILENCE_S */
};
/* An outage is one already if the first list fails.  INVALID_ARGUMENT: too long a path; RESOURCE_EXHAUSTED: memory. */
struct err informer_new(const struct informer_options *options, struct informer **out);
void informer_free(struct informer *i); /* NULL is allowed; not from within a callback */
/* Has it a list and a watch that lives, or one that has ended well and is asked for again? */
bool informer_is_live(const struct informer *i);

#endif
