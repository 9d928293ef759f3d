/* key.h: public keys and signature verification; the only folder where a public key of a peer meets OpenSSL.
 *
 * The P-256 path is the fast one: the SubjectPublicKeyInfo is matched against its fixed prefix, the point goes into one
 * reused EVP_PKEY, and the verify context is reused (no d2i, no EVP_PKEY_fromdata).  A `struct key_verifier` holds
 * those reused objects and belongs to one thread.  Everything else may take OpenSSL's slower road. */
#ifndef SIGNET_KEY_KEY_H
#define SIGNET_KEY_KEY_H

#include "base/bytes.h"

enum key_type {
	KEY_NONE = 0,
	KEY_P256 = 1,
	KEY_P384 = 2,
	KEY_P521 = 3, /* JWKs only (ES512); never in a certificate */
	KEY_ED25519 = 4,
	KEY_RSA = 5,
};
/* Signature schemes; the hash and padding are part of the scheme. */
enum key_scheme {
	SCHEME_NONE = 0,
	SCHEME_ECDSA_P256_SHA256,
	SCHEME_ECDSA_P384_SHA384,
	SCHEME_ECDSA_P521_SHA512,
	SCHEME_ED25519,
	SCHEME_RSA_PKCS1_SHA256,
	SCHEME_RSA_PKCS1_SHA384,
	SCHEME_RSA_PKCS1_SHA512,
	SCHEME_RSA_PSS_SHA256, /* MGF1 with the same hash, salt as long as the hash (RFC 7518 s3.5) */
	SCHEME_RSA_PSS_SHA384,
	SCHEME_RSA_PSS_SHA512,
	/* ECDSA whose hash is not the curve's usual one; CSRs of real clients have it */
	SCHEME_ECDSA_P256_SHA384,
	SCHEME_ECDSA_P256_SHA512,
	SCHEME_ECDSA_P384_SHA256,
	SCHEME_ECDSA_P384_SHA512,
};

#define KEY_SPKI_MAX 2400  /* bytes; ours: RSA-16384 with a small exponent is 2 086 */
#define KEY_RSA_MIN 2048   /* bits; SP 800-57 part 1 r5, 112-bit strength */
#define KEY_RSA_MAX 8192   /* bits; ours: bounds the cost of one verification */
#define KEY_SHA256_LEN 32  /* octets */

/* What is known of a SubjectPublicKeyInfo without doing any public-key work. */
struct key_info {
	enum key_type type;
	unsigned bits;         /* RSA modulus; 256, 384, 521; 256 for Ed25519 */
	struct bytes spki;     /* borrowed: the element */
	struct bytes key_bits; /* borrowed: content of subjectPublicKey (EC: the point 04 || x || y) */
};

/* Parse one SubjectPublicKeyInfo (RFC 5280 s4.1.2.7, RFC 5480, RFC 8410, RFC 3279) that fills `spki` whole.
 * INVALID_ARGUMENT: malformed, an algorithm or curve we do not know, compressed or hybrid points, parameters where none
 * may be, RSA outside KEY_RSA_MIN..KEY_RSA_MAX, an even or small (< 65537, > 2^64) exponent, an even modulus, an Ed25519
 * key that is not canonical or of small order.  Whether an EC point is on its curve: key_check(), key_verify(). */
struct err key_info_parse(struct bytes spki, struct key_info *out);
const char *key_type_name(enum key_type type);             /* "P-256", "P-384", "P-521", "Ed25519", "RSA", "none" */
/* As the configuration names a client's key type: "p256", "p384", "ed25519", "rsa"; "" for what no certificate may have. */
const char *key_type_conf_name(enum key_type type);
/* Of a SubjectPublicKeyInfo: what names a key in records and bans.  INTERNAL: libcrypto failed. */
struct err key_sha256(struct bytes in, uint8_t out[KEY_SHA256_LEN]);
/* RFC 7093 method 1: leftmost 160 bits of SHA-256 of the subjectPublicKey bits: the SKI that we write. */
#define KEY_SKI_LEN 20
struct err key_ski(struct bytes key_bits, uint8_t out[KEY_SKI_LEN]);

/* Map a signatureAlgorithm's AlgorithmIdentifier element (RFC 5758, RFC 8410, RFC 4055) to a scheme, given the key's type.
 * INVALID_ARGUMENT: unknown, MD5, SHA-1, parameters that may not be, or a scheme that does not go with the key. */
struct err key_scheme_parse(struct bytes algorithm, enum key_type type, enum key_scheme *out);
enum key_type key_scheme_type(enum key_scheme scheme);
/* The AlgorithmIdentifier element of a scheme that a CA of ours may sign with; NULL data if it has none here. */
struct bytes key_scheme_der(enum key_scheme scheme);

struct key_verifier;
/* INTERNAL: OpenSSL cannot be set up.  One per thread. */
struct err key_verifier_new(struct key_verifier **out);
void key_verifier_free(struct key_verifier *v);
static inline void auto_key_verifier(struct key_verifier **p) { key_verifier_free(*p); }
/* Verify `sig` (ECDSA: DER Ecdsa-Sig-Value) over `msg` by the key of `info`.
 * INVALID_ARGUMENT: the key is not a valid one (point off the curve), the scheme does not go with it, or the signature
 * is wrong.  A refused key leaves nothing of itself behind in the verifier. */
struct err key_verify(struct key_verifier *v, const struct key_info *info, enum key_scheme scheme, struct bytes msg,
                      struct bytes sig);
/* The point of an EC key is on its curve; others: OpenSSL can load it.  INVALID_ARGUMENT if not. */
struct err key_check(struct key_verifier *v, const struct key_info *info);

/* A prepared key for many verifications (JWKS): owns its copy. */
struct key_public;
struct err key_public_new(struct bytes spki, struct key_public **out); /* INVALID_ARGUMENT as key_info_parse, or off curve */
const struct key_info *key_public_info(const struct key_public *key);  /* borrowed until freed */
/* As key_verify.  One thread at a time. */
struct err key_public_verify(struct key_public *key, enum key_scheme scheme, struct bytes msg, struct bytes sig);
void key_public_free(struct key_public *key);
static inline void auto_key_public(struct key_public **p) { key_public_free(*p); }

#endif
