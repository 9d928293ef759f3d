/* What is taken keeps the word of kubeconfig.h; a refusal says why, in one line, and leaves the output alone. */
#include <string.h>

#include "base/hostname.h"
#include "base/url.h"
#include "der/pem.h"
#include "k8s_csr/kubeconfig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(int want)
{
	if (!want) __builtin_trap();
}

static bool is_there(const struct kubeconfig_source *s)
{
	check(s->path == NULL || s->text.len == 0);
	check(s->path == NULL || s->path[0] == '/');
	return s->path != NULL || s->text.len > 0;
}

/* The first block that ends in `label`, if it is text. */
static void check_pem(const struct kubeconfig_source *s, const char *label)
{
	AUTO(buf) struct buf der = { .max = KUBECONFIG_MAX };
	struct bytes text = buf_view(&s->text);
	char got[PEM_LABEL_MAX];
	bool found = text.len == 0;

	while (!found && pem_take(&text, KUBECONFIG_MAX, got, &der).code == ERR_OK)
		found = strlen(got) >= strlen(label) && strcmp(got + strlen(got) - strlen(label), label) == 0;
	check(found);
}

static void check_taken(const struct kubeconfig *k)
{
	struct bytes server = bytes_str(k->server), token = buf_view(&k->token.text);
	bool certificate = is_there(&k->certificate);

	check(url_check(server, false).code == ERR_OK && server.data[server.len - 1] != '/');
	check(k->server_name == NULL || hostname_valid(bytes_str(k->server_name), false));
	check(certificate == is_there(&k->key));
	check(is_there(&k->token) || certificate);
	check(token.len <= KUBECONFIG_TOKEN_MAX);
	for (size_t i = 0; i < token.len; i++) check(token.data[i] > ' ' && token.data[i] <= '~');
	(void)is_there(&k->ca);
	check_pem(&k->ca, "CERTIFICATE");
	check_pem(&k->certificate, "CERTIFICATE");
	check_pem(&k->key, "PRIVATE KEY");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct kubeconfig_options options = { .name = "f", .folder = "/d" };
	struct kubeconfig k = { .server = (char *)(uintptr_t)"untouched" };
	struct conf_problem problem = { .text = "?" };
	struct err e = kubeconfig_parse(BYTES(data, len), &options, &k, &problem);

	check((e.code == ERR_OK) == (problem.text[0] == '\0'));
	check(strchr(problem.text, '\n') == NULL && strlen(problem.text) < sizeof(problem.text));
	if (e.code != ERR_OK) {
		check(strcmp(k.server, "untouched") == 0);
		return 0;
	}
	check_taken(&k);
	kubeconfig_wipe(&k);
	return 0;
}
