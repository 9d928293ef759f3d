#include "k8s_csr/kubeconfig.h"

#include <string.h>

#include "base/hostname.h"
#include "base/url.h"
#include "conf/tree.h"
#include "der/base64.h"
#include "der/pem.h"

struct reader {
	struct tree t;
	const struct kubeconfig_options *options;
};

static struct err no_memory(struct reader *r)
{
	(void)conf_refuse(&r->t, NULL, NULL, "out of memory");
	FAIL(ERR_RESOURCE_EXHAUSTED, "kubeconfig: out of memory");
}

/* ---- members ---- */

/* Go's encoder writes "" and [] for what is not there. */
static bool is_set(const yaml_node_t *node)
{
	if (node == NULL || conf_tree_kind(node) == TREE_NULL) return false;
	if (node->type == YAML_SEQUENCE_NODE) return node->data.sequence.items.start < node->data.sequence.items.top;
	return node->type != YAML_SCALAR_NODE || node->data.scalar.length > 0;
}

/* Text of a member; NULL if it is not set.  What it is instead is not said: it may be a secret. */
static struct err text_get(struct reader *r, const yaml_node_t *map, const char *key, const char **out)
{
	const yaml_node_t *node = conf_tree_find(&r->t, map, key);

	*out = NULL;
	if (!is_set(node)) return OK;
	if (conf_tree_kind(node) != TREE_TEXT)
		return conf_refuse(&r->t, node, key, "expected text (a number or a truth value needs quotes)");
	*out = conf_tree_text(node);
	return OK;
}

static struct err text_needed(struct reader *r, const yaml_node_t *map, const char *key, const char **out)
{
	TRY(text_get(r, map, key, out));
	return *out != NULL ? OK : conf_refuse(&r->t, map, key, "missing");
}

static bool is_map(const yaml_node_t *node)
{
	return node != NULL && conf_tree_kind(node) == TREE_MAP;
}

static struct err keys_check(struct reader *r, const yaml_node_t *map)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++)
		TRY(conf_tree_key_check(&r->t, map, conf_tree_node(&r->t, p->key)));
	return OK;
}

/* ---- contexts, clusters, users: lists of { name, context | cluster | user } ---- */

static bool has_name(const struct reader *r, const yaml_node_t *element, const char *name)
{
	const yaml_node_t *node = conf_tree_find(&r->t, element, "name");

	return node != NULL && conf_tree_kind(node) == TREE_TEXT && strcmp(conf_tree_text(node), name) == 0;
}

/* The element of `list` with that name; messages then speak of its members.  asked: what named it, for the line; or NULL. */
static struct err element_find(struct reader *r, const char *list, const char *name, const yaml_node_t *asked,
			       const yaml_node_t **out)
{
	const yaml_node_t *node = conf_tree_find(&r->t, yaml_document_get_root_node(r->t.doc), list);
	char quoted[TREE_QUOTE_MAX];

	*out = NULL;
	r->t.prefix[0] = '\0';
	conf_quote(name, quoted);
	if (!is_set(node)) return conf_refuse(&r->t, asked, list, "there are none, so none with the name %s", quoted);
	if (conf_tree_kind(node) != TREE_LIST) return conf_refuse(&r->t, node, list, "expected a list");
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++) {
		const yaml_node_t *element = conf_tree_node(&r->t, *i);

		if (!has_name(r, element, name)) continue;
		r->t.prefix[0] = '\0';
		if (*out != NULL) return conf_refuse(&r->t, element, list, "two have the name %s", quoted);
		*out = element;
		snprintf(r->t.prefix, sizeof(r->t.prefix), "%s[%zu].", list, (size_t)(i - node->data.sequence.items.start));
	}
	return *out != NULL ? OK : conf_refuse(&r->t, asked, list, "none has the name %s", quoted);
}

/* The same; its member `map` is one, and no key is there twice. */
static struct err entry_find(struct reader *r, const char *list, const char *name, const yaml_node_t *asked,
			     const yaml_node_t **out)
{
	char map[16];

	snprintf(map, sizeof(map), "%.*s", (int)strlen(list) - 1, list); /* "users" is a list of "user" */
	TRY(element_find(r, list, name, asked, out));
	TRY(keys_check(r, *out));
	if (!is_map(conf_tree_find(&r->t, *out, map))) return conf_refuse(&r->t, *out, map, "expected a map");
	return keys_check(r, conf_tree_find(&r->t, *out, map));
}

/* ---- values ---- */

static struct err copy(struct reader *r, const char *text, char **out)
{
	*out = strdup(text);
	return *out != NULL ? OK : no_memory(r);
}

/* client-go, ResolvePath: relative to the file. */
static struct err copy_path(struct reader *r, const char *path, char **out)
{
	AUTO(buf) struct buf b = { .max = 2 * CONF_FILE_MAX };
	bool relative = path[0] != '/' && r->options->folder[0] != '\0';

	if (relative && buf_printf(&b, "%s/", r->options->folder).code != ERR_OK) return no_memory(r);
	if (buf_put(&b, path, strlen(path) + 1).code != ERR_OK) return no_memory(r);
	*out = (char *)MOVE(b.data);
	return OK;
}

/* Base64, with the line ends that a text over several lines has in it. */
static struct err decode(struct reader *r, const yaml_node_t *element, const char *key, const char *base64, struct buf *out)
{
	AUTO(buf_wipe) struct buf joined = { .max = strlen(base64) };
	uint8_t *at;

	out->max = joined.max;
	if (buf_reserve(&joined, joined.max, &at).code != ERR_OK) return no_memory(r); /* at once: a copy would stay unwiped */
	for (; *base64 != '\0'; base64++)
		if (*base64 != '\n' && *base64 != '\r') at[joined.len++] = (uint8_t)*base64;
	if (base64_take(buf_view(&joined), out).code != ERR_OK || out->len == 0)
		return conf_refuse(&r->t, conf_tree_find(&r->t, element, key), key, "is not base64");
	return OK;
}

enum pem_kind { PEM_CERTIFICATES, PEM_KEY };

static bool is_wanted(const char *label, enum pem_kind kind)
{
	const char *end = strstr(label, "PRIVATE KEY");

	if (kind == PEM_CERTIFICATES) return strcmp(label, "CERTIFICATE") == 0;
	return end != NULL && end[strlen("PRIVATE KEY")] == '\0' && strcmp(label, "ENCRYPTED PRIVATE KEY") != 0;
}

static bool has_pem(struct bytes text, enum pem_kind kind)
{
	AUTO(buf_wipe) struct buf der = { .max = text.len };
	char label[PEM_LABEL_MAX];
	bool found = false;
	uint8_t *at;
	struct err e;

	if (buf_reserve(&der, text.len, &at).code != ERR_OK) return false; /* at once: a copy would stay unwiped */
	while ((e = pem_take(&text, text.len, label, &der)).code == ERR_OK) {
		found |= is_wanted(label, kind);
		der.len = 0;
	}
	return found && e.code == ERR_NOT_FOUND;
}

/* KEY-data, or the path KEY. */
static struct err read_pem(struct reader *r, const yaml_node_t *element, const char *key, enum pem_kind kind,
			   struct kubeconfig_source *out)
{
	const char *data, *path;
	char data_key[64];

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	TRY(text_get(r, element, data_key, &data));
	TRY(text_get(r, element, key, &path));
	if (data == NULL) return path == NULL ? OK : copy_path(r, path, &out->path);
	TRY(decode(r, element, data_key, data, &out->text));
	if (has_pem(buf_view(&out->text), kind)) return OK;
	return conf_refuse(&r->t, conf_tree_find(&r->t, element, data_key), data_key, "holds no PEM %s",
			   kind == PEM_KEY ? "private key without a passphrase" : "certificate");
}

/* ---- cluster ---- */

static struct err read_server(struct reader *r, const yaml_node_t *element, char **out)
{
	const char *text;
	size_t len;
	struct err e;

	TRY(text_needed(r, element, "cluster.server", &text));
	e = url_check(bytes_str(text), false);
	if (e.code != ERR_OK)
		return conf_refuse(&r->t, conf_tree_find(&r->t, element, "cluster.server"), "cluster.server", "%s",
				   e.reason + strlen("url: "));
	TRY(copy(r, text, out));
	len = strlen(*out);
	while ((*out)[len - 1] == '/') (*out)[--len] = '\0'; /* ends: no host is empty */
	return OK;
}

static struct err read_cluster(struct reader *r, const yaml_node_t *element, struct kubeconfig *k)
{
	const yaml_node_t *skip = conf_tree_find(&r->t, element, "cluster.insecure-skip-tls-verify");
	const yaml_node_t *proxy = conf_tree_find(&r->t, element, "cluster.proxy-url");
	const char *name;

	/* whatever is not plainly "no": YAML 1.1, which others read, has more words for "yes" */
	if (is_set(skip) && (conf_tree_kind(skip) != TREE_BOOL || strcasecmp(conf_tree_text(skip), "false") != 0))
		return conf_refuse(&r->t, skip, "cluster.insecure-skip-tls-verify",
				   "the server is always verified; give its certificate-authority, and tls-server-name if the "
				   "certificate is for another name");
	if (is_set(proxy))
		return conf_refuse(&r->t, proxy, "cluster.proxy-url", "proxies are not used; give a server that is in reach");
	TRY(read_server(r, element, &k->server));
	TRY(text_get(r, element, "cluster.tls-server-name", &name));
	if (name != NULL && !hostname_valid(bytes_str(name), false))
		return conf_refuse(&r->t, element, "cluster.tls-server-name", "is not a host name");
	if (name != NULL) TRY(copy(r, name, &k->server_name));
	return read_pem(r, element, "cluster.certificate-authority", PEM_CERTIFICATES, &k->ca);
}

/* ---- user ---- */

#define INSTEAD "; use a token, a tokenFile, or a client-certificate and client-key"
static const struct {
	const char *key, *why;
} refused[] = {
	{ "user.exec", "plug-ins are not run" INSTEAD },
	{ "user.auth-provider", "auth-providers are not supported" INSTEAD },
	{ "user.username", "passwords are not supported" INSTEAD },
	{ "user.password", "passwords are not supported" INSTEAD },
	/* to leave them away would be to act as somebody with more rights */
	{ "user.as", "impersonation is not supported; use that user's own credentials" },
	{ "user.as-uid", "impersonation is not supported; use that user's own credentials" },
	{ "user.as-groups", "impersonation is not supported; use that user's own credentials" },
	{ "user.as-user-extra", "impersonation is not supported; use that user's own credentials" },
};

/* What goes into a header: no line end can be in it. */
static bool is_token(const char *text)
{
	size_t n = 0;

	while (text[n] > ' ' && text[n] <= '~') n++;
	return text[n] == '\0' && n <= KUBECONFIG_TOKEN_MAX;
}

static struct err read_token(struct reader *r, const yaml_node_t *element, struct kubeconfig_source *out)
{
	const char *text, *path;

	TRY(text_get(r, element, "user.tokenFile", &path));
	TRY(text_get(r, element, "user.token", &text));
	if (path != NULL) return copy_path(r, path, &out->path);
	if (text == NULL) return OK;
	if (!is_token(text))
		return conf_refuse(&r->t, conf_tree_find(&r->t, element, "user.token"), "user.token",
				   "is too long, or holds other characters than a token may");
	out->text.max = strlen(text);
	return buf_put(&out->text, text, out->text.max).code == ERR_OK ? OK : no_memory(r);
}

static bool is_there(const struct kubeconfig_source *s)
{
	return s->path != NULL || s->text.len > 0;
}

static struct err read_user(struct reader *r, const yaml_node_t *element, struct kubeconfig *k)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		const yaml_node_t *node = conf_tree_find(&r->t, element, refused[i].key);

		if (is_set(node)) return conf_refuse(&r->t, node, refused[i].key, "%s", refused[i].why);
	}
	TRY(read_pem(r, element, "user.client-certificate", PEM_CERTIFICATES, &k->certificate));
	TRY(read_pem(r, element, "user.client-key", PEM_KEY, &k->key));
	TRY(read_token(r, element, &k->token));
	if (is_there(&k->certificate) != is_there(&k->key))
		return conf_refuse(&r->t, element, "user", "has one of client-certificate and client-key; both are needed");
	if (!is_there(&k->certificate) && !is_there(&k->token))
		return conf_refuse(&r->t, element, "user", "has no credentials" INSTEAD);
	return OK;
}

/* ---- the whole ---- */

static struct err head_check(struct reader *r, const yaml_node_t *root)
{
	const char *kind, *version;

	if (!is_map(root)) return conf_refuse(&r->t, root, NULL, "expected a map of keys at the top");
	TRY(keys_check(r, root));
	TRY(text_get(r, root, "kind", &kind));
	TRY(text_get(r, root, "apiVersion", &version));
	if (kind != NULL && strcmp(kind, "Config") != 0)
		return conf_refuse(&r->t, root, "kind", "is not Config: this is no kubeconfig");
	if (version != NULL && strcmp(version, "v1") != 0) return conf_refuse(&r->t, root, "apiVersion", "is not v1");
	return OK;
}

static struct err read_root(struct reader *r, const yaml_node_t *root, struct kubeconfig *k)
{
	const yaml_node_t *context, *element, *asked = NULL;
	const char *name = r->options->context, *cluster, *user;

	TRY(head_check(r, root));
	if (name == NULL) {
		TRY(text_get(r, root, "current-context", &name));
		if (name == NULL)
			return conf_refuse(&r->t, root, "current-context", "missing; set it, or ask for a context by its name");
		asked = conf_tree_find(&r->t, root, "current-context");
	}
	TRY(entry_find(r, "contexts", name, asked, &context));
	TRY(text_needed(r, context, "context.cluster", &cluster));
	TRY(text_needed(r, context, "context.user", &user));
	TRY(entry_find(r, "clusters", cluster, conf_tree_find(&r->t, context, "context.cluster"), &element));
	TRY(read_cluster(r, element, k));
	TRY(entry_find(r, "users", user, conf_tree_find(&r->t, context, "context.user"), &element));
	return read_user(r, element, k);
}

struct err kubeconfig_parse(struct bytes yaml, const struct kubeconfig_options *options, struct kubeconfig *out,
			    struct conf_problem *problem)
{
	yaml_document_t document; /* outlives `doc` */
	AUTO(document) yaml_document_t *doc = NULL;
	AUTO(kubeconfig) struct kubeconfig k = { .server = NULL };
	struct tree t = { .name = options->name, .least = "current-context", .problem = problem };
	struct reader r = { .t = t, .options = options };

	problem->text[0] = '\0';
	TRY(conf_tree_load(&r.t, yaml, &document));
	doc = r.t.doc = &document;
	TRY(read_root(&r, yaml_document_get_root_node(doc), &k));
	*out = k;
	k = (struct kubeconfig){ .server = NULL };
	return OK;
}

static void source_wipe(struct kubeconfig_source *s)
{
	free(s->path);
	buf_wipe(&s->text);
}

void kubeconfig_wipe(struct kubeconfig *k)
{
	if (k == NULL) return;
	free(k->server);
	free(k->server_name);
	source_wipe(&k->ca);
	source_wipe(&k->certificate);
	source_wipe(&k->key);
	source_wipe(&k->token);
	*k = (struct kubeconfig){ .server = NULL };
}
