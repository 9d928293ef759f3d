/* api.h: the admin API's operations: an HTTP request becomes a question to the keeper, its answer becomes JSON.
 * No I/O: the two halves of each operation are functions in one table (docs/protocols/admin.md). */
#ifndef SIGNET_ADMIN_API_H
#define SIGNET_ADMIN_API_H

#include <jansson.h>

#include "ca/wire_admin.h"
#include "conf/conf.h"

#define API_BODY_MAX (64 * 1024) /* bytes of a request's JSON; ours */
#define API_PAGE 100             /* elements of a page unless `limit` says otherwise */
#define API_PAGE_MAX 1000

struct processes; /* admin/processes.h */

struct api_request {
	const char *method, *path;  /* "POST", "/v1/tokens" */
	/* A query parameter, or NULL.  ctx is the HTTP layer's. */
	const char *(*param)(void *ctx, const char *name);
	void *param_ctx;
	const json_t *body;         /* NULL if there was none */
	const char *by;             /* "uid:1000" */
	uint64_t id;                /* of the question */
};

struct api_operation {
	const char *method, *path;  /* a final "/:id" takes one path element */
	uint16_t message;           /* enum wire_admin_type */
	struct err (*ask)(const struct api_request *r, struct buf *out);
	/* body: of the answer (from the message or the memfd). */
	struct err (*answer)(const struct conf *conf, struct bytes body, json_t **out);
	/* Instead of these: what admin knows by itself. */
	struct err (*here)(struct processes *processes, const struct api_request *r, json_t **out);
};
/* NULL: no such path; *wrong_method: the path is there, the method is not. */
const struct api_operation *api_find(const char *method, const char *path, bool *wrong_method);

#endif
