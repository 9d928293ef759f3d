#include "k8s_csr/informer.h"

#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "base/own.h"
#include "base/url.h"
#include "k8s_csr/backoff.h"
#include "k8s_csr/cluster_internal.h"
#include "k8s_csr/lines.h"

#define LIST_MS 60000        /* of one page; ours: API servers give up after 60 s */
#define WATCH_S 240          /* to 360: half of client-go's, so that a server that started anew has its load spread soon */
#define STEADY_MS 1000       /* a watch that lives for so long is one */
#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 5000     /* ours: what is filed waits for what the watch tells, and we are one client, no herd */
#define PATH_ROOM (HTTPS_PATH_MAX + 1)

enum phase { LIST, WATCH };

struct informer {
	struct informer_options o;
	char *path, *kind, *selector;
	struct cluster_request *request;
	struct timer *timer;                  /* with a request: the watch is steady; without: the next request */
	struct k8s_backoff backoff;
	enum phase phase;                     /* of the request, or the next */
	unsigned page;                        /* elements; what is too large together is asked for in smaller pages */
	char more[KUBE_CONTINUE_MAX + 1];     /* LIST: of the next page; "": from the start */
	char version[KUBE_VERSION_MAX + 1];   /* WATCH: from here on */
	struct lines lines;
	bool live, steady;
	bool hurried;                         /* listed again without a rest since the last steady watch */
	int64_t lost_us;                      /* since when; 0: it is not */
};

/* ---- log ---- */

static void count_lost(struct informer *i, int by)
{
	const struct cluster_options *c = cluster_options_of(i->o.cluster);

	metric_add_of(c->metrics, MO_WATCHES_LOST, (size_t)(c->cluster - c->conf->clusters), (uint64_t)by);
}

static void tell_lost(struct informer *i, const char *why, long status, const char *message)
{
	const struct cluster_options *c = cluster_options_of(i->o.cluster);

	i->live = false;
	if (i->lost_us != 0) return;
	i->lost_us = clock_mono_us();
	count_lost(i, 1);
	log_event(c->log, LOG_WARN, "kube_watch_lost", F_STR("cluster", cluster_id(i->o.cluster)), F_STR("path", i->path),
		  F_STR("why", why), F_INT("status", status), F_STR("message", message));
}

static void tell_back(struct informer *i)
{
	const struct cluster_options *c = cluster_options_of(i->o.cluster);

	if (i->lost_us == 0) return;
	log_event(c->log, LOG_INFO, "kube_watch_back", F_STR("cluster", cluster_id(i->o.cluster)), F_STR("path", i->path),
		  F_INT("ms", (clock_mono_us() - i->lost_us) / 1000));
	i->lost_us = 0;
	count_lost(i, -1);
}

/* ---- what is next ---- */

static void go_on(struct informer *i, enum phase phase, int64_t ms)
{
	i->phase = phase;
	if (phase == LIST) i->more[0] = '\0';
	(void)timer_start(i->timer, ms);
}

static void rest(struct informer *i, enum phase phase, unsigned retry_after)
{
	go_on(i, phase, k8s_backoff_failed(&i->backoff, cluster_random(), retry_after));
}

/* What was known is too old: at once, but not again and again. */
static void list_again(struct informer *i)
{
	i->live = false;
	if (i->hurried) {
		tell_lost(i, "informer: lists and their versions expire at once", 410, "");
		rest(i, LIST, 0);
		return;
	}
	i->hurried = true;
	go_on(i, LIST, 0);
}

/* ---- what an API server says when it does not do it ---- */

static void tell_refusal(struct informer *i, struct err e, const struct https_answer *answer)
{
	AUTO(json) json_t *json = NULL;
	struct kube_status status = { .code = 0 };

	if (e.code == ERR_OK && kube_parse(answer->body, &json).code == ERR_OK) (void)kube_status_read(json, &status);
	tell_lost(i, e.code == ERR_OK ? "informer: the API server refuses" : e.reason, answer->status,
		  e.code == ERR_OK ? status.message : answer->text);
}

/* ---- list ---- */

static void on_list(void *ctx, struct err e, const struct https_answer *answer);
static void on_watch_end(void *ctx, struct err e, const struct https_answer *answer);
static void on_opened(void *ctx);
static void on_piece(void *ctx, struct bytes piece);

static struct err put_query(const char *key, const char *value, struct buf *out)
{
	if (value == NULL || value[0] == '\0') return OK;
	TRY(buf_printf(out, "&%s=", key));
	return url_put_encoded(out, bytes_str(value));
}

static struct err put_path(const struct informer *i, struct buf *out)
{
	TRY(buf_printf(out, "%s%s", i->path, strchr(i->path, '?') == NULL ? "?" : "&"));
	if (i->phase == LIST) {
		TRY(buf_printf(out, "limit=%u", i->page));
		TRY(put_query("continue", i->more, out));
	} else {
		TRY(buf_printf(out, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%u",
			       WATCH_S + cluster_random() % (WATCH_S / 2)));
		TRY(put_query("resourceVersion", i->version, out));
	}
	TRY(put_query("labelSelector", i->selector, out));
	return buf_put(out, "", 1);
}

static struct err start(struct informer *i)
{
	AUTO(buf) struct buf path = { .max = PATH_ROOM };
	struct cluster_ask ask = {
		.method = HTTPS_GET, .timeout_ms = LIST_MS, .max_answer = KUBE_ANSWER_MAX, .done = on_list, .ctx = i
	};

	TRY(put_path(i, &path));
	ask.path = (const char *)path.data;
	if (i->phase == WATCH) {
		lines_free(&i->lines);
		i->steady = false;
		ask.timeout_ms = i->o.silence_ms;
		ask.done = on_watch_end;
		ask.data = on_piece;
		ask.opened = on_opened;
	}
	return cluster_start(i->o.cluster, &ask, &i->request);
}

static void start_or_rest(struct informer *i)
{
	struct err e = start(i);

	if (e.code == ERR_OK) return;
	tell_lost(i, e.reason, 0, "");
	rest(i, i->phase, 0);
}

static struct err take_page(struct informer *i, struct bytes body)
{
	AUTO(json) json_t *json = NULL;
	struct kube_list list;
	size_t n;
	json_t *item;

	TRY(kube_parse(body, &json));
	TRY(kube_list_read(json, i->kind, &list));
	if (i->more[0] == '\0') i->o.begin(i->o.ctx);
	json_array_foreach(list.items, n, item) i->o.seen(i->o.ctx, item);
	memcpy(i->more, list.more, sizeof(i->more));
	memcpy(i->version, list.version, sizeof(i->version));
	return OK;
}

/* As smaller pages, from the start, because the pages of one list are of one size. */
static bool is_too_large(const struct informer *i, struct err e, const struct https_answer *answer)
{
	return e.code == ERR_RESOURCE_EXHAUSTED && answer->status == 200 && i->page > 1;
}

static void on_page(struct informer *i, const struct https_answer *answer)
{
	struct err e = take_page(i, answer->body);

	if (e.code != ERR_OK) {
		tell_lost(i, e.reason, answer->status, "");
		rest(i, LIST, 0);
	} else if (i->more[0] != '\0') {
		start_or_rest(i);
	} else {
		if (i->page < INFORMER_PAGE) i->page *= 2;
		i->o.synced(i->o.ctx);
		i->phase = WATCH;
		start_or_rest(i);
	}
}

static void on_list(void *ctx, struct err e, const struct https_answer *answer)
{
	struct informer *i = ctx;

	i->request = NULL;
	if (e.code == ERR_OK && answer->status == 200) {
		on_page(i, answer);
	} else if (is_too_large(i, e, answer)) {
		i->page /= 2;
		go_on(i, LIST, 0);
	} else if (e.code == ERR_OK && answer->status == 410) {
		list_again(i);
	} else {
		tell_refusal(i, e, answer);
		rest(i, LIST, answer->retry_after);
	}
}

/* ---- watch ---- */

static void on_opened(void *ctx)
{
	struct informer *i = ctx;

	i->live = true;
	(void)timer_start(i->timer, STEADY_MS);
}

static void on_timer(void *ctx)
{
	struct informer *i = ctx;

	if (i->request == NULL) {
		start_or_rest(i);
		return;
	}
	i->steady = true;
	i->hurried = false;
	k8s_backoff_succeeded(&i->backoff);
	tell_back(i);
}

/* From within the watch: nothing more of it is wanted. */
static void give_up(struct informer *i)
{
	cluster_cancel(i->request);
	i->request = NULL;
	timer_stop(i->timer);
}

static void on_error_event(struct informer *i, const struct kube_status *status)
{
	give_up(i);
	if (status->code == 410) {
		list_again(i);
		return;
	}
	tell_lost(i, "informer: the API server ended the watch", status->code, status->message);
	rest(i, LIST, (unsigned)status->retry_after);
}

static struct err take_line(struct informer *i, struct bytes line)
{
	AUTO(json) json_t *json = NULL;
	struct kube_watch watch;

	TRY(kube_parse(line, &json));
	TRY(kube_watch_read(json, &watch));
	if (watch.type == KUBE_WATCH_ERROR) {
		on_error_event(i, &watch.status);
		return OK;
	}
	memcpy(i->version, watch.version, sizeof(i->version));
	if (watch.type == KUBE_WATCH_DELETED) i->o.gone(i->o.ctx, watch.object);
	else if (watch.type != KUBE_WATCH_BOOKMARK) i->o.seen(i->o.ctx, watch.object);
	return OK;
}

static struct err take_lines(struct informer *i, struct bytes piece)
{
	struct bytes line;
	struct err e;

	while (i->request != NULL) {
		e = lines_take(&i->lines, &piece, &line);
		if (e.code == ERR_NOT_FOUND) return OK;
		TRY(e);
		TRY(take_line(i, line));
	}
	return OK;
}

static void on_piece(void *ctx, struct bytes piece)
{
	struct informer *i = ctx;
	struct err e = take_lines(i, piece);

	if (e.code == ERR_OK) return;
	give_up(i);
	tell_lost(i, e.reason, 0, "");
	rest(i, LIST, 0);
}

/* Is the version what is wrong, so that to ask for it again is of no use?  After a silence it may be: of a version that is yet to
 * come (a server that was restored from a backup) nothing is told, not even that. */
static bool must_list(struct err e, long status)
{
	if (e.code != ERR_OK) return e.code == ERR_DEADLINE_EXCEEDED;
	return status >= 400 && status < 500 && status != 401 && status != 403 && status != 429;
}

static void on_watch_end(void *ctx, struct err e, const struct https_answer *answer)
{
	struct informer *i = ctx;

	i->request = NULL;
	timer_stop(i->timer);
	if (e.code == ERR_OK && answer->status == 200) e = lines_end(&i->lines);
	if (e.code == ERR_OK && answer->status == 410) {
		list_again(i);
	} else if (e.code == ERR_OK && answer->status == 200 && i->steady) {
		go_on(i, WATCH, 0);
	} else if (e.code == ERR_OK && answer->status == 200) {
		tell_lost(i, "informer: the watch ended at once", 200, "");
		rest(i, WATCH, 0);
	} else {
		tell_refusal(i, e, answer);
		rest(i, must_list(e, answer->status) ? LIST : WATCH, answer->retry_after);
	}
}

/* ---- life ---- */

static inline void auto_informer(struct informer **i) { informer_free(*i); }

static struct err copy_options(struct informer *i, const struct informer_options *o)
{
	i->o = *o;
	if (i->o.silence_ms == 0) i->o.silence_ms = INFORMER_SILENCE_S * 1000;
	i->path = strdup(o->path);
	i->kind = strdup(o->kind);
	i->selector = o->selector != NULL ? strdup(o->selector) : NULL;
	if (i->path == NULL || i->kind == NULL || (o->selector != NULL && i->selector == NULL))
		FAIL(ERR_RESOURCE_EXHAUSTED, "informer: out of memory");
	return OK;
}

struct err informer_new(const struct informer_options *o, struct informer **out)
{
	AUTO(informer) struct informer *i = calloc(1, sizeof(*i));

	if (i == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "informer: out of memory");
	if (strlen(o->path) > HTTPS_PATH_MAX / 8 || (o->selector != NULL && strlen(o->selector) > HTTPS_PATH_MAX / 32))
		FAIL(ERR_INVALID_ARGUMENT, "informer: the path or the selector is too long");
	TRY(copy_options(i, o));
	i->page = INFORMER_PAGE;
	i->lines.max = KUBE_ANSWER_MAX;
	i->backoff = (struct k8s_backoff){ .first_ms = RETRY_FIRST_MS, .max_ms = RETRY_MAX_MS };
	TRY(timer_new(cluster_options_of(o->cluster)->loop, on_timer, i, &i->timer));
	start_or_rest(i);
	*out = MOVE(i);
	return OK;
}

void informer_free(struct informer *i)
{
	if (i == NULL) return;
	if (i->lost_us != 0) count_lost(i, -1);
	cluster_cancel(i->request);
	timer_free(i->timer);
	lines_free(&i->lines);
	free(i->path);
	free(i->kind);
	free(i->selector);
	free(i);
}

bool informer_is_live(const struct informer *i)
{
	return i->live;
}
