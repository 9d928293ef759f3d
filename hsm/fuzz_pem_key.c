/* What is read from a key's file is appended whole or not at all, and what OpenSSL's own reader refuses is not taken. */
#include <openssl/pem.h>
#include <string.h>

#include "hsm/hsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(buf_wipe) struct buf out = { .max = 4 * HSM_PKCS8_MAX };
	AUTO(hsm_key) struct hsm_key *key = NULL;
	const uint8_t *at;
	EVP_PKEY *theirs;
	struct err e;

	if (buf_put(&out, "before", 6).code != ERR_OK) return 0;
	e = hsm_key_from_pem(BYTES(data, len), BYTES_NONE, &out);
	if ((e.code == ERR_OK) != (out.len > 6) || out.len > 6 + HSM_PKCS8_MAX) __builtin_trap();
	if (memcmp(out.data, "before", 6) != 0) __builtin_trap();
	if (e.code != ERR_OK || hsm_key_load(BYTES(out.data + 6, out.len - 6), 1, &key).code != ERR_OK) return 0;
	at = out.data + 6;
	theirs = d2i_AutoPrivateKey(NULL, &at, (long)out.len - 6);
	if (theirs == NULL) __builtin_trap();
	EVP_PKEY_free(theirs);
	return 0;
}
