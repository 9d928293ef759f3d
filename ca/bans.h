/* bans.h: who gets nothing any more: the store's bans in memory, asked on every issuance.  Any thread (locked). */
#ifndef SIGNET_CA_BANS_H
#define SIGNET_CA_BANS_H

#include "base/own.h"
#include "storage/store.h"

struct bans;
struct err bans_new(struct bans **out);
void bans_free(struct bans *b); /* NULL is allowed */
static inline void auto_bans(struct bans **p) { bans_free(*p); }
/* Take all that the store has. */
struct err bans_load(struct bans *b, struct store_view *view);

/* *added is false when it was there already. */
struct err bans_add(struct bans *b, enum store_ban_kind kind, struct bytes subject, bool *added);
void bans_remove(struct bans *b, enum store_ban_kind kind, struct bytes subject);
size_t bans_count(struct bans *b);

struct bans_question {
	struct bytes spiffe_id, caller;
	struct bytes own_id, node; /* empty: none is known */
	const uint8_t *key_hash;  /* SHA-256 of the SPKI */
	const uint8_t *peer_hash; /* the same of the client certificate that asks; NULL if none does */
};
/* A banned key gets no certificate and cannot ask for another key's; a banned SPIFFE ID gets none and cannot, as a caller, ask
 * for another ID's, by certificate or by token; nothing is issued for a token that is bound to a banned node. */
bool bans_hit(struct bans *b, const struct bans_question *q);

/* A subject that a ban may have: a SPIFFE ID, 64 lower-case hex digits, a caller's text, a node's name.  INVALID_ARGUMENT
 * otherwise. */
struct err bans_subject_check(enum store_ban_kind kind, struct bytes subject);

#endif
