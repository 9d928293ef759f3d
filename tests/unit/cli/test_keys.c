/* Keys, requests and the check of an answer, against certificates made here by OpenSSL. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/own.h"
#include "cli/chain.h"
#include "csr/csr.h"

static const char *const types[] = { "p256", "p384", "ed25519", "rsa2048" };

static void test_every_type_makes_a_request_that_the_ca_takes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO(pkey) EVP_PKEY *key = NULL, *again = NULL;
		AUTO(buf_wipe) struct buf key_pem = { .max = KEYS_PEM_MAX };
		AUTO(buf) struct buf csr_pem = { .max = CSR_PEM_MAX };
		AUTO(key_verifier) struct key_verifier *verifier = NULL;
		AUTO(csr) struct csr *csr = NULL;
		assert_int_equal(cli_key_make(types[i], &key).code, ERR_OK);
		for (size_t k = 0; k < ARRAY_LEN(types); k++) assert_int_equal(cli_key_is(key, types[k]), i == k);
		assert_int_equal(cli_key_put(key, &key_pem).code, ERR_OK);
		assert_int_equal(cli_key_read(buf_view(&key_pem), &again).code, ERR_OK);
		assert_int_equal(EVP_PKEY_eq(key, again), 1);
		assert_int_equal(cli_key_request(again, NULL, &csr_pem).code, ERR_OK);
		assert_int_equal(key_verifier_new(&verifier).code, ERR_OK);
		assert_int_equal(csr_parse_pem(buf_view(&csr_pem), verifier, &csr).code, ERR_OK);
		assert_int_equal(csr_subject(csr), CSR_SUBJECT_EMPTY);
		assert_int_equal(csr_san_count(csr), 0);
		assert_true(cli_key_matches(key, csr_key(csr)->spki));
	}
}

static void test_a_request_may_name_one_spiffe_id(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "spiffe://example.org", "https://example.org/a", "spiffe://example.org/a b", "spiffe://example.org/a/",
		"spiffe://example.org/\xc3\xa4" };
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		AUTO(pkey) EVP_PKEY *key = NULL;
		AUTO(buf) struct buf csr_pem = { .max = CSR_PEM_MAX };
		AUTO(key_verifier) struct key_verifier *verifier = NULL;
		AUTO(csr) struct csr *csr = NULL;
		assert_int_equal(cli_key_make(types[i], &key).code, ERR_OK);
		for (size_t k = 0; k < ARRAY_LEN(bad); k++) assert_int_equal(cli_key_request(key, bad[k], &csr_pem).code, ERR_INVALID_ARGUMENT);
		assert_int_equal(csr_pem.len, 0);
		assert_int_equal(cli_key_request(key, "spiffe://example.org/ns/a/sa/b", &csr_pem).code, ERR_OK);
		assert_int_equal(key_verifier_new(&verifier).code, ERR_OK);
		assert_int_equal(csr_parse_pem(buf_view(&csr_pem), verifier, &csr).code, ERR_OK);
		assert_int_equal(csr_subject(csr), CSR_SUBJECT_EMPTY);
		assert_int_equal(csr_san_count(csr), 1);
		assert_int_equal(csr_san(csr, 0).kind, CSR_SAN_URI);
		assert_true(bytes_is(csr_san(csr, 0).value, "spiffe://example.org/ns/a/sa/b"));
		assert_int_equal(csr_other_extensions(csr), 0);
		assert_int_equal(csr_other_attributes(csr), 0);
	}
}

static void test_keys_that_are_none_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		/* encrypted: nobody is asked for a passphrase */
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgAAAAAAAAAAAICCAAw\n-----END ENCRYPTED PRIVATE KEY-----\n" };
	EVP_PKEY *key = NULL;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) assert_int_equal(cli_key_read(bytes_str(texts[i]), &key).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(cli_key_make("rsa1024", &key).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(cli_key_make("", &key).code, ERR_INVALID_ARGUMENT);
	assert_null(key);
}

/* ---- answers ---- */

struct made {
	const char *san, *key_usage;
	bool ca;
	int from, to; /* hours from now */
	EVP_PKEY *subject_key, *issuer_key;
	const char *subject, *issuer; /* CN */
};

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void set_name(X509 *cert, const char *cn, int (*set)(X509 *, const X509_NAME *))
{
	X509_NAME *name = X509_NAME_new();
	if (cn != NULL) X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)cn, -1, -1, 0);
	assert_int_equal(set(cert, name), 1);
	X509_NAME_free(name);
}

static char *make(const struct made *m)
{
	X509 *cert = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *out;
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 77);
	set_name(cert, m->subject, X509_set_subject_name);
	set_name(cert, m->issuer, X509_set_issuer_name);
	X509_gmtime_adj(X509_getm_notBefore(cert), m->from * 3600L);
	X509_gmtime_adj(X509_getm_notAfter(cert), m->to * 3600L);
	X509_set_pubkey(cert, m->subject_key);
	add_extension(cert, NID_basic_constraints, m->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add_extension(cert, NID_key_usage, m->key_usage);
	if (m->san != NULL) add_extension(cert, NID_subject_alt_name, m->san);
	assert_true(X509_sign(cert, m->issuer_key, EVP_sha256()) > 0);
	PEM_write_bio_X509(bio, cert);
	long n = BIO_get_mem_data(bio, &text);
	out = strndup(text, (size_t)n);
	BIO_free(bio);
	X509_free(cert);
	return out;
}

#define ID "critical,URI:spiffe://example.org/vm/1"
enum answer_signer { BY_ROOT, BY_SUB, BY_OTHER };
static const struct {
	const char *name, *san, *key_usage, *want_id;
	bool ca, other_key, send_sub, two_in_one;
	enum answer_signer signer;
	int from, to;
	enum err_code code;
} answers[] = {
	{ "a workload's certificate", ID, "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_OK },
	{ "with the ID that was asked for", ID, "critical,digitalSignature", "spiffe://example.org/vm/1", false, false, false, false, BY_ROOT, -1, 1, ERR_OK },
	{ "through an intermediate", ID, "critical,digitalSignature", NULL, false, false, true, false, BY_SUB, -1, 1, ERR_OK },
	{ "with a DNS name, too", ID ",DNS:a.example", "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_OK },
	{ "intermediate is missing", ID, "critical,digitalSignature", NULL, false, false, false, false, BY_SUB, -1, 1, ERR_INVALID_ARGUMENT },
	{ "another root", ID, "critical,digitalSignature", NULL, false, false, false, false, BY_OTHER, -1, 1, ERR_INVALID_ARGUMENT },
	{ "another key", ID, "critical,digitalSignature", NULL, false, true, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "another ID", ID, "critical,digitalSignature", "spiffe://example.org/vm/2", false, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "two IDs", ID ",URI:spiffe://example.org/vm/2", "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "no SPIFFE ID", "critical,URI:https://example.org/vm/1", "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "a trust domain alone", "critical,URI:spiffe://example.org", "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "no names", NULL, "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "a CA", ID, "critical,digitalSignature", NULL, true, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "may sign certificates", ID, "critical,digitalSignature,keyCertSign", NULL, false, false, false, false, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
	{ "expired", ID, "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, -2, -1, ERR_INVALID_ARGUMENT },
	{ "not yet valid", ID, "critical,digitalSignature", NULL, false, false, false, false, BY_ROOT, 1, 2, ERR_INVALID_ARGUMENT },
	{ "two certificates in one element", ID, "critical,digitalSignature", NULL, false, false, false, true, BY_ROOT, -1, 1, ERR_INVALID_ARGUMENT },
};

static EVP_PKEY *new_key(void)
{
	EVP_PKEY *key = NULL;
	assert_int_equal(cli_key_make("p256", &key).code, ERR_OK);
	return key;
}

static void check_one(size_t i, EVP_PKEY *const keys[4], char *const cas[2])
{
	AUTO(pkey) EVP_PKEY *mine = new_key();
	AUTO(buf) struct buf der = { .max = CERT_DER_MAX };
	struct cert leaf;
	char *pem = make(&(struct made){ .san = answers[i].san, .key_usage = answers[i].key_usage, .ca = answers[i].ca, .from = answers[i].from, .to = answers[i].to,
		.subject_key = answers[i].other_key ? keys[3] : mine, .issuer_key = keys[answers[i].signer], .issuer = answers[i].signer == BY_SUB ? "sub" : "root" });
	char twice[16384];
	snprintf(twice, sizeof(twice), "%s%s", pem, answers[i].two_in_one ? pem : "");
	const struct bytes list[] = { bytes_str(twice), bytes_str(cas[1]) };
	struct chain_check check = { .key = mine, .roots_pem = bytes_str(cas[0]), .spiffe_id = answers[i].want_id, .now = clock_wall() };
	struct err e = cli_chain_check(&check, list, answers[i].send_sub ? 2 : 1, &der, &leaf);
	if (e.code != answers[i].code) fail_msg("%s: %s", answers[i].name, e.reason);
	if (e.code == ERR_OK) assert_true(bytes_is(leaf.uri, "spiffe://example.org/vm/1"));
	free(pem);
}

static void test_answers(void **state)
{
	(void)state;
	EVP_PKEY *keys[4] = { new_key(), new_key(), new_key(), new_key() };
	char *cas[2] = {
		make(&(struct made){ .key_usage = "critical,keyCertSign", .ca = true, .from = -9, .to = 9, .subject_key = keys[0], .issuer_key = keys[0], .subject = "root", .issuer = "root" }),
		make(&(struct made){ .key_usage = "critical,keyCertSign", .ca = true, .from = -9, .to = 9, .subject_key = keys[1], .issuer_key = keys[0], .subject = "sub", .issuer = "root" }),
	};
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) check_one(i, keys, cas);
	for (size_t i = 0; i < 4; i++) EVP_PKEY_free(keys[i]);
	free(cas[0]);
	free(cas[1]);
}

static void test_answers_that_are_no_certificates(void **state)
{
	(void)state;
	AUTO(pkey) EVP_PKEY *mine = new_key();
	static const char *const texts[] = { "", "x", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		AUTO(buf) struct buf der = { .max = CERT_DER_MAX };
		struct cert leaf;
		struct chain_check check = { .key = mine, .roots_pem = bytes_str(texts[i]), .now = 1 };
		const struct bytes one = bytes_str(texts[i]);
		assert_int_equal(cli_chain_check(&check, &one, 1, &der, &leaf).code, ERR_INVALID_ARGUMENT);
		assert_int_equal(cli_chain_check(&check, &one, 0, &der, &leaf).code, ERR_INVALID_ARGUMENT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_makes_a_request_that_the_ca_takes),
		cmocka_unit_test(test_a_request_may_name_one_spiffe_id),
		cmocka_unit_test(test_keys_that_are_none_are_refused),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answers_that_are_no_certificates),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
