/* front.c: what a front may say (docs/protocols/keeper.md), and what it is told. */
#include "base/chan.h"
#include "base/clock.h"
#include "ca/inside.h"
#include "ca/issuers.h"

#define ANSWER_MAX (32 + STORE_CERT_MAX)

enum front_state { FRONT_STATE_START = 0, FRONT_STATE_READY = 1 };

/* What cannot be sent is lost with its channel: the main thread sees that by itself. */
static void put(struct peer *p, uint16_t type, struct err encoded, const struct buf *out)
{
	if (encoded.code == ERR_OK && p->chan != NULL) (void)chan_put(p->chan, type, buf_view(out));
}

static void refuse(struct peer *p, const struct wire_issue *request, uint64_t id, enum keeper_reason reason)
{
	uint8_t room[16];
	struct buf out = BUF_ON(room);
	struct wire_refused m = { .id = id, .reason = (uint16_t)reason };

	if (p->chan == NULL) return; /* nobody waits */
	atomic_fetch_add(&p->keeper->refused, 1);
	issuers_refused(p->keeper, issuers_slot(p->keeper, request), reason);
	put(p, KEEPER_REFUSED, wire_refused_put(&out, &m), &out);
}

void front_refuse(struct job *job, enum keeper_reason reason)
{
	refuse(job->peer, &job->issue, job->id, reason);
}

void front_send_issued(struct peer *p, uint64_t id, uint64_t index, struct bytes cert)
{
	uint8_t room[ANSWER_MAX];
	struct buf out = BUF_ON(room);
	struct wire_issued m = { .id = id, .index = index, .cert = cert };

	put(p, KEEPER_ISSUED, wire_issued_put(&out, &m), &out);
}

void front_send_chain(struct peer *p, const struct wire_issued_chain *m)
{
	AUTO(buf) struct buf out = { .max = CHAN_PAYLOAD_MAX };

	put(p, KEEPER_ISSUED_CHAIN, wire_issued_chain_put(&out, m), &out);
}

static struct err on_hello(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct wire_hello hello;

	TRY(wire_hello_take(msg->payload, &hello));
	if (hello.version != WIRE_VERSION) FAIL(ERR_INVALID_ARGUMENT, "keeper: a front of another version");
	if (hello.number != p->number) FAIL(ERR_INVALID_ARGUMENT, "keeper: a front that gives another's number");
	p->dirty = p->greeted = true;
	return chan_put_fd(p->chan, KEEPER_ROOTS, BYTES_NONE, p->keeper->roots_fd);
}

static struct err on_serving(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct job *job = job_new(p->keeper, p, msg->payload);

	atomic_store(&p->last, true); /* nothing else to wait for */
	p->keeper->news = p->dirty = true;
	if (job == NULL) {
		refuse(p, &(struct wire_issue){ .id = WIRE_ID_SERVING }, WIRE_ID_SERVING, REASON_RATE);
		return OK;
	}
	job->id = WIRE_ID_SERVING;
	job->issue.spki = buf_view(&job->payload);
	job->issue.lifetime = (uint32_t)p->keeper->conf->tls.lifetime;
	job->issue.caller = bytes_str("signet");
	issue_start(p->keeper, job, true);
	return OK;
}

static void token_state(struct keeper *k, const struct wire_token_ask *ask, struct store_token *token, struct wire_token_state *m)
{
	AUTO(store_view) struct store_view *view = NULL;

	*m = (struct wire_token_state){ .id = ask->id, .state = TOKEN_UNKNOWN };
	if (store_view_open(k->store, &view).code != ERR_OK || store_view_token(view, ask->hash, token).code != ERR_OK) return;
	m->state = token->revoked ? TOKEN_REVOKED :
		   token->expires <= clock_wall() ? TOKEN_EXPIRED :
		   token->spent ? TOKEN_SPENT : TOKEN_GOOD;
	m->expires = token->expires;
	m->spiffe_id = bytes_str(token->spiffe_id);
	m->token_id = bytes_str(token->id);
}

static struct err on_token(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	uint8_t room[64 + SPIFFE_ID_MAX];
	struct buf out = BUF_ON(room);
	struct wire_token_ask ask;
	struct wire_token_state m;
	struct store_token token;

	TRY(wire_token_ask_take(msg->payload, &ask));
	token_state(p->keeper, &ask, &token, &m);
	put(p, KEEPER_TOKEN, wire_token_put(&out, &m), &out);
	p->dirty = true;
	return OK;
}

static struct err issue_take(struct peer *p, struct bytes in, struct wire_issue *m)
{
	TRY(wire_issue_take(in, m));
	if (m->id == WIRE_ID_SERVING)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: a request with the id that is kept for serving certificates");
	if ((m->evidence == STORE_BY_MTLS) != (m->peer_count > 0))
		FAIL(ERR_INVALID_ARGUMENT, "keeper: a client certificate where there is none, or the other way round");
	atomic_store(&p->last, (m->flags & WIRE_ISSUE_LAST) != 0);
	p->keeper->news = true;
	return OK;
}

/* No room for a job: the request is decoded only to be told so. */
static struct err issue_overload(struct peer *p, struct bytes in)
{
	struct wire_issue m;

	TRY(issue_take(p, in, &m));
	refuse(p, &m, m.id, REASON_RATE);
	p->dirty = true;
	return OK;
}

static struct err on_issue(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct job *job = job_new(p->keeper, p, msg->payload);
	struct err e;

	if (job == NULL) return issue_overload(p, msg->payload);
	e = issue_take(p, buf_view(&job->payload), &job->issue);
	if (e.code != ERR_OK) {
		job_free(p->keeper, job);
		return e;
	}
	job->id = job->issue.id;
	issue_start(p->keeper, job, false);
	return OK;
}

static const struct chan_rule rules[] = { /* docs/protocols/keeper.md */
	{ FRONT_STATE_START, FRONT_HELLO, 4, 4, false, on_hello, FRONT_STATE_READY },
	{ FRONT_STATE_READY, FRONT_SERVING, 1, KEY_SPKI_MAX, false, on_serving, FRONT_STATE_READY },
	{ FRONT_STATE_READY, FRONT_TOKEN, 40, 40, false, on_token, FRONT_STATE_READY },
	{ FRONT_STATE_READY, FRONT_ISSUE, 70, CHAN_PAYLOAD_MAX, false, on_issue, FRONT_STATE_READY },
};

struct err front_channel(struct peer *p, int fd)
{
	return chan_new(fd, rules, ARRAY_LEN(rules), p, &p->chan);
}
