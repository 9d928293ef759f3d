/* base64_stream.h: base64 in pieces, shared by base64.c and pem.c; not for other folders.  Any thread. */
#ifndef SIGNET_DER_BASE64_STREAM_H
#define SIGNET_DER_BASE64_STREAM_H

#include "base/bytes.h"

#define BASE64_IN_MAX (SIZE_MAX / 2) /* bytes; ours: size arithmetic on the encoded length cannot wrap below it */

/* Encode n bytes to `out`: 4 characters for every 3 bytes begun; the URL form leaves the padding away. */
void base64_encode(const uint8_t *in, size_t n, bool url, uint8_t *out);

/* A decoder that may be fed a text in pieces; it writes at most `room` bytes to `out` and counts them in `len`. */
struct base64_stream {
	const uint8_t *values;
	bool url;
	uint8_t *out;
	size_t room, len;
	uint32_t bits;
	unsigned chars, pads; /* of the group of four that is not complete */
};
struct base64_stream base64_stream(bool url, uint8_t *out, size_t room);
/* INVALID_ARGUMENT: not base64.  RESOURCE_EXHAUSTED: more than `room` bytes. */
struct err base64_stream_feed(struct base64_stream *s, struct bytes text);
/* INVALID_ARGUMENT: a group is incomplete, or its unused bits are not zero. */
struct err base64_stream_end(struct base64_stream *s);

#endif
