#include "ca/revoke.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "ca/clerk.h"
#include "ca/crl_issue.h"
#include "ca/idset.h"
#include "csr/cert.h"
#include "storage/event.h"

#define SLICE 1024          /* revocations of one transaction; ours: other certificates wait for it some 10 ms */
#define PAGE 1000           /* records of one look-up; ca/wire_admin.c */
#define FOUND_MAX (64UL << 20) /* bytes of indexes: 8 million certificates; ours */

struct revocation {
	struct wire_revoke ask;  /* borrows the job's payload */
	uint8_t wanted[STORE_HASH_LEN]; /* the serial or the key hash that `ask.subject` spells */
	size_t wanted_len;
	struct buf found;        /* u64 indexes of records, as the clerk found them */
	size_t done;             /* of them, in bytes */
	uint64_t unseen;         /* first record that the clerk has not looked at */
	struct idset keys;       /* REVOKE_CALLER: keys that were certified for the caller */
	struct wire_revoked result;
};

void revocation_free(struct revocation *r)
{
	if (r == NULL) return;
	buf_free(&r->found);
	idset_free(&r->keys);
	free(r);
}

/* Whose CRL will name it: the certificate says which key signed it. */
static void issuer_of(const struct store_record *record, uint8_t out[STORE_KEY_ID_LEN])
{
	struct cert cert;

	memset(out, 0, STORE_KEY_ID_LEN);
	if (cert_parse(record->cert, &cert).code != ERR_OK || cert.aki.len != STORE_KEY_ID_LEN) return;
	memcpy(out, cert.aki.data, STORE_KEY_ID_LEN);
}

/* ---- which records ---- */

/* Renewals come after what they renew, so one walk in order finds a caller's certificates and all that came of them. */
static struct err of_caller(struct revocation *r, const struct store_record *record, bool *hit)
{
	bool renewed = record->evidence == STORE_BY_MTLS && idset_has(&r->keys, record->evidence_hash);

	*hit = renewed || bytes_equal(record->caller, r->ask.subject);
	return *hit ? idset_add(&r->keys, record->key_hash, NULL) : OK;
}

static struct err matches(struct revocation *r, const struct store_record *record, bool *hit)
{
	struct bytes wanted = BYTES(r->wanted, r->wanted_len);
	uint8_t issuer[STORE_KEY_ID_LEN];

	*hit = false;
	switch ((enum wire_revoke_kind)r->ask.kind) {
	case REVOKE_SERIAL: *hit = bytes_equal(record->serial, wanted); break;
	case REVOKE_SPIFFE_ID: *hit = bytes_equal(record->spiffe_id, r->ask.subject); break;
	case REVOKE_KEY: *hit = bytes_equal(BYTES(record->key_hash, STORE_HASH_LEN), wanted); break;
	case REVOKE_RULE: *hit = bytes_equal(record->rule, r->ask.subject); break;
	case REVOKE_CALLER: return of_caller(r, record, hit);
	case REVOKE_NODE: *hit = bytes_equal(record->node, r->ask.subject); break; /* renewals inherit it */
	case REVOKE_CA_KEY:
		issuer_of(record, issuer);
		*hit = bytes_equal(BYTES(issuer, sizeof(issuer)), wanted);
		break;
	case REVOKE_KIND_COUNT: break;
	}
	return OK;
}

static struct err unhex(struct revocation *r, size_t min, size_t max)
{
	size_t n = r->ask.subject.len / 2;

	if (n < min || n > max || bytes_unhex(r->ask.subject, r->wanted).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT,
		     "keeper: a serial number is 1 to 20 octets in hex, a key's hash 32, a CA's key identifier 20");
	r->wanted_len = n;
	return OK;
}

static struct err check(struct revocation *r)
{
	/* RFC 5280 s5.3.1: hold and removal are of CRLs that take certificates back, which ours do not; 7 is not used */
	if (r->ask.reason == 6 || r->ask.reason == 7 || r->ask.reason == 8)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: not a reason for which a certificate is revoked");
	if (r->ask.kind == REVOKE_SERIAL) return unhex(r, 1, STORE_SERIAL_MAX);
	if (r->ask.kind == REVOKE_KEY) return unhex(r, STORE_HASH_LEN, STORE_HASH_LEN);
	if (r->ask.kind == REVOKE_CA_KEY) return unhex(r, STORE_KEY_ID_LEN, STORE_KEY_ID_LEN);
	return OK;
}

/* ---- the clerk's part ---- */

struct search {
	struct revocation *r;
	int64_t now;
};

static struct err found(void *ctx, const struct store_record *record)
{
	struct search *s = ctx;
	bool hit;

	TRY(matches(s->r, record, &hit));
	if (!hit || record->not_after <= s->now) return OK;
	return buf_put(&s->r->found, &record->index, sizeof(record->index));
}

static struct store_query query_of(const struct revocation *r, int64_t now)
{
	struct store_query q = { .after = UINT64_MAX, .limit = PAGE };

	if (r->ask.kind == REVOKE_SERIAL) q.serial = BYTES(r->wanted, r->wanted_len);
	if (r->ask.kind == REVOKE_SPIFFE_ID) q.spiffe_id = r->ask.subject;
	if (r->ask.kind == REVOKE_CALLER) return q; /* what has ended may have been renewed */
	q.expires_from = now;
	q.expires_to = INT64_MAX;
	return q;
}

static struct err seen_up_to(struct keeper *k, uint64_t *end)
{
	AUTO(store_view) struct store_view *view = NULL;
	uint64_t first;

	TRY(store_view_open(k->store, &view));
	return store_view_range(view, &first, end);
}

static struct err find_all(struct keeper *k, struct job *job)
{
	struct revocation *r = job->revocation;
	struct search s = { .r = r, .now = job->now };
	struct store_query q = query_of(r, job->now);

	TRY(seen_up_to(k, &r->unseen)); /* before the look-up: what is seen twice is revoked once */
	TRY(clerk_index_all(k));
	do TRY(store_query(k->store, &q, found, &s, &q.after));
	while (q.after != UINT64_MAX);
	return OK;
}

static uint64_t found_at(const struct revocation *r, size_t at)
{
	uint64_t index;

	memcpy(&index, r->found.data + at, sizeof(index));
	return index;
}

/* Page by page, so that the writer may grow the store in between. */
static struct err count_page(struct keeper *k, struct revocation *r)
{
	AUTO(store_view) struct store_view *view = NULL;
	size_t end = r->found.len - r->done < PAGE * sizeof(uint64_t) ? r->found.len : r->done + PAGE * sizeof(uint64_t);

	TRY(store_view_open(k->store, &view));
	for (; r->done < end; r->done += sizeof(uint64_t)) {
		struct store_revocation known;
		struct store_record record;
		struct err e = store_view_record(view, found_at(r, r->done), &record);

		if (e.code == ERR_OK) e = store_view_revocation(view, record.serial, &known);
		if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
		r->result.matched++;
		r->result.revoked += e.code == ERR_NOT_FOUND;
	}
	return OK;
}

static void answer(struct job *job, struct err e)
{
	AUTO(buf) struct buf body = { .max = 64 };

	if (e.code == ERR_OK) e = wire_revoked_put(&body, &job->revocation->result);
	admin_answer(job, e, buf_view(&body));
}

/* Gives the job on to the commit thread, unless it is to be answered here. */
static bool search(struct keeper *k, struct job *job)
{
	struct revocation *r = job->revocation;
	struct err e = find_all(k, job);

	if (e.code == ERR_OK && !r->ask.dry_run) {
		queue_push(&k->queue, job);
		return true;
	}
	while (e.code == ERR_OK && r->done < r->found.len) e = count_page(k, r);
	answer(job, e);
	return false;
}

/* ---- the commit thread's part ---- */

static struct err revoke_record(struct job *job, struct store_batch *batch, const struct store_record *record)
{
	struct revocation *r = job->revocation;
	struct store_revocation v = { .serial_len = (uint8_t)record->serial.len, .reason = r->ask.reason, .time = job->now,
				      .not_after = record->not_after, .record = record->index };
	struct err e;

	memcpy(v.serial, record->serial.data, record->serial.len);
	memcpy(v.by, r->ask.by.data, r->ask.by.len); /* at most STORE_BY_MAX, so a NUL is left */
	issuer_of(record, v.issuer);
	r->result.matched++;
	e = store_batch_revoke(batch, &v);
	if (e.code == ERR_ALREADY_EXISTS) return OK;
	r->result.revoked += e.code == ERR_OK;
	return e;
}

static struct err revoke_found(struct job *job, struct store_batch *batch)
{
	struct revocation *r = job->revocation;

	for (size_t n = 0; n < SLICE && r->done < r->found.len; n++, r->done += sizeof(uint64_t)) {
		struct store_record record;
		struct err e = store_batch_record(batch, found_at(r, r->done), &record);

		if (e.code == ERR_NOT_FOUND) continue; /* it ended and was dropped meanwhile */
		TRY(e);
		TRY(revoke_record(job, batch, &record));
	}
	return OK;
}

/* Nothing that is recorded before the revocation slips through, however long the search took. */
static struct err revoke_unseen(struct job *job, struct store_batch *batch)
{
	struct revocation *r = job->revocation;

	for (; r->unseen < store_batch_next(batch); r->unseen++) {
		struct store_record record;
		struct err e = store_batch_record(batch, r->unseen, &record);
		bool hit = false;

		if (e.code == ERR_OK) e = matches(r, &record, &hit);
		if (e.code == ERR_NOT_FOUND) continue;
		TRY(e);
		if (hit && record.not_after > job->now) TRY(revoke_record(job, batch, &record));
	}
	return OK;
}

/* Of many it is in the last transaction. */
static struct err tell(const struct job *job, struct store_batch *batch)
{
	const struct revocation *r = job->revocation;
	struct store_event ev = { .time = job->now, .what = "certs_revoked" };

	(void)snprintf(ev.by, sizeof(ev.by), "%.*s", (int)r->ask.by.len, (const char *)r->ask.by.data);
	(void)snprintf(ev.subject, sizeof(ev.subject), "%.*s", (int)r->ask.subject.len, (const char *)r->ask.subject.data);
	(void)snprintf(ev.detail, sizeof(ev.detail), "%s: %llu certificates, reason %u", wire_revoke_kinds[r->ask.kind],
	               (unsigned long long)r->result.revoked, r->ask.reason);
	return store_batch_event(batch, &ev);
}

/* What cannot be read or written fails this job; the engine's own failures fail the batch. */
static struct err revoke_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	struct revocation *r = job->revocation;
	struct err e = revoke_found(job, batch);

	(void)k;
	job->more = e.code == ERR_OK && r->done < r->found.len;
	if (e.code == ERR_OK && !job->more) e = revoke_unseen(job, batch);
	if (e.code == ERR_OK && !job->more && r->result.revoked > 0) e = tell(job, batch);
	if (e.code != ERR_DATA_LOSS && e.code != ERR_RESOURCE_EXHAUSTED && e.code != ERR_INVALID_ARGUMENT) return e;
	job->result = e;
	return OK;
}

static void revoke_answer(struct keeper *k, struct job *job)
{
	const struct revocation *r = job->revocation;

	if (job->result.code == ERR_OK)
		log_event(k->log, LOG_INFO, "certs_revoked", F_STR("kind", wire_revoke_kinds[r->ask.kind]),
			  F_BYTES("subject", r->ask.subject), F_INT("reason", r->ask.reason),
			  F_INT("matched", r->result.matched), F_INT("revoked", r->result.revoked), F_BYTES("by", r->ask.by));
	if (r->result.revoked > 0) crls_want(k);
	answer(job, job->result);
}

/* ---- the message ---- */

static struct err refuse(struct peer *p, struct job *job, struct err e)
{
	admin_answer(job, e, BYTES_NONE);
	job_free(p->keeper, job);
	p->dirty = true;
	return OK;
}

struct err revoke_on_request(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct wire_revoke ask;
	struct job *job;
	struct err e;

	TRY(wire_revoke_take(msg->payload, &ask));
	job = job_new(p->keeper, p, msg->payload);
	if (job == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: no room for admin's request");
	job->id = ask.id;
	job->now = clock_wall();
	job->urgent = true;
	job->revocation = calloc(1, sizeof(*job->revocation));
	if (job->revocation == NULL) return refuse(p, job, ERR(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory"));
	job->revocation->found.max = FOUND_MAX;
	TRY(wire_revoke_take(buf_view(&job->payload), &job->revocation->ask)); /* as before: the views into the job's own copy */
	e = check(job->revocation);
	if (e.code != ERR_OK) return refuse(p, job, e);
	if (atomic_load(&p->pending) > JOBS_ADMIN_MAX)
		return refuse(p, job, ERR(ERR_RESOURCE_EXHAUSTED, "keeper: too many requests"));
	job->apply = revoke_apply;
	job->search = search;
	job->answer = revoke_answer;
	queue_push(&p->keeper->clerk_queue, job);
	return OK;
}

/* ---- reading ---- */

static struct err put_revocation(struct page *page)
{
	struct store_revocation r;

	TRY(store_view_revocation_next(page->view, &page->cursor, &r));
	return wire_revocation_put_stored(&page->items, &r);
}

void revoke_list(struct keeper *k, struct job *job)
{
	clerk_answer_page(k, job, put_revocation);
}

struct err revoke_put_state(struct store_view *view, const struct store_record *r, struct buf *out)
{
	struct store_revocation v;
	struct err e = store_view_revocation(view, r->serial, &v);

	if (e.code == ERR_NOT_FOUND) return OK;
	TRY(e);
	return wire_revocation_put_stored(out, &v);
}
