#include "der/der.h"

#include <string.h>

#define LENGTH_MAX ((size_t)1 << 30) /* bytes; ours: size arithmetic stays far from SIZE_MAX */

/* Universal types that are constructed in DER (X.690 s8.9..s8.12, s8.18): EXTERNAL, EMBEDDED PDV, SEQUENCE, SET,
 * unrestricted CHARACTER STRING.  X.690 s10.2: a string is never in pieces. */
#define CONSTRUCTED_TYPES (1u << 8 | 1u << 11 | 1u << 16 | 1u << 17 | 1u << 29)

struct head {
	unsigned tag;
	size_t head_len, len;
};

static bool tag_ok(unsigned tag)
{
	unsigned number = tag & 0x1f;
	bool constructed = (tag & 0x20) != 0;

	if (number == 0x1f) return false;     /* a high tag number */
	if ((tag & 0xc0) != 0) return true;   /* not universal: the schema says */
	if (number == 0) return false;        /* end of contents: indefinite lengths only */
	return ((CONSTRUCTED_TYPES >> number & 1) != 0) == constructed;
}

/* The long form (X.690 s8.1.3.5, s10.1: as few octets as can be); p points at the first length octet. */
static struct err read_long_length(const uint8_t *p, size_t left, struct head *out)
{
	size_t octets = p[0] & 0x7f, len = 0;

	if (octets == 0) FAIL(ERR_INVALID_ARGUMENT, "der: indefinite length");
	if (octets > 4) FAIL(ERR_INVALID_ARGUMENT, "der: length over the limit");
	if (octets > left - 1) FAIL(ERR_INVALID_ARGUMENT, "der: truncated length");
	for (size_t i = 1; i <= octets; i++) len = len << 8 | p[i];
	if (p[1] == 0 || len < 0x80) FAIL(ERR_INVALID_ARGUMENT, "der: length is not minimal");
	if (len > LENGTH_MAX) FAIL(ERR_INVALID_ARGUMENT, "der: length over the limit");
	out->len = len;
	out->head_len = 2 + octets;
	return OK;
}

static struct err read_head(const struct bytes *in, struct head *out)
{
	if (in->len < 2) FAIL(ERR_INVALID_ARGUMENT, "der: truncated");
	out->tag = in->data[0];
	if (!tag_ok(out->tag)) FAIL(ERR_INVALID_ARGUMENT, "der: tag is not allowed");
	out->len = in->data[1];
	out->head_len = 2;
	if (out->len >= 0x80) TRY(read_long_length(in->data + 1, in->len - 1, out));
	if (out->len > in->len - out->head_len) FAIL(ERR_INVALID_ARGUMENT, "der: value is truncated");
	return OK;
}

static struct err read_tagged(const struct bytes *in, unsigned tag, struct head *out)
{
	if (in->len > 0 && in->data[0] != tag) FAIL(ERR_INVALID_ARGUMENT, "der: unexpected type");
	return read_head(in, out);
}

static void advance(struct bytes *in, size_t n)
{
	in->data += n;
	in->len -= n;
}

/* Take the `n` bytes of an element and keep them from octet `from` on.  The view is stored last: it may be the cursor
 * itself, which then descends into the element. */
static void cut(struct bytes *in, size_t from, size_t n, struct bytes *out)
{
	struct bytes view = BYTES(in->data + from, n - from);

	advance(in, n);
	*out = view;
}

struct err der_take(struct bytes *in, unsigned tag, struct bytes *value)
{
	struct head h;

	TRY(read_tagged(in, tag, &h));
	cut(in, h.head_len, h.head_len + h.len, value);
	return OK;
}

struct err der_take_element(struct bytes *in, unsigned tag, struct bytes *element)
{
	struct head h;

	TRY(read_tagged(in, tag, &h));
	cut(in, 0, h.head_len + h.len, element);
	return OK;
}

struct err der_take_any(struct bytes *in, unsigned *tag, struct bytes *value)
{
	struct head h;

	TRY(read_head(in, &h));
	*tag = h.tag;
	cut(in, h.head_len, h.head_len + h.len, value);
	return OK;
}

unsigned der_peek(const struct bytes *in)
{
	return in->len == 0 ? 0 : in->data[0];
}

struct err der_take_optional(struct bytes *in, unsigned tag, bool *present, struct bytes *value)
{
	bool there = in->len > 0 && in->data[0] == tag;

	if (there) TRY(der_take(in, tag, value));
	*present = there;
	return OK;
}

struct err der_enter(struct bytes der, unsigned tag, struct bytes *value)
{
	struct bytes content;

	TRY(der_take(&der, tag, &content));
	TRY(der_end(&der));
	*value = content;
	return OK;
}

struct err der_end(const struct bytes *in)
{
	if (in->len != 0) FAIL(ERR_INVALID_ARGUMENT, "der: trailing bytes");
	return OK;
}

struct err der_take_bool(struct bytes *in, bool *out)
{
	struct bytes rest = *in, v;

	TRY(der_take(&rest, DER_BOOLEAN, &v));
	/* X.690 s11.1: TRUE is ff. */
	if (v.len != 1 || (v.data[0] != 0x00 && v.data[0] != 0xff))
		FAIL(ERR_INVALID_ARGUMENT, "der: BOOLEAN is malformed");
	*out = v.data[0] == 0xff;
	*in = rest;
	return OK;
}

struct err der_take_unsigned(struct bytes *in, size_t max, struct bytes *magnitude)
{
	struct bytes rest = *in, v;

	TRY(der_take(&rest, DER_INTEGER, &v));
	if (v.len == 0) FAIL(ERR_INVALID_ARGUMENT, "der: INTEGER is empty");
	if ((v.data[0] & 0x80) != 0) FAIL(ERR_INVALID_ARGUMENT, "der: INTEGER is negative");
	if (v.len > 1 && v.data[0] == 0) {
		/* X.690 s8.3.2: a leading zero octet only where the sign needs it. */
		if ((v.data[1] & 0x80) == 0) FAIL(ERR_INVALID_ARGUMENT, "der: INTEGER is not minimal");
		advance(&v, 1);
	}
	if (v.len > max) FAIL(ERR_INVALID_ARGUMENT, "der: INTEGER is too long");
	*magnitude = v;
	*in = rest;
	return OK;
}

struct err der_take_uint(struct bytes *in, uint64_t *out)
{
	struct bytes rest = *in, v;
	uint64_t n = 0;

	TRY(der_take_unsigned(&rest, sizeof(n), &v));
	for (size_t i = 0; i < v.len; i++) n = n << 8 | v.data[i];
	if (n > INT64_MAX) FAIL(ERR_INVALID_ARGUMENT, "der: INTEGER is too large");
	*out = n;
	*in = rest;
	return OK;
}

struct err der_take_octet_bits(struct bytes *in, struct bytes *octets)
{
	struct bytes rest = *in, v;

	TRY(der_take(&rest, DER_BIT_STRING, &v));
	if (v.len == 0 || v.data[0] != 0) FAIL(ERR_INVALID_ARGUMENT, "der: BIT STRING is not whole octets");
	advance(&v, 1);
	*octets = v;
	*in = rest;
	return OK;
}

struct err der_take_named_bits(struct bytes *in, uint16_t *bits)
{
	struct bytes rest = *in, v;
	unsigned unused, last;
	uint16_t out = 0;

	TRY(der_take(&rest, DER_BIT_STRING, &v));
	if (v.len == 0 || v.len > 3) FAIL(ERR_INVALID_ARGUMENT, "der: named bits out of range");
	unused = v.data[0];
	last = v.data[v.len - 1];
	if (v.len == 1 && unused != 0) FAIL(ERR_INVALID_ARGUMENT, "der: unused bits of nothing");
	/* X.690 s11.2: unused bits are zero, and the last bit of a named bit list is one. */
	if (v.len > 1 && (unused > 7 || (last & ((2u << unused) - 1)) != 1u << unused))
		FAIL(ERR_INVALID_ARGUMENT, "der: named bits are not minimal");
	for (size_t i = 0; i < (v.len - 1) * 8; i++)
		if ((v.data[1 + i / 8] & (0x80u >> (i % 8))) != 0) out = (uint16_t)(out | 1u << i);
	*bits = out;
	*in = rest;
	return OK;
}

/* ---- writer ---- */

struct err der_open(struct buf *out, unsigned tag, struct der_open *open)
{
	uint8_t *at;

	TRY(buf_reserve(out, 2, &at));
	at[0] = (uint8_t)tag;
	at[1] = 0;
	out->len += 2;
	open->at = out->len;
	return OK;
}

/* Octets of the long form beyond the first; 0 for the short form. */
static size_t length_octets(size_t len)
{
	size_t n = 0;

	if (len < 0x80) return 0;
	for (size_t rest = len; rest > 0; rest >>= 8) n++;
	return n;
}

static void write_length(uint8_t *at, size_t len, size_t octets)
{
	at[0] = (uint8_t)(octets == 0 ? len : 0x80 | octets);
	for (size_t i = 1; i <= octets; i++) at[i] = (uint8_t)(len >> (8 * (octets - i)));
}

struct err der_close(struct buf *out, const struct der_open *open)
{
	size_t len = out->len - open->at, octets = length_octets(len);
	uint8_t *at;

	if (len > LENGTH_MAX) FAIL(ERR_OUT_OF_RANGE, "der: value is too long to encode");
	if (octets > 0) {
		TRY(buf_reserve(out, octets, &at));
		at = out->data + open->at;
		memmove(at + octets, at, len);
		out->len += octets;
	}
	write_length(out->data + open->at - 1, len, octets);
	return OK;
}

/* Tag, length and room for `len` bytes of content, which the caller fills at *content. */
static struct err put_head(struct buf *out, unsigned tag, size_t len, uint8_t **content)
{
	size_t octets = length_octets(len);
	uint8_t *at;

	if (len > LENGTH_MAX) FAIL(ERR_OUT_OF_RANGE, "der: value is too long to encode");
	TRY(buf_reserve(out, 2 + octets + len, &at));
	at[0] = (uint8_t)tag;
	write_length(at + 1, len, octets);
	out->len += 2 + octets + len;
	*content = at + 2 + octets;
	return OK;
}

struct err der_put(struct buf *out, unsigned tag, struct bytes value)
{
	uint8_t *at;

	TRY(put_head(out, tag, value.len, &at));
	if (value.len > 0) memcpy(at, value.data, value.len);
	return OK;
}

struct err der_put_bool(struct buf *out, bool v)
{
	return der_put(out, DER_BOOLEAN, BYTES(v ? "\xff" : "\x00", 1));
}

struct err der_put_uint(struct buf *out, uint64_t v)
{
	uint8_t raw[8];

	for (size_t i = 0; i < sizeof(raw); i++) raw[i] = (uint8_t)(v >> (56 - 8 * i));
	return der_put_unsigned(out, BYTES(raw, sizeof(raw)));
}

struct err der_put_unsigned(struct buf *out, struct bytes magnitude)
{
	struct bytes m = magnitude;
	size_t sign;
	uint8_t *at;

	while (m.len > 0 && m.data[0] == 0) advance(&m, 1);
	sign = m.len == 0 || (m.data[0] & 0x80) != 0 ? 1 : 0;
	TRY(put_head(out, DER_INTEGER, m.len + sign, &at));
	at[0] = 0;
	if (m.len > 0) memcpy(at + sign, m.data, m.len);
	return OK;
}

struct err der_put_octet_bits(struct buf *out, struct bytes octets)
{
	uint8_t *at;

	TRY(put_head(out, DER_BIT_STRING, octets.len + 1, &at));
	at[0] = 0;
	if (octets.len > 0) memcpy(at + 1, octets.data, octets.len);
	return OK;
}

struct err der_put_named_bits(struct buf *out, uint16_t bits)
{
	uint8_t raw[3] = { 0 };
	unsigned count = 0;

	for (unsigned i = 0; i < 16; i++) {
		if ((bits & 1u << i) == 0) continue;
		raw[1 + i / 8] = (uint8_t)(raw[1 + i / 8] | 0x80u >> (i % 8));
		count = i + 1;
	}
	raw[0] = (uint8_t)(-count & 7);
	return der_put(out, DER_BIT_STRING, BYTES(raw, 1 + (count + 7) / 8));
}
