#include "ca/rotate.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/control.h"
#include "ca/clerk.h"
#include "ca/due.h"
#include "ca/root_make.h"
#include "ca/takeover.h"
#include "ca/wire_root.h"
#include "der/pem.h"

#define LOOK_US 10000000   /* ours: how often it is looked what is due */
#define OUTLOOK_MAX_S 3600 /* ours: an outlook that nothing has changed is made anew after this */
#define IDS_MAX (32 * 1024) /* bytes of those who are listed: they fit into an answer */

enum stage { STAGE_IDLE, STAGE_TAKEN, STAGE_ASKED, STAGE_WORKED }; /* of nobody, who begins one, the clerk, the main thread */

struct rotation {
	atomic_int stage;
	struct brought *waiting; /* main thread: files that came while something was under way */
	/* of whose stage it is: */
	struct step step;
	bool dry_run;
	struct job *job;         /* to be answered; NULL: nobody asked */
	char by[STORE_BY_MAX + 1], root[2 * SET_ID_LEN + 1];
	struct buf cert, blob, cross; /* of a root that is made or added */
	struct brought *brought;
	struct outlook outlook;
	struct step_told told;
	struct outlook_who who;
	/* the clerk's own: */
	struct serials *serials;
	struct outlook newest;
	bool known;              /* newest is of some set */
	atomic_int_least64_t look_us; /* when to look again; 0 after a change */
};

struct err rotation_new(struct keeper *k)
{
	struct rotation *r = calloc(1, sizeof(*r));
	struct err e;

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	e = serials_new(k->conf->replica, &r->serials);
	if (e.code != ERR_OK) {
		free(r);
		return e;
	}
	k->rotation = r;
	return OK;
}

static void reset(struct rotation *r)
{
	brought_free(MOVE(r->brought));
	buf_free(&r->cert);
	buf_free(&r->blob);
	buf_free(&r->cross);
	buf_free(&r->who.ids);
	r->cert = r->cross = (struct buf){ .max = STORE_CERT_MAX };
	r->blob = (struct buf){ .max = SET_BLOB_MAX };
	r->who = (struct outlook_who){ .ids = { .max = IDS_MAX } };
	r->step = (struct step){ .kind = 0 };
	r->told = (struct step_told){ .event = "" };
	r->dry_run = false;
	r->by[0] = r->root[0] = '\0';
}

void rotation_free(struct rotation *r)
{
	if (r == NULL) return;
	reset(r);
	brought_free(r->waiting);
	serials_free(r->serials);
	free(r);
}

/* ---- asking ---- */

static void give_to_clerk(struct keeper *k)
{
	atomic_store(&k->rotation->stage, STAGE_ASKED);
	clerk_wake(k);
}

/* Takes the stage, if nobody has it: then it is the caller's, to fill in and give to the clerk. */
static bool begin(struct keeper *k, enum step_kind kind, const char *by)
{
	struct rotation *r = k->rotation;
	int idle = STAGE_IDLE;

	if (!atomic_compare_exchange_strong(&r->stage, &idle, STAGE_TAKEN)) return false;
	reset(r);
	r->step.kind = kind;
	r->step.directory = conf_text(k->conf, k->conf->ca.directory)[0] != '\0';
	r->job = NULL;
	(void)snprintf(r->by, sizeof(r->by), "%s", by);
	return true;
}

static struct err refuse(struct peer *p, struct job *job, struct err e)
{
	admin_answer(job, e, BYTES_NONE);
	job_free(p->keeper, job);
	p->dirty = true;
	return OK;
}
#define BUSY ERR(ERR_ABORTED, "keeper: another change of the CA is under way; try again in a moment")

static struct err take_cert(struct rotation *r, struct bytes pem)
{
	char label[PEM_LABEL_MAX];

	TRY(pem_take(&pem, STORE_CERT_MAX, label, &r->cert));
	if (strcmp(label, "CERTIFICATE") != 0) FAIL(ERR_INVALID_ARGUMENT, "keeper: that is no certificate in PEM");
	if (pem_take(&pem, STORE_CERT_MAX, label, &r->cert).code != ERR_NOT_FOUND)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: one certificate at a time");
	return OK;
}

static struct err take_step(struct rotation *r, const struct wire_root_step *ask)
{
	r->step.force = ask->force;
	r->step.cross = ask->cross;
	r->dry_run = ask->dry_run;
	(void)snprintf(r->root, sizeof(r->root), "%.*s", (int)ask->root.len, (const char *)ask->root.data);
	r->step.root = bytes_str(r->root);
	if (ask->kind == STEP_ADD && take_cert(r, ask->cert).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: give one certificate in PEM");
	r->step.cert = buf_view(&r->cert);
	if (ask->kind != STEP_TAINT && ask->kind != STEP_UNTAINT) return OK;
	if (ask->signer.len != 2 * KEY_SKI_LEN || bytes_unhex(ask->signer, r->step.signer).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "keeper: a key identifier is 40 hex digits (signet root status)");
	return OK;
}

struct err rotate_on_step(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct rotation *r = p->keeper->rotation;
	struct wire_root_step ask;
	struct job *job;
	char by[STORE_BY_MAX + 1];
	struct err e;

	TRY(wire_root_step_take(msg->payload, &ask));
	job = job_new(p->keeper, p, BYTES_NONE);
	if (job == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: no room for admin's request");
	job->id = ask.id;
	(void)snprintf(by, sizeof(by), "%.*s", (int)ask.by.len, (const char *)ask.by.data);
	if (!begin(p->keeper, (enum step_kind)ask.kind, by)) return refuse(p, job, BUSY);
	e = take_step(r, &ask);
	if (e.code != ERR_OK) {
		atomic_store(&r->stage, STAGE_IDLE);
		return refuse(p, job, e);
	}
	r->job = job;
	give_to_clerk(p->keeper);
	return OK;
}

struct err rotate_import(struct keeper *k, const struct rotate_import *import)
{
	struct rotation *r = k->rotation;
	char by[STORE_BY_MAX + 1];

	(void)snprintf(by, sizeof(by), "%.*s", (int)import->by.len, (const char *)import->by.data);
	if (!begin(k, STEP_IMPORT, by)) {
		brought_free(import->brought);
		return BUSY;
	}
	r->brought = import->brought;
	r->step.brought = import->brought;
	r->step.force = import->force;
	r->dry_run = import->dry_run;
	r->job = import->job;
	give_to_clerk(k);
	return OK;
}

static void ask_files(struct keeper *k)
{
	struct rotation *r = k->rotation;

	if (r->waiting == NULL || !begin(k, STEP_FILES, "ca.directory")) return;
	r->brought = MOVE(r->waiting);
	r->step.brought = r->brought;
	r->step.force = k->conf->ca.unpublished_root == CONF_UNPUBLISHED_ACCEPT;
	give_to_clerk(k);
}

void rotate_files(struct keeper *k, struct brought *b)
{
	brought_free(k->rotation->waiting); /* of a reload that this one overtakes */
	k->rotation->waiting = b;
	ask_files(k);
}

/* ---- ending: by whose stage it is ---- */

static struct err put_done(const struct keeper *k, struct buf *body)
{
	const struct rotation *r = k->rotation;
	struct wire_root_done m = { .seq = r->outlook.seq + (!r->dry_run && r->told.changed),
				    .changed = r->told.changed,
				    .event = bytes_str(r->told.event),
				    .subject = bytes_str(r->told.subject),
				    .certs = r->told.harm.certs,
				    .identities = r->who.identities,
				    .until = r->told.harm.until,
				    .listed = r->who.listed,
				    .ids = buf_view(&r->who.ids) };

	return wire_root_done_put(body, &m);
}

static void answer(struct keeper *k, struct err e)
{
	AUTO(buf) struct buf body = { .max = 2 * IDS_MAX };
	struct rotation *r = k->rotation;
	struct job *job = MOVE(r->job);

	if (e.code == ERR_OK) e = put_done(k, &body);
	else if (r->told.why[0] != '\0') e.reason = r->told.why;
	admin_answer(job, e, buf_view(&body));
	(void)chan_flush(job->peer->chan);
	if (chan_wants_write(job->peer->chan)) keeper_wake(k);
	job_free(k, job);
}

static const char *kind_name(enum step_kind kind)
{
	static const char *const names[STEP_KIND_COUNT] = { "",       "prepare", "activate", "retire",  "restore",
							    "delete", "add",     "taint",    "untaint", "import",
							    "files",  "own",     "tidy" };

	return names[kind];
}

static void finish(struct keeper *k, struct err e)
{
	struct rotation *r = k->rotation;

	if (e.code == ERR_OK && r->step.kind == STEP_FILES) takeover_taken(k);
	if (e.code != ERR_OK) {
		struct err said = e;

		if (r->told.why[0] != '\0') said.reason = r->told.why;
		if (r->step.kind == STEP_FILES) takeover_refused(k, said);
		else
			log_event(k->log, r->job != NULL ? LOG_WARN : LOG_ERROR, "root_step_refused",
				  F_STR("step", kind_name(r->step.kind)), F_STR("by", r->by), F_ERR(said));
	}
	if (r->job != NULL) answer(k, e);
	if (e.code == ERR_OK && !r->dry_run) atomic_store(&r->look_us, 0);
	reset(r);
	atomic_store(&r->stage, STAGE_IDLE);
	keeper_wake(k); /* files may wait */
	clerk_wake(k);
}

void rotate_stop(struct keeper *k)
{
	if (k->rotation != NULL && k->rotation->job != NULL) answer(k, ERR(ERR_UNAVAILABLE, "keeper: stopped"));
}

/* ---- clerk: what would it break? ---- */

static struct err look(struct keeper *k, const struct root_set *set, struct outlook *out)
{
	TRY(outlook_make(k->store, set, keeper_steady_now(k), out));
	metric_set(k->metrics, M_TAINTED, out->tainted.certs);
	return OK;
}

static struct err trial(struct keeper *k, const struct root_set *set)
{
	AUTO(heap) struct root_set *copy = malloc(sizeof(*copy));
	struct rotation *r = k->rotation;
	struct err e;

	if (copy == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	*copy = *set;
	r->step.now = clock_wall();
	r->step.next = r->outlook.end;
	r->step.outlook = &r->outlook;
	e = step_apply(copy, &r->step, &r->told);
	if (r->told.harm.certs > 0 && (r->step.force || r->dry_run)) {
		r->who.kind = r->told.harm_kind;
		r->who.item = r->told.outlook_item;
		TRY(outlook_who(k->store, set, &r->outlook, &r->who));
	}
	/* what a rule forbids is what a dry run is to tell */
	if (r->dry_run && r->told.harm.certs > 0 && e.code == ERR_FAILED_PRECONDITION) return OK;
	return e;
}

static struct err work(struct keeper *k)
{
	struct rotation *r = k->rotation;
	const struct root_set *set = roots_set(k->roots); /* nobody replaces it while this stage is ours */
	struct roots_options o = { .conf = k->conf, .ca_kek = &k->ca_kek, .serials = r->serials, .now = clock_wall() };

	if (r->step.kind == STEP_PREPARE && !r->step.directory) {
		TRY(root_make(&o, &r->cert, &r->blob));
		r->step.cert = buf_view(&r->cert);
		r->step.blob = buf_view(&r->blob);
	}
	TRY(look(k, set, &r->outlook));
	return trial(k, set);
}

/* ---- clerk: what is due? ---- */

/* Looking at every certificate is not for every ten seconds: only when it may have changed what is due. */
static bool is_stale(const struct rotation *r, const struct root_set *set, int64_t now)
{
	if (!r->known || r->newest.seq != set->seq || now > r->newest.now + OUTLOOK_MAX_S) return true;
	for (unsigned i = 0; i < set->item_count; i++) {
		int64_t blind = r->newest.items[i].blind.until, under = r->newest.items[i].under.until;

		if ((blind != 0 && blind <= now) || (under != 0 && under <= now && set->items[i].state != ROOT_ACTIVE)) return true;
	}
	return false;
}

static int64_t look_us(void)
{
#ifdef SIGNET_TEST_POINTS /* a test cannot wait ten seconds for each step */
	const char *text = getenv("SIGNET_TEST_LOOK_MS");

	if (text != NULL) return atoll(text) * 1000;
#endif
	return LOOK_US;
}

static bool take_due(struct keeper *k, const struct due *due)
{
	struct rotation *r = k->rotation;

	if (due->kind == 0 || !begin(k, due->kind, "signet")) return false; /* or somebody has asked for something */
	r->step.cross = k->conf->ca.cross_sign && due->kind == STEP_PREPARE &&
			step_may_cross(roots_set(k->roots), &r->told).code == ERR_OK;
	(void)snprintf(r->root, sizeof(r->root), "%s", due->root);
	r->step.root = bytes_str(r->root);
	return true;
}

/* True: there is something to work out, and the stage is ours.  Until then it is not, so that nobody who asks is in the way of
 * a look; the set stays what it is, because only this thread lets a change become worked out. */
static bool look_now(struct keeper *k)
{
	struct rotation *r = k->rotation;
	const struct root_set *set = roots_set(k->roots);
	int64_t now = keeper_steady_now(k);
	struct due due;
	struct err e = OK;

	if (clock_mono_us() < atomic_load(&r->look_us) || atomic_load(&r->stage) == STAGE_WORKED) return false;
	atomic_store(&r->look_us, clock_mono_us() + look_us());
	takeover_remind(k);
	if (is_stale(r, set, now)) e = look(k, set, &r->newest);
	r->known = e.code == ERR_OK;
	if (e.code != ERR_OK) {
		log_event(k->log, LOG_WARN, "root_look_failed", F_ERR(e));
		return false;
	}
	rotate_gauges(k, set, &r->newest);
	due = due_step(set, &r->newest, k->conf, now);
	return take_due(k, &due);
}

void rotate_work(struct keeper *k)
{
	struct rotation *r = k->rotation;
	struct err e;

	if (!look_now(k) && atomic_load(&r->stage) != STAGE_ASKED) return;
	e = work(k);
	if (e.code != ERR_OK || r->dry_run) {
		finish(k, e);
		return;
	}
	atomic_store(&r->stage, STAGE_WORKED);
	keeper_wake(k);
}

bool rotate_until(struct keeper *k, const uint8_t signer[KEY_SKI_LEN], int64_t *until)
{
	const struct rotation *r = k->rotation;
	const struct root_set *set;
	bool known;

	*until = 0;
	pthread_mutex_lock(&k->roots_lock);
	set = roots_set(k->roots);
	known = r->known && r->newest.seq == set->seq;
	for (unsigned i = 0; known && i < set->reign_count; i++)
		if (memcmp(set->reigns[i].signer, signer, KEY_SKI_LEN) == 0 && r->newest.reigns[i].until > *until)
			*until = r->newest.reigns[i].until;
	pthread_mutex_unlock(&k->roots_lock);
	return known;
}

/* ---- main thread: make it ---- */

bool rotate_is_ready(const struct keeper *k)
{
	return atomic_load(&k->rotation->stage) == STAGE_WORKED;
}

/* A front that still shows a certificate from under an old root is given a moment to renew it. */
static bool fronts_are_behind(const struct keeper *k)
{
	const struct root_set *set = roots_set(k->roots);
	uint64_t since = set->reigns[set->reign_count - 1].from;

	for (const struct peer *p = k->peers; p != NULL; p = p->next) {
		uint64_t shown = atomic_load(&p->serving);

		if (p->role == CONTROL_FRONT && !atomic_load(&p->dead) && shown != SET_NEVER && shown < since) return true;
	}
	return false;
}

static struct err records_end(struct keeper *k, uint64_t *end)
{
	AUTO(store_view) struct store_view *view = NULL;
	uint64_t first;

	TRY(store_view_open(k->store, &view));
	return store_view_range(view, &first, end);
}

static struct err cross_sign(struct keeper *k)
{
	struct rotation *r = k->rotation;
	struct roots_options o = { .conf = k->conf, .ca_kek = &k->ca_kek, .serials = k->serials, .now = r->step.now };

	if (r->step.kind != STEP_PREPARE || !r->step.cross) return OK;
	TRY(step_may_cross(roots_set(k->roots), &r->told));
	TRY(root_cross(&o, k->signer, r->step.cert, &r->cross));
	r->step.cross_cert = buf_view(&r->cross);
	return OK;
}

static void fill_event(const struct rotation *r, struct store_event *ev)
{
	*ev = (struct store_event){ .time = r->step.now };
	(void)snprintf(ev->what, sizeof(ev->what), "%s", r->told.event);
	(void)snprintf(ev->by, sizeof(ev->by), "%s", r->by);
	(void)snprintf(ev->subject, sizeof(ev->subject), "%s", r->told.subject);
	if (r->told.harm.certs > 0)
		(void)snprintf(ev->detail, sizeof(ev->detail), "forced: %llu certificates of %llu identities break",
		               (unsigned long long)r->told.harm.certs, (unsigned long long)r->who.identities);
}

static struct err make(struct keeper *k)
{
	AUTO(heap) struct root_set *set = malloc(sizeof(*set));
	struct rotation *r = k->rotation;
	struct store_event ev;
	struct roots_change change = { .from = k->roots, .set = set, .event = &ev, .import = r->step.kind == STEP_IMPORT };

	if (set == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	if ((r->step.kind == STEP_RETIRE || r->step.kind == STEP_TIDY) && !r->step.force && fronts_are_behind(k))
		FAIL(ERR_UNAVAILABLE, "keeper: a front still renews its own certificate; try again in a moment");
	TRY(records_end(k, &r->step.next));
	r->step.now = clock_wall();
	TRY(cross_sign(k));
	*set = *roots_set(k->roots);
	TRY(step_apply(set, &r->step, &r->told));
	if (!r->told.changed) {
		log_event(k->log, LOG_INFO, "ca_unchanged", F_INT("seq", roots_seq(k->roots)));
		return OK;
	}
	if (r->brought != NULL && r->brought->key != NULL) change.brought_key = &r->brought->key;
	fill_event(r, &ev);
	TRY(takeover_make(k, &change));
	log_event(k->log, r->told.harm.certs > 0 ? LOG_WARN : LOG_INFO, r->told.event, F_STR("subject", r->told.subject),
	          F_STR("by", r->by), F_INT("seq", roots_seq(k->roots)), F_INT("breaks", r->told.harm.certs));
	return OK;
}

void rotate_try(struct keeper *k)
{
	if (k->rotation->waiting != NULL) ask_files(k);
	if (!rotate_is_ready(k) || atomic_load(&k->issuing) > 0) return;
	finish(k, make(k));
}
