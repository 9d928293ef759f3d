#include "base/address.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool port_ok(const char *port)
{
	size_t len = strlen(port);

	return len >= 1 && len <= 5 && strspn(port, "0123456789") == len && atoi(port) <= 65535;
}

struct err address_split(const char *text, struct address *out)
{
	struct address a = { 0 };
	const char *colon = strrchr(text, ':'), *host = text;
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);

	if (colon == NULL || !port_ok(colon + 1)) FAIL(ERR_INVALID_ARGUMENT, "address: no port");
	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
		if (memchr(host, ':', len) == NULL || memchr(host, '[', len) != NULL || memchr(host, ']', len) != NULL)
			FAIL(ERR_INVALID_ARGUMENT, "address: not an IPv6 address");
	} else if (memchr(host, ':', len) != NULL || memchr(host, '[', len) != NULL || memchr(host, ']', len) != NULL) {
		FAIL(ERR_INVALID_ARGUMENT, "address: an IPv6 address needs [ ]");
	}
	if (len >= sizeof(a.host)) FAIL(ERR_INVALID_ARGUMENT, "address: host too long");
	memcpy(a.host, host, len);
	(void)snprintf(a.port, sizeof(a.port), "%s", colon + 1);
	*out = a;
	return OK;
}

uint8_t address_octets(const char *text, uint8_t out[16])
{
	if (inet_pton(AF_INET, text, out) == 1) return 4;
	return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}
