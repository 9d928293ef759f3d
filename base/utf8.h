/* utf8.h: well-formed UTF-8 (RFC 3629 s4): no overlong form, no surrogate, at most U+10FFFF.  Pure; any thread. */
#ifndef SIGNET_BASE_UTF8_H
#define SIGNET_BASE_UTF8_H

#include "base/bytes.h"

/* Bytes of the sequence that `text` begins with; 0: it begins with none, or is empty. */
size_t utf8_sequence(struct bytes text);
/* Nothing but such sequences? */
bool utf8_valid(struct bytes text);

#endif
