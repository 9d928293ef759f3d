/* run_issuer.c: signet issuer. */
#include <stdio.h>
#include <string.h>

#include "cli/api.h"
#include "cli/lists.h"
#include "cli/run.h"
#include "cli/text.h"

static long long number(const json_t *object, const char *name)
{
	return (long long)json_integer_value(json_object_get(object, name));
}

enum cli_exit run_issuer_list(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "NAME", "name", false },       { "KIND", "kind", false },     { "DEFAULT", "default", false },
		{ "SIGNER", "signer", false },   { "ROOTS", "roots_from", false }, { "PENDING", "pending", false },
		{ "ISSUED", "issued", false },   { "REFUSED", "refused", false },  { NULL, NULL, false },
	};

	return cli_list(c, "/v1/issuers", columns, "there is none");
}

/* ---- one of them ---- */

static void print_text(const struct cli *c, const char *label, const char *text)
{
	AUTO(buf) struct buf safe = { .max = 4096 };

	if (text[0] == '\0' || text_put_safe(&safe, bytes_str(text)).code != ERR_OK) return;
	fprintf(c->out, "%-12s%.*s\n", label, (int)safe.len, (const char *)safe.data);
}

static const char *roots_text(const char *from)
{
	static const char *const texts[][2] = {
		{ "own", "Signet's own" },
		{ "file", "from roots_file" },
		{ "first_use", "pinned, because they came with its first certificate" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (strcmp(texts[i][0], from) == 0) return texts[i][1];
	return "not known";
}

static void print_roots(const struct cli *c, const json_t *issuer)
{
	const json_t *roots = json_object_get(issuer, "roots"), *root;
	int64_t end = 0, earliest = INT64_MAX;
	char when[TEXT_TIME_MAX];
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)roots, i, root)
		if (cli_member_time(root, "not_after", &end) && end < earliest) earliest = end;
	fprintf(c->out, "%-12s%zu, %s\n", "roots", json_array_size(roots), roots_text(cli_member(issuer, "roots_from")));
	if (json_array_size(roots) > 1) fprintf(c->out, "  the first ends %s\n", text_time(earliest, c->now, when));
	json_array_foreach((json_t *)(uintptr_t)roots, i, root) {
		(void)cli_member_time(root, "not_after", &end);
		fprintf(c->out, "  sha256 %s\n    ends %s\n", cli_member(root, "sha256"), text_time(end, c->now, when));
	}
}

static void print_last(const struct cli *c, const json_t *issuer)
{
	const json_t *refused = json_object_get(issuer, "last_refused");
	char when[TEXT_TIME_MAX];
	int64_t at;

	if (cli_member_time(issuer, "last_issued", &at)) fprintf(c->out, "%-12s%s\n", "last issued", text_time(at, c->now, when));
	if (!cli_member_time(refused, "time", &at)) return;
	fprintf(c->out, "%-12s%s: %s\n", "last refused", text_time(at, c->now, when), cli_member(refused, "reason"));
	print_text(c, "  because", cli_member(refused, "why"));
}

static void print_counts(const struct cli *c, const json_t *issuer)
{
	const char *reason;
	const json_t *n;

	fprintf(c->out, "\nsince the daemon started\n%-12s%lld\n%-12s%lld\n%-12s%lld\n", "pending", number(issuer, "pending"),
		"issued", number(issuer, "issued"), "refused", number(issuer, "refused"));
	json_object_foreach(json_object_get(issuer, "refused_by_reason"), reason, n)
		fprintf(c->out, "  %lld %s\n", (long long)json_integer_value(n), reason);
	print_last(c, issuer);
}

static void print_issuer(const struct cli *c, const json_t *issuer)
{
	char text[TEXT_TIME_MAX];
	bool own = strcmp(cli_member(issuer, "kind"), "ca") == 0;

	fprintf(c->out, "%s%s\n\n", cli_member(issuer, "name"),
	        json_is_true(json_object_get(issuer, "default")) ? ", for requests that name nobody" : "");
	print_text(c, "kind", own ? "Signet's own CA" : "a signer of Kubernetes' CertificateSigningRequest API");
	print_text(c, "cluster", cli_member(issuer, "cluster"));
	print_text(c, "signer", cli_member(issuer, "signer"));
	print_text(c, "domain", cli_member(issuer, "signer_domain"));
	print_text(c, "approve", cli_member(issuer, "approve"));
	if (!own) print_text(c, "deadline", text_duration(number(issuer, "deadline"), text));
	print_text(c, "roots_file", cli_member(issuer, "roots_file"));
	print_roots(c, issuer);
	print_counts(c, issuer);
}

static enum cli_exit print_pem(const struct cli *c, const json_t *issuer)
{
	const json_t *roots = json_object_get(issuer, "roots"), *root;
	size_t i;

	if (json_array_size(roots) == 0)
		return cli_fail(c, CLI_NOT_FOUND, "no root of %s is known yet", cli_member(issuer, "name"));
	json_array_foreach((json_t *)(uintptr_t)roots, i, root) fputs(cli_member(root, "pem"), c->out);
	return CLI_OK;
}

enum cli_exit run_issuer_show(struct cli *c)
{
	AUTO(json) json_t *answer = NULL;
	const json_t *issuer;
	size_t i;

	CLI_TRY(cli_api_get(c, "/v1/issuers", &answer));
	json_array_foreach(json_object_get(answer, "items"), i, issuer) {
		if (strcmp(cli_member(issuer, "name"), c->args[0]) != 0) continue;
		if (cli_value(c, "pem") != NULL) return print_pem(c, issuer);
		if (c->json) return cli_print_json(c, issuer);
		print_issuer(c, issuer);
		return CLI_OK;
	}
	return cli_fail(c, CLI_NOT_FOUND, "there is no issuer %s: see signet issuer list", c->args[0]);
}

enum cli_exit run_issuer_forget(struct cli *c)
{
	AUTO(json) json_t *answer = NULL;
	char path[128];
	const char *name = c->args[0];
	size_t len = strlen(name);

	/* as in the configuration; nothing else may be part of a path */
	if (len == 0 || len > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != len)
		return cli_fail(c, CLI_NOT_FOUND, "there is no issuer %s: see signet issuer list", name);
	(void)snprintf(path, sizeof(path), "/v1/issuer-roots/%s", name);
	CLI_TRY(cli_api_call(c, &(struct cli_api_ask){ .method = "DELETE", .path = path, .subject = name }, &answer));
	if (c->json) return cli_print_json(c, answer);
	fprintf(c->out, "The root that comes with its next certificate is pinned.\n");
	return CLI_OK;
}
