/* tree.c: bytes to a YAML document that is plain data.
 *
 * libyaml's document has lost anchors and resolved aliases, so the events are read first, and refused there; that pass
 * also bounds the depth before any tree is built. */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "conf/tree.h"

#define TREE_DEPTH_MAX 8 /* ours: policy, rule, match, patterns is 5 */

static void auto_yaml_parser(yaml_parser_t *p) { yaml_parser_delete(p); }
static void auto_yaml_event(yaml_event_t *e) { yaml_event_delete(e); }

__attribute__((format(printf, 3, 0))) static void problem_put(struct conf_problem *p, size_t *at, const char *fmt, va_list ap)
{
	int n = vsnprintf(p->text + *at, sizeof(p->text) - *at, fmt, ap);
	if (n > 0) *at += (size_t)n < sizeof(p->text) - *at ? (size_t)n : sizeof(p->text) - 1 - *at;
}

static void problem_put_head(struct tree *t, size_t line, const char *key, size_t *at)
{
	int n = line == 0 ? snprintf(t->problem->text, sizeof(t->problem->text), "%s: ", t->name)
			  : snprintf(t->problem->text, sizeof(t->problem->text), "%s:%zu: ", t->name, line);
	*at = n > 0 && (size_t)n < sizeof(t->problem->text) ? (size_t)n : 0;
	if (key == NULL) return;
	n = snprintf(t->problem->text + *at, sizeof(t->problem->text) - *at, "%s%s: ", t->prefix, key);
	if (n > 0 && (size_t)n < sizeof(t->problem->text) - *at) *at += (size_t)n;
}

struct err conf_refuse(struct tree *t, const yaml_node_t *node, const char *key, const char *fmt, ...)
{
	size_t at;
	va_list ap;
	problem_put_head(t, node == NULL || t->built_in ? 0 : node->start_mark.line + 1, key, &at);
	va_start(ap, fmt);
	problem_put(t->problem, &at, fmt, ap);
	va_end(ap);
	FAIL(ERR_INVALID_ARGUMENT, "conf: the file is refused");
}

static struct err refuse_line(struct tree *t, size_t line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static struct err refuse_line(struct tree *t, size_t line, const char *fmt, ...)
{
	size_t at;
	va_list ap;
	problem_put_head(t, line, NULL, &at);
	va_start(ap, fmt);
	problem_put(t->problem, &at, fmt, ap);
	va_end(ap);
	FAIL(ERR_INVALID_ARGUMENT, "conf: the file is refused");
}

const char *conf_quote(const char *text, char out[TREE_QUOTE_MAX])
{
	size_t n = 0;
	out[n++] = '"';
	for (; *text != '\0' && n < TREE_QUOTE_MAX - 5; text++)
		out[n++] = iscntrl((unsigned char)*text) || *text == '"' ? '?' : *text;
	/* do not cut a UTF-8 sequence in two */
	if (*text != '\0')
		while (n > 1 && ((unsigned char)out[n - 1] & 0x80) != 0) n--;
	memcpy(out + n, *text == '\0' ? "\"" : "...\"", *text == '\0' ? 2 : 5);
	return out;
}

static struct err syntax_refuse(struct tree *t, const yaml_parser_t *p)
{
	const char *why = p->problem != NULL ? p->problem : "out of memory";
	if (p->error == YAML_READER_ERROR)
		return refuse_line(t, p->mark.line + 1, "not YAML: %s at byte %zu", why, p->problem_offset);
	/* the usual mistake with patterns; libyaml speaks of an anchor's or alias's name there */
	const char *hint = strstr(why, "alphabetic or numeric") != NULL ? " (a text that begins with * or & needs quotes)"
	                   : strstr(why, "cannot start any token") != NULL
	                           ? " (indent with spaces, not with a tab; a text that begins with @, ` or % needs quotes)"
	                           : "";
	return refuse_line(t, p->problem_mark.line + 1, "not YAML: %s%s", why, hint);
}

/* What may not be on a scalar, list or map. */
static struct err event_check_node(struct tree *t, const yaml_event_t *e)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;
	size_t line = e->start_mark.line + 1;
	if (e->type == YAML_SCALAR_EVENT) {
		anchor = e->data.scalar.anchor, tag = e->data.scalar.tag;
		if (memchr(e->data.scalar.value, '\0', e->data.scalar.length) != NULL)
			return refuse_line(t, line, "a text holds a NUL character");
	} else if (e->type == YAML_SEQUENCE_START_EVENT) {
		anchor = e->data.sequence_start.anchor, tag = e->data.sequence_start.tag;
	} else if (e->type == YAML_MAPPING_START_EVENT) {
		anchor = e->data.mapping_start.anchor, tag = e->data.mapping_start.tag;
	}
	if (anchor != NULL) return refuse_line(t, line, "anchors (&) are not supported; write the value out");
	if (tag != NULL) return refuse_line(t, line, "tags (!) are not supported; write a plain value");
	if (e->type == YAML_ALIAS_EVENT)
		return refuse_line(t, line, "aliases (*) are not supported; put a text that begins with * in quotes");
	return OK;
}

struct event_state {
	unsigned depth, documents;
};

static struct err event_check(struct tree *t, const yaml_event_t *e, struct event_state *s)
{
	TRY(event_check_node(t, e));
	switch (e->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (e->data.document_start.version_directive != NULL ||
		    e->data.document_start.tag_directives.start != e->data.document_start.tag_directives.end)
			return refuse_line(t, e->start_mark.line + 1, "directives (%%) are not supported");
		if (++s->documents > 1) return refuse_line(t, e->start_mark.line + 1, "a second document (---) is not supported");
		return OK;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		if (++s->depth > TREE_DEPTH_MAX) return refuse_line(t, e->start_mark.line + 1, "nested too deep");
		return OK;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		s->depth--;
		return OK;
	default:
		return OK;
	}
}

static struct err parser_start(struct tree *t, yaml_parser_t *p, struct bytes yaml)
{
	if (!yaml_parser_initialize(p)) {
		memset(p, 0, sizeof(*p)); /* so that yaml_parser_delete() may run */
		return refuse_line(t, 0, "out of memory");
	}
	yaml_parser_set_encoding(p, YAML_UTF8_ENCODING); /* or a byte order mark would choose UTF-16 */
	yaml_parser_set_input_string(p, yaml.data, yaml.len);
	return OK;
}

static struct err events_check(struct tree *t, struct bytes yaml)
{
	AUTO(yaml_parser) yaml_parser_t p;
	struct event_state state = { 0 };
	TRY(parser_start(t, &p, yaml));
	for (;;) {
		AUTO(yaml_event) yaml_event_t e = { 0 };
		if (!yaml_parser_parse(&p, &e)) return syntax_refuse(t, &p);
		TRY(event_check(t, &e, &state));
		if (e.type == YAML_STREAM_END_EVENT) break;
	}
	if (state.documents == 0) return refuse_line(t, 0, "there is nothing in it; at least %s is needed", t->least);
	return OK;
}

struct err conf_tree_load(struct tree *t, struct bytes yaml, yaml_document_t *doc)
{
	AUTO(yaml_parser) yaml_parser_t p = { 0 };
	struct bytes mark = bytes_str("\xef\xbb\xbf"); /* of some editors; libyaml takes it only when it may choose the encoding */
	if (bytes_has_prefix(yaml, mark)) yaml = BYTES(yaml.data + mark.len, yaml.len - mark.len);
	if (yaml.len > CONF_FILE_MAX) return refuse_line(t, 0, "larger than %d bytes", CONF_FILE_MAX);
	if (bytes_has_nul(yaml)) return refuse_line(t, 0, "holds a NUL character");
	TRY(events_check(t, yaml));
	TRY(parser_start(t, &p, yaml));
	if (!yaml_parser_load(&p, doc)) return syntax_refuse(t, &p);
	return OK;
}

void conf_tree_delete(yaml_document_t *doc)
{
	for (yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++)
		if (n->type == YAML_SCALAR_NODE) explicit_bzero(n->data.scalar.value, n->data.scalar.length);
	yaml_document_delete(doc);
}

/* ---- plain scalars, YAML 1.2 s10.3.2 ---- */

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0) return true;
	return false;
}

static const char *skip_digits(const char *p, size_t *count)
{
	size_t n = strspn(p, "0123456789");
	*count += n;
	return p + n;
}

static bool is_integer(const char *text)
{
	size_t digits = 0;
	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'o'))
		return text[2] != '\0' && text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] == '\0';
	if (*text == '-' || *text == '+') text++;
	return *skip_digits(text, &digits) == '\0' && digits > 0;
}

static bool is_float(const char *text)
{
	static const char *const words[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };
	size_t digits = 0, exponent = 0;
	if (is_one_of(text, words)) return true;
	if (*text == '-' || *text == '+') text++;
	if (is_one_of(text, words)) return true;
	text = skip_digits(text, &digits);
	if (*text == '.') text = skip_digits(text + 1, &digits);
	if (digits == 0) return false;
	if (*text == '\0') return true;
	if (*text != 'e' && *text != 'E') return false;
	text++;
	if (*text == '-' || *text == '+') text++;
	return *skip_digits(text, &exponent) == '\0' && exponent > 0;
}

enum tree_kind conf_tree_kind(const yaml_node_t *node)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const bools[] = { "true", "True", "TRUE", "false", "False", "FALSE", NULL };
	if (node->type == YAML_SEQUENCE_NODE) return TREE_LIST;
	if (node->type == YAML_MAPPING_NODE) return TREE_MAP;
	const char *text = conf_tree_text(node);
	if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return TREE_TEXT;
	if (is_one_of(text, nulls)) return TREE_NULL;
	if (is_one_of(text, bools)) return TREE_BOOL;
	if (is_integer(text)) return TREE_INTEGER;
	return is_float(text) ? TREE_FLOAT : TREE_TEXT;
}

const char *conf_tree_kind_name(enum tree_kind kind)
{
	static const char *const names[] = {
		[TREE_TEXT] = "the text",      [TREE_NULL] = "nothing",     [TREE_BOOL] = "the truth value",
		[TREE_INTEGER] = "the number", [TREE_FLOAT] = "the number", [TREE_LIST] = "a list",
		[TREE_MAP] = "a map",
	};
	return names[kind];
}

const char *conf_tree_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

yaml_node_t *conf_tree_node(const struct tree *t, int index)
{
	return yaml_document_get_node(t->doc, index);
}

const yaml_node_t *conf_tree_first(const struct tree *t, const yaml_node_t *map, const yaml_node_t *key)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *other = conf_tree_node(t, p->key);
		if (other->type == YAML_SCALAR_NODE && strcmp(conf_tree_text(other), conf_tree_text(key)) == 0) return other;
	}
	return key;
}

struct err conf_tree_key_check(struct tree *t, const yaml_node_t *map, const yaml_node_t *key)
{
	char quoted[TREE_QUOTE_MAX];
	if (key->type != YAML_SCALAR_NODE)
		return conf_refuse(t, key, NULL, "a key must be a word, not %s", conf_tree_kind_name(conf_tree_kind(key)));
	conf_quote(conf_tree_text(key), quoted);
	if (strcmp(conf_tree_text(key), "<<") == 0) return conf_refuse(t, key, NULL, "merge keys (<<) are not supported");
	if (conf_tree_kind(key) != TREE_TEXT) return conf_refuse(t, key, NULL, "the key %s is not text", quoted);
	const yaml_node_t *first = conf_tree_first(t, map, key);
	if (first == key) return OK;
	return conf_refuse(t, key, NULL, "the key %s is given twice, first in line %zu", quoted, first->start_mark.line + 1);
}

static yaml_node_t *map_get(const struct tree *t, const yaml_node_t *map, struct bytes key)
{
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
		yaml_node_t *k = conf_tree_node(t, p->key);
		if (k->type == YAML_SCALAR_NODE && bytes_equal(BYTES(k->data.scalar.value, k->data.scalar.length), key))
			return conf_tree_node(t, p->value);
	}
	return NULL;
}

yaml_node_t *conf_tree_find(const struct tree *t, const yaml_node_t *map, const char *dotted)
{
	for (;;) {
		size_t n = strcspn(dotted, ".");
		if (map->type != YAML_MAPPING_NODE) return NULL;
		yaml_node_t *node = map_get(t, map, BYTES(dotted, n));
		if (node == NULL || dotted[n] == '\0') return node;
		map = node;
		dotted += n + 1;
	}
}
