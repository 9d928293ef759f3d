/* internal.h: what the files of policy/ share. */
#ifndef SIGNET_POLICY_INTERNAL_H
#define SIGNET_POLICY_INTERNAL_H

#include "policy/policy.h"

/* Values of an attribute, one after the other: *cursor starts at 0; NULL after the last. */
const char *caller_next(const struct caller *c, struct bytes name, size_t *cursor, size_t *len);

/* What a template makes, and so which values may go into it. */
enum template_kind { TEMPLATE_SPIFFE_ID, TEMPLATE_DNS, TEMPLATE_IP };

struct template_source { /* of attributes */
	const char *trust_domain;    /* ours, whatever the caller says */
	const struct caller *caller; /* NULL: policy_check() tries the template with "a" for every attribute */
};

/* Why it cannot be filled: `why` is a literal; `attribute` and `value` are views, empty where they do not apply. */
struct template_failure {
	const char *why;
	struct bytes attribute, value;
};

/* Fill a template and check what comes out: a workload ID of the trust domain; a host name; an address (octets into name).
 * false: *failure says why.
 * out[SPIFFE_ID_MAX + 1]. */
bool policy_fill_spiffe_id(const struct template_source *source, const char *text, char *out, struct template_failure *failure);
bool policy_fill_name(const struct template_source *source, enum template_kind kind, const char *text, struct policy_name *name,
		   struct template_failure *failure);

/* The next {attribute} in a template from *at on: true and its name, *at behind it.  *malformed: a brace without partner. */
bool policy_template_next(const char **at, struct bytes *attribute, bool *malformed);

/* A workload ID in the trust domain? */
bool policy_is_workload(struct bytes id, const char *trust_domain);

#endif
