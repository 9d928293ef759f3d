#include "base/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/hostname.h"

#define SCHEME "https://"

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* s2.3 */
static bool is_unreserved(uint8_t c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c != 0 && strchr("-._~", c) != NULL);
}

/* s3.3, s3.4: what may stand in a path or a query as it is. */
static bool is_plain(uint8_t c)
{
	return is_unreserved(c) || (c != 0 && strchr("!$&'()*+,;=:@/?", c) != NULL);
}

static struct bytes from(struct bytes text, size_t at)
{
	return BYTES(text.data + at, text.len - at);
}

/* Where the first of the characters `set` stands; text.len if none does. */
static size_t find(struct bytes text, const char *set)
{
	size_t i = 0;

	while (i < text.len && (text.data[i] == 0 || strchr(set, text.data[i]) == NULL)) i++;
	return i;
}

static bool is_address(int family, struct bytes text)
{
	char copy[INET6_ADDRSTRLEN] = "";
	uint8_t raw[16];

	if (text.len >= sizeof(copy) || bytes_has_nul(text)) return false;
	if (text.len > 0) memcpy(copy, text.data, text.len);
	return inet_pton(family, copy, raw) == 1;
}

static bool is_port(struct bytes text)
{
	unsigned port = 0;

	if (text.len == 0 || text.len > 5) return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!is_digit(text.data[i])) return false;
		port = port * 10 + (text.data[i] - '0');
	}
	return port >= 1 && port <= 65535;
}

static struct err authority_check(struct bytes text)
{
	bool bracket = text.len > 0 && text.data[0] == '[', good;
	size_t end = find(text, bracket ? "]" : ":");
	struct bytes host = BYTES(text.data, end), rest = from(text, end);

	if (find(text, "@") < text.len) FAIL(ERR_INVALID_ARGUMENT, "url: may not hold a user or password");
	if (bracket) good = rest.len > 0 && is_address(AF_INET6, from(host, 1));
	else good = hostname_valid(host, false) || is_address(AF_INET, host);
	if (!good) FAIL(ERR_INVALID_ARGUMENT, "url: no host name or address (an IPv6 address needs [ ])");
	if (bracket) rest = from(rest, 1);
	if (rest.len > 0 && (rest.data[0] != ':' || !is_port(from(rest, 1))))
		FAIL(ERR_INVALID_ARGUMENT, "url: the port is not a number from 1 to 65535 (an IPv6 address needs [ ])");
	return OK;
}

static struct err characters_check(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++) {
		bool escape = text.data[i] == '%' && text.len - i > 2 && is_hex(text.data[i + 1]) && is_hex(text.data[i + 2]);

		if (!escape && !is_plain(text.data[i])) FAIL(ERR_INVALID_ARGUMENT, "url: holds a character that needs to be %XX");
	}
	return OK;
}

static struct err segments_check(struct bytes path)
{
	while (path.len > 0) {
		struct bytes rest = from(path, 1), segment = BYTES(rest.data, find(rest, "/"));

		if (bytes_is(segment, ".") || bytes_is(segment, ".."))
			FAIL(ERR_INVALID_ARGUMENT, "url: a segment of the path is . or ..");
		path = from(rest, segment.len);
	}
	return OK;
}

struct err url_check(struct bytes url, bool query)
{
	struct bytes rest, path;
	size_t end;

	if (url.len > URL_MAX) FAIL(ERR_INVALID_ARGUMENT, "url: too long");
	if (!bytes_has_prefix(url, bytes_str(SCHEME))) FAIL(ERR_INVALID_ARGUMENT, "url: does not begin with https://");
	rest = from(url, strlen(SCHEME));
	if (find(rest, "#") < rest.len) FAIL(ERR_INVALID_ARGUMENT, "url: may not have a fragment (#)");
	end = find(rest, "/?");
	TRY(authority_check(BYTES(rest.data, end)));
	rest = from(rest, end);
	TRY(characters_check(rest));
	end = find(rest, "?");
	path = BYTES(rest.data, end);
	if (end < rest.len && !query) FAIL(ERR_INVALID_ARGUMENT, "url: may not have a query (?)");
	return segments_check(path);
}

struct err url_put_encoded(struct buf *out, struct bytes text)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t size = 0;
	uint8_t *at;

	for (size_t i = 0; i < text.len; i++) size += is_unreserved(text.data[i]) ? 1 : 3;
	TRY(buf_reserve(out, size, &at));
	for (size_t i = 0; i < text.len; i++) {
		if (is_unreserved(text.data[i])) {
			*at++ = text.data[i];
			continue;
		}
		*at++ = '%';
		*at++ = (uint8_t)digits[text.data[i] >> 4];
		*at++ = (uint8_t)digits[text.data[i] & 15];
	}
	out->len += size;
	return OK;
}
