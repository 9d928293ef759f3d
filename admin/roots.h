/* roots.h: the operations on the root set, for the table in admin/api.c (docs/protocols/admin.md). */
#ifndef SIGNET_ADMIN_ROOTS_H
#define SIGNET_ADMIN_ROOTS_H

#include "admin/api.h"

struct err ask_root_step(const struct api_request *r, struct buf *out);
struct err ask_ca_import(const struct api_request *r, struct buf *out);
struct err answer_root_done(const struct conf *conf, struct bytes body, json_t **out);
struct err answer_root_set(const struct conf *conf, struct bytes body, json_t **out);
struct err take_event(struct bytes *in, json_t **item);
struct err take_limit(struct bytes *in, json_t **item);

#endif
