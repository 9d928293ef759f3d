/* proto/decode.h: requests written by other implementations are read, everything malformed or oversized is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/own.h"
#include "proto/decode.h"
#include "proto/istio_ca.pb-c.h"

#define PEM "-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n"

static struct bytes load(const char *name, uint8_t *data, size_t size)
{
	char path[128];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "tests/data/proto/%s.bin", name);
	f = fopen(path, "rb");
	if (f == NULL) fail_msg("%s", path);
	len = fread(data, 1, size, f);
	fclose(f);
	return BYTES(data, len);
}

/* Written by tests/data/proto/make.py with Google's protobuf and the real google.protobuf.Struct. */
static const struct {
	const char *file;
	int64_t seconds;
	const char *cert_signer, *identity;
} vectors[] = {
	{ "pilot-agent", 86400, "", "" },
	{ "ztunnel", 86400, "", "spiffe://cluster.local/ns/a/sa/b" },
	{ "both", 86400, "signet.example/mesh", "spiffe://td/ns/x/sa/y" },
	{ "kinds", 86400, "", "" },
	{ "struct", 86400, "", "" },
	{ "unicode", 86400, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x94\x91", "" },
	{ "negative", -1, "", "" },
	{ "largest", INT64_MAX, "", "" },
	{ "no-metadata", 0, "", "" },
	{ "nested-1000", 86400, "", "" },
};

static void reads_what_googles_protobuf_writes(void **state)
{
	static uint8_t data[PROTO_ISTIO_MESSAGE_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct proto_istio_request r = { 0 };
		struct err e = proto_istio_request(load(vectors[i].file, data, sizeof(data)), &r);

		if (e.code != ERR_OK) fail_msg("%s: %s", vectors[i].file, e.reason);
		if (!bytes_is(r.csr, PEM) || r.validity_seconds != vectors[i].seconds ||
		    !bytes_is(r.cert_signer, vectors[i].cert_signer) ||
		    !bytes_is(r.impersonated_identity, vectors[i].identity))
			fail_msg("%s: fields differ", vectors[i].file);
	}
}

#define TEXT(s) { (const uint8_t *)(s), sizeof(s) - 1 }
#define SIGNER "\x0a\x0a" "CertSigner"

static const struct {
	const char *name;
	struct bytes msg;
	enum err_code want;
	const char *csr, *cert_signer;
} wire_cases[] = {
	{ "accepts_the_empty_message", { NULL, 0 }, ERR_OK, "", "" },
	{ "accepts_last_of_a_repeated_scalar", TEXT("\x0a\x01" "a\x0a\x01" "b"), ERR_OK, "b", "" },
	{ "accepts_unknown_fields_of_each_type", TEXT("\x10\x01\x29" "12345678" "\x32\x02zz\x3d" "1234" "\x0a\x01" "a"), ERR_OK, "a", "" },
	{ "accepts_largest_field_number", TEXT("\xf8\xff\xff\xff\x0f\x01\x0a\x01" "a"), ERR_OK, "a", "" },
	{ "accepts_tag_with_padding", TEXT("\x8a\x80\x80\x80\x00\x01" "a"), ERR_OK, "a", "" },
	{ "accepts_length_with_padding", TEXT("\x0a\x81\x80\x80\x80\x00" "a"), ERR_OK, "a", "" },
	{ "reads_string_value", TEXT("\x22\x13\x0a\x11" SIGNER "\x12\x03\x1a\x01x"), ERR_OK, "", "x" },
	{ "reads_value_before_key", TEXT("\x22\x13\x0a\x11\x12\x03\x1a\x01x" SIGNER), ERR_OK, "", "x" },
	{ "reads_bool_after_string_as_empty", TEXT("\x22\x15\x0a\x13" SIGNER "\x12\x05\x1a\x01x\x20\x01"), ERR_OK, "", "" },
	{ "reads_string_after_bool", TEXT("\x22\x15\x0a\x13" SIGNER "\x12\x05\x20\x01\x1a\x01x"), ERR_OK, "", "x" },
	{ "reads_number_as_empty", TEXT("\x22\x19\x0a\x17" SIGNER "\x12\x09\x11" "12345678"), ERR_OK, "", "" },
	{ "reads_struct_as_empty", TEXT("\x22\x13\x0a\x11" SIGNER "\x12\x03\x2a\x01\xff"), ERR_OK, "", "" },
	{ "reads_list_as_empty", TEXT("\x22\x13\x0a\x11" SIGNER "\x12\x03\x32\x01\xff"), ERR_OK, "", "" },
	{ "reads_missing_value_as_empty", TEXT("\x22\x0e\x0a\x0c" SIGNER), ERR_OK, "", "" },
	{ "lets_the_last_entry_of_a_key_win",
	  TEXT("\x22\x26\x0a\x11" SIGNER "\x12\x03\x1a\x01x" "\x0a\x11" SIGNER "\x12\x03\x1a\x01y"), ERR_OK, "", "y" },
	{ "lets_the_last_entry_win_also_when_it_is_no_string",
	  TEXT("\x22\x26\x0a\x11" SIGNER "\x12\x03\x1a\x01x" "\x0a\x11" SIGNER "\x12\x03\x2a\x01y"), ERR_OK, "", "" },
	{ "rejects_metadata_that_comes_twice",
	  TEXT("\x22\x13\x0a\x11" SIGNER "\x12\x03\x1a\x01x" "\x22\x05\x0a\x03\x0a\x01k"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_empty_metadata_that_comes_twice", TEXT("\x22\x00\x22\x00"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_value_that_comes_twice",
	  TEXT("\x22\x15\x0a\x13" SIGNER "\x12\x03\x1a\x01x\x12\x00"), ERR_INVALID_ARGUMENT, "", "" },
	{ "does_not_match_a_longer_key",
	  TEXT("\x22\x14\x0a\x12\x0a\x0b" "CertSignerX" "\x12\x03\x1a\x01x"), ERR_OK, "", "" },
	{ "does_not_match_another_case",
	  TEXT("\x22\x13\x0a\x11\x0a\x0a" "certSigner" "\x12\x03\x1a\x01x"), ERR_OK, "", "" },
	{ "rejects_field_zero", TEXT("\x02\x01" "a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_field_number_over_29_bits", TEXT("\xfa\xff\xff\xff\x1f\x00"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_tag_of_six_bytes", TEXT("\x8a\x80\x80\x80\x80\x00\x01" "a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_lone_tag", TEXT("\x0a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_truncated_tag", TEXT("\x8a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_length_past_the_end", TEXT("\x0a\x02" "a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_huge_length", TEXT("\x0a\xff\xff\xff\xff\x7f" "a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_length_of_six_bytes", TEXT("\x0a\x81\x80\x80\x80\x80\x00" "a"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_varint_of_eleven_bytes", TEXT("\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_varint_over_64_bits", TEXT("\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_truncated_varint", TEXT("\x18\x80"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_group", TEXT("\x2b\x2c"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_end_of_group", TEXT("\x2c"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_wire_type_6", TEXT("\x2e"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_truncated_fixed64", TEXT("\x29" "1234567"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_truncated_fixed32", TEXT("\x2d" "123"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_csr_as_varint", TEXT("\x08\x01"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_validity_as_string", TEXT("\x1a\x01" "1"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_validity_as_fixed64", TEXT("\x19" "12345678"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_metadata_as_varint", TEXT("\x20\x01"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_string_value_as_varint", TEXT("\x22\x12\x0a\x10" SIGNER "\x12\x02\x18\x01"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_nul_in_csr", TEXT("\x0a\x02" "a\0"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_bad_utf8_in_csr", TEXT("\x0a\x01\x80"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_nul_in_key", TEXT("\x22\x0f\x0a\x0d\x0a\x0b" "CertSigner\0"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_bad_utf8_in_key", TEXT("\x22\x05\x0a\x03\x0a\x01\xff"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_bad_utf8_in_any_value", TEXT("\x22\x07\x0a\x05\x12\x03\x1a\x01\xff"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_entry_past_the_end_of_metadata", TEXT("\x22\x02\x0a\x03xxx"), ERR_INVALID_ARGUMENT, "", "" },
	{ "rejects_value_past_the_end_of_its_entry", TEXT("\x22\x04\x0a\x02\x12\x03xxx"), ERR_INVALID_ARGUMENT, "", "" },
};

static void follows_the_wire_format_strictly(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wire_cases); i++) {
		struct proto_istio_request r = { 0 };

		if (proto_istio_request(wire_cases[i].msg, &r).code != wire_cases[i].want) fail_msg("%s", wire_cases[i].name);
		if (!bytes_is(r.csr, wire_cases[i].csr) || !bytes_is(r.cert_signer, wire_cases[i].cert_signer))
			fail_msg("%s: fields differ", wire_cases[i].name);
	}
}

/* protobuf-c writes it, we read it: `csr_len` bytes of CSR and `entries` of metadata. */
static enum err_code decode_sized(size_t csr_len, size_t entries)
{
	static char csr[PROTO_ISTIO_MESSAGE_MAX];
	static uint8_t msg[2 * PROTO_ISTIO_MESSAGE_MAX];
	static Istio__V1__Auth__Entry entry = ISTIO__V1__AUTH__ENTRY__INIT, *list[PROTO_ISTIO_METADATA_MAX + 1];
	Istio__V1__Auth__Metadata metadata = ISTIO__V1__AUTH__METADATA__INIT;
	Istio__V1__Auth__IstioCertificateRequest req = ISTIO__V1__AUTH__ISTIO_CERTIFICATE_REQUEST__INIT;
	struct proto_istio_request out;

	memset(csr, 'A', csr_len);
	csr[csr_len] = '\0';
	for (size_t i = 0; i < entries; i++) list[i] = &entry;
	metadata.n_fields = entries;
	metadata.fields = list;
	req.csr = csr;
	req.metadata = &metadata;
	return proto_istio_request(BYTES(msg, istio__v1__auth__istio_certificate_request__pack(&req, msg)), &out).code;
}

static void holds_its_bounds(void **state)
{
	static uint8_t padding[PROTO_ISTIO_MESSAGE_MAX + 2];
	struct proto_istio_request out;

	(void)state;
	assert_int_equal(decode_sized(PROTO_ISTIO_CSR_MAX, 0), ERR_OK);
	assert_int_equal(decode_sized(PROTO_ISTIO_CSR_MAX + 1, 0), ERR_INVALID_ARGUMENT);
	assert_int_equal(decode_sized(1, PROTO_ISTIO_METADATA_MAX), ERR_OK);
	assert_int_equal(decode_sized(1, PROTO_ISTIO_METADATA_MAX + 1), ERR_INVALID_ARGUMENT);
	for (size_t i = 0; i < sizeof(padding); i += 2) padding[i] = 0x10; /* field 2 = 0, over and over */
	assert_int_equal(proto_istio_request(BYTES(padding, PROTO_ISTIO_MESSAGE_MAX), &out).code, ERR_OK);
	assert_int_equal(proto_istio_request(BYTES(padding, sizeof(padding)), &out).code, ERR_INVALID_ARGUMENT);
}

/* Put `tag` and a length of three bytes, for all that is from `at` to `end`, in front of it. */
static uint8_t *wrap(uint8_t *at, const uint8_t *end, uint8_t tag)
{
	size_t len = (size_t)(end - at);

	*--at = (uint8_t)(len >> 14);
	*--at = (uint8_t)(len >> 7) | 0x80;
	*--at = (uint8_t)len | 0x80;
	*--at = tag;
	return at;
}

/* A Struct that holds itself thousands of times over, each level entry { value { struct { ... } } }, written from the
 * inside out: 15 000 sub-messages inside each other.  A recursive reader would need its stack; ours skips it whole. */
static void skips_deep_nesting_in_linear_time(void **state)
{
	static uint8_t msg[PROTO_ISTIO_MESSAGE_MAX];
	const uint8_t *end = msg + sizeof(msg);
	uint8_t *at = msg + sizeof(msg);
	struct proto_istio_request out;
	int64_t began;

	(void)state;
	for (size_t i = 0; i < 5000; i++) at = wrap(wrap(wrap(at, end, 0x2a), end, 0x12), end, 0x0a);
	at = wrap(at, end, 0x22);
	began = clock_mono_us();
	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(proto_istio_request(BYTES(at, (size_t)(end - at)), &out).code, ERR_OK);
	assert_true(clock_mono_us() - began < 1000000); /* 1 ms each is already a hundred times too slow */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_googles_protobuf_writes),
		cmocka_unit_test(follows_the_wire_format_strictly),
		cmocka_unit_test(holds_its_bounds),
		cmocka_unit_test(skips_deep_nesting_in_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
