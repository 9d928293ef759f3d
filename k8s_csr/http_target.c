#include <arpa/inet.h>
#include <string.h>

#include "base/hostname.h"
#include "der/pem.h"
#include "k8s_csr/http_internal.h"

#define URL_MAX 2048 /* bytes; ours */

/* ---- connections that are not used any more ---- */

/* libcurl uses a connection again only if it was made with the same certificates to trust, byte for byte, so a comment at
 * their end tells generations apart; the digits are changed in place. */
#define MARK "\n#%08x\n"
#define MARK_LEN 11

void target_renew(struct https_target *t)
{
	char mark[MARK_LEN + 1];

	t->generation++;
	(void)snprintf(mark, sizeof(mark), MARK, t->generation);
	memcpy(t->roots.data + t->roots.len - MARK_LEN, mark, MARK_LEN);
}

/* ---- PEM ---- */

static bool is_key(const char *label)
{
	return strcmp(label, "PRIVATE KEY") == 0 || strcmp(label, "EC PRIVATE KEY") == 0 || strcmp(label, "RSA PRIVATE KEY") == 0;
}

static bool is_certificate(const char *label)
{
	return strcmp(label, "CERTIFICATE") == 0;
}

/* Well formed throughout, and with one block at least of the kind that is looked for. */
static struct err take_pem(struct bytes pem, bool (*wanted)(const char *label), struct buf *out)
{
	struct bytes text = pem;
	bool found = false;

	if (pem.len > HTTPS_PEM_MAX) FAIL(ERR_INVALID_ARGUMENT, "http: PEM too large");
	for (;;) {
		AUTO(buf_wipe) struct buf der = { .max = HTTPS_PEM_MAX };
		char label[PEM_LABEL_MAX];
		struct err e = pem_take(&text, HTTPS_PEM_MAX, label, &der);

		if (e.code == ERR_NOT_FOUND) break;
		TRY(e);
		found = found || wanted(label);
	}
	if (!found) FAIL(ERR_INVALID_ARGUMENT, "http: PEM without what is needed");
	out->max = pem.len + MARK_LEN + 1;
	return buf_put(out, pem.data, pem.len);
}

static struct err set_credentials(struct https_target *t, const struct https_target_options *o)
{
	TRY(take_pem(o->roots_pem, is_certificate, &t->roots));
	TRY(buf_printf(&t->roots, MARK, 0U));
	if (o->cert_pem.len == 0 && o->key_pem.len == 0) return OK;
	TRY(take_pem(o->cert_pem, is_certificate, &t->cert));
	return take_pem(o->key_pem, is_key, &t->key);
}

/* ---- URL ---- */

static inline void auto_curlu(CURLU **p) { curl_url_cleanup(*p); }

static bool is_ip(const char *host)
{
	uint8_t out[16];

	return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, host, out) == 1;
}

/* As it stands in a URL: brackets around IPv6. */
static struct err put_host(struct buf *out, const char *host)
{
	if (!is_ip(host) && !hostname_valid(bytes_str(host), false)) FAIL(ERR_INVALID_ARGUMENT, "http: host name");
	return buf_printf(out, strchr(host, ':') == NULL ? "%s" : "[%s]", host);
}

/* "127.0.0.1", or "[::1]" without the brackets. */
static void strip_brackets(char *host)
{
	size_t n = strlen(host);

	if (n < 2 || host[0] != '[') return;
	memmove(host, host + 1, n - 2);
	host[n - 2] = '\0';
}

struct parts { char *host, *port, *path, *more; }; /* port: NULL if none is given */

static void auto_parts(struct parts *p)
{
	curl_free(p->host);
	curl_free(p->port);
	curl_free(p->path);
	curl_free(p->more);
}

static struct err split_url(const char *url, struct parts *p)
{
	static const char scheme[] = "https://";
	AUTO(curlu) CURLU *u = curl_url();

	if (u == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	if (url == NULL || strlen(url) > URL_MAX) FAIL(ERR_INVALID_ARGUMENT, "http: URL");
	if (strncmp(url, scheme, sizeof(scheme) - 1) != 0) FAIL(ERR_INVALID_ARGUMENT, "http: URL is not https");
	if (url[sizeof(scheme) - 1] == '/') FAIL(ERR_INVALID_ARGUMENT, "http: URL without host"); /* libcurl takes three */
	for (const char *c = url; *c != '\0'; c++)
		if (*c < '!' || *c > '~' || strchr("?#\\\"<>^`{|}", *c) != NULL)
			FAIL(ERR_INVALID_ARGUMENT, "http: URL with a character that none has");
	if (curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) != CURLUE_OK)
		FAIL(ERR_INVALID_ARGUMENT, "http: malformed URL");
	if (curl_url_get(u, CURLUPART_ZONEID, &p->more, 0) == CURLUE_OK) FAIL(ERR_INVALID_ARGUMENT, "http: URL with a zone");
	(void)curl_url_get(u, CURLUPART_PORT, &p->port, 0);
	if (curl_url_get(u, CURLUPART_HOST, &p->host, 0) != CURLUE_OK || curl_url_get(u, CURLUPART_PATH, &p->path, 0) != CURLUE_OK)
		FAIL(ERR_INVALID_ARGUMENT, "http: URL without host");
	strip_brackets(p->host);
	return OK;
}

static struct err keep(struct buf *text, char **out)
{
	*out = (char *)text->data;
	*text = (struct buf){ 0 };
	return OK;
}

static const char *port_of(const struct parts *p)
{
	return p->port != NULL ? p->port : "443";
}

/* Another name to verify: it takes the place of the URL's host, because that is what libcurl verifies (and sends as SNI);
 * libcurl then connects to the real host instead, and the Host field, or :authority, stays the real one's. */
static struct err set_other_name(struct https_target *t, const struct parts *p)
{
	AUTO(buf) struct buf at = { .max = URL_MAX + 64 }, host = { .max = URL_MAX + 64 };

	TRY(buf_put_str(&at, "::"));
	TRY(put_host(&at, p->host));
	TRY(buf_printf(&at, ":%s", port_of(p)));
	t->connect = curl_slist_append(NULL, (const char *)at.data);
	if (t->connect == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	TRY(buf_put_str(&host, "Host: "));
	TRY(put_host(&host, p->host));
	if (p->port != NULL) TRY(buf_printf(&host, ":%s", p->port));
	return keep(&host, &t->host);
}

static struct err set_url(struct https_target *t, const struct https_target_options *o)
{
	AUTO(parts) struct parts p = { 0 };
	AUTO(buf) struct buf base = { .max = 2 * URL_MAX };
	size_t n;

	TRY(split_url(o->url, &p));
	n = strlen(p.path);
	while (n > 0 && p.path[n - 1] == '/') p.path[--n] = '\0';
	if (o->server_name != NULL) TRY(set_other_name(t, &p));
	TRY(buf_put_str(&base, "https://"));
	TRY(put_host(&base, o->server_name != NULL ? o->server_name : p.host));
	TRY(buf_printf(&base, ":%s%s", port_of(&p), p.path));
	return keep(&base, &t->base);
}

/* ---- token ---- */

static void wipe_text(char **text)
{
	if (*text != NULL) explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

struct err https_target_set_token(struct https_target *t, struct bytes token)
{
	static const char field[] = "Authorization: Bearer ";
	char *line;

	if (token.len > HTTPS_TOKEN_MAX) FAIL(ERR_INVALID_ARGUMENT, "http: token too large");
	for (size_t i = 0; i < token.len; i++)
		if (token.data[i] < '!' || token.data[i] > '~')
			FAIL(ERR_INVALID_ARGUMENT, "http: token with a character that none has");
	if (token.len == 0) {
		wipe_text(&t->authorization);
		return OK;
	}
	line = malloc(sizeof(field) + token.len); /* at once: a buffer that grows would leave copies */
	if (line == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	memcpy(line, field, sizeof(field) - 1);
	memcpy(line + sizeof(field) - 1, token.data, token.len);
	line[sizeof(field) - 1 + token.len] = '\0';
	wipe_text(&t->authorization);
	t->authorization = line;
	return OK;
}

/* ---- life ---- */

static struct err target_fill(struct https_target *t, const struct https_target_options *o)
{
	TRY(set_url(t, o));
	TRY(set_credentials(t, o));
	TRY(https_target_set_token(t, o->token));
	return target_open_pool(t);
}

struct err https_target_new(struct https *https, const struct https_target_options *o, struct https_target **out)
{
	AUTO(https_target) struct https_target *t = calloc(1, sizeof(*t));

	if (t == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "http: out of memory");
	t->https = https;
	t->refs = 1;
	TRY(target_fill(t, o));
	*out = MOVE(t);
	return OK;
}

struct https_target *https_target_ref(struct https_target *t)
{
	t->refs++;
	return t;
}

void https_target_unref(struct https_target *t)
{
	if (t == NULL || --t->refs > 0) return;
	target_close_pool(t);
	free(t->base);
	free(t->host);
	curl_slist_free_all(t->connect);
	buf_free(&t->roots);
	buf_free(&t->cert);
	buf_wipe(&t->key);
	wipe_text(&t->authorization);
	free(t);
}
