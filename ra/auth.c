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
	struct jwt_keys *keys[CONF_ISSUERS_MAX]; /* NULL: none */
	bool came[CONF_ISSUERS_MAX];             /* we have been told, if only that there are none */
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
		e = auth_set_keys(a, i, o->jwks[i]);
	}
	if (e.code != ERR_OK) auth_free(a);
	else *out = a;
	return e;
}

struct err auth_set_keys(struct auth *a, size_t issuer, struct bytes jwks)
{
	struct jwt_keys *keys = NULL;
	struct err e = jwt_keys_parse(jwks, &keys);

	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e; /* NOT_FOUND: the issuer has withdrawn all its keys */
	jwt_keys_free(a->keys[issuer]);
	a->keys[issuer] = keys;
	a->came[issuer] = true;
	identity_cache_flush(a->cache);
	return OK;
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

/* A token and the entry that it is held to. */
struct bearer {
	const struct auth_token *t;
	struct jwt_peek peek;
	uint8_t i; /* of the entry */
	const struct conf_jwt_issuer *issuer;
	int cluster; /* of the entry; -1: it has none */
};

/* The configuration has one entry at most for each `iss` and cluster. */
static struct err find_entry(const struct auth *a, const struct auth_token *t, struct bearer *b)
{
	bool other = false;

	*b = (struct bearer){ .t = t };
	if (jwt_peek(t->text, &b->peek).code != ERR_OK) FAIL(ERR_UNAUTHENTICATED, "auth: not a JWT that we take");
	for (uint32_t i = 0; i < a->conf->issuer_count; i++) {
		const struct conf_jwt_issuer *issuer = &a->conf->issuers[i];
		bool named = bytes_is(t->cluster, conf_text(a->conf, issuer->cluster));

		if (strcmp(conf_text(a->conf, issuer->issuer), b->peek.iss) != 0) continue;
		other = true;
		if (!named && t->cluster.len > 0 && issuer->cluster != 0) continue;
		b->i = (uint8_t)i;
		b->issuer = issuer;
		if (named || t->cluster.len == 0) break; /* one without a cluster gives way to the one that is named */
	}
	if (!other) FAIL(ERR_UNAUTHENTICATED, "auth: no jwt_issuers entry has the token's issuer");
	if (b->issuer == NULL)
		FAIL(ERR_UNAUTHENTICATED,
		     "auth: no jwt_issuers entry of the token's issuer has the cluster that the request names");
	b->cluster = b->issuer->cluster == 0 ? -1 : conf_cluster_find(a->conf, conf_text(a->conf, b->issuer->cluster));
	return OK;
}

static struct err verify(struct auth *a, const struct bearer *b, json_t **claims)
{
	const struct conf_jwt_issuer *issuer = b->issuer;
	const char *audiences[64];
	size_t n = issuer->audiences.count < ARRAY_LEN(audiences) ? issuer->audiences.count : ARRAY_LEN(audiences);
	struct jwt_expect expect = { .issuer = conf_text(a->conf, issuer->issuer), .audiences = audiences, .audience_count = n,
		                     .now = b->t->now, .leeway = issuer->leeway, .max_lifetime = issuer->max_lifetime };

	if (!a->came[b->i]) FAIL(ERR_UNAVAILABLE, "auth: the issuer's keys have not come yet");
	if (a->keys[b->i] == NULL) FAIL(ERR_UNAUTHENTICATED, "auth: the issuer's key set holds no usable key");
	for (size_t k = 0; k < n; k++) audiences[k] = conf_item(a->conf, issuer->audiences, (uint32_t)k);
	metric_inc(a->metrics, M_JWT_VERIFIED);
	return jwt_verify(b->t->text, a->keys[b->i], &expect, claims);
}

/* What the request is about: the cluster whose token it is, or what the client says if that is not known. */
static struct bytes cluster_of(const struct auth *a, const struct bearer *b)
{
	return b->issuer->cluster != 0 ? bytes_str(conf_text(a->conf, b->issuer->cluster)) : b->t->cluster;
}

static struct err verified_caller(struct auth *a, const struct bearer *b, struct caller **out)
{
	AUTO(json) json_t *claims = NULL;

	TRY(verify(a, b, &claims));
	return claims_caller(a->conf, b->issuer, claims, cluster_of(a, b), out);
}

/* Takes over the caller. */
static struct err remember(struct auth *a, const struct bearer *b, struct caller *caller, int64_t expires, struct identity **out)
{
	AUTO(identity) struct identity *id = NULL;
	uint8_t key[32];

	TRY(identity_new(caller, expires, &id));
	id->cluster = b->cluster;
	TRY(hash_one(a, b->t->text, id->evidence_hash));
	TRY(hash_parts(a, b->t->text, b->t->cluster, key));
	if (b->t->now < expires) identity_cache_put(a->cache, key, id, b->t->now);
	*out = MOVE(id);
	return OK;
}

/* May the courier know a key that we do not? */
static bool wants_keys(const struct auth *a, const struct bearer *b)
{
	struct jwt_keys *keys = a->keys[b->i];

	if (b->t->looked || conf_keys_of(b->issuer) <= CONF_KEYS_FILE) return false;
	return keys == NULL || !jwt_keys_has(keys, &b->peek);
}

struct err auth_jwt(struct auth *a, const struct auth_token *t, struct auth_ask *ask, struct identity **out)
{
	AUTO(caller) struct caller *caller = NULL;
	struct identity *known;
	struct bearer b;
	uint8_t key[32];

	*ask = (struct auth_ask){ .what = AUTH_ASK_NOTHING };
	TRY(hash_parts(a, t->text, t->cluster, key));
	known = identity_cache_get(a->cache, key, t->now);
	if (known != NULL) {
		metric_inc(a->metrics, M_JWT_CACHE_HIT);
		*out = known;
		return OK;
	}
	TRY(find_entry(a, t, &b));
	ask->issuer = b.i;
	ask->cluster = (uint8_t)(b.cluster < 0 ? 0 : b.cluster);
	if (wants_keys(a, &b)) {
		ask->what = AUTH_ASK_KEYS;
		return OK;
	}
	if (b.issuer->token_review != CONF_REVIEW_ONLY) TRY(verified_caller(a, &b, &caller));
	if (b.issuer->token_review != CONF_REVIEW_OFF) {
		ask->what = AUTH_ASK_REVIEW;
		return OK;
	}
	return remember(a, &b, MOVE(caller), b.peek.exp + b.issuer->leeway, out);
}

struct err auth_reviewed(struct auth *a, const struct auth_token *t, const struct wire_reviewed *m, struct identity **out)
{
	AUTO(caller) struct caller *caller = NULL;
	struct bearer b;
	int64_t until;

	TRY(find_entry(a, t, &b));
	if (b.issuer->token_review == CONF_REVIEW_ONLY) {
		TRY(claims_reviewed_caller(a->conf, b.issuer, m, cluster_of(a, &b), &caller));
	} else {
		TRY(verified_caller(a, &b, &caller));
		if (!claims_agree(caller, m)) FAIL(ERR_UNAUTHENTICATED, "auth: the API server says another account or pod");
	}
	until = t->now + b.issuer->review_cache;
	return remember(a, &b, MOVE(caller), b.peek.exp < until ? b.peek.exp : until, out);
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
