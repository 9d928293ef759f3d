/* Contract: outputs are set if and only if OK; only INVALID_ARGUMENT otherwise; what we accept, OpenSSL reads with
 * equal fields and encodes again as the same bytes.  Decoded without the signature check (a fuzzer cannot sign), then
 * verified: OpenSSL must agree with every signature that we accept. */
#include <openssl/evp.h>
#include <stdio.h>

#include "csr/fuzz_oracle_csr.h"
#include "der/fuzz_mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void openssl_verifies(const struct csr *csr)
{
	struct bytes der = csr_der(csr);
	const unsigned char *p = der.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
	EVP_PKEY *key = req == NULL ? NULL : X509_REQ_get0_pubkey(req);

	if (key == NULL || X509_REQ_verify(req, key) != 1) __builtin_trap();
	X509_REQ_free(req);
	ERR_clear_error();
}

static void check_der(struct bytes in, struct key_verifier *verifier)
{
	AUTO(csr) struct csr *decoded = NULL, *parsed = NULL;
	struct err e = csr_decode(in, &decoded), v = csr_parse(in, verifier, &parsed);
	const char *what;

	if ((e.code == ERR_OK) != (decoded != NULL) || (v.code == ERR_OK) != (parsed != NULL)) __builtin_trap();
	if (e.code != ERR_OK && e.code != ERR_INVALID_ARGUMENT) __builtin_trap();
	if (v.code != ERR_OK && v.code != ERR_INVALID_ARGUMENT) __builtin_trap();
	if (parsed != NULL && decoded == NULL) __builtin_trap();
	if (decoded == NULL) return;
	what = oracle_csr_differs(decoded);
	if (what != NULL) {
		fprintf(stderr, "csr: differs from OpenSSL: %s\n", what);
		__builtin_trap();
	}
	if (parsed != NULL) openssl_verifies(parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct key_verifier *verifier; /* kept: to make one costs more than all the rest */
	AUTO(csr) struct csr *csr = NULL;
	struct err e;

	if (verifier == NULL && key_verifier_new(&verifier).code != ERR_OK) __builtin_trap();
	check_der(BYTES(data, len), verifier);
	e = csr_parse_pem(BYTES(data, len), verifier, &csr);
	if ((e.code == ERR_OK) != (csr != NULL) || (csr == NULL && e.code != ERR_INVALID_ARGUMENT)) __builtin_trap();
	return 0;
}
