/* setting.c: where a command learns of the configuration and of the daemon's socket, and how it says what went wrong. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/cli.h"
#include "cli/text.h"
#include "conf/load.h"
#include "policy/policy.h"

#define MESSAGE_MAX 4096

static void put_json(const struct cli *c, enum cli_exit status, const char *text)
{
	json_t *o = json_pack("{ss si}", "error", text, "exit", (int)status);

	if (o == NULL || json_dumpf(o, c->err, JSON_COMPACT) != 0) fprintf(c->err, "signet: failed");
	fputs("\n", c->err);
	json_decref(o);
}

enum cli_exit cli_fail(const struct cli *c, enum cli_exit status, const char *fmt, ...)
{
	AUTO(buf) struct buf safe = { .max = 2 * MESSAGE_MAX };
	char text[MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* names of files and answers of peers are in it */
	if (text_put_safe(&safe, bytes_str(text)).code != ERR_OK || buf_put(&safe, "", 1).code != ERR_OK) return status;
	if (c->json) put_json(c, status, (const char *)safe.data);
	else fprintf(c->err, "signet: %s\n", (const char *)safe.data);
	return status;
}

static const char *from_environment(const char *name)
{
	const char *v = getenv(name);

	return v == NULL || v[0] == '\0' ? NULL : v;
}

static const char *named_conf(const struct cli *c)
{
	const char *path = cli_value(c, "config");

	return path != NULL ? path : from_environment("SIGNET_CONFIG");
}

const char *cli_conf_path(const struct cli *c)
{
	const char *path = named_conf(c);

	return path != NULL ? path : CLI_CONFIG;
}

enum cli_exit cli_conf_load(struct cli *c, const char *path, struct conf **out)
{
	AUTO(conf) struct conf *conf = NULL;
	struct conf_problem problem = { "" };
	char rule[CONF_PROBLEM_MAX] = "";
	struct err e = conf_load(path, &conf, &problem);

	if (e.code == ERR_NOT_FOUND)
		return cli_fail(c, CLI_NOT_FOUND, "%s; make one with: signet init --trust-domain NAME", problem.text);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s", problem.text);
	if (policy_check(conf, rule, sizeof(rule)).code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s: %s", path, rule);
	*out = MOVE(conf);
	return CLI_OK;
}

enum cli_exit cli_conf(struct cli *c)
{
	AUTO(conf) struct conf *conf = NULL;
	struct conf_problem problem = { "" };
	const char *named = named_conf(c);

	if (c->conf != NULL) return CLI_OK;
	if (named != NULL) return cli_conf_load(c, named, &c->conf);
	/* nobody named it: it may be missing here, or be closed to this user, and the defaults do */
	if (conf_load(CLI_CONFIG, &conf, &problem).code == ERR_OK) c->conf = MOVE(conf);
	return CLI_OK;
}

enum cli_exit cli_socket(struct cli *c, const char **out)
{
	const char *path = cli_value(c, "socket");

	if (path == NULL) path = from_environment("SIGNET_SOCKET");
	if (path == NULL) {
		CLI_TRY(cli_conf(c));
		path = c->conf == NULL ? CLI_SOCKET : conf_text(c->conf, c->conf->admin.socket);
	}
	*out = path;
	return CLI_OK;
}
