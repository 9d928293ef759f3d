#include <string.h>

#include "k8s_csr/http_internal.h"

/* ---- one request's end ---- */

static const struct { CURLcode curl; struct err e; } ends[] = {
	{ CURLE_OK, OK },
	{ CURLE_COULDNT_RESOLVE_HOST, ERR(ERR_UNAVAILABLE, "http: the server's name is not found") },
	{ CURLE_COULDNT_CONNECT, ERR(ERR_UNAVAILABLE, "http: cannot connect") },
	/* HTTPS_CONNECT_MS: libcurl was told of no other time */
	{ CURLE_OPERATION_TIMEDOUT, ERR(ERR_UNAVAILABLE, "http: cannot connect in time") },
	{ CURLE_PEER_FAILED_VERIFICATION, ERR(ERR_UNAVAILABLE, "http: the server's certificate does not verify") },
	{ CURLE_SSL_CACERT_BADFILE, ERR(ERR_UNAVAILABLE, "http: the certificates to trust cannot be used") },
	{ CURLE_SSL_CERTPROBLEM, ERR(ERR_UNAVAILABLE, "http: the client certificate or its key cannot be used") },
	{ CURLE_SSL_CONNECT_ERROR, ERR(ERR_UNAVAILABLE, "http: TLS failed") },
	{ CURLE_PARTIAL_FILE, ERR(ERR_UNAVAILABLE, "http: the answer is cut short") },
	{ CURLE_GOT_NOTHING, ERR(ERR_UNAVAILABLE, "http: closed without an answer") },
	{ CURLE_OUT_OF_MEMORY, ERR(ERR_RESOURCE_EXHAUSTED, "http: out of memory") },
};

/* Does the answer say where it ends?  If not, it ends with its connection, and libcurl 7.88 takes any end of TCP for the end of
 * TLS: whoever is between us and the server could cut it anywhere (RFC 9112 s8, RFC 8446 s6.1). */
static bool tells_its_end(const struct https_request *r)
{
	struct curl_header *coding = NULL;
	long status = 0, version = 0;
	curl_off_t length = -1;

	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &version);
	(void)curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (version == CURL_HTTP_VERSION_2_0 || length >= 0 || status == 204 || status == 304) return true;
	return curl_easy_header(r->easy, "Transfer-Encoding", 0, CURLH_HEADER, -1, &coding) == CURLHE_OK &&
	       strcasestr(coding->value, "chunked") != NULL;
}

struct err request_end_code(const struct https_request *r, CURLcode code)
{
	if (r->too_large != NULL) FAIL_BY(ERR_RESOURCE_EXHAUSTED, "http: the answer is too large", code);
	if (code == CURLE_OK && !tells_its_end(r))
		FAIL_BY(ERR_UNAVAILABLE, "http: the answer does not say where it ends", CURLE_WEIRD_SERVER_REPLY);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (ends[i].curl == code) return (struct err){ ends[i].e.code, ends[i].e.reason, (unsigned long)code };
	FAIL_BY(ERR_UNAVAILABLE, "http: connection lost", code);
}

static void say_why(struct https_request *r, struct err e)
{
	if (e.code == ERR_OK) r->text[0] = '\0';
	else if (r->too_large != NULL) (void)snprintf(r->text, sizeof(r->text), "%s is larger than allowed", r->too_large);
	else if (r->text[0] == '\0') (void)snprintf(r->text, sizeof(r->text), "%s", curl_easy_strerror((CURLcode)e.cause));
}

static void unlink_request(struct https_request *r)
{
	if (r->prev != NULL) r->prev->next = r->next;
	else if (r->target->https->first == r) r->target->https->first = r->next;
	if (r->next != NULL) r->next->prev = r->prev;
	r->prev = r->next = NULL;
	if (!r->added) return;
	(void)curl_multi_remove_handle(r->target->multi, r->easy);
	r->added = false;
}

static void request_free(struct https_request *r)
{
	if (r == NULL) return;
	if (r->easy != NULL) curl_easy_cleanup(r->easy);
	request_wipe_headers(r);
	timer_free(r->timer);
	if (r->sent != NULL) explicit_bzero(r->sent, r->sent_len);
	free(r->sent);
	buf_wipe(&r->body);
	https_target_unref(r->target);
	free(r);
}
static inline void auto_request(struct https_request **p) { request_free(*p); }

void request_drop(struct https_request *r)
{
	unlink_request(r);
	request_free(r);
}

void request_finish(struct https_request *r, struct err e)
{
	struct https_answer a = { .text = r->text };
	curl_off_t after = 0;

	say_why(r, e);
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &a.status);
	(void)curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &after); /* either form */
	a.retry_after = after <= 0 ? 0 : after > HTTPS_RETRY_AFTER_MAX ? HTTPS_RETRY_AFTER_MAX : (unsigned)after;
	a.body = buf_view(&r->body);
	unlink_request(r);
	timer_stop(r->timer);
	r->target->https->live--;
	r->done(r->ctx, e, &a);
	request_free(r);
}

/* From the loop, so not within libcurl. */
static void on_time_up(void *ctx)
{
	struct https_request *r = ctx;
	long status = 0;
	curl_off_t sent_us = 0;

	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_us);
	(void)snprintf(r->text, sizeof(r->text), "%s within %lld ms",
	               status != 0 ? "the answer did not go on" :
	               sent_us > 0 ? "no answer" : "no connection to ask on",
	               (long long)r->timeout_ms);
	/* Its connection may be dead, or may serve others well: closed now if nobody else has it, and for nobody new. */
	(void)curl_easy_setopt(r->easy, CURLOPT_FORBID_REUSE, 1L);
	if (r->generation == r->target->generation) target_renew(r->target);
	request_finish(r, ERR_BY(ERR_DEADLINE_EXCEEDED, "http: no answer in time", CURLE_OPERATION_TIMEDOUT));
}

/* ---- start and cancel ---- */

/* 1..max characters of `first`..'~' that are not in `not`. */
static bool printable(const char *s, size_t max, char first, const char *not)
{
	size_t n = 0;

	for (; s[n] != '\0'; n++)
		if (n >= max || s[n] < first || s[n] > '~' || strchr(not, s[n]) != NULL) return false;
	return n > 0;
}

static struct err check_body(const struct https_ask *a)
{
	bool must_have = a->method == HTTPS_POST || a->method == HTTPS_PUT || a->method == HTTPS_PATCH;

	if (a->content_type == NULL && (must_have || a->body.len > 0)) FAIL(ERR_INVALID_ARGUMENT, "http: no content type");
	if (a->content_type == NULL) return OK;
	if (a->method == HTTPS_GET) FAIL(ERR_INVALID_ARGUMENT, "http: GET with a body");
	if (!printable(a->content_type, 128, ' ', "")) FAIL(ERR_INVALID_ARGUMENT, "http: content type");
	if (a->body.len > HTTPS_BODY_MAX) FAIL(ERR_INVALID_ARGUMENT, "http: body too large");
	return OK;
}

static struct err check_ask(const struct https_ask *a)
{
	if (a->target == NULL || a->done == NULL || (unsigned)a->method > HTTPS_DELETE)
		FAIL(ERR_INVALID_ARGUMENT, "http: no target, method or callback");
	if (a->path == NULL || a->path[0] != '/' || !printable(a->path, HTTPS_PATH_MAX, '!', "#"))
		FAIL(ERR_INVALID_ARGUMENT, "http: path");
	if (a->timeout_ms < 1 || a->timeout_ms > HTTPS_TIMEOUT_MAX_MS) FAIL(ERR_INVALID_ARGUMENT, "http: timeout out of range");
	if (a->data == NULL && (a->max_answer < 1 || a->max_answer > HTTPS_ANSWER_MAX))
		FAIL(ERR_INVALID_ARGUMENT, "http: size of the answer out of range");
	return check_body(a);
}

static struct err request_new(const struct https_ask *ask, struct https_request **out)
{
	AUTO(request) struct https_request *r = calloc(1, sizeof(*r));

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	r->target = https_target_ref(ask->target);
	r->generation = r->target->generation;
	r->timeout_ms = ask->timeout_ms;
	r->body.max = ask->data != NULL ? HTTPS_REFUSAL_MAX : ask->max_answer;
	r->data = ask->data;
	r->opened = ask->data != NULL ? ask->opened : NULL;
	r->done = ask->done;
	r->ctx = ask->ctx;
	TRY(timer_new(r->target->https->loop, on_time_up, r, &r->timer));
	r->sent = malloc(ask->body.len + 1); /* never NULL: libcurl would ask for the body by a callback */
	if (r->sent == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	if (ask->body.len > 0) memcpy(r->sent, ask->body.data, ask->body.len);
	r->sent_len = ask->body.len;
	TRY(request_make_easy(r, ask));
	TRY(timer_start(r->timer, r->timeout_ms));
	*out = MOVE(r);
	return OK;
}

struct err request_add(struct https_request *r)
{
	if (curl_multi_add_handle(r->target->multi, r->easy) != CURLM_OK)
		FAIL(ERR_RESOURCE_EXHAUSTED, "http: libcurl takes no more requests");
	r->added = true;
	return OK;
}

struct err https_start(const struct https_ask *ask, struct https_request **out)
{
	AUTO(request) struct https_request *r = NULL;
	struct https *h;

	TRY(check_ask(ask));
	h = ask->target->https;
	if (h->live >= h->max_requests) FAIL(ERR_RESOURCE_EXHAUSTED, "http: too many requests in flight");
	TRY(request_new(ask, &r));
	if (r->target->in_curl) r->target->unsettled = true;
	else TRY(request_add(r));
	r->next = h->first;
	if (h->first != NULL) h->first->prev = r;
	h->first = r;
	h->live++;
	if (out != NULL) *out = r;
	(void)MOVE(r);
	return OK;
}

void https_cancel(struct https_request *r)
{
	if (r == NULL) return;
	r->cancelled = true;
	r->target->https->live--;
	timer_stop(r->timer);
	if (r->target->in_curl) r->target->unsettled = true;
	else request_drop(r);
}

/* ---- the process's one ---- */

struct err https_new(const struct https_options *o, struct https **out)
{
	const unsigned needed = CURL_VERSION_SSL | CURL_VERSION_ASYNCHDNS | CURL_VERSION_HTTP2;
	struct https *h;

	if (o->max_requests < 1 || o->max_requests > 4096 || o->max_connections < 1 || o->max_connections > 64)
		FAIL(ERR_INVALID_ARGUMENT, "http: a bound is out of range");
	(void)unsetenv("SSLKEYLOGFILE"); /* libcurl would write every connection's keys there */
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) FAIL(ERR_INTERNAL, "http: libcurl does not start");
	if (((unsigned)curl_version_info(CURLVERSION_NOW)->features & needed) != needed) {
		curl_global_cleanup();
		FAIL(ERR_INTERNAL, "http: this libcurl has no TLS, no HTTP/2 or no resolver of its own");
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL) {
		curl_global_cleanup();
		FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	}
	*h = (struct https){ .loop = o->loop, .max_requests = o->max_requests, .max_connections = o->max_connections };
	*out = h;
	return OK;
}

void https_free(struct https *h)
{
	if (h == NULL) return;
	while (h->first != NULL) request_drop(h->first);
	curl_global_cleanup();
	free(h);
}
