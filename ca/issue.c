/* issue.c: one certificate, from a front's request to the durable record and its answer. */
#include <string.h>

#include "base/chan.h"
#include "base/clock.h"
#include "ca/crl_issue.h"
#include "ca/external.h"
#include "ca/issue.h"
#include "ca/issuers.h"
#include "ca/lint.h"
#include "policy/policy.h"
#include "storage/node.h"
#include "storage/revoke.h"

struct names {
	const struct wire_name *items;
	size_t count;
};

/* ---- main thread: may it be issued? ---- */

static bool banned(struct keeper *k, const struct job *job, struct bytes node)
{
	struct bans_question q = { .spiffe_id = job->issue.spiffe_id, .caller = job->issue.caller,
				   .own_id = job->issue.own_id, .node = node, .key_hash = job->record.key_hash };

	if (job->issue.evidence == STORE_BY_MTLS) q.peer_hash = job->issue.evidence_hash;
	return bans_hit(k->bans, &q);
}

/* A token that is no good is refused before anything is signed; what two requests race for is decided in the transaction. */
static enum keeper_reason check_token(struct keeper *k, struct job *job)
{
	AUTO(store_view) struct store_view *view = NULL;
	struct store_token token;
	struct err e = store_view_open(k->store, &view);

	if (e.code == ERR_OK) e = store_view_token(view, job->issue.evidence_hash, &token);
	if (e.code == ERR_NOT_FOUND) return REASON_TOKEN;
	if (e.code != ERR_OK) return REASON_STORE;
	if (token.revoked || token.expires <= job->now) return REASON_TOKEN;
	if (!bytes_is(job->issue.spiffe_id, token.spiffe_id)) return REASON_TOKEN;
	if (!token.spent) return REASON_NONE;
	if (!bytes_equal(BYTES(token.key_hash, STORE_HASH_LEN), BYTES(job->record.key_hash, STORE_HASH_LEN))) return REASON_TOKEN;
	job->again = true;
	job->earlier = token.record;
	return REASON_NONE;
}

enum keeper_reason issue_check(struct keeper *k, struct job *job, const struct key_info *key, bool serving)
{
	enum keeper_reason reason;

	if (!rate_take(&job->peer->rate, clock_mono_us())) return REASON_RATE;
	if (serving) return REASON_NONE;
	reason = limits_check(k->limits, &job->issue, key);
	if (reason != REASON_NONE) return reason;
	if (banned(k, job, job->issue.node)) return REASON_BANNED;
	return job->issue.evidence == STORE_BY_JOIN_TOKEN ? check_token(k, job) : REASON_NONE;
}

/* ---- main thread: build, lint, sign ---- */

static void fill_record(struct keeper *k, struct job *job, bool serving)
{
	struct store_record *r = &job->record;
	int64_t end = job->now + (int64_t)job->issue.lifetime;

	r->not_before = job->now - TEMPLATE_BACKDATE;
	r->not_after = end < k->signer->not_after ? end : k->signer->not_after; /* never outlives the root */
	r->serial = BYTES(job->serial, SERIAL_LEN);
	r->spiffe_id = job->issue.spiffe_id;
	r->caller = job->issue.caller;
	r->rule = job->issue.rule;
	r->issuer = bytes_str(CONF_OWN_ISSUER);
	r->request_id = job->issue.request_id;
	r->evidence = serving ? STORE_BY_DAEMON : (enum store_evidence)job->issue.evidence;
	memcpy(r->evidence_hash, job->issue.evidence_hash, STORE_HASH_LEN);
	r->root_seq = roots_seq(k->roots);
}

static struct err lint(struct keeper *k, const struct job *job, const struct template_request *r)
{
	const struct root_signer *s = k->signer;
	bool serving = r->profile == PROFILE_SERVING;
	struct lint_want want = { .profile = r->profile, .issuer = s->name, .algorithm = s->algorithm,
				  .issuer_ski = BYTES(s->ski, KEY_SKI_LEN), .spki = r->spki, .ski = BYTES(r->ski, KEY_SKI_LEN),
				  .key_type = r->key_type, .trust_domain = conf_text(k->conf, k->conf->trust_domain),
				  .uri = job->issue.spiffe_id, .names = r->names, .name_count = r->name_count,
				  .replica = (uint8_t)k->conf->replica, .now = job->now, .chain_not_after = s->not_after,
				  .max_lifetime = serving ? k->conf->tls.lifetime : k->conf->cert.max_lifetime };

	return lint_tbs(buf_view(&job->tbs), &want);
}

static struct err build(struct keeper *k, struct job *job, const struct key_info *key, const struct names *names)
{
	uint8_t ski[KEY_SKI_LEN];
	bool serving = job->record.evidence == STORE_BY_DAEMON;
	struct template_request r = { .profile = serving ? PROFILE_SERVING : PROFILE_WORKLOAD, .serial = job->record.serial,
				      .not_before = job->record.not_before, .not_after = job->record.not_after,
				      .spki = key->spki, .key_type = key->type, .ski = ski, .uri = job->issue.spiffe_id,
				      .names = names->items, .name_count = names->count };

	TRY(key_ski(key->key_bits, ski));
	TRY(serials_next(k->serials, job->now, job->serial));
	TRY(template_build(k->signer->template, &r, &job->tbs));
	return lint(k, job, &r);
}

static void fresh_add(struct keeper *k, struct job *job)
{
	job->next = NULL;
	*k->fresh_tail = job;
	k->fresh_tail = &job->next;
	k->fresh_count++;
}

static void on_signed(struct hsm_job *sign, struct err result)
{
	struct job *job = (struct job *)sign; /* its first member */
	struct keeper *k = job->peer->keeper;

	int64_t now = clock_mono_us();

	job->result = result;
	metric_observe(k->metrics, H_SIGN, now - job->begun_us);
	job->begun_us = now;
	keeper_at_point(k, "after-sign");
	if (k->immediate) fresh_add(k, job);
	else queue_push(&k->queue, job);
}

static enum keeper_reason prepare(struct keeper *k, struct job *job, bool serving)
{
	struct names names = { job->issue.names, job->issue.name_count };
	struct key_info key;
	enum keeper_reason reason;
	struct err e;

	if (key_info_parse(job->issue.spki, &key).code != ERR_OK || key_sha256(key.spki, job->record.key_hash).code != ERR_OK)
		return REASON_KEY_TYPE;
	reason = issue_check(k, job, &key, serving);
	if (reason != REASON_NONE) return reason;
	if (job->issue.csr.len > 0) return external_prepare(k, job);
	if (job->again) return reason;
	fill_record(k, job, serving);
	if (job->record.not_after <= job->now) return REASON_CHAIN_EXPIRED;
	if (serving) names.items = limits_serving_names(k->limits, &names.count);
	e = build(k, job, &key, &names);
	if (e.code == ERR_OK) return REASON_NONE;
	log_event(k->log, LOG_ERROR, "keeper_refuses_to_sign", F_BYTES("request_id", job->issue.request_id),
	          F_BYTES("spiffe_id", job->issue.spiffe_id), F_ERR(e));
	return e.code == ERR_UNAVAILABLE ? REASON_SIGNER : REASON_PROFILE;
}

/* ---- commit thread ---- */

/* The signature belongs to the certificate: a signed job of a pool is sealed here, off the main thread. */
static enum keeper_reason seal(struct keeper *k, struct job *job)
{
	struct err e = job->result;

	if (e.code != ERR_OK) {
		log_event(k->log, LOG_ERROR, "signer_failed", F_BYTES("request_id", job->issue.request_id), F_ERR(e));
		return REASON_SIGNER;
	}
	e = template_seal(k->signer->template, buf_view(&job->tbs), BYTES(job->sign.sig, job->sign.sig_len), &job->cert);
	job->record.cert = buf_view(&job->cert);
	return e.code == ERR_OK ? REASON_NONE : REASON_PROFILE;
}

enum keeper_reason issue_spend(struct job *job, struct store_batch *batch, uint64_t index)
{
	struct store_spend s = { .now = job->now, .index = index };
	struct err e;

	if (job->record.evidence != STORE_BY_JOIN_TOKEN) return REASON_NONE;
	memcpy(s.hash, job->issue.evidence_hash, STORE_HASH_LEN);
	memcpy(s.key_hash, job->record.key_hash, STORE_HASH_LEN);
	e = store_batch_token_spend(batch, &s, &job->earlier);
	if (e.code == ERR_OK) return REASON_NONE;
	job->again = e.code == ERR_ALREADY_EXISTS;
	if (job->again) return REASON_NONE;
	return e.code == ERR_PERMISSION_DENIED || e.code == ERR_NOT_FOUND ? REASON_TOKEN : REASON_STORE;
}

/* Asked of the store itself, in the transaction that will record the certificate: so a revocation holds from the moment it is
 * durable, on connections that were open before as well. */
static struct err check_peer(struct keeper *k, struct job *job, struct store_batch *batch)
{
	const struct wire_issue *m = &job->issue;
	bool revoked = false;

	for (unsigned i = 0; i < m->peer_count && !revoked; i++)
		revoked = crls_brought_revoked(k, m->peers[i].issuer, m->peers[i].serial);
	if (!revoked && m->peer_count > 0) TRY(store_batch_is_revoked(batch, m->peers[0].serial, &revoked));
	if (revoked && job->reason == REASON_NONE) job->reason = REASON_REVOKED;
	return OK;
}

/* What is renewed comes from where it was obtained: the new record inherits the node. */
static struct err node_of(const struct job *job, struct store_batch *batch, struct issue_node *node)
{
	struct err e;

	node->name = job->issue.node;
	if (job->issue.peer_count == 0) return OK;
	e = store_batch_node(batch, job->issue.peers[0].serial, node->text);
	if (e.code == ERR_OK) node->name = bytes_str(node->text);
	return e.code == ERR_NOT_FOUND ? OK : e;
}

/* A ban that came while this one was being signed holds too: it is in memory before its own write is in the queue. */
struct err issue_admit(struct keeper *k, struct job *job, struct store_batch *batch, struct issue_node *node)
{
	TRY(node_of(job, batch, node));
	if (job->record.evidence != STORE_BY_DAEMON && banned(k, job, node->name)) job->reason = REASON_BANNED;
	return check_peer(k, job, batch);
}

struct err issue_append(struct job *job, struct store_batch *batch, const struct issue_node *node)
{
	struct err e;

	job->record.node = node->name;
	e = store_batch_append(batch, &job->record);
	job->record.node = BYTES_NONE; /* what was inherited lives no longer than this batch */
	return e;
}

static struct err issue_apply(struct keeper *k, struct job *job, struct store_batch *batch)
{
	struct issue_node node;
	struct err e;

	TRY(issue_admit(k, job, batch, &node));
	if (job->reason != REASON_NONE || job->again) return OK;
	job->reason = seal(k, job);
	if (job->reason == REASON_NONE) job->reason = issue_spend(job, batch, store_batch_next(batch));
	if (job->reason != REASON_NONE || job->again) return OK;
	e = issue_append(job, batch, &node);
	/* Spent for a record that cannot be written, the token would be the next record's: then nothing of the batch may be. */
	if (e.code == ERR_INVALID_ARGUMENT && job->record.evidence == STORE_BY_JOIN_TOKEN)
		FAIL(ERR_INTERNAL, "keeper: a token was spent for a record that cannot be written");
	return e;
}

/* With the chain of another CA behind it nobody could verify it (also one of the same key under another name): then a new token
 * is needed. */
static bool is_of_this_ca(const struct keeper *k, struct bytes der)
{
	struct cert cert;

	return cert_parse(der, &cert).code == ERR_OK && bytes_equal(cert.aki, BYTES(k->signer->ski, KEY_SKI_LEN)) &&
	       bytes_equal(cert.issuer, k->signer->name);
}

/* The same token and the same key: the same certificate, so that a lost answer strands nobody. */
static void answer_again(struct keeper *k, struct job *job)
{
	AUTO(store_view) struct store_view *view = NULL;
	struct store_revocation revoked;
	struct store_record r;
	struct err e = store_view_open(k->store, &view);

	if (e.code == ERR_OK) e = store_view_record(view, job->earlier, &r);
	if (e.code == ERR_OK && store_view_revocation(view, r.serial, &revoked).code == ERR_OK)
		e = ERR(ERR_NOT_FOUND, "keeper: that certificate is revoked");
	if (e.code == ERR_OK && !is_of_this_ca(k, r.cert)) e = ERR(ERR_NOT_FOUND, "keeper: of a CA that signs no more");
	if (e.code == ERR_OK) front_send_issued(job->peer, job->id, r.index, r.cert);
	else front_refuse(job, e.code == ERR_NOT_FOUND ? REASON_TOKEN : REASON_STORE);
}

static void answer_serving(struct job *job)
{
	uint8_t room[16 + STORE_CERT_MAX];
	struct buf out = BUF_ON(room);
	struct wire_serving m = { .not_after = job->record.not_after, .cert = job->record.cert };

	atomic_store(&job->peer->serving, job->record.index);
	if (wire_serving_put(&out, &m).code == ERR_OK) (void)chan_put(job->peer->chan, KEEPER_SERVING, buf_view(&out));
}

static void log_outcome(struct keeper *k, const struct job *job, enum keeper_reason reason)
{
	log_event(k->log, LOG_DEBUG, reason == REASON_NONE ? "recorded" : "refused", F_BYTES("request_id", job->issue.request_id),
	          F_BYTES("spiffe_id", job->issue.spiffe_id), F_HEX("serial", job->record.serial),
	          F_INT("record", reason == REASON_NONE ? (int64_t)job->record.index : -1),
	          F_STR("why", reason == REASON_NONE ? "" : keeper_reason_err(reason).reason));
}

static void issue_answer(struct keeper *k, struct job *job)
{
	log_outcome(k, job, job->reason);
	if (job->reason == REASON_NONE) atomic_fetch_add(&k->issued, 1);
	if (job->reason == REASON_NONE && !job->again) issuers_issued(k, METRIC_OWN);
	if (job->reason != REASON_NONE) front_refuse(job, job->reason);
	else if (job->again) answer_again(k, job);
	else if (job->record.evidence == STORE_BY_DAEMON) answer_serving(job);
	else front_send_issued(job->peer, job->id, job->record.index, job->record.cert);
}

/* ---- main thread: the whole of it ---- */

void issue_start(struct keeper *k, struct job *job, bool serving)
{
	enum keeper_reason reason;

	job->record.time_ms = clock_wall_ms();
	job->now = job->record.time_ms / 1000;
	job->apply = issue_apply;
	job->answer = issue_answer;
	reason = prepare(k, job, serving);
	if (reason != REASON_NONE) {
		log_outcome(k, job, reason);
		front_refuse(job, reason);
		job->peer->dirty = true;
		job_free(k, job);
	} else if (job->external != NULL) {
		external_file(k, job);
	} else if (job->again) {
		fresh_add(k, job);
	} else {
		job->sign.msg = buf_view(&job->tbs);
		job->sign.done = on_signed;
		job->begun_us = clock_mono_us();
		hsm_key_sign(k->signer->key, &job->sign);
	}
}
