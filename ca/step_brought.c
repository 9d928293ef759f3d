/* step_brought.c: a CA that is brought or imported takes over, and what is tidied up after it. */
#include <stdio.h>
#include <string.h>

#include "ca/step_inside.h"

/* ---- may its root sign now? ---- */

static bool same_name_and_key(const struct root_item *item, const struct cert *root)
{
	struct cert cert;

	return cert_parse(item->cert, &cert).code == ERR_OK && bytes_equal(cert.subject, root->subject) &&
	       bytes_equal(cert.key.spki, root->key.spki);
}

/* Whoever knows another certificate of the same key and name can verify as well. */
static struct err rule_known(const struct root_set *set, const struct step *s, struct step_told *told)
{
	struct outlook_count best = s->outlook->unknown;
	struct cert root;

	TRY(cert_parse(s->brought->roots[0], &root));
	told->harm_kind = OUTLOOK_UNKNOWN;
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		if (!root_is_trusted(item) || !same_name_and_key(item, &root)) continue;
		if (told->harm_kind == OUTLOOK_BLIND && s->outlook->items[i].blind.certs >= best.certs) continue;
		best = s->outlook->items[i].blind;
		told->harm_kind = OUTLOOK_BLIND;
		told->outlook_item = i;
	}
	return step_rule(told, s, &best, "answered before its root was published (bring that root beside the old CA first)");
}

/* ---- the new set ---- */

static bool is_brought(const struct brought *b, struct bytes cert)
{
	for (size_t i = 0; i < b->root_count; i++)
		if (bytes_equal(b->roots[i], cert)) return true;
	return false;
}

static bool is_in_chain(const struct brought *b, struct bytes cert)
{
	for (size_t i = 0; i < b->chain_count; i++)
		if (bytes_equal(b->chain[i], cert)) return true;
	return false;
}

/* What a trusted root becomes when another CA takes over and its files do not name it. */
static void leave(struct root_item *item, const struct step *s, bool live)
{
	bool own = item->origin == ORIGIN_OWN;

	if (item->state == ROOT_NEXT && (own || item->origin == ORIGIN_ADDED)) return;
	if (own) step_enter(item, live ? ROOT_OLD : ROOT_KEPT, s);
	else if (item->state != ROOT_NEXT) step_enter(item, ROOT_OLD, s);
	if (item->origin == ORIGIN_FILES) item->origin = ORIGIN_HELD;
}

static bool stays(const struct root_item *item, bool live)
{
	if (item->origin == ORIGIN_OWN || item->origin == ORIGIN_ADDED) return true;
	return live && item->state != ROOT_NEXT;
}

/* One of the items before: what becomes of it; false: it is not in the new set, or comes with what is brought. */
static bool keeps(const struct step *s, struct root_item *item, bool live, bool signer)
{
	bool again = is_brought(s->brought, item->cert);

	if ((again && item->origin != ORIGIN_OWN) || is_in_chain(s->brought, item->cert)) return false;
	if (item->state == ROOT_CHAIN && signer && live) step_enter(item, ROOT_FORMER, s);
	if (!root_is_root(item)) return item->state == ROOT_FORMER && live;
	if (!stays(item, live)) return false;
	if (item->state != ROOT_KEPT) leave(item, s, live || again);
	else if (again) step_enter(item, ROOT_OLD, s);
	return true;
}

static struct err put(struct root_set *set, struct root_item item)
{
	if (set->item_count == SET_ITEMS_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: the root set is full");
	set->items[set->item_count++] = item;
	return OK;
}

/* `before` tells what was live: its items are those that the outlook counted. */
static struct err keep_old(struct root_set *set, const struct root_set *before, const struct step *s)
{
	for (unsigned i = 0; i < before->item_count; i++) {
		struct root_item item = before->items[i];
		bool signer = &before->items[i] == set_first(before, ROOT_CHAIN);

		if (keeps(s, &item, step_under(before, s, i).certs > 0, signer)) TRY(put(set, item));
	}
	return OK;
}

static struct err put_root(struct root_set *set, struct root_set *before, const struct step *s, size_t at)
{
	const struct root_item *known = set_find(before, s->brought->roots[at]);
	struct root_item item = { .state = ROOT_NEXT, .origin = ORIGIN_FILES, .published = s->next, .since = s->now,
				  .cert = s->brought->roots[at] };

	if (known != NULL && known->origin == ORIGIN_OWN) return OK; /* it is in the set, by itself */
	if (known != NULL && root_is_root(known)) {
		item = *known;
		item.origin = ORIGIN_FILES;
	}
	if (at == 0) step_enter(&item, ROOT_ACTIVE, s);
	else if (item.state == ROOT_ACTIVE) step_enter(&item, ROOT_OLD, s);
	return put(set, item);
}

static struct err put_brought(struct root_set *set, struct root_set *before, const struct step *s)
{
	const struct brought *b = s->brought;

	for (size_t i = 0; i < b->chain_count; i++) {
		const struct root_item *known = set_find(before, b->chain[i]);

		TRY(put(set, (struct root_item){ .state = ROOT_CHAIN, .origin = ORIGIN_FILES, .published = SET_NEVER,
			.since = known != NULL && known->state == ROOT_CHAIN ? known->since : s->now, .cert = b->chain[i],
			.blob = i == 0 ? buf_view(&b->blob) : BYTES_NONE }));
	}
	for (size_t i = 0; i < b->root_count; i++) TRY(put_root(set, before, s, i));
	return OK;
}

static bool is_same(const struct root_set *a, const struct root_set *b)
{
	if (a->item_count != b->item_count) return false;
	for (unsigned i = 0; i < a->item_count; i++) {
		const struct root_item *x = &a->items[i], *y = &b->items[i];

		if (x->state != y->state || x->origin != y->origin || !bytes_equal(x->cert, y->cert) ||
		    !bytes_equal(x->blob, y->blob))
			return false;
	}
	return true;
}

static void note_signer(const struct root_set *set, struct step_told *told, const char *event)
{
	const struct root_item *active = set_first(set, ROOT_ACTIVE);
	uint8_t id[SET_ID_LEN];

	told->event = event;
	told->changed = true;
	told->item = (unsigned)(active - set->items);
	if (root_id(active, id).code == ERR_OK) bytes_hex(BYTES(id, sizeof(id)), told->subject);
}

struct err step_brought(struct root_set *set, const struct step *s, struct step_told *told)
{
	AUTO(heap) struct root_set *before = malloc(sizeof(*before));
	const struct root_item *own = set->item_count == 0 ? NULL : set_find(set, s->brought->roots[0]);

	if (before == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	*before = *set;
	if (own != NULL && own->origin == ORIGIN_OWN)
		return step_refuse(told, ERR_FAILED_PRECONDITION, "its root is one of Signet's own: that one can sign by itself");
	if (set->item_count > 0) TRY(rule_known(set, s, told));
	set->item_count = 0;
	TRY(keep_old(set, before, s));
	TRY(put_brought(set, before, s));
	if (is_same(set, before)) {
		*set = *before;
		told->harm = (struct outlook_count){ 0, 0 };
		return OK;
	}
	note_signer(set, told, s->kind == STEP_IMPORT ? "ca_imported" : "ca_brought");
	return step_reign(set, s);
}

/* ---- back to one of our own ---- */

struct rank { /* of a root of our own: the one that signed last, else the one that ends last */
	int reign;
	int64_t not_after;
};

static struct rank rank_of(const struct root_set *set, const struct root_item *item)
{
	struct rank rank = { .reign = -1 };
	uint8_t key[STORE_HASH_LEN];
	struct cert cert;

	if (cert_parse(item->cert, &cert).code == ERR_OK) rank.not_after = cert.not_after;
	for (int r = 0; r < set->reign_count && root_key_hash(item, key).code == ERR_OK; r++)
		if (memcmp(set->reigns[r].root_key, key, sizeof(key)) == 0) rank.reign = r;
	return rank;
}

static unsigned own_last(const struct root_set *set)
{
	struct rank best = { .reign = -2 };
	unsigned at = SET_ITEMS_MAX;

	for (unsigned i = 0; i < set->item_count; i++) {
		struct rank rank = rank_of(set, &set->items[i]);

		if (set->items[i].origin != ORIGIN_OWN) continue;
		if (rank.reign < best.reign || (rank.reign == best.reign && rank.not_after <= best.not_after)) continue;
		best = rank;
		at = i;
	}
	return at;
}

#define ORIGIN_GONE 0 /* here only: to be dropped */

/* The files are gone, and so is what was only in them, when nothing under it is left. */
static void leave_files(struct root_set *set, const struct step *s)
{
	for (unsigned i = 0; i < set->item_count; i++) {
		struct root_item *item = &set->items[i];

		if (item->origin != ORIGIN_FILES || !root_is_root(item)) continue;
		item->origin = step_under(set, s, i).certs > 0 && item->state != ROOT_NEXT ? ORIGIN_HELD : ORIGIN_GONE;
	}
}

static void drop_gone(struct root_set *set)
{
	for (unsigned i = set->item_count; i-- > 0;)
		if (set->items[i].origin == ORIGIN_GONE) step_drop(set, i);
}

struct err step_own(struct root_set *set, const struct step *s, struct step_told *told)
{
	struct root_item *item;

	told->item = own_last(set);
	if (told->item == SET_ITEMS_MAX)
		return step_refuse(told, ERR_FAILED_PRECONDITION,
				   "the CA of this data directory was brought and there is no other: "
				   "name it again in ca.directory, or take a new data_dir");
	item = &set->items[told->item];
	if (item->state == ROOT_KEPT) step_enter(item, ROOT_OLD, s); /* but published only from now on */
	leave_files(set, s);
	TRY(step_activate(set, s, told));
	drop_gone(set);
	return OK;
}

/* ---- what waits for nothing any more ---- */

/* Reigns whose certificates have all ended; not the last, which goes on. */
static bool tidy_reigns(struct root_set *set, const struct step *s)
{
	uint16_t before = set->reign_count, kept = 0;

	for (uint16_t i = 0; i < before; i++)
		if (i + 1 == before || s->outlook->reigns[i].certs > 0) set->reigns[kept++] = set->reigns[i];
	set->reign_count = kept;
	return kept != before;
}

static bool tidy_taints(struct root_set *set)
{
	uint8_t before = set->taint_count, kept = 0;

	for (uint8_t i = 0; i < before; i++) {
		bool used = false;

		for (unsigned r = 0; r < set->reign_count; r++)
			used |= memcmp(set->reigns[r].signer, set->taints[i].signer, KEY_SKI_LEN) == 0;
		for (unsigned n = 0; n < set->item_count; n++) {
			uint8_t ski[KEY_SKI_LEN];

			used |= root_ski(&set->items[n], ski).code == ERR_OK &&
				memcmp(ski, set->taints[i].signer, KEY_SKI_LEN) == 0;
		}
		if (used) set->taints[kept++] = set->taints[i];
	}
	set->taint_count = kept;
	return kept != before;
}

struct err step_tidy(struct root_set *set, const struct step *s, struct step_told *told)
{
	unsigned at = 0;

	told->event = "ca_tidied";
	for (unsigned i = 0, count = set->item_count; i < count; i++) {
		const struct root_item *item = &set->items[at];
		bool waits = item->origin == ORIGIN_HELD || item->state == ROOT_FORMER;

		if (!waits || item->state == ROOT_NEXT || s->outlook->items[i].under.certs > 0) {
			at++;
			continue;
		}
		step_drop(set, at);
		told->changed = true;
	}
	if (tidy_reigns(set, s)) told->changed = true;
	if (tidy_taints(set)) told->changed = true;
	return OK;
}
