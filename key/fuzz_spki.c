/* key_info_parse() and key_scheme_parse() against OpenSSL: what we accept, OpenSSL reads whole, with equal fields, and
 * writes back as the same bytes.  The first byte chooses which of the two reads the rest. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/own.h"
#include "key/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool truth)
{
	if (!truth) __builtin_trap();
}

static void require_same_key(EVP_PKEY *pkey, const struct key_info *info)
{
	static const int ids[] = { [KEY_P256] = EVP_PKEY_EC, [KEY_P384] = EVP_PKEY_EC, [KEY_P521] = EVP_PKEY_EC,
		                   [KEY_ED25519] = EVP_PKEY_ED25519, [KEY_RSA] = EVP_PKEY_RSA };
	uint8_t *der = NULL;
	int der_len = i2d_PUBKEY(pkey, &der);

	require(EVP_PKEY_get_base_id(pkey) == ids[info->type]);
	require(EVP_PKEY_get_bits(pkey) == (int)info->bits);
	require(der_len > 0 && bytes_equal(BYTES(der, (size_t)der_len), info->spki));
	OPENSSL_free(der);
}

static void try_spki(struct key_verifier *verifier, struct bytes in)
{
	struct key_info info = { 0 };
	const uint8_t *at = in.data, zeros[KEY_RSA_MAX / 8] = { 0 };
	bool point;
	EVP_PKEY *pkey;

	if (key_info_parse(in, &info).code != ERR_OK) {
		require(info.type == KEY_NONE);
		return;
	}
	require(info.key_bits.data > in.data && info.key_bits.data + info.key_bits.len == in.data + in.len);
	pkey = d2i_PUBKEY(NULL, &at, (long)in.len);
	point = key_check(verifier, &info).code == ERR_OK;
	require(point == (pkey != NULL));
	require(point || info.type == KEY_P256 || info.type == KEY_P384 || info.type == KEY_P521);
	if (point) require_same_key(pkey, &info);
	if (info.type == KEY_RSA)
		require(key_verify(verifier, &info, SCHEME_RSA_PKCS1_SHA256, in, BYTES(zeros, (info.bits + 7) / 8)).code != ERR_OK);
	EVP_PKEY_free(pkey);
	ERR_clear_error();
}

static void try_algorithm(struct bytes in, enum key_type type)
{
	enum key_scheme scheme = SCHEME_NONE;
	const uint8_t *at = in.data;
	X509_ALGOR *algor;
	uint8_t *der = NULL;

	if (key_scheme_parse(in, type, &scheme).code != ERR_OK) {
		require(scheme == SCHEME_NONE);
		return;
	}
	require(key_scheme_type(scheme) == type);
	algor = d2i_X509_ALGOR(NULL, &at, (long)in.len);
	require(algor != NULL && at == in.data + in.len);
	require(i2d_X509_ALGOR(algor, &der) == (int)in.len && memcmp(der, in.data, in.len) == 0);
	OPENSSL_free(der);
	X509_ALGOR_free(algor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct key_verifier *verifier; /* made once: the fuzzer never ends */

	if (verifier == NULL) require(key_verifier_new(&verifier).code == ERR_OK);
	if (len == 0) return 0;
	if (data[0] == 0)
		try_spki(verifier, BYTES(data + 1, len - 1));
	else
		try_algorithm(BYTES(data + 1, len - 1), (enum key_type)(data[0] % 6));
	return 0;
}
