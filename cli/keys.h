/* keys.h: private keys of this command: made, read and written by OpenSSL, wiped by it when freed.  Any thread. */
#ifndef SIGNET_CLI_KEYS_H
#define SIGNET_CLI_KEYS_H

#include <openssl/evp.h>

#include "base/bytes.h"

#define KEYS_PEM_MAX (16 * 1024) /* bytes; RSA-8192 is 6.4 KiB */

/* "p256", "p384", "ed25519", "rsa2048".  INVALID_ARGUMENT: another name. */
struct err cli_key_make(const char *type, EVP_PKEY **out);
/* Is it a key of that type? */
bool cli_key_is(EVP_PKEY *key, const char *type);
/* PKCS#8 in PEM, unencrypted; the caller wipes (buf_wipe). */
struct err cli_key_put(EVP_PKEY *key, struct buf *pem);
/* INVALID_ARGUMENT: not an unencrypted private key in PEM. */
struct err cli_key_read(struct bytes pem, EVP_PKEY **out);
/* A request with an empty subject, in PEM: with this ID as its one name (subjectAltName, critical), or without extensions (NULL).
 * INVALID_ARGUMENT: a type of key that cannot be asked for, or not the SPIFFE ID of a workload. */
struct err cli_key_request(EVP_PKEY *key, const char *spiffe_id, struct buf *pem);
/* Has the key this SubjectPublicKeyInfo? */
bool cli_key_matches(EVP_PKEY *key, struct bytes spki);

static inline void auto_pkey(EVP_PKEY **p) { EVP_PKEY_free(*p); }

#endif
