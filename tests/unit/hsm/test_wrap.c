/* Secrets at rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "hsm/hsm.h"

static const struct hsm_kek kek = { { 7, 7, 7 } };
static const char secret_text[] = "the octets of a private key";

static void make_blob(struct buf *blob)
{
	assert_int_equal(hsm_wrap(&kek, "ca-key", bytes_str(secret_text), blob).code, ERR_OK);
}

static void expect_lost(const char *what, const struct hsm_kek *with, const char *label, struct bytes blob)
{
	AUTO(buf_wipe) struct buf secret = { .max = HSM_SECRET_MAX };
	struct err e = hsm_unwrap(with, label, blob, &secret);

	if (e.code != ERR_DATA_LOSS || secret.len != 0) fail_msg("%s: %s", what, e.reason);
	for (size_t i = 0; secret.data != NULL && i < sizeof(secret_text) - 1 && i + HSM_WRAP_OVERHEAD < blob.len; i++)
		if (secret.data[i] != 0) fail_msg("%s: plain text left behind", what);
}

static void wrapped_secret_opens_again_under_key_and_label(void **state)
{
	AUTO(buf) struct buf blob = { .max = 1024 };
	AUTO(buf_wipe) struct buf secret = { .max = 1024 };

	(void)state;
	make_blob(&blob);
	assert_int_equal(blob.len, strlen(secret_text) + HSM_WRAP_OVERHEAD);
	assert_int_equal(buf_put_str(&secret, "kept:").code, ERR_OK);
	assert_int_equal(hsm_unwrap(&kek, "ca-key", buf_view(&blob), &secret).code, ERR_OK);
	assert_true(bytes_is(buf_view(&secret), "kept:the octets of a private key"));
}

/* HKDF-SHA256 and AES-256-GCM as docs/protocols/key-at-rest.md says, computed computed by Python's hmac 38. */
static void the_documented_format_is_read(void **state)
{
	static const char hex[] = 
		"53474e4b01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fda2dcd590c9f37682b2bce"
		"9cb45cdf7b4fd490d33108621f90fa2dfb018dcf8d1d5913d45524fbc21f9864";
	uint8_t blob[sizeof(hex) / 2];
	AUTO(buf_wipe) struct buf secret = { .max = 1024 };

	(void)state;
	assert_int_equal(bytes_unhex(bytes_str(hex), blob).code, ERR_OK);
	assert_int_equal(hsm_unwrap(&kek, "ca-key", BYTES(blob, sizeof(hex) / 2), &secret).code, ERR_OK);
	assert_true(bytes_is(buf_view(&secret), secret_text));
}

static void two_wraps_of_one_secret_share_nothing(void **state)
{
	AUTO(buf) struct buf a = { .max = 1024 };
	AUTO(buf) struct buf b = { .max = 1024 };
	size_t equal = 0;

	(void)state;
	make_blob(&a);
	make_blob(&b);
	for (size_t i = 5; i < a.len; i++) equal += a.data[i] == b.data[i];
	assert_true(equal < 16);
}

static void every_changed_bit_is_data_loss(void **state)
{
	AUTO(buf) struct buf blob = { .max = 1024 };

	(void)state;
	make_blob(&blob);
	for (size_t i = 0; i < blob.len * 8; i++) {
		blob.data[i / 8] = (uint8_t)(blob.data[i / 8] ^ (1 << i % 8));
		expect_lost("flipped bit", &kek, "ca-key", buf_view(&blob));
		blob.data[i / 8] = (uint8_t)(blob.data[i / 8] ^ (1 << i % 8));
	}
}

static void other_lengths_keys_and_labels_are_data_loss(void **state)
{
	static const char *const labels[] = { "", "ca-ke", "ca-key2", "CA-key", "ca-key\n",
		                              "a label that is much longer than any label may be, by this one letter" };
	const struct hsm_kek other = { { 7, 7, 8 } };
	AUTO(buf) struct buf blob = { .max = 1024 };

	(void)state;
	make_blob(&blob);
	for (size_t n = 0; n < blob.len; n++) expect_lost("cut", &kek, "ca-key", BYTES(blob.data, n));
	assert_int_equal(buf_put(&blob, "", 1).code, ERR_OK);
	expect_lost("longer", &kek, "ca-key", buf_view(&blob));
	blob.len--;
	expect_lost("other key", &other, "ca-key", buf_view(&blob));
	for (size_t i = 0; i < ARRAY_LEN(labels); i++) expect_lost(labels[i], &kek, labels[i], buf_view(&blob));
}

static void bounds_hold_and_a_refused_wrap_appends_nothing(void **state)
{
	static uint8_t large[HSM_SECRET_MAX + 1];
	AUTO(buf) struct buf blob = { .max = HSM_SECRET_MAX + HSM_WRAP_OVERHEAD };
	AUTO(buf) struct buf tight = { .max = HSM_WRAP_OVERHEAD };
	char label[HSM_LABEL_MAX + 2];

	(void)state;
	memset(label, 'l', sizeof(label));
	label[HSM_LABEL_MAX + 1] = '\0';
	assert_int_equal(hsm_wrap(&kek, label, BYTES(large, 1), &blob).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(hsm_wrap(&kek, "", BYTES(large, 1), &blob).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(hsm_wrap(&kek, "x", BYTES(large, 0), &blob).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(hsm_wrap(&kek, "x", BYTES(large, sizeof(large)), &blob).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(hsm_wrap(&kek, "x", BYTES(large, 1), &tight).code, ERR_RESOURCE_EXHAUSTED);
	assert_int_equal(blob.len + tight.len, 0);
	label[HSM_LABEL_MAX] = '\0';
	assert_int_equal(hsm_wrap(&kek, label, BYTES(large, HSM_SECRET_MAX), &blob).code, ERR_OK);
	assert_int_equal(blob.len, HSM_SECRET_MAX + HSM_WRAP_OVERHEAD);
}

/* HKDF-SHA256 of 32 octets 0x0b, no salt, info "purpose", computed by Python's hmac. */
static void another_purpose_is_another_key(void **state)
{
	static const uint8_t want[HSM_KEK_LEN] = {
		0xa9, 0x16, 0x33, 0xb5, 0x04, 0x5e, 0x34, 0xa2, 0x1a, 0xcc, 0x75, 0xc1, 0x68, 0x9d, 0x0a, 0x35,
		0x39, 0xfb, 0xd0, 0xf4, 0x33, 0x75, 0xc9, 0x6c, 0xfa, 0xb5, 0xfb, 0x7e, 0x85, 0x09, 0x6d, 0xf0,
	};
	struct hsm_kek from, one, two;

	(void)state;
	memset(from.bytes, 0x0b, sizeof(from.bytes));
	assert_int_equal(hsm_kek_derive(&from, "purpose", &one).code, ERR_OK);
	assert_memory_equal(one.bytes, want, sizeof(want));
	assert_int_equal(hsm_kek_derive(&from, "another", &two).code, ERR_OK);
	assert_memory_not_equal(two.bytes, one.bytes, sizeof(two.bytes));
}

static void a_key_encryption_key_is_wiped_with_its_owner(void **state)
{
	struct hsm_kek mine = { { 1, 2, 3 } };
	static const struct hsm_kek empty;

	(void)state;
	auto_hsm_kek(&mine);
	assert_memory_equal(&mine, &empty, sizeof(mine));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrapped_secret_opens_again_under_key_and_label),
		cmocka_unit_test(the_documented_format_is_read),
		cmocka_unit_test(two_wraps_of_one_secret_share_nothing),
		cmocka_unit_test(every_changed_bit_is_data_loss),
		cmocka_unit_test(other_lengths_keys_and_labels_are_data_loss),
		cmocka_unit_test(bounds_hold_and_a_refused_wrap_appends_nothing),
		cmocka_unit_test(another_purpose_is_another_key),
		cmocka_unit_test(a_key_encryption_key_is_wiped_with_its_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
