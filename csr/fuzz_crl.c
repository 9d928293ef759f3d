/* A list that we take, OpenSSL reads with the same issuer, times and number of entries; entries are what was counted. */
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "csr/crl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(int want)
{
	if (!want) __builtin_trap();
}

static int64_t seconds(const ASN1_TIME *t)
{
	struct tm tm;

	check(ASN1_TIME_to_tm(t, &tm) == 1);
	return timegm(&tm);
}

static void compare(const struct crl *crl)
{
	const uint8_t *at = crl->der.data;
	X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)crl->der.len);
	uint8_t *name = NULL;
	int n;

	check(x != NULL && at == crl->der.data + crl->der.len);
	n = i2d_X509_NAME(X509_CRL_get_issuer(x), &name);
	check(n > 0 && bytes_equal(BYTES(name, (size_t)n), crl->issuer));
	OPENSSL_free(name);
	check(seconds(X509_CRL_get0_lastUpdate(x)) == crl->this_update && seconds(X509_CRL_get0_nextUpdate(x)) == crl->next_update);
	n = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(x));
	check((n < 0 ? 0 : (size_t)n) == crl->count);
	X509_CRL_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct crl crl;
	struct crl_revoked entry;
	struct bytes rest;
	size_t n = 0;

	memset(&crl, 0x5a, sizeof(crl));
	if (crl_parse(BYTES(data, len), &crl).code != ERR_OK) {
		check(crl.count == 0x5a5a5a5a5a5a5a5a);
		return 0;
	}
	for (rest = crl.revoked; crl_next(&rest, &entry).code == ERR_OK; n++)
		check(entry.serial.len >= 1 && entry.serial.len <= CRL_SERIAL_MAX && entry.reason <= 10);
	check(rest.len == 0 && n == crl.count);
	compare(&crl);
	return 0;
}
