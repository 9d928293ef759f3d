/* x509.h: the parts that requests and certificates share; not for other folders.  Any thread, no I/O, no allocation.
 *
 * Everything that is accepted here is checked down to where OpenSSL checks, so that OpenSSL accepts it too; every
 * failure is INVALID_ARGUMENT. */
#ifndef SIGNET_CSR_X509_H
#define SIGNET_CSR_X509_H

#include "der/der.h"

/* GeneralName tag numbers (RFC 5280 s4.2.1.6). */
enum x509_name_tag {
	X509_OTHER_NAME = 0,
	X509_EMAIL = 1,
	X509_DNS = 2,
	X509_DIRECTORY_NAME = 4,
	X509_URI = 6,
	X509_IP = 7,
	X509_REGISTERED_ID = 8,
};

/* Content of an OID: complete, minimal subidentifiers (X.690 s8.19.2). */
struct err x509_oid_check(struct bytes oid);
/* Content of an element of any type, as far as its primitive type has rules; constructed ones are not entered. */
struct err x509_any_check(unsigned tag, struct bytes value);
/* Take an AlgorithmIdentifier: an OID and at most one parameter (RFC 5280 s4.1.1.2). */
struct err x509_take_algorithm(struct bytes *in, struct bytes *element);
/* Take a Name (RFC 5280 s4.1.2.4): sets of attributes, none empty, in DER order, strings well-formed. */
struct err x509_take_name(struct bytes *in, struct bytes *element);
/* Take one GeneralName of a list: its tag number and content.  Names in text must be ASCII without NUL, an IP address 4
 * or 16 octets; x400Address and ediPartyName are refused. */
struct err x509_take_general_name(struct bytes *names, unsigned *tag, struct bytes *value);

/* OIDs seen so far, to refuse the second of a kind. */
#define X509_OIDS_MAX 32 /* ours: more extensions or attributes than any known client or CA writes */
struct x509_oids {
	size_t count;
	struct bytes oid[X509_OIDS_MAX];
};
struct err x509_oids_add(struct x509_oids *seen, struct bytes oid);

struct x509_extension {
	struct bytes oid, value; /* value: content of the OCTET STRING */
	bool critical;
};
/* Take one Extension of a list (RFC 5280 s4.1); refused if its OID is in `seen` already. */
struct err x509_take_extension(struct bytes *list, struct x509_oids *seen, struct x509_extension *out);

#endif
