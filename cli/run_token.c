/* run_token.c: signet token, signet identity. */
#include <string.h>

#include "cli/api.h"
#include "cli/lists.h"
#include "cli/run.h"
#include "csr/spiffe.h"

#define PATH_MAX_TEXT 8192 /* bytes of a path with its query */

static enum cli_exit check_id(const struct cli *c, const char *option, const char *id)
{
	struct err e = spiffe_workload_id_parse(bytes_str(id), NULL, NULL);

	if (e.code == ERR_OK) return CLI_OK;
	return cli_fail(c, CLI_USAGE, "%s %s is not the SPIFFE ID of a workload: write spiffe://TRUST_DOMAIN/PATH", option, id);
}

/* ---- tokens ---- */

static enum cli_exit token_body(const struct cli *c, json_t **body)
{
	const char *id = cli_value(c, "spiffe-id"), *lifetime = cli_value(c, "lifetime");
	int64_t seconds = 0;

	if (id == NULL) return cli_fail(c, CLI_USAGE, "token create needs --spiffe-id ID, the identity that it can get");
	CLI_TRY(check_id(c, "--spiffe-id", id));
	if (lifetime != NULL && (!text_parse_duration(lifetime, &seconds) || seconds == 0))
		return cli_fail(c, CLI_USAGE, "--lifetime %s: write a duration with a unit, as 15m or 1h", lifetime);
	*body = seconds == 0 ? json_pack("{ss}", "spiffe_id", id)
	                     : json_pack("{ss sI}", "spiffe_id", id, "lifetime", (json_int_t)seconds);
	return CLI_OK;
}

/* Jansson frees it as it is: overwrite it first. */
static void wipe_member(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	if (s != NULL) explicit_bzero((char *)(uintptr_t)s, strlen(s));
}

enum cli_exit run_token_create(struct cli *c)
{
	AUTO(json) json_t *body = NULL, *answer = NULL;
	struct cli_api_ask ask = { .method = "POST", .path = "/v1/tokens" };
	char text[TEXT_TIME_MAX];
	int64_t expires = 0;
	enum cli_exit status = CLI_OK;

	CLI_TRY(token_body(c, &body));
	ask.body = body;
	CLI_TRY(cli_api_call(c, &ask, &answer));
	(void)cli_member_time(answer, "expires", &expires);
	if (c->json) {
		status = cli_print_json(c, answer);
	} else {
		fprintf(c->err, "token %s for %s, expires %s\n", cli_member(answer, "id"), cli_value(c, "spiffe-id"),
		        text_time(expires, c->now, text));
		fprintf(c->out, "%s\n", cli_member(answer, "token"));
	}
	wipe_member(answer, "token");
	return status;
}

static enum cli_exit list_path(struct cli *c, struct buf *path, const char *start)
{
	if (buf_put_str(path, start).code != ERR_OK || cli_api_query(path, "cursor", cli_value(c, "page")).code != ERR_OK)
		return cli_fail(c, CLI_USAGE, "--page: too long");
	return cli_list_limit(c, path);
}

enum cli_exit run_token_list(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "ID", "id", false },        { "STATE", "state", false },    { "SPIFFE ID", "spiffe_id", false },
		{ "EXPIRES", "expires", true }, { "BY", "created_by", false }, { "RECORD", "record", false }, { NULL, NULL, false },
	};
	AUTO(buf) struct buf path = { .max = PATH_MAX_TEXT };

	CLI_TRY(list_path(c, &path, "/v1/tokens"));
	return cli_list(c, cli_list_path(&path), columns, "no join tokens; make one with: signet token create --spiffe-id ID");
}

static enum cli_exit done(const struct cli *c, const char *what, const char *subject)
{
	AUTO(json) json_t *o = NULL;

	if (!c->json) {
		fprintf(c->out, "%s %s\n", what, subject);
		return CLI_OK;
	}
	o = json_pack("{ss ss}", "done", what, "subject", subject);
	return cli_print_json(c, o);
}

enum cli_exit run_token_revoke(struct cli *c)
{
	AUTO(json) json_t *answer = NULL;
	char path[64];

	if (strlen(c->args[0]) != 32 || strspn(c->args[0], "0123456789abcdef") != 32)
		return cli_fail(
			c, CLI_USAGE,
			"%s is not a token's ID, which has 32 hex digits (signet token list); never give a token itself",
			c->args[0]);
	(void)snprintf(path, sizeof(path), "/v1/tokens/%s", c->args[0]);
	CLI_TRY(cli_api_call(c, &(struct cli_api_ask){ .method = "DELETE", .path = path, .subject = c->args[0] }, &answer));
	return done(c, "revoked", c->args[0]);
}

/* ---- bans ---- */

/* KIND as the API has it ("spiffe-id" is taken, too), SUBJECT of that form. */
static enum cli_exit check_subject(const struct cli *c, const char **kind)
{
	const char *subject = c->args[1];

	*kind = strcmp(c->args[0], "spiffe-id") == 0 ? "spiffe_id" : c->args[0];
	if (strcmp(*kind, "spiffe_id") == 0) return check_id(c, "SUBJECT", subject);
	if (strcmp(*kind, "caller") == 0 || strcmp(*kind, "node") == 0) return CLI_OK;
	if (strcmp(*kind, "key") != 0) return cli_fail(c, CLI_USAGE, "KIND is spiffe_id, key, caller or node, not %s", *kind);
	if (strlen(subject) == 64 && strspn(subject, "0123456789abcdef") == 64) return CLI_OK;
	return cli_fail(c, CLI_USAGE, "a key is named by 64 lower-case hex digits: key_hash of `signet cert show`");
}

enum cli_exit run_identity_ban(struct cli *c)
{
	AUTO(json) json_t *body = NULL, *answer = NULL;
	const char *kind, *reason = cli_value(c, "reason");

	CLI_TRY(check_subject(c, &kind));
	if (reason == NULL || reason[0] == '\0')
		return cli_fail(c, CLI_USAGE, "identity ban needs --reason TEXT, for those who come later");
	body = json_pack("{ss ss ss}", "kind", kind, "subject", c->args[1], "reason", reason);
	if (body == NULL) return cli_fail(c, CLI_USAGE, "the subject and the reason must be UTF-8");
	CLI_TRY(cli_api_call(
		c, &(struct cli_api_ask) { .method = "POST", .path = "/v1/bans", .body = body, .subject = c->args[1] },
		&answer));
	return done(c, "banned", c->args[1]);
}

enum cli_exit run_identity_unban(struct cli *c)
{
	AUTO(buf) struct buf path = { .max = PATH_MAX_TEXT };
	AUTO(json) json_t *answer = NULL;
	const char *kind;

	CLI_TRY(check_subject(c, &kind));
	if (buf_put_str(&path, "/v1/bans").code != ERR_OK || cli_api_query(&path, "kind", kind).code != ERR_OK ||
	    cli_api_query(&path, "subject", c->args[1]).code != ERR_OK)
		return cli_fail(c, CLI_USAGE, "the subject is too long");
	CLI_TRY(cli_api_call(
		c, &(struct cli_api_ask) { .method = "DELETE", .path = cli_list_path(&path), .subject = c->args[1] }, &answer));
	return done(c, "no longer banned:", c->args[1]);
}

enum cli_exit run_identity_list(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "KIND", "kind", false }, { "SUBJECT", "subject", false }, { "SINCE", "since", true },
		{ "BY", "by", false },     { "REASON", "reason", false },   { NULL, NULL, false },
	};
	AUTO(buf) struct buf path = { .max = PATH_MAX_TEXT };

	CLI_TRY(list_path(c, &path, "/v1/bans"));
	return cli_list(c, cli_list_path(&path), columns, "nobody is banned");
}
