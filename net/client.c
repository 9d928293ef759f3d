#include "net/client.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "net/client_conn.h"

/* ---- the address ---- */

/* "host:port", "[v6]:port" */
static struct err split_address(const char *address, struct client_conn *c)
{
	const char *colon = strrchr(address, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - address);

	if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (len > 0 && memchr(address, ':', len) != NULL) {
		len = 0; /* a v6 address without brackets */
	}
	if (len == 0 || len >= sizeof(c->host) || colon[1] == '\0' || strlen(colon + 1) >= sizeof(c->port)) {
		client_say(c, "\"%s\" is not HOST:PORT", address);
		FAIL(ERR_INVALID_ARGUMENT, "client: address is not host:port");
	}
	memcpy(c->host, address, len);
	c->host[len] = '\0';
	memcpy(c->port, colon + 1, strlen(colon + 1) + 1);
	return OK;
}

struct err client_call(const struct client_options *options, const char *path, struct bytes message, struct buf *reply,
                       struct client_status *status, char *detail, size_t size)
{
	/* #lizard forgives: everything that a caller has, in the contract's order */
	AUTO(client_conn) struct client_conn c = { .options = options, .fd = -1, .detail = detail, .detail_size = size };

	if (size > 0) detail[0] = '\0';
	c.deadline_us = clock_mono_us() + options->timeout_ms * 1000;
	TRY(split_address(options->address, &c));
	TRY(client_connect(&c));
	TRY(client_handshake(&c));
	return client_exchange(&c, path, message, reply, status);
}
