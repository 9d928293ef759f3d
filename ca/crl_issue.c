#include "ca/crl_issue.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ca/clerk.h"
#include "ca/crl_inside.h"
#include "ca/rotate.h"
#include "storage/revoke.h"

#define RETRY_US 1000000    /* after one that failed, doubled each time; ours */
#define RETRIES 8           /* doublings: some four minutes */
#define AFTER_LAST 3600     /* seconds that the last list of a key that may go outlives what it signed; ours */

/* Any stage: give up this one; what is published stays. */
static void give_up(struct keeper *k, struct err e)
{
	unsigned failures = atomic_load(&k->crls->failures);

	log_event(k->log, LOG_ERROR, "crl_failed", F_ERR(e));
	metric_inc(k->metrics, M_CRL_FAILED);
	atomic_store(&k->crls->retry_us, clock_mono_us() + ((int64_t)RETRY_US << failures));
	if (failures < RETRIES) atomic_store(&k->crls->failures, failures + 1);
	atomic_store(&k->crls->stage, CRL_IDLE);
}

/* ---- clerk: for which key? ---- */

static void note_signer(struct crls *c, const struct root_signer *s, bool former)
{
	struct crl_signer *to = &c->signers[c->signer_count];

	if (s->key == NULL || s->name.len > sizeof(to->name)) return;
	*to = (struct crl_signer){ .name_len = s->name.len,
				   .algorithm = key_scheme_der(hsm_key_scheme(s->key)),
				   .stored = s->stored,
				   .former = former };
	memcpy(to->ski, s->ski, KEY_SKI_LEN);
	memcpy(to->name, s->name.data, s->name.len);
	c->signer_count++;
}

static void note_signers(struct keeper *k)
{
	struct crls *c = k->crls;
	const struct root_signer *former;

	pthread_mutex_lock(&k->roots_lock);
	c->signer_count = 0;
	note_signer(c, k->signer, false);
	for (size_t i = 0; (former = roots_former(k->roots, i)) != NULL && c->signer_count < CRL_LISTS_MAX; i++)
		note_signer(c, former, true);
	pthread_mutex_unlock(&k->roots_lock);
}

enum due { DUE_NOT, DUE_WANTED, DUE_SCHEDULED };

/* Counted from its issue, not from its backdated beginning. */
static enum due due_of(struct crls *c, const struct crl_signer *s)
{
	uint8_t issuer[STORE_HASH_LEN];
	const struct crl_list *list;
	enum due due = DUE_SCHEDULED;

	if (key_sha256(BYTES(s->name, s->name_len), issuer).code != ERR_OK) return DUE_NOT;
	pthread_rwlock_rdlock(&c->lock);
	list = crl_list_find(c, s->ski);
	if (list != NULL && memcmp(list->issuer, issuer, sizeof(issuer)) == 0 &&
	    !crl_is_due(list->kept.this_update + CRL_BACKDATE, list->kept.next_update, clock_wall()))
		due = list->generation != atomic_load(&c->wanted) ? DUE_WANTED : DUE_NOT;
	pthread_rwlock_unlock(&c->lock);
	return due;
}

/* A key that is in nobody's store may be gone tomorrow: its last list has to do until the last certificate has ended.  False:
 * when that is will be known after the next look, which is nigh. */
static bool find_until(struct keeper *k, const struct crl_signer *s)
{
	k->crls->until = 0;
	return !s->former || s->stored || rotate_until(k, s->ski, &k->crls->until);
}

static bool choose(struct keeper *k)
{
	struct crls *c = k->crls;

	note_signers(k);
	for (size_t i = 0; i < c->signer_count; i++) {
		enum due due = due_of(c, &c->signers[i]);

		if (due == DUE_NOT || !find_until(k, &c->signers[i])) continue;
		c->target = c->signers[i];
		c->scheduled = due == DUE_SCHEDULED;
		return true;
	}
	return false;
}

/* ---- clerk: build ---- */

/* The number of the last list of this key, 0 if there was none; of a brought one that is merged, if that is higher. */
static struct err last_number(struct keeper *k, uint64_t *out)
{
	AUTO(store_view) struct store_view *view = NULL;
	AUTO(buf) struct buf value = { .max = 256 };
	struct crls *c = k->crls;
	struct crl_kept kept = { 0 };
	const struct brought_crl *brought;
	char name[CRL_NAME_LEN];
	struct err e;

	crl_value_name("crl", c->target.ski, name);
	TRY(store_view_open(k->store, &view));
	e = store_view_get(view, name, &value);
	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
	if (e.code == ERR_OK && wire_form_take_all(buf_view(&value), &crl_kept_form, &kept).code != ERR_OK)
		FAIL(ERR_DATA_LOSS, "ca: the stored number of the CRL does not parse");
	*out = kept.number;
	pthread_rwlock_rdlock(&c->lock);
	brought = brought_crls_of(c->brought, c->target.ski);
	if (brought != NULL && brought->crl.number > *out && brought->crl.number < UINT64_MAX) *out = brought->crl.number;
	pthread_rwlock_unlock(&c->lock);
	return OK;
}

static struct err put_entry(struct keeper *k, struct crl_writer *w, const struct store_revocation *r, int64_t steady_now)
{
	struct crls *c = k->crls;
	struct crl_entry entry = { .serial = BYTES(r->serial, r->serial_len), .time = r->time, .reason = r->reason };
	const struct brought_crl *brought;
	bool leave;

	if (memcmp(r->issuer, c->next.ski, KEY_SKI_LEN) != 0) return OK;
	pthread_rwlock_rdlock(&c->lock);
	brought = brought_crls_of(c->brought, c->next.ski);
	leave = crl_has_been_listed(c, r, steady_now) || (c->skip_ended && r->not_after < steady_now) ||
		(brought != NULL && brought_crl_find(brought, entry.serial) != NULL); /* it comes with those */
	pthread_rwlock_unlock(&c->lock);
	return leave ? OK : crl_put(w, &entry);
}

/* Page by page, so that the writer may grow the store.  What is revoked meanwhile may be in or not: it asks for the next
 * list. */
static struct err put_entries(struct keeper *k, struct crl_writer *w)
{
	struct store_cursor cursor = { 0 };
	int64_t steady_now = keeper_steady_now(k);
	struct err e = OK;

	while (e.code == ERR_OK) {
		AUTO(store_view) struct store_view *view = NULL;

		TRY(store_view_open(k->store, &view));
		for (size_t i = 0; i < CRL_PAGE && e.code == ERR_OK; i++) {
			struct store_revocation r;

			e = store_view_revocation_next(view, &cursor, &r);
			if (e.code == ERR_OK) e = put_entry(k, w, &r, steady_now);
		}
	}
	return e.code == ERR_NOT_FOUND ? OK : e;
}

static struct err put_brought(struct keeper *k, struct crl_writer *w)
{
	struct crls *c = k->crls;
	const struct brought_crl *brought;
	struct err e = OK;

	pthread_rwlock_rdlock(&c->lock);
	brought = brought_crls_of(c->brought, c->next.ski);
	for (size_t i = 0; brought != NULL && i < brought->crl.count && e.code == ERR_OK; i++) {
		const struct crl_revoked *r = &brought->entries[i];

		if (i > 0 && bytes_equal(r->serial, r[-1].serial)) continue; /* they are sorted */
		e = crl_put(w, &(struct crl_entry){ .serial = r->serial, .time = r->time, .reason = r->reason });
	}
	pthread_rwlock_unlock(&c->lock);
	return e;
}

static int64_t next_update(struct keeper *k, int64_t now)
{
	struct crls *c = k->crls;
	int64_t end = now + k->conf->ca.crl_lifetime;

	return c->until + AFTER_LAST > end ? c->until + AFTER_LAST : end;
}

static struct err build_list(struct keeper *k)
{
	struct crls *c = k->crls;
	struct crl_writer w;

	c->next.der.len = 0;
	TRY(crl_begin(&w, &c->head, &c->next.der));
	TRY(put_entries(k, &w));
	TRY(put_brought(k, &w));
	TRY(crl_end(&w));
	c->next.count = w.count;
	return OK;
}

static struct err build(struct keeper *k)
{
	struct crls *c = k->crls;
	int64_t now = clock_wall();
	uint64_t last;
	struct err e;

	TRY(last_number(k, &last));
	memcpy(c->next.ski, c->target.ski, KEY_SKI_LEN);
	TRY(key_sha256(BYTES(c->target.name, c->target.name_len), c->next.issuer));
	c->next.kept = (struct crl_kept){ .version = 1, .number = last + 1, .this_update = now - CRL_BACKDATE,
					  .next_update = next_update(k, now) };
	c->next.generation = atomic_load(&c->wanted);
	c->head = (struct crl_head){ .issuer = BYTES(c->target.name, c->target.name_len), .ski = c->next.ski,
				     .algorithm = c->target.algorithm, .number = c->next.kept.number,
				     .this_update = c->next.kept.this_update, .next_update = c->next.kept.next_update };
	c->skip_ended = false;
	e = build_list(k);
	if (e.code != ERR_RESOURCE_EXHAUSTED) return e;
	/* Too large: then what has ended need not be on it, though nobody has seen it there; or there never is a list again. */
	log_event(k->log, LOG_WARN, "crl_too_large", F_STR("note", "certificates that have ended are left out"));
	c->skip_ended = true;
	return build_list(k);
}

static int64_t scheduled_before(struct crls *c, const uint8_t ski[KEY_SKI_LEN])
{
	const struct crl_list *list;
	int64_t before;

	pthread_rwlock_rdlock(&c->lock);
	list = crl_list_find(c, ski);
	before = list == NULL ? INT64_MIN : list->scheduled;
	pthread_rwlock_unlock(&c->lock);
	return before;
}

void crls_build(struct keeper *k)
{
	struct crls *c = k->crls;
	struct err e;

	if (atomic_load(&c->stage) != CRL_IDLE || clock_mono_us() < atomic_load(&c->retry_us) || !choose(k)) return;
	e = build(k);
	if (e.code != ERR_OK) {
		give_up(k, e);
		return;
	}
	c->next.scheduled = c->scheduled || c->skip_ended ? c->next.kept.this_update : scheduled_before(c, c->next.ski);
	atomic_store(&c->stage, CRL_BUILT);
	keeper_wake(k);
}

/* ---- main thread, and the key's ---- */

static void on_signed(struct hsm_job *job, struct err result)
{
	struct crls *c = (struct crls *)job; /* its first member */
	struct queue *q = &c->keeper->queue;

	c->signature = result;
	atomic_store(&c->stage, CRL_SIGNED);
	pthread_mutex_lock(&q->lock);
	q->nudged = true;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

static bool is_key_of(const struct root_signer *s, const struct crl_signer *target)
{
	return s->key != NULL && memcmp(s->ski, target->ski, KEY_SKI_LEN) == 0 &&
	       bytes_equal(s->name, BYTES(target->name, target->name_len)) &&
	       bytes_equal(key_scheme_der(hsm_key_scheme(s->key)), target->algorithm);
}

static struct hsm_key *key_of(struct keeper *k)
{
	const struct root_signer *former;

	if (is_key_of(k->signer, &k->crls->target)) return k->signer->key;
	for (size_t i = 0; (former = roots_former(k->roots, i)) != NULL; i++)
		if (is_key_of(former, &k->crls->target)) return former->key;
	return NULL;
}

void crls_sign(struct keeper *k)
{
	struct crls *c = k->crls;
	struct hsm_key *key;

	if (atomic_load(&c->stage) != CRL_BUILT) return;
	key = key_of(k);
	if (key == NULL) { /* another CA signs since it was built, and this key is gone: no failure */
		atomic_store(&c->stage, CRL_IDLE);
		crls_want(k);
		return;
	}
	atomic_store(&c->stage, CRL_SUBMITTED);
	c->sign.msg = buf_view(&c->next.der);
	c->sign.done = on_signed;
	hsm_key_sign(key, &c->sign);
}

/* ---- commit thread ---- */

bool crls_have_work(struct keeper *k)
{
	return atomic_load(&k->crls->stage) == CRL_SIGNED || atomic_load(&k->crls->drop_ready);
}

static struct err write_list(struct crls *c, struct bytes der, struct store_batch *batch)
{
	AUTO(buf) struct buf value = { .max = 256 };
	char name[CRL_NAME_LEN];

	crl_value_name("crl", c->next.ski, name);
	TRY(wire_form_put(&value, &crl_kept_form, &c->next.kept));
	TRY(store_batch_put(batch, name, buf_view(&value)));
	return c->target.stored ? OK : crl_list_store(batch, &c->next, der);
}

static struct err write_drops(struct crls *c, struct bytes der, struct store_batch *batch)
{
	struct bytes in = buf_view(&c->dropping);

	(void)der;
	while (in.len > 0) {
		struct bytes serial = BYTES(in.data + 1, in.data[0]);
		struct err e = store_batch_revocation_drop(batch, serial);

		if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
		in = BYTES(serial.data + serial.len, in.len - 1 - serial.len);
	}
	return OK;
}

static struct err write_batch(struct keeper *k, struct bytes der,
			      struct err (*write)(struct crls *, struct bytes, struct store_batch *))
{
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(k->store, &batch));
	e = write(k->crls, der, batch);
	if (e.code == ERR_OK) return store_batch_commit(batch);
	store_batch_abort(batch);
	return e;
}

static struct err commit(struct keeper *k, struct bytes der, struct err (*write)(struct crls *, struct bytes, struct store_batch *))
{
	struct err e;

	pthread_mutex_lock(&k->writer);
	atomic_store(&k->writing, WRITING_CRL);
	e = write_batch(k, der, write);
	atomic_store(&k->writing, WRITING_RECORDS);
	pthread_mutex_unlock(&k->writer);
	return e;
}

static struct err seal(struct crls *c, struct buf *out)
{
	TRY(c->signature);
	return crl_seal(&c->head, buf_view(&c->next.der), BYTES(c->sign.sig, c->sign.sig_len), out);
}

static void published(struct keeper *k)
{
	struct crls *c = k->crls;
	char ski[2 * KEY_SKI_LEN + 1];

	bytes_hex(BYTES(c->next.ski, KEY_SKI_LEN), ski);
	if (!c->target.former) {
		metric_set(k->metrics, M_CRL_NEXT_UPDATE, (uint64_t)c->next.kept.next_update);
		metric_set(k->metrics, M_CRL_ENTRIES, c->next.count);
	}
	log_event(k->log, LOG_INFO, "crl_issued", F_STR("ski", ski), F_INT("number", c->next.kept.number),
	          F_INT("entries", c->next.count), F_INT("next_update", c->next.kept.next_update));
}

/* Durable, then published: a list that anybody has seen is never followed by one of the same or a smaller number. */
static void commit_list(struct keeper *k)
{
	AUTO(buf) struct buf der = { .max = WIRE_CRL_MAX + 4096 };
	struct crls *c = k->crls;
	struct buf tbs;
	struct err e = seal(c, &der);

	if (e.code == ERR_OK) e = commit(k, buf_view(&der), write_list);
	if (e.code != ERR_OK) {
		give_up(k, e);
		return;
	}
	tbs = c->next.der; /* used again for the next */
	crl_list_publish(k, &c->next, &der);
	c->next.der = tbs;
	published(k);
	atomic_store(&c->failures, 0);
	atomic_store(&c->stage, CRL_IDLE);
	clerk_wake(k); /* another key's may be due */
}

static void commit_drops(struct keeper *k)
{
	struct crls *c = k->crls;
	struct err e = commit(k, BYTES_NONE, write_drops);

	if (e.code != ERR_OK) log_event(k->log, LOG_WARN, "housekeeping_failed", F_ERR(e));
	else log_event(k->log, LOG_INFO, "revocations_dropped", F_INT("count", c->drop_count));
	atomic_store(&c->drop_ready, false);
}

void crls_commit(struct keeper *k)
{
	if (atomic_load(&k->crls->stage) == CRL_SIGNED) commit_list(k);
	if (atomic_load(&k->crls->drop_ready)) commit_drops(k);
}
