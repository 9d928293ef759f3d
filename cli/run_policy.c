/* run_policy.c: signet policy test: the decision of the daemon, told rule by rule. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "cli/files.h"
#include "cli/json.h"
#include "cli/run.h"
#include "cli/text.h"
#include "conf/load.h"
#include "key/key.h"
#include "policy/policy.h"

struct question {
	struct caller *caller;
	struct csr *csr;
	struct key_info key;
	struct policy_request request;
};

static void auto_question(struct question *q)
{
	caller_free(q->caller);
	csr_free(q->csr);
}

static enum caller_kind kind_of(const char *method)
{
	if (strcmp(method, "mtls") == 0) return CALLER_MTLS;
	return strcmp(method, "join_token") == 0 ? CALLER_JOIN_TOKEN : CALLER_JWT;
}

static enum cli_exit add(const struct cli *c, struct question *q, const char *name, const char *value)
{
	struct err e = caller_add(q->caller, name, bytes_str(value));

	return e.code == ERR_OK ? CLI_OK : cli_fail(c, CLI_USAGE, "attribute %s: %s", name, e.reason);
}

static enum cli_exit add_attribute(const struct cli *c, struct question *q, const char *text)
{
	const char *equals = strchr(text, '=');
	char name[POLICY_NAME_MAX + 1];

	if (equals == NULL || equals == text || (size_t)(equals - text) > POLICY_NAME_MAX)
		return cli_fail(c, CLI_USAGE, "--attr %s: write NAME=VALUE, for example k8s.namespace=shop", text);
	(void)snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
	if (strcmp(name, "method") == 0 || strcmp(name, "trust_domain") == 0)
		return cli_fail(c, CLI_USAGE, "the attribute %s is set by itself%s", name, name[0] == 'm' ? "; use --method" : "");
	return add(c, q, name, equals + 1);
}

static enum cli_exit make_caller(const struct cli *c, struct question *q)
{
	const char *method = cli_value(c, "method"), *id = cli_value(c, "id"), *attribute;

	if (method == NULL) method = "jwt";
	if (caller_new(kind_of(method), id == NULL ? "test" : id, &q->caller).code != ERR_OK)
		return cli_fail(c, CLI_USAGE, "--id is too long");
	CLI_TRY(add(c, q, "method", method));
	CLI_TRY(add(c, q, "trust_domain", conf_text(c->conf, c->conf->trust_domain)));
	if (id != NULL) CLI_TRY(add(c, q, "spiffe_id", id));
	for (size_t i = 0; (attribute = cli_value_at(c, "attr", i)) != NULL; i++) CLI_TRY(add_attribute(c, q, attribute));
	return CLI_OK;
}

static enum cli_exit read_csr(const struct cli *c, struct question *q, const char *path)
{
	AUTO(buf) struct buf pem = { .max = 2 * CSR_PEM_MAX };
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	struct err e = cli_files_read(path, CSR_PEM_MAX, &pem);

	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "cannot read %s: %s", path, strerror((int)e.cause));
	e = key_verifier_new(&verifier);
	if (e.code == ERR_OK) e = csr_parse_pem(buf_view(&pem), verifier, &q->csr);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "%s would be refused: %s", path, e.reason);
	q->request.key = csr_key(q->csr);
	return CLI_OK;
}

static enum cli_exit choose_key(const struct cli *c, struct question *q)
{
	const char *name = cli_value(c, "key-type"), *csr = cli_value(c, "csr");

	if (name != NULL && csr != NULL) return cli_fail(c, CLI_USAGE, "--csr and --key-type both name the key; give one");
	if (csr != NULL) return read_csr(c, q, csr);
	for (enum key_type type = KEY_NONE; name != NULL && type <= KEY_RSA; type++) {
		if (strcmp(key_type_conf_name(type), name) != 0) continue;
		q->key = (struct key_info){ .type = type }; /* policy looks at nothing else of it */
		q->request.key = &q->key;
	}
	return CLI_OK;
}

static enum cli_exit ask(const struct cli *c, struct question *q)
{
	const char *validity = cli_value(c, "validity");

	if (validity != NULL && (!text_parse_duration(validity, &q->request.validity) || q->request.validity == 0))
		return cli_fail(c, CLI_USAGE, "--validity %s: write a duration with a unit, as 1h or 30d", validity);
	q->request.impersonate = cli_value(c, "impersonate");
	q->request.issuer = cli_value(c, "issuer");
	CLI_TRY(make_caller(c, q));
	return choose_key(c, q);
}

/* ---- the answer ---- */

static void name_text(const struct policy_name *n, char out[HOSTNAME_MAX + 1])
{
	if (n->tag == CSR_SAN_IP) (void)inet_ntop(n->len == 4 ? AF_INET : AF_INET6, n->value, out, HOSTNAME_MAX + 1);
	else (void)snprintf(out, HOSTNAME_MAX + 1, "%.*s", n->len, n->value);
}

static void print_grant(const struct cli *c, const struct policy_grant *g)
{
	char text[TEXT_TIME_MAX], name[HOSTNAME_MAX + 1];

	fprintf(c->out, "granted by rule %s\n", g->rule);
	fprintf(c->out, "  SPIFFE ID  %s\n", g->spiffe_id);
	for (uint8_t i = 0; i < g->name_count; i++) {
		name_text(&g->names[i], name);
		fprintf(c->out, "  %s  %s\n", g->names[i].tag == CSR_SAN_IP ? "address  " : "DNS name ", name);
	}
	fprintf(c->out, "  lifetime   %s\n", text_duration(g->lifetime, text));
	fprintf(c->out, "  issuer     %s\n", g->issuer);
}

static enum cli_exit print_json(const struct cli *c, struct err e, const struct policy_grant *g, const struct buf *told)
{
	AUTO(json)
	json_t *o = json_pack("{sb ss ss ss%}", "granted", (int)(e.code == ERR_OK), "code", err_code_name(e.code), "answer",
	                      e.reason, "explanation", told->len > 0 ? (const char *)told->data : "", told->len);
	json_t *names = json_array();
	char name[HOSTNAME_MAX + 1];

	for (uint8_t i = 0; e.code == ERR_OK && i < g->name_count; i++) {
		name_text(&g->names[i], name);
		(void)json_array_append_new(names, json_string(name));
	}
	if (e.code == ERR_OK)
		(void)json_object_set_new(o, "grant",
		                          json_pack("{ss ss ss sI sO}", "rule", g->rule, "issuer", g->issuer, "spiffe_id",
		                                    g->spiffe_id, "lifetime", (json_int_t)g->lifetime, "names", names));
	json_decref(names);
	return cli_print_json(c, o);
}

static void print_text(const struct cli *c, struct err e, const struct policy_grant *g, const struct buf *told)
{
	AUTO(buf) struct buf safe = { .max = 8 * 1024 * 1024 };
	struct bytes rest = buf_view(told);

	if (e.code == ERR_OK) print_grant(c, g);
	else fprintf(c->out, "denied: the client is told %s \"%s\"\n", err_code_name(e.code), e.reason);
	fputs("\nrules, in order:\n", c->out);
	while (rest.len > 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		size_t n = end == NULL ? rest.len : (size_t)(end - rest.data);

		safe.len = 0;
		if (text_put_safe(&safe, BYTES(rest.data, n)).code == ERR_OK && safe.len > 0)
			fprintf(c->out, "  %.*s\n", (int)safe.len, (const char *)safe.data);
		n += end != NULL;
		rest = BYTES(rest.data + n, rest.len - n);
	}
}

enum cli_exit run_policy_test(struct cli *c)
{
	AUTO(question) struct question q = { 0 };
	AUTO(buf) struct buf told = { .max = 4 * 1024 * 1024 };
	struct policy_grant grant;
	struct err decided, e;

	CLI_TRY(cli_conf_load(c, cli_conf_path(c), &c->conf));
	CLI_TRY(ask(c, &q));
	decided = policy_decide(c->conf, q.caller, &q.request, &grant);
	e = policy_explain(c->conf, q.caller, &q.request, &told);
	if (e.code != ERR_OK) return cli_fail(c, CLI_FAILED, "cannot explain: %s", e.reason);
	if (c->json) CLI_TRY(print_json(c, decided, &grant, &told));
	else print_text(c, decided, &grant, &told);
	return decided.code == ERR_OK ? CLI_OK : CLI_FAILED;
}
