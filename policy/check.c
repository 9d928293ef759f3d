/* check.c: what the schema cannot say about rules.  A rule that could never hold, or never be filled, is a mistake that
 * an operator should hear of at start and not from a workload without a certificate. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policy/internal.h"

struct check {
	const struct conf *conf;
	const struct conf_rule *rule;
	char *problem;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static struct err refuse(struct check *c, const char *key, const char *fmt, ...)
{
	va_list ap;
	int n = c->rule->line > 0 ? snprintf(c->problem, c->size, "rule %s (line %u): %s: ", conf_text(c->conf, c->rule->name),
					     c->rule->line, key)
				  : snprintf(c->problem, c->size, "rule %s: %s: ", conf_text(c->conf, c->rule->name), key);
	va_start(ap, fmt);
	if (n > 0 && (size_t)n < c->size) vsnprintf(c->problem + n, c->size - (size_t)n, fmt, ap);
	va_end(ap);
	FAIL(ERR_INVALID_ARGUMENT, "policy: a rule is refused");
}

/* ---- attributes ---- */

static const char *const attributes[] = { "method", "trust_domain", "spiffe_id", "issuer", "cluster", "k8s.namespace",
	"k8s.service_account", "k8s.pod", "k8s.pod_uid", "k8s.node" };
static const char *const methods[] = { "jwt", "mtls", "join_token" };

static bool attribute_known(struct bytes name)
{
	for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
		if (bytes_is(name, attributes[i])) return true;
	return name.len > strlen("claim.") && bytes_has_prefix(name, bytes_str("claim."));
}

static bool method_possible(const char *pattern)
{
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (policy_glob(pattern, bytes_str(methods[i]), '/')) return true;
	return false;
}

static bool issuer_possible(const struct conf *conf, const char *pattern)
{
	for (uint32_t i = 0; i < conf->issuer_count; i++)
		if (policy_glob(pattern, bytes_str(conf_text(conf, conf->issuers[i].name)), '/')) return true;
	return false;
}

static struct err check_match(struct check *c, const struct conf_match *m)
{
	const char *name = conf_text(c->conf, m->attribute);
	if (!attribute_known(bytes_str(name)))
		return refuse(c, "match", "there is no attribute %s; claims of a token are claim.NAME", name);
	for (uint32_t i = 0; i < m->patterns.count; i++) {
		const char *pattern = conf_item(c->conf, m->patterns, i);
		if (strstr(pattern, "***") != NULL) return refuse(c, "match", "*** in the pattern %s", pattern);
		if (strcmp(name, "method") == 0 && !method_possible(pattern))
			return refuse(c, "match", "method is never %s; it is jwt, mtls or join_token", pattern);
		if (strcmp(name, "issuer") == 0 && !issuer_possible(c->conf, pattern))
			return refuse(c, "match", "no entry of jwt_issuers has the name %s", pattern);
	}
	return OK;
}

/* ---- templates ---- */

/* Attributes of a template: known, and no two in one segment, because values that differ could then give one ID. */
static struct err check_attributes(struct check *c, const char *key, const char *text, const char *separators)
{
	const char *at = text, *before = NULL;
	struct bytes name;
	bool malformed;
	while (policy_template_next(&at, &name, &malformed)) {
		const char *start = (const char *)name.data - 1;
		if (!attribute_known(name))
			return refuse(c, key, "there is no attribute %.*s; claims of a token are claim.NAME", (int)name.len,
				      (const char *)name.data);
		if (bytes_is(name, "spiffe_id") && (strcmp(key, "spiffe_id") != 0 || strcmp(text, "{spiffe_id}") != 0))
			return refuse(c, key, "{spiffe_id} holds '/', so it must be the whole spiffe_id");
		if (before != NULL && before + strcspn(before, separators) >= start)
			return refuse(c, key, "two attributes in one segment of %s: different values could give the same name",
				      text);
		before = at;
	}
	return malformed ? refuse(c, key, "%s: a brace has no partner", text) : OK;
}

static struct template_source trial(const struct check *c)
{
	return (struct template_source){ .trust_domain = conf_text(c->conf, c->conf->trust_domain), .caller = NULL };
}

static struct err check_spiffe_id(struct check *c)
{
	const char *text = conf_text(c->conf, c->rule->spiffe_id);
	struct template_source source = trial(c);
	struct template_failure failure;
	char filled[SPIFFE_ID_MAX + 1];
	if (text[0] == '\0') {
		if (c->rule->deny || c->rule->impersonate.count > 0) return OK;
		return refuse(c, "spiffe_id", "missing; a rule grants an ID, or says deny: true");
	}
	TRY(check_attributes(c, "spiffe_id", text, "/"));
	if (!policy_fill_spiffe_id(&source, text, filled, &failure))
		return refuse(c, "spiffe_id", "%s: %s; write spiffe://{trust_domain}/...", text, failure.why);
	return OK;
}

static struct err check_names(struct check *c, const char *key, enum template_kind kind, struct conf_list list)
{
	struct template_source source = trial(c);
	struct template_failure failure;
	struct policy_name name;
	for (uint32_t i = 0; i < list.count; i++) {
		const char *text = conf_item(c->conf, list, i);
		TRY(check_attributes(c, key, text, kind == TEMPLATE_DNS ? "." : ".:"));
		if (!policy_fill_name(&source, kind, text, &name, &failure)) return refuse(c, key, "%s: %s", text, failure.why);
	}
	return OK;
}

static struct err check_templates(struct check *c)
{
	TRY(check_spiffe_id(c));
	TRY(check_names(c, "dns_names", TEMPLATE_DNS, c->rule->dns_names));
	TRY(check_names(c, "ip_addresses", TEMPLATE_IP, c->rule->ip_addresses));
	if (c->rule->dns_names.count + c->rule->ip_addresses.count > POLICY_NAMES_MAX)
		return refuse(c, "dns_names", "more than %d DNS names and IP addresses together", POLICY_NAMES_MAX);
	return OK;
}

/* ---- the rest ---- */

static struct err check_impersonate(struct check *c)
{
	char prefix[sizeof("spiffe://") + SPIFFE_TRUST_DOMAIN_MAX + 1];
	snprintf(prefix, sizeof(prefix), "spiffe://%s/", conf_text(c->conf, c->conf->trust_domain));
	for (uint32_t i = 0; i < c->rule->impersonate.count; i++) {
		const char *pattern = conf_item(c->conf, c->rule->impersonate, i);
		if (strpbrk(pattern, "{}") != NULL)
			return refuse(c, "impersonate", "%s: attributes are not filled in here; write the pattern out", pattern);
		if (strncmp(pattern, prefix, strlen(prefix)) != 0)
			return refuse(c, "impersonate", "%s does not begin with %s", pattern, prefix);
	}
	return OK;
}

static struct err check_lifetimes(struct check *c)
{
	const struct conf_rule *r = c->rule;
	int64_t max = c->conf->cert.max_lifetime;
	if (r->max_lifetime > max) return refuse(c, "max_lifetime", "more than cert.max_lifetime");
	if (r->default_lifetime > max) return refuse(c, "default_lifetime", "more than cert.max_lifetime");
	if (r->max_lifetime > 0 && r->default_lifetime > r->max_lifetime)
		return refuse(c, "default_lifetime", "more than the rule's max_lifetime");
	return OK;
}

/* NAME, or NAME/PATTERN of one whose signers requests choose. */
static struct err check_issuer(struct check *c, const char *issuer)
{
	size_t n = strcspn(issuer, "/");
	int at = conf_csr_issuer_find(c->conf, BYTES(issuer, n));
	if (strcmp(issuer, CONF_OWN_ISSUER) == 0) return OK;
	if (at < 0) return refuse(c, "issuers", "there is no issuer %.*s", (int)n, issuer);
	if (issuer[n] == '/' && c->conf->csr_issuers[at].signer_domain == 0)
		return refuse(c, "issuers", "%s: that issuer has no signer_domain, so it signs by one name only", issuer);
	if (issuer[n] == '\0' && c->conf->csr_issuers[at].signer_name == 0)
		return refuse(c, "issuers", "%s: that issuer has no signer_name: write %s/PATTERN", issuer, issuer);
	return OK;
}

static struct err check_same_node(struct check *c)
{
	if (!c->rule->same_node) return OK;
	if (c->rule->impersonate.count == 0) return refuse(c, "same_node", "is about impersonate, which is not there");
	return c->conf->cluster_count > 0 ? OK : refuse(c, "same_node", "needs an entry of clusters, to know where pods are");
}

static struct err check_lists(struct check *c)
{
	for (uint32_t i = 0; i < c->rule->key_types.count; i++) {
		const char *type = conf_item(c->conf, c->rule->key_types, i);
		if (!conf_list_has(c->conf, c->conf->cert.key_types, type))
			return refuse(c, "key_types", "%s is not in cert.key_types", type);
	}
	for (uint32_t i = 0; i < c->rule->issuers.count; i++) {
		const char *issuer = conf_item(c->conf, c->rule->issuers, i);
		TRY(check_issuer(c, issuer));
	}
	return OK;
}

/* The keeper would refuse each of them: better now than at the first request. */
static struct err check_allowed(struct check *c)
{
	if (c->rule->dns_names.count > 0 && c->conf->ca.allow_dns_names.count == 0)
		return refuse(c, "dns_names", "ca.allow_dns_names is empty, so none can be issued");
	if (c->rule->ip_addresses.count > 0 && c->conf->ca.allow_ip_ranges.count == 0)
		return refuse(c, "ip_addresses", "ca.allow_ip_ranges is empty, so none can be issued");
	return OK;
}

static struct err check_unique(struct check *c, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (strcmp(conf_text(c->conf, c->conf->rules[i].name), conf_text(c->conf, c->rule->name)) == 0)
			return refuse(c, "name", "another rule before has the same name");
	return OK;
}

struct err policy_check(const struct conf *conf, char *problem, size_t size)
{
	struct check c = { .conf = conf, .problem = problem, .size = size };
	for (uint32_t i = 0; i < conf->rule_count; i++) {
		c.rule = &conf->rules[i];
		TRY(check_unique(&c, i));
		for (uint32_t m = 0; m < c.rule->match_count; m++) TRY(check_match(&c, &conf->matches[c.rule->match_first + m]));
		TRY(check_templates(&c));
		TRY(check_impersonate(&c));
		TRY(check_lifetimes(&c));
		TRY(check_lists(&c));
		TRY(check_same_node(&c));
		TRY(check_allowed(&c));
	}
	return OK;
}
