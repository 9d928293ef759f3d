/* load.c: the walk over the file by the schema. */
#include "conf/load.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/loader.h"

/* The rules without `policy:`; docs/configuration.md shows them.  k8s.* are attributes of kubernetes issuers only, so the
 * third rule says nothing about plain JWT callers: for those somebody has to decide which claim becomes which ID. */
const char conf_built_in_rules[] = "policy:\n"
				   "  - name: join-token\n"
				   "    match: { method: join_token }\n"
				   "    spiffe_id: \"{spiffe_id}\"\n"
				   "  - name: renewal\n"
				   "    match: { method: mtls }\n"
				   "    spiffe_id: \"{spiffe_id}\"\n"
				   "  - name: kubernetes\n"
				   "    match: { method: jwt, k8s.namespace: \"*\", k8s.service_account: \"*\" }\n"
				   "    spiffe_id: \"spiffe://{trust_domain}/ns/{k8s.namespace}/sa/{k8s.service_account}\"\n";

void conf_free(struct conf *c)
{
	free(c);
}

/* ---- keys: known ---- */

enum key_place { KEY_UNKNOWN, KEY_ITEM, KEY_SECTION };

static enum key_place key_place(const struct schema_table *table, const char *dotted)
{
	size_t len = strlen(dotted);
	for (size_t i = 0; i < table->count; i++) {
		const char *key = table->items[i].key;
		if (strncmp(key, dotted, len) == 0 && (key[len] == '\0' || key[len] == '.'))
			return key[len] == '\0' ? KEY_ITEM : KEY_SECTION;
	}
	return KEY_UNKNOWN;
}

static struct err key_refuse_unknown(struct loader *l, const struct schema_table *table, const yaml_node_t *key,
				     const char *section)
{
	char label[TREE_KEY_MAX], near[TREE_KEY_MAX], quoted[TREE_QUOTE_MAX];
	bool plain = strspn(conf_tree_text(key), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
		     strlen(conf_tree_text(key));
	snprintf(label, sizeof(label), "%s%.64s", section, plain ? conf_tree_text(key) : conf_quote(conf_tree_text(key), quoted));
	if (conf_suggest(table, section, conf_tree_text(key), near) == NULL) return conf_refuse(&l->t, key, label, "unknown key");
	return conf_refuse(&l->t, key, label, "unknown key; did you mean %s?", near);
}

static struct err keys_check(struct loader *l, const struct schema_table *table, const yaml_node_t *map, const char *section)
{
	char dotted[TREE_KEY_MAX];
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = conf_tree_node(&l->t, p->key), *value = conf_tree_node(&l->t, p->value);
		TRY(conf_tree_key_check(&l->t, map, key));
		int n = snprintf(dotted, sizeof(dotted), "%s%s", section, conf_tree_text(key));
		bool fits = n > 0 && (size_t)n < sizeof(dotted) - 1 && strchr(conf_tree_text(key), '.') == NULL;
		enum key_place place = fits ? key_place(table, dotted) : KEY_UNKNOWN;
		if (place == KEY_UNKNOWN) return key_refuse_unknown(l, table, key, section);
		if (place == KEY_ITEM || conf_tree_kind(value) == TREE_NULL) continue; /* all its lines commented out */
		if (conf_tree_kind(value) != TREE_MAP)
			return conf_refuse(&l->t, value, dotted, "expected a map with the keys of this section");
		memcpy(dotted + n, ".", 2);
		TRY(keys_check(l, table, value, dotted)); /* once: sections do not nest */
	}
	return OK;
}

/* ---- items in the order of the table, so that equal settings make equal images ---- */

static struct err list_load(struct loader *l, const struct schema_item *item, const yaml_node_t *node);

static struct err item_load(struct loader *l, const struct schema_item *item, const yaml_node_t *map, void *base)
{
	const yaml_node_t *node = conf_tree_find(&l->t, map, item->key);
	if (node == NULL && item->fallback == NULL) return conf_refuse(&l->t, map, item->key, "missing; it has no default");
	if (item->elements != NULL) return node == NULL ? OK : list_load(l, item, node);
	return node == NULL ? conf_value_set_default(l, item, base) : conf_value_set(l, item, node, base);
}

static struct err table_load(struct loader *l, const struct schema_table *table, const yaml_node_t *map, void *base)
{
	TRY(keys_check(l, table, map, ""));
	for (size_t i = 0; i < table->count; i++) TRY(item_load(l, &table->items[i], map, base));
	return OK;
}

static void *list_slot(struct loader *l, const struct schema_item *item, uint32_t i, const yaml_node_t *node)
{
	uint32_t count = i + 1;

	memcpy((char *)l->c + item->elements->count, &count, sizeof(count));
	if (item->elements == &schema_rules) l->c->rules[i].line = l->t.built_in ? 0 : (uint32_t)node->start_mark.line + 1;
	return (char *)l->c + item->elements->first + (size_t)i * item->elements->stride;
}

static struct err list_load(struct loader *l, const struct schema_item *item, const yaml_node_t *node)
{
	uint32_t i = 0;
	if (conf_tree_kind(node) != TREE_LIST) return conf_refuse(&l->t, node, item->key, "expected a list of maps; [] for none");
	for (yaml_node_item_t *n = node->data.sequence.items.start; n < node->data.sequence.items.top; n++, i++) {
		const yaml_node_t *element = conf_tree_node(&l->t, *n);
		if (i >= item->max) return conf_refuse(&l->t, element, item->key, "more than %d elements", (int)item->max);
		if (conf_tree_kind(element) != TREE_MAP)
			return conf_refuse(&l->t, element, item->key, "expected a map in each element of the list");
		snprintf(l->t.prefix, sizeof(l->t.prefix), "%s[%u].", item->key, i);
		TRY(table_load(l, item->elements->table, element, list_slot(l, item, i, element)));
		l->t.prefix[0] = '\0';
	}
	return OK;
}

/* ---- the whole ---- */

static struct err rules_load_built_in(struct loader *l)
{
	yaml_document_t document, *outer = l->t.doc;
	AUTO(document) yaml_document_t *doc = NULL;
	l->t.built_in = true;
	TRY(conf_tree_load(&l->t, bytes_str(conf_built_in_rules), &document));
	doc = l->t.doc = &document;
	const yaml_node_t *rules = conf_tree_find(&l->t, yaml_document_get_root_node(doc), "policy");
	for (size_t i = 0; i < schema_top.count; i++)
		if (schema_top.items[i].elements == &schema_rules) TRY(list_load(l, &schema_top.items[i], rules));
	l->t.doc = outer;
	l->t.built_in = false;
	l->c->rules_built_in = true;
	return OK;
}

static struct err root_load(struct loader *l, struct bytes yaml)
{
	yaml_document_t document;
	AUTO(document) yaml_document_t *doc = NULL;
	TRY(conf_tree_load(&l->t, yaml, &document));
	doc = l->t.doc = &document;
	const yaml_node_t *root = yaml_document_get_root_node(doc);
	if (root == NULL || conf_tree_kind(root) != TREE_MAP)
		return conf_refuse(&l->t, root, NULL, "expected a map of keys at the top");
	TRY(table_load(l, &schema_top, root, l->c));
	TRY(conf_meaning(l, root));
	if (conf_tree_find(&l->t, root, "policy") == NULL) TRY(rules_load_built_in(l));
	return OK;
}

/* Cut the unused part of the pool off. */
static void image_finish(struct conf **c)
{
	struct conf *full = *c;
	size_t least = sizeof(*full) - offsetof(struct conf, pool) + 1;
	if (full->pool_len < least) full->pool_len = (uint32_t)least; /* zeros; the image is never smaller than its struct */
	full->version = CONF_VERSION;
	full->size = (uint32_t)(offsetof(struct conf, pool) + full->pool_len);
	struct conf *cut = realloc(full, full->size);
	*c = cut != NULL ? cut : full;
}

static struct err load(struct bytes yaml, const char *name, struct bytes folder, struct conf **out,
		       struct conf_problem *problem)
{
	AUTO(conf) struct conf *c = calloc(1, sizeof(*c) + CONF_POOL_MAX);
	struct tree t = { .name = name, .least = "trust_domain", .problem = problem };
	struct loader l = { .t = t, .folder = folder, .c = c };
	problem->text[0] = '\0';
	if (c == NULL) {
		(void)conf_refuse(&l.t, NULL, NULL, "out of memory");
		FAIL(ERR_RESOURCE_EXHAUSTED, "conf: out of memory");
	}
	c->pool_len = 1; /* the empty string */
	TRY(root_load(&l, yaml));
	image_finish(&c);
	*out = MOVE(c);
	return OK;
}

static struct bytes folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash == NULL ? BYTES_NONE : BYTES(path, slash == path ? 1 : (size_t)(slash - path));
}

struct err conf_parse(struct bytes yaml, const char *name, struct conf **out, struct conf_problem *problem)
{
	return load(yaml, name, folder_of(name), out, problem);
}

static struct err read_file(const char *path, struct buf *out)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	uint8_t *at;
	if (fd < 0 || fstat(fd, &st) != 0)
		return ERR_BY(errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID_ARGUMENT, "conf: cannot open the file", errno);
	if (S_ISDIR(st.st_mode)) FAIL_BY(ERR_INVALID_ARGUMENT, "conf: the file is a directory", EISDIR);
	for (;;) { /* one byte more than may be, to see that it is too much */
		TRY(buf_reserve(out, CONF_FILE_MAX + 1 - out->len, &at));
		ssize_t n = read(fd, at, CONF_FILE_MAX + 1 - out->len);
		if (n < 0 && errno == EINTR) continue;
		if (n < 0) FAIL_BY(ERR_INVALID_ARGUMENT, "conf: cannot read the file", errno);
		out->len += (size_t)n;
		if (n == 0 || out->len > CONF_FILE_MAX) return OK;
	}
}

struct err conf_load(const char *path, struct conf **out, struct conf_problem *problem)
{
	AUTO(buf) struct buf yaml = { .max = CONF_FILE_MAX + 1 };
	/* Absolute, so that paths stay right when a process changes its folder.  Only the folder: the file itself may be a link
	 * into a folder that is replaced with the next version (a Kubernetes ConfigMap), and the files beside it move along. */
	struct bytes folder = folder_of(path);
	AUTO(heap) char *named = folder.len == 0 ? strdup(".") : strndup((const char *)folder.data, folder.len);
	AUTO(heap) char *real = named == NULL ? NULL : realpath(named, NULL);
	struct err e = read_file(path, &yaml);
	if (e.code != ERR_OK) {
		snprintf(problem->text, sizeof(problem->text), "%s: cannot read it: %s", path,
			 e.cause != 0 ? strerror((int)e.cause) : e.reason);
		return e;
	}
	return load(buf_view(&yaml), path, real != NULL ? bytes_str(real) : folder, out, problem);
}
