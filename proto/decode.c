#include "proto/decode.h"

#include "base/own.h"
#include "base/utf8.h"

/* https://protobuf.dev/programming-guides/encoding: a message is a row of (tag, value), tag = number << 3 | wire type. */
enum wire_type { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2, WIRE_I32 = 5 };

#define TAG_BYTES_MAX 5    /* 29 bits of field number and 3 of type */
#define LENGTH_BYTES_MAX 5 /* lengths are below 2^31 */
#define VALUE_BYTES_MAX 10 /* 64 bits, 7 in each byte */
#define FIELD_NUMBER_MAX 0x1fffffff

struct field {
	uint32_t number;
	unsigned type;
	uint64_t varint;    /* WIRE_VARINT */
	struct bytes value; /* WIRE_LEN; also the raw bytes of WIRE_I64 and WIRE_I32 */
};

static struct err take_varint(struct bytes *in, size_t max, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < in->len && i < max; i++) {
		uint8_t b = in->data[i];

		if (i == VALUE_BYTES_MAX - 1 && b > 1) FAIL(ERR_INVALID_ARGUMENT, "proto: varint over 64 bits");
		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b >= 0x80) continue;
		*out = v;
		*in = BYTES(in->data + i + 1, in->len - i - 1);
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "proto: truncated or overlong varint");
}

static struct err take_raw(struct bytes *in, uint64_t len, struct bytes *out)
{
	if (len > in->len) FAIL(ERR_INVALID_ARGUMENT, "proto: truncated field");
	*out = BYTES(in->data, len);
	*in = BYTES(in->data + len, in->len - len);
	return OK;
}

static struct err take_field(struct bytes *in, struct field *f)
{
	uint64_t tag, len;

	TRY(take_varint(in, TAG_BYTES_MAX, &tag));
	if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX) FAIL(ERR_INVALID_ARGUMENT, "proto: field number out of range");
	*f = (struct field){ .number = (uint32_t)(tag >> 3), .type = tag & 7 };
	switch (f->type) {
	case WIRE_VARINT:
		return take_varint(in, VALUE_BYTES_MAX, &f->varint);
	case WIRE_I64:
		return take_raw(in, 8, &f->value);
	case WIRE_LEN:
		TRY(take_varint(in, LENGTH_BYTES_MAX, &len));
		return take_raw(in, len, &f->value);
	case WIRE_I32:
		return take_raw(in, 4, &f->value);
	default: /* groups are long deprecated; 6 and 7 were never assigned */
		FAIL(ERR_INVALID_ARGUMENT, "proto: wire type not supported");
	}
}

/* The table of one message: which field has which wire type.  A field that is not in it is skipped. */
struct known {
	uint32_t number;
	unsigned type;
};

static struct err take_known(struct bytes *in, const struct known *known, size_t count, struct field *f)
{
	TRY(take_field(in, f));
	for (size_t i = 0; i < count; i++)
		if (known[i].number == f->number && known[i].type != f->type)
			FAIL(ERR_INVALID_ARGUMENT, "proto: wrong wire type");
	return OK;
}

static struct err string_check(struct bytes text)
{
	if (bytes_has_nul(text)) FAIL(ERR_INVALID_ARGUMENT, "proto: NUL in a string");
	if (!utf8_valid(text)) FAIL(ERR_INVALID_ARGUMENT, "proto: string is not UTF-8");
	return OK;
}

/* google.protobuf.Value, a oneof: the kind that comes last is the one. */
static struct err read_value(struct bytes in, struct bytes *string)
{
	static const struct known kinds[] = {
		{ 1, WIRE_VARINT }, /* null_value */
		{ 2, WIRE_I64 },    /* number_value */
		{ 3, WIRE_LEN },    /* string_value */
		{ 4, WIRE_VARINT }, /* bool_value */
		{ 5, WIRE_LEN },    /* struct_value */
		{ 6, WIRE_LEN },    /* list_value */
	};
	struct field f;

	while (in.len > 0) {
		TRY(take_known(&in, kinds, ARRAY_LEN(kinds), &f));
		if (f.number == 3) TRY(string_check(f.value));
		if (f.number <= 6) *string = f.number == 3 ? f.value : BYTES_NONE;
	}
	return OK;
}

static struct err read_entry(struct bytes in, struct proto_istio_request *req)
{
	static const struct known fields[] = { { 1, WIRE_LEN }, { 2, WIRE_LEN } };
	struct bytes key = BYTES_NONE, string = BYTES_NONE;
	size_t values = 0;
	struct field f;

	while (in.len > 0) {
		TRY(take_known(&in, fields, ARRAY_LEN(fields), &f));
		if (f.number == 1) {
			TRY(string_check(f.value));
			key = f.value;
		}
		if (f.number != 2) continue;
		if (++values > 1) FAIL(ERR_INVALID_ARGUMENT, "proto: value comes twice");
		TRY(read_value(f.value, &string));
	}
	if (bytes_is(key, "CertSigner")) req->cert_signer = string;
	if (bytes_is(key, "ImpersonatedIdentity")) req->impersonated_identity = string;
	return OK;
}

static struct err read_metadata(struct bytes in, struct proto_istio_request *req)
{
	static const struct known fields[] = { { 1, WIRE_LEN } };
	size_t entries = 0;
	struct field f;

	while (in.len > 0) {
		TRY(take_known(&in, fields, ARRAY_LEN(fields), &f));
		if (f.number != 1) continue;
		if (++entries > PROTO_ISTIO_METADATA_MAX) FAIL(ERR_INVALID_ARGUMENT, "proto: too much metadata");
		TRY(read_entry(f.value, req));
	}
	return OK;
}

static struct err read_csr(struct bytes value, struct proto_istio_request *req)
{
	if (value.len > PROTO_ISTIO_CSR_MAX) FAIL(ERR_INVALID_ARGUMENT, "proto: CSR too long");
	TRY(string_check(value));
	req->csr = value;
	return OK;
}

struct err proto_istio_request(struct bytes msg, struct proto_istio_request *out)
{
	static const struct known fields[] = { { 1, WIRE_LEN }, { 3, WIRE_VARINT }, { 4, WIRE_LEN } };
	struct proto_istio_request req = { 0 };
	size_t metadata = 0;
	struct field f;

	if (msg.len > PROTO_ISTIO_MESSAGE_MAX) FAIL(ERR_INVALID_ARGUMENT, "proto: message too long");
	while (msg.len > 0) {
		TRY(take_known(&msg, fields, ARRAY_LEN(fields), &f));
		if (f.number == 1) TRY(read_csr(f.value, &req));
		if (f.number == 3) req.validity_seconds = (int64_t)f.varint;
		if (f.number != 4) continue;
		if (++metadata > 1) FAIL(ERR_INVALID_ARGUMENT, "proto: metadata comes twice");
		TRY(read_metadata(f.value, &req));
	}
	*out = req;
	return OK;
}
