/* files.h: the files that a brought CA consists of (ca.directory), and how they travel from the monitor to the keeper.
 *
 * Two layouts: Istio's `cacerts` (of which an exported istio-ca-secret is one with less in it) and kubernetes.io/tls.  Needs
 * libc alone, because the monitor links it; what is in the files is ca/brought.h's.  Any thread, no I/O. */
#ifndef SIGNET_CA_FILES_H
#define SIGNET_CA_FILES_H

#include "base/bytes.h"

enum ca_file {
	CA_FILE_CERT,       /* ca-cert.pem: the certificate that signs */
	CA_FILE_KEY,        /* ca-key.pem */
	CA_FILE_CHAIN,      /* cert-chain.pem: from it up to the root */
	CA_FILE_ROOTS,      /* root-cert.pem */
	CA_FILE_CRL,        /* ca-crl.pem */
	CA_FILE_TLS_CERT,   /* tls.crt: the certificate that signs, then the chain */
	CA_FILE_TLS_KEY,    /* tls.key */
	CA_FILE_TLS_ROOTS,  /* ca.crt */
	CA_FILE_PASSPHRASE, /* of the key; not in the directory: ca.passphrase_file */
	CA_FILE_IMPORTED,   /* signet ca import: the signing certificate and the chain */
	CA_FILE_IMPORTED_ROOTS,
	CA_FILE_COUNT
};
#define CA_FILES_MAX (60 * 1024)  /* bytes of all together, encoded; ours: they fit into a pipe at once */
#define CA_PASSPHRASE_MAX 1024    /* bytes; ours */
#define CA_CRL_MAX (4UL << 20)    /* bytes of ca-crl.pem, which travels by itself; some 80 000 entries; ours */

/* Name in the directory; for the passphrase what to call it.  Static storage. */
const char *ca_file_name(enum ca_file file);
/* Is its content among the files that travel together?  ca-crl.pem travels by itself (ca/brought_crl.h). */
bool ca_file_is_read(enum ca_file file);

struct ca_files {
	bool there[CA_FILE_COUNT];
	struct bytes text[CA_FILE_COUNT]; /* borrowed; empty if not there, and of what is not read */
};
/* Append; RESOURCE_EXHAUSTED past out->max.  There are secrets in it: reserve all the room first, and wipe. */
struct err ca_files_put(struct buf *out, const struct ca_files *files);
/* Views into `in`.  INVALID_ARGUMENT: malformed. */
struct err ca_files_take(struct bytes in, struct ca_files *files);

#endif
