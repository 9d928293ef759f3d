/* json.h: untrusted JSON through jansson, bounded (RFC 8259).  No I/O; any thread.
 *
 * Refused: over `max` bytes, duplicate keys, NUL in a string, nesting over JSON_DEPTH_MAX (counted before jansson sees
 * a byte), trailing text, a number that does not fit (integer over 64 bits, real over a double), a top level that is not
 * an object.  Jansson's hash seed is set from getrandom(2) at the first call: no file is ever opened. */
#ifndef SIGNET_PROTO_JSON_H
#define SIGNET_PROTO_JSON_H

#include <jansson.h>

#include "base/bytes.h"
#include "base/own.h"

#define JSON_DEPTH_MAX 16 /* objects and arrays inside each other; ours */

/* OK: *out is the caller's (json_decref / AUTO(json)).  INVALID_ARGUMENT otherwise (RESOURCE_EXHAUSTED: no memory), *out
 * untouched. */
struct err json_object_parse(struct bytes text, size_t max, json_t **out);
/* The same for a text of which others wrote parts that are of no interest, so that none of them can have it refused: arrays and
 * objects in members with the name `drop` (letters) become null, and so do those nested deeper than JSON_DEPTH_MAX; a NUL in a
 * string is U+FFFD; of duplicate keys the last counts. */
struct err json_object_parse_pruned(struct bytes text, size_t max, const char *drop, json_t **out);
static inline void auto_json(json_t **p)
{
	json_decref(*p);
}

/* Member `key` as string view (borrowed); NOT_FOUND if absent, INVALID_ARGUMENT if not a string or over max bytes. */
struct err json_string_of(const json_t *object, const char *key, size_t max, struct bytes *out);
/* Member `key` as whole seconds (RFC 7519 NumericDate): an integer, or a real, which is floored; |v| < 2^53.
 * NOT_FOUND if absent, INVALID_ARGUMENT otherwise. */
struct err json_seconds_of(const json_t *object, const char *key, int64_t *out);

#endif
