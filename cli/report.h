/* report.h: what a command that checks many things found, said as it is found (text) or at the end (-o json).  One thread. */
#ifndef SIGNET_CLI_REPORT_H
#define SIGNET_CLI_REPORT_H

#include <jansson.h>

#include "base/own.h"
#include "cli/cli.h"

enum report_state { REPORT_GOOD, REPORT_SKIPPED, REPORT_MISSING, REPORT_FAILED };

struct report {
	const struct cli *c;
	char of[128];    /* what the next findings are of: "cluster east"; "": there was nothing yet */
	bool bad;        /* something is missing, or failed */
	json_t *checks;  /* -o json; NULL: none yet */
};
static inline void auto_report(struct report *r) { json_decref(r->checks); }
/* `detail` may hold what others said: it is made safe. */
void report(struct report *r, enum report_state state, const char *what, const char *detail);
/* A rule of RBAC that is missing, with the YAML that grants it (each line indented), and as JSON, which is taken over. */
void report_missing(struct report *r, const char *what, const char *yaml, json_t *rule);
void report_begin(struct report *r, const char *of);

#endif
