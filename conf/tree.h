/* tree.h: a YAML file as plain data, with the line of each value, for the loader of signet.yaml and of kubeconfigs.
 *
 * One thread; no I/O.  Refused: anchors, aliases, tags, directives, NUL, a second document, nesting over 8, more than
 * CONF_FILE_MAX bytes; what is no YAML.  Quoted texts are text, plain ones what they look like (YAML 1.2 s10.3.2). */
#ifndef SIGNET_CONF_TREE_H
#define SIGNET_CONF_TREE_H

#include <yaml.h>

#include "conf/load.h"

#define TREE_KEY_MAX 192 /* bytes of a dotted key in a message */

struct tree {
	const char *name;              /* of the file, for messages */
	const char *least;             /* what is missing if there is nothing in it, for the message */
	bool built_in;                 /* our own text: its lines mean nothing to the operator */
	char prefix[TREE_KEY_MAX / 2]; /* of keys in messages: "policy[2]." */
	yaml_document_t *doc;
	struct conf_problem *problem;  /* always set when a call fails */
};

/* One document.  OK: *doc is the caller's, conf_tree_delete(); t->doc is for the caller to set. */
struct err conf_tree_load(struct tree *t, struct bytes yaml, yaml_document_t *doc);
/* Its texts are overwritten first: they may be secrets.  (What libyaml copied while it parsed is beyond us.) */
void conf_tree_delete(yaml_document_t *doc);
static inline void auto_document(yaml_document_t **doc)
{
	if (*doc != NULL) conf_tree_delete(*doc);
}

enum tree_kind { TREE_TEXT, TREE_NULL, TREE_BOOL, TREE_INTEGER, TREE_FLOAT, TREE_LIST, TREE_MAP };
enum tree_kind conf_tree_kind(const yaml_node_t *node);
const char *conf_tree_kind_name(enum tree_kind kind); /* "a list" */
/* The scalar's characters; they end in a NUL and conf_tree_load() saw to it that they hold no other. */
const char *conf_tree_text(const yaml_node_t *node);
yaml_node_t *conf_tree_node(const struct tree *t, int index);
/* Value of a dotted key below a map; NULL if it is not there. */
yaml_node_t *conf_tree_find(const struct tree *t, const yaml_node_t *map, const char *dotted);
/* The first key of a map with the same characters as `key`, which is one of them: itself, unless it is given twice. */
const yaml_node_t *conf_tree_first(const struct tree *t, const yaml_node_t *map, const yaml_node_t *key);
/* A key must be a text, no merge key, and the only one of its name in `map`. */
struct err conf_tree_key_check(struct tree *t, const yaml_node_t *map, const yaml_node_t *key);

/* Fill t->problem: "NAME:LINE: PREFIX KEY: ..." and return INVALID_ARGUMENT.  node and key may be NULL. */
struct err conf_refuse(struct tree *t, const yaml_node_t *node, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define TREE_QUOTE_MAX 80
/* A value for a message: in quotes, shortened, without control characters. */
const char *conf_quote(const char *text, char out[TREE_QUOTE_MAX]);

#endif
