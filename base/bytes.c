#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bytes bytes_str(const char *s)
{
	return BYTES(s, strlen(s));
}

bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool bytes_equal_secret(struct bytes a, struct bytes b)
{
	volatile uint8_t diff = 0;

	if (a.len != b.len) return false;
	for (size_t i = 0; i < a.len; i++) diff = (uint8_t)(diff | (a.data[i] ^ b.data[i]));
	return diff == 0;
}

bool bytes_is(struct bytes a, const char *s)
{
	return bytes_equal(a, bytes_str(s));
}

bool bytes_has_prefix(struct bytes a, struct bytes prefix)
{
	return a.len >= prefix.len && bytes_equal(BYTES(a.data, prefix.len), prefix);
}

bool bytes_has_nul(struct bytes a)
{
	return a.len > 0 && memchr(a.data, 0, a.len) != NULL;
}

void bytes_hex(struct bytes a, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < a.len; i++) {
		out[2 * i] = digits[a.data[i] >> 4];
		out[2 * i + 1] = digits[a.data[i] & 15];
	}
	out[2 * a.len] = '\0';
}

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9') return c - '0';
	if (c >= 'a' && c <= 'f') return c - 'a' + 10;
	if (c >= 'A' && c <= 'F') return c - 'A' + 10;
	return -1;
}

struct err bytes_unhex(struct bytes hex, uint8_t *out)
{
	if (hex.len % 2 != 0) FAIL(ERR_INVALID_ARGUMENT, "hex: odd number of digits");
	for (size_t i = 0; i < hex.len / 2; i++) {
		int hi = hex_value(hex.data[2 * i]), lo = hex_value(hex.data[2 * i + 1]);

		if (hi < 0 || lo < 0) FAIL(ERR_INVALID_ARGUMENT, "hex: not a hexadecimal digit");
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return OK;
}

struct err buf_reserve(struct buf *b, size_t len, uint8_t **out)
{
	size_t want, cap = b->cap < 64 ? 64 : b->cap;
	uint8_t *grown;

	if (b->len > b->max || len > b->max - b->len) FAIL(ERR_RESOURCE_EXHAUSTED, "buffer: over its limit");
	want = b->len + len;
	if (want > b->cap || b->data == NULL) { /* also for nothing: a null pointer cannot be added to */
		while (cap < want) cap = cap > b->max / 2 ? b->max : cap * 2;
		grown = realloc(b->data, cap);
		if (grown == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "buffer: out of memory");
		b->data = grown;
		b->cap = cap;
	}
	*out = b->len == 0 ? b->data : b->data + b->len; /* NULL + 0 is undefined */
	return OK;
}

struct err buf_put(struct buf *b, const void *data, size_t len)
{
	uint8_t *at;

	if (len == 0) return OK;
	TRY(buf_reserve(b, len, &at));
	memcpy(at, data, len);
	b->len += len;
	return OK;
}

struct err buf_put_str(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

struct err buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	uint8_t *at;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) FAIL(ERR_INTERNAL, "buffer: bad format");
	TRY(buf_reserve(b, (size_t)n + 1, &at));
	va_start(ap, fmt);
	(void)vsnprintf((char *)at, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return OK;
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

void buf_free(struct buf *b)
{
	if (b == NULL) return;
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
}

void buf_wipe(struct buf *b)
{
	if (b == NULL) return;
	if (b->data != NULL) explicit_bzero(b->data, b->cap);
	buf_free(b);
}
