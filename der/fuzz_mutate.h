/* fuzz_mutate.h: a libFuzzer mutator that keeps DER whole: it changes, deletes or doubles one element, at any depth and
 * also inside OCTET STRINGs, and writes all lengths anew.  Without it nearly every mutant dies at its first length. */
#ifndef SIGNET_DER_FUZZ_MUTATE_H
#define SIGNET_DER_FUZZ_MUTATE_H

#include <string.h>

#include "base/own.h"
#include "der/der.h"

#define MUTATE_DEPTH_MAX 24
#define MUTATE_SIZE_MAX (32 * 1024)

/* libFuzzer's own mutator; not there when the seeds are only replayed. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

struct mutation {
	size_t at, seen; /* the element to change, in order of appearance; and how many have passed */
	unsigned how;
};

static inline bool mutate_whole(struct bytes der)
{
	struct bytes value;
	unsigned tag;

	return der.len > 0 && der_take_any(&der, &tag, &value).code == ERR_OK && der.len == 0;
}

static inline bool mutate_list(struct bytes in, struct buf *out, struct mutation *m, unsigned depth);

static inline bool mutate_content(struct buf *out, unsigned tag, struct bytes value, struct mutation *m, unsigned depth)
{
	bool nested = (tag & 0x20) != 0 || (tag == DER_OCTET_STRING && mutate_whole(value));
	struct der_open open;

	if (!nested || depth == MUTATE_DEPTH_MAX) return der_put(out, tag, value).code == ERR_OK;
	return der_open(out, tag, &open).code == ERR_OK && mutate_list(value, out, m, depth + 1) &&
	       der_close(out, &open).code == ERR_OK;
}

/* Write a changed form of the element. */
static inline bool mutate_element(struct buf *out, unsigned tag, struct bytes value, struct mutation *m)
{
	static const uint8_t tags[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0a, 0x0c, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1c, 0x1e,
		                        0x30, 0x31, 0x80, 0x81, 0x82, 0x83, 0x86, 0x87, 0x88, 0xa0, 0xa1, 0xa3, 0xa4 };
	static uint8_t content[4096];
	size_t n = value.len < sizeof(content) / 2 ? value.len : sizeof(content) / 2;
	unsigned how = m->how % 8;

	if (n > 0) memcpy(content, value.data, n);
	if (how == 0) return true; /* deleted */
	if (how == 1) return der_put(out, tag, value).code == ERR_OK && der_put(out, tag, value).code == ERR_OK;
	if (how == 2) return der_put(out, tags[m->how / 8 % sizeof(tags)], value).code == ERR_OK;
	if (how == 3) return der_put(out, tag, BYTES_NONE).code == ERR_OK;
	n = LLVMFuzzerMutate(content, n, sizeof(content));
	return der_put(out, tag, BYTES(content, n)).code == ERR_OK;
}

static inline bool mutate_list(struct bytes in, struct buf *out, struct mutation *m, unsigned depth)
{
	while (in.len > 0) {
		struct bytes value;
		unsigned tag;
		bool here;

		if (der_take_any(&in, &tag, &value).code != ERR_OK) return buf_put(out, in.data, in.len).code == ERR_OK;
		here = m->seen++ == m->at;
		if (here ? !mutate_element(out, tag, value, m) : !mutate_content(out, tag, value, m, depth)) return false;
	}
	return true;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	AUTO(buf) struct buf out = { .max = MUTATE_SIZE_MAX };
	struct mutation m = { .at = SIZE_MAX };
	struct bytes in = BYTES(data, size);

	if (seed % 16 == 0 || !mutate_whole(in) || !mutate_list(in, &out, &m, 0)) return LLVMFuzzerMutate(data, size, max);
	m = (struct mutation){ .at = seed / 16 % m.seen, .how = seed / 16 / (unsigned)m.seen };
	out.len = 0;
	if (!mutate_list(in, &out, &m, 0) || out.len == 0 || out.len > max) return LLVMFuzzerMutate(data, size, max);
	memcpy(data, out.data, out.len);
	return out.len;
}

#endif
