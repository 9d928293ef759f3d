/* monitor_log.c: log levels at run time.  The word that says so is in the metrics page of each process: so nobody need be
 * told, it holds for a process that is started again, and who is taken over can change no other's. */
#include "base/clock.h"
#include "daemon/monitor_inside.h"

static void set(struct metrics *page, uint32_t level, int64_t until)
{
	atomic_store(&page->log.until, until);
	atomic_store(&page->log.level, level);
}

static bool is_meant(const struct control_log *want, enum control_role role, uint16_t number)
{
	return (want->role == CONTROL_EVERY_ROLE || want->role == role) &&
	       (want->number == CONTROL_EVERY_NUMBER || want->number == number);
}

void log_level_ask(void *monitor, const struct control_log *want)
{
	struct monitor *m = monitor;
	int64_t until = clock_wall() + want->seconds, until_ms = proc_now_ms() + (int64_t)want->seconds * 1000;
	unsigned count = 0;

	if (is_meant(want, CONTROL_MONITOR, 0)) {
		set(m->metrics, 1U + want->level, until);
		m->log_until_ms = until_ms;
		count++;
	}
	for (size_t i = 0; i < m->count; i++) {
		struct proc *p = &m->procs[i];

		if (!is_meant(want, p->role, p->number) || proc_page(p) == NULL) continue;
		set(p->page, 1U + want->level, until);
		p->log_until_ms = until_ms;
		count++;
	}
	log_event(m->log, LOG_WARN, "log_level", F_STR("to", log_level_name((enum log_level)want->level)),
	          F_INT("processes", count), F_INT("seconds", want->seconds));
}

static int due(struct metrics *page, int64_t *until_ms, int64_t now)
{
	if (*until_ms == 0) return -1;
	if (now < *until_ms) return (int)(*until_ms - now);
	set(page, 0, 0);
	*until_ms = 0;
	return -1;
}

int log_level_due(struct monitor *m)
{
	int64_t now = proc_now_ms();
	int next = due(m->metrics, &m->log_until_ms, now);

	for (size_t i = 0; i < m->count; i++) next = sooner(next, due(m->procs[i].page, &m->procs[i].log_until_ms, now));
	return next;
}
