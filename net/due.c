#include "net/due.h"

void due_init(struct due_list *l, int64_t delay_us)
{
	l->head = (struct due){ .prev = &l->head, .next = &l->head };
	l->delay_us = delay_us;
}

void due_add(struct due_list *l, struct due *d, int64_t now_us)
{
	due_remove(d);
	d->at_us = now_us + l->delay_us;
	d->prev = l->head.prev;
	d->next = &l->head;
	d->prev->next = d;
	l->head.prev = d;
}

void due_remove(struct due *d)
{
	if (d->next == NULL) return;
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->prev = d->next = NULL;
}

struct due *due_first(const struct due_list *l)
{
	return l->head.next == &l->head ? NULL : l->head.next;
}
