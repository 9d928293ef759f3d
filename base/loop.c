#include "base/loop.h"

#include <stdlib.h>
#include <uv.h>

struct loop {
	uv_loop_t uv;
	uv_prepare_t prepare;
	void (*flush)(void *ctx);
	void *flush_ctx;
};

struct watch {
	uv_poll_t uv;
	unsigned events; /* what it waits for now: asking for the same again costs no system call */
	void (*ready)(void *ctx, unsigned events);
	void *ctx;
};

struct timer {
	uv_timer_t uv;
	void (*fire)(void *ctx);
	void *ctx;
};

static void on_prepare(uv_prepare_t *h)
{
	struct loop *loop = h->data;

	if (loop->flush != NULL) loop->flush(loop->flush_ctx);
}

struct err loop_new(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "loop: out of memory");
	if (uv_loop_init(&loop->uv) != 0) {
		free(loop);
		FAIL(ERR_RESOURCE_EXHAUSTED, "loop: cannot make an event loop");
	}
	(void)uv_prepare_init(&loop->uv, &loop->prepare);
	loop->prepare.data = loop;
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	uv_unref((uv_handle_t *)&loop->prepare);
	*out = loop;
	return OK;
}

struct err loop_run(struct loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	return OK;
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h)) uv_close(h, NULL);
}

void loop_free(struct loop *loop)
{
	if (loop == NULL) return;
	uv_walk(&loop->uv, close_handle, NULL);
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	(void)uv_loop_close(&loop->uv);
	free(loop);
}

void loop_on_flush(struct loop *loop, void (*flush)(void *ctx), void *ctx)
{
	loop->flush = flush;
	loop->flush_ctx = ctx;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;
	unsigned ready = 0;

	/* An error shows itself at the next read or write of the descriptor. */
	if (status < 0 || (events & UV_READABLE) != 0) ready |= LOOP_READ;
	if (status < 0 || (events & UV_WRITABLE) != 0) ready |= LOOP_WRITE;
	w->ready(w->ctx, ready);
}

struct err watch_new(struct loop *loop, int fd, void (*ready)(void *ctx, unsigned events), void *ctx, struct watch **out)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "loop: out of memory");
	if (uv_poll_init(&loop->uv, &w->uv, fd) != 0) {
		free(w);
		FAIL(ERR_INTERNAL, "loop: descriptor cannot be watched");
	}
	w->uv.data = w;
	w->ready = ready;
	w->ctx = ctx;
	*out = w;
	return OK;
}

struct err watch_set(struct watch *w, unsigned events)
{
	int want = ((events & LOOP_READ) != 0 ? UV_READABLE : 0) | ((events & LOOP_WRITE) != 0 ? UV_WRITABLE : 0);

	if (events == w->events) return OK;
	w->events = events;
	if (want == 0) return uv_poll_stop(&w->uv) == 0 ? OK : ERR(ERR_INTERNAL, "loop: cannot stop watching");
	if (uv_poll_start(&w->uv, want, on_poll) != 0) FAIL(ERR_INTERNAL, "loop: cannot watch");
	return OK;
}

static void free_handle(uv_handle_t *h)
{
	free(h->data);
}

void watch_free(struct watch *w)
{
	if (w != NULL) uv_close((uv_handle_t *)&w->uv, free_handle);
}

static void on_timer(uv_timer_t *h)
{
	struct timer *t = h->data;

	t->fire(t->ctx);
}

struct err timer_new(struct loop *loop, void (*fire)(void *ctx), void *ctx, struct timer **out)
{
	struct timer *t = calloc(1, sizeof(*t));

	if (t == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "loop: out of memory");
	(void)uv_timer_init(&loop->uv, &t->uv);
	t->uv.data = t;
	t->fire = fire;
	t->ctx = ctx;
	*out = t;
	return OK;
}

struct err timer_start(struct timer *t, int64_t ms)
{
	if (uv_timer_start(&t->uv, on_timer, ms < 0 ? 0 : (uint64_t)ms, 0) != 0) FAIL(ERR_INTERNAL, "loop: cannot start a timer");
	return OK;
}

void timer_stop(struct timer *t)
{
	(void)uv_timer_stop(&t->uv);
}

void timer_free(struct timer *t)
{
	if (t != NULL) uv_close((uv_handle_t *)&t->uv, free_handle);
}
