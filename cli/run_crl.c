/* run_crl.c: signet crl. */
#include <errno.h>
#include <string.h>

#include "cli/api.h"
#include "cli/files.h"
#include "cli/run.h"
#include "cli/text.h"
#include "der/pem.h"

enum cli_exit run_crl_show(struct cli *c)
{
	AUTO(json) json_t *crl = NULL;
	char from[TEXT_TIME_MAX], to[TEXT_TIME_MAX];
	int64_t this_update = 0, next_update = 0;

	CLI_TRY(cli_api_get(c, "/v1/crl", &crl));
	if (c->json) return cli_print_json(c, crl);
	(void)cli_member_time(crl, "this_update", &this_update);
	(void)cli_member_time(crl, "next_update", &next_update);
	fprintf(c->out, "CRL number %lld\n", (long long)json_integer_value(json_object_get(crl, "number")));
	fprintf(c->out, "  issuer key id %s\n", cli_member(crl, "issuer_key_id"));
	fprintf(c->out, "  this update   %s\n", text_time(this_update, c->now, from));
	fprintf(c->out, "  next update   %s\n", text_time(next_update, c->now, to));
	fprintf(c->out, "  revoked       %lld\n", (long long)json_integer_value(json_object_get(crl, "entries")));
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

enum cli_exit run_crl_export(struct cli *c)
{
	AUTO(json) json_t *crl = NULL;
	AUTO(buf) struct buf der = { .max = CLI_API_ANSWER_MAX };
	char label[PEM_LABEL_MAX];
	struct bytes pem;

	CLI_TRY(cli_api_get(c, "/v1/crl", &crl));
	pem = bytes_str(cli_member(crl, "pem"));
	if (cli_value(c, "der") == NULL) return c->json ? cli_print_json(c, crl) : write_out(c, pem);
	if (pem_take_only(pem, CLI_API_ANSWER_MAX, label, &der).code != ERR_OK)
		return cli_fail(c, CLI_FAILED, "the daemon's answer holds no CRL");
	return write_out(c, buf_view(&der));
}
