/* run_init.c: signet init. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/files.h"
#include "cli/json.h"
#include "cli/run.h"
#include "conf/load.h"
#include "csr/spiffe.h"

struct init {
	const char *trust_domain, *path;
	char data_dir[PATH_MAX], run_dir[PATH_MAX];
};

static enum cli_exit directory(const struct cli *c, const char *option, const char *fallback, char out[PATH_MAX])
{
	const char *given = cli_value(c, option);

	if (cli_files_absolute(given == NULL ? fallback : given, out, PATH_MAX)) return CLI_OK;
	return cli_fail(c, CLI_FAILED, "--%s: the path is too long, or there is no working directory", option);
}

/* /etc/signet, of which only the last element may be missing. */
static void make_parent(const char *path)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	if (slash == NULL || slash == path) return;
	(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	(void)mkdir(dir, 0755); /* what is wrong shows when the file is written */
}

static enum cli_exit write_starter(const struct cli *c, const struct init *i)
{
	AUTO(buf) struct buf text = { .max = CONF_FILE_MAX };
	AUTO(conf) struct conf *conf = NULL;
	struct conf_problem problem = { "" };
	struct err e;

	e = conf_starter(i->trust_domain, i->data_dir, i->run_dir, &text);
	if (e.code == ERR_OK) e = conf_parse(buf_view(&text), i->path, &conf, &problem);
	if (e.code != ERR_OK)
		return cli_fail(c, CLI_FAILED, "cannot make a configuration of this: %s",
		                problem.text[0] != '\0' ? problem.text : e.reason);
	make_parent(i->path);
	e = cli_files_write(i->path, 0644, buf_view(&text), false);
	if (e.code == ERR_ALREADY_EXISTS)
		return cli_fail(c, CLI_FAILED, "%s is there already, and stays as it is; name another with --config", i->path);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "cannot write %s: %s", i->path, strerror((int)e.cause));
	return CLI_OK;
}

/* Next steps depend on who runs the daemon: the service manager as root, or this very user. */
static void say_next(const struct cli *c, const struct init *i)
{
	bool standard = strcmp(i->path, CLI_CONFIG) == 0;

	fprintf(c->out, "wrote %s for the trust domain %s\n\nNext:\n", i->path, i->trust_domain);
	fprintf(c->out, "  look at it       every key stands there with its default, commented out\n");
	if (standard) fprintf(c->out, "  check it         signet config check\n");
	else fprintf(c->out, "  check it         signet config check %s\n", i->path);
	if (standard && getpwnam("signet") == NULL)
		fprintf(c->out, "  make its user    useradd --system --home-dir %s --shell /usr/sbin/nologin signet\n",
		        i->data_dir);
	if (standard) fprintf(c->out, "  start it         systemctl enable --now signet   (or: signetd)\n");
	else fprintf(c->out, "  start it         signetd -c %s\n", i->path);
	fprintf(c->out, "  see it run       signet status%s%s\n", standard ? "" : " --config ", standard ? "" : i->path);
	fprintf(c->out, "  a first token    signet token create --spiffe-id spiffe://%s/hello%s%s\n", i->trust_domain,
	        standard ? "" : " --config ", standard ? "" : i->path);
	fprintf(c->out, "\nKeep a copy of the key-encryption key that the first start makes and names in its log: without it,\n"
	                "a backup of %s holds no CA.\n", i->data_dir);
}

enum cli_exit run_init(struct cli *c)
{
	struct init i = { .trust_domain = cli_value(c, "trust-domain"), .path = cli_conf_path(c) };

	if (i.trust_domain == NULL)
		return cli_fail(c, CLI_USAGE,
		                "init needs --trust-domain NAME, for example: signet init --trust-domain prod.example.org");
	if (spiffe_trust_domain_check(bytes_str(i.trust_domain)).code != ERR_OK)
		return cli_fail(c, CLI_USAGE, "%s is not a trust domain: letters a-z, digits, '.', '-', '_', at most 255",
		                i.trust_domain);
	CLI_TRY(directory(c, "data-dir", "/var/lib/signet", i.data_dir));
	CLI_TRY(directory(c, "run-dir", "/run/signet", i.run_dir));
	CLI_TRY(write_starter(c, &i));
	if (c->json) {
		AUTO(json) json_t *o = json_pack("{ss ss ss ss}", "config", i.path, "trust_domain", i.trust_domain, "data_dir",
		                                 i.data_dir, "run_dir", i.run_dir);

		return cli_print_json(c, o);
	}
	say_next(c, &i);
	return CLI_OK;
}
