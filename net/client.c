#include "net/client.h"

#include "base/clock.h"
#include "net/client_conn.h"

struct err client_call(const struct client_options *options, const char *path, struct bytes message, struct buf *reply,
                       struct client_status *status, char *detail, size_t size)
{
	/* #lizard forgives: everything that a caller has, in the contract's order */
	AUTO(client_conn) struct client_conn c = { .options = options, .fd = -1, .detail = detail, .detail_size = size };

	if (size > 0) detail[0] = '\0';
	c.deadline_us = clock_mono_us() + options->timeout_ms * 1000;
	if (address_split(options->address, &c.at).code != ERR_OK || c.at.host[0] == '\0') {
		client_say(&c, "\"%s\" is not HOST:PORT", options->address);
		FAIL(ERR_INVALID_ARGUMENT, "client: address is not host:port");
	}
	TRY(client_connect(&c));
	TRY(client_handshake(&c));
	return client_exchange(&c, path, message, reply, status);
}
