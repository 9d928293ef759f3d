/* processes.h: the monitor's lines about its processes (docs/protocols/control.md), and what the kernel says of them here. */
#ifndef SIGNET_CLI_PROCESSES_H
#define SIGNET_CLI_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#define CLI_PROCESSES_MAX 128

struct cli_process {
	char role[16], state[16], since[32];
	unsigned number, restarts;
	long pid; /* 0: it does not run */
};
/* Reads one line at *text and passes it; false: there is none any more. */
bool cli_process_next(const char **text, struct cli_process *out);

struct cli_usage {
	double cpu_s;      /* user and system */
	uint64_t rss;      /* bytes */
};
/* From /proc; false: the process is not to be seen from here, or another one has its number now. */
bool cli_process_usage(const struct cli_process *p, struct cli_usage *out);

#endif
