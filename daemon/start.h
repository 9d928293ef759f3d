/* start.h: everything that needs privilege or the file system, done once before the first child is started.
 *
 * As root: sockets, files that are named, directories; then the daemon becomes conf.user; the rest as that user.  What is
 * opened here is handed to the children by descriptor (daemon/fds.h); big files as sealed memfds.  One thread. */
#ifndef SIGNET_DAEMON_START_H
#define SIGNET_DAEMON_START_H

#include "base/log.h"
#include "conf/conf.h"
#include "daemon/files.h"
#include "base/user.h"

struct start_files { /* sealed memfds; what a reload reads again */
	int jwks[CONF_ISSUERS_MAX]; /* as many as conf->issuer_count */
	int tls_cert, tls_key;      /* -1: none named */
};

struct start {
	const struct conf *conf;
	const struct log *log;
	const char *at;       /* path, address or name that the last step was about, for the log */
	char at_text[600];
	struct user user;
	int bin_dir;          /* where the programs are */
	int notify;           /* sd_notify; -1 */
	int conf_fd, access;  /* sealed memfds */
	int listen, metrics;  /* TCP; metrics -1: none */
	int admin, admin_dir; /* unix socket, and its directory */
	char admin_name[108]; /* name in admin_dir; "" if the socket was handed over */
	int data_dir;
	bool has_kek;
	uint8_t kek[KEK_LEN]; /* wiped as soon as the keeper has it */
	struct start_files files;
	int crl;              /* sealed memfd with its ca-crl.pem; -1: no ca.directory */
	int issuer_roots[CONF_CSR_ISSUERS_MAX]; /* sealed memfds with roots_file, until the keeper has them; -1: none */
	int ca;               /* pipe with the content of ca.directory, for the keeper alone; -1: none */
};

/* All of it, in order.  On failure s->at says about what; start_close() is due either way. */
struct err start_all(struct start *s, const struct conf *conf, const struct log *log);
/* Read the JWKS and TLS files (again).  OK: *files is the caller's, start_close_files().  Otherwise it is untouched. */
struct err start_read_files(struct start *s, struct start_files *files);
/* Read ca.directory (again) into a pipe; *fd is the caller's, -1 if none is configured.  Errors as files_read(), and
 * RESOURCE_EXHAUSTED: more than a pipe holds. */
struct err start_read_ca(struct start *s, int *fd);
/* Read its ca-crl.pem (again) into sealed memory: a newline if there is none.  *fd as above. */
struct err start_read_crl(struct start *s, int *fd);
/* Something that changes when a file of ca.directory does, or the passphrase: names, identities, sizes, times, who may read
 * them; 0: none is configured. */
uint64_t start_ca_mark(const struct start *s);
/* The roots_file of a CSR issuer (again), into sealed memory; *fd is the caller's, -1 if none is named.  Errors as files_read(). */
struct err start_read_roots(struct start *s, unsigned issuer, int *fd);
uint64_t start_roots_mark(const struct start *s); /* as start_ca_mark(), of all roots_file */
/* Is the content of both the same? */
bool start_same_files(const struct start_files *a, const struct start_files *b);
/* Closes them; *files is "none" afterwards. */
void start_close_files(struct start_files *files);
void start_no_files(struct start_files *files); /* "none" */
/* Hand over, as MOVE() does. */
struct start_files start_move_files(struct start_files *files);
/* Close everything; remove the admin socket that we made. */
void start_close(struct start *s);
/* Cores, as for conf listen.fronts 0. */
uint16_t start_front_count(const struct conf *conf);

#endif
