#include "k8s_csr/http_internal.h"

struct sock {
	struct https_target *target;
	curl_socket_t fd;
	struct watch *watch;
};

/* What callbacks that libcurl called (data()) asked for, as far as libcurl would not have it then. */
static struct https_request *next_unsettled(const struct https_target *t)
{
	for (struct https_request *r = t->https->first; r != NULL; r = r->next)
		if (r->target == t && (r->cancelled || !r->added)) return r;
	return NULL;
}

static void settle(struct https_target *t)
{
	struct https_request *r;
	struct err e;

	if (!t->unsettled) return;
	t->unsettled = false;
	while ((r = next_unsettled(t)) != NULL) {
		if (r->cancelled) {
			request_drop(r);
			continue;
		}
		e = request_add(r);
		if (e.code != ERR_OK) request_finish(r, e);
	}
}

/* Callbacks are called here, outside libcurl; they may take away requests whose messages wait: libcurl drops those. */
static void collect(struct https_target *t)
{
	struct CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(t->multi, &left)) != NULL) {
		struct https_request *r = NULL;
		CURLcode code = m->data.result;

		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
		if (r->cancelled) request_drop(r);
		else request_finish(r, request_end_code(r, code));
	}
}

static void turn(struct https_target *t, curl_socket_t fd, int events)
{
	int running;

	(void)https_target_ref(t); /* its last request may end here */
	t->in_curl = true;
	(void)curl_multi_socket_action(t->multi, fd, events, &running);
	t->in_curl = false;
	collect(t);
	settle(t);
	https_target_unref(t);
}

static void on_ready(void *ctx, unsigned events)
{
	const struct sock *s = ctx; /* gone when turn() returns, maybe */

	turn(s->target, s->fd,
	     ((events & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) | ((events & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(void *ctx)
{
	turn(ctx, CURL_SOCKET_TIMEOUT, 0);
}

/* A socket that cannot be watched is left to the request's own time: an error given to libcurl here would end all requests. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *assigned)
{
	struct https_target *t = ctx;
	struct sock *s = assigned;
	unsigned events = ((what & CURL_POLL_IN) != 0 ? LOOP_READ : 0U) | ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITE : 0U);

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL) watch_free(s->watch);
		free(s);
		(void)curl_multi_assign(t->multi, fd, NULL);
		return 0;
	}
	if (s == NULL) {
		s = calloc(1, sizeof(*s));
		if (s == NULL) return 0;
		*s = (struct sock){ .target = t, .fd = fd };
		if (watch_new(t->https->loop, fd, on_ready, s, &s->watch).code != ERR_OK) {
			free(s);
			return 0;
		}
		(void)curl_multi_assign(t->multi, fd, s);
	}
	(void)watch_set(s->watch, events);
	return 0;
}

static int on_timer_wanted(CURLM *multi, long ms, void *ctx)
{
	struct https_target *t = ctx;

	(void)multi;
	if (ms < 0) timer_stop(t->timer);
	else (void)timer_start(t->timer, ms);
	return 0;
}

struct err target_open_pool(struct https_target *t)
{
	long most = (long)t->https->max_connections;
	CURLM *m = t->multi = curl_multi_init();
	bool good = m != NULL;

	TRY(timer_new(t->https->loop, on_timer, t, &t->timer));
	good = good && curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK;
	good = good && curl_multi_setopt(m, CURLMOPT_SOCKETDATA, t) == CURLM_OK;
	good = good && curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK;
	good = good && curl_multi_setopt(m, CURLMOPT_TIMERDATA, t) == CURLM_OK;
	good = good && curl_multi_setopt(m, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX) == CURLM_OK;
	good = good && curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, most) == CURLM_OK;
	good = good && curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, most) == CURLM_OK;
	if (!good) FAIL(ERR_RESOURCE_EXHAUSTED, "http: cannot make a pool of connections");
	return OK;
}

void target_close_pool(struct https_target *t)
{
	if (t->multi != NULL) (void)curl_multi_cleanup(t->multi);
	timer_free(t->timer);
}
