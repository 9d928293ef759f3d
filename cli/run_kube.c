/* run_kube.c: signet kube: what Signet may do at its clusters, and what it must be allowed to. */
#include <string.h>

#include "base/user.h"
#include "cli/json.h"
#include "cli/kube_check.h"
#include "cli/rbac.h"
#include "cli/run.h"
#include "key/key.h"

#define ROLE "signet-ra"
#define UNKNOWN_USER "THE-USER-THAT-SIGNET-IS"

/* ---- both ---- */

struct range {
	unsigned first, end; /* of conf.clusters: first .. end - 1 */
};

/* --cluster: that one; otherwise all. */
static enum cli_exit choose_clusters(const struct cli *c, struct range *out)
{
	const char *id = cli_value(c, "cluster");
	int at = id == NULL ? 0 : conf_cluster_find(c->conf, id);

	if (at < 0) return cli_fail(c, CLI_NOT_FOUND, "%s has no cluster with the id %s", cli_conf_path(c), id);
	out->first = (unsigned)at;
	out->end = id == NULL ? c->conf->cluster_count : out->first + 1;
	return CLI_OK;
}

/* ---- kube check ---- */

/* Files that the operator may read and the daemon may not are of no use to it. */
static enum cli_exit become_daemon(const struct cli *c)
{
	const char *name = conf_text(c->conf, c->conf->user);
	struct user user;
	struct err e = user_resolve(name, &user);

	if (e.code == ERR_OK) e = user_become(&user);
	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "%s: %s", name, e.reason);
}

/* Named by what is in it: whoever applies the next one takes nothing of this one back. */
static struct err put_missing(const struct kube_missing *m, struct buf *out)
{
	AUTO(buf) struct buf rules = { .max = RBAC_MAX };
	char name[64], digits[2 * KEY_SHA256_LEN + 1];
	uint8_t digest[KEY_SHA256_LEN];
	struct rbac rbac = {
		.name = ROLE, .user = m->user[0] != '\0' ? m->user : UNKNOWN_USER, .needs = m->needs, .count = m->count
	};

	TRY(rbac_put_manifest(&rbac, &rules));
	TRY(key_sha256(buf_view(&rules), digest));
	bytes_hex(BYTES(digest, sizeof(digest)), digits);
	(void)snprintf(name, sizeof(name), ROLE "-missing-%.8s", digits);
	rbac.name = name;
	return rbac_put_manifest(&rbac, out);
}

struct grants { /* what is missing at all clusters */
	struct buf text;
	json_t *json;
};
static void auto_grants(struct grants *g)
{
	buf_free(&g->text);
	json_decref(g->json);
}

static struct err add_grant(const struct cli *c, const char *cluster, const struct kube_missing *m, struct grants *g)
{
	AUTO(buf) struct buf manifest = { .max = RBAC_MAX };

	if (m->count == 0) return OK;
	TRY(put_missing(m, &manifest));
	TRY(buf_put(&manifest, "", 1));
	if (!c->json)
		return buf_printf(&g->text, "\n# All that is missing at cluster %s (kubectl apply -f -):\n%s", cluster,
				  manifest.data);
	if (json_array_append_new(g->json,
				  json_pack("{ss ss ss}", "cluster", cluster, "user", m->user, "manifest", manifest.data)) != 0)
		FAIL(ERR_RESOURCE_EXHAUSTED, "cli: out of memory");
	return OK;
}

static enum cli_exit print_end(const struct cli *c, struct report *r, const struct grants *g)
{
	AUTO(json) json_t *o = NULL;

	if (c->json) {
		o = json_pack("{sb so sO}", "good", !r->bad, "checks", r->checks != NULL ? r->checks : json_array(), "missing",
			      g->json);
		r->checks = NULL;
		CLI_TRY(cli_print_json(c, o));
	} else if (r->bad) {
		(void)fwrite(g->text.data, 1, g->text.len, c->out);
	} else {
		fprintf(c->out, "%s\n",
			r->of[0] == '\0' ? "nothing to check: no cluster, and no issuer whose keys are fetched" : "all good");
	}
	return r->bad ? CLI_FAILED : CLI_OK;
}

static struct err check_clusters(struct kube *k, struct report *r, struct range which, struct grants *g)
{
	const struct conf *conf = r->c->conf;
	struct kube_missing missing;
	char of[96];

	for (unsigned i = which.first; i < which.end; i++) {
		const char *id = conf_text(conf, conf->clusters[i].id);

		(void)snprintf(of, sizeof(of), "cluster %s", id);
		report_begin(r, of);
		kube_check_cluster(k, r, i, &missing);
		TRY(add_grant(r->c, id, &missing, g));
	}
	return OK;
}

static void check_issuers(const struct cli *c, struct kube *k, struct report *r)
{
	char of[128];

	for (unsigned i = 0; i < c->conf->issuer_count && cli_value(c, "cluster") == NULL; i++) {
		enum conf_keys from = conf_keys_of(&c->conf->issuers[i]);

		if (from != CONF_KEYS_URL && from != CONF_KEYS_DISCOVERY) continue;
		(void)snprintf(of, sizeof(of), "issuer %s", conf_text(c->conf, c->conf->issuers[i].name));
		report_begin(r, of);
		kube_check_issuer(k, r, i);
	}
}

enum cli_exit run_kube_check(struct cli *c)
{
	AUTO(kube) struct kube k = { .loop = NULL };
	AUTO(grants) struct grants g = { .text = { .max = CONF_CLUSTERS_MAX * RBAC_MAX }, .json = json_array() };
	AUTO(report) struct report r = { .c = c };
	struct range which;
	struct err e;

	CLI_TRY(cli_conf_load(c, cli_conf_path(c), &c->conf));
	CLI_TRY(choose_clusters(c, &which));
	CLI_TRY(become_daemon(c));
	e = kube_open(&k);
	if (e.code == ERR_OK) e = check_clusters(&k, &r, which, &g);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s", e.reason);
	check_issuers(c, &k, &r);
	return print_end(c, &r, &g);
}

/* ---- kube rbac ---- */

static bool is_printable(const char *text)
{
	for (const char *p = text; *p != '\0'; p++)
		if (*p < ' ' || *p > '~') return false;
	return text[0] != '\0';
}

static enum cli_exit choose_user(const struct cli *c, char user[KUBE_TEXT_MAX + 1])
{
	const char *name = cli_value(c, "user"), *account = cli_value(c, "service-account");
	struct bytes ns, rest;
	int n;

	if ((name == NULL) == (account == NULL))
		return cli_fail(c, CLI_USAGE, "give one of --service-account NAMESPACE:NAME and --user NAME: who Signet is there");
	n = snprintf(user, KUBE_TEXT_MAX + 1, "%s%s", account != NULL ? "system:serviceaccount:" : "",
		     account != NULL ? account : name);
	if (n < 0 || n > KUBE_TEXT_MAX || !is_printable(user))
		return cli_fail(c, CLI_USAGE, "--user: 1 to 256 printable ASCII characters");
	if (account != NULL && kube_account_split(bytes_str(user), &ns, &rest).code != ERR_OK)
		return cli_fail(c, CLI_USAGE, "--service-account %s: write NAMESPACE:NAME", account);
	return CLI_OK;
}

enum cli_exit run_kube_rbac(struct cli *c)
{
	AUTO(buf) struct buf text = { .max = RBAC_MAX };
	AUTO(json) json_t *o = NULL;
	struct need needs[NEEDS_MAX];
	char user[KUBE_TEXT_MAX + 1];
	struct rbac rbac = { .name = ROLE, .user = user, .account = true, .needs = needs };
	struct range which;
	struct err e;

	CLI_TRY(choose_user(c, user));
	CLI_TRY(cli_conf_load(c, cli_conf_path(c), &c->conf));
	CLI_TRY(choose_clusters(c, &which));
	if (which.end == 0) return cli_fail(c, CLI_NOT_FOUND, "%s has no clusters", cli_conf_path(c));
	if (which.end != which.first + 1) return cli_fail(c, CLI_USAGE, "%s has several clusters: --cluster ID", cli_conf_path(c));
	rbac.count = needs_of(c->conf, which.first, needs);
	e = rbac_put_manifest(&rbac, &text);
	if (e.code == ERR_OK) e = buf_put(&text, "", 1);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s", e.reason);
	if (!c->json) {
		fputs((const char *)text.data, c->out);
		return CLI_OK;
	}
	o = json_pack("{ss ss}", "cluster", conf_text(c->conf, c->conf->clusters[which.first].id), "manifest", text.data);
	return cli_print_json(c, o);
}
