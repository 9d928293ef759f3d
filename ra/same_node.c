#include <string.h>

#include "ra/request_internal.h"

/* Istio's node authorizer (istio.md 1): a node's proxy may ask for those whose pods run on its own node. */

/* "spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT" and nothing else; policy has looked at the trust domain. */
static struct err split_id(const char *id, struct bytes *ns, struct bytes *account)
{
	const struct bytes before = bytes_str("/ns/"), between = bytes_str("/sa/");
	struct bytes path, rest;
	const uint8_t *slash;

	TRY(spiffe_workload_id_parse(bytes_str(id), NULL, &path));
	if (!bytes_has_prefix(path, before)) FAIL(ERR_UNAUTHENTICATED, "same_node: the ID is not that of a service account");
	rest = BYTES(path.data + before.len, path.len - before.len);
	slash = rest.len == 0 ? NULL : memchr(rest.data, '/', rest.len);
	*ns = BYTES(rest.data, slash == NULL ? 0 : (size_t)(slash - rest.data));
	rest = BYTES(rest.data + ns->len, rest.len - ns->len);
	if (!bytes_has_prefix(rest, between)) FAIL(ERR_UNAUTHENTICATED, "same_node: the ID is not that of a service account");
	*account = BYTES(rest.data + between.len, rest.len - between.len);
	if (!kube_namespace_valid(*ns) || !kube_name_valid(*account))
		FAIL(ERR_UNAUTHENTICATED, "same_node: the ID is not that of a service account");
	return OK;
}

/* The attributes of a verified token; others of the same names do not exist.  Certificates and unbound tokens say no pod. */
static struct err fill_proxy(const struct identity *id, struct wire_node *m)
{
	const struct {
		const char *name;
		struct bytes *to;
		size_t max;
	} rows[] = {
		{ "k8s.namespace", &m->proxy_ns, KUBE_NAMESPACE_MAX },
		{ "k8s.service_account", &m->proxy_account, KUBE_NAME_MAX },
		{ "k8s.pod", &m->proxy_pod, KUBE_NAME_MAX },
		{ "k8s.pod_uid", &m->proxy_uid, WIRE_UID_MAX },
	};

	if (id->cluster < 0) FAIL(ERR_UNAUTHENTICATED, "same_node: the caller is not known by a token of one of `clusters`");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = caller_get(id->caller, rows[i].name);

		if (value == NULL || value[0] == '\0')
			FAIL(ERR_UNAUTHENTICATED, "same_node: the caller's token is not bound to a pod");
		*rows[i].to = bytes_str(value);
		if (rows[i].to->len > rows[i].max)
			FAIL(ERR_UNAUTHENTICATED, "same_node: the caller's pod has no name of Kubernetes");
	}
	m->cluster = (uint8_t)id->cluster;
	return OK;
}

/* What is not allowed has Istio's word and code for it. */
static struct err refused(struct request *r, struct err e)
{
	if (e.code == ERR_UNAUTHENTICATED) r->client_text = "request impersonation authentication failure";
	return e;
}

static void on_node(void *user, const struct desk_answer *a)
{
	struct request *r = user;

	request_note(r, a);
	request_resume(r, refused(r, a->err));
}

struct err request_same_node(struct request *r, enum step_result *result)
{
	struct wire_node m = { 0 };

	if (!r->grant->same_node) return OK;
	TRY(refused(r, fill_proxy(r->identity, &m)));
	TRY(refused(r, split_id(r->grant->spiffe_id, &m.ns, &m.account)));
	*result = STEP_WAIT;
	return desk_node(r->service->desk, &m, on_node, r);
}
