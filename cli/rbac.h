/* rbac.h: what is needed (k8s_csr/needs.h) as Kubernetes takes it: rules, roles and their bindings.  Pure; any thread. */
#ifndef SIGNET_CLI_RBAC_H
#define SIGNET_CLI_RBAC_H

#include <jansson.h>

#include "k8s_csr/needs.h"

#define RBAC_MAX (256 * 1024) /* bytes of YAML; ours: NEEDS_MAX rules have 60 KiB at most */

/* The rule in one line, for people: "create, get certificatesigningrequests (certificates.k8s.io)". */
struct err rbac_put_line(const struct need *need, struct buf *out);
/* An element of `rules` in YAML, each line after `indent`. */
struct err rbac_put_rule(const struct need *need, const char *indent, struct buf *out);
/* The same as JSON, with the namespace beside it if it is for one; NULL: no memory.  The caller's. */
json_t *rbac_rule_json(const struct need *need);

struct rbac {
	const char *name;         /* of the roles and bindings */
	const char *user; /* who gets them: "system:serviceaccount:NAMESPACE:NAME", or the name of a user; printable ASCII */
	bool account;             /* the service account itself, too */
	const struct need *needs;
	size_t count;
};
/* YAML documents: a ClusterRole and its binding, and for each namespace that a need is for a Role and its binding. */
struct err rbac_put_manifest(const struct rbac *rbac, struct buf *out);

#endif
