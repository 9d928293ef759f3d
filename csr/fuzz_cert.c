/* Contract: what we accept, OpenSSL reads with equal fields and encodes again as the same bytes; a certificate that
 * passes as an SVID passes each of the rules when they are asked one by one. */
#include <stdio.h>
#include <string.h>

#include "csr/fuzz_oracle_cert.h"
#include "der/fuzz_mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_svid(const struct cert *c)
{
	struct err e = cert_svid_check(c, "td.example");

	if (e.code != ERR_OK && e.code != ERR_INVALID_ARGUMENT) __builtin_trap();
	if (e.code != ERR_OK) return;
	if (c->ca || c->uri_count != 1 || c->unknown_critical) __builtin_trap();
	if (!c->has_key_usage || (c->key_usage & 0x61) != 1) __builtin_trap();
	if (!bytes_has_prefix(c->uri, bytes_str("spiffe://td.example/"))) __builtin_trap();
	if (c->subject_empty && !c->san_critical) __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cert c, untouched;
	const char *what;
	struct err e;

	memset(&c, 0xa5, sizeof(c));
	memcpy(&untouched, &c, sizeof(c));
	e = cert_parse(BYTES(data, len), &c);
	if (e.code != ERR_OK) {
		if (e.code != ERR_INVALID_ARGUMENT || memcmp(&c, &untouched, sizeof(c)) != 0) __builtin_trap();
		return 0;
	}
	what = oracle_cert_differs(&c);
	if (what != NULL) {
		fprintf(stderr, "cert: differs from OpenSSL: %s\n", what);
		__builtin_trap();
	}
	check_svid(&c);
	return 0;
}
