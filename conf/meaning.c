/* meaning.c: what no single item can say. */
#include <string.h>

#include "base/url.h"
#include "conf/loader.h"

static const struct schema_item *item_find(const char *key)
{
	for (size_t i = 0; i < schema_top.count; i++)
		if (strcmp(schema_top.items[i].key, key) == 0) return &schema_top.items[i];
	return NULL;
}

/* `less` may not be more than `more`; as a default it gives way. */
static struct err check_order(struct loader *l, const yaml_node_t *root, const char *less, const char *more)
{
	const struct schema_item *a = item_find(less), *b = item_find(more);
	const yaml_node_t *given = conf_tree_find(&l->t, root, less);
	int64_t bound = conf_value_integer(b, l->c);
	char text[SCHEMA_NUMBER_MAX], bound_text[SCHEMA_NUMBER_MAX];
	if (conf_value_integer(a, l->c) <= bound) return OK;
	if (given == NULL) {
		memcpy((char *)l->c + a->offset, &bound, sizeof(bound));
		return OK;
	}
	schema_print_number(a->type, conf_value_integer(a, l->c), text);
	schema_print_number(b->type, bound, bound_text);
	return conf_refuse(&l->t, given, less, "%s is more than %s, which is %s", text, more, bound_text);
}

/* Percents, not seconds or counts: equal ones would never let anybody learn the next root. */
static struct err check_rotation(struct loader *l, const yaml_node_t *root)
{
	const yaml_node_t *prepare = conf_tree_find(&l->t, root, "ca.prepare_at"),
			  *activate = conf_tree_find(&l->t, root, "ca.activate_at");

	if (l->c->ca.prepare_at < l->c->ca.activate_at) return OK;
	if (activate != NULL)
		return conf_refuse(&l->t, activate, "ca.activate_at", "is not more than ca.prepare_at, which is %lld",
				   (long long)l->c->ca.prepare_at);
	return conf_refuse(&l->t, prepare, "ca.prepare_at", "is not less than ca.activate_at, which is %lld",
			   (long long)l->c->ca.activate_at);
}

static struct err check_tls_files(struct loader *l, const yaml_node_t *root)
{
	bool cert = l->c->tls.cert_file != 0, key = l->c->tls.key_file != 0;
	if (cert == key) return OK;
	const char *given = cert ? "tls.cert_file" : "tls.key_file", *missing = cert ? "tls.key_file" : "tls.cert_file";
	return conf_refuse(&l->t, conf_tree_find(&l->t, root, given), given, "needs %s beside it", missing);
}

/* The key's process has the trust domain as its first limit: a pattern outside it could never allow anything. */
static struct err check_allowed_ids(struct loader *l, const yaml_node_t *root)
{
	const char *domain = conf_text(l->c, l->c->trust_domain);
	char prefix[sizeof("spiffe://") + 256], quoted[TREE_QUOTE_MAX];
	int n = snprintf(prefix, sizeof(prefix), "spiffe://%s/", domain);
	for (uint32_t i = 0; i < l->c->ca.allow_spiffe_ids.count; i++) {
		const char *pattern = conf_item(l->c, l->c->ca.allow_spiffe_ids, i);
		if (strncmp(pattern, prefix, (size_t)n) != 0)
			return conf_refuse(&l->t, conf_tree_find(&l->t, root, "ca.allow_spiffe_ids"), "ca.allow_spiffe_ids",
					     "%s does not begin with %s", conf_quote(pattern, quoted), prefix);
	}
	return OK;
}

/* Callers are called NAME:SUBJECT in logs, records and bans; those with other evidence spiffe://... and join_token:ID. */
static struct err check_issuer_names(struct loader *l, const yaml_node_t *root)
{
	const yaml_node_t *node = conf_tree_find(&l->t, root, "jwt_issuers");
	char key[TREE_QUOTE_MAX];
	for (uint32_t i = 0; i < l->c->issuer_count; i++) {
		const char *name = conf_text(l->c, l->c->issuers[i].name);
		if (strcmp(name, "spiffe") != 0 && strcmp(name, "join_token") != 0) continue;
		snprintf(key, sizeof(key), "jwt_issuers[%u].name", i);
		return conf_refuse(&l->t, conf_tree_node(&l->t, node->data.sequence.items.start[i]), key,
				     "%s is reserved: its callers would read like those of certificates or join tokens", name);
	}
	return OK;
}

struct element { /* of a list of maps */
	const yaml_node_t *root;
	const char *list;
	uint32_t i;
};

static struct err refuse_element(struct loader *l, struct element at, const char *key, const char *what)
{
	const yaml_node_t *node = conf_tree_find(&l->t, at.root, at.list);
	char name[TREE_QUOTE_MAX];
	snprintf(name, sizeof(name), "%s[%u].%s", at.list, at.i, key);
	return conf_refuse(&l->t, conf_tree_node(&l->t, node->data.sequence.items.start[at.i]), name, "%s", what);
}

/* A token's entry is found by `iss` and cluster, and rules name it by `name`: a second entry would never be used. */
static struct err check_same_issuers(struct loader *l, const yaml_node_t *root)
{
	const struct conf *c = l->c;
	for (uint32_t i = 0; i < c->issuer_count; i++)
		for (uint32_t j = 0; j < i; j++) {
			const struct conf_jwt_issuer *a = &c->issuers[i], *b = &c->issuers[j];
			bool name = strcmp(conf_text(c, a->name), conf_text(c, b->name)) == 0;
			bool issuer = strcmp(conf_text(c, a->issuer), conf_text(c, b->issuer)) == 0 &&
				      strcmp(conf_text(c, a->cluster), conf_text(c, b->cluster)) == 0;
			char what[TREE_QUOTE_MAX + 64], quoted[TREE_QUOTE_MAX];
			if (!name && !issuer) continue;
			snprintf(what, sizeof(what), "%s is that of jwt_issuers[%u] too",
				 conf_quote(conf_text(c, name ? a->name : a->issuer), quoted), j);
			return refuse_element(l, (struct element){ root, "jwt_issuers", i }, name ? "name" : "issuer", what);
		}
	return OK;
}

static struct err check_keys(struct loader *l, const yaml_node_t *root, uint32_t i)
{
	const struct conf_jwt_issuer *j = &l->c->issuers[i];
	int sources = (j->jwks_file != 0) + (j->jwks_url != 0) + j->discovery;
	const struct {
		bool broken;
		const char *key, *what;
	} rules[] = {
		{ sources > 1, "jwks_file", "one of jwks_file, jwks_url and discovery, not two" },
		{ sources == 0 && j->cluster == 0, "jwks_file",
		  "where are its keys? Give jwks_file, jwks_url, discovery: true, or the cluster whose tokens these are" },
		{ j->cluster != 0 && conf_cluster_find(l->c, conf_text(l->c, j->cluster)) < 0, "cluster",
		  "no entry of clusters has that id" },
		{ j->token_review != CONF_REVIEW_OFF && j->cluster == 0, "token_review", "needs the cluster to ask" },
		{ j->cluster != 0 && j->kind != CONF_ISSUER_KUBERNETES, "cluster", "needs kind: kubernetes" },
		{ j->token_review == CONF_REVIEW_ONLY && sources > 0, "token_review",
		  "only: then no keys are used; leave them out" },
		{ j->ca_file != 0 && j->jwks_url == 0 && !j->discovery, "ca_file", "is for jwks_url and discovery" },
		{ j->ca_file == 0 && (j->jwks_url != 0 || j->discovery), "ca_file",
		  "missing: whom to believe for this URL (for a public issuer /etc/ssl/certs/ca-certificates.crt)" },
		{ j->discovery && url_check(bytes_str(conf_text(l->c, j->issuer)), false).code != ERR_OK, "discovery",
		  "needs an issuer that is a URL: https://..." },
	};
	for (size_t n = 0; n < ARRAY_LEN(rules); n++)
		if (rules[n].broken)
			return refuse_element(l, (struct element){ root, "jwt_issuers", i }, rules[n].key, rules[n].what);
	return OK;
}

static struct err check_clusters(struct loader *l, const yaml_node_t *root)
{
	const struct conf *c = l->c;
	for (uint32_t i = 0; i < c->cluster_count; i++) {
		if (conf_cluster_find(c, conf_text(c, c->clusters[i].id)) != (int)i)
			return refuse_element(l, (struct element){ root, "clusters", i }, "id", "is that of another entry too");
		if (c->clusters[i].context != 0 && c->clusters[i].kubeconfig == 0)
			return refuse_element(l, (struct element){ root, "clusters", i }, "context", "needs kubeconfig");
	}
	return OK;
}

static struct err check_csr_issuer(struct loader *l, const yaml_node_t *root, uint32_t i)
{
	const struct conf_csr_issuer *s = &l->c->csr_issuers[i];
	const char *name = conf_text(l->c, s->name);
	const struct {
		bool broken;
		const char *key, *what;
	} rules[] = {
		{ strcmp(name, CONF_OWN_ISSUER) == 0 || strchr(name, '/') != NULL, "name",
		  "is kept for Signet's own CA, or has a '/', which is for signers that requests choose" },
		{ conf_csr_issuer_find(l->c, bytes_str(name)) != (int)i, "name", "is that of another entry too" },
		{ conf_cluster_find(l->c, conf_text(l->c, s->cluster)) < 0, "cluster", "no entry of clusters has that id" },
		{ s->signer_name == 0 && s->signer_domain == 0, "signer_name", "missing; or let requests choose: signer_domain" },
		{ s->roots_file == 0 && !s->trust_on_first_use, "roots_file",
		  "missing: the API does not deliver the roots that its certificates must lead to" },
		{ s->roots_file != 0 && s->trust_on_first_use, "trust_on_first_use", "is for those without roots_file" },
		{ s->signer_domain != 0 && s->trust_on_first_use, "trust_on_first_use",
		  "is not for signer_domain: the signer that the first client chooses would become the root of all" },
	};
	for (size_t n = 0; n < ARRAY_LEN(rules); n++)
		if (rules[n].broken) return refuse_element(l, (struct element){ root, "issuers", i }, rules[n].key, rules[n].what);
	return OK;
}

static struct err check_known_issuer(struct loader *l, const yaml_node_t *root, const char *key, conf_str value)
{
	const char *name = conf_text(l->c, value);
	int at = conf_csr_issuer_find(l->c, bytes_str(name));
	if (strcmp(name, CONF_OWN_ISSUER) == 0) return OK;
	if (at < 0) return conf_refuse(&l->t, conf_tree_find(&l->t, root, key), key, "no entry of issuers has the name %s", name);
	if (l->c->csr_issuers[at].signer_name != 0) return OK;
	return conf_refuse(&l->t, conf_tree_find(&l->t, root, key), key, "needs issuers[%d].signer_name", at);
}

#define SIGNER_NAMES_MAX 16 /* ca/wire.h: names of one request */

/* Another signer of the serving certificate is asked as for any other certificate, and so within the same bounds. */
static struct err check_tls_issuer(struct loader *l, const yaml_node_t *root)
{
	const yaml_node_t *node = conf_tree_find(&l->t, root, "tls.issuer");

	if (strcmp(conf_text(l->c, l->c->tls.issuer), CONF_OWN_ISSUER) == 0) return OK;
	TRY(check_known_issuer(l, root, "tls.issuer", l->c->tls.issuer));
	if (l->c->tls.cert_file != 0) return conf_refuse(&l->t, node, "tls.issuer", "does not go with tls.cert_file");
	if (l->c->tls.names.count > SIGNER_NAMES_MAX)
		return conf_refuse(&l->t, node, "tls.issuer", "takes %d tls.names at most", SIGNER_NAMES_MAX);
	return OK;
}

struct err conf_meaning(struct loader *l, const yaml_node_t *root)
{
	TRY(check_order(l, root, "cert.default_lifetime", "cert.max_lifetime"));
	TRY(check_order(l, root, "auth.token_lifetime", "auth.token_max_lifetime"));
	TRY(check_rotation(l, root));
	TRY(check_tls_files(l, root));
	TRY(check_allowed_ids(l, root));
	TRY(check_issuer_names(l, root));
	TRY(check_same_issuers(l, root));
	TRY(check_clusters(l, root));
	for (uint32_t i = 0; i < l->c->issuer_count; i++) TRY(check_keys(l, root, i));
	for (uint32_t i = 0; i < l->c->csr_issuer_count; i++) TRY(check_csr_issuer(l, root, i));
	TRY(check_known_issuer(l, root, "default_issuer", l->c->default_issuer));
	return check_tls_issuer(l, root);
}
