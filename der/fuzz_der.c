/* Contract: a failed take moves nothing; what the reader takes, the writer writes again as the same bytes (so there is
 * one encoding of each value), and what the writer makes of the input's bytes, the reader takes. */
#include <string.h>

#include "base/own.h"
#include "der/der.h"

#define DEPTH_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
	if (!condition) __builtin_trap();
}

/* Each typed reader on whatever starts here: OK means that its writer gives back what was taken. */
static void typed(struct bytes element)
{
	AUTO(buf) struct buf out = { .max = 1 << 21 };
	struct bytes in, view;
	uint64_t number;
	uint16_t bits;
	int64_t when;
	bool flag;

#define ROUND_TRIP(take, put)                                                                                          \
	in = element;                                                                                                  \
	if ((take).code == ERR_OK) {                                                                                   \
		out.len = 0;                                                                                           \
		must((put).code == ERR_OK);                                                                            \
		must(bytes_equal(buf_view(&out), BYTES(element.data, element.len - in.len)));                          \
	} else {                                                                                                       \
		must(in.data == element.data && in.len == element.len);                                                \
	}
	ROUND_TRIP(der_take_bool(&in, &flag), der_put_bool(&out, flag))
	ROUND_TRIP(der_take_uint(&in, &number), der_put_uint(&out, number))
	ROUND_TRIP(der_take_unsigned(&in, 20, &view), der_put_unsigned(&out, view))
	ROUND_TRIP(der_take_octet_bits(&in, &view), der_put_octet_bits(&out, view))
	ROUND_TRIP(der_take_named_bits(&in, &bits), der_put_named_bits(&out, bits))
	ROUND_TRIP(der_take_time(&in, &when), der_put_time(&out, when))
}

/* Copy a list of elements through reader and writer; false where the reader refuses. */
static bool copy(struct bytes in, struct buf *out, unsigned depth)
{
	while (in.len > 0) {
		struct bytes before = in, value, element, again = in;
		struct der_open open;
		unsigned tag;

		if (der_take_any(&in, &tag, &value).code != ERR_OK) {
			must(in.data == before.data && in.len == before.len);
			return false;
		}
		must(tag == der_peek(&before) && tag != 0);
		must(der_take_element(&again, tag, &element).code == ERR_OK && again.len == in.len);
		must(element.data == before.data && element.len == before.len - in.len);
		must(value.data + value.len == element.data + element.len);
		typed(element);
		if ((tag & 0x20) == 0 || depth == DEPTH_MAX) {
			must(der_put(out, tag, value).code == ERR_OK);
			continue;
		}
		must(der_open(out, tag, &open).code == ERR_OK);
		if (!copy(value, out, depth + 1)) return false;
		must(der_close(out, &open).code == ERR_OK);
	}
	return true;
}

static void write_then_read(struct bytes raw)
{
	AUTO(buf) struct buf out = { .max = 1 << 21 };
	struct bytes in, v;
	struct der_open open;

	must(der_open(&out, DER_SEQUENCE, &open).code == ERR_OK);
	must(der_put_unsigned(&out, raw).code == ERR_OK);
	must(der_put_octet_bits(&out, raw).code == ERR_OK);
	must(der_put(&out, DER_OCTET_STRING, raw).code == ERR_OK);
	must(der_close(&out, &open).code == ERR_OK);
	must(der_enter(buf_view(&out), DER_SEQUENCE, &in).code == ERR_OK);
	must(der_take_unsigned(&in, raw.len + 1, &v).code == ERR_OK && v.len <= raw.len + 1);
	must(der_take_octet_bits(&in, &v).code == ERR_OK && bytes_equal(v, raw));
	must(der_take(&in, DER_OCTET_STRING, &v).code == ERR_OK && bytes_equal(v, raw));
	must(der_end(&in).code == ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(buf) struct buf out = { .max = 1 << 21 };
	struct bytes in = BYTES(data, len);

	if (len > 1 << 16) return 0;
	if (copy(in, &out, 0)) must(bytes_equal(buf_view(&out), in));
	typed(in);
	write_then_read(in);
	return 0;
}
