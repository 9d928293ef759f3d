/* run_cert.c: signet cert list, show and export, signet ca. */
#include <errno.h>
#include <string.h>

#include "cli/api.h"
#include "cli/bundle.h"
#include "cli/cert_text.h"
#include "cli/files.h"
#include "cli/lists.h"
#include "cli/run.h"

#define PATH_MAX_TEXT 8192
#define CERT_FILE_MAX (1024 * 1024)

static enum cli_exit too_long(const struct cli *c)
{
	return cli_fail(c, CLI_USAGE, "a value is too long");
}

/* ---- cert list ---- */

static enum cli_exit put_time(struct cli *c, struct buf *path, const char *option, const char *parameter)
{
	const char *text = cli_value(c, option);
	/* a bare duration looks ahead for ends and back for beginnings */
	int sign = strncmp(option, "expires", 7) == 0 ? 1 : -1;
	int64_t at;

	if (text == NULL) return CLI_OK;
	if (!text_parse_time(text, c->now, sign, &at) || at < 0)
		return cli_fail(c, CLI_USAGE, "--%s %s: write 2026-11-20T18:00:00Z, 2026-11-20, now, or a duration as 24h",
		                option, text);
	return cli_api_query_number(path, parameter, at).code == ERR_OK ? CLI_OK : too_long(c);
}

static enum cli_exit put_filters(struct cli *c, struct buf *path)
{
	static const struct {
		const char *option, *parameter;
	} times[] = { { "expires-before", "expires_to" }, { "expires-after", "expires_from" }, { "issued-before", "issued_to" },
		      { "issued-since", "issued_from" } };
	const char *serial = cli_value(c, "serial");
	char digits[CLI_SERIAL_DIGITS_MAX + 1];

	if (serial != NULL && !cli_serial_digits(serial, digits))
		return cli_fail(c, CLI_USAGE, "--serial %s: write 1 to 20 octets in hex, with or without colons", serial);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) CLI_TRY(put_time(c, path, times[i].option, times[i].parameter));
	if (cli_api_query(path, "serial", serial == NULL ? NULL : digits).code != ERR_OK ||
	    cli_api_query(path, "spiffe_id", cli_value(c, "spiffe-id")).code != ERR_OK ||
	    cli_api_query(path, "newest_first", cli_value(c, "oldest-first") == NULL ? NULL : "false").code != ERR_OK ||
	    cli_api_query(path, "after", cli_value(c, "page")).code != ERR_OK)
		return too_long(c);
	return CLI_OK;
}

static enum cli_exit list_revoked(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "SERIAL", "serial", false },     { "REVOKED", "revoked", true }, { "REASON", "reason", false },
		{ "EXPIRES", "not_after", true }, { "RECORD", "record", false },  { "BY", "by", false },
		{ NULL, NULL, false },
	};
	static const char *const others[] = { "spiffe-id", "serial", "expires-before", "expires-after", "issued-since",
		                              "issued-before", "oldest-first" };
	AUTO(buf) struct buf path = { .max = PATH_MAX_TEXT };

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (cli_value(c, others[i]) != NULL)
			return cli_fail(c, CLI_USAGE, "--revoked and --%s do not go together", others[i]);
	if (buf_put_str(&path, "/v1/revocations").code != ERR_OK ||
	    cli_api_query(&path, "cursor", cli_value(c, "page")).code != ERR_OK)
		return too_long(c);
	CLI_TRY(cli_list_limit(c, &path));
	return cli_list(c, cli_list_path(&path), columns, "no certificate is revoked");
}

enum cli_exit run_cert_list(struct cli *c)
{
	static const struct list_column columns[] = {
		{ "INDEX", "index", false },  { "SPIFFE ID", "spiffe_id", false },
		{ "ISSUED", "issued", true }, { "EXPIRES", "not_after", true },
		{ "BY", "evidence", false },  { "RULE", "rule", false },
		{ NULL, NULL, false },
	};
	AUTO(buf) struct buf path = { .max = PATH_MAX_TEXT };

	if (cli_value(c, "revoked") != NULL) return list_revoked(c);
	if (buf_put_str(&path, "/v1/certs").code != ERR_OK) return too_long(c);
	CLI_TRY(put_filters(c, &path));
	CLI_TRY(cli_list_limit(c, &path));
	return cli_list(c, cli_list_path(&path), columns, "no such certificates");
}

/* ---- certificates of a text ---- */

struct show {
	const struct cli *c;
	json_t *list;
	size_t count;
};

static struct err show_one(void *ctx, const struct cert *cert)
{
	struct show *s = ctx;
	json_t *o = NULL;

	s->count++;
	if (s->list != NULL) {
		TRY(cli_cert_json(cert, &o));
		(void)json_array_append_new(s->list, o);
		return OK;
	}
	if (s->count > 1) fprintf(s->c->out, "\n");
	cli_cert_text(s->c->out, cert, s->c->now, "");
	return OK;
}

static enum cli_exit show_text(const struct cli *c, struct bytes text, const char *what)
{
	struct show s = { .c = c };
	struct err e = cli_cert_each(text, show_one, &s);

	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "%s: %s", what, e.reason);
}

static enum cli_exit list_text(const struct cli *c, struct bytes text, const char *what, json_t **out)
{
	AUTO(json) json_t *list = json_array();
	struct show s = { .c = c, .list = list };
	struct err e = cli_cert_each(text, show_one, &s);

	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s: %s", what, e.reason);
	*out = MOVE(list);
	return CLI_OK;
}

/* ---- cert show ---- */

static enum cli_exit show_file(struct cli *c, const char *path)
{
	AUTO(buf) struct buf text = { .max = CERT_FILE_MAX + 64 * 1024 };
	AUTO(json) json_t *list = NULL;
	struct err e = cli_files_read(path, CERT_FILE_MAX, &text);

	if (e.code == ERR_NOT_FOUND)
		return cli_fail(c, CLI_NOT_FOUND, "%s: no such file, and neither an index nor a serial number", path);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "cannot read %s: %s", path, strerror((int)e.cause));
	if (!c->json) return show_text(c, buf_view(&text), path);
	CLI_TRY(list_text(c, buf_view(&text), path, &list));
	return cli_print_json(c, list);
}

/* The record by its index or serial number. */
static enum cli_exit get_record(struct cli *c, const char *name, json_t **out)
{
	AUTO(json) json_t *list = NULL;
	const json_t *first;
	char path[128], digits[CLI_SERIAL_DIGITS_MAX + 1];

	if (strlen(name) <= 18 && name[strspn(name, "0123456789")] == '\0') {
		(void)snprintf(path, sizeof(path), "/v1/certs/%s", name);
		return cli_api_call(c, &(struct cli_api_ask){ .method = "GET", .path = path, .subject = name }, out);
	}
	if (!cli_serial_digits(name, digits)) return cli_fail(c, CLI_USAGE, "%s is neither an index nor a serial number", name);
	(void)snprintf(path, sizeof(path), "/v1/certs?limit=1&serial=%s", digits);
	CLI_TRY(cli_api_get(c, path, &list));
	first = json_array_get(json_object_get(list, "items"), 0);
	if (first == NULL) return cli_fail(c, CLI_NOT_FOUND, "no certificate with the serial number %s", name);
	/* by its index once more: that answer says whether it is revoked */
	(void)snprintf(path, sizeof(path), "/v1/certs/%lld", (long long)json_integer_value(json_object_get(first, "index")));
	return cli_api_call(c, &(struct cli_api_ask){ .method = "GET", .path = path, .subject = name }, out);
}

static void print_revocation(const struct cli *c, const json_t *r)
{
	char when[TEXT_TIME_MAX];
	int64_t at = 0;

	if (r == NULL) return;
	(void)cli_member_time(r, "revoked", &at);
	fprintf(c->out, "  %-13s %s, %s, by %s\n", "REVOKED", text_time(at, c->now, when), cli_member(r, "reason"),
	        cli_member(r, "by"));
}

static void print_record(const struct cli *c, const json_t *r)
{
	static const struct {
		const char *label, *member;
	} lines[] = { { "caller", "caller" },
		      { "evidence", "evidence" },
		      { "rule", "rule" },
		      { "issuer", "issuer" },
		      { "node", "node" },
		      { "request id", "request_id" },
		      { "key hash", "key_hash" } };
	char when[TEXT_TIME_MAX];
	int64_t issued = 0;

	(void)cli_member_time(r, "issued", &issued);
	fprintf(c->out, "record %lld\n", (long long)json_integer_value(json_object_get(r, "index")));
	fprintf(c->out, "  %-13s %s\n", "issued", text_time(issued, c->now, when));
	print_revocation(c, json_object_get(r, "revocation"));
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO(buf) struct buf safe = { .max = 64 * 1024 };

		if (text_put_safe(&safe, bytes_str(cli_member(r, lines[i].member))).code != ERR_OK || safe.len == 0) continue;
		fprintf(c->out, "  %-13s %.*s\n", lines[i].label, (int)safe.len, (const char *)safe.data);
	}
	fprintf(c->out, "  %-13s %lld\n\ncertificate\n", "root", (long long)json_integer_value(json_object_get(r, "root_seq")));
}

static struct err show_indented(void *ctx, const struct cert *cert)
{
	const struct cli *c = ctx;

	cli_cert_text(c->out, cert, c->now, "  ");
	return OK;
}

static bool is_record_name(const char *name)
{
	char digits[CLI_SERIAL_DIGITS_MAX + 1];

	return cli_serial_digits(name, digits) || (strlen(name) <= 18 && name[strspn(name, "0123456789")] == '\0');
}

enum cli_exit run_cert_show(struct cli *c)
{
	AUTO(json) json_t *record = NULL, *list = NULL;
	const char *name = c->args[0];
	struct err e;

	if (name[0] == '\0' || strpbrk(name, "./-") != NULL || !is_record_name(name)) return show_file(c, name);
	CLI_TRY(get_record(c, name, &record));
	if (c->json) {
		CLI_TRY(list_text(c, bytes_str(cli_member(record, "pem")), "the record", &list));
		(void)json_object_set(record, "certificate", json_array_get(list, 0));
		return cli_print_json(c, record);
	}
	print_record(c, record);
	e = cli_cert_each(bytes_str(cli_member(record, "pem")), show_indented, c);
	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "the record: %s", e.reason);
}

/* ---- PEM out ---- */

static enum cli_exit write_pem(const struct cli *c, const char *pem)
{
	const char *path = cli_value(c, "out");
	struct err e;

	if (path == NULL && c->json) {
		AUTO(json) json_t *o = json_pack("{ss}", "pem", pem);

		return cli_print_json(c, o);
	}
	if (path == NULL) {
		fputs(pem, c->out);
		return CLI_OK;
	}
	e = cli_files_write(path, 0644, bytes_str(pem), true);
	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "cannot write %s: %s", path, strerror((int)e.cause));
}

enum cli_exit run_cert_export(struct cli *c)
{
	AUTO(json) json_t *record = NULL;

	CLI_TRY(get_record(c, c->args[0], &record));
	return write_pem(c, cli_member(record, "pem"));
}

/* ---- ca ---- */

enum cli_exit run_ca_show(struct cli *c)
{
	AUTO(json) json_t *roots = NULL, *list = NULL, *between = NULL;
	const char *pem, *chain;

	CLI_TRY(cli_api_get(c, "/v1/roots", &roots));
	chain = cli_member(roots, "chain_pem");
	pem = cli_member(roots, "roots_pem");
	if (!c->json) {
		fprintf(c->out, "root number %lld\n\n", (long long)json_integer_value(json_object_get(roots, "seq")));
		if (chain[0] != '\0') {
			fprintf(c->out, "between a leaf and its root\n\n");
			CLI_TRY(show_text(c, bytes_str(chain), "the chain"));
			fprintf(c->out, "\nroots\n\n");
		}
		return show_text(c, bytes_str(pem), "the roots");
	}
	CLI_TRY(list_text(c, bytes_str(pem), "the roots", &list));
	if (chain[0] != '\0') {
		CLI_TRY(list_text(c, bytes_str(chain), "the chain", &between));
		(void)json_object_set(roots, "chain", between);
	}
	(void)json_object_set(roots, "roots", list);
	return cli_print_json(c, roots);
}

enum cli_exit run_ca_csr(struct cli *c)
{
	AUTO(json) json_t *answer = NULL;

	CLI_TRY(cli_api_call(c, &(struct cli_api_ask){ .method = "POST", .path = "/v1/ca/csr" }, &answer));
	return write_pem(c, cli_member(answer, "csr_pem"));
}

enum cli_exit run_ca_export_root(struct cli *c)
{
	AUTO(json) json_t *roots = NULL, *bundle = NULL;
	AUTO(heap) char *text = NULL;
	const char *format;
	struct err e;

	CLI_TRY(cli_api_get(c, "/v1/roots", &roots));
	format = cli_value(c, "format");
	if (format == NULL || strcmp(format, "pem") == 0) return write_pem(c, cli_member(roots, "roots_pem"));
	e = bundle_json(bytes_str(cli_member(roots, "roots_pem")), json_integer_value(json_object_get(roots, "seq")), &bundle);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "the roots: %s", e.reason);
	text = json_dumps(bundle, JSON_INDENT(2));
	if (text == NULL) return cli_fail(c, CLI_FAILED, "out of memory");
	return cli_value(c, "out") == NULL ? cli_print_json(c, bundle) : write_pem(c, text);
}
