/* hsm_unwrap() takes nothing that hsm_wrap() has not made.  The input is tried as a blob as it is, and as a secret: the
 * blob of it opens again, and no longer once any byte of it has changed. */
#include <string.h>

#include "hsm/hsm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool truth)
{
	if (!truth) __builtin_trap();
}

static void must_not_open(const struct hsm_kek *kek, const char *label, struct bytes blob)
{
	AUTO(buf_wipe) struct buf secret = { .max = HSM_SECRET_MAX };

	require(hsm_unwrap(kek, label, blob, &secret).code == ERR_DATA_LOSS);
	require(secret.len == 0);
	for (size_t i = 0; secret.data != NULL && i + HSM_WRAP_OVERHEAD < blob.len; i++) require(secret.data[i] == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct hsm_kek kek = { { 1, 2, 3 } }, other = { { 1, 2, 4 } };
	AUTO(buf) struct buf blob = { .max = HSM_SECRET_MAX + HSM_WRAP_OVERHEAD };
	AUTO(buf_wipe) struct buf secret = { .max = HSM_SECRET_MAX };
	bool fits = len > 0 && len <= HSM_SECRET_MAX;
	size_t at;

	must_not_open(&kek, "fuzz", BYTES(data, len));
	require(hsm_wrap(&kek, "fuzz", BYTES(data, len), &blob).code == (fits ? ERR_OK : ERR_INVALID_ARGUMENT));
	if (!fits) return 0;
	require(blob.len == len + HSM_WRAP_OVERHEAD);
	require(hsm_unwrap(&kek, "fuzz", buf_view(&blob), &secret).code == ERR_OK);
	require(bytes_equal(buf_view(&secret), BYTES(data, len)));
	must_not_open(&other, "fuzz", buf_view(&blob));
	must_not_open(&kek, "fuzy", buf_view(&blob));
	must_not_open(&kek, "fuzz", BYTES(blob.data, blob.len - 1));
	at = (data[0] * 257u + data[len - 1]) % blob.len;
	blob.data[at] = (uint8_t)(blob.data[at] ^ (1 << (data[len / 2] & 7)));
	must_not_open(&kek, "fuzz", buf_view(&blob));
	return 0;
}
