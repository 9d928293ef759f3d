/* due.h: things that must be done within a fixed time, one list for each kind of time: oldest first, so that joining, leaving
 * and looking for what is late cost the same whatever the number.  One owner. */
#ifndef SIGNET_NET_DUE_H
#define SIGNET_NET_DUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct due {
	struct due *prev, *next; /* NULL: on no list */
	int64_t at_us;
};
struct due_list {
	struct due head;
	int64_t delay_us;
};

void due_init(struct due_list *l, int64_t delay_us);
/* Join at the end (leaving first, if it was on the list): late at now + the list's delay. */
void due_add(struct due_list *l, struct due *d, int64_t now_us);
void due_remove(struct due *d); /* does nothing if on no list */
static inline bool due_listed(const struct due *d) { return d->next != NULL; }
/* The oldest, or NULL. */
struct due *due_first(const struct due_list *l);

#define CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#endif
