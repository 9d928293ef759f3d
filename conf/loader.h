/* loader.h: the parts of the YAML loader and printer above the tree: values (one item), load (the walk), meaning (items together).
 *
 * Inside conf/ only, one thread, state in the struct loader alone. */
#ifndef SIGNET_CONF_LOADER_H
#define SIGNET_CONF_LOADER_H

#include "conf/load.h"
#include "conf/schema.h"
#include "conf/tree.h"

struct loader {
	struct tree t;       /* the file */
	struct bytes folder; /* that relative paths start from; "" leaves them */
	struct conf *c;      /* with room for CONF_POOL_MAX */
};

extern const char conf_built_in_rules[]; /* YAML, load.c */

/* ---- values.c ---- */
/* The node as a value of the item, into base + item->offset; not for lists of maps. */
struct err conf_value_set(struct loader *l, const struct schema_item *item, const yaml_node_t *node, void *base);
struct err conf_value_set_default(struct loader *l, const struct schema_item *item, void *base);
struct err conf_value_add_string(struct loader *l, const char *text, conf_str *out); /* into the pool */
struct err conf_value_add_item(struct loader *l, const char *text, struct conf_list *list);
/* Integer of the item, whatever its width. */
int64_t conf_value_integer(const struct schema_item *item, const void *base);
/* "one of p256, p384" into out. */
const char *conf_value_choices(const struct schema_item *item, char out[TREE_QUOTE_MAX * 2]);

/* ---- show.c ---- */
struct err conf_put_quoted(struct buf *out, const char *text);
struct err conf_put_value(const struct conf *c, const struct schema_item *item, const void *base, bool json, struct buf *out);

/* ---- suggest.c ---- */
/* The known key nearest to `key`, which is unknown below `section` ("" or "listen."); NULL if none is near. */
const char *conf_suggest(const struct schema_table *table, const char *section, const char *key, char out[TREE_KEY_MAX]);

/* ---- meaning.c ---- */
/* What no single item can say: one at most another, both or none, unique names.  root: of the file. */
struct err conf_meaning(struct loader *l, const yaml_node_t *root);

#endif
