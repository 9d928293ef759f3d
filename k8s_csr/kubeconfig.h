/* kubeconfig.h: the text of a kubeconfig file, to where an API server is and how it is told who we are (Kubernetes reference,
 * "kubeconfig (v1)").  Pure: no file is opened; any thread.
 *
 * One file, not a KUBECONFIG list of several; one context of it, whose cluster and user alone are looked at.  Unknown members,
 * extensions among them, are passed over.  Refused, with file, line, member and what to do instead: what cannot be done here
 * (exec, auth-provider, username and password, as..., proxy-url), what should not be (insecure-skip-tls-verify, any server but
 * https), a context, cluster or user that is missing or there twice, a user without credentials, a certificate without a key;
 * YAML as in conf/tree.h. */
#ifndef SIGNET_K8S_CSR_KUBECONFIG_H
#define SIGNET_K8S_CSR_KUBECONFIG_H

#include "conf/load.h"

#define KUBECONFIG_MAX CONF_FILE_MAX /* bytes of YAML */
#define KUBECONFIG_TOKEN_MAX (16 * 1024)

/* At most one of the two is there.  A path is absolute, or as it stands if options.folder is "". */
struct kubeconfig_source {
	char *path;      /* NULL: none */
	struct buf text; /* len 0: none */
};

struct kubeconfig {
	char *server;      /* a url_check() without a query and without a final '/' */
	char *server_name; /* whose certificate it shows (tls-server-name); NULL: that of the host in `server` */
	struct kubeconfig_source ca;               /* PEM with at least one CERTIFICATE; none: those that the system trusts */
	struct kubeconfig_source certificate, key; /* both or none; PEM: CERTIFICATE, ... PRIVATE KEY without a passphrase */
	struct kubeconfig_source token;            /* 1..KUBECONFIG_TOKEN_MAX visible ASCII characters; a file changes */
};

struct kubeconfig_options {
	const char *name;    /* of the file, for messages */
	const char *folder;  /* that relative paths start from: the file's */
	const char *context; /* NULL: current-context */
};

/* OK: *out is the caller's, kubeconfig_wipe(); it has a certificate, a token, or both.  Of two forms client-go's choice is taken:
 * data before a path, a tokenFile before a token.
 * INVALID_ARGUMENT: problem->text says what to mend; it quotes names, no secrets.  RESOURCE_EXHAUSTED: no memory.  *out is
 * untouched then. */
struct err kubeconfig_parse(struct bytes yaml, const struct kubeconfig_options *options, struct kubeconfig *out,
			    struct conf_problem *problem);
/* Overwrites what is secret, frees everything, leaves zeros; NULL is allowed. */
void kubeconfig_wipe(struct kubeconfig *k);
static inline void auto_kubeconfig(struct kubeconfig *k) { kubeconfig_wipe(k); }

#endif
