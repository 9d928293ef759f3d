#include "ra/reflection.h"

#include <stdlib.h>
#include <string.h>

#include "proto/descriptors.h"
#include "proto/grpc_reflection.pb-c.h"

#define FILES_MAX 8
#define SYMBOL_MAX 256 /* bytes; ours */
#define ANSWER_MAX (32 * 1024)

typedef Grpc__Reflection__V1__ServerReflectionRequest request;
typedef Grpc__Reflection__V1__ServerReflectionResponse response;

static const char *const services[] = {
	"istio.v1.auth.IstioCertificateService", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
};

/* ---- our own descriptors: protobuf wire format, trusted, only length-delimited fields and varints ---- */

static uint64_t varint(struct bytes *in)
{
	uint64_t v = 0;

	for (unsigned shift = 0; in->len > 0 && shift < 64; shift += 7) {
		uint8_t b = *in->data++;

		in->len--;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) break;
	}
	return v;
}

/* The next length-delimited field; false at the end (or at a wire type that descriptors of ours do not have). */
static bool next_field(struct bytes *in, unsigned *number, struct bytes *value)
{
	while (in->len > 0) {
		uint64_t key = varint(in), n;

		*number = (unsigned)(key >> 3);
		n = varint(in);
		if ((key & 7) == 0) continue;
		if ((key & 7) != 2 || n > in->len) return false;
		*value = BYTES(in->data, n);
		in->data += n;
		in->len -= n;
		return true;
	}
	return false;
}

static struct bytes field_of(struct bytes message, unsigned wanted)
{
	struct bytes value;
	unsigned number;

	while (next_field(&message, &number, &value))
		if (number == wanted) return value;
	return BYTES_NONE;
}

static size_t all_files(struct bytes files[FILES_MAX])
{
	struct bytes set = BYTES(descriptors, sizeof(descriptors)), value;
	unsigned number;
	size_t n = 0;

	while (n < FILES_MAX && next_field(&set, &number, &value))
		if (number == 1) files[n++] = value; /* FileDescriptorSet.file */
	return n;
}

/* Does `rest` begin with the name, and is it the whole name or followed by a '.'? */
static bool names(struct bytes name, struct bytes rest)
{
	return name.len > 0 && bytes_has_prefix(rest, name) && (rest.len == name.len || rest.data[name.len] == '.');
}

/* FileDescriptorProto: package 2, message_type 4, enum_type 5, service 6; each of the three has its name in field 1. */
static bool file_has_symbol(struct bytes file, struct bytes symbol)
{
	struct bytes package = field_of(file, 2), value;
	unsigned number;

	if (!names(package, symbol) || symbol.len <= package.len + 1) return false;
	symbol = BYTES(symbol.data + package.len + 1, symbol.len - package.len - 1);
	while (next_field(&file, &number, &value))
		if (number >= 4 && number <= 6 && names(field_of(value, 1), symbol)) return true;
	return false;
}

/* ---- answers ---- */

static struct err pack(const response *m, struct buf *out)
{
	size_t n = grpc__reflection__v1__server_reflection_response__get_packed_size(m);
	uint8_t *at;

	TRY(buf_reserve(out, n, &at));
	out->len += grpc__reflection__v1__server_reflection_response__pack(m, at);
	return OK;
}

static struct err answer_error(response *m, enum err_code code, const char *text, struct buf *out)
{
	Grpc__Reflection__V1__ErrorResponse e = GRPC__REFLECTION__V1__ERROR_RESPONSE__INIT;

	e.error_code = (int32_t)code;
	e.error_message = (char *)(uintptr_t)text;
	m->message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	m->error_response = &e;
	return pack(m, out);
}

/* The file that was asked for first, then all the others: every dependency is among them. */
static struct err answer_files(response *m, const struct bytes *files, size_t count, size_t first, struct buf *out)
{
	Grpc__Reflection__V1__FileDescriptorResponse r = GRPC__REFLECTION__V1__FILE_DESCRIPTOR_RESPONSE__INIT;
	ProtobufCBinaryData data[FILES_MAX];

	for (size_t i = 0; i < count; i++) {
		const struct bytes *f = &files[(first + i) % count];

		data[i] = (ProtobufCBinaryData){ .len = f->len, .data = (uint8_t *)(uintptr_t)f->data };
	}
	r.n_file_descriptor_proto = count;
	r.file_descriptor_proto = data;
	m->message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	m->file_descriptor_response = &r;
	return pack(m, out);
}

static struct err answer_services(response *m, struct buf *out)
{
	Grpc__Reflection__V1__ListServiceResponse list = GRPC__REFLECTION__V1__LIST_SERVICE_RESPONSE__INIT;
	Grpc__Reflection__V1__ServiceResponse items[ARRAY_LEN(services)], *pointers[ARRAY_LEN(services)];

	for (size_t i = 0; i < ARRAY_LEN(services); i++) {
		items[i] = (Grpc__Reflection__V1__ServiceResponse)GRPC__REFLECTION__V1__SERVICE_RESPONSE__INIT;
		items[i].name = (char *)(uintptr_t)services[i];
		pointers[i] = &items[i];
	}
	list.n_service = ARRAY_LEN(services);
	list.service = pointers;
	m->message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	m->list_services_response = &list;
	return pack(m, out);
}

static struct err answer(request *q, struct buf *out)
{
	response m = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
	struct bytes files[FILES_MAX], wanted;
	size_t count = all_files(files);
	bool by_name = q->message_request_case == GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME;

	m.valid_host = q->host;
	m.original_request = q;
	if (q->message_request_case == GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES)
		return answer_services(&m, out);
	if (!by_name &&
	    q->message_request_case != GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL)
		return answer_error(&m, ERR_UNIMPLEMENTED, "no extensions here", out);
	wanted = bytes_str(by_name ? q->file_by_filename : q->file_containing_symbol);
	for (size_t i = 0; i < count && wanted.len <= SYMBOL_MAX; i++) {
		if (by_name ? bytes_equal(field_of(files[i], 1), wanted) : file_has_symbol(files[i], wanted))
			return answer_files(&m, files, count, i, out);
	}
	return answer_error(&m, ERR_NOT_FOUND, by_name ? "no such file" : "no such symbol", out);
}

static struct err answer_message(struct bytes in, struct buf *out)
{
	request *q = grpc__reflection__v1__server_reflection_request__unpack(NULL, in.len, in.data);
	struct err e;

	if (q == NULL) FAIL(ERR_INVALID_ARGUMENT, "reflection: not a ServerReflectionRequest");
	e = answer(q, out);
	grpc__reflection__v1__server_reflection_request__free_unpacked(q, NULL);
	return e;
}

void reflection_message(void *ctx, struct call *call, struct bytes message)
{
	AUTO(buf) struct buf out = { .max = ANSWER_MAX + GRPC_MESSAGE_MAX };
	struct err e = answer_message(message, &out);

	(void)ctx;
	if (e.code == ERR_OK) e = call_send(call, buf_view(&out));
	if (e.code != ERR_OK) call_finish(call, e.code, e.reason);
}

void reflection_end(void *ctx, struct call *call)
{
	(void)ctx;
	call_finish(call, ERR_OK, "");
}
