/* issuers.h: of struct conf, whom Signet asks or believes: issuers of tokens, Kubernetes clusters, other signers.  See conf.h. */
#ifndef SIGNET_CONF_ISSUERS_H
#define SIGNET_CONF_ISSUERS_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t conf_str; /* offset into the pool; 0 is "" */
struct conf_list {         /* elements first .. first + count - 1 of conf.strings */
	uint32_t first, count;
};

enum conf_issuer_kind { CONF_ISSUER_JWT, CONF_ISSUER_KUBERNETES };
enum conf_review { CONF_REVIEW_OFF, CONF_REVIEW_ALSO, CONF_REVIEW_ONLY };

struct conf_jwt_issuer {
	conf_str name, issuer, jwks_file, jwks_url, ca_file, cluster;
	bool discovery;
	struct conf_list audiences;
	uint32_t kind;        /* enum conf_issuer_kind */
	uint32_t token_review; /* enum conf_review */
	int64_t leeway;       /* seconds */
	int64_t max_lifetime; /* seconds, of a token; 0: any */
	int64_t keys_refresh, review_cache; /* seconds */
};
/* Where its keys come from. */
enum conf_keys { CONF_KEYS_NONE, CONF_KEYS_FILE, CONF_KEYS_URL, CONF_KEYS_DISCOVERY, CONF_KEYS_CLUSTER };

struct conf_cluster { /* a Kubernetes API server */
	conf_str id, kubeconfig, context, service_account_dir; /* kubeconfig empty: the pod's own service account */
};

enum conf_approve { CONF_APPROVE_SELF, CONF_APPROVE_EXTERNAL };
enum conf_outlive { CONF_OUTLIVE_REFUSE, CONF_OUTLIVE_CLAMP };
enum conf_after { CONF_AFTER_DELETE, CONF_AFTER_KEEP };

struct conf_csr_issuer { /* a signer of Kubernetes' CertificateSigningRequest API */
	conf_str name, cluster, signer_name, signer_domain, roots_file;
	uint32_t approve, outlive, after; /* enum conf_approve, conf_outlive, conf_after */
	bool trust_on_first_use;
	int64_t deadline; /* seconds */
};

#endif
