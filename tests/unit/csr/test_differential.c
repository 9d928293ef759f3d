#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "csr/files.h"
#include "csr/fuzz_oracle_cert.h"
#include "csr/fuzz_oracle_csr.h"

/* Each good object, and each of its neighbours by one bit or one cut: whatever of them we accept, OpenSSL accepts with
 * equal fields.  (Requests without the check of their signature, which would refuse nearly all of them.) */
static const char *const requests[] = {
	"ok-pilot-agent.der",
	"ok-names.der",
	"ok-challenge.der",
	"ok-other-extensions.der",
	"ok-ms-extensions.der",
	"ok-p384.der",
	"ok-rsa2048.der",
	"ok-ed25519.der",
	"ok-no-attributes.der",
};
static const char *const certificates[] = {
	"ok-leaf.der",
	"ok-strange.der",
	"ok-root-p256.der",
	"ok-root-rsa2048.der",
	"ok-root-ed25519.der",
	"ok-2050.der",
	"ok-name-constraints.der",
};

/* 1 if accepted, 0 if refused. */
static int check_request(struct bytes der, const char *name, size_t bit)
{
	AUTO(csr) struct csr *csr = NULL;
	const char *what;

	if (csr_decode(der, &csr).code != ERR_OK) return 0;
	what = oracle_csr_differs(csr);
	if (what != NULL) fail_msg("%s, bit %zu: %s", name, bit, what);
	return 1;
}

static int check_certificate(struct bytes der, const char *name, size_t bit)
{
	struct cert cert;
	const char *what;

	if (cert_parse(der, &cert).code != ERR_OK) return 0;
	what = oracle_cert_differs(&cert);
	if (what != NULL) fail_msg("%s, bit %zu: %s", name, bit, what);
	return 1;
}

static void check_neighbours(const char *folder, const char *name, int (*check)(struct bytes, const char *, size_t))
{
	AUTO(buf) struct buf der = file_read(folder, name);
	int accepted = 0;

	assert_int_equal(check(buf_view(&der), name, 0), 1);
	for (size_t n = 0; n < der.len; n++) assert_int_equal(check(BYTES(der.data, n), name, n * 8), 0);
	for (size_t bit = 0; bit < der.len * 8; bit++) {
		der.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		accepted += check(buf_view(&der), name, bit);
		der.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_in_range(accepted, 100, der.len * 8); /* keys, names and signatures have many equally good values */
	assert_int_equal(buf_put(&der, "", 1).code, ERR_OK);
	assert_int_equal(check(buf_view(&der), name, der.len * 8), 0);
}

static void test_requests_agree_with_openssl(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) check_neighbours("csr", requests[i], check_request);
}

static void test_certificates_agree_with_openssl(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(certificates); i++)
		check_neighbours("cert", certificates[i], check_certificate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_agree_with_openssl),
		cmocka_unit_test(test_certificates_agree_with_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
