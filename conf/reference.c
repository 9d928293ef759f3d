/* reference.c: the reference page, the man page's table and the starter file, all from the schema table. */
#include <inttypes.h>
#include <string.h>

#include "conf/load.h"
#include "conf/loader.h"

/* ---- what both references say of an item ---- */

static struct err put_range(const struct schema_item *item, const char *what, struct buf *out)
{
	char min[SCHEMA_NUMBER_MAX], max[SCHEMA_NUMBER_MAX];
	schema_print_number(item->type, item->min, min);
	schema_print_number(item->type, item->max, max);
	return buf_printf(out, "%s, %s to %s", what, min, max);
}

static struct err put_type(const struct schema_item *item, struct buf *out)
{
	char choices[TREE_QUOTE_MAX * 2];
	switch (item->type) {
	case SCHEMA_TEXT:
		return buf_printf(out, "text, %" PRId64 " to %" PRId64 " bytes", item->min, item->max);
	case SCHEMA_PATH:
		return buf_put_str(out, "path");
	case SCHEMA_CHOICE:
	case SCHEMA_ENUM:
		return buf_printf(out, "one of %s", conf_value_choices(item, choices));
	case SCHEMA_BOOL:
		return buf_put_str(out, "true or false");
	case SCHEMA_NUMBER:
		return put_range(item, "number", out);
	case SCHEMA_SECONDS:
	case SCHEMA_MICROS:
		return put_range(item, "duration", out);
	case SCHEMA_TEXTS:
		if (item->choices != NULL) return buf_printf(out, "list of %s", conf_value_choices(item, choices));
		return buf_printf(out, "list, %" PRId64 " to %" PRId64 " elements", item->min, item->max);
	case SCHEMA_MATCH:
		return buf_put_str(out, "map of attribute: pattern or list of patterns");
	case SCHEMA_MAPS:
		return buf_printf(out, "list of maps, at most %" PRId64, item->max);
	}
	return OK;
}

static bool is_list(const struct schema_item *item)
{
	return item->type >= SCHEMA_TEXTS;
}

/* NULL: there is none. */
static const char *default_text(const struct schema_item *item)
{
	if (item->fallback == NULL) return NULL;
	if (item->elements == &schema_rules) return "the built-in rules";
	if (item->fallback[0] != '\0') return item->fallback;
	return is_list(item) ? "[]" : "\"\"";
}

static size_t section_length(const char *key)
{
	const char *dot = strchr(key, '.');
	return dot == NULL ? 0 : (size_t)(dot - key);
}

static bool same_section(const char *a, const char *b)
{
	size_t n = section_length(a);
	return n == section_length(b) && strncmp(a, b, n) == 0;
}

/* ---- Markdown ---- */

static const char page_head[] =
	"# Configuration\n\n"
	"<!-- Written by conf_reference(); tests/unit/conf/test_reference.c says how to write it anew. -->\n\n"
	"One YAML file, `/etc/signet/signet.yaml` unless the command line names another. `trust_domain` alone is a working\n"
	"configuration. `signet config check` reads a file and says what is wrong with it, with line and key;\n"
	"`signet config show` prints every value in effect; `signet policy test` says which rule decides for a caller.\n\n"
	"- An unknown or repeated key, a wrong type or a value out of range refuses the whole file: nothing starts with half of\n"
	"  it.\n"
	"- Durations are one number and a unit: `90s`, `15m`, `24h`, `90d` (short ones `500us`, `2ms`).\n"
	"- A relative path is relative to the folder of the file.\n"
	"- Anchors, aliases, tags, merge keys and further documents are refused. A text that begins with `{`, `*` or `&` needs\n"
	"  quotes, and so does one that looks like a number.\n";

static const char page_policy[] =
	"\n### Attributes\n\n"
	"| attribute | whose | what |\n|---|---|---|\n"
	"| `method` | all | `jwt`, `mtls` or `join_token` |\n"
	"| `trust_domain` | all | ours |\n"
	"| `spiffe_id` | mtls, join_token | of the certificate, or that the token is bound to |\n"
	"| `issuer` | jwt | the `name` in `jwt_issuers` |\n"
	"| `claim.NAME` | jwt | each claim: text, number or true/false; a list has several values; `claim.A.B` inside objects |\n"
	"| `k8s.namespace`, `k8s.service_account` | jwt, kind kubernetes | from `sub` |\n"
	"| `k8s.pod`, `k8s.pod_uid`, `k8s.node` | jwt, kind kubernetes | if the token is bound to a pod |\n"
	"| `cluster` | jwt | that of the token's entry of `jwt_issuers`; if the entry has none, the `clusterid` header of "
	"Istio's agents: what the client says, not proven |\n\n"
	"### Patterns and templates\n\n"
	"In a pattern `*` is any characters but `/`, `**` any characters, `?` one character but `/`. If an attribute has several\n"
	"values, one must match. Only this file holds patterns: a `*` in a caller's value is just that character.\n\n"
	"In a template `{attribute}` is replaced by the caller's value. It must have exactly one, not empty, that cannot leave\n"
	"its place: letters, digits, `.`, `_` and `-` in a SPIFFE ID; lower-case letters, digits and `-` in a DNS name, and `.`\n"
	"too where the attribute is the whole template; an address in an IP address. Otherwise the caller gets nothing.\n"
	"`{spiffe_id}` as the whole template keeps the caller's SPIFFE ID as it is. Two attributes in one segment (`{a}-{b}`)\n"
	"are refused, because different values could then give the same name.\n\n"
	"### The built-in rules\n\nThey apply while there is no `policy:`.\n\n```yaml\n";

static struct err md_row(const struct schema_item *item, const char *key, struct buf *out)
{
	const char *fallback = default_text(item);
	TRY(buf_printf(out, "| `%s` | ", key));
	TRY(put_type(item, out));
	if (fallback == NULL) TRY(buf_put_str(out, " | required | "));
	else TRY(buf_printf(out, item->elements == &schema_rules ? " | %s | " : " | `%s` | ", fallback));
	return buf_printf(out, "%s |\n", item->help);
}

static struct err md_table_head(struct buf *out)
{
	return buf_put_str(out, "\n| key | type | default | |\n|---|---|---|---|\n");
}

static struct err md_elements(const struct schema_item *list, struct buf *out)
{
	const struct schema_table *table = list->elements->table;
	TRY(buf_printf(out, "\n## %s\n\n%s\n\nEach element of `%s`:\n", list->key, list->help, list->key));
	TRY(md_table_head(out));
	for (size_t i = 0; i < table->count; i++) TRY(md_row(&table->items[i], table->items[i].key, out));
	if (list->elements != &schema_rules) return OK;
	TRY(buf_put_str(out, page_policy));
	TRY(buf_put_str(out, conf_built_in_rules));
	return buf_put_str(out, "```\n");
}

static struct err md_section_head(const char *key, struct buf *out)
{
	char section[TREE_KEY_MAX];
	snprintf(section, sizeof(section), "%.*s", (int)section_length(key), key);
	if (section[0] == '\0') return buf_put_str(out, "\n## Top level\n");
	return buf_printf(out, "\n## %s\n\n%s\n", section, schema_section_help(section));
}

struct err conf_reference(struct buf *out)
{
	TRY(buf_put_str(out, page_head));
	for (size_t i = 0; i < schema_top.count; i++) {
		const struct schema_item *item = &schema_top.items[i];
		bool list = item->elements != NULL;
		if (list) {
			TRY(md_elements(item, out));
			continue;
		}
		if (i == 0 || !same_section(item->key, schema_top.items[i - 1].key)) {
			TRY(md_section_head(item->key, out));
			TRY(md_table_head(out));
		}
		TRY(md_row(item, item->key, out));
	}
	return OK;
}

/* ---- mdoc(7) ---- */

#define MDOC_COLUMNS 78

/* A word at a column; a '.' or '\'' at the start of a line would be a request, and '\' an escape. */
static struct err mdoc_word(struct bytes word, size_t column, struct buf *out)
{
	if (column > 0) TRY(buf_put_str(out, " "));
	if (column == 0 && (word.data[0] == '.' || word.data[0] == '\'')) TRY(buf_put_str(out, "\\&"));
	for (size_t i = 0; i < word.len; i++) TRY(word.data[i] == '\\' ? buf_put_str(out, "\\e") : buf_put(out, word.data + i, 1));
	return OK;
}

/* Text in lines of MDOC_COLUMNS, each sentence on a line of its own. */
static struct err mdoc_words(const char *text, struct buf *out)
{
	size_t column = 0;
	while (*text != '\0') {
		size_t n = strcspn(text, " ");
		bool sentence = n > 1 && text[n - 1] == '.' && text[n - 2] != '.' && text[n] == ' ';
		if (column > 0 && column + 1 + n > MDOC_COLUMNS) {
			TRY(buf_put_str(out, "\n"));
			column = 0;
		}
		TRY(mdoc_word(BYTES(text, n), column, out));
		if (sentence) TRY(buf_put_str(out, "\n"));
		column = sentence ? 0 : column + n + 1;
		text += n + (text[n] == ' ' ? 1 : 0);
	}
	return column > 0 ? buf_put_str(out, "\n") : OK;
}

static struct err mdoc_item(const struct schema_item *item, struct buf *out)
{
	AUTO(buf) struct buf line = { .max = 4096 };
	const char *fallback = default_text(item);
	TRY(put_type(item, &line));
	TRY(fallback == NULL ? buf_put_str(&line, "; required.") : buf_printf(&line, "; default %s", fallback));
	TRY(buf_put(&line, "", 1));
	TRY(buf_printf(out, ".It Ic %s\n.Pq ", item->key));
	/* one macro line: quotes stay as they are inside \(dq */
	for (const char *p = (const char *)line.data; *p != '\0'; p++)
		TRY(*p == '"' ? buf_put_str(out, "\\(dq") : buf_put(out, p, 1));
	TRY(buf_put_str(out, "\n.br\n"));
	return mdoc_words(item->help, out);
}

static struct err mdoc_table(const struct schema_table *table, bool lists, struct buf *out)
{
	TRY(buf_put_str(out, ".Bl -tag -width Ds\n"));
	for (size_t i = 0; i < table->count; i++)
		if (lists || table->items[i].elements == NULL) TRY(mdoc_item(&table->items[i], out));
	return buf_put_str(out, ".El\n");
}

struct err conf_reference_mdoc(struct buf *out)
{
	TRY(mdoc_table(&schema_top, false, out));
	for (size_t i = 0; i < schema_top.count; i++) {
		const struct schema_item *item = &schema_top.items[i];
		const struct schema_table *elements = item->elements == NULL ? NULL : item->elements->table;
		if (elements == NULL) continue;
		TRY(buf_printf(out, ".Ss Elements of %s\n", item->key));
		TRY(mdoc_words(item->help, out));
		TRY(mdoc_table(elements, true, out));
	}
	return OK;
}
