/* loader.h: the parts of the YAML loader and printer: tree (syntax), values (one item), load (the walk), meaning (items together).
 *
 * Inside conf/ only, one thread, state in the struct loader alone. */
#ifndef SIGNET_CONF_LOADER_H
#define SIGNET_CONF_LOADER_H

#include <yaml.h>

#include "conf/load.h"
#include "conf/schema.h"

#define LOADER_KEY_MAX 192 /* bytes of a dotted key in a message */

struct loader {
	const char *name;             /* of the file, for messages */
	struct bytes folder;          /* that relative paths start from; "" leaves them */
	bool built_in;                /* our own text: its lines mean nothing to the operator */
	yaml_document_t *doc;
	struct conf *c;               /* with room for CONF_POOL_MAX */
	char prefix[LOADER_KEY_MAX / 2]; /* of keys in a list's element: "policy[2]." */
	struct conf_problem *problem; /* always set when a call fails */
};

extern const char conf_built_in_rules[]; /* YAML, load.c */

/* ---- tree.c ---- */
/* One document without anchors, aliases, tags, NUL, deep nesting.  OK: doc is the caller's, yaml_document_delete(). */
struct err conf_tree_load(struct loader *l, struct bytes yaml, yaml_document_t *doc);
enum tree_kind { TREE_TEXT, TREE_NULL, TREE_BOOL, TREE_INTEGER, TREE_FLOAT, TREE_LIST, TREE_MAP };
/* By the YAML 1.2 core schema: a quoted scalar is text, a plain one is what it looks like. */
enum tree_kind conf_tree_kind(const yaml_node_t *node);
const char *conf_tree_kind_name(enum tree_kind kind); /* "a list" */
/* The scalar's characters; they end in a NUL and conf_tree_load() saw to it that they hold no other. */
const char *conf_tree_text(const yaml_node_t *node);
yaml_node_t *conf_tree_node(const struct loader *l, int index);
/* Value of a dotted key below a map; NULL if it is not there. */
yaml_node_t *conf_tree_find(const struct loader *l, const yaml_node_t *map, const char *dotted);

/* The first key of a map with the same characters as `key`, which is one of them: itself, unless it is given twice. */
const yaml_node_t *conf_tree_first(const struct loader *l, const yaml_node_t *map, const yaml_node_t *key);

/* Fill l->problem: "NAME:LINE: PREFIX KEY: ..." and return INVALID_ARGUMENT.  node and key may be NULL. */
struct err conf_refuse(struct loader *l, const yaml_node_t *node, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define LOADER_QUOTE_MAX 80
/* A value for a message: in quotes, shortened, without control characters. */
const char *conf_quote(const char *text, char out[LOADER_QUOTE_MAX]);

/* ---- values.c ---- */
/* The node as a value of the item, into base + item->offset; not for lists of maps. */
struct err conf_value_set(struct loader *l, const struct schema_item *item, const yaml_node_t *node, void *base);
struct err conf_value_set_default(struct loader *l, const struct schema_item *item, void *base);
struct err conf_value_add_string(struct loader *l, const char *text, conf_str *out); /* into the pool */
struct err conf_value_add_item(struct loader *l, const char *text, struct conf_list *list);
/* Integer of the item, whatever its width. */
int64_t conf_value_integer(const struct schema_item *item, const void *base);
/* "one of p256, p384" into out. */
const char *conf_value_choices(const struct schema_item *item, char out[LOADER_QUOTE_MAX * 2]);

/* ---- show.c ---- */
struct err conf_put_quoted(struct buf *out, const char *text);
struct err conf_put_value(const struct conf *c, const struct schema_item *item, const void *base, bool json, struct buf *out);

/* ---- suggest.c ---- */
/* The known key nearest to `key`, which is unknown below `section` ("" or "listen."); NULL if none is near. */
const char *conf_suggest(const struct schema_table *table, const char *section, const char *key, char out[LOADER_KEY_MAX]);

/* ---- meaning.c ---- */
/* What no single item can say: one at most another, both or none, unique names.  root: of the file. */
struct err conf_meaning(struct loader *l, const yaml_node_t *root);

#endif
