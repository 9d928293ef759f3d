/* starter.c: a first file, in which every key stands with its default, commented out. */
#include <string.h>

#include "conf/load.h"
#include "conf/loader.h"

#define STARTER_COLUMNS 100

static const char starter_head[] = "# Configuration of signetd.  Reference: signet.yaml(5).\n"
				   "# `signet config check` after a change; `signet config show` for what is in effect.\n\n";

static const char starter_lists[] =
	"\n# Who may vouch for a client by a signed token, for example a Kubernetes cluster:\n"
	"#jwt_issuers:\n"
	"#  - name: cluster\n"
	"#    kind: kubernetes\n"
	"#    issuer: https://kubernetes.default.svc.cluster.local  # `iss` of a service account's token\n"
	"#    jwks_file: jwks.json                                  # kubectl get --raw /openid/v1/jwks\n"
	"#    audiences: [istio-ca]\n"
	"\n# Who gets what; the first rule that matches decides, nobody else gets anything.  Without this key (not with an empty\n"
	"# one) these rules apply, written out here to start from:\n";

/* As comment lines. */
static struct err put_comment(struct buf *out, const char *margin, const char *text)
{
	size_t column = 0;
	for (; *text != '\0'; text += strspn(text, " ")) {
		size_t n = strcspn(text, " ");
		if (column == 0 || column + 1 + n > STARTER_COLUMNS) {
			TRY(buf_printf(out, "%s%s#", column == 0 ? "" : "\n", margin));
			column = strlen(margin) + 1;
		}
		TRY(buf_printf(out, " %.*s", (int)n, text));
		column += n + 1;
		text += n;
	}
	return buf_put_str(out, "\n");
}

static struct err put_item(const struct conf *c, const struct schema_item *item, bool set, struct buf *out)
{
	const char *dot = strchr(item->key, '.');
	TRY(put_comment(out, dot == NULL ? "" : "  ", item->help));
	TRY(buf_printf(out, "%s%s%s: ", set ? "" : "#", dot == NULL ? "" : "  ", dot == NULL ? item->key : dot + 1));
	TRY(conf_put_value(c, item, c, false, out));
	return buf_put_str(out, "\n");
}

static struct err put_section(const char *key, struct buf *out)
{
	char section[TREE_KEY_MAX];
	snprintf(section, sizeof(section), "%.*s", (int)strcspn(key, "."), key);
	TRY(buf_put_str(out, "\n"));
	TRY(put_comment(out, "", schema_section_help(section)));
	return buf_printf(out, "%s:\n", section);
}

static struct err put_items(const struct conf *c, struct buf *out)
{
	const char *before = "";
	for (size_t i = 0; i < schema_top.count; i++) {
		const struct schema_item *item = &schema_top.items[i];
		size_t n = strcspn(item->key, ".") + 1;
		if (item->elements != NULL) continue;
		if (item->key[n - 1] == '.' && strncmp(before, item->key, n) != 0) TRY(put_section(item->key, out));
		bool set = item->offset == offsetof(struct conf, trust_domain) || item->offset == offsetof(struct conf, data_dir) ||
			   item->offset == offsetof(struct conf, run_dir);
		TRY(put_item(c, item, set, out));
		before = item->key;
	}
	return OK;
}

static struct err put_rules(struct buf *out)
{
	for (const char *line = conf_built_in_rules; *line != '\0';) {
		size_t n = strcspn(line, "\n") + 1;
		TRY(buf_put_str(out, "#"));
		TRY(buf_put(out, line, n));
		line += n;
	}
	return OK;
}

struct err conf_starter(const char *trust_domain, const char *data_dir, const char *run_dir, struct buf *out)
{
	AUTO(buf) struct buf yaml = { .max = CONF_FILE_MAX };
	AUTO(conf) struct conf *c = NULL;
	struct conf_problem problem;
	const char *const keys[] = { "trust_domain", "data_dir", "run_dir" }, *const values[] = { trust_domain, data_dir, run_dir };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (values[i] == NULL) continue;
		TRY(buf_printf(&yaml, "%s: ", keys[i]));
		TRY(conf_put_quoted(&yaml, values[i]));
		TRY(buf_put_str(&yaml, "\n"));
	}
	TRY(conf_parse(buf_view(&yaml), "starter", &c, &problem)); /* so that what is written is what will be read */
	TRY(buf_put_str(out, starter_head));
	TRY(put_items(c, out));
	TRY(buf_put_str(out, starter_lists));
	return put_rules(out);
}
