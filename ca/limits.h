/* limits.h: what this CA may issue at all, whatever policy granted: the keeper's own reading of the configuration, checked
 * on every request.  Read-only once made; any thread.  (Bans: bans.h; the rate: base/rate.h.) */
#ifndef SIGNET_CA_LIMITS_H
#define SIGNET_CA_LIMITS_H

#include "base/own.h"
#include "ca/wire.h"
#include "conf/conf.h"

#define LIMITS_NAMES_MAX 64     /* tls.names; conf/schema.c */

struct limits;
/* conf must outlive it.  INVALID_ARGUMENT: a network in ca.allow_ip_ranges does not parse. */
struct err limits_new(const struct conf *conf, struct limits **out);
void limits_free(struct limits *l); /* NULL is allowed */
static inline void auto_limits(struct limits **p) { limits_free(*p); }

/* REASON_NONE: within the limits.  `key` is what m->spki holds. */
enum keeper_reason limits_check(const struct limits *l, const struct wire_issue *m, const struct key_info *key);
/* A SPIFFE ID that this CA may issue (for join tokens too). */
enum keeper_reason limits_check_spiffe_id(const struct limits *l, struct bytes id);
/* May a workload's certificate hold this name? */
enum keeper_reason limits_check_name(const struct limits *l, const struct wire_name *name);
/* tls.names as certificate names; borrowed. */
const struct wire_name *limits_serving_names(const struct limits *l, size_t *count);

#endif
