/* show.c: the effective values, as YAML that reads back to the same image, or as JSON. */
#include <inttypes.h>
#include <string.h>

#include "conf/load.h"
#include "conf/loader.h"

#define SHOW_MAX (8 * 1024 * 1024) /* bytes; the pool with every character escaped, and the keys */

struct show {
	const struct conf *c, *defaults;
	struct buf *out;
	bool json;
};

/* JSON and YAML's double quotes share these escapes (YAML 1.2 s5.7); loading refuses what would need others. */
struct err conf_put_quoted(struct buf *out, const char *text)
{
	TRY(buf_put_str(out, "\""));
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\') TRY(buf_put_str(out, "\\"));
		TRY(buf_put(out, text, 1));
	}
	return buf_put_str(out, "\"");
}

static struct err put_list(const struct conf *c, struct conf_list list, struct buf *out)
{
	TRY(buf_put_str(out, "["));
	for (uint32_t i = 0; i < list.count; i++) {
		if (i > 0) TRY(buf_put_str(out, ", "));
		TRY(conf_put_quoted(out, conf_item(c, list, i)));
	}
	return buf_put_str(out, "]");
}

static struct err put_match(const struct conf *c, struct conf_list range, struct buf *out)
{
	TRY(buf_put_str(out, "{"));
	for (uint32_t i = 0; i < range.count; i++) {
		const struct conf_match *m = &c->matches[range.first + i];
		TRY(buf_put_str(out, i > 0 ? ", " : " "));
		TRY(conf_put_quoted(out, conf_text(c, m->attribute)));
		TRY(buf_put_str(out, ": "));
		TRY(put_list(c, m->patterns, out));
	}
	return buf_put_str(out, range.count > 0 ? " }" : "}");
}

static struct err put_enum(const struct schema_item *item, int64_t value, bool json, struct buf *out)
{
	for (const struct schema_choice *o = item->choices; o->text != NULL; o++)
		if (o->value == value) return json ? conf_put_quoted(out, o->text) : buf_put_str(out, o->text);
	FAIL(ERR_INTERNAL, "conf: a value that is no choice");
}

static struct err put_number(const struct schema_item *item, int64_t value, bool json, struct buf *out)
{
	char text[SCHEMA_NUMBER_MAX];
	schema_print_number(item->type, value, text);
	return json && item->type != SCHEMA_NUMBER ? conf_put_quoted(out, text) : buf_put_str(out, text);
}

struct err conf_put_value(const struct conf *c, const struct schema_item *item, const void *base, bool json, struct buf *out)
{
	const char *at = (const char *)base + item->offset;
	struct conf_list list;
	conf_str text;
	switch (item->type) {
	case SCHEMA_TEXT:
	case SCHEMA_PATH:
	case SCHEMA_CHOICE:
		memcpy(&text, at, sizeof(text));
		return conf_put_quoted(out, conf_text(c, text));
	case SCHEMA_TEXTS:
		memcpy(&list, at, sizeof(list));
		return put_list(c, list, out);
	case SCHEMA_MATCH:
		memcpy(&list, at, sizeof(list));
		return put_match(c, list, out);
	case SCHEMA_BOOL:
		return buf_put_str(out, conf_value_integer(item, base) != 0 ? "true" : "false");
	case SCHEMA_ENUM:
		return put_enum(item, conf_value_integer(item, base), json, out);
	default:
		return put_number(item, conf_value_integer(item, base), json, out);
	}
}

/* ---- elements of jwt_issuers and policy ---- */

/* Is what was printed the default of the item?  Most rules set two or three of their keys; the others only hide them. */
static bool is_fallback(const struct schema_item *item, struct bytes printed)
{
	static const char *const nothing[] = { "\"\"", "[]", "{}" };
	if (item->fallback == NULL) return false;
	for (size_t i = 0; i < ARRAY_LEN(nothing) && item->fallback[0] == '\0'; i++)
		if (bytes_is(printed, nothing[i])) return true;
	return bytes_is(printed, item->fallback);
}

static struct err put_element_yaml(struct show *s, const struct schema_table *table, const void *base, const char *margin)
{
	for (size_t i = 0; i < table->count; i++) {
		AUTO(buf) struct buf value = { .max = SHOW_MAX };
		TRY(conf_put_value(s->c, &table->items[i], base, false, &value));
		if (is_fallback(&table->items[i], buf_view(&value))) continue;
		TRY(buf_printf(s->out, "%s%s%s: ", margin, i == 0 ? "  - " : "    ", table->items[i].key));
		TRY(buf_put(s->out, value.data, value.len));
		TRY(buf_put_str(s->out, "\n"));
	}
	return OK;
}

static struct err put_element_json(struct show *s, const struct schema_table *table, const void *base)
{
	for (size_t i = 0; i < table->count; i++) {
		TRY(buf_printf(s->out, "%s\"%s\": ", i == 0 ? "{" : ", ", table->items[i].key));
		TRY(conf_put_value(s->c, &table->items[i], base, true, s->out));
	}
	return buf_put_str(s->out, "}");
}

static struct err put_elements(struct show *s, const struct schema_item *item)
{
	bool built_in = item->elements == &schema_rules && s->c->rules_built_in;
	uint32_t count = schema_count(item->elements, s->c);
	const char *margin = built_in ? "# " : "";
	if (s->json) TRY(buf_put_str(s->out, "["));
	else if (built_in) TRY(buf_printf(s->out, "# the built-in rules:\n# %s:\n", item->key));
	else TRY(buf_printf(s->out, count == 0 ? "%s: []\n" : "%s:\n", item->key));
	for (uint32_t i = 0; i < count; i++) {
		const void *base = schema_at(item->elements, s->c, i);
		if (s->json && i > 0) TRY(buf_put_str(s->out, ", "));
		TRY(s->json ? put_element_json(s, item->elements->table, base)
			    : put_element_yaml(s, item->elements->table, base, margin));
	}
	return s->json ? buf_put_str(s->out, "]") : OK;
}

/* ---- the whole ---- */

/* The section of a dotted key has changed since the key before? */
static bool section_begins(size_t i)
{
	size_t n = strcspn(schema_top.items[i].key, ".");
	return i == 0 || strncmp(schema_top.items[i].key, schema_top.items[i - 1].key, n + 1) != 0;
}

static const char *last_part(const char *key)
{
	const char *dot = strchr(key, '.');
	return dot == NULL ? key : dot + 1;
}

static struct err put_item_yaml(struct show *s, size_t i)
{
	const struct schema_item *item = &schema_top.items[i];
	AUTO(buf) struct buf mine = { .max = SHOW_MAX }, theirs = { .max = SHOW_MAX };
	const char *dot = strchr(item->key, '.');
	if (dot != NULL && section_begins(i)) TRY(buf_printf(s->out, "%.*s:\n", (int)(dot - item->key), item->key));
	if (item->elements != NULL) return put_elements(s, item);
	TRY(conf_put_value(s->c, item, s->c, false, &mine));
	TRY(conf_put_value(s->defaults, item, s->defaults, false, &theirs));
	bool same = item->fallback != NULL && bytes_equal(buf_view(&mine), buf_view(&theirs));
	TRY(buf_printf(s->out, "%s%s: ", dot != NULL ? "  " : "", last_part(item->key)));
	TRY(buf_put(s->out, mine.data, mine.len));
	return buf_put_str(s->out, same ? " # default\n" : "\n");
}

static struct err put_item_json(struct show *s, size_t i)
{
	const struct schema_item *item = &schema_top.items[i];
	const char *dot = strchr(item->key, '.');
	bool first = dot != NULL && section_begins(i), last = i + 1 == schema_top.count || section_begins(i + 1);
	if (i > 0) TRY(buf_put_str(s->out, ", "));
	if (first) TRY(buf_printf(s->out, "\"%.*s\": {", (int)(dot - item->key), item->key));
	TRY(buf_printf(s->out, "\"%s\": ", last_part(item->key)));
	TRY(item->elements != NULL ? put_elements(s, item) : conf_put_value(s->c, item, s->c, true, s->out));
	return dot != NULL && last ? buf_put_str(s->out, "}") : OK;
}

/* What a file with only the three values that other defaults are made of would give. */
static struct err defaults_make(const struct conf *c, struct conf **out)
{
	AUTO(buf) struct buf yaml = { .max = CONF_FILE_MAX };
	struct conf_problem problem;
	TRY(buf_put_str(&yaml, "trust_domain: "));
	TRY(conf_put_quoted(&yaml, conf_text(c, c->trust_domain)));
	TRY(buf_put_str(&yaml, "\ndata_dir: "));
	TRY(conf_put_quoted(&yaml, conf_text(c, c->data_dir)));
	TRY(buf_put_str(&yaml, "\nrun_dir: "));
	TRY(conf_put_quoted(&yaml, conf_text(c, c->run_dir)));
	return conf_parse(buf_view(&yaml), "defaults", out, &problem);
}

/* data_dir and run_dir themselves are compared with the table's own default. */
static struct err put_all_yaml(struct show *s)
{
	AUTO(conf) struct conf *like = NULL, *plain = NULL;
	struct conf_problem problem;
	TRY(defaults_make(s->c, &like));
	TRY(conf_parse(bytes_str("trust_domain: any"), "defaults", &plain, &problem));
	for (size_t i = 0; i < schema_top.count; i++) {
		bool directory = schema_top.items[i].offset == offsetof(struct conf, data_dir) ||
				 schema_top.items[i].offset == offsetof(struct conf, run_dir);
		s->defaults = directory ? plain : like;
		TRY(put_item_yaml(s, i));
	}
	return OK;
}

struct err conf_show(const struct conf *c, struct buf *out)
{
	struct show s = { .c = c, .out = out };
	return put_all_yaml(&s);
}

struct err conf_show_json(const struct conf *c, struct buf *out)
{
	struct show s = { .c = c, .out = out, .json = true };
	TRY(buf_put_str(out, "{"));
	for (size_t i = 0; i < schema_top.count; i++) TRY(put_item_json(&s, i));
	return buf_printf(out, ", \"rules_built_in\": %s}\n", c->rules_built_in ? "true" : "false");
}
