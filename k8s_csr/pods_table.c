#include "k8s_csr/pods_table.h"

#include <string.h>
#include <sys/random.h>

#include "base/own.h"

#define SLOTS_FIRST 1024 /* a power of two */

struct link { /* the first member of what is in a table */
	struct link *next;
	uint64_t hash;
};

struct table {
	struct link **slots;
	size_t size, count; /* size: a power of two */
};

/* Where pods of one account run; there as long as one does. */
struct place {
	struct link link;
	size_t pods;
	const char *node, *ns, *account; /* in text */
	char text[];
};

struct pod {
	struct link link;
	struct place *place; /* of which ns is the pod's */
	unsigned round;      /* of the list that it was seen in */
	const char *name, *uid;
	char text[];
};

struct pods_table {
	struct table pods, places;
	size_t max;
	unsigned round;
	bool full;
	uint64_t key[2]; /* whoever names pods must not find names that share a slot */
};

/* ---- SipHash-2-4 (Aumasson, Bernstein) of some strings, each with a NUL behind it ---- */

struct sip {
	uint64_t v[4], word;
	unsigned len;
};

static uint64_t rotate(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate(v[1], 13) ^ v[0];
		v[3] = rotate(v[3], 16) ^ v[2];
		v[0] = rotate(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate(v[1], 17) ^ v[2];
		v[3] = rotate(v[3], 21) ^ v[0];
		v[2] = rotate(v[2], 32);
	}
}

static void sip_take(struct sip *s, uint64_t word)
{
	s->v[3] ^= word;
	sip_rounds(s->v, 2);
	s->v[0] ^= word;
}

static void sip_byte(struct sip *s, uint8_t byte)
{
	s->word |= (uint64_t)byte << (8 * (s->len % 8));
	if (++s->len % 8 != 0) return;
	sip_take(s, s->word);
	s->word = 0;
}

static uint64_t hash_of(const struct pods_table *t, const struct bytes *parts, size_t count)
{
	const uint64_t *k = t->key;
	struct sip s = { .v = { k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261,
				k[1] ^ 0x7465646279746573 } };

	for (size_t p = 0; p < count; p++) {
		for (size_t i = 0; i < parts[p].len; i++) sip_byte(&s, parts[p].data[i]);
		sip_byte(&s, 0);
	}
	sip_take(&s, s.word | (uint64_t)s.len << 56);
	s.v[2] ^= 0xff;
	sip_rounds(s.v, 4);
	return s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
}

/* ---- tables ---- */

static struct err table_open(struct table *t)
{
	t->slots = calloc(SLOTS_FIRST, sizeof(struct link *));
	if (t->slots == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "pods: out of memory");
	t->size = SLOTS_FIRST;
	return OK;
}

static void table_close(struct table *t)
{
	for (size_t i = 0; i < t->size; i++)
		for (struct link *l = t->slots[i], *next; l != NULL; l = next) {
			next = l->next;
			free(l);
		}
	free(t->slots);
}

static void push(struct link **slots, size_t size, struct link *l)
{
	l->next = slots[l->hash & (size - 1)];
	slots[l->hash & (size - 1)] = l;
}

/* Without memory for more slots the old ones do, only slower. */
static void table_grow(struct table *t)
{
	struct link **slots = calloc(t->size * 2, sizeof(struct link *));

	if (slots == NULL) return;
	for (size_t i = 0; i < t->size; i++)
		for (struct link *l = t->slots[i], *next; l != NULL; l = next) {
			next = l->next;
			push(slots, t->size * 2, l);
		}
	free(t->slots);
	t->slots = slots;
	t->size *= 2;
}

static void table_put(struct table *t, struct link *l)
{
	if (t->count >= t->size) table_grow(t);
	push(t->slots, t->size, l);
	t->count++;
}

static void table_take(struct table *t, struct link *l)
{
	struct link **at = &t->slots[l->hash & (t->size - 1)];

	while (*at != l) at = &(*at)->next;
	*at = l->next;
	t->count--;
}

/* ---- places ---- */

static struct place *place_find(const struct pods_table *t, uint64_t hash, const struct bytes key[3])
{
	for (struct link *l = t->places.slots[hash & (t->places.size - 1)]; l != NULL; l = l->next) {
		struct place *p = (struct place *)l;

		if (l->hash == hash && bytes_is(key[0], p->node) && bytes_is(key[1], p->ns) && bytes_is(key[2], p->account))
			return p;
	}
	return NULL;
}

/* Copies the text with its NUL to *at, which moves on. */
static const char *put_text(char **at, struct bytes text)
{
	char *to = *at;

	memcpy(to, text.data, text.len);
	to[text.len] = '\0';
	*at += text.len + 1;
	return to;
}

/* NULL: no memory.  Whoever takes a new one counts himself in before anything else. */
static struct place *place_get(struct pods_table *t, const struct kube_pod *pod)
{
	const struct bytes key[] = { bytes_str(pod->node), bytes_str(pod->meta.ns), bytes_str(pod->account) };
	uint64_t hash = hash_of(t, key, 3);
	struct place *p = place_find(t, hash, key);
	char *at;

	if (p != NULL) return p;
	p = calloc(1, sizeof(*p) + key[0].len + key[1].len + key[2].len + 3);
	if (p == NULL) return NULL;
	at = p->text;
	p->link.hash = hash;
	p->node = put_text(&at, key[0]);
	p->ns = put_text(&at, key[1]);
	p->account = put_text(&at, key[2]);
	table_put(&t->places, &p->link);
	return p;
}

static void place_leave(struct pods_table *t, struct place *p)
{
	if (--p->pods > 0) return;
	table_take(&t->places, &p->link);
	free(p);
}

/* ---- pods ---- */

static struct pod *pod_find(const struct pods_table *t, struct bytes ns, struct bytes name)
{
	const struct bytes key[] = { ns, name };
	uint64_t hash = hash_of(t, key, 2);

	for (struct link *l = t->pods.slots[hash & (t->pods.size - 1)]; l != NULL; l = l->next) {
		struct pod *p = (struct pod *)l;

		if (l->hash == hash && bytes_is(ns, p->place->ns) && bytes_is(name, p->name)) return p;
	}
	return NULL;
}

static void pod_drop(struct pods_table *t, struct pod *p)
{
	table_take(&t->pods, &p->link);
	place_leave(t, p->place);
	free(p);
}

static bool pod_add(struct pods_table *t, const struct kube_pod *pod)
{
	const struct bytes key[] = { bytes_str(pod->meta.ns), bytes_str(pod->meta.name) }, uid = bytes_str(pod->meta.uid);
	struct place *place = t->pods.count >= t->max ? NULL : place_get(t, pod);
	struct pod *p;
	char *at;

	t->full = t->full || place == NULL;
	if (place == NULL) return false;
	place->pods++;
	p = calloc(1, sizeof(*p) + key[1].len + uid.len + 2);
	if (p == NULL) {
		t->full = true;
		place_leave(t, place);
		return false;
	}
	at = p->text;
	p->link.hash = hash_of(t, key, 2);
	p->place = place;
	p->round = t->round;
	p->name = put_text(&at, key[1]);
	p->uid = put_text(&at, uid);
	table_put(&t->pods, &p->link);
	return true;
}

static bool is_as(const struct pod *p, const struct kube_pod *pod)
{
	return strcmp(p->uid, pod->meta.uid) == 0 && strcmp(p->place->node, pod->node) == 0 &&
	       strcmp(p->place->account, pod->account) == 0;
}

static bool runs(const struct kube_pod *pod)
{
	return pod->phase != KUBE_POD_SUCCEEDED && pod->phase != KUBE_POD_FAILED && pod->node[0] != '\0' && pod->account[0] != '\0';
}

bool pods_table_put(struct pods_table *t, const struct kube_pod *pod)
{
	struct pod *old = pod_find(t, bytes_str(pod->meta.ns), bytes_str(pod->meta.name));

	if (old != NULL && runs(pod) && is_as(old, pod)) {
		old->round = t->round;
		return false;
	}
	if (old != NULL) pod_drop(t, old); /* first: what was is true no longer, whether there is memory or not */
	return (runs(pod) && pod_add(t, pod)) || old != NULL;
}

bool pods_table_remove(struct pods_table *t, const char *ns, const char *name)
{
	struct pod *p = pod_find(t, bytes_str(ns), bytes_str(name));

	if (p != NULL) pod_drop(t, p);
	return p != NULL;
}

void pods_table_begin(struct pods_table *t)
{
	t->round++;
	t->full = false;
}

void pods_table_sweep(struct pods_table *t)
{
	for (size_t i = 0; i < t->pods.size; i++)
		for (struct link *l = t->pods.slots[i], *next; l != NULL; l = next) {
			struct pod *p = (struct pod *)l;

			next = l->next;
			if (p->round != t->round) pod_drop(t, p);
		}
}

/* ---- questions ---- */

size_t pods_table_count(const struct pods_table *t)
{
	return t->pods.count;
}

bool pods_table_is_full(const struct pods_table *t)
{
	return t->full;
}

static enum wire_verdict no(const char **why, const char *text)
{
	*why = text;
	return VERDICT_NO;
}

/* Istio's node authorizer (server/ca/node_auth.go), of which rules 1 and 2, who may ask at all and for what names, are policy's. */
enum wire_verdict pods_table_allow(const struct pods_table *t, const struct wire_node *m, const char **why)
{
	const struct pod *proxy = pod_find(t, m->proxy_ns, m->proxy_pod);
	struct bytes key[3] = { [1] = m->ns, [2] = m->account };

	if (proxy == NULL) return no(why, "the cluster has no such pod as the proxy's token names");
	if (!bytes_is(m->proxy_uid, proxy->uid)) return no(why, "the proxy's pod is another one by now than its token was for");
	if (!bytes_is(m->proxy_account, proxy->place->account))
		return no(why, "the proxy's pod runs as another account than its token says");
	key[0] = bytes_str(proxy->place->node);
	if (place_find(t, hash_of(t, key, 3), key) == NULL) return no(why, "no pod of that account runs on the proxy's node");
	return VERDICT_YES;
}

/* ---- life ---- */

static inline void auto_pods_table(struct pods_table **t) { pods_table_free(*t); }

struct err pods_table_new(size_t max, struct pods_table **out)
{
	AUTO(pods_table) struct pods_table *t = calloc(1, sizeof(*t));

	if (t == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "pods: out of memory");
	t->max = max;
	if (getrandom(t->key, sizeof(t->key), 0) != sizeof(t->key)) FAIL(ERR_INTERNAL, "pods: no random numbers");
	TRY(table_open(&t->pods));
	TRY(table_open(&t->places));
	*out = MOVE(t);
	return OK;
}

void pods_table_free(struct pods_table *t)
{
	if (t == NULL) return;
	table_close(&t->pods);
	table_close(&t->places);
	free(t);
}
