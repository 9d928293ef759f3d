#include "k8s_csr/same_node.h"

#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "base/own.h"

struct wait {
	struct same_node *s;
	struct wait *next;
	void *asker;
	struct timer *timer;
	bool refused; /* the pods are known, and it was a NO: a new pod may still come */
	struct wire_node m; /* its texts are in `texts` */
	uint8_t texts[];
};

struct same_node {
	struct same_node_options o;
	struct loop *loop;
	struct pods *pods;
	struct wait *waiting, *allowed; /* allowed: about to be told */
	size_t count;
};

static void wait_free(struct wait *w)
{
	if (w == NULL) return;
	timer_free(w->timer);
	free(w);
}
static inline void auto_wait(struct wait **p) { wait_free(*p); }

static void tell(const struct same_node *s, void *asker, const struct wire_node_answer *m)
{
	s->o.answer(s->o.ctx, asker, m);
}

static enum wire_verdict look(const struct same_node *s, const struct wire_node *m, const char **why)
{
	*why = "the cluster's pods are not known yet";
	return pods_is_synced(s->pods) ? pods_allow(s->pods, m, why) : VERDICT_AWAY;
}

/* ---- the end of a wait ---- */

static void on_time_up(void *ctx)
{
	struct wait *w = ctx, **at = &w->s->waiting;
	const char *why;
	struct wire_node_answer m = { .id = w->m.id, .verdict = (uint8_t)look(w->s, &w->m, &why) };

	if (m.verdict != VERDICT_YES) m.why = BYTES(why, strnlen(why, WIRE_VERDICT_WHY_MAX));
	while (*at != w) at = &(*at)->next;
	*at = w->next;
	w->s->count--;
	tell(w->s, w->asker, &m);
	wait_free(w);
}

/* Moved to a list of their own first: whoever is told may forget askers, and so change both lists. */
static void on_changed(void *ctx)
{
	struct same_node *s = ctx;

	for (struct wait **at = &s->waiting, *w; (w = *at) != NULL;) {
		const char *why;
		enum wire_verdict verdict = look(s, &w->m, &why);

		if (verdict == VERDICT_YES) {
			*at = w->next;
			w->next = s->allowed;
			s->allowed = w;
			continue;
		}
		if (verdict == VERDICT_NO && !w->refused) (void)timer_start(w->timer, SAME_NODE_NEW_POD_MS);
		w->refused |= verdict == VERDICT_NO;
		at = &w->next;
	}
	while (s->allowed != NULL) {
		AUTO(wait) struct wait *w = s->allowed;

		s->allowed = w->next;
		s->count--;
		tell(s, w->asker, &(struct wire_node_answer){ .id = w->m.id, .verdict = VERDICT_YES });
	}
}

/* ---- its beginning ---- */

static void keep(uint8_t **to, struct bytes *text)
{
	memcpy(*to, text->data, text->len);
	text->data = *to;
	*to += text->len;
}

static struct err wait_new(struct same_node *s, void *asker, const struct wire_node *m, struct wait **out)
{
	size_t room = m->proxy_ns.len + m->proxy_account.len + m->proxy_pod.len + m->proxy_uid.len + m->ns.len + m->account.len;
	AUTO(wait) struct wait *w = calloc(1, sizeof(*w) + room);
	uint8_t *to;

	if (w == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "same_node: out of memory");
	*w = (struct wait){ .s = s, .asker = asker, .m = *m };
	to = w->texts;
	keep(&to, &w->m.proxy_ns);
	keep(&to, &w->m.proxy_account);
	keep(&to, &w->m.proxy_pod);
	keep(&to, &w->m.proxy_uid);
	keep(&to, &w->m.ns);
	keep(&to, &w->m.account);
	TRY(timer_new(s->loop, on_time_up, w, &w->timer));
	*out = MOVE(w);
	return OK;
}

struct err same_node_ask(struct same_node *s, void *asker, const struct wire_node *m)
{
	AUTO(wait) struct wait *w = NULL;
	const char *why;
	enum wire_verdict verdict = look(s, m, &why);

	if (verdict == VERDICT_YES) {
		tell(s, asker, &(struct wire_node_answer){ .id = m->id, .verdict = VERDICT_YES });
		return OK;
	}
	if (s->count >= SAME_NODE_MAX) FAIL(ERR_RESOURCE_EXHAUSTED, "same_node: too many questions wait");
	TRY(wait_new(s, asker, m, &w));
	w->refused = verdict == VERDICT_NO;
	TRY(timer_start(w->timer, w->refused ? SAME_NODE_NEW_POD_MS : SAME_NODE_SYNC_MS));
	w->next = s->waiting;
	s->waiting = MOVE(w);
	s->count++;
	return OK;
}

static void forget_in(struct same_node *s, struct wait **at, const void *asker)
{
	for (struct wait *w; (w = *at) != NULL;) {
		if (asker != NULL && w->asker != asker) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		s->count--;
		wait_free(w);
	}
}

void same_node_forget(struct same_node *s, const void *asker)
{
	forget_in(s, &s->waiting, asker);
	forget_in(s, &s->allowed, asker);
}

struct err same_node_new(const struct same_node_options *options, struct same_node **out)
{
	AUTO(heap) struct same_node *s = calloc(1, sizeof(*s));

	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "same_node: out of memory");
	s->o = *options;
	s->loop = cluster_options_of(options->cluster)->loop;
	TRY(pods_new(options->cluster, on_changed, s, &s->pods));
	*out = MOVE(s);
	return OK;
}

void same_node_free(struct same_node *s)
{
	if (s == NULL) return;
	same_node_forget(s, NULL);
	pods_free(s->pods);
	free(s);
}
