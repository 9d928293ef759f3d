/* backend.h: what a place where keys live must offer; private to hsm/.
 *
 * hsm.h's functions do nothing but call through this table.  `file` (file.c) is the one there is; the token process's
 * client will be another (docs/protocols/token.md): its sign() puts a digest into a frame and returns, and the frame that
 * comes back calls job->done. */
#ifndef SIGNET_HSM_BACKEND_H
#define SIGNET_HSM_BACKEND_H

#include "hsm/hsm.h"

struct hsm_ops {
	/* Take the job; job->done is called exactly once, before or after the return, or by free(). */
	void (*sign)(struct hsm_key *key, struct hsm_job *job);
	/* Answer every job that is left with UNAVAILABLE, stop, wipe, release. */
	void (*free)(struct hsm_key *key);
};

/* The first member of each backend's own struct. */
struct hsm_key {
	const struct hsm_ops *ops;
	enum key_scheme scheme;
	bool immediate;  /* sign() calls done before it returns */
	struct buf spki; /* released by the backend */
};

/* The scheme that a CA key signs with.  INVALID_ARGUMENT: not one of hsm_key_spec()'s types and sizes. */
struct err hsm_scheme_for(enum key_type type, unsigned bits, enum key_scheme *out);

#endif
