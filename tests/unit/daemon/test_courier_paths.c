/* What the courier may read, by where the files lie that the configuration names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/own.h"
#include "conf/load.h"
#include "daemon/courier_paths.h"

#define CONF                                                                                                           \
	"trust_domain: example.org\n"                                                                                  \
	"data_dir: %1$s/data\n"                                                                                        \
	"tls: { cert_file: %1$s/tls/tls.crt, key_file: %1$s/tls/tls.key }\n"                                           \
	"ca: { directory: %1$s/ca, key_encryption_key_file: %1$s/link/kek }\n"

#define CLUSTER(file) "clusters: [ { id: c, kubeconfig: %1$s/" file " } ]\n"
#define ISSUER(file)                                                                                                   \
	"jwt_issuers: [ { name: u, issuer: 'https://u', jwks_url: 'https://u/k', audiences: [a], ca_file: %1$s/" file " } ]\n"

static const struct {
	const char *name, *yaml, *path; /* path: below the directory of the test; what is allowed, and nothing else there */
} cases[] = {
	{ "a_directory_of_its_own", CLUSTER("own/config"), "own" },
	{ "beside_the_key_of_tls", CLUSTER("tls/config"), "tls/config" },
	{ "beside_the_ca", CLUSTER("ca/config"), "ca/config" },
	{ "within_data_dir", CLUSTER("data/config"), "data/config" },
	{ "above_them_all", CLUSTER("config"), "config" },
	{ "where_a_link_leads_to", CLUSTER("kek/config"), "kek/config" },
	{ "through_a_link_of_a_directory", CLUSTER("link/config"), "kek/config" },
	{ "a_name_that_begins_so", CLUSTER("tls-other/config"), "tls-other" },
	{ "beside_a_credential_of_systemd", CLUSTER("run/config"), "run/config" },
	{ "service_account_within_data_dir", "clusters: [ { id: c, service_account_dir: %1$s/data } ]\n", "data/token" },
	{ "ca_file_in_a_directory_of_its_own", ISSUER("own/ca.pem"), "own" },
	{ "ca_file_beside_the_key_of_tls", ISSUER("tls/ca.pem"), "tls/ca.pem" },
};

static char root[64];

static int make(void **state)
{
	static const char *const dirs[] = { "data", "tls", "tls-other", "ca", "kek", "own", "run" };
	static const char *const files[] = { "config", "ca.pem", "token", "tls.key", "kek" };
	char path[PATH_MAX], other[PATH_MAX];

	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/signet-paths-XXXXXX");
	assert_non_null(mkdtemp(root));
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", root, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
		for (size_t n = 0; n < ARRAY_LEN(files); n++) {
			(void)snprintf(path, sizeof(path), "%s/%s/%s", root, dirs[i], files[n]);
			fclose(fopen(path, "w"));
		}
	}
	(void)snprintf(path, sizeof(path), "%s/run/key-encryption-key", root);
	fclose(fopen(path, "w"));
	(void)snprintf(path, sizeof(path), "%s/config", root);
	fclose(fopen(path, "w"));
	(void)snprintf(path, sizeof(path), "%s/kek", root);
	(void)snprintf(other, sizeof(other), "%s/link", root);
	return symlink(path, other);
}

static int clean(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void only_what_is_needed_is_open(void **state)
{
	const struct log log = { .level = LOG_ERROR, .process = "courier" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char yaml[4096], format[4096], want[PATH_MAX];
		struct courier_paths paths;
		struct conf_problem problem;
		struct conf *conf;
		bool found = false;

		(void)snprintf(format, sizeof(format), "%s%s", CONF, cases[i].yaml);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(yaml, sizeof(yaml), format, root);
#pragma GCC diagnostic pop
		if (conf_parse(bytes_str(yaml), "test", &conf, &problem).code != ERR_OK) fail_msg("%s", problem.text);
		courier_paths_open(conf, &log, &paths);
		(void)snprintf(want, sizeof(want), "%s/%s", root, cases[i].path);
		for (size_t n = 0; n < paths.count; n++) {
			char link[64], to[PATH_MAX] = "";

			(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", paths.fds[n]);
			assert_true(readlink(link, to, sizeof(to) - 1) > 0);
			found |= strcmp(to, want) == 0;
			if (strncmp(to, root, strlen(root)) == 0 && strcmp(to, want) != 0) fail_msg("%s: %s", cases[i].name, to);
			if (strcmp(to, "/") == 0 || strcmp(to, "/tmp") == 0) fail_msg("%s: %s", cases[i].name, to);
		}
		if (!found) fail_msg("%s: not there", cases[i].name);
		courier_paths_close(&paths);
		conf_free(conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(only_what_is_needed_is_open) };

	return cmocka_run_group_tests(tests, make, clean);
}
