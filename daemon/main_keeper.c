/* signet-keeper: holds the CA's key and the records.  Everything comes by descriptor (daemon/fds.h); the work is
 * ca/keeper.h. */
#include <errno.h>
#include <unistd.h>

#include "base/chan.h"
#include "ca/files.h"
#include "ca/keeper.h"
#include "daemon/child.h"
#include "daemon/crypto.h"

#ifdef SIGNET_TEST_POINTS
#include <sys/socket.h>
#endif

#define FILES_MAX 512 /* descriptors: 66 channels, LMDB's files, memfds on their way; ours */

static struct err read_kek(struct hsm_kek *kek)
{
	size_t done = 0;
	uint8_t more;
	ssize_t n;

	while (done < HSM_KEK_LEN && (n = read(KEEPER_FD_KEK, kek->bytes + done, HSM_KEK_LEN - done)) > 0) done += (size_t)n;
	if (done != HSM_KEK_LEN || read(KEEPER_FD_KEK, &more, 1) != 0)
		FAIL(ERR_FAILED_PRECONDITION, "keeper: no key-encryption key");
	close(KEEPER_FD_KEK);
	return OK;
}

/* For the test that sees the sandbox of the real process kill it; not in a build that is installed. */
static void forbidden_call(void)
{
#ifdef SIGNET_TEST_POINTS
	if (getenv("SIGNET_TEST_SOCKET") != NULL) (void)socket(AF_INET, SOCK_STREAM, 0);
#endif
}

static struct err read_ca(struct buf *ca)
{
	struct err e;

	if (child_fd(KEEPER_FD_CA) < 0) return OK;
	e = keeper_read_ca(KEEPER_FD_CA, ca);
	close(KEEPER_FD_CA);
	return e;
}

/* Mapped for good: it is small, and the keeper has it until the next one comes. */
static struct err map_crl(struct bytes *out)
{
	if (child_fd(KEEPER_FD_CRL) < 0) return OK;
	TRY(chan_memfd_map(KEEPER_FD_CRL, CA_CRL_MAX, out));
	close(KEEPER_FD_CRL);
	return OK;
}

static struct err run(struct child *c)
{
	AUTO(hsm_kek) struct hsm_kek kek = { 0 };
	AUTO(buf_wipe) struct buf ca = { .max = 0 };
	struct bytes crl = BYTES_NONE;

	TRY(read_kek(&kek));
	TRY(read_ca(&ca));
	TRY(map_crl(&crl));
	/* relative from here on: the path's directories may be closed to us, and may be renamed */
	if (fchdir(KEEPER_FD_DATA) != 0) FAIL_BY(ERR_FAILED_PRECONDITION, "keeper: no data directory", errno);
	TRY(crypto_start());
	TRY(sandbox_enter(&(struct sandbox_options){ .role = SANDBOX_KEEPER, .data_dir = KEEPER_FD_DATA, .run_dir = -1,
		                                     .log = &c->log, .files = FILES_MAX }));
	close(KEEPER_FD_DATA);
	forbidden_call();
	return keeper_run(&(struct keeper_options){ .conf = c->conf, .kek = &kek, .ca = &ca, .crl = crl,
		                                    .control_fd = FD_CONTROL, .data_dir = ".",
		                                    .metrics = c->metrics, .log = &c->log });
}

int main(int argc, char **argv)
{
	struct child c;
	struct err e = child_start(&c, "keeper", argc, argv);

	return child_end(&c, e.code != ERR_OK ? e : run(&c));
}
