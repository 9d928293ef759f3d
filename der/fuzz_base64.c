/* Contract: what is taken is canonical (it is written again as the same text), what is put is taken; nothing on
 * error. */
#include <string.h>

#include "base/own.h"
#include "der/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(struct bytes in, bool url)
{
	AUTO(buf) struct buf bin = { .max = 1 << 20 }, text = { .max = 1 << 20 }, back = { .max = 1 << 20 };
	struct err e = (url ? base64url_take : base64_take)(in, &bin);

	if (e.code != ERR_OK && e.code != ERR_INVALID_ARGUMENT) __builtin_trap();
	if (e.code != ERR_OK && bin.len != 0) __builtin_trap();
	if (e.code == ERR_OK) {
		if ((url ? base64url_put : base64_put)(&text, buf_view(&bin)).code != ERR_OK) __builtin_trap();
		if (!bytes_equal(buf_view(&text), in)) __builtin_trap();
	}
	text.len = 0;
	if ((url ? base64url_put : base64_put)(&text, in).code != ERR_OK) __builtin_trap();
	if ((url ? base64url_take : base64_take)(buf_view(&text), &back).code != ERR_OK) __builtin_trap();
	if (!bytes_equal(buf_view(&back), in)) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	check(BYTES(data, len), false);
	check(BYTES(data, len), true);
	return 0;
}
