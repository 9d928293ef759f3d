/* clerk.c: admin's reads, and the look-up indexes: whatever may take long and must not hold up a certificate. */
#include <string.h>
#include <sys/statvfs.h>

#include "base/chan.h"
#include "base/clock.h"
#include "base/control.h"
#include "ca/clerk.h"
#include "ca/crl_issue.h"
#include "ca/external.h"
#include "ca/revoke.h"
#include "ca/rotate.h"
#include "ca/wire_root.h"

#define TICK_US 500000         /* how often the indexes are looked at */
#define INDEX_SLICE 512        /* records of a slice: some milliseconds */
#define ITEMS_MAX (WIRE_LIST_MAX - 128) /* bytes: the list's own fields fit in as well */
#define INDEX_URGENT 65536     /* records behind, from which on the indexes are built under load too; ours */

/* What is big goes out in sealed memory: the message's own body stays empty. */
void clerk_answer_memfd(struct job *job, struct err e, struct bytes content)
{
	AUTO(buf) struct buf out = { .max = 1024 };
	AUTO(fd) int fd = -1;
	struct wire_answer m = { .id = job->id };

	if (e.code == ERR_OK) e = chan_memfd("signet-answer", content, &fd);
	if (e.code == ERR_OK) e = wire_answer_put(&out, &m);
	if (e.code == ERR_OK) (void)chan_put_fd(job->peer->chan, KEEPER_ANSWER_MEMFD, buf_view(&out), fd);
	else admin_answer(job, e, BYTES_NONE);
}

void clerk_answer_list(struct job *job, struct err e, const struct wire_list *list)
{
	AUTO(buf) struct buf content = { .max = WIRE_LIST_MAX };

	if (e.code == ERR_OK) e = wire_list_put(&content, list);
	clerk_answer_memfd(job, e, buf_view(&content));
}

struct err clerk_index_all(struct keeper *k)
{
	uint64_t behind = 0;

	do TRY(store_index_catch_up(k->store, INDEX_SLICE, &behind));
	while (behind > 0);
	return OK;
}

/* ---- status, roots ---- */

static uint32_t count_fronts(struct keeper *k)
{
	uint32_t n = 0;

	pthread_mutex_lock(&k->queue.lock);
	for (const struct peer *p = k->peers; p != NULL; p = p->next)
		if (p->role == CONTROL_FRONT && !p->dead) n++;
	pthread_mutex_unlock(&k->queue.lock);
	return n;
}

void clerk_status(struct keeper *k, struct job *job)
{
	AUTO(buf) struct buf body = { .max = 4096 };
	char key_type[sizeof(k->signer->key_type)];
	struct wire_status m = { .issued = atomic_load(&k->issued),
				 .refused = atomic_load(&k->refused), .started = k->started, .fronts = count_fronts(k),
				 .store_ok = atomic_load(&k->store_ok) ? 1 : 0 };
	struct err e = store_stats(k->store, &m.store);

	pthread_mutex_lock(&k->roots_lock);
	m.root_seq = roots_seq(k->roots);
	m.root_not_after = k->signer->not_after;
	memcpy(key_type, k->signer->key_type, sizeof(key_type));
	pthread_mutex_unlock(&k->roots_lock);
	m.key_type = bytes_str(key_type);
	if (e.code == ERR_OK) e = wire_status_put(&body, &m);
	admin_answer(job, e, buf_view(&body));
}

void clerk_roots(struct keeper *k, struct job *job)
{
	AUTO(buf) struct buf body = { .max = WIRE_ROOTS_MAX };
	struct err e;

	pthread_mutex_lock(&k->roots_lock);
	e = roots_publish(k->roots, external_roots(k), &body);
	pthread_mutex_unlock(&k->roots_lock);
	admin_answer(job, e, buf_view(&body));
}

/* ---- tokens and bans, page by page ---- */

static struct err put_token(struct page *page)
{
	struct store_token token;

	TRY(store_view_token_next(page->view, &page->cursor, &token));
	return wire_token_item_put(&page->items, &token);
}

static struct err put_ban(struct page *page)
{
	struct store_ban ban;
	struct wire_ban m;

	TRY(store_view_ban_next(page->view, &page->cursor, &ban));
	m = (struct wire_ban){ .kind = (uint8_t)ban.kind, .subject = bytes_str(ban.subject), .reason = bytes_str(ban.reason),
			       .by = bytes_str(ban.by), .since = ban.since };
	return wire_ban_put(&page->items, &m);
}

static struct err read_page(struct page *page, uint32_t limit, struct err (*put)(struct page *))
{
	for (uint32_t i = 0; i < limit; i++) {
		struct store_cursor before = page->cursor;
		struct err e = put(page);

		if (e.code == ERR_NOT_FOUND) return OK;
		if (e.code == ERR_RESOURCE_EXHAUSTED && i > 0) { /* the page is full of bytes */
			page->cursor = before;
			break;
		}
		if (e.code != ERR_OK) return e;
	}
	page->more = true;
	return OK;
}

void clerk_answer_page(struct keeper *k, struct job *job, struct err (*put)(struct page *))
{
	struct page page = { .keeper = k, .items = { .max = ITEMS_MAX } };
	struct wire_list list = { .next = UINT64_MAX };
	struct wire_cursor m;
	struct err e = wire_cursor_take(buf_view(&job->payload), &m);

	if (e.code == ERR_OK && m.cursor.len > sizeof(page.cursor.key)) e = ERR(ERR_INVALID_ARGUMENT, "keeper: not a cursor");
	if (e.code == ERR_OK) {
		if (m.cursor.len > 0) memcpy(page.cursor.key, m.cursor.data, m.cursor.len);
		page.cursor.len = m.cursor.len;
		e = store_view_open(k->store, &page.view);
	}
	if (e.code == ERR_OK) e = read_page(&page, m.limit, put);
	store_view_close(page.view);
	if (page.more) list.cursor = BYTES(page.cursor.key, page.cursor.len);
	list.items = buf_view(&page.items);
	clerk_answer_list(job, e, &list);
	buf_free(&page.items);
}

void clerk_tokens(struct keeper *k, struct job *job)
{
	clerk_answer_page(k, job, put_token);
}

void clerk_bans(struct keeper *k, struct job *job)
{
	clerk_answer_page(k, job, put_ban);
}

static struct err put_event(struct page *page)
{
	struct store_event ev;

	TRY(store_view_event_next(page->view, &page->cursor, &ev));
	return wire_event_put(&page->items, &ev);
}

void clerk_events(struct keeper *k, struct job *job)
{
	clerk_answer_page(k, job, put_event);
}

/* ---- certificates ---- */

struct rows {
	struct buf items;
	uint64_t last;  /* index of the last one that is in */
	bool any, full;
};

static struct err put_row(void *ctx, const struct store_record *r)
{
	struct rows *rows = ctx;
	struct err e = wire_record_put(&rows->items, r);

	if (e.code == ERR_RESOURCE_EXHAUSTED && rows->any) {
		rows->full = true;
		FAIL(ERR_ABORTED, "keeper: the page is full");
	}
	if (e.code != ERR_OK) return e;
	rows->last = r->index;
	rows->any = true;
	return OK;
}

void clerk_certs(struct keeper *k, struct job *job)
{
	struct rows rows = { .items = { .max = ITEMS_MAX } };
	struct wire_list list = { .next = UINT64_MAX };
	struct wire_query m;
	struct err e = wire_query_take(buf_view(&job->payload), &m);

	if (e.code == ERR_OK) e = clerk_index_all(k); /* so that the answer is complete */
	if (e.code == ERR_OK) e = store_query(k->store, &m.q, put_row, &rows, &list.next);
	if (rows.full) {
		e = OK;
		list.next = rows.last;
	}
	list.items = buf_view(&rows.items);
	clerk_answer_list(job, e, &list);
	buf_free(&rows.items);
}

void clerk_cert(struct keeper *k, struct job *job)
{
	AUTO(store_view) struct store_view *view = NULL;
	AUTO(buf) struct buf body = { .max = CHAN_PAYLOAD_MAX };
	struct store_record r;
	struct wire_get m;
	struct err e = wire_get_take(buf_view(&job->payload), &m);

	if (e.code == ERR_OK) e = store_view_open(k->store, &view);
	if (e.code == ERR_OK) e = store_view_record(view, m.index, &r);
	if (e.code == ERR_OK) e = wire_record_put(&body, &r);
	if (e.code == ERR_OK) e = revoke_put_state(view, &r, &body);
	admin_answer(job, e, buf_view(&body));
}

/* ---- the thread ---- */

static void gauges(struct keeper *k)
{
	struct store_stats stats;
	struct statvfs fs;

	if (store_stats(k->store, &stats).code != ERR_OK) return;
	metric_set(k->metrics, M_STORE_BYTES, stats.used_bytes + stats.index_used_bytes);
	metric_set(k->metrics, M_INDEX_BEHIND, stats.index_behind);
	metric_set(k->metrics, M_RECORDS, stats.records_end);
	if (statvfs(k->options->data_dir, &fs) != 0) return;
	metric_set(k->metrics, M_DISK_BYTES, (uint64_t)fs.f_blocks * fs.f_frsize);
	metric_set(k->metrics, M_DISK_FREE, (uint64_t)fs.f_bavail * fs.f_frsize);
}

/* The indexes are for admin only: built while no certificate is made, or when they are far behind. */
static void index_slice(struct keeper *k, uint64_t *seen)
{
	uint64_t issued = atomic_load(&k->issued), behind = 0;
	bool quiet = issued == *seen;
	struct store_stats stats;
	struct err e;

	*seen = issued;
	gauges(k);
	if (store_stats(k->store, &stats).code != ERR_OK || stats.index_behind == 0) return;
	if (!quiet && stats.index_behind < INDEX_URGENT) return;
	do e = store_index_catch_up(k->store, INDEX_SLICE, &behind);
	while (e.code == ERR_OK && behind > 0 && atomic_load(&k->issued) == issued && !k->clerk_queue.stop);
	if (e.code != ERR_OK) log_event(k->log, LOG_WARN, "index_failed", F_ERR(e));
}

static void run(struct keeper *k, struct job *job)
{
	if (job->search != NULL && job->search(k, job)) return;
	if (job->search == NULL) job->answer(k, job);
	(void)chan_flush(job->peer->chan);
	if (chan_wants_write(job->peer->chan)) keeper_wake(k);
	job_free(k, job);
}

static void *clerk_main(void *arg)
{
	struct keeper *k = arg;
	struct queue *q = &k->clerk_queue;
	uint64_t seen = UINT64_MAX;
	int64_t due = clock_mono_us() + TICK_US; /* also for those who ask for the status all the time */
	bool over = false;

	while (!over) {
		struct job *job;

		pthread_mutex_lock(&q->lock);
		if (q->head == NULL && !q->stop && !q->nudged) queue_wait(q, due);
		q->nudged = false;
		over = q->head == NULL && q->stop;
		job = queue_take(q, 1);
		pthread_mutex_unlock(&q->lock);
		if (job != NULL) {
			run(k, job);
		}
		if (!over) rotate_work(k);
		if (!over) crls_build(k);
		if (!over) crls_drop_look(k);
		if (!over && clock_mono_us() >= due) {
			index_slice(k, &seen);
			due = clock_mono_us() + TICK_US;
		}
	}
	return NULL;
}

void clerk_wake(struct keeper *k)
{
	pthread_mutex_lock(&k->clerk_queue.lock);
	k->clerk_queue.nudged = true;
	pthread_cond_signal(&k->clerk_queue.more);
	pthread_mutex_unlock(&k->clerk_queue.lock);
}

struct err clerk_start(struct keeper *k)
{
	int rc = pthread_create(&k->clerk_thread, NULL, clerk_main, k);

	if (rc != 0) FAIL_BY(ERR_UNAVAILABLE, "keeper: cannot start the clerk thread", rc);
	k->clerk_runs = true;
	return OK;
}
