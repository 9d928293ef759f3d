/* wire.h: the one codec of channel messages and stored records: big-endian integers and length-prefixed byte strings.
 *
 * Reader: a borrowed view that only shrinks; a failed take leaves the view where it was.  Every take fails with
 * INVALID_ARGUMENT when too little is left; wire_end() fails when anything is left.  Writer: appends to a struct buf. */
#ifndef SIGNET_BASE_WIRE_H
#define SIGNET_BASE_WIRE_H

#include "base/bytes.h"

struct err wire_u8(struct bytes *in, uint8_t *out);
struct err wire_u16(struct bytes *in, uint16_t *out);
struct err wire_u32(struct bytes *in, uint32_t *out);
struct err wire_u64(struct bytes *in, uint64_t *out);
/* Exactly n bytes, no prefix. */
struct err wire_raw(struct bytes *in, size_t n, struct bytes *out);
/* u16 length, then the bytes; INVALID_ARGUMENT if longer than max. */
struct err wire_bytes(struct bytes *in, size_t max, struct bytes *out);
/* As wire_bytes, into out[size] with a NUL; INVALID_ARGUMENT if it holds a NUL or does not fit. */
struct err wire_str(struct bytes *in, char *out, size_t size);
/* Nothing may be left. */
struct err wire_end(const struct bytes *in);

struct err wire_put_u8(struct buf *out, uint8_t v);
struct err wire_put_u16(struct buf *out, uint16_t v);
struct err wire_put_u32(struct buf *out, uint32_t v);
struct err wire_put_u64(struct buf *out, uint64_t v);
/* u16 length and bytes; INVALID_ARGUMENT over 65 535 bytes. */
struct err wire_put_bytes(struct buf *out, struct bytes v);
struct err wire_put_str(struct buf *out, const char *s);

#endif
