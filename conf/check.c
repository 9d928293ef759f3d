/* check.c: what a text must look like beyond its length.  Syntax only; whether it makes sense together is load.c's. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/address.h"
#include "base/hostname.h"
#include "base/kube_name.h"
#include "base/url.h"
#include "conf/schema.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

static bool all_of(const char *text, const char *accept)
{
	return text[strspn(text, accept)] == '\0';
}

const char *schema_check_trust_domain(const char *text)
{
	/* SPIFFE-ID s2.1 */
	return all_of(text, LOWER DIGIT "._-") ? NULL
					       : "a trust domain: lower-case letters, digits, '.', '-' and '_' (example.org)";
}

static bool is_ip(int family, const char *text)
{
	uint8_t address[16];
	return inet_pton(family, text, address) == 1;
}

const char *schema_check_address(const char *text)
{
	static const char expected[] = "HOST:PORT, [IPV6]:PORT or :PORT";
	struct address a;
	if (text[0] == '\0') return NULL; /* where "" may not be, the minimum length says so */
	if (address_split(text, &a).code != ERR_OK) return expected;
	if (strchr(a.host, ':') != NULL) return is_ip(AF_INET6, a.host) ? NULL : expected;
	return a.host[0] == '\0' || is_ip(AF_INET, a.host) || hostname_valid(bytes_str(a.host), false) ? NULL : expected;
}

const char *schema_check_user(const char *text)
{
	if (text[0] == '\0') return NULL;
	return all_of(text, LOWER UPPER DIGIT "._-") && text[0] != '-' ? NULL : "the name of a user or group of this system";
}

const char *schema_check_cidr(const char *text)
{
	static const char expected[] = "a network as ADDRESS/BITS (10.0.0.0/8, fd00::/8) with no bit set after BITS";
	char address[64];
	uint8_t raw[16];
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - text);
	int64_t bits;
	if (slash == NULL || len >= sizeof(address) || !schema_parse_number(slash + 1, &bits)) return expected;
	memcpy(address, text, len);
	address[len] = '\0';
	int family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
	int64_t width = family == AF_INET6 ? 128 : 32;
	if (bits > width || inet_pton(family, address, raw) != 1) return expected;
	for (int64_t i = bits; i < width; i++)
		if ((raw[i / 8] & (0x80 >> (i % 8))) != 0) return expected;
	return NULL;
}

const char *schema_check_pattern(const char *text)
{
	return strstr(text, "***") == NULL ? NULL : "a pattern: '*' within a segment, '**' across segments";
}

const char *schema_check_dns_name_or_ip(const char *text)
{
	bool good = is_ip(AF_INET, text) || is_ip(AF_INET6, text) || hostname_valid(bytes_str(text), false);
	return good ? NULL : "a DNS name or an IP address";
}

const char *schema_check_label(const char *text)
{
	return all_of(text, LOWER UPPER DIGIT "._/-") ? NULL : "a name of letters, digits, '.', '-', '_' and '/'";
}

const char *schema_check_url(const char *text)
{
	return strpbrk(text, " \t") == NULL ? NULL : "the issuer exactly as in the token's iss claim, without spaces";
}

const char *schema_check_fetched_url(const char *text)
{
	return text[0] == '\0' || url_check(bytes_str(text), true).code == ERR_OK ? NULL : "a URL, https://HOST[:PORT]/PATH";
}

/* Istio's default is "Kubernetes". */
const char *schema_check_cluster(const char *text)
{
	return all_of(text, LOWER UPPER DIGIT "._-") ? NULL : "a cluster's id of letters, digits, '.', '-' and '_'";
}

const char *schema_check_signer(const char *text)
{
	bool good = text[0] == '\0' || kube_signer_valid(bytes_str(text));
	return good ? NULL : "a signer's name as in Kubernetes: DOMAIN/PATH, as clusterissuers.cert-manager.io/mesh";
}

const char *schema_check_signer_domain(const char *text)
{
	char probe[512];
	int n = snprintf(probe, sizeof(probe), "%s/x", text);
	bool good = text[0] == '\0' || (n > 0 && (size_t)n < sizeof(probe) && kube_signer_valid(bytes_str(probe)));
	return good ? NULL : "the domain of a signer's name, as clusterissuers.cert-manager.io";
}
