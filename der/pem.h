/* pem.h: PEM (RFC 7468 strict in what it writes, a little lax in what it reads: CRLF or LF, text before the first
 * block).  Any thread, no I/O. */
#ifndef SIGNET_DER_PEM_H
#define SIGNET_DER_PEM_H

#include "base/bytes.h"

#define PEM_LABEL_MAX 64 /* bytes with NUL; ours */

/* Bytes of text that pem_put() writes for `der_len` bytes under `label`. */
size_t pem_size(size_t der_len, const char *label);
/* Append one block, 64 characters a line, LF line ends, a final LF. */
struct err pem_put(struct buf *out, const char *label, struct bytes der);

/* Take the next block from *text.  NOT_FOUND if no BEGIN line is left; INVALID_ARGUMENT for a block that is not
 * closed, labels that differ, encapsulated headers, a character outside base64 (white space at line ends is allowed),
 * wrong or non-canonical padding, an empty body, or over `max` bytes of DER; RESOURCE_EXHAUSTED if *der has no room.
 * The DER is appended to *der; *text, label and *der are untouched on error. */
struct err pem_take(struct bytes *text, size_t max, char label[PEM_LABEL_MAX], struct buf *der);

/* Exactly one block in the whole text (only white space after it): INVALID_ARGUMENT for none, two, or other text
 * after. */
struct err pem_take_only(struct bytes text, size_t max, char label[PEM_LABEL_MAX], struct buf *der);

/* The text of the next certificate that pem_put() wrote, cut off the front of *text, which is not empty; all that is left if no
 * certificate ends there.  There is one way to write one, so equal certificates are equal texts. */
struct bytes pem_cut_cert(struct bytes *text);

#endif
