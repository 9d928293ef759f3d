/* decode.h: Istio's certificate request off the wire, in one bounded walk without allocation (protobuf encoding spec;
 * fields in proto/istio_ca.proto).  Any thread; no I/O.
 *
 * As every protobuf reader: unknown fields are skipped, of a field (and of a map key) that comes twice the last one
 * counts.  Stricter than most: a known field with another wire type, groups, NUL in a string, and metadata or the value
 * of an entry that comes twice (no encoder writes that, and readers disagree on merging it) are refused.  Value kinds
 * that are not strings read as "", as Istio reads them, and what is inside a Struct or ListValue is skipped unseen:
 * nesting costs nothing. */
#ifndef SIGNET_PROTO_DECODE_H
#define SIGNET_PROTO_DECODE_H

#include "base/bytes.h"

#define PROTO_ISTIO_MESSAGE_MAX (64 * 1024) /* bytes; ours (istiod takes 4 MiB) */
#define PROTO_ISTIO_CSR_MAX (24 * 1024)     /* bytes of PEM; ours: 16 KiB of DER is 22.2 KiB of PEM */
#define PROTO_ISTIO_METADATA_MAX 256        /* entries; ours (clients send one or two) */

/* What Signet reads of a request; each view is borrowed from the message and empty if the field is absent. */
struct proto_istio_request {
	struct bytes csr; /* PEM text, unchecked beyond length, UTF-8 and NUL */
	int64_t validity_seconds;
	struct bytes cert_signer;           /* metadata "CertSigner" */
	struct bytes impersonated_identity; /* metadata "ImpersonatedIdentity" */
};

/* INVALID_ARGUMENT: over one of the bounds, malformed, or a string that is not UTF-8; *out is untouched then.  An empty
 * message is a valid one with everything absent. */
struct err proto_istio_request(struct bytes msg, struct proto_istio_request *out);

#endif
