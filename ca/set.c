#include "ca/set.h"

#include <string.h>

#include "ca/fields.h"

/* ---- the stored value ---- */

struct head {
	uint16_t version;
	uint32_t seq;
	uint8_t count; /* of items */
};
static const struct wire_field head_fields[] = {
	WIRE_FIELD(head, version, U16, 1, SET_VERSION),
	WIRE_FIELD(head, seq, U32, 1, UINT32_MAX),
	WIRE_FIELD(head, count, U8, 1, SET_ITEMS_MAX),
};
static const struct wire_form head_form = WIRE_FORM(head, head_fields);

static const struct wire_field item_fields[] = {
	WIRE_FIELD(root_item, state, U8, ROOT_NEXT, ROOT_FORMER),
	WIRE_FIELD(root_item, origin, U8, ORIGIN_OWN, ORIGIN_HELD),
	WIRE_FIELD(root_item, pinned, BOOL, 0, 0),
	WIRE_FIELD(root_item, published, U64, 0, 0),
	WIRE_FIELD(root_item, since, I64, 0, 0),
	WIRE_FIELD(root_item, cert, BYTES, 1, STORE_CERT_MAX),
	WIRE_FIELD(root_item, blob, BYTES, 0, SET_BLOB_MAX),
	WIRE_FIELD(root_item, cross, BYTES, 0, STORE_CERT_MAX),
};
static const struct wire_form item_form = WIRE_FORM(root_item, item_fields);

struct tail { /* how many of what follows */
	uint16_t reigns;
	uint8_t taints;
};
static const struct wire_field tail_fields[] = {
	WIRE_FIELD(tail, reigns, U16, 1, SET_REIGNS_MAX),
	WIRE_FIELD(tail, taints, U8, 0, SET_TAINTS_MAX),
};
static const struct wire_form tail_form = WIRE_FORM(tail, tail_fields);

static const struct wire_field reign_fields[] = {
	WIRE_FIELD(root_reign, from, U64, 0, 0),
	WIRE_FIELD(root_reign, root_key, RAW, 0, STORE_HASH_LEN),
	WIRE_FIELD(root_reign, signer, RAW, 0, KEY_SKI_LEN),
};
static const struct wire_form reign_form = WIRE_FORM(root_reign, reign_fields);

static const struct wire_field taint_fields[] = {
	WIRE_FIELD(root_taint, signer, RAW, 0, KEY_SKI_LEN),
	WIRE_FIELD(root_taint, since, I64, 0, 0),
};
static const struct wire_form taint_form = WIRE_FORM(root_taint, taint_fields);

struct err set_encode(const struct root_set *set, struct buf *out)
{
	struct head head = { .version = SET_VERSION, .seq = set->seq, .count = set->item_count };
	struct tail tail = { .reigns = set->reign_count, .taints = set->taint_count };

	TRY(set_check(set));
	TRY(wire_form_put(out, &head_form, &head));
	for (unsigned i = 0; i < set->item_count; i++) TRY(wire_form_put(out, &item_form, &set->items[i]));
	TRY(wire_form_put(out, &tail_form, &tail));
	for (unsigned i = 0; i < set->reign_count; i++) TRY(wire_form_put(out, &reign_form, &set->reigns[i]));
	for (unsigned i = 0; i < set->taint_count; i++) TRY(wire_form_put(out, &taint_form, &set->taints[i]));
	return OK;
}

static struct err take_items(struct bytes *in, unsigned count, struct root_set *set)
{
	struct tail tail;

	for (unsigned i = 0; i < count; i++) TRY(wire_form_take(in, &item_form, &set->items[i]));
	TRY(wire_form_take(in, &tail_form, &tail));
	for (unsigned i = 0; i < tail.reigns; i++) TRY(wire_form_take(in, &reign_form, &set->reigns[i]));
	for (unsigned i = 0; i < tail.taints; i++) TRY(wire_form_take(in, &taint_form, &set->taints[i]));
	set->reign_count = tail.reigns;
	set->taint_count = tail.taints;
	return OK;
}

/* ---- versions 1 and 2: state, certificate, key ---- */

struct item_2 {
	uint8_t state; /* up to 4 as now; 5: the chain; 6: a root that was brought, the chain's own first */
	struct bytes cert, blob;
};
#define BROUGHT_2 6
static const struct wire_field item_2_fields[] = {
	WIRE_FIELD(item_2, state, U8, ROOT_NEXT, BROUGHT_2),
	WIRE_FIELD(item_2, cert, BYTES, 1, STORE_CERT_MAX),
	WIRE_FIELD(item_2, blob, BYTES, 0, SET_BLOB_MAX),
};
static const struct wire_form item_2_form = WIRE_FORM(item_2, item_2_fields);

static struct err from_item_2(const struct item_2 *old, struct root_set *set)
{
	bool own = old->state <= ROOT_KEPT, chain = old->state == ROOT_CHAIN;
	struct root_item *item = &set->items[set->item_count];

	/* Our own have a key; of a chain the signing certificate may (it was imported); a root that was brought has none. */
	if (own != (old->blob.len > 0) && !(chain && old->blob.len > 0))
		FAIL(ERR_INVALID_ARGUMENT, "ca: a root without a key, or a key without a root");
	*item = (struct root_item){
		.state = old->state, .origin = own ? ORIGIN_OWN : ORIGIN_FILES, .cert = old->cert, .blob = old->blob
	};
	if (old->state == BROUGHT_2) item->state = set_first(set, ROOT_ACTIVE) == NULL ? ROOT_ACTIVE : ROOT_OLD;
	if (!root_is_trusted(item)) item->published = SET_NEVER;
	set->item_count++;
	return OK;
}

/* Who signed before is not known: all that there is counts as issued under what signs now. */
static struct err take_old(struct bytes *in, const struct head *head, struct root_set *set)
{
	const struct root_item *active;
	struct root_reign reign = { .from = 0 };

	for (unsigned i = 0; i < head->count; i++) {
		struct item_2 old;

		TRY(wire_form_take(in, &item_2_form, &old));
		if (head->version == 1 && old.state > ROOT_OLD) FAIL(ERR_INVALID_ARGUMENT, "ca: a state that version 1 has not");
		TRY(from_item_2(&old, set));
	}
	active = set_first(set, ROOT_ACTIVE);
	if (active == NULL) FAIL(ERR_INVALID_ARGUMENT, "ca: no active root");
	TRY(root_key_hash(active, reign.root_key));
	TRY(root_ski(set_signer(set), reign.signer));
	set_reign(set, &reign);
	return OK;
}

struct err set_decode(struct bytes in, uint16_t *version, struct root_set *set)
{
	struct head head;

	memset(set, 0, sizeof(*set));
	TRY(wire_form_take(&in, &head_form, &head));
	if (head.version == SET_VERSION) {
		TRY(take_items(&in, head.count, set));
		set->item_count = head.count;
	} else {
		TRY(take_old(&in, &head, set));
	}
	if (in.len != 0) FAIL(ERR_INVALID_ARGUMENT, "ca: trailing bytes after the root set");
	set->seq = head.seq;
	*version = head.version;
	return set_check(set);
}

/* ---- what a set must be ---- */

static bool keys_fit(const struct root_item *item)
{
	if (item->origin == ORIGIN_OWN) return root_is_root(item) && item->blob.len > 0;
	if (item->cross.len > 0 || item->state == ROOT_KEPT) return false;
	return item->blob.len == 0 || !root_is_root(item);
}

static struct err check_item(const struct root_set *set, unsigned at)
{
	const struct root_item *item = &set->items[at];
	struct cert cert;

	if (!keys_fit(item)) FAIL(ERR_INVALID_ARGUMENT, "ca: the root set has a root without a key, or a key without a root");
	if (root_is_trusted(item) == (item->published == SET_NEVER))
		FAIL(ERR_INVALID_ARGUMENT, "ca: the root set publishes what nobody trusts, or the other way round");
	for (unsigned i = 0; i < at; i++)
		if (bytes_equal(set->items[i].cert, item->cert))
			FAIL(ERR_INVALID_ARGUMENT, "ca: the root set has a certificate twice");
	return cert_parse(item->cert, &cert);
}

static struct err check_reigns(const struct root_set *set)
{
	if (set->reign_count < 1) FAIL(ERR_INVALID_ARGUMENT, "ca: the root set does not say who signs");
	for (unsigned i = 1; i < set->reign_count; i++)
		if (set->reigns[i].from < set->reigns[i - 1].from)
			FAIL(ERR_INVALID_ARGUMENT, "ca: the root set's history is out of order");
	return OK;
}

struct err set_check(const struct root_set *set)
{
	unsigned active = 0, own = 0;

	for (unsigned i = 0; i < set->item_count; i++) {
		TRY(check_item(set, i));
		active += set->items[i].state == ROOT_ACTIVE;
		own += set->items[i].origin == ORIGIN_OWN;
	}
	if (active != 1) FAIL(ERR_INVALID_ARGUMENT, "ca: the root set has no active root, or several");
	if (own > SET_OWN_MAX) FAIL(ERR_INVALID_ARGUMENT, "ca: the root set has too many roots of its own");
	if (set_first(set, ROOT_CHAIN) != NULL && set_first(set, ROOT_ACTIVE)->origin == ORIGIN_OWN)
		FAIL(ERR_INVALID_ARGUMENT, "ca: the root set has a chain under a root that signs by itself");
	return check_reigns(set);
}

/* ---- looking into it ---- */

const struct root_item *set_first(const struct root_set *set, enum root_state state)
{
	for (unsigned i = 0; i < set->item_count; i++)
		if (set->items[i].state == state) return &set->items[i];
	return NULL;
}

const struct root_item *set_signer(const struct root_set *set)
{
	const struct root_item *chain = set_first(set, ROOT_CHAIN);

	return chain != NULL ? chain : set_first(set, ROOT_ACTIVE);
}

struct root_item *set_find(struct root_set *set, struct bytes cert)
{
	for (unsigned i = 0; i < set->item_count; i++)
		if (bytes_equal(set->items[i].cert, cert)) return &set->items[i];
	return NULL;
}

struct err root_id(const struct root_item *item, uint8_t out[SET_ID_LEN])
{
	return key_sha256(item->cert, out);
}

struct err root_ski(const struct root_item *item, uint8_t out[KEY_SKI_LEN])
{
	struct cert cert;

	TRY(cert_parse(item->cert, &cert));
	if (cert.ski.len != KEY_SKI_LEN) return key_ski(cert.key.key_bits, out);
	memcpy(out, cert.ski.data, KEY_SKI_LEN);
	return OK;
}

struct err root_key_hash(const struct root_item *item, uint8_t out[STORE_HASH_LEN])
{
	struct cert cert;

	TRY(cert_parse(item->cert, &cert));
	return key_sha256(cert.key.spki, out);
}

bool set_is_tainted(const struct root_set *set, const uint8_t signer[KEY_SKI_LEN])
{
	for (unsigned i = 0; i < set->taint_count; i++)
		if (memcmp(set->taints[i].signer, signer, KEY_SKI_LEN) == 0) return true;
	return false;
}

/* ---- who signed when ---- */

static bool same_reign(const struct root_reign *a, const struct root_reign *b)
{
	return memcmp(a->root_key, b->root_key, STORE_HASH_LEN) == 0 && memcmp(a->signer, b->signer, KEY_SKI_LEN) == 0;
}

static void drop_reign(struct root_set *set, unsigned at)
{
	set->reign_count--;
	memmove(&set->reigns[at], &set->reigns[at + 1], (set->reign_count - at) * sizeof(set->reigns[0]));
}

void set_reign(struct root_set *set, const struct root_reign *reign)
{
	struct root_reign *last = set->reign_count == 0 ? NULL : &set->reigns[set->reign_count - 1];

	if (last != NULL && same_reign(last, reign)) return;
	if (last != NULL && last->from == reign->from) { /* it signed nothing */
		*last = *reign;
		return;
	}
	if (set->reign_count == SET_REIGNS_MAX) {
		set->reigns[1].from = set->reigns[0].from; /* what the oldest signed counts as the second's */
		drop_reign(set, 0);
	}
	set->reigns[set->reign_count++] = *reign;
}

void set_forget_reigns(struct root_set *set, uint64_t first)
{
	while (set->reign_count > 1 && set->reigns[1].from <= first) drop_reign(set, 0);
}
