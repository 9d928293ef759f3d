/* control.h: what the monitor and each of its children say to each other over the child's control channel.
 *
 * One table of message numbers for all roles; what a role does not know or may not hear is not in its table, and ends the
 * channel (base/chan.h).  Integers as in base/wire.h.  A child whose control channel is closed by the monitor drains and
 * exits as if told CONTROL_STOP: the monitor is gone. */
#ifndef SIGNET_BASE_CONTROL_H
#define SIGNET_BASE_CONTROL_H

#include "base/chan.h"

enum control_role { CONTROL_MONITOR = 0, CONTROL_KEEPER = 1, CONTROL_FRONT = 2, CONTROL_ADMIN = 3, CONTROL_COURIER = 4 };

enum control_type {
	/* child -> monitor */
	CONTROL_READY = 1,   /* empty: it serves now */
	CONTROL_NO_COURIER = 10, /* front -> monitor: empty: it lost its channel to the courier a second ago: another, please */
	CONTROL_CA_RESULT = 7, /* keeper -> monitor: u8: 1 the CA of CONTROL_CA is in use, 0 it was refused */
	CONTROL_LOG = 11,    /* admin -> monitor: struct control_log: another log level for a while */
	/* monitor -> child */
	CONTROL_STOP = 2,    /* empty: finish what is in hand, then exit with status 0 */
	/* -> keeper, courier, front, with descriptor: struct control_peer: a new peer's end of a channel (ca/wire.h,
	 * ca/wire_courier.h, k8s_csr/wire_front.h) */
	CONTROL_CHANNEL = 3,
	CONTROL_METRICS = 4, /* -> admin, with descriptor: struct control_peer: a process's metrics page; replaces its older one */
	CONTROL_CRL = 8,     /* -> keeper, with descriptor: sealed memory with ca-crl.pem; a file without a list: cleared */
	CONTROL_CA = 6,      /* -> keeper, with descriptor: a pipe with the files of the CA to sign with (ca/files.h), at its end */
	CONTROL_ISSUER_ROOTS = 9, /* -> keeper, with descriptor: u8: index of the CSR issuer; sealed memory with its roots_file */
	CONTROL_STATUS = 5,  /* -> admin: text, 0..CONTROL_STATUS_MAX bytes: processes and restarts, for `signet status` */
};

#define CONTROL_STATUS_MAX 16384 /* bytes; ours */

struct control_peer { /* payload of CONTROL_CHANNEL and CONTROL_METRICS */
	uint8_t role;    /* enum control_role */
	uint16_t number; /* 0.. within the role; a restarted process keeps its predecessor's */
};
#define CONTROL_PEER_LEN 3
struct err control_peer_put(struct buf *out, const struct control_peer *m);
struct err control_peer_take(struct bytes in, struct control_peer *m); /* INVALID_ARGUMENT: size, unknown role */

#define CONTROL_EVERY_ROLE 255
#define CONTROL_EVERY_NUMBER UINT16_MAX
#define CONTROL_LOG_SECONDS_MAX 86400 /* ours: what is forgotten must end by itself */
struct control_log { /* payload of CONTROL_LOG */
	uint8_t role;     /* enum control_role, or CONTROL_EVERY_ROLE */
	uint16_t number;  /* or CONTROL_EVERY_NUMBER */
	uint8_t level;    /* enum log_level (base/log.h) */
	uint32_t seconds; /* 1..CONTROL_LOG_SECONDS_MAX */
};
#define CONTROL_LOG_LEN 8
struct err control_log_put(struct buf *out, const struct control_log *m);
struct err control_log_take(struct bytes in, struct control_log *m); /* INVALID_ARGUMENT: size, or out of range */

#endif
