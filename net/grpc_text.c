#include "net/grpc_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_DIGITS 8 /* TimeoutValue: at most 8 digits */

bool grpc_content_type_ok(struct bytes value)
{
	static const char want[] = "application/grpc";
	const size_t n = sizeof(want) - 1;

	if (value.len < n || strncasecmp((const char *)value.data, want, n) != 0) return false;
	return value.len == n || value.data[n] == '+' || value.data[n] == ';';
}

static const struct { uint8_t unit; uint32_t mul, div; } units[] = { /* microseconds = digits * mul / div */
	{ 'H', 3600u * 1000000u, 1 },
	{ 'M', 60 * 1000000, 1 },
	{ 'S', 1000000, 1 },
	{ 'm', 1000, 1 },
	{ 'u', 1, 1 },
	{ 'n', 1, 1000 },
};

struct err grpc_timeout_parse(struct bytes value, int64_t *us)
{
	uint64_t n = 0;

	if (value.len < 2 || value.len > TIMEOUT_DIGITS + 1) FAIL(ERR_INVALID_ARGUMENT, "grpc: malformed grpc-timeout");
	for (size_t i = 0; i + 1 < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9') FAIL(ERR_INVALID_ARGUMENT, "grpc: malformed grpc-timeout");
		n = n * 10 + (uint64_t)(value.data[i] - '0');
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != value.data[value.len - 1]) continue;
		/* 99 999 999 h are 3.6e17 us: no overflow. */
		*us = (int64_t)((n * units[i].mul + units[i].div - 1) / units[i].div);
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "grpc: malformed grpc-timeout");
}

void grpc_timeout_text(int64_t ms, char out[GRPC_TIMEOUT_TEXT])
{
	int cut = ms < 1 ? 1 : ms > 99999999 ? 99999999 : (int)ms;

	(void)snprintf(out, GRPC_TIMEOUT_TEXT, "%dm", cut);
}

static bool plain(uint8_t c)
{
	return c >= 0x20 && c <= 0x7e && c != '%';
}

size_t grpc_percent_encode(struct bytes text, char *out, size_t size)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t len = 0, whole = 0; /* whole: up to the last character that is out entirely */

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		size_t need = plain(c) ? 1 : 3;

		if ((c & 0xc0) != 0x80) whole = len; /* not a UTF-8 continuation byte: a character begins */
		if (need > size - len) return whole;
		if (need == 1) {
			out[len++] = (char)c;
			continue;
		}
		out[len++] = '%';
		out[len++] = digits[c >> 4];
		out[len++] = digits[c & 15];
	}
	return len;
}

void grpc_percent_decode(struct bytes text, char *out, size_t size)
{
	size_t len = 0, i = 0;

	while (i < text.len && len + 1 < size) {
		uint8_t c;

		if (text.data[i] == '%' && text.len - i > 2 && bytes_unhex(BYTES(text.data + i + 1, 2), &c).code == ERR_OK) {
			i += 3;
		} else {
			c = text.data[i++];
		}
		out[len++] = (char)c;
	}
	if (size > 0) out[len] = '\0';
}
