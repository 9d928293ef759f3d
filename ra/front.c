#include "ra/front.h"

#include <string.h>

#include "base/control.h"
#include "ra/request.h"
#include "ra/serving.h"
#include "ra/services.h"

#define DRAIN_MS 5000 /* ours: what a client with an open call may take after CONTROL_STOP */
#define REJOIN_MS 1000 /* ours: a courier that died is given time for its successor to come by itself */

struct front {
	const struct front_options *o;
	struct loop *loop;
	struct chan *control;
	struct watch *control_watch;
	struct link *link;
	struct serving *serving;
	struct server *server;
	struct services *services;
	struct request_service requests;
	struct timer *drain, *rejoin; /* rejoin: runs from the loss of the courier on */
	struct tls *tls;
	bool started, stopping;
	struct err result;
};

static void front_end(struct front *f, struct err why)
{
	if (f->result.code == ERR_OK) f->result = why;
	loop_stop(f->loop);
}

static void log_no_keys(const struct front *f, unsigned issuer)
{
	log_event(f->o->log, LOG_WARN, "jwks", F_STR("issuer", conf_text(f->o->conf, f->o->conf->issuers[issuer].name)),
	          F_STR("why", "no usable key: all of its tokens are refused"));
}

/* ---- from the keeper ---- */

static void on_roots(void *ctx, const struct wire_roots *roots)
{
	struct front *f = ctx;
	struct err e = answer_tail_set(&f->requests.tail, roots);

	if (e.code != ERR_OK) front_end(f, e);
	else serving_on_roots(f->serving, roots);
}

static void on_serving(void *ctx, const struct link_serving *serving)
{
	struct front *f = ctx;

	serving_on_cert(f->serving, serving);
}

static void on_serving_refused(void *ctx, struct err why)
{
	struct front *f = ctx;

	serving_on_refused(f->serving, why);
}

static void on_lost(void *ctx, struct err why)
{
	struct front *f = ctx;

	log_event(f->o->log, LOG_ERROR, "keeper_lost", F_ERR(why));
	front_end(f, ERR(ERR_UNAVAILABLE, "front: the keeper is gone"));
}

/* ---- from the courier ---- */

static void on_keys(void *ctx, unsigned issuer, struct bytes jwks)
{
	struct front *f = ctx;
	const char *name = conf_text(f->o->conf, f->o->conf->issuers[issuer].name);
	struct err e = auth_set_keys(f->requests.auth, issuer, jwks);

	if (e.code != ERR_OK)
		log_event(f->o->log, LOG_ERROR, "jwks", F_STR("issuer", name), F_STR("note", "the keys from before stay"),
			  F_ERR(e));
	else if (!auth_has_keys(f->requests.auth, issuer)) log_no_keys(f, issuer);
	else log_event(f->o->log, LOG_INFO, "jwks", F_STR("issuer", name), F_STR("note", "keys are in use"));
}

/* It may live, and have lost only its channel to us: then nobody but us knows. */
static void on_courier_lost(void *ctx)
{
	(void)timer_start(((struct front *)ctx)->rejoin, REJOIN_MS);
}

static void on_rejoin(void *ctx)
{
	struct front *f = ctx;
	struct err e = chan_put(f->control, CONTROL_NO_COURIER, BYTES_NONE);

	if (e.code == ERR_OK) e = chan_flush(f->control);
	if (e.code != ERR_OK) front_end(f, e);
}

/* ---- TLS is ready: serve ---- */

static struct err serve(struct front *f)
{
	TRY(server_start(f->server));
	services_set_serving(f->services, true);
	TRY(chan_put(f->control, CONTROL_READY, BYTES_NONE));
	TRY(chan_flush(f->control));
	f->started = true;
	metric_set(f->o->metrics, M_SERVING, 1);
	log_event(f->o->log, LOG_INFO, "serving", F_INT("front", f->o->number));
	return OK;
}

static void on_tls(void *ctx, struct tls *tls)
{
	struct front *f = ctx;

	server_set_tls(f->server, tls);
	if (!f->started && !f->stopping) {
		struct err e = serve(f);

		if (e.code != ERR_OK) front_end(f, e);
	}
}

/* An open connection is as good as the root that its certificate was believed by. */
static void on_distrust(void *ctx)
{
	struct front *f = ctx;

	if (f->server != NULL) server_distrust(f->server);
	log_event(f->o->log, LOG_INFO, "root_gone", F_STR("note", "connections with client certificates are ended"));
}

static void on_tls_failed(void *ctx, struct err why)
{
	struct front *f = ctx;

	if (!f->started) front_end(f, why);
}

static struct err check_peer(void *ctx, struct bytes leaf_der)
{
	struct front *f = ctx;

	return auth_check_peer(f->requests.auth, leaf_der);
}

/* ---- from the monitor ---- */

static void stop_if_idle(struct front *f)
{
	if (f->stopping && server_calls(f->server) == 0) loop_stop(f->loop);
}

static void on_drained(void *ctx)
{
	struct front *f = ctx;

	loop_stop(f->loop);
}

static struct err on_stop(void *self, struct chan_msg *msg)
{
	struct front *f = self;

	(void)msg;
	f->stopping = true;
	metric_set(f->o->metrics, M_SERVING, 0);
	services_set_serving(f->services, false);
	server_drain(f->server);
	return timer_start(f->drain, DRAIN_MS);
}

/* A courier has started, or one after the one that is gone. */
static struct err on_channel(void *self, struct chan_msg *msg)
{
	struct front *f = self;
	struct control_peer peer;

	TRY(control_peer_take(msg->payload, &peer));
	if (peer.role != CONTROL_COURIER) FAIL(ERR_INVALID_ARGUMENT, "front: a channel to somebody else than the courier");
	timer_stop(f->rejoin);
	return desk_channel(f->requests.desk, MOVE_FD(msg->fd));
}

static const struct chan_rule control_rules[] = {
	{ 0, CONTROL_STOP, 0, 0, false, on_stop, 0 },
	{ 0, CONTROL_CHANNEL, CONTROL_PEER_LEN, CONTROL_PEER_LEN, true, on_channel, 0 },
};

static void on_control(void *ctx, unsigned events)
{
	struct front *f = ctx;
	unsigned frames;
	struct err e = chan_receive(f->control, 4, &frames);

	(void)events;
	if (e.code != ERR_OK) front_end(f, e); /* without a monitor there is nobody to serve for */
}

/* ---- methods ---- */

static void on_request(void *ctx, struct call *call, struct bytes message)
{
	struct front *f = ctx;

	request_start(&f->requests, call, message);
}

static void on_gone(void *ctx, struct call *call)
{
	(void)ctx;
	request_gone(call);
}

static void on_conn_gone(void *ctx, void *user)
{
	(void)ctx;
	request_conn_gone(user);
}

static void on_flush(void *ctx)
{
	struct front *f = ctx;

	server_flush(f->server); /* hands the round's requests out, which puts them into the desk and the link */
	desk_flush(f->requests.desk);
	link_flush(f->link);
	server_flush(f->server); /* writes what a lost link answered */
	log_flush(f->o->log);
	stop_if_idle(f);
}

static void on_limit(void *ctx, enum server_limit limit, const char *address)
{
	struct front *f = ctx;

	limits_tell(&f->requests.told, limit, address);
}

static struct err make_server(struct front *f)
{
	/* As Istio: the first authorization of several that begins so (case-sensitive) is the one. */
	static const struct server_header headers[] = {
		{ "authorization", "Bearer " }, { "clusterid", "" }, { REQUEST_ID_HEADER, "" }, { NULL, NULL }
	};
	const struct grpc_method create = { .path = REQUEST_PATH, .message = on_request, .gone = on_gone, .ctx = f };
	struct grpc_method methods[1 + SERVICES_METHODS] = { create };
	const struct conf *c = f->o->conf;
	struct server_options o = { .loop = f->loop, .listen_fd = f->o->listen_fd, .metrics = f->o->metrics, .methods = methods,
		                    .method_count = ARRAY_LEN(methods), .ctx = f, .headers = headers,
		                    .max_connections = (size_t)c->listen.max_connections,
		                    .max_streams = (uint32_t)c->listen.max_streams,
		                    .handshake_ms = c->listen.handshake_timeout * 1000, .conn_gone = on_conn_gone,
		                    .max_handshakes = (size_t)c->listen.max_handshakes, .limit = on_limit };

	o.per_address = (struct peers_limits){ .connections = (uint32_t)c->listen.max_connections_per_address,
		                               .handshakes = (uint32_t)(c->listen.max_handshakes + 3) / 4,
		                               .per_second = (uint32_t)c->listen.connect_rate_per_address };
	services_methods(f->services, methods + 1);
	return server_new(&o, &f->server);
}

static struct err make_requests(struct front *f)
{
	struct auth_options o = { .conf = f->o->conf, .metrics = f->o->metrics, .jwks = f->o->jwks };
	struct request_service *r = &f->requests;
	size_t bad = 0;
	struct err e = auth_new(&o, &r->auth, &bad);

	if (e.code != ERR_OK) {
		const struct conf *c = f->o->conf;

		log_event(f->o->log, LOG_ERROR, "jwks", F_ERR(e),
		          F_STR("issuer", bad < c->issuer_count ? conf_text(c, c->issuers[bad].name) : ""));
		return e;
	}
	for (uint32_t i = 0; i < f->o->conf->issuer_count; i++)
		if (conf_keys_of(&f->o->conf->issuers[i]) == CONF_KEYS_FILE && !auth_has_keys(r->auth, i)) log_no_keys(f, i);
	r->conf = f->o->conf;
	r->log = f->o->log;
	r->metrics = f->o->metrics;
	r->told = (struct limits_told){ .log = f->o->log, .metrics = f->o->metrics };
	TRY(rates_new(f->o->conf->listen.rate_per_identity, &r->rates));
	r->link = f->link;
	r->scratch.max = 2 * WIRE_ROOTS_MAX;
	TRY(request_ids_start(&r->ids, f->o->number));
	return key_verifier_new(&r->verifier);
}

static struct err make_link(struct front *f)
{
	struct link_events events = {
		.roots = on_roots, .serving = on_serving, .serving_refused = on_serving_refused, .lost = on_lost, .ctx = f
	};

	TRY(link_new(f->loop, f->o->keeper_fd, f->o->metrics, (size_t)f->o->conf->listen.max_pending, &f->link));
	link_on(f->link, &events);
	return link_hello(f->link, f->o->number);
}

static struct err make_desk(struct front *f)
{
	const struct desk_options o = { .loop = f->loop, .conf = f->o->conf, .log = f->o->log, .metrics = f->o->metrics,
		                        .number = f->o->number, .wait_ms = DESK_WAIT_MS, .keys = on_keys, .lost = on_courier_lost,
		                        .ctx = f };

	return desk_new(&o, &f->requests.desk);
}

static struct err front_begin(struct front *f)
{
	struct serving_options s = { .front = f->o, .check_peer = check_peer, .check_ctx = f, .ready = on_tls,
		                     .failed = on_tls_failed, .distrust = on_distrust, .ctx = f };

	TRY(loop_new(&f->loop));
	loop_on_flush(f->loop, on_flush, f);
	TRY(timer_new(f->loop, on_drained, f, &f->drain));
	TRY(timer_new(f->loop, on_rejoin, f, &f->rejoin));
	TRY(chan_new(f->o->control_fd, control_rules, ARRAY_LEN(control_rules), f, &f->control));
	TRY(watch_new(f->loop, f->o->control_fd, on_control, f, &f->control_watch));
	TRY(watch_set(f->control_watch, LOOP_READ));
	TRY(make_link(f));
	TRY(make_desk(f));
	TRY(make_requests(f));
	TRY(services_new(&f->services));
	TRY(make_server(f));
	s.loop = f->loop;
	s.link = f->link;
	return serving_new(&s, &f->serving);
}

static void front_finish(struct front *f)
{
	server_free(f->server);
	serving_free(f->serving);
	services_free(f->services);
	desk_free(f->requests.desk);
	link_free(f->link);
	auth_free(f->requests.auth);
	key_verifier_free(f->requests.verifier);
	rates_free(f->requests.rates);
	answer_tail_free(&f->requests.tail);
	buf_free(&f->requests.scratch);
	timer_free(f->drain);
	timer_free(f->rejoin);
	watch_free(f->control_watch);
	chan_free(f->control);
	if (f->loop != NULL) loop_on_flush(f->loop, NULL, NULL);
	loop_free(f->loop);
	log_flush(f->o->log);
}

struct err front_run(const struct front_options *options)
{
	struct front f = { .o = options, .result = OK };
	struct err e = front_begin(&f);

	if (e.code == ERR_OK) e = loop_run(f.loop);
	front_finish(&f);
	return e.code != ERR_OK ? e : f.result;
}
