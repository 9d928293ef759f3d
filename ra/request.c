#include "ra/request_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "der/der.h"
#include "key/key.h"

#define NEAR_MAX 8 /* rules told in the log of one denial; ours */

struct step {
	const char *name;
	struct err (*run)(struct request *r, enum step_result *result);
	enum histogram seconds; /* of its time */
};

static void let_go(struct request *r)
{
	csr_free(MOVE(r->csr));
	free(MOVE(r->grant));
}

static void request_free(struct request *r)
{
	let_go(r);
	identity_unref(r->identity);
	free(r->kept);
	free(r);
}

/* ---- the one place where a request is logged and answered ---- */

static const char *evidence_name(const struct request *r)
{
	static const char *const names[] = { "none", "jwt", "mtls", "join_token" };

	return r->identity == NULL ? "none" : names[caller_kind(r->identity->caller)];
}

/* Go's time.Duration as text, whole seconds: "2h0m0s", "1m30s", "45s"; Istio's clients see it in a message. */
static void duration_text(int64_t seconds, char out[32])
{
	long long h = seconds / 3600, m = seconds % 3600 / 60, s = seconds % 60;

	if (h != 0) (void)snprintf(out, 32, "%lldh%lldm%llds", h, m, s);
	else if (m != 0) (void)snprintf(out, 32, "%lldm%llds", m, s);
	else (void)snprintf(out, 32, "%llds", s);
}

static bool ttl_refused(const struct request *r)
{
	return r->ask.validity_seconds > r->service->conf->cert.max_lifetime;
}

static void client_text(const struct request *r, struct err e, char *out, size_t size)
{
	char asked[32], most[32];

	if (r->client_text != NULL) {
		(void)snprintf(out, size, "%s", r->client_text);
	} else if (e.code == ERR_UNAUTHENTICATED) { /* the keeper's word on a join token */
		(void)snprintf(out, size, "request authenticate failure");
	} else if (e.code == ERR_INVALID_ARGUMENT && ttl_refused(r)) {
		duration_text(r->ask.validity_seconds, asked);
		duration_text(r->service->conf->cert.max_lifetime, most);
		(void)snprintf(out, size, "CSR signing error (requested TTL %s is greater than the max allowed TTL %s)", asked,
		               most);
	} else {
		(void)snprintf(out, size, "CSR signing error (%s)", e.reason);
	}
}

/* One line a request; but who is not authenticated must not be able to fill our disk. */
static bool may_log(const struct request *r)
{
	struct request_service *s = r->service;
	int64_t second = clock_mono_us() / 1000000;

	if (r->identity != NULL) return true;
	if (second != s->strangers.second) {
		s->strangers.second = second;
		s->strangers.lines = 0;
	}
	if (s->strangers.lines++ < REQUEST_STRANGERS_LOGGED) return true;
	s->strangers.unlogged++;
	metric_inc(s->metrics, M_UNLOGGED);
	return false;
}

static void log_unlogged(struct request_service *s)
{
	if (s->strangers.unlogged == 0) return;
	log_event(s->log, LOG_WARN, "refused_unlogged", F_INT("count", s->strangers.unlogged));
	s->strangers.unlogged = 0;
}

static void request_log(const struct request *r, const char *peer, const char *step, struct err e)
{
	const struct log *log = r->service->log;
	bool good = e.code == ERR_OK;

	if (!may_log(r)) return;
	log_unlogged(r->service);

	log_event(log, good ? LOG_INFO : LOG_WARN, good ? "issued" : "refused", F_STR("request_id", r->id), F_STR("peer", peer),
	          F_STR("by", evidence_name(r)), F_STR("caller", r->identity == NULL ? "" : caller_id(r->identity->caller)),
	          F_STR("spiffe_id", r->spiffe_id), F_STR("rule", r->rule == NULL ? "" : r->rule),
	          F_STR("issuer", r->issuer == NULL ? "" : r->issuer),
	          F_STR("impersonated", r->impersonate), F_HEX("serial", BYTES(r->serial, r->serial_len)),
	          F_INT("record", good ? (int64_t)r->record : -1), F_STR("step", step), F_ERR(e),
	          F_INT("us", clock_mono_us() - r->started_us), r->told[0] != '\0' ? F_STR("told", r->told) : F_END);
}

static void count_failure(const struct request *r, struct err e, const char *step)
{
	struct metrics *m = r->service->metrics;

	if (strcmp(step, "authenticate") == 0) metric_inc(m, M_AUTH_FAILURE);
	else if (e.code == ERR_PERMISSION_DENIED || e.code == ERR_UNAUTHENTICATED) metric_inc(m, M_DENIED);
	else if (e.code == ERR_UNAVAILABLE) metric_inc(m, M_SIGN_ERR_NOT_READY);
	else if (e.code == ERR_INVALID_ARGUMENT) metric_inc(m, ttl_refused(r) ? M_SIGN_ERR_TTL : M_SIGN_ERR_CSR);
	else metric_inc(m, M_SIGN_ERR_CERT_GEN);
}

static void request_fail(struct request *r, const char *step, struct err e)
{
	char text[512];

	count_failure(r, e, step);
	request_log(r, r->call == NULL ? "gone" : call_peer_address(r->call), step, e);
	if (r->call != NULL) {
		client_text(r, e, text, sizeof(text));
		call_set_user(r->call, NULL);
		call_finish(r->call, e.code, text);
	}
	request_free(r);
}

/* ---- steps ---- */

struct err request_keep(struct request *r)
{
	if (r->kept != NULL) return OK;
	r->kept = malloc(r->message.len + 1);
	if (r->kept == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	if (r->message.len > 0) memcpy(r->kept, r->message.data, r->message.len);
	r->message.data = r->kept;
	return proto_istio_request(r->message, &r->ask);
}

void request_note(struct request *r, const struct desk_answer *answer)
{
	size_t n = answer->why.len < sizeof(r->told) ? answer->why.len : sizeof(r->told) - 1;

	if (answer->err.code == ERR_OK) n = 0;
	if (n > 0) memcpy(r->told, answer->why.data, n);
	r->told[n] = '\0';
}

/* Text fields of the request that decide something: bounded, and without NUL (proto/decode.h). */
static struct err copy_text(struct bytes v, char *out, size_t size)
{
	if (v.len >= size) FAIL(ERR_INVALID_ARGUMENT, "front: metadata value is too long");
	if (v.len > 0) memcpy(out, v.data, v.len);
	out[v.len] = '\0';
	return OK;
}

static void log_told(const struct request *r, struct bytes line)
{
	log_event(r->service->log, LOG_INFO, "policy", F_STR("request_id", r->id),
		  F_STR("caller", caller_id(r->identity->caller)), F_BYTES("told", line));
}

/* A line of the log for each rule that nearly matched, and one for the decision. */
static void log_denial(const struct request *r, const struct policy_request *ask)
{
	AUTO(buf) struct buf told = { .max = 16 * 1024 };
	struct bytes left;

	if (!log_wants(r->service->log, LOG_INFO)) return;
	(void)policy_explain_near(r->service->conf, r->identity->caller, ask, &told); /* what did not fit is left out */
	left = buf_view(&told);
	for (unsigned n = 0; left.len > 0; n++) {
		const uint8_t *end = memchr(left.data, '\n', left.len);
		size_t len = end == NULL ? left.len : (size_t)(end - left.data), step = end == NULL ? len : len + 1;

		if (n < NEAR_MAX || step == left.len) log_told(r, BYTES(left.data, len));
		left = BYTES(left.data + step, left.len - step);
	}
}

static struct err prove(struct request *r, struct csr **csr)
{
	struct err e = csr_parse_pem(r->ask.csr, r->service->verifier, csr);

	if (e.code != ERR_OK) metric_inc(r->service->metrics, M_CSR_PARSING_ERR);
	return e;
}

/* For the log; the keeper has checked the certificate whole. */
static struct err note_serial(struct request *r, struct bytes cert)
{
	struct bytes tbs, version, serial;

	TRY(der_enter(cert, DER_SEQUENCE, &cert));
	TRY(der_take(&cert, DER_SEQUENCE, &tbs));
	TRY(der_take(&tbs, DER_CONTEXT_CONSTRUCTED(0), &version));
	TRY(der_take_unsigned(&tbs, sizeof(r->serial), &serial));
	memcpy(r->serial, serial.data, serial.len);
	r->serial_len = serial.len;
	return OK;
}

static void note_times(const struct request *r, int64_t answered_us)
{
	int64_t now = clock_mono_us();

	metric_observe(r->service->metrics, H_REQUEST, now - r->started_us);
	metric_observe(r->service->metrics, H_ANSWER, now - answered_us);
}

static void on_issued(void *user, const struct link_answer *a)
{
	struct request *r = user;
	int64_t from_us = clock_mono_us();
	struct err e = a->err;

	if (e.code == ERR_OK) e = note_serial(r, a->cert);
	if (e.code != ERR_OK) {
		request_fail(r, "issue", e);
		return;
	}
	r->record = a->record;
	r->service->scratch.len = 0;
	e = a->chained ? answer_put_chain(&r->service->scratch, a->cert, a->chain_pem, &r->service->tail) :
			 answer_put(&r->service->scratch, a->cert, &r->service->tail);
	if (e.code != ERR_OK || r->call == NULL) {
		if (e.code == ERR_OK) e = ERR(ERR_CANCELLED, "front: issued and recorded, but the client went away");
		request_fail(r, "answer", e);
		return;
	}
	call_set_user(r->call, NULL);
	(void)call_reply(r->call, buf_view(&r->service->scratch)); /* a client that does not read has been cut by net */
	metric_inc(r->service->metrics, M_SUCCESS);
	note_times(r, from_us);
	request_log(r, call_peer_address(r->call), "answer", OK);
	request_free(r);
}

static void put_peers(struct wire_issue *m, const struct identity *id)
{
	for (unsigned i = 0; i < id->cert_count; i++)
		m->peers[i] = (struct wire_peer){ BYTES(id->certs[i].serial, id->certs[i].serial_len),
						  BYTES(id->certs[i].issuer, id->certs[i].issuer_len) };
	m->peer_count = id->cert_count;
}

static struct err submit(struct request *r, const struct policy_grant *grant, const struct csr *csr)
{
	static const uint8_t evidence[] = { STORE_BY_NONE, STORE_BY_JWT, STORE_BY_MTLS, STORE_BY_JOIN_TOKEN };
	const char *node = caller_get(r->identity->caller, "k8s.node");
	struct wire_issue m = { .lifetime = (uint32_t)grant->lifetime, .spiffe_id = bytes_str(grant->spiffe_id),
		                .caller = bytes_str(caller_id(r->identity->caller)), .rule = bytes_str(grant->rule),
		                .issuer = bytes_str(grant->issuer), .spki = csr_key(csr)->spki, .name_count = grant->name_count };

	m.evidence = evidence[caller_kind(r->identity->caller)];
	if (strcmp(grant->issuer, CONF_OWN_ISSUER) != 0) m.csr = csr_der(csr);
	m.signer_name = bytes_str(grant->signer_name);
	m.own_id = bytes_str(grant->own_id);
	m.request_id = bytes_str(r->id);
	m.node = bytes_str(node == NULL || strlen(node) > STORE_NODE_MAX ? "" : node);
	put_peers(&m, r->identity);
	memcpy(m.evidence_hash, r->identity->evidence_hash, sizeof(m.evidence_hash));
	for (size_t i = 0; i < grant->name_count; i++) {
		m.names[i].tag = grant->names[i].tag;
		m.names[i].value = BYTES(grant->names[i].value, grant->names[i].len);
	}
	return link_issue(r->service->link, &m, on_issued, r);
}

/* Istio has its own word and code for it when a proxy may not speak for somebody. */
static struct err denied(struct request *r, const struct policy_request *ask, struct err e)
{
	if (e.code != ERR_PERMISSION_DENIED) return e;
	log_denial(r, ask);
	r->client_text = "request denied by policy";
	if (r->impersonate[0] == '\0') return e;
	r->client_text = "request impersonation authentication failure";
	e.code = ERR_UNAUTHENTICATED;
	return e;
}

/* One identity cannot have all of us, however many copies of it there are. */
static struct err check_rate(struct request *r)
{
	const char *who = caller_id(r->identity->caller);

	if (rates_take(r->service->rates, who, clock_mono_us())) return OK;
	limits_tell(&r->service->told, TOLD_IDENTITY, who);
	FAIL(ERR_RESOURCE_EXHAUSTED, "front: too many requests of one caller");
}

/* Policy before the CSR: a caller that may have nothing costs no public-key work.  Both before any wait: what waits is good, but
 * for the pod. */
static struct err step_decide(struct request *r, enum step_result *result)
{
	struct policy_request ask = { .validity = r->ask.validity_seconds, .impersonate = r->impersonate,
		                      .issuer = r->cert_signer };

	(void)result;
	TRY(check_rate(r));
	TRY(copy_text(r->ask.impersonated_identity, r->impersonate, sizeof(r->impersonate)));
	TRY(copy_text(r->ask.cert_signer, r->cert_signer, sizeof(r->cert_signer)));
	r->grant = malloc(sizeof(*r->grant)); /* large, and written by policy: not cleared */
	if (r->grant == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	TRY(denied(r, &ask, policy_decide(r->service->conf, r->identity->caller, &ask, r->grant)));
	TRY(prove(r, &r->csr));
	ask.key = csr_key(r->csr);
	TRY(denied(r, &ask, policy_decide(r->service->conf, r->identity->caller, &ask, r->grant)));
	memcpy(r->spiffe_id, r->grant->spiffe_id, strlen(r->grant->spiffe_id) + 1);
	r->rule = r->grant->rule;
	r->issuer = r->grant->issuer;
	return OK;
}

static struct err step_issue(struct request *r, enum step_result *result)
{
	struct err e = submit(r, r->grant, r->csr);

	*result = STEP_WAIT;
	if (e.code == ERR_RESOURCE_EXHAUSTED) limits_tell(&r->service->told, TOLD_PENDING, caller_id(r->identity->caller));
	if (e.code != ERR_OK) return e;
	let_go(r); /* they are in the question now */
	return OK;
}

/* The last step is a wait for the keeper: `issue` is what it answers, and `answer` what the client gets (on_issued). */
static const struct step steps[] = {
	{ "authenticate", request_authenticate, H_AUTHENTICATE },
	{ "decide", step_decide, H_DECIDE },    /* -> grant, csr; proves possession */
	{ "same_node", request_same_node, H_SAME_NODE },
	{ "issue", step_issue, H_KEEPER },      /* it never ends by itself: its time is the link's to observe */
};

/* The step has done what it is for: on to the next one. */
static void step_done(struct request *r)
{
	const struct step *step = &steps[r->step++];
	int64_t now = clock_mono_us(), us = now - r->step_us;

	metric_observe(r->service->metrics, step->seconds, us);
	log_event(r->service->log, LOG_DEBUG, "step", F_STR("request_id", r->id), F_STR("step", step->name), F_INT("us", us));
	r->step_us = now;
}

static void request_run(struct request *r)
{
	while (r->step < ARRAY_LEN(steps)) {
		const struct step *step = &steps[r->step];
		enum step_result result = STEP_DONE;
		struct err e = step->run(r, &result);

		if (e.code != ERR_OK) {
			request_fail(r, step->name, e);
			return;
		}
		if (result == STEP_WAIT) return;
		step_done(r);
	}
}

void request_resume(struct request *r, struct err e)
{
	if (r->call == NULL) e = ERR(ERR_CANCELLED, "front: the client went away");
	if (e.code != ERR_OK) {
		request_fail(r, steps[r->step].name, e);
		return;
	}
	step_done(r);
	request_run(r);
}

void request_start(struct request_service *s, struct call *call, struct bytes message)
{
	struct request *r = calloc(1, sizeof(*r));
	struct err e;

	metric_inc(s->metrics, M_CSR);
	if (r == NULL) {
		call_finish(call, ERR_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	r->service = s;
	r->call = call;
	r->started_us = call_started_us(call);
	r->step_us = clock_mono_us();
	call_set_user(call, r);
	request_id_for(&s->ids, call_header(call, REQUEST_ID_HEADER, NULL), r->id);
	call_set_header(call, REQUEST_ID_HEADER, r->id);
	r->message = message;
	e = s->tail.encoded.len == 0 ? ERR(ERR_INTERNAL, "Istio CA is not ready") : proto_istio_request(message, &r->ask);
	if (e.code != ERR_OK) {
		request_fail(r, "decode", e);
		return;
	}
	request_run(r);
}

void request_gone(struct call *call)
{
	struct request *r = call_user(call);

	if (r != NULL) r->call = NULL; /* the answer that it waits for ends it */
}

void request_conn_gone(void *user)
{
	identity_unref(user);
}
