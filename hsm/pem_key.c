/* A CA's private key as other programs write it to a file: PEM in four dialects, to the PKCS#8 that hsm_key_load() reads. */
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <string.h>

#include "der/der.h"
#include "der/pem.h"
#include "hsm/pkcs8.h"
#include "key/openssl.h"

#define BLOCK_MAX (2 * HSM_PKCS8_MAX) /* bytes of DER; ours: an encrypted key and its parameters */
#define BLOCKS_MAX 4                  /* in the file; ours: EC PARAMETERS and the key, and some */
#define PBKDF2_MAX 10000000           /* iterations; ours: about four seconds, and the file is the operator's */
#define SCRYPT_MAX (UINT64_C(1) << 24) /* N * r * p; ours: about as long */

/* ---- ENCRYPTED PRIVATE KEY ---- */

/* RFC 8018 sA.2 and sA.4; RFC 7914 s7. */
static const uint8_t oid_pbes2[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13 };
static const uint8_t oid_pbkdf2[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 12 };
static const uint8_t oid_scrypt[] = { 0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 11 };

/* How long will the key derivation take?  The parameters are read by OpenSSL; only the work is bounded here. */
static struct err check_work(struct bytes kdf)
{
	struct bytes oid, params, salt;
	uint64_t n, r, p;

	TRY(der_take(&kdf, DER_OID, &oid));
	TRY(der_take(&kdf, DER_SEQUENCE, &params));
	TRY(der_take(&params, DER_OCTET_STRING, &salt));
	TRY(der_take_uint(&params, &n));
	if (bytes_equal(oid, BYTES(oid_pbkdf2, sizeof(oid_pbkdf2))))
		return n <= PBKDF2_MAX ? OK : ERR(ERR_INVALID_ARGUMENT, "hsm: too many PBKDF2 iterations");
	if (!bytes_equal(oid, BYTES(oid_scrypt, sizeof(oid_scrypt))))
		FAIL(ERR_INVALID_ARGUMENT, "hsm: the key is encrypted by neither PBKDF2 nor scrypt");
	TRY(der_take_uint(&params, &r));
	TRY(der_take_uint(&params, &p));
	if (r == 0 || p == 0 || n > SCRYPT_MAX / r || n * r > SCRYPT_MAX / p)
		FAIL(ERR_INVALID_ARGUMENT, "hsm: scrypt parameters too large");
	return OK;
}

static struct err check_algorithm(struct bytes algorithm)
{
	struct bytes body, oid, params, kdf;

	TRY(der_enter(algorithm, DER_SEQUENCE, &body));
	TRY(der_take(&body, DER_OID, &oid));
	if (!bytes_equal(oid, BYTES(oid_pbes2, sizeof(oid_pbes2))))
		FAIL(ERR_INVALID_ARGUMENT, "hsm: the key is encrypted by an outdated scheme; only PBES2 is read");
	TRY(der_take(&body, DER_SEQUENCE, &params));
	TRY(der_take(&params, DER_SEQUENCE, &kdf));
	return check_work(kdf);
}

struct plain { /* what OpenSSL decrypted, in its heap */
	X509_ALGOR *algorithm;
	unsigned char *data;
	int len;
};
static void auto_plain(struct plain *p)
{
	X509_ALGOR_free(p->algorithm);
	if (p->data != NULL && p->len > 0) OPENSSL_cleanse(p->data, (size_t)p->len);
	OPENSSL_free(p->data);
}

static struct err decrypt(struct bytes der, struct bytes passphrase, struct buf *pkcs8)
{
	AUTO(plain) struct plain p = { .len = 0 };
	struct bytes body, algorithm, data;
	const uint8_t *at;

	TRY(der_enter(der, DER_SEQUENCE, &body)); /* EncryptedPrivateKeyInfo, RFC 5958 s3 */
	TRY(der_take_element(&body, DER_SEQUENCE, &algorithm));
	TRY(der_take(&body, DER_OCTET_STRING, &data));
	TRY(der_end(&body));
	TRY(check_algorithm(algorithm));
	if (passphrase.len == 0) FAIL(ERR_FAILED_PRECONDITION, "hsm: the key is encrypted, and no passphrase was given");
	at = algorithm.data;
	p.algorithm = d2i_X509_ALGOR(NULL, &at, (long)algorithm.len);
	if (p.algorithm == NULL || PKCS12_pbe_crypt(p.algorithm, (const char *)passphrase.data, (int)passphrase.len, data.data,
	                                            (int)data.len, &p.data, &p.len, 0) == NULL)
		return key_openssl_err(ERR_PERMISSION_DENIED, "hsm: the passphrase does not open the key");
	return buf_put(pkcs8, p.data, (size_t)p.len);
}

/* ---- the file ---- */

struct reading {
	struct bytes passphrase;
	uint8_t curve[16]; /* an OID element from EC PARAMETERS */
	size_t curve_len;
	bool found;
	struct buf *pkcs8;
};

static struct err on_pkcs8(struct reading *r, struct bytes der)
{
	return buf_put(r->pkcs8, der.data, der.len);
}

static struct err on_encrypted(struct reading *r, struct bytes der)
{
	return decrypt(der, r->passphrase, r->pkcs8);
}

static struct err on_sec1(struct reading *r, struct bytes der)
{
	return hsm_pkcs8_from_sec1(der, BYTES(r->curve, r->curve_len), r->pkcs8);
}

static struct err on_pkcs1(struct reading *r, struct bytes der)
{
	return hsm_pkcs8_from_pkcs1(der, r->pkcs8);
}

static const struct {
	const char *label;
	struct err (*take)(struct reading *r, struct bytes der);
} dialects[] = {
	{ "PRIVATE KEY", on_pkcs8 },
	{ "ENCRYPTED PRIVATE KEY", on_encrypted },
	{ "EC PRIVATE KEY", on_sec1 },  /* RFC 5915 s4 */
	{ "RSA PRIVATE KEY", on_pkcs1 },
};

/* openssl ecparam -genkey writes the curve before the key; it is in the key too, or else it is needed. */
static struct err on_parameters(struct reading *r, struct bytes der)
{
	if (der.len > sizeof(r->curve)) FAIL(ERR_INVALID_ARGUMENT, "hsm: a curve that is given by its parameters, not by its name");
	memcpy(r->curve, der.data, der.len);
	r->curve_len = der.len;
	return OK;
}

static struct err on_block(struct reading *r, const char *label, struct bytes der)
{
	if (strcmp(label, "EC PARAMETERS") == 0 && !r->found) return on_parameters(r, der);
	for (size_t i = 0; i < ARRAY_LEN(dialects); i++) {
		if (strcmp(label, dialects[i].label) != 0) continue;
		if (r->found) FAIL(ERR_INVALID_ARGUMENT, "hsm: two private keys in one file");
		r->found = true;
		return dialects[i].take(r, der);
	}
	FAIL(ERR_INVALID_ARGUMENT, "hsm: something else than a private key is in the key's file");
}

static struct err read_blocks(struct reading *r, struct bytes pem)
{
	AUTO(buf_wipe) struct buf der = { .max = BLOCK_MAX };
	char label[PEM_LABEL_MAX];
	uint8_t *room;

	TRY(buf_reserve(&der, BLOCK_MAX, &room)); /* growing would leave a copy behind */
	for (unsigned n = 0;; n++) {
		struct err e;

		explicit_bzero(der.data, der.len);
		der.len = 0;
		e = pem_take(&pem, BLOCK_MAX, label, &der);
		if (e.code == ERR_NOT_FOUND) return OK;
		if (e.code != ERR_OK) return e;
		if (n == BLOCKS_MAX) FAIL(ERR_INVALID_ARGUMENT, "hsm: too many blocks in the key's file");
		TRY(on_block(r, label, buf_view(&der)));
	}
}

struct err hsm_key_from_pem(struct bytes pem, struct bytes passphrase, struct buf *pkcs8)
{
	struct reading r = { .passphrase = passphrase, .pkcs8 = pkcs8 };
	size_t before = pkcs8->len;
	uint8_t *room;
	struct err e;

	if (pem.len > HSM_PEM_MAX) FAIL(ERR_INVALID_ARGUMENT, "hsm: the key's file is too large");
	if (pem.len > 0 && memmem(pem.data, pem.len, "Proc-Type:", 10) != NULL)
		FAIL(ERR_INVALID_ARGUMENT, "hsm: a key in OpenSSL's own old encryption (convert it with openssl pkcs8 -topk8)");
	TRY(buf_reserve(pkcs8, HSM_PKCS8_MAX, &room));
	e = read_blocks(&r, pem);
	if (e.code == ERR_OK && !r.found) e = ERR(ERR_INVALID_ARGUMENT, "hsm: no private key in the file");
	if (e.code == ERR_OK && pkcs8->len - before > HSM_PKCS8_MAX) e = ERR(ERR_INVALID_ARGUMENT, "hsm: private key too long");
	if (e.code == ERR_OK) return OK;
	explicit_bzero(pkcs8->data + before, pkcs8->len - before);
	pkcs8->len = before;
	return e;
}
