/* front.h: the process that faces clients: authenticate, decide, have it issued, answer.  One thread, one loop; it opens no
 * file and connects to nobody: everything comes by descriptor from the monitor. */
#ifndef SIGNET_RA_FRONT_H
#define SIGNET_RA_FRONT_H

#include "base/log.h"
#include "base/metrics.h"
#include "conf/conf.h"

struct front_options {
	const struct conf *conf;
	const struct log *log;
	struct metrics *metrics;      /* our own page, writable */
	int control_fd, keeper_fd;    /* channels; taken over */
	int listen_fd;                /* borrowed */
	uint16_t number;              /* 0, 1, ... */
	const struct bytes *jwks;     /* conf->issuer_count JWK Sets, in the order of conf->issuers; mapped, borrowed */
	struct bytes tls_chain_pem, tls_key_pem; /* from tls.cert_file and tls.key_file; empty: our own CA issues it */
};
/* Runs until CONTROL_STOP (then OK, after the open calls ended or 5 seconds) or until the keeper or monitor is gone. */
struct err front_run(const struct front_options *options);

#endif
