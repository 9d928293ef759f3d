/* issuers.h: what the admin API says of issuers: what the keeper counts, beside what the configuration says. */
#ifndef SIGNET_ADMIN_ISSUERS_H
#define SIGNET_ADMIN_ISSUERS_H

#include "admin/api.h"

struct err answer_issuers(const struct conf *conf, struct bytes body, json_t **out);

#endif
