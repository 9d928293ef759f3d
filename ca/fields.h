/* fields.h: a message as a table of its fields: one walker encodes, one decodes, and both hold every field to its bounds,
 * so what was taken and is put again gives the same bytes.  Any thread. */
#ifndef SIGNET_CA_FIELDS_H
#define SIGNET_CA_FIELDS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/own.h"

enum field_form {
	FORM_U8, FORM_U16, FORM_U32, FORM_U64, /* integers; min..max when max is not 0 */
	FORM_I64,   /* any */
	FORM_BOOL,  /* bool as 0 or 1 */
	FORM_ENUM,  /* an enum (int) as u8, min..max */
	FORM_RAW,   /* max octets in place, no prefix */
	FORM_BYTES, /* struct bytes, u16 length, min..max octets */
	FORM_TEXT,  /* the same, without a NUL */
	FORM_LONG,  /* struct bytes, u32 length, min..max octets */
	FORM_CSTR,  /* char array of max + 1 octets with NUL, u16 length, at least min */
	FORM_REST,  /* struct bytes, no prefix, to the end of the message; must be last */
};
struct wire_field {
	uint8_t form;
	uint32_t offset, min, max;
};
struct wire_form { /* one message */
	const struct wire_field *fields;
	size_t count, size; /* size of its struct */
};
#define WIRE_FORM(type, table) ((struct wire_form){ .fields = (table), .count = ARRAY_LEN(table), .size = sizeof(struct type) })
#define WIRE_FIELD(type, member, kind, lo, hi)                                                                         \
	{ .form = FORM_##kind, .offset = offsetof(struct type, member), .min = (lo), .max = (hi) }

/* INVALID_ARGUMENT: a field of *m is out of its bounds; RESOURCE_EXHAUSTED: over out->max.  *out is unchanged then. */
struct err wire_form_put(struct buf *out, const struct wire_form *form, const void *m);
/* Take one from the front of *in; INVALID_ARGUMENT leaves *in where it was and *m zeroed.  What has no field is zero. */
struct err wire_form_take(struct bytes *in, const struct wire_form *form, void *m);
/* The same, and nothing may be left. */
struct err wire_form_take_all(struct bytes in, const struct wire_form *form, void *m);

/* A pair of functions for each table: whole messages, and elements that are taken one after the other. */
#define WIRE_PUT(name, type, table)                                                                                         \
	static const struct wire_form name##_form = WIRE_FORM(type, table);                                            \
	struct err wire_##name##_put(struct buf *out, const struct type *m) { return wire_form_put(out, &name##_form, m); }
#define WIRE_WHOLE(name, type, table)                                                                                       \
	WIRE_PUT(name, type, table)                                                                                         \
	struct err wire_##name##_take(struct bytes in, struct type *m) { return wire_form_take_all(in, &name##_form, m); }
#define WIRE_ELEMENT(name, type, table)                                                                                     \
	WIRE_PUT(name, type, table)                                                                                         \
	struct err wire_##name##_take(struct bytes *in, struct type *m) { return wire_form_take(in, &name##_form, m); }

#endif
