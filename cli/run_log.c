/* run_log.c: signet log level. */
#include <stdio.h>
#include <string.h>

#include "base/control.h"
#include "cli/api.h"
#include "cli/lists.h"
#include "cli/run.h"
#include "cli/text.h"

#define FOR_DEFAULT "10m"
#define FOR_MAX CONTROL_LOG_SECONDS_MAX

/* "front" or "front 1" as "front:1" */
static enum cli_exit put_process(const struct cli *c, json_t *body)
{
	const char *name = cli_value(c, "process"), *colon = name == NULL ? NULL : strchr(name, ':');
	size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");

	if (name == NULL) return CLI_OK;
	if (colon == NULL) {
		(void)json_object_set_new(body, "process", json_string(name));
		return CLI_OK;
	}
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0')
		return cli_fail(c, CLI_USAGE, "--process %s: write a name, or one with its number, as front:1", name);
	(void)json_object_set_new(body, "process", json_stringn(name, (size_t)(colon - name)));
	(void)json_object_set_new(body, "number", json_integer(strtol(colon + 1, NULL, 10)));
	return CLI_OK;
}

static enum cli_exit set(struct cli *c, const char *level)
{
	AUTO(json) json_t *body = NULL, *answer = NULL;
	const char *text = cli_value(c, "for") == NULL ? FOR_DEFAULT : cli_value(c, "for");
	char span[TEXT_TIME_MAX];
	int64_t seconds;

	if (strcmp(level, "error") != 0 && strcmp(level, "warn") != 0 && strcmp(level, "info") != 0 && strcmp(level, "debug") != 0)
		return cli_fail(c, CLI_USAGE, "%s: the level is error, warn, info or debug", level);
	if (!text_parse_duration(text, &seconds) || seconds < 1 || seconds > FOR_MAX)
		return cli_fail(c, CLI_USAGE, "--for %s: write a time with a unit, from 1s to 24h", text);
	body = json_pack("{ss sI}", "level", level, "seconds", (json_int_t)seconds);
	CLI_TRY(put_process(c, body));
	CLI_TRY(cli_api_call(c, &(struct cli_api_ask){ .method = "POST", .path = "/v1/log", .body = body,
		                                       .subject = cli_value(c, "process") }, &answer));
	if (c->json) return cli_print_json(c, answer);
	fprintf(c->out, "Logs at level %s for %s, then as configured again.\n", level, text_duration(seconds, span));
	return CLI_OK;
}

enum cli_exit run_log_level(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "PROCESS", "process", false }, { "NUMBER", "number", false }, { "LEVEL", "level", false },
		{ "UNTIL", "until", true },      { NULL, NULL, false },
	};

	if (c->arg_count > 0) return set(c, c->args[0]);
	if (cli_value(c, "process") != NULL || cli_value(c, "for") != NULL)
		return cli_fail(c, CLI_USAGE, "--process and --for go with a level: error, warn, info or debug");
	return cli_list(c, "/v1/log", columns, "no process is known yet");
}
