#include "admin/recent.h"

#include <stdio.h>
#include <string.h>

#include "admin/processes.h"
#include "base/clock.h"
#include "ca/wire.h"

static uint64_t sum_of(const struct processes *p, enum metric_of m, size_t slot)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->count; i++) sum += metric_get_of(p->pages[i].metrics, m, slot);
	return sum;
}

/* Refused because the issuer, or its approver, did not sign: not because of who asked. */
static uint64_t failures(const struct processes *p, size_t issuer)
{
	uint64_t sum = 0;

	for (enum keeper_reason i = REASON_ISSUER_DENIED; i <= REASON_ISSUER_ROOTS; i++)
		sum += sum_of(p, (enum metric_of)keeper_reason_metric(i), issuer);
	return sum;
}

static void sample(const struct processes *p, struct recent_sample *s)
{
	s->at_ms = clock_mono_us() / 1000;
	for (enum metric m = 0; m < METRIC_COUNT; m++) s->value[m] = processes_value(p, m);
	for (uint32_t i = 0; i < p->conf->csr_issuer_count; i++) {
		s->issued[i] = sum_of(p, MO_ISSUED, i);
		s->failed[i] = failures(p, i);
	}
	for (uint32_t i = 0; i < p->conf->cluster_count; i++) {
		s->calls[i] = sum_of(p, MO_CALLS, i);
		s->errors[i] = sum_of(p, MO_ERRORS, i);
		s->unauthorized[i] = sum_of(p, MO_UNAUTHORIZED, i);
	}
}

int recent_look(struct recent *r, const struct processes *p)
{
	const struct recent_sample *newest = &r->samples[(r->next + RECENT_STEPS - 1) % RECENT_STEPS];
	int64_t since = clock_mono_us() / 1000 - newest->at_ms;

	if (r->count > 0 && since < RECENT_STEP_MS) return (int)(RECENT_STEP_MS - since);
	sample(p, &r->samples[r->next]);
	r->next = (r->next + 1) % RECENT_STEPS;
	if (r->count < RECENT_STEPS) r->count++;
	return RECENT_STEP_MS;
}

/* A page that was replaced may have counted less. */
static uint64_t less(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* "front 0 pid 123 state ready restarts 2 since ...": daemon/monitor.c. */
static void read_processes(const char *status, struct health_facts *out)
{
	while (*status != '\0' && out->process_count < HEALTH_PROCESSES_MAX) {
		struct health_process *x = &out->processes[out->process_count];
		const char *end = strchr(status, '\n');

		if (sscanf(status, "%15s %u pid %*d state %15s", x->role, &x->number, x->state) == 3) out->process_count++;
		if (end == NULL) break;
		status = end + 1;
	}
}

static void read_others(const struct processes *p, const struct recent_sample *now, const struct recent_sample *then,
                        struct health_facts *out)
{
	for (uint32_t i = 0; i < p->conf->csr_issuer_count; i++) {
		out->issuers[i].pending = sum_of(p, MO_PENDING, i);
		out->issuers[i].root_end = (int64_t)sum_of(p, MO_ROOT_EXPIRY, i);
		out->issuers[i].chain_end = (int64_t)sum_of(p, MO_CHAIN_EXPIRY, i);
		out->issuers[i].issued = less(now->issued[i], then->issued[i]);
		out->issuers[i].failed = less(now->failed[i], then->failed[i]);
	}
	for (uint32_t i = 0; i < p->conf->cluster_count; i++) {
		out->clusters[i].watches_lost = sum_of(p, MO_WATCHES_LOST, i);
		out->clusters[i].calls = less(now->calls[i], then->calls[i]);
		out->clusters[i].errors = less(now->errors[i], then->errors[i]);
		out->clusters[i].unauthorized = less(now->unauthorized[i], then->unauthorized[i]);
	}
}

void recent_facts(const struct recent *r, const struct processes *p, struct health_facts *out)
{
	struct recent_sample now = { .at_ms = 0 };
	const struct recent_sample *then = &r->samples[r->count < RECENT_STEPS ? 0 : r->next];

	sample(p, &now);
	if (r->count == 0) then = &now;
	*out = (struct health_facts){ .now = clock_wall(), .conf = p->conf, .seconds = (now.at_ms - then->at_ms) / 1000 };
	memcpy(out->value, now.value, sizeof(out->value));
	for (enum metric m = 0; m < METRIC_COUNT; m++) out->recent[m] = less(now.value[m], then->value[m]);
	read_processes(p->status, out);
	read_others(p, &now, then, out);
}
