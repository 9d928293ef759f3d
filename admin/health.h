/* health.h: is the daemon well, and if not: what is wrong, in words, and what to do.  For who is woken at night: each reason
 * stands for itself, the worst first.  Pure: facts in, words out (admin/recent.c gathers the facts). */
#ifndef SIGNET_ADMIN_HEALTH_H
#define SIGNET_ADMIN_HEALTH_H

#include <jansson.h>

#include "base/metrics.h"
#include "conf/conf.h"

enum health_state { HEALTH_OK, HEALTH_DEGRADED, HEALTH_DOWN };
#define HEALTH_REASONS_MAX 48
#define HEALTH_PROCESSES_MAX 128

struct health_process {
	char role[16], state[16]; /* as CONTROL_STATUS says */
	unsigned number;
};
struct health_facts {
	int64_t now;                  /* Unix seconds */
	const struct conf *conf;
	struct health_process processes[HEALTH_PROCESSES_MAX];
	size_t process_count;
	uint64_t value[METRIC_COUNT]; /* of all processes together, as they are */
	/* what was counted in the last `seconds` */
	int64_t seconds;
	uint64_t recent[METRIC_COUNT];
	struct { uint64_t pending, issued, failed; int64_t root_end, chain_end; } issuers[CONF_CSR_ISSUERS_MAX];
	struct { uint64_t watches_lost, errors, calls, unauthorized; } clusters[CONF_CLUSTERS_MAX];
};

struct health {
	enum health_state state;
	struct health_reason {
		enum health_state state;
		char what[256];
		const char *todo;     /* a literal */
	} reasons[HEALTH_REASONS_MAX];
	size_t count;
};
void health_judge(const struct health_facts *f, struct health *out);
const char *health_name(enum health_state state); /* "OK", "DEGRADED", "DOWN" */
/* {"state": "DEGRADED", "reasons": [{"state": ..., "what": ..., "do": ...}]}; NULL: no memory. */
json_t *health_json(const struct health *h);

#endif
