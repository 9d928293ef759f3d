/* identity.h: an authenticated caller together with the evidence, shared by the requests that it makes and by the cache. */
#ifndef SIGNET_RA_IDENTITY_H
#define SIGNET_RA_IDENTITY_H

#include "policy/policy.h"

struct identity {
	unsigned refs;
	struct caller *caller;
	int64_t expires;            /* Unix seconds: the evidence is good before this moment */
	uint8_t evidence_hash[32];  /* SHA-256 of the token or of the peer's SPKI: bans of keys hold for it */
	/* mTLS: the peer's certificate and those above it; each may be revoked while the connection is open */
	struct identity_cert {
		uint8_t serial[20], issuer[20]; /* issuer: its key identifier */
		uint8_t serial_len, issuer_len; /* issuer_len 0: it says none */
	} certs[8];
	uint8_t cert_count;
	int cluster; /* index in conf->clusters of the cluster whose token it was; -1: none that was checked */
};

/* Takes over the caller (also on failure). */
struct err identity_new(struct caller *caller, int64_t expires, struct identity **out);
struct identity *identity_ref(struct identity *id);
void identity_unref(struct identity *id); /* NULL is allowed */
static inline void auto_identity(struct identity **p) { identity_unref(*p); }

/* Verified tokens by SHA-256(token, 0, cluster): a bounded set-associative cache; the oldest of a set gives way. */
struct identity_cache;
struct err identity_cache_new(size_t entries, struct identity_cache **out); /* entries: rounded up to a power of two */
void identity_cache_free(struct identity_cache *c);
/* A reference, or NULL if it is not there or has expired at `now`. */
struct identity *identity_cache_get(struct identity_cache *c, const uint8_t key[32], int64_t now);
void identity_cache_put(struct identity_cache *c, const uint8_t key[32], struct identity *id, int64_t now);
/* Forget all. */
void identity_cache_flush(struct identity_cache *c);

#endif
