/* run_root.c: signet root ..., ca taint, ca limits, event list. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/files.h"
#include "cli/lists.h"
#include "cli/run.h"

#define SHORT_ID 12 /* hex digits of an ID that are shown; the keeper takes any number from four on */

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

/* ---- one step ---- */

static json_t *step_body(const struct cli *c)
{
	return json_pack("{sb sb sb}", "force", cli_value(c, "force") != NULL, "dry_run", cli_value(c, "dry-run") != NULL,
			 "cross_sign", cli_value(c, "cross-sign") != NULL);
}

static void print_who(const struct cli *c, const json_t *answer, bool dry)
{
	const json_t *ids = json_object_get(answer, "spiffe_ids");
	char when[TEXT_TIME_MAX];
	int64_t until = 0;

	if (number(answer, "certificates") == 0) return;
	(void)cli_member_time(answer, "until", &until);
	fprintf(c->out, "%s %lld certificate%s of %lld identit%s, the last until %s:\n", dry ? "It would break" : "It breaks",
	        number(answer, "certificates"), number(answer, "certificates") == 1 ? "" : "s", number(answer, "identities"),
	        number(answer, "identities") == 1 ? "y" : "ies", text_time(until, c->now, when));
	for (size_t i = 0; i < json_array_size(ids); i++) fprintf(c->out, "  %s\n", json_string_value(json_array_get(ids, i)));
	if ((long long)json_array_size(ids) < number(answer, "identities"))
		fprintf(c->out, "  and %lld more\n", number(answer, "identities") - (long long)json_array_size(ids));
}

/* A dry run fails when the step would be refused, so that scripts can ask first. */
enum cli_exit cli_root_done(struct cli *c, const json_t *answer, const char *done)
{
	bool dry = cli_value(c, "dry-run") != NULL, breaks = number(answer, "certificates") > 0;

	if (c->json) CLI_TRY(cli_print_json(c, answer));
	else if (dry && !breaks) fprintf(c->out, "It would break nobody.\n");
	else if (!dry && !json_is_true(json_object_get(answer, "changed"))) fprintf(c->out, "Nothing to change.\n");
	else if (!dry)
		fprintf(c->out, "%s%s%.*s\n", done, done[strlen(done) - 1] == ' ' ? "" : " ", SHORT_ID,
			cli_member(answer, "subject"));
	if (!c->json) print_who(c, answer, dry);
	return dry && breaks && cli_value(c, "force") == NULL ? CLI_FAILED : CLI_OK;
}

static enum cli_exit step(struct cli *c, const char *name, json_t *body, const char *done)
{
	AUTO(json) json_t *owned = body, *answer = NULL;
	char path[64];

	if (owned == NULL) return cli_fail(c, CLI_USAGE, "an argument is not UTF-8");
	(void)snprintf(path, sizeof(path), "/v1/root-set/%s", name);
	CLI_TRY(cli_api_call(c, &(struct cli_api_ask){ .method = "POST", .path = path, .body = owned,
	                                               .subject = c->arg_count > 0 ? c->args[0] : "root" }, &answer));
	return cli_root_done(c, answer, done);
}

static enum cli_exit step_on_root(struct cli *c, const char *name, const char *done)
{
	json_t *body = step_body(c);

	if (c->arg_count > 0 && json_object_set_new(body, "root", json_string(c->args[0])) != 0) {
		json_decref(body);
		body = NULL;
	}
	return step(c, name, body, done);
}

enum cli_exit run_root_prepare(struct cli *c)
{
	return step(c, "prepare", step_body(c), "published, not signing yet: root");
}

enum cli_exit run_root_activate(struct cli *c)
{
	return step_on_root(c, "activate", "signs from now on: root");
}

enum cli_exit run_root_retire(struct cli *c)
{
	return step_on_root(c, "retire", "trusted no more: root");
}

enum cli_exit run_root_restore(struct cli *c)
{
	return step_on_root(c, "restore", "trusted again: root");
}

enum cli_exit run_root_delete(struct cli *c)
{
	return step_on_root(c, "delete", "deleted, and its key with it: root");
}

enum cli_exit run_root_add(struct cli *c)
{
	AUTO(buf) struct buf pem = { .max = 24 * 1024 };
	json_t *body = step_body(c);
	struct err e = cli_files_read(c->args[0], pem.max - 1, &pem);

	if (e.code != ERR_OK) {
		json_decref(body);
		return cli_fail(c, CLI_FAILED, "cannot read %s: %s", c->args[0], e.cause != 0 ? strerror((int)e.cause) : e.reason);
	}
	if (json_object_set_new(body, "cert_pem", json_stringn((const char *)pem.data, pem.len)) != 0) {
		json_decref(body);
		return cli_fail(c, CLI_FAILED, "%s is no text: give the root in PEM", c->args[0]);
	}
	return step(c, "add", body, "trusted from now on: root");
}

static enum cli_exit taint(struct cli *c, const char *name, const char *done)
{
	if (strlen(c->args[0]) != 40 || strspn(c->args[0], "0123456789abcdef") != 40)
		return cli_fail(c, CLI_USAGE, "a signing key is named by its key identifier, 40 hex digits (signet root status)");
	return step(c, name, json_pack("{ss}", "key_id", c->args[0]), done);
}

enum cli_exit run_ca_taint(struct cli *c)
{
	return taint(c, "taint", "everything under it is to be renewed: key");
}

enum cli_exit run_ca_untaint(struct cli *c)
{
	return taint(c, "untaint", "not tainted any more: key");
}

/* ---- status ---- */

static const char *state_text(const char *state)
{
	static const char *const texts[][2] = {
		{ "next", "published, not signing yet" }, { "active", "signs now" }, { "old", "trusted, signs no more" },
		{ "retired", "not trusted; it can be restored" }, { "chain", "signs under the active root, or stands between" },
		{ "former", "signed before; only its CRL is still signed" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(texts[i][0], state) == 0) return texts[i][1];
	return "";
}

static void print_wait(const struct cli *c, const json_t *item, const char *member, const char *none, const char *some)
{
	const json_t *wait = json_object_get(item, member);
	char when[TEXT_TIME_MAX];
	int64_t until = 0;

	if (number(wait, "certificates") == 0) {
		fprintf(c->out, "  %s\n", none);
		return;
	}
	(void)cli_member_time(wait, "until", &until);
	fprintf(c->out, "  %s %lld certificate%s ended, the last %s\n", some, number(wait, "certificates"),
	        number(wait, "certificates") == 1 ? " has" : "s have", text_time(until, c->now, when));
}

static void print_item(const struct cli *c, const json_t *item)
{
	const char *state = cli_member(item, "state"), *origin = cli_member(item, "origin");
	char since[TEXT_TIME_MAX], end[TEXT_TIME_MAX];
	int64_t since_s = 0, end_s = 0;

	(void)cli_member_time(item, "since", &since_s);
	(void)cli_member_time(item, "not_after", &end_s);
	fprintf(c->out, "%-8s %.*s  %s\n", state, SHORT_ID, cli_member(item, "id"), state_text(state));
	fprintf(c->out, "  key id %s%s%s%s\n", cli_member(item, "key_id"),
		json_is_true(json_object_get(item, "tainted")) ? ", tainted" : "",
		json_is_true(json_object_get(item, "key_here")) ? "" : ", key not here",
		json_is_true(json_object_get(item, "cross_signed")) ? ", cross-signed" : "");
	fprintf(c->out, "  from   %s, %s since %s\n",
		strcmp(origin, "own") == 0     ? "Signet"
		: strcmp(origin, "added") == 0 ? "an operator"
		: strcmp(origin, "held") == 0  ? "files of before"
					       : "files or import",
		state, text_time(since_s, c->now, since));
	fprintf(c->out, "  ends   %s\n", text_time(end_s, c->now, end));
	if (strcmp(state, "next") == 0 && strcmp(origin, "own") == 0)
		print_wait(c, item, "unknown_to", "can sign: every client that has a certificate was told of it", "can sign when");
	if (strcmp(state, "old") == 0 || strcmp(state, "former") == 0)
		print_wait(c, item, "needed_by", "can go: nothing that needs it is left", "can go when");
	fputc('\n', c->out);
}

enum cli_exit run_root_status(struct cli *c)
{
	AUTO(json) json_t *answer = NULL;
	const json_t *items, *item;
	size_t i;

	CLI_TRY(cli_api_get(c, "/v1/root-set", &answer));
	if (c->json) return cli_print_json(c, answer);
	fprintf(c->out, "root set number %lld, ", number(answer, "seq"));
	if (json_is_true(json_object_get(answer, "directory"))) fprintf(c->out, "changed by the files in ca.directory\n\n");
	else if (strcmp(cli_member(answer, "rotation"), "automatic") == 0)
		fprintf(c->out, "rotation automatic: the next root at %lld %% of the active one's life, signing at %lld %%\n\n",
		        number(answer, "prepare_at"), number(answer, "activate_at"));
	else fprintf(c->out, "rotation by hand (ca.rotation)\n\n");
	items = json_object_get(answer, "items");
	json_array_foreach(items, i, item) print_item(c, item);
	return CLI_OK;
}

/* ---- limits, events ---- */

enum cli_exit run_ca_limits(struct cli *c)
{
	AUTO(json) json_t *answer = NULL;
	const json_t *items, *item;
	size_t i;

	CLI_TRY(cli_api_get(c, "/v1/limits", &answer));
	if (c->json) return cli_print_json(c, answer);
	fprintf(c->out,
		"What the process that holds the key issues at all, whatever the rules grant; refused since its start.\n\n");
	fprintf(c->out, "%-22s %8s  %s\n", "LIMIT", "REFUSED", "VALUE");
	items = json_object_get(answer, "items");
	json_array_foreach(items, i, item) {
		AUTO(buf) struct buf value = { .max = 1 << 20 };

		if (text_put_safe(&value, bytes_str(cli_member(item, "value"))).code != ERR_OK) continue;
		fprintf(c->out, "%-22s %8lld  %.*s\n", cli_member(item, "name"), number(item, "refused"), (int)value.len,
		        value.len == 0 ? "" : (const char *)value.data);
	}
	return CLI_OK;
}

enum cli_exit run_event_list(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "TIME", "time", true }, { "EVENT", "event", false }, { "BY", "by", false }, { "SUBJECT", "subject", false },
		{ "DETAIL", "detail", false }, { NULL, NULL, false },
	};
	AUTO(buf) struct buf path = { .max = 1024 };
	struct err e = buf_put_str(&path, "/v1/events");

	if (e.code == ERR_OK) e = cli_api_query(&path, "cursor", cli_value(c, "page"));
	if (e.code != ERR_OK) return cli_fail(c, CLI_USAGE, "--page: %s", e.reason);
	CLI_TRY(cli_list_limit(c, &path));
	return cli_list(c, cli_list_path(&path), columns, "nothing has happened");
}
