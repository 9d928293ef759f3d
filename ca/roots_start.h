/* roots_start.h: the root set as the daemon begins with it: the stored one, a first one, or with a CA that was brought. */
#ifndef SIGNET_CA_ROOTS_START_H
#define SIGNET_CA_ROOTS_START_H

#include "ca/roots.h"
#include "ca/step.h"

struct roots_start {
	const struct roots_options *options;
	struct brought *brought;  /* ca.directory; its key is taken; NULL: none is configured */
	bool accept_unpublished;  /* ca.unpublished_root */
};
struct roots_started {
	bool created;             /* there was none */
	struct step_told told;    /* of the step that it took; `why` when it is refused */
};
/* The caller is the store's writer for the call.  FAILED_PRECONDITION: told.why; or of another trust domain, or its key is not
 * here. DATA_LOSS: the stored set does not parse, or a key does not open under this key-encryption key. */
struct err roots_start(struct store *store, const struct roots_start *start, struct roots_started *started, struct roots **out);

#endif
