/* run_crl.c: signet crl. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cli/api.h"
#include "cli/files.h"
#include "cli/run.h"
#include "cli/text.h"
#include "der/pem.h"

/* The answer is the signing key's list, with the others beside it. */
static size_t count(const json_t *crl)
{
	return 1 + json_array_size(json_object_get(crl, "others"));
}

static json_t *list_at(json_t *crl, size_t i)
{
	return i == 0 ? crl : json_array_get(json_object_get(crl, "others"), i - 1);
}

static const char *whose(const json_t *list)
{
	const char *source = cli_member(list, "source");

	if (strcmp(source, "signer") == 0) return "of the key that signs";
	if (strcmp(source, "former") == 0) return "of a key that signed before";
	return "from ca-crl.pem";
}

static void show(const struct cli *c, const json_t *list)
{
	char from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];
	int64_t this_update = 0, next_update = 0;

	(void)cli_member_time(list, "this_update", &this_update);
	(void)cli_member_time(list, "next_update", &next_update);
	fprintf(c->out, "CRL number %lld, %s\n", (long long)json_integer_value(json_object_get(list, "number")), whose(list));
	fprintf(c->out, "  issuer key id %s\n", cli_member(list, "issuer_key_id"));
	fprintf(c->out, "  this update   %s\n", text_time(this_update, c->now, from));
	fprintf(c->out, "  next update   %s\n", text_time(next_update, c->now, to));
	fprintf(c->out, "  revoked       %lld\n", (long long)json_integer_value(json_object_get(list, "entries")));
}

enum cli_exit run_crl_show(struct cli *c)
{
	AUTO(json) json_t *crl = NULL;

	CLI_TRY(cli_api_get(c, "/v1/crl", &crl));
	if (c->json) return cli_print_json(c, crl);
	for (size_t i = 0; i < count(crl); i++) show(c, list_at(crl, i));
	return CLI_OK;
}

static enum cli_exit write_out(const struct cli *c, struct bytes content)
{
	const char *path = cli_value(c, "out");
	struct err e;

	if (path == NULL) {
		if (fwrite(content.data, 1, content.len, c->out) == content.len) return CLI_OK;
		return cli_fail(c, CLI_FAILED, "cannot write: %s", strerror(errno));
	}
	e = cli_files_write(path, 0644, content, true);
	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "cannot write %s: %s", path, strerror((int)e.cause));
}

/* The PEM of all of them, or of the one whose key id begins so. */
static enum cli_exit choose(const struct cli *c, json_t *crl, struct buf *pem, size_t *chosen)
{
	const char *id = cli_value(c, "key-id");

	for (size_t i = 0; i < count(crl); i++) {
		const json_t *list = list_at(crl, i);

		if (id != NULL && strncasecmp(cli_member(list, "issuer_key_id"), id, strlen(id)) != 0) continue;
		if (buf_put_str(pem, cli_member(list, "pem")).code != ERR_OK)
			return cli_fail(c, CLI_FAILED, "the lists are too large");
		(*chosen)++;
	}
	if (*chosen == 0) return cli_fail(c, CLI_FAILED, "no CRL of a key whose id begins with %s: see signet crl show", id);
	if (id != NULL && *chosen > 1) return cli_fail(c, CLI_USAGE, "%zu key ids begin with %s: give more of it", *chosen, id);
	return CLI_OK;
}

enum cli_exit run_crl_export(struct cli *c)
{
	AUTO(json) json_t *crl = NULL;
	AUTO(buf) struct buf pem = { .max = CLI_API_ANSWER_MAX };
	AUTO(buf) struct buf der = { .max = CLI_API_ANSWER_MAX };
	char label[PEM_LABEL_MAX];
	size_t chosen = 0;

	CLI_TRY(cli_api_get(c, "/v1/crl", &crl));
	if (c->json) return cli_print_json(c, crl);
	CLI_TRY(choose(c, crl, &pem, &chosen));
	if (cli_value(c, "der") == NULL) return write_out(c, buf_view(&pem));
	if (chosen > 1)
		return cli_fail(c, CLI_USAGE,
				"there are %zu CRLs, and DER holds one: choose it with --key-id (signet crl show)", chosen);
	if (pem_take_only(buf_view(&pem), CLI_API_ANSWER_MAX, label, &der).code != ERR_OK)
		return cli_fail(c, CLI_FAILED, "the daemon's answer holds no CRL");
	return write_out(c, buf_view(&der));
}
