/* signet-front: faces the clients.  Everything comes by descriptor (daemon/fds.h); the work is ra/front.h. */
#include <jansson.h>
#include <unistd.h>

#include "base/chan.h"
#include "daemon/child.h"
#include "daemon/crypto.h"
#include "ra/front.h"

#define OWN_FILES 192 /* descriptors beside connections */

static struct err map_optional(int fd, struct bytes *out)
{
	*out = BYTES_NONE;
	if (child_fd(fd) < 0) return OK;
	TRY(chan_memfd_map(fd, CHILD_FILE_MAX, out));
	close(fd);
	return OK;
}

static struct err run(struct child *c)
{
	AUTO(heap) struct log_buffer *lines = calloc(1, sizeof(*lines)); /* NULL: every line is a write() */
	struct bytes jwks[CONF_ISSUERS_MAX];
	struct front_options o = { .conf = c->conf, .log = &c->log, .metrics = c->metrics, .control_fd = FD_CONTROL,
		                   .keeper_fd = FRONT_FD_KEEPER, .listen_fd = FRONT_FD_LISTEN, .number = c->number, .jwks = jwks };
	struct err e;

	for (uint32_t i = 0; i < c->conf->issuer_count; i++) TRY(map_optional(FRONT_FD_JWKS + (int)i, &jwks[i]));
	TRY(map_optional(FRONT_FD_TLS_CERT, &o.tls_chain_pem));
	TRY(map_optional(FRONT_FD_TLS_KEY, &o.tls_key_pem));
	TRY(crypto_start());
	json_object_seed(0); /* reads /dev/urandom, and would do so at the first object */
	TRY(sandbox_enter(&(struct sandbox_options){ .role = SANDBOX_FRONT, .data_dir = -1, .run_dir = -1, .log = &c->log,
		                                     .files = (unsigned)c->conf->listen.max_connections + OWN_FILES }));
	c->log.buffer = lines; /* front_run() flushes it each round and at its end */
	e = front_run(&o);
	c->log.buffer = NULL;
	return e;
}

int main(int argc, char **argv)
{
	struct child c;
	struct err e = child_start(&c, "front", argc, argv);

	return child_end(&c, e.code != ERR_OK ? e : run(&c));
}
