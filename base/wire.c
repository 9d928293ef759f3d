#include "base/wire.h"

#include <string.h>

struct err wire_raw(struct bytes *in, size_t n, struct bytes *out)
{
	if (n > in->len) FAIL(ERR_INVALID_ARGUMENT, "wire: message too short");
	*out = BYTES(in->data, n);
	in->data += n;
	in->len -= n;
	return OK;
}

static struct err wire_uint(struct bytes *in, size_t n, uint64_t *out)
{
	struct bytes raw;
	uint64_t v = 0;

	TRY(wire_raw(in, n, &raw));
	for (size_t i = 0; i < n; i++) v = v << 8 | raw.data[i];
	*out = v;
	return OK;
}

struct err wire_u8(struct bytes *in, uint8_t *out)
{
	uint64_t v;

	TRY(wire_uint(in, 1, &v));
	*out = (uint8_t)v;
	return OK;
}

struct err wire_u16(struct bytes *in, uint16_t *out)
{
	uint64_t v;

	TRY(wire_uint(in, 2, &v));
	*out = (uint16_t)v;
	return OK;
}

struct err wire_u32(struct bytes *in, uint32_t *out)
{
	uint64_t v;

	TRY(wire_uint(in, 4, &v));
	*out = (uint32_t)v;
	return OK;
}

struct err wire_u64(struct bytes *in, uint64_t *out)
{
	return wire_uint(in, 8, out);
}

struct err wire_bytes(struct bytes *in, size_t max, struct bytes *out)
{
	struct bytes view = *in;
	uint16_t n;

	TRY(wire_u16(&view, &n));
	if (n > max) FAIL(ERR_INVALID_ARGUMENT, "wire: string over its limit");
	TRY(wire_raw(&view, n, out));
	*in = view;
	return OK;
}

struct err wire_str(struct bytes *in, char *out, size_t size)
{
	struct bytes view = *in, s;

	TRY(wire_bytes(&view, size - 1, &s));
	if (bytes_has_nul(s)) FAIL(ERR_INVALID_ARGUMENT, "wire: NUL in a string");
	if (s.len > 0) memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	*in = view;
	return OK;
}

struct err wire_end(const struct bytes *in)
{
	if (in->len != 0) FAIL(ERR_INVALID_ARGUMENT, "wire: trailing bytes");
	return OK;
}

static struct err wire_put_uint(struct buf *out, uint64_t v, size_t n)
{
	uint8_t raw[8];

	for (size_t i = 0; i < n; i++) raw[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	return buf_put(out, raw, n);
}

struct err wire_put_u8(struct buf *out, uint8_t v)
{
	return wire_put_uint(out, v, 1);
}

struct err wire_put_u16(struct buf *out, uint16_t v)
{
	return wire_put_uint(out, v, 2);
}

struct err wire_put_u32(struct buf *out, uint32_t v)
{
	return wire_put_uint(out, v, 4);
}

struct err wire_put_u64(struct buf *out, uint64_t v)
{
	return wire_put_uint(out, v, 8);
}

struct err wire_put_bytes(struct buf *out, struct bytes v)
{
	if (v.len > UINT16_MAX) FAIL(ERR_INVALID_ARGUMENT, "wire: string too long to encode");
	TRY(wire_put_u16(out, (uint16_t)v.len));
	return buf_put(out, v.data, v.len);
}

struct err wire_put_str(struct buf *out, const char *s)
{
	return wire_put_bytes(out, bytes_str(s));
}
