/* fields.h: JSON members and query parameters of the admin API, read strictly and written alike. */
#ifndef SIGNET_ADMIN_FIELDS_H
#define SIGNET_ADMIN_FIELDS_H

#include "admin/api.h"

/* Every reader: INVALID_ARGUMENT with a reason that names what was expected. */
struct err field_known(const json_t *body, const char *const *names);   /* an object with no other member */
struct err field_text(const json_t *body, const char *name, size_t max, struct bytes *out); /* required, 1..max bytes */
struct err field_seconds(const json_t *body, const char *name, int64_t *out); /* absent: 0; else 1..10 years */
struct err field_flag(const json_t *body, const char *name, bool *out);  /* true or false; absent: false */
struct err field_u64(const char *text, uint64_t *out);                  /* decimal digits only */
struct err field_limit(const struct api_request *r, uint32_t *out);     /* `limit`: 1..API_PAGE_MAX; absent: API_PAGE */
struct err field_ban_kind(struct bytes name, uint8_t *out);             /* spiffe_id, key, caller */
const char *field_ban_name(uint8_t kind);
struct err field_revoke_kind(struct bytes name, uint8_t *out);          /* serial, spiffe_id, key, rule, caller */
struct err field_reason(struct bytes name, uint8_t *out);               /* CRLReason by its name in RFC 5280 s5.3.1 */
const char *field_reason_name(uint8_t reason);
/* serial, spiffe_id, expires_from, expires_to, issued_from, issued_to (Unix seconds), newest_first, after, limit.
 * `serial` is the caller's memory for q->serial; spiffe_id borrows the parameter. */
struct err field_query(const struct api_request *r, struct store_query *q, uint8_t serial[STORE_SERIAL_MAX]);

json_t *field_time(int64_t unix_seconds); /* RFC 3339 string */
json_t *field_hex(struct bytes v);        /* of at most 64 octets */
json_t *field_shown(struct bytes v);      /* a string; of what is not UTF-8 each odd octet is \xHH */
json_t *field_revocation(const struct wire_revocation *r);
struct err field_record(const struct store_record *r, json_t **out);

#endif
