#include "daemon/crypto.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#define SECURE_HEAP (256 * 1024) /* bytes, a power of two; ours: a few hundred keys' private parts */
#define SECURE_MIN 16            /* bytes, smallest block */

struct err crypto_start(void)
{
	unsigned char seed[32];

	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		FAIL(ERR_INTERNAL, "crypto: OpenSSL does not start");
	/* 2: it works, but could not be locked in memory (RLIMIT_MEMLOCK); there is no swap file of ours to read it from */
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_MIN) == 0) FAIL(ERR_RESOURCE_EXHAUSTED, "crypto: no secure heap");
	if (RAND_bytes(seed, sizeof(seed)) != 1 || RAND_priv_bytes(seed, sizeof(seed)) != 1)
		FAIL(ERR_INTERNAL, "crypto: no random bytes");
	return OK;
}
