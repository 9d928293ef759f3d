/* values.c: one node, or one default, into one place of the image. */
#include <inttypes.h>
#include <string.h>

#include "conf/loader.h"

/* ---- pool ---- */

struct err conf_value_add_string(struct loader *l, const char *text, conf_str *out)
{
	size_t len = strlen(text) + 1;
	*out = 0;
	if (len == 1) return OK; /* offset 0 is "" */
	if (len > CONF_POOL_MAX - l->c->pool_len) return conf_refuse(&l->t, NULL, NULL, "too much text in all");
	memcpy(l->c->pool + l->c->pool_len, text, len);
	*out = l->c->pool_len;
	l->c->pool_len += (uint32_t)len;
	return OK;
}

struct err conf_value_add_item(struct loader *l, const char *text, struct conf_list *list)
{
	if (l->c->string_count >= CONF_STRINGS_MAX)
		return conf_refuse(&l->t, NULL, NULL, "more than %d list elements in all", CONF_STRINGS_MAX);
	if (list->count == 0) list->first = l->c->string_count;
	TRY(conf_value_add_string(l, text, &l->c->strings[l->c->string_count]));
	l->c->string_count++;
	list->count++;
	return OK;
}

static void put_integer(const struct schema_item *item, void *base, int64_t v)
{
	char *at = (char *)base + item->offset;
	uint32_t narrow = (uint32_t)v;
	bool truth = v != 0;
	if (item->size == sizeof(v)) memcpy(at, &v, sizeof(v));
	if (item->size == sizeof(narrow)) memcpy(at, &narrow, sizeof(narrow));
	if (item->size == sizeof(truth)) memcpy(at, &truth, sizeof(truth));
}

int64_t conf_value_integer(const struct schema_item *item, const void *base)
{
	const char *at = (const char *)base + item->offset;
	int64_t v = 0;
	uint32_t narrow;
	if (item->size == sizeof(v)) {
		memcpy(&v, at, sizeof(v));
	} else if (item->size == sizeof(narrow)) {
		memcpy(&narrow, at, sizeof(narrow));
		v = narrow;
	} else {
		v = *(const unsigned char *)at;
	}
	return v;
}

/* ---- one text ---- */

const char *conf_value_choices(const struct schema_item *item, char out[TREE_QUOTE_MAX * 2])
{
	size_t at = 0;
	for (const struct schema_choice *o = item->choices; o->text != NULL; o++) {
		int n = snprintf(out + at, TREE_QUOTE_MAX * 2 - at, "%s%s", o == item->choices ? "" : ", ", o->text);
		if (n < 0 || (size_t)n >= TREE_QUOTE_MAX * 2 - at) break;
		at += (size_t)n;
	}
	return out;
}

static const struct schema_choice *choice_find(const struct schema_item *item, const char *text)
{
	for (const struct schema_choice *o = item->choices; o->text != NULL; o++)
		if (strcmp(o->text, text) == 0) return o;
	return NULL;
}

static struct err refuse_choice(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text)
{
	char quoted[TREE_QUOTE_MAX], choices[TREE_QUOTE_MAX * 2];
	return conf_refuse(&l->t, node, item->key, "%s is not known; write one of %s", conf_quote(text, quoted),
			     conf_value_choices(item, choices));
}

/* Control characters, and what YAML takes for a line break or refuses raw (YAML 1.2 s5.1, s5.4), so that what was read can
 * be shown and read again: C1, U+2028, U+2029, U+FEFF, U+FFFE, U+FFFF. */
static bool has_unprintable(const char *text)
{
	static const char *const sequences[] = { "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf", "\xef\xbf\xbe", "\xef\xbf\xbf" };
	for (size_t i = 0; i < ARRAY_LEN(sequences); i++)
		if (strstr(text, sequences[i]) != NULL) return true;
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) return true;
	return false;
}

/* Length and characters of a text that is min..max bytes long. */
static struct err text_check(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text)
{
	bool element = item->type == SCHEMA_TEXTS || item->type == SCHEMA_MATCH;
	int64_t min = element ? 1 : item->min, max = element ? SCHEMA_ELEMENT_MAX : item->max;
	char quoted[TREE_QUOTE_MAX];
	size_t len = strlen(text);
	const char *expected;
	if (len == 0 && min > 0) return conf_refuse(&l->t, node, item->key, "may not be empty");
	if ((int64_t)len < min) return conf_refuse(&l->t, node, item->key, "%s is too short", conf_quote(text, quoted));
	if ((int64_t)len > max) return conf_refuse(&l->t, node, item->key, "longer than %" PRId64 " bytes", max);
	if (has_unprintable(text)) return conf_refuse(&l->t, node, item->key, "holds a control character");
	if (item->choices != NULL && choice_find(item, text) == NULL) return refuse_choice(l, item, node, text);
	if (item->check != NULL && (expected = item->check(text)) != NULL)
		return conf_refuse(&l->t, node, item->key, "%s is not %s", conf_quote(text, quoted), expected);
	return OK;
}

static struct err put_text(struct loader *l, const struct schema_item *item, const char *text, void *base)
{
	conf_str s;
	TRY(conf_value_add_string(l, text, &s));
	memcpy((char *)base + item->offset, &s, sizeof(s));
	return OK;
}

static struct err set_text(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text, void *base)
{
	TRY(text_check(l, item, node, text));
	return put_text(l, item, text, base);
}

static struct err set_path(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text, void *base)
{
	char path[2 * 4096];
	if (text[0] == '~' || text[0] == '$')
		return conf_refuse(&l->t, node, item->key, "%c... is taken as it stands, not filled in; write the path out",
				   text[0]);
	if (text[0] == '\0' || text[0] == '/' || l->folder.len == 0) return set_text(l, item, node, text, base);
	int n = snprintf(path, sizeof(path), "%.*s/%s", (int)l->folder.len, (const char *)l->folder.data, text);
	if (n < 0 || (size_t)n >= sizeof(path)) return conf_refuse(&l->t, node, item->key, "too long a path");
	return set_text(l, item, node, path, base);
}

static struct err set_enum(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text, void *base)
{
	const struct schema_choice *o = choice_find(item, text);
	if (o == NULL) return refuse_choice(l, item, node, text);
	put_integer(item, base, o->value);
	return OK;
}

static struct err set_bool(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text, void *base)
{
	(void)l, (void)node;
	put_integer(item, base, (text[0] | 0x20) == 't'); /* its kind is TREE_BOOL: one of six words */
	return OK;
}

static const struct {
	bool (*parse)(const char *text, int64_t *out);
	const char *what, *example;
} number_forms[] = {
	[SCHEMA_NUMBER] = { schema_parse_number, "a whole number", "10" },
	[SCHEMA_SECONDS] = { schema_parse_seconds, "a duration", "90s, 15m, 24h or 90d" },
	[SCHEMA_MICROS] = { schema_parse_micros, "a short duration", "500us or 2ms" },
};

static struct err set_number(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text,
			     void *base)
{
	char quoted[TREE_QUOTE_MAX], min[SCHEMA_NUMBER_MAX], max[SCHEMA_NUMBER_MAX];
	int64_t v;
	if (!number_forms[item->type].parse(text, &v))
		return conf_refuse(&l->t, node, item->key, "%s is not %s; write it like %s", conf_quote(text, quoted),
				     number_forms[item->type].what, number_forms[item->type].example);
	schema_print_number(item->type, item->min, min);
	schema_print_number(item->type, item->max, max);
	if (v < item->min || v > item->max)
		return conf_refuse(&l->t, node, item->key, "%s is out of range; it may be %s to %s", text, min, max);
	put_integer(item, base, v);
	return OK;
}

#define KIND(k) (1u << (k))
static const struct scalar_form {
	struct err (*set)(struct loader *l, const struct schema_item *item, const yaml_node_t *node, const char *text, void *base);
	unsigned kinds; /* of a scalar, that may stand there */
	const char *expected;
} scalar_forms[] = {
	[SCHEMA_TEXT] = { set_text, KIND(TREE_TEXT), "text" },
	[SCHEMA_PATH] = { set_path, KIND(TREE_TEXT), "the path of a file" },
	[SCHEMA_CHOICE] = { set_text, KIND(TREE_TEXT), "text" },
	[SCHEMA_ENUM] = { set_enum, KIND(TREE_TEXT) | KIND(TREE_FLOAT), "text" },
	[SCHEMA_BOOL] = { set_bool, KIND(TREE_BOOL), "true or false" },
	[SCHEMA_NUMBER] = { set_number, KIND(TREE_INTEGER), "a whole number" },
	[SCHEMA_SECONDS] = { set_number, KIND(TREE_TEXT) | KIND(TREE_INTEGER), "a duration like 90s, 15m, 24h or 90d" },
	[SCHEMA_MICROS] = { set_number, KIND(TREE_TEXT) | KIND(TREE_INTEGER), "a short duration like 500us or 2ms" },
};

/* The one place where what was found is told to be of another kind. */
static struct err refuse_kind(struct loader *l, const char *key, const yaml_node_t *node, const char *expected)
{
	static const char *const hints[] = {
		[TREE_TEXT] = "",
		[TREE_NULL] = "",
		[TREE_BOOL] = "; as text it needs quotes",
		[TREE_INTEGER] = "; as text it needs quotes",
		[TREE_FLOAT] = "; as text it needs quotes",
		[TREE_LIST] = "",
		[TREE_MAP] = "; a text that begins with { needs quotes",
	};
	char quoted[TREE_QUOTE_MAX];
	enum tree_kind kind = conf_tree_kind(node);
	bool shown = kind == TREE_TEXT || kind == TREE_BOOL || kind == TREE_INTEGER || kind == TREE_FLOAT;
	return conf_refuse(&l->t, node, key, "expected %s, found %s%s%s%s", expected, conf_tree_kind_name(kind), shown ? " " : "",
			     shown ? conf_quote(conf_tree_text(node), quoted) : "", hints[kind]);
}

/* ---- lists ---- */

static struct err add_element(struct loader *l, const struct schema_item *item, const yaml_node_t *node, struct conf_list *list)
{
	if (conf_tree_kind(node) != TREE_TEXT) return refuse_kind(l, item->key, node, "text");
	TRY(text_check(l, item, node, conf_tree_text(node)));
	return conf_value_add_item(l, conf_tree_text(node), list);
}

static struct err add_elements(struct loader *l, const struct schema_item *item, const yaml_node_t *node, struct conf_list *list)
{
	for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top; i++)
		TRY(add_element(l, item, conf_tree_node(&l->t, *i), list));
	return OK;
}

static struct err set_texts(struct loader *l, const struct schema_item *item, const yaml_node_t *node, void *base)
{
	struct conf_list list = { 0 };
	if (conf_tree_kind(node) != TREE_LIST) return refuse_kind(l, item->key, node, "a list like [a, b]");
	TRY(add_elements(l, item, node, &list));
	if (list.count < item->min) return conf_refuse(&l->t, node, item->key, "may not be empty");
	if (list.count > item->max) return conf_refuse(&l->t, node, item->key, "more than %" PRId64 " elements", item->max);
	memcpy((char *)base + item->offset, &list, sizeof(list));
	return OK;
}

/* ---- match: attribute -> pattern or patterns ---- */

static bool is_attribute(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_.-"); /* policy.h */
	return n > 0 && n <= 64 && name[n] == '\0';
}

static struct err add_match(struct loader *l, const struct schema_item *item, const yaml_node_t *map,
			     yaml_node_pair_t *pair)
{
	const yaml_node_t *key = conf_tree_node(&l->t, pair->key), *value = conf_tree_node(&l->t, pair->value);
	struct conf_match *m = &l->c->matches[l->c->match_count];
	char label[TREE_KEY_MAX / 2], quoted[TREE_QUOTE_MAX];
	struct schema_item attribute = *item; /* so that messages name the attribute */
	if (conf_tree_kind(key) != TREE_TEXT || !is_attribute(conf_tree_text(key)))
		return conf_refuse(&l->t, key, item->key, "%s is not the name of an attribute: a-z, 0-9, '_', '.' and '-'",
				     key->type == YAML_SCALAR_NODE ? conf_quote(conf_tree_text(key), quoted) : "a key");
	const yaml_node_t *first = conf_tree_first(&l->t, map, key);
	if (first != key)
		return conf_refuse(&l->t, key, item->key, "the attribute %s is given twice, first in line %zu",
				     conf_quote(conf_tree_text(key), quoted), first->start_mark.line + 1);
	if (l->c->match_count >= CONF_MATCHES_MAX)
		return conf_refuse(&l->t, key, item->key, "more than %d in all rules", CONF_MATCHES_MAX);
	snprintf(label, sizeof(label), "%s.%s", item->key, conf_tree_text(key));
	attribute.key = label;
	*m = (struct conf_match){ 0 };
	TRY(conf_value_add_string(l, conf_tree_text(key), &m->attribute));
	if (conf_tree_kind(value) == TREE_LIST) {
		TRY(add_elements(l, &attribute, value, &m->patterns));
		if (m->patterns.count == 0) return conf_refuse(&l->t, value, label, "may not be empty");
	} else {
		TRY(add_element(l, &attribute, value, &m->patterns));
	}
	l->c->match_count++;
	return OK;
}

static struct err set_match(struct loader *l, const struct schema_item *item, const yaml_node_t *node, void *base)
{
	struct conf_list range = { .first = l->c->match_count };
	if (conf_tree_kind(node) != TREE_MAP) return refuse_kind(l, item->key, node, "a map of attribute: pattern");
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++)
		TRY(add_match(l, item, node, p));
	range.count = l->c->match_count - range.first;
	memcpy((char *)base + item->offset, &range, sizeof(range));
	return OK;
}

struct err conf_value_set(struct loader *l, const struct schema_item *item, const yaml_node_t *node, void *base)
{
	if (item->type == SCHEMA_TEXTS) return set_texts(l, item, node, base);
	if (item->type == SCHEMA_MATCH) return set_match(l, item, node, base);
	const struct scalar_form *form = &scalar_forms[item->type];
	enum tree_kind kind = conf_tree_kind(node);
	if (kind == TREE_LIST || kind == TREE_MAP || (form->kinds & KIND(kind)) == 0)
		return refuse_kind(l, item->key, node, form->expected);
	return form->set(l, item, node, conf_tree_text(node), base);
}

/* ---- defaults ---- */

/* TRUST_DOMAIN, DATA_DIR and RUN_DIR stand for values that were set before (they come first in the table). */
static struct err expand_default(struct loader *l, const char *text, struct buf *out)
{
	const struct {
		const char *word;
		conf_str value;
	} words[] = { { "TRUST_DOMAIN", l->c->trust_domain }, { "DATA_DIR", l->c->data_dir }, { "RUN_DIR", l->c->run_dir } };
	while (*text != '\0') {
		size_t taken = 0;
		for (size_t i = 0; i < ARRAY_LEN(words) && taken == 0; i++) {
			if (strncmp(text, words[i].word, strlen(words[i].word)) != 0) continue;
			taken = strlen(words[i].word);
			TRY(buf_put_str(out, conf_text(l->c, words[i].value)));
		}
		if (taken == 0) TRY(buf_put(out, text, 1));
		text += taken == 0 ? 1 : taken;
	}
	return buf_put(out, "", 1);
}

static struct err default_list(struct loader *l, const struct schema_item *item, char *text, void *base)
{
	struct conf_list list = { 0 };
	char *rest = NULL;
	for (char *word = strtok_r(text, ", ", &rest); word != NULL; word = strtok_r(NULL, ", ", &rest))
		TRY(conf_value_add_item(l, word, &list));
	memcpy((char *)base + item->offset, &list, sizeof(list));
	return OK;
}

struct err conf_value_set_default(struct loader *l, const struct schema_item *item, void *base)
{
	AUTO(buf) struct buf text = { .max = 8192 };
	if (item->type >= SCHEMA_MATCH) return OK; /* none */
	TRY(expand_default(l, item->fallback, &text));
	if (item->type == SCHEMA_TEXTS) return default_list(l, item, (char *)text.data, base);
	return scalar_forms[item->type].set(l, item, NULL, (const char *)text.data, base);
}
