#include "ca/outlook.h"

#include <string.h>

#include "base/wire.h"
#include "ca/idset.h"
#include "conf/conf.h"
#include "storage/query.h"

#define PAGE 1000 /* records of one look-up; storage/query.h */

/* ---- what the set says about a record, worked out once ---- */

struct frame {
	const struct root_set *set;
	uint64_t known_from[SET_ITEMS_MAX]; /* a holder that was answered from here on can verify what is under this root */
	bool reign_of[SET_ITEMS_MAX][SET_REIGNS_MAX]; /* was it above, or was it, the signer of that reign? */
};

struct names { /* of one item */
	uint8_t key[STORE_HASH_LEN], ski[KEY_SKI_LEN];
	struct bytes subject;
	int64_t not_after;
};

static struct err names_of(const struct root_item *item, struct names *out)
{
	struct cert cert;

	TRY(cert_parse(item->cert, &cert));
	TRY(root_ski(item, out->ski));
	out->subject = cert.subject;
	out->not_after = cert.not_after;
	return key_sha256(cert.key.spki, out->key);
}

/* Another certificate of the same key and name serves as well, while it is trusted itself. */
static bool stands_in(const struct root_item *other, const struct names *of_other, const struct names *n, int64_t now)
{
	return root_is_trusted(other) && of_other->not_after > now && memcmp(of_other->key, n->key, STORE_HASH_LEN) == 0 &&
	       bytes_equal(of_other->subject, n->subject);
}

/* By its own cross-certificate a root is known to whoever knows the one that signed that. */
static uint64_t crossed_from(const struct root_set *set, unsigned at, const struct names *names, int64_t now)
{
	uint64_t from = SET_NEVER;
	struct cert cross;

	if (set->items[at].cross.len == 0 || cert_parse(set->items[at].cross, &cross).code != ERR_OK) return from;
	if (cross.not_after <= now) return from;
	for (unsigned i = 0; i < set->item_count; i++)
		if (i != at && root_is_trusted(&set->items[i]) && bytes_equal(names[i].subject, cross.issuer) &&
		    set->items[i].published < from)
			from = set->items[i].published;
	return from;
}

static struct err frame_make(const struct root_set *set, int64_t now, struct frame *f)
{
	AUTO(heap) struct names *names = calloc(SET_ITEMS_MAX, sizeof(*names));

	if (names == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	f->set = set;
	for (unsigned i = 0; i < set->item_count; i++) TRY(names_of(&set->items[i], &names[i]));
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];
		bool alone = true;

		f->known_from[i] = crossed_from(set, i, names, now);
		for (unsigned j = 0; j < set->item_count; j++) {
			bool same = j == i || stands_in(&set->items[j], &names[j], &names[i], now);

			if (same && set->items[j].published < f->known_from[i]) f->known_from[i] = set->items[j].published;
			alone = alone && (j == i || !same);
		}
		for (unsigned r = 0; r < set->reign_count; r++) {
			const struct root_reign *reign = &set->reigns[r];

			f->reign_of[i][r] = root_is_root(item) ?
				alone && memcmp(reign->root_key, names[i].key, STORE_HASH_LEN) == 0 :
				memcmp(reign->signer, names[i].ski, KEY_SKI_LEN) == 0;
		}
	}
	return OK;
}

static unsigned reign_at(const struct root_set *set, uint64_t index)
{
	unsigned lo = 0, hi = set->reign_count;

	while (hi - lo > 1) {
		unsigned mid = lo + (hi - lo) / 2;

		if (set->reigns[mid].from <= index) lo = mid;
		else hi = mid;
	}
	return lo;
}

/* Not our own serving certificates: they are renewed at once, and rotate.c sees to it. */
static bool is_holder(const struct store_record *r)
{
	return r->evidence != STORE_BY_DAEMON;
}

/* Another signer's is under its own root, whatever becomes of ours. */
static bool is_ours(const struct store_record *r)
{
	return bytes_is(r->issuer, CONF_OWN_ISSUER);
}

/* ---- a walk over what has not ended ---- */

static struct err walk(struct store *store, uint64_t end, int64_t now, struct err (*row)(void *, const struct store_record *),
		       void *ctx)
{
	struct store_query q = { .expires_from = now + 1, .expires_to = INT64_MAX, .after = UINT64_MAX, .limit = PAGE };

	do TRY(store_query(store, &q, row, ctx, &q.after));
	while (q.after != UINT64_MAX && q.after < end);
	return OK;
}

static void count(struct outlook_count *c, const struct store_record *r)
{
	c->certs++;
	if (r->not_after > c->until) c->until = r->not_after;
}

struct making {
	const struct frame *f;
	struct outlook *o;
};

static struct err count_row(void *ctx, const struct store_record *r)
{
	struct making *m = ctx;
	const struct root_set *set = m->f->set;
	unsigned reign = reign_at(set, r->index);

	if (r->index >= m->o->end || !is_holder(r)) return OK;
	for (unsigned i = 0; i < set->item_count; i++) {
		if (r->index < m->f->known_from[i]) count(&m->o->items[i].blind, r);
		if (m->f->reign_of[i][reign] && is_ours(r)) count(&m->o->items[i].under, r);
	}
	count(&m->o->unknown, r);
	if (!is_ours(r)) return OK;
	count(&m->o->reigns[reign], r);
	if (set_is_tainted(set, set->reigns[reign].signer)) count(&m->o->tainted, r);
	return OK;
}

static struct err range_of(struct store *store, uint64_t *first, uint64_t *end)
{
	AUTO(store_view) struct store_view *view = NULL;

	TRY(store_view_open(store, &view));
	return store_view_range(view, first, end);
}

struct err outlook_make(struct store *store, const struct root_set *set, int64_t now, struct outlook *out)
{
	AUTO(heap) struct frame *f = calloc(1, sizeof(*f));
	struct making m = { .f = f, .o = out };

	if (f == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	memset(out, 0, sizeof(*out));
	out->seq = set->seq;
	out->now = now;
	TRY(range_of(store, &out->first, &out->end));
	TRY(frame_make(set, now, f));
	return walk(store, out->end, now, count_row, &m);
}

/* ---- who ---- */

struct asking {
	const struct frame *f;
	const struct outlook *o;
	struct idset *seen;
	struct outlook_who *who;
};

static bool is_meant(const struct asking *a, const struct store_record *r)
{
	if (r->index >= a->o->end || !is_holder(r)) return false;
	if (a->who->kind == OUTLOOK_UNDER) return is_ours(r) && a->f->reign_of[a->who->item][reign_at(a->f->set, r->index)];
	return a->who->kind == OUTLOOK_UNKNOWN || r->index < a->f->known_from[a->who->item];
}

static struct err who_row(void *ctx, const struct store_record *r)
{
	struct asking *a = ctx;
	uint8_t hash[STORE_HASH_LEN];
	bool added = false;

	if (!is_meant(a, r) || a->who->identities >= OUTLOOK_COUNT_MAX) return OK;
	TRY(key_sha256(r->spiffe_id, hash));
	TRY(idset_add(a->seen, hash, &added));
	if (!added) return OK;
	a->who->identities++;
	if (a->who->listed >= OUTLOOK_IDS_MAX || wire_put_bytes(&a->who->ids, r->spiffe_id).code != ERR_OK) return OK;
	a->who->listed++;
	return OK;
}

struct err outlook_who(struct store *store, const struct root_set *set, const struct outlook *o, struct outlook_who *who)
{
	AUTO(heap) struct frame *f = calloc(1, sizeof(*f));
	AUTO(idset) struct idset seen = { .count = 0 };
	struct asking a = { .f = f, .o = o, .seen = &seen, .who = who };

	if (f == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	TRY(frame_make(set, o->now, f));
	return walk(store, o->end, o->now, who_row, &a);
}
