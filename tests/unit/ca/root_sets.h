/* root_sets.h: root sets with real roots in them, for the tests of their changes. */
#ifndef SIGNET_TESTS_CA_ROOT_SETS_H
#define SIGNET_TESTS_CA_ROOT_SETS_H

#include "ca/support.h"

#include "ca/root_make.h"
#include "ca/step.h"

struct made { /* a root of our own and its wrapped key */
	struct buf cert, blob;
};

struct bench { /* what a set borrows from, and a step to try on it */
	struct conf *conf;
	struct serials *serials;
	struct hsm_kek kek;
	struct made made[12];
	size_t made_count;
	int64_t now;
	struct root_set set;
	struct outlook outlook;
	struct step step;
	struct step_told told;
	struct buf other; /* a set to compare with */
};

static inline void bench_open(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->conf = conf_of("trust_domain: " TRUST_DOMAIN "\n");
	MUST(serials_new(1, &b->serials));
	memset(b->kek.bytes, 3, sizeof(b->kek.bytes));
	b->now = clock_wall();
	b->other.max = SET_VALUE_MAX;
}

static inline void bench_close(struct bench *b)
{
	for (size_t i = 0; i < b->made_count; i++) {
		buf_free(&b->made[i].cert);
		buf_free(&b->made[i].blob);
	}
	buf_free(&b->other);
	serials_free(b->serials);
	conf_free(b->conf);
}

static inline struct roots_options bench_options(const struct bench *b)
{
	return (struct roots_options){ .conf = b->conf, .ca_kek = &b->kek, .serials = b->serials, .now = b->now };
}

static inline struct made *root_new(struct bench *b)
{
	struct roots_options o = bench_options(b);
	struct made *m = &b->made[b->made_count++];

	m->cert.max = STORE_CERT_MAX;
	m->blob.max = SET_BLOB_MAX;
	MUST(root_make(&o, &m->cert, &m->blob));
	return m;
}

static inline struct root_item item_of(const struct made *m, enum root_state state, enum root_origin origin, uint64_t published)
{
	return (struct root_item){ .state = (uint8_t)state, .origin = (uint8_t)origin, .published = published, .cert = buf_view(&m->cert),
				   .blob = origin == ORIGIN_OWN ? buf_view(&m->blob) : BYTES_NONE };
}

static inline void reign_of(struct bench *b, const struct root_item *item, uint64_t from)
{
	struct root_reign reign = { .from = from };

	MUST(root_key_hash(item, reign.root_key));
	MUST(root_ski(item, reign.signer));
	set_reign(&b->set, &reign);
}

/* One active root of our own. */
static inline void bench_first(struct bench *b)
{
	b->set.items[0] = item_of(root_new(b), ROOT_ACTIVE, ORIGIN_OWN, 0);
	b->set.item_count = 1;
	b->set.seq = 1;
	reign_of(b, &b->set.items[0], 0);
}

static inline struct err apply(struct bench *b, enum step_kind kind)
{
	struct root_set before = b->set;
	struct err e;

	b->step.kind = kind;
	b->step.now = b->now;
	b->step.outlook = &b->outlook;
	e = step_apply(&b->set, &b->step, &b->told);
	if (e.code != ERR_OK) {
		b->set = before;
		return e;
	}
	b->other.len = 0;
	b->set.seq++;
	MUST(set_encode(&b->set, &b->other)); /* whatever a step makes is a set */
	return e;
}

static inline void prepare(struct bench *b)
{
	struct made *m = root_new(b);

	b->step.cert = buf_view(&m->cert);
	b->step.blob = buf_view(&m->blob);
	MUST(apply(b, STEP_PREPARE));
}

static inline unsigned count_state(const struct bench *b, enum root_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->set.item_count; i++) n += b->set.items[i].state == state;
	return n;
}

static inline unsigned index_of(const struct bench *b, enum root_state state)
{
	const struct root_item *item = set_first(&b->set, state);

	assert_non_null(item);
	return (unsigned)(item - b->set.items);
}

static inline struct bytes name_of(const struct root_item *item, char room[2 * SET_ID_LEN + 1])
{
	uint8_t id[SET_ID_LEN];

	MUST(root_id(item, id));
	bytes_hex(BYTES(id, sizeof(id)), room);
	return bytes_str(room);
}

#endif
