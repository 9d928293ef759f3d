#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "conf/load.h"
#include "policy/policy.h"

struct attr {
	const char *name, *value;
};

static struct conf *conf_of(const char *yaml)
{
	struct conf *c = NULL;
	struct conf_problem problem;
	char text[8192];
	snprintf(text, sizeof(text), "trust_domain: example.org\ncert: { max_lifetime: 90d, key_types: [p256, p384, rsa] }\n%s\n"
		 "ca: { allow_dns_names: ['**'], allow_ip_ranges: [0.0.0.0/0, '::/0'] }\n", yaml);
	if (conf_parse(bytes_str(text), "test", &c, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	return c;
}

static struct caller *caller_of(const struct attr *attrs)
{
	struct caller *c = NULL;
	assert_int_equal(caller_new(CALLER_JWT, "id", &c).code, ERR_OK);
	for (; attrs->name != NULL; attrs++) assert_int_equal(caller_add(c, attrs->name, bytes_str(attrs->value)).code, ERR_OK);
	return c;
}

#define KUBERNETES "spiffe://example.org/ns/{k8s.namespace}/sa/{k8s.service_account}"
#define RULE(body) "policy: [ { name: r, " body " } ]"
#define SIGNERS                                                                                                        \
	"\nclusters: [ { id: c } ]\nissuers:\n- { name: other, cluster: c, signer_name: x.example/other, roots_file: /r }\n"  \
	"- { name: cm, cluster: c, signer_domain: clusterissuers.cert-manager.io, roots_file: /r }\n"
#define ATTRS(...) (const struct attr[]) { __VA_ARGS__, { NULL, NULL } }
#define NOBODY (const struct attr[]) { { NULL, NULL } }

/* ---- which ID, if any ---- */
static const struct {
	const char *name, *yaml;
	const struct attr *attrs;
	const char *id; /* NULL: denied */
} id_cases[] = {
	{ "built-in: token keeps its ID", "", ATTRS({ "method", "join_token" }, { "spiffe_id", "spiffe://example.org/vm/1" }), "spiffe://example.org/vm/1" },
	{ "built-in: mTLS renews its ID", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "spiffe://example.org/ns/a/sa/b" }), "spiffe://example.org/ns/a/sa/b" },
	{ "built-in: service account", "", ATTRS({ "method", "jwt" }, { "k8s.namespace", "ns" }, { "k8s.service_account", "sa.x" }), "spiffe://example.org/ns/ns/sa/sa.x" },
	{ "built-in: a plain JWT has no rule", "", ATTRS({ "method", "jwt" }, { "claim.sub", "x" }), NULL },
	{ "built-in: no evidence, nothing", "", NOBODY, NULL },
	{ "built-in: ID of another trust domain", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "spiffe://evil.org/a" }), NULL },
	{ "built-in: trust domain as a prefix", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "spiffe://example.org.evil/a" }), NULL },
	{ "built-in: ID without a path", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "spiffe://example.org" }), NULL },
	{ "built-in: not an ID", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "x" }), NULL },
	{ "built-in: empty ID", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "" }), NULL },
	{ "built-in: two IDs", "", ATTRS({ "method", "mtls" }, { "spiffe_id", "spiffe://example.org/a" }, { "spiffe_id", "spiffe://example.org/b" }), NULL },
	{ "no rules at all", "policy: []", ATTRS({ "method", "mtls" }, { "spiffe_id", "spiffe://example.org/a" }), NULL },
	{ "slash in a value", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a/sa/admin" }, { "k8s.service_account", "b" }), NULL },
	{ "dot-dot as a segment", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", ".." }, { "k8s.service_account", "b" }), NULL },
	{ "dot as a segment", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "." }, { "k8s.service_account", "b" }), NULL },
	{ "percent encoding", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a%2fb" }, { "k8s.service_account", "b" }), NULL },
	{ "question mark", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a" }, { "k8s.service_account", "b?x" }), NULL },
	{ "space", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a" }, { "k8s.service_account", "b c" }), NULL },
	{ "newline", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a" }, { "k8s.service_account", "b\n" }), NULL },
	{ "UTF-8", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "\xc3\xa9" }, { "k8s.service_account", "b" }), NULL },
	{ "a star in a value is no pattern", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "*" }, { "k8s.service_account", "b" }), NULL },
	{ "a brace in a value is no template", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "{k8s.service_account}" }, { "k8s.service_account", "b" }), NULL },
	{ "empty value", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "" }, { "k8s.service_account", "b" }), NULL },
	{ "missing value", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a" }), NULL },
	{ "two values", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "a" }, { "k8s.namespace", "b" }, { "k8s.service_account", "b" }), NULL },
	{ "capitals and underscores are legal", RULE("spiffe_id: '" KUBERNETES "'"), ATTRS({ "k8s.namespace", "A_b-1" }, { "k8s.service_account", "..." }), "spiffe://example.org/ns/A_b-1/sa/..." },
	{ "the caller's trust domain is not believed", RULE("spiffe_id: 'spiffe://{trust_domain}/a'"), ATTRS({ "trust_domain", "evil.org" }), "spiffe://example.org/a" },
	{ "no match: everybody", RULE("spiffe_id: 'spiffe://example.org/a'"), NOBODY, "spiffe://example.org/a" },
	{ "all matches must hold", RULE("match: { claim.a: x, claim.b: y }, spiffe_id: 'spiffe://example.org/a'"), ATTRS({ "claim.a", "x" }), NULL },
	{ "one of several patterns", RULE("match: { claim.a: [x, 'y*'] }, spiffe_id: 'spiffe://example.org/a'"), ATTRS({ "claim.a", "yes" }), "spiffe://example.org/a" },
	{ "one of several values", RULE("match: { claim.groups: admin }, spiffe_id: 'spiffe://example.org/a'"), ATTRS({ "claim.groups", "dev" }, { "claim.groups", "admin" }), "spiffe://example.org/a" },
	{ "a value does not match as a pattern", RULE("match: { claim.a: secret }, spiffe_id: 'spiffe://example.org/a'"), ATTRS({ "claim.a", "*" }), NULL },
	{ "glob stops at a slash", RULE("match: { claim.sub: 'repo:org/*' }, spiffe_id: 'spiffe://example.org/a'"), ATTRS({ "claim.sub", "repo:org/a/b" }), NULL },
	{ "deny wins when it is first", "policy: [ { name: d, match: { claim.a: x }, deny: true }, { name: r, spiffe_id: 'spiffe://example.org/a' } ]", ATTRS({ "claim.a", "x" }), NULL },
	{ "first match decides", "policy: [ { name: a, spiffe_id: 'spiffe://example.org/a' }, { name: b, spiffe_id: 'spiffe://example.org/b' } ]", NOBODY, "spiffe://example.org/a" },
	{ "a rule that cannot be filled does not fall through", "policy: [ { name: a, spiffe_id: 'spiffe://example.org/{k8s.pod}' }, { name: b, spiffe_id: 'spiffe://example.org/b' } ]", NOBODY, NULL },
};

static void grants_the_id_or_denies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(id_cases); i++) {
		AUTO(conf) struct conf *c = conf_of(id_cases[i].yaml);
		AUTO(caller) struct caller *who = caller_of(id_cases[i].attrs);
		struct policy_grant grant;
		const struct policy_request req = { .impersonate = "", .issuer = "" };
		struct err e = policy_decide(c, who, &req, &grant);
		enum err_code want = id_cases[i].id == NULL ? ERR_PERMISSION_DENIED : ERR_OK;
		if (e.code != want) fail_msg("%s: %s", id_cases[i].name, e.reason);
		if (want == ERR_OK && strcmp(grant.spiffe_id, id_cases[i].id) != 0) fail_msg("%s: %s", id_cases[i].name, grant.spiffe_id);
		if (want != ERR_OK) assert_string_equal(e.reason, "policy: not allowed"); /* the same for all: nothing leaks */
	}
}

/* ---- names ---- */
static const struct {
	const char *name, *body;
	const char *value; /* of claim.v */
	const char *dns;   /* NULL: denied */
} dns_cases[] = {
	{ "literal", "dns_names: [a.example.org]", "x", "a.example.org" },
	{ "one label", "dns_names: ['{claim.v}.example.org']", "web-1", "web-1.example.org" },
	{ "whole name", "dns_names: ['{claim.v}']", "web.example.org", "web.example.org" },
	{ "literal wildcard", "dns_names: ['*.{claim.v}.example.org']", "web", NULL },
	{ "wildcard in a value", "dns_names: ['{claim.v}.example.org']", "*", NULL },
	{ "wildcard in a whole value", "dns_names: ['{claim.v}']", "*.example.org", NULL },
	{ "dot in a label", "dns_names: ['{claim.v}.example.org']", "a.b", NULL },
	{ "capital", "dns_names: ['{claim.v}.example.org']", "Web", NULL },
	{ "underscore", "dns_names: ['{claim.v}.example.org']", "a_b", NULL },
	{ "leading hyphen", "dns_names: ['{claim.v}.example.org']", "-a", NULL },
	{ "trailing hyphen", "dns_names: ['{claim.v}.example.org']", "a-", NULL },
	{ "slash", "dns_names: ['{claim.v}.example.org']", "a/b", NULL },
	{ "empty label in a whole value", "dns_names: ['{claim.v}']", "a..b", NULL },
	{ "final dot in a whole value", "dns_names: ['{claim.v}']", "a.b.", NULL },
	{ "an address is no host name", "dns_names: ['{claim.v}']", "10.0.0.1", NULL },
	{ "label of 64", "dns_names: ['{claim.v}.example.org']", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
};

static void fills_dns_names_or_denies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dns_cases); i++) {
		char yaml[512];
		snprintf(yaml, sizeof(yaml), RULE("spiffe_id: 'spiffe://example.org/a', %s"), dns_cases[i].body);
		AUTO(conf) struct conf *c = conf_of(yaml);
		AUTO(caller) struct caller *who = caller_of(ATTRS({ "claim.v", dns_cases[i].value }));
		struct policy_grant grant;
		const struct policy_request req = { 0 };
		struct err e = policy_decide(c, who, &req, &grant);
		if ((e.code == ERR_OK) != (dns_cases[i].dns != NULL)) fail_msg("%s: %s", dns_cases[i].name, e.reason);
		if (e.code != ERR_OK) continue;
		assert_int_equal(grant.name_count, 1);
		assert_int_equal(grant.names[0].tag, 2);
		if (!bytes_is(BYTES(grant.names[0].value, grant.names[0].len), dns_cases[i].dns)) fail_msg("%s", dns_cases[i].name);
	}
}

static const struct {
	const char *template, *value;
	uint8_t len; /* 0: denied */
	uint8_t octets[16];
} ip_cases[] = {
	{ "{claim.v}", "10.0.0.1", 4, { 10, 0, 0, 1 } },
	{ "{claim.v}", "fd00::1", 16, { 0xfd, [15] = 1 } },
	{ "10.0.0.{claim.v}", "7", 4, { 10, 0, 0, 7 } },
	{ "10.0.0.1", "x", 4, { 10, 0, 0, 1 } },
	{ "{claim.v}", "10.0.0", 0, { 0 } },
	{ "{claim.v}", "10.0.0.256", 0, { 0 } },
	{ "{claim.v}", "10.0.0.1/8", 0, { 0 } },
	{ "{claim.v}", "::g", 0, { 0 } },
	{ "{claim.v}", "fe80::1%eth0", 0, { 0 } },
	{ "{claim.v}", "", 0, { 0 } },
};

static void fills_ip_addresses_or_denies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ip_cases); i++) {
		char yaml[512];
		snprintf(yaml, sizeof(yaml), RULE("spiffe_id: 'spiffe://example.org/a', ip_addresses: ['%s']"), ip_cases[i].template);
		AUTO(conf) struct conf *c = conf_of(yaml);
		AUTO(caller) struct caller *who = caller_of(ATTRS({ "claim.v", ip_cases[i].value }));
		struct policy_grant grant;
		const struct policy_request req = { 0 };
		struct err e = policy_decide(c, who, &req, &grant);
		if ((e.code == ERR_OK) != (ip_cases[i].len != 0)) fail_msg("%s %s", ip_cases[i].template, ip_cases[i].value);
		if (e.code != ERR_OK) continue;
		assert_int_equal(grant.names[0].tag, 7);
		assert_int_equal(grant.names[0].len, ip_cases[i].len);
		assert_memory_equal(grant.names[0].value, ip_cases[i].octets, ip_cases[i].len);
	}
}

/* ---- lifetimes, keys, issuers, impersonation ---- */
#define PLAIN "spiffe_id: 'spiffe://example.org/a'"
static const struct {
	const char *name, *body;
	int64_t validity, want; /* want 0: INVALID_ARGUMENT */
} lifetime_cases[] = {
	{ "not asked: the server's default", PLAIN, 0, 86400 },
	{ "negative: not asked", PLAIN, -5, 86400 },
	{ "the least that there is: not asked", PLAIN, INT64_MIN, 86400 },
	{ "asked", PLAIN, 3600, 3600 },
	{ "asked, the server's maximum", PLAIN, 90 * 86400, 90 * 86400 },
	{ "asked, above the server's maximum", PLAIN, 90 * 86400 + 1, 0 },
	{ "asked, the most that there is", PLAIN, INT64_MAX, 0 },
	{ "the rule's default", PLAIN ", default_lifetime: 2h", 0, 7200 },
	{ "the rule's maximum shortens", PLAIN ", max_lifetime: 1h", 7200, 3600 },
	{ "the rule's maximum shortens the default", PLAIN ", max_lifetime: 1h", 0, 3600 },
	{ "the rule's maximum does not make it longer", PLAIN ", max_lifetime: 1h", 60, 60 },
	{ "above the server's is refused, not shortened by the rule", PLAIN ", max_lifetime: 1h", 91 * 86400, 0 },
};

static void chooses_the_lifetime(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lifetime_cases); i++) {
		char yaml[512];
		snprintf(yaml, sizeof(yaml), RULE("%s"), lifetime_cases[i].body);
		AUTO(conf) struct conf *c = conf_of(yaml);
		AUTO(caller) struct caller *who = caller_of(NOBODY);
		struct policy_grant grant;
		const struct policy_request req = { .validity = lifetime_cases[i].validity };
		struct err e = policy_decide(c, who, &req, &grant);
		if (e.code != (lifetime_cases[i].want == 0 ? ERR_INVALID_ARGUMENT : ERR_OK)) fail_msg("%s: %s", lifetime_cases[i].name, e.reason);
		if (e.code == ERR_OK && grant.lifetime != lifetime_cases[i].want) fail_msg("%s: %ld", lifetime_cases[i].name, (long)grant.lifetime);
	}
}

static const struct {
	const char *name, *body;
	struct policy_request req;
	enum key_type key;
	bool ok;
} request_cases[] = {
	{ "P-256", PLAIN, { 0 }, KEY_P256, true },
	{ "RSA", PLAIN, { 0 }, KEY_RSA, true },
	{ "Ed25519 is not in cert.key_types", PLAIN, { 0 }, KEY_ED25519, false },
	{ "P-521 never", PLAIN, { 0 }, KEY_P521, false },
	{ "no key type", PLAIN, { 0 }, KEY_NONE, false },
	{ "the rule allows P-384 only", PLAIN ", key_types: [p384]", { 0 }, KEY_P256, false },
	{ "the rule allows P-384", PLAIN ", key_types: [p384]", { 0 }, KEY_P384, true },
	{ "the default issuer by name", PLAIN, { .issuer = "default" }, KEY_P256, true },
	{ "an issuer without the right", PLAIN, { .issuer = "clusterissuers.cert-manager.io/mesh" }, KEY_P256, false },
	{ "an issuer with the right", PLAIN ", issuers: [other]", { .issuer = "other" }, KEY_P256, true },
	{ "a list without the default", PLAIN ", issuers: [other]", { .issuer = "" }, KEY_P256, false },
	{ "an issuer is no pattern", PLAIN ", issuers: [other]", { .issuer = "*" }, KEY_P256, false },
	{ "a signer that was chosen", PLAIN ", issuers: ['cm/mesh']", { .issuer = "mesh" }, KEY_P256, true },
	{ "a signer by a pattern", PLAIN ", issuers: ['cm/*']", { .issuer = "mesh" }, KEY_P256, true },
	{ "another signer than the rule's", PLAIN ", issuers: ['cm/mesh']", { .issuer = "mesh2" }, KEY_P256, false },
	{ "a signer of an issuer that takes no choice", PLAIN ", issuers: [other]", { .issuer = "mesh" }, KEY_P256, false },
	{ "a whole signer name", PLAIN ", issuers: ['cm/**']", { .issuer = "clusterissuers.cert-manager.io/mesh" }, KEY_P256, false },
	{ "a signer that is no name", PLAIN ", issuers: ['cm/**']", { .issuer = "Mesh_" }, KEY_P256, false },
	{ "the issuer of choices by its own name", PLAIN ", issuers: ['cm/**']", { .issuer = "cm" }, KEY_P256, true },
	{ "impersonation without the right", PLAIN, { .impersonate = "spiffe://example.org/ns/a/sa/b" }, KEY_P256, false },
	{ "impersonation", PLAIN ", impersonate: ['spiffe://example.org/ns/*/sa/*']", { .impersonate = "spiffe://example.org/ns/a/sa/b" }, KEY_P256, true },
	{ "impersonation outside the pattern", PLAIN ", impersonate: ['spiffe://example.org/ns/*/sa/*']", { .impersonate = "spiffe://example.org/ns/a/sa/b/c" }, KEY_P256, false },
	{ "impersonation in another trust domain", PLAIN ", impersonate: ['spiffe://**']", { .impersonate = "spiffe://evil.example/ns/a/sa/b" }, KEY_P256, false },
	{ "impersonation of what is no ID", PLAIN ", impersonate: ['**']", { .impersonate = "spiffe://example.org/ns//sa" }, KEY_P256, false },
	{ "impersonation of a pattern", PLAIN ", impersonate: ['spiffe://example.org/ns/*/sa/*']", { .impersonate = "spiffe://example.org/ns/*/sa/*" }, KEY_P256, false },
	{ "impersonation of the trust domain", PLAIN ", impersonate: ['**']", { .impersonate = "spiffe://example.org" }, KEY_P256, false },
	{ "a deny rule gives no impersonation", "deny: true, impersonate: ['spiffe://example.org/**']", { .impersonate = "spiffe://example.org/a" }, KEY_P256, false },
};

static void decides_on_the_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(request_cases); i++) {
		char yaml[1024];
		snprintf(yaml, sizeof(yaml), RULE("%s") SIGNERS, request_cases[i].body);
		AUTO(conf) struct conf *c = conf_of(yaml);
		AUTO(caller) struct caller *who = caller_of(NOBODY);
		struct policy_grant grant;
		struct policy_request req = request_cases[i].req;
		struct key_info key = { .type = request_cases[i].key };
		req.key = &key;
		struct err e = policy_decide(c, who, &req, &grant);
		if (e.code != (request_cases[i].ok ? ERR_OK : ERR_PERMISSION_DENIED)) fail_msg("%s: %s", request_cases[i].name, e.reason);
		if (e.code != ERR_OK) continue;
		assert_string_equal(grant.rule, "r");
		bool chosen = strstr(request_cases[i].body, "cm/") != NULL;
		assert_string_equal(grant.issuer, chosen ? "cm" : req.issuer == NULL || req.issuer[0] == '\0' ? "default" : req.issuer);
		assert_int_equal(grant.signer_name[0] != '\0', chosen);
		assert_string_equal(grant.spiffe_id, req.impersonate == NULL ? "spiffe://example.org/a" : req.impersonate);
	}
}

static void impersonation_takes_no_names_of_the_caller(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = conf_of(RULE(PLAIN ", dns_names: [node.example.org], impersonate: ['spiffe://example.org/**']"));
	AUTO(caller) struct caller *who = caller_of(NOBODY);
	struct policy_grant grant;
	const struct policy_request own = { 0 }, other = { .impersonate = "spiffe://example.org/pod" };
	assert_int_equal(policy_decide(c, who, &own, &grant).code, ERR_OK);
	assert_int_equal(grant.name_count, 1);
	assert_string_equal(grant.own_id, "");
	assert_int_equal(policy_decide(c, who, &other, &grant).code, ERR_OK);
	assert_int_equal(grant.name_count, 0);
	assert_string_equal(grant.spiffe_id, "spiffe://example.org/pod");
	assert_string_equal(grant.own_id, "spiffe://example.org/a");
}

static void a_proxy_whose_rule_names_it_not_has_no_own_id(void **state)
{
	static const char *const bodies[] = { "", "spiffe_id: 'spiffe://example.org/{claim.missing}', " };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		char yaml[512];
		snprintf(yaml, sizeof(yaml), RULE("%simpersonate: ['spiffe://example.org/**']"), bodies[i]);
		AUTO(conf) struct conf *c = conf_of(yaml);
		AUTO(caller) struct caller *who = caller_of(NOBODY);
		struct policy_grant grant;
		const struct policy_request other = { .impersonate = "spiffe://example.org/pod" };
		memset(&grant, 'x', sizeof(grant));
		assert_int_equal(policy_decide(c, who, &other, &grant).code, ERR_OK);
		assert_string_equal(grant.own_id, "");
	}
}

/* ---- patterns ---- */
static const struct {
	const char *pattern, *text;
	bool want;
} glob_cases[] = {
	{ "", "", true },           { "", "a", false },          { "a", "a", true },          { "a", "A", false },
	{ "a", "ab", false },       { "ab", "a", false },        { "*", "", true },           { "*", "abc", true },
	{ "*", "a/b", false },      { "**", "a/b", true },       { "**", "", true },          { "?", "a", true },
	{ "?", "", false },         { "?", "/", false },         { "?", "ab", false },        { "a*c", "abbc", true },
	{ "a*c", "ac", true },      { "a*c", "a/c", false },     { "a**c", "a/b/c", true },   { "*/b", "a/b", true },
	{ "*/b", "a/a/b", false },  { "**/b", "a/a/b", true },   { "a/*/c", "a/b/c", true },  { "a/*/c", "a//c", true },
	{ "a/*/c", "a/b/b/c", false }, { "**a*b", "xa/ayb", true }, { "**a*b", "xa/y/b", false }, { "*a*a*", "banana", true },
	{ "*a*x", "banana", false }, { "**/x*z", "a/xy/xyz", true }, { "**/x*z", "a/xy/yz", false }, { "*.b", "a.b", true },
	{ "a*", "a*", true },       { "a\\*", "ab", false },     { "**x", "x/x/y", false },   { "*?", "", false },
	{ "*?", "ab", true },       { "**?", "a/", false },      { "**/**", "a", false },     { "**/**", "/", true },
};

static const struct {
	const char *pattern, *text;
	bool want;
} dns_globs[] = { /* the separator is a dot */
	{ "*.svc", "a.svc", true },      { "*.svc", "a.b.svc", false },  { "**.svc", "a.b.svc", true },
	{ "a?c.svc", "a.c.svc", false }, { "*.*.svc", "a.b.svc", true }, { "*.svc", "a/b.svc", true },
};

static void globs_of_dns_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dns_globs); i++)
		if (policy_glob(dns_globs[i].pattern, bytes_str(dns_globs[i].text), '.') != dns_globs[i].want)
			fail_msg("%s on %s", dns_globs[i].pattern, dns_globs[i].text);
}

static void globs_as_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(glob_cases); i++)
		if (policy_glob(glob_cases[i].pattern, bytes_str(glob_cases[i].text), '/') != glob_cases[i].want)
			fail_msg("%s on %s", glob_cases[i].pattern, glob_cases[i].text);
}

/* The definition itself, slow and recursive. */
static bool glob_by_definition(const char *p, const char *t)
{
	if (*p == '\0') return *t == '\0';
	if (p[0] == '*' && p[1] == '*') return glob_by_definition(p + 2, t) || (*t != '\0' && glob_by_definition(p, t + 1));
	if (*p == '*') return glob_by_definition(p + 1, t) || (*t != '\0' && *t != '/' && glob_by_definition(p, t + 1));
	if (*t == '\0') return false;
	return (*p == '?' ? *t != '/' : *p == *t) && glob_by_definition(p + 1, t + 1);
}

static void glob_equals_its_definition_on_all_short_words(void **state)
{
	static const char in_pattern[] = "a/*?", in_text[] = "ab/";
	(void)state;
	for (unsigned n = 0; n < 4096; n++) /* 6 characters of a pattern */
		for (unsigned m = 0; m < 243; m++) { /* 5 of a text */
			char p[7] = { 0 }, t[6] = { 0 };
			for (unsigned i = 0, v = n; i < 6; i++, v /= 4) p[i] = in_pattern[v % 4];
			for (unsigned i = 0, v = m; i < 5; i++, v /= 3) t[i] = in_text[v % 3];
			p[n % 7] = '\0', t[m % 6] = '\0';
			if (policy_glob(p, bytes_str(t), '/') != glob_by_definition(p, t)) fail_msg("%s on %s", p, t);
		}
}

/* ---- the caller ---- */
static void caller_keeps_bounds(void **state)
{
	(void)state;
	static char long_value[POLICY_VALUE_MAX + 2];
	memset(long_value, 'a', POLICY_VALUE_MAX + 1);
	AUTO(caller) struct caller *c = NULL;
	assert_int_equal(caller_new(CALLER_MTLS, long_value, &c).code, ERR_INVALID_ARGUMENT);
	assert_null(c);
	assert_int_equal(caller_new(CALLER_MTLS, "who", &c).code, ERR_OK);
	assert_int_equal(caller_kind(c), CALLER_MTLS);
	assert_string_equal(caller_id(c), "who");
	assert_int_equal(caller_add(c, "", bytes_str("v")).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(caller_add(c, "Claim", bytes_str("v")).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(caller_add(c, "a{b", bytes_str("v")).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(caller_add(c, "a", BYTES("a\0b", 3)).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(caller_add(c, "a", BYTES(long_value, POLICY_VALUE_MAX + 1)).code, ERR_INVALID_ARGUMENT);
	assert_null(caller_get(c, "a"));
	assert_int_equal(caller_add(c, "a", bytes_str("1")).code, ERR_OK);
	for (unsigned i = 1; i < POLICY_ATTRIBUTES_MAX; i++)
		assert_int_equal(caller_add(c, "b", BYTES(long_value, POLICY_VALUE_MAX)).code, ERR_OK);
	assert_int_equal(caller_add(c, "c", bytes_str("1")).code, ERR_INVALID_ARGUMENT);
	assert_string_equal(caller_get(c, "a"), "1");
	assert_string_equal(caller_id(c), "who");
	assert_int_equal(strlen(caller_get(c, "b")), POLICY_VALUE_MAX);
}

/* ---- what policy_check() refuses ---- */
static const struct {
	const char *yaml, *problem; /* NULL: fine */
} check_cases[] = {
	{ "", NULL },
	{ "policy: []", NULL },
	{ RULE("deny: true"), NULL },
	{ RULE("match: { method: mtls, claim.x: a }, " PLAIN), NULL },
	{ RULE("impersonate: ['spiffe://example.org/**']"), NULL },
	{ RULE("spiffe_id: 'spiffe://example.org/{k8s.namespace}-x'"), NULL },
	{ RULE(PLAIN ", ip_addresses: ['{claim.ip}'], dns_names: ['{claim.host}', 'a.b']"), NULL },
	{ RULE("match: {}"), "rule r (line 3): spiffe_id: missing; a rule grants an ID, or says deny: true" },
	{ RULE("match: { k8s.ns: a }, " PLAIN), "rule r (line 3): match: there is no attribute k8s.ns; claims of a token are claim.NAME" },
	{ RULE("match: { method: token }, " PLAIN), "rule r (line 3): match: method is never token; it is jwt, mtls or join_token" },
	{ RULE("match: { issuer: nobody }, " PLAIN), "rule r (line 3): match: no entry of jwt_issuers has the name nobody" },
	{ RULE("spiffe_id: 'spiffe://evil.org/a'"), "rule r (line 3): spiffe_id: spiffe://evil.org/a: not the ID of a workload in the trust domain; write spiffe://{trust_domain}/..." },
	{ RULE("spiffe_id: 'spiffe://example.org'"), "rule r (line 3): spiffe_id: spiffe://example.org: not the ID of a workload in the trust domain; write spiffe://{trust_domain}/..." },
	{ RULE("spiffe_id: 'spiffe://example.org/{}'"), "rule r (line 3): spiffe_id: spiffe://example.org/{}: a brace has no partner" },
	{ RULE("spiffe_id: 'spiffe://example.org/{a{b}}'"), "rule r (line 3): spiffe_id: spiffe://example.org/{a{b}}: a brace has no partner" },
	{ RULE("spiffe_id: 'spiffe://example.org/a}'"), "rule r (line 3): spiffe_id: spiffe://example.org/a}: a brace has no partner" },
	{ RULE("spiffe_id: 'spiffe://example.org/{user}'"), "rule r (line 3): spiffe_id: there is no attribute user; claims of a token are claim.NAME" },
	{ RULE("spiffe_id: '{spiffe_id}/x'"), "rule r (line 3): spiffe_id: {spiffe_id} holds '/', so it must be the whole spiffe_id" },
	{ RULE(PLAIN ", dns_names: ['{spiffe_id}']"), "rule r (line 3): dns_names: {spiffe_id} holds '/', so it must be the whole spiffe_id" },
	{ RULE("spiffe_id: 'spiffe://example.org/{k8s.namespace}-{k8s.pod}'"), "rule r (line 3): spiffe_id: two attributes in one segment of spiffe://example.org/{k8s.namespace}-{k8s.pod}: different values could give the same name" },
	{ RULE(PLAIN ", dns_names: ['A.b']"), "rule r (line 3): dns_names: A.b: not a host name in lower case" },
	{ RULE(PLAIN ", dns_names: ['*.a.b']"), "rule r (line 3): dns_names: *.a.b: not a host name in lower case" },
	{ RULE(PLAIN ", dns_names: ['a.*.b']"), "rule r (line 3): dns_names: a.*.b: not a host name in lower case" },
	{ RULE(PLAIN ", dns_names: ['{claim.a}{claim.b}.x']"), "rule r (line 3): dns_names: two attributes in one segment of {claim.a}{claim.b}.x: different values could give the same name" },
	{ RULE(PLAIN ", ip_addresses: ['10.0.0']"), "rule r (line 3): ip_addresses: 10.0.0: not an IP address" },
	{ RULE("impersonate: ['spiffe://{trust_domain}/**']"), "rule r (line 3): impersonate: spiffe://{trust_domain}/**: attributes are not filled in here; write the pattern out" },
	{ RULE("impersonate: ['**']"), "rule r (line 3): impersonate: ** does not begin with spiffe://example.org/" },
	{ RULE(PLAIN ", max_lifetime: 91d"), "rule r (line 3): max_lifetime: more than cert.max_lifetime" },
	{ RULE(PLAIN ", default_lifetime: 91d"), "rule r (line 3): default_lifetime: more than cert.max_lifetime" },
	{ RULE(PLAIN ", default_lifetime: 2h, max_lifetime: 1h"), "rule r (line 3): default_lifetime: more than the rule's max_lifetime" },
	{ RULE(PLAIN ", key_types: [ed25519]"), "rule r (line 3): key_types: ed25519 is not in cert.key_types" },
	{ RULE(PLAIN ", issuers: [default, other]"), "rule r (line 3): issuers: there is no issuer other" },
	{ RULE(PLAIN ", issuers: [default, other, 'cm/*']") SIGNERS, NULL },
	{ RULE(PLAIN ", issuers: ['other/*']") SIGNERS, "rule r (line 3): issuers: other/*: that issuer has no signer_domain, so it signs by one name only" },
	{ RULE(PLAIN ", issuers: [cm]") SIGNERS, "rule r (line 3): issuers: cm: that issuer has no signer_name: write cm/PATTERN" },
	{ RULE(PLAIN ", same_node: true") SIGNERS, "rule r (line 3): same_node: is about impersonate, which is not there" },
	{ RULE("same_node: true, impersonate: ['spiffe://example.org/**']"), "rule r (line 3): same_node: needs an entry of clusters, to know where pods are" },
	{ RULE("same_node: true, impersonate: ['spiffe://example.org/**']") SIGNERS, NULL },
	{ "policy: [ { name: a, deny: true }, { name: a, deny: true } ]", "rule a (line 3): name: another rule before has the same name" },
};

static void checks_rules_at_start(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(check_cases); i++) {
		AUTO(conf) struct conf *c = conf_of(check_cases[i].yaml);
		char problem[512] = "";
		struct err e = policy_check(c, problem, sizeof(problem));
		assert_int_equal(e.code, check_cases[i].problem == NULL ? ERR_OK : ERR_INVALID_ARGUMENT);
		assert_string_equal(problem, check_cases[i].problem == NULL ? "" : check_cases[i].problem);
	}
}

/* ---- what policy_explain() says ---- */
static const struct {
	const char *yaml;
	const struct attr *attrs;
	struct policy_request req;
	const char *told;
} explain_cases[] = {
	{ "", ATTRS({ "method", "jwt" }, { "k8s.namespace", "a" }), { 0 },
	  "rule join-token (built in): 0 of 1 hold; method is \"jwt\", wanted join_token\n"
	  "rule renewal (built in): 0 of 1 hold; method is \"jwt\", wanted mtls\n"
	  "rule kubernetes (built in): 2 of 3 hold; k8s.service_account is missing, wanted *\n"
	  "no rule matches; denied\n" },
	{ RULE(PLAIN), NOBODY, { 0 }, "rule r (line 3): matches; grants spiffe://example.org/a for 86400s by default with 0 DNS and IP names\n" },
	{ RULE("deny: true"), NOBODY, { 0 }, "rule r (line 3): matches and denies\n" },
	{ RULE("match: { claim.a: [x, y] }, " PLAIN), ATTRS({ "claim.a", "p" }, { "claim.a", "q\n\"" }), { 0 },
	  "rule r (line 3): 0 of 1 hold; claim.a is \"p\" and \"q\\x0a\\x22\", wanted x or y\nno rule matches; denied\n" },
	{ RULE("spiffe_id: 'spiffe://example.org/{k8s.pod}'"), NOBODY, { 0 },
	  "rule r (line 3): matches, but cannot fill spiffe://example.org/{k8s.pod}: {k8s.pod}: the caller has no such attribute; denied\n" },
	{ RULE("spiffe_id: 'spiffe://example.org/{k8s.pod}'"), ATTRS({ "k8s.pod", "a/b" }), { 0 },
	  "rule r (line 3): matches, but cannot fill spiffe://example.org/{k8s.pod}: {k8s.pod}: a character of the value may not stand there, \"a/b\"; denied\n" },
	{ RULE(PLAIN), NOBODY, { .impersonate = "spiffe://example.org/b" },
	  "rule r (line 3): matches, but the rule gives no right to impersonate, \"spiffe://example.org/b\"; denied\n" },
	{ RULE(PLAIN), NOBODY, { .issuer = "x" }, "rule r (line 3): matches, but the issuer \"x\" is not allowed; denied\n" },
	{ RULE(PLAIN), NOBODY, { .validity = INT64_MAX }, "rule r (line 3): matches, but 9223372036854775807s is more than cert.max_lifetime; refused\n" },
	{ RULE(PLAIN), NOBODY, { .key = &(const struct key_info){ .type = KEY_ED25519 } },
	  "rule r (line 3): matches, but the key type ed25519 is not allowed; denied\n" },
};

static void explains_each_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(explain_cases); i++) {
		AUTO(conf) struct conf *c = conf_of(explain_cases[i].yaml);
		AUTO(caller) struct caller *who = caller_of(explain_cases[i].attrs);
		AUTO(buf) struct buf told = { .max = 4096 };
		assert_int_equal(policy_explain(c, who, &explain_cases[i].req, &told).code, ERR_OK);
		assert_int_equal(buf_put(&told, "", 1).code, ERR_OK);
		assert_string_equal((const char *)told.data, explain_cases[i].told);
	}
}

static void explain_near_leaves_out_rules_of_which_nothing_holds(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = conf_of("");
	AUTO(caller) struct caller *who = caller_of(ATTRS({ "method", "jwt" }, { "k8s.namespace", "a" }));
	AUTO(buf) struct buf told = { .max = 4096 };
	const struct policy_request req = { 0 };
	assert_int_equal(policy_explain_near(c, who, &req, &told).code, ERR_OK);
	assert_int_equal(buf_put(&told, "", 1).code, ERR_OK);
	assert_string_equal((const char *)told.data,
			    "rule kubernetes (built in): 2 of 3 hold; k8s.service_account is missing, wanted *\nno rule matches; denied\n");
}

static void explain_says_when_its_buffer_is_full(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = conf_of("");
	AUTO(caller) struct caller *who = caller_of(NOBODY);
	AUTO(buf) struct buf told = { .max = 20 };
	const struct policy_request req = { 0 };
	assert_int_equal(policy_explain(c, who, &req, &told).code, ERR_RESOURCE_EXHAUSTED);
}

/* The keeper would refuse what such a rule grants: the file is refused instead. */
static void refuses_names_that_the_ca_allows_none_of(void **state)
{
	static const struct {
		const char *ca, *names, *problem; /* NULL: fine */
	} cases[] = {
		{ "{}", "dns_names: [a.b]", "rule r (line 3): dns_names: ca.allow_dns_names is empty, so none can be issued" },
		{ "{ allow_ip_ranges: [10.0.0.0/8] }", "dns_names: [a.b]", "rule r (line 3): dns_names: ca.allow_dns_names is empty, so none can be issued" },
		{ "{ allow_dns_names: ['*.b'] }", "dns_names: [a.b]", NULL },
		{ "{ allow_dns_names: ['*.b'] }", "ip_addresses: [10.0.0.1]", "rule r (line 3): ip_addresses: ca.allow_ip_ranges is empty, so none can be issued" },
		{ "{ allow_ip_ranges: [10.0.0.0/8] }", "ip_addresses: [10.0.0.1]", NULL },
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(conf) struct conf *c = NULL;
		struct conf_problem problem;
		char text[1024], why[512] = "";
		snprintf(text, sizeof(text), "trust_domain: example.org\nca: %s\n" RULE(PLAIN ", %s"), cases[i].ca, cases[i].names);
		if (conf_parse(bytes_str(text), "test", &c, &problem).code != ERR_OK) fail_msg("%s", problem.text);
		struct err e = policy_check(c, why, sizeof(why));
		if ((e.code == ERR_OK) != (cases[i].problem == NULL)) fail_msg("%zu: %s", i, why);
		if (cases[i].problem != NULL) assert_string_equal(why, cases[i].problem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grants_the_id_or_denies),
		cmocka_unit_test(fills_dns_names_or_denies),
		cmocka_unit_test(refuses_names_that_the_ca_allows_none_of),
		cmocka_unit_test(fills_ip_addresses_or_denies),
		cmocka_unit_test(chooses_the_lifetime),
		cmocka_unit_test(decides_on_the_request),
		cmocka_unit_test(impersonation_takes_no_names_of_the_caller),
		cmocka_unit_test(a_proxy_whose_rule_names_it_not_has_no_own_id),
		cmocka_unit_test(globs_as_documented),
		cmocka_unit_test(globs_of_dns_names),
		cmocka_unit_test(glob_equals_its_definition_on_all_short_words),
		cmocka_unit_test(caller_keeps_bounds),
		cmocka_unit_test(checks_rules_at_start),
		cmocka_unit_test(explains_each_rule),
		cmocka_unit_test(explain_near_leaves_out_rules_of_which_nothing_holds),
		cmocka_unit_test(explain_says_when_its_buffer_is_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
