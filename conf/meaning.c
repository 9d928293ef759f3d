/* meaning.c: what no single item can say. */
#include <string.h>

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

/* A token's issuer is looked up by `iss`, and rules name it by `name`: a second entry would never be used. */
static struct err check_issuers(struct loader *l, const yaml_node_t *root)
{
	const struct conf *c = l->c;
	const yaml_node_t *node = conf_tree_find(&l->t, root, "jwt_issuers");
	char key[TREE_QUOTE_MAX], quoted[TREE_QUOTE_MAX];
	for (uint32_t i = 0; i < c->issuer_count; i++)
		for (uint32_t j = 0; j < i; j++) {
			bool name = strcmp(conf_text(c, c->issuers[i].name), conf_text(c, c->issuers[j].name)) == 0;
			conf_str same = name ? c->issuers[i].name : c->issuers[i].issuer;
			if (!name && strcmp(conf_text(c, c->issuers[i].issuer), conf_text(c, c->issuers[j].issuer)) != 0) continue;
			snprintf(key, sizeof(key), "jwt_issuers[%u].%s", i, name ? "name" : "issuer");
			return conf_refuse(&l->t, conf_tree_node(&l->t, node->data.sequence.items.start[i]), key,
					     "%s is that of jwt_issuers[%u] too", conf_quote(conf_text(c, same), quoted), j);
		}
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
	return check_issuers(l, root);
}
