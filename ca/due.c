#include "ca/due.h"

static struct due step_on(const struct root_item *item, enum step_kind kind)
{
	struct due due = { .kind = kind };
	uint8_t id[SET_ID_LEN];

	if (root_id(item, id).code != ERR_OK) return (struct due){ 0 };
	bytes_hex(BYTES(id, sizeof(id)), due.root);
	return due;
}

/* What only waited for its last certificate goes whether or not anybody asked for rotation. */
static bool has_litter(const struct root_set *set, const struct outlook *o, int64_t now)
{
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];
		bool waits = item->state == ROOT_FORMER || (item->origin == ORIGIN_HELD && item->state == ROOT_OLD);
		struct cert cross;

		if (waits && o->items[i].under.certs == 0) return true;
		if (item->cross.len > 0 && cert_parse(item->cross, &cross).code == ERR_OK && cross.not_after <= now) return true;
	}
	return false;
}

/* Percent of its life that is over. */
static int64_t age_of(const struct cert *cert, int64_t now)
{
	int64_t life = cert->not_after - cert->not_before;

	if (now >= cert->not_after || life <= 0) return 100;
	return now <= cert->not_before ? 0 : (now - cert->not_before) * 100 / life; /* lives are at most some 2^36 seconds */
}

/* One that is younger than the active root and was taken back by an operator: he does not want it made again. */
static bool was_taken_back(const struct root_item *item, const struct cert *active)
{
	struct cert cert;

	return item->state == ROOT_KEPT && item->pinned && cert_parse(item->cert, &cert).code == ERR_OK &&
	       cert.not_before > active->not_before;
}

static struct due advance(const struct root_set *set, const struct outlook *o, const struct conf *conf, int64_t now)
{
	const struct root_item *active = set_first(set, ROOT_ACTIVE), *next = NULL;
	struct cert cert;
	int64_t age;

	if (active->origin != ORIGIN_OWN || cert_parse(active->cert, &cert).code != ERR_OK) return (struct due){ 0 };
	age = age_of(&cert, now);
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		if (was_taken_back(item, &cert)) age = age < 100 ? 0 : age;
		if (item->origin == ORIGIN_OWN && item->state == ROOT_NEXT) next = item;
	}
	if (next == NULL) return (struct due){ .kind = age >= conf->ca.prepare_at ? STEP_PREPARE : 0 };
	if (next->pinned || age < conf->ca.activate_at || o->items[next - set->items].blind.certs > 0) return (struct due){ 0 };
	return step_on(next, STEP_ACTIVATE);
}

struct due due_step(const struct root_set *set, const struct outlook *o, const struct conf *conf, int64_t now)
{
	struct due due;

	if (has_litter(set, o, now)) return (struct due){ .kind = STEP_TIDY };
	if (conf->ca.rotation != CONF_ROTATION_AUTOMATIC || conf_text(conf, conf->ca.directory)[0] != '\0')
		return (struct due){ 0 };
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		if (item->origin == ORIGIN_OWN && item->state == ROOT_OLD && !item->pinned && o->items[i].under.certs == 0)
			return step_on(item, STEP_RETIRE);
	}
	due = advance(set, o, conf, now);
	return due;
}
