#include "der/base64.h"

#include "der/base64_stream.h"

/* RFC 4648 s4 and s5.  Value plus one, so that whatever is not listed is 0 and becomes -1. */
static const uint8_t standard_values[256] = {
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
	['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
	['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
	['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
	['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};
static const uint8_t url_values[256] = {
	['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,
	['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
	['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
	['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
	['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
	['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
	['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
	['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64,
};
static const char standard_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64_encode(const uint8_t *in, size_t n, bool url, uint8_t *out)
{
	const char *chars = url ? url_chars : standard_chars;
	size_t left;

	for (left = n; left >= 3; left -= 3, in += 3, out += 4) {
		uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

		out[0] = (uint8_t)chars[v >> 18];
		out[1] = (uint8_t)chars[v >> 12 & 63];
		out[2] = (uint8_t)chars[v >> 6 & 63];
		out[3] = (uint8_t)chars[v & 63];
	}
	if (left == 0) return;
	out[0] = (uint8_t)chars[in[0] >> 2];
	out[1] = (uint8_t)chars[(in[0] & 3) << 4 | (left == 2 ? in[1] >> 4 : 0)];
	if (left == 2) out[2] = (uint8_t)chars[(in[1] & 15) << 2];
	if (url) return;
	if (left == 1) out[2] = '=';
	out[3] = '=';
}

struct base64_stream base64_stream(bool url, uint8_t *out, size_t room)
{
	const uint8_t *values = url ? url_values : standard_values;

	return (struct base64_stream){ .values = values, .url = url, .out = out, .room = room };
}

static struct err stream_emit(struct base64_stream *s, uint32_t v, unsigned bytes)
{
	if (s->room - s->len < bytes) FAIL(ERR_RESOURCE_EXHAUSTED, "base64: over its limit");
	for (unsigned i = 0; i < bytes; i++) s->out[s->len++] = (uint8_t)(v >> (16 - 8 * i));
	return OK;
}

static struct err stream_char(struct base64_stream *s, uint8_t c)
{
	int v = s->values[c] - 1;

	if (c == '=' && !s->url) {
		if (s->chars < 2 || s->chars + s->pads >= 4) FAIL(ERR_INVALID_ARGUMENT, "base64: misplaced padding");
		s->pads++;
		return OK;
	}
	if (v < 0) FAIL(ERR_INVALID_ARGUMENT, "base64: character outside the alphabet");
	if (s->pads > 0) FAIL(ERR_INVALID_ARGUMENT, "base64: data after the padding");
	s->bits = s->bits << 6 | (uint32_t)v;
	if (++s->chars < 4) return OK;
	TRY(stream_emit(s, s->bits, 3));
	s->chars = 0;
	s->bits = 0;
	return OK;
}

/* Whole groups of four plain characters, as many as there are; returns how many characters it took. */
static size_t stream_groups(struct base64_stream *s, struct bytes text)
{
	const uint8_t *values = s->values, *p = text.data;
	uint8_t *out = s->out + s->len;
	size_t groups = text.len / 4, room = (s->room - s->len) / 3, done;

	if (groups > room) groups = room;
	for (done = 0; done < groups; done++, p += 4, out += 3) {
		int a = values[p[0]] - 1, b = values[p[1]] - 1, c = values[p[2]] - 1, d = values[p[3]] - 1;
		uint32_t v;

		if ((a | b | c | d) < 0) break;
		v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
		out[0] = (uint8_t)(v >> 16);
		out[1] = (uint8_t)(v >> 8);
		out[2] = (uint8_t)v;
	}
	s->len += 3 * done;
	return 4 * done;
}

struct err base64_stream_feed(struct base64_stream *s, struct bytes text)
{
	size_t i = 0;

	while (i < text.len && s->chars > 0) TRY(stream_char(s, text.data[i++]));
	if (i < text.len) i += stream_groups(s, BYTES(text.data + i, text.len - i));
	while (i < text.len) TRY(stream_char(s, text.data[i++]));
	return OK;
}

struct err base64_stream_end(struct base64_stream *s)
{
	uint32_t v = s->bits << (24 - 6 * s->chars);
	unsigned bytes = s->chars == 0 ? 0 : s->chars - 1;

	if (s->chars == 0) return OK;
	if (s->chars == 1) FAIL(ERR_INVALID_ARGUMENT, "base64: truncated");
	if (!s->url && s->chars + s->pads != 4) FAIL(ERR_INVALID_ARGUMENT, "base64: padding is missing");
	/* RFC 4648 s3.5: two texts for the same bytes would let a signed token or a hashed one have a twin. */
	if ((v & (0xffffffu >> (8 * bytes))) != 0) FAIL(ERR_INVALID_ARGUMENT, "base64: padding bits are not zero");
	return stream_emit(s, v, bytes);
}

struct err base64_put(struct buf *out, struct bytes in)
{
	size_t size = in.len / 3 * 4 + (in.len % 3 == 0 ? 0 : 4);
	uint8_t *at;

	if (in.len == 0) return OK;
	if (in.len > BASE64_IN_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "base64: over its limit");
	TRY(buf_reserve(out, size, &at));
	base64_encode(in.data, in.len, false, at);
	out->len += size;
	return OK;
}

struct err base64url_put(struct buf *out, struct bytes in)
{
	size_t size = in.len / 3 * 4 + (in.len % 3 == 0 ? 0 : in.len % 3 + 1);
	uint8_t *at;

	if (in.len == 0) return OK;
	if (in.len > BASE64_IN_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "base64: over its limit");
	TRY(buf_reserve(out, size, &at));
	base64_encode(in.data, in.len, true, at);
	out->len += size;
	return OK;
}

static struct err take(struct bytes text, bool url, struct buf *out)
{
	size_t tail = text.len % 4, pads = 0, size;
	struct base64_stream s;
	uint8_t *at;

	if (text.len == 0) return OK;
	/* The exact size, so that a buffer whose limit is what the caller expects is not asked for more. */
	while (!url && pads < 2 && pads < text.len && text.data[text.len - 1 - pads] == '=') pads++;
	size = text.len / 4 * 3 + (tail == 0 ? 0 : tail - 1) - (tail == 0 ? pads : 0);
	if (size == 0) FAIL(ERR_INVALID_ARGUMENT, "base64: truncated");
	TRY(buf_reserve(out, size, &at));
	s = base64_stream(url, at, size);
	TRY(base64_stream_feed(&s, text));
	TRY(base64_stream_end(&s));
	out->len += s.len;
	return OK;
}

struct err base64_take(struct bytes text, struct buf *out)
{
	return take(text, false, out);
}

struct err base64url_take(struct bytes text, struct buf *out)
{
	return take(text, true, out);
}
