#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "conf/load.h"
#include "policy/policy.h"

#define TD "trust_domain: example.org\n"
#define SHOWN_MAX (1024 * 1024)

static struct conf *load(struct bytes yaml)
{
	struct conf *c = NULL;
	struct conf_problem problem;
	if (conf_parse(yaml, "test", &c, &problem).code != ERR_OK) fail_msg("%s in\n%.*s", problem.text, (int)yaml.len, yaml.data);
	return c;
}

static const char everything[] =
	TD "data_dir: \"/d a\\\\t\\\"a\"\nrun_dir: /r\nuser: u\nreplica: 127\n"
	   "listen: { address: '127.0.0.1:1', fronts: 64, max_connections: 1, max_streams: 1, max_pending: 1, handshake_timeout: 2m }\n"
	   "tls: { names: [a.b, 1.2.3.4, '::'], cert_file: /c, key_file: /k, min_version: 1.3, lifetime: 36h }\n"
	   "ca: { key_type: rsa4096, key_encryption_key_file: /kek, root_lifetime: 1d, signer_threads: 3,\n"
	   "  allow_spiffe_ids: ['spiffe://example.org/ns/**'], allow_dns_names: ['*.example.org'],\n"
	   "  allow_ip_ranges: [10.0.0.0/8, '::/0'], reserved_names: [], rate_per_front: 1 }\n"
	   "cert: { default_lifetime: 61s, max_lifetime: 90m, key_types: [p256] }\n"
	   "auth: { mtls: false, join_tokens: false, token_lifetime: 1m, token_max_lifetime: 2m }\n"
	   "storage: { commit_wait: 1500us, keep_expired: 0s }\n"
	   "log: { format: json, level: error }\nmetrics: { address: '' }\n"
	   "admin: { socket: /s, group: g, users: [a, b] }\n"
	   "jwt_issuers:\n"
	   "  - { name: k, kind: kubernetes, issuer: 'https://k/\xc3\xa9', jwks_file: /j, audiences: [a, 'b \"c\"'], leeway: 0s, max_lifetime: 1h }\n"
	   "  - { name: j, issuer: 'https://j', jwks_file: /j, audiences: [a] }\n"
	   "policy:\n"
	   "  - { name: d, match: {}, deny: true }\n"
	   "  - { name: r, match: { claim.a: ['*', 'x, y'], method: jwt }, spiffe_id: 'spiffe://{trust_domain}/{claim.a}',\n"
	   "      dns_names: ['{claim.a}.x'], ip_addresses: ['10.0.0.{claim.b}'], default_lifetime: 1m, max_lifetime: 1h,\n"
	   "      key_types: [p256], issuers: [default], impersonate: ['spiffe://example.org/**'] }\n";

static const char *const files[] = {
	TD,
	TD "policy: []\n",
	TD "jwt_issuers: []\nrun_dir: /r\n",
	TD "auth: { token_max_lifetime: 10m }\ncert: { max_lifetime: 1h }\n",
	everything,
};

/* Where a rule stood in the file is the one thing that showing does not keep. */
static void forget_lines(struct conf *c)
{
	for (uint32_t i = 0; i < c->rule_count; i++) c->rules[i].line = 0;
}

static void shown_values_read_back_to_the_same_image(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(conf) struct conf *c = load(bytes_str(files[i]));
		AUTO(buf) struct buf shown = { .max = SHOWN_MAX };
		assert_int_equal(conf_show(c, &shown).code, ERR_OK);
		AUTO(conf) struct conf *again = load(buf_view(&shown));
		forget_lines(c);
		forget_lines(again);
		assert_int_equal(c->size, again->size);
		assert_memory_equal(c, again, c->size);
	}
}

static bool shows(const struct conf *c, const char *line)
{
	AUTO(buf) struct buf shown = { .max = SHOWN_MAX };
	assert_int_equal(conf_show(c, &shown).code, ERR_OK);
	assert_int_equal(buf_put(&shown, "", 1).code, ERR_OK);
	return strstr((const char *)shown.data, line) != NULL;
}

static void defaults_are_marked(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = load(bytes_str(TD "data_dir: /d\nreplica: 1\nlog: { level: warn }\n"));
	assert_true(shows(c, "trust_domain: \"example.org\"\n"));
	assert_true(shows(c, "data_dir: \"/d\"\n"));
	assert_true(shows(c, "run_dir: \"/run/signet\" # default\n"));
	assert_true(shows(c, "replica: 1 # default\n"));
	assert_true(shows(c, "\n  level: warn\n"));
	assert_true(shows(c, "\n  format: text # default\n"));
	assert_true(shows(c, "\n  allow_spiffe_ids: [\"spiffe://example.org/**\"] # default\n"));
	assert_true(shows(c, "\n# the built-in rules:\n# policy:\n#   - name: \"join-token\"\n"));
}

static void json_is_json_with_the_same_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(conf) struct conf *c = load(bytes_str(files[i]));
		AUTO(buf) struct buf shown = { .max = SHOWN_MAX };
		json_error_t error;
		assert_int_equal(conf_show_json(c, &shown).code, ERR_OK);
		json_t *j = json_loadb((const char *)shown.data, shown.len, JSON_REJECT_DUPLICATES, &error);
		if (j == NULL) fail_msg("%s", error.text);
		assert_string_equal(json_string_value(json_object_get(j, "trust_domain")), "example.org");
		assert_int_equal(json_integer_value(json_object_get(j, "replica")), c->replica);
		assert_int_equal(json_is_true(json_object_get(json_object_get(j, "auth"), "mtls")), c->auth.mtls);
		assert_int_equal(json_array_size(json_object_get(j, "policy")), c->rule_count);
		assert_int_equal(json_array_size(json_object_get(j, "jwt_issuers")), c->issuer_count);
		assert_int_equal(json_is_true(json_object_get(j, "rules_built_in")), c->rules_built_in);
		assert_string_equal(json_string_value(json_object_get(j, "data_dir")), conf_text(c, c->data_dir));
		json_decref(j);
	}
}

static void the_starter_file_loads_and_is_all_defaults(void **state)
{
	(void)state;
	AUTO(buf) struct buf starter = { .max = SHOWN_MAX };
	assert_int_equal(conf_starter("example.org", NULL, NULL, &starter).code, ERR_OK);
	AUTO(conf) struct conf *c = load(buf_view(&starter)), *plain = load(bytes_str(TD));
	assert_int_equal(c->size, plain->size);
	assert_memory_equal(c, plain, c->size);
}

static void the_starter_file_with_all_its_comments_taken_away_loads_too(void **state)
{
	(void)state;
	AUTO(buf) struct buf starter = { .max = SHOWN_MAX }, set = { .max = SHOWN_MAX };
	assert_int_equal(conf_starter("example.org", "/d", "/r", &starter).code, ERR_OK);
	const char *line = (const char *)starter.data, *end = line + starter.len;
	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line)) + 1;
		bool commented = line[0] == '#' && (line[1] != ' ' || line[2] == ' '); /* "# word" is prose */
		if (commented) line++;
		assert_int_equal(buf_put(&set, line, (size_t)(next - line)).code, ERR_OK);
		line = next;
	}
	AUTO(conf) struct conf *c = load(buf_view(&set));
	char problem[256];
	assert_int_equal(policy_check(c, problem, sizeof(problem)).code, ERR_OK);
	assert_false(c->rules_built_in);
	assert_int_equal(c->rule_count, 3);
	assert_int_equal(c->issuer_count, 1);
}

static void the_starter_file_takes_only_what_can_be_loaded(void **state)
{
	(void)state;
	AUTO(buf) struct buf starter = { .max = SHOWN_MAX };
	assert_int_equal(conf_starter("Not A Domain", NULL, NULL, &starter).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(conf_starter("a\"\nuser: \"root", NULL, NULL, &starter).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(starter.len, 0);
}

static void the_example_of_the_man_page_loads(void **state)
{
	(void)state;
	static char page[128 * 1024];
	FILE *f = fopen("docs/man/signet.yaml.5", "r");
	assert_non_null(f);
	size_t n = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	page[n] = '\0';
	char *begin = strstr(page, ".Bd -literal -offset indent\n"), *end = begin == NULL ? NULL : strstr(begin, ".Ed");
	assert_non_null(end);
	begin = strchr(begin, '\n') + 1;
	AUTO(conf) struct conf *c = load(BYTES(begin, (size_t)(end - begin)));
	char problem[256] = "";
	assert_int_equal(policy_check(c, problem, sizeof(problem)).code, ERR_OK);
	assert_int_equal(c->rule_count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown_values_read_back_to_the_same_image),
		cmocka_unit_test(defaults_are_marked),
		cmocka_unit_test(json_is_json_with_the_same_values),
		cmocka_unit_test(the_starter_file_loads_and_is_all_defaults),
		cmocka_unit_test(the_starter_file_with_all_its_comments_taken_away_loads_too),
		cmocka_unit_test(the_starter_file_takes_only_what_can_be_loaded),
		cmocka_unit_test(the_example_of_the_man_page_loads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
