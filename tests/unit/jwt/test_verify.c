/* jwt/jwt.h: which tokens verify, and which of the many others do not. */
#include "jwt/sign.h"

#include "jwt/jwt.h"

#define NOW 1790000000
#define GOOD "{\"iss\":\"https://issuer\",\"aud\":\"signet\",\"exp\":1790000600}"
#define TOKEN_BUF { .max = 64 * 1024 }

static const char *const audiences[] = { "signet", "istio-ca" };

static struct jwt_expect expect_default(void)
{
	return (struct jwt_expect){ .issuer = "https://issuer", .audiences = audiences, .audience_count = 2,
		                    .now = NOW, .leeway = 10, .max_lifetime = 0 };
}

/* A set of the keys in `which` (-1 ends it), each with members[i]. */
static struct jwt_keys *key_set(struct sign_keys *keys, const int *which, const char *const *members)
{
	AUTO(buf) struct buf json = { .max = 64 * 1024 };
	struct jwt_keys *set = NULL;

	sign_must(buf_put_str(&json, "{\"keys\":["));
	for (size_t i = 0; which[i] >= 0; i++) {
		if (i > 0) sign_must(buf_put_str(&json, ","));
		sign_put_jwk(&json, keys->pkey[which[i]], members[i]);
	}
	sign_must(buf_put_str(&json, "]}"));
	sign_must(jwt_keys_parse(buf_view(&json), &set));
	return set;
}

static struct jwt_keys *one_key(struct sign_keys *keys, int which, const char *members)
{
	return key_set(keys, (const int[]){ which, -1 }, &members);
}

/* Verify, and hold the contract: *claims if and only if OK; nothing but OK or UNAUTHENTICATED. */
static bool verifies(struct bytes token, struct jwt_keys *set, const struct jwt_expect *expect)
{
	AUTO(json) json_t *claims = NULL;
	struct err e = jwt_verify(token, set, expect, &claims);

	if ((e.code == ERR_OK) != (claims != NULL)) fail_msg("*claims does not go with the result: %s", e.reason);
	if (e.code != ERR_OK) assert_int_equal(e.code, ERR_UNAUTHENTICATED);
	return e.code == ERR_OK;
}

/* A token with this header and payload, signed ES256 by P256_A, against P256_A as "k1". */
static bool es256_verifies(struct sign_keys *keys, const char *header, const char *payload,
                           const struct jwt_expect *expect)
{
	AUTO(buf) struct buf token = TOKEN_BUF;
	AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, P256_A, ",\"kid\":\"k1\"");

	sign_put_token(&token, SIGN_ES256, keys->pkey[P256_A], header, payload);
	return verifies(buf_view(&token), set, expect);
}

static void each_alg_verifies_with_its_own_key_type_only(void **state)
{
	const struct jwt_expect expect = expect_default();

	for (size_t a = 0; a < ARRAY_LEN(sign_algs); a++) {
		AUTO(buf) struct buf token = TOKEN_BUF;
		struct sign_keys *keys = *state;
		char header[64];

		snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"k\"}", sign_algs[a].name);
		sign_put_token(&token, &sign_algs[a], keys->pkey[sign_algs[a].key], header, GOOD);
		for (int k = 0; k < SIGN_KEYS; k++) {
			AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, k, ",\"kid\":\"k\"");

			if (verifies(buf_view(&token), set, &expect) != (k == sign_algs[a].key))
				fail_msg("%s with key %d", sign_algs[a].name, k);
		}
	}
}

static void each_alg_is_held_to_the_alg_of_the_key(void **state)
{
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;

	for (size_t a = 0; a < 6; a++)
		for (size_t b = 0; b < 6; b++) { /* RSA: six algorithms go with one key */
			AUTO(buf) struct buf token = TOKEN_BUF;
			AUTO(jwt_keys) struct jwt_keys *set = NULL;
			char header[64], members[64];

			snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", sign_algs[a].name);
			snprintf(members, sizeof(members), ",\"kid\":\"k\",\"alg\":\"%s\"", sign_algs[b].name);
			set = one_key(keys, RSA_A, members);
			sign_put_token(&token, &sign_algs[a], keys->pkey[RSA_A], header, GOOD);
			if (verifies(buf_view(&token), set, &expect) != (a == b))
				fail_msg("%s with key for %s", sign_algs[a].name, sign_algs[b].name);
		}
}

/* Each alg in the header over a signature made with every other alg that the same key can make. */
static void a_signature_of_another_alg_does_not_verify(void **state)
{
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;

	for (size_t a = 0; a < 6; a++)
		for (size_t b = 0; b < 6; b++) {
			AUTO(buf) struct buf token = TOKEN_BUF;
			AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, RSA_A, "");
			char header[64];

			snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", sign_algs[a].name);
			sign_put_token(&token, &sign_algs[b], keys->pkey[RSA_A], header, GOOD);
			if (verifies(buf_view(&token), set, &expect) != (a == b))
				fail_msg("%s signed as %s", sign_algs[a].name, sign_algs[b].name);
		}
}

/* A P-384 key that signs with SHA-256: right hash for ES256, wrong curve. */
static void es256_by_a_p384_key_is_refused(void **state)
{
	static const struct sign_alg es256_p384 = { "ES256", "SHA256", false, 48, P384_A };
	static const struct sign_alg es256_p384_cut = { "ES256", "SHA256", false, 0, P384_A };
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;
	AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, P384_A, ",\"kid\":\"k\"");
	AUTO(buf) struct buf raw = TOKEN_BUF;
	AUTO(buf) struct buf der = TOKEN_BUF;

	sign_put_token(&raw, &es256_p384, keys->pkey[P384_A], "{\"alg\":\"ES256\",\"kid\":\"k\"}", GOOD);
	assert_false(verifies(buf_view(&raw), set, &expect));
	sign_put_token(&der, &es256_p384_cut, keys->pkey[P384_A], "{\"alg\":\"ES256\"}", GOOD);
	assert_false(verifies(buf_view(&der), set, &expect));
}

/* RFC 8725 s2.1: the attacker takes the public key, as text or as bytes, for an HMAC secret. */
static void hmac_with_the_public_key_is_refused(void **state)
{
	static const char *const names[] = { "HS256", "HS384", "HS512", "RS256" };
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;
	AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, RSA_A, ",\"kid\":\"k\"");

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(buf) struct buf token = TOKEN_BUF;
		AUTO(buf) struct buf jwk = TOKEN_BUF;
		uint8_t mac[EVP_MAX_MD_SIZE];
		unsigned len;
		char header[64];

		snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"k\"}", names[i]);
		sign_put_input(&token, header, GOOD);
		sign_put_jwk(&jwk, keys->pkey[RSA_A], "");
		assert_non_null(HMAC(EVP_sha256(), jwk.data, (int)jwk.len, token.data, token.len, mac, &len));
		sign_must(buf_put_str(&token, "."));
		sign_must(base64url_put(&token, BYTES(mac, len)));
		if (verifies(buf_view(&token), set, &expect)) fail_msg("%s", names[i]);
	}
}

/* What is done to a good raw signature of `len` bytes; the new length. */
struct mangle {
	const char *name;
	size_t (*fn)(uint8_t *sig, size_t len);
};

static size_t keep(uint8_t *sig, size_t len) { (void)sig; return len; }
static size_t cut_one(uint8_t *sig, size_t len) { (void)sig; return len - 1; }
static size_t cut_all(uint8_t *sig, size_t len) { (void)sig; (void)len; return 0; }
static size_t add_one(uint8_t *sig, size_t len) { sig[len] = 0; return len + 1; }
static size_t zero_before(uint8_t *sig, size_t len) { memmove(sig + 1, sig, len); sig[0] = 0; return len + 1; }
static size_t zero_r(uint8_t *sig, size_t len) { memset(sig, 0, len / 2); return len; }
static size_t zero_s(uint8_t *sig, size_t len) { memset(sig + len / 2, 0, len / 2); return len; }
static size_t zero_all(uint8_t *sig, size_t len) { memset(sig, 0, len); return len; }
static size_t all_ones(uint8_t *sig, size_t len) { memset(sig, 0xff, len); return len; }
static size_t flip_first(uint8_t *sig, size_t len) { sig[0] ^= 1; return len; }
static size_t flip_last(uint8_t *sig, size_t len) { sig[len - 1] ^= 1; return len; }
static size_t half(uint8_t *sig, size_t len) { (void)sig; return len / 2; }
static size_t twice(uint8_t *sig, size_t len) { memcpy(sig + len, sig, len); return 2 * len; }
static size_t swap(uint8_t *sig, size_t len)
{
	uint8_t r[SIGN_MAX];

	memcpy(r, sig, len / 2);
	memmove(sig, sig + len / 2, len / 2);
	memcpy(sig + len / 2, r, len / 2);
	return len;
}

static const struct mangle mangles[] = {
	{ "keep", keep }, { "cut_one", cut_one }, { "cut_all", cut_all }, { "add_one", add_one },
	{ "zero_before", zero_before }, { "zero_r", zero_r }, { "zero_s", zero_s }, { "zero_all", zero_all },
	{ "all_ones", all_ones }, { "flip_first", flip_first }, { "flip_last", flip_last }, { "half", half },
	{ "twice", twice }, { "swap", swap },
};

static void mangled_signatures_are_refused(void **state)
{
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;

	for (size_t a = 0; a < ARRAY_LEN(sign_algs); a++)
		for (size_t m = 0; m < ARRAY_LEN(mangles); m++) {
			AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, sign_algs[a].key, "");
			AUTO(buf) struct buf token = TOKEN_BUF;
			uint8_t sig[SIGN_MAX];
			char header[64];
			size_t len;

			snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", sign_algs[a].name);
			sign_put_input(&token, header, GOOD);
			len = sign_raw(&sign_algs[a], keys->pkey[sign_algs[a].key], buf_view(&token), sig);
			len = mangles[m].fn(sig, len);
			sign_must(buf_put_str(&token, "."));
			sign_must(base64url_put(&token, BYTES(sig, len)));
			if (verifies(buf_view(&token), set, &expect) != (m == 0))
				fail_msg("%s %s", sign_algs[a].name, mangles[m].name);
		}
}

/* RSA numbers are compared as integers: one whose first octet happens to be zero must still come with it. */
static void rsa_signature_without_its_leading_zero_is_refused(void **state)
{
	static const int rsa[] = { 0, 3 }; /* RS256, PS256 */
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;
	AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, RSA_A, "");

	for (size_t i = 0; i < ARRAY_LEN(rsa); i++) {
		AUTO(buf) struct buf token = TOKEN_BUF;
		uint8_t sig[SIGN_MAX] = { 1 };
		char text[128];
		size_t len = 0;

		for (int nonce = 0; sig[0] != 0; nonce++) { /* one in 256 has it */
			token.len = 0;
			snprintf(text, sizeof(text), "{\"alg\":\"%s\",\"n\":%d}", sign_algs[rsa[i]].name, nonce);
			sign_put_input(&token, text, GOOD);
			len = sign_raw(&sign_algs[rsa[i]], keys->pkey[RSA_A], buf_view(&token), sig);
		}
		sign_must(buf_put_str(&token, "."));
		sign_must(base64url_put(&token, BYTES(sig + 1, len - 1)));
		if (verifies(buf_view(&token), set, &expect)) fail_msg("%s", sign_algs[rsa[i]].name);
	}
}

static void der_encoded_ecdsa_signature_is_refused(void **state)
{
	static const struct sign_alg der[] = { { "ES256", "SHA256", false, 0, P256_A },
		                               { "ES384", "SHA384", false, 0, P384_A },
		                               { "ES512", "SHA512", false, 0, P521_A } };
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;

	for (size_t i = 0; i < ARRAY_LEN(der); i++) {
		AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, der[i].key, "");
		AUTO(buf) struct buf token = TOKEN_BUF;
		char header[64];

		snprintf(header, sizeof(header), "{\"alg\":\"%s\"}", der[i].name);
		sign_put_token(&token, &der[i], keys->pkey[der[i].key], header, GOOD);
		if (verifies(buf_view(&token), set, &expect)) fail_msg("%s", der[i].name);
	}
}

static void another_key_of_the_same_type_does_not_verify(void **state)
{
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;
	AUTO(jwt_keys) struct jwt_keys *ec = one_key(keys, P256_B, "");
	AUTO(jwt_keys) struct jwt_keys *rsa = one_key(keys, RSA_B, "");
	AUTO(buf) struct buf es256 = TOKEN_BUF;
	AUTO(buf) struct buf rs256 = TOKEN_BUF;

	sign_put_token(&es256, SIGN_ES256, keys->pkey[P256_A], "{\"alg\":\"ES256\"}", GOOD);
	assert_false(verifies(buf_view(&es256), ec, &expect));
	sign_put_token(&rs256, &sign_algs[0], keys->pkey[RSA_A], "{\"alg\":\"RS256\"}", GOOD);
	assert_false(verifies(buf_view(&rs256), rsa, &expect));
}

/* P256_A is always the signer and has kid "a" if any. */
static const struct {
	const char *name, *header;
	int which[4];
	const char *members[4];
	bool want;
} choice_cases[] = {
	{ "kid_finds_its_key", "{\"alg\":\"ES256\",\"kid\":\"a\"}", { P256_B, P256_A, -1 },
	  { ",\"kid\":\"b\"", ",\"kid\":\"a\"" }, true },
	{ "no_kid_one_key", "{\"alg\":\"ES256\"}", { P256_A, -1 }, { ",\"kid\":\"a\"" }, true },
	{ "no_kid_one_key_goes_with_alg", "{\"alg\":\"ES256\"}", { P384_A, P256_A, RSA_A, -1 }, { "", "", "" }, true },
	{ "empty_kid_is_no_kid", "{\"alg\":\"ES256\",\"kid\":\"\"}", { P256_A, -1 }, { ",\"kid\":\"a\"" }, true },
	{ "no_kid_two_candidates", "{\"alg\":\"ES256\"}", { P256_A, P256_B, -1 },
	  { ",\"kid\":\"a\"", ",\"kid\":\"b\"" }, false },
	{ "no_kid_two_candidates_the_right_one_last", "{\"alg\":\"ES256\"}", { P256_B, P256_A, -1 },
	  { ",\"kid\":\"b\"", ",\"kid\":\"a\"" }, false },
	{ "no_kid_two_candidates_without_kid", "{\"alg\":\"ES256\"}", { P256_A, P256_B, -1 }, { "", "" }, false },
	{ "empty_kid_two_candidates", "{\"alg\":\"ES256\",\"kid\":\"\"}", { P256_A, P256_B, -1 }, { "", "" }, false },
	{ "no_kid_no_candidate", "{\"alg\":\"ES256\"}", { P384_A, RSA_A, -1 }, { "", "" }, false },
	{ "unknown_kid_although_the_key_is_there", "{\"alg\":\"ES256\",\"kid\":\"z\"}", { P256_A, -1 },
	  { ",\"kid\":\"a\"" }, false },
	{ "kid_although_the_key_has_none", "{\"alg\":\"ES256\",\"kid\":\"a\"}", { P256_A, -1 }, { "" }, false },
	{ "kid_of_another_key", "{\"alg\":\"ES256\",\"kid\":\"b\"}", { P256_A, P256_B, -1 },
	  { ",\"kid\":\"a\"", ",\"kid\":\"b\"" }, false },
	{ "kid_of_a_key_of_another_type", "{\"alg\":\"ES256\",\"kid\":\"r\"}", { P256_A, RSA_A, -1 },
	  { ",\"kid\":\"a\"", ",\"kid\":\"r\"" }, false },
	{ "kid_in_another_case", "{\"alg\":\"ES256\",\"kid\":\"A\"}", { P256_A, -1 }, { ",\"kid\":\"a\"" }, false },
	{ "kid_longer", "{\"alg\":\"ES256\",\"kid\":\"a \"}", { P256_A, -1 }, { ",\"kid\":\"a\"" }, false },
	{ "kid_not_a_string", "{\"alg\":\"ES256\",\"kid\":1}", { P256_A, -1 }, { ",\"kid\":\"1\"" }, false },
	{ "kid_of_a_key_for_encryption", "{\"alg\":\"ES256\",\"kid\":\"a\"}", { P256_A, P256_B, -1 },
	  { ",\"kid\":\"a\",\"use\":\"enc\"", ",\"kid\":\"b\"" }, false },
};

static void the_key_is_chosen_by_kid_or_is_the_only_one(void **state)
{
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;

	for (size_t i = 0; i < ARRAY_LEN(choice_cases); i++) {
		AUTO(jwt_keys) struct jwt_keys *set = key_set(keys, choice_cases[i].which, choice_cases[i].members);
		AUTO(buf) struct buf token = TOKEN_BUF;

		sign_put_token(&token, SIGN_ES256, keys->pkey[P256_A], choice_cases[i].header, GOOD);
		if (verifies(buf_view(&token), set, &expect) != choice_cases[i].want) fail_msg("%s", choice_cases[i].name);
	}
}

/* All signed well by the right key: only the header decides. */
static const struct {
	const char *header;
	bool want;
} header_cases[] = {
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JWT\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"jwt\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"JOSE\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"at+JWT\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"x5t\":\"AAAA\",\"x5t#S256\":\"AAAA\"}", true },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"unknown\":{\"a\":[1]}}", true },
	{ "{\"alg\":\"none\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"None\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"NONE\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"nOnE\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"es256\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ES256 \",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ES256K\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ES384\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"HS256\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"RS1\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ECDH-ES\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":null,\"kid\":\"k1\"}", false },
	{ "{\"alg\":[\"ES256\"],\"kid\":\"k1\"}", false },
	{ "{\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"kid\":\"k1\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"wit+jwt\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":\"\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"typ\":1}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[\"exp\"],\"exp\":1}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":null}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"b64\":true}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"b64\":false}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"jku\":\"https://evil\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"x5u\":\"https://evil\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"x5c\":[\"MIIB\"]}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\",\"jwk\":{\"kty\":\"EC\"}}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\\u0000\"}", false },
	{ "{\"alg\":\"ES256\",\"kid\":\"k1\"} {}", false },
	{ "[\"ES256\"]", false },
	{ "", false },
};

static void the_header_is_strict(void **state)
{
	const struct jwt_expect expect = expect_default();

	for (size_t i = 0; i < ARRAY_LEN(header_cases); i++)
		if (es256_verifies(*state, header_cases[i].header, GOOD, &expect) != header_cases[i].want)
			fail_msg("%s", header_cases[i].header);
}

#define WHO "\"iss\":\"https://issuer\",\"aud\":\"signet\""
#define EXP "\"exp\":1790000600"

/* now 1790000000, leeway 10 */
static const struct {
	const char *payload;
	bool want;
} claims_cases[] = {
	{ GOOD, true },
	{ "{" WHO ",\"exp\":1790000600.75}", true },
	{ "{" WHO ",\"exp\":1789999991}", true },                  /* expired, within the leeway */
	{ "{" WHO ",\"exp\":1789999990}", false },                 /* on the boundary: "on or after" */
	{ "{" WHO ",\"exp\":1789999990.9}", false },               /* floored */
	{ "{" WHO ",\"exp\":1789999000}", false },
	{ "{" WHO ",\"exp\":0}", false },
	{ "{" WHO ",\"exp\":-1790000600}", false },
	{ "{" WHO ",\"exp\":9007199254740991}", true },
	{ "{" WHO ",\"exp\":9007199254740992}", false },
	{ "{" WHO ",\"exp\":9223372036854775807}", false },
	{ "{" WHO ",\"exp\":9223372036854775808}", false },
	{ "{" WHO ",\"exp\":1e400}", false },
	{ "{" WHO ",\"exp\":1e18}", false },
	{ "{" WHO ",\"exp\":\"1790000600\"}", false },
	{ "{" WHO ",\"exp\":null}", false },
	{ "{" WHO ",\"exp\":true}", false },
	{ "{" WHO ",\"exp\":[1790000600]}", false },
	{ "{" WHO "}", false },
	{ "{" WHO "," EXP "," EXP "}", false },
	{ "{" WHO "," EXP ",\"exp\":1790000700}", false },
	{ "{" WHO "," EXP ",\"nbf\":1790000010}", true },
	{ "{" WHO "," EXP ",\"nbf\":1790000011}", false },
	{ "{" WHO "," EXP ",\"nbf\":-5}", true },
	{ "{" WHO "," EXP ",\"nbf\":\"1\"}", false },
	{ "{" WHO "," EXP ",\"nbf\":null}", false },
	{ "{" WHO "," EXP ",\"nbf\":1e300}", false },
	{ "{" WHO "," EXP ",\"iat\":1790000010}", true },
	{ "{" WHO "," EXP ",\"iat\":1790000011}", false },
	{ "{" WHO "," EXP ",\"iat\":1}", true },
	{ "{" WHO "," EXP ",\"iat\":\"x\"}", false },
	{ "{" WHO "," EXP ",\"iat\":{}}", false },
	{ "{\"iss\":\"https://issuer\"," EXP "}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":[\"x\",\"istio-ca\"]}", true },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":[\"signet\"]}", true },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":[]}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":[\"x\",\"y\"]}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":[\"signet\",1]}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":[[\"signet\"]]}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":{\"signet\":\"signet\"}}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":1}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":null}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":\"\"}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":\"Signet\"}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":\"signet istio-ca\"}", false },
	{ "{\"iss\":\"https://issuer\"," EXP ",\"aud\":\"signet\\u0000\"}", false },
	{ "{\"iss\":\"https://issuer/\",\"aud\":\"signet\"," EXP "}", false },
	{ "{\"iss\":\"https://Issuer\",\"aud\":\"signet\"," EXP "}", false },
	{ "{\"iss\":\"https://issue\",\"aud\":\"signet\"," EXP "}", false },
	{ "{\"iss\":\"\",\"aud\":\"signet\"," EXP "}", false },
	{ "{\"iss\":[\"https://issuer\"],\"aud\":\"signet\"," EXP "}", false },
	{ "{\"aud\":\"signet\"," EXP "}", false },
	{ "{" WHO "," EXP ",\"x\":{\"a\":1,\"a\":2}}", false },
	{ "{" WHO "," EXP "} ", true },
	{ "{" WHO "," EXP "}x", false },
	{ "[]", false },
	{ "\"https://issuer\"", false },
	{ "eyJhbGciOiJFUzI1NiJ9", false },
	{ "", false },
};

static void the_claims_are_strict(void **state)
{
	const struct jwt_expect expect = expect_default();

	for (size_t i = 0; i < ARRAY_LEN(claims_cases); i++)
		if (es256_verifies(*state, "{\"alg\":\"ES256\",\"kid\":\"k1\"}", claims_cases[i].payload, &expect) !=
		    claims_cases[i].want)
			fail_msg("%s", claims_cases[i].payload);
}

static const struct {
	const char *times;
	int64_t max_lifetime;
	bool want;
} lifetime_cases[] = {
	{ ",\"exp\":1790000600", 600, true },
	{ ",\"exp\":1790000601", 600, false },
	{ ",\"exp\":1790000600,\"iat\":1790000000", 600, true },
	{ ",\"exp\":1790000600,\"iat\":1789999999", 600, false },
	{ ",\"exp\":1790000600,\"iat\":-9007199254740991", 600, false },
	{ ",\"exp\":9007199254740991,\"iat\":-9007199254740991", 600, false },
	{ ",\"exp\":9007199254740991", INT64_MAX, true },
	{ ",\"exp\":9007199254740991,\"iat\":-9007199254740991", 0, true },
};

static void a_token_may_not_live_too_long(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(lifetime_cases); i++) {
		struct jwt_expect expect = expect_default();
		char payload[256];

		expect.max_lifetime = lifetime_cases[i].max_lifetime;
		snprintf(payload, sizeof(payload), "{" WHO "%s}", lifetime_cases[i].times);
		if (es256_verifies(*state, "{\"alg\":\"ES256\"}", payload, &expect) != lifetime_cases[i].want)
			fail_msg("%s", lifetime_cases[i].times);
	}
}

static void nothing_expected_accepts_nothing(void **state)
{
	static const char header[] = "{\"alg\":\"ES256\"}";
	static const char no_iss[] = "{\"aud\":\"signet\"," EXP "}", empty_iss[] = "{\"iss\":\"\",\"aud\":\"signet\"," EXP "}";
	struct jwt_expect expect = expect_default();

	expect.audience_count = 0;
	assert_false(es256_verifies(*state, header, GOOD, &expect));
	expect = expect_default();
	expect.issuer = "";
	assert_false(es256_verifies(*state, header, empty_iss, &expect));
	assert_false(es256_verifies(*state, header, no_iss, &expect));
	expect.issuer = NULL;
	assert_false(es256_verifies(*state, header, no_iss, &expect));
}

static void tampered_parts_are_refused(void **state)
{
	const struct jwt_expect expect = expect_default();
	struct sign_keys *keys = *state;
	AUTO(jwt_keys) struct jwt_keys *set = one_key(keys, P256_A, "");
	AUTO(buf) struct buf token = TOKEN_BUF;

	sign_put_token(&token, SIGN_ES256, keys->pkey[P256_A], "{\"alg\":\"ES256\",\"typ\":\"JWT\"}", GOOD);
	assert_true(verifies(buf_view(&token), set, &expect));
	for (size_t i = 0; i < token.len; i++) {
		uint8_t was = token.data[i];

		token.data[i] = was == 'A' ? 'B' : 'A';
		if (was != '.' && verifies(buf_view(&token), set, &expect)) fail_msg("byte %zu", i);
		token.data[i] = was;
	}
	for (size_t i = 0; i < token.len; i++) assert_false(verifies(BYTES(token.data, i), set, &expect));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_alg_verifies_with_its_own_key_type_only),
		cmocka_unit_test(each_alg_is_held_to_the_alg_of_the_key),
		cmocka_unit_test(a_signature_of_another_alg_does_not_verify),
		cmocka_unit_test(es256_by_a_p384_key_is_refused),
		cmocka_unit_test(hmac_with_the_public_key_is_refused),
		cmocka_unit_test(mangled_signatures_are_refused),
		cmocka_unit_test(rsa_signature_without_its_leading_zero_is_refused),
		cmocka_unit_test(der_encoded_ecdsa_signature_is_refused),
		cmocka_unit_test(another_key_of_the_same_type_does_not_verify),
		cmocka_unit_test(the_key_is_chosen_by_kid_or_is_the_only_one),
		cmocka_unit_test(the_header_is_strict),
		cmocka_unit_test(the_claims_are_strict),
		cmocka_unit_test(a_token_may_not_live_too_long),
		cmocka_unit_test(nothing_expected_accepts_nothing),
		cmocka_unit_test(tampered_parts_are_refused),
	};

	return cmocka_run_group_tests(tests, sign_setup, sign_teardown);
}
