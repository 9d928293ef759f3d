/* A URL that we take, libcurl reads as https without user and fragment and with the same path; what we encode, it decodes. */
#include <curl/curl.h>
#include <string.h>

#include "base/own.h"
#include "base/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(int want)
{
	if (!want) __builtin_trap();
}

static void check_part(CURLU *h, CURLUPart part, const char *want, size_t len)
{
	char *got = NULL;

	if (want == NULL) {
		check(curl_url_get(h, part, &got, 0) != CURLUE_OK);
		return;
	}
	check(curl_url_get(h, part, &got, 0) == CURLUE_OK && strlen(got) == len && memcmp(got, want, len) == 0);
	curl_free(got);
}

static void compare(const char *url)
{
	CURLU *h = curl_url();
	const char *path = url + strlen("https://");

	check(h != NULL && curl_url_set(h, CURLUPART_URL, url, 0) == CURLUE_OK);
	check_part(h, CURLUPART_SCHEME, "https", strlen("https"));
	check_part(h, CURLUPART_USER, NULL, 0);
	check_part(h, CURLUPART_PASSWORD, NULL, 0);
	check_part(h, CURLUPART_FRAGMENT, NULL, 0);
	path += strcspn(path, "/?");
	if (*path == '/') check_part(h, CURLUPART_PATH, path, strcspn(path, "?"));
	else check_part(h, CURLUPART_PATH, "/", 1);
	curl_url_cleanup(h);
}

static void check_encoding(struct bytes text)
{
	AUTO(buf) struct buf out = { .max = 3 * text.len + 1 };
	int n = 0;
	char *back;

	check(url_put_encoded(&out, text).code == ERR_OK && buf_put(&out, "", 1).code == ERR_OK);
	back = curl_easy_unescape(NULL, (const char *)out.data, (int)out.len - 1, &n);
	check(back != NULL && bytes_equal(BYTES(back, (size_t)n), text));
	curl_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char url[URL_MAX + 1];

	if (len > 0 && len < 4096) check_encoding(BYTES(data, len));
	if (url_check(BYTES(data, len), true).code != ERR_OK) {
		check(url_check(BYTES(data, len), false).code != ERR_OK);
		return 0;
	}
	check(len <= URL_MAX && !bytes_has_nul(BYTES(data, len)));
	memcpy(url, data, len);
	url[len] = '\0';
	check((url_check(BYTES(data, len), false).code == ERR_OK) == (strchr(url, '?') == NULL));
	compare(url);
	return 0;
}
