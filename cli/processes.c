#include "cli/processes.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool cli_process_next(const char **text, struct cli_process *out)
{
	while (**text != '\0') {
		const char *line = *text;
		size_t n = strcspn(line, "\n");

		*text = line + n + (line[n] == '\n');
		if (sscanf(line, "%15s %u pid %ld state %15s restarts %u since %31s", out->role, &out->number, &out->pid,
			   out->state, &out->restarts, out->since) == 6)
			return true;
	}
	return false;
}

/* proc_pid_stat(5): pid (comm) state ppid ... utime(14) stime(15) ... rss(24), in pages. */
bool cli_process_usage(const struct cli_process *p, struct cli_usage *out)
{
	char path[32], line[1024], want[32];
	unsigned long user, sys;
	const char *rest;
	long rss;
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", p->pid);
	(void)snprintf(want, sizeof(want), "(signet-%s)", p->role);
	f = p->pid <= 0 ? NULL : fopen(path, "re");
	if (f == NULL) return false;
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	rest = strrchr(line, ')');
	if (rest == NULL || strstr(line, want) == NULL) return false;
	if (sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u %ld", &user, &sys,
	           &rss) != 3)
		return false;
	out->cpu_s = (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
	out->rss = (uint64_t)rss * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}
