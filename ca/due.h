/* due.h: what rotation does by itself, and when.  Pure; any thread. */
#ifndef SIGNET_CA_DUE_H
#define SIGNET_CA_DUE_H

#include "ca/step.h"
#include "conf/conf.h"

struct due {
	enum step_kind kind;              /* 0: nothing */
	char root[2 * SET_ID_LEN + 1];    /* that it is about; "": it is clear */
};
/* The next step that is due at `now` (the keeper's steady clock), if any.  `o` is of this set. */
struct due due_step(const struct root_set *set, const struct outlook *o, const struct conf *conf, int64_t now);

#endif
