#include "ca/crl_issue.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ca/clerk.h"
#include "ca/crl.h"
#include "ca/fields.h"
#include "storage/revoke.h"

#define CRL_BACKDATE TEMPLATE_BACKDATE /* seconds: clients' clocks may be slow */
#define RETRY_US 1000000    /* after one that failed, doubled each time; ours */
#define RETRIES 8           /* doublings: some four minutes */
#define DROP_MAX 8192       /* ended entries that one list takes out of the store: bounds its transaction; ours */
#define NAME_LEN (sizeof("crl.") + 2 * STORE_KEY_ID_LEN)
#define VALUE_VERSION 1
#define PAGE 4096           /* entries read under one view; ours: a few milliseconds */

/* What the store keeps of the newest list of a key, under "crl.<key id>". */
struct kept {
	uint16_t version;
	uint64_t number;
	int64_t this_update, next_update;
};
static const struct wire_field kept_fields[] = {
	WIRE_FIELD(kept, version, U16, VALUE_VERSION, VALUE_VERSION),
	WIRE_FIELD(kept, number, U64, 0, 0),
	WIRE_FIELD(kept, this_update, I64, 0, 0),
	WIRE_FIELD(kept, next_update, I64, 0, 0),
};
static const struct wire_form kept_form = WIRE_FORM(kept, kept_fields);

struct list { /* one CRL */
	uint8_t ski[KEY_SKI_LEN]; /* of the key that signs it */
	struct kept kept;
	uint64_t count;
	struct buf der; /* TBSCertList until it is signed */
};

enum stage { STAGE_IDLE, STAGE_BUILT, STAGE_SUBMITTED, STAGE_SIGNED }; /* of clerk, main, key, commit thread */
struct crls {
	struct hsm_job sign;     /* first, so that the hsm_job is the crls */
	struct keeper *keeper;
	atomic_int stage;
	atomic_bool wanted;
	bool scheduled;          /* the one on its way is not because of a revocation */
	int64_t steady_now;      /* when it was begun */
	uint8_t name[TEMPLATE_NAME_MAX];
	struct crl_head head;    /* of `next`; its issuer is in `name` */
	struct list next;        /* on its way: of the thread whose stage it is */
	struct buf ended;        /* entries of it that go after it: u8 length, serial */
	size_t ended_count;
	struct err signature;
	atomic_int_least64_t retry_us;
	atomic_uint failures;    /* one after the other */
	pthread_mutex_t lock;
	struct list now;         /* under the lock; der.len 0: none yet */
};

struct err crls_new(struct crls **out)
{
	struct crls *c = calloc(1, sizeof(*c));

	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	c->next.der.max = c->now.der.max = WIRE_CRL_MAX;
	c->ended.max = DROP_MAX * (1 + STORE_SERIAL_MAX);
	pthread_mutex_init(&c->lock, NULL);
	*out = c;
	return OK;
}

void crls_free(struct crls *c)
{
	if (c == NULL) return;
	buf_free(&c->next.der);
	buf_free(&c->now.der);
	buf_free(&c->ended);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void crls_want(struct keeper *k)
{
	atomic_store(&k->crls->wanted, true);
	pthread_mutex_lock(&k->clerk_queue.lock);
	k->clerk_queue.nudged = true;
	pthread_cond_signal(&k->clerk_queue.more);
	pthread_mutex_unlock(&k->clerk_queue.lock);
}

/* Any stage: give up this one; what is published stays. */
static void give_up(struct keeper *k, struct err e)
{
	unsigned failures = atomic_load(&k->crls->failures);

	log_event(k->log, LOG_ERROR, "crl_failed", F_ERR(e));
	metric_inc(k->metrics, M_CRL_FAILED);
	atomic_store(&k->crls->retry_us, clock_mono_us() + ((int64_t)RETRY_US << failures));
	if (failures < RETRIES) atomic_store(&k->crls->failures, failures + 1);
	atomic_store(&k->crls->wanted, true);
	atomic_store(&k->crls->stage, STAGE_IDLE);
}

/* ---- clerk: build ---- */

static void value_name(const uint8_t ski[KEY_SKI_LEN], char name[NAME_LEN])
{
	char hex[2 * KEY_SKI_LEN + 1];

	bytes_hex(BYTES(ski, KEY_SKI_LEN), hex);
	(void)snprintf(name, NAME_LEN, "crl.%s", hex);
}

/* The number of the last list of this key, 0 if there was none. */
static struct err last_number(struct keeper *k, const uint8_t ski[KEY_SKI_LEN], uint64_t *out)
{
	AUTO(store_view) struct store_view *view = NULL;
	AUTO(buf) struct buf value = { .max = 256 };
	struct kept kept = { 0 };
	char name[NAME_LEN];
	struct err e;

	value_name(ski, name);
	TRY(store_view_open(k->store, &view));
	e = store_view_get(view, name, &value);
	if (e.code == ERR_OK && wire_form_take_all(buf_view(&value), &kept_form, &kept).code != ERR_OK)
		e = ERR(ERR_DATA_LOSS, "ca: the stored number of the CRL does not parse");
	*out = kept.number;
	return e.code == ERR_NOT_FOUND ? OK : e;
}

/* RFC 5280 s3.3: an entry stays until it was on a list issued after the certificate's end: after this one, if this one is.
 * "Regularly scheduled" it has to be, too.  And not by a clock that has just stepped forward: the certificate would be good
 * again. */
static struct err note_ended(struct crls *c, const struct store_revocation *r)
{
	bool ended = r->not_after < c->next.kept.this_update && r->not_after < c->steady_now;

	if (!c->scheduled || !ended || c->ended_count == DROP_MAX) return OK;
	TRY(buf_put(&c->ended, &r->serial_len, 1));
	TRY(buf_put(&c->ended, r->serial, r->serial_len));
	c->ended_count++;
	return OK;
}

static struct err put_entry(struct crls *c, struct crl_writer *w, const struct store_revocation *r)
{
	struct crl_entry entry = { .serial = BYTES(r->serial, r->serial_len), .time = r->time, .reason = r->reason };

	TRY(note_ended(c, r));
	return memcmp(r->issuer, c->next.ski, KEY_SKI_LEN) == 0 ? crl_put(w, &entry) : OK;
}

/* Page by page, so that the writer may grow the store.  What is revoked meanwhile may be in or not: it asks for the next
 * list. */
static struct err put_entries(struct keeper *k, struct crl_writer *w)
{
	struct store_cursor cursor = { 0 };
	struct err e = OK;

	while (e.code == ERR_OK) {
		AUTO(store_view) struct store_view *view = NULL;

		TRY(store_view_open(k->store, &view));
		for (size_t i = 0; i < PAGE && e.code == ERR_OK; i++) {
			struct store_revocation r;

			e = store_view_revocation_next(view, &cursor, &r);
			if (e.code == ERR_OK) e = put_entry(k->crls, w, &r);
		}
	}
	return e.code == ERR_NOT_FOUND ? OK : e;
}

/* Copied: while this one is on its way another CA may take over. */
static struct err note_signer(struct keeper *k)
{
	struct crls *c = k->crls;
	const struct root_signer *s;
	struct err e = OK;

	pthread_mutex_lock(&k->roots_lock);
	s = k->signer;
	memcpy(c->next.ski, s->ski, KEY_SKI_LEN);
	if (s->name.len <= sizeof(c->name)) memcpy(c->name, s->name.data, s->name.len);
	else e = ERR(ERR_INTERNAL, "ca: the CA's name is too long");
	c->head = (struct crl_head){ .issuer = BYTES(c->name, s->name.len), .ski = c->next.ski,
				     .algorithm = key_scheme_der(hsm_key_scheme(s->key)) };
	pthread_mutex_unlock(&k->roots_lock);
	return e;
}

static struct err build(struct keeper *k)
{
	struct crls *c = k->crls;
	struct crl_writer w;
	int64_t now = clock_wall();
	uint64_t last;

	TRY(note_signer(k));
	TRY(last_number(k, c->next.ski, &last));
	c->next.kept = (struct kept){ .version = VALUE_VERSION, .number = last + 1, .this_update = now - CRL_BACKDATE,
				      .next_update = now + k->conf->ca.crl_lifetime };
	c->head.number = c->next.kept.number;
	c->head.this_update = c->next.kept.this_update;
	c->head.next_update = c->next.kept.next_update;
	c->steady_now = keeper_steady_now(k);
	c->next.der.len = c->ended.len = c->ended_count = 0;
	TRY(crl_begin(&w, &c->head, &c->next.der));
	TRY(put_entries(k, &w));
	TRY(crl_end(&w));
	c->next.count = w.count;
	return OK;
}

static bool is_of_signer(struct keeper *k, const struct list *list)
{
	bool same;

	pthread_mutex_lock(&k->roots_lock);
	same = memcmp(list->ski, k->signer->ski, KEY_SKI_LEN) == 0;
	pthread_mutex_unlock(&k->roots_lock);
	return same;
}

/* Counted from its issue, not from its backdated beginning. */
static bool is_due(struct keeper *k)
{
	struct crls *c = k->crls;
	bool due;

	pthread_mutex_lock(&c->lock);
	due = c->now.der.len == 0 || !is_of_signer(k, &c->now) ||
	      crl_is_due(c->now.kept.this_update + CRL_BACKDATE, c->now.kept.next_update, clock_wall());
	pthread_mutex_unlock(&c->lock);
	return due;
}

void crls_build(struct keeper *k)
{
	struct crls *c = k->crls;
	struct err e;

	if (atomic_load(&c->stage) != STAGE_IDLE || clock_mono_us() < atomic_load(&c->retry_us)) return;
	c->scheduled = is_due(k);
	if (!atomic_exchange(&c->wanted, false) && !c->scheduled) return;
	c->keeper = k;
	e = build(k);
	if (e.code != ERR_OK) {
		give_up(k, e);
		return;
	}
	atomic_store(&c->stage, STAGE_BUILT);
	keeper_wake(k);
}

/* ---- main thread, and the key's ---- */

static void on_signed(struct hsm_job *job, struct err result)
{
	struct crls *c = (struct crls *)job; /* its first member */
	struct queue *q = &c->keeper->queue;

	c->signature = result;
	atomic_store(&c->stage, STAGE_SIGNED);
	pthread_mutex_lock(&q->lock);
	q->nudged = true;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

void crls_sign(struct keeper *k)
{
	struct crls *c = k->crls;

	if (atomic_load(&c->stage) != STAGE_BUILT) return;
	if (!is_of_signer(k, &c->next)) { /* another key signs since it was built */
		give_up(k, ERR(ERR_ABORTED, "ca: the signing key changed"));
		return;
	}
	atomic_store(&c->stage, STAGE_SUBMITTED);
	c->sign.msg = buf_view(&c->next.der);
	c->sign.done = on_signed;
	hsm_key_sign(k->signer->key, &c->sign);
}

bool crls_is_signed(struct keeper *k)
{
	return atomic_load(&k->crls->stage) == STAGE_SIGNED;
}

/* ---- commit thread ---- */

static struct err drop_ended(struct crls *c, struct store_batch *batch)
{
	struct bytes in = buf_view(&c->ended);

	while (in.len > 0) {
		struct bytes serial = BYTES(in.data + 1, in.data[0]);
		struct err e = store_batch_revocation_drop(batch, serial);

		if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
		in = BYTES(serial.data + serial.len, in.len - 1 - serial.len);
	}
	return OK;
}

static struct err write_all(struct crls *c, struct store_batch *batch)
{
	AUTO(buf) struct buf value = { .max = 256 };
	char name[NAME_LEN];

	value_name(c->next.ski, name);
	TRY(wire_form_put(&value, &kept_form, &c->next.kept));
	TRY(store_batch_put(batch, name, buf_view(&value)));
	return drop_ended(c, batch);
}

static struct err write_batch(struct keeper *k)
{
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(k->store, &batch));
	e = write_all(k->crls, batch);
	if (e.code == ERR_OK) return store_batch_commit(batch);
	store_batch_abort(batch);
	return e;
}

static struct err commit(struct keeper *k)
{
	struct err e;

	pthread_mutex_lock(&k->writer);
	atomic_store(&k->writing, WRITING_CRL);
	e = write_batch(k);
	atomic_store(&k->writing, WRITING_RECORDS);
	pthread_mutex_unlock(&k->writer);
	return e;
}

static struct err seal(struct crls *c, struct buf *out)
{
	TRY(c->signature);
	return crl_seal(&c->head, buf_view(&c->next.der), BYTES(c->sign.sig, c->sign.sig_len), out);
}

static void publish(struct keeper *k, struct buf *der)
{
	struct crls *c = k->crls;
	struct buf old;

	pthread_mutex_lock(&c->lock);
	old = c->now.der;
	c->now = c->next;
	c->now.der = *der;
	pthread_mutex_unlock(&c->lock);
	*der = old;
	metric_set(k->metrics, M_CRL_NEXT_UPDATE, (uint64_t)c->next.kept.next_update);
	metric_set(k->metrics, M_CRL_ENTRIES, c->next.count);
	log_event(k->log, LOG_INFO, "crl_issued", F_INT("number", c->next.kept.number), F_INT("entries", c->next.count),
	          F_INT("next_update", c->next.kept.next_update), F_INT("dropped", c->ended_count));
}

/* Durable, then published: a list that anybody has seen is never followed by one of the same or a smaller number. */
void crls_commit(struct keeper *k)
{
	AUTO(buf) struct buf der = { .max = WIRE_CRL_MAX };
	struct err e;

	if (!crls_is_signed(k)) return;
	e = seal(k->crls, &der);
	if (e.code == ERR_OK) e = commit(k);
	if (e.code != ERR_OK) {
		give_up(k, e);
		return;
	}
	publish(k, &der);
	atomic_store(&k->crls->failures, 0);
	atomic_store(&k->crls->stage, STAGE_IDLE);
}

/* ---- clerk: reading ---- */

void crls_answer(struct keeper *k, struct job *job)
{
	AUTO(buf) struct buf content = { .max = WIRE_MEMFD_MAX };
	struct crls *c = k->crls;
	struct wire_crl m = { 0 };
	struct err e = ERR(ERR_UNAVAILABLE, "keeper: the first CRL is not signed yet");

	pthread_mutex_lock(&c->lock);
	if (c->now.der.len > 0) {
		m = (struct wire_crl){ .number = c->now.kept.number, .count = c->now.count, .der = buf_view(&c->now.der),
				       .this_update = c->now.kept.this_update, .next_update = c->now.kept.next_update };
		memcpy(m.issuer, c->now.ski, sizeof(m.issuer));
		e = wire_crl_put(&content, &m);
	}
	pthread_mutex_unlock(&c->lock);
	clerk_answer_memfd(job, e, buf_view(&content));
}
