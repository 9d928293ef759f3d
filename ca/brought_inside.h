/* brought_inside.h: what the files of ca/brought*.c share; nobody else includes it. */
#ifndef SIGNET_CA_BROUGHT_INSIDE_H
#define SIGNET_CA_BROUGHT_INSIDE_H

#include "ca/brought.h"

struct item { /* one certificate of a file */
	struct cert cert;
	enum ca_file file;
	unsigned number; /* in the file, from 1 */
	bool root, taken;
	bool dead; /* no root can be reached from it */
};

struct checking {
	const struct ca_files *files;
	const struct brought_options *o;
	struct brought_report *report;
	struct brought *b;
	struct key_verifier *verifier, *own_verifier; /* own: NULL if the caller gave one */
	enum ca_file cert_file, key_file, chain_file, roots_file;
	struct item *signer, *anchor;
	struct item *path[BROUGHT_CHAIN_MAX]; /* signer first */
	size_t path_count;
	struct { /* the longest way that led nowhere, for the refusal */
		const struct item *at;
		size_t depth;
		const struct item *named, *refused, *stray; /* see brought_chain.c */
	} gap;
	struct item items[BROUGHT_CERTS_MAX];
	size_t count;
};

/* The problem, as "where: what: remedy"; returns the error to fail with. */
struct err brought_refuse(struct checking *c, enum ca_file file, const char *what, const char *remedy);
struct err brought_refuse_cert(struct checking *c, const struct item *item, const char *what, const char *remedy);
void brought_warn(struct checking *c, enum ca_file file, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* brought_chain.c: who signed whom.  Sets path and anchor. */
struct err brought_chain(struct checking *c);
/* Is `cert` signed by `issuer`'s key under its name?  INVALID_ARGUMENT: no; UNIMPLEMENTED: by an algorithm that is refused. */
struct err brought_signed_by(struct checking *c, const struct cert *cert, const struct cert *issuer);
bool brought_self_signed(struct checking *c, const struct cert *cert);
/* Do its authority key identifier, issuer and serial number fit this issuer?  True for what it does not say. */
bool brought_names_issuer(const struct cert *cert, const struct cert *issuer);
/* brought_rules.c: may each certificate of the path be what it is there? */
struct err brought_rules(struct checking *c);

#endif
