#include "cli/json.h"

#include "cli/text.h"

enum cli_exit cli_print_json(const struct cli *c, const json_t *value)
{
	if (value == NULL || json_dumpf(value, c->out, JSON_INDENT(2)) != 0) return cli_fail(c, CLI_FAILED, "cannot write JSON");
	fputs("\n", c->out);
	return CLI_OK;
}

const char *cli_member(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s == NULL ? "" : s;
}

bool cli_member_time(const json_t *object, const char *name, int64_t *out)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s != NULL && text_parse_time(s, 0, 1, out);
}
