/* url.h: the one kind of URL that we fetch, and percent-encoding (RFC 3986).  Pure; any thread. */
#ifndef SIGNET_BASE_URL_H
#define SIGNET_BASE_URL_H

#include "base/bytes.h"

#define URL_MAX 2048 /* bytes; ours */

/* "https://HOST[:PORT][/PATH][?QUERY]", at most URL_MAX bytes: HOST a host name (base/hostname.h), an IPv4 address or an IPv6
 * one in brackets, PORT 1..65535, the rest of the characters of s3.3 and s3.4 with '%' before two hex digits only.
 * INVALID_ARGUMENT otherwise, so for another scheme, user info, a fragment, an empty port, a segment "." or ".." (whoever
 * fetches it would remove those), and for a query unless `query`. */
struct err url_check(struct bytes url, bool query);

/* Append `text` with everything but s2.3's unreserved characters as %XX: as one path segment, or a value in a query. */
struct err url_put_encoded(struct buf *out, struct bytes text);

#endif
