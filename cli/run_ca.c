/* run_ca.c: `signet ca check`: the daemon's own judgement on files that are to be its CA. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "ca/brought_crl.h"
#include "cli/api.h"
#include "cli/cert_text.h"
#include "cli/files.h"
#include "cli/json.h"
#include "cli/run.h"
#include "cli/text.h"

struct ca_dir { /* what was read */
	struct buf data[CA_FILE_COUNT];
	struct ca_files files;
};
static void auto_ca_dir(struct ca_dir *d)
{
	for (unsigned i = 0; i < CA_FILE_COUNT; i++) buf_wipe(&d->data[i]);
}

static enum cli_exit read_one(const struct cli *c, struct ca_dir *d, enum ca_file file, const char *path)
{
	struct err e;

	d->data[file].max = CA_FILES_MAX + 1; /* a byte more shows that there is more */
	if (!ca_file_is_read(file)) {
		d->files.there[file] = access(path, F_OK) == 0;
		return CLI_OK;
	}
	e = cli_files_read(path, CA_FILES_MAX, &d->data[file]);
	if (e.code == ERR_NOT_FOUND && file != CA_FILE_PASSPHRASE) return CLI_OK;
	if (e.code != ERR_OK)
		return cli_fail(c, CLI_FAILED, "cannot read %s: %s", path,
			e.cause != 0 ? strerror((int)e.cause) : "too large (60 KiB)");
	d->files.there[file] = true;
	d->files.text[file] = buf_view(&d->data[file]);
	return CLI_OK;
}

static enum cli_exit read_dir(const struct cli *c, const char *dir, const char *passphrase, struct ca_dir *d)
{
	size_t sum = 0;

	if (access(dir, X_OK) != 0) return cli_fail(c, CLI_FAILED, "cannot look into %s: %s", dir, strerror(errno));
	for (unsigned i = 0; i < CA_FILE_PASSPHRASE; i++) {
		char path[4096];

		if (snprintf(path, sizeof(path), "%s/%s", dir, ca_file_name((enum ca_file)i)) >= (int)sizeof(path))
			return cli_fail(c, CLI_USAGE, "the path is too long");
		CLI_TRY(read_one(c, d, (enum ca_file)i, path));
		sum += 5 + d->data[i].len;
	}
	if (passphrase != NULL) CLI_TRY(read_one(c, d, CA_FILE_PASSPHRASE, passphrase));
	if (sum + 5 + CA_PASSPHRASE_MAX <= CA_FILES_MAX) return CLI_OK;
	return cli_fail(c, CLI_FAILED, "the files in %s are too large: 58 KiB all together", dir);
}

static enum cli_exit refuse(const struct cli *c, const struct brought_report *report, struct err e)
{
	return cli_fail(c, CLI_FAILED, "%s", report->problem[0] != '\0' ? report->problem : e.reason);
}

/* ca-crl.pem, which may be there.  The same order as the keeper's: what signs comes first. */
static enum cli_exit check_crl(const struct cli *c, const char *dir, const struct brought *b, struct brought_report *report,
			       size_t *lists)
{
	struct bytes cas[1 + BROUGHT_CHAIN_MAX + BROUGHT_ROOTS_MAX] = { b->signer.der };
	struct brought_crl_options o = { .cas = cas, .ca_count = 1, .now = c->now };
	AUTO(buf) struct buf pem = { .max = CA_CRL_MAX };
	AUTO(brought_crls) struct brought_crls *crls = NULL;
	char path[4096];
	struct err e;

	for (size_t i = 1; i < b->chain_count; i++) cas[o.ca_count++] = b->chain[i];
	for (size_t i = 0; i < b->root_count; i++) cas[o.ca_count++] = b->roots[i];
	(void)snprintf(path, sizeof(path), "%s/%s", dir, ca_file_name(CA_FILE_CRL)); /* read_dir() has seen that it fits */
	e = cli_files_read(path, CA_CRL_MAX, &pem);
	if (e.code == ERR_NOT_FOUND) return CLI_OK;
	if (e.code != ERR_OK)
		return cli_fail(c, CLI_FAILED, "cannot read %s: %s", path,
				e.cause != 0 ? strerror((int)e.cause) : "over 4 MiB");
	e = brought_crls_check(buf_view(&pem), &o, report, &crls);
	if (e.code != ERR_OK) return refuse(c, report, e);
	*lists = crls->count;
	return CLI_OK;
}

static enum cli_exit print_json(const struct cli *c, const struct brought *b, const struct brought_report *report, size_t lists)
{
	AUTO(json) json_t *warnings = json_array();
	AUTO(json) json_t *o = NULL;

	for (unsigned i = 0; i < report->warning_count; i++)
		(void)json_array_append_new(warnings, json_string(report->warnings[i]));
	o = json_pack("{ss ss sI sI sI sI sO}", "layout", b->layout, "key_type", key_type_name(b->signer.key.type), "chain",
	              (json_int_t)b->chain_count, "roots", (json_int_t)b->root_count, "not_after", (json_int_t)b->not_after,
	              "revocation_lists", (json_int_t)lists, "warnings", warnings);
	return cli_print_json(c, o);
}

static void print_text(const struct cli *c, const struct brought *b, const struct brought_report *report, size_t lists)
{
	char when[TEXT_TIME_MAX];

	fprintf(c->out, "The daemon would sign with this CA.\n\n");
	fprintf(c->out, "layout   %s\n", b->layout);
	fprintf(c->out, "ends     %s (the first of the chain)\n", text_time(b->not_after, c->now, when));
	fprintf(c->out, "chain    %zu between a leaf and its root%s\n", b->chain_count,
		b->self_signed ? ": the root itself signs" : "");
	fprintf(c->out, "roots    %zu\n", b->root_count);
	if (lists > 0) fprintf(c->out, "revoked  %zu list%s in %s\n", lists, lists == 1 ? "" : "s", ca_file_name(CA_FILE_CRL));
	fprintf(c->out, "\nsigning certificate\n");
	cli_cert_text(c->out, &b->signer, c->now, "  ");
	for (unsigned i = 0; i < report->warning_count; i++)
		fprintf(c->out, "%swarning: %s\n", i == 0 ? "\n" : "", report->warnings[i]);
}

enum cli_exit run_ca_check(struct cli *c)
{
	AUTO(ca_dir) struct ca_dir d = { .files = { .there = { false } } };
	AUTO(brought) struct brought *b = NULL;
	struct brought_options o = { .now = c->now, .threads = 1 };
	struct brought_report report;
	size_t lists = 0;
	struct err e;

	CLI_TRY(read_dir(c, c->args[0], cli_value(c, "passphrase-file"), &d));
	e = brought_check(&d.files, &o, &report, &b);
	if (e.code != ERR_OK) return refuse(c, &report, e);
	CLI_TRY(check_crl(c, c->args[0], b, &report, &lists));
	if (c->json) return print_json(c, b, &report, lists);
	print_text(c, b, &report, lists);
	return CLI_OK;
}

enum cli_exit cli_ca_check(const struct cli *c, const struct conf *conf)
{
	const char *dir = conf_text(conf, conf->ca.directory), *passphrase = conf_text(conf, conf->ca.passphrase_file);
	AUTO(ca_dir) struct ca_dir d = { .files = { .there = { false } } };
	AUTO(brought) struct brought *b = NULL;
	struct brought_options o = { .now = c->now, .threads = 1, .trust_domain = conf_text(conf, conf->trust_domain) };
	struct brought_report report;
	size_t lists = 0;
	struct err e;

	if (dir[0] == '\0') return CLI_OK;
	CLI_TRY(read_dir(c, dir, passphrase[0] == '\0' ? NULL : passphrase, &d));
	e = brought_check(&d.files, &o, &report, &b);
	if (e.code == ERR_OK) return check_crl(c, dir, b, &report, &lists);
	return cli_fail(c, CLI_FAILED, "ca.directory: %s", report.problem[0] != '\0' ? report.problem : e.reason);
}

/* ---- ca import ---- */

static enum cli_exit read_pem(const struct cli *c, const char *path, struct buf *pem)
{
	struct err e = cli_files_read(path, pem->max - 2, pem);

	if (e.code == ERR_OK) e = buf_put(pem, "", 1); /* as a string */
	if (e.code == ERR_OK) return CLI_OK;
	return cli_fail(c, CLI_FAILED, "cannot read %s: %s", path, e.cause != 0 ? strerror((int)e.cause) : e.reason);
}

enum cli_exit run_ca_import(struct cli *c)
{
	AUTO(buf) struct buf chain = { .max = CA_FILES_MAX };
	AUTO(buf) struct buf roots = { .max = CA_FILES_MAX };
	AUTO(json) json_t *body = NULL, *answer = NULL;
	const char *path = cli_value(c, "roots");

	if (path == NULL) return cli_fail(c, CLI_USAGE, "--roots FILE is needed: all roots that clients are to trust");
	CLI_TRY(read_pem(c, c->args[0], &chain));
	CLI_TRY(read_pem(c, path, &roots));
	body = json_pack("{ss ss sb sb}", "chain_pem", chain.data, "roots_pem", roots.data, "force", cli_value(c, "force") != NULL,
	                 "dry_run", cli_value(c, "dry-run") != NULL);
	if (body == NULL) return cli_fail(c, CLI_FAILED, "%s or %s is no text", c->args[0], path);
	CLI_TRY(cli_api_call(c, &(struct cli_api_ask){ .method = "POST", .path = "/v1/ca/import", .body = body }, &answer));
	return cli_root_done(c, answer, "signs from now on, under the root");
}
