#include "ca/bans.h"

#include <pthread.h>
#include <string.h>

#include "ca/wire.h"
#include "csr/spiffe.h"

/* Sorted by kind, then subject: bans are few and change seldom, questions are many. */
struct ban {
	enum store_ban_kind kind;
	struct bytes subject; /* owned */
};
struct bans {
	pthread_rwlock_t lock;
	struct ban *items;
	size_t count, cap;
};

struct err bans_new(struct bans **out)
{
	struct bans *b = calloc(1, sizeof(*b));

	if (b == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	pthread_rwlock_init(&b->lock, NULL);
	*out = b;
	return OK;
}

void bans_free(struct bans *b)
{
	if (b == NULL) return;
	for (size_t i = 0; i < b->count; i++) free((void *)(uintptr_t)b->items[i].subject.data);
	free(b->items);
	pthread_rwlock_destroy(&b->lock);
	free(b);
}

static int order(const struct ban *ban, enum store_ban_kind kind, struct bytes subject)
{
	if (ban->kind != kind) return ban->kind < kind ? -1 : 1;
	if (ban->subject.len != subject.len) return ban->subject.len < subject.len ? -1 : 1;
	return subject.len == 0 ? 0 : memcmp(ban->subject.data, subject.data, subject.len);
}

/* Where it is, or where it belongs. */
static size_t find(const struct bans *b, enum store_ban_kind kind, struct bytes subject, bool *found)
{
	size_t lo = 0, hi = b->count;

	*found = false;
	while (lo < hi && !*found) {
		size_t mid = lo + (hi - lo) / 2;
		int c = order(&b->items[mid], kind, subject);

		if (c < 0) lo = mid + 1;
		else hi = mid;
		*found = c == 0;
	}
	return *found ? hi : lo;
}

static struct err insert(struct bans *b, size_t at, enum store_ban_kind kind, struct bytes subject)
{
	uint8_t *copy;

	if (b->count == b->cap) {
		size_t cap = b->cap == 0 ? 64 : b->cap * 2;
		struct ban *grown = reallocarray(b->items, cap, sizeof(*grown));

		if (grown == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
		b->items = grown;
		b->cap = cap;
	}
	copy = malloc(subject.len + 1);
	if (copy == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	if (subject.len > 0) memcpy(copy, subject.data, subject.len);
	memmove(b->items + at + 1, b->items + at, (b->count - at) * sizeof(*b->items));
	b->items[at] = (struct ban){ .kind = kind, .subject = BYTES(copy, subject.len) };
	b->count++;
	return OK;
}

struct err bans_add(struct bans *b, enum store_ban_kind kind, struct bytes subject, bool *added)
{
	struct err e = OK;
	bool found;
	size_t at;

	pthread_rwlock_wrlock(&b->lock);
	at = find(b, kind, subject, &found);
	if (!found) e = insert(b, at, kind, subject);
	pthread_rwlock_unlock(&b->lock);
	*added = !found && e.code == ERR_OK;
	return e;
}

void bans_remove(struct bans *b, enum store_ban_kind kind, struct bytes subject)
{
	bool found;
	size_t at;

	pthread_rwlock_wrlock(&b->lock);
	at = find(b, kind, subject, &found);
	if (found) {
		free((void *)(uintptr_t)b->items[at].subject.data);
		b->count--;
		memmove(b->items + at, b->items + at + 1, (b->count - at) * sizeof(*b->items));
	}
	pthread_rwlock_unlock(&b->lock);
}

size_t bans_count(struct bans *b)
{
	size_t n;

	pthread_rwlock_rdlock(&b->lock);
	n = b->count;
	pthread_rwlock_unlock(&b->lock);
	return n;
}

static bool is_banned(const struct bans *b, enum store_ban_kind kind, struct bytes subject)
{
	bool found;

	(void)find(b, kind, subject, &found);
	return found;
}

static bool key_is_banned(const struct bans *b, const uint8_t *hash)
{
	char hex[2 * STORE_HASH_LEN + 1];

	if (hash == NULL) return false;
	bytes_hex(BYTES(hash, STORE_HASH_LEN), hex);
	return is_banned(b, STORE_BAN_KEY, bytes_str(hex));
}

bool bans_hit(struct bans *b, const struct bans_question *q)
{
	bool hit = false;

	pthread_rwlock_rdlock(&b->lock);
	if (b->count > 0) {
		/* the caller of a client certificate is its SPIFFE ID */
		hit = is_banned(b, STORE_BAN_SPIFFE_ID, q->spiffe_id) || is_banned(b, STORE_BAN_SPIFFE_ID, q->caller) ||
		      is_banned(b, STORE_BAN_SPIFFE_ID, q->own_id) || is_banned(b, STORE_BAN_CALLER, q->caller) ||
		      is_banned(b, STORE_BAN_NODE, q->node) || key_is_banned(b, q->key_hash) || key_is_banned(b, q->peer_hash);
	}
	pthread_rwlock_unlock(&b->lock);
	return hit;
}

struct err bans_load(struct bans *b, struct store_view *view)
{
	struct store_cursor cursor = { 0 };
	struct store_ban ban;
	struct err e;
	bool added;

	while ((e = store_view_ban_next(view, &cursor, &ban)).code == ERR_OK)
		TRY(bans_add(b, ban.kind, bytes_str(ban.subject), &added));
	return e.code == ERR_NOT_FOUND ? OK : e;
}

struct err bans_subject_check(enum store_ban_kind kind, struct bytes subject)
{
	if (subject.len == 0 || subject.len > STORE_TEXT_MAX || bytes_has_nul(subject))
		FAIL(ERR_INVALID_ARGUMENT, "keeper: a ban's subject is empty, too long, or has a NUL");
	if (kind == STORE_BAN_SPIFFE_ID) return spiffe_id_parse(subject, NULL, NULL);
	if (kind == STORE_BAN_NODE && subject.len > STORE_NODE_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: a node's name has at most 253 bytes");
	if (kind != STORE_BAN_KEY) return OK;
	for (size_t i = 0; i < subject.len; i++)
		if ((subject.data[i] < '0' || subject.data[i] > '9') && (subject.data[i] < 'a' || subject.data[i] > 'f'))
			FAIL(ERR_INVALID_ARGUMENT, "keeper: a key's ban is the SHA-256 of its SPKI in lower-case hex");
	if (subject.len != 2 * STORE_HASH_LEN) FAIL(ERR_INVALID_ARGUMENT, "keeper: a key's ban is 64 hex digits");
	return OK;
}
