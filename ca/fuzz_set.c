/* Whatever is taken is a set: it can be written, and comes back the same from there. */
#include <string.h>

#include "ca/set.h"

#define CHECK(x)                                                                                                       \
	do {                                                                                                           \
		if (!(x)) __builtin_trap();                                                                            \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(buf) struct buf once = { .max = SET_VALUE_MAX }, again = { .max = SET_VALUE_MAX };
	static struct root_set set, same;
	uint16_t version, v;

	if (set_decode(BYTES(data, len), &version, &set).code != ERR_OK) return 0;
	CHECK(set_signer(&set) != NULL);
	CHECK(set_encode(&set, &once).code == ERR_OK);
	if (version == SET_VERSION) CHECK(bytes_equal(BYTES(data, len), buf_view(&once)));
	CHECK(set_decode(buf_view(&once), &v, &same).code == ERR_OK && v == SET_VERSION);
	CHECK(set_encode(&same, &again).code == ERR_OK && bytes_equal(buf_view(&once), buf_view(&again)));
	return 0;
}
