/* cert.h: read an X.509 certificate (RFC 5280 s4) as far as Signet decides by it: peers' leafs, our own roots and
 * leafs.
 *
 * Strict DER, no signature check (TLS, key_verify or OpenSSL's chain verifier do that), no I/O.  All views borrow
 * `der`. */
#ifndef SIGNET_CSR_CERT_H
#define SIGNET_CSR_CERT_H

#include "csr/spiffe.h"
#include "key/key.h"

#define CERT_DER_MAX (16 * 1024) /* bytes; ours */
#define CERT_SERIAL_MAX 20       /* octets; RFC 5280 s4.1.2.2 */

/* KeyUsage named bits (RFC 5280 s4.2.1.3), as der_take_named_bits gives them. */
#define CERT_KU_DIGITAL_SIGNATURE (1 << 0)
#define CERT_KU_KEY_ENCIPHERMENT (1 << 2)
#define CERT_KU_KEY_CERT_SIGN (1 << 5)
#define CERT_KU_CRL_SIGN (1 << 6)

struct cert {
	struct bytes der, tbs;
	struct bytes serial;            /* magnitude, 1..20 octets, no leading zero */
	struct bytes issuer, subject;   /* Name elements */
	bool subject_empty;
	int64_t not_before, not_after;  /* Unix seconds */
	struct key_info key;
	struct bytes algorithm;         /* signatureAlgorithm element, equal to the one in the TBS */
	struct bytes signature;
	bool has_san, san_critical;
	unsigned uri_count, dns_count, ip_count, other_name_count;
	struct bytes uri;               /* the only or first URI SAN */
	struct bytes san;               /* GeneralNames content, for cert_san_next() */
	bool has_basic_constraints, basic_constraints_critical, ca;
	int path_len;                   /* -1: none */
	bool has_key_usage, key_usage_critical;
	uint16_t key_usage;
	bool has_ext_key_usage, ext_key_usage_critical, eku_server, eku_client, eku_any;
	struct bytes ski, aki;          /* empty if absent; aki is the keyIdentifier */
	bool has_aki_serial;            /* authorityCertIssuer and authorityCertSerialNumber are there */
	struct bytes aki_serial;        /* the INTEGER's content */
	struct bytes name_constraints;  /* content of NameConstraints' SEQUENCE, not looked into; empty: none (CAs only) */
	bool name_constraints_critical;
	bool unknown_critical;          /* a critical extension this reader does not know */
	bool key_id_critical;           /* SKI or AKI is critical, which RFC 5280 s4.2.1.1 and s4.2.1.2 forbid */
};

/* INVALID_ARGUMENT: not v3, malformed, trailing bytes, serial not 1..20 octets and positive, extension given twice,
 * unknown key algorithm (key.h), inner and outer algorithm differ. */
struct err cert_parse(struct bytes der, struct cert *out);
/* Is there a name constraint of this kind (RFC 5280 s4.2.1.10; tags as below), permitted or excluded?  Malformed ones: yes. */
bool cert_constrains(const struct cert *cert, unsigned tag);
/* Iterate GeneralNames: tag (2 DNS, 6 URI, 7 IP, ...) and value; NOT_FOUND at the end. */
struct err cert_san_next(struct bytes *san, unsigned *tag, struct bytes *value);
/* The X509-SVID leaf rules (X509-SVID.md s2..s4): exactly one URI SAN that is a workload ID in `trust_domain`, not CA,
 * basicConstraints absent or CA:FALSE, key usage present, critical, digitalSignature and neither keyCertSign nor
 * cRLSign, EKU absent or both serverAuth and clientAuth (or any), SAN critical if the subject is empty, no unknown
 * critical extension.  INVALID_ARGUMENT names the rule. */
struct err cert_svid_check(const struct cert *cert, const char *trust_domain);
/* A server's certificate that is no SVID: no CA, no URI, and serverAuth.  INVALID_ARGUMENT otherwise. */
struct err cert_server_check(const struct cert *cert);

#endif
