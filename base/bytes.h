/* bytes.h: borrowed views of bytes, and a growable buffer with a hard bound.  No thread rule beyond "one owner". */
#ifndef SIGNET_BASE_BYTES_H
#define SIGNET_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A borrowed view: lives as long as what it points into.  An empty view may have data == NULL. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

#define BYTES(p, n) ((struct bytes){ .data = (const uint8_t *)(p), .len = (n) })
#define BYTES_NONE ((struct bytes){ .data = NULL, .len = 0 })

/* View of a C string without its NUL. */
struct bytes bytes_str(const char *s);
/* Equal length and content; not constant-time (see bytes_equal_secret). */
bool bytes_equal(struct bytes a, struct bytes b);
/* As bytes_equal for equal lengths, in time that depends on the length only. */
bool bytes_equal_secret(struct bytes a, struct bytes b);
/* Exactly the characters of `s`? */
bool bytes_is(struct bytes a, const char *s);
bool bytes_has_prefix(struct bytes a, struct bytes prefix);
/* Is there a byte 0 in it? */
bool bytes_has_nul(struct bytes a);
/* Lower-case hex of `a` plus a NUL into out[2 * a.len + 1]. */
void bytes_hex(struct bytes a, char *out);
/* Hex (either case, no separators) into out[hex.len / 2]; INVALID_ARGUMENT if odd or not hex. */
struct err bytes_unhex(struct bytes hex, uint8_t *out);

/* A growable buffer that never exceeds `max` bytes.  {0} with max set is empty and valid.  Freed by buf_free(). */
struct buf {
	uint8_t *data;
	size_t len, cap, max;
};

/* An empty one on the caller's own array, for a message whose size is known: never freed. */
#define BUF_ON(room) ((struct buf){ .data = (room), .cap = sizeof(room), .max = sizeof(room) })

/* Append; RESOURCE_EXHAUSTED past max or out of memory, buffer unchanged then. */
struct err buf_put(struct buf *b, const void *data, size_t len);
struct err buf_put_str(struct buf *b, const char *s);
/* printf into the buffer (no NUL is counted). */
struct err buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Make room for `len` more bytes and return where they go; the caller then adds to b->len itself. */
struct err buf_reserve(struct buf *b, size_t len, uint8_t **out);
/* Drop the first n bytes (n <= len). */
void buf_drop(struct buf *b, size_t n);
/* Release; NULL is allowed.  buf_wipe() also overwrites what was there. */
void buf_free(struct buf *b);
void buf_wipe(struct buf *b);
static inline void auto_buf(struct buf *b) { buf_free(b); }
static inline void auto_buf_wipe(struct buf *b) { buf_wipe(b); }
static inline struct bytes buf_view(const struct buf *b) { return BYTES(b->data, b->len); }

#endif
