#include "ra/request.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "csr/cert.h"
#include "der/der.h"
#include "key/key.h"
#include "proto/decode.h"

#define NEAR_MAX 8 /* rules told in the log of one denial; ours */

enum step_result { STEP_DONE, STEP_WAIT };

struct request {
	struct request_service *service;
	struct call *call; /* NULL: the client has gone */
	size_t step;
	int64_t started_us;
	struct proto_istio_request ask; /* views of `message` */
	struct bytes message;           /* borrowed from the call's callback until keep_message() */
	uint8_t *kept;                  /* our copy of it, when a step waits before the last one that reads it */
	struct identity *identity;
	char impersonate[SPIFFE_ID_MAX + 1], cert_signer[WIRE_NAME_MAX + 1], spiffe_id[SPIFFE_ID_MAX + 1];
	const char *rule, *issuer;
	const char *client_text; /* what the client reads when a step failed; NULL: derived from the error */
	uint8_t token_hash[32];
	uint8_t serial[CERT_SERIAL_MAX];
	size_t serial_len;
	uint64_t record;
};

struct step {
	const char *name;
	struct err (*run)(struct request *r, enum step_result *result);
};

static void request_free(struct request *r)
{
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

	log_event(log, good ? LOG_INFO : LOG_WARN, good ? "issued" : "refused", F_STR("peer", peer),
	          F_STR("by", evidence_name(r)), F_STR("caller", r->identity == NULL ? "" : caller_id(r->identity->caller)),
	          F_STR("spiffe_id", r->spiffe_id), F_STR("rule", r->rule == NULL ? "" : r->rule),
	          F_STR("issuer", r->issuer == NULL ? "" : r->issuer),
	          F_STR("impersonated", r->impersonate), F_HEX("serial", BYTES(r->serial, r->serial_len)),
	          F_INT("record", good ? (int64_t)r->record : -1), F_STR("step", step), F_ERR(e),
	          F_INT("us", clock_mono_us() - r->started_us));
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

static void request_run(struct request *r);

/* Istio: every authentication failure is UNAUTHENTICATED; what is our own trouble keeps its code, so that clients come back. */
static struct err authentication_error(struct err e)
{
	bool ours = e.code == ERR_OK || e.code == ERR_RESOURCE_EXHAUSTED || e.code == ERR_UNAVAILABLE || e.code == ERR_INTERNAL;

	if (!ours) e.code = ERR_UNAUTHENTICATED;
	return e;
}

/* The message lives only as long as its callback: keep what later steps read. */
static struct err keep_message(struct request *r)
{
	r->kept = malloc(r->message.len + 1);
	if (r->kept == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "front: out of memory");
	if (r->message.len > 0) memcpy(r->kept, r->message.data, r->message.len);
	r->message.data = r->kept;
	return proto_istio_request(r->message, &r->ask);
}

static void on_token(void *user, const struct link_answer *a)
{
	static const char *const why[] = { "auth: unknown join token", NULL, NULL, "auth: join token has expired",
		                           "auth: join token was revoked" };
	struct request *r = user;
	struct err e = a->err;

	if (r->call == NULL) {
		request_fail(r, "authenticate", ERR(ERR_CANCELLED, "front: the client went away"));
		return;
	}
	r->client_text = "request authenticate failure";
	if (e.code == ERR_OK && a->token->state != TOKEN_GOOD && a->token->state != TOKEN_SPENT) {
		e = (struct err){ .code = ERR_UNAUTHENTICATED,
			          .reason = why[a->token->state < ARRAY_LEN(why) ? a->token->state : 0] };
	}
	if (e.code == ERR_OK)
		e = auth_join_token(r->service->auth, r->token_hash, a->token->spiffe_id, a->token->token_id, &r->identity);
	if (e.code != ERR_OK) {
		request_fail(r, "authenticate", authentication_error(e));
		return;
	}
	r->client_text = NULL;
	r->step++;
	request_run(r);
}

static struct err ask_token(struct request *r, struct bytes token, enum step_result *result)
{
	if (!r->service->conf->auth.join_tokens) FAIL(ERR_UNAUTHENTICATED, "auth: join tokens are switched off");
	TRY(key_sha256(token, r->token_hash));
	TRY(keep_message(r));
	*result = STEP_WAIT;
	return link_token(r->service->link, r->token_hash, on_token, r);
}

/* A connection's certificate is looked at once; its end is looked at on every request. */
static struct err authenticate_mtls(struct request *r, int64_t now)
{
	struct identity *known = conn_user(r->call);

	if (known == NULL) {
		TRY(auth_mtls(r->service->auth, call_peer_chain(r->call), now, &known));
		conn_set_user(r->call, known);
	}
	if (now >= known->expires) FAIL(ERR_UNAUTHENTICATED, "auth: client certificate has expired");
	r->identity = identity_ref(known);
	return OK;
}

static struct err authenticate(struct request *r, enum step_result *result)
{
	int64_t now = clock_wall();
	struct bytes token = BYTES_NONE, cluster;
	size_t clusters;

	r->client_text = "request authenticate failure";
	if (call_peer_cert(r->call).len > 0) {
		TRY(authenticate_mtls(r, now));
	} else {
		cluster = call_header(r->call, "clusterid", &clusters);
		if (clusters != 1) cluster = BYTES_NONE; /* as Istio: twice is as good as never */
		switch (auth_bearer(call_header(r->call, "authorization", NULL), &token)) {
		case AUTH_JOIN_TOKEN:
			return ask_token(r, token, result);
		case AUTH_JWT:
			TRY(auth_jwt(r->service->auth, token, cluster, now, &r->identity));
			break;
		default:
			FAIL(ERR_UNAUTHENTICATED, "auth: neither a client certificate nor a bearer token");
		}
	}
	r->client_text = NULL;
	return OK;
}

static struct err step_authenticate(struct request *r, enum step_result *result)
{
	return authentication_error(authenticate(r, result));
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
	log_event(r->service->log, LOG_INFO, "policy", F_STR("caller", caller_id(r->identity->caller)), F_BYTES("told", line));
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

static void on_issued(void *user, const struct link_answer *a)
{
	struct request *r = user;
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
	metric_inc(r->service->metrics, M_SUCCESS);
	metric_observe(r->service->metrics, H_REQUEST, clock_mono_us() - r->started_us);
	request_log(r, call_peer_address(r->call), "answer", OK);
	call_set_user(r->call, NULL);
	(void)call_reply(r->call, buf_view(&r->service->scratch)); /* a client that does not read has been cut by net */
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
	m.node = bytes_str(node == NULL || strlen(node) > STORE_NODE_MAX ? "" : node);
	put_peers(&m, r->identity);
	memcpy(m.evidence_hash, r->identity->evidence_hash, sizeof(m.evidence_hash));
	for (size_t i = 0; i < grant->name_count; i++) {
		m.names[i].tag = grant->names[i].tag;
		m.names[i].value = BYTES(grant->names[i].value, grant->names[i].len);
	}
	return link_issue(r->service->link, &m, on_issued, r);
}

/* Policy before the CSR: a caller that may have nothing costs no public-key work. */
static struct err step_decide(struct request *r, enum step_result *result)
{
	AUTO(csr) struct csr *csr = NULL;
	struct policy_request ask = { .validity = r->ask.validity_seconds, .impersonate = r->impersonate,
		                      .issuer = r->cert_signer };
	struct policy_grant grant;
	struct err e;

	TRY(copy_text(r->ask.impersonated_identity, r->impersonate, sizeof(r->impersonate)));
	TRY(copy_text(r->ask.cert_signer, r->cert_signer, sizeof(r->cert_signer)));
	e = policy_decide(r->service->conf, r->identity->caller, &ask, &grant);
	if (e.code == ERR_OK) {
		TRY(prove(r, &csr));
		ask.key = csr_key(csr);
		e = policy_decide(r->service->conf, r->identity->caller, &ask, &grant);
	}
	if (e.code == ERR_PERMISSION_DENIED) {
		log_denial(r, &ask);
		r->client_text = "request denied by policy";
		if (r->impersonate[0] != '\0') { /* Istio's word and code for it */
			r->client_text = "request impersonation authentication failure";
			e.code = ERR_UNAUTHENTICATED;
		}
	}
	if (e.code != ERR_OK) return e;
	memcpy(r->spiffe_id, grant.spiffe_id, strlen(grant.spiffe_id) + 1);
	r->rule = grant.rule;
	r->issuer = grant.issuer;
	*result = STEP_WAIT;
	return submit(r, &grant, csr);
}

/* The last two steps are one wait for the keeper: `issue` is what it answers, `answer` what the client gets (on_issued). */
static const struct step steps[] = {
	{ "authenticate", step_authenticate }, /* -> identity; may wait for the keeper (join tokens) */
	{ "decide", step_decide },             /* -> grant, csr; proves possession; asks the keeper */
};

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
		r->step++;
	}
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
	call_set_user(call, r);
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

	if (r != NULL) r->call = NULL; /* the keeper's answer ends it */
}

void request_conn_gone(void *user)
{
	identity_unref(user);
}
