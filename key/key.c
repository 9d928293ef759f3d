#include "key/key.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/own.h"
#include "der/der.h"

/* A SubjectPublicKeyInfo whose length and header never vary: all but RSA.  The header of an EC key ends in 04, the only
 * point form that we take (RFC 5480 s2.2: uncompressed MUST be supported; hybrid MUST NOT be used). */
struct fixed_spki {
	enum key_type type;
	unsigned bits;
	size_t len;    /* of the element */
	size_t key_at; /* where the content of subjectPublicKey starts */
	size_t head_len;
	uint8_t head[32];
};
static const struct fixed_spki fixed_spkis[] = {
	{ KEY_P256, 256, 91, 26, 27, { 0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
	                               0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04 } },
	{ KEY_P384, 384, 120, 23, 24, { 0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
	                                0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04 } },
	{ KEY_P521, 521, 158, 25, 26, { 0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	                                0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00, 0x04 } },
	{ KEY_ED25519, 256, 44, 12, 12, { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 } },
};

/* y of the points of order 1, 2, 4 and 8, little-endian, sign bit clear.  Whoever holds such a "key" has signatures that
 * verify over any message, so it proves nothing. */
#define ED25519_LEN 32
static const uint8_t ed25519_small_order[][ED25519_LEN] = {
	{ 0 },
	{ 1 },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
	  0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
	  0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
};

/* RFC 8032 s5.1.3: decoding fails when y >= p = 2^255 - 19. */
static bool ed25519_y_too_large(const uint8_t y[ED25519_LEN])
{
	if (y[0] < 0xed || y[ED25519_LEN - 1] != 0x7f) return false;
	for (size_t i = 1; i < ED25519_LEN - 1; i++)
		if (y[i] != 0xff) return false;
	return true;
}

static struct err ed25519_check(struct bytes key)
{
	uint8_t y[ED25519_LEN];

	memcpy(y, key.data, ED25519_LEN);
	y[ED25519_LEN - 1] &= 0x7f; /* the sign of x */
	if (ed25519_y_too_large(y)) FAIL(ERR_INVALID_ARGUMENT, "key: Ed25519 key is not canonical");
	for (size_t i = 0; i < ARRAY_LEN(ed25519_small_order); i++)
		if (memcmp(y, ed25519_small_order[i], ED25519_LEN) == 0)
			FAIL(ERR_INVALID_ARGUMENT, "key: Ed25519 key of small order");
	return OK;
}

static unsigned bit_count(struct bytes magnitude)
{
	unsigned bits = (unsigned)magnitude.len * 8;

	for (uint8_t top = magnitude.data[0]; bits > 0 && (top & 0x80) == 0; top = (uint8_t)(top << 1)) bits--;
	return bits;
}

/* RSAPublicKey (RFC 8017 sA.1.1): the modulus and the exponent. */
static struct err rsa_numbers(struct bytes key_bits, unsigned *bits)
{
	struct bytes body, n, e;

	TRY(der_enter(key_bits, DER_SEQUENCE, &body));
	TRY(der_take_unsigned(&body, KEY_RSA_MAX / 8, &n));
	TRY(der_take_unsigned(&body, sizeof(uint64_t), &e));
	TRY(der_end(&body));
	if (n.len < KEY_RSA_MIN / 8 || bit_count(n) < KEY_RSA_MIN)
		FAIL(ERR_INVALID_ARGUMENT, "key: RSA modulus shorter than 2048 bits");
	if ((n.data[n.len - 1] & 1) == 0) FAIL(ERR_INVALID_ARGUMENT, "key: RSA modulus is even");
	if ((e.data[e.len - 1] & 1) == 0) FAIL(ERR_INVALID_ARGUMENT, "key: RSA exponent is even");
	if (bit_count(e) < 17) FAIL(ERR_INVALID_ARGUMENT, "key: RSA exponent below 65537"); /* odd, so >= 2^16 + 1 */
	*bits = bit_count(n);
	return OK;
}

static struct err rsa_parse(struct bytes spki, struct key_info *out)
{
	static const uint8_t algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, /* RFC 3279 s2.3.1: */
		                             0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };     /* parameters NULL */
	struct bytes body, id, key_bits;
	unsigned bits;

	TRY(der_enter(spki, DER_SEQUENCE, &body));
	TRY(der_take_element(&body, DER_SEQUENCE, &id));
	if (!bytes_equal(id, BYTES(algorithm, sizeof(algorithm))))
		FAIL(ERR_INVALID_ARGUMENT, "key: algorithm, curve, parameters or point form not accepted");
	TRY(der_take_octet_bits(&body, &key_bits));
	TRY(der_end(&body));
	TRY(rsa_numbers(key_bits, &bits));
	*out = (struct key_info){ .type = KEY_RSA, .bits = bits, .spki = spki, .key_bits = key_bits };
	return OK;
}

struct err key_info_parse(struct bytes spki, struct key_info *out)
{
	if (spki.len == 0 || spki.len > KEY_SPKI_MAX) FAIL(ERR_INVALID_ARGUMENT, "key: length out of range");
	for (size_t i = 0; i < ARRAY_LEN(fixed_spkis); i++) {
		const struct fixed_spki *f = &fixed_spkis[i];
		struct bytes key_bits;

		if (spki.len != f->len || memcmp(spki.data, f->head, f->head_len) != 0) continue;
		key_bits = BYTES(spki.data + f->key_at, spki.len - f->key_at);
		if (f->type == KEY_ED25519) TRY(ed25519_check(key_bits));
		*out = (struct key_info){ .type = f->type, .bits = f->bits, .spki = spki, .key_bits = key_bits };
		return OK;
	}
	return rsa_parse(spki, out);
}

const char *key_type_name(enum key_type type)
{
	static const char *const names[] = {
		[KEY_NONE] = "none", [KEY_P256] = "P-256",       [KEY_P384] = "P-384",
		[KEY_P521] = "P-521", [KEY_ED25519] = "Ed25519", [KEY_RSA] = "RSA",
	};

	return (size_t)type < ARRAY_LEN(names) ? names[type] : "none";
}

const char *key_type_conf_name(enum key_type type)
{
	static const char *const names[] = {
		[KEY_P256] = "p256", [KEY_P384] = "p384", [KEY_ED25519] = "ed25519", [KEY_RSA] = "rsa",
	};

	return (size_t)type < ARRAY_LEN(names) && names[type] != NULL ? names[type] : "";
}

struct err key_sha256(struct bytes in, uint8_t out[KEY_SHA256_LEN])
{
	if (SHA256(in.data, in.len, out) == NULL) FAIL(ERR_INTERNAL, "key: SHA-256 failed");
	return OK;
}

struct err key_ski(struct bytes key_bits, uint8_t out[KEY_SKI_LEN])
{
	uint8_t digest[KEY_SHA256_LEN];

	TRY(key_sha256(key_bits, digest));
	memcpy(out, digest, KEY_SKI_LEN);
	return OK;
}
