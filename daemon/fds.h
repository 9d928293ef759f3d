/* fds.h: which descriptor is what in a child; the monitor (spawn.c) and the main()s agree here, by number.
 *
 * 0 reads /dev/null, 1 and 2 are the log.  What is optional is closed when it is not there.  Nothing else is open.
 * Memfds are sealed; their owner wrote them before the child was started. */
#ifndef SIGNET_DAEMON_FDS_H
#define SIGNET_DAEMON_FDS_H

#include "conf/conf.h"

enum child_fd {
	FD_CONTROL = 3, /* SOCK_SEQPACKET to the monitor (base/control.h) */
	FD_CONF = 4,    /* sealed memfd: conf_map() */
	FD_METRICS = 5, /* this process's metrics page, writable */
	FD_ROLE = 6,    /* what follows depends on the role */

	KEEPER_FD_KEK = FD_ROLE,  /* pipe: the 32 bytes of the key-encryption key, then end of file */
	KEEPER_FD_DATA,           /* data_dir, a directory; the keeper makes it its working directory */
	KEEPER_FD_CA,             /* optional, pipe: content of ca.directory (ca/files.h), then end of file */
	KEEPER_FD_CRL,            /* optional, sealed memfd: ca-crl.pem of ca.directory */
	KEEPER_FD_END,

	FRONT_FD_KEEPER = FD_ROLE, /* SOCK_SEQPACKET to the keeper (ca/wire.h) */
	FRONT_FD_LISTEN,           /* the listening socket that all fronts share */
	FRONT_FD_TLS_CERT,         /* optional, sealed memfd: content of tls.cert_file */
	FRONT_FD_TLS_KEY,          /* optional, sealed memfd: content of tls.key_file */
	FRONT_FD_JWKS,             /* sealed memfds: content of jwks_file of issuer 0, 1, ... of the configuration */
	FRONT_FD_END = FRONT_FD_JWKS + CONF_ISSUERS_MAX,

	ADMIN_FD_KEEPER = FD_ROLE, /* SOCK_SEQPACKET to the keeper (ca/wire_admin.h) */
	ADMIN_FD_SOCKET,           /* listening unix socket */
	ADMIN_FD_ACCESS,           /* sealed memfd: who may administer (daemon/access.h) */
	ADMIN_FD_METRICS,          /* optional: listening socket of metrics.address */
	ADMIN_FD_END,

	COURIER_FD_KEEPER = FD_ROLE, /* optional: SOCK_SEQPACKET to the keeper (ca/wire_courier.h) */
	COURIER_FD_END,

	CHILD_FD_END = FRONT_FD_END, /* above every number used */
};

#define CHILD_FILE_MAX (1024 * 1024) /* bytes of a JWKS or TLS file; ours */

/* Exit status of signetd and of its children (docs/operations.md).  A child that its sandbox kills ends by SIGSYS. */
enum daemon_exit {
	EXIT_CLEAN = 0,   /* stopped as told */
	EXIT_CONF = 2,    /* command line or configuration */
	EXIT_KEEPER = 3,  /* the keeper died */
	EXIT_START = 4,   /* cannot start: address in use, data_dir, files, user */
	EXIT_RUN = 5,     /* a child: its work ended with an error that its log line tells */
};

#endif
