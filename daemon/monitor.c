#include "daemon/monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/chan.h"
#include "base/clock.h"
#include "base/control.h"
#include "base/metrics.h"
#include "base/own.h"
#include "daemon/fds.h"
#include "daemon/notify.h"
#include "daemon/monitor_inside.h"
#include "daemon/sandbox.h"

/* ---- what admin is told ---- */

static struct err send_page(struct proc *admin, enum control_role role, uint16_t number, int fd)
{
	const struct control_peer peer = { .role = (uint8_t)role, .number = number };
	AUTO(buf) struct buf b = { .max = CONTROL_PEER_LEN };

	TRY(control_peer_put(&b, &peer));
	return chan_put_fd(admin->control, CONTROL_METRICS, buf_view(&b), fd);
}

static struct err send_pages(struct monitor *m)
{
	TRY(send_page(&m->procs[ADMIN], CONTROL_MONITOR, 0, m->metrics_fd));
	for (size_t i = 0; i < m->count; i++)
		TRY(send_page(&m->procs[ADMIN], m->procs[i].role, m->procs[i].number, m->procs[i].metrics));
	return chan_flush(m->procs[ADMIN].control);
}

/* One line a process: "front 0 pid 123 state ready restarts 2 since 2026-11-20T18:00:00Z". */
static struct err send_status(struct monitor *m)
{
	AUTO(buf) struct buf b = { .max = CONTROL_STATUS_MAX };

	for (size_t i = 0; i < m->count; i++) {
		const struct proc *p = &m->procs[i];
		const char *state = p->kill_ms != 0 ? "stopping" : p->ready ? "ready" : p->pid > 0 ? "starting" : "down";
		char since[CLOCK_TEXT_MAX];

		clock_text(clock_wall() - (proc_now_ms() - p->started_ms) / 1000, since);
		TRY(buf_printf(&b, "%s %u pid %ld state %s restarts %u since %s\n", proc_name(p->role), p->number, (long)p->pid,
		               state, p->restarts, since));
	}
	TRY(chan_put(m->procs[ADMIN].control, CONTROL_STATUS, buf_view(&b)));
	return chan_flush(m->procs[ADMIN].control);
}

/* ---- stopping ---- */

static size_t running(const struct monitor *m, size_t from)
{
	size_t n = 0;

	for (size_t i = from; i < m->count; i++) n += m->procs[i].pid > 0;
	return n;
}

static void stop(struct monitor *m, int status)
{
	if (m->stopping) return;
	m->stopping = true;
	m->status = status;
	notify_send(m->s->notify, "STOPPING=1");
	for (size_t i = ADMIN; i < m->count; i++) proc_stop(&m->procs[i]);
}

/* ---- starting ---- */

static void start_one(struct monitor *m, struct proc *p)
{
	struct err e = proc_start(p, m->s, p->role == CONTROL_KEEPER ? NULL : &m->procs[KEEPER]);

	if (e.code == ERR_OK && p->role == CONTROL_ADMIN) e = send_pages(m);
	if (e.code == ERR_OK) {
		log_event(m->log, LOG_INFO, "process started", F_STR("child", proc_name(p->role)), F_INT("number", p->number),
		          F_INT("pid", p->pid));
		return;
	}
	log_event(m->log, LOG_ERROR, "process not started", F_STR("child", proc_name(p->role)), F_INT("number", p->number),
	          F_ERR(e));
	if (!m->up) stop(m, EXIT_START);
	else if (p->pid <= 0) p->due_ms = proc_now_ms() + backoff_died(&p->backoff, 0);
	else proc_kill(p);
}

static bool all_ready(const struct monitor *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!m->procs[i].ready) return false;
	return true;
}

/* The keeper is ready: now the others can be of use. */
static void start_others(struct monitor *m)
{
	roots_first(m);
	for (size_t i = ADMIN; i < m->count && !m->stopping; i++)
		if (m->procs[i].pid <= 0 && m->procs[i].started_ms == 0) start_one(m, &m->procs[i]);
}

static void now_up(struct monitor *m)
{
	m->up = true;
	log_event(m->log, LOG_INFO, "serving", F_STR("trust_domain", conf_text(m->s->conf, m->s->conf->trust_domain)),
	          F_STR("address", conf_text(m->s->conf, m->s->conf->listen.address)), F_INT("fronts", m->fronts_end - FRONTS));
	notify_send(m->s->notify, "READY=1");
}

/* ---- reload: fronts are replaced one after the other ---- */

static struct err send_to_keeper(struct monitor *m, enum control_type type, int fd)
{
	struct chan *keeper = m->procs[KEEPER].control;

	if (fd < 0) return OK;
	if (keeper == NULL) FAIL(ERR_UNAVAILABLE, "monitor: no keeper");
	TRY(chan_put_fd(keeper, (uint16_t)type, BYTES_NONE, fd));
	return chan_flush(keeper);
}

/* The CA is the keeper's to judge; it goes on with the old one if the new one is no good, and says so. */
static void reload_ca(struct monitor *m)
{
	AUTO(fd) int ca = -1, crl = -1;
	bool first = m->ca.first;
	struct err e;

	ca_watch_reading(&m->ca, m->s);
	e = start_read_ca(m->s, &ca);
	if (e.code == ERR_OK) e = send_to_keeper(m, CONTROL_CA, ca);
	if (e.code == ERR_OK) e = start_read_crl(m->s, &crl); /* after the CA that it is of */
	if (e.code == ERR_OK) e = send_to_keeper(m, CONTROL_CRL, crl);
	if (e.code == ERR_OK) return;
	if (first && e.code == ERR_PERMISSION_DENIED) { /* read at start, as root: what changes there is not seen */
		log_event(m->log, LOG_WARN, "ca.directory cannot be watched", F_STR("at", m->s->at), F_ERR(e),
		          F_STR("note", "a change needs a restart, or files that the daemon's user can read"));
		return;
	}
	ca_watch_result(&m->ca, false, proc_now_ms());
	metric_inc(m->metrics, M_CA_RELOAD_FAILED);
	log_event(m->log, LOG_ERROR, "reload failed", F_STR("at", m->s->at), F_ERR(e), F_STR("note", "the CA in use stays"));
}

static void reload(struct monitor *m)
{
	struct start_files fresh;
	struct err e;

	if (m->stopping || !m->up) return;
	if (m->ca.mark != 0) reload_ca(m); /* whatever is wrong with the other files */
	if (m->roots.mark != 0) roots_reload(m);
	e = start_read_files(m->s, &fresh);
	if (e.code != ERR_OK) {
		log_event(m->log, LOG_ERROR, "reload failed", F_STR("at", m->s->at), F_ERR(e),
		          F_STR("note", "the old files stay in use"));
		return;
	}
	if (!m->reloading && start_same_files(&fresh, &m->s->files)) { /* then no connection need end */
		start_close_files(&fresh);
		log_event(m->log, LOG_INFO, "reloaded", F_INT("fronts", 0));
		return;
	}
	log_event(m->log, LOG_INFO, "reload", F_INT("fronts", m->fronts_end - FRONTS));
	if (!m->reloading) m->previous = start_move_files(&m->s->files);
	start_close_files(&m->s->files); /* of a reload that this one overtakes */
	m->s->files = start_move_files(&fresh);
	for (size_t i = FRONTS; i < m->fronts_end; i++) m->procs[i].reload = true;
	m->reloading = true;
}

/* ca.directory changes by itself, as a mounted Secret does.  Milliseconds until the next look; -1: there is nothing to look at. */
static int watch_ca(struct monitor *m)
{
	int wait = -1;

	if (m->stopping || !m->up) return -1;
	if (ca_watch_due(&m->ca, m->s, proc_now_ms(), &wait)) reload_ca(m);
	return wait;
}

/* A front could not start with the new files: back to the old ones.  What is wrong in a file shows in the first front that
 * reads it, so no other has it by then. */
static void reload_undo(struct monitor *m)
{
	log_event(m->log, LOG_ERROR, "reload failed",
	          F_STR("note", "a front did not start with the new files; the old ones stay in use"));
	start_close_files(&m->s->files);
	m->s->files = start_move_files(&m->previous);
	for (size_t i = FRONTS; i < m->fronts_end; i++) m->procs[i].reload = false;
	m->reloading = false;
}

static void reload_step(struct monitor *m)
{
	if (!m->reloading || m->stopping) return;
	for (size_t i = FRONTS; i < m->fronts_end; i++) /* one that is away or on its way back: wait for it */
		if (!m->procs[i].ready || m->procs[i].kill_ms != 0) return;
	for (size_t i = FRONTS; i < m->fronts_end; i++)
		if (m->procs[i].reload) {
			proc_stop(&m->procs[i]);
			return;
		}
	m->reloading = false;
	start_close_files(&m->previous);
	log_event(m->log, LOG_INFO, "reloaded", F_INT("fronts", m->fronts_end - FRONTS));
}

/* ---- endings ---- */

/* Status of the daemon when the keeper has ended by itself: it could not start, or it died. */
static int keeper_status(const struct monitor *m, int wait_status)
{
	return !m->up && WIFEXITED(wait_status) ? EXIT_START : EXIT_KEEPER;
}

static void schedule(struct monitor *m, struct proc *p, bool was_ready)
{
	int64_t now = proc_now_ms();
	bool undo = m->reloading && p->role == CONTROL_FRONT && !p->reload && !was_ready, at_once = p->reload || undo;

	if (undo) reload_undo(m);
	p->due_ms = now + (at_once ? 0 : backoff_died(&p->backoff, now - p->started_ms));
	if (at_once) return;
	p->restarts++;
	metric_inc(m->metrics, M_RESTARTS);
	log_event(m->log, LOG_INFO, "process to be started again", F_STR("child", proc_name(p->role)), F_INT("number", p->number),
	          F_INT("in_ms", p->due_ms - now));
}

static void ended(struct monitor *m, struct proc *p, int wait_status)
{
	bool was_ready = p->ready;

	proc_ended(p, wait_status, m->log);
	if (m->stopping) return;
	if (p->role == CONTROL_KEEPER) stop(m, keeper_status(m, wait_status));
	else if (!m->up && !was_ready) stop(m, EXIT_START); /* what cannot start once is not worth trying again */
	else schedule(m, p, was_ready);
}

static void reap(struct monitor *m)
{
	int wait_status;
	pid_t pid;

	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0)
		for (size_t i = 0; i < m->count; i++)
			if (m->procs[i].pid == pid) ended(m, &m->procs[i], wait_status);
}

/* ---- the loop ---- */

static void hear_signals(struct monitor *m)
{
	struct signalfd_siginfo info;

	while (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) reload(m);
		if (info.ssi_signo != SIGTERM && info.ssi_signo != SIGINT) continue;
		log_event(m->log, LOG_INFO, "stopping", F_INT("signal", info.ssi_signo));
		stop(m, EXIT_CLEAN);
	}
	reap(m); /* SIGCHLD may stand for several children */
}

/* What is due by the clock; then milliseconds until the next such thing, -1: none. */
static int do_due(struct monitor *m)
{
	int64_t now = proc_now_ms(), next = INT64_MAX;

	for (size_t i = 0; i < m->count; i++) {
		struct proc *p = &m->procs[i];

		if (p->kill_ms != 0 && now >= p->kill_ms) proc_kill(p);
		else if (p->due_ms != 0 && now >= p->due_ms && !m->stopping) start_one(m, p);
		if (p->kill_ms > now && p->kill_ms < next) next = p->kill_ms;
		if (p->due_ms > now && p->due_ms < next && !m->stopping) next = p->due_ms;
	}
	return next == INT64_MAX ? -1 : (int)(next - now);
}

static void look_at_news(struct monitor *m)
{
	bool news = false;

	for (size_t i = 0; i < m->count; i++) {
		news = news || m->procs[i].news;
		m->procs[i].news = false;
	}
	if (m->procs[KEEPER].ca_result != CA_RESULT_NONE)
		ca_watch_result(&m->ca, m->procs[KEEPER].ca_result == CA_RESULT_TAKEN, proc_now_ms());
	m->procs[KEEPER].ca_result = CA_RESULT_NONE;
	if (!news) return;
	if (m->stopping) {
		if (running(m, ADMIN) == 0) proc_stop(&m->procs[KEEPER]);
		return;
	}
	if (m->procs[KEEPER].ready) start_others(m);
	courier_join(m);
	if (!m->up && all_ready(m)) now_up(m);
	if (m->procs[ADMIN].control != NULL && send_status(m).code != ERR_OK) proc_kill(&m->procs[ADMIN]);
}

static void wait_and_serve(struct monitor *m, int timeout)
{
	struct pollfd fds[1 + PROCS_MAX] = { { .fd = m->signals, .events = POLLIN } };

	for (size_t i = 0; i < m->count; i++) {
		struct chan *c = m->procs[i].control;

		fds[1 + i].fd = c == NULL ? -1 : chan_fd(c);
		fds[1 + i].events = (short)(POLLIN | (c != NULL && chan_wants_write(c) ? POLLOUT : 0));
	}
	if (poll(fds, (nfds_t)(1 + m->count), timeout) <= 0) return;
	for (size_t i = 0; i < m->count; i++)
		if (fds[1 + i].revents != 0) proc_serve(&m->procs[i], m->log);
	if (fds[0].revents != 0) hear_signals(m);
}

static void monitor_loop(struct monitor *m)
{
	while (!m->stopping || running(m, KEEPER) > 0) {
		look_at_news(m);
		reload_step(m);
		/* a start that was given up before the others ran: nobody's end will be news */
		if (m->stopping && running(m, ADMIN) == 0) proc_stop(&m->procs[KEEPER]);
		wait_and_serve(m, sooner(sooner(watch_ca(m), roots_watch(m)), sooner(do_due(m), log_level_due(m))));
	}
}

/* ---- set up ---- */

static struct err open_signals(int *fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) FAIL_BY(ERR_INTERNAL, "monitor: cannot block signals", errno);
	*fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return *fd < 0 ? ERR_BY(ERR_UNAVAILABLE, "monitor: no signalfd", errno) : OK;
}

static void name_procs(struct monitor *m)
{
	m->fronts_end = FRONTS + (size_t)start_front_count(m->s->conf);
	m->count = m->fronts_end + conf_needs_courier(m->s->conf);
	for (size_t i = 0; i < m->count; i++) {
		struct proc *p = &m->procs[i];

		p->metrics = -1;
		p->role = i == KEEPER         ? CONTROL_KEEPER
			  : i == ADMIN        ? CONTROL_ADMIN
			  : i < m->fronts_end ? CONTROL_FRONT
					      : CONTROL_COURIER;
		p->number = (uint16_t)(p->role == CONTROL_FRONT ? i - FRONTS : 0);
	}
}

static struct err monitor_begin(struct monitor *m)
{
	const struct sandbox_options sandbox = { .role = conf_needs_courier(m->s->conf) ? SANDBOX_MONITOR_COURIER
											: SANDBOX_MONITOR,
						 .data_dir = -1,
						 .run_dir = m->s->admin_dir,
						 .log = m->log };
	struct err e;

	TRY(open_signals(&m->signals));
	TRY(metrics_create(&m->metrics_fd));
	TRY(metrics_map(m->metrics_fd, true, &m->metrics));
	m->own_log.shared = &m->metrics->log;
	for (size_t i = 0; i < m->count; i++) TRY(metrics_create(&m->procs[i].metrics));
	e = proc_start(&m->procs[KEEPER], m->s, NULL);
	explicit_bzero(m->s->kek, sizeof(m->s->kek));
	if (e.code != ERR_OK) return e;
	log_event(m->log, LOG_INFO, "process started", F_STR("child", "keeper"), F_INT("pid", m->procs[KEEPER].pid));
	close(m->s->data_dir); /* the keeper's alone from here on */
	auto_fd(&m->s->ca);
	auto_fd(&m->s->crl);
	m->s->data_dir = m->s->ca = m->s->crl = -1;
	e = sandbox_enter(&sandbox);
	if (e.code != ERR_OK) proc_kill(&m->procs[KEEPER]);
	return e;
}

struct err monitor_run(struct start *s, int *status)
{
	struct monitor *m = calloc(1, sizeof(*m));
	struct err e;

	if (m == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "monitor: out of memory");
	m->s = s;
	m->own_log = *s->log;
	m->log = &m->own_log;
	m->metrics_fd = m->signals = -1;
	ca_watch_start(&m->ca, s);
	m->roots.mark = start_roots_mark(s);
	start_no_files(&m->previous);
	name_procs(m);
	m->procs[ADMIN].on_log = log_level_ask;
	m->procs[ADMIN].on_log_ctx = m;
	e = monitor_begin(m);
	if (e.code == ERR_OK) monitor_loop(m);
	*status = m->status;
	for (size_t i = 0; i < m->count; i++) proc_free(&m->procs[i]);
	start_close_files(&m->previous);
	auto_fd(&m->metrics_fd);
	auto_fd(&m->signals);
	free(m);
	return e;
}
