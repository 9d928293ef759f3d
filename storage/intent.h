/* intent.h: certificates that somebody else is about to be asked for: written before he is asked, gone with the record or with the
 * refusal; so what was asked for is known, whatever happens in between.  Threads and failures as in storage/store.h. */
#ifndef SIGNET_STORAGE_INTENT_H
#define SIGNET_STORAGE_INTENT_H

#include "storage/store.h"

#define STORE_INTENT_NAME_MAX 63           /* bytes of a name: a label of DNS (RFC 1123) */
#define STORE_INTENT_VALUE_MAX (64 * 1024) /* bytes; its form is the owner's */

/* ALREADY_EXISTS; INVALID_ARGUMENT: name or length out of range. */
struct err store_batch_intent_add(struct store_batch *b, const char *name, struct bytes value);
struct err store_batch_intent_drop(struct store_batch *b, const char *name); /* NOT_FOUND */

struct store_intent {
	char name[STORE_INTENT_NAME_MAX + 1];
	struct bytes value; /* until the view closes */
};
/* As store_view_ban_next(), by name. */
struct err store_view_intent_next(struct store_view *v, struct store_cursor *cursor, struct store_intent *out);

#endif
