/* policy.c: the decision, and the same decision told.  One walk does both, so that they cannot differ. */
#include "policy/policy.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "key/key.h"
#include "policy/internal.h"

struct decision {
	const struct conf *conf;
	const struct caller *caller;
	const struct policy_request *req;
	const struct conf_rule *rule;
	struct buf *told;     /* NULL: nobody listens */
	struct err told_err;  /* the first that telling ran into */
	bool near_only;       /* nothing is told of a rule of which nothing holds */
};

/* ---- telling ---- */

__attribute__((format(printf, 2, 3))) static void tell(struct decision *d, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	if (d->told == NULL || d->told_err.code != ERR_OK) return;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0) d->told_err = buf_put(d->told, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

/* A value in quotes; escaped, so that it cannot look like a line of ours. */
static void tell_value(struct decision *d, struct bytes value)
{
	tell(d, "\"");
	for (size_t i = 0; d->told != NULL && i < value.len; i++) {
		uint8_t ch = value.data[i];
		tell(d, ch < 0x20 || ch >= 0x7f || ch == '"' || ch == '\\' ? "\\x%02x" : "%c", ch);
	}
	tell(d, "\"");
}

static void tell_rule(struct decision *d)
{
	tell(d, "rule %s", conf_text(d->conf, d->rule->name));
	if (d->rule->line > 0) tell(d, " (line %u)", d->rule->line);
	else tell(d, " (built in)");
}

static void tell_list(struct decision *d, struct conf_list list)
{
	for (uint32_t i = 0; i < list.count; i++) tell(d, "%s%s", i == 0 ? "" : " or ", conf_item(d->conf, list, i));
}

static void tell_failure(struct decision *d, const char *template, const struct template_failure *f)
{
	tell(d, ": matches, but cannot fill %s: ", template);
	if (f->attribute.len > 0) tell(d, "{%.*s}: ", (int)f->attribute.len, (const char *)f->attribute.data);
	tell(d, "%s", f->why);
	if (f->value.len > 0) {
		tell(d, ", ");
		tell_value(d, f->value);
	}
	tell(d, "; denied\n");
}

/* ---- matching ---- */

static bool list_matches(const struct conf *conf, struct conf_list patterns, struct bytes text)
{
	for (uint32_t i = 0; i < patterns.count; i++)
		if (policy_glob(conf_item(conf, patterns, i), text, '/')) return true;
	return false;
}

static bool match_holds(const struct decision *d, const struct conf_match *m)
{
	struct bytes name = bytes_str(conf_text(d->conf, m->attribute));
	size_t cursor = 0, len;
	const char *value;
	while ((value = caller_next(d->caller, name, &cursor, &len)) != NULL)
		if (list_matches(d->conf, m->patterns, BYTES(value, len))) return true;
	return false;
}

static bool rule_matches(const struct decision *d)
{
	for (uint32_t i = 0; i < d->rule->match_count; i++)
		if (!match_holds(d, &d->conf->matches[d->rule->match_first + i])) return false;
	return true;
}

static void tell_mismatch(struct decision *d, const struct conf_match *m)
{
	const char *name = conf_text(d->conf, m->attribute), *value;
	size_t cursor = 0, len;
	bool any = false;
	tell(d, "; %s is ", name);
	for (; (value = caller_next(d->caller, bytes_str(name), &cursor, &len)) != NULL; any = true) {
		if (any) tell(d, " and ");
		tell_value(d, BYTES(value, len));
	}
	tell(d, any ? ", wanted " : "missing, wanted ");
	tell_list(d, m->patterns);
}

/* Which matches hold and which do not; only when somebody listens, because it does not stop at the first. */
static void tell_near(struct decision *d)
{
	uint32_t held = 0;
	if (d->told == NULL) return;
	for (uint32_t i = 0; i < d->rule->match_count; i++)
		held += match_holds(d, &d->conf->matches[d->rule->match_first + i]);
	if (d->near_only && held == 0) return;
	tell_rule(d);
	tell(d, ": %u of %u hold", held, d->rule->match_count);
	for (uint32_t i = 0; i < d->rule->match_count; i++) {
		const struct conf_match *m = &d->conf->matches[d->rule->match_first + i];
		if (!match_holds(d, m)) tell_mismatch(d, m);
	}
	tell(d, "\n");
}

/* ---- what a rule that matches gives ---- */

#define DENY(d, ...)                                                                                                   \
	do {                                                                                                           \
		tell(d, __VA_ARGS__);                                                                                  \
		FAIL(ERR_PERMISSION_DENIED, "policy: not allowed");                                                    \
	} while (0)

static struct err check_key(struct decision *d)
{
	if (d->req->key == NULL) return OK;
	const char *name = key_type_conf_name(d->req->key->type);
	bool ok = conf_list_has(d->conf, d->conf->cert.key_types, name) &&
		  (d->rule->key_types.count == 0 || conf_list_has(d->conf, d->rule->key_types, name));
	if (!ok) DENY(d, ": matches, but the key type %s is not allowed; denied\n", name[0] == '\0' ? "of the request" : name);
	return OK;
}

/* One of Signet's own names for it: its own CA, or an entry of `issuers`. */
static bool allows(const struct decision *d, const char *asked)
{
	struct conf_list allowed = d->rule->issuers;
	if (allowed.count == 0) return strcmp(asked, conf_text(d->conf, d->conf->default_issuer)) == 0;
	for (uint32_t i = 0; i < allowed.count; i++)
		if (strcmp(conf_item(d->conf, allowed, i), asked) == 0) return true;
	return false;
}

static bool by_name(const struct decision *d, const char *asked, struct policy_grant *grant)
{
	int at = conf_csr_issuer_find(d->conf, bytes_str(asked));
	bool own = strcmp(asked, CONF_OWN_ISSUER) == 0;
	if ((!own && (at < 0 || d->conf->csr_issuers[at].signer_name == 0)) || !allows(d, asked)) return false;
	grant->issuer = own ? CONF_OWN_ISSUER : conf_text(d->conf, d->conf->csr_issuers[at].name);
	return true;
}

/* What Istio calls a CertSigner: the last part of a signer's name.  The rule allows it as NAME/X. */
static bool by_domain(const struct decision *d, const char *asked, struct policy_grant *grant)
{
	for (uint32_t i = 0; i < d->conf->csr_issuer_count; i++) {
		const struct conf_csr_issuer *issuer = &d->conf->csr_issuers[i];
		const char *name = conf_text(d->conf, issuer->name), *domain = conf_text(d->conf, issuer->signer_domain);
		char full[64 + KUBE_SIGNER_MAX + 2];
		int n = snprintf(full, sizeof(full), "%s/%s", name, asked);
		bool fits = domain[0] != '\0' && n > 0 && (size_t)n < sizeof(full);
		for (uint32_t k = 0; fits && k < d->rule->issuers.count; k++) {
			if (!policy_glob(conf_item(d->conf, d->rule->issuers, k), bytes_str(full), '/')) continue;
			n = snprintf(grant->signer_name, sizeof(grant->signer_name), "%s/%s", domain, asked);
			if (n < 0 || (size_t)n >= sizeof(grant->signer_name) ||
			    !kube_signer_valid(bytes_str(grant->signer_name)))
				break;
			grant->issuer = name;
			return true;
		}
	}
	grant->signer_name[0] = '\0';
	return false;
}

static struct err choose_issuer(struct decision *d, struct policy_grant *grant)
{
	const char *asked = d->req->issuer == NULL || d->req->issuer[0] == '\0' ? conf_text(d->conf, d->conf->default_issuer)
										: d->req->issuer;
	grant->issuer = NULL;
	grant->signer_name[0] = '\0';
	if (by_name(d, asked, grant) || by_domain(d, asked, grant)) return OK;
	tell(d, ": matches, but the issuer ");
	tell_value(d, bytes_str(asked));
	DENY(d, " is not allowed; denied\n");
}

static struct template_source source_of(const struct decision *d)
{
	return (struct template_source){ .trust_domain = conf_text(d->conf, d->conf->trust_domain), .caller = d->caller };
}

/* A rule of proxies need not say what they are themselves. */
static void note_own(const struct decision *d, struct policy_grant *grant)
{
	const struct template_source source = source_of(d);
	const char *text = conf_text(d->conf, d->rule->spiffe_id);
	struct template_failure failure;

	if (text[0] == '\0' || !policy_fill_spiffe_id(&source, text, grant->own_id, &failure)) grant->own_id[0] = '\0';
}

/* The ID asked for in place of the caller's own: a right of the rule, and never outside our trust domain (Istio does not
 * compare it: facts/istio.md 1, node authorizer). */
static struct err impersonate(struct decision *d, struct policy_grant *grant)
{
	struct bytes asked = bytes_str(d->req->impersonate);
	const char *problem = NULL;
	if (d->rule->impersonate.count == 0) problem = "the rule gives no right to impersonate";
	else if (!policy_is_workload(asked, conf_text(d->conf, d->conf->trust_domain)))
		problem = "the impersonated ID is not that of a workload in the trust domain";
	else if (!list_matches(d->conf, d->rule->impersonate, asked)) problem = "the rule does not let it impersonate that ID";
	if (problem == NULL) {
		memcpy(grant->spiffe_id, asked.data, asked.len);
		grant->spiffe_id[asked.len] = '\0';
		note_own(d, grant);
		return OK; /* and none of the names: they are the caller's own */
	}
	tell(d, ": matches, but %s, ", problem);
	tell_value(d, asked);
	DENY(d, "; denied\n");
}

static struct err fill_names(struct decision *d, const struct template_source *source, enum template_kind kind,
			     struct conf_list templates, struct policy_grant *grant)
{
	struct template_failure failure;
	for (uint32_t i = 0; i < templates.count; i++) {
		const char *text = conf_item(d->conf, templates, i);
		if (grant->name_count == POLICY_NAMES_MAX) DENY(d, ": matches, but has too many names; denied\n");
		if (!policy_fill_name(source, kind, text, &grant->names[grant->name_count], &failure)) {
			tell_failure(d, text, &failure);
			FAIL(ERR_PERMISSION_DENIED, "policy: not allowed");
		}
		grant->name_count++;
	}
	return OK;
}

static struct err fill_own(struct decision *d, struct policy_grant *grant)
{
	const struct template_source source = source_of(d);
	const char *text = conf_text(d->conf, d->rule->spiffe_id);
	struct template_failure failure;
	if (!policy_fill_spiffe_id(&source, text, grant->spiffe_id, &failure)) {
		tell_failure(d, text, &failure);
		FAIL(ERR_PERMISSION_DENIED, "policy: not allowed");
	}
	TRY(fill_names(d, &source, TEMPLATE_DNS, d->rule->dns_names, grant));
	return fill_names(d, &source, TEMPLATE_IP, d->rule->ip_addresses, grant);
}

/* Above the server's maximum: refused as Istio refuses (facts/istio.md 1); above the rule's: shortened. */
static struct err choose_lifetime(struct decision *d, struct policy_grant *grant)
{
	int64_t max = d->conf->cert.max_lifetime, lifetime = d->req->validity;
	if (lifetime > max) {
		tell(d, ": matches, but %" PRId64 "s is more than cert.max_lifetime; refused\n", lifetime);
		FAIL(ERR_INVALID_ARGUMENT, "policy: requested lifetime is greater than the maximum allowed");
	}
	if (lifetime <= 0) lifetime = d->rule->default_lifetime > 0 ? d->rule->default_lifetime : d->conf->cert.default_lifetime;
	if (d->rule->max_lifetime > 0 && d->rule->max_lifetime < max) max = d->rule->max_lifetime;
	grant->lifetime = lifetime < max ? lifetime : max;
	return OK;
}

static void tell_grant(struct decision *d, const struct policy_grant *grant)
{
	tell(d, ": matches; grants ");
	if (d->told != NULL && d->told_err.code == ERR_OK) d->told_err = buf_put_str(d->told, grant->spiffe_id);
	tell(d, " for %" PRId64 "s by %s with %u DNS and IP names\n", grant->lifetime, grant->issuer, grant->name_count);
}

static struct err rule_grant(struct decision *d, struct policy_grant *grant)
{
	bool other = d->req->impersonate != NULL && d->req->impersonate[0] != '\0';
	grant->same_node = other && d->rule->same_node;
	grant->own_id[0] = '\0';
	grant->name_count = 0; /* the rest of it is written below; it is large, so it is not cleared */
	tell_rule(d);
	if (d->rule->deny) DENY(d, ": matches and denies\n");
	TRY(other ? impersonate(d, grant) : fill_own(d, grant));
	TRY(check_key(d));
	TRY(choose_issuer(d, grant));
	TRY(choose_lifetime(d, grant));
	grant->rule = conf_text(d->conf, d->rule->name);
	tell_grant(d, grant);
	return OK;
}

/* ---- which attributes matter ---- */

static bool template_asks_for(const char *text, struct bytes attribute)
{
	struct bytes name;
	bool malformed;

	while (policy_template_next(&text, &name, &malformed))
		if (bytes_equal(name, attribute)) return true;
	return false;
}

static bool templates_ask_for(const struct conf *conf, struct conf_list templates, struct bytes attribute)
{
	for (uint32_t i = 0; i < templates.count; i++)
		if (template_asks_for(conf_item(conf, templates, i), attribute)) return true;
	return false;
}

static bool rule_asks_for(const struct conf *conf, const struct conf_rule *rule, struct bytes attribute)
{
	for (uint32_t i = 0; i < rule->match_count; i++)
		if (bytes_is(attribute, conf_text(conf, conf->matches[rule->match_first + i].attribute))) return true;
	return template_asks_for(conf_text(conf, rule->spiffe_id), attribute) ||
	       templates_ask_for(conf, rule->dns_names, attribute) || templates_ask_for(conf, rule->ip_addresses, attribute);
}

bool policy_asks_for(const struct conf *conf, const char *attribute)
{
	for (uint32_t i = 0; i < conf->rule_count; i++)
		if (rule_asks_for(conf, &conf->rules[i], bytes_str(attribute))) return true;
	return false;
}

/* ---- the decision ---- */

static struct err decide(struct decision *d, struct policy_grant *grant)
{
	for (uint32_t i = 0; i < d->conf->rule_count; i++) {
		d->rule = &d->conf->rules[i];
		if (rule_matches(d)) return rule_grant(d, grant);
		tell_near(d);
	}
	DENY(d, "no rule matches; denied\n");
}

struct err policy_decide(const struct conf *conf, const struct caller *caller, const struct policy_request *req,
			 struct policy_grant *grant)
{
	struct decision d = { .conf = conf, .caller = caller, .req = req };
	return decide(&d, grant);
}

static struct err explain(struct decision *d)
{
	struct policy_grant grant;
	(void)decide(d, &grant); /* it is told */
	return d->told_err;
}

struct err policy_explain(const struct conf *conf, const struct caller *caller, const struct policy_request *req, struct buf *out)
{
	struct decision d = { .conf = conf, .caller = caller, .req = req, .told = out, .told_err = OK };
	return explain(&d);
}

struct err policy_explain_near(const struct conf *conf, const struct caller *caller, const struct policy_request *req,
			       struct buf *out)
{
	struct decision d = { .conf = conf, .caller = caller, .req = req, .told = out, .told_err = OK, .near_only = true };
	return explain(&d);
}
