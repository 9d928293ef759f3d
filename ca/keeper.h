/* keeper.h: the process that holds the CA's key: signs within limits that it read itself, makes each record durable before
 * its answer leaves, keeps tokens, bans and the root set (docs/protocols/keeper.md).
 *
 * Main thread: control channel, peers' channels, limits, building, signing.  Commit thread: the store's one writer, and
 * the answers.  Clerk thread: admin's reads and the look-up indexes.  It links libcrypto and LMDB and nothing else. */
#ifndef SIGNET_CA_KEEPER_H
#define SIGNET_CA_KEEPER_H

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"
#include "hsm/hsm.h"

struct keeper_options {
	const struct conf *conf;   /* lives until keeper_run() returns, as do metrics and log */
	struct hsm_kek *kek;       /* wiped as soon as the CA's key is open, and on failure */
	struct buf *ca;            /* ca/files.h: the CA that was brought; wiped at once; NULL or empty: one of our own */
	struct bytes crl;          /* ca-crl.pem; empty: none is configured, or it is not known */
	int control_fd;            /* base/control.h; taken over */
	const char *data_dir;      /* of the store: exists, ours, mode 0700 */
	struct metrics *metrics;   /* this process's page, writable */
	const struct log *log;
	uint64_t store_map_max;    /* bytes; 0: the store's own bound */
	/* Test hook, NULL in production: called at the named points "after-sign", "before-commit", "after-commit",
	 * "before-answer", and around the commit of a CRL's number "before-crl" and "after-crl", of the root set "before-roots"
	 * and "after-roots", on whatever thread is there.  A build with -DSIGNET_TEST_POINTS also honours the environment's
	 * SIGNET_TEST_KILL=POINT:N: the process kills itself when it reaches that point for the Nth time. */
	void (*at_point)(const char *point, void *ctx);
	void *at_point_ctx;
};

/* Opens the store, makes the root if there is none, sends CONTROL_READY, serves until CONTROL_STOP or until the control
 * channel closes, answers what is in hand, and returns OK.  Call it in the sandbox and before any other thread.
 * Errors of the start (nothing was answered): FAILED_PRECONDITION (store in use, or of a newer format), DATA_LOSS (store
 * unreadable, or the key-encryption key is not the one the CA's key was stored under), UNAVAILABLE, INTERNAL. */
/* Read the pipe that brings a CA (ca/files.h) into a buffer that has no room yet; wipe it.  INVALID_ARGUMENT: too large. */
struct err keeper_read_ca(int fd, struct buf *out);
struct err keeper_run(const struct keeper_options *options);

#endif
