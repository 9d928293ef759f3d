#include "cli/lists.h"

#include <string.h>

#define LIMIT_MAX 1000 /* admin.md */

const char *cli_list_path(struct buf *path)
{
	return buf_put(path, "", 1).code == ERR_OK ? (const char *)path->data : "/";
}

enum cli_exit cli_list_limit(struct cli *c, struct buf *path)
{
	const char *limit = cli_value(c, "limit");
	size_t digits = limit == NULL ? 0 : strspn(limit, "0123456789");
	long n = digits > 0 && digits < 6 ? strtol(limit, NULL, 10) : 0;

	if (limit == NULL) return CLI_OK;
	if (limit[digits] != '\0' || n < 1 || n > LIMIT_MAX)
		return cli_fail(c, CLI_USAGE, "--limit %s: write a number from 1 to %d", limit, LIMIT_MAX);
	return cli_api_query(path, "limit", limit).code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "too long a query");
}

static struct err put_cell(const struct cli *c, struct text_table *t, const struct list_column *column, const json_t *item)
{
	const json_t *member = json_object_get(item, column->member);
	char text[TEXT_TIME_MAX];
	int64_t at;

	if (column->time && cli_member_time(item, column->member, &at)) return text_table_cell(t, text_time(at, c->now, text));
	if (json_is_boolean(member)) return text_table_cell(t, json_is_true(member) ? "yes" : "");
	if (!json_is_integer(member)) return text_table_cell(t, cli_member(item, column->member));
	(void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(member));
	return text_table_cell(t, text);
}

static struct err put_rows(const struct cli *c, struct text_table *t, const struct list_column *columns, const json_t *items)
{
	const json_t *item;
	size_t i;

	for (size_t k = 0; k < t->columns; k++) TRY(text_table_cell(t, columns[k].head));
	json_array_foreach((json_t *)(uintptr_t)items, i, item)
		for (size_t k = 0; k < t->columns; k++) TRY(put_cell(c, t, &columns[k], item));
	return OK;
}

/* The value for --page, which is a number or a text. */
static void say_next(const struct cli *c, const json_t *next)
{
	if (json_is_integer(next)) fprintf(c->out, "\nmore: --page %lld\n", (long long)json_integer_value(next));
	else if (json_is_string(next)) fprintf(c->out, "\nmore: --page %s\n", json_string_value(next));
}

enum cli_exit cli_list(struct cli *c, const char *path, const struct list_column *columns, const char *nothing)
{
	AUTO(json) json_t *answer = NULL;
	AUTO(text_table) struct text_table t;
	const json_t *items;
	size_t n = 0;

	while (columns[n].head != NULL) n++;
	text_table_begin(&t, n);
	CLI_TRY(cli_api_get(c, path, &answer));
	if (c->json) return cli_print_json(c, answer);
	items = json_object_get(answer, "items");
	if (json_array_size(items) == 0) fprintf(c->out, "%s\n", nothing);
	else if (put_rows(c, &t, columns, items).code != ERR_OK) return cli_fail(c, CLI_FAILED, "too long a list; use --limit");
	text_table_print(&t, c->out);
	say_next(c, json_object_get(answer, "next"));
	return CLI_OK;
}
