/* run.c: from a command line to an exit status. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "conf/load.h"

static enum cli_exit help(const struct cli *c)
{
	if (c->command != NULL) cli_help_command(c->out, c->command);
	else if (c->topic != NULL) cli_help_group(c->out, c->topic);
	else cli_help(c->out);
	return CLI_OK;
}

/* What a full disk or a closed pipe kept from being written is a failure, too. */
static enum cli_exit finish(struct cli *c, enum cli_exit status)
{
	if (fflush(c->out) == 0 && !ferror(c->out)) return status;
	return status != CLI_OK ? status : cli_fail(c, CLI_FAILED, "cannot write the output: %s", strerror(errno));
}

int cli_main(int argc, char *const *argv, FILE *out, FILE *err)
{
	struct cli c = { .out = out, .err = err, .now = clock_wall() };
	char problem[CLI_PROBLEM_MAX], word[] = "version", *const version[] = { word, word, NULL };
	enum cli_exit status;

	if (argc < 2) {
		cli_help(err);
		return CLI_USAGE;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) argv = version;
	if (!cli_parse(argc, argv, &c, problem)) return (int)cli_fail(&c, CLI_USAGE, "%s", problem);
	status = c.help ? help(&c) : c.command->run(&c);
	status = finish(&c, status);
	conf_free(c.conf);
	return (int)status;
}
