#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "conf/load.h"

#define TD "trust_domain: example.org\n"
#define MESH "clusters: [{ id: c }]\nissuers: [{ name: mesh, cluster: c, signer_name: x.y/z, roots_file: /r }]\n"
#define ISSUER(n, i) "  - { name: " n ", issuer: " i ", jwks_file: /j, audiences: [a] }\n"

static struct err parse(const char *yaml, struct conf **out, struct conf_problem *problem)
{
	return conf_parse(bytes_str(yaml), "signet.yaml", out, problem);
}

/* ---- what is refused, and in which words ---- */
static const struct {
	const char *yaml, *problem;
} refusals[] = {
	/* not YAML, or not plain data */
	{ "", "signet.yaml: there is nothing in it; at least trust_domain is needed" },
	{ "# only this\n", "signet.yaml: there is nothing in it; at least trust_domain is needed" },
	{ "trust_domain: [a\n", "signet.yaml:2: not YAML: did not find expected ',' or ']'" },
	{ "a: b: c\n", "signet.yaml:1: not YAML: mapping values are not allowed in this context" },
	{ "\ttrust_domain: a\n", "signet.yaml:1: not YAML: found character that cannot start any token (indent with spaces, not with a tab; a text that begins with @, ` or % needs quotes)" },
	{ TD "data_dir: ~/signet\n", "signet.yaml:2: data_dir: ~... is taken as it stands, not filled in; write the path out" },
	{ TD "data_dir: $HOME/signet\n", "signet.yaml:2: data_dir: $... is taken as it stands, not filled in; write the path out" },
	{ "trust_domain: \"a\n", "signet.yaml:2: not YAML: found unexpected end of stream" },
	{ "trust_domain: \xff\n", "signet.yaml:1: not YAML: invalid leading UTF-8 octet at byte 14" },
	{ "trust_domain: \xc0\x80\n", "signet.yaml:1: not YAML: invalid length of a UTF-8 sequence at byte 14" },
	{ "trust_domain: a\x01\n", "signet.yaml:1: not YAML: control characters are not allowed at byte 15" },
	{ TD "user: \"a\\0b\"\n", "signet.yaml:2: a text holds a NUL character" },
	{ TD "user: &x a\n", "signet.yaml:2: anchors (&) are not supported; write the value out" },
	{ TD "tls: &x { names: [a] }\n", "signet.yaml:2: anchors (&) are not supported; write the value out" },
	{ TD "admin: { users: &x [a] }\n", "signet.yaml:2: anchors (&) are not supported; write the value out" },
	{ TD "user: *x\n", "signet.yaml:2: aliases (*) are not supported; put a text that begins with * in quotes" },
	{ TD "ca: { allow_dns_names: [*.example.org] }\n", "signet.yaml:2: not YAML: did not find expected alphabetic or numeric character (a text that begins with * or & needs quotes)" },
	{ TD "user: !!str a\n", "signet.yaml:2: tags (!) are not supported; write a plain value" },
	{ TD "replica: !x 1\n", "signet.yaml:2: tags (!) are not supported; write a plain value" },
	{ "%YAML 1.1\n---\n" TD, "signet.yaml:1: directives (%) are not supported" },
	{ TD "---\n" TD, "signet.yaml:2: a second document (---) is not supported" },
	{ TD "<<: { user: a }\n", "signet.yaml:2: merge keys (<<) are not supported" },
	{ TD "user: [[[[[[[[[[a]]]]]]]]]]\n", "signet.yaml:2: nested too deep" },
	{ "- a\n", "signet.yaml:1: expected a map of keys at the top" },
	{ "example.org\n", "signet.yaml:1: expected a map of keys at the top" },
	/* keys */
	{ "user: a\n", "signet.yaml:1: trust_domain: missing; it has no default" },
	{ TD "truste_domain: x\n", "signet.yaml:2: truste_domain: unknown key; did you mean trust_domain?" },
	{ TD "cert:\n  defualt_lifetime: 1h\n", "signet.yaml:3: cert.defualt_lifetime: unknown key; did you mean cert.default_lifetime?" },
	{ TD "lisen:\n  address: x\n", "signet.yaml:2: lisen: unknown key; did you mean listen?" },
	{ TD "key_type: p384\n", "signet.yaml:2: key_type: unknown key; did you mean ca.key_type?" },
	{ TD "max_pending: 1\n", "signet.yaml:2: max_pending: unknown key; did you mean listen.max_pending?" },
	{ TD "zzzzzz: 1\n", "signet.yaml:2: zzzzzz: unknown key" },
	{ TD "tls.min_version: 1.3\n", "signet.yaml:2: tls.min_version: unknown key" },
	{ TD "\"a\\nb\": 1\n", "signet.yaml:2: \"a?b\": unknown key" },
	{ TD "user: a\nuser: b\n", "signet.yaml:3: the key \"user\" is given twice, first in line 2" },
	{ TD "tls: { names: [a], \"names\": [b] }\n", "signet.yaml:2: the key \"names\" is given twice, first in line 2" },
	{ TD "log: { level: info }\nlog: { format: json }\n", "signet.yaml:3: the key \"log\" is given twice, first in line 2" },
	{ TD "1: a\n", "signet.yaml:2: the key \"1\" is not text" },
	{ TD "true: a\n", "signet.yaml:2: the key \"true\" is not text" },
	{ TD "~: a\n", "signet.yaml:2: the key \"~\" is not text" },
	{ TD "[a]: b\n", "signet.yaml:2: a key must be a word, not a list" },
	{ TD "? {a: b}\n: c\n", "signet.yaml:2: a key must be a word, not a map" },
	{ TD "tls: yes\n", "signet.yaml:2: tls: expected a map with the keys of this section" },
	{ TD "tls: [names]\n", "signet.yaml:2: tls: expected a map with the keys of this section" },
	/* types */
	{ "trust_domain: 123\n", "signet.yaml:1: trust_domain: expected text, found the number \"123\"; as text it needs quotes" },
	{ "trust_domain: true\n", "signet.yaml:1: trust_domain: expected text, found the truth value \"true\"; as text it needs quotes" },
	{ "trust_domain: 1e3\n", "signet.yaml:1: trust_domain: expected text, found the number \"1e3\"; as text it needs quotes" },
	{ "trust_domain: 0x1F\n", "signet.yaml:1: trust_domain: expected text, found the number \"0x1F\"; as text it needs quotes" },
	{ "trust_domain: .5\n", "signet.yaml:1: trust_domain: expected text, found the number \".5\"; as text it needs quotes" },
	{ "trust_domain: -.inf\n", "signet.yaml:1: trust_domain: expected text, found the number \"-.inf\"; as text it needs quotes" },
	{ "trust_domain:\n", "signet.yaml:1: trust_domain: expected text, found nothing" },
	{ "trust_domain: ~\n", "signet.yaml:1: trust_domain: expected text, found nothing" },
	{ "trust_domain: [a]\n", "signet.yaml:1: trust_domain: expected text, found a list" },
	{ "trust_domain: {a: b}\n", "signet.yaml:1: trust_domain: expected text, found a map; a text that begins with { needs quotes" },
	{ TD "replica: one\n", "signet.yaml:2: replica: expected a whole number, found the text \"one\"" },
	{ TD "replica: \"1\"\n", "signet.yaml:2: replica: expected a whole number, found the text \"1\"" },
	{ TD "replica: 1.0\n", "signet.yaml:2: replica: expected a whole number, found the number \"1.0\"; as text it needs quotes" },
	{ TD "replica: -1\n", "signet.yaml:2: replica: \"-1\" is not a whole number; write it like 10" },
	{ TD "replica: 010\n", "signet.yaml:2: replica: \"010\" is not a whole number; write it like 10" },
	{ TD "replica: 99999999999999999999\n", "signet.yaml:2: replica: \"99999999999999999999\" is not a whole number; write it like 10" },
	{ TD "auth: { mtls: yes }\n", "signet.yaml:2: auth.mtls: expected true or false, found the text \"yes\"" },
	{ TD "auth: { mtls: \"true\" }\n", "signet.yaml:2: auth.mtls: expected true or false, found the text \"true\"" },
	{ TD "auth: { mtls: 1 }\n", "signet.yaml:2: auth.mtls: expected true or false, found the number \"1\"; as text it needs quotes" },
	{ TD "admin: { users: root }\n", "signet.yaml:2: admin.users: expected a list like [a, b], found the text \"root\"" },
	{ TD "admin: { users: [1] }\n", "signet.yaml:2: admin.users: expected text, found the number \"1\"; as text it needs quotes" },
	{ TD "admin: { users: [[a]] }\n", "signet.yaml:2: admin.users: expected text, found a list" },
	/* ranges and forms */
	{ TD "replica: 0\n", "signet.yaml:2: replica: 0 is out of range; it may be 1 to 127" },
	{ TD "replica: 128\n", "signet.yaml:2: replica: 128 is out of range; it may be 1 to 127" },
	{ TD "cert: { default_lifetime: 5y }\n", "signet.yaml:2: cert.default_lifetime: \"5y\" is not a duration; write it like 90s, 15m, 24h or 90d" },
	{ TD "cert: { default_lifetime: 60 }\n", "signet.yaml:2: cert.default_lifetime: \"60\" is not a duration; write it like 90s, 15m, 24h or 90d" },
	{ TD "cert: { default_lifetime: 1h30m }\n", "signet.yaml:2: cert.default_lifetime: \"1h30m\" is not a duration; write it like 90s, 15m, 24h or 90d" },
	{ TD "cert: { default_lifetime: 59s }\n", "signet.yaml:2: cert.default_lifetime: 59s is out of range; it may be 1m to 90d" },
	{ TD "cert: { default_lifetime: 106751991167301d }\n", "signet.yaml:2: cert.default_lifetime: \"106751991167301d\" is not a duration; write it like 90s, 15m, 24h or 90d" },
	{ TD "storage: { commit_wait: 21ms }\n", "signet.yaml:2: storage.commit_wait: 21ms is out of range; it may be 0us to 20ms" },
	{ TD "storage: { commit_wait: 2m }\n", "signet.yaml:2: storage.commit_wait: \"2m\" is not a short duration; write it like 500us or 2ms" },
	{ TD "tls: { min_version: 1.1 }\n", "signet.yaml:2: tls.min_version: \"1.1\" is not known; write one of 1.2, 1.3" },
	{ TD "ca: { key_type: rsa1024 }\n", "signet.yaml:2: ca.key_type: \"rsa1024\" is not known; write one of p256, p384, ed25519, rsa2048, rsa3072, rsa4096" },
	{ TD "cert: { key_types: [p256, p521] }\n", "signet.yaml:2: cert.key_types: \"p521\" is not known; write one of p256, p384, ed25519, rsa" },
	{ TD "cert: { key_types: [] }\n", "signet.yaml:2: cert.key_types: may not be empty" },
	{ "trust_domain: \"\"\n", "signet.yaml:1: trust_domain: may not be empty" },
	{ "trust_domain: Example.org\n", "signet.yaml:1: trust_domain: \"Example.org\" is not a trust domain: lower-case letters, digits, '.', '-' and '_' (example.org)" },
	{ "trust_domain: spiffe://a\n", "signet.yaml:1: trust_domain: \"spiffe://a\" is not a trust domain: lower-case letters, digits, '.', '-' and '_' (example.org)" },
	{ TD "user: \"a\\tb\"\n", "signet.yaml:2: user: holds a control character" },
	{ TD "data_dir: \"/a\\u0085b\"\n", "signet.yaml:2: data_dir: holds a control character" },
	{ TD "data_dir: \"/a\\u2028b\"\n", "signet.yaml:2: data_dir: holds a control character" },
	{ TD "user: abcdefghijklmnopqrstuvwxyzabcdefg\n", "signet.yaml:2: user: longer than 32 bytes" },
	{ TD "user: a b\n", "signet.yaml:2: user: \"a b\" is not the name of a user or group of this system" },
	{ TD "listen: { address: localhost }\n", "signet.yaml:2: listen.address: \"localhost\" is not HOST:PORT, [IPV6]:PORT or :PORT" },
	{ TD "listen: { address: \"::1:80\" }\n", "signet.yaml:2: listen.address: \"::1:80\" is not HOST:PORT, [IPV6]:PORT or :PORT" },
	{ TD "listen: { address: \"[::g]:80\" }\n", "signet.yaml:2: listen.address: \"[::g]:80\" is not HOST:PORT, [IPV6]:PORT or :PORT" },
	{ TD "listen: { address: \":65536\" }\n", "signet.yaml:2: listen.address: \":65536\" is not HOST:PORT, [IPV6]:PORT or :PORT" },
	{ TD "listen: { address: \"a:\" }\n", "signet.yaml:2: listen.address: \"a:\" is not HOST:PORT, [IPV6]:PORT or :PORT" },
	{ TD "listen: { address: \"\" }\n", "signet.yaml:2: listen.address: may not be empty" },
	{ TD "tls: { names: [-a] }\n", "signet.yaml:2: tls.names: \"-a\" is not a DNS name or an IP address" },
	{ TD "tls: { names: [a_b] }\n", "signet.yaml:2: tls.names: \"a_b\" is not a DNS name or an IP address" },
	{ TD "ca: { allow_ip_ranges: [10.0.0.1/8] }\n", "signet.yaml:2: ca.allow_ip_ranges: \"10.0.0.1/8\" is not a network as ADDRESS/BITS (10.0.0.0/8, fd00::/8) with no bit set after BITS" },
	{ TD "ca: { allow_ip_ranges: [10.0.0.0/33] }\n", "signet.yaml:2: ca.allow_ip_ranges: \"10.0.0.0/33\" is not a network as ADDRESS/BITS (10.0.0.0/8, fd00::/8) with no bit set after BITS" },
	{ TD "ca: { allow_ip_ranges: [10.0.0.0] }\n", "signet.yaml:2: ca.allow_ip_ranges: \"10.0.0.0\" is not a network as ADDRESS/BITS (10.0.0.0/8, fd00::/8) with no bit set after BITS" },
	{ TD "ca: { allow_dns_names: [\"a***\"] }\n", "signet.yaml:2: ca.allow_dns_names: \"a***\" is not a pattern: '*' within a segment, '**' across segments" },
	/* together */
	{ TD "tls: { cert_file: /a }\n", "signet.yaml:2: tls.cert_file: needs tls.key_file beside it" },
	{ TD "tls:\n  key_file: /a\n", "signet.yaml:3: tls.key_file: needs tls.cert_file beside it" },
	{ TD "cert: { default_lifetime: 2h, max_lifetime: 1h }\n", "signet.yaml:2: cert.default_lifetime: 2h is more than cert.max_lifetime, which is 1h" },
	{ TD "auth: { token_lifetime: 8d }\n", "signet.yaml:2: auth.token_lifetime: 8d is more than auth.token_max_lifetime, which is 7d" },
	{ TD "ca: { allow_spiffe_ids: [\"spiffe://example.orgs/**\"] }\n", "signet.yaml:2: ca.allow_spiffe_ids: \"spiffe://example.orgs/**\" does not begin with spiffe://example.org/" },
	/* lists of maps */
	{ TD "jwt_issuers: a\n", "signet.yaml:2: jwt_issuers: expected a list of maps; [] for none" },
	{ TD "policy:\n", "signet.yaml:2: policy: expected a list of maps; [] for none" },
	{ TD "policy: [a]\n", "signet.yaml:2: policy: expected a map in each element of the list" },
	{ TD "jwt_issuers:\n" ISSUER("a", "x") "  - { name: b }\n", "signet.yaml:4: jwt_issuers[1].issuer: missing; it has no default" },
	{ TD "jwt_issuers:\n" ISSUER("spiffe", "x"), "signet.yaml:3: jwt_issuers[0].name: spiffe is reserved: its callers would read like those of certificates or join tokens" },
	{ TD "jwt_issuers:\n" ISSUER("join_token", "x"), "signet.yaml:3: jwt_issuers[0].name: join_token is reserved: its callers would read like those of certificates or join tokens" },
	{ TD "jwt_issuers:\n" ISSUER("a", "x") ISSUER("a", "y"), "signet.yaml:4: jwt_issuers[1].name: \"a\" is that of jwt_issuers[0] too" },
	{ TD "jwt_issuers:\n" ISSUER("a", "x") ISSUER("b", "x"), "signet.yaml:4: jwt_issuers[1].issuer: \"x\" is that of jwt_issuers[0] too" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b] }]\n", "signet.yaml:2: jwt_issuers[0].jwks_file: where are its keys? Give jwks_file, jwks_url, discovery: true, or the cluster whose tokens these are" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b], jwks_file: /j, jwks_url: 'https://x/y' }]\n", "signet.yaml:2: jwt_issuers[0].jwks_file: one of jwks_file, jwks_url and discovery, not two" },
	{ TD "jwt_issuers: [{ name: a, issuer: 'https://x', audiences: [b], discovery: true, jwks_url: 'https://x/y' }]\n", "signet.yaml:2: jwt_issuers[0].jwks_file: one of jwks_file, jwks_url and discovery, not two" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b], jwks_url: 'https://x/y' }]\n", "signet.yaml:2: jwt_issuers[0].ca_file: missing: whom to believe for this URL (for a public issuer /etc/ssl/certs/ca-certificates.crt)" },
	{ TD "jwt_issuers: [{ name: a, issuer: 'https://x', audiences: [b], discovery: true }]\n", "signet.yaml:2: jwt_issuers[0].ca_file: missing: whom to believe for this URL (for a public issuer /etc/ssl/certs/ca-certificates.crt)" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b], discovery: true, ca_file: /c }]\n", "signet.yaml:2: jwt_issuers[0].discovery: needs an issuer that is a URL: https://..." },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b], jwks_file: /j, ca_file: /c }]\n", "signet.yaml:2: jwt_issuers[0].ca_file: is for jwks_url and discovery" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b], kind: kubernetes, cluster: c }]\n", "signet.yaml:2: jwt_issuers[0].cluster: no entry of clusters has that id" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, audiences: [b], jwks_file: /j, token_review: also }]\n", "signet.yaml:2: jwt_issuers[0].token_review: needs the cluster to ask" },
	{ TD "clusters: [{ id: c }]\njwt_issuers: [{ name: a, issuer: x, audiences: [b], cluster: c }]\n", "signet.yaml:3: jwt_issuers[0].cluster: needs kind: kubernetes" },
	{ TD "clusters: [{ id: c }]\njwt_issuers: [{ name: a, issuer: x, audiences: [b], kind: kubernetes, cluster: c, jwks_file: /j, token_review: only }]\n", "signet.yaml:3: jwt_issuers[0].token_review: only: then no keys are used; leave them out" },
	{ TD "clusters: [{ id: c }, { id: c }]\n", "signet.yaml:2: clusters[1].id: is that of another entry too" },
	{ TD "clusters: [{ id: c, context: x }]\n", "signet.yaml:2: clusters[0].context: needs kubeconfig" },
	{ TD "issuers: [{ name: a, cluster: c, signer_name: x.y/z, roots_file: /r }]\n", "signet.yaml:2: issuers[0].cluster: no entry of clusters has that id" },
	{ TD "clusters: [{ id: c }]\nissuers: [{ name: default, cluster: c, signer_name: x.y/z, roots_file: /r }]\n", "signet.yaml:3: issuers[0].name: is kept for Signet's own CA, or has a '/', which is for signers that requests choose" },
	{ TD "clusters: [{ id: c }]\nissuers: [{ name: a, cluster: c, signer_name: x.y/z }]\n", "signet.yaml:3: issuers[0].roots_file: missing: the API does not deliver the roots that its certificates must lead to" },
	{ TD "clusters: [{ id: c }]\nissuers: [{ name: a, cluster: c, roots_file: /r }]\n", "signet.yaml:3: issuers[0].signer_name: missing; or let requests choose: signer_domain" },
	{ TD "clusters: [{ id: c }]\nissuers: [{ name: a, cluster: c, signer_name: x.y/z, roots_file: /r, trust_on_first_use: true }]\n", "signet.yaml:3: issuers[0].trust_on_first_use: is for those without roots_file" },
	{ TD "clusters: [{ id: c }]\nissuers: [{ name: a, cluster: c, signer_domain: x.y, trust_on_first_use: true }]\n", "signet.yaml:3: issuers[0].trust_on_first_use: is not for signer_domain: the signer that the first client chooses would become the root of all" },
	{ TD "default_issuer: mesh\n", "signet.yaml:2: default_issuer: no entry of issuers has the name mesh" },
	{ TD "tls: { issuer: mesh }\n", "signet.yaml:2: tls.issuer: no entry of issuers has the name mesh" },
	{ TD MESH "tls: { issuer: mesh, cert_file: /c, key_file: /k }\n", "signet.yaml:4: tls.issuer: does not go with tls.cert_file" },
	{ TD MESH "tls: { issuer: mesh, names: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] }\n", "signet.yaml:4: tls.issuer: takes 16 tls.names at most" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, jwks_file: /j, audiences: [] }]\n", "signet.yaml:2: jwt_issuers[0].audiences: may not be empty" },
	{ TD "jwt_issuers: [{ name: a, issuer: x, jwks_file: /j, audience: [a] }]\n", "signet.yaml:2: jwt_issuers[0].audience: unknown key; did you mean audiences?" },
	{ TD "policy:\n  - spiffe_id: a\n", "signet.yaml:3: policy[0].name: missing; it has no default" },
	{ TD "policy: [{ name: a, spiffe_id: {spiffe_id} }]\n", "signet.yaml:2: policy[0].spiffe_id: expected text, found a map; a text that begins with { needs quotes" },
	{ TD "policy: [{ name: a, match: x }]\n", "signet.yaml:2: policy[0].match: expected a map of attribute: pattern, found the text \"x\"" },
	{ TD "policy: [{ name: a, match: { claim.x: 1 } }]\n", "signet.yaml:2: policy[0].match.claim.x: expected text, found the number \"1\"; as text it needs quotes" },
	{ TD "policy: [{ name: a, match: { claim.x: [] } }]\n", "signet.yaml:2: policy[0].match.claim.x: may not be empty" },
	{ TD "policy: [{ name: a, match: { claim.x: \"\" } }]\n", "signet.yaml:2: policy[0].match.claim.x: may not be empty" },
	{ TD "policy: [{ name: a, match: { Claim: x } }]\n", "signet.yaml:2: policy[0].match: \"Claim\" is not the name of an attribute: a-z, 0-9, '_', '.' and '-'" },
	{ TD "policy: [{ name: a, match: { claim.x: a, claim.x: b } }]\n", "signet.yaml:2: policy[0].match: the attribute \"claim.x\" is given twice, first in line 2" },
	{ TD "policy: [{ name: a, match: { ? [a] : b } }]\n", "signet.yaml:2: policy[0].match: a key is not the name of an attribute: a-z, 0-9, '_', '.' and '-'" },
};

static void refuses_with_line_key_and_what_was_expected(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		AUTO(conf) struct conf *c = NULL;
		struct conf_problem problem;
		struct err e = parse(refusals[i].yaml, &c, &problem);
		if (e.code != ERR_INVALID_ARGUMENT) fail_msg("accepted: %s", refusals[i].yaml);
		assert_null(c);
		assert_string_equal(problem.text, refusals[i].problem);
	}
}

static void refuses_a_nul_in_the_file(void **state)
{
	(void)state;
	static const char yaml[] = TD "\0user: a\n";
	struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(conf_parse(BYTES(yaml, sizeof(yaml) - 1), "x", &c, &problem).code, ERR_INVALID_ARGUMENT);
	assert_string_equal(problem.text, "x: holds a NUL character");
}

static void refuses_utf_16(void **state)
{
	(void)state;
	static const char yaml[] = "\xff\xfe" "a\0:\0 \0b\0";
	struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(conf_parse(BYTES(yaml, sizeof(yaml) - 1), "x", &c, &problem).code, ERR_INVALID_ARGUMENT);
}

/* n times `piece` behind the trust domain, then `end` */
static void refuses_repeated(const char *begin, const char *piece, const char *end, unsigned n, const char *problem_text)
{
	AUTO(buf) struct buf yaml = { .max = 4 * 1024 * 1024 };
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(buf_put_str(&yaml, TD).code, ERR_OK);
	assert_int_equal(buf_put_str(&yaml, begin).code, ERR_OK);
	for (unsigned i = 0; i < n; i++) assert_int_equal(buf_printf(&yaml, "%s", piece).code, ERR_OK);
	assert_int_equal(buf_put_str(&yaml, end).code, ERR_OK);
	assert_int_equal(conf_parse(buf_view(&yaml), "x", &c, &problem).code, ERR_INVALID_ARGUMENT);
	assert_string_equal(problem.text, problem_text);
}

static void refuses_too_much(void **state)
{
	(void)state;
	refuses_repeated("", "#\n", "", CONF_FILE_MAX / 2, "x: larger than 1048576 bytes");
	refuses_repeated("user: ", "[", "", 500000, "x:2: nested too deep");
	refuses_repeated("admin: { users: [", "a, ", "a] }", 64, "x:2: admin.users: more than 64 elements");
	refuses_repeated("policy:\n", "- { name: a, deny: true }\n", "", CONF_RULES_MAX + 1, "x:259: policy: more than 256 elements");
	refuses_repeated("jwt_issuers:\n", "- { name: a, issuer: b, jwks_file: c, audiences: [d] }\n", "", CONF_ISSUERS_MAX + 1,
			 "x:35: jwt_issuers: more than 32 elements");
	refuses_repeated("policy: [{ name: a, match: { claim.x: [", "a, ", "a] } }]", CONF_STRINGS_MAX + 1,
			 "x: more than 8192 list elements in all");
}

static void refuses_a_file_that_cannot_be_read(void **state)
{
	(void)state;
	struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(conf_load("/nonexistent/signet.yaml", &c, &problem).code, ERR_NOT_FOUND);
	assert_string_equal(problem.text, "/nonexistent/signet.yaml: cannot read it: No such file or directory");
	assert_int_equal(conf_load("/tmp", &c, &problem).code, ERR_INVALID_ARGUMENT);
	assert_string_equal(problem.text, "/tmp: cannot read it: Is a directory");
	assert_null(c);
}

/* ---- what is accepted ---- */
static const char *text(const struct conf *c, conf_str s)
{
	return conf_text(c, s);
}

static void a_trust_domain_alone_is_enough(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(parse(TD, &c, &problem).code, ERR_OK);
	assert_string_equal(text(c, c->trust_domain), "example.org");
	assert_string_equal(text(c, c->data_dir), "/var/lib/signet");
	assert_string_equal(text(c, c->run_dir), "/run/signet");
	assert_string_equal(text(c, c->user), "signet");
	assert_int_equal(c->replica, 1);
	assert_string_equal(text(c, c->listen.address), ":15012");
	assert_int_equal(c->listen.fronts, 0);
	assert_int_equal(c->listen.handshake_timeout, 10);
	assert_int_equal(c->tls.names.count, 5);
	assert_string_equal(conf_item(c, c->tls.names, 2), "::1");
	assert_int_equal(c->tls.min_version, 12);
	assert_string_equal(text(c, c->ca.key_type), "p256");
	assert_string_equal(text(c, c->ca.key_encryption_key_file), "");
	assert_int_equal(c->ca.root_lifetime, INT64_C(3650) * 86400);
	assert_int_equal(c->ca.allow_spiffe_ids.count, 1);
	assert_string_equal(conf_item(c, c->ca.allow_spiffe_ids, 0), "spiffe://example.org/**");
	assert_int_equal(c->ca.allow_dns_names.count, 0);
	assert_true(conf_list_has(c, c->ca.reserved_names, "istiod"));
	assert_int_equal(c->cert.default_lifetime, 86400);
	assert_int_equal(c->cert.max_lifetime, 90 * 86400);
	assert_true(conf_list_has(c, c->cert.key_types, "rsa"));
	assert_false(conf_list_has(c, c->cert.key_types, "rs"));
	assert_true(c->auth.mtls && c->auth.join_tokens);
	assert_int_equal(c->auth.token_lifetime, 3600);
	assert_int_equal(c->storage.commit_wait_us, 2000);
	assert_int_equal(c->log.format, CONF_LOG_TEXT);
	assert_int_equal(c->log.level, 2);
	assert_string_equal(text(c, c->metrics.address), "127.0.0.1:15014");
	assert_string_equal(text(c, c->admin.socket), "/run/signet/admin.sock");
	assert_int_equal(c->issuer_count, 0);
	assert_true(c->rules_built_in);
	assert_int_equal(c->rule_count, 3);
	assert_string_equal(text(c, c->rules[2].name), "kubernetes");
	assert_int_equal(c->rules[2].line, 0);
}

static void everything_can_be_set(void **state)
{
	(void)state;
	static const char yaml[] = "run_dir: run\n" TD
				   "data_dir: /data\n"
				   "tls: { min_version: \"1.3\", cert_file: c.pem, key_file: ../k.pem }\n"
				   "listen: { address: \"[::1]:0\", fronts: 2 }\n"
				   "ca:\n"
				   "log: { level: debug, format: json }\n"
				   "auth: { mtls: False, token_max_lifetime: 30m }\n"
				   "storage: { commit_wait: 0, keep_expired: 0s }\n"
				   "metrics: { address: '' }\n"
				   "jwt_issuers:\n"
				   "  - { name: k, kind: kubernetes, issuer: 'https://k', jwks_file: k.json, audiences: [a, b], leeway: 0s, max_lifetime: 2h }\n"
				   "policy:\n"
				   "  - name: one\n"
				   "    match: { k8s.namespace: [a, 'b*'], method: jwt }\n"
				   "    spiffe_id: '{spiffe_id}'\n"
				   "    impersonate: ['spiffe://example.org/**']\n"
				   "  - { name: two, deny: true, key_types: [p256] }\n";
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(conf_parse(bytes_str(yaml), "/etc/signet/signet.yaml", &c, &problem).code, ERR_OK);
	assert_string_equal(text(c, c->run_dir), "/etc/signet/run");
	assert_string_equal(text(c, c->admin.socket), "/etc/signet/run/admin.sock");
	assert_string_equal(text(c, c->tls.cert_file), "/etc/signet/c.pem");
	assert_string_equal(text(c, c->tls.key_file), "/etc/signet/../k.pem");
	assert_int_equal(c->tls.min_version, 13);
	assert_int_equal(c->log.format, CONF_LOG_JSON);
	assert_int_equal(c->log.level, 3);
	assert_false(c->auth.mtls);
	assert_int_equal(c->auth.token_lifetime, 1800); /* the default gives way to what was set */
	assert_int_equal(c->storage.commit_wait_us, 0);
	assert_int_equal(c->storage.keep_expired, 0);
	assert_string_equal(text(c, c->metrics.address), "");
	assert_int_equal(c->issuer_count, 1);
	assert_int_equal(c->issuers[0].kind, CONF_ISSUER_KUBERNETES);
	assert_int_equal(c->issuers[0].leeway, 0);
	assert_int_equal(c->issuers[0].max_lifetime, 7200);
	assert_string_equal(conf_item(c, c->issuers[0].audiences, 1), "b");
	assert_string_equal(text(c, c->issuers[0].jwks_file), "/etc/signet/k.json");
	assert_false(c->rules_built_in);
	assert_int_equal(c->rule_count, 2);
	assert_int_equal(c->rules[0].match_count, 2);
	assert_string_equal(text(c, c->matches[c->rules[0].match_first].attribute), "k8s.namespace");
	assert_string_equal(conf_item(c, c->matches[c->rules[0].match_first].patterns, 1), "b*");
	assert_int_equal(c->rules[0].line, 14);
	assert_true(c->rules[1].deny);
	assert_int_equal(c->rules[1].match_count, 0);
}

static void takes_line_ends_and_the_byte_order_mark_of_other_systems(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(parse("\xef\xbb\xbftrust_domain: example.org\r\nuser: a\r\n", &c, &problem).code, ERR_OK);
	assert_string_equal(text(c, c->user), "a");
}

static void an_empty_policy_is_not_the_built_in_one(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(parse(TD "policy: []\n", &c, &problem).code, ERR_OK);
	assert_false(c->rules_built_in);
	assert_int_equal(c->rule_count, 0);
}

static void the_order_of_keys_does_not_change_the_image(void **state)
{
	(void)state;
	AUTO(conf) struct conf *a = NULL, *b = NULL;
	struct conf_problem problem;
	assert_int_equal(parse(TD "user: x\nlog: { level: warn }\n", &a, &problem).code, ERR_OK);
	assert_int_equal(parse("log: { level: warn }\nuser: x\n" TD, &b, &problem).code, ERR_OK);
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a, b, a->size);
}

/* As Kubernetes mounts a ConfigMap: signet.yaml -> ..data/signet.yaml, and ..data is replaced on a change. */
static void load_takes_paths_from_the_folder_that_was_named_not_where_a_link_leads(void **state)
{
	(void)state;
	char folder[] = "/tmp/conf-test-XXXXXX", data[64], path[64], target[96], want[64];
	assert_non_null(mkdtemp(folder));
	snprintf(data, sizeof(data), "%s/..data", folder);
	snprintf(path, sizeof(path), "%s/a.yaml", folder);
	snprintf(target, sizeof(target), "%s/a.yaml", data);
	assert_int_equal(mkdir(data, 0700), 0);
	assert_int_equal(symlink("..data/a.yaml", path), 0);
	snprintf(want, sizeof(want), "%s/data", folder);
	FILE *f = fopen(target, "w");
	assert_non_null(f);
	fputs(TD "data_dir: data\n", f);
	fclose(f);
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	assert_int_equal(conf_load(path, &c, &problem).code, ERR_OK);
	assert_string_equal(text(c, c->data_dir), want);
	unlink(path);
	unlink(target);
	rmdir(data);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_with_line_key_and_what_was_expected),
		cmocka_unit_test(refuses_a_nul_in_the_file),
		cmocka_unit_test(refuses_utf_16),
		cmocka_unit_test(refuses_too_much),
		cmocka_unit_test(refuses_a_file_that_cannot_be_read),
		cmocka_unit_test(a_trust_domain_alone_is_enough),
		cmocka_unit_test(everything_can_be_set),
		cmocka_unit_test(takes_line_ends_and_the_byte_order_mark_of_other_systems),
		cmocka_unit_test(an_empty_policy_is_not_the_built_in_one),
		cmocka_unit_test(the_order_of_keys_does_not_change_the_image),
		cmocka_unit_test(load_takes_paths_from_the_folder_that_was_named_not_where_a_link_leads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
