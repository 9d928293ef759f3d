/* options.h: signetd's command line.  Pure but for what it prints. */
#ifndef SIGNET_DAEMON_OPTIONS_H
#define SIGNET_DAEMON_OPTIONS_H

#include <stdbool.h>

#define OPTIONS_CONF "/etc/signet/signet.yaml"

struct options {
	const char *conf;
	bool check;
};
/* true: go on.  false: end with *status (help and version were printed, or what is wrong). */
bool options_parse(int argc, char **argv, struct options *out, int *status);

#endif
