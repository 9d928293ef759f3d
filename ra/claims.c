#include "ra/claims.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/kube_name.h"
#include "proto/json.h"

#define CLAIM_DEPTH_MAX 3 /* claim.A.B.C; ours */

/* Attribute names are [a-z0-9_.-]: capitals are lowered, anything else in a claim's name leaves that claim out. */
static bool claim_name(const char *prefix, const char *key, char out[POLICY_NAME_MAX + 1])
{
	int n = snprintf(out, POLICY_NAME_MAX + 1, "%s.%s", prefix, key);

	if (n < 0 || n > POLICY_NAME_MAX || key[0] == '\0') return false;
	for (char *p = out + strlen(prefix) + 1; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (*p == '/') *p = '.'; /* "kubernetes.io/x" and the like */
		if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) && strchr("_.-", *p) == NULL) return false;
	}
	return true;
}

/* A claim that a rule asks for and that has no place must not just be missing: the rule may be the one that denies. */
static struct err add_value(struct caller *c, const char *name, struct bytes value)
{
	struct err e = caller_add(c, name, value);

	if (e.code == ERR_INVALID_ARGUMENT)
		FAIL(ERR_UNAUTHENTICATED, "claims: a claim that a rule asks for is too long or has too many values");
	return e;
}

static struct err add_claim(struct caller *c, const char *name, const json_t *value)
{
	char num[32];

	switch (json_typeof(value)) {
	case JSON_STRING:
		return add_value(c, name, BYTES(json_string_value(value), json_string_length(value)));
	case JSON_INTEGER:
		(void)snprintf(num, sizeof(num), "%lld", (long long)json_integer_value(value));
		return add_value(c, name, bytes_str(num));
	case JSON_TRUE:
	case JSON_FALSE:
		return add_value(c, name, bytes_str(json_is_true(value) ? "true" : "false"));
	default:
		return OK;
	}
}

static struct err add_list(struct caller *c, const char *name, const json_t *list)
{
	size_t i;
	json_t *element;

	json_array_foreach(list, i, element) TRY(add_claim(c, name, element));
	return OK;
}

struct walk {
	const struct conf *conf;
	struct caller *caller;
};

/* Only the claims that a rule asks for: a token may hold hundreds, and no other can crowd out the one that counts. */
static struct err add_claims(const struct walk *w, const char *prefix, const json_t *object, unsigned depth)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		char name[POLICY_NAME_MAX + 1];

		if (!claim_name(prefix, key, name)) continue;
		if (json_is_object(value) && depth < CLAIM_DEPTH_MAX) TRY(add_claims(w, name, value, depth + 1));
		else if (!policy_asks_for(w->conf, name)) continue;
		/* "Groups" beside "groups", "a.b" beside b in a: one of them is not the issuer's own, and nobody knows which */
		else if (caller_get(w->caller, name) != NULL)
			FAIL(ERR_UNAUTHENTICATED, "claims: two claims have the name that a rule asks for");
		else if (json_is_array(value)) TRY(add_list(w->caller, name, value));
		else TRY(add_claim(w->caller, name, value));
	}
	return OK;
}

struct account { /* of a Kubernetes service account */
	struct bytes ns, name;
};

static struct err add_bound(struct caller *c, const json_t *bound, const char *member, const char *field, const char *name)
{
	struct bytes v;
	struct err e = json_string_of(json_object_get(bound, member), field, POLICY_VALUE_MAX, &v);

	return e.code == ERR_OK ? caller_add(c, name, v) : OK; /* not every token is bound to a pod or a node */
}

static struct err add_account(struct caller *c, const struct account *account)
{
	TRY(caller_add(c, "k8s.namespace", account->ns));
	return caller_add(c, "k8s.service_account", account->name);
}

static struct err add_kubernetes(struct caller *c, const struct account *account, const json_t *claims)
{
	const json_t *bound = json_object_get(claims, "kubernetes.io");
	struct bytes v;

	TRY(add_account(c, account));
	if (bound == NULL) return OK;
	if (json_string_of(bound, "namespace", 253, &v).code == ERR_OK && !bytes_equal(v, account->ns))
		FAIL(ERR_UNAUTHENTICATED, "claims: kubernetes.io.namespace is not that of sub");
	if (json_string_of(json_object_get(bound, "serviceaccount"), "name", 253, &v).code == ERR_OK &&
	    !bytes_equal(v, account->name))
		FAIL(ERR_UNAUTHENTICATED, "claims: kubernetes.io.serviceaccount is not that of sub");
	TRY(add_bound(c, bound, "pod", "name", "k8s.pod"));
	TRY(add_bound(c, bound, "pod", "uid", "k8s.pod_uid"));
	return add_bound(c, bound, "node", "name", "k8s.node");
}

static struct err caller_of(const struct conf *conf, const struct conf_jwt_issuer *issuer, struct bytes sub,
                            const struct account *account, struct caller **out)
{
	char id[1024 + 1];
	const char *name = conf_text(conf, issuer->name);
	int n = account != NULL
	                ? snprintf(id, sizeof(id), "%s:%.*s/%.*s", name, (int)account->ns.len, account->ns.data,
	                           (int)account->name.len, account->name.data)
	                : snprintf(id, sizeof(id), "%s:%.*s", name, (int)sub.len, sub.data);

	if (n < 0 || (size_t)n >= sizeof(id)) FAIL(ERR_UNAUTHENTICATED, "claims: sub is too long");
	return caller_new(CALLER_JWT, id, out);
}

static struct err add_common(struct caller *c, const struct conf *conf, const struct conf_jwt_issuer *issuer, struct bytes cluster)
{
	TRY(caller_add(c, "method", bytes_str("jwt")));
	TRY(caller_add(c, "issuer", bytes_str(conf_text(conf, issuer->name))));
	TRY(caller_add(c, "trust_domain", bytes_str(conf_text(conf, conf->trust_domain))));
	return cluster.len > 0 ? caller_add(c, "cluster", cluster) : OK;
}

struct err claims_caller(const struct conf *conf, const struct conf_jwt_issuer *issuer, const json_t *claims,
                         struct bytes cluster, struct caller **out)
{
	AUTO(caller) struct caller *c = NULL;
	bool kubernetes = issuer->kind == CONF_ISSUER_KUBERNETES;
	struct account account;
	struct bytes sub;

	if (json_string_of(claims, "sub", 768, &sub).code != ERR_OK || sub.len == 0)
		FAIL(ERR_UNAUTHENTICATED, "claims: no usable sub");
	/* istio.md 1: istiod panics on three parts */
	if (kubernetes && kube_account_split(sub, &account.ns, &account.name).code != ERR_OK)
		FAIL(ERR_UNAUTHENTICATED, "claims: sub is not system:serviceaccount:NAMESPACE:NAME");
	TRY(caller_of(conf, issuer, sub, kubernetes ? &account : NULL, &c));
	TRY(add_common(c, conf, issuer, cluster));
	if (kubernetes) TRY(add_kubernetes(c, &account, claims));
	TRY(add_claims(&(struct walk){ conf, c }, "claim", claims, 1));
	*out = MOVE(c);
	return OK;
}

struct err claims_reviewed_caller(const struct conf *conf, const struct conf_jwt_issuer *issuer, const struct wire_reviewed *m,
                                  struct bytes cluster, struct caller **out)
{
	AUTO(caller) struct caller *c = NULL;
	const struct account account = { m->ns, m->account };
	const struct {
		const char *name;
		struct bytes value;
	} bound[] = { { "k8s.pod", m->pod }, { "k8s.pod_uid", m->pod_uid }, { "k8s.node", m->node } };

	TRY(caller_of(conf, issuer, BYTES_NONE, &account, &c));
	TRY(add_common(c, conf, issuer, cluster));
	TRY(add_account(c, &account));
	for (size_t i = 0; i < ARRAY_LEN(bound); i++)
		if (bound[i].value.len > 0) TRY(caller_add(c, bound[i].name, bound[i].value));
	*out = MOVE(c);
	return OK;
}

static bool is(const struct caller *c, const char *name, struct bytes value)
{
	const char *have = caller_get(c, name);

	return have != NULL && bytes_is(value, have);
}

bool claims_agree(const struct caller *caller, const struct wire_reviewed *m)
{
	if (!is(caller, "k8s.namespace", m->ns) || !is(caller, "k8s.service_account", m->account)) return false;
	return caller_get(caller, "k8s.pod_uid") == NULL || m->pod_uid.len == 0 || is(caller, "k8s.pod_uid", m->pod_uid);
}
