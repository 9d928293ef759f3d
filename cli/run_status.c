/* run_status.c: signet status: is it well, what is wrong, what to do; then the rest. */
#include <string.h>

#include "cli/api.h"
#include "cli/processes.h"
#include "cli/run.h"
#include "cli/text.h"

#define STATUS_TIMEOUT_S 10 /* ours: who is woken wants to know now; a keeper that is well answers within milliseconds */

enum status_exit { STATUS_OK = 0, STATUS_DEGRADED = 1, STATUS_DOWN = 2 }; /* signet(1) */

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

static enum status_exit exit_of(const json_t *health)
{
	const char *state = cli_member(health, "state");

	return strcmp(state, "OK") == 0 ? STATUS_OK : strcmp(state, "DEGRADED") == 0 ? STATUS_DEGRADED : STATUS_DOWN;
}

/* ---- nobody, or not everybody, answers ---- */

static json_t *down(const char *what, const char *todo)
{
	return json_pack("{ss s[{ss ss ss}]}", "state", "DOWN", "reasons", "state", "DOWN", "what", what, "do", todo);
}

static void add_first(json_t *health, const char *what, const char *todo)
{
	(void)json_object_set_new(health, "state", json_string("DOWN"));
	(void)json_array_insert_new(json_object_get(health, "reasons"), 0,
	                            json_pack("{ss ss ss}", "state", "DOWN", "what", what, "do", todo));
}

/* ---- as text ---- */

static void print_reasons(const struct cli *c, const json_t *health)
{
	const json_t *reasons = json_object_get(health, "reasons"), *reason;
	size_t i;

	fprintf(c->out, "%s:", cli_member(health, "state"));
	if (json_array_size(reasons) == 0) fputs(" nothing is wrong", c->out);
	json_array_foreach((json_t *)(uintptr_t)reasons, i, reason)
		fprintf(c->out, "%s %s", i == 0 ? "" : ";", cli_member(reason, "what"));
	fputs("\n", c->out);
	json_array_foreach((json_t *)(uintptr_t)reasons, i, reason)
		fprintf(c->out, "\n  %-8s  %s\n  to do     %s\n", cli_member(reason, "state"), cli_member(reason, "what"),
		        cli_member(reason, "do"));
}

static void print_processes(const struct cli *c, const char *text)
{
	struct cli_process p;
	char when[TEXT_TIME_MAX], name[32], restarts[32];
	int64_t since;

	if (text[0] != '\0') fputs("\nprocesses\n", c->out);
	while (cli_process_next(&text, &p)) {
		if (!text_parse_time(p.since, c->now, 1, &since)) since = c->now;
		(void)snprintf(name, sizeof(name), "%s %u", p.role, p.number);
		(void)snprintf(restarts, sizeof(restarts), "%u restart%s", p.restarts, p.restarts == 1 ? "" : "s");
		fprintf(c->out, "  %-12s  %-8s  pid %-8ld %-12s since %s\n", name, p.state, p.pid, restarts,
		        text_time(since, c->now, when));
	}
}

static void print_store(const struct cli *c, const json_t *s)
{
	const json_t *store = json_object_get(s, "store");
	bool good = json_is_true(json_object_get(s, "store_ok"));

	fprintf(c->out, "  store         %s\n",
	        good ? "good" : "FAILING: the last commit did not succeed; nothing is issued (see the log)");
	fprintf(c->out, "  records       %lld, the next is number %lld, %lld not indexed yet\n",
	        number(store, "records_end") - number(store, "records_first"), number(store, "records_end"),
	        number(store, "index_behind"));
	fprintf(c->out, "  disk          %lld KiB of records, %lld KiB of indexes, %lld KiB mapped\n",
	        number(store, "bytes") / 1024, number(store, "index_bytes") / 1024, number(store, "map_bytes") / 1024);
	fprintf(c->out, "  join tokens   %lld\n  bans          %lld\n  revoked       %lld\n", number(store, "tokens"),
	        number(store, "bans"), number(store, "revoked"));
}

static void print_details(const struct cli *c, const json_t *s)
{
	char started[TEXT_TIME_MAX], root[TEXT_TIME_MAX];
	int64_t at = 0, end = 0;

	(void)cli_member_time(s, "started", &at);
	(void)cli_member_time(s, "root_not_after", &end);
	fprintf(c->out, "\nsignetd %s for %s, replica %lld\n", cli_member(s, "version"), cli_member(s, "trust_domain"),
	        number(s, "replica"));
	fprintf(c->out, "  started       %s\n", text_time(at, c->now, started));
	fprintf(c->out, "  fronts        %lld\n", number(s, "fronts"));
	fprintf(c->out, "  issued        %lld since then, %lld refused\n", number(s, "issued"), number(s, "refused"));
	fprintf(c->out, "  root          number %lld, %s, expires %s\n", number(s, "root_seq"), cli_member(s, "key_type"),
	        text_time(end, c->now, root));
	print_store(c, s);
}

/* ---- the command ---- */

/* Health is admin's own; the rest is the keeper's, which may be what is wrong. */
static enum cli_exit gather(struct cli *c, json_t **health, json_t **status)
{
	AUTO(json) json_t *answer = NULL;
	enum cli_exit e = cli_api_call(c, &(struct cli_api_ask){ .method = "GET", .path = "/v1/health",
		                                                 .timeout_s = STATUS_TIMEOUT_S }, &answer);

	if (e == CLI_UNREACHABLE) {
		*health = down("the daemon does not answer", "systemctl status signet; journalctl -u signet -n 50");
		return CLI_OK;
	}
	if (e != CLI_OK) return e;
	*health = json_incref(json_object_get(answer, "health"));
	e = cli_api_call(c, &(struct cli_api_ask){ .method = "GET", .path = "/v1/status", .timeout_s = STATUS_TIMEOUT_S }, status);
	if (e != CLI_UNREACHABLE) return e;
	add_first(*health, "the keeper does not answer",
	          "is its disk stuck (dmesg), or its process stopped? systemctl restart signet loses nothing");
	*status = json_pack("{ss}", "processes", cli_member(answer, "processes"));
	return CLI_OK;
}

enum cli_exit run_status(struct cli *c)
{
	AUTO(json) json_t *health = NULL, *status = NULL;

	CLI_TRY(gather(c, &health, &status));
	if (status == NULL) status = json_object();
	if (c->json) {
		(void)json_object_set(status, "health", health);
		CLI_TRY(cli_print_json(c, status));
		return (enum cli_exit)exit_of(health);
	}
	print_reasons(c, health);
	if (json_object_get(status, "version") != NULL) print_details(c, status);
	print_processes(c, cli_member(status, "processes"));
	return (enum cli_exit)exit_of(health);
}
