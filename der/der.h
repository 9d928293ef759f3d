/* der.h: strict DER (X.690 s8, s10, s11) reader and writer; the only place where this project parses or builds ASN.1
 * by hand.
 *
 * Any thread; no I/O, no allocation in the reader.  A `struct bytes` is the cursor: each take shrinks it from the front
 * and leaves it untouched when it fails.  (Cursor and result may be one view: it then descends into the element.)
 * Refused everywhere (INVALID_ARGUMENT): indefinite or non-minimal lengths, high tag numbers, strings in pieces,
 * truncated values, lengths over 1 GiB.  Strict is not blind: an empty value is legal wherever the
 * ASN.1 type allows it (pilot-agent sends `O=` as a zero-length PrintableString). */
#ifndef SIGNET_DER_DER_H
#define SIGNET_DER_DER_H

#include "base/bytes.h"

/* Identifier octets (X.690 s8.1.2), low tag numbers only. */
enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0x80 | (n))             /* [n] primitive */
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) /* [n] constructed */

/* ---- reader ---- */
/* Take one element with tag `tag`; *value is its content. */
struct err der_take(struct bytes *in, unsigned tag, struct bytes *value);
/* As der_take, *element is tag, length and content (to be hashed or copied whole). */
struct err der_take_element(struct bytes *in, unsigned tag, struct bytes *element);
/* Take any one element: its tag and content. */
struct err der_take_any(struct bytes *in, unsigned *tag, struct bytes *value);
/* The next element's tag, 0 if nothing is left. */
unsigned der_peek(const struct bytes *in);
/* Take if the next tag is `tag`; else *present is false and nothing moves. */
struct err der_take_optional(struct bytes *in, unsigned tag, bool *present, struct bytes *value);
/* One element that fills `der` whole: enters it; INVALID_ARGUMENT on trailing bytes. */
struct err der_enter(struct bytes der, unsigned tag, struct bytes *value);
/* Nothing may be left. */
struct err der_end(const struct bytes *in);

/* BOOLEAN: 0x00 or 0xff only. */
struct err der_take_bool(struct bytes *in, bool *out);
/* INTEGER, minimal, 0..INT64_MAX. */
struct err der_take_uint(struct bytes *in, uint64_t *out);
/* INTEGER, minimal, not negative, as magnitude without leading zero octet (0 is the one octet 00), 1..max octets. */
struct err der_take_unsigned(struct bytes *in, size_t max, struct bytes *magnitude);
/* BIT STRING with no unused bits. */
struct err der_take_octet_bits(struct bytes *in, struct bytes *octets);
/* BIT STRING of named bits, up to 16 (KeyUsage): *bits has named bit n at value 1 << n; trailing zero bits refused
 * (X.690 s11.2.2). */
struct err der_take_named_bits(struct bytes *in, uint16_t *bits);
/* UTCTime or GeneralizedTime exactly as RFC 5280 s4.1.2.5 allows (with seconds, Z, no fraction), to Unix
 * seconds; so GeneralizedTime before 2050 is refused. */
struct err der_take_time(struct bytes *in, int64_t *unix_seconds);

/* ---- writer ----
 * Appends to a struct buf.  Nested elements are opened and closed; the length is patched on close.
 *     struct der_open seq;
 *     TRY(der_open(out, DER_SEQUENCE, &seq));  ...children...  TRY(der_close(out, &seq)); */
struct der_open {
	size_t at; /* offset of the first content octet; one length octet is reserved before it */
};
struct err der_open(struct buf *out, unsigned tag, struct der_open *open);
struct err der_close(struct buf *out, const struct der_open *open);
/* One whole primitive element. */
struct err der_put(struct buf *out, unsigned tag, struct bytes value);
struct err der_put_bool(struct buf *out, bool v);
struct err der_put_uint(struct buf *out, uint64_t v);
/* INTEGER from a magnitude (leading zeros are dropped, a sign octet is added when needed). */
struct err der_put_unsigned(struct buf *out, struct bytes magnitude);
struct err der_put_octet_bits(struct buf *out, struct bytes octets);
struct err der_put_named_bits(struct buf *out, uint16_t bits);
/* UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 s4.1.2.5).  OUT_OF_RANGE outside years 1950..9999. */
struct err der_put_time(struct buf *out, int64_t unix_seconds);

#endif
