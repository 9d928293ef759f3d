/* hostname.h: what a host name looks like.  Pure; any thread. */
#ifndef SIGNET_BASE_HOSTNAME_H
#define SIGNET_BASE_HOSTNAME_H

#include "base/bytes.h"

#define HOSTNAME_MAX 253 /* bytes; RFC 1035 s2.3.4 without the final dot */

/* Labels of 1..63 letters, digits and inner hyphens (RFC 1123 s2.1), the last not all digits (it would be read as an address);
 * at most HOSTNAME_MAX bytes, no wildcard, no final dot.  `lower`: capitals are refused, so that no two spellings are one name
 * (RFC 4343). */
bool hostname_valid(struct bytes name, bool lower);

#endif
