#include "base/clock.h"
#include "key/key.h"
#include "ra/request_internal.h"

/* Istio: every authentication failure is UNAUTHENTICATED; what is our own trouble keeps its code, so that clients come back. */
static struct err authentication_error(struct err e)
{
	bool ours = e.code == ERR_OK || e.code == ERR_RESOURCE_EXHAUSTED || e.code == ERR_UNAVAILABLE || e.code == ERR_INTERNAL;

	if (!ours) e.code = ERR_UNAUTHENTICATED;
	return e;
}

/* After a wait. */
static void finish(struct request *r, struct err e)
{
	if (e.code == ERR_OK) r->client_text = NULL;
	request_resume(r, authentication_error(e));
}

/* ---- join tokens ---- */

static void on_token(void *user, const struct link_answer *a)
{
	static const char *const why[] = { "auth: unknown join token", NULL, NULL, "auth: join token has expired",
		                           "auth: join token was revoked" };
	struct request *r = user;
	struct err e = a->err;

	if (e.code == ERR_OK && a->token->state != TOKEN_GOOD && a->token->state != TOKEN_SPENT) {
		e = (struct err){ .code = ERR_UNAUTHENTICATED,
			          .reason = why[a->token->state < ARRAY_LEN(why) ? a->token->state : 0] };
	}
	if (e.code == ERR_OK)
		e = auth_join_token(r->service->auth, r->token_hash, a->token->spiffe_id, a->token->token_id, &r->identity);
	finish(r, e);
}

static struct err ask_token(struct request *r, struct bytes token, enum step_result *result)
{
	if (!r->service->conf->auth.join_tokens) FAIL(ERR_UNAUTHENTICATED, "auth: join tokens are switched off");
	TRY(key_sha256(token, r->token_hash));
	TRY(request_keep(r));
	*result = STEP_WAIT;
	return link_token(r->service->link, r->token_hash, on_token, r);
}

/* ---- JWTs: verified here, with keys that may have to come first, by the API server, or by both ---- */

/* The call keeps the headers; who has gone is not asked for any more. */
static struct auth_token token_of(const struct request *r, bool looked)
{
	struct auth_token t = { .now = clock_wall(), .looked = looked };
	size_t clusters;

	t.cluster = call_header(r->call, "clusterid", &clusters);
	if (clusters != 1) t.cluster = BYTES_NONE; /* as Istio: twice is as good as never */
	(void)auth_bearer(call_header(r->call, "authorization", NULL), &t.text);
	return t;
}

static void on_looked(void *user, const struct desk_answer *a);

static void on_reviewed(void *user, const struct desk_answer *a)
{
	struct request *r = user;
	struct err e = a->err;

	request_note(r, a);
	if (e.code == ERR_OK && r->call != NULL) {
		struct auth_token t = token_of(r, true);

		e = auth_reviewed(r->service->auth, &t, a->reviewed, &r->identity);
	}
	finish(r, e);
}

static struct err by_jwt(struct request *r, bool looked, enum step_result *result)
{
	struct auth_token t = token_of(r, looked);
	struct auth_ask ask;

	TRY(auth_jwt(r->service->auth, &t, &ask, &r->identity));
	if (ask.what == AUTH_ASK_NOTHING) return OK;
	TRY(request_keep(r));
	*result = STEP_WAIT;
	if (ask.what == AUTH_ASK_KEYS)
		return desk_keys(r->service->desk, &(struct wire_keys_ask){ .issuer = ask.issuer }, on_looked, r);
	return desk_review(r->service->desk, &(struct wire_review){ .issuer = ask.issuer, .cluster = ask.cluster, .token = t.text },
	                   on_reviewed, r);
}

static void on_looked(void *user, const struct desk_answer *a)
{
	struct request *r = user;
	enum step_result result = STEP_DONE;
	struct err e = a->err;

	if (e.code == ERR_OK && r->call != NULL) e = by_jwt(r, true, &result);
	if (e.code != ERR_OK || result == STEP_DONE) finish(r, e);
}

/* ---- client certificates ---- */

/* A connection's certificate is looked at once; its end is looked at on every request. */
static struct err by_mtls(struct request *r)
{
	struct identity *known = conn_user(r->call);
	int64_t now = clock_wall();

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
	struct bytes token = BYTES_NONE;

	if (call_peer_cert(r->call).len > 0) return by_mtls(r);
	switch (auth_bearer(call_header(r->call, "authorization", NULL), &token)) {
	case AUTH_JOIN_TOKEN:
		return ask_token(r, token, result);
	case AUTH_JWT:
		return by_jwt(r, false, result);
	default:
		FAIL(ERR_UNAUTHENTICATED, "auth: neither a client certificate nor a bearer token");
	}
}

struct err request_authenticate(struct request *r, enum step_result *result)
{
	struct err e;

	r->client_text = "request authenticate failure";
	e = authenticate(r, result);
	if (e.code == ERR_OK && *result == STEP_DONE) r->client_text = NULL;
	return authentication_error(e);
}
