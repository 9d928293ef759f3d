#include "net/peers.h"

#include <netinet/in.h>
#include <openssl/rand.h>
#include <string.h>

#define BUCKETS 4096 /* a power of two; ours */
#define KEY_LEN 16

struct peer {
	struct peer *chain;            /* of its bucket */
	struct peer *newer, *older;    /* of those without a connection */
	uint8_t key[KEY_LEN];
	uint32_t connections, handshakes;
	struct rate rate;
};

struct peers {
	struct peers_limits limits;
	uint64_t seed[2];              /* nobody knows which addresses share a bucket */
	struct peer *buckets[BUCKETS];
	struct peer *newest, *oldest;  /* without a connection */
	size_t count, idle;
};

struct err peers_new(const struct peers_limits *limits, struct peers **out)
{
	AUTO(peers) struct peers *p = calloc(1, sizeof(*p));

	if (p == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "server: out of memory");
	p->limits = *limits;
	if (RAND_bytes((uint8_t *)p->seed, sizeof(p->seed)) != 1) FAIL(ERR_UNAVAILABLE, "server: no randomness");
	*out = MOVE(p);
	return OK;
}

void peers_free(struct peers *p)
{
	if (p == NULL) return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (p->buckets[i] != NULL) {
			struct peer *peer = p->buckets[i];

			p->buckets[i] = peer->chain;
			free(peer);
		}
	free(p);
}

size_t peers_count(const struct peers *p)
{
	return p->count;
}

/* ---- the table ---- */

/* IPv4 as ::ffff:a.b.c.d, IPv6 its /64; false: neither. */
static bool key_of(const struct sockaddr_storage *from, uint8_t key[KEY_LEN])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;

	memset(key, 0, KEY_LEN);
	if (from->ss_family == AF_INET) {
		memcpy(key, mapped, sizeof(mapped));
		memcpy(key + sizeof(mapped), &v4->sin_addr, 4);
		return true;
	}
	if (from->ss_family != AF_INET6) return false;
	/* a socket for both kinds sees IPv4 so */
	memcpy(key, &v6->sin6_addr, memcmp(&v6->sin6_addr, mapped, sizeof(mapped)) == 0 ? KEY_LEN : KEY_LEN / 2);
	return true;
}

static struct peer **bucket_of(struct peers *p, const uint8_t key[KEY_LEN])
{
	uint64_t words[2], h;

	memcpy(words, key, sizeof(words));
	h = (words[0] ^ p->seed[0]) * UINT64_C(0x9e3779b97f4a7c15);
	h = (h ^ (h >> 32) ^ words[1] ^ p->seed[1]) * UINT64_C(0xbf58476d1ce4e5b9);
	return &p->buckets[(h >> 32) % BUCKETS];
}

static void off_idle(struct peers *p, struct peer *peer)
{
	*(peer->newer != NULL ? &peer->newer->older : &p->newest) = peer->older;
	*(peer->older != NULL ? &peer->older->newer : &p->oldest) = peer->newer;
	peer->newer = peer->older = NULL;
	p->idle--;
}

static void forget(struct peers *p, struct peer *peer)
{
	struct peer **at = bucket_of(p, peer->key);

	while (*at != peer) at = &(*at)->chain;
	*at = peer->chain;
	off_idle(p, peer);
	p->count--;
	free(peer);
}

static void onto_idle(struct peers *p, struct peer *peer)
{
	peer->older = p->newest;
	*(p->newest != NULL ? &p->newest->newer : &p->oldest) = peer;
	p->newest = peer;
	if (++p->idle > PEERS_IDLE_MAX) forget(p, p->oldest);
}

static struct peer *find(struct peers *p, const uint8_t key[KEY_LEN], int64_t now_us)
{
	struct peer **bucket = bucket_of(p, key), *peer = *bucket;

	while (peer != NULL && memcmp(peer->key, key, KEY_LEN) != 0) peer = peer->chain;
	if (peer != NULL) return peer;
	peer = calloc(1, sizeof(*peer));
	if (peer == NULL) return NULL;
	memcpy(peer->key, key, KEY_LEN);
	if (p->limits.per_second > 0) rate_start(&peer->rate, p->limits.per_second, now_us);
	peer->chain = *bucket;
	*bucket = peer;
	p->count++;
	onto_idle(p, peer);
	return peer;
}

/* ---- coming and going ---- */

static bool is_over(uint32_t have, uint32_t most)
{
	return most > 0 && have >= most;
}

enum peers_verdict peers_enter(struct peers *p, const struct sockaddr_storage *from, int64_t now_us, struct peer **out)
{
	uint8_t key[KEY_LEN];
	struct peer *peer;

	*out = NULL;
	if (!key_of(from, key)) return PEERS_OK;
	peer = find(p, key, now_us);
	if (peer == NULL) return PEERS_OK;
	if (is_over(peer->connections, p->limits.connections)) return PEERS_CONNECTIONS;
	if (is_over(peer->handshakes, p->limits.handshakes)) return PEERS_HANDSHAKES;
	if (p->limits.per_second > 0 && !rate_take(&peer->rate, now_us)) return PEERS_RATE;
	if (peer->connections++ == 0) off_idle(p, peer);
	peer->handshakes++;
	*out = peer;
	return PEERS_OK;
}

void peers_greeted(struct peer *peer)
{
	if (peer != NULL) peer->handshakes--;
}

void peers_leave(struct peers *p, struct peer *peer, bool greeted)
{
	if (peer == NULL) return;
	if (!greeted) peer->handshakes--;
	if (--peer->connections == 0) onto_idle(p, peer);
}
