/* run_revoke.c: signet cert revoke. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/run.h"
#include "cli/text.h"
#include "csr/spiffe.h"

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

struct revoke {
	const char *kind, *subject; /* as the API has them */
	char digits[CLI_SERIAL_DIGITS_MAX + 1];
};

static const char *kind_of(const char *text)
{
	if (strcmp(text, "spiffe-id") == 0) return "spiffe_id";
	if (strcmp(text, "ca-key") == 0) return "ca_key";
	return text;
}

static bool is_hex(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

static enum cli_exit subject_of(const struct cli *c, struct revoke *r)
{
	r->kind = kind_of(c->args[0]);
	r->subject = c->args[1];
	if (strcmp(r->kind, "serial") == 0) {
		if (!cli_serial_digits(r->subject, r->digits))
			return cli_fail(c, CLI_USAGE, "%s: write 1 to 20 octets in hex, with or without colons", r->subject);
		r->subject = r->digits;
		return CLI_OK;
	}
	if (strcmp(r->kind, "spiffe_id") == 0) {
		if (spiffe_workload_id_parse(bytes_str(r->subject), NULL, NULL).code == ERR_OK) return CLI_OK;
		return cli_fail(c, CLI_USAGE, "SUBJECT %s is not the SPIFFE ID of a workload: write spiffe://TRUST_DOMAIN/PATH",
		                r->subject);
	}
	if (strcmp(r->kind, "key") == 0) {
		if (is_hex(r->subject, 64)) return CLI_OK;
		return cli_fail(c, CLI_USAGE, "a key is named by 64 lower-case hex digits: key_hash of `signet cert show`");
	}
	if (strcmp(r->kind, "ca_key") == 0) {
		if (is_hex(r->subject, 40)) return CLI_OK;
		return cli_fail(c, CLI_USAGE, "a CA's key is named by 40 lower-case hex digits: key id of `signet root status`");
	}
	if (strcmp(r->kind, "rule") == 0 || strcmp(r->kind, "caller") == 0 || strcmp(r->kind, "node") == 0) return CLI_OK;
	return cli_fail(c, CLI_USAGE, "KIND is serial, spiffe_id, key, rule, caller, node or ca_key, not %s", r->kind);
}

static enum cli_exit ban(struct cli *c, const char *kind, const char *subject)
{
	AUTO(json) json_t *answer = NULL;
	AUTO(json) json_t *body =
		json_pack("{ss ss ss}", "kind", kind, "subject", subject, "reason", "its certificates were revoked");

	if (body == NULL) return cli_fail(c, CLI_USAGE, "the subject must be UTF-8");
	return cli_api_call(c, &(struct cli_api_ask){ .method = "POST", .path = "/v1/bans", .body = body, .subject = subject,
	                                              .may_exist = true }, &answer);
}

/* The identity in the certificate of that serial number. */
static enum cli_exit ban_by_serial(struct cli *c, const struct revoke *r)
{
	AUTO(json) json_t *list = NULL;
	const char *id;
	char path[128];

	(void)snprintf(path, sizeof(path), "/v1/certs?limit=1&serial=%s", r->digits);
	CLI_TRY(cli_api_get(c, path, &list));
	id = cli_member(json_array_get(json_object_get(list, "items"), 0), "spiffe_id");
	if (id[0] == '\0') return cli_fail(c, CLI_NOT_FOUND, "no certificate of an identity has the serial number %s", c->args[1]);
	return ban(c, "spiffe_id", id);
}

/* Before anything is revoked: between the two it could get another one. */
static enum cli_exit ban_first(struct cli *c, const struct revoke *r)
{
	if (cli_value(c, "ban") == NULL) return CLI_OK;
	if (strcmp(r->kind, "rule") == 0)
		return cli_fail(c, CLI_USAGE, "--ban: a rule is not banned; take it out of the configuration, or let it deny");
	if (strcmp(r->kind, "ca_key") == 0)
		return cli_fail(c, CLI_USAGE,
				"--ban: a CA's key is not banned; let another sign (signet root activate, ca import)");
	if (cli_value(c, "dry-run") != NULL) return CLI_OK;
	return strcmp(r->kind, "serial") == 0 ? ban_by_serial(c, r) : ban(c, r->kind, r->subject);
}

static enum cli_exit tell(const struct cli *c, const json_t *answer, bool dry)
{
	long long matched = number(answer, "matched"), revoked = number(answer, "revoked");

	if (matched == 0)
		return cli_fail(c, CLI_NOT_FOUND, "%s %s: there is no such certificate that has not ended", c->args[0], c->args[1]);
	if (c->json) return cli_print_json(c, answer);
	fprintf(c->out, "%s %lld certificate%s", dry ? "would revoke" : "revoked", revoked, revoked == 1 ? "" : "s");
	if (matched > revoked) fprintf(c->out, "; %lld more had been revoked before", matched - revoked);
	fputc('\n', c->out);
	return CLI_OK;
}

enum cli_exit run_cert_revoke(struct cli *c)
{
	AUTO(json) json_t *body = NULL, *answer = NULL;
	const char *reason = cli_value(c, "reason");
	bool dry = cli_value(c, "dry-run") != NULL;
	struct revoke r = { 0 };

	CLI_TRY(subject_of(c, &r));
	CLI_TRY(ban_first(c, &r));
	body = json_pack("{ss ss ss sb}", "kind", r.kind, "subject", r.subject, "reason", reason == NULL ? "unspecified" : reason,
	                 "dry_run", (int)dry);
	if (body == NULL) return cli_fail(c, CLI_USAGE, "the subject must be UTF-8");
	CLI_TRY(cli_api_call(
		c, &(struct cli_api_ask) { .method = "POST", .path = "/v1/revocations", .body = body, .subject = c->args[1] },
		&answer));
	return tell(c, answer, dry);
}
