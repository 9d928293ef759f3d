#include "hsm/hsm.h"

#include <string.h>

#include "hsm/backend.h"

/* Every key a CA of ours may have.  RSA: CA/Browser Forum sizes; the hash goes with the strength (SP 800-57 part 1 t.2). */
static const struct {
	const char *name;
	enum key_type type;
	unsigned bits;
	enum key_scheme scheme;
} specs[] = {
	{ "p256", KEY_P256, 256, SCHEME_ECDSA_P256_SHA256 },
	{ "p384", KEY_P384, 384, SCHEME_ECDSA_P384_SHA384 },
	{ "ed25519", KEY_ED25519, 256, SCHEME_ED25519 },
	{ "rsa2048", KEY_RSA, 2048, SCHEME_RSA_PKCS1_SHA256 },
	{ "rsa3072", KEY_RSA, 3072, SCHEME_RSA_PKCS1_SHA256 },
	{ "rsa4096", KEY_RSA, 4096, SCHEME_RSA_PKCS1_SHA256 },
};

struct err hsm_key_spec(const char *name, enum key_type *type, unsigned *bits)
{
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		if (strcmp(specs[i].name, name) != 0) continue;
		*type = specs[i].type;
		*bits = specs[i].bits;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "hsm: unknown kind of key");
}

struct err hsm_scheme_for(enum key_type type, unsigned bits, enum key_scheme *out)
{
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		if (specs[i].type != type || specs[i].bits != bits) continue;
		*out = specs[i].scheme;
		return OK;
	}
	FAIL(ERR_INVALID_ARGUMENT, "hsm: a CA may not have a key of this type or size");
}

struct bytes hsm_key_spki(const struct hsm_key *key)
{
	return buf_view(&key->spki);
}

enum key_scheme hsm_key_scheme(const struct hsm_key *key)
{
	return key->scheme;
}

bool hsm_key_is_immediate(const struct hsm_key *key)
{
	return key->immediate;
}

void hsm_key_sign(struct hsm_key *key, struct hsm_job *job)
{
	key->ops->sign(key, job);
}

void hsm_key_free(struct hsm_key *key)
{
	if (key != NULL) key->ops->free(key);
}
