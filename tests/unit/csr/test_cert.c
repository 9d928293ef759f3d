#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "csr/cert.h"
#include "csr/files.h"

/* tests/data/make-csr.py makes the files.  `why` is what the reason starts with: refused, and for this reason. */
static const struct {
	const char *file, *why;
} refused[] = {
	{ "bad-aki-empty-id.der", "cert: authority key identifier is empty" },
	{ "bad-aki-issuer-alone.der", "cert: authority issuer without serial number" },
	{ "bad-aki-serial-alone.der", "cert: authority issuer without serial number" },
	{ "bad-algorithms-differ.der", "cert: inner and outer signature algorithms differ" },
	{ "bad-bc-false-encoded.der", "cert: cA FALSE is encoded" },
	{ "bad-bc-path-huge.der", "cert: path length is out of range" },
	{ "bad-bc-path-negative.der", "der: INTEGER is negative" },
	{ "bad-bc-path-without-ca.der", "cert: path length without cA" },
	{ "bad-bc-trailing.der", "der: trailing bytes" },
	{ "bad-big.der", "cert: length out of range" },
	{ "bad-critical-false.der", "x509: critical FALSE is encoded" },
	{ "bad-cut.der", "der: value is truncated" },
	{ "bad-eku-empty.der", "cert: extended key usage is empty" },
	{ "bad-eku-not-oid.der", "der: unexpected type" },
	{ "bad-extension-twice.der", "x509: extension or attribute given twice" },
	{ "bad-extensions-empty.der", "cert: list of extensions is empty" },
	{ "bad-extensions-trailing.der", "der: trailing bytes" },
	{ "bad-generalized-2049.der", "der: GeneralizedTime before 2050" },
	{ "bad-indefinite.der", "der: indefinite length" },
	{ "bad-ku-empty.der", "cert: key usage is empty" },
	{ "bad-ku-not-minimal.der", "der: named bits are not minimal" },
	{ "bad-ku-trailing.der", "der: trailing bytes" },
	{ "bad-point-compressed.der", "key: " },
	{ "bad-request.der", "der: unexpected type" },
	{ "bad-san-empty.der", "cert: subject alternative name is empty" },
	{ "bad-san-ip-3.der", "x509: IP address is neither 4 nor 16 octets" },
	{ "bad-san-nul.der", "x509: NUL in a subject alternative name" },
	{ "bad-serial-0.der", "cert: serial number is zero" },
	{ "bad-serial-20-and-sign.der", "cert: serial number is over 20 octets" },
	{ "bad-serial-21.der", "der: INTEGER is too long" },
	{ "bad-serial-empty.der", "der: INTEGER is empty" },
	{ "bad-serial-negative.der", "der: INTEGER is negative" },
	{ "bad-serial-padded.der", "der: INTEGER is not minimal" },
	{ "bad-signature-unused-bits.der", "der: BIT STRING is not whole octets" },
	{ "bad-ski-empty.der", "cert: subject key identifier is empty" },
	{ "bad-ski-sequence.der", "der: unexpected type" },
	{ "bad-time-missing.der", "der: truncated" },
	{ "bad-time-no-seconds.der", "der: not a time of RFC 5280" },
	{ "bad-time-offset.der", "der: not a time of RFC 5280" },
	{ "bad-trailing-byte.der", "der: trailing bytes" },
	{ "bad-trailing-inside.der", "der: trailing bytes" },
	{ "bad-unique-id.der", "der: trailing bytes" },
	{ "bad-unknown-extension-twice.der", "x509: extension or attribute given twice" },
	{ "bad-v1-explicit.der", "cert: not version 3" },
	{ "bad-v1.der", "der: unexpected type" },
	{ "bad-v2.der", "cert: not version 3" },
	{ "bad-v4.der", "cert: not version 3" },
	{ "bad-version-trailing.der", "der: trailing bytes" },
};

/* Certificates that parse, and what cert_svid_check() says of them for the trust domain td.example. */
static const struct {
	const char *file, *why;
} svids[] = {
	{ "ok-2050.der", "ok" },
	{ "ok-ca.der", "svid: is a CA" },
	{ "ok-eku-any.der", "ok" },
	{ "ok-eku-client-only.der", "svid: extended key usage lacks serverAuth or clientAuth" },
	{ "ok-eku-server-only.der", "svid: extended key usage lacks serverAuth or clientAuth" },
	{ "ok-https-uri.der", "spiffe: ID does not start with spiffe://" },
	{ "ok-ku-cert-sign.der", "svid: key usage may sign certificates or CRLs" },
	{ "ok-ku-crl-sign.der", "svid: key usage may sign certificates or CRLs" },
	{ "ok-ku-encipherment-only.der", "svid: key usage lacks digitalSignature" },
	{ "ok-ku-not-critical.der", "svid: key usage is not critical" },
	{ "ok-leaf.der", "ok" },
	{ "ok-name-constraints.der", "svid: unknown critical extension" },
	{ "ok-no-bc.der", "ok" },
	{ "ok-no-eku.der", "ok" },
	{ "ok-no-extensions.der", "svid: not exactly one URI name" },
	{ "ok-no-ku.der", "svid: no key usage" },
	{ "ok-no-path.der", "spiffe: ID of a workload has no path" },
	{ "ok-no-san.der", "svid: not exactly one URI name" },
	{ "ok-no-uri.der", "svid: not exactly one URI name" },
	{ "ok-other-domain.der", "svid: of another trust domain" },
	{ "ok-plain.der", "ok" },
	{ "ok-root-ed25519.der", "svid: not exactly one URI name" },
	{ "ok-root-p256.der", "svid: not exactly one URI name" },
	{ "ok-root-p384.der", "svid: not exactly one URI name" },
	{ "ok-root-rsa2048.der", "svid: not exactly one URI name" },
	{ "ok-san-not-critical-subject.der", "ok" },
	{ "ok-san-not-critical.der", "svid: subject is empty and the name is not critical" },
	{ "ok-serial-1.der", "ok" },
	{ "ok-serial-20.der", "ok" },
	{ "ok-strange.der", "svid: not exactly one URI name" },
	{ "ok-two-uris.der", "svid: not exactly one URI name" },
	{ "ok-unknown-critical.der", "svid: unknown critical extension" },
	{ "ok-unknown-not-critical.der", "ok" },
};

static void test_refuses_for_the_right_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		AUTO(buf) struct buf der = file_read("cert", refused[i].file);
		struct cert cert = { .path_len = 42 };
		struct err e = cert_parse(buf_view(&der), &cert);

		if (e.code != ERR_INVALID_ARGUMENT) fail_msg("%s: code %d", refused[i].file, (int)e.code);
		if (strncmp(e.reason, refused[i].why, strlen(refused[i].why)) != 0)
			fail_msg("%s: %s", refused[i].file, e.reason);
		assert_int_equal(cert.path_len, 42);
	}
}

static void test_svid_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(svids); i++) {
		AUTO(buf) struct buf der = file_read("cert", svids[i].file);
		bool good = strcmp(svids[i].why, "ok") == 0;
		struct cert cert;
		struct err e;

		if (cert_parse(buf_view(&der), &cert).code != ERR_OK) fail_msg("%s is not parsed", svids[i].file);
		e = cert_svid_check(&cert, "td.example");
		if (e.code != (good ? ERR_OK : ERR_INVALID_ARGUMENT)) fail_msg("%s: %s", svids[i].file, e.reason);
		if (strcmp(e.reason, svids[i].why) != 0) fail_msg("%s: %s", svids[i].file, e.reason);
		assert_int_equal(cert_svid_check(&cert, "td.example2").code, ERR_INVALID_ARGUMENT);
		assert_int_equal(cert_svid_check(&cert, "td.exampl").code, ERR_INVALID_ARGUMENT);
		assert_int_equal(cert_svid_check(&cert, "").code, ERR_INVALID_ARGUMENT);
	}
}

static void test_fields_of_a_leaf(void **state)
{
	AUTO(buf) struct buf der = file_read("cert", "ok-leaf.der");
	struct cert c;
	struct bytes san, value;
	unsigned tag;

	(void)state;
	assert_int_equal(cert_parse(buf_view(&der), &c).code, ERR_OK);
	assert_int_equal(c.serial.len, 20);
	assert_int_equal(c.serial.data[0], 0x7f);
	assert_true(c.subject_empty && c.has_san && c.san_critical && c.has_basic_constraints && c.basic_constraints_critical);
	assert_true(!c.ca && c.path_len == -1 && c.has_key_usage && c.key_usage_critical && !c.unknown_critical);
	assert_int_equal(c.key_usage, CERT_KU_DIGITAL_SIGNATURE);
	assert_true(c.has_ext_key_usage && c.eku_server && c.eku_client && !c.eku_any);
	assert_int_equal(c.uri_count, 1);
	assert_int_equal(c.dns_count, 1);
	assert_int_equal(c.ip_count + c.other_name_count, 0);
	assert_true(bytes_is(c.uri, "spiffe://td.example/ns/a/sa/b"));
	assert_int_equal(c.ski.len, 20);
	assert_int_equal(c.aki.len, 20);
	assert_int_equal(c.not_after - c.not_before, 2 * 86400);
	assert_int_equal(c.key.type, KEY_P256);
	san = c.san;
	assert_int_equal(cert_san_next(&san, &tag, &value).code, ERR_OK);
	assert_int_equal(tag, 6);
	assert_int_equal(cert_san_next(&san, &tag, &value).code, ERR_OK);
	assert_true(tag == 2 && bytes_is(value, "a.example"));
	assert_int_equal(cert_san_next(&san, &tag, &value).code, ERR_NOT_FOUND);
}

static void test_fields_of_a_root(void **state)
{
	AUTO(buf) struct buf der = file_read("cert", "ok-root-rsa2048.der");
	struct cert c;

	(void)state;
	assert_int_equal(cert_parse(buf_view(&der), &c).code, ERR_OK);
	assert_true(c.ca && c.path_len == 3 && c.basic_constraints_critical && !c.has_san && !c.has_ext_key_usage);
	assert_int_equal(c.key_usage, CERT_KU_KEY_CERT_SIGN | CERT_KU_CRL_SIGN);
	assert_true(bytes_equal(c.issuer, c.subject) && !c.subject_empty);
	assert_true(bytes_equal(c.ski, c.aki));
	assert_int_equal(c.key.type, KEY_RSA);
	assert_int_equal(c.key.bits, 2048);
}

static void test_length_limits(void **state)
{
	static uint8_t big[CERT_DER_MAX + 1] = { 0x30, 0x82, 0x3f, 0xfd };
	struct cert c;

	(void)state;
	assert_string_equal(cert_parse(BYTES_NONE, &c).reason, "cert: length out of range");
	assert_string_equal(cert_parse(BYTES(big, sizeof(big)), &c).reason, "cert: length out of range");
	assert_string_equal(cert_parse(BYTES(big, sizeof(big) - 1), &c).reason, "der: value is truncated");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_for_the_right_reason),
		cmocka_unit_test(test_svid_rules),
		cmocka_unit_test(test_fields_of_a_leaf),
		cmocka_unit_test(test_fields_of_a_root),
		cmocka_unit_test(test_length_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
