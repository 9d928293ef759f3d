#include "k8s_csr/needs.h"

#include <stdio.h>
#include <string.h>

#include "k8s_csr/jwks_fetch.h"

#define CERTIFICATES "certificates.k8s.io"
#define REQUESTS "certificatesigningrequests"
#define NAMESPACED "issuers.cert-manager.io/" /* signerName of an Issuer: NAMESPACED NAMESPACE.NAME */

struct needs {
	const struct conf *conf;
	unsigned cluster;
	struct need *out;
	size_t count;
};

/* What is there already is not put again. */
static void put(struct needs *n, const struct need *need)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct need *o = &n->out[i];

		if (strcmp(o->why, need->why) == 0 && strcmp(o->name, need->name) == 0 && strcmp(o->ns, need->ns) == 0) return;
	}
	n->out[n->count++] = *need;
}

static bool is_here(const struct needs *n, conf_str cluster)
{
	return conf_cluster_find(n->conf, conf_text(n->conf, cluster)) == (int)n->cluster;
}

/* ---- issuers ---- */

static void put_approve(struct needs *n, const char *domain, const char *rest)
{
	struct need need = { .why = "approve what was filed, for this signer alone", .group = CERTIFICATES, .resource = "signers",
		             .verbs = { "approve" }, .verb_count = 1 };

	(void)snprintf(need.name, sizeof(need.name), "%s%s", domain, rest);
	put(n, &need);
}

/* cert-manager lets only those ask an Issuer, which is of a namespace, who may refer to it there.  (Which Issuers callers choose,
 * where they may choose, is not known here.) */
static void put_reference(struct needs *n, const char *signer)
{
	struct need need = { .why = "cert-manager lets nobody else ask this Issuer", .group = "cert-manager.io",
		             .resource = "signers", .verbs = { "reference" }, .verb_count = 1 };
	const char *ns = signer + strlen(NAMESPACED), *dot;

	if (strncmp(signer, NAMESPACED, strlen(NAMESPACED)) != 0) return;
	dot = strchr(ns, '.');
	if (dot == NULL || (size_t)(dot - ns) >= sizeof(need.ns)) return;
	(void)snprintf(need.ns, sizeof(need.ns), "%.*s", (int)(dot - ns), ns);
	(void)snprintf(need.name, sizeof(need.name), "%s", dot + 1);
	put(n, &need);
}

static void put_requests(struct needs *n, bool delete)
{
	put(n, &(struct need){ .why = "file requests, watch them, fetch the certificates, clean up", .group = CERTIFICATES,
			       .resource = REQUESTS, .verbs = { "create", "get", "list", "watch", "delete" },
			       .verb_count = delete ? 5 : 4 });
	/* Events of objects without a namespace are in "default". */
	put(n, &(struct need){ .why = "tell in the log why a signer did nothing", .group = "", .resource = "events",
			       .verbs = { "list" }, .verb_count = 1, .ns = "default" });
}

static void put_issuer(struct needs *n, const struct conf_csr_issuer *issuer)
{
	const char *signer = conf_text(n->conf, issuer->signer_name), *domain = conf_text(n->conf, issuer->signer_domain);

	put_reference(n, signer);
	if (issuer->approve != CONF_APPROVE_SELF) return;
	put(n, &(struct need){ .why = "approve what was filed", .group = CERTIFICATES, .resource = REQUESTS,
			       .subresource = "approval", .verbs = { "patch" }, .verb_count = 1 });
	if (signer[0] != '\0') put_approve(n, signer, "");
	if (domain[0] != '\0') put_approve(n, domain, "/*");
}

static void put_issuers(struct needs *n)
{
	const struct conf *c = n->conf;
	bool any = false, delete = false;

	for (uint32_t i = 0; i < c->csr_issuer_count; i++) {
		if (!is_here(n, c->csr_issuers[i].cluster)) continue;
		any = true;
		delete = delete || c->csr_issuers[i].after == CONF_AFTER_DELETE;
	}
	if (any) put_requests(n, delete);
	for (uint32_t i = 0; i < c->csr_issuer_count; i++)
		if (is_here(n, c->csr_issuers[i].cluster)) put_issuer(n, &c->csr_issuers[i]);
}

/* ---- callers ---- */

static void put_callers(struct needs *n)
{
	const struct conf *c = n->conf;

	for (uint32_t i = 0; i < c->issuer_count; i++) {
		const struct conf_jwt_issuer *issuer = &c->issuers[i];

		if (!is_here(n, issuer->cluster)) continue;
		if (issuer->token_review != CONF_REVIEW_OFF)
			put(n, &(struct need){ .why = "ask whether a caller's token is good", .group = "authentication.k8s.io",
					       .resource = "tokenreviews", .verbs = { "create" }, .verb_count = 1 });
		if (conf_keys_of(issuer) == CONF_KEYS_CLUSTER)
			put(n, &(struct need){ .why = "fetch the keys of callers' tokens (a service account may, by default)",
					       .url = JWKS_CLUSTER_PATH,
					       .verbs = { "get" },
					       .verb_count = 1 });
	}
	if (needs_pods(c, n->cluster))
		put(n, &(struct need){ .why = "know which pods are on a node proxy's node (same_node)", .group = "",
				       .resource = "pods", .verbs = { "list", "watch" }, .verb_count = 2 });
}

bool needs_pods(const struct conf *conf, unsigned cluster)
{
	bool asked = false, known = false;

	for (uint32_t i = 0; i < conf->rule_count; i++) asked |= conf->rules[i].same_node;
	for (uint32_t i = 0; i < conf->issuer_count; i++)
		known |= conf_cluster_find(conf, conf_text(conf, conf->issuers[i].cluster)) == (int)cluster;
	return asked && known;
}

size_t needs_of(const struct conf *conf, unsigned cluster, struct need out[NEEDS_MAX])
{
	struct needs n = { .conf = conf, .cluster = cluster, .out = out };

	put_issuers(&n);
	put_callers(&n);
	return n.count;
}
