/* A CA as operators bring it: tests/data/brought/, one directory a case, written by tests/data/make-brought.py. */
#include "ca/support.h"

#include <dirent.h>

#include "ca/brought.h"
#include "ca/files.h"

#define DATA "tests/data/brought/"
#define NOW INT64_C(1893456000) /* 2030-01-01 */

struct dir {
	struct buf data[CA_FILE_COUNT];
	struct ca_files files;
};

static void dir_read(struct dir *d, const char *name)
{
	memset(d, 0, sizeof(*d));
	for (unsigned i = 0; i < CA_FILE_PASSPHRASE; i++) {
		char path[256];
		uint8_t *at;
		FILE *f;

		(void)snprintf(path, sizeof(path), DATA "%s/%s", name, ca_file_name((enum ca_file)i));
		f = fopen(path, "rb");
		if (f == NULL) continue;
		d->data[i].max = CA_FILES_MAX;
		MUST(buf_reserve(&d->data[i], CA_FILES_MAX, &at));
		d->data[i].len = fread(at, 1, CA_FILES_MAX, f);
		fclose(f);
		d->files.there[i] = true;
		d->files.text[i] = buf_view(&d->data[i]);
	}
}

static void dir_free(struct dir *d)
{
	for (unsigned i = 0; i < CA_FILE_COUNT; i++) buf_free(&d->data[i]);
}

static struct err check(struct dir *d, const char *passphrase, struct brought_report *report, struct brought **out)
{
	struct brought_options o = { .now = NOW, .threads = 1, .trust_domain = "example.org" };

	if (passphrase != NULL) {
		d->files.there[CA_FILE_PASSPHRASE] = true;
		d->files.text[CA_FILE_PASSPHRASE] = bytes_str(passphrase);
	}
	return brought_check(&d->files, &o, report, out);
}

static const struct {
	const char *dir, *where, *what; /* the problem begins with `where` and has `what` in it */
} refusals[] = {
	{ "bad-cert-cut", "ca-cert.pem: certificate 1", "well-formed PEM" },
	{ "bad-cert-k1", "ca-cert.pem: certificate 1", "curve" },
	{ "bad-cert-p521", "ca-key.pem", "type or size" },
	{ "bad-cert-rsa1024", "ca-cert.pem: certificate 1", "shorter than 2048" },
	{ "bad-cert-text", "ca-cert.pem", "no certificate in it" },
	{ "bad-client-only", "ca-cert.pem: certificate 1", "extended key usage" },
	{ "bad-critical", "ca-cert.pem: certificate 1", "critical extension" },
	{ "bad-crl-in-chain", "cert-chain.pem: certificate 1", "no certificate" },
	{ "bad-ended", "ca-cert.pem: certificate 1", "ended on 2029-12-31" },
	{ "bad-gap", "ca-cert.pem: certificate 1", "chain breaks" },
	{ "bad-key-certificate", "ca-key.pem", "something else than a private key" },
	{ "bad-key-cut", "ca-key.pem", "not closed" },
	{ "bad-key-garbage", "ca-key.pem", "no private key" },
	{ "bad-key-in-chain", "cert-chain.pem: certificate 2", "private key among the certificates" },
	{ "bad-key-k1", "ca-key.pem", "type or size" },
	{ "bad-key-k1-old", "ca-key.pem", "P-256 and P-384 only" },
	{ "bad-key-mismatch", "ca-key.pem", "not the key of the signing certificate" },
	{ "bad-key-old-encryption", "ca-key.pem", "openssl pkcs8 -topk8" },
	{ "bad-key-p521", "ca-key.pem", "type or size" },
	{ "bad-key-p521-old", "ca-key.pem", "P-256 and P-384 only" },
	{ "bad-key-rsa1024", "ca-key.pem", "shorter than 2048" },
	{ "bad-key-rsa1024-old", "ca-key.pem", "shorter than 2048" },
	{ "bad-key-two", "ca-key.pem", "two private keys" },
	{ "bad-long-subject", "ca-cert.pem: certificate 1", "subject is too long" },
	{ "bad-no-cert", "ca-cert.pem", "missing or empty" },
	{ "bad-no-constraints", "ca-cert.pem: certificate 1", "no CA certificate" },
	{ "bad-no-key", "ca-key.pem", "missing or empty" },
	{ "bad-no-key-usage", "ca-cert.pem: certificate 1", "no key usage" },
	{ "bad-no-keycertsign", "ca-cert.pem: certificate 1", "keyCertSign" },
	{ "bad-no-roots", "root-cert.pem", "missing or empty" },
	{ "bad-no-subject", "ca-cert.pem: certificate 1", "subject is empty" },
	{ "bad-not-ca", "ca-cert.pem: certificate 1", "no CA certificate" },
	{ "bad-not-yet", "ca-cert.pem: certificate 1", "not valid before 2031-01-01" },
	{ "bad-root-ended", "root-cert.pem: certificate 1", "ended on 2029-01-01" },
	{ "bad-root-is-intermediate", "root-cert.pem: certificate 1", "not self-signed" },
	{ "bad-root-is-signer", "root-cert.pem: certificate 1", "an intermediate is not a root" },
	{ "bad-root-not-ca", "root-cert.pem: certificate 1", "no CA certificate" },
	{ "bad-root-of-other-key", "ca-cert.pem: certificate 1", "root's key is another one" },
	{ "bad-root-only-in-chain", "cert-chain.pem: certificate 3", "not among the roots" },
	{ "bad-root-path", "root-cert.pem: certificate 1", "path length" },
	{ "bad-root-uri-constraint", "root-cert.pem: certificate 1", "constraint on URIs" },
	{ "bad-roots-text", "root-cert.pem", "no certificate in it" },
	{ "bad-secret-leaf", "ca-cert.pem: certificate 1", "no CA certificate" },
	{ "bad-server-only", "ca-cert.pem: certificate 1", "extended key usage" },
	{ "bad-sha1", "ca-cert.pem: certificate 1", "SHA-1" },
	{ "bad-signature", "ca-cert.pem: certificate 1", "did not sign it" },
	{ "bad-ski", "ca-cert.pem: certificate 1", "20 octets" },
	{ "bad-tls-no-roots", "ca.crt", "missing or empty" },
	{ "bad-too-long", "cert-chain.pem: certificate 6", "longer than six" },
	{ "bad-ski-critical", "ca-cert.pem: certificate 1", "may not be critical" },
	{ "bad-aki-critical", "ca-cert.pem: certificate 1", "may not be critical" },
	{ "bad-aki-of-other-key", "ca-cert.pem: certificate 1", "authority key identifier names another" },
	{ "bad-aki-serial", "ca-cert.pem: certificate 1", "authority key identifier names another" },
	{ "bad-any-usage", "ca-cert.pem: certificate 1", "extended key usage" },
	{ "bad-two-uris", "ca-cert.pem: certificate 1", "more than one URI" },
	{ "bad-ecdsa-sha512", "ca-cert.pem: certificate 1", "ECDSA with SHA-512" },
	{ "bad-other-name-constraint", "ca-cert.pem: certificate 1", "name constraint of a kind" },
	{ "bad-registered-id-constraint", "ca-cert.pem: certificate 1", "name constraint of a kind" },
	{ "bad-subject-constraint", "ca-cert.pem: certificate 1", "name constraint of a kind" },
	{ "bad-root-server-only", "root-cert.pem: certificate 1", "extended key usage" },
	{ "bad-root-other-name", "root-cert.pem: certificate 1", "name constraint of a kind" },
	{ "bad-alone-code-signing", "root-cert.pem: certificate 1", "extended key usage" },
	{ "bad-leaf-among-roots", "root-cert.pem: certificate 2", "no CA certificate" },
	{ "bad-trust-domain", "ca-cert.pem: certificate 1", "another trust domain" },
	{ "bad-two-layouts", "tls.crt", "two CAs" },
	{ "bad-upper-ended", "cert-chain.pem: certificate 2", "ended on 2029-01-01" },
	{ "bad-upper-of-other-key", "ca-cert.pem: certificate 1", "another key made the signature" },
	{ "bad-upper-path", "cert-chain.pem: certificate 2", "path length" },
	{ "bad-upper-server-only", "cert-chain.pem: certificate 2", "extended key usage" },
	{ "bad-upper-uri-constraint", "cert-chain.pem: certificate 2", "constraint on URIs" },
	{ "bad-upper-usage", "cert-chain.pem: certificate 2", "keyCertSign" },
	{ "bad-uri-constraint", "ca-cert.pem: certificate 1", "constraint on URIs" },
	{ "key-encrypted", "ca-key.pem", "no passphrase" },
	{ "no-such-directory", "ca-cert.pem", "no CA in the directory" },
};

static void test_each_refusal_names_file_reason_and_remedy(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		AUTO(brought) struct brought *b = NULL;
		struct brought_report report;
		const char *problem = report.problem;
		struct dir d;
		struct err e;

		dir_read(&d, refusals[i].dir);
		e = check(&d, NULL, &report, &b);
		if (e.code != ERR_INVALID_ARGUMENT) fail_msg("%s: %s", refusals[i].dir, err_code_name(e.code));
		assert_null(b);
		if (strncmp(problem, refusals[i].where, strlen(refusals[i].where)) != 0 || strstr(problem, refusals[i].what) == NULL ||
		    strstr(problem, "; ") == NULL)
			fail_msg("%s: %s", refusals[i].dir, problem);
		dir_free(&d);
	}
}

static const struct {
	const char *dir;
	size_t chain, roots;
	unsigned warnings;
	const char *warning; /* one of them has it */
} acceptances[] = {
	{ "good-istio", 1, 1, 0, NULL },
	{ "good-two-levels", 2, 2, 0, NULL },
	{ "good-wrong-order", 2, 1, 1, "certificate 3 is there twice" },
	{ "good-reversed", 5, 1, 1, "not in order" },
	{ "good-duplicates", 2, 1, 3, "is there twice" },
	{ "good-unrelated-in-chain", 2, 1, 1, "certificate 4 is not part of" },
	{ "good-no-chain", 1, 1, 0, NULL },
	{ "good-crl", 1, 1, 0, NULL },
	{ "good-ended-extra-root", 1, 2, 1, "certificate 1 has ended" },
	{ "good-renewed-intermediate", 2, 1, 1, "certificate 2 is not part of" },
	{ "good-dns-constraint", 1, 1, 1, "constrains DNS names" },
	{ "good-both-usages", 1, 1, 0, NULL },
	{ "good-trust-domain", 1, 1, 0, NULL },
	{ "good-ends-with-intermediate", 2, 1, 0, NULL },
	{ "good-tls", 2, 1, 0, NULL },
	{ "good-tls-root-in-chain", 2, 1, 0, NULL },
	{ "good-secret", 0, 1, 0, NULL },
	{ "good-secret-bare", 0, 1, 0, NULL },
	{ "good-key-sec1", 1, 1, 0, NULL },
	{ "good-key-parameters", 1, 1, 0, NULL },
	{ "good-key-crlf", 1, 1, 0, NULL },
	{ "good-key-p384", 1, 1, 0, NULL },
	{ "good-key-p384-old", 1, 1, 0, NULL },
	{ "good-key-ed25519", 1, 1, 1, "Ed25519 key" },
	{ "good-key-rsa", 1, 1, 0, NULL },
	{ "good-key-rsa-old", 1, 1, 0, NULL },
	{ "good-aki-serial", 1, 1, 0, NULL },
	{ "good-mail-constraint", 1, 1, 0, NULL },
	{ "good-no-crl-sign", 1, 1, 1, "cRLSign" },
	{ "good-no-aki", 1, 1, 1, "no authority key identifier" },
	{ "good-no-ski", 1, 1, 1, "no subject key identifier" },
	{ "good-constraints-not-critical", 1, 1, 1, "not critical" },
	{ "good-critical-usage", 1, 1, 1, "critical extended key usage" },
	{ "good-upper-no-usage", 2, 1, 1, "no key usage" },
	{ "good-renewed-root", 1, 2, 0, NULL },
	{ "good-cross-signed", 2, 1, 1, "is not part of" },
	{ "good-six-levels", 6, 1, 0, NULL },
};

/* By OpenSSL, which must agree with every step: signing certificate, chain, root, in this order, nothing missing. */
static bool verifies(const struct brought *b)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *root = x509_of(b->roots[0]), *leaf = x509_of(b->signer.der);
	bool good;

	X509_STORE_add_cert(store, root);
	for (size_t i = 1; i < b->chain_count; i++) sk_X509_push(chain, x509_of(b->chain[i]));
	assert_int_equal(X509_STORE_CTX_init(ctx, store, leaf, chain), 1);
	X509_STORE_CTX_set_time(ctx, 0, NOW);
	good = X509_verify_cert(ctx) == 1 && (size_t)sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) == b->chain_count + 1;
	for (size_t i = 1; good && i < b->chain_count; i++)
		good = X509_cmp(sk_X509_value(X509_STORE_CTX_get0_chain(ctx), (int)i), sk_X509_value(chain, (int)i - 1)) == 0;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(chain, X509_free);
	X509_free(root);
	X509_free(leaf);
	return good;
}

static bool warned(const struct brought_report *report, const char *text)
{
	for (unsigned i = 0; i < report->warning_count; i++)
		if (strstr(report->warnings[i], text) != NULL) return true;
	return false;
}

static void test_each_layout_and_form_of_key_is_taken_and_put_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acceptances); i++) {
		AUTO(brought) struct brought *b = NULL;
		struct brought_report report;
		const char *name = acceptances[i].dir;
		struct dir d;

		dir_read(&d, name);
		if (check(&d, NULL, &report, &b).code != ERR_OK) fail_msg("%s: %s", name, report.problem);
		if (b->chain_count != acceptances[i].chain || b->root_count != acceptances[i].roots) fail_msg("%s: chain or roots", name);
		if (b->self_signed != (b->chain_count == 0)) fail_msg("%s: self-signed?", name);
		if (!verifies(b)) fail_msg("%s: OpenSSL does not agree", name);
		if (report.warning_count != acceptances[i].warnings) fail_msg("%s: %u warnings", name, report.warning_count);
		if (acceptances[i].warning != NULL && !warned(&report, acceptances[i].warning)) fail_msg("%s: %s", name, report.warnings[0]);
		assert_true(bytes_equal(hsm_key_spki(b->key), b->signer.key.spki));
		dir_free(&d);
	}
}

/* Old and new certificate of one root, as the manual tells to append: the old one's end is not the CA's. */
static void test_of_two_roots_with_one_key_the_one_that_ends_later_counts(void **state)
{
	AUTO(brought) struct brought *b = NULL;
	struct brought_report report;
	struct dir d;

	(void)state;
	dir_read(&d, "good-renewed-root");
	MUST(check(&d, NULL, &report, &b));
	assert_true(b->not_after > NOW + INT64_C(20) * 365 * 86400);
	dir_free(&d);
}

/* Each directory is in one of the tables: a case that nobody looks at proves nothing. */
static void test_every_case_is_looked_at(void **state)
{
	DIR *dir = opendir(DATA);
	size_t seen = 0;

	(void)state;
	assert_non_null(dir);
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		bool known = e->d_name[0] == '.';

		for (size_t i = 0; i < ARRAY_LEN(refusals); i++) known |= strcmp(refusals[i].dir, e->d_name) == 0;
		for (size_t i = 0; i < ARRAY_LEN(acceptances); i++) known |= strcmp(acceptances[i].dir, e->d_name) == 0;
		if (!known) fail_msg("%s is in no table", e->d_name);
		seen += e->d_name[0] != '.';
	}
	closedir(dir);
	assert_int_equal(seen, ARRAY_LEN(refusals) - 1 + ARRAY_LEN(acceptances));
}

static void test_the_passphrase_opens_an_encrypted_key(void **state)
{
	static const struct { const char *passphrase, *what; } cases[] = {
		{ "correct horse", NULL }, { "correct horse\n", NULL }, { "correct horse\n\n", "does not open" }, { "wrong", "does not open" },
		{ "\n", "no passphrase" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(brought) struct brought *b = NULL;
		struct brought_report report;
		struct dir d;

		dir_read(&d, "key-encrypted");
		assert_int_equal(check(&d, cases[i].passphrase, &report, &b).code, cases[i].what == NULL ? ERR_OK : ERR_INVALID_ARGUMENT);
		if (cases[i].what != NULL) assert_non_null(strstr(report.problem, cases[i].what));
		dir_free(&d);
	}
}

static void test_it_ends_when_the_first_of_its_chain_ends(void **state)
{
	AUTO(brought) struct brought *b = NULL;
	struct brought_report report;
	struct dir d;

	(void)state;
	dir_read(&d, "good-ends-with-intermediate");
	MUST(check(&d, NULL, &report, &b));
	assert_int_equal(b->not_after, 1924992000); /* 2031-01-01 */
	assert_true(b->signer.not_after > b->not_after && b->root_not_after > b->not_after);
	dir_free(&d);
}

static void test_files_travel_whole_or_not_at_all(void **state)
{
	AUTO(buf) struct buf out = { .max = CA_FILES_MAX };
	struct ca_files got;
	struct dir d;

	(void)state;
	dir_read(&d, "good-crl");
	MUST(ca_files_put(&out, &d.files));
	MUST(ca_files_take(buf_view(&out), &got));
	for (unsigned i = 0; i < CA_FILE_COUNT; i++) {
		assert_int_equal(got.there[i], d.files.there[i]);
		assert_true(bytes_equal(got.text[i], d.files.text[i]));
	}
	for (size_t n = 0, bad = 0; n < out.len; n++) {
		bad += ca_files_take(BYTES(out.data, n), &got).code != ERR_OK;
		if (n == out.len - 1) assert_true(bad >= out.len - 5); /* between two files it is whole */
	}
	out.data[0] = CA_FILE_COUNT;
	assert_int_equal(ca_files_take(buf_view(&out), &got).code, ERR_INVALID_ARGUMENT);
	out.data[0] = CA_FILE_KEY; /* which comes again */
	assert_int_equal(ca_files_take(buf_view(&out), &got).code, ERR_INVALID_ARGUMENT);
	dir_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_refusal_names_file_reason_and_remedy),
		cmocka_unit_test(test_each_layout_and_form_of_key_is_taken_and_put_in_order),
		cmocka_unit_test(test_of_two_roots_with_one_key_the_one_that_ends_later_counts),
		cmocka_unit_test(test_every_case_is_looked_at),
		cmocka_unit_test(test_the_passphrase_opens_an_encrypted_key),
		cmocka_unit_test(test_it_ends_when_the_first_of_its_chain_ends),
		cmocka_unit_test(test_files_travel_whole_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
