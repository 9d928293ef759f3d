/* base64.h: base64 and base64url (RFC 4648 s4, s5).  Any thread, no I/O.  Strict: canonical padding bits, no white
 * space. */
#ifndef SIGNET_DER_BASE64_H
#define SIGNET_DER_BASE64_H

#include "base/bytes.h"

/* Append the padded standard encoding of `in`. */
struct err base64_put(struct buf *out, struct bytes in);
/* Append the unpadded URL-safe encoding of `in`. */
struct err base64url_put(struct buf *out, struct bytes in);
/* Append the decoded bytes of padded standard base64; INVALID_ARGUMENT otherwise, *out unchanged. */
struct err base64_take(struct bytes text, struct buf *out);
/* The same for unpadded base64url (RFC 7515 s2: no padding, no line breaks). */
struct err base64url_take(struct bytes text, struct buf *out);

#endif
