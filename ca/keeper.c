#include "ca/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/control.h"
#include "ca/clerk.h"
#include "ca/crl_issue.h"
#include "ca/external.h"
#include "ca/issuers.h"
#include "ca/rotate.h"
#include "ca/takeover.h"

#define FRAMES_A_TURN 4    /* of one peer before the next one's: fairness; ours */
#define PUBLISH_TURNS 4    /* that signed jobs may wait for more to be read; ours: a fraction of a millisecond */
#define DRAIN_MS 10        /* between two looks while jobs are still on their way */
#define TAKEOVER_MS 1      /* the same while another CA waits for the last certificates of the old one */
#define DRAIN_MAX_US 10000000 /* after that, what is not answered is not waited for; ours */

/* ---- points where a test may stop the world ---- */

#ifdef SIGNET_TEST_POINTS
static void kill_configure(struct keeper *k)
{
	const char *text = getenv("SIGNET_TEST_KILL"), *colon = text == NULL ? NULL : strchr(text, ':');

	if (colon == NULL || (size_t)(colon - text) >= sizeof(k->kill.point)) return;
	memcpy(k->kill.point, text, (size_t)(colon - text));
	k->kill.at = (unsigned)strtoul(colon + 1, NULL, 10);
}

static void kill_at(struct keeper *k, const char *point)
{
	if (strcmp(point, k->kill.point) == 0 && atomic_fetch_add(&k->kill.seen, 1) + 1 == k->kill.at) (void)raise(SIGKILL);
}
#else
static void kill_configure(struct keeper *k) { (void)k; }
static void kill_at(struct keeper *k, const char *point) { (void)k, (void)point; }
#endif

void keeper_at_point(struct keeper *k, const char *point)
{
	kill_at(k, point);
	if (k->options->at_point != NULL) k->options->at_point(point, k->options->at_point_ctx);
}

static void at_store_point(const char *point, void *ctx)
{
	static const char *const names[][2] = { { "before-commit", "after-commit" }, { "before-crl", "after-crl" },
						{ "before-roots", "after-roots" } };
	struct keeper *k = ctx;
	int writing = atomic_load(&k->writing);

	if (strcmp(point, "before-index") == 0) keeper_at_point(k, point);
	else keeper_at_point(k, names[writing][strcmp(point, "before-commit") != 0]);
}

void keeper_wake(struct keeper *k)
{
	uint64_t one = 1;

	(void)!write(k->wake_fd, &one, sizeof(one)); /* full means: it is awake already */
}

/* ---- peers ---- */

static void peer_close(struct peer *p, struct err why)
{
	bool gone = why.code == ERR_UNAVAILABLE;

	if (atomic_exchange(&p->dead, true)) return;
	/* Jobs may still refer to the channel: shut now, freed when they are through. */
	(void)shutdown(chan_fd(p->chan), SHUT_RDWR);
	log_event(p->keeper->log, gone ? LOG_INFO : LOG_ERROR, gone ? "peer_gone" : "peer_broke_the_protocol",
	          F_INT("role", p->role), F_INT("number", p->number), F_ERR(why));
	external_forget(p->keeper, p);
}

static void peers_reap(struct keeper *k)
{
	for (struct peer **at = &k->peers; *at != NULL;) {
		struct peer *p = *at;

		if (!atomic_load(&p->dead) || atomic_load(&p->pending) > 0) {
			at = &p->next;
			continue;
		}
		pthread_mutex_lock(&k->queue.lock);
		*at = p->next;
		pthread_mutex_unlock(&k->queue.lock);
		chan_free(p->chan);
		free(p);
	}
}

static size_t peers_count(const struct keeper *k)
{
	size_t n = 0;

	for (const struct peer *p = k->peers; p != NULL; p = p->next) n++;
	return n;
}

static struct err peer_add(struct keeper *k, const struct control_peer *who, int *fd)
{
	AUTO(heap) struct peer *p = calloc(1, sizeof(*p));

	if (p == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	p->keeper = k;
	p->role = who->role;
	p->number = who->number;
	atomic_store(&p->last, true);
	atomic_store(&p->serving, SET_NEVER);
	rate_start(&p->rate, k->conf->ca.rate_per_front, clock_mono_us());
	TRY(who->role == CONTROL_FRONT ? front_channel(p, *fd) : who->role == CONTROL_ADMIN ? admin_channel(p, *fd) :
	    courier_channel(p, *fd));
	(void)MOVE_FD(*fd);
	pthread_mutex_lock(&k->queue.lock);
	p->next = k->peers;
	k->peers = p;
	pthread_mutex_unlock(&k->queue.lock);
	p = NULL; /* the list's now */
	return OK;
}

/* A restarted process takes its predecessor's place. */
static void peer_replace(struct keeper *k, const struct control_peer *who)
{
	for (struct peer *p = k->peers; p != NULL; p = p->next)
		if (p->role == who->role && p->number == who->number)
			peer_close(p, ERR(ERR_UNAVAILABLE, "keeper: replaced by a new process"));
}

/* ---- control channel ---- */

static bool may_speak(const struct keeper *k, uint8_t role)
{
	return role == CONTROL_FRONT || role == CONTROL_ADMIN || (role == CONTROL_COURIER && k->external != NULL);
}

static struct err on_channel(void *self, struct chan_msg *msg)
{
	struct keeper *k = self;
	struct control_peer who;

	TRY(control_peer_take(msg->payload, &who));
	if (!may_speak(k, who.role)) FAIL(ERR_INVALID_ARGUMENT, "keeper: a channel to nobody");
	peer_replace(k, &who);
	peers_reap(k);
	if (peers_count(k) < PEERS_MAX) return peer_add(k, &who, &msg->fd);
	/* Those of dead processes wait for their jobs: this one's end is closed, and the monitor tries again later. */
	log_event(k->log, LOG_ERROR, "too_many_channels", F_INT("role", who.role), F_INT("number", who.number));
	return OK;
}

static struct err on_stop(void *self, struct chan_msg *msg)
{
	(void)msg;
	((struct keeper *)self)->stopping = true;
	return OK;
}

static const struct chan_rule control_rules[] = { /* base/control.h */
	{ 0, CONTROL_CHANNEL, CONTROL_PEER_LEN, CONTROL_PEER_LEN, true, on_channel, 0 },
	{ 0, CONTROL_CA, 0, 0, true, takeover_on_files, 0 },
	{ 0, CONTROL_CRL, 0, 0, true, crls_on_file, 0 },
	{ 0, CONTROL_ISSUER_ROOTS, 1, 1, true, external_on_roots, 0 },
	{ 0, CONTROL_STOP, 0, 0, false, on_stop, 0 },
};

/* ---- the loop ---- */

#define FIRST_PEER 2
struct wait {
	struct pollfd fds[FIRST_PEER + PEERS_MAX];
	struct peer *peers[PEERS_MAX];
	size_t count; /* of peers */
	bool dead;    /* one of them waits for its jobs */
};

static void wait_fill(struct keeper *k, struct wait *w)
{
	bool ready = rotate_is_ready(k);

	w->count = 0;
	w->dead = false;
	w->fds[0] = (struct pollfd){ .fd = k->wake_fd, .events = POLLIN };
	w->fds[1] = (struct pollfd){ .fd = k->stopping ? -1 : chan_fd(k->control), .events = POLLIN };
	for (struct peer *p = k->peers; p != NULL; p = p->next) {
		bool hold = k->stopping || (ready && p->role == CONTROL_FRONT);
		short events = (short)((hold ? 0 : POLLIN) | (chan_wants_write(p->chan) ? POLLOUT : 0));

		w->dead |= atomic_load(&p->dead);
		if (atomic_load(&p->dead) || w->count == PEERS_MAX) continue;
		w->fds[FIRST_PEER + w->count] = (struct pollfd){ .fd = events == 0 ? -1 : chan_fd(p->chan), .events = events };
		w->peers[w->count++] = p;
	}
}

static struct err wait_for(struct wait *w, int ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
	int n = ppoll(w->fds, FIRST_PEER + w->count, ms < 0 ? NULL : &ts, NULL);

	if (n < 0 && errno != EINTR) FAIL_BY(ERR_INTERNAL, "keeper: poll failed", errno);
	if (n <= 0)
		for (size_t i = 0; i < FIRST_PEER + w->count; i++) w->fds[i].revents = 0;
	return OK;
}

static void serve_control(struct keeper *k, short revents)
{
	unsigned frames;
	struct err e;

	if (revents == 0) return;
	e = chan_receive(k->control, FRAMES_A_TURN, &frames);
	if (e.code == ERR_OK) return;
	k->stopping = true; /* the monitor is gone, or not itself any more */
	log_event(k->log, LOG_WARN, "control_channel_ended", F_ERR(e));
}

static void serve_peer(struct peer *p, short revents)
{
	struct err e = OK;
	unsigned frames;

	if (revents == 0 || atomic_load(&p->dead)) return;
	if ((revents & POLLOUT) != 0) e = chan_flush(p->chan);
	if (e.code == ERR_OK && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) e = chan_receive(p->chan, FRAMES_A_TURN, &frames);
	if (e.code != ERR_OK) peer_close(p, e);
}

static void flush_dirty(struct keeper *k)
{
	for (struct peer *p = k->peers; p != NULL; p = p->next) {
		struct err e;

		if (!p->dirty || atomic_load(&p->dead)) continue;
		p->dirty = false;
		e = chan_flush(p->chan);
		if (e.code != ERR_OK) peer_close(p, e);
	}
}

static bool something_ready(const struct wait *w)
{
	for (size_t i = 0; i < w->count; i++)
		if ((w->fds[FIRST_PEER + i].revents & POLLIN) != 0) return true;
	return false;
}

/* One turn.  Signed jobs are handed over when there is nothing more to read, or enough of them: one commit for many. */
static struct err turn(struct keeper *k, struct wait *w)
{
	uint64_t drained;

	wait_fill(k, w);
	if (k->fresh != NULL || k->news) {
		TRY(wait_for(w, 0));
		/* one peer that always has something to say must not keep the others waiting */
		if (k->fresh_count >= PUBLISH_AT || ++k->fresh_turns >= PUBLISH_TURNS || !something_ready(w)) {
			keeper_publish(k);
			flush_dirty(k);
		}
	} else {
		flush_dirty(k);
		TRY(wait_for(w, rotate_is_ready(k) ? TAKEOVER_MS : k->stopping || w->dead ? DRAIN_MS : external_wait_ms(k)));
	}
	if (w->fds[0].revents != 0) (void)!read(k->wake_fd, &drained, sizeof(drained));
	crls_sign(k);
	external_turn(k);
	for (size_t i = 0; i < w->count; i++) serve_peer(w->peers[i], w->fds[FIRST_PEER + i].revents);
	serve_control(k, w->fds[1].revents); /* last: a new peer's coming frees dead ones, which `w` may name */
	if (w->dead) peers_reap(k);
	rotate_try(k);
	return OK;
}

static struct err keeper_loop(struct keeper *k)
{
	AUTO(heap) struct wait *w = calloc(1, sizeof(*w));
	int64_t drain_from = 0;

	if (w == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	for (;;) {
		if (k->stopping && drain_from == 0) drain_from = clock_mono_us();
		if (k->stopping && atomic_load(&k->jobs) == 0) return OK;
		if (k->stopping && clock_mono_us() - drain_from > DRAIN_MAX_US)
			FAIL(ERR_DEADLINE_EXCEEDED, "keeper: could not drain");
		TRY(turn(k, w));
	}
}

/* ---- start and end ---- */

static struct err open_store(struct keeper *k)
{
	struct store_options o = { .dir = k->options->data_dir, .map_max = k->options->store_map_max, .at_point = at_store_point,
				   .at_point_ctx = k };

	return store_open(&o, &k->store);
}

static struct err open_bans(struct keeper *k)
{
	AUTO(store_view) struct store_view *view = NULL;

	TRY(bans_new(&k->bans));
	TRY(store_view_open(k->store, &view));
	TRY(bans_load(k->bans, view));
	metric_set(k->metrics, M_BANS, bans_count(k->bans));
	return OK;
}

static struct err keeper_start(struct keeper *k)
{
	TRY(queue_init(&k->queue));
	TRY(queue_init(&k->clerk_queue));
	k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->wake_fd < 0) FAIL_BY(ERR_UNAVAILABLE, "keeper: cannot make an eventfd", errno);
	TRY(issuers_start(k));
	TRY(limits_new(k->conf, &k->limits));
	TRY(serials_new(k->conf->replica, &k->serials));
	TRY(open_store(k));
	TRY(external_start(k));
	TRY(rotation_new(k));
	TRY(takeover_start(k));
	TRY(open_bans(k));
	TRY(crls_new(k));
	if (k->options->crl.len > 0) crls_bring(k, k->options->crl);
	TRY(commit_start(k));
	TRY(clerk_start(k));
	TRY(chan_put(k->control, CONTROL_READY, BYTES_NONE));
	return chan_flush(k->control);
}

static void stop_threads(struct keeper *k)
{
	if (k->clerk_runs) {
		queue_stop(&k->clerk_queue);
		pthread_join(k->clerk_thread, NULL);
	}
	if (!k->commit_runs) return;
	queue_stop(&k->queue);
	pthread_join(k->commit_thread, NULL);
}

/* Jobs that nobody will answer any more: the drain took too long. */
static void drop_queue(struct keeper *k)
{
	struct job *job;

	while ((job = queue_take(&k->queue, 1)) != NULL) job_free(k, job);
	while ((job = queue_take(&k->clerk_queue, 1)) != NULL) job_free(k, job);
}

/* Undoes whatever keeper_start() reached. */
static void keeper_stop(struct keeper *k)
{
	explicit_bzero(k->options->kek, sizeof(*k->options->kek));
	if (k->options->ca != NULL) buf_wipe(k->options->ca);
	stop_threads(k);
	external_free(k);
	rotate_stop(k);
	rotation_free(MOVE(k->rotation));
	explicit_bzero(&k->ca_kek, sizeof(k->ca_kek));
	roots_free(MOVE(k->roots)); /* waits for the signers' threads */
	keeper_publish(k);
	drop_queue(k);
	for (struct peer *p = k->peers; p != NULL; p = p->next) {
		(void)chan_flush(p->chan);
		atomic_store(&p->dead, true);
		atomic_store(&p->pending, 0);
	}
	peers_reap(k);
	jobs_drop(k);
	store_close(k->store);
	bans_free(k->bans);
	crls_free(k->crls);
	limits_free(k->limits);
	issuers_free(k);
	serials_free(k->serials);
	if (k->roots_fd >= 0) close(k->roots_fd);
	if (k->wake_fd >= 0) close(k->wake_fd);
	chan_free(k->control);
	pthread_mutex_destroy(&k->freed_lock);
	pthread_mutex_destroy(&k->roots_lock);
	pthread_mutex_destroy(&k->writer);
	queue_destroy(&k->queue);
	queue_destroy(&k->clerk_queue);
}

struct err keeper_run(const struct keeper_options *options)
{
	AUTO(heap) struct keeper *k = calloc(1, sizeof(*k));
	struct err e;

	if (k == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	k->options = options;
	k->conf = options->conf;
	k->log = options->log;
	k->metrics = options->metrics;
	k->roots_fd = k->wake_fd = -1;
	k->fresh_tail = &k->fresh;
	k->started = clock_wall();
	k->started_us = clock_mono_us();
	atomic_store(&k->store_ok, true);
	pthread_mutex_init(&k->freed_lock, NULL);
	pthread_mutex_init(&k->roots_lock, NULL);
	pthread_mutex_init(&k->writer, NULL);
	kill_configure(k);
	TRY(chan_new(options->control_fd, control_rules, ARRAY_LEN(control_rules), k, &k->control));
	e = keeper_start(k);
	if (e.code == ERR_OK) e = keeper_loop(k);
	keeper_stop(k);
	return e;
}
