#include "ca/roots_start.h"

#include <stdio.h>
#include <string.h>

struct starting { /* what the set is to be, and what its views borrow */
	struct roots *from;
	struct root_set set;
	struct outlook outlook;
	struct buf cert, blob;
	struct store_event event;
};
static void auto_starting(struct starting **p)
{
	if (*p == NULL) return;
	roots_free((*p)->from);
	buf_free(&(*p)->cert);
	buf_free(&(*p)->blob);
	free(*p);
}

/* Is the CA of the stored set one whose key comes from ca.directory alone? */
static bool needs_files(const struct root_set *set)
{
	return set_signer(set)->origin == ORIGIN_FILES && set_signer(set)->blob.len == 0;
}

static struct err take_step(struct store *store, const struct roots_start *start, struct starting *s, enum step_kind kind,
                            struct step_told *told)
{
	struct step step = { .kind = kind, .brought = start->brought, .now = start->options->now, .outlook = &s->outlook,
			     .force = start->accept_unpublished };

	if (s->set.seq > 0) TRY(outlook_make(store, &s->set, step.now, &s->outlook));
	step.next = s->outlook.end;
	return step_apply(&s->set, &step, told);
}

static struct err choose(struct store *store, const struct roots_start *start, struct starting *s, struct roots_started *started)
{
	s->set = *roots_set(s->from);
	started->told = (struct step_told){ .event = "" };
	if (start->brought != NULL) return take_step(store, start, s, STEP_FILES, &started->told);
	if (started->created) {
		started->told = (struct step_told){ .changed = true, .event = "root_created" };
		return roots_first(start->options, &s->cert, &s->blob, &s->set);
	}
	return needs_files(&s->set) ? take_step(store, start, s, STEP_OWN, &started->told) : OK;
}

struct err roots_start(struct store *store, const struct roots_start *start, struct roots_started *started, struct roots **out)
{
	AUTO(starting) struct starting *s = calloc(1, sizeof(*s));
	AUTO(roots) struct roots *roots = NULL;
	struct roots_change change = { .event = NULL };

	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	s->cert.max = STORE_CERT_MAX;
	s->blob.max = SET_BLOB_MAX;
	TRY(roots_read(store, start->options, &s->from));
	started->created = roots_seq(s->from) == 0;
	TRY(choose(store, start, s, started));
	change.from = s->from;
	if (start->brought != NULL && start->brought->key != NULL) change.brought_key = &start->brought->key;
	if (started->told.changed) {
		s->event = (struct store_event){ .time = start->options->now, .by = "signet" };
		(void)snprintf(s->event.what, sizeof(s->event.what), "%s", started->told.event);
		(void)snprintf(s->event.subject, sizeof(s->event.subject), "%s", started->told.subject);
		change.set = &s->set;
		change.event = &s->event;
	}
	TRY(roots_build(start->options, &change, &roots));
	TRY(roots_store(store, &change, roots));
	*out = MOVE(roots);
	return OK;
}
