/* A secret at rest; the format is told in docs/protocols/key-at-rest.md. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "hsm/hsm.h"
#include "key/openssl.h"

#define SALT_LEN 32
#define MAGIC_LEN 5
#define HEAD_LEN (MAGIC_LEN + SALT_LEN)
#define TAG_LEN 16
#define KEY_LEN 32
#define IV_LEN 12
_Static_assert(HEAD_LEN + TAG_LEN == HSM_WRAP_OVERHEAD, "what hsm.h promises");

static const uint8_t magic[MAGIC_LEN] = { 'S', 'G', 'N', 'K', 1 }; /* the last is the format's version */
static const char purpose[] = "signet key at rest";

/* Key and IV of one blob: the salt is fresh, so the pair is used once. */
struct once {
	uint8_t bytes[KEY_LEN + IV_LEN];
};
static void auto_once(struct once *o)
{
	explicit_bzero(o, sizeof(*o));
}

struct tools {
	EVP_KDF *kdf;
	EVP_KDF_CTX *kdf_ctx;
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *ctx;
};
static void auto_tools(struct tools *t)
{
	EVP_CIPHER_CTX_free(t->ctx);
	EVP_CIPHER_free(t->cipher);
	EVP_KDF_CTX_free(t->kdf_ctx);
	EVP_KDF_free(t->kdf);
}

void auto_hsm_kek(struct hsm_kek *kek)
{
	explicit_bzero(kek, sizeof(*kek));
}

static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)data, len); /* only read by the KDF */
}

static struct err derive(struct tools *t, const struct hsm_kek *kek, const uint8_t *salt, struct once *out)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		octets(OSSL_KDF_PARAM_KEY, kek->bytes, HSM_KEK_LEN),
		octets(OSSL_KDF_PARAM_SALT, salt, SALT_LEN),
		octets(OSSL_KDF_PARAM_INFO, purpose, strlen(purpose)),
		OSSL_PARAM_construct_end(),
	};

	t->kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	t->kdf_ctx = EVP_KDF_CTX_new(t->kdf);
	if (t->kdf_ctx == NULL || EVP_KDF_derive(t->kdf_ctx, out->bytes, sizeof(out->bytes), params) <= 0)
		return key_openssl_err(ERR_INTERNAL, "hsm: HKDF failed");
	return OK;
}

struct err hsm_kek_derive(const struct hsm_kek *kek, const char *info, struct hsm_kek *out)
{
	AUTO(tools) struct tools t = { .kdf = NULL };
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		octets(OSSL_KDF_PARAM_KEY, kek->bytes, HSM_KEK_LEN),
		octets(OSSL_KDF_PARAM_INFO, info, strlen(info)),
		OSSL_PARAM_construct_end(),
	};

	t.kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	t.kdf_ctx = EVP_KDF_CTX_new(t.kdf);
	if (t.kdf_ctx == NULL || EVP_KDF_derive(t.kdf_ctx, out->bytes, sizeof(out->bytes), params) <= 0)
		return key_openssl_err(ERR_INTERNAL, "hsm: HKDF failed");
	return OK;
}

/* Set up AES-256-GCM with key, IV and the authenticated data: head and label. */
static struct err cipher_open(struct tools *t, const struct once *once, const uint8_t *head, const char *label, bool encrypt)
{
	int len;

	t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	t->ctx = EVP_CIPHER_CTX_new();
	if (t->cipher == NULL || t->ctx == NULL ||
	    !EVP_CipherInit_ex2(t->ctx, t->cipher, once->bytes, once->bytes + KEY_LEN, encrypt, NULL) ||
	    !EVP_CipherUpdate(t->ctx, NULL, &len, head, HEAD_LEN) ||
	    !EVP_CipherUpdate(t->ctx, NULL, &len, (const uint8_t *)label, (int)strlen(label)))
		return key_openssl_err(ERR_INTERNAL, "hsm: AES-256-GCM failed");
	return OK;
}

static bool label_fits(const char *label)
{
	size_t len = strnlen(label, HSM_LABEL_MAX + 1);

	return len > 0 && len <= HSM_LABEL_MAX;
}

static struct err seal(const struct hsm_kek *kek, const char *label, struct bytes secret, uint8_t *at)
{
	AUTO(tools) struct tools t = { 0 };
	AUTO(once) struct once once;
	uint8_t *text = at + HEAD_LEN;
	int len;

	memcpy(at, magic, MAGIC_LEN);
	if (RAND_bytes(at + MAGIC_LEN, SALT_LEN) <= 0) return key_openssl_err(ERR_INTERNAL, "hsm: no random bytes");
	TRY(derive(&t, kek, at + MAGIC_LEN, &once));
	TRY(cipher_open(&t, &once, at, label, true));
	if (!EVP_CipherUpdate(t.ctx, text, &len, secret.data, (int)secret.len) ||
	    !EVP_CipherFinal_ex(t.ctx, text + len, &len) ||
	    !EVP_CIPHER_CTX_ctrl(t.ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, text + secret.len))
		return key_openssl_err(ERR_INTERNAL, "hsm: AES-256-GCM failed");
	return OK;
}

struct err hsm_wrap(const struct hsm_kek *kek, const char *label, struct bytes secret, struct buf *blob)
{
	uint8_t *at;

	if (!label_fits(label)) FAIL(ERR_INVALID_ARGUMENT, "hsm: label out of range");
	if (secret.len == 0 || secret.len > HSM_SECRET_MAX) FAIL(ERR_INVALID_ARGUMENT, "hsm: secret out of range");
	TRY(buf_reserve(blob, HSM_WRAP_OVERHEAD + secret.len, &at));
	TRY(seal(kek, label, secret, at));
	blob->len += HSM_WRAP_OVERHEAD + secret.len;
	return OK;
}

static struct err open_sealed(const struct hsm_kek *kek, const char *label, struct bytes blob, uint8_t *out)
{
	AUTO(tools) struct tools t = { 0 };
	AUTO(once) struct once once;
	size_t text_len = blob.len - HSM_WRAP_OVERHEAD;
	const uint8_t *text = blob.data + HEAD_LEN;
	int len;

	TRY(derive(&t, kek, blob.data + MAGIC_LEN, &once));
	TRY(cipher_open(&t, &once, blob.data, label, false));
	if (!EVP_CipherUpdate(t.ctx, out, &len, text, (int)text_len) ||
	    !EVP_CIPHER_CTX_ctrl(t.ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, (void *)(uintptr_t)(text + text_len)) ||
	    EVP_CipherFinal_ex(t.ctx, out + len, &len) <= 0)
		return key_openssl_err(ERR_DATA_LOSS, "hsm: not sealed by this key-encryption key, or damaged");
	return OK;
}

struct err hsm_unwrap(const struct hsm_kek *kek, const char *label, struct bytes blob, struct buf *secret)
{
	uint8_t *at;
	struct err e;

	if (!label_fits(label) || blob.len <= HSM_WRAP_OVERHEAD || blob.len > HSM_WRAP_OVERHEAD + HSM_SECRET_MAX ||
	    memcmp(blob.data, magic, MAGIC_LEN) != 0)
		FAIL(ERR_DATA_LOSS, "hsm: not a sealed secret");
	TRY(buf_reserve(secret, blob.len - HSM_WRAP_OVERHEAD, &at));
	e = open_sealed(kek, label, blob, at);
	if (e.code == ERR_OK)
		secret->len += blob.len - HSM_WRAP_OVERHEAD;
	else
		explicit_bzero(at, blob.len - HSM_WRAP_OVERHEAD); /* decrypted before it was found to be wrong */
	return e;
}
