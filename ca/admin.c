/* admin.c: what admin may ask.  Writes go to the commit thread with the certificates' records; reads to the clerk. */
#include <stdio.h>
#include <string.h>

#include <openssl/rand.h>

#include "base/chan.h"
#include "base/clock.h"
#include "ca/clerk.h"
#include "ca/crl_issue.h"
#include "ca/import.h"
#include "ca/issuers.h"
#include "ca/revoke.h"
#include "ca/rotate.h"
#include "ca/wire_root.h"
#include "der/base64.h"
#include "key/key.h"

enum admin_state { ADMIN_STATE_START = 0, ADMIN_STATE_READY = 1 };

#define TOKEN_RANDOM_LEN 32 /* octets */
#define ANSWER_MAX (8 * 1024)

void admin_answer(struct job *job, struct err e, struct bytes body)
{
	AUTO(buf_wipe) struct buf out = { .max = CHAN_PAYLOAD_MAX };
	struct wire_answer m = { .id = job->id, .code = (uint8_t)e.code, .reason = BYTES_NONE, .body = body };

	if (e.code != ERR_OK) {
		m.reason = bytes_str(e.reason);
		m.body = BYTES_NONE;
	}
	if (wire_answer_put(&out, &m).code == ERR_OK) (void)chan_put(job->peer->chan, KEEPER_ANSWER, buf_view(&out));
}

static void answer_result(struct keeper *k, struct job *job)
{
	(void)k;
	admin_answer(job, job->result, BYTES_NONE);
}

/* ---- the ways a request goes on ---- */

static struct err refuse(struct peer *p, struct job *job, struct err e)
{
	admin_answer(job, e, BYTES_NONE);
	job_free(p->keeper, job);
	p->dirty = true;
	return OK;
}

static struct err to_clerk(struct peer *p, struct job *job, uint64_t id, void (*answer)(struct keeper *, struct job *))
{
	job->id = id;
	job->answer = answer;
	if (atomic_load(&p->pending) > JOBS_ADMIN_MAX)
		return refuse(p, job, ERR(ERR_RESOURCE_EXHAUSTED, "keeper: too many requests"));
	queue_push(&p->keeper->clerk_queue, job);
	return OK;
}

/* Written before any certificate that comes later, and without waiting for company. */
static struct err to_commit(struct peer *p, struct job *job)
{
	job->urgent = true;
	keeper_publish(p->keeper); /* those signed so far come first: order of writes is order of arrival */
	queue_push(&p->keeper->queue, job);
	return OK;
}

static struct err job_for(struct peer *p, const struct chan_msg *msg, struct job **out)
{
	*out = job_new(p->keeper, p, msg->payload);
	if (*out == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: no room for admin's request");
	return OK;
}

/* A handler gives the job on or frees it; what does not decode ends the channel. */
#define TAKE(call, p, job)                                                                                             \
	do {                                                                                                           \
		struct err take_ = (call);                                                                             \
		if (take_.code != ERR_OK) {                                                                            \
			job_free((p)->keeper, job);                                                                    \
			return take_;                                                                                  \
		}                                                                                                      \
	} while (0)

static struct err on_hello(void *self, struct chan_msg *msg)
{
	struct wire_hello hello;

	(void)self;
	TRY(wire_hello_take(msg->payload, &hello));
	if (hello.version != WIRE_VERSION) FAIL(ERR_INVALID_ARGUMENT, "keeper: an admin of another version");
	return OK;
}

/* The store takes C strings; the tables of ca/wire_admin.c have bounded these and refused a NUL. */
static void text_of(struct bytes v, char *out, size_t size)
{
	(void)snprintf(out, size, "%.*s", (int)v.len, (const char *)v.data);
}

/* ---- tokens ---- */

static struct err make_token(struct job *job)
{
	uint8_t random[TOKEN_RANDOM_LEN], id[STORE_TOKEN_ID_LEN / 2];
	struct buf text = { .data = (uint8_t *)job->secret, .cap = sizeof(job->secret), .max = sizeof(job->secret) - 1 };
	struct err e;

	if (RAND_bytes(random, sizeof(random)) != 1 || RAND_bytes(id, sizeof(id)) != 1)
		FAIL(ERR_UNAVAILABLE, "keeper: no randomness");
	bytes_hex(BYTES(id, sizeof(id)), job->token_id);
	e = buf_put_str(&text, WIRE_TOKEN_PREFIX);
	if (e.code == ERR_OK) e = base64url_put(&text, BYTES(random, sizeof(random)));
	job->secret[text.len] = '\0';
	explicit_bzero(random, sizeof(random));
	return e;
}

static struct err token_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	struct store_token t = { .created = job->now, .expires = job->expires };

	(void)k;
	job->result = key_sha256(bytes_str(job->secret), t.hash);
	if (job->result.code != ERR_OK) return OK;
	(void)snprintf(t.id, sizeof(t.id), "%s", job->token_id);
	text_of(job->token.spiffe_id, t.spiffe_id, sizeof(t.spiffe_id));
	text_of(job->token.by, t.created_by, sizeof(t.created_by));
	job->result = store_batch_token_add(batch, &t);
	return OK;
}

static void token_answer(struct keeper *k, struct job *job)
{
	AUTO(buf_wipe) struct buf body = { .max = ANSWER_MAX };
	struct wire_token_created m = { .token = bytes_str(job->secret), .token_id = bytes_str(job->token_id),
					.expires = job->expires };

	if (job->result.code == ERR_OK) job->result = wire_token_created_put(&body, &m);
	admin_answer(job, job->result, buf_view(&body));
	if (job->result.code == ERR_OK)
		log_event(k->log, LOG_INFO, "token_created", F_STR("token_id", job->token_id),
		          F_BYTES("spiffe_id", job->token.spiffe_id), F_BYTES("by", job->token.by), F_INT("expires", job->expires));
}

static struct err token_check(struct keeper *k, struct job *job)
{
	int64_t lifetime = job->token.lifetime == 0 ? k->conf->auth.token_lifetime : job->token.lifetime;

	if (!k->conf->auth.join_tokens) FAIL(ERR_FAILED_PRECONDITION, "keeper: join tokens are switched off (auth.join_tokens)");
	if (limits_check_spiffe_id(k->limits, job->token.spiffe_id) != REASON_NONE)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: this CA may not issue that SPIFFE ID (ca.allow_spiffe_ids)");
	if (lifetime < 1 || lifetime > k->conf->auth.token_max_lifetime)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: lifetime is over auth.token_max_lifetime");
	job->now = clock_wall();
	job->expires = job->now + lifetime;
	return make_token(job);
}

static struct err on_token_create(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct job *job;
	struct err e;

	TRY(job_for(p, msg, &job));
	TAKE(wire_token_create_take(buf_view(&job->payload), &job->token), p, job);
	job->id = job->token.id;
	job->apply = token_apply;
	job->answer = token_answer;
	e = token_check(p->keeper, job);
	return e.code == ERR_OK ? to_commit(p, job) : refuse(p, job, e);
}

static struct err revoke_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	char id[STORE_TOKEN_ID_LEN + 1];

	(void)k;
	text_of(job->subject.subject, id, sizeof(id));
	job->result = store_batch_token_revoke(batch, id);
	return OK;
}

static struct err on_token_revoke(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct job *job;

	TRY(job_for(p, msg, &job));
	TAKE(wire_subject_take(buf_view(&job->payload), &job->subject), p, job);
	job->id = job->subject.id;
	job->apply = revoke_apply;
	job->answer = answer_result;
	if (job->subject.subject.len > STORE_TOKEN_ID_LEN) return refuse(p, job, ERR(ERR_NOT_FOUND, "keeper: no such token"));
	return to_commit(p, job);
}

/* ---- bans: in memory before the write is queued, so that nobody slips through while it is under way ---- */

static struct err tell_ban(struct store_batch *batch, const char *what, const struct store_ban *ban)
{
	struct store_event ev = { .time = clock_wall() };

	(void)snprintf(ev.what, sizeof(ev.what), "%s", what);
	(void)snprintf(ev.by, sizeof(ev.by), "%s", ban->by);
	(void)snprintf(ev.subject, sizeof(ev.subject), "%s", ban->subject);
	(void)snprintf(ev.detail, sizeof(ev.detail), "%s%s%s", wire_ban_kinds[ban->kind], ban->reason[0] != '\0' ? ": " : "",
		       ban->reason);
	return store_batch_event(batch, &ev);
}

static struct err ban_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	struct store_ban ban = { .kind = (enum store_ban_kind)job->ban.kind, .since = job->now };
	bool again;

	/* once more: the failure of an earlier ban of this subject, or its lifting, may have taken it out since */
	job->result = bans_add(k->bans, ban.kind, job->ban.subject, &again);
	if (job->result.code != ERR_OK) return OK;
	job->added |= again;
	text_of(job->ban.subject, ban.subject, sizeof(ban.subject));
	text_of(job->ban.reason, ban.reason, sizeof(ban.reason));
	text_of(job->ban.by, ban.by, sizeof(ban.by));
	job->result = store_batch_ban_add(batch, &ban);
	return job->result.code == ERR_OK ? tell_ban(batch, "ban_added", &ban) : OK;
}

static void ban_answer(struct keeper *k, struct job *job)
{
	enum store_ban_kind kind = (enum store_ban_kind)job->ban.kind;
	bool added;

	if (job->result.code == ERR_OK) { /* an earlier one's failure may have taken it out again */
		struct err e = bans_add(k->bans, kind, job->ban.subject, &added);

		if (e.code != ERR_OK) job->result = e;
		log_event(k->log, LOG_INFO, "ban_added", F_INT("kind", kind), F_BYTES("subject", job->ban.subject),
		          F_BYTES("by", job->ban.by), F_BYTES("reason", job->ban.reason));
	} else if (job->added && job->result.code != ERR_ALREADY_EXISTS && job->result.code != ERR_UNKNOWN) {
		/* UNKNOWN: it may be in the store, so it holds, and asking again tells */
		bans_remove(k->bans, kind, job->ban.subject);
	}
	metric_set(k->metrics, M_BANS, bans_count(k->bans));
	admin_answer(job, job->result, BYTES_NONE);
}

static struct err on_ban_add(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct bytes in;
	struct job *job;
	struct err e;

	TRY(job_for(p, msg, &job));
	in = buf_view(&job->payload);
	TAKE(wire_ban_take(&in, &job->ban), p, job);
	TAKE(in.len == 0 ? OK : ERR(ERR_INVALID_ARGUMENT, "keeper: trailing bytes after a ban"), p, job);
	job->id = job->ban.id;
	job->now = clock_wall();
	job->apply = ban_apply;
	job->answer = ban_answer;
	e = bans_subject_check((enum store_ban_kind)job->ban.kind, job->ban.subject);
	if (e.code == ERR_OK) e = bans_add(p->keeper->bans, (enum store_ban_kind)job->ban.kind, job->ban.subject, &job->added);
	return e.code == ERR_OK ? to_commit(p, job) : refuse(p, job, e);
}

static struct err unban_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	struct store_ban ban = { .kind = (enum store_ban_kind)job->subject.kind };

	(void)k;
	text_of(job->subject.subject, ban.subject, sizeof(ban.subject));
	text_of(job->subject.by, ban.by, sizeof(ban.by));
	job->result = store_batch_ban_remove(batch, ban.kind, ban.subject);
	return job->result.code == ERR_OK ? tell_ban(batch, "ban_removed", &ban) : OK;
}

static void unban_answer(struct keeper *k, struct job *job)
{
	if (job->result.code == ERR_OK) {
		bans_remove(k->bans, (enum store_ban_kind)job->subject.kind, job->subject.subject);
		log_event(k->log, LOG_INFO, "ban_removed", F_INT("kind", job->subject.kind),
		          F_BYTES("subject", job->subject.subject), F_BYTES("by", job->subject.by));
	}
	metric_set(k->metrics, M_BANS, bans_count(k->bans));
	admin_answer(job, job->result, BYTES_NONE);
}

static struct err on_ban_remove(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct job *job;

	TRY(job_for(p, msg, &job));
	TAKE(wire_subject_take(buf_view(&job->payload), &job->subject), p, job);
	job->id = job->subject.id;
	job->apply = unban_apply;
	job->answer = unban_answer;
	if (job->subject.kind == 0) return refuse(p, job, ERR(ERR_INVALID_ARGUMENT, "keeper: a ban of no kind"));
	return to_commit(p, job);
}

/* ---- reads: decoded here, so that what breaks the protocol ends the channel; again by the clerk, who owns the views ---- */

#define READ(name, type, take, run)                                                                                    \
	static struct err on_##name(void *self, struct chan_msg *msg)                                                  \
	{                                                                                                              \
		struct peer *p = self;                                                                                 \
		struct type m;                                                                                         \
		struct job *job;                                                                                       \
                                                                                                                       \
		TRY(take(msg->payload, &m));                                                                           \
		TRY(job_for(p, msg, &job));                                                                            \
		return to_clerk(p, job, m.id, run);                                                                    \
	}

READ(status, wire_get, wire_get_take, clerk_status)
READ(roots, wire_get, wire_get_take, clerk_roots)
READ(token_list, wire_cursor, wire_cursor_take, clerk_tokens)
READ(ban_list, wire_cursor, wire_cursor_take, clerk_bans)
READ(cert_list, wire_query, wire_query_take, clerk_certs)
READ(cert_get, wire_get, wire_get_take, clerk_cert)
READ(crl, wire_get, wire_get_take, crls_answer)
READ(limits, wire_get, wire_get_take, clerk_limits)
READ(issuers, wire_get, wire_get_take, issuers_answer)
READ(root_status, wire_get, wire_get_take, rotate_status)
READ(event_list, wire_cursor, wire_cursor_take, clerk_events)
READ(revocation_list, wire_cursor, wire_cursor_take, revoke_list)

#define TEXT_MESSAGE_MAX 4096 /* bytes; ours: SPIFFE_ID_MAX, a reason, a name, and numbers */
#define R ADMIN_STATE_READY
static const struct chan_rule rules[] = { /* docs/protocols/keeper.md */
	{ ADMIN_STATE_START, ADMIN_HELLO, 4, 4, false, on_hello, R },
	{ R, ADMIN_STATUS, 16, 16, false, on_status, R },
	{ R, ADMIN_ROOTS, 16, 16, false, on_roots, R },
	{ R, ADMIN_TOKEN_CREATE, 20, TEXT_MESSAGE_MAX, false, on_token_create, R },
	{ R, ADMIN_TOKEN_LIST, 14, 14 + WIRE_CURSOR_MAX, false, on_token_list, R },
	{ R, ADMIN_TOKEN_REVOKE, 12, TEXT_MESSAGE_MAX, false, on_token_revoke, R },
	{ R, ADMIN_CERT_LIST, 61, TEXT_MESSAGE_MAX, false, on_cert_list, R },
	{ R, ADMIN_CERT_GET, 16, 16, false, on_cert_get, R },
	{ R, ADMIN_BAN_ADD, 22, TEXT_MESSAGE_MAX, false, on_ban_add, R },
	{ R, ADMIN_BAN_REMOVE, 12, TEXT_MESSAGE_MAX, false, on_ban_remove, R },
	{ R, ADMIN_BAN_LIST, 14, 14 + WIRE_CURSOR_MAX, false, on_ban_list, R },
	{ R, ADMIN_CERT_REVOKE, 17, TEXT_MESSAGE_MAX, false, revoke_on_request, R },
	{ R, ADMIN_CRL, 16, 16, false, on_crl, R },
	{ R, ADMIN_CA_CSR, 16, 16, false, import_on_csr, R },
	{ R, ADMIN_CA_IMPORT, 20, 1024 + 2 * WIRE_CA_PEM_MAX, false, import_on_chain, R },
	{ R, ADMIN_ROOT_STEP, 20, 1024 + WIRE_CA_PEM_MAX, false, rotate_on_step, R },
	{ R, ADMIN_ROOT_STATUS, 16, 16, false, on_root_status, R },
	{ R, ADMIN_LIMITS, 16, 16, false, on_limits, R },
	{ R, ADMIN_ISSUERS, 16, 16, false, on_issuers, R },
	{ R, ADMIN_ISSUER_FORGET, 12, TEXT_MESSAGE_MAX, false, issuers_on_forget, R },
	{ R, ADMIN_EVENT_LIST, 14, 14 + WIRE_CURSOR_MAX, false, on_event_list, R },
	{ R, ADMIN_REVOCATION_LIST, 14, 14 + WIRE_CURSOR_MAX, false, on_revocation_list, R },
};

struct err admin_channel(struct peer *p, int fd)
{
	return chan_new(fd, rules, ARRAY_LEN(rules), p, &p->chan);
}
