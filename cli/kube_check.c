#include "cli/kube_check.h"

#include <string.h>

#include <openssl/rand.h>

#include "cli/keys.h"
#include "cli/rbac.h"
#include "csr/csr.h"
#include "csr/spiffe.h"
#include "der/pem.h"
#include "k8s_csr/jwks_fetch.h"
#include "k8s_csr/object_csr.h"
#include "k8s_csr/object_review.h"

#define VERSION_PATH "/version"
#define SELF_PATH "/apis/authentication.k8s.io/v1/selfsubjectreviews"
#define ACCESS_PATH "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
#define DRY_RUN_PATH "/apis/certificates.k8s.io/v1/certificatesigningrequests?dryRun=All"
#define INDENT "             "

/* ---- reaching it ---- */

static bool use_credentials(struct kube *k, struct report *r, const struct conf_cluster *cluster)
{
	AUTO(credentials) struct credentials credentials = { .server = NULL };
	struct conf_problem problem = { "" };
	const struct conf *conf = r->c->conf;
	const char *from = conf_text(conf, cluster->kubeconfig != 0 ? cluster->kubeconfig : cluster->service_account_dir);
	struct err e = credentials_read(conf, cluster, &credentials, &problem);

	if (e.code == ERR_OK) {
		e = kube_use(k, &credentials);
		if (e.code != ERR_OK) (void)snprintf(problem.text, sizeof(problem.text), "%s: %s", from, e.reason);
	}
	if (e.code != ERR_OK) {
		report(r, REPORT_FAILED, "credentials", problem.text);
		return false;
	}
	report(r, REPORT_GOOD, "credentials", from);
	report(r, REPORT_GOOD, "server", credentials.server);
	return true;
}

/* Who takes public answers away from everybody (/version) has a server that can be reached all the same. */
static bool ask_version(struct kube *k, struct report *r)
{
	AUTO(kube_answer) struct kube_answer a;
	const char *version;

	kube_ask(k, VERSION_PATH, BYTES_NONE, &a);
	version = json_string_value(json_object_get(a.body, "gitVersion"));
	if (a.e.code == ERR_OK && a.status == 403) {
		report(r, REPORT_GOOD, "reachable", "it does not tell its version");
		return true;
	}
	report(r, kube_answer_good(&a) ? REPORT_GOOD : REPORT_FAILED, "reachable",
	       !kube_answer_good(&a) ? a.why : version != NULL ? version : "");
	return kube_answer_good(&a);
}

/* An older API server does not know the question; that changes nothing. */
static bool ask_who(struct kube *k, struct report *r, kube_text user)
{
	AUTO(buf) struct buf body = { .max = 1024 };
	AUTO(kube_answer) struct kube_answer a = { .status = 0 };

	if (kube_self_review_body(&body).code != ERR_OK) return false;
	kube_ask(k, SELF_PATH, buf_view(&body), &a);
	if (kube_answer_good(&a) && a.body != NULL && kube_self_review_read(a.body, user).code == ERR_OK)
		report(r, REPORT_GOOD, "we are", user);
	else if (a.e.code == ERR_OK && (a.status == 404 || a.status == 403))
		report(r, REPORT_SKIPPED, "we are", "the API server does not say");
	else report(r, REPORT_FAILED, "we are", a.why[0] != '\0' ? a.why : "the answer cannot be read");
	return a.e.code == ERR_OK && a.status != 401;
}

/* ---- permissions ---- */

struct may { /* one question */
	bool allowed;
	char why[KUBE_WHY_MAX]; /* what failed; "": there is an answer */
};

static struct may ask_access(struct kube *k, const struct kube_access *access)
{
	AUTO(buf) struct buf body = { .max = 4096 };
	AUTO(kube_answer) struct kube_answer a = { .status = 0 };
	struct may may = { .allowed = false };
	kube_text reason;
	struct err e = kube_access_review_body(access, &body);

	if (e.code == ERR_OK) {
		kube_ask(k, ACCESS_PATH, buf_view(&body), &a);
		if (!kube_answer_good(&a)) (void)snprintf(may.why, sizeof(may.why), "%s", a.why);
		else e = kube_access_review_read(a.body, &may.allowed, reason);
	}
	if (e.code != ERR_OK) (void)snprintf(may.why, sizeof(may.why), "%s", e.reason);
	return may;
}

/* Leave for all signers of a domain is leave for each, but only the API server's admission of approvals says so. */
static struct may ask_verb(struct kube *k, const struct need *n, const char *verb)
{
	struct kube_access access = { .verb = verb, .group = n->group, .resource = n->resource, .subresource = n->subresource,
		                      .name = n->name[0] != '\0' ? n->name : NULL, .ns = n->ns[0] != '\0' ? n->ns : NULL,
		                      .url = n->url };
	struct may may = ask_access(k, &access);
	char all[KUBE_SIGNER_MAX + 3];

	if (may.why[0] != '\0' || may.allowed || strcmp(verb, "approve") != 0) return may;
	(void)snprintf(all, sizeof(all), "%.*s/*", (int)strcspn(n->name, "/"), n->name);
	access.name = all;
	return ask_access(k, &access);
}

static void tell_missing(struct report *r, const struct need *n)
{
	AUTO(buf) struct buf line = { .max = 4096 };
	AUTO(buf) struct buf yaml = { .max = 8192 };
	bool good = rbac_put_line(n, &line).code == ERR_OK && buf_put(&line, "", 1).code == ERR_OK &&
	            rbac_put_rule(n, INDENT, &yaml).code == ERR_OK && buf_put(&yaml, "", 1).code == ERR_OK;

	if (good) report_missing(r, (const char *)line.data, (const char *)yaml.data, rbac_rule_json(n));
	else report(r, REPORT_MISSING, "a permission", "out of memory");
}

static void tell_good(struct report *r, const struct need *n)
{
	AUTO(buf) struct buf line = { .max = 4096 };

	if (rbac_put_line(n, &line).code == ERR_OK && buf_put(&line, "", 1).code == ERR_OK)
		report(r, REPORT_GOOD, (const char *)line.data, "");
}

/* Of the rule what is missing, which may be some of its verbs. */
static bool check_need(struct kube *k, struct report *r, const struct need *n, struct need *missing)
{
	*missing = *n;
	missing->verb_count = 0;
	for (size_t i = 0; i < n->verb_count; i++) {
		struct may may = ask_verb(k, n, n->verbs[i]);

		if (may.why[0] != '\0') {
			report(r, REPORT_FAILED, "permissions", may.why);
			return false;
		}
		if (!may.allowed) missing->verbs[missing->verb_count++] = n->verbs[i];
	}
	if (missing->verb_count > 0) tell_missing(r, missing);
	else tell_good(r, n);
	return true;
}

static bool check_needs(struct kube *k, struct report *r, unsigned cluster, struct kube_missing *missing)
{
	struct need needs[NEEDS_MAX];
	size_t count = needs_of(r->c->conf, cluster, needs);

	for (size_t i = 0; i < count; i++) {
		if (!check_need(k, r, &needs[i], &missing->needs[missing->count])) return false;
		if (missing->needs[missing->count].verb_count > 0) missing->count++;
	}
	return true;
}

/* Is it among what is missing to `verb` this resource, or URL? */
static bool lacks(const struct kube_missing *missing, const char *verb, const char *what)
{
	for (size_t i = 0; i < missing->count; i++) {
		const struct need *n = &missing->needs[i];

		if (n->subresource != NULL || strcmp(n->url != NULL ? n->url : n->resource, what) != 0) continue;
		for (size_t v = 0; v < n->verb_count; v++)
			if (strcmp(n->verbs[v], verb) == 0) return true;
	}
	return false;
}

/* ---- a request that is not kept ---- */

/* For a key that nobody keeps. */
static struct err make_request(const struct conf *conf, struct buf *der)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf pem = { .max = CSR_PEM_MAX };
	char id[SPIFFE_ID_MAX + 1], label[PEM_LABEL_MAX];

	(void)snprintf(id, sizeof(id), "spiffe://%s/signet-check", conf_text(conf, conf->trust_domain));
	TRY(cli_key_make("p256", &key));
	TRY(cli_key_request(key, id, &pem));
	return pem_take_only(buf_view(&pem), CSR_DER_MAX, label, der);
}

static struct err dry_run_body(const struct conf *conf, const char *signer, struct buf *out)
{
	static const char *const usages[] = { "digital signature", "server auth", "client auth" };
	static const struct kube_pair labels[] = { { "app.kubernetes.io/managed-by", "signet" } };
	AUTO(buf) struct buf der = { .max = CSR_DER_MAX };
	struct kube_csr_new csr = { .signer = signer, .labels = labels, .label_count = 1, .usages = usages,
		                    .usage_count = ARRAY_LEN(usages), .expiration = KUBE_EXPIRATION_MIN };
	unsigned char random[8];
	char digits[2 * sizeof(random) + 1], name[64];

	if (RAND_bytes(random, sizeof(random)) != 1) FAIL(ERR_INTERNAL, "cli: no random numbers");
	bytes_hex(BYTES(random, sizeof(random)), digits);
	(void)snprintf(name, sizeof(name), "signet-check-%s", digits);
	TRY(make_request(conf, &der));
	csr.name = name;
	csr.request = buf_view(&der);
	return kube_csr_create_body(&csr, out);
}

static void dry_run(struct kube *k, struct report *r, const struct conf_csr_issuer *issuer)
{
	AUTO(buf) struct buf body = { .max = 64 * 1024 };
	AUTO(kube_answer) struct kube_answer a = { .status = 0 };
	const struct conf *conf = r->c->conf;
	const char *signer = conf_text(conf, issuer->signer_name);
	char any[KUBE_SIGNER_MAX + 1], what[128];
	struct err e;

	(void)snprintf(what, sizeof(what), "dry run of a request to issuer %s", conf_text(conf, issuer->name));
	(void)snprintf(any, sizeof(any), "%s/signet-check", conf_text(conf, issuer->signer_domain));
	e = dry_run_body(conf, signer[0] != '\0' ? signer : any, &body);
	if (e.code == ERR_OK) kube_ask(k, DRY_RUN_PATH, buf_view(&body), &a);
	if (e.code != ERR_OK) report(r, REPORT_FAILED, what, e.reason);
	else report(r, kube_answer_good(&a) ? REPORT_GOOD : REPORT_FAILED, what, a.why);
}

static void check_dry_runs(struct kube *k, struct report *r, unsigned cluster, const struct kube_missing *missing)
{
	const struct conf *conf = r->c->conf;

	for (uint32_t i = 0; i < conf->csr_issuer_count; i++) {
		if (conf_cluster_find(conf, conf_text(conf, conf->csr_issuers[i].cluster)) != (int)cluster) continue;
		if (!lacks(missing, "create", "certificatesigningrequests")) dry_run(k, r, &conf->csr_issuers[i]);
		else report(r, REPORT_SKIPPED, "dry run of a request", "it may not create any");
	}
}

/* ---- keys ---- */

static void tell_keys(struct report *r, const char *issuer, size_t count, const char *why)
{
	char what[128], number[32];

	(void)snprintf(what, sizeof(what), "keys of tokens of %s", issuer);
	(void)snprintf(number, sizeof(number), "%zu", count);
	if (why[0] != '\0') report(r, REPORT_FAILED, what, why);
	else report(r, count > 0 ? REPORT_GOOD : REPORT_FAILED, what, count > 0 ? number : "there are none");
}

static void check_cluster_keys(struct kube *k, struct report *r, unsigned cluster, const struct kube_missing *missing)
{
	const struct conf *conf = r->c->conf;

	for (uint32_t i = 0; i < conf->issuer_count; i++) {
		const struct conf_jwt_issuer *issuer = &conf->issuers[i];
		AUTO(kube_answer) struct kube_answer a = { .status = 0 };

		if (conf_keys_of(issuer) != CONF_KEYS_CLUSTER ||
		    conf_cluster_find(conf, conf_text(conf, issuer->cluster)) != (int)cluster ||
		    lacks(missing, "get", JWKS_CLUSTER_PATH))
			continue;
		kube_ask(k, JWKS_CLUSTER_PATH, BYTES_NONE, &a);
		tell_keys(r, conf_text(conf, issuer->name), json_array_size(json_object_get(a.body, "keys")), a.why);
	}
}

void kube_check_issuer(struct kube *k, struct report *r, unsigned issuer)
{
	const struct conf *conf = r->c->conf;
	enum conf_keys from = conf_keys_of(&conf->issuers[issuer]);
	struct kube_keys keys;

	if (from != CONF_KEYS_URL && from != CONF_KEYS_DISCOVERY) return;
	kube_fetch_keys(k, conf, issuer, &keys);
	tell_keys(r, conf_text(conf, conf->issuers[issuer].name), keys.count, keys.why);
}

/* ---- all ---- */

void kube_check_cluster(struct kube *k, struct report *r, unsigned cluster, struct kube_missing *missing)
{
	missing->user[0] = '\0';
	missing->count = 0;
	if (!use_credentials(k, r, &r->c->conf->clusters[cluster]) || !ask_version(k, r) || !ask_who(k, r, missing->user)) return;
	if (!check_needs(k, r, cluster, missing)) return;
	check_dry_runs(k, r, cluster, missing);
	check_cluster_keys(k, r, cluster, missing);
}
