/* What becomes of one request, whatever the API server, signers, approvers and others do with it. */
#include "filing_world.h"

/* ---- stories ----
 * What happens, in words: "POST 201 PENDING": the POST that is in flight is answered so, with such an object; status 0: the server
 * is away.  "SEEN X", "GONE X": the watch tells of it.  "BEGIN", "SYNCED": a list's ends.  "TICK": the clock goes until there is
 * an answer.  "PAUSE": it goes on a little, and nothing comes of it.  "DONE": the keeper wants it no more.  In the end: what
 * the keeper was told ("" nothing), and what is in flight. */

struct story {
	const char *name, *events, *said, *in_flight;
	unsigned how;
	int64_t deadline; /* seconds from now; 0: far */
};
#define PLAIN 0
#define RESUME 1   /* the keeper asks again */
#define EXTERNAL 2 /* others approve */
#define KEEP 4     /* after: keep */
#define FILED "POST 201 PENDING; PATCH 200 APPROVED; "

static const struct story stories[] = {
	{ "is_signed", FILED "SEEN ISSUED", "signed PEM", "", PLAIN, 0 },
	{ "is_deleted_when_the_keeper_is_done", FILED "SEEN ISSUED; DONE", "signed PEM", "DELETE", PLAIN, 0 },
	{ "is_kept_if_so_configured", FILED "SEEN ISSUED; DONE", "signed PEM", "", KEEP, 0 },
	{ "waits_for_another_approver", "POST 201 PENDING; SEEN PENDING", "", "", EXTERNAL, 0 },
	{ "another_approver_approves", "POST 201 PENDING; SEEN APPROVED; SEEN ISSUED", "signed PEM", "", EXTERNAL, 0 },
	{ "is_not_approved_twice", FILED "SEEN PENDING; SEEN APPROVED", "", "", PLAIN, 0 },
	{ "is_approved_already_when_it_comes_back", "POST 201 APPROVED", "", "", PLAIN, 0 },
	{ "watch_is_faster_than_the_answer_to_POST", "SEEN PENDING; SEEN ISSUED", "signed PEM", "", EXTERNAL, 0 },
	{ "watch_is_faster_and_then_the_answer_comes", "SEEN PENDING; POST 201 PENDING", "", "PATCH", PLAIN, 0 },
	{ "watch_is_faster_than_the_answer_to_PATCH", "POST 201 PENDING; SEEN APPROVED; SEEN ISSUED", "signed PEM", "", PLAIN, 0 },
	{ "is_told_once", FILED "SEEN ISSUED; SEEN ISSUED; SEEN FAILED; GONE ISSUED", "signed PEM", "", PLAIN, 0 },
	{ "is_signed_and_somebody_deleted_it", FILED "SEEN ISSUED; GONE ISSUED; DONE", "signed PEM", "", PLAIN, 0 },
	{ "certificate_without_approval_is_approved_first", "POST 201 EARLY", "", "PATCH", PLAIN, 0 },
	{ "certificate_without_approval_waits", "POST 201 PENDING; SEEN EARLY", "", "", EXTERNAL, 0 },
	{ "wanted_no_more_before_it_is_there", "DONE", "", "DELETE", PLAIN, 0 },
	{ "wanted_no_more_while_it_waits", FILED "DONE", "", "DELETE", PLAIN, 0 },
	{ "wanted_no_more_and_kept", FILED "DONE", "", "", KEEP, 0 },

	{ "is_denied", "POST 201 PENDING; SEEN DENIED", "denied", "DELETE", EXTERNAL, 0 },
	{ "denial_beats_a_certificate", "POST 201 PENDING; SEEN DENIED_ISSUED", "denied", "DELETE", EXTERNAL, 0 },
	{ "is_denied_and_kept", "POST 201 PENDING; SEEN DENIED", "denied", "", EXTERNAL | KEEP, 0 },
	{ "fails", FILED "SEEN FAILED", "failed", "DELETE", PLAIN, 0 },
	{ "fails_while_it_is_approved", "POST 201 PENDING; SEEN FAILED", "failed", "DELETE", PLAIN, 0 },
	{ "is_deleted_by_somebody", FILED "GONE APPROVED", "deleted", "", PLAIN, 0 },
	{ "another_of_its_name_is_deleted", FILED "GONE REPLACED", "", "", PLAIN, 0 },
	{ "is_replaced", FILED "SEEN REPLACED", "deleted", "", PLAIN, 0 },
	{ "is_there_and_cannot_be_read", FILED "SEEN BROKEN", "answer", "DELETE", PLAIN, 0 },
	{ "is_too_large", FILED "SEEN HUGE", "answer", "DELETE", PLAIN, 0 },

	{ "POST_may_not", "POST 403 forbidden", "forbidden", "", PLAIN, 0 },
	{ "POST_is_not_believed_who_it_is", "POST 401", "forbidden", "", PLAIN, 0 },
	{ "POST_is_invalid", "POST 422 invalid", "refused", "", PLAIN, 0 },
	{ "POST_is_bad", "POST 400", "refused", "", PLAIN, 0 },
	{ "POST_is_redirected", "POST 302", "refused", "", PLAIN, 0 },
	{ "POST_finds_no_such_API", "POST 404", "refused", "", PLAIN, 0 },
	{ "POST_reaches_nobody", "POST 0", "unavailable", "DELETE", PLAIN, 0 },
	{ "POST_meets_overload", "POST 429", "unavailable", "DELETE", PLAIN, 0 },
	{ "POST_meets_a_broken_server", "POST 503", "unavailable", "DELETE", PLAIN, 0 },
	{ "POST_is_answered_with_nonsense", "POST 201 nonsense", "answer", "DELETE", PLAIN, 0 },
	{ "POST_is_answered_with_another_kind", "POST 201 forbidden", "answer", "DELETE", PLAIN, 0 },

	{ "name_is_taken_by_itself", "POST 409; GET 200 PENDING; PATCH 200 APPROVED; SEEN ISSUED; DONE", "signed PEM", "DELETE", PLAIN, 0 },
	{ "name_is_taken_by_itself_and_signed", "POST 409; GET 200 ISSUED", "signed PEM", "", PLAIN, 0 },
	{ "name_is_taken_by_another_key", "POST 409; GET 200 OTHER_KEY", "refused", "", PLAIN, 0 },
	{ "name_is_taken_for_another_signer", "POST 409; GET 200 OTHER_SIGNER", "refused", "", PLAIN, 0 },
	{ "name_is_taken_and_the_watch_knows", "SEEN OTHER_KEY", "refused", "", PLAIN, 0 },
	{ "name_is_taken_and_then_free", "POST 409; GET 404", "deleted", "", PLAIN, 0 },
	{ "name_is_taken_and_may_not_be_looked_at", "POST 409; GET 403 forbidden", "forbidden", "", PLAIN, 0 },
	{ "name_is_taken_by_what_the_watch_showed", "SEEN PENDING; POST 409; GET 200 PENDING", "", "PATCH", PLAIN, 0 },

	{ "approval_may_not", "POST 201 PENDING; PATCH 403 forbidden", "forbidden", "DELETE", PLAIN, 0 },
	{ "approval_reaches_nobody", "POST 201 PENDING; PATCH 0", "unavailable", "DELETE", PLAIN, 0 },
	{ "approval_finds_nothing", "POST 201 PENDING; PATCH 404", "deleted", "", PLAIN, 0 },
	{ "approval_is_bad", "POST 201 PENDING; PATCH 400", "refused", "DELETE", PLAIN, 0 },
	{ "approval_is_answered_with_nonsense", "POST 201 PENDING; PATCH 200 nonsense", "answer", "DELETE", PLAIN, 0 },
	{ "approval_conflicts_and_is_tried_again", "POST 201 PENDING; PATCH 409; GET 200 PENDING", "", "PATCH", PLAIN, 0 },
	{ "approval_conflicts_with_an_approval", "POST 201 PENDING; PATCH 409; GET 200 APPROVED", "", "", PLAIN, 0 },
	{ "approval_conflicts_with_a_denial", "POST 201 PENDING; PATCH 422 invalid; GET 200 DENIED", "denied", "DELETE", PLAIN, 0 },
	{ "approval_conflicts_with_a_deletion", "POST 201 PENDING; PATCH 409; GET 404", "deleted", "", PLAIN, 0 },
	{ "approval_conflicts_with_a_replacement", "POST 201 PENDING; PATCH 409; GET 200 REPLACED", "deleted", "", PLAIN, 0 },
	{ "approval_conflicts_for_ever",
	  "POST 201 PENDING; PATCH 409; GET 200 PENDING; PATCH 409; GET 200 PENDING; PATCH 409; GET 200 PENDING; "
	  "PATCH 409; GET 200 PENDING; PATCH 409", "refused", "DELETE", PLAIN, 0 },

	{ "resumed_is_pending", "GET 200 PENDING", "", "PATCH", RESUME, 0 },
	{ "resumed_is_approved", "GET 200 APPROVED; SEEN ISSUED", "signed PEM", "", RESUME, 0 },
	{ "resumed_is_signed", "GET 200 ISSUED; DONE", "signed PEM", "DELETE", RESUME, 0 },
	{ "resumed_waits_for_another_approver", "GET 200 PENDING", "", "", RESUME | EXTERNAL, 0 },
	{ "resumed_is_not_there", "GET 404", "lost", "", RESUME, 0 },
	{ "resumed_is_not_what_was_filed", "GET 200 OTHER_KEY", "refused", "", RESUME, 0 },
	{ "resumed_is_for_another_signer", "GET 200 OTHER_SIGNER", "refused", "", RESUME, 0 },
	{ "resumed_may_not_be_looked_at", "GET 403 forbidden", "forbidden", "DELETE", RESUME, 0 },
	{ "resumed_reaches_nobody", "GET 0", "unavailable", "DELETE", RESUME, 0 },
	{ "resumed_is_seen_before_the_look_ends", "SEEN ISSUED", "signed PEM", "", RESUME, 0 },
	{ "resumed_was_signed_in_time", "GET 200 ISSUED", "signed PEM", "", RESUME, -100 },
	{ "resumed_is_looked_for_after_its_deadline", "PAUSE; GET 200 ISSUED", "signed PEM", "", RESUME, -100 },
	{ "resumed_was_not_approved_in_time", "GET 200 PENDING; TICK", "deadline", "GET", RESUME, -100 },

	{ "list_has_it", FILED "BEGIN; SEEN APPROVED; SYNCED", "", "", PLAIN, 0 },
	{ "list_lacks_it", FILED "BEGIN; SYNCED", "", "GET", PLAIN, 0 },
	{ "list_lacks_it_and_it_is_there", FILED "BEGIN; SYNCED; GET 200 APPROVED", "", "", PLAIN, 0 },
	{ "list_lacks_it_and_it_is_gone", FILED "BEGIN; SYNCED; GET 404", "deleted", "", PLAIN, 0 },
	{ "list_lacks_it_and_it_is_replaced", FILED "BEGIN; SYNCED; GET 200 REPLACED", "deleted", "", PLAIN, 0 },
	{ "list_lacks_it_and_nobody_can_be_asked", FILED "BEGIN; SYNCED; GET 0", "unavailable", "DELETE", PLAIN, 0 },
	{ "list_began_before_it_was_filed", "BEGIN; " FILED "SYNCED", "", "", PLAIN, 0 },
	{ "list_ends_while_it_is_filed", "BEGIN; SYNCED", "", "POST", PLAIN, 0 },
	{ "list_ends_while_it_is_approved", "POST 201 PENDING; BEGIN; SYNCED", "", "PATCH", PLAIN, 0 },
	{ "list_begins_anew_in_the_middle", FILED "BEGIN; SEEN APPROVED; BEGIN; SYNCED", "", "GET", PLAIN, 0 },
	{ "list_of_the_answered_is_nobodys_business", FILED "SEEN ISSUED; BEGIN; SYNCED", "signed PEM", "", PLAIN, 0 },

	{ "deadline_is_over_at_once", "TICK", "deadline", "", PLAIN, -1 },
	{ "deadline_passes_unapproved", "POST 201 PENDING; TICK", "deadline", "GET", EXTERNAL, 1 },
	{ "deadline_passes_unsigned", FILED "TICK; GET 200 nonsense", "deadline", "DELETE", PLAIN, 1 },
	{ "deadline_passes_and_nobody_tells_why", FILED "TICK; GET 0", "deadline", "DELETE", PLAIN, 1 },
	{ "deadline_passes_and_it_is_kept", FILED "TICK; GET 403 forbidden", "deadline", "", KEEP, 1 },
	{ "deadline_passes_without_any_answer", "TICK", "unavailable", "DELETE", PLAIN, 1 },
};

/* A body by its word: an object, or a Status. */
static char *body_of(const char *word)
{
	size_t len;
	char file[64], *text;
	json_t *o;

	if (word[0] == '\0' || strcmp(word, "nonsense") == 0) return strdup(word);
	if (word[0] >= 'a') {
		(void)snprintf(file, sizeof(file), "status-%s.json", word);
		return sample_text(file, &len);
	}
	o = object_of(word);
	text = json_dumps(o, 0);
	json_decref(o);
	return text;
}

static void watch_tells(const char *verb, const char *word)
{
	const struct informer_options *i = &world->informer->o;
	AUTO(json) json_t *o = NULL;

	if (strcmp(verb, "BEGIN") == 0) {
		i->begin(i->ctx);
	} else if (strcmp(verb, "SYNCED") == 0) {
		i->synced(i->ctx);
	} else {
		o = object_of(word);
		if (strcmp(verb, "SEEN") == 0) i->seen(i->ctx, o);
		else if (strcmp(verb, "GONE") == 0) i->gone(i->ctx, o);
		else fail_msg("no event %s", verb);
	}
}

static void happen(const struct story *s, char *event)
{
	char verb[16] = "", second[32] = "", third[32] = "";
	struct cluster_request *r;

	assert_true(sscanf(event, " %15s %31s %31s", verb, second, third) >= 1);
	r = request_of(verb);
	if (strcmp(verb, "TICK") == 0) {
		run_until(1);
	} else if (strcmp(verb, "PAUSE") == 0) {
		run_for(1500);
	} else if (strcmp(verb, "DONE") == 0) {
		filings_done(world->filings, 7);
	} else if (second[0] >= '0' && second[0] <= '9') {
		AUTO(heap) char *body = body_of(third);

		if (r == NULL) fail_msg("%s: no %s is in flight", s->name, verb);
		answer(r, atol(second), body);
	} else {
		watch_tells(verb, second);
	}
}

static void play(const struct story *s)
{
	AUTO(heap) char *events = strdup(s->events);
	struct wire_file m;
	struct world w;
	char *rest = events;

	world_begin(&w);
	w.conf->csr_issuers[0].approve = (s->how & EXTERNAL) != 0 ? CONF_APPROVE_EXTERNAL : CONF_APPROVE_SELF;
	w.conf->csr_issuers[0].after = (s->how & KEEP) != 0 ? CONF_AFTER_KEEP : CONF_AFTER_DELETE;
	m = order(7, NAME);
	m.resume = (s->how & RESUME) != 0;
	if (s->deadline != 0) m.deadline = clock_wall() + s->deadline;
	assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
	assert_int_equal(w.answers, 0); /* never from within */
	for (char *event = strsep(&rest, ";"); event != NULL; event = strsep(&rest, ";"))
		if (event[strspn(event, " ")] != '\0') happen(s, event);
	if (strcmp(w.said, s->said) != 0) fail_msg("%s: \"%s\" (%s)", s->name, w.said, w.why);
	if (w.answers != (s->said[0] != '\0') || (w.answers == 1 && w.id != 7)) fail_msg("%s: %zu answers", s->name, w.answers);
	if (requests() != (s->in_flight[0] != '\0') || (requests() == 1 && request_of(s->in_flight) == NULL))
		fail_msg("%s: %zu requests in flight", s->name, requests());
	world_end(&w);
}

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stories); i++) play(&stories[i]);
}

/* The keeper may be done within the answer itself. */
static void test_done_from_within_the_answer(void **state)
{
	static const struct story all[] = {
		{ "signed", FILED "SEEN ISSUED", "signed PEM", "DELETE", PLAIN, 0 },
		{ "failed", FILED "SEEN FAILED", "failed", "DELETE", PLAIN, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct wire_file m;
		struct world w;

		world_begin(&w);
		w.done_within = true;
		m = order(7, NAME);
		assert_int_equal(filings_file(w.filings, &m).code, ERR_OK);
		happen(&all[i], (char[]){ "POST 201 PENDING" });
		happen(&all[i], (char[]){ "PATCH 200 APPROVED" });
		happen(&all[i], i == 0 ? (char[]){ "SEEN ISSUED" } : (char[]){ "SEEN FAILED" });
		assert_string_equal(w.said, all[i].said);
		assert_int_equal(filings_count(w.filings), 1);
		answer(request_of("DELETE"), 200, "{}");
		assert_int_equal(filings_count(w.filings), 0);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_done_from_within_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
