#include "net/grpc_frame.h"

#include <string.h>

void grpc_frame_init(struct grpc_frame *f, uint32_t max)
{
	*f = (struct grpc_frame){ .max = max };
}

void grpc_frame_free(struct grpc_frame *f)
{
	buf_free(&f->message);
	f->have = 0;
}

void grpc_frame_next(struct grpc_frame *f)
{
	f->have = 0;
	f->message.len = 0;
}

static struct err check_prefix(struct grpc_frame *f)
{
	uint32_t len = (uint32_t)f->prefix[1] << 24 | (uint32_t)f->prefix[2] << 16 | (uint32_t)f->prefix[3] << 8 | f->prefix[4];

	if (f->prefix[0] == 1) FAIL(ERR_UNIMPLEMENTED, "grpc: compressed messages are not supported");
	if (f->prefix[0] != 0) FAIL(ERR_INTERNAL, "grpc: unexpected payload format");
	if (len > f->max) FAIL(ERR_RESOURCE_EXHAUSTED, "grpc: message larger than the limit");
	f->message.max = len;
	return OK;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

struct err grpc_frame_feed(struct grpc_frame *f, struct bytes *in, bool *whole)
{
	size_t n;

	*whole = false;
	if (f->have < GRPC_PREFIX_BYTES) {
		n = least(in->len, GRPC_PREFIX_BYTES - (size_t)f->have);
		if (n == 0) return OK;
		memcpy(f->prefix + f->have, in->data, n);
		f->have = (uint8_t)(f->have + n);
		*in = BYTES(in->data + n, in->len - n);
		if (f->have < GRPC_PREFIX_BYTES) return OK;
		TRY(check_prefix(f));
	}
	n = least(in->len, f->message.max - f->message.len);
	if (n > 0) {
		TRY(buf_put(&f->message, in->data, n));
		*in = BYTES(in->data + n, in->len - n);
	}
	*whole = f->message.len == f->message.max;
	return OK;
}

void grpc_frame_prefix(uint32_t len, uint8_t out[GRPC_PREFIX_BYTES])
{
	out[0] = 0;
	out[1] = (uint8_t)(len >> 24);
	out[2] = (uint8_t)(len >> 16);
	out[3] = (uint8_t)(len >> 8);
	out[4] = (uint8_t)len;
}
