#include "ca/wire_root.h"

#include "ca/fields.h"
#include "ca/outlook.h"
#include "ca/set.h"
#include "ca/step.h"

#define STEP(member, kind, lo, hi) WIRE_FIELD(wire_root_step, member, kind, lo, hi)
static const struct wire_field step_fields[] = {
	STEP(id, U64, 0, 0),
	STEP(kind, U8, STEP_PREPARE, STEP_UNTAINT),
	STEP(force, BOOL, 0, 0),
	STEP(dry_run, BOOL, 0, 0),
	STEP(cross, BOOL, 0, 0),
	STEP(root, TEXT, 0, 2 * SET_ID_LEN),
	STEP(signer, TEXT, 0, 2 * KEY_SKI_LEN),
	STEP(cert, LONG, 0, WIRE_CA_PEM_MAX),
	STEP(by, TEXT, 1, STORE_BY_MAX),
};
#define DONE(member, kind, lo, hi) WIRE_FIELD(wire_root_done, member, kind, lo, hi)
static const struct wire_field done_fields[] = {
	DONE(seq, U32, 0, 0),
	DONE(changed, BOOL, 0, 0),
	DONE(event, TEXT, 0, STORE_EVENT_WHAT_MAX),
	DONE(subject, TEXT, 0, 2 * SET_ID_LEN),
	DONE(certs, U64, 0, 0),
	DONE(identities, U64, 0, 0),
	DONE(until, I64, 0, 0),
	DONE(listed, U32, 0, OUTLOOK_IDS_MAX),
	DONE(ids, LONG, 0, WIRE_LIST_MAX),
};
#define ITEM(member, kind, lo, hi) WIRE_FIELD(wire_root_item, member, kind, lo, hi)
static const struct wire_field item_fields[] = {
	ITEM(state, U8, ROOT_NEXT, ROOT_FORMER),
	ITEM(origin, U8, ORIGIN_OWN, ORIGIN_HELD),
	ITEM(id, RAW, 0, SET_ID_LEN),
	ITEM(key_id, RAW, 0, KEY_SKI_LEN),
	ITEM(since, I64, 0, 0),
	ITEM(not_before, I64, 0, 0),
	ITEM(not_after, I64, 0, 0),
	ITEM(key_here, BOOL, 0, 0),
	ITEM(crossed, BOOL, 0, 0),
	ITEM(tainted, BOOL, 0, 0),
	ITEM(blind, U64, 0, 0),
	ITEM(under, U64, 0, 0),
	ITEM(blind_until, I64, 0, 0),
	ITEM(under_until, I64, 0, 0),
	ITEM(cert, BYTES, 1, STORE_CERT_MAX),
};
#define EVENT(member, kind, lo, hi) WIRE_FIELD(store_event, member, kind, lo, hi)
static const struct wire_field event_fields[] = {
	EVENT(index, U64, 0, 0),
	EVENT(time, I64, 0, 0),
	EVENT(what, CSTR, 1, STORE_EVENT_WHAT_MAX),
	EVENT(by, CSTR, 0, STORE_BY_MAX),
	EVENT(subject, CSTR, 0, STORE_TEXT_MAX),
	EVENT(detail, CSTR, 0, STORE_EVENT_DETAIL_MAX),
};
static const struct wire_field limit_fields[] = {
	WIRE_FIELD(wire_limit, name, TEXT, 1, 64),
	WIRE_FIELD(wire_limit, value, LONG, 0, WIRE_LIST_MAX),
	WIRE_FIELD(wire_limit, refused, U64, 0, 0),
};

WIRE_WHOLE(root_step, wire_root_step, step_fields)
WIRE_WHOLE(root_done, wire_root_done, done_fields)
WIRE_ELEMENT(root_item, wire_root_item, item_fields)
WIRE_ELEMENT(event, store_event, event_fields)
WIRE_ELEMENT(limit, wire_limit, limit_fields)
