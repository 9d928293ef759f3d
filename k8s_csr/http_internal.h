/* http_internal.h: what the files of http share. */
#ifndef SIGNET_K8S_CSR_HTTP_INTERNAL_H
#define SIGNET_K8S_CSR_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/loop.h"
#include "base/own.h"
#include "k8s_csr/http.h"

struct https {
	struct loop *loop;
	unsigned max_requests, max_connections;
	unsigned live;               /* requests that are not cancelled */
	struct https_request *first; /* all, the newest first */
};

/* A multi handle of its own for each target: libcurl 7.88 would keep its connections apart by certificate and roots, too, but lets
 * a request that waits for a host that hangs hold up those that wait for another host (its one queue is moved one at a time). */
struct https_target {
	struct https *https;
	unsigned refs;
	CURLM *multi;
	struct timer *timer;         /* libcurl's */
	bool in_curl;                /* within libcurl: nothing may be added to it or taken from it */
	bool unsettled;              /* something is to be added or taken afterwards */
	unsigned generation;         /* of connections: see target_renew() */
	char *base;                  /* "https://name:port/prefix" */
	char *host;                  /* "Host: ..."; NULL: libcurl's own */
	struct curl_slist *connect;  /* where to connect instead of base's host; NULL: there */
	struct buf roots;            /* PEM, and a mark of the generation */
	struct buf cert, key;        /* PEM; key is wiped */
	char *authorization;         /* "Authorization: Bearer ..."; NULL: none; wiped */
};

struct https_request {
	struct https_request *prev, *next;
	struct https_target *target;
	CURL *easy;
	struct curl_slist *headers;  /* wiped: the token */
	struct timer *timer;
	int64_t timeout_ms;
	uint8_t *sent;               /* the request's body; wiped: it may be a token */
	size_t sent_len;
	struct buf body;             /* the answer's; wiped: it may be a Secret */
	size_t header_bytes;
	void (*data)(void *ctx, struct bytes piece);
	void (*opened)(void *ctx);   /* NULL once it was called */
	void (*done)(void *ctx, struct err e, const struct https_answer *answer);
	void *ctx;
	unsigned generation;
	bool added, cancelled;
	const char *too_large;       /* what was; NULL: nothing */
	char text[CURL_ERROR_SIZE];
};

/* http_pool.c: a target's multi handle on the loop. */
struct err target_open_pool(struct https_target *t);
void target_close_pool(struct https_target *t);

/* http_target.c: from now on requests of `t` use no connection of this generation. */
void target_renew(struct https_target *t);

/* http_easy.c: everything that libcurl is told about a request; r->target and what it sends are set before. */
struct err request_make_easy(struct https_request *r, const struct https_ask *ask);
void request_wipe_headers(struct https_request *r);

/* http.c: called from outside libcurl only. */
struct err request_end_code(const struct https_request *r, CURLcode code);
void request_finish(struct https_request *r, struct err e);
void request_drop(struct https_request *r);
struct err request_add(struct https_request *r);

#endif
