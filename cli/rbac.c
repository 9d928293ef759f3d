#include "cli/rbac.h"

#include <string.h>

#include "base/own.h"

#define API "rbac.authorization.k8s.io"

/* ---- rules ---- */

/* "a", "b" */
static struct err put_verbs(const struct need *n, const char *quote, struct buf *out)
{
	for (size_t i = 0; i < n->verb_count; i++) TRY(buf_printf(out, "%s%s%s%s", i > 0 ? ", " : "", quote, n->verbs[i], quote));
	return OK;
}

static struct err put_resource(const struct need *n, struct buf *out)
{
	return buf_printf(out, "%s%s%s", n->resource, n->subresource != NULL ? "/" : "",
	                  n->subresource != NULL ? n->subresource : "");
}

struct err rbac_put_line(const struct need *n, struct buf *out)
{
	TRY(put_verbs(n, "", out));
	if (n->url != NULL) return buf_printf(out, " %s", n->url);
	TRY(buf_put_str(out, " "));
	TRY(put_resource(n, out));
	if (n->group[0] != '\0') TRY(buf_printf(out, " (%s)", n->group));
	if (n->name[0] != '\0') TRY(buf_printf(out, " %s", n->name));
	return n->ns[0] == '\0' ? OK : buf_printf(out, " in namespace %s", n->ns);
}

struct err rbac_put_rule(const struct need *n, const char *indent, struct buf *out)
{
	TRY(buf_printf(out, "%s# %s\n", indent, n->why));
	if (n->url != NULL) {
		TRY(buf_printf(out, "%s- nonResourceURLs: [\"%s\"]\n", indent, n->url));
	} else {
		TRY(buf_printf(out, "%s- apiGroups: [\"%s\"]\n%s  resources: [\"", indent, n->group, indent));
		TRY(put_resource(n, out));
		TRY(buf_put_str(out, "\"]\n"));
	}
	if (n->name[0] != '\0') TRY(buf_printf(out, "%s  resourceNames: [\"%s\"]\n", indent, n->name));
	TRY(buf_printf(out, "%s  verbs: [", indent));
	TRY(put_verbs(n, "\"", out));
	return buf_put_str(out, "]\n");
}

json_t *rbac_rule_json(const struct need *n)
{
	json_t *verbs = json_array(), *rule;
	AUTO(buf) struct buf resource = { .max = 1024 };

	for (size_t i = 0; i < n->verb_count; i++) (void)json_array_append_new(verbs, json_string(n->verbs[i]));
	if (n->url != NULL) return json_pack("{s[s] so}", "nonResourceURLs", n->url, "verbs", verbs);
	if (put_resource(n, &resource).code != ERR_OK) {
		json_decref(verbs);
		return NULL;
	}
	rule = json_pack("{s[s] s[s%] so}", "apiGroups", n->group, "resources", resource.data, resource.len, "verbs", verbs);
	if (n->name[0] != '\0') (void)json_object_set_new(rule, "resourceNames", json_pack("[s]", n->name));
	if (n->ns[0] != '\0') (void)json_object_set_new(rule, "namespace", json_string(n->ns));
	return rule;
}

/* ---- manifests ---- */

/* Inside double quotes (YAML 1.2 s5.7). */
static struct err put_quoted(const char *text, struct buf *out)
{
	TRY(buf_put_str(out, "\""));
	for (const char *p = text; *p != '\0'; p++) TRY(buf_printf(out, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p));
	return buf_put_str(out, "\"");
}

static struct err put_head(const struct rbac *r, const char *api, const char *kind, const char *ns, struct buf *out)
{
	TRY(buf_printf(out, "%sapiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n", out->len > 0 ? "---\n" : "", api, kind,
		       r->name));
	return ns[0] == '\0' ? OK : buf_printf(out, "  namespace: %s\n", ns);
}

static struct err put_subject(const struct rbac *r, struct buf *out)
{
	struct bytes ns, name;

	if (kube_account_split(bytes_str(r->user), &ns, &name).code == ERR_OK)
		return buf_printf(out, "subjects:\n  - kind: ServiceAccount\n    namespace: %.*s\n    name: %.*s\n", (int)ns.len,
		                  (const char *)ns.data, (int)name.len, (const char *)name.data);
	TRY(buf_put_str(out, "subjects:\n  - apiGroup: " API "\n    kind: User\n    name: "));
	TRY(put_quoted(r->user, out));
	return buf_put_str(out, "\n");
}

/* The needs of one namespace, or of the cluster (""). */
static struct err put_role(const struct rbac *r, const char *ns, struct buf *out)
{
	const char *kind = ns[0] == '\0' ? "ClusterRole" : "Role";

	TRY(put_head(r, API "/v1", kind, ns, out));
	TRY(buf_put_str(out, "rules:\n"));
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->needs[i].ns, ns) == 0) TRY(rbac_put_rule(&r->needs[i], "  ", out));
	TRY(put_head(r, API "/v1", ns[0] == '\0' ? "ClusterRoleBinding" : "RoleBinding", ns, out));
	TRY(buf_printf(out, "roleRef:\n  apiGroup: " API "\n  kind: %s\n  name: %s\n", kind, r->name));
	return put_subject(r, out);
}

static bool is_first_of_namespace(const struct rbac *r, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(r->needs[i].ns, r->needs[at].ns) == 0) return false;
	return true;
}

static struct err put_account(const struct rbac *r, struct buf *out)
{
	struct bytes ns, name;

	if (kube_account_split(bytes_str(r->user), &ns, &name).code != ERR_OK) return OK;
	return buf_printf(out, "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: %.*s\n  namespace: %.*s\n", (int)name.len,
	                  (const char *)name.data, (int)ns.len, (const char *)ns.data);
}

struct err rbac_put_manifest(const struct rbac *r, struct buf *out)
{
	if (r->account) TRY(put_account(r, out));
	for (size_t i = 0; i < r->count; i++)
		if (is_first_of_namespace(r, i)) TRY(put_role(r, r->needs[i].ns, out));
	return OK;
}
