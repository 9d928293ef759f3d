/* http.h: the courier's HTTPS requests to Kubernetes API servers and OIDC issuers: libcurl, driven by base/loop.
 *
 * One thread, which never waits.  (Names are looked up by short-lived threads of libcurl, which call getaddrinfo().)  Symbols are
 * https_*, for admin/ has http_*; and there is no plain http here: https with TLS 1.2 or newer is all it can do.  HTTP/2, many
 * requests on one kept connection, where the server offers it; otherwise HTTP/1.1, a request at a time on each connection.
 *
 * Never: redirects (a 3xx is an answer as any other), cookies, netrc, proxies, compressed bodies, the machine's own store of
 * trusted roots (who wants it passes its bytes).  The token goes to the target's host only, and into no text or log.
 *
 * A server that died: a kept connection that was closed meanwhile (or told to go away) is found out before it is used, and a new
 * one is made.  If it breaks just after a request went out on it, before one byte of the answer, libcurl may send the request
 * AGAIN on a new connection: a POST may have been done twice (RFC 9110 s9.2.2 would not have that), so give objects their names,
 * and take a 409 for "look whether it is ours"; or it is UNAVAILABLE, as on a connection that was new.  A stream that the server
 * refuses unseen (REFUSED_STREAM) is sent again up to five times.
 * A peer that vanished: unanswered keepalives end its connections within a minute, unacknowledged bytes within HTTPS_DEAD_MS.
 * One that takes bytes and says nothing: after a request's time is up, later requests of that target get a new connection. */
#ifndef SIGNET_K8S_CSR_HTTP_H
#define SIGNET_K8S_CSR_HTTP_H

#include "base/bytes.h"

struct loop;
struct https;
struct https_target;
struct https_request;

#define HTTPS_PATH_MAX (8 * 1024)         /* bytes; ours: a list's continue token is about one KiB */
#define HTTPS_TOKEN_MAX (16 * 1024)       /* bytes; ours: a service account's token has about one KiB */
#define HTTPS_PEM_MAX (1024 * 1024)       /* bytes; ours: Debian's whole store has 220 KB */
#define HTTPS_BODY_MAX (2 * 1024 * 1024)  /* bytes of a request; ours: etcd takes 1.5 MiB */
#define HTTPS_ANSWER_MAX (64 * 1024 * 1024) /* bytes; ours: most that max_answer may say */
#define HTTPS_REFUSAL_MAX (64 * 1024)     /* bytes; ours: of an answer to a stream that is not 200 */
#define HTTPS_HEADERS_MAX (64 * 1024)     /* bytes of all header fields of one answer, 1xx and trailers counted; ours */
#define HTTPS_TIMEOUT_MAX_MS (3600 * 1000)
#define HTTPS_CONNECT_MS (10 * 1000)      /* name, TCP and TLS; ours */
#define HTTPS_DEAD_MS (20 * 1000)         /* bytes that nobody acknowledges end the connection; ours */
#define HTTPS_RETRY_AFTER_MAX 3600        /* seconds; ours: more is taken for this */

struct https_options {
	struct loop *loop;        /* borrowed until https_free() */
	unsigned max_requests;    /* in flight at once, of all targets; 1..4096 */
	unsigned max_connections; /* open at once, of each target, with idle ones; 1..64.  Without HTTP/2 each stream holds one. */
};

/* Once in a process, before it has threads and before its sandbox: libcurl and OpenSSL read their settings here (files).
 * INVALID_ARGUMENT: an option; INTERNAL: libcurl cannot do what is needed; RESOURCE_EXHAUSTED: memory. */
struct err https_new(const struct https_options *options, struct https **out);
/* Cancels all requests.  Every target must have been given back before.  Not from a callback.  NULL is allowed. */
void https_free(struct https *https);

/* ---- whom to ask, and as whom ---- */

struct https_target_options {    /* all copied */
	const char *url;         /* "https://host[:port][/prefix]"; no user, query, fragment; a final "/" is dropped */
	const char *server_name; /* what its certificate must name (and SNI), instead of url's host; NULL: that host */
	struct bytes roots_pem;  /* whom to trust, and nobody else: 1 or more certificates, intermediate ones too */
	struct bytes cert_pem, key_pem; /* client certificate (and chain) and its unencrypted key; both or none */
	struct bytes token;      /* bearer; empty: none */
};

/* Each target has connections of its own: other credentials are another target, and nothing of the old one is used for it.  One
 * reference is the caller's, each request holds one; with the last its idle connections are closed and its secrets wiped.
 * Reads no file and connects nowhere.
 * INVALID_ARGUMENT: malformed url, name, PEM or token, or not https; RESOURCE_EXHAUSTED: memory. */
struct err https_target_new(struct https *https, const struct https_target_options *options, struct https_target **out);
struct https_target *https_target_ref(struct https_target *t);
void https_target_unref(struct https_target *t); /* NULL is allowed */
/* Of requests that are started from now on; empty: none.  INVALID_ARGUMENT: not '!'..'~', or over HTTPS_TOKEN_MAX. */
struct err https_target_set_token(struct https_target *t, struct bytes token);
static inline void auto_https_target(struct https_target **t) { https_target_unref(*t); }

/* ---- requests ---- */

enum https_method { HTTPS_GET, HTTPS_POST, HTTPS_PUT, HTTPS_PATCH, HTTPS_DELETE };

struct https_answer {         /* borrowed until done() returns */
	long status;          /* 0: none came */
	struct bytes body;    /* what was collected; after an error as much as came; empty after a stream */
	unsigned retry_after; /* seconds from now, 0..HTTPS_RETRY_AFTER_MAX; 0: none was said, or now */
	const char *text;     /* what failed, for the log (it may hold a peer's bytes); "" after OK */
};

struct https_ask {
	struct https_target *target;
	enum https_method method;
	const char *path;         /* put after the target's url: "/...", with query, already encoded; not normalized */
	const char *content_type; /* of the body; NULL: no body (GET, DELETE) */
	struct bytes body;        /* copied */
	/* Without data(): of everything, connecting included.  With data(): of each silence, connecting included, and no bound
	 * on the whole.  1..HTTPS_TIMEOUT_MAX_MS; connecting alone has HTTPS_CONNECT_MS at most. */
	int64_t timeout_ms;
	size_t max_answer;        /* bytes of a body that is collected; 1..HTTPS_ANSWER_MAX; not looked at with data() */
	void (*data)(void *ctx, struct bytes piece); /* each piece of the body of a 200, as it comes; NULL: collect it */
	void (*opened)(void *ctx); /* with data(), once: the header fields of a 200 came, before the first piece; NULL: not told */
	/* Exactly once unless cancelled, and never from within https_start(); the request is gone then.
	 * OK: an answer, whatever its status, to its end.  UNAVAILABLE: no connection, TLS (a certificate that does not
	 * verify), or lost half-way; DEADLINE_EXCEEDED: timeout_ms; RESOURCE_EXHAUSTED: a larger answer than allowed, or
	 * memory.  cause is the CURLcode. */
	void (*done)(void *ctx, struct err e, const struct https_answer *answer);
	void *ctx;
};

/* *out (NULL is allowed) is to be used for https_cancel() until done() is called.  All callbacks may start and cancel
 * requests, set tokens and give targets back.
 * RESOURCE_EXHAUSTED: max_requests are in flight, or memory; INVALID_ARGUMENT: a field of ask. */
struct err https_start(const struct https_ask *ask, struct https_request **out);
/* No callback comes after it.  NULL is allowed. */
void https_cancel(struct https_request *r);

#endif
