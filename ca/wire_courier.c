#include "ca/wire_courier.h"

#include "ca/fields.h"

static const struct wire_field file_fields[] = {
	WIRE_FIELD(wire_file, id, U64, 0, 0),
	WIRE_FIELD(wire_file, issuer, U8, 0, CONF_CSR_ISSUERS_MAX - 1),
	WIRE_FIELD(wire_file, resume, BOOL, 0, 0),
	WIRE_FIELD(wire_file, deadline, I64, 0, 0),
	WIRE_FIELD(wire_file, lifetime, U32, 1, UINT32_MAX),
	WIRE_FIELD(wire_file, name, TEXT, 1, STORE_INTENT_NAME_MAX),
	WIRE_FIELD(wire_file, signer_name, TEXT, 0, WIRE_SIGNER_NAME_MAX),
	WIRE_FIELD(wire_file, spiffe_id, TEXT, 0, SPIFFE_ID_MAX),
	WIRE_FIELD(wire_file, caller, TEXT, 1, WIRE_CALLER_MAX),
	WIRE_FIELD(wire_file, rule, TEXT, 0, WIRE_NAME_MAX),
	WIRE_FIELD(wire_file, request_id, TEXT, 0, STORE_REQUEST_ID_MAX),
	WIRE_FIELD(wire_file, csr, LONG, 1, CSR_DER_MAX),
};
static const struct wire_field signed_fields[] = {
	WIRE_FIELD(wire_signed, id, U64, 0, 0),
	WIRE_FIELD(wire_signed, pem, LONG, 1, SIGNED_PEM_MAX),
};
static const struct wire_field failed_fields[] = {
	WIRE_FIELD(wire_failed, id, U64, 0, 0),
	WIRE_FIELD(wire_failed, failure, U8, FAILURE_DENIED, FAILURE_COUNT - 1),
	WIRE_FIELD(wire_failed, why, TEXT, 0, WIRE_WHY_MAX),
};

WIRE_WHOLE(file, wire_file, file_fields)
WIRE_WHOLE(signed, wire_signed, signed_fields)
WIRE_WHOLE(failed, wire_failed, failed_fields)

enum keeper_reason wire_failure_reason(enum wire_failure failure)
{
	static const enum keeper_reason reasons[FAILURE_COUNT] = {
		[FAILURE_DENIED] = REASON_ISSUER_DENIED,     [FAILURE_FAILED] = REASON_ISSUER_FAILED,
		[FAILURE_DELETED] = REASON_ISSUER_DELETED,   [FAILURE_DEADLINE] = REASON_ISSUER_DEADLINE,
		[FAILURE_UNAVAILABLE] = REASON_ISSUER_AWAY,  [FAILURE_FORBIDDEN] = REASON_ISSUER_FORBIDDEN,
		[FAILURE_REFUSED] = REASON_ISSUER_FORBIDDEN, [FAILURE_ANSWER] = REASON_ISSUER_ANSWER,
		[FAILURE_LOST] = REASON_ISSUER_DELETED,
	};

	return failure < FAILURE_COUNT && reasons[failure] != REASON_NONE ? reasons[failure] : REASON_ISSUER_ANSWER;
}
