/* policy.h: (caller, csr facts, rules) -> grant or denial.  Pure: no I/O, no clock; any thread.
 *
 * Rules are tried in order; the first whose matches all hold decides; none: denied.  A rule that matches and cannot be
 * filled denies; the rules after it are not tried.
 * Patterns: exact, or glob with '*' (any characters but '/'), '**' (any characters), '?' (one character, not '/').  Only
 * the configuration holds patterns: a '*' in a value of the caller is that character.
 * Templates take attributes of the caller ("spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}").
 * {trust_domain} is always ours.  Any other attribute must have exactly one value, not empty, that cannot leave its place:
 *   spiffe_id     [A-Za-z0-9._-] only, and what comes out is a workload ID in our trust domain.  One exception: the
 *                 template that is exactly "{spiffe_id}" takes that attribute's value whole, with its '/', if the value
 *                 is a workload ID in our trust domain;
 *   dns_names     [a-z0-9-] only, or also '.' where {attribute} is the whole template; what comes out is a host name in
 *                 lower case (base/hostname.h), so no wildcard;
 *   ip_addresses  [0-9A-Fa-f.:] only; what comes out is an IPv4 or IPv6 address.
 * Everything else denies. */
#ifndef SIGNET_POLICY_POLICY_H
#define SIGNET_POLICY_POLICY_H

#include "base/hostname.h"
#include "base/kube_name.h"
#include "base/own.h"
#include "conf/conf.h"
#include "csr/csr.h"
#include "csr/spiffe.h"

#define POLICY_ATTRIBUTES_MAX 64
#define POLICY_NAME_MAX 64        /* bytes of an attribute's name without NUL */
#define POLICY_VALUE_MAX 2048     /* bytes of its value without NUL */
#define POLICY_NAMES_MAX 16       /* DNS and IP names of one grant */

/* Who was authenticated, by what evidence.  Made in ra/ once, read-only afterwards. */
enum caller_kind { CALLER_NONE, CALLER_JWT, CALLER_MTLS, CALLER_JOIN_TOKEN };
struct caller;
struct err caller_new(enum caller_kind kind, const char *id, struct caller **out); /* id: for log, record and bans */
/* Attributes are multi-valued: adding a name twice gives it two values.  INVALID_ARGUMENT: a bound, a NUL, bad name
 * ([a-z0-9_.-]).  Standard ones: method (jwt|mtls|join_token), trust_domain, spiffe_id, issuer, claim.NAME (strings,
 * numbers, booleans; arrays of strings are multi-valued; nested objects claim.A.B), k8s.namespace, k8s.service_account,
 * k8s.pod, k8s.pod_uid, k8s.node, cluster (that of the token's jwt_issuers entry; if it has none, the clusterid header). */
struct err caller_add(struct caller *c, const char *name, struct bytes value);
enum caller_kind caller_kind(const struct caller *c);
const char *caller_id(const struct caller *c);
/* First value; NULL if there is none. */
const char *caller_get(const struct caller *c, const char *name);
void caller_free(struct caller *c);
static inline void auto_caller(struct caller **p) { caller_free(*p); }

/* What is asked beyond the caller. */
struct policy_request {
	const struct key_info *key;  /* of the CSR; NULL: not known yet, its type is not checked */
	int64_t validity;            /* seconds; 0: not asked */
	const char *impersonate;     /* SPIFFE ID, or "" or NULL */
	const char *issuer; /* CertSigner: an issuer's name, or what an issuer with a signer_domain has it sign by; "", NULL:
			       conf.default_issuer */
};

struct policy_name {
	uint8_t tag;                 /* CSR_SAN_DNS or CSR_SAN_IP (csr/csr.h) */
	uint8_t len;                 /* octets */
	uint8_t value[HOSTNAME_MAX];
};
/* What policy allows; the only source of names in a certificate. */
struct policy_grant {
	char spiffe_id[SPIFFE_ID_MAX + 1];
	char own_id[SPIFFE_ID_MAX + 1]; /* with impersonation: what the rule would give the caller itself; "": nothing */
	int64_t lifetime;            /* seconds, clamped by the rule, never above cert.max_lifetime */
	const char *rule, *issuer;   /* borrowed from the conf; CONF_OWN_ISSUER is Signet's own CA */
	char signer_name[KUBE_SIGNER_MAX + 1]; /* that was chosen under the issuer's signer_domain; "": the issuer's own */
	bool same_node;              /* with impersonation: only if a pod of that ID is on the caller's node */
	uint8_t name_count;
	struct policy_name names[POLICY_NAMES_MAX];
};

/* Check what the schema cannot: attributes known, templates and patterns well formed, no two attributes in one segment (their
 * values could be shifted against each other), rule names unique, key types and issuers known, lifetimes within the
 * server's.  INVALID_ARGUMENT: problem (size bytes) says rule and reason.  Call once after conf_load(). */
struct err policy_check(const struct conf *conf, char *problem, size_t size);

/* Decide.  OK: *grant is filled.  Codes are safe for the client (no rule names, no attribute values):
 * PERMISSION_DENIED: no rule, a deny rule, a template that cannot be filled, key type, issuer, impersonation not allowed
 * or its trust domain is another; INVALID_ARGUMENT: the validity asked is above cert.max_lifetime (refused, istio.md 1);
 * above the rule's it is clamped; zero or negative is "not asked".
 * With impersonation the grant has the ID that was asked for and none of the rule's DNS and IP names. */
struct err policy_decide(const struct conf *conf, const struct caller *caller, const struct policy_request *req,
                         struct policy_grant *grant);

/* The same, told: one line a rule with what matched and what did not, for the log and `signet policy test`.  Values of the
 * caller may appear in it, with everything but plain ASCII escaped.  RESOURCE_EXHAUSTED: out is full; it holds what fitted. */
struct err policy_explain(const struct conf *conf, const struct caller *caller, const struct policy_request *req,
                          struct buf *out);
/* The same for a log: without the rules of which no match holds.  The last line is the decision. */
struct err policy_explain_near(const struct conf *conf, const struct caller *caller, const struct policy_request *req,
                               struct buf *out);

/* Does any rule match on this attribute or fill it in?  One that none asks for need not be made. */
bool policy_asks_for(const struct conf *conf, const char *attribute);

/* Pattern against text, as above; `separator` is what '*' and '?' do not cross: '/', or '.' for DNS names. */
bool policy_glob(const char *pattern, struct bytes text, char separator);

#endif
