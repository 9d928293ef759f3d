/* roots.h: the root set: certificates that are trusted, and the key of the one that signs.
 *
 * Kept as one named value of the store ("roots"): sequence number, and for each root its state, its certificate and its
 * private key wrapped under the key-encryption key (hsm_wrap; the label binds it to this very certificate).  Owned by the
 * keeper's main thread; what the accessors give is read-only and may be read by any thread. */
#ifndef SIGNET_CA_ROOTS_H
#define SIGNET_CA_ROOTS_H

#include "base/own.h"
#include "ca/serial.h"
#include "ca/template.h"
#include "conf/conf.h"
#include "hsm/hsm.h"
#include "storage/store.h"

#define ROOTS_MAX 8 /* in one set; ours */

enum root_state {
	ROOT_NEXT = 1,   /* published, so that clients know it before it signs */
	ROOT_ACTIVE = 2, /* signs; exactly one */
	ROOT_OLD = 3,    /* still trusted, signs no more */
};

struct roots_options {
	const struct conf *conf;
	const struct hsm_kek *kek;
	struct serials *serials;
	int64_t now; /* Unix seconds */
};
struct roots;
/* Load the set, or make it (one self-signed root of ca.key_type) and commit it before anything is signed with it.  The
 * caller is the store's writer for the call.  *created says which.
 * FAILED_PRECONDITION: the stored root names another trust domain.  DATA_LOSS: the stored set does not parse, or its key
 * does not open under this key-encryption key. */
struct err roots_open(struct store *store, const struct roots_options *options, bool *created, struct roots **out);
void roots_free(struct roots *r); /* NULL is allowed */
static inline void auto_roots(struct roots **p) { roots_free(*p); }

uint32_t roots_seq(const struct roots *r);
/* Of the active root; borrowed until roots_free(). */
struct root_signer {
	struct hsm_key *key;
	struct template *template;
	struct bytes name, algorithm; /* subject Name and AlgorithmIdentifier elements */
	uint8_t ski[KEY_SKI_LEN];
	int64_t not_after;            /* Unix seconds */
	char key_type[16];            /* "P-256", "RSA" ... */
};
const struct root_signer *roots_signer(const struct roots *r);
/* Append struct wire_roots: what the fronts publish. */
struct err roots_publish(const struct roots *r, struct buf *out);

#endif
