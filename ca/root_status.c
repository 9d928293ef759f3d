/* root_status.c: the root set as an operator sees it: each root, and what keeps it from signing or going. */
#include <string.h>

#include "ca/clerk.h"
#include "ca/rotate.h"
#include "ca/wire_root.h"

struct showing {
	struct buf value, items; /* the set's views are into `value` */
	struct root_set set;
	struct outlook outlook;
};
static void auto_showing(struct showing **p)
{
	if (*p == NULL) return;
	buf_free(&(*p)->value);
	buf_free(&(*p)->items);
	free(*p);
}

/* A copy: the main thread may put another set in its place meanwhile. */
static struct err copy_set(struct keeper *k, struct showing *s)
{
	struct err e;
	uint16_t version;

	pthread_mutex_lock(&k->roots_lock);
	e = set_encode(roots_set(k->roots), &s->value);
	pthread_mutex_unlock(&k->roots_lock);
	return e.code == ERR_OK ? set_decode(buf_view(&s->value), &version, &s->set) : e;
}

/* Of a CA that was brought the key is in memory only. */
static bool key_is_here(struct keeper *k, const struct root_item *item, const uint8_t ski[KEY_SKI_LEN])
{
	const struct root_signer *former;
	bool here = item->blob.len > 0;

	pthread_mutex_lock(&k->roots_lock);
	here = here || memcmp(k->signer->ski, ski, KEY_SKI_LEN) == 0;
	for (size_t i = 0; !here && (former = roots_former(k->roots, i)) != NULL; i++)
		here = former->key != NULL && memcmp(former->ski, ski, KEY_SKI_LEN) == 0;
	pthread_mutex_unlock(&k->roots_lock);
	return here;
}

static struct err put_item(struct keeper *k, struct showing *s, unsigned at)
{
	const struct root_item *item = &s->set.items[at];
	const struct outlook_count *blind = &s->outlook.items[at].blind, *under = &s->outlook.items[at].under;
	struct wire_root_item m = { .state = item->state,
				    .origin = item->origin,
				    .since = item->since,
				    .crossed = item->cross.len > 0,
				    .blind = blind->certs,
				    .blind_until = blind->until,
				    .under = under->certs,
				    .under_until = under->until,
				    .cert = item->cert };
	struct cert cert;

	TRY(root_ski(item, m.key_id));
	TRY(root_id(item, m.id));
	TRY(cert_parse(item->cert, &cert));
	m.not_before = cert.not_before;
	m.not_after = cert.not_after;
	m.tainted = set_is_tainted(&s->set, m.key_id);
	m.key_here = key_is_here(k, item, m.key_id);
	return wire_root_item_put(&s->items, &m);
}

static struct err show(struct keeper *k, struct showing *s)
{
	static const enum root_state order[] = { ROOT_NEXT, ROOT_ACTIVE, ROOT_OLD, ROOT_KEPT, ROOT_CHAIN, ROOT_FORMER };

	TRY(copy_set(k, s));
	TRY(outlook_make(k->store, &s->set, keeper_steady_now(k), &s->outlook));
	for (size_t o = 0; o < ARRAY_LEN(order); o++)
		for (unsigned i = 0; i < s->set.item_count; i++)
			if (s->set.items[i].state == order[o]) TRY(put_item(k, s, i));
	return OK;
}

void rotate_status(struct keeper *k, struct job *job)
{
	AUTO(showing) struct showing *s = calloc(1, sizeof(*s));
	struct wire_list list = { .next = UINT64_MAX };
	struct err e = ERR(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");

	if (s != NULL) {
		s->value.max = SET_VALUE_MAX;
		s->items.max = WIRE_LIST_MAX - 128;
		e = show(k, s);
		list.next = s->set.seq;
		list.items = buf_view(&s->items);
	}
	clerk_answer_list(job, e, &list);
}

/* When the first root in that state ends; 0: there is none. */
static int64_t first_end(const struct root_set *set, enum root_state state)
{
	int64_t end = 0;
	struct cert cert;

	for (unsigned i = 0; i < set->item_count; i++) {
		if (set->items[i].state != state || cert_parse(set->items[i].cert, &cert).code != ERR_OK) continue;
		if (end == 0 || cert.not_after < end) end = cert.not_after;
	}
	return end;
}

void rotate_gauges(struct keeper *k, const struct root_set *set, const struct outlook *o)
{
	uint64_t next = 0, old = 0;
	int64_t safe = 0;

	for (unsigned i = 0; i < set->item_count; i++) {
		next += set->items[i].state == ROOT_NEXT;
		old += set->items[i].state == ROOT_OLD;
		if (set->items[i].state == ROOT_NEXT) safe = o->items[i].blind.certs == 0 ? o->now : o->items[i].blind.until;
	}
	metric_set(k->metrics, M_ROOT_FIRST_NEXT, (uint64_t)first_end(set, ROOT_NEXT));
	metric_set(k->metrics, M_ROOT_FIRST_OLD, (uint64_t)first_end(set, ROOT_OLD));
	metric_set(k->metrics, M_ROOTS_NEXT, next);
	metric_set(k->metrics, M_ROOTS_OLD, old);
	metric_set(k->metrics, M_ROOT_NEXT_SAFE, (uint64_t)safe);
	metric_set(k->metrics, M_ROOT_SEQ, set->seq);
}
