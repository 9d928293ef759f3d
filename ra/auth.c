#include "ra/auth.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "ca/wire.h"
#include "csr/cert.h"
#include "der/der.h"
#include "jwt/jwt.h"
#include "key/key.h"
#include "ra/claims.h"

#define CACHE_ENTRIES 4096       /* ours: callers of one front that come back within their token's life */

struct auth {
	const struct conf *conf;
	struct metrics *metrics;
	struct identity_cache *cache;
	EVP_MD *sha256;
	struct jwt_keys *keys[CONF_ISSUERS_MAX];
};

struct err auth_new(const struct auth_options *o, struct auth **out, size_t *bad_issuer)
{
	struct auth *a = calloc(1, sizeof(*a));
	struct err e = OK;

	if (a == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "auth: out of memory");
	a->conf = o->conf;
	a->metrics = o->metrics;
	a->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (a->sha256 == NULL) e = ERR(ERR_INTERNAL, "auth: no SHA-256");
	if (e.code == ERR_OK) e = identity_cache_new(CACHE_ENTRIES, &a->cache);
	for (size_t i = 0; e.code == ERR_OK && i < o->conf->issuer_count; i++) {
		if (conf_keys_of(&o->conf->issuers[i]) != CONF_KEYS_FILE) continue; /* they come from the courier */
		*bad_issuer = i;
		e = jwt_keys_parse(o->jwks[i], &a->keys[i]);
		if (e.code == ERR_NOT_FOUND) e = OK; /* the issuer has withdrawn all its keys: its tokens are refused */
	}
	if (e.code != ERR_OK) auth_free(a);
	else *out = a;
	return e;
}

bool auth_has_keys(const struct auth *a, size_t issuer)
{
	return a->keys[issuer] != NULL;
}

void auth_free(struct auth *a)
{
	if (a == NULL) return;
	for (size_t i = 0; i < CONF_ISSUERS_MAX; i++) jwt_keys_free(a->keys[i]);
	identity_cache_free(a->cache);
	EVP_MD_free(a->sha256);
	free(a);
}

static const char *trust_domain(const struct auth *a)
{
	return conf_text(a->conf, a->conf->trust_domain);
}

static struct err hash_parts(const struct auth *a, struct bytes one, struct bytes two, uint8_t out[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestInit_ex2(ctx, a->sha256, NULL) == 1 && EVP_DigestUpdate(ctx, one.data, one.len) == 1 &&
	            EVP_DigestUpdate(ctx, "", 1) == 1 && EVP_DigestUpdate(ctx, two.data, two.len) == 1 &&
	            EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return good ? OK : ERR(ERR_INTERNAL, "auth: cannot hash");
}

static struct err hash_one(const struct auth *a, struct bytes in, uint8_t out[32])
{
	return EVP_Digest(in.data, in.len, out, NULL, a->sha256, NULL) == 1 ? OK : ERR(ERR_INTERNAL, "auth: cannot hash");
}

/* ---- client certificate ---- */

struct err auth_check_peer(const struct auth *a, struct bytes leaf_der)
{
	struct cert cert;

	TRY(cert_parse(leaf_der, &cert));
	return cert_svid_check(&cert, trust_domain(a));
}

static struct err spiffe_caller(const struct auth *a, enum caller_kind kind, const char *id, struct bytes spiffe_id,
                                struct caller **out)
{
	AUTO(caller) struct caller *c = NULL;

	TRY(caller_new(kind, id, &c));
	TRY(caller_add(c, "method", bytes_str(kind == CALLER_MTLS ? "mtls" : "join_token")));
	TRY(caller_add(c, "trust_domain", bytes_str(trust_domain(a))));
	TRY(caller_add(c, "spiffe_id", spiffe_id));
	*out = MOVE(c);
	return OK;
}

static struct err note_cert(struct identity *id, struct bytes der)
{
	struct identity_cert *to = &id->certs[id->cert_count];
	struct cert cert;

	if (id->cert_count == ARRAY_LEN(id->certs)) FAIL(ERR_UNAUTHENTICATED, "auth: the client's chain is too long");
	TRY(cert_parse(der, &cert));
	memcpy(to->serial, cert.serial.data, to->serial_len = (uint8_t)cert.serial.len);
	if (cert.aki.len == sizeof(to->issuer)) memcpy(to->issuer, cert.aki.data, to->issuer_len = sizeof(to->issuer));
	id->cert_count++;
	return OK;
}

struct err auth_mtls(const struct auth *a, struct bytes chain, int64_t now, struct identity **out)
{
	AUTO(caller) struct caller *caller = NULL;
	AUTO(identity) struct identity *id = NULL;
	char text[SPIFFE_ID_MAX + 1];
	struct bytes der;
	struct cert cert;

	if (!a->conf->auth.mtls) FAIL(ERR_UNAUTHENTICATED, "auth: client certificates are switched off");
	TRY(der_take_element(&chain, DER_SEQUENCE, &der));
	TRY(cert_parse(der, &cert));
	TRY(cert_svid_check(&cert, trust_domain(a)));
	if (now < cert.not_before || now >= cert.not_after)
		FAIL(ERR_UNAUTHENTICATED, "auth: client certificate is not valid now");
	(void)snprintf(text, sizeof(text), "%.*s", (int)cert.uri.len, cert.uri.data);
	TRY(spiffe_caller(a, CALLER_MTLS, text, cert.uri, &caller));
	TRY(identity_new(MOVE(caller), cert.not_after, &id));
	TRY(key_sha256(cert.key.spki, id->evidence_hash));
	TRY(note_cert(id, der));
	while (chain.len > 0) {
		TRY(der_take_element(&chain, DER_SEQUENCE, &der));
		TRY(note_cert(id, der));
	}
	*out = MOVE(id);
	return OK;
}

/* ---- bearer tokens ---- */

enum auth_bearer auth_bearer(struct bytes header, struct bytes *token)
{
	struct bytes prefix = bytes_str("Bearer "); /* case-sensitive, as Istio reads it */

	if (!bytes_has_prefix(header, prefix)) return AUTH_NOTHING;
	*token = BYTES(header.data + prefix.len, header.len - prefix.len);
	if (token->len == 0) return AUTH_NOTHING;
	if (token->len > WIRE_TOKEN_TEXT_MAX || !bytes_has_prefix(*token, bytes_str(WIRE_TOKEN_PREFIX))) return AUTH_JWT;
	return AUTH_JOIN_TOKEN;
}

static struct err verify_by(struct auth *a, size_t i, struct bytes token, int64_t now, json_t **claims)
{
	const struct conf_jwt_issuer *issuer = &a->conf->issuers[i];
	const char *audiences[64];
	size_t n = issuer->audiences.count < ARRAY_LEN(audiences) ? issuer->audiences.count : ARRAY_LEN(audiences);
	struct jwt_expect expect = { .issuer = conf_text(a->conf, issuer->issuer), .audiences = audiences, .audience_count = n,
		                     .now = now, .leeway = issuer->leeway, .max_lifetime = issuer->max_lifetime };

	if (a->keys[i] == NULL) FAIL(ERR_UNAUTHENTICATED, "auth: the issuer's key set holds no usable key");
	for (size_t k = 0; k < n; k++) audiences[k] = conf_item(a->conf, issuer->audiences, (uint32_t)k);
	metric_inc(a->metrics, M_JWT_VERIFIED);
	return jwt_verify(token, a->keys[i], &expect, claims);
}

/* Two entries may share an issuer (audiences of two clusters, say): the last one's refusal is told if all refuse. */
static struct err verify(struct auth *a, struct bytes token, int64_t now, json_t **claims, size_t *by)
{
	struct err last = ERR(ERR_UNAUTHENTICATED, "auth: no jwt_issuers entry has the token's issuer");
	struct jwt_peek peek;

	if (jwt_peek(token, &peek).code != ERR_OK) FAIL(ERR_UNAUTHENTICATED, "auth: not a JWT that we take");
	for (size_t i = 0; i < a->conf->issuer_count; i++) {
		if (strcmp(conf_text(a->conf, a->conf->issuers[i].issuer), peek.iss) != 0) continue;
		last = verify_by(a, i, token, now, claims);
		*by = i;
		if (last.code == ERR_OK) break;
	}
	return last;
}

static struct err jwt_identity(struct auth *a, struct bytes token, struct bytes cluster, int64_t now, struct identity **out)
{
	AUTO(json) json_t *claims = NULL;
	AUTO(caller) struct caller *caller = NULL;
	AUTO(identity) struct identity *id = NULL;
	const struct conf_jwt_issuer *issuer;
	size_t by = 0;
	int64_t exp = 0;

	TRY(verify(a, token, now, &claims, &by));
	issuer = &a->conf->issuers[by];
	TRY(claims_caller(a->conf, issuer, claims, cluster, &caller));
	TRY(json_seconds_of(claims, "exp", &exp));
	TRY(identity_new(MOVE(caller), exp + issuer->leeway, &id));
	TRY(hash_one(a, token, id->evidence_hash));
	*out = MOVE(id);
	return OK;
}

struct err auth_jwt(struct auth *a, struct bytes token, struct bytes cluster, int64_t now, struct identity **out)
{
	uint8_t key[32];
	struct identity *id;

	TRY(hash_parts(a, token, cluster, key));
	id = identity_cache_get(a->cache, key, now);
	if (id != NULL) {
		metric_inc(a->metrics, M_JWT_CACHE_HIT);
		*out = id;
		return OK;
	}
	TRY(jwt_identity(a, token, cluster, now, &id));
	identity_cache_put(a->cache, key, id, now);
	*out = id;
	return OK;
}

struct err auth_join_token(const struct auth *a, const uint8_t hash[32], struct bytes spiffe_id, struct bytes token_id,
                           struct identity **out)
{
	AUTO(caller) struct caller *caller = NULL;
	char text[128];

	(void)snprintf(text, sizeof(text), "join_token:%.*s", (int)(token_id.len < 64 ? token_id.len : 64), token_id.data);
	TRY(spiffe_caller(a, CALLER_JOIN_TOKEN, text, spiffe_id, &caller));
	TRY(identity_new(MOVE(caller), INT64_MAX, out));
	memcpy((*out)->evidence_hash, hash, 32);
	return OK;
}
