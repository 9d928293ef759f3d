#include "cli/credential.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/chain.h"
#include "cli/files.h"

#define TOKEN_MAX (16 * 1024) /* bytes; JWT_MAX */

void cli_credential_wipe(struct credential *c)
{
	buf_wipe(&c->bearer);
	buf_wipe(&c->key_pem);
	buf_free(&c->chain_pem);
}

/* Without the white space around it; what is left must be visible ASCII, as a header value has to be. */
static enum cli_exit take_token(const struct cli *c, const char *from, struct bytes text, struct credential *out)
{
	while (text.len > 0 && text.data[0] <= ' ') text = BYTES(text.data + 1, text.len - 1);
	while (text.len > 0 && text.data[text.len - 1] <= ' ') text.len--;
	if (text.len == 0) return cli_fail(c, CLI_USAGE, "there is no token in %s", from);
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] <= ' ' || text.data[i] >= 0x7f)
			return cli_fail(c, CLI_USAGE, "%s holds something else than one token", from);
	out->bearer.max = TOKEN_MAX + 16;
	if (buf_put_str(&out->bearer, "Bearer ").code != ERR_OK || buf_put(&out->bearer, text.data, text.len).code != ERR_OK)
		return cli_fail(c, CLI_USAGE, "the token in %s is too long", from);
	return CLI_OK;
}

static enum cli_exit read_file(const struct cli *c, const char *path, size_t max, struct buf *out)
{
	struct err e;

	out->max = max + 64 * 1024;
	e = cli_files_read(path, max, out);
	if (e.code == ERR_OK) return CLI_OK;
	return cli_fail(c, e.code == ERR_NOT_FOUND ? CLI_NOT_FOUND : CLI_FAILED, "cannot read %s: %s", path,
	                strerror((int)e.cause));
}

static enum cli_exit token_from_file(const struct cli *c, const char *path, struct credential *out)
{
	AUTO(buf_wipe) struct buf text = { 0 };

	CLI_TRY(read_file(c, path, TOKEN_MAX, &text));
	return take_token(c, strcmp(path, FILES_STDIN) == 0 ? "standard input" : path, buf_view(&text), out);
}

/* Out of sight of ps as soon as it is copied (the kernel shows the memory of argv). */
static enum cli_exit token_from_line(const struct cli *c, const char *text, struct credential *out)
{
	enum cli_exit status = take_token(c, "--token", bytes_str(text), out);

	explicit_bzero((char *)(uintptr_t)text, strlen(text));
	return status;
}

static enum cli_exit certificate(const struct cli *c, struct credential *out)
{
	const char *cert = cli_value(c, "cert"), *key = cli_value(c, "key");

	if (cert == NULL || key == NULL) return cli_fail(c, CLI_USAGE, "--cert and --key go together");
	CLI_TRY(read_file(c, cert, CHAIN_PEM_MAX, &out->chain_pem));
	return read_file(c, key, KEYS_PEM_MAX, &out->key_pem);
}

enum cli_exit cli_credential_read(struct cli *c, struct credential *out)
{
	const char *file = cli_value(c, "token-file"), *token = cli_value(c, "token"), *jwt = cli_value(c, "jwt-file");
	const char *environment = getenv("SIGNET_TOKEN");
	bool cert = cli_value(c, "cert") != NULL || cli_value(c, "key") != NULL;

	if ((file != NULL) + (token != NULL) + (jwt != NULL) + cert > 1)
		return cli_fail(c, CLI_USAGE, "give one credential: --token-file, --token, --jwt-file, or --cert with --key");
	if (cert) return certificate(c, out);
	if (file != NULL) return token_from_file(c, file, out);
	if (jwt != NULL) return token_from_file(c, jwt, out);
	if (token != NULL) return token_from_line(c, token, out);
	if (environment != NULL && environment[0] != '\0') return take_token(c, "$SIGNET_TOKEN", bytes_str(environment), out);
	if (!isatty(STDIN_FILENO)) return token_from_file(c, FILES_STDIN, out);
	return cli_fail(c, CLI_USAGE,
	                "no credential: give --token-file FILE, --jwt-file FILE, --cert FILE --key FILE, $SIGNET_TOKEN, or "
	                "a token on standard input (make one with: signet token create --spiffe-id ID)");
}
