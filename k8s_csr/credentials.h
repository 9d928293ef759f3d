/* credentials.h: where a cluster's API server is and what we show there: a kubeconfig with the files that it names, or a pod's
 * service account.  Reads files, each whole and bounded; keeps nothing; any thread. */
#ifndef SIGNET_K8S_CSR_CREDENTIALS_H
#define SIGNET_K8S_CSR_CREDENTIALS_H

#include "conf/load.h"

#define CREDENTIALS_SYSTEM_ROOTS "/etc/ssl/certs/ca-certificates.crt" /* whom a kubeconfig without a CA trusts */
#define CREDENTIALS_POD_SERVER "kubernetes.default.svc" /* Kubernetes, "accessing the API from a pod": always in its certificate */

struct credentials {
	char *server, *server_name; /* as in struct kubeconfig */
	struct buf roots, cert, key, token; /* as in struct https_target_options */
};

/* A pod's server is KUBERNETES_SERVICE_HOST and _PORT of the environment, as kubelet sets them; else CREDENTIALS_POD_SERVER.
 * OK: *out is the caller's, credentials_wipe().  Otherwise *out is untouched and problem->text says which file and what is
 * wrong, without a secret: INVALID_ARGUMENT; UNAVAILABLE: cannot be read; RESOURCE_EXHAUSTED: memory. */
struct err credentials_read(const struct conf *conf, const struct conf_cluster *cluster, struct credentials *out,
			    struct conf_problem *problem);
/* NULL is allowed. */
void credentials_wipe(struct credentials *c);
static inline void auto_credentials(struct credentials *c) { credentials_wipe(c); }

/* Everything but the token. */
bool credentials_same_but_token(const struct credentials *a, const struct credentials *b);

#endif
