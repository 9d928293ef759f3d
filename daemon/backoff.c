#include "daemon/backoff.h"

int64_t backoff_died(struct backoff *b, int64_t lived_ms)
{
	int64_t wait = b->next_ms == 0 || lived_ms >= BACKOFF_FORGET_MS ? BACKOFF_FIRST_MS : b->next_ms;

	b->next_ms = wait > BACKOFF_MAX_MS / 2 ? BACKOFF_MAX_MS : wait * 2;
	return wait;
}
