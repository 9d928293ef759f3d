/* kube_name.h: how names are spelled in the Kubernetes API (its conventions; RFC 1123 labels).  Pure; any thread. */
#ifndef SIGNET_BASE_KUBE_NAME_H
#define SIGNET_BASE_KUBE_NAME_H

#include "base/bytes.h"

#define KUBE_NAMESPACE_MAX 63 /* bytes; a DNS label */
#define KUBE_NAME_MAX 253     /* bytes; a DNS subdomain */
#define KUBE_SIGNER_MAX 571   /* bytes; domain 253, "/", path 253 + "." + 63 */

/* A namespace: 1..63 of [a-z0-9-], first and last not '-'. */
bool kube_namespace_valid(struct bytes name);
/* The name of most objects (pod, service account, node): parts like that, of any length, joined by '.'; 1..253 in all. */
bool kube_name_valid(struct bytes name);
/* signerName: "DOMAIN/PATH", DOMAIN a name of two parts or more, PATH parts joined by '.'; not kubernetes.io/legacy-unknown, which
 * v1 of the API refuses. */
bool kube_signer_valid(struct bytes name);
/* Key of a label or annotation: [NAME "/"] 1..63 of [A-Za-z0-9._-], first and last a letter or digit.  A label's value: the
 * same without the prefix, or empty. */
bool kube_label_key_valid(struct bytes key);
bool kube_label_value_valid(struct bytes value);
/* A service account's user name, exactly "system:serviceaccount:NAMESPACE:NAME"; *ns and *name are views into it.
 * INVALID_ARGUMENT otherwise, outputs untouched. */
struct err kube_account_split(struct bytes username, struct bytes *ns, struct bytes *name);

#endif
