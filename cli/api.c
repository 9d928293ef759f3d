#include "cli/api.h"

#include <errno.h>
#include <string.h>

#include <curl/curl.h>

#include "base/url.h"

#define WHO_MAY "be root, the daemon's user, or in admin.group or admin.users of its configuration"
#define TIMEOUT_S 60L /* ours: the longest list takes a second or two */

/* ---- paths ---- */

struct err cli_api_query(struct buf *path, const char *name, const char *value)
{
	bool first = path->len == 0 || memchr(path->data, '?', path->len) == NULL;

	if (value == NULL) return OK;
	TRY(buf_printf(path, "%s%s=", first ? "?" : "&", name));
	return url_put_encoded(path, bytes_str(value));
}

struct err cli_api_query_number(struct buf *path, const char *name, int64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%lld", (long long)value);
	return cli_api_query(path, name, text);
}

/* ---- one exchange ---- */

struct exchange {
	CURL *curl;
	struct curl_slist *headers;
	char *body;
	struct buf answer;
	long status, timeout_s;
	char detail[CURL_ERROR_SIZE];
};

static void auto_exchange(struct exchange *x)
{
	curl_easy_cleanup(x->curl);
	curl_slist_free_all(x->headers);
	free(x->body);
	buf_wipe(&x->answer); /* it may be a join token */
}

static size_t on_data(char *data, size_t size, size_t count, void *ctx)
{
	struct exchange *x = ctx;

	return buf_put(&x->answer, data, size * count).code == ERR_OK ? size * count : 0;
}

static bool set_text(CURL *h, CURLoption option, const char *text)
{
	return curl_easy_setopt(h, option, text) == CURLE_OK;
}

static bool set_number(CURL *h, CURLoption option, long n)
{
	return curl_easy_setopt(h, option, n) == CURLE_OK;
}

static bool set_body(struct exchange *x, const json_t *body)
{
	if (body == NULL) return true;
	x->body = json_dumps(body, JSON_COMPACT);
	x->headers = curl_slist_append(NULL, "Content-Type: application/json");
	return x->body != NULL && x->headers != NULL && set_text(x->curl, CURLOPT_POSTFIELDS, x->body) &&
	       curl_easy_setopt(x->curl, CURLOPT_HTTPHEADER, x->headers) == CURLE_OK;
}

static long timeout_of(const struct cli_api_ask *ask)
{
	return ask->timeout_s == 0 ? TIMEOUT_S : ask->timeout_s;
}

static bool prepare(struct exchange *x, const struct cli_api_ask *ask, const char *socket)
{
	CURL *h = x->curl = curl_easy_init();
	char url[8192];
	int n = snprintf(url, sizeof(url), "http://signet%s", ask->path);
	bool good = h != NULL && n > 0 && (size_t)n < sizeof(url);

	x->timeout_s = timeout_of(ask);

	good = good && set_text(h, CURLOPT_UNIX_SOCKET_PATH, socket) && set_text(h, CURLOPT_URL, url);
	good = good && set_text(h, CURLOPT_PROXY, "") &&
	       set_text(h, CURLOPT_CUSTOMREQUEST, ask->method); /* "": whatever http_proxy says */
	good = good && set_number(h, CURLOPT_TIMEOUT, timeout_of(ask)) && set_number(h, CURLOPT_NOSIGNAL, 1);
	good = good && curl_easy_setopt(h, CURLOPT_ERRORBUFFER, x->detail) == CURLE_OK;
	good = good && curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK;
	good = good && curl_easy_setopt(h, CURLOPT_WRITEDATA, x) == CURLE_OK;
	return good && set_body(x, ask->body);
}

static enum cli_exit say_unreachable(const struct cli *c, const char *socket, const struct exchange *x, CURLcode code)
{
	long error = 0;

	(void)curl_easy_getinfo(x->curl, CURLINFO_OS_ERRNO, &error);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return cli_fail(c, CLI_UNREACHABLE, "the daemon at %s does not answer within %ld s", socket, x->timeout_s);
	if (error == EACCES || error == EPERM)
		return cli_fail(c, CLI_FORBIDDEN, "you may not open the admin socket %s: " WHO_MAY, socket);
	return cli_fail(
		c, CLI_UNREACHABLE,
		"cannot reach the daemon at %s%s%s: is signetd running? (systemctl status signet; another socket: --socket or "
		"--config)",
		socket, error == 0 ? "" : ": ", error == 0 ? "" : strerror((int)error));
}

/* "admin: limit must be 1 to 1000" as a sentence without the folder's name. */
static const char *plain_reason(const char *reason)
{
	const char *colon = strstr(reason, ": ");

	return colon == NULL || strcspn(reason, " ") < (size_t)(colon - reason) ? reason : colon + 2;
}

static enum cli_exit say_refused(const struct cli *c, const struct cli_api_ask *ask, const struct exchange *x,
                                 const json_t *answer)
{
	const char *reason = plain_reason(cli_member(answer, "error"));
	const char *what = ask->subject == NULL ? ask->path : ask->subject;

	/* the keeper refuses with 403 too, and says why: that is not about who asks */
	if (x->status == 403 && (reason[0] == '\0' || strcmp(reason, "your user may not do this") == 0))
		return cli_fail(c, CLI_FORBIDDEN, "the daemon does not let you: " WHO_MAY);
	if (x->status == 404) return cli_fail(c, CLI_NOT_FOUND, "%s: not found", what);
	if (x->status == 503) return cli_fail(c, CLI_UNREACHABLE, "the daemon cannot answer now: %s", reason);
	if (reason[0] == '\0') return cli_fail(c, CLI_FAILED, "the daemon answered with HTTP status %ld", x->status);
	return cli_fail(c, CLI_FAILED, "refused: %s", reason);
}

enum cli_exit cli_api_call(struct cli *c, const struct cli_api_ask *ask, json_t **out)
{
	AUTO(exchange) struct exchange x = { .answer = { .max = CLI_API_ANSWER_MAX } };
	AUTO(json) json_t *answer = NULL;
	const char *socket;
	CURLcode code;
	struct err e;

	CLI_TRY(cli_socket(c, &socket));
	if (!prepare(&x, ask, socket)) return cli_fail(c, CLI_FAILED, "cannot ask: the socket's path or a value is too long");
	code = curl_easy_perform(x.curl);
	/* an early 403 may come before all of a body was sent: what was received counts */
	(void)curl_easy_getinfo(x.curl, CURLINFO_RESPONSE_CODE, &x.status);
	if (code != CURLE_OK && x.status != 403) return say_unreachable(c, socket, &x, code);
	e = json_object_parse(buf_view(&x.answer), CLI_API_ANSWER_MAX, &answer);
	if (x.status == 409 && ask->may_exist) return CLI_OK;
	if (x.status != 200) return say_refused(c, ask, &x, answer);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "the answer is not JSON; is %s the socket of signetd?", socket);
	*out = MOVE(answer);
	return CLI_OK;
}

enum cli_exit cli_api_get(struct cli *c, const char *path, json_t **out)
{
	return cli_api_call(c, &(struct cli_api_ask){ .method = "GET", .path = path }, out);
}
