/* signet-courier: asks Kubernetes API servers and OIDC issuers.  Channels come by descriptor (daemon/fds.h); credentials it reads
 * itself, as they change.  The work is k8s_csr/courier.h. */
#include <jansson.h>

#include "base/loop.h"
#include "base/own.h"
#include "daemon/child.h"
#include "daemon/courier_paths.h"
#include "daemon/crypto.h"
#include "k8s_csr/courier.h"
#include "k8s_csr/http.h"

#define REQUESTS_MAX 1024  /* in flight at once; ours: API servers take some 400 of all clients (--max-requests-inflight) */
#define FILES_MAX 2048     /* descriptors: connections to 16 clusters and 32 issuers, a channel to each front; ours */
#define CONNECTIONS_MAX 16 /* to each server; ours: one is enough for HTTP/2, which API servers speak */

static struct err enter_sandbox(const struct child *c)
{
	struct courier_paths paths;
	struct err e;

	courier_paths_open(c->conf, &c->log, &paths);
	e = sandbox_enter(&(struct sandbox_options){ .role = SANDBOX_COURIER, .data_dir = -1, .run_dir = -1, .log = &c->log,
	                                             .readable = paths.fds, .readable_count = paths.count, .files = FILES_MAX });
	courier_paths_close(&paths);
	return e;
}

static struct err run(struct child *c)
{
	AUTO(heap) struct log_buffer *lines = calloc(1, sizeof(*lines)); /* NULL: every line is a write() */
	struct courier_options o = { .conf = c->conf, .log = &c->log, .metrics = c->metrics, .control_fd = FD_CONTROL,
		                     .keeper_fd = child_fd(COURIER_FD_KEEPER) };
	struct err e;

	TRY(crypto_start());
	json_object_seed(0); /* reads /dev/urandom, and would do so at the first object */
	TRY(loop_new(&o.loop));
	e = https_new(&(struct https_options){ .loop = o.loop, .max_requests = REQUESTS_MAX, .max_connections = CONNECTIONS_MAX },
	              &o.https);
	if (e.code == ERR_OK) e = enter_sandbox(c);
	c->log.buffer = lines; /* courier_run() flushes it each round and at its end */
	if (e.code == ERR_OK) e = courier_run(&o);
	c->log.buffer = NULL;
	https_free(o.https);
	loop_free(o.loop);
	return e;
}

int main(int argc, char **argv)
{
	struct child c;
	struct err e = child_start(&c, "courier", argc, argv);

	return child_end(&c, e.code != ERR_OK ? e : run(&c));
}
