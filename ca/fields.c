#include "ca/fields.h"

#include <string.h>

#include "base/wire.h"

static struct err in_range(const struct wire_field *f, uint64_t v)
{
	if (f->max != 0 && (v < f->min || v > f->max)) FAIL(ERR_INVALID_ARGUMENT, "wire: number out of range");
	return OK;
}

static struct err put_bytes(struct buf *out, const struct wire_field *f, struct bytes v)
{
	if (v.len < f->min || v.len > f->max) FAIL(ERR_INVALID_ARGUMENT, "wire: length out of range");
	if (f->form == FORM_REST) return buf_put(out, v.data, v.len);
	if (f->form == FORM_LONG) {
		TRY(wire_put_u32(out, (uint32_t)v.len));
		return buf_put(out, v.data, v.len);
	}
	if (f->form != FORM_BYTES && bytes_has_nul(v)) FAIL(ERR_INVALID_ARGUMENT, "wire: NUL in a text");
	return wire_put_bytes(out, v);
}

static uint64_t load_number(const struct wire_field *f, const void *at)
{
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (f->form) {
	case FORM_U16: return memcpy(&u16, at, sizeof(u16)), u16;
	case FORM_U32:
	case FORM_ENUM: return memcpy(&u32, at, sizeof(u32)), u32;
	case FORM_U64:
	case FORM_I64: return memcpy(&u64, at, sizeof(u64)), u64;
	case FORM_BOOL: return *(const bool *)at ? 1 : 0;
	default: return *(const uint8_t *)at;
	}
}

static void store_number(const struct wire_field *f, uint64_t v, void *at)
{
	uint16_t u16 = (uint16_t)v;
	uint32_t u32 = (uint32_t)v;

	switch (f->form) {
	case FORM_U16: memcpy(at, &u16, sizeof(u16)); break;
	case FORM_U32:
	case FORM_ENUM: memcpy(at, &u32, sizeof(u32)); break;
	case FORM_U64:
	case FORM_I64: memcpy(at, &v, sizeof(v)); break;
	case FORM_BOOL: *(bool *)at = v != 0; break;
	default: *(uint8_t *)at = (uint8_t)v; break;
	}
}

static struct err put_number(struct buf *out, const struct wire_field *f, uint64_t v)
{
	TRY(in_range(f, v));
	switch (f->form) {
	case FORM_U16: return wire_put_u16(out, (uint16_t)v);
	case FORM_U32: return wire_put_u32(out, (uint32_t)v);
	case FORM_U64:
	case FORM_I64: return wire_put_u64(out, v);
	default: break;
	}
	if (v > UINT8_MAX) FAIL(ERR_INVALID_ARGUMENT, "wire: number out of range");
	return wire_put_u8(out, (uint8_t)v);
}

static struct err put_field(struct buf *out, const struct wire_field *f, const void *at)
{
	switch (f->form) {
	case FORM_RAW: return buf_put(out, at, f->max);
	case FORM_BYTES:
	case FORM_TEXT:
	case FORM_LONG:
	case FORM_REST: return put_bytes(out, f, *(const struct bytes *)at);
	case FORM_CSTR: return put_bytes(out, f, BYTES(at, strnlen(at, (size_t)f->max + 1)));
	default: return put_number(out, f, load_number(f, at));
	}
}

struct err wire_form_put(struct buf *out, const struct wire_form *form, const void *m)
{
	size_t before = out->len;

	for (size_t i = 0; i < form->count; i++) {
		struct err e = put_field(out, &form->fields[i], (const uint8_t *)m + form->fields[i].offset);

		if (e.code == ERR_OK) continue;
		out->len = before;
		return e;
	}
	return OK;
}

/* ---- taking ---- */

static struct err take_bytes(struct bytes *in, const struct wire_field *f, struct bytes *out)
{
	uint32_t n = (uint32_t)in->len;

	if (f->form == FORM_LONG) TRY(wire_u32(in, &n));
	if (f->form == FORM_LONG || f->form == FORM_REST) {
		if (in->len > UINT32_MAX || n > f->max) FAIL(ERR_INVALID_ARGUMENT, "wire: length out of range");
		TRY(wire_raw(in, n, out));
	} else {
		TRY(wire_bytes(in, f->max, out));
		if (f->form != FORM_BYTES && bytes_has_nul(*out)) FAIL(ERR_INVALID_ARGUMENT, "wire: NUL in a text");
	}
	if (out->len < f->min) FAIL(ERR_INVALID_ARGUMENT, "wire: length out of range");
	return OK;
}

static struct err take_text(struct bytes *in, const struct wire_field *f, char *out)
{
	struct bytes v;

	TRY(take_bytes(in, f, &v));
	if (v.len > 0) memcpy(out, v.data, v.len);
	out[v.len] = '\0';
	return OK;
}

static struct err take_raw(struct bytes *in, const struct wire_field *f, uint8_t *out)
{
	struct bytes v;

	TRY(wire_raw(in, f->max, &v));
	memcpy(out, v.data, v.len);
	return OK;
}

static struct err take_number(struct bytes *in, const struct wire_field *f, void *at)
{
	uint8_t u8 = 0;
	uint16_t u16 = 0;
	uint32_t u32 = 0;
	uint64_t v;

	switch (f->form) {
	case FORM_U16: TRY(wire_u16(in, &u16)); v = u16; break;
	case FORM_U32: TRY(wire_u32(in, &u32)); v = u32; break;
	case FORM_U64:
	case FORM_I64: TRY(wire_u64(in, &v)); break;
	default: TRY(wire_u8(in, &u8)); v = u8; break;
	}
	if (f->form == FORM_BOOL && v > 1) FAIL(ERR_INVALID_ARGUMENT, "wire: neither true nor false");
	TRY(in_range(f, v));
	store_number(f, v, at);
	return OK;
}

static struct err take_field(struct bytes *in, const struct wire_field *f, void *at)
{
	switch (f->form) {
	case FORM_RAW: return take_raw(in, f, at);
	case FORM_BYTES:
	case FORM_TEXT:
	case FORM_LONG:
	case FORM_REST: return take_bytes(in, f, at);
	case FORM_CSTR: return take_text(in, f, at);
	default: return take_number(in, f, at);
	}
}

struct err wire_form_take(struct bytes *in, const struct wire_form *form, void *m)
{
	struct bytes rest = *in;

	memset(m, 0, form->size);
	for (size_t i = 0; i < form->count; i++) {
		struct err e = take_field(&rest, &form->fields[i], (uint8_t *)m + form->fields[i].offset);

		if (e.code == ERR_OK) continue;
		memset(m, 0, form->size);
		return e;
	}
	*in = rest;
	return OK;
}

struct err wire_form_take_all(struct bytes in, const struct wire_form *form, void *m)
{
	struct err e;

	TRY(wire_form_take(&in, form, m));
	e = wire_end(&in);
	if (e.code != ERR_OK) memset(m, 0, form->size);
	return e;
}
