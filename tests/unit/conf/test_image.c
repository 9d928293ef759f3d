#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "conf/load.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const char yaml[] = "trust_domain: example.org\n"
			   "jwt_issuers: [{ name: j, issuer: i, jwks_file: /j, audiences: [a] }]\n"
			   "policy: [{ name: r, match: { claim.a: [x, y] }, spiffe_id: 'spiffe://example.org/a' }]\n";

static struct conf *make(void)
{
	struct conf *c = NULL;
	struct conf_problem problem;
	if (conf_parse(bytes_str(yaml), "test", &c, &problem).code != ERR_OK) fail_msg("%s", problem.text);
	return c;
}

static int sealed(const void *data, size_t len, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void a_sealed_image_maps_to_the_same_bytes(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = make();
	AUTO(fd) int fd = -1;
	const struct conf *mapped = NULL;
	assert_int_equal(conf_seal(c, &fd).code, ERR_OK);
	assert_int_equal(fcntl(fd, F_GET_SEALS), SEALS);
	assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
	assert_int_equal(conf_map(fd, &mapped).code, ERR_OK);
	assert_int_equal(mapped->size, c->size);
	assert_memory_equal(mapped, c, c->size);
	assert_string_equal(conf_item(mapped, mapped->matches[0].patterns, 1), "y");
	conf_unmap(mapped);
	assert_int_equal(write(fd, "x", 1), -1);
}

static void every_missing_seal_is_refused(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = make();
	static const int missing[] = { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE, SEALS };
	for (size_t i = 0; i < ARRAY_LEN(missing); i++) {
		AUTO(fd) int fd = sealed(c, c->size, SEALS & ~missing[i]);
		const struct conf *mapped = NULL;
		assert_int_equal(conf_map(fd, &mapped).code, ERR_DATA_LOSS);
		assert_null(mapped);
	}
	const struct conf *mapped = NULL;
	assert_int_equal(conf_map(-1, &mapped).code, ERR_DATA_LOSS);
	AUTO(fd) int file = open("/dev/null", O_RDONLY);
	assert_int_equal(conf_map(file, &mapped).code, ERR_DATA_LOSS);
}

static void a_torn_image_is_refused(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = make();
	const size_t sizes[] = { 0, 1, 8, sizeof(*c) - 1, sizeof(*c), c->size - 1 };
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(fd) int fd = sealed(c, sizes[i], SEALS);
		const struct conf *mapped = NULL;
		assert_int_equal(conf_map(fd, &mapped).code, ERR_DATA_LOSS);
	}
}

/* one field each: where, how wide, and what is written there */
static const struct {
	const char *name;
	size_t offset, size;
	uint64_t value;
} damages[] = {
#define AT(field) offsetof(struct conf, field), sizeof(((struct conf *)NULL)->field)
	{ "version", AT(version), CONF_VERSION + 1 },
	{ "size", AT(size), 1 },
	{ "pool_len, larger", AT(pool_len), UINT32_MAX },
	{ "pool_len, zero", AT(pool_len), 0 },
	{ "text", AT(trust_domain), UINT32_MAX },
	{ "path", AT(data_dir), CONF_POOL_MAX },
	{ "list first", AT(tls.names.first), UINT32_MAX },
	{ "list count", AT(tls.names.count), UINT32_MAX },
	{ "list past the end", AT(ca.reserved_names.count), 1000 },
	{ "number below", AT(replica), 0 },
	{ "number above", AT(replica), 128 },
	{ "number negative", AT(listen.fronts), UINT64_MAX },
	{ "duration", AT(cert.max_lifetime), INT64_MAX },
	{ "enum of 8 bytes", AT(tls.min_version), 11 },
	{ "enum of 4 bytes", AT(log.format), 2 },
	{ "log level", AT(log.level), 4 },
	{ "bool", AT(auth.mtls), 2 },
	{ "rules_built_in", AT(rules_built_in), 255 },
	{ "issuer_count", AT(issuer_count), CONF_ISSUERS_MAX + 1 },
	{ "rule_count", AT(rule_count), UINT32_MAX },
	{ "match_count", AT(match_count), CONF_MATCHES_MAX + 1 },
	{ "match_count below a rule's range", AT(match_count), 0 },
	{ "string_count", AT(string_count), CONF_STRINGS_MAX + 1 },
	{ "string_count below a list's range", AT(string_count), 1 },
	{ "issuer's text", AT(issuers[0].name), UINT32_MAX },
	{ "issuer's list", AT(issuers[0].audiences.count), CONF_STRINGS_MAX },
	{ "issuer's kind", AT(issuers[0].kind), 7 },
	{ "issuer's leeway", AT(issuers[0].leeway), 301 },
	{ "rule's matches", AT(rules[0].match_first), 2 },
	{ "rule's match count", AT(rules[0].match_count), UINT32_MAX },
	{ "rule's bool", AT(rules[0].deny), 3 },
	{ "rule's template", AT(rules[0].spiffe_id), UINT32_MAX },
	{ "match's attribute", AT(matches[0].attribute), UINT32_MAX },
	{ "match's patterns", AT(matches[0].patterns.first), UINT32_MAX },
	{ "element", AT(strings[0]), UINT32_MAX },
	{ "pool does not begin with NUL", offsetof(struct conf, pool), 1, 'x' },
};

static void a_damaged_image_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
		AUTO(conf) struct conf *c = make();
		const struct conf *mapped = NULL;
		uint32_t size = c->size;
		memcpy((char *)c + damages[i].offset, &damages[i].value, damages[i].size); /* little-endian */
		AUTO(fd) int fd = sealed(c, size, SEALS);
		if (conf_map(fd, &mapped).code != ERR_DATA_LOSS) fail_msg("%s", damages[i].name);
	}
}

static void a_pool_without_its_last_nul_is_refused(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = make();
	const struct conf *mapped = NULL;
	c->pool[c->pool_len - 1] = 'x';
	AUTO(fd) int fd = sealed(c, c->size, SEALS);
	assert_int_equal(conf_map(fd, &mapped).code, ERR_DATA_LOSS);
}

static void accessors_stay_inside_also_for_wrong_arguments(void **state)
{
	(void)state;
	AUTO(conf) struct conf *c = make();
	assert_string_equal(conf_text(c, UINT32_MAX), "");
	assert_string_equal(conf_text(c, 0), "");
	assert_string_equal(conf_item(c, c->tls.names, c->tls.names.count), "");
	assert_string_equal(conf_item(c, (struct conf_list){ UINT32_MAX, UINT32_MAX }, 1), "");
	assert_false(conf_list_has(c, (struct conf_list){ 0, 0 }, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sealed_image_maps_to_the_same_bytes),
		cmocka_unit_test(every_missing_seal_is_refused),
		cmocka_unit_test(a_torn_image_is_refused),
		cmocka_unit_test(a_damaged_image_is_refused),
		cmocka_unit_test(a_pool_without_its_last_nul_is_refused),
		cmocka_unit_test(accessors_stay_inside_also_for_wrong_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
