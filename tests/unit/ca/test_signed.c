/* What another signer sends back: tests/data/signed/, written by tests/data/make-signed.py. */
#include "ca/support.h"

#include <dirent.h>

#include "ca/signed.h"

#define DATA "tests/data/signed/"
#define NOW INT64_C(1893456000) /* 2030-01-01 */

static void read_file(const char *name, struct buf *out)
{
	char path[256];
	uint8_t *at;
	FILE *f;

	(void)snprintf(path, sizeof(path), DATA "%s", name);
	f = fopen(path, "rb");
	if (f == NULL) fail_msg("no %s", path);
	out->max = 65536;
	MUST(buf_reserve(out, 65536, &at));
	out->len = fread(at, 1, 65536, f);
	fclose(f);
}

static struct err check_for(const char *name, const struct wire_name *names, size_t count, struct brought_report *report,
			    struct signed_chain **out)
{
	AUTO(buf) struct buf pem = { 0 }, roots = { 0 }, spki = { 0 };
	struct signed_want want = { .spiffe_id = TEXT("spiffe://example.org/ns/a/sa/b"), .names = names, .name_count = count,
				    .trust_domain = "example.org", .now = NOW, .lifetime = 3600 };
	AUTO(key_verifier) struct key_verifier *verifier = NULL;


	read_file(name, &pem);
	read_file("roots.pem", &roots);
	read_file("key.spki", &spki);
	MUST(key_verifier_new(&verifier));
	want.verifier = verifier;
	want.spki = buf_view(&spki);
	want.roots_pem = buf_view(&roots);
	return signed_check(buf_view(&pem), &want, report, out);
}

static struct err check(const char *name, struct brought_report *report, struct signed_chain **out)
{
	static const struct wire_name names[] = { { WIRE_TAG_DNS, BYTES("a.example", 9) } };

	return check_for(name, names, 1, report, out);
}

static const struct { const char *file; size_t above; bool outlives; } acceptances[] = {
	{ "good-duplicates.pem", 2, false },    { "good-no-aki.pem", 1, false },      { "good-one.pem", 1, false },
	{ "good-outlives.pem", 1, true },       { "good-p384.pem", 1, false },        { "good-root-included.pem", 1, false },
	{ "good-root.pem", 0, false },          { "good-rounded-up.pem", 1, false },  { "good-rsa.pem", 1, false },
	{ "good-six.pem", 6, false },           { "good-stranger-included.pem", 1, false }, { "good-subject.pem", 1, false },
	{ "good-text-between.pem", 1, false },  { "good-two.pem", 2, false },         { "good-wrong-order.pem", 2, false },
};

static void test_what_is_good_is_taken_and_put_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acceptances); i++) {
		AUTO(signed) struct signed_chain *s = NULL;
		struct brought_report report;
		struct bytes below = BYTES_NONE;
		struct cert cert;

		if (check(acceptances[i].file, &report, &s).code != ERR_OK) fail_msg("%s: %s", acceptances[i].file, report.problem);
		if (s->above->chain_count != acceptances[i].above) fail_msg("%s: %zu above", acceptances[i].file, s->above->chain_count);
		if (s->outlives != acceptances[i].outlives) fail_msg("%s: outlives?", acceptances[i].file);
		below = s->leaf.issuer;
		for (size_t n = 0; n < s->above->chain_count; n++) {
			MUST(cert_parse(s->above->chain[n], &cert));
			assert_true(bytes_equal(cert.subject, below));
			below = cert.issuer;
		}
		MUST(cert_parse(s->above->roots[0], &cert));
		assert_true(bytes_equal(cert.subject, below));
	}
}

static const struct { const char *file, *what; } refusals[] = {
	{ "bad-a-key.pem", "no certificate in PEM" },
	{ "bad-above-early.pem", "not valid before" },
	{ "bad-above-ended.pem", "ended on" },
	{ "bad-above-no-sign.pem", "keyCertSign" },
	{ "bad-above-not-ca.pem", "no CA certificate" },
	{ "bad-above-uri-constraint.pem", "constraint on URIs" },
	{ "bad-aki-of-another.pem", "has signed it" },
	{ "bad-another-dns.pem", "not granted" },
	{ "bad-another-domain.pem", "another SPIFFE ID" },
	{ "bad-another-id.pem", "another SPIFFE ID" },
	{ "bad-another-key.pem", "another key" },
	{ "bad-another-root.pem", "the chain breaks here" },
	{ "bad-ca.pem", "is a CA" },
	{ "bad-dns-twice.pem", "twice" },
	{ "bad-early.pem", "not valid yet" },
	{ "bad-empty.pem", "no certificate in PEM" },
	{ "bad-ended.pem", "has ended" },
	{ "bad-gap.pem", "the chain breaks here" },
	{ "bad-garbage-above.pem", "cannot be read" },
	{ "bad-garbage.pem", "cannot be read" },
	{ "bad-key-above.pem", "private key" },
	{ "bad-mail.pem", "not granted" },
	{ "bad-may-sign.pem", "may sign certificates" },
	{ "bad-more-dns.pem", "not granted" },
	{ "bad-no-chain.pem", "has signed it" },
	{ "bad-no-dns.pem", "lacks a name" },
	{ "bad-no-eku.pem", "no extended key usage" },
	{ "bad-no-key-usage.pem", "no key usage" },
	{ "bad-no-uri.pem", "another SPIFFE ID" },
	{ "bad-not-critical.pem", "name is not critical" },
	{ "bad-not-signed.pem", "has signed it" },
	{ "bad-odd-extension.pem", "unknown critical extension" },
	{ "bad-own-root.pem", "the chain breaks here" },
	{ "bad-path.pem", "path length" },
	{ "bad-same-name-other-key.pem", "has signed it" },
	{ "bad-server-only.pem", "lacks serverAuth or clientAuth" },
	{ "bad-seven.pem", "longer than six" },
	{ "bad-sha512.pem", "has signed it" },
	{ "bad-the-uri-twice.pem", "another SPIFFE ID" },
	{ "bad-too-long.pem", "longer than was asked for" },
	{ "bad-two-uris.pem", "another SPIFFE ID" },
};

static void test_everything_else_is_refused_and_says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
		struct signed_chain *s = NULL;
		struct brought_report report;

		if (check(refusals[i].file, &report, &s).code != ERR_INVALID_ARGUMENT || s != NULL) fail_msg("%s is taken", refusals[i].file);
		if (strstr(report.problem, refusals[i].what) == NULL) fail_msg("%s: %s", refusals[i].file, report.problem);
	}
}

static void test_a_name_twice_does_not_stand_for_another(void **state)
{
	static const struct wire_name names[] = { { WIRE_TAG_DNS, BYTES("a.example", 9) }, { WIRE_TAG_DNS, BYTES("b.example", 9) } };
	struct signed_chain *s = NULL;
	struct brought_report report;

	(void)state;
	assert_int_equal(check_for("bad-dns-twice.pem", names, 2, &report, &s).code, ERR_INVALID_ARGUMENT);
	assert_non_null(strstr(report.problem, "twice"));
}

/* Each of them is tried with each of the others, on the thread that signs for everybody. */
static void test_no_more_certificates_come_with_it_than_a_chain_has(void **state)
{
	static const struct { unsigned copies; enum err_code code; } rows[] = {
		{ SIGNED_ABOVE_MAX / 2, ERR_OK }, { SIGNED_ABOVE_MAX / 2 + 1, ERR_INVALID_ARGUMENT }, /* two in each copy */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(buf) struct buf pem = { 0 }, roots = { 0 }, spki = { 0 };
		AUTO(signed) struct signed_chain *s = NULL;
		static const struct wire_name names[] = { { WIRE_TAG_DNS, BYTES("a.example", 9) } };
		struct signed_want want = { .spiffe_id = TEXT("spiffe://example.org/ns/a/sa/b"), .names = names, .name_count = 1,
					    .trust_domain = "example.org", .now = NOW, .lifetime = 3600 };
		AUTO(key_verifier) struct key_verifier *verifier = NULL;
		struct brought_report report;
		const char *above;
		size_t len;

		read_file("good-two.pem", &pem);
		read_file("roots.pem", &roots);
		read_file("key.spki", &spki);
		MUST(key_verifier_new(&verifier));
		want.verifier = verifier;
		want.spki = buf_view(&spki);
		want.roots_pem = buf_view(&roots);
		pem.data[pem.len] = '\0';
		above = strstr(strstr((char *)pem.data, "-----END"), "-----BEGIN");
		len = strlen(above);
		for (unsigned n = 1; n < rows[i].copies; n++) MUST(buf_put(&pem, above, len));
		assert_int_equal(signed_check(buf_view(&pem), &want, &report, &s).code, rows[i].code);
		if (rows[i].code != ERR_OK) assert_non_null(strstr(report.problem, "too many"));
	}
}

static void test_every_case_is_looked_at(void **state)
{
	DIR *d = opendir(DATA);
	const struct dirent *entry;
	size_t cases = 0;

	(void)state;
	assert_non_null(d);
	while ((entry = readdir(d)) != NULL) cases += strncmp(entry->d_name, "good", 4) == 0 || strncmp(entry->d_name, "bad", 3) == 0;
	closedir(d);
	assert_int_equal(cases, ARRAY_LEN(refusals) + ARRAY_LEN(acceptances));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_good_is_taken_and_put_in_order),
		cmocka_unit_test(test_everything_else_is_refused_and_says_why),
		cmocka_unit_test(test_a_name_twice_does_not_stand_for_another),
		cmocka_unit_test(test_no_more_certificates_come_with_it_than_a_chain_has),
		cmocka_unit_test(test_every_case_is_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
