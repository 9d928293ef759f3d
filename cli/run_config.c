/* run_config.c: signet config, signet version, signet help, signet completion: what needs no daemon. */
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cli/files.h"
#include "cli/json.h"
#include "cli/keys.h"
#include "cli/run.h"
#include "conf/load.h"
#include "jwt/jwt.h"

#define KEYS_FILE_MAX (1024 * 1024) /* bytes; as the daemon takes */
#define FILE_BUF_MAX (KEYS_FILE_MAX + 64 * 1024)
#define TEXT_MAX (16 * 1024 * 1024)

enum cli_exit run_version(struct cli *c)
{
	AUTO(json) json_t *o = NULL;

	if (!c->json) {
		fprintf(c->out, "signet %s (%s)\n", SIGNET_VERSION, OpenSSL_version(OPENSSL_VERSION));
		return CLI_OK;
	}
	o = json_pack("{ss ss}", "version", SIGNET_VERSION, "openssl", OpenSSL_version(OPENSSL_VERSION_STRING));
	return cli_print_json(c, o);
}

enum cli_exit run_help(struct cli *c)
{
	const struct cli_command *command;

	if (cli_value(c, "mdoc") != NULL) {
		cli_manual(c->out);
		return CLI_OK;
	}
	if (c->arg_count == 0) {
		cli_help(c->out);
		return CLI_OK;
	}
	if (c->arg_count == 1 && cli_is_group(c->args[0])) {
		cli_help_group(c->out, c->args[0]);
		return CLI_OK;
	}
	command = c->arg_count == 1 ? cli_find(NULL, c->args[0]) : cli_find(c->args[0], c->args[1]);
	if (command == NULL)
		return cli_fail(c, CLI_USAGE, "there is no command %s%s%s; see: signet help", c->args[0],
		                c->arg_count > 1 ? " " : "", c->arg_count > 1 ? c->args[1] : "");
	cli_help_command(c->out, command);
	return CLI_OK;
}

enum cli_exit run_completion(struct cli *c)
{
	if (strcmp(c->args[0], "bash") != 0) return cli_fail(c, CLI_USAGE, "only bash is known, not %s", c->args[0]);
	cli_completion_bash(c->out);
	return CLI_OK;
}

/* ---- config check ---- */

static enum cli_exit check_readable(const struct cli *c, const char *key, const char *path, struct buf *out)
{
	struct err e = cli_files_read(path, KEYS_FILE_MAX, out);

	if (e.code == ERR_OK) return CLI_OK;
	if (e.code == ERR_PERMISSION_DENIED)
		return cli_fail(c, CLI_FAILED, "%s: %s is closed to you; check as root, or as the daemon's user", key, path);
	return cli_fail(c, CLI_FAILED, "%s: cannot read %s: %s", key, path, strerror((int)e.cause));
}

static enum cli_exit check_issuer(const struct cli *c, const struct conf *conf, const struct conf_jwt_issuer *issuer)
{
	AUTO(buf) struct buf text = { .max = FILE_BUF_MAX };
	AUTO(jwt_keys) struct jwt_keys *keys = NULL;
	const char *path = conf_text(conf, issuer->jwks_file);
	char key[128];
	struct err e;

	if (path[0] == '\0') return CLI_OK;
	(void)snprintf(key, sizeof(key), "jwt_issuers %.63s: jwks_file", conf_text(conf, issuer->name));
	CLI_TRY(check_readable(c, key, path, &text));
	e = jwt_keys_parse(buf_view(&text), &keys);
	if (e.code == ERR_OK) return CLI_OK;
	return cli_fail(c, CLI_FAILED, "%s: %s is no JWK set that Signet can use: %s", key, path, e.reason);
}

static inline void auto_bio(BIO **p) { BIO_free(*p); }
static inline void auto_x509(X509 **p) { X509_free(*p); }

/* Does what the daemon will serve with fit together? */
static enum cli_exit check_tls(const struct cli *c, struct bytes cert_pem, struct bytes key_pem)
{
	AUTO(bio) BIO *bio = BIO_new_mem_buf(cert_pem.data, (int)cert_pem.len);
	AUTO(x509) X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	AUTO(pkey) EVP_PKEY *key = NULL;
	time_t now = (time_t)c->now;

	if (cert == NULL) return cli_fail(c, CLI_FAILED, "tls.cert_file: holds no certificate in PEM");
	if (cli_key_read(key_pem, &key).code != ERR_OK)
		return cli_fail(c, CLI_FAILED, "tls.key_file: holds no private key in PEM, or one with a passphrase");
	if (X509_check_private_key(cert, key) != 1)
		return cli_fail(c, CLI_FAILED, "tls.key_file is not the key of the first certificate in tls.cert_file");
	if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0)
		return cli_fail(c, CLI_FAILED, "tls.cert_file: its first certificate has ended");
	return CLI_OK;
}

static enum cli_exit check_files(const struct cli *c, const struct conf *conf)
{
	enum { CERT, KEY, KEK, COUNT };
	const struct {
		const char *key;
		conf_str path;
	} files[COUNT] = { [CERT] = { "tls.cert_file", conf->tls.cert_file },
		           [KEY] = { "tls.key_file", conf->tls.key_file },
		           [KEK] = { "ca.key_encryption_key_file", conf->ca.key_encryption_key_file } };
	AUTO(buf_wipe) struct buf key = { .max = FILE_BUF_MAX };
	AUTO(buf_wipe) struct buf kek = { .max = FILE_BUF_MAX };
	AUTO(buf) struct buf cert = { .max = FILE_BUF_MAX };
	struct buf *const texts[COUNT] = { [CERT] = &cert, [KEY] = &key, [KEK] = &kek };

	for (uint32_t i = 0; i < conf->issuer_count; i++) CLI_TRY(check_issuer(c, conf, &conf->issuers[i]));
	for (size_t i = 0; i < COUNT; i++) {
		const char *path = conf_text(conf, files[i].path);

		if (path[0] != '\0') CLI_TRY(check_readable(c, files[i].key, path, texts[i]));
	}
	if (conf_text(conf, files[KEK].path)[0] != '\0' && kek.len != 32 && kek.len != 64 && kek.len != 65)
		return cli_fail(c, CLI_FAILED, "%s: a key is 32 raw bytes or 64 hex digits, not %zu bytes", files[KEK].key,
		                kek.len);
	return conf_text(conf, files[CERT].path)[0] == '\0' ? CLI_OK : check_tls(c, buf_view(&cert), buf_view(&key));
}

enum cli_exit run_config_check(struct cli *c)
{
	const char *path = c->arg_count > 0 ? c->args[0] : cli_conf_path(c);

	CLI_TRY(cli_conf_load(c, path, &c->conf));
	CLI_TRY(check_files(c, c->conf));
	CLI_TRY(cli_ca_check(c, c->conf));
	if (c->json) {
		AUTO(json) json_t *o = json_pack("{ss sb ss si sb si}", "config", path, "good", 1, "trust_domain",
		                                 conf_text(c->conf, c->conf->trust_domain), "rules", (int)c->conf->rule_count,
		                                 "rules_built_in", (int)c->conf->rules_built_in, "jwt_issuers",
		                                 (int)c->conf->issuer_count);
		return cli_print_json(c, o);
	}
	fprintf(c->out, "%s is good: trust domain %s, %u %srules%s, %u JWT issuers\n", path,
	        conf_text(c->conf, c->conf->trust_domain), c->conf->rule_count, c->conf->rules_built_in ? "built-in " : "",
	        c->conf->rule_count == 0 ? " (nobody gets anything)" : "", c->conf->issuer_count);
	return CLI_OK;
}

/* ---- config show, config reference ---- */

static enum cli_exit print(const struct cli *c, struct err e, const struct buf *text)
{
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "cannot print it: %s", e.reason);
	(void)fwrite(text->data, 1, text->len, c->out);
	return CLI_OK;
}

enum cli_exit run_config_show(struct cli *c)
{
	AUTO(buf) struct buf text = { .max = TEXT_MAX };

	CLI_TRY(cli_conf_load(c, cli_conf_path(c), &c->conf));
	return print(c, c->json ? conf_show_json(c->conf, &text) : conf_show(c->conf, &text), &text);
}

enum cli_exit run_config_reference(struct cli *c)
{
	AUTO(buf) struct buf text = { .max = TEXT_MAX };
	struct err e = cli_value(c, "mdoc") != NULL ? conf_reference_mdoc(&text) : conf_reference(&text);

	if (c->json && e.code == ERR_OK) {
		AUTO(json) json_t *o = json_pack("{ss%}", "reference", text.data, text.len);

		return cli_print_json(c, o);
	}
	return print(c, e, &text);
}
