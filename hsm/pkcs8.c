#include "hsm/pkcs8.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <string.h>

#include "der/der.h"
#include "key/openssl.h"

#define SCALAR_MAX 48 /* octets: P-384 */
#define POINT_MAX (1 + 2 * SCALAR_MAX)
#define ED25519_LEN 32
#define CURVE_AT 11      /* where the curve's OID starts in an EC AlgorithmIdentifier */
#define RSA_PART_MAX 512 /* octets: modulus of RSA-4096 */

/* The AlgorithmIdentifier of each kind of private key. */
struct kind {
	enum key_type type;
	size_t scalar; /* octets of an EC private key; 0 for others */
	int nid;
	const char *group;
	size_t len;
	uint8_t algorithm[21];
};
static const struct kind kinds[] = {
	{ KEY_P256, 32, NID_X9_62_prime256v1, "P-256", 21,
	  { 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, /* RFC 5480 s2.1.1 */
	    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 } },
	{ KEY_P384, 48, NID_secp384r1, "P-384", 18,
	  { 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 } },
	{ KEY_ED25519, 0, 0, NULL, 7, { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 } }, /* RFC 8410 s3 */
	{ KEY_RSA, 0, 0, NULL, 15, /* RFC 3279 s2.3.1 */
	  { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 } },
};

/* The numbers of an RSAPrivateKey, in order (RFC 8017 sA.1.2). */
static const char *const rsa_parts[] = {
	OSSL_PKEY_PARAM_RSA_N,       OSSL_PKEY_PARAM_RSA_E,         OSSL_PKEY_PARAM_RSA_D,
	OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
	OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

/* What fromdata needs; the numbers live in the secure heap until the builder is done. */
struct making {
	OSSL_PARAM_BLD *build;
	OSSL_PARAM *params;
	EVP_PKEY_CTX *ctx;
	BIGNUM *n[ARRAY_LEN(rsa_parts)];
};
static void auto_making(struct making *m)
{
	EVP_PKEY_CTX_free(m->ctx);
	OSSL_PARAM_free(m->params);
	OSSL_PARAM_BLD_free(m->build);
	for (size_t i = 0; i < ARRAY_LEN(m->n); i++) BN_clear_free(m->n[i]);
}

static struct err making_open(struct making *m, const char *algorithm)
{
	m->build = OSSL_PARAM_BLD_new();
	m->ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);
	if (m->build == NULL || m->ctx == NULL) return key_openssl_err(ERR_INTERNAL, "hsm: no key builder");
	return OK;
}

static struct err making_number(struct making *m, size_t i, struct bytes value)
{
	m->n[i] = BN_secure_new();
	if (m->n[i] == NULL || BN_bin2bn(value.data, (int)value.len, m->n[i]) == NULL)
		return key_openssl_err(ERR_INTERNAL, "hsm: no room for a private number");
	return OK;
}

static struct err making_finish(struct making *m, EVP_PKEY **out)
{
	m->params = OSSL_PARAM_BLD_to_param(m->build);
	if (m->params == NULL) return key_openssl_err(ERR_INTERNAL, "hsm: no key parameters");
	if (EVP_PKEY_fromdata_init(m->ctx) <= 0 || EVP_PKEY_fromdata(m->ctx, out, EVP_PKEY_KEYPAIR, m->params) <= 0)
		return key_openssl_err(ERR_INVALID_ARGUMENT, "hsm: not a valid private key");
	return OK;
}

/* ---- EC ---- */
struct curve {
	EC_GROUP *group;
	EC_POINT *point;
};
static void auto_curve(struct curve *c)
{
	EC_POINT_free(c->point);
	EC_GROUP_free(c->group);
}

/* The point of private key d, uncompressed, into out[1 + 2 * scalar]. */
static struct err ec_point_of(const struct kind *kind, const BIGNUM *d, uint8_t out[POINT_MAX])
{
	AUTO(curve) struct curve c = { EC_GROUP_new_by_curve_name(kind->nid), NULL };
	size_t len = 1 + 2 * kind->scalar;

	if (c.group != NULL) c.point = EC_POINT_new(c.group);
	if (c.point == NULL) return key_openssl_err(ERR_INTERNAL, "hsm: no curve");
	if (BN_is_zero(d) || BN_cmp(d, EC_GROUP_get0_order(c.group)) >= 0)
		FAIL(ERR_INVALID_ARGUMENT, "hsm: EC private key out of range");
	if (!EC_POINT_mul(c.group, c.point, d, NULL, NULL, NULL) ||
	    EC_POINT_point2oct(c.group, c.point, POINT_CONVERSION_UNCOMPRESSED, out, POINT_MAX, NULL) != len)
		return key_openssl_err(ERR_INTERNAL, "hsm: cannot compute the public key");
	return OK;
}

/* ECPrivateKey (RFC 5915 s3): the scalar, and the point if it is there. */
static struct err ec_fields(const struct kind *kind, struct bytes der, struct bytes *scalar, struct bytes *point)
{
	struct bytes body, params, wrapped = BYTES_NONE;
	bool has_params, has_point;
	uint64_t version;

	TRY(der_enter(der, DER_SEQUENCE, &body));
	TRY(der_take_uint(&body, &version));
	TRY(der_take(&body, DER_OCTET_STRING, scalar));
	TRY(der_take_optional(&body, DER_CONTEXT_CONSTRUCTED(0), &has_params, &params));
	TRY(der_take_optional(&body, DER_CONTEXT_CONSTRUCTED(1), &has_point, &wrapped));
	TRY(der_end(&body));
	if (version != 1 || scalar->len != kind->scalar) FAIL(ERR_INVALID_ARGUMENT, "hsm: not an EC private key");
	if (has_params && !bytes_equal(params, BYTES(kind->algorithm + CURVE_AT, kind->len - CURVE_AT)))
		FAIL(ERR_INVALID_ARGUMENT, "hsm: EC private key names another curve");
	*point = BYTES_NONE;
	if (!has_point) return OK;
	TRY(der_take_octet_bits(&wrapped, point));
	return der_end(&wrapped);
}

static struct err ec_read(const struct kind *kind, struct bytes der, EVP_PKEY **out)
{
	AUTO(making) struct making m = { 0 };
	uint8_t point[POINT_MAX];
	size_t point_len = 1 + 2 * kind->scalar;
	struct bytes scalar, given;

	TRY(ec_fields(kind, der, &scalar, &given));
	TRY(making_open(&m, "EC"));
	TRY(making_number(&m, 0, scalar));
	TRY(ec_point_of(kind, m.n[0], point));
	if (given.len != 0 && !bytes_equal(given, BYTES(point, point_len)))
		FAIL(ERR_INVALID_ARGUMENT, "hsm: the public half is not of this private key");
	if (!OSSL_PARAM_BLD_push_utf8_string(m.build, OSSL_PKEY_PARAM_GROUP_NAME, kind->group, 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(m.build, OSSL_PKEY_PARAM_PUB_KEY, point, point_len) ||
	    !OSSL_PARAM_BLD_push_BN_pad(m.build, OSSL_PKEY_PARAM_PRIV_KEY, m.n[0], kind->scalar))
		return key_openssl_err(ERR_INTERNAL, "hsm: no key parameters");
	return making_finish(&m, out);
}

/* ---- RSA, Ed25519 ---- */
static struct err rsa_read(struct bytes der, EVP_PKEY **out)
{
	AUTO(making) struct making m = { 0 };
	struct bytes body, part;
	uint64_t version;

	TRY(der_enter(der, DER_SEQUENCE, &body));
	TRY(der_take_uint(&body, &version));
	if (version != 0) FAIL(ERR_INVALID_ARGUMENT, "hsm: RSA key of more than two primes");
	TRY(making_open(&m, "RSA"));
	for (size_t i = 0; i < ARRAY_LEN(rsa_parts); i++) {
		TRY(der_take_unsigned(&body, RSA_PART_MAX, &part));
		TRY(making_number(&m, i, part));
		if (!OSSL_PARAM_BLD_push_BN(m.build, rsa_parts[i], m.n[i]))
			return key_openssl_err(ERR_INTERNAL, "hsm: no key parameters");
	}
	TRY(der_end(&body));
	return making_finish(&m, out);
}

static struct err ed25519_read(struct bytes der, EVP_PKEY **out)
{
	struct bytes seed;

	TRY(der_enter(der, DER_OCTET_STRING, &seed)); /* CurvePrivateKey, RFC 8410 s7 */
	if (seed.len != ED25519_LEN) FAIL(ERR_INVALID_ARGUMENT, "hsm: Ed25519 key of wrong length");
	*out = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed.data, seed.len);
	if (*out == NULL) return key_openssl_err(ERR_INVALID_ARGUMENT, "hsm: not a valid Ed25519 key");
	return OK;
}

static struct err pkcs8_fields(struct bytes der, struct bytes *algorithm, struct bytes *key)
{
	struct bytes body, ignored;
	uint64_t version;
	bool present;

	TRY(der_enter(der, DER_SEQUENCE, &body));
	TRY(der_take_uint(&body, &version));
	TRY(der_take_element(&body, DER_SEQUENCE, algorithm));
	TRY(der_take(&body, DER_OCTET_STRING, key));
	TRY(der_take_optional(&body, DER_CONTEXT_CONSTRUCTED(0), &present, &ignored)); /* attributes */
	if (version == 1) TRY(der_take_optional(&body, DER_CONTEXT(1), &present, &ignored)); /* RFC 5958 s2: publicKey */
	TRY(der_end(&body));
	if (version > 1) FAIL(ERR_INVALID_ARGUMENT, "hsm: PKCS#8 of an unknown version");
	return OK;
}

struct err hsm_pkcs8_read(struct bytes der, EVP_PKEY **out)
{
	struct bytes algorithm, key;

	if (der.len > HSM_PKCS8_MAX) FAIL(ERR_INVALID_ARGUMENT, "hsm: private key too long");
	TRY(pkcs8_fields(der, &algorithm, &key));
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const struct kind *kind = &kinds[i];

		if (!bytes_equal(algorithm, BYTES(kind->algorithm, kind->len))) continue;
		if (kind->type == KEY_RSA) return rsa_read(key, out);
		if (kind->type == KEY_ED25519) return ed25519_read(key, out);
		return ec_read(kind, key, out);
	}
	FAIL(ERR_INVALID_ARGUMENT, "hsm: a CA may not have a key of this type or size");
}

/* ---- writing ---- */
struct number {
	BIGNUM *n;
	uint8_t octets[RSA_PART_MAX];
	size_t len;
};
static void auto_number(struct number *v)
{
	BN_clear_free(v->n);
	explicit_bzero(v->octets, sizeof(v->octets));
}

/* One number of a key; `pad` octets long if not 0. */
static struct err number_get(EVP_PKEY *pkey, const char *name, size_t pad, struct number *v)
{
	v->n = BN_secure_new();
	if (v->n == NULL || !EVP_PKEY_get_bn_param(pkey, name, &v->n))
		return key_openssl_err(ERR_INTERNAL, "hsm: cannot read the key");
	v->len = pad != 0 ? pad : (size_t)BN_num_bytes(v->n);
	if (v->len > sizeof(v->octets) || BN_bn2binpad(v->n, v->octets, (int)v->len) < 0)
		FAIL(ERR_INTERNAL, "hsm: key larger than it can be");
	return OK;
}

static struct err ec_write(EVP_PKEY *pkey, const struct kind *kind, struct buf *out)
{
	AUTO(number) struct number d = { 0 };
	uint8_t point[POINT_MAX];
	struct der_open key, field;
	size_t len;

	TRY(number_get(pkey, OSSL_PKEY_PARAM_PRIV_KEY, kind->scalar, &d));
	if (!EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &len))
		return key_openssl_err(ERR_INTERNAL, "hsm: cannot read the key");
	TRY(der_open(out, DER_SEQUENCE, &key));
	TRY(der_put_uint(out, 1));
	TRY(der_put(out, DER_OCTET_STRING, BYTES(d.octets, d.len)));
	TRY(der_open(out, DER_CONTEXT_CONSTRUCTED(1), &field));
	TRY(der_put_octet_bits(out, BYTES(point, len)));
	TRY(der_close(out, &field));
	return der_close(out, &key);
}

static struct err rsa_write(EVP_PKEY *pkey, struct buf *out)
{
	struct der_open key;

	TRY(der_open(out, DER_SEQUENCE, &key));
	TRY(der_put_uint(out, 0));
	for (size_t i = 0; i < ARRAY_LEN(rsa_parts); i++) {
		AUTO(number) struct number v = { 0 };

		TRY(number_get(pkey, rsa_parts[i], 0, &v));
		TRY(der_put_unsigned(out, BYTES(v.octets, v.len)));
	}
	return der_close(out, &key);
}

static struct err ed25519_write(EVP_PKEY *pkey, struct buf *out)
{
	AUTO(number) struct number seed = { .len = ED25519_LEN };

	if (!EVP_PKEY_get_raw_private_key(pkey, seed.octets, &seed.len))
		return key_openssl_err(ERR_INTERNAL, "hsm: cannot read the key");
	return der_put(out, DER_OCTET_STRING, BYTES(seed.octets, seed.len));
}

static struct err key_write(EVP_PKEY *pkey, const struct kind *kind, struct buf *out)
{
	if (kind->type == KEY_RSA) return rsa_write(pkey, out);
	if (kind->type == KEY_ED25519) return ed25519_write(pkey, out);
	return ec_write(pkey, kind, out);
}

struct err hsm_pkcs8_write(EVP_PKEY *pkey, enum key_type type, struct buf *out)
{
	struct der_open info, key;
	size_t i = 0;

	while (i < ARRAY_LEN(kinds) && kinds[i].type != type) i++;
	if (i == ARRAY_LEN(kinds)) FAIL(ERR_INVALID_ARGUMENT, "hsm: a CA may not have a key of this type or size");
	TRY(der_open(out, DER_SEQUENCE, &info));
	TRY(der_put_uint(out, 0));
	TRY(buf_put(out, kinds[i].algorithm, kinds[i].len));
	TRY(der_open(out, DER_OCTET_STRING, &key));
	TRY(key_write(pkey, &kinds[i], out));
	TRY(der_close(out, &key));
	return der_close(out, &info);
}

/* ---- from the older forms ---- */

static struct err put_info(const struct kind *kind, struct bytes key, struct buf *out)
{
	struct der_open info;

	TRY(der_open(out, DER_SEQUENCE, &info));
	TRY(der_put_uint(out, 0));
	TRY(buf_put(out, kind->algorithm, kind->len));
	TRY(der_put(out, DER_OCTET_STRING, key));
	return der_close(out, &info);
}

/* The curve that the key itself names, as an OID element; empty if it names none. */
static struct err sec1_curve(struct bytes der, struct bytes *curve)
{
	struct bytes body, scalar;
	uint64_t version;
	bool present;

	TRY(der_enter(der, DER_SEQUENCE, &body));
	TRY(der_take_uint(&body, &version));
	TRY(der_take(&body, DER_OCTET_STRING, &scalar));
	TRY(der_take_optional(&body, DER_CONTEXT_CONSTRUCTED(0), &present, curve));
	if (!present) *curve = BYTES_NONE;
	return OK;
}

struct err hsm_pkcs8_from_sec1(struct bytes der, struct bytes curve, struct buf *out)
{
	struct bytes named;

	TRY(sec1_curve(der, &named));
	if (named.len == 0) named = curve;
	if (named.len == 0) FAIL(ERR_INVALID_ARGUMENT, "hsm: the EC key does not say on which curve it is");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].scalar != 0 && bytes_equal(named, BYTES(kinds[i].algorithm + CURVE_AT, kinds[i].len - CURVE_AT)))
			return put_info(&kinds[i], der, out);
	FAIL(ERR_INVALID_ARGUMENT, "hsm: a CA may have EC keys on P-256 and P-384 only");
}

struct err hsm_pkcs8_from_pkcs1(struct bytes der, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i].type == KEY_RSA) return put_info(&kinds[i], der, out);
	FAIL(ERR_INTERNAL, "hsm: no RSA");
}
