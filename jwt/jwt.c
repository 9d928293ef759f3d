#include <string.h>
#include <strings.h>

#include "der/base64.h"
#include "der/der.h"
#include "jwt/alg.h"

#define ALG_MAX 7         /* bytes; fits struct jwt_peek */
#define TYP_MAX 64        /* bytes; ours */
#define ECDSA_DER_MAX 160 /* P-521: 3 + 2 * (3 + 67) octets, rounded up */

/* RFC 7515 s7.1: the three parts of a compact serialization, still base64url; views of the text. */
struct parts {
	struct bytes header, payload, signature;
	struct bytes signing_input; /* header '.' payload (RFC 7515 s5.2) */
};

/* The JOSE header, checked.  `kid` is borrowed from `json`. */
struct header {
	json_t *json;
	const struct jwt_alg *alg;
	struct bytes kid;
};

static void auto_header(struct header *h)
{
	json_decref(h->json);
}

/* Text up to the next dot; the dot is dropped. */
static struct err take_part(struct bytes *in, struct bytes *out)
{
	const uint8_t *dot = in->len == 0 ? NULL : memchr(in->data, '.', in->len);

	if (dot == NULL) FAIL(ERR_INVALID_ARGUMENT, "jwt: not three parts");
	*out = BYTES(in->data, (size_t)(dot - in->data));
	*in = BYTES(dot + 1, in->len - out->len - 1);
	return OK;
}

static struct err split(struct bytes compact, struct parts *p)
{
	struct bytes rest = compact;

	if (compact.len == 0 || compact.len > JWT_MAX) FAIL(ERR_INVALID_ARGUMENT, "jwt: length out of range");
	TRY(take_part(&rest, &p->header));
	TRY(take_part(&rest, &p->payload));
	if (rest.len > 0 && memchr(rest.data, '.', rest.len) != NULL)
		FAIL(ERR_INVALID_ARGUMENT, "jwt: more than three parts"); /* five are a JWE */
	if (rest.len == 0) FAIL(ERR_INVALID_ARGUMENT, "jwt: not signed");
	p->signature = rest;
	p->signing_input = BYTES(compact.data, p->header.len + 1 + p->payload.len);
	return OK;
}

static struct err part_to_json(struct bytes part, json_t **out)
{
	AUTO(buf) struct buf text = { .max = JWT_MAX };

	TRY(base64url_take(part, &text));
	return json_object_parse(buf_view(&text), JWT_MAX, out);
}

static struct err check_typ(const json_t *header)
{
	static const char *const types[] = { "JWT", "JOSE", "at+jwt" };
	struct bytes typ;
	struct err e = json_string_of(header, "typ", TYP_MAX, &typ);

	if (e.code == ERR_NOT_FOUND) return OK;
	TRY(e);
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (typ.len == strlen(types[i]) && strncasecmp((const char *)typ.data, types[i], typ.len) == 0) return OK;
	FAIL(ERR_INVALID_ARGUMENT, "jwt: typ is not that of a JWT");
}

/* Members that change how the token is read, or bring or fetch the key to check it with (RFC 8725 s3.10). */
static struct err refuse_members(const json_t *header)
{
	static const char *const members[] = { "crit", "b64", "jku", "jwk", "x5u", "x5c" };

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		if (json_object_get(header, members[i]) != NULL)
			FAIL(ERR_INVALID_ARGUMENT, "jwt: crit, b64, jku, jwk, x5u or x5c in the header");
	return OK;
}

static struct err read_header(struct bytes part, struct header *h)
{
	struct bytes alg;
	struct err e;

	TRY(part_to_json(part, &h->json));
	TRY(refuse_members(h->json));
	TRY(check_typ(h->json));
	if (json_string_of(h->json, "alg", ALG_MAX, &alg).code != ERR_OK || (h->alg = jwt_alg_find(alg)) == NULL)
		FAIL(ERR_INVALID_ARGUMENT, "jwt: alg is not one that we take");
	e = json_string_of(h->json, "kid", JWT_KID_MAX, &h->kid);
	return e.code == ERR_NOT_FOUND ? OK : e;
}

/* A claim that may be absent: then *value stays as it is. */
static struct err optional_seconds(const json_t *claims, const char *key, int64_t *value)
{
	struct err e = json_seconds_of(claims, key, value);

	return e.code == ERR_NOT_FOUND ? OK : e;
}

struct err jwt_peek(struct bytes compact, struct jwt_peek *out)
{
	AUTO(header) struct header header = { 0 };
	AUTO(json) json_t *claims = NULL;
	struct jwt_peek peek = { .exp = INT64_MAX };
	struct bytes iss = BYTES_NONE;
	struct parts parts;
	struct err e;

	TRY(split(compact, &parts));
	TRY(read_header(parts.header, &header));
	TRY(part_to_json(parts.payload, &claims));
	e = json_string_of(claims, "iss", sizeof(peek.iss) - 1, &iss);
	if (e.code != ERR_NOT_FOUND) TRY(e);
	TRY(optional_seconds(claims, "exp", &peek.exp));
	memcpy(peek.alg, header.alg->name, strlen(header.alg->name));
	if (header.kid.len > 0) memcpy(peek.kid, header.kid.data, header.kid.len);
	if (iss.len > 0) memcpy(peek.iss, iss.data, iss.len);
	*out = peek;
	return OK;
}

/* RFC 7518 s3.4: r || s, each of exactly the coordinate's length, becomes Ecdsa-Sig-Value (RFC 3279 s2.2.3). */
static struct err ecdsa_to_der(struct bytes raw, size_t coordinate, struct buf *der)
{
	struct der_open seq;

	if (raw.len != 2 * coordinate) FAIL(ERR_INVALID_ARGUMENT, "jwt: signature of wrong length");
	TRY(der_open(der, DER_SEQUENCE, &seq));
	TRY(der_put_unsigned(der, BYTES(raw.data, coordinate)));
	TRY(der_put_unsigned(der, BYTES(raw.data + coordinate, coordinate)));
	return der_close(der, &seq);
}

static struct err verify_signature(const struct parts *parts, const struct jwt_alg *alg, struct key_public *key)
{
	AUTO(buf) struct buf raw = { .max = JWT_MAX };
	AUTO(buf) struct buf der = { .max = ECDSA_DER_MAX };

	TRY(base64url_take(parts->signature, &raw));
	if (alg->coordinate > 0) {
		TRY(ecdsa_to_der(buf_view(&raw), alg->coordinate, &der));
		return key_public_verify(key, alg->scheme, parts->signing_input, buf_view(&der));
	}
	return key_public_verify(key, alg->scheme, parts->signing_input, buf_view(&raw));
}

static struct err check_issuer(const json_t *claims, const char *issuer)
{
	struct bytes iss;

	if (issuer == NULL || *issuer == '\0') FAIL(ERR_UNAUTHENTICATED, "jwt: no issuer is expected");
	if (json_string_of(claims, "iss", JWT_MAX, &iss).code != ERR_OK || !bytes_is(iss, issuer))
		FAIL(ERR_UNAUTHENTICATED, "jwt: iss is not the expected one");
	return OK;
}

static bool is_audience(const json_t *value, const struct jwt_expect *expect)
{
	for (size_t i = 0; i < expect->audience_count; i++)
		if (bytes_is(BYTES(json_string_value(value), json_string_length(value)), expect->audiences[i])) return true;
	return false;
}

/* RFC 7519 s4.1.3: a string, or an array of strings. */
static struct err check_audience(const json_t *claims, const struct jwt_expect *expect)
{
	const json_t *aud = json_object_get(claims, "aud"), *one;
	bool found = json_is_string(aud) && is_audience(aud, expect);
	size_t i;

	if (!json_is_string(aud) && !json_is_array(aud)) FAIL(ERR_UNAUTHENTICATED, "jwt: aud is missing or malformed");
	json_array_foreach(aud, i, one) {
		if (!json_is_string(one)) FAIL(ERR_UNAUTHENTICATED, "jwt: aud holds something else than strings");
		found |= is_audience(one, expect);
	}
	if (!found) FAIL(ERR_UNAUTHENTICATED, "jwt: aud holds none of the expected audiences");
	return OK;
}

/* RFC 7519 s4.1.4 to s4.1.6.  Claims are below 2^53, so nothing here overflows for a clock and a leeway of this world. */
static struct err check_times(const json_t *claims, const struct jwt_expect *expect)
{
	int64_t exp, nbf = expect->now, iat = expect->now;

	if (json_seconds_of(claims, "exp", &exp).code != ERR_OK)
		FAIL(ERR_UNAUTHENTICATED, "jwt: exp is missing or malformed");
	/* "on or after which the JWT MUST NOT be accepted" */
	if (expect->now - expect->leeway >= exp) FAIL(ERR_UNAUTHENTICATED, "jwt: expired");
	if (optional_seconds(claims, "nbf", &nbf).code != ERR_OK) FAIL(ERR_UNAUTHENTICATED, "jwt: nbf is malformed");
	if (nbf > expect->now + expect->leeway) FAIL(ERR_UNAUTHENTICATED, "jwt: not valid yet (nbf)");
	if (optional_seconds(claims, "iat", &iat).code != ERR_OK) FAIL(ERR_UNAUTHENTICATED, "jwt: iat is malformed");
	if (iat > expect->now + expect->leeway) FAIL(ERR_UNAUTHENTICATED, "jwt: issued in the future (iat)");
	if (expect->max_lifetime > 0 && exp - iat > expect->max_lifetime)
		FAIL(ERR_UNAUTHENTICATED, "jwt: lives too long");
	return OK;
}

static struct err verify(struct bytes compact, struct jwt_keys *keys, const struct jwt_expect *expect, json_t **out)
{
	AUTO(header) struct header header = { 0 };
	AUTO(json) json_t *claims = NULL;
	struct key_public *key = NULL;
	struct parts parts;

	TRY(split(compact, &parts));
	TRY(read_header(parts.header, &header));
	TRY(jwt_keys_choose(keys, header.kid, header.alg, &key));
	TRY(verify_signature(&parts, header.alg, key));
	TRY(part_to_json(parts.payload, &claims));
	TRY(check_issuer(claims, expect->issuer));
	TRY(check_audience(claims, expect));
	TRY(check_times(claims, expect));
	*out = MOVE(claims);
	return OK;
}

struct err jwt_verify(struct bytes compact, struct jwt_keys *keys, const struct jwt_expect *expect, json_t **claims)
{
	struct err e = verify(compact, keys, expect, claims);

	/* Whatever is wrong with a token, its bearer is not authenticated; only our own faults keep their code. */
	if (e.code == ERR_INVALID_ARGUMENT || e.code == ERR_NOT_FOUND) e.code = ERR_UNAUTHENTICATED;
	return e;
}
