/* run_top.c: signet top: what the daemon does just now, from two readings of its metrics a second apart. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/api.h"
#include "cli/exposition.h"
#include "cli/processes.h"
#include "cli/run.h"

#define REASONS_SHOWN 12 /* ours: one screen */
#define ISSUERS_SHOWN 17

struct reading {
	struct exposition metrics;
	int64_t at_us;
	size_t count;
	struct cli_process processes[CLI_PROCESSES_MAX];
	struct cli_usage usage[CLI_PROCESSES_MAX];
	bool seen[CLI_PROCESSES_MAX];
};
static void reading_free(struct reading *r)
{
	if (r == NULL) return;
	exposition_free(&r->metrics);
	free(r);
}
static void auto_reading(struct reading **r) { reading_free(*r); }

struct top { /* two readings and where to print */
	FILE *out;
	const struct reading *before, *now;
	double seconds;
};

static enum cli_exit take(struct cli *c, struct reading **out)
{
	AUTO(json) json_t *answer = NULL;
	AUTO(reading) struct reading *r = calloc(1, sizeof(*r));
	const char *text;

	if (r == NULL) return cli_fail(c, CLI_FAILED, "out of memory");
	CLI_TRY(cli_api_get(c, "/v1/metrics", &answer));
	r->at_us = clock_mono_us();
	if (!exposition_read(cli_member(answer, "metrics"), &r->metrics))
		return cli_fail(c, CLI_FAILED, "the daemon's metrics are more than this program can hold");
	for (text = cli_member(answer, "processes"); r->count < CLI_PROCESSES_MAX; r->count++) {
		if (!cli_process_next(&text, &r->processes[r->count])) break;
		r->seen[r->count] = cli_process_usage(&r->processes[r->count], &r->usage[r->count]);
	}
	*out = MOVE(r);
	return CLI_OK;
}

/* ---- numbers ---- */

/* Between the two readings; what was started anew meanwhile counts from 0. */
static double rate(const struct top *t, const char *name)
{
	double n = exposition_sum(&t->now->metrics, name) - exposition_sum(&t->before->metrics, name);

	return n <= 0 ? 0 : n / t->seconds;
}

static double value(const struct top *t, const char *name)
{
	return exposition_sum(&t->now->metrics, name);
}

/* "p50 0.42 p99 3.1 ms" */
static void put_times(const struct top *t, const char *label, const char *histogram)
{
	double p50 = exposition_quantile(&t->before->metrics, &t->now->metrics, histogram, 0.5);
	double p99 = exposition_quantile(&t->before->metrics, &t->now->metrics, histogram, 0.99);

	if (p50 < 0) fprintf(t->out, "  %-16s %10s %10s\n", label, "-", "-");
	else fprintf(t->out, "  %-16s %10.2f %10.2f\n", label, p50 * 1e3, p99 * 1e3);
}

/* ---- the parts of the screen ---- */

static void put_head(const struct top *t)
{
	double refused = rate(t, "signet_keeper_refused_total") + rate(t, "signet_policy_denied_total") +
	                 rate(t, "citadel_server_authentication_failure_count");
	char when[CLOCK_TEXT_MAX];

	clock_text(clock_wall(), when);
	fprintf(t->out, "signet top  %s\n\n", when);
	fprintf(t->out, "requests      %10.1f/s   certificates  %10.1f/s   refused   %8.1f/s\n",
	        rate(t, "citadel_server_csr_count"), rate(t, "citadel_server_success_cert_issuance_count"), refused);
	fprintf(t->out, "connections   %10.0f     new           %10.1f/s   refused   %8.1f/s   handshakes failed %.1f/s\n",
	        value(t, "signet_connections"), rate(t, "signet_connections_total"), rate(t, "signet_connections_refused_total"),
	        rate(t, "signet_tls_handshakes_failed_total"));
	fprintf(t->out, "waiting for   %10.0f the keeper, %.0f the courier\n", value(t, "signet_requests_pending"),
	        value(t, "signet_courier_questions_pending"));
}

static void put_store(const struct top *t)
{
	double commits = rate(t, "signet_store_commits_total"), requests = rate(t, "signet_store_committed_total");

	fprintf(t->out, "transactions  %10.1f/s   requests each %10.1f     failed    %8.1f/s%s\n", commits,
	        commits > 0 ? requests / commits : 0, rate(t, "signet_store_commits_failed_total"),
	        value(t, "signet_store_failing") > 0 ? "   FAILING: nothing is issued" : "");
}

static void put_latencies(const struct top *t)
{
	static const struct { const char *label, *histogram;
	} rows[] = {
		{ "whole request", "signet_request_seconds" }, { "authenticate", "signet_authenticate_seconds" },
		{ "decide", "signet_decide_seconds" },         { "same node", "signet_same_node_seconds" },
		{ "keeper", "signet_keeper_seconds" },         { "  sign", "signet_sign_seconds" },
		{ "  queue", "signet_store_queue_seconds" },   { "  commit", "signet_store_commit_seconds" },
		{ "answer", "signet_answer_seconds" },
	};

	fprintf(t->out, "\n  %-16s %10s %10s\n", "milliseconds", "half in", "99% in");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) put_times(t, rows[i].label, rows[i].histogram);
}

static void put_reason(const struct top *t, const char *reason, const char *issuer, double a_second)
{
	if (a_second > 0) fprintf(t->out, "  %-16s %10.1f/s  %s\n", reason, a_second, issuer);
}

static void put_refusals(const struct top *t)
{
	unsigned shown = 0;

	fputs("\n  refused\n", t->out);
	put_reason(t, "unknown caller", "", rate(t, "citadel_server_authentication_failure_count"));
	put_reason(t, "policy", "", rate(t, "signet_policy_denied_total"));
	put_reason(t, "bad request", "", rate(t, "citadel_server_csr_parsing_err_count"));
	put_reason(t, "overload", "", rate(t, "signet_requests_overloaded_total"));
	for (size_t i = 0; i < t->now->metrics.count && shown < REASONS_SHOWN; i++) {
		const struct series *s = &t->now->metrics.series[i];
		double n = s->value - exposition_value(&t->before->metrics, s->name);
		char reason[32], issuer[80];

		if (n <= 0 || !exposition_is(s, "signet_keeper_refused_total")) continue;
		exposition_label(s, "reason", reason, sizeof(reason));
		exposition_label(s, "issuer", issuer, sizeof(issuer));
		put_reason(t, reason, issuer, n / t->seconds);
		shown++;
	}
}

static void put_issuers(const struct top *t)
{
	unsigned shown = 0;

	fprintf(t->out, "\n  %-24s %10s %10s\n", "issuer", "issued", "pending");
	for (size_t i = 0; i < t->now->metrics.count && shown < ISSUERS_SHOWN; i++) {
		const struct series *s = &t->now->metrics.series[i];
		char issuer[80], pending[160];
		double n = s->value - exposition_value(&t->before->metrics, s->name);

		if (!exposition_is(s, "signet_issuer_issued_total")) continue;
		exposition_label(s, "issuer", issuer, sizeof(issuer));
		(void)snprintf(pending, sizeof(pending), "signet_issuer_requests_pending{issuer=\"%s\"}", issuer);
		fprintf(t->out, "  %-24s %8.1f/s %10.0f\n", issuer, n <= 0 ? 0 : n / t->seconds,
		        exposition_value(&t->now->metrics, pending));
		shown++;
	}
}

/* The same process in the reading before; NULL: it was not there, or not to be seen. */
static const struct cli_usage *usage_before(const struct top *t, const struct cli_process *p)
{
	for (size_t i = 0; i < t->before->count; i++)
		if (t->before->processes[i].pid == p->pid && t->before->seen[i]) return &t->before->usage[i];
	return NULL;
}

static void put_processes(const struct top *t)
{
	fprintf(t->out, "\n  %-12s %-9s %8s %8s %12s %10s\n", "process", "state", "pid", "cpu", "memory", "restarts");
	for (size_t i = 0; i < t->now->count; i++) {
		const struct cli_process *p = &t->now->processes[i];
		const struct cli_usage *before = usage_before(t, p);
		char name[32], cpu[16] = "-", memory[24] = "-";

		(void)snprintf(name, sizeof(name), "%s %u", p->role, p->number);
		if (t->now->seen[i]) (void)snprintf(memory, sizeof(memory), "%.1f MiB", (double)t->now->usage[i].rss / (1 << 20));
		if (t->now->seen[i] && before != NULL)
			(void)snprintf(cpu, sizeof(cpu), "%.0f%%", (t->now->usage[i].cpu_s - before->cpu_s) / t->seconds * 100);
		fprintf(t->out, "  %-12s %-9s %8ld %8s %12s %10u\n", name, p->state, p->pid, cpu, memory, p->restarts);
	}
}

static void put_screen(const struct top *t)
{
	put_head(t);
	put_store(t);
	put_latencies(t);
	put_refusals(t);
	put_issuers(t);
	put_processes(t);
}

/* ---- again and again ---- */

/* One piece: what was there is overwritten, line by line, without a flicker. */
static void show(struct cli *c, const char *text, bool live)
{
	if (live) fputs("\033[H", c->out);
	for (; *text != '\0'; text++) {
		if (live && *text == '\n') fputs("\033[K", c->out);
		fputc(*text, c->out);
	}
	if (live) fputs("\033[J", c->out);
	(void)fflush(c->out);
}

static enum cli_exit draw(struct cli *c, const struct reading *before, const struct reading *now, bool live)
{
	AUTO(heap) char *text = NULL;
	size_t size;
	struct top t = { .before = before, .now = now, .seconds = (double)(now->at_us - before->at_us) / 1e6 };

	t.out = open_memstream(&text, &size);
	if (t.out == NULL) return cli_fail(c, CLI_FAILED, "out of memory");
	put_screen(&t);
	fclose(t.out);
	show(c, text, live);
	return CLI_OK;
}

static void wait_a_second(void)
{
	struct timespec left = { .tv_sec = 1 };

	while (nanosleep(&left, &left) != 0) continue;
}

enum cli_exit run_top(struct cli *c)
{
	AUTO(reading) struct reading *before = NULL;
	bool once = cli_value(c, "once") != NULL, live = !once && isatty(fileno(c->out)) == 1;

	if (c->json) return cli_fail(c, CLI_USAGE, "top is for people; programs read the metrics (signet_...) over HTTP");
	CLI_TRY(take(c, &before));
	if (live) fputs("\033[2J", c->out);
	for (;;) {
		AUTO(reading) struct reading *now = NULL;
		struct reading *old = before;

		wait_a_second();
		CLI_TRY(take(c, &now));
		CLI_TRY(draw(c, before, now, live));
		if (once || ferror(c->out)) return CLI_OK;
		before = MOVE(now);
		reading_free(old);
	}
}
