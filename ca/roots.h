/* roots.h: the root set: certificates that are trusted, and the key of the one that signs.
 *
 * Kept as one named value of the store ("roots"): sequence number, and for each root its state, its certificate and its
 * private key wrapped under the key-encryption key (hsm_wrap; the label binds it to this very certificate).  Owned by the
 * keeper's main thread; what the accessors give is read-only and may be read by any thread. */
#ifndef SIGNET_CA_ROOTS_H
#define SIGNET_CA_ROOTS_H

#include "base/own.h"
#include "ca/brought.h"
#include "ca/serial.h"
#include "ca/template.h"
#include "conf/conf.h"
#include "hsm/hsm.h"
#include "storage/store.h"

#define ROOTS_MAX 8 /* of our own in one set; ours */
#define ROOTS_ITEMS_MAX (ROOTS_MAX + BROUGHT_CHAIN_MAX + BROUGHT_ROOTS_MAX)

enum root_state {
	ROOT_NEXT = 1,   /* published, so that clients know it before it signs */
	ROOT_ACTIVE = 2, /* signs; exactly one */
	ROOT_OLD = 3,    /* still trusted, signs no more */
	/* of a CA that was brought (ca/brought.h); their key is not stored */
	ROOT_KEPT = 4,   /* one that we made: its key is kept, but it is not published while another CA signs */
	ROOT_CHAIN = 5,  /* the signing certificate, then those above it */
	ROOT_BROUGHT = 6, /* a trusted root; the chain's own first */
};

/* A key that was made for `signet ca csr`: a stored value of this name until its certificate is imported, then in the set. */
#define ROOTS_PENDING "ca-pending"
#define ROOTS_IMPORT_LABEL "ca-import-key"

struct roots_options {
	const struct conf *conf;
	const struct hsm_kek *kek;
	struct serials *serials;
	int64_t now; /* Unix seconds */
	const struct hsm_kek *import_kek; /* of ROOTS_IMPORT_LABEL */
	struct brought *brought; /* sign with this CA: its key is taken, all else copied; NULL: with one of our own */
};
struct roots;
/* Load the set, or make it (one self-signed root of ca.key_type) and commit it before anything is signed with it.  The
 * caller is the store's writer for the call.  *created says which.
 * A CA that is brought is put into the stored set, under a new sequence number if the set changes by it.
 * FAILED_PRECONDITION: the stored root names another trust domain; or the stored set is of a CA that was brought, now none is,
 * and there never was one of our own.  DATA_LOSS: the stored set does not parse, or its key
 * does not open under this key-encryption key. */
struct err roots_open(struct store *store, const struct roots_options *options, bool *created, struct roots **out);
void roots_free(struct roots *r); /* NULL is allowed */
static inline void auto_roots(struct roots **p) { roots_free(*p); }

/* For hsm_key_load(): ca.signer_threads. */
unsigned roots_signer_threads(const struct conf *conf);
uint32_t roots_seq(const struct roots *r);
/* Of the active root; borrowed until roots_free(). */
struct root_signer {
	struct hsm_key *key;
	struct template *template;
	struct bytes name, algorithm; /* subject Name and AlgorithmIdentifier elements */
	uint8_t ski[KEY_SKI_LEN];
	int64_t not_after;            /* Unix seconds: nothing that is signed may outlive it (the chain's earliest end) */
	int64_t root_not_after;
	bool brought;
	char key_type[16];            /* "P-256", "RSA" ... */
};
const struct root_signer *roots_signer(const struct roots *r);
/* Sign and wait for it; for keys that nobody else uses. */
struct err roots_sign(struct hsm_key *key, struct bytes msg, struct hsm_job *job);
/* Append struct wire_roots: what the fronts publish. */
struct err roots_publish(const struct roots *r, struct buf *out);

#endif
