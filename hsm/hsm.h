/* hsm.h: a private key as an object that signs, asynchronously; where the key lives is the object's own affair.
 *
 * Backends: `file` (in this process: the fast P-256 path signs at once, slow algorithms on a pool of signer threads) and,
 * later, `token` (a PKCS#11 token process behind a channel: one digest out, one signature back; docs/protocols/token.md).
 * Callers never see which: they submit and are called back, maybe before submit returns. */
#ifndef SIGNET_HSM_HSM_H
#define SIGNET_HSM_HSM_H

#include "base/bytes.h"
#include "base/own.h"
#include "key/key.h"

#define HSM_SIG_MAX 512    /* bytes: RSA-4096 */
#define HSM_PKCS8_MAX 4096 /* bytes; RSA-4096 takes about 2 380 */

struct hsm_key; /* opaque */

/* One signature to make.  The caller owns it and keeps it, and what `msg` points to, until `done` has been called. */
struct hsm_job {
	struct bytes msg; /* the bytes to sign (the TBSCertificate), not a digest */
	void (*done)(struct hsm_job *job, struct err result); /* called once, on any thread; must be quick */
	uint8_t sig[HSM_SIG_MAX]; /* set when result is OK */
	size_t sig_len;
	struct hsm_job *next; /* the backend's */
};

/* What keys can be made: config names "p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096". */
struct err hsm_key_spec(const char *name, enum key_type *type, unsigned *bits); /* INVALID_ARGUMENT: unknown name */

/* Generate a key and append its PKCS#8 PrivateKeyInfo DER; the caller wipes it (buf_wipe).  The buffer must have room
 * for HSM_PKCS8_MAX below its max.  INVALID_ARGUMENT: not one of hsm_key_spec()'s. */
struct err hsm_key_generate(enum key_type type, unsigned bits, struct buf *pkcs8);
/* Load from PKCS#8 DER.  threads: pool size for slow algorithms (1..64); P-256 and Ed25519 sign on the caller's thread.
 * Starts the pool's threads: enter the sandbox first.  A self-test signature is made and verified.
 * INVALID_ARGUMENT: not a key, halves that are no pair, or a type or size that a CA may not have. */
struct err hsm_key_load(struct bytes pkcs8, unsigned threads, struct hsm_key **out);
/* From a PEM file with one private key, append its PKCS#8 DER; the caller wipes it.  PRIVATE KEY, EC PRIVATE KEY (maybe after EC
 * PARAMETERS), RSA PRIVATE KEY, or ENCRYPTED PRIVATE KEY (PBES2) with its passphrase.  Nothing is appended, and nothing of the
 * key left behind, unless OK.  What is in it is checked by hsm_key_load().
 * INVALID_ARGUMENT: none, two, something else, malformed, encrypted otherwise; FAILED_PRECONDITION: it is encrypted and
 * `passphrase` is empty; PERMISSION_DENIED: the passphrase does not open it. */
#define HSM_PEM_MAX (16 * 1024) /* bytes of the file; ours */
struct err hsm_key_from_pem(struct bytes pem, struct bytes passphrase, struct buf *pkcs8);
/* The key's SubjectPublicKeyInfo DER and the scheme it signs with; borrowed until freed. */
struct bytes hsm_key_spki(const struct hsm_key *key);
enum key_scheme hsm_key_scheme(const struct hsm_key *key);
/* True when hsm_key_sign() signs before it returns. */
bool hsm_key_is_immediate(const struct hsm_key *key);
/* Submit.  One submitting thread.  The result of every job is delivered, also at hsm_key_free() (then UNAVAILABLE). */
void hsm_key_sign(struct hsm_key *key, struct hsm_job *job);
void hsm_key_free(struct hsm_key *key); /* waits for the pool; wipes */
static inline void auto_hsm_key(struct hsm_key **p) { hsm_key_free(*p); }

/* ---- a key at rest ----
 * AES-256-GCM under a key derived from the 32-byte key-encryption key by HKDF-SHA256 with a fresh 32-byte salt;
 * `label` (what the blob is) and the salt are authenticated.  Format: docs/protocols/key-at-rest.md. */
#define HSM_KEK_LEN 32
#define HSM_LABEL_MAX 64             /* bytes, at least 1; ours */
#define HSM_SECRET_MAX (16 * 1024)   /* bytes, at least 1; ours */
#define HSM_WRAP_OVERHEAD 53         /* bytes that a blob is longer than its secret */
struct hsm_kek { /* wiped by its owner with explicit_bzero; AUTO(hsm_kek) does it */
	uint8_t bytes[HSM_KEK_LEN];
};
void auto_hsm_kek(struct hsm_kek *kek);
/* Another key-encryption key for one purpose, from which `kek` cannot be found: HKDF-SHA256 with `purpose` as info. */
struct err hsm_kek_derive(const struct hsm_kek *kek, const char *purpose, struct hsm_kek *out);
/* Append the blob.  INVALID_ARGUMENT: secret or label empty or over its bound. */
struct err hsm_wrap(const struct hsm_kek *kek, const char *label, struct bytes secret, struct buf *blob);
/* Append the secret; the caller wipes it (buf_wipe).  Nothing is appended, and nothing of the secret left behind, unless OK.
 * DATA_LOSS: malformed, another label, or another key-encryption key (they cannot be told apart). */
struct err hsm_unwrap(const struct hsm_kek *kek, const char *label, struct bytes blob, struct buf *secret);

#endif
