/* decode.h against protobuf-c: what we accept it unpacks, and the fields are equal. */
#include <string.h>

#include "base/own.h"
#include "proto/decode.h"
#include "proto/istio_ca.pb-c.h"

static const char *string_of(const Istio__V1__Auth__Value *value)
{
	if (value == NULL || value->kind_case != ISTIO__V1__AUTH__VALUE__KIND_STRING_VALUE) return "";
	return value->string_value;
}

/* The last entry with this key (a map on the wire). */
static const char *metadata_of(const Istio__V1__Auth__Metadata *metadata, const char *key)
{
	const char *found = "";

	for (size_t i = 0; metadata != NULL && i < metadata->n_fields; i++)
		if (strcmp(metadata->fields[i]->key, key) == 0) found = string_of(metadata->fields[i]->value);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct proto_istio_request ours = { 0 };
	Istio__V1__Auth__IstioCertificateRequest *theirs;

	if (proto_istio_request(BYTES(data, len), &ours).code != ERR_OK) {
		if (ours.csr.data != NULL || ours.cert_signer.data != NULL) __builtin_trap();
		return 0;
	}
	theirs = istio__v1__auth__istio_certificate_request__unpack(NULL, len, data);
	if (theirs == NULL) __builtin_trap();
	if (!bytes_is(ours.csr, theirs->csr) || ours.validity_seconds != theirs->validity_duration) __builtin_trap();
	if (!bytes_is(ours.cert_signer, metadata_of(theirs->metadata, "CertSigner"))) __builtin_trap();
	if (!bytes_is(ours.impersonated_identity, metadata_of(theirs->metadata, "ImpersonatedIdentity"))) __builtin_trap();
	istio__v1__auth__istio_certificate_request__free_unpacked(theirs, NULL);
	return 0;
}
