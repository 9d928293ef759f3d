/* recent.h: what the counters were some minutes ago: so that "now" can be told from "since the start".  One thread. */
#ifndef SIGNET_ADMIN_RECENT_H
#define SIGNET_ADMIN_RECENT_H

#include "admin/health.h"

struct processes;

#define RECENT_STEP_MS 15000 /* ours */
#define RECENT_STEPS 21      /* so five minutes */

struct recent {
	struct recent_sample {
		int64_t at_ms; /* monotonic */
		uint64_t value[METRIC_COUNT];
		uint64_t issued[CONF_CSR_ISSUERS_MAX], failed[CONF_CSR_ISSUERS_MAX];
		uint64_t calls[CONF_CLUSTERS_MAX], errors[CONF_CLUSTERS_MAX], unauthorized[CONF_CLUSTERS_MAX];
	} samples[RECENT_STEPS];
	size_t count, next;
};
/* Take a sample if one is due; milliseconds until the next one is. */
int recent_look(struct recent *r, const struct processes *p);
/* All that health_judge() wants to know. */
void recent_facts(const struct recent *r, const struct processes *p, struct health_facts *out);

#endif
