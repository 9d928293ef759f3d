#include "admin/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/processes.h"
#include "proto/json.h"

#define CONNECTIONS_MAX 64  /* ours, each daemon */
#define IDLE_S 30           /* ours */
#define PUBLIC_IDLE_S 10    /* ours, of metrics and health: anybody may come */
#define PUBLIC_PER_IP 16    /* ours: one address must not keep the others' health checks out */
#define CONNECTION_MEMORY (32 * 1024)
#define REFUSED_KEPT 8      /* ours */

struct http {
	struct MHD_Daemon *api, *metrics;
	int listen_fd;
	/* Peers that may not speak: closed only when others have come, because a peer that finds us gone while it still writes
	 * its request never reads why. */
	int refused[REFUSED_KEPT];
	size_t refused_at;
	const struct admin_options *options;
	struct http_events events;
};

struct http_request {
	struct http *http;
	struct MHD_Connection *conn;
	const struct api_operation *op;
	struct buf body;
	bool asked, answered;
	unsigned status;
	char *text; /* of the answer */
};

/* ---- answers ---- */

static enum MHD_Result respond(struct MHD_Connection *conn, unsigned status, const char *type, struct bytes body)
{
	struct MHD_Response *r =
	        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.data, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (r == NULL) return MHD_NO;
	(void)MHD_add_response_header(r, "Content-Type", type);
	(void)MHD_add_response_header(r, "Cache-Control", "no-store");
	result = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return result;
}

static unsigned http_status(enum err_code code)
{
	static const struct { enum err_code code; unsigned status; } map[] = {
		{ ERR_OK, 200 },
		{ ERR_INVALID_ARGUMENT, 400 },
		{ ERR_PERMISSION_DENIED, 403 },
		{ ERR_NOT_FOUND, 404 },
		{ ERR_UNIMPLEMENTED, 405 },
		{ ERR_ALREADY_EXISTS, 409 },
		{ ERR_FAILED_PRECONDITION, 409 },
		{ ERR_RESOURCE_EXHAUSTED, 429 },
		{ ERR_UNAVAILABLE, 503 },
	};

	for (size_t i = 0; i < ARRAY_LEN(map); i++)
		if (map[i].code == code) return map[i].status;
	return 500;
}

void http_answer(struct http_request *r, struct err e, const char *reason, json_t *result)
{
	json_t *body = e.code == ERR_OK ? result : json_pack("{ss ss}", "code", err_code_name(e.code), "error", reason);

	if (e.code != ERR_OK) json_decref(result);
	r->text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
	r->status = r->text == NULL ? 500 : http_status(e.code);
	json_decref(body);
	r->answered = true;
	if (r->asked) MHD_resume_connection(r->conn); /* otherwise we are still in its handler, which looks at `answered` */
}

static enum MHD_Result send_answer(struct http_request *r)
{
	return respond(r->conn, r->status, "application/json", bytes_str(r->text == NULL ? "{}" : r->text));
}

/* ---- API requests ---- */

const struct api_operation *http_request_op(const struct http_request *r)
{
	return r->op;
}

static const char *query_param(void *ctx, const char *name)
{
	return MHD_lookup_connection_value(ctx, MHD_GET_ARGUMENT_KIND, name);
}

static void refuse(struct http_request *r, struct err e)
{
	http_answer(r, e, e.reason, NULL);
}

static void peer_name(struct MHD_Connection *conn, char by[STORE_BY_MAX + 1])
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);

	if (info != NULL) (void)getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	(void)snprintf(by, STORE_BY_MAX + 1, "uid:%u", (unsigned)cred.uid);
}

static void start_request(struct http_request *r, const char *url, const char *method)
{
	AUTO(json) json_t *body = NULL;
	char by[STORE_BY_MAX + 1];
	bool wrong_method;
	const struct api_operation *op = api_find(method, url, &wrong_method);
	struct api_request ask = { .method = method, .path = url, .param = query_param, .param_ctx = r->conn, .by = by };

	if (op == NULL) {
		refuse(r, wrong_method ? ERR(ERR_UNIMPLEMENTED, "admin: method not allowed here")
		                       : ERR(ERR_NOT_FOUND, "admin: no such path"));
		return;
	}
	if (r->body.len > 0) {
		struct err e = json_object_parse(buf_view(&r->body), API_BODY_MAX, &body);

		if (e.code != ERR_OK) {
			refuse(r, e);
			return;
		}
	}
	peer_name(r->conn, by);
	ask.body = body;
	r->op = op;
	r->http->events.api(r->http->events.ctx, r, op, &ask);
}

static enum MHD_Result on_api(void *cls, struct MHD_Connection *conn, const char *url, const char *method, const char *version,
                              const char *data, size_t *size, void **state)
{
	struct http_request *r = *state; /* #lizard forgives: the parameters are libmicrohttpd's */

	(void)version;
	if (r == NULL) {
		r = calloc(1, sizeof(*r));
		if (r == NULL) return MHD_NO;
		r->http = cls;
		r->conn = conn;
		r->body.max = API_BODY_MAX;
		*state = r;
		return MHD_YES;
	}
	if (*size > 0) {
		if (buf_put(&r->body, data, *size).code != ERR_OK) return MHD_NO; /* over API_BODY_MAX: closed */
		*size = 0;
		return MHD_YES;
	}
	if (r->answered) return send_answer(r);
	start_request(r, url, method);
	if (r->answered) return send_answer(r);
	r->asked = true;
	MHD_suspend_connection(conn);
	return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **state, enum MHD_RequestTerminationCode why)
{
	struct http_request *r = *state;
	struct http *h = cls;

	(void)conn;
	(void)why;
	if (r == NULL) return;
	if (r->asked && !r->answered) h->events.gone(h->events.ctx, r);
	if (r->text != NULL) explicit_bzero(r->text, strlen(r->text)); /* it may have been a join token */
	free(r->text);
	buf_free(&r->body);
	free(r);
	*state = NULL;
}

/* ---- metrics and health ---- */

static enum MHD_Result on_public(void *cls, struct MHD_Connection *conn, const char *url, const char *method,
                                 const char *version, const char *data, size_t *size, void **state)
{
	struct http *h = cls; /* #lizard forgives: the parameters are libmicrohttpd's */
	AUTO(buf) struct buf out = { .max = METRICS_TEXT_MAX };

	(void)version;
	(void)data;
	(void)state;
	if (*size > 0) return MHD_NO;
	if (strcmp(method, "GET") != 0) return respond(conn, 405, "text/plain", bytes_str("method not allowed\n"));
	if (strcmp(url, "/healthz/live") == 0) return respond(conn, 200, "text/plain", bytes_str("ok\n"));
	if (strcmp(url, "/healthz/ready") == 0) {
		bool ready = h->events.ready(h->events.ctx);

		return respond(conn, ready ? 200 : 503, "text/plain", bytes_str(ready ? "ok\n" : "not ready\n"));
	}
	if (strcmp(url, "/metrics") != 0) return respond(conn, 404, "text/plain", bytes_str("not found\n"));
	if (h->events.metrics(h->events.ctx, &out).code != ERR_OK) return respond(conn, 500, "text/plain", BYTES_NONE);
	return respond(conn, 200, "text/plain; version=0.0.4; charset=utf-8", buf_view(&out));
}

/* ---- life ---- */

#define COMMON_FLAGS (MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC)

static struct MHD_Daemon *start(struct http *h, unsigned flags, MHD_AccessHandlerCallback handler, int listen_fd)
{
	bool public = listen_fd >= 0;
	struct MHD_OptionItem options[] = {
		{ MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, NULL },
		{ MHD_OPTION_CONNECTION_TIMEOUT, public ? PUBLIC_IDLE_S : IDLE_S, NULL },
		{ MHD_OPTION_PER_IP_CONNECTION_LIMIT, public ? PUBLIC_PER_IP : 0, NULL },
		{ MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
		{ MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, h },
		{ listen_fd < 0 ? MHD_OPTION_END : MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL }, { MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(flags, 0, NULL, NULL, handler, h, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

struct err http_new(const struct admin_options *options, const struct http_events *events, struct http **out)
{
	struct http *h = calloc(1, sizeof(*h));

	if (h == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "admin: out of memory");
	h->options = options;
	h->events = *events;
	h->listen_fd = options->socket_fd;
	for (size_t i = 0; i < REFUSED_KEPT; i++) h->refused[i] = -1;
	h->api = start(h, COMMON_FLAGS | MHD_USE_NO_LISTEN_SOCKET, on_api, -1);
	if (options->metrics_fd >= 0) h->metrics = start(h, COMMON_FLAGS, on_public, options->metrics_fd);
	if (h->api == NULL || (options->metrics_fd >= 0 && h->metrics == NULL)) {
		http_free(h);
		FAIL(ERR_INTERNAL, "admin: cannot start the HTTP server");
	}
	*out = h;
	return OK;
}

void http_free(struct http *h)
{
	if (h == NULL) return;
	if (h->metrics != NULL) MHD_stop_daemon(h->metrics);
	if (h->api != NULL) MHD_stop_daemon(h->api);
	for (size_t i = 0; i < REFUSED_KEPT; i++) auto_fd(&h->refused[i]);
	free(h);
}

static int epoll_of(struct MHD_Daemon *d)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_EPOLL_FD);

	return info == NULL ? -1 : info->epoll_fd;
}

size_t http_fds(const struct http *h, int fds[HTTP_FDS])
{
	size_t n = 0;

	fds[n++] = h->listen_fd;
	fds[n++] = epoll_of(h->api);
	if (h->metrics != NULL) fds[n++] = epoll_of(h->metrics);
	return n;
}

int http_timeout_ms(struct http *h)
{
	MHD_UNSIGNED_LONG_LONG a = 0, b = 0;
	bool has_a = MHD_get_timeout(h->api, &a) == MHD_YES;
	bool has_b = h->metrics != NULL && MHD_get_timeout(h->metrics, &b) == MHD_YES;

	if (!has_a && !has_b) return -1;
	if (has_a && has_b && b < a) a = b;
	return (int)(has_a ? a : b);
}

/* root, ourselves, who is named, and members of the group (SO_PEERGROUPS: the peer's supplementary groups). */
static bool may_speak(const struct admin_options *o, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	gid_t groups[256];
	socklen_t groups_len = sizeof(groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) return false;
	if (cred.uid == 0 || cred.uid == geteuid()) return true;
	for (size_t i = 0; i < o->uid_count; i++)
		if (o->uids[i] == cred.uid) return true;
	if (o->gid == (gid_t)-1) return false;
	if (cred.gid == o->gid) return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_len) != 0) return false;
	for (size_t i = 0; i < groups_len / sizeof(gid_t); i++)
		if (groups[i] == o->gid) return true;
	return false;
}

static void refuse_peer(struct http *h, int fd)
{
	static const char forbidden[] = "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: 73\r\n"
	                                "Connection: close\r\n\r\n"
	                                "{\"code\":\"PERMISSION_DENIED\",\"error\":\"admin: your user may not do this\"}\r\n";
	int *slot = &h->refused[h->refused_at++ % REFUSED_KEPT];

	(void)send(fd, forbidden, sizeof(forbidden) - 1, MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	auto_fd(slot);
	*slot = fd;
}

static void accept_all(struct http *h)
{
	for (int i = 0; i < CONNECTIONS_MAX; i++) {
		int fd = accept4(h->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0) return;
		if (!may_speak(h->options, fd)) {
			refuse_peer(h, fd);
		} else if (MHD_add_connection(h->api, fd, NULL, 0) != MHD_YES) {
			continue; /* MHD closed it */
		}
	}
}

void http_run(struct http *h)
{
	accept_all(h);
	(void)MHD_run(h->api);
	if (h->metrics != NULL) (void)MHD_run(h->metrics);
}
