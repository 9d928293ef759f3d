/* external_commit.c: what the commit thread does for a certificate by another signer: writes, answers, gives back. */
#include "base/chan.h"
#include "ca/external.h"
#include "ca/external_inside.h"
#include "ca/fields.h"
#include "ca/issue.h"
#include "ca/issuers.h"

#define INTENT_VERSION 1

static const struct wire_field intent_fields[] = {
	WIRE_FIELD(external_intent, version, U8, INTENT_VERSION, INTENT_VERSION),
	WIRE_FIELD(external_intent, deadline, I64, 0, 0),
	WIRE_FIELD(external_intent, lifetime, U32, 1, UINT32_MAX),
	WIRE_FIELD(external_intent, issue, LONG, 1, CHAN_PAYLOAD_MAX),
};
static const struct wire_form intent_form = WIRE_FORM(external_intent, intent_fields);

struct err external_intent_take(struct bytes in, struct external_intent *m)
{
	return wire_form_take_all(in, &intent_form, m);
}

static struct err drop(struct store_batch *batch, const char *name)
{
	struct err e = store_batch_intent_drop(batch, name);

	return e.code == ERR_NOT_FOUND ? OK : e;
}

struct err external_intent_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	const struct external_job *x = job->external;
	AUTO(buf) struct buf value = { .max = STORE_INTENT_VALUE_MAX };
	struct external_intent m = { .version = INTENT_VERSION, .deadline = x->deadline, .lifetime = x->lifetime,
				     .issue = buf_view(&job->payload) };

	(void)k;
	TRY(wire_form_put(&value, &intent_form, &m));
	if (x->former[0] != '\0') TRY(drop(batch, x->former));
	return store_batch_intent_add(batch, x->name, buf_view(&value));
}

/* It exists, so it is recorded, even if nobody may have it any more: then it is withheld. */
struct err external_record_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	const struct external_job *x = job->external;
	struct issue_node node;

	TRY(issue_admit(k, job, batch, &node));
	TRY(drop(batch, x->name));
	TRY(issue_append(job, batch, &node));
	if (job->reason == REASON_NONE) job->reason = issue_spend(job, batch, job->record.index);
	job->again = false; /* the same key asked twice at once: each has its own */
	return OK;
}

struct err external_drop_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	(void)k;
	return drop(batch, job->external->name);
}

void external_written(struct keeper *k, struct job *job)
{
	(void)k;
	job->kept = true;
}

void external_record_answer(struct keeper *k, struct job *job)
{
	const struct external_job *x = job->external;
	struct wire_issued_chain m = { .id = job->id, .index = job->record.index, .cert = job->record.cert,
				       .chain_pem = buf_view(&x->chain) };

	job->kept = true;
	if (job->result.code == ERR_OK) {
		atomic_fetch_add(&k->issued, 1);
		issuers_issued(k, x->issuer);
	}
	if (job->reason == REASON_NONE) {
		if (job->peer->chan != NULL) front_send_chain(job->peer, &m);
		return;
	}
	front_refuse(job, job->reason);
	if (job->result.code != ERR_OK) return;
	log_event(k->log, LOG_WARN, "issued_and_withheld", F_BYTES("spiffe_id", job->issue.spiffe_id),
	          F_HEX("serial", job->record.serial), F_INT("record", (int64_t)job->record.index),
	          F_ERR(keeper_reason_err(job->reason)));
}

void external_return(struct keeper *k, struct job *job)
{
	struct external *x = k->external;

	pthread_mutex_lock(&x->lock);
	job->next = x->returned;
	x->returned = job;
	pthread_mutex_unlock(&x->lock);
	keeper_wake(k);
}
