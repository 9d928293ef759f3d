#include "ca/wire_issuers.h"

#include "ca/fields.h"

#define ISSUER(member, kind, lo, hi) WIRE_FIELD(wire_issuer, member, kind, lo, hi)
static const struct wire_field issuer_fields[] = {
	ISSUER(name, TEXT, 1, WIRE_NAME_MAX),
	ISSUER(from, U8, WIRE_ROOTS_NONE, WIRE_ROOTS_PINNED),
	ISSUER(pending, U64, 0, 0),
	ISSUER(issued, U64, 0, 0),
	ISSUER(last_issued, I64, 0, 0),
	ISSUER(last_refused, I64, 0, 0),
	ISSUER(last_reason, U8, REASON_NONE, REASON_COUNT - 1),
	ISSUER(last_why, TEXT, 0, WIRE_WHY_MAX),
	ISSUER(refused, BYTES, WIRE_ISSUER_REFUSED, WIRE_ISSUER_REFUSED),
	ISSUER(roots, LONG, 0, WIRE_ISSUER_ROOTS_MAX),
};
static const struct wire_field issuer_root_fields[] = {
	WIRE_FIELD(wire_issuer_root, id, RAW, 0, 32),
	WIRE_FIELD(wire_issuer_root, not_after, I64, 0, 0),
	WIRE_FIELD(wire_issuer_root, cert, BYTES, 1, STORE_CERT_MAX),
};

WIRE_ELEMENT(issuer, wire_issuer, issuer_fields)
WIRE_ELEMENT(issuer_root, wire_issuer_root, issuer_root_fields)
