#include "cli/keys.h"

#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/own.h"
#include "csr/spiffe.h"

static void auto_bio(BIO **p)
{
	BIO_free(*p);
}

static void auto_x509_req(X509_REQ **p)
{
	X509_REQ_free(*p);
}

static void auto_names(GENERAL_NAMES **p)
{
	GENERAL_NAMES_free(*p);
}

static void auto_extensions(STACK_OF(X509_EXTENSION) **p)
{
	sk_X509_EXTENSION_pop_free(*p, X509_EXTENSION_free);
}

static const struct key_kind {
	const char *name, *algorithm, *group; /* OpenSSL's names */
	size_t bits;                          /* RSA */
	const char *digest;                   /* of the request's signature; NULL: Ed25519 has its own */
} kinds[] = {
	{ "p256", "EC", "P-256", 0, "SHA256" },
	{ "p384", "EC", "P-384", 0, "SHA384" },
	{ "ed25519", "ED25519", NULL, 0, NULL },
	{ "rsa2048", "RSA", NULL, 2048, "SHA256" },
};

struct err cli_key_make(const char *type, EVP_PKEY **out)
{
	EVP_PKEY *key = NULL;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct key_kind *k = &kinds[i];

		if (strcmp(k->name, type) != 0) continue;
		if (k->group != NULL) key = EVP_PKEY_Q_keygen(NULL, NULL, k->algorithm, k->group);
		else if (k->bits != 0) key = EVP_PKEY_Q_keygen(NULL, NULL, k->algorithm, k->bits);
		else key = EVP_PKEY_Q_keygen(NULL, NULL, k->algorithm);
		if (key == NULL) FAIL_BY(ERR_INTERNAL, "cli: cannot make a key", ERR_get_error());
		*out = key;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "cli: unknown type of key");
}

static const struct key_kind *kind_of(EVP_PKEY *key)
{
	char group[32] = "";

	(void)EVP_PKEY_get_group_name(key, group, sizeof(group), NULL);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct key_kind *k = &kinds[i];
		bool p256 = k->group != NULL && strcmp(k->group, "P-256") == 0;

		if (!EVP_PKEY_is_a(key, k->algorithm)) continue;
		if (k->group == NULL || strcmp(group, k->group) == 0 || strcmp(group, p256 ? "prime256v1" : "secp384r1") == 0)
			return k;
	}
	return NULL;
}

bool cli_key_is(EVP_PKEY *key, const char *type)
{
	const struct key_kind *k = kind_of(key);

	return k != NULL && strcmp(k->name, type) == 0 && (k->bits == 0 || (size_t)EVP_PKEY_get_bits(key) == k->bits);
}

static struct err put_bio(BIO *bio, struct buf *out)
{
	char *text = NULL;
	long n = BIO_get_mem_data(bio, &text);

	return n <= 0 ? ERR(ERR_INTERNAL, "cli: cannot write PEM") : buf_put(out, text, (size_t)n);
}

struct err cli_key_put(EVP_PKEY *key, struct buf *pem)
{
	AUTO(bio) BIO *bio = BIO_new(BIO_s_secmem()); /* cleared when freed */

	if (bio == NULL || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1)
		FAIL_BY(ERR_INTERNAL, "cli: cannot write the key", ERR_get_error());
	return put_bio(bio, pem);
}

/* An encrypted key is refused, not asked about: nobody may sit at the terminal. */
static int no_passphrase(char *text, int size, int writing, void *ctx)
{
	(void)text, (void)size, (void)writing, (void)ctx;
	return -1;
}

struct err cli_key_read(struct bytes pem, EVP_PKEY **out)
{
	AUTO(bio) BIO *bio = pem.len > KEYS_PEM_MAX ? NULL : BIO_new_mem_buf(pem.data, (int)pem.len);
	EVP_PKEY *key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);

	if (key == NULL) FAIL_BY(ERR_INVALID_ARGUMENT, "cli: not an unencrypted private key in PEM", ERR_get_error());
	*out = key;
	return OK;
}

/* The names that signers copy: this URI alone. */
static struct err add_uri(X509_REQ *req, const char *uri)
{
	AUTO(names) GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	AUTO(extensions) STACK_OF(X509_EXTENSION) *extensions = NULL;
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (text == NULL || name == NULL || ASN1_STRING_set(text, uri, -1) != 1 || sk_GENERAL_NAME_push(names, name) <= 0) {
		ASN1_IA5STRING_free(text);
		GENERAL_NAME_free(name);
		FAIL(ERR_RESOURCE_EXHAUSTED, "cli: out of memory");
	}
	GENERAL_NAME_set0_value(name, GEN_URI, text);
	if (X509V3_add1_i2d(&extensions, NID_subject_alt_name, names, 1, X509V3_ADD_DEFAULT) != 1 ||
	    X509_REQ_add_extensions(req, extensions) != 1)
		FAIL_BY(ERR_INTERNAL, "cli: cannot put a name into the request", ERR_get_error());
	return OK;
}

struct err cli_key_request(EVP_PKEY *key, const char *spiffe_id, struct buf *pem)
{
	AUTO(x509_req) X509_REQ *req = X509_REQ_new();
	AUTO(bio) BIO *bio = BIO_new(BIO_s_mem());
	const struct key_kind *k = kind_of(key);
	const EVP_MD *digest = k == NULL || k->digest == NULL ? NULL : EVP_get_digestbyname(k->digest);

	if (k == NULL) FAIL(ERR_INVALID_ARGUMENT, "cli: a type of key that cannot be asked for");
	if (spiffe_id != NULL) TRY(spiffe_workload_id_parse(bytes_str(spiffe_id), NULL, NULL));
	if (req == NULL || bio == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(req, key) != 1)
		FAIL_BY(ERR_INTERNAL, "cli: cannot make the request", ERR_get_error());
	if (spiffe_id != NULL) TRY(add_uri(req, spiffe_id));
	if (X509_REQ_sign(req, key, digest) <= 0 || PEM_write_bio_X509_REQ(bio, req) != 1)
		FAIL_BY(ERR_INTERNAL, "cli: cannot make the request", ERR_get_error());
	return put_bio(bio, pem);
}

bool cli_key_matches(EVP_PKEY *key, struct bytes spki)
{
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(key, &der);
	bool same = n > 0 && bytes_equal(BYTES(der, (size_t)n), spki);

	OPENSSL_free(der);
	return same;
}
