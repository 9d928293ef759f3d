/* roots.h: the root set opened: its value (ca/set.h), the key that signs, and those that only sign CRLs any more.
 *
 * Kept as the store's value "roots"; private keys in it are wrapped under a key that is derived from the key-encryption key
 * (hsm_wrap; the label binds each to its certificate).  Owned by the keeper's main thread, which replaces the whole of it; what
 * the accessors give is read-only and may be read by any thread under the keeper's roots_lock. */
#ifndef SIGNET_CA_ROOTS_H
#define SIGNET_CA_ROOTS_H

#include "base/own.h"
#include "ca/issuer_roots.h"
#include "ca/serial.h"
#include "ca/set.h"
#include "ca/template.h"
#include "conf/conf.h"
#include "hsm/hsm.h"
#include "storage/event.h"

#define ROOTS_FORMERS_MAX 32 /* keys that may still sign CRLs; ours: more are left out */
/* A key that was made for `signet ca csr`: a stored value of this name until its certificate is imported, then in the set. */
#define ROOTS_PENDING "ca-pending"
#define ROOTS_IMPORT_LABEL "ca-import-key"
#define ROOTS_KEK_PURPOSE "signet imported CA key" /* hsm_kek_derive(); the name is older than its use for all of them */

struct roots_options {
	const struct conf *conf;
	const struct hsm_kek *kek;    /* at start, for sets of older programs, whose own keys are wrapped under it; NULL later */
	const struct hsm_kek *ca_kek; /* derived from it for ROOTS_KEK_PURPOSE */
	struct serials *serials;
	int64_t now;                  /* Unix seconds */
};
struct roots;

/* The stored set, its signers not yet opened; seq 0 if there is none.  DATA_LOSS: it does not parse, or is of an older program and
 * its keys do not open under this key-encryption key. */
struct err roots_read(struct store *store, const struct roots_options *options, struct roots **out);
/* A set with one self-signed root of ca.key_type in it, not stored; `key` and `cert` keep what its views borrow. */
struct err roots_first(const struct roots_options *options, struct buf *cert, struct buf *blob, struct root_set *set);
/* Another set, in two halves.  Build: under the next sequence number, its signers opened; keys that are in `from` are lent.
 * DATA_LOSS: a key does not open or is not its certificate's.  FAILED_PRECONDITION: the signer is of another trust domain, or
 * its key is not here. */
struct roots_change {
	struct roots *from;           /* what roots_read() or an earlier change gave */
	const struct root_set *set;   /* what is to be; views into anything that lives for the call; NULL: as it is */
	struct hsm_key **brought_key; /* of a CA that was brought; taken on success; NULL: none */
	const struct store_event *event; /* NULL: none */
	bool import;                  /* ROOTS_PENDING is in the set now: delete it */
};
struct err roots_build(const struct roots_options *options, const struct roots_change *change, struct roots **out);
/* Store: durable in one transaction, with its event, if it is another than the stored one (or that is of an older program). The
 * caller is the store's writer for the call.  OK: the lent keys are r's, and `from` is good for roots_free() only.  Otherwise
 * nothing has changed, and r is good for roots_free() only. */
struct err roots_store(struct store *store, const struct roots_change *change, struct roots *r);
void roots_free(struct roots *r); /* NULL is allowed */
static inline void auto_roots(struct roots **p) { roots_free(*p); }

/* For hsm_key_load(): ca.signer_threads. */
unsigned roots_signer_threads(const struct conf *conf);
const struct root_set *roots_set(const struct roots *r);
uint32_t roots_seq(const struct roots *r);
struct root_signer { /* borrowed until roots_free(), or until roots_store() has put another in its place */
	struct hsm_key *key;          /* former: NULL if it is not here any more */
	struct template *template;    /* former: NULL */
	struct bytes name, algorithm; /* subject Name and AlgorithmIdentifier elements */
	struct bytes cert;            /* DER */
	uint8_t ski[KEY_SKI_LEN];
	int64_t not_after;            /* Unix seconds: nothing that is signed may outlive it (the chain's earliest end) */
	int64_t root_not_after;
	bool brought;
	bool stored;                  /* its key is in the set; false: only in memory */
	bool crl_sign;                /* its key usage allows CRLs */
	char key_type[16];            /* "P-256", "RSA" ... */
};
const struct root_signer *roots_signer(const struct roots *r);
/* Those that signed before; NULL past the last. */
const struct root_signer *roots_former(const struct roots *r, size_t i);
/* Sign and wait for it.  The caller is the key's one submitter. */
struct err roots_sign(struct hsm_key *key, struct bytes msg, struct hsm_job *job);
/* Append struct wire_roots: what the fronts publish, with the roots of other issuers, if there are any (NULL: none). */
struct err roots_publish(const struct roots *r, const struct issuer_roots *others, struct buf *out);

#endif
