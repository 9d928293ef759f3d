/* http.h: HTTP/1.1 by libmicrohttpd: the admin API on a unix socket, metrics and health on TCP.  One thread, driven by
 * http_run() whenever http_fd() is readable or its timeout is over. */
#ifndef SIGNET_ADMIN_HTTP_H
#define SIGNET_ADMIN_HTTP_H

#include "admin/admin.h"
#include "admin/api.h"

struct http;
struct http_request; /* one API request that waits for its answer */

struct http_events {
	/* An API request: answer it with http_answer(), now or later. */
	void (*api)(void *ctx, struct http_request *r, const struct api_operation *op, struct api_request *ask);
	/* It went away unanswered. */
	void (*gone)(void *ctx, struct http_request *r);
	bool (*ready)(void *ctx);                          /* /healthz/ready */
	struct err (*metrics)(void *ctx, struct buf *out); /* /metrics */
	void *ctx;
};
struct err http_new(const struct admin_options *options, const struct http_events *events, struct http **out);
void http_free(struct http *h);

#define HTTP_FDS 3
/* Descriptors to wait for (POLLIN); how many. */
size_t http_fds(const struct http *h, int fds[HTTP_FDS]);
int http_timeout_ms(struct http *h); /* -1: none */
void http_run(struct http *h);

/* e: OK with a result, or an error (its code becomes the HTTP status, its reason the message).  Takes over `result`. */
void http_answer(struct http_request *r, struct err e, const char *reason, json_t *result);
const struct api_operation *http_request_op(const struct http_request *r);

#endif
