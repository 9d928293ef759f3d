#include "daemon/watch.h"

void ca_watch_start(struct ca_watch *w, const struct start *s)
{
	*w = (struct ca_watch){ .mark = start_ca_mark(s), .first = true };
}

void ca_watch_reading(struct ca_watch *w, const struct start *s)
{
	w->mark = start_ca_mark(s);
	w->changed = w->first = false;
	w->retry_ms = 0;
}

void ca_watch_result(struct ca_watch *w, bool taken, int64_t now_ms)
{
	if (taken) {
		w->retry_ms = w->delay_ms = 0;
		return;
	}
	w->delay_ms = w->delay_ms == 0 ? WATCH_RETRY_MS : w->delay_ms * 2;
	if (w->delay_ms > WATCH_RETRY_MAX_MS) w->delay_ms = WATCH_RETRY_MAX_MS;
	w->retry_ms = now_ms + w->delay_ms;
}

bool ca_watch_due(struct ca_watch *w, const struct start *s, int64_t now_ms, int *wait_ms)
{
	uint64_t mark;

	*wait_ms = -1;
	if (w->mark == 0) return false;
	*wait_ms = (int)(w->look_ms - now_ms);
	if (now_ms < w->look_ms) return false;
	w->look_ms = now_ms + WATCH_LOOK_MS;
	*wait_ms = WATCH_LOOK_MS;
	mark = start_ca_mark(s);
	if (mark != w->mark) { /* somebody is writing: not before two looks see the same */
		w->mark = mark;
		w->changed = true;
		w->delay_ms = 0;
		return false;
	}
	return w->changed || w->first || (w->retry_ms != 0 && now_ms >= w->retry_ms);
}
