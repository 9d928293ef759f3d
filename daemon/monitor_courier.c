/* monitor_courier.c: the monitor's part for the courier: its channels to fronts, and the roots of issuers that it asks. */
#include "base/chan.h"
#include "base/own.h"
#include "daemon/monitor_inside.h"

static struct proc *courier_of(struct monitor *m)
{
	return m->fronts_end < m->count ? &m->procs[m->fronts_end] : NULL;
}

/* ---- channels ---- */

static struct err give_end(struct proc *to, const struct proc *peer, int fd)
{
	const struct control_peer who = { .role = (uint8_t)peer->role, .number = peer->number };
	AUTO(buf) struct buf b = { .max = CONTROL_PEER_LEN };

	TRY(control_peer_put(&b, &who));
	TRY(chan_put_fd(to->control, CONTROL_CHANNEL, buf_view(&b), fd));
	return chan_flush(to->control);
}

static struct err join(struct proc *front, struct proc *courier)
{
	AUTO(fd) int one = -1, other = -1;
	int ends[2];

	TRY(chan_pair(ends));
	one = ends[0];
	other = ends[1];
	TRY(give_end(courier, front, one));
	return give_end(front, courier, other);
}

void courier_join(struct monitor *m)
{
	struct proc *courier = courier_of(m);

	if (courier == NULL || !courier->ready || courier->control == NULL) return;
	for (size_t i = FRONTS; i < m->fronts_end; i++) {
		struct proc *front = &m->procs[i];

		if (!front->ready || front->control == NULL || front->joined == courier->pid) continue;
		front->joined = courier->pid;
		front->joined_ms = proc_now_ms();
		/* one of them is about to be found gone, and its successor is joined anew */
		if (join(front, courier).code != ERR_OK)
			log_event(m->log, LOG_WARN, "courier not joined", F_INT("front", front->number));
	}
}

/* ---- roots ---- */

static struct err send_roots(struct monitor *m, uint8_t issuer, int fd)
{
	struct chan *keeper = m->procs[KEEPER].control;

	if (fd < 0) return OK;
	if (keeper == NULL) FAIL(ERR_UNAVAILABLE, "monitor: no keeper");
	TRY(chan_put_fd(keeper, CONTROL_ISSUER_ROOTS, BYTES(&issuer, 1), fd));
	return chan_flush(keeper);
}

void roots_first(struct monitor *m)
{
	for (uint8_t i = 0; i < m->s->conf->csr_issuer_count; i++) {
		(void)send_roots(m, i, m->s->issuer_roots[i]); /* a keeper that is gone ends the daemon anyway */
		auto_fd(&m->s->issuer_roots[i]);
		m->s->issuer_roots[i] = -1;
	}
}

void roots_reload(struct monitor *m)
{
	m->roots.mark = start_roots_mark(m->s);
	for (uint8_t i = 0; i < m->s->conf->csr_issuer_count; i++) {
		AUTO(fd) int fd = -1;
		struct err e = start_read_roots(m->s, i, &fd);

		if (e.code == ERR_OK) e = send_roots(m, i, fd);
		if (e.code != ERR_OK)
			log_event(m->log, LOG_ERROR, "reload failed", F_STR("at", m->s->at), F_ERR(e),
			          F_STR("note", "the roots in use stay"));
	}
}

/* Something has changed, and then stayed the same for a look: nobody is writing any more. */
int roots_watch(struct monitor *m)
{
	int64_t now = proc_now_ms();
	uint64_t mark;

	if (m->roots.mark == 0 || m->stopping || !m->up) return -1;
	if (now < m->roots.look_ms) return (int)(m->roots.look_ms - now);
	m->roots.look_ms = now + WATCH_LOOK_MS;
	mark = start_roots_mark(m->s);
	if (mark == m->roots.mark && m->roots.changed) roots_reload(m);
	m->roots.changed = mark != m->roots.mark;
	m->roots.mark = mark;
	return WATCH_LOOK_MS;
}
