/* AlgorithmIdentifiers, key facts, identifiers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/own.h"
#include "key/key.h"

#define ALG_SHA256 "300d06096086480165030402010500"
#define ALG_SHA384 "300d06096086480165030402020500"
#define ALG_SHA512 "300d06096086480165030402030500"
#define ALG_SHA256_BARE "300b0609608648016503040201"
#define ALG_SHA1 "300906052b0e03021a0500"
#define MGF1(alg) "a11c301a06092a864886f70d010108" alg

static const struct {
	const char *name, *hex;
	enum key_type type;
	enum key_scheme want; /* SCHEME_NONE: refused */
} algorithm_cases[] = {
	{ "ecdsa_sha256", "300a06082a8648ce3d040302", KEY_P256, SCHEME_ECDSA_P256_SHA256 },
	{ "ecdsa_sha384", "300a06082a8648ce3d040303", KEY_P384, SCHEME_ECDSA_P384_SHA384 },
	{ "ecdsa_sha384_by_p256", "300a06082a8648ce3d040303", KEY_P256, SCHEME_ECDSA_P256_SHA384 },
	{ "ecdsa_sha512_by_p256", "300a06082a8648ce3d040304", KEY_P256, SCHEME_ECDSA_P256_SHA512 },
	{ "ecdsa_sha256_by_p384", "300a06082a8648ce3d040302", KEY_P384, SCHEME_ECDSA_P384_SHA256 },
	{ "ecdsa_sha512_by_p384", "300a06082a8648ce3d040304", KEY_P384, SCHEME_ECDSA_P384_SHA512 },
	{ "ed25519", "300506032b6570", KEY_ED25519, SCHEME_ED25519 },
	{ "rsa_sha256", "300d06092a864886f70d01010b0500", KEY_RSA, SCHEME_RSA_PKCS1_SHA256 },
	{ "rsa_sha384", "300d06092a864886f70d01010c0500", KEY_RSA, SCHEME_RSA_PKCS1_SHA384 },
	{ "rsa_sha512", "300d06092a864886f70d01010d0500", KEY_RSA, SCHEME_RSA_PKCS1_SHA512 },
	{ "rsa_sha256_without_null", "300b06092a864886f70d01010b", KEY_RSA, SCHEME_RSA_PKCS1_SHA256 },
	{ "pss_sha256", "304106092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA256) "a203020120", KEY_RSA,
	  SCHEME_RSA_PSS_SHA256 },
	{ "pss_sha384", "304106092a864886f70d01010a3034a00f" ALG_SHA384 MGF1(ALG_SHA384) "a203020130", KEY_RSA,
	  SCHEME_RSA_PSS_SHA384 },
	{ "pss_sha512", "304106092a864886f70d01010a3034a00f" ALG_SHA512 MGF1(ALG_SHA512) "a203020140", KEY_RSA,
	  SCHEME_RSA_PSS_SHA512 },
	{ "pss_sha256_hash_without_null", "303f06092a864886f70d01010a3032a00d" ALG_SHA256_BARE MGF1(ALG_SHA256) "a203020120",
	  KEY_RSA, SCHEME_RSA_PSS_SHA256 },
	{ "pss_defaults", "300d06092a864886f70d01010a3000", KEY_RSA, SCHEME_NONE }, /* SHA-1, salt of 20 */
	{ "pss_no_params", "300b06092a864886f70d01010a", KEY_RSA, SCHEME_NONE },
	{ "pss_null_params", "300d06092a864886f70d01010a0500", KEY_RSA, SCHEME_NONE },
	{ "pss_salt_of_20", "304106092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA256) "a203020114", KEY_RSA, SCHEME_NONE },
	{ "pss_salt_of_48", "304106092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA256) "a203020130", KEY_RSA, SCHEME_NONE },
	{ "pss_salt_negative", "304106092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA256) "a2030201e0", KEY_RSA,
	  SCHEME_NONE },
	{ "pss_no_salt", "303c06092a864886f70d01010a302fa00f" ALG_SHA256 MGF1(ALG_SHA256), KEY_RSA, SCHEME_NONE },
	{ "pss_no_mgf", "302306092a864886f70d01010a3016a00f" ALG_SHA256 "a203020120", KEY_RSA, SCHEME_NONE },
	{ "pss_mgf_of_other_hash", "304106092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA512) "a203020120", KEY_RSA,
	  SCHEME_NONE },
	{ "pss_mgf_not_mgf1", "304106092a864886f70d01010a3034a00f" ALG_SHA256 "a11c301a06092a864886f70d010109" ALG_SHA256
	  "a203020120", KEY_RSA, SCHEME_NONE },
	{ "pss_sha1", "303906092a864886f70d01010a302ca00b" ALG_SHA1 "a118301606092a864886f70d010108" ALG_SHA1 "a203020114",
	  KEY_RSA, SCHEME_NONE },
	{ "pss_trailer_field", "304606092a864886f70d01010a3039a00f" ALG_SHA256 MGF1(ALG_SHA256) "a203020120a303020101", KEY_RSA,
	  SCHEME_NONE },
	{ "pss_trailing", "304306092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA256) "a2030201200500", KEY_RSA,
	  SCHEME_NONE },
	{ "pss_for_ec", "304106092a864886f70d01010a3034a00f" ALG_SHA256 MGF1(ALG_SHA256) "a203020120", KEY_P256, SCHEME_NONE },
	{ "ecdsa_sha1", "300906072a8648ce3d0401", KEY_P256, SCHEME_NONE },
	{ "ecdsa_sha224", "300a06082a8648ce3d040301", KEY_P256, SCHEME_NONE },
	{ "ecdsa_sha512_by_p521", "300a06082a8648ce3d040304", KEY_P521, SCHEME_NONE },
	{ "ecdsa_with_null", "300c06082a8648ce3d0403020500", KEY_P256, SCHEME_NONE },
	{ "ecdsa_with_curve", "301406082a8648ce3d04030206082a8648ce3d030107", KEY_P256, SCHEME_NONE },
	{ "ecdsa_for_rsa", "300a06082a8648ce3d040302", KEY_RSA, SCHEME_NONE },
	{ "ecdsa_for_ed25519", "300a06082a8648ce3d040302", KEY_ED25519, SCHEME_NONE },
	{ "ecdsa_for_none", "300a06082a8648ce3d040302", KEY_NONE, SCHEME_NONE },
	{ "ecdsa_trailing", "300a06082a8648ce3d04030200", KEY_P256, SCHEME_NONE },
	{ "ecdsa_cut", "300a06082a8648ce3d0403", KEY_P256, SCHEME_NONE },
	{ "ecdsa_long_length", "30810a06082a8648ce3d040302", KEY_P256, SCHEME_NONE },
	{ "ecdsa_indefinite", "308006082a8648ce3d0403020000", KEY_P256, SCHEME_NONE },
	{ "ed25519_with_null", "300706032b65700500", KEY_ED25519, SCHEME_NONE },
	{ "ed25519_for_p256", "300506032b6570", KEY_P256, SCHEME_NONE },
	{ "ed448", "300506032b6571", KEY_ED25519, SCHEME_NONE },
	{ "rsa_md5", "300d06092a864886f70d0101040500", KEY_RSA, SCHEME_NONE },
	{ "rsa_sha1", "300d06092a864886f70d0101050500", KEY_RSA, SCHEME_NONE },
	{ "rsa_sha224", "300d06092a864886f70d01010e0500", KEY_RSA, SCHEME_NONE },
	{ "rsa_encryption", "300d06092a864886f70d0101010500", KEY_RSA, SCHEME_NONE },
	{ "rsa_null_with_content", "300e06092a864886f70d01010b050100", KEY_RSA, SCHEME_NONE },
	{ "rsa_two_nulls", "300f06092a864886f70d01010b05000500", KEY_RSA, SCHEME_NONE },
	{ "rsa_without_null_wrong_length", "300c06092a864886f70d01010b", KEY_RSA, SCHEME_NONE },
	{ "rsa_without_null_trailing", "300b06092a864886f70d01010b00", KEY_RSA, SCHEME_NONE },
	{ "rsa_without_null_set", "310b06092a864886f70d01010b", KEY_RSA, SCHEME_NONE },
	{ "rsa_for_p256", "300d06092a864886f70d01010b0500", KEY_P256, SCHEME_NONE },
	{ "empty", "", KEY_RSA, SCHEME_NONE },
	{ "empty_sequence", "3000", KEY_RSA, SCHEME_NONE },
	{ "type_out_of_range", "300506032b6570", (enum key_type)77, SCHEME_NONE },
};

static void algorithm_identifiers_map_to_schemes_or_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(algorithm_cases); i++) {
		uint8_t der[128];
		const char *hex = algorithm_cases[i].hex, *name = algorithm_cases[i].name;
		enum key_scheme want = algorithm_cases[i].want, got = SCHEME_NONE;
		struct err e;

		assert_true(strlen(hex) / 2 <= sizeof(der));
		assert_int_equal(bytes_unhex(bytes_str(hex), der).code, ERR_OK);
		e = key_scheme_parse(BYTES(der, strlen(hex) / 2), algorithm_cases[i].type, &got);
		if (e.code != (want == SCHEME_NONE ? ERR_INVALID_ARGUMENT : ERR_OK)) fail_msg("%s: %s", name, e.reason);
		if (got != want) fail_msg("%s: scheme %d", name, (int)got);
	}
}

static void written_algorithms_are_read_back(void **state)
{
	int written = 0;

	(void)state;
	for (int s = SCHEME_NONE; s <= SCHEME_ECDSA_P384_SHA512 + 1; s++) {
		struct bytes der = key_scheme_der((enum key_scheme)s);
		enum key_scheme back = SCHEME_NONE;

		if (der.data == NULL) continue;
		assert_int_equal(key_scheme_parse(der, key_scheme_type((enum key_scheme)s), &back).code, ERR_OK);
		assert_int_equal(back, s);
		written++;
	}
	assert_int_equal(written, 10); /* all but PSS, ES512 and the two ends */
	assert_int_equal(key_scheme_type(SCHEME_NONE), KEY_NONE);
	assert_int_equal(key_scheme_type((enum key_scheme)1000), KEY_NONE);
	assert_int_equal(key_scheme_type((enum key_scheme)-1), KEY_NONE);
}

/* RFC 8410 s10.1, the example key; the digest is what `openssl dgst -sha256` prints for these bytes. */
#define SPKI_HEX "302a300506032b657003210019bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
#define SPKI_SHA256 "a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f"
#define BITS_SHA256 "e744c0791320c3285460eddb523f14c88d857ada"

static void identifiers_are_sha256(void **state)
{
	uint8_t spki[44], id[KEY_SHA256_LEN], ski[KEY_SKI_LEN];
	char text[2 * KEY_SHA256_LEN + 1];
	struct key_info info;

	(void)state;
	assert_int_equal(bytes_unhex(bytes_str(SPKI_HEX), spki).code, ERR_OK);
	assert_int_equal(key_info_parse(BYTES(spki, sizeof(spki)), &info).code, ERR_OK);
	assert_int_equal(info.type, KEY_ED25519);
	assert_int_equal(info.bits, 256);
	assert_ptr_equal(info.key_bits.data, spki + 12);
	assert_int_equal(info.key_bits.len, 32);
	assert_int_equal(key_sha256(info.spki, id).code, ERR_OK);
	bytes_hex(BYTES(id, sizeof(id)), text);
	assert_string_equal(text, SPKI_SHA256);
	assert_int_equal(key_ski(info.key_bits, ski).code, ERR_OK);
	bytes_hex(BYTES(ski, sizeof(ski)), text);
	assert_string_equal(text, BITS_SHA256);
}

static void every_type_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(key_type_name(KEY_NONE), "none");
	assert_string_equal(key_type_name(KEY_P256), "P-256");
	assert_string_equal(key_type_name(KEY_P384), "P-384");
	assert_string_equal(key_type_name(KEY_P521), "P-521");
	assert_string_equal(key_type_name(KEY_ED25519), "Ed25519");
	assert_string_equal(key_type_name(KEY_RSA), "RSA");
	assert_string_equal(key_type_name((enum key_type)99), "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(algorithm_identifiers_map_to_schemes_or_are_refused),
		cmocka_unit_test(written_algorithms_are_read_back),
		cmocka_unit_test(identifiers_are_sha256),
		cmocka_unit_test(every_type_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
