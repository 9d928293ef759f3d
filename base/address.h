/* address.h: HOST:PORT as people write it.  Pure; any thread. */
#ifndef SIGNET_BASE_ADDRESS_H
#define SIGNET_BASE_ADDRESS_H

#include <stdint.h>

#include "base/err.h"

struct address {
	char host[256]; /* as written, without brackets; "" if there was none */
	char port[6];   /* digits, 0..65535 */
};
/* HOST:PORT, [IPV6]:PORT or :PORT.  INVALID_ARGUMENT otherwise; whether the host is a good one is not looked at. */
struct err address_split(const char *text, struct address *out);

/* An IPv4 or IPv6 address in its usual text: how many octets it has, 4 or 16; 0: it is none. */
uint8_t address_octets(const char *text, uint8_t out[16]);

#endif
