#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "k8s_csr/http_internal.h"

#ifndef SIGNET_VERSION
#define SIGNET_VERSION "0"
#endif

/* Of every request. */
static const struct { CURLoption option; long value; } numbers[] = {
	{ CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 },
	{ CURLOPT_SSL_VERIFYPEER, 1 },
	{ CURLOPT_SSL_VERIFYHOST, 2 },
	{ CURLOPT_SSL_SESSIONID_CACHE, 0 },
	{ CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS },
	{ CURLOPT_PIPEWAIT, 1 },             /* rather wait for a connection that may be HTTP/2 than open one for each request */
	{ CURLOPT_FOLLOWLOCATION, 0 },
	{ CURLOPT_HTTP09_ALLOWED, 0 },
	{ CURLOPT_NETRC, CURL_NETRC_IGNORED },
	{ CURLOPT_DISALLOW_USERNAME_IN_URL, 1 },
	{ CURLOPT_PATH_AS_IS, 1 },
	{ CURLOPT_NOSIGNAL, 1 },
	{ CURLOPT_QUICK_EXIT, 1 },           /* otherwise giving a request up waits for getaddrinfo() to return */
	{ CURLOPT_CONNECTTIMEOUT_MS, HTTPS_CONNECT_MS },
	{ CURLOPT_TCP_KEEPALIVE, 1 },        /* a watch sends nothing: only this finds out that its server vanished */
	{ CURLOPT_TCP_KEEPIDLE, 30 },
	{ CURLOPT_TCP_KEEPINTVL, 10 },
};
static const struct { CURLoption option; const char *value; } texts[] = {
	{ CURLOPT_PROTOCOLS_STR, "https" },
	{ CURLOPT_PROXY, "" },               /* "": whatever https_proxy says */
	{ CURLOPT_NOPROXY, "*" },
	{ CURLOPT_CAINFO, NULL },
	{ CURLOPT_CAPATH, NULL },            /* Debian sets /etc/ssl/certs, and CAINFO_BLOB does not turn that off */
	{ CURLOPT_KEYPASSWD, "" },           /* libcurl 7.88 reads a null pointer for a key that needs one */
	{ CURLOPT_USERAGENT, "signet/" SIGNET_VERSION },
};

static const char *const methods[] = {
	[HTTPS_GET] = "GET", [HTTPS_POST] = "POST", [HTTPS_PUT] = "PUT", [HTTPS_PATCH] = "PATCH", [HTTPS_DELETE] = "DELETE",
};

/* ---- what libcurl calls ---- */

/* A stream lives as long as it says something. */
static void heard(struct https_request *r)
{
	if (r->data != NULL && !r->cancelled) (void)timer_start(r->timer, r->timeout_ms);
}

static void fields_end(struct https_request *r)
{
	void (*opened)(void *ctx) = r->opened;
	long status = 0;

	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (opened == NULL || status != 200 || r->cancelled) return;
	r->opened = NULL; /* trailers end with such a line, too */
	opened(r->ctx);
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
	struct https_request *r = ctx;
	size_t n = size * count;

	heard(r);
	r->header_bytes += n;
	if (r->header_bytes > HTTPS_HEADERS_MAX) {
		r->too_large = "the header fields of the answer";
		return 0;
	}
	if (n == 2 && memcmp(data, "\r\n", 2) == 0) fields_end(r);
	return r->cancelled ? 0 : n;
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
	struct https_request *r = ctx;
	size_t n = size * count;
	long status = 0;

	heard(r);
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (r->data != NULL && status == 200) {
		r->data(r->ctx, BYTES(data, n));
		return r->cancelled ? 0 : n;
	}
	if (buf_put(&r->body, data, n).code == ERR_OK) return n;
	r->too_large = "the body of the answer";
	return 0;
}

static int on_new_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	const unsigned ms = HTTPS_DEAD_MS;

	(void)ctx;
	(void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms)); /* without it: minutes */
	return CURL_SOCKOPT_OK;
}

/* ---- what libcurl is told ---- */

static bool set_blob(CURL *h, CURLoption option, const struct buf *b)
{
	struct curl_blob blob = { .data = b->data, .len = b->len, .flags = CURL_BLOB_NOCOPY }; /* the request holds the target */

	return b->len == 0 || curl_easy_setopt(h, option, &blob) == CURLE_OK;
}

static bool set_common(CURL *h)
{
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (curl_easy_setopt(h, numbers[i].option, numbers[i].value) != CURLE_OK) return false;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (curl_easy_setopt(h, texts[i].option, texts[i].value) != CURLE_OK) return false;
	return curl_easy_setopt(h, CURLOPT_SOCKOPTFUNCTION, on_new_socket) == CURLE_OK;
}

static bool set_target(CURL *h, const struct https_target *t, const char *path)
{
	AUTO(buf) struct buf url = { .max = HTTPS_PATH_MAX + 4096 };

	return buf_printf(&url, "%s%s", t->base, path).code == ERR_OK &&
	       curl_easy_setopt(h, CURLOPT_URL, (const char *)url.data) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_CONNECT_TO, t->connect) == CURLE_OK && set_blob(h, CURLOPT_CAINFO_BLOB, &t->roots) &&
	       set_blob(h, CURLOPT_SSLCERT_BLOB, &t->cert) && set_blob(h, CURLOPT_SSLKEY_BLOB, &t->key);
}

static bool set_callbacks(struct https_request *r)
{
	CURL *h = r->easy;

	return curl_easy_setopt(h, CURLOPT_PRIVATE, r) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_ERRORBUFFER, r->text) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_HEADERDATA, r) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(h, CURLOPT_WRITEDATA, r) == CURLE_OK;
}

static bool set_body(struct https_request *r, const struct https_ask *ask)
{
	CURL *h = r->easy;

	if (ask->content_type != NULL) {
		if (curl_easy_setopt(h, CURLOPT_POSTFIELDS, (const char *)r->sent) != CURLE_OK ||
		    curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->sent_len) != CURLE_OK)
			return false;
	} else if (curl_easy_setopt(h, CURLOPT_HTTPGET, 1L) != CURLE_OK) {
		return false;
	}
	return ask->method == HTTPS_GET || curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, methods[ask->method]) == CURLE_OK;
}

/* ---- header fields ---- */

static bool add_header(struct https_request *r, const char *line)
{
	struct curl_slist *longer;

	if (line == NULL) return true;
	longer = curl_slist_append(r->headers, line);
	if (longer != NULL) r->headers = longer;
	return longer != NULL;
}

static bool set_headers(struct https_request *r, const struct https_ask *ask)
{
	AUTO(buf) struct buf type = { .max = 256 };
	bool good = true;

	if (ask->content_type != NULL)
		good = buf_printf(&type, "Content-Type: %s", ask->content_type).code == ERR_OK &&
		       add_header(r, (const char *)type.data);
	/* Kubernetes answers 406 for its keys where only application/json is taken. */
	good = good && add_header(r, "Accept: application/json, */*;q=0.5");
	good = good && add_header(r, "Expect:"); /* libcurl would wait a second for a 100 before a body of a MiB */
	good = good && add_header(r, r->target->host) && add_header(r, r->target->authorization);
	return good && curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK;
}

void request_wipe_headers(struct https_request *r)
{
	for (struct curl_slist *s = r->headers; s != NULL; s = s->next) explicit_bzero(s->data, strlen(s->data));
	curl_slist_free_all(r->headers);
	r->headers = NULL;
}

struct err request_make_easy(struct https_request *r, const struct https_ask *ask)
{
	r->easy = curl_easy_init();
	if (r->easy == NULL || !set_common(r->easy) || !set_target(r->easy, r->target, ask->path) || !set_callbacks(r) ||
	    !set_body(r, ask) || !set_headers(r, ask))
		FAIL(ERR_RESOURCE_EXHAUSTED, "http: libcurl takes no request");
	return OK;
}
