#include "ca/step.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ca/step_inside.h"

#define ID_PREFIX_MIN 4 /* hex digits; ours: fewer are a typo */

struct err step_refuse(struct step_told *told, enum err_code code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(told->why, sizeof(told->why), fmt, args);
	va_end(args);
	return (struct err){ .code = code, .reason = "ca: the root set does not allow it", .cause = 0 };
}

static void note(struct step_told *told, const struct root_set *set, unsigned item, const char *event)
{
	uint8_t id[SET_ID_LEN];

	told->item = item;
	told->event = event;
	told->changed = true;
	if (root_id(&set->items[item], id).code == ERR_OK) bytes_hex(BYTES(id, sizeof(id)), told->subject);
}

/* ---- which root? ---- */

static bool has_prefix(const struct root_item *item, struct bytes prefix)
{
	char id_hex[2 * SET_ID_LEN + 1], ski_hex[2 * KEY_SKI_LEN + 1];
	uint8_t id[SET_ID_LEN], ski[KEY_SKI_LEN];

	if (prefix.len < ID_PREFIX_MIN || root_id(item, id).code != ERR_OK || root_ski(item, ski).code != ERR_OK) return false;
	bytes_hex(BYTES(id, sizeof(id)), id_hex);
	bytes_hex(BYTES(ski, sizeof(ski)), ski_hex);
	return bytes_has_prefix(bytes_str(id_hex), prefix) || bytes_has_prefix(bytes_str(ski_hex), prefix);
}

struct err step_choose(const struct root_set *set, const struct step *s, bool (*fits)(const struct root_item *),
                       struct step_told *told)
{
	unsigned found = 0, unfit = 0;

	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		if (!root_is_root(item) || (s->root.len > 0 && !has_prefix(item, s->root))) continue;
		if (fits(item)) {
			told->item = i;
			found++;
		} else {
			unfit++;
		}
	}
	if (found == 1) return OK;
	if (found > 1 && s->root.len == 0)
		return step_refuse(told, ERR_INVALID_ARGUMENT,
				   "there are several: name one by the first digits of its ID (signet root status)");
	if (found > 1) return step_refuse(told, ERR_INVALID_ARGUMENT, "several roots begin with that: give more digits of the ID");
	if (s->root.len > 0 && unfit == 0)
		return step_refuse(told, ERR_NOT_FOUND, "there is no root with that ID (signet root status)");
	if (s->root.len > 0)
		return step_refuse(told, ERR_FAILED_PRECONDITION, "that root is not in a state for it (signet root status)");
	if (s->kind == STEP_ACTIVATE)
		return step_refuse(told, ERR_FAILED_PRECONDITION,
				   "no root is prepared: signet root prepare, or name an old one by its ID");
	return step_refuse(told, ERR_FAILED_PRECONDITION, "there is no root for that (signet root status)");
}

/* ---- the two rules ---- */

/* Broken: refused, or told and gone on with. */
struct err step_rule(struct step_told *told, const struct step *s, const struct outlook_count *harm, const char *what)
{
	char when[CLOCK_TEXT_MAX];

	told->harm = *harm;
	if (harm->certs == 0 || s->force) return OK;
	clock_text(harm->until, when);
	return step_refuse(told, ERR_FAILED_PRECONDITION,
			   "%s and not ended yet: %llu certificate%s, the last until %s: wait until then (or force: --dry-run "
			   "says who breaks)",
			   what, (unsigned long long)harm->certs, harm->certs == 1 ? "" : "s", when);
}

static struct err rule_blind(const struct root_set *set, const struct step *s, struct step_told *told)
{
	(void)set;
	told->harm_kind = OUTLOOK_BLIND;
	told->outlook_item = told->item;
	return step_rule(told, s, &s->outlook->items[told->item].blind, "answered before this root was published");
}

/* What is signed now may have signed more since anybody looked. */
struct outlook_count step_under(const struct root_set *set, const struct step *s, unsigned item)
{
	struct outlook_count under = s->outlook->items[item].under;

	if (s->next > s->outlook->end && (set->items[item].state == ROOT_ACTIVE || set->items[item].state == ROOT_CHAIN) &&
	    under.certs == 0)
		under.certs = s->next - s->outlook->end;
	return under;
}

static struct err rule_under(const struct root_set *set, const struct step *s, struct step_told *told)
{
	struct outlook_count under = step_under(set, s, told->item);

	told->harm_kind = OUTLOOK_UNDER;
	told->outlook_item = told->item;
	return step_rule(told, s, &under, "to be verified by this root alone");
}

/* ---- changes of one item ---- */

static void enter(struct root_item *item, enum root_state state, const struct step *s)
{
	bool was = root_is_trusted(item);

	if (item->state == state) return;
	item->state = (uint8_t)state;
	item->since = s->now;
	if (!root_is_trusted(item)) item->published = SET_NEVER;
	else if (!was) item->published = s->next;
}

void step_enter(struct root_item *item, enum root_state state, const struct step *s)
{
	enter(item, state, s);
}

void step_drop(struct root_set *set, unsigned at)
{
	set->item_count--;
	memmove(&set->items[at], &set->items[at + 1], (set->item_count - at) * sizeof(set->items[0]));
}

/* Who signs from here on. */
struct err step_reign(struct root_set *set, const struct step *s)
{
	struct root_reign reign = { .from = s->next };

	TRY(root_key_hash(set_first(set, ROOT_ACTIVE), reign.root_key));
	TRY(root_ski(set_signer(set), reign.signer));
	set_reign(set, &reign);
	return OK;
}

/* The signing certificate of a chain signs no more: it stays for its CRLs, as long as something under it has not ended. */
void step_end_chain(struct root_set *set, const struct step *s)
{
	const struct root_item *signer = set_first(set, ROOT_CHAIN);
	unsigned at = signer == NULL ? SET_ITEMS_MAX : (unsigned)(signer - set->items);

	if (signer != NULL && step_under(set, s, at).certs > 0) enter(&set->items[at], ROOT_FORMER, s);
	for (unsigned i = set->item_count; i-- > 0;)
		if (set->items[i].state == ROOT_CHAIN) step_drop(set, i);
}

static bool has_ended(const struct root_item *item, int64_t now)
{
	struct cert cert;

	return cert_parse(item->cert, &cert).code != ERR_OK || cert.not_after <= now;
}

/* ---- prepare, add ---- */

static bool is_own_next(const struct root_item *item)
{
	return item->origin == ORIGIN_OWN && item->state == ROOT_NEXT;
}

struct err step_may_cross(const struct root_set *set, struct step_told *told)
{
	const struct root_item *active = set_first(set, ROOT_ACTIVE);
	struct cert cert;

	if (active->origin != ORIGIN_OWN)
		return step_refuse(told, ERR_FAILED_PRECONDITION,
				   "the root that is active is not Signet's own, so it cannot sign another");
	TRY(cert_parse(active->cert, &cert));
	if (cert.path_len == 0)
		return step_refuse(told, ERR_FAILED_PRECONDITION,
		                   "the active root has path length 0 and cannot sign another: leave out --cross-sign");
	return OK;
}

/* Room for one more of our own: the oldest that is kept and has ended goes. */
static struct err make_room(struct root_set *set, const struct step *s, struct step_told *told)
{
	unsigned own = 0, oldest = SET_ITEMS_MAX;

	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		own += item->origin == ORIGIN_OWN;
		if (item->origin != ORIGIN_OWN || item->state != ROOT_KEPT || !has_ended(item, s->now)) continue;
		if (oldest == SET_ITEMS_MAX || item->since < set->items[oldest].since) oldest = i;
	}
	if (own >= SET_OWN_MAX && oldest < SET_ITEMS_MAX) step_drop(set, oldest);
	else if (own >= SET_OWN_MAX)
		return step_refuse(told, ERR_RESOURCE_EXHAUSTED,
				   "there are %d roots already: delete one that is retired (signet root delete)", SET_OWN_MAX);
	if (set->item_count == SET_ITEMS_MAX) return step_refuse(told, ERR_RESOURCE_EXHAUSTED, "the root set is full");
	return OK;
}

static struct err prepare(struct root_set *set, const struct step *s, struct step_told *told)
{
	if (s->directory)
		return step_refuse(told, ERR_FAILED_PRECONDITION, "the CA in ca.directory signs: it is changed by the files there");
	for (unsigned i = 0; i < set->item_count; i++)
		if (is_own_next(&set->items[i]))
			return step_refuse(told, ERR_FAILED_PRECONDITION,
					   "there is a next root already: activate it, or retire it");
	if (s->cross) TRY(step_may_cross(set, told));
	TRY(make_room(set, s, told));
	set->items[set->item_count] = (struct root_item){ .state = ROOT_NEXT,
							  .origin = ORIGIN_OWN,
							  .published = s->next,
							  .since = s->now,
							  .cert = s->cert,
							  .blob = s->blob,
							  .cross = s->cross_cert };
	note(told, set, set->item_count++, "root_prepared");
	return OK;
}

static struct err add_check(const struct root_set *set, const struct step *s, struct step_told *told)
{
	struct cert cert;

	if (cert_parse(s->cert, &cert).code != ERR_OK || !cert.ca || !bytes_equal(cert.issuer, cert.subject))
		return step_refuse(told, ERR_INVALID_ARGUMENT, "it is no self-signed CA certificate");
	if (cert.not_after <= s->now) return step_refuse(told, ERR_INVALID_ARGUMENT, "that root has ended");
	if (cert.has_key_usage && (cert.key_usage & CERT_KU_KEY_CERT_SIGN) == 0)
		return step_refuse(told, ERR_INVALID_ARGUMENT, "its key usage lacks keyCertSign");
	if (set->item_count == SET_ITEMS_MAX) return step_refuse(told, ERR_RESOURCE_EXHAUSTED, "the root set is full");
	return OK;
}

static struct err add(struct root_set *set, const struct step *s, struct step_told *told)
{
	struct root_item *there = set_find(set, s->cert);

	if (there != NULL && root_is_root(there))
		return step_refuse(told, ERR_ALREADY_EXISTS, "that root is in the set already (signet root status)");
	if (there != NULL) return step_refuse(told, ERR_INVALID_ARGUMENT, "it is part of the chain that signs, not a root");
	TRY(add_check(set, s, told));
	set->items[set->item_count] = (struct root_item){ .state = ROOT_NEXT, .origin = ORIGIN_ADDED, .published = s->next,
							  .since = s->now, .cert = s->cert };
	note(told, set, set->item_count++, "root_added");
	return OK;
}

/* ---- activate, retire, restore, delete ---- */

static bool can_sign(const struct root_item *item)
{
	return item->origin == ORIGIN_OWN && (item->state == ROOT_NEXT || item->state == ROOT_OLD);
}

static struct err choose_signer(const struct root_set *set, const struct step *s, struct step_told *told)
{
	/* without a name it is the next one; an old one, to go back to, is named */
	return step_choose(set, s, s->root.len > 0 ? can_sign : is_own_next, told);
}

struct err step_activate(struct root_set *set, const struct step *s, struct step_told *told)
{
	struct root_item *item = &set->items[told->item], *before = (struct root_item *)(uintptr_t)set_first(set, ROOT_ACTIVE);
	uint8_t ski[KEY_SKI_LEN];

	if (has_ended(item, s->now)) return step_refuse(told, ERR_FAILED_PRECONDITION, "that root has ended: prepare a new one");
	TRY(root_ski(item, ski));
	if (set_is_tainted(set, ski))
		return step_refuse(told, ERR_FAILED_PRECONDITION, "its key is tainted: take that back first (signet ca untaint)");
	TRY(rule_blind(set, s, told));
	enter(before, ROOT_OLD, s);
	enter(item, ROOT_ACTIVE, s);
	item->pinned = before->pinned = false;
	note(told, set, told->item, "root_activated");
	step_end_chain(set, s);
	return step_reign(set, s);
}

static bool can_retire(const struct root_item *item)
{
	return item->state == ROOT_OLD || item->state == ROOT_NEXT;
}
static bool is_old(const struct root_item *item)
{
	return item->state == ROOT_OLD;
}

static struct err retire(struct root_set *set, const struct step *s, struct step_told *told)
{
	struct root_item *item;

	TRY(step_choose(set, s, s->root.len > 0 ? can_retire : is_old, told));
	item = &set->items[told->item];
	if (item->origin == ORIGIN_FILES && s->directory)
		return step_refuse(told, ERR_FAILED_PRECONDITION, "that root is in the files of the CA: take it out there");
	TRY(rule_under(set, s, told));
	note(told, set, told->item, "root_retired");
	item->pinned = item->state == ROOT_NEXT; /* taken back */
	if (item->origin == ORIGIN_OWN) enter(item, ROOT_KEPT, s);
	else step_drop(set, told->item);
	return OK;
}

static bool is_kept(const struct root_item *item)
{
	return item->state == ROOT_KEPT;
}

static bool has_reigned(const struct root_set *set, const struct root_item *item)
{
	uint8_t key[STORE_HASH_LEN];

	if (root_key_hash(item, key).code != ERR_OK) return true;
	for (unsigned i = 0; i < set->reign_count; i++)
		if (memcmp(set->reigns[i].root_key, key, sizeof(key)) == 0) return true;
	return false;
}

static struct err restore(struct root_set *set, const struct step *s, struct step_told *told)
{
	struct root_item *item;

	TRY(step_choose(set, s, is_kept, told));
	item = &set->items[told->item];
	if (has_ended(item, s->now)) return step_refuse(told, ERR_FAILED_PRECONDITION, "that root has ended");
	for (unsigned i = 0; i < set->item_count; i++)
		if (is_own_next(&set->items[i]) && !has_reigned(set, item))
			return step_refuse(told, ERR_FAILED_PRECONDITION,
					   "there is a next root already: activate it, or retire it");
	enter(item, has_reigned(set, item) ? ROOT_OLD : ROOT_NEXT, s);
	item->pinned = true;
	note(told, set, told->item, "root_restored");
	return OK;
}

static struct err delete(struct root_set *set, const struct step *s, struct step_told *told)
{
	if (s->root.len == 0) return step_refuse(told, ERR_INVALID_ARGUMENT, "name the root by its ID (signet root status)");
	TRY(step_choose(set, s, is_kept, told));
	note(told, set, told->item, "root_deleted");
	step_drop(set, told->item);
	return OK;
}

/* ---- taint ---- */

static struct err taint(struct root_set *set, const struct step *s, struct step_told *told)
{
	struct root_taint *t = &set->taints[set->taint_count];
	uint8_t now[KEY_SKI_LEN];
	bool known = false;

	TRY(root_ski(set_signer(set), now));
	if (memcmp(now, s->signer, KEY_SKI_LEN) == 0)
		return step_refuse(
			told, ERR_FAILED_PRECONDITION,
			"this key signs now: let another take over first (signet root activate, ca import, ca.directory)");
	for (unsigned i = 0; i < set->reign_count; i++) known |= memcmp(set->reigns[i].signer, s->signer, KEY_SKI_LEN) == 0;
	if (!known) return step_refuse(told, ERR_NOT_FOUND, "no certificate is recorded under a key with that identifier");
	if (set_is_tainted(set, s->signer)) return OK;
	if (set->taint_count == SET_TAINTS_MAX) return step_refuse(told, ERR_RESOURCE_EXHAUSTED, "too many keys are tainted");
	memcpy(t->signer, s->signer, KEY_SKI_LEN);
	t->since = s->now;
	set->taint_count++;
	told->changed = true;
	return OK;
}

static struct err untaint(struct root_set *set, const struct step *s, struct step_told *told)
{
	for (unsigned i = 0; i < set->taint_count; i++) {
		if (memcmp(set->taints[i].signer, s->signer, KEY_SKI_LEN) != 0) continue;
		set->taint_count--;
		memmove(&set->taints[i], &set->taints[i + 1], (set->taint_count - i) * sizeof(set->taints[0]));
		told->changed = true;
		return OK;
	}
	return step_refuse(told, ERR_NOT_FOUND, "that key is not tainted");
}

static struct err taint_or_not(struct root_set *set, const struct step *s, struct step_told *told)
{
	told->event = s->kind == STEP_TAINT ? "ca_tainted" : "ca_untainted";
	bytes_hex(BYTES(s->signer, KEY_SKI_LEN), told->subject);
	return s->kind == STEP_TAINT ? taint(set, s, told) : untaint(set, s, told);
}

/* ---- all of them ---- */

/* A cross-certificate helps those who know the root that signed it, while that is trusted and it has not ended. */
static bool is_of_use(const struct root_set *set, const struct root_item *item, int64_t now)
{
	struct cert cross, root;

	if (cert_parse(item->cross, &cross).code != ERR_OK || cross.not_after <= now) return false;
	for (unsigned i = 0; i < set->item_count; i++)
		if (&set->items[i] != item && root_is_trusted(&set->items[i]) &&
		    cert_parse(set->items[i].cert, &root).code == ERR_OK && bytes_equal(root.subject, cross.issuer))
			return true;
	return false;
}

static void drop_crosses(struct root_set *set, const struct step *s, struct step_told *told)
{
	for (unsigned i = 0; i < set->item_count; i++) {
		struct root_item *item = &set->items[i];

		if (item->cross.len == 0 || is_of_use(set, item, s->now)) continue;
		item->cross = BYTES_NONE;
		told->changed = true;
	}
}

static struct err activate(struct root_set *set, const struct step *s, struct step_told *told)
{
	if (s->directory)
		return step_refuse(told, ERR_FAILED_PRECONDITION, "the CA in ca.directory signs: it is changed by the files there");
	TRY(choose_signer(set, s, told));
	TRY(step_activate(set, s, told));
	for (unsigned i = 0; i < set->item_count;
	     i++) /* of an imported CA: others may sign under it, so its end is the operator's */
		if (set->items[i].origin == ORIGIN_FILES) set->items[i].origin = ORIGIN_ADDED;
	return OK;
}

struct err step_apply(struct root_set *set, const struct step *step, struct step_told *told)
{
	static struct err (*const steps[STEP_KIND_COUNT])(struct root_set *, const struct step *, struct step_told *) = {
		[STEP_PREPARE] = prepare,    [STEP_ACTIVATE] = activate,    [STEP_RETIRE] = retire,
		[STEP_RESTORE] = restore,    [STEP_DELETE] = delete,        [STEP_ADD] = add,
		[STEP_TAINT] = taint_or_not, [STEP_UNTAINT] = taint_or_not, [STEP_IMPORT] = step_brought,
		[STEP_FILES] = step_brought, [STEP_OWN] = step_own,         [STEP_TIDY] = step_tidy,
	};

	*told = (struct step_told){ .item = SET_ITEMS_MAX, .event = "" };
	TRY(steps[step->kind](set, step, told));
	drop_crosses(set, step, told);
	return OK;
}
