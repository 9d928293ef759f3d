/* Input: lines.  1 pattern, 2 template of the SPIFFE ID, 3 of a DNS name, 4 of an IP address, 5 impersonated ID, then the
 * values of claim.a, claim.b, spiffe_id.  Whatever they are: a grant is a workload ID of our trust domain made of legal
 * characters, its names are legal, and telling agrees with deciding. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "conf/load.h"
#include "policy/policy.h"

#define LINES 8
#define PREFIX "spiffe://example.org/"

static void take_lines(const uint8_t *data, size_t len, struct bytes lines[LINES])
{
	for (size_t i = 0; i < LINES; i++) {
		const uint8_t *end = len == 0 ? NULL : memchr(data, '\n', len);
		size_t n = end == NULL ? len : (size_t)(end - data);
		lines[i] = BYTES(data, n);
		data += end == NULL ? n : n + 1;
		len -= end == NULL ? n : n + 1;
	}
}

static void put_quoted(struct buf *out, const char *key, struct bytes text)
{
	struct err e = buf_printf(out, "%s\"", key);
	for (size_t i = 0; i < text.len && e.code == ERR_OK; i++)
		e = buf_printf(out, text.data[i] == '"' || text.data[i] == '\\' ? "\\%c" : "%c", text.data[i]);
	if (e.code == ERR_OK) e = buf_put_str(out, "\"");
	if (e.code != ERR_OK) out->len = 0; /* then it does not load */
}

static struct conf *load(const struct bytes lines[LINES])
{
	AUTO(buf) struct buf yaml = { .max = CONF_FILE_MAX };
	struct conf *c = NULL;
	struct conf_problem problem;
	put_quoted(&yaml, "trust_domain: example.org\npolicy: [{ name: r, match: { claim.a: ", lines[0]);
	put_quoted(&yaml, "}, impersonate: ['spiffe://example.org/**', '**'], spiffe_id: ", lines[1]);
	put_quoted(&yaml, ", dns_names: [", lines[2]);
	put_quoted(&yaml, "], ip_addresses: [", lines[3]);
	if (buf_put_str(&yaml, "] }]\n").code != ERR_OK) return NULL;
	return conf_parse(buf_view(&yaml), "fuzz", &c, &problem).code == ERR_OK ? c : NULL;
}

static void check_id(const char *id)
{
	struct bytes domain, path;
	if (spiffe_workload_id_parse(bytes_str(id), &domain, &path).code != ERR_OK) __builtin_trap();
	if (!bytes_is(domain, "example.org")) __builtin_trap();
	if (strncmp(id, PREFIX, strlen(PREFIX)) != 0) __builtin_trap();
	if (id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:")] != '\0') __builtin_trap();
	if (strstr(id, "/../") != NULL || strstr(id, "/./") != NULL || strstr(id + strlen(PREFIX), "//") != NULL) __builtin_trap();
}

static void check_name(const struct policy_name *n)
{
	if (n->tag == CSR_SAN_IP && (n->len == 4 || n->len == 16)) return;
	if (n->tag != CSR_SAN_DNS || n->len == 0) __builtin_trap();
	for (size_t i = 0; i < n->len; i++) {
		uint8_t ch = n->value[i];
		if (strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", ch) == NULL) __builtin_trap();
	}
}

/* The decision and the same one told. */
static void check(const struct conf *c, const struct caller *who, const char *other)
{
	const struct policy_request req = { .impersonate = other };
	struct policy_grant grant;
	AUTO(buf) struct buf told = { .max = 1024 * 1024 };
	struct err e = policy_decide(c, who, &req, &grant);
	if (policy_explain(c, who, &req, &told).code != ERR_OK || buf_put(&told, "", 1).code != ERR_OK) __builtin_trap();
	bool granted = bytes_has_prefix(buf_view(&told), bytes_str("rule r (line 2): matches; grants "));
	if ((e.code == ERR_OK) != granted) __builtin_trap();
	if (e.code != ERR_OK) {
		if (e.code != ERR_PERMISSION_DENIED) __builtin_trap();
		return;
	}
	check_id(grant.spiffe_id);
	for (size_t i = 0; i < grant.name_count; i++) check_name(&grant.names[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "claim.a", "claim.b", "spiffe_id" };
	struct bytes lines[LINES];
	char problem[1024] = "", other[SPIFFE_ID_MAX + 1];
	AUTO(caller) struct caller *who = NULL;
	take_lines(data, len, lines);
	AUTO(conf) struct conf *c = load(lines);
	if (c == NULL || caller_new(CALLER_JWT, "fuzz", &who).code != ERR_OK) return 0;
	if ((policy_check(c, problem, sizeof(problem)).code == ERR_OK) != (problem[0] == '\0')) __builtin_trap();
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (caller_add(who, names[i], lines[5 + i]).code != ERR_OK) return 0;
	check(c, who, "");
	if (lines[4].len > SPIFFE_ID_MAX || bytes_has_nul(lines[4])) return 0;
	snprintf(other, sizeof(other), "%.*s", (int)lines[4].len, (const char *)lines[4].data);
	check(c, who, other);
	return 0;
}
