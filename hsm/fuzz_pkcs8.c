/* hsm_key_load() against OpenSSL: a key that we take, OpenSSL reads too, with the same public half. */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "hsm/hsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(hsm_key) struct hsm_key *key = NULL;
	const uint8_t *at = data;
	struct err e = hsm_key_load(BYTES(data, len), 1, &key);
	uint8_t *der = NULL;
	EVP_PKEY *pkey;
	int der_len;

	if ((e.code == ERR_OK) != (key != NULL) || ERR_peek_error() != 0) __builtin_trap();
	if (key == NULL) return 0;
	pkey = d2i_AutoPrivateKey(NULL, &at, (long)len);
	if (pkey == NULL) __builtin_trap();
	der_len = i2d_PUBKEY(pkey, &der);
	if (der_len <= 0 || !bytes_equal(BYTES(der, (size_t)der_len), hsm_key_spki(key))) __builtin_trap();
	OPENSSL_free(der);
	EVP_PKEY_free(pkey);
	return 0;
}
