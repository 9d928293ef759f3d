/* run_request.c: signet request: a key, a request, an answer that is checked, three files. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/x509_vfy.h>

#include "cli/api.h"
#include "cli/cert_text.h"
#include "cli/chain.h"
#include "cli/credential.h"
#include "cli/files.h"
#include "cli/run.h"
#include "cli/text.h"
#include "csr/spiffe.h"
#include "der/pem.h"
#include "net/client.h"
#include "proto/istio_ca.pb-c.h"

#define METHOD_PATH "/istio.v1.auth.IstioCertificateService/CreateCertificate"
#define DEFAULT_PORT ":15012"
#define TIMEOUT_S 30         /* ours */
#define ANSWER_MAX (1024 * 1024)

typedef Istio__V1__Auth__IstioCertificateResponse answer_t;

struct request {
	struct credential credential;
	char server[300], server_name[300], pending[PATH_MAX], own_id[SPIFFE_ID_MAX + 1];
	struct buf roots_pem, csr_pem, message;
	EVP_PKEY *key;
	bool key_is_old; /* of an earlier try */
	int64_t validity, timeout_s;
	answer_t *answer;
	struct buf leaf_der;
	struct cert leaf;
};

static void auto_request(struct request *r)
{
	cli_credential_wipe(&r->credential);
	buf_free(&r->roots_pem);
	buf_free(&r->csr_pem);
	buf_free(&r->message);
	buf_free(&r->leaf_der);
	EVP_PKEY_free(r->key);
	if (r->answer != NULL) istio__v1__auth__istio_certificate_response__free_unpacked(r->answer, NULL);
}

/* ---- whom to ask, and whom to trust ---- */

/* The port that the daemon on this machine listens on, and a name that its certificate has. */
static void server_from_conf(const struct conf *conf, struct request *r)
{
	const char *address = conf_text(conf, conf->listen.address), *port = strrchr(address, ':');
	int host = port == NULL ? 0 : (int)(port - address);
	bool any = host == 0 || strncmp(address, "0.0.0.0:", 8) == 0 || strncmp(address, "[::]:", 5) == 0;

	if (port == NULL) return;
	if (any) (void)snprintf(r->server, sizeof(r->server), "localhost%s", port);
	else (void)snprintf(r->server, sizeof(r->server), "%s", address);
	if (any && conf_list_has(conf, conf->tls.names, "localhost")) return;
	(void)snprintf(r->server_name, sizeof(r->server_name), "%s", conf_item(conf, conf->tls.names, 0));
}

static enum cli_exit choose_server(struct cli *c, struct request *r)
{
	const char *server = cli_value(c, "server"), *name = cli_value(c, "server-name"), *colon;

	(void)snprintf(r->server, sizeof(r->server), "localhost" DEFAULT_PORT);
	if (server == NULL) {
		CLI_TRY(cli_conf(c));
		if (c->conf != NULL) server_from_conf(c->conf, r);
	} else {
		colon = strrchr(server, ':');
		bool bare = colon == NULL || strchr(colon, ']') != NULL;

		if (snprintf(r->server, sizeof(r->server), "%s%s", server, bare ? DEFAULT_PORT : "") >= (int)sizeof(r->server))
			return cli_fail(c, CLI_USAGE, "--server is too long");
	}
	if (name != NULL) (void)snprintf(r->server_name, sizeof(r->server_name), "%s", name);
	return CLI_OK;
}

static enum cli_exit choose_roots(struct cli *c, struct request *r)
{
	const char *path = cli_value(c, "ca");
	AUTO(json) json_t *roots = NULL;
	struct err e;

	r->roots_pem.max = CHAIN_PEM_MAX + 64 * 1024;
	if (path != NULL) {
		e = cli_files_read(path, CHAIN_PEM_MAX, &r->roots_pem);
		return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "cannot read %s: %s", path, strerror((int)e.cause));
	}
	if (cli_value(c, "server") != NULL)
		return cli_fail(c, CLI_USAGE, "--server needs --ca FILE, the roots to know it by (there: signet ca export-root)");
	CLI_TRY(cli_api_get(c, "/v1/roots", &roots));
	e = buf_put_str(&r->roots_pem, cli_member(roots, "roots_pem"));
	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "the daemon's roots are too large");
}

static enum cli_exit seconds(const struct cli *c, const char *option, int64_t fallback, int64_t *out)
{
	const char *text = cli_value(c, option);

	*out = fallback;
	if (text == NULL || (text_parse_duration(text, out) && *out > 0 && *out < INT32_MAX)) return CLI_OK;
	return cli_fail(c, CLI_USAGE, "--%s %s: write a duration with a unit, as 30s, 1h or 30d", option, text);
}

/* ---- the key ---- */

static const char *out_dir(const struct cli *c)
{
	const char *dir = cli_value(c, "out-dir");

	return dir == NULL || dir[0] == '\0' ? "." : dir;
}

/* The key of a try whose answer was lost.  It must be this user's alone: who planted it would know it. */
static bool read_pending(const struct cli *c, struct request *r, const char *type)
{
	AUTO(buf_wipe) struct buf pem = { .max = 2 * KEYS_PEM_MAX };
	AUTO(pkey) EVP_PKEY *key = NULL;
	struct stat st;

	if (lstat(r->pending, &st) != 0) return false;
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) return false;
	if (cli_files_read(r->pending, KEYS_PEM_MAX, &pem).code != ERR_OK || cli_key_read(buf_view(&pem), &key).code != ERR_OK)
		return false;
	if (!cli_key_is(key, type)) return false;
	if (!c->json) fprintf(c->err, "asking again with the key of the last try, %s\n", r->pending);
	r->key = MOVE(key);
	return true;
}

static enum cli_exit make_key(const struct cli *c, struct request *r)
{
	AUTO(buf_wipe) struct buf pem = { .max = KEYS_PEM_MAX };
	const char *type = cli_value(c, "key-type");
	struct err e;

	if (type == NULL) type = "p256";
	if (snprintf(r->pending, sizeof(r->pending), "%s/key.pem.pending", out_dir(c)) >= (int)sizeof(r->pending))
		return cli_fail(c, CLI_USAGE, "--out-dir is too long");
	(void)mkdir(out_dir(c), 0755); /* what is wrong shows when the key is written */
	r->key_is_old = read_pending(c, r, type);
	if (r->key_is_old) return CLI_OK;
	e = cli_key_make(type, &r->key);
	if (e.code == ERR_OK) e = cli_key_put(r->key, &pem);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s", e.reason);
	e = cli_files_write(r->pending, 0600, buf_view(&pem), true);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "cannot write %s: %s", r->pending, strerror((int)e.cause));
	return CLI_OK;
}

/* ---- the message ---- */

/* The ID to ask for, as far as it is known; NULL: none.  Only issuers that copy names look at it. */
static const char *wanted_id(const struct cli *c, struct request *r)
{
	const char *impersonate = cli_value(c, "impersonate"), *id = cli_value(c, "spiffe-id");
	struct bytes chain = buf_view(&r->credential.chain_pem);
	AUTO(buf) struct buf der = { .max = CERT_DER_MAX };
	char label[PEM_LABEL_MAX];
	struct cert own;

	if (impersonate != NULL || id != NULL) return impersonate != NULL ? impersonate : id;
	if (pem_take(&chain, CERT_DER_MAX, label, &der).code != ERR_OK || cert_parse(buf_view(&der), &own).code != ERR_OK)
		return NULL;
	if (spiffe_workload_id_parse(own.uri, NULL, NULL).code != ERR_OK) return NULL;
	(void)snprintf(r->own_id, sizeof(r->own_id), "%.*s", (int)own.uri.len, (const char *)own.uri.data);
	return r->own_id;
}

static enum cli_exit make_message(const struct cli *c, struct request *r)
{
	Istio__V1__Auth__IstioCertificateRequest m = ISTIO__V1__AUTH__ISTIO_CERTIFICATE_REQUEST__INIT;
	Istio__V1__Auth__Metadata metadata = ISTIO__V1__AUTH__METADATA__INIT;
	Istio__V1__Auth__Entry entries[2] = { ISTIO__V1__AUTH__ENTRY__INIT, ISTIO__V1__AUTH__ENTRY__INIT }, *list[2];
	Istio__V1__Auth__Value values[2] = { ISTIO__V1__AUTH__VALUE__INIT, ISTIO__V1__AUTH__VALUE__INIT };
	const struct {
		const char *key, *option;
	} known[] = { { "ImpersonatedIdentity", "impersonate" }, { "CertSigner", "issuer" } };
	size_t size;
	uint8_t *at;

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		const char *text = cli_value(c, known[i].option);

		if (text == NULL) continue;
		values[i].kind_case = ISTIO__V1__AUTH__VALUE__KIND_STRING_VALUE;
		values[i].string_value = (char *)(uintptr_t)text;
		entries[i].key = (char *)(uintptr_t)known[i].key;
		entries[i].value = &values[i];
		list[metadata.n_fields++] = &entries[i];
	}
	metadata.fields = list;
	if (metadata.n_fields > 0) m.metadata = &metadata;
	m.csr = (char *)r->csr_pem.data;
	m.validity_duration = r->validity;
	size = istio__v1__auth__istio_certificate_request__get_packed_size(&m);
	r->message.max = 256 * 1024;
	if (buf_reserve(&r->message, size, &at).code != ERR_OK) return cli_fail(c, CLI_USAGE, "the request is too large");
	r->message.len += istio__v1__auth__istio_certificate_request__pack(&m, at);
	return CLI_OK;
}

static enum cli_exit check_id(const struct cli *c, const char *option)
{
	const char *id = cli_value(c, option);

	if (id == NULL || spiffe_workload_id_parse(bytes_str(id), NULL, NULL).code == ERR_OK) return CLI_OK;
	return cli_fail(c, CLI_USAGE, "--%s %s: not the SPIFFE ID of a workload: spiffe://TRUST-DOMAIN/...", option, id);
}

static enum cli_exit prepare(struct cli *c, struct request *r)
{
	struct err e;

	CLI_TRY(check_id(c, "spiffe-id"));
	CLI_TRY(check_id(c, "impersonate"));
	CLI_TRY(seconds(c, "validity", 0, &r->validity));
	CLI_TRY(seconds(c, "timeout", TIMEOUT_S, &r->timeout_s));
	CLI_TRY(choose_server(c, r));
	CLI_TRY(cli_credential_read(c, &r->credential));
	CLI_TRY(choose_roots(c, r));
	CLI_TRY(make_key(c, r));
	r->csr_pem.max = 64 * 1024;
	e = cli_key_request(r->key, wanted_id(c, r), &r->csr_pem);
	if (e.code == ERR_OK) e = buf_put(&r->csr_pem, "", 1);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s", e.reason);
	return make_message(c, r);
}

/* ---- the call ---- */

/* A key that was made now and cannot have a certificate is of no use; one of an earlier try may have one already. */
static void drop_key(const struct request *r)
{
	if (!r->key_is_old) (void)unlink(r->pending);
}

/* The request was not sent, or what became of it is not known: then the key stays for the next try. */
static enum cli_exit say_no_answer(const struct cli *c, const struct request *r, struct err e, const char *detail)
{
	const char *why = detail[0] != '\0' ? detail : e.reason;
	/* TLS 1.3: the server looks at it after its own Finished, so its refusal looks like a broken connection */
	bool maybe_refused = cli_value(c, "cert") != NULL && strncmp(detail, "TLS with ", strlen("TLS with ")) == 0;

	if (e.code == ERR_UNAVAILABLE)
		return cli_fail(c, CLI_UNREACHABLE, "%s%s", why,
		                maybe_refused ? "; it does so to a client certificate that has expired or is not of this CA" : "");
	if (e.code == ERR_DEADLINE_EXCEEDED)
		return cli_fail(c, CLI_UNREACHABLE,
		                "%s did not answer within %lld s; the same command asks again with the same key", r->server,
		                (long long)r->timeout_s);
	if (e.code != ERR_UNAUTHENTICATED && e.code != ERR_INVALID_ARGUMENT)
		return cli_fail(c, CLI_FAILED, "%s: %s", r->server, why);
	drop_key(r);
	if (e.code == ERR_INVALID_ARGUMENT) return cli_fail(c, CLI_FAILED, "%s: %s", r->server, why);
	return cli_fail(c, CLI_FAILED, "%s; --ca must hold the server's root, and --server-name be a name in its certificate", why);
}

static const char *advice(const struct cli *c, enum err_code code)
{
	switch (code) {
	case ERR_UNAUTHENTICATED:
		if (cli_value(c, "impersonate") != NULL)
			return "no rule lets it impersonate that ID (policy: impersonate), or its credential was not accepted; the "
			       "daemon's log says which";
		return "the credential was not accepted: expired, revoked, used already with another key, or for another "
		       "audience; the "
		       "daemon's log says which";
	case ERR_PERMISSION_DENIED:
		return "the rules give it nothing, or it is banned; see the daemon's log, and: signet policy test, signet "
		       "identity list";
	case ERR_UNAVAILABLE:
	case ERR_RESOURCE_EXHAUSTED:
		return "the daemon cannot do it now; try again";
	case ERR_INVALID_ARGUMENT:
		if (cli_value(c, "issuer") != NULL)
			return "the daemon's log says more; a signer in a cluster takes only what names the very ID that the rules "
			       "give (--spiffe-id)";
		return "the daemon's log says more";
	default:
		return "the daemon's log says more";
	}
}

static enum cli_exit say_refused(const struct cli *c, const struct request *r, const struct client_status *status)
{
	bool final = status->code == ERR_INVALID_ARGUMENT || status->code == ERR_UNAUTHENTICATED ||
	             status->code == ERR_PERMISSION_DENIED;
	bool later = status->code == ERR_UNAVAILABLE || status->code == ERR_RESOURCE_EXHAUSTED;

	if (final) drop_key(r);
	return cli_fail(c, later ? CLI_UNREACHABLE : CLI_FAILED, "refused: %s \"%s\": %s", err_code_name(status->code),
	                status->text, advice(c, status->code));
}

static enum cli_exit call(const struct cli *c, struct request *r)
{
	AUTO(buf) struct buf reply = { .max = ANSWER_MAX };
	struct client_header header = { "authorization", buf_view(&r->credential.bearer) };
	struct client_options options = { .address = r->server,
		                          .server_name = r->server_name[0] == '\0' ? NULL : r->server_name,
		                          .roots_pem = buf_view(&r->roots_pem),
		                          .timeout_ms = r->timeout_s * 1000,
		                          .headers = &header,
		                          .header_count = r->credential.bearer.len > 0,
		                          .chain_pem = buf_view(&r->credential.chain_pem),
		                          .key_pem = buf_view(&r->credential.key_pem) };
	struct client_status status = { .code = ERR_UNKNOWN };
	char detail[1024] = "";
	struct err e = client_call(&options, METHOD_PATH, buf_view(&r->message), &reply, &status, detail, sizeof(detail));

	if (e.code != ERR_OK) return say_no_answer(c, r, e, detail);
	if (status.code != ERR_OK) return say_refused(c, r, &status);
	r->answer = istio__v1__auth__istio_certificate_response__unpack(NULL, reply.len, reply.data);
	return r->answer != NULL ? CLI_OK : cli_fail(c, CLI_FAILED, "the answer of %s cannot be read", r->server);
}

/* ---- the answer ---- */

/* The last element is the roots (docs/protocols/csr-api.md). */
static enum cli_exit check_answer(const struct cli *c, struct request *r)
{
	const char *impersonate = cli_value(c, "impersonate"), *issuer = cli_value(c, "issuer");
	struct chain_check check = { .key = r->key, .roots_pem = buf_view(&r->roots_pem), .now = c->now,
		                     .spiffe_id = impersonate != NULL ? impersonate : cli_value(c, "spiffe-id") };
	struct bytes pem[CHAIN_MAX];
	size_t count = r->answer->n_cert_chain;
	struct err e;

	if (count < 2 || count > CHAIN_MAX)
		return cli_fail(c, CLI_FAILED, "the answer has %zu elements; a certificate and its roots are expected", count);
	for (size_t i = 0; i < count; i++) pem[i] = bytes_str(r->answer->cert_chain[i]);
	/* Another issuer's roots are not those that the server is known by; TLS vouches for its answer. */
	if (issuer != NULL && strcmp(issuer, CONF_OWN_ISSUER) != 0) check.roots_pem = pem[count - 1];
	r->leaf_der.max = CERT_DER_MAX;
	e = cli_chain_check(&check, pem, count - 1, &r->leaf_der, &r->leaf);
	if (e.code == ERR_OK) return CLI_OK;
	return cli_fail(c, CLI_FAILED, "the answer of %s is refused: %s%s%s", r->server, e.reason, e.cause ? ": " : "",
	                e.cause ? X509_verify_cert_error_string((long)e.cause) : "");
}

static enum cli_exit write_file(const struct cli *c, const char *name, struct bytes data)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s", out_dir(c), name);
	struct err e;

	if (n < 0 || (size_t)n >= sizeof(path)) return cli_fail(c, CLI_FAILED, "--out-dir is too long");
	e = cli_files_write(path, 0644, data, true);
	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_FAILED, "cannot write %s: %s", path, strerror((int)e.cause));
}

/* The key first: a reader that finds the new chain finds its key. */
static enum cli_exit write_files(const struct cli *c, const struct request *r)
{
	AUTO(buf) struct buf chain = { .max = ANSWER_MAX };
	char path[PATH_MAX];
	size_t roots = r->answer->n_cert_chain - 1;

	for (size_t i = 0; i < roots; i++) {
		const char *pem = r->answer->cert_chain[i];
		size_t n = strlen(pem);

		if (buf_put_str(&chain, pem).code != ERR_OK ||
		    (n > 0 && pem[n - 1] != '\n' && buf_put_str(&chain, "\n").code != ERR_OK))
			return cli_fail(c, CLI_FAILED, "the answer is too large");
	}
	if (snprintf(path, sizeof(path), "%s/key.pem", out_dir(c)) >= (int)sizeof(path) || rename(r->pending, path) != 0)
		return cli_fail(c, CLI_FAILED, "cannot rename %s: %s", r->pending, strerror(errno));
	CLI_TRY(write_file(c, "cert-chain.pem", buf_view(&chain)));
	return write_file(c, "root-cert.pem", bytes_str(r->answer->cert_chain[roots]));
}

static enum cli_exit print_result(const struct cli *c, const struct request *r)
{
	AUTO(json) json_t *o = NULL;
	json_t *cert = NULL;
	const char *dir = out_dir(c);

	if (!c->json) {
		cli_cert_text(c->out, &r->leaf, c->now, "");
		fprintf(c->out, "\nwrote %s/key.pem, %s/cert-chain.pem, %s/root-cert.pem\n", dir, dir, dir);
		return CLI_OK;
	}
	if (cli_cert_json(&r->leaf, &cert).code != ERR_OK) return cli_fail(c, CLI_FAILED, "the certificate is not text");
	o = json_pack("{so ss ss ss ss}", "certificate", cert, "directory", dir, "key", "key.pem", "chain", "cert-chain.pem",
	              "roots", "root-cert.pem");
	return cli_print_json(c, o);
}

enum cli_exit run_request(struct cli *c)
{
	AUTO(request) struct request r = { 0 };

	CLI_TRY(prepare(c, &r));
	CLI_TRY(call(c, &r));
	CLI_TRY(check_answer(c, &r));
	CLI_TRY(write_files(c, &r));
	return print_result(c, &r);
}
