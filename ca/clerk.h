/* clerk.h: the clerk thread: admin's reads, and the look-up indexes.  Inside ca/ only. */
#ifndef SIGNET_CA_CLERK_H
#define SIGNET_CA_CLERK_H

#include "ca/inside.h"

struct err clerk_start(struct keeper *k);
void clerk_wake(struct keeper *k); /* to have a look at what is due; any thread */

/* What admin may ask: each answers the job. */
void clerk_status(struct keeper *k, struct job *job);
void clerk_roots(struct keeper *k, struct job *job);
void clerk_tokens(struct keeper *k, struct job *job);
void clerk_bans(struct keeper *k, struct job *job);
void clerk_certs(struct keeper *k, struct job *job);
void clerk_cert(struct keeper *k, struct job *job);
void clerk_events(struct keeper *k, struct job *job);
void clerk_limits(struct keeper *k, struct job *job); /* limits_tell.c */

/* A page of a list: `put` appends the next element; NOT_FOUND: there is none. */
struct page {
	struct keeper *keeper;
	struct store_view *view;
	struct store_cursor cursor;
	struct buf items;
	bool more;
};
void clerk_answer_page(struct keeper *k, struct job *job, struct err (*put)(struct page *));
struct wire_list;
void clerk_answer_list(struct job *job, struct err e, const struct wire_list *list);
void clerk_answer_memfd(struct job *job, struct err e, struct bytes content);
/* Until everything that is recorded can be looked up. */
struct err clerk_index_all(struct keeper *k);

void admin_answer(struct job *job, struct err e, struct bytes body); /* admin.c */

#endif
