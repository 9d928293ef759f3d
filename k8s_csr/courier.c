#include "k8s_csr/courier.h"

#include "base/control.h"
#include "k8s_csr/courier_internal.h"

#define FRAMES_MAX 16 /* of one channel in a round, so that none starves the others; ours */

/* ---- channels ---- */

static void on_ready(void *ctx, unsigned events)
{
	struct line *l = ctx;
	unsigned frames;
	struct err e = OK;

	if (l->end.code != ERR_OK) return;
	if ((events & LOOP_WRITE) != 0) e = chan_flush(l->chan);
	if (e.code == ERR_OK && (events & LOOP_READ) != 0) e = chan_receive(l->chan, FRAMES_MAX, &frames);
	if (l->end.code == ERR_OK) l->end = e; /* else a handler could not answer */
}

struct err line_open(struct line *l, struct loop *loop, int fd, struct line_rules rules, void *self)
{
	AUTO(fd) int owned = fd;

	l->end = OK;
	TRY(chan_new(owned, rules.rules, rules.count, self, &l->chan));
	(void)MOVE_FD(owned);
	TRY(watch_new(loop, fd, on_ready, l, &l->watch));
	return watch_set(l->watch, LOOP_READ);
}

void line_put(struct line *l, uint16_t type, struct err encoded, const struct buf *payload)
{
	if (l->end.code == ERR_OK) l->end = encoded;
	if (l->end.code == ERR_OK) l->end = chan_put(l->chan, type, buf_view(payload));
}

void line_put_fd(struct line *l, uint16_t type, struct bytes payload, int fd)
{
	if (l->end.code == ERR_OK) l->end = chan_put_fd(l->chan, type, payload, fd);
}

void line_flush(struct line *l)
{
	if (l->chan == NULL) return;
	if (l->end.code == ERR_OK) l->end = chan_flush(l->chan);
	if (l->end.code == ERR_OK) l->end = watch_set(l->watch, LOOP_READ | (chan_wants_write(l->chan) ? LOOP_WRITE : 0));
	if (l->end.code != ERR_OK) (void)watch_set(l->watch, 0);
}

void line_close(struct line *l)
{
	watch_free(l->watch);
	chan_free(l->chan);
	*l = (struct line){ .end = ERR(ERR_UNAVAILABLE, "courier: closed") };
}

/* ---- from the monitor ---- */

static void on_drained(void *ctx)
{
	struct courier *c = ctx;

	loop_stop(c->o->loop);
}

static struct err stop(struct courier *c)
{
	if (c->stopping) return OK;
	c->stopping = true;
	return timer_start(c->drain, COURIER_DRAIN_MS);
}

static struct err on_stop(void *self, struct chan_msg *msg)
{
	(void)msg;
	return stop(self);
}

static struct err on_channel(void *self, struct chan_msg *msg)
{
	struct control_peer who;

	TRY(control_peer_take(msg->payload, &who));
	if (who.role != CONTROL_FRONT) FAIL(ERR_INVALID_ARGUMENT, "courier: a channel to nobody");
	return courier_front_open(self, who.number, MOVE_FD(msg->fd));
}

static const struct chan_rule rules[] = { /* base/control.h */
	{ 0, CONTROL_CHANNEL, CONTROL_PEER_LEN, CONTROL_PEER_LEN, true, on_channel, 0 },
	{ 0, CONTROL_STOP, 0, 0, false, on_stop, 0 },
};

/* ---- the end of a round ---- */

static void flush_fronts(struct courier *c)
{
	struct asker *a, *next;

	for (a = LIST_FIRST(&c->askers); a != NULL; a = next) {
		bool gone;

		next = LIST_NEXT(a, link);
		line_flush(&a->line);
		if (a->line.end.code == ERR_OK) continue;
		gone = a->line.end.code == ERR_UNAVAILABLE; /* it died, and its successor comes */
		log_event(c->o->log, gone ? LOG_INFO : LOG_WARN, "front_lost", F_INT("front", a->number), F_ERR(a->line.end));
		courier_front_close(a);
	}
}

static bool is_idle(const struct courier *c)
{
	const struct asker *a;

	LIST_FOREACH(a, &c->askers, link)
		if (a->open > 0 || chan_wants_write(a->line.chan)) return false;
	return courier_keeper_in_hand(c) == 0 && (c->keeper.chan == NULL || !chan_wants_write(c->keeper.chan));
}

/* true: there is nothing to do any more. */
static bool is_over(struct courier *c)
{
	struct err *control = &c->control.end;

	if (control->code == ERR_UNAVAILABLE) { /* as if it had said so: base/control.h */
		struct err e = stop(c);

		if (e.code != ERR_OK) return true;
	} else if (control->code != ERR_OK) {
		return true;
	}
	if (c->keeper.chan != NULL && c->keeper.end.code != ERR_OK) return true;
	return c->stopping && is_idle(c);
}

static void on_flush(void *ctx)
{
	struct courier *c = ctx;

	line_flush(&c->control);
	line_flush(&c->keeper);
	flush_fronts(c);
	log_flush(c->o->log);
	if (is_over(c)) loop_stop(c->o->loop);
}

/* ---- begin and end ---- */

static struct err clusters_open(struct courier *c)
{
	const struct courier_options *o = c->o;
	struct cluster_options cluster = {
		.loop = o->loop, .https = o->https, .conf = o->conf, .log = o->log, .metrics = o->metrics
	};

	for (size_t i = 0; i < o->conf->cluster_count; i++) {
		cluster.cluster = &o->conf->clusters[i];
		TRY(cluster_new(&cluster, &c->clusters[i]));
	}
	return OK;
}

static struct err begin(struct courier *c)
{
	const struct courier_options *o = c->o;
	const struct buf nothing = { .max = 0 };

	loop_on_flush(o->loop, on_flush, c);
	TRY(timer_new(o->loop, on_drained, c, &c->drain));
	TRY(line_open(&c->control, o->loop, o->control_fd, (struct line_rules){ rules, ARRAY_LEN(rules) }, c));
	TRY(clusters_open(c));
	TRY(courier_front_answers(c));
	if (o->keeper_fd >= 0) TRY(courier_keeper_open(c, o->keeper_fd));
	line_put(&c->control, CONTROL_READY, OK, &nothing);
	return c->control.end;
}

static void finish(struct courier *c)
{
	struct asker *a;

	while ((a = LIST_FIRST(&c->askers)) != NULL) courier_front_close(a);
	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++) {
		filings_free(c->filings[i]);
		reviews_free(c->reviews[i]);
	}
	keyring_free(c->keyring);
	for (size_t i = 0; i < CONF_CLUSTERS_MAX; i++) cluster_free(c->clusters[i]);
	timer_free(c->drain);
	line_close(&c->keeper);
	line_close(&c->control);
	loop_on_flush(c->o->loop, NULL, NULL);
	log_flush(c->o->log);
}

/* What ended it, of what the loop saw. */
static struct err result(const struct courier *c)
{
	struct err keeper = c->keeper.end;

	if (c->control.end.code != ERR_OK && c->control.end.code != ERR_UNAVAILABLE) return c->control.end;
	if (c->keeper.chan == NULL || keeper.code == ERR_OK || (c->stopping && keeper.code == ERR_UNAVAILABLE)) return OK;
	log_event(c->o->log, LOG_ERROR, "keeper_lost", F_ERR(keeper));
	return keeper.code == ERR_UNAVAILABLE ? ERR(ERR_UNAVAILABLE, "courier: the keeper is gone") : keeper;
}

struct err courier_run(const struct courier_options *options)
{
	struct courier c = { .o = options };
	struct err e = begin(&c);

	if (e.code == ERR_OK) e = loop_run(options->loop);
	if (e.code == ERR_OK) e = result(&c);
	finish(&c);
	return e;
}
