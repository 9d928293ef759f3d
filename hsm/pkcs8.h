/* pkcs8.h: PrivateKeyInfo (RFC 5208, RFC 5958) to and from OpenSSL keys; private to hsm/.
 *
 * By hand and not by OpenSSL's decoders: those copy the DER through ordinary heap that they free unwiped.  Here a private
 * number goes from the caller's buffer straight into OpenSSL's key.  That of an EC key lies in OpenSSL's secure heap (if the
 * program has set it up); RSA's and Ed25519's lie in the ordinary heap, where OpenSSL 3.0 puts them, and are wiped when freed. */
#ifndef SIGNET_HSM_PKCS8_H
#define SIGNET_HSM_PKCS8_H

#include <openssl/evp.h>

#include "hsm/hsm.h"

/* An unchecked pair otherwise, but EC and Ed25519 public keys are computed from the private one (a public key that comes
 * along must be equal).  INVALID_ARGUMENT: malformed or not P-256, P-384, Ed25519, RSA. */
struct err hsm_pkcs8_read(struct bytes der, EVP_PKEY **out);
/* Append; room for HSM_PKCS8_MAX must already be reserved, so that no copy is left behind by growing. */
struct err hsm_pkcs8_write(EVP_PKEY *pkey, enum key_type type, struct buf *out);

/* Append the PrivateKeyInfo of an ECPrivateKey (RFC 5915 s3) or an RSAPrivateKey (RFC 8017 sA.1.2); same rule of room.  What is
 * in them is checked when it is read.  curve: OID element to take if the EC key names none.  INVALID_ARGUMENT. */
struct err hsm_pkcs8_from_sec1(struct bytes der, struct bytes curve, struct buf *out);
struct err hsm_pkcs8_from_pkcs1(struct bytes der, struct buf *out);

struct hsm_pkey { /* AUTO(hsm_pkey) */
	EVP_PKEY *p;
};
static inline void auto_hsm_pkey(struct hsm_pkey *k) { EVP_PKEY_free(k->p); }

#endif
