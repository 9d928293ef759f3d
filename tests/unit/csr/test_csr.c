#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "csr/csr.h"
#include "csr/files.h"
#include "der/pem.h"

/* tests/data/make-csr.py makes the files.  `why` is what the reason starts with: refused, and for this reason. */
static const struct {
	const char *file, *why;
} refused[] = {
	{ "bad-33-extensions.der", "x509: too many extensions or attributes" },
	{ "bad-65-names.der", "csr: too many subject alternative names" },
	{ "bad-alg-of-rsa.der", "key: " },
	{ "bad-alg-with-null.der", "key: " },
	{ "bad-attribute-no-value.der", "csr: attribute without a value" },
	{ "bad-attribute-twice.der", "x509: extension or attribute given twice" },
	{ "bad-attributes-missing.der", "der: truncated" },
	{ "bad-attributes-trailing.der", "der: trailing bytes" },
	{ "bad-big.der", "csr: length out of range" },
	{ "bad-certificate.der", "der: unexpected type" },
	{ "bad-challenge-twice.der", "x509: extension or attribute given twice" },
	{ "bad-compressed-point.der", "key: " },
	{ "bad-critical-ber.der", "der: BOOLEAN is malformed" },
	{ "bad-critical-false.der", "x509: critical FALSE is encoded" },
	{ "bad-cut.der", "der: value is truncated" },
	{ "bad-empty.der", "csr: length out of range" },
	{ "bad-explicit.der", "key: " },
	{ "bad-extension-oid-cut.der", "x509: OID is cut off" },
	{ "bad-extension-twice.der", "x509: extension or attribute given twice" },
	{ "bad-extensions-empty.der", "csr: list of extensions is empty" },
	{ "bad-indefinite.der", "der: indefinite length" },
	{ "bad-info-twice.der", "der: unexpected type" },
	{ "bad-length-not-minimal.der", "der: length is not minimal" },
	{ "bad-md5-rsa.der", "key: " },
	{ "bad-other-extension-twice.der", "x509: extension or attribute given twice" },
	{ "bad-other-key.der", "key: " },
	{ "bad-p521-sha512.der", "csr: P-521 is for JSON web keys only" },
	{ "bad-p521.der", "csr: P-521 is for JSON web keys only" },
	{ "bad-point-hybrid.der", "key: " },
	{ "bad-point-infinity.der", "key: " },
	{ "bad-point-off-curve.der", "key: " },
	{ "bad-rsa1024.der", "key: " },
	{ "bad-san-empty.der", "csr: subject alternative name is empty" },
	{ "bad-san-ip-0.der", "x509: IP address is neither 4 nor 16 octets" },
	{ "bad-san-ip-5.der", "x509: IP address is neither 4 nor 16 octets" },
	{ "bad-san-ip-8-mask.der", "x509: IP address is neither 4 nor 16 octets" },
	{ "bad-san-latin1-dns.der", "x509: subject alternative name is not ASCII" },
	{ "bad-san-nul-in-dns.der", "x509: NUL in a subject alternative name" },
	{ "bad-san-nul-in-email.der", "x509: NUL in a subject alternative name" },
	{ "bad-san-nul-in-uri.der", "x509: NUL in a subject alternative name" },
	{ "bad-san-other-name-bare.der", "der: unexpected type" },
	{ "bad-san-other-name-pdv.der", "x509: type is not supported" }, /* found by fuzz_csr */
	{ "bad-san-tag-9.der", "x509: unknown kind of subject alternative name" },
	{ "bad-san-trailing.der", "der: trailing bytes" },
	{ "bad-san-uri-constructed.der", "x509: unknown kind of subject alternative name" },
	{ "bad-san-utf8-uri.der", "x509: subject alternative name is not ASCII" },
	{ "bad-san-x400.der", "x509: unknown kind of subject alternative name" },
	{ "bad-secp256k1.der", "key: " },
	{ "bad-sequence-only.der", "der: truncated" },
	{ "bad-set-for-sequence.der", "der: unexpected type" },
	{ "bad-sha1-rsa.der", "key: " },
	{ "bad-sha1.der", "key: " },
	{ "bad-signature-empty.der", "der: truncated" },
	{ "bad-signature-unused-bits.der", "der: BIT STRING is not whole octets" },
	{ "bad-signature.der", "key: " },
	{ "bad-signed-part.der", "key: " },
	{ "bad-subject-bad-utf8.der", "x509: malformed string in a name" },
	{ "bad-subject-empty-set.der", "x509: empty set in a name" },
	{ "bad-subject-integer.der", "x509: malformed string in a name" },
	{ "bad-subject-latin1-printable.der", "x509: malformed string in a name" },
	{ "bad-subject-no-value.der", "der: truncated" },
	{ "bad-subject-odd-bmp.der", "x509: malformed string in a name" },
	{ "bad-subject-set-order.der", "x509: set in a name is not in DER order" },
	{ "bad-trailing-byte.der", "der: trailing bytes" },
	{ "bad-trailing-inside.der", "der: trailing bytes" },
	{ "bad-two-extension-lists.der", "der: trailing bytes" },
	{ "bad-uninteresting-tag.der", "der: unexpected type" },
	{ "bad-version-2.der", "csr: not version 1" },
	{ "bad-version-long.der", "der: INTEGER is not minimal" },
	{ "bad-version-missing.der", "der: unexpected type" },
};

static const struct {
	const char *file;
	enum key_type key;
	enum csr_subject subject;
	size_t sans, other_extensions, other_attributes;
} accepted[] = {
	{ "ok-pilot-agent.der", KEY_P256, CSR_SUBJECT_EMPTY_ORG, 1, 0, 0 }, /* facts: istio.md 2, a zero-length `O=` */
	{ "ok-ztunnel.der", KEY_P256, CSR_SUBJECT_EMPTY, 1, 0, 0 },
	{ "ok-empty-org-utf8.der", KEY_P256, CSR_SUBJECT_EMPTY_ORG, 1, 0, 0 },
	{ "ok-empty-subject.der", KEY_P256, CSR_SUBJECT_EMPTY, 1, 0, 0 },
	{ "ok-p256.der", KEY_P256, CSR_SUBJECT_OTHER, 1, 0, 0 },
	{ "ok-p256-sha512.der", KEY_P256, CSR_SUBJECT_OTHER, 1, 0, 0 },
	{ "ok-p384.der", KEY_P384, CSR_SUBJECT_OTHER, 1, 0, 0 },
	{ "ok-p384-sha384.der", KEY_P384, CSR_SUBJECT_EMPTY, 1, 0, 0 },
	{ "ok-rsa2048.der", KEY_RSA, CSR_SUBJECT_OTHER, 1, 0, 0 },
	{ "ok-ed25519.der", KEY_ED25519, CSR_SUBJECT_OTHER, 1, 0, 0 },
	{ "ok-names.der", KEY_P256, CSR_SUBJECT_OTHER, 9, 2, 0 },
	{ "ok-64-names.der", KEY_P256, CSR_SUBJECT_EMPTY, 64, 0, 0 },
	{ "ok-no-attributes.der", KEY_P256, CSR_SUBJECT_EMPTY, 0, 0, 0 },
	{ "ok-challenge.der", KEY_P256, CSR_SUBJECT_EMPTY, 1, 0, 1 },
	{ "ok-other-extensions.der", KEY_P256, CSR_SUBJECT_EMPTY, 1, 2, 0 },
	/* names where only some signers look for them: not taken for names, but seen */
	{ "ok-ms-extensions.der", KEY_P256, CSR_SUBJECT_EMPTY, 0, 0, 1 },
};

static int make_verifier(void **state)
{
	struct key_verifier *v = NULL;

	if (key_verifier_new(&v).code != ERR_OK) return -1;
	*state = v;
	return 0;
}

static int free_verifier(void **state)
{
	key_verifier_free(*state);
	return 0;
}

static void test_accepts_and_tells_the_facts(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(accepted); i++) {
		AUTO(buf) struct buf der = file_read("csr", accepted[i].file);
		AUTO(csr) struct csr *csr = NULL;
		struct err e = csr_parse(buf_view(&der), *state, &csr);

		if (e.code != ERR_OK) fail_msg("%s: %s", accepted[i].file, e.reason);
		assert_int_equal(csr_key(csr)->type, accepted[i].key);
		assert_int_equal(csr_subject(csr), accepted[i].subject);
		assert_int_equal(csr_san_count(csr), accepted[i].sans);
		assert_int_equal(csr_other_extensions(csr), accepted[i].other_extensions);
		assert_int_equal(csr_other_attributes(csr), accepted[i].other_attributes);
		assert_true(bytes_equal(csr_der(csr), buf_view(&der)));
	}
}

static void test_refuses_for_the_right_reason(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		AUTO(buf) struct buf der = file_read("csr", refused[i].file);
		struct csr *csr = (struct csr *)&der; /* must stay as it is */
		struct err e = csr_parse(buf_view(&der), *state, &csr);

		if (e.code != ERR_INVALID_ARGUMENT) fail_msg("%s: code %d", refused[i].file, (int)e.code);
		if (strncmp(e.reason, refused[i].why, strlen(refused[i].why)) != 0)
			fail_msg("%s: %s", refused[i].file, e.reason);
		assert_ptr_equal(csr, &der);
	}
}

static void test_names_are_told_in_order_with_their_kind(void **state)
{
	static const struct {
		enum csr_san_kind kind;
		const char *value;
		size_t len;
	} want[] = {
		{ CSR_SAN_URI, "spiffe://td.example/ns/a/sa/b", 29 },
		{ CSR_SAN_DNS, "a.example", 9 },
		{ CSR_SAN_DNS, "b.example", 9 },
		{ CSR_SAN_IP, "\xc0\x00\x02\x01", 4 },
		{ CSR_SAN_IP, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16 },
	};
	AUTO(buf) struct buf der = file_read("csr", "ok-names.der");
	AUTO(csr) struct csr *csr = NULL;

	assert_int_equal(csr_parse(buf_view(&der), *state, &csr).code, ERR_OK);
	buf_wipe(&der); /* a csr owns its copy */
	for (size_t i = 0; i < csr_san_count(csr); i++) {
		struct csr_san san = csr_san(csr, i);

		assert_int_equal(san.kind, i < ARRAY_LEN(want) ? want[i].kind : CSR_SAN_OTHER);
		if (i < ARRAY_LEN(want)) assert_true(bytes_equal(san.value, BYTES(want[i].value, want[i].len)));
	}
}

static void test_length_limits(void **state)
{
	static uint8_t big[1 << 20];
	static const size_t lengths[] = { 0, CSR_DER_MAX + 1, sizeof(big) };
	AUTO(csr) struct csr *csr = NULL;

	memset(big, 'A', sizeof(big));
	memcpy(big, "\x30\x83\x0f\xff\xfb", 5); /* one SEQUENCE of 1 MiB */
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		assert_string_equal(csr_parse(BYTES(big, lengths[i]), *state, &csr).reason, "csr: length out of range");
	memcpy(big, "-----BEGIN CERTIFICATE REQUEST-----\n", 36);
	memcpy(big + sizeof(big) - 35, "\n-----END CERTIFICATE REQUEST-----\n", 35);
	assert_string_equal(csr_parse_pem(BYTES(big, sizeof(big)), *state, &csr).reason, "csr: not properly encoded PEM");
	assert_null(csr);
}

/* Every prefix and every single changed bit of a request is refused: all of it is signed, a signature or its frame. */
static void test_any_change_to_a_request_is_refused(void **state)
{
	AUTO(buf) struct buf der = file_read("csr", "ok-pilot-agent.der");
	struct csr *csr = NULL;

	for (size_t n = 0; n < der.len; n++)
		assert_int_equal(csr_parse(BYTES(der.data, n), *state, &csr).code, ERR_INVALID_ARGUMENT);
	for (size_t bit = 0; bit < der.len * 8; bit++) {
		der.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(csr_parse(buf_view(&der), *state, &csr).code, ERR_INVALID_ARGUMENT);
		der.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_null(csr);
}

static struct err parse_text(struct key_verifier *v, const struct buf *text)
{
	AUTO(csr) struct csr *csr = NULL;
	struct err e = csr_parse_pem(buf_view(text), v, &csr);

	assert_int_equal(e.code == ERR_OK, csr != NULL);
	return e;
}

static void test_pem_of_real_clients(void **state)
{
	static const char *const labels[] = { "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", "X" }; /* istio.md 1: any label */
	AUTO(buf) struct buf agent = file_read("csr", "ok-pilot-agent.pem"), ztunnel = file_read("csr", "ok-ztunnel.pem");
	AUTO(buf) struct buf der = file_read("csr", "ok-ztunnel.der"), crlf = { .max = CSR_PEM_MAX };

	assert_int_equal(parse_text(*state, &agent).code, ERR_OK);
	assert_int_equal(parse_text(*state, &ztunnel).code, ERR_OK);
	for (size_t i = 0; i < agent.len; i++) {
		if (agent.data[i] == '\n') assert_int_equal(buf_put_str(&crlf, "\r").code, ERR_OK);
		assert_int_equal(buf_put(&crlf, agent.data + i, 1).code, ERR_OK);
	}
	assert_int_equal(parse_text(*state, &crlf).code, ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) {
		AUTO(buf) struct buf text = { .max = CSR_PEM_MAX };

		assert_int_equal(pem_put(&text, labels[i], buf_view(&der)).code, ERR_OK);
		assert_int_equal(parse_text(*state, &text).code, ERR_OK);
	}
}

static void test_pem_that_is_not_exactly_one_block(void **state)
{
	static const char *const bad[] = { "", "x", "-----BEGIN CERTIFICATE REQUEST-----\n", "-----BEGIN X-----\n-----END X-----\n" };
	AUTO(buf) struct buf one = file_read("csr", "ok-ztunnel.pem"), two = { .max = CSR_PEM_MAX }, raw = file_read("csr", "ok-ztunnel.der");
	AUTO(buf) struct buf junk = { .max = CSR_PEM_MAX };

	assert_int_equal(buf_put(&two, one.data, one.len).code, ERR_OK);
	assert_int_equal(buf_put(&two, one.data, one.len).code, ERR_OK);
	assert_int_equal(buf_put(&junk, one.data, one.len).code, ERR_OK);
	assert_int_equal(buf_put_str(&junk, "x").code, ERR_OK);
	assert_string_equal(parse_text(*state, &two).reason, "csr: not properly encoded PEM");
	assert_string_equal(parse_text(*state, &junk).reason, "csr: not properly encoded PEM");
	assert_string_equal(parse_text(*state, &raw).reason, "csr: not properly encoded PEM");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct csr *csr = NULL;

		assert_string_equal(csr_parse_pem(bytes_str(bad[i]), *state, &csr).reason, "csr: not properly encoded PEM");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts_and_tells_the_facts),
		cmocka_unit_test(test_refuses_for_the_right_reason),
		cmocka_unit_test(test_names_are_told_in_order_with_their_kind),
		cmocka_unit_test(test_length_limits),
		cmocka_unit_test(test_any_change_to_a_request_is_refused),
		cmocka_unit_test(test_pem_of_real_clients),
		cmocka_unit_test(test_pem_that_is_not_exactly_one_block),
	};

	return cmocka_run_group_tests(tests, make_verifier, free_verifier);
}
