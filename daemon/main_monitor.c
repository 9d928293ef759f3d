/* signetd: the monitor.  Reads the configuration, opens what needs privilege, starts the others, and waits. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "conf/load.h"
#include "daemon/fds.h"
#include "daemon/monitor.h"
#include "daemon/options.h"
#include "policy/policy.h"

/* 0, 1 and 2 are open whatever our caller did, so that no socket becomes our log. */
static bool standard_descriptors(void)
{
	int null;

	do null = open("/dev/null", O_RDWR);
	while (null >= 0 && null <= 2);
	if (null < 0) return false;
	(void)dup2(null, 0);
	close(null);
	return true;
}

static bool load(const char *path, struct conf **conf)
{
	struct conf_problem problem = { "" };
	char rule[CONF_PROBLEM_MAX] = "";

	struct err e = conf_load(path, conf, &problem);

	if (e.code != ERR_OK) {
		fprintf(stderr, "signetd: %s%s\n", problem.text,
		        e.code == ERR_NOT_FOUND ? "; name another with -c, or make one with: signet init --trust-domain NAME" : "");
		return false;
	}
	if (policy_check(*conf, rule, sizeof(rule)).code == ERR_OK) return true;
	fprintf(stderr, "signetd: %s: %s\n", path, rule);
	return false;
}

static int run(const struct conf *conf)
{
	const struct log log = { .level = (enum log_level)conf->log.level, .json = conf->log.format == CONF_LOG_JSON,
		                 .process = "monitor" };
	struct start s;
	struct err e = start_all(&s, conf, &log);
	int status = EXIT_START;

	(void)dup2(2, 1); /* whoever reads our standard output need not wait for the daemon's end */
	if (e.code != ERR_OK)
		log_event(&log, LOG_ERROR, "cannot start", F_STR("at", s.at), F_ERR(e),
		          F_STR("errno", e.cause ? strerror((int)e.cause) : ""));
	else if ((e = monitor_run(&s, &status)).code != ERR_OK) {
		log_event(&log, LOG_ERROR, "cannot start", F_ERR(e));
		status = EXIT_START;
	}
	start_close(&s);
	log_event(&log, LOG_INFO, "stopped", F_INT("status", status));
	return status;
}

int main(int argc, char **argv)
{
	AUTO(conf) struct conf *conf = NULL;
	struct options options;
	int status;

	if (!options_parse(argc, argv, &options, &status)) return status;
	if (!standard_descriptors()) return EXIT_START;
	if (!load(options.conf, &conf)) return EXIT_CONF;
	if (!options.check) return run(conf);
	printf("%s is good\n", options.conf);
	return EXIT_CLEAN;
}
