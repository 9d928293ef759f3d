/* Which URLs are fetched at all, and percent-encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "base/url.h"

static const struct {
	const char *url;
	bool query;
} good[] = {
	{ "https://a", false },
	{ "https://kubernetes.default.svc", false },
	{ "https://Kube.Example.org:6443", false },
	{ "https://10.0.0.1:443/", false },
	{ "https://[::1]", false },
	{ "https://[2001:db8::1]:6443/k8s/clusters/c-m-x2x9k", false },
	{ "https://a/b/", false },
	{ "https://a//b", false },
	{ "https://a/...", false },
	{ "https://a/a%20b", false },
	{ "https://a:1", false },
	{ "https://a:65535", false },
	{ "https://a/.well-known/jwks.json", true },
	{ "https://login.example.org/common/discovery/keys?appid=1-2&x=/..", true },
	{ "https://a?x", true },
};

static const struct {
	const char *url, *reason;
} bad[] = {
	{ "", "url: does not begin with https://" },
	{ "a", "url: does not begin with https://" },
	{ "http://a", "url: does not begin with https://" },
	{ "HTTPS://a", "url: does not begin with https://" },
	{ "https:/a", "url: does not begin with https://" },
	{ " https://a", "url: does not begin with https://" },
	{ "file:///etc/passwd", "url: does not begin with https://" },
	{ "https://", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https:///a", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://:443", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://::1", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://[::1", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://[]", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://[10.0.0.1]", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://[fe80::1%25eth0]", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://a_b", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://a..b", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://1.2.3", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://256.0.0.1", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://a b", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://a\\b", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://a%2eb", "url: no host name or address (an IPv6 address needs [ ])" },
	{ "https://user@a", "url: may not hold a user or password" },
	{ "https://user:pass@a", "url: may not hold a user or password" },
	{ "https://[::1]@a", "url: may not hold a user or password" },
	{ "https://a:", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://a:0", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://a:65536", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://a:000443", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://a:+1", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://a:1:2", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://[::1]443", "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])" },
	{ "https://a#b", "url: may not have a fragment (#)" },
	{ "https://a/?b#c", "url: may not have a fragment (#)" },
	{ "https://a?b", "url: may not have a query (?)" },
	{ "https://a/b?", "url: may not have a query (?)" },
	{ "https://a/b c", "url: holds a character that needs to be %XX" },
	{ "https://a/\"", "url: holds a character that needs to be %XX" },
	{ "https://a/\\", "url: holds a character that needs to be %XX" },
	{ "https://a/\xc3\xa4", "url: holds a character that needs to be %XX" },
	{ "https://a/\n", "url: holds a character that needs to be %XX" },
	{ "https://a/%", "url: holds a character that needs to be %XX" },
	{ "https://a/%2", "url: holds a character that needs to be %XX" },
	{ "https://a/%2g", "url: holds a character that needs to be %XX" },
	{ "https://a/..", "url: a segment of the path is . or .." },
	{ "https://a/b/../c", "url: a segment of the path is . or .." },
	{ "https://a/./b", "url: a segment of the path is . or .." },
};

static void only_plain_https_urls_are_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (url_check(bytes_str(good[i].url), good[i].query).code != ERR_OK) fail_msg("refused %s", good[i].url);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = url_check(bytes_str(bad[i].url), false);

		if (e.code != ERR_INVALID_ARGUMENT || strcmp(e.reason, bad[i].reason) != 0) fail_msg("%s: %s", bad[i].url, e.reason);
	}
	assert_int_equal(url_check(BYTES("https://a\0b", 11), false).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(url_check(BYTES("https://a/\0", 11), false).code, ERR_INVALID_ARGUMENT);
}

static void a_url_is_bounded(void **state)
{
	char url[URL_MAX + 2] = "https://a/";

	(void)state;
	memset(url + strlen(url), 'b', URL_MAX - strlen(url));
	assert_int_equal(url_check(bytes_str(url), false).code, ERR_OK);
	url[URL_MAX] = 'b';
	assert_string_equal(url_check(bytes_str(url), false).reason, "url: too long");
}

static void all_but_unreserved_characters_are_encoded(void **state)
{
	AUTO(buf) struct buf out = { .max = 64 };

	(void)state;
	assert_int_equal(url_put_encoded(&out, BYTES_NONE).code, ERR_OK);
	assert_int_equal(out.len, 0);
	assert_int_equal(url_put_encoded(&out, bytes_str("aZ09-._~/?=&+ %\xc3\xa4")).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), "aZ09-._~%2F%3F%3D%26%2B%20%25%C3%A4"));
	out.len = 0;
	assert_int_equal(url_put_encoded(&out, BYTES("\0", 1)).code, ERR_OK);
	assert_true(bytes_is(buf_view(&out), "%00"));
	out.max = 5;
	assert_int_equal(url_put_encoded(&out, bytes_str("/")).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(out.len, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_plain_https_urls_are_taken),
		cmocka_unit_test(a_url_is_bounded),
		cmocka_unit_test(all_but_unreserved_characters_are_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
