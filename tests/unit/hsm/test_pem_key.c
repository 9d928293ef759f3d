/* Private keys as other programs write them to files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "hsm/hsm.h"

#define PASSPHRASE "correct horse"

static struct bytes bio_bytes(BIO *bio)
{
	char *at;
	long n = BIO_get_mem_data(bio, &at);

	return BYTES(at, (size_t)n);
}

static EVP_PKEY *make(const char *kind)
{
	if (strcmp(kind, "rsa") == 0) return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (strcmp(kind, "ed25519") == 0) return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(kind);
}

static void assert_same_key(EVP_PKEY *want, struct bytes pkcs8)
{
	AUTO(hsm_key) struct hsm_key *key = NULL;
	uint8_t *spki = NULL;
	int n = i2d_PUBKEY(want, &spki);

	assert_int_equal(hsm_key_load(pkcs8, 1, &key).code, ERR_OK);
	assert_true(n > 0 && bytes_equal(hsm_key_spki(key), BYTES(spki, (size_t)n)));
	OPENSSL_free(spki);
}

static const struct { const char *kind; bool old; const EVP_CIPHER *(*cipher)(void); } forms[] = {
	{ "P-256", false, NULL }, { "P-256", true, NULL }, { "P-256", false, EVP_aes_256_cbc }, { "P-384", true, NULL },
	{ "P-384", false, EVP_aes_128_cbc }, { "rsa", false, NULL }, { "rsa", true, NULL }, { "rsa", false, EVP_aes_256_cbc },
	{ "ed25519", false, NULL }, { "ed25519", false, EVP_aes_256_cbc }, { "P-256", false, EVP_des_ede3_cbc },
};

static void test_what_openssl_writes_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		AUTO(buf_wipe) struct buf out = { .max = HSM_PKCS8_MAX };
		const EVP_CIPHER *cipher = forms[i].cipher == NULL ? NULL : forms[i].cipher();
		EVP_PKEY *key = make(forms[i].kind);
		BIO *bio = BIO_new(BIO_s_mem());

		if (forms[i].old) assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0, NULL, NULL), 1);
		else assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, cipher, PASSPHRASE, sizeof(PASSPHRASE) - 1, NULL, NULL), 1);
		assert_int_equal(hsm_key_from_pem(bio_bytes(bio), bytes_str(PASSPHRASE), &out).code, ERR_OK);
		assert_same_key(key, buf_view(&out));
		BIO_free(bio);
		EVP_PKEY_free(key);
	}
}

/* An ECPrivateKey without the curve is worth nothing without the block before it. */
static void test_the_curve_may_stand_before_the_key_only(void **state)
{
	static const char parameters[] = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
	AUTO(buf_wipe) struct buf out = { .max = HSM_PKCS8_MAX };
	EVP_PKEY *key = make("P-256");
	uint8_t der[2 + 3 + 34] = { 0x30, 37, 0x02, 0x01, 0x01, 0x04, 32 };
	BIO *bare = BIO_new(BIO_s_mem()), *with = BIO_new(BIO_s_mem());
	BIGNUM *d = NULL;

	(void)state;
	assert_int_equal(EVP_PKEY_get_bn_param(key, "priv", &d), 1);
	assert_int_equal(BN_bn2binpad(d, der + 7, 32), 32);
	assert_true(PEM_write_bio(bare, "EC PRIVATE KEY", "", der, sizeof(der)) > 0);
	BIO_puts(with, parameters);
	assert_true(PEM_write_bio(with, "EC PRIVATE KEY", "", der, sizeof(der)) > 0);
	assert_int_equal(hsm_key_from_pem(bio_bytes(bare), BYTES_NONE, &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(out.len, 0);
	assert_int_equal(hsm_key_from_pem(bio_bytes(with), BYTES_NONE, &out).code, ERR_OK);
	assert_same_key(key, buf_view(&out));
	BN_clear_free(d);
	BIO_free(bare);
	BIO_free(with);
	EVP_PKEY_free(key);
}

/* Nothing of a key stays in the caller's buffer when its file is refused after it was read. */
static void test_what_is_refused_is_wiped(void **state)
{
	AUTO(buf_wipe) struct buf out = { .max = 2 * HSM_PKCS8_MAX };
	EVP_PKEY *key = make("P-256");
	BIO *bio = BIO_new(BIO_s_mem());

	(void)state;
	assert_int_equal(buf_put(&out, "mine", 4).code, ERR_OK);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	assert_int_equal(hsm_key_from_pem(bio_bytes(bio), BYTES_NONE, &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(out.len, 4);
	assert_true(out.cap >= 4 + 138);
	for (size_t i = 4; i < 4 + 138; i++) assert_int_equal(out.data[i], 0); /* the PKCS#8 of a P-256 key is 138 bytes long */
	BIO_free(bio);
	EVP_PKEY_free(key);
}

static void test_an_encrypted_key_needs_its_passphrase(void **state)
{
	AUTO(buf_wipe) struct buf out = { .max = HSM_PKCS8_MAX };
	EVP_PKEY *key = make("P-256");
	BIO *bio = BIO_new(BIO_s_mem()), *outdated = BIO_new(BIO_s_mem()), *old = BIO_new(BIO_s_mem());

	(void)state;
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_256_cbc(), PASSPHRASE, sizeof(PASSPHRASE) - 1, NULL, NULL), 1);
	assert_int_equal(hsm_key_from_pem(bio_bytes(bio), BYTES_NONE, &out).code, ERR_FAILED_PRECONDITION);
	assert_int_equal(hsm_key_from_pem(bio_bytes(bio), bytes_str("wrong"), &out).code, ERR_PERMISSION_DENIED);
	assert_int_equal(PEM_write_bio_PKCS8PrivateKey_nid(outdated, key, NID_pbe_WithSHA1And3_Key_TripleDES_CBC, PASSPHRASE,
	                                                   sizeof(PASSPHRASE) - 1, NULL, NULL), 1);
	assert_int_equal(hsm_key_from_pem(bio_bytes(outdated), bytes_str(PASSPHRASE), &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(PEM_write_bio_PrivateKey_traditional(old, key, EVP_aes_128_cbc(), (const unsigned char *)PASSPHRASE,
	                                                      sizeof(PASSPHRASE) - 1, NULL, NULL), 1);
	assert_int_equal(hsm_key_from_pem(bio_bytes(old), bytes_str(PASSPHRASE), &out).code, ERR_INVALID_ARGUMENT);
	assert_int_equal(out.len, 0);
	BIO_free(bio);
	BIO_free(outdated);
	BIO_free(old);
	EVP_PKEY_free(key);
}

/* EncryptedPrivateKeyInfo whose derivation would take for ever: PBKDF2 with 2^31 - 1 iterations. */
static void test_endless_work_is_refused(void **state)
{
	static const uint8_t der[] = {
		0x30, 0x2c, 0x30, 0x26, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13, 0x30, 0x19, 0x30, 0x17, 0x06, 0x09, 0x2a,
		0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12, 0x30, 0x0a, 0x04, 2, 1, 2, 0x02, 4, 0x7f, 0xff, 0xff, 0xff, 0x04, 2, 1, 2,
	};
	AUTO(buf_wipe) struct buf out = { .max = HSM_PKCS8_MAX };
	BIO *bio = BIO_new(BIO_s_mem());
	struct err e;

	(void)state;
	assert_true(PEM_write_bio(bio, "ENCRYPTED PRIVATE KEY", "", der, sizeof(der)) > 0);
	e = hsm_key_from_pem(bio_bytes(bio), bytes_str(PASSPHRASE), &out);
	assert_int_equal(e.code, ERR_INVALID_ARGUMENT);
	assert_non_null(strstr(e.reason, "iterations"));
	BIO_free(bio);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_openssl_writes_is_read),
		cmocka_unit_test(test_the_curve_may_stand_before_the_key_only),
		cmocka_unit_test(test_what_is_refused_is_wiped),
		cmocka_unit_test(test_an_encrypted_key_needs_its_passphrase),
		cmocka_unit_test(test_endless_work_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
