/* brought.h: a CA that the operator brings as files, checked whole before it may sign: the key, the certificate that signs,
 * the chain above it in the right order, and the roots.
 *
 * Pure: no I/O, no clock; the same code judges in the keeper and in `signet ca check`.  A refusal names the file, what is
 * wrong with it, and what to do.  Any thread; hsm_key_load() may start threads. */
#ifndef SIGNET_CA_BROUGHT_H
#define SIGNET_CA_BROUGHT_H

#include "ca/files.h"
#include "csr/cert.h"
#include "hsm/hsm.h"

#define BROUGHT_CERTS_MAX 64      /* in all files together; ours */
#define BROUGHT_CHAIN_MAX 6       /* certificates between a leaf and its root, the signing one included: rustls takes no more */
#define BROUGHT_ROOTS_MAX 32      /* ours */
#define BROUGHT_CERT_MAX 8192     /* bytes of one certificate; STORE_CERT_MAX */
#define BROUGHT_TEXT_MAX 512
#define BROUGHT_WARNINGS_MAX 12   /* more are not told */

struct brought_report { /* for humans: "cert-chain.pem: what is wrong: what to do" */
	char problem[BROUGHT_TEXT_MAX]; /* set when refused */
	unsigned warning_count;
	char warnings[BROUGHT_WARNINGS_MAX][BROUGHT_TEXT_MAX];
};

struct brought_options {
	int64_t now;              /* Unix seconds */
	unsigned threads;         /* hsm_key_load() */
	struct bytes pkcs8;       /* the key, of a certificate that is imported (CA_FILE_IMPORTED); empty: it is in the files */
	const char *trust_domain; /* NULL: whatever the certificate says */
	struct key_verifier *verifier; /* borrowed; NULL: one for this call, which costs three verifications */
	bool foreign;             /* somebody else's: its key is not asked for, nor what only our own signing needs (ca/signed.h) */
};

struct brought { /* views point into `der` */
	const char *layout;       /* "cacerts", "kubernetes.io/tls" */
	struct hsm_key *key;      /* taken by the owner, or freed with the rest */
	struct cert signer;
	bool self_signed;         /* the signing certificate is itself the root; then the chain is empty */
	size_t chain_count;
	struct bytes chain[BROUGHT_CHAIN_MAX]; /* the signing certificate, then up to below the root */
	size_t root_count;
	struct bytes roots[BROUGHT_ROOTS_MAX]; /* that which the chain leads to first */
	int64_t not_after;        /* earliest end of signer, chain and their root */
	int64_t root_not_after;
	struct buf der;
	struct buf blob;          /* of an imported one: its key wrapped, set by whoever imports; else empty */
};

/* INVALID_ARGUMENT: refused, report->problem says why; INTERNAL, RESOURCE_EXHAUSTED: it could not be judged. */
struct err brought_check(const struct ca_files *files, const struct brought_options *o, struct brought_report *report,
                         struct brought **out);
void brought_free(struct brought *b); /* NULL is allowed */
static inline void auto_brought(struct brought **p) { brought_free(*p); }

#endif
