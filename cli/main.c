/* signet: the operator's command. */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	const struct rlimit none = { 0 };

	/* keys and tokens pass through here: no core files, no debuggers of other processes of this user */
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	return cli_main(argc, argv, stdout, stderr);
}
