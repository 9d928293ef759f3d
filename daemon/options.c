#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>

#include "daemon/fds.h"

static const char usage[] =
	"usage: signetd [-c FILE] [--check]\n"
	"\n"
	"  -c, --config FILE  configuration (" OPTIONS_CONF ")\n"
	"      --check        check the configuration and end\n"
	"      --version\n"
	"  -h, --help\n"
	"\n"
	"Runs in the foreground and logs to standard error.  SIGTERM stops it, SIGHUP reads JWKS and TLS files again.\n"
	"Exit status: 0 stopped, 2 configuration, 3 the keeper died, 4 cannot start.  See signetd(8).\n";

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check", no_argument, NULL, 'k' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

bool options_parse(int argc, char **argv, struct options *out, int *status)
{
	int c;

	*out = (struct options){ .conf = OPTIONS_CONF };
	*status = EXIT_CLEAN;
	optind = 1;
	while ((c = getopt_long(argc, argv, "c:h", long_options, NULL)) != -1) {
		if (c == 'c') {
			out->conf = optarg;
		} else if (c == 'k') {
			out->check = true;
		} else if (c == 'V') {
			printf("signetd " SIGNET_VERSION "\n");
			return false;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			*status = c == 'h' ? EXIT_CLEAN : EXIT_CONF;
			return false;
		}
	}
	if (optind == argc) return true;
	fprintf(stderr, "signetd: unexpected argument\n%s", usage);
	*status = EXIT_CONF;
	return false;
}
