/* csr.h: PKCS#10 request in, checked facts out (RFC 2986 s4).  No I/O.  A csr borrows nothing: it owns a copy of its
 * DER.
 *
 * What is checked here is syntax and proof of possession; what the names may be is policy's business, and Signet takes
 * no name from a CSR into a certificate. */
#ifndef SIGNET_CSR_CSR_H
#define SIGNET_CSR_CSR_H

#include "base/own.h"
#include "key/key.h"

#define CSR_DER_MAX (16 * 1024)   /* bytes; ours: bounds the work for one request */
#define CSR_PEM_MAX (24 * 1024)   /* bytes; ours: CSR_DER_MAX in base64 with line ends and label */
#define CSR_SAN_MAX 64            /* names; ours */

struct csr; /* opaque */

/* Facts of the subject and extensions, for the issuers that copy names (RA mode) and for the log. */
enum csr_subject {
	CSR_SUBJECT_EMPTY,     /* no RDN (ztunnel) */
	CSR_SUBJECT_EMPTY_ORG, /* exactly `O=` of zero length (pilot-agent) */
	CSR_SUBJECT_OTHER,
};
/* GeneralName tags (RFC 5280 s4.2.1.6) */
enum csr_san_kind { CSR_SAN_URI = 6, CSR_SAN_DNS = 2, CSR_SAN_IP = 7, CSR_SAN_OTHER = 0 };
struct csr_san {
	enum csr_san_kind kind;
	struct bytes value; /* borrowed from the csr */
};

/* Parse one DER request of 1..CSR_DER_MAX bytes and verify its self-signature (proof of possession).
 * OK: *out is the caller's, release with csr_free().  Otherwise *out is untouched.
 * INVALID_ARGUMENT: length, malformed, trailing bytes, an attribute or extension given twice, unknown or weak key
 * (key.h), SHA-1 or MD5, more than CSR_SAN_MAX names, a NUL or a non-ASCII byte in a URI or DNS SAN, an IP SAN that is
 * not 4 or 16 bytes, or its signature does not verify.  Unknown attributes and extensions are allowed and counted. */
struct err csr_parse(struct bytes der, struct key_verifier *verifier, struct csr **out);
/* The same from PEM: exactly one block, any label (real clients: "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST").
 * Adds INVALID_ARGUMENT "csr: not properly encoded PEM" for no PEM, two blocks, over CSR_PEM_MAX. */
struct err csr_parse_pem(struct bytes pem, struct key_verifier *verifier, struct csr **out);

/* All borrowed until csr_free(). */
const struct key_info *csr_key(const struct csr *csr);
struct bytes csr_der(const struct csr *csr);
enum csr_subject csr_subject(const struct csr *csr);
size_t csr_san_count(const struct csr *csr);
struct csr_san csr_san(const struct csr *csr, size_t i); /* i < csr_san_count() */
/* Extensions other than subjectAltName that the request asks for. */
size_t csr_other_extensions(const struct csr *csr);
/* Attributes other than extensionRequest; one of them may hold extensions that OpenSSL and others honour
 * (1.3.6.1.4.1.311.2.1.14), so an issuer that copies names must be given none. */
size_t csr_other_attributes(const struct csr *csr);

void csr_free(struct csr *csr); /* NULL is allowed */
static inline void auto_csr(struct csr **p) { csr_free(*p); }

#endif
