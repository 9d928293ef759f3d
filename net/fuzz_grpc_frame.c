/* Input: one byte of piece length, then gRPC's byte stream.  Contract: whole at once and in pieces give the same messages and
 * the same error; no message over the limit; nothing is left unread without an error. */
#include <string.h>

#include "net/grpc_frame.h"

#define LIMIT 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct outcome { enum err_code code; size_t messages, bytes; uint8_t sum; bool idle; };

static void count(struct outcome *o, const struct grpc_frame *f)
{
	if (f->message.len > LIMIT || f->message.len != f->message.max) __builtin_trap();
	o->messages++;
	o->bytes += f->message.len;
	for (size_t i = 0; i < f->message.len; i++) o->sum = (uint8_t)(o->sum * 31 + f->message.data[i]);
}

static struct outcome run(struct bytes in, size_t piece)
{
	struct outcome o = { .code = ERR_OK };
	struct grpc_frame f;

	grpc_frame_init(&f, LIMIT);
	while (in.len > 0 && o.code == ERR_OK) {
		size_t n = in.len < piece ? in.len : piece;
		struct bytes part = BYTES(in.data, n);

		in = BYTES(in.data + n, in.len - n);
		while (part.len > 0 && o.code == ERR_OK) {
			bool whole = true;
			size_t before = part.len;

			o.code = grpc_frame_feed(&f, &part, &whole).code;
			if (o.code == ERR_OK && part.len == before) __builtin_trap(); /* it must get on */
			if (o.code != ERR_OK || !whole) continue;
			count(&o, &f);
			grpc_frame_next(&f);
		}
	}
	o.idle = o.code == ERR_OK && grpc_frame_idle(&f);
	grpc_frame_free(&f);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct outcome a, b;

	if (len == 0) return 0;
	a = run(BYTES(data + 1, len - 1), SIZE_MAX);
	b = run(BYTES(data + 1, len - 1), (size_t)data[0] + 1);
	if (a.code != b.code || a.idle != b.idle) __builtin_trap();
	if (a.messages != b.messages || a.bytes != b.bytes || a.sum != b.sum) __builtin_trap();
	return 0;
}
