/* Whole command lines: what is printed, and the exit status.  The daemon is a canned answer on a unix socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/own.h"
#include "cli/cli.h"
#include "cli/files.h"

struct ran {
	int status;
	char *out, *err;
};

/* One line, its words separated by single spaces; '_' in a word stands for a space. */
static struct ran run(const char *line)
{
	struct ran r = { 0 };
	size_t out_size, err_size;
	char *copy = strdup(line), *rest = copy, *word, *argv[32] = { (char[]){ "signet" } };
	int argc = 1;
	FILE *out = open_memstream(&r.out, &out_size), *err = open_memstream(&r.err, &err_size);
	while ((word = strsep(&rest, " ")) != NULL) {
		argv[argc++] = word;
		for (char *p = strchr(word, '~'); p != NULL; p = strchr(p, '~')) *p = ' ';
	}
	r.status = cli_main(argc, argv, out, err);
	fclose(out);
	fclose(err);
	free(copy);
	return r;
}

static void forget(struct ran *r)
{
	free(r->out);
	free(r->err);
}

static void expect(const char *line, int status, const char *out, const char *err)
{
	struct ran r = run(line);
	if (r.status != status) fail_msg("%s: status %d, wanted %d\n%s%s", line, r.status, status, r.out, r.err);
	if (out != NULL && strstr(r.out, out) == NULL) fail_msg("%s: printed %s", line, r.out);
	if (err != NULL && strstr(r.err, err) == NULL) fail_msg("%s: said %s", line, r.err);
	if (status != 0 && r.err[0] == '\0' && r.out[0] == '\0') fail_msg("%s: failed without a word", line);
	forget(&r);
}

/* ---- without a daemon ---- */
static const struct {
	const char *line;
	int status;
	const char *out, *err; /* parts */
} lines[] = {
	{ "version", CLI_OK, "signet ", NULL },
	{ "--version", CLI_OK, "signet ", NULL },
	{ "version -o json", CLI_OK, "\"version\": \"", NULL },
	{ "help", CLI_OK, "signet token create", NULL },
	{ "--help", CLI_OK, "signet token create", NULL },
	{ "help token", CLI_OK, "signet token revoke", NULL },
	{ "token --help", CLI_OK, "signet token revoke", NULL },
	{ "help token create", CLI_OK, "usage: signet token create", NULL },
	{ "token create -h", CLI_OK, "usage: signet token create", NULL },
	{ "help nothing", CLI_USAGE, NULL, "no command nothing" },
	{ "help token nothing", CLI_USAGE, NULL, "no command token nothing" },
	{ "completion bash", CLI_OK, "complete ", NULL },
	{ "completion fish", CLI_USAGE, NULL, "only bash" },
	{ "nothing", CLI_USAGE, NULL, "signet: there is no command nothing" },
	{ "status --nothing -o json", CLI_USAGE, NULL, "has no option" },
	{ "config reference", CLI_OK, "trust_domain", NULL },
	{ "config reference --mdoc", CLI_OK, ".It", NULL },
	{ "config check /nonexistent/signet.yaml", CLI_NOT_FOUND, NULL, "signet init" },
	{ "config check tests", CLI_FAILED, NULL, "tests" },
	{ "config show --config /nonexistent/signet.yaml", CLI_NOT_FOUND, NULL, "/nonexistent/signet.yaml" },
	{ "config show --config /nonexistent/signet.yaml -o json", CLI_NOT_FOUND, NULL, "{\"error\":\"" },
	{ "init", CLI_USAGE, NULL, "--trust-domain" },
	{ "init --trust-domain UPPER", CLI_USAGE, NULL, "not a trust domain" },
	{ "init --trust-domain a/b", CLI_USAGE, NULL, "not a trust domain" },
	{ "cert show tests/data/cert/ok-leaf.der", CLI_OK, "SPIFFE ID     spiffe://td.example/ns/a/sa/b\n", NULL },
	{ "cert show tests/data/cert/ok-leaf.der -o json", CLI_OK, "\"spiffe://td.example/ns/a/sa/b\"", NULL },
	{ "cert show tests/data/cert/bad-cut.der", CLI_FAILED, NULL, "bad-cut.der: " },
	{ "cert show tests/data/cert/nothing.der", CLI_NOT_FOUND, NULL, "no such file" },
	{ "cert show tests", CLI_FAILED, NULL, "directory" },
	{ "cert show Makefile", CLI_FAILED, NULL, "no certificate" },
	{ "token create", CLI_USAGE, NULL, "--spiffe-id" },
	{ "token create --spiffe-id x", CLI_USAGE, NULL, "not the SPIFFE ID" },
	{ "token create --spiffe-id spiffe://example.org", CLI_USAGE, NULL, "not the SPIFFE ID" },
	{ "token create --spiffe-id spiffe://example.org/a --lifetime 60", CLI_USAGE, NULL, "with a unit" },
	{ "token create --spiffe-id spiffe://example.org/a --lifetime 0s", CLI_USAGE, NULL, "with a unit" },
	{ "token revoke sgt1_abc", CLI_USAGE, NULL, "not a token's ID" },
	{ "token list --limit 0", CLI_USAGE, NULL, "from 1 to 1000" },
	{ "token list --limit 1001", CLI_USAGE, NULL, "from 1 to 1000" },
	{ "token list --limit 1x", CLI_USAGE, NULL, "from 1 to 1000" },
	{ "token list --limit 99999999999999999999", CLI_USAGE, NULL, "from 1 to 1000" },
	{ "identity ban user x --reason r", CLI_USAGE, NULL, "KIND is" },
	{ "identity ban spiffe_id x --reason r", CLI_USAGE, NULL, "not the SPIFFE ID" },
	{ "identity ban spiffe_id spiffe://example.org/a", CLI_USAGE, NULL, "--reason" },
	{ "identity ban spiffe_id spiffe://example.org/a --reason=", CLI_USAGE, NULL, "--reason" },
	{ "identity ban key abc --reason r", CLI_USAGE, NULL, "64" },
	{ "identity unban user x", CLI_USAGE, NULL, "KIND is" },
	{ "cert list --serial xyz", CLI_USAGE, NULL, "in hex" },
	{ "cert list --serial 123", CLI_USAGE, NULL, "in hex" },
	{ "cert list --serial 01:", CLI_USAGE, NULL, "in hex" },
	{ "cert list --serial 0102030405060708090a0b0c0d0e0f101112131415", CLI_USAGE, NULL, "in hex" },
	{ "cert list --expires-before soon", CLI_USAGE, NULL, "--expires-before soon" },
	{ "cert list --issued-since 60000d", CLI_USAGE, NULL, "--issued-since" },
	{ "cert export abc", CLI_USAGE, NULL, "neither an index" },
	{ "request --server localhost:1 --token a --token-file b", CLI_USAGE, NULL, "one credential" },
	{ "request --server localhost:1 --token a --cert b --key c", CLI_USAGE, NULL, "one credential" },
	{ "request --server localhost:1 --cert b", CLI_USAGE, NULL, "go together" },
	{ "request --server localhost:1 --key b", CLI_USAGE, NULL, "go together" },
	{ "request --server localhost:1 --token-file /nonexistent", CLI_NOT_FOUND, NULL, "/nonexistent" },
	{ "request --server localhost:1 --token abc", CLI_USAGE, NULL, "needs --ca" },
	{ "request --server localhost:1 --token a~b --ca x", CLI_USAGE, NULL, "something else than one token" },
	{ "request --server localhost:1 --token ~ --ca x", CLI_USAGE, NULL, "no token" },
	{ "request --server localhost:1 --token abc --ca /nonexistent", CLI_FAILED, NULL, "/nonexistent" },
	{ "request --server localhost:1 --token abc --validity 0s", CLI_USAGE, NULL, "--validity" },
	{ "request --server localhost:1 --token abc --timeout 5", CLI_USAGE, NULL, "--timeout" },
	{ "request --key-type rsa1024", CLI_USAGE, NULL, "p256|p384|ed25519|rsa2048" },
	{ "status --socket /nonexistent/admin.sock", 2, NULL, "is signetd running?" },
	{ "token list --socket /nonexistent/admin.sock -o json", CLI_UNREACHABLE, NULL, "\"exit\":3}" },
	{ "status --config /nonexistent/signet.yaml", CLI_NOT_FOUND, NULL, "/nonexistent/signet.yaml" },
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) expect(lines[i].line, lines[i].status, lines[i].out, lines[i].err);
}

static void test_nothing_at_all_shows_help_as_an_error(void **state)
{
	(void)state;
	char *text = NULL, *argv[] = { (char[]){ "signet" }, NULL };
	size_t size;
	FILE *err = open_memstream(&text, &size);
	assert_int_equal(cli_main(1, argv, stdout, err), CLI_USAGE);
	fclose(err);
	assert_non_null(strstr(text, "usage: signet"));
	free(text);
}

static void test_output_that_cannot_be_written_is_a_failure(void **state)
{
	(void)state;
	char *argv[] = { (char[]){ "signet" }, (char[]){ "help" }, NULL };
	FILE *full = fopen("/dev/full", "w"), *null = fopen("/dev/null", "w");
	assert_int_equal(cli_main(2, argv, full, null), CLI_FAILED);
	fclose(full);
	fclose(null);
}

/* ---- a directory of our own ---- */

static char dir[] = "/tmp/signet-test-cli.XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	(void)unsetenv("SIGNET_CONFIG");
	(void)unsetenv("SIGNET_SOCKET");
	(void)unsetenv("SIGNET_TOKEN");
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
	(void)state;
	static const char *const names[] = { "c/signet.yaml", "c", "file", "sock", "policy.yaml" };
	char path[128];
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)remove(path);
	}
	return rmdir(dir);
}

static void expect_in_dir(const char *format, int status, const char *out, const char *err)
{
	char line[512];
	snprintf(line, sizeof(line), "%s%s", format, dir);
	for (char *p = strstr(line, "DIR"); p != NULL && strlen(line) + sizeof(dir) < sizeof(line); p = strstr(line, "DIR")) {
		memmove(p + strlen(dir), p + 3, strlen(p + 3) + 1);
		memcpy(p, dir, strlen(dir));
	}
	line[strlen(line) - strlen(dir)] = '\0';
	expect(line, status, out, err);
}

static void test_init_writes_a_good_file_once(void **state)
{
	(void)state;
	expect_in_dir("init --trust-domain example.org --config DIR/c/signet.yaml --data-dir DIR/data --run-dir DIR/run", CLI_OK, "signet config check", NULL);
	expect_in_dir("config check DIR/c/signet.yaml", CLI_OK, "is good: trust domain example.org", NULL);
	expect_in_dir("config check DIR/c/signet.yaml -o json", CLI_OK, "\"good\": true", NULL);
	expect_in_dir("config show --config DIR/c/signet.yaml", CLI_OK, "trust_domain: \"example.org\"", NULL);
	expect_in_dir("config show --config DIR/c/signet.yaml -o json", CLI_OK, "\"trust_domain\": \"example.org\"", NULL);
	expect_in_dir("init --trust-domain other.org --config DIR/c/signet.yaml", CLI_FAILED, NULL, "stays as it is");
	expect_in_dir("config show --config DIR/c/signet.yaml", CLI_OK, "trust_domain: \"example.org\"", NULL);
	expect_in_dir("init --trust-domain example.org --config DIR/no/where/signet.yaml", CLI_FAILED, NULL, "cannot write");
}

static void test_policy(void **state)
{
	(void)state;
	static const char yaml[] = "trust_domain: example.org\nca: { allow_dns_names: ['*.example.org'] }\npolicy:\n"
				   "  - { name: builds, match: { method: jwt, claim.sub: build }, deny: true }\n"
				   "  - { name: vms, match: { method: mtls }, spiffe_id: '{spiffe_id}', dns_names: [vm.example.org], max_lifetime: 2h }\n";
	char path[128];
	snprintf(path, sizeof(path), "%s/policy.yaml", dir);
	assert_int_equal(cli_files_write(path, 0644, bytes_str(yaml), true).code, ERR_OK);
	expect_in_dir("policy test --config DIR/policy.yaml --method mtls --id spiffe://example.org/a --validity 5h", CLI_OK, "lifetime   2h\n", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --method mtls --id spiffe://example.org/a", CLI_OK, "DNS name   vm.example.org\n", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --method mtls --id spiffe://example.org/a -o json", CLI_OK, "\"rule\": \"vms\"", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --method mtls --id spiffe://other.org/a", CLI_FAILED, "denied", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --attr claim.sub=build", CLI_FAILED, "rule builds", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --attr claim.sub=build -o json", CLI_FAILED, "\"granted\": false", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --method mtls --id spiffe://example.org/a --validity 400d", CLI_FAILED, "INVALID_ARGUMENT", NULL);
	expect_in_dir("policy test --config DIR/policy.yaml --attr method=mtls", CLI_USAGE, NULL, "use --method");
	expect_in_dir("policy test --config DIR/policy.yaml --attr x", CLI_USAGE, NULL, "NAME=VALUE");
	expect_in_dir("policy test --config DIR/policy.yaml --attr =x", CLI_USAGE, NULL, "NAME=VALUE");
	expect_in_dir("policy test --config DIR/policy.yaml --attr A=x", CLI_USAGE, NULL, "attribute A");
	expect_in_dir("policy test --config DIR/policy.yaml --csr x --key-type rsa", CLI_USAGE, NULL, "give one");
	expect_in_dir("policy test --config DIR/policy.yaml --csr DIR/policy.yaml", CLI_FAILED, NULL, "would be refused");
	expect_in_dir("policy test --config DIR/policy.yaml --csr DIR/nothing", CLI_FAILED, NULL, "cannot read");
}

static void test_files_are_written_whole_with_their_mode(void **state)
{
	(void)state;
	AUTO(buf) struct buf back = { .max = 100 };
	char path[128];
	struct stat st;
	mode_t mask = umask(0);
	snprintf(path, sizeof(path), "%s/file", dir);
	assert_int_equal(cli_files_write(path, 0600, bytes_str("one"), false).code, ERR_OK);
	assert_int_equal(cli_files_write(path, 0600, bytes_str("two"), false).code, ERR_ALREADY_EXISTS);
	umask(0777);
	assert_int_equal(cli_files_write(path, 0640, bytes_str("three"), true).code, ERR_OK);
	umask(mask);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(cli_files_read(path, 4, &back).code, ERR_INVALID_ARGUMENT);
	back.len = 0;
	assert_int_equal(cli_files_read(path, 5, &back).code, ERR_OK);
	assert_true(bytes_is(buf_view(&back), "three"));
}

/* ---- with a daemon that says one thing ---- */

static pid_t answer_once(const char *answer)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), peer;
	pid_t pid;
	char request[8192];
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/sock", dir);
	(void)unlink(at.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(10);
		peer = accept(fd, NULL, NULL);
		if (read(peer, request, sizeof(request)) < 0 || write(peer, answer, strlen(answer)) < 0) _exit(1);
		_exit(0);
	}
	close(fd);
	return pid;
}

#define HTTP(status, body) "HTTP/1.1 " status " x\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body
static const struct {
	const char *line, *answer;
	int status;
	const char *out, *err;
} answered[] = {
	{ "token list", HTTP("200", "{\"items\":[]}"), CLI_OK, "no join tokens", NULL },
	{ "token list", HTTP("200", "{\"items\":[{\"id\":\"ab\",\"state\":\"unused\",\"spiffe_id\":\"spiffe://a/b\",\"expires\":\"2000-01-01T00:00:00Z\"}],\"next\":\"ff00\"}"),
	  CLI_OK, "more: --page ff00", NULL },
	{ "token list -o json", HTTP("200", "{\"items\":[]}"), CLI_OK, "\"items\": []", NULL },
	{ "identity list", HTTP("200", "{\"items\":[{\"kind\":\"key\",\"subject\":\"x\",\"reason\":\"\\u001b[2J\",\"by\":\"uid:0\"}]}"), CLI_OK, "?[2J", NULL },
	{ "token create --spiffe-id spiffe://a/b", HTTP("200", "{\"token\":\"sgt1_x\",\"id\":\"ab\",\"expires\":\"2000-01-01T00:00:00Z\"}"), CLI_OK, "sgt1_x\n", "spiffe://a/b" },
	{ "status", HTTP("403", "{\"code\":\"PERMISSION_DENIED\",\"error\":\"admin: your user may not do this\"}"), CLI_FORBIDDEN, NULL, "admin.group" },
	{ "cert show 7", HTTP("404", "{\"code\":\"NOT_FOUND\",\"error\":\"x\"}"), CLI_NOT_FOUND, NULL, "7: not found" },
	{ "cert show 01ab", HTTP("200", "{\"items\":[]}"), CLI_NOT_FOUND, NULL, NULL },
	{ "cert show 01:ab", HTTP("200", "{\"items\":[]}"), CLI_NOT_FOUND, NULL, "01:ab" },
	{ "token revoke 00000000000000000000000000000000", HTTP("409", "{\"code\":\"FAILED_PRECONDITION\",\"error\":\"store: token is spent\"}"), CLI_FAILED, NULL, "refused: token is spent" },
	{ "status", HTTP("503", "{\"error\":\"admin: no keeper\"}"), 2, "DOWN: the daemon does not answer", "no keeper" },
	{ "status", HTTP("500", "oops"), CLI_FAILED, NULL, "HTTP status 500" },
	{ "status", HTTP("200", "not json"), CLI_FAILED, NULL, "not JSON" },
	{ "status", HTTP("200", "{\"a\":1,\"a\":2}"), CLI_FAILED, NULL, "not JSON" },
	{ "status", "gibberish\r\n\r\n", 2, "DOWN: ", "cannot reach" },
	{ "status", "", 2, "to do     systemctl status signet", "cannot reach" },
	{ "token list", "", CLI_UNREACHABLE, NULL, "cannot reach" },
	{ "ca export-root", HTTP("200", "{\"seq\":1,\"roots_pem\":\"-----PEM-----\\n\"}"), CLI_OK, "-----PEM-----\n", NULL },
	{ "ca show", HTTP("200", "{\"seq\":1,\"roots_pem\":\"none\"}"), CLI_FAILED, NULL, "no certificate" },
};

static void test_answers_of_the_daemon(void **state)
{
	(void)state;
	char line[512];
	int status;
	for (size_t i = 0; i < ARRAY_LEN(answered); i++) {
		pid_t pid = answer_once(answered[i].answer);
		snprintf(line, sizeof(line), "%s --socket %s/sock", answered[i].line, dir);
		expect(line, answered[i].status, answered[i].out, answered[i].err);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
}

int main(void)
{
	(void)signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_nothing_at_all_shows_help_as_an_error),
		cmocka_unit_test(test_output_that_cannot_be_written_is_a_failure),
		cmocka_unit_test(test_init_writes_a_good_file_once),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_files_are_written_whole_with_their_mode),
		cmocka_unit_test(test_answers_of_the_daemon),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
