/* takeover.c: the CA that signs: opened at start, and replaced while requests come in.
 *
 * A new CA takes over between two requests: fronts are not read from until every certificate of the old one is answered (some
 * milliseconds), then they are told of the new roots, then they are read again.  So a front never sees a certificate of one
 * CA after the chain of another, and no signer is replaced while somebody uses it. */
#include "ca/takeover.h"

#include <string.h>

#include "base/chan.h"
#include "base/control.h"
#include "base/clock.h"
#include "ca/crl_issue.h"
#include "ca/external.h"
#include "ca/roots_start.h"
#include "ca/rotate.h"

#define DAY 86400
#define SOON (30 * DAY)    /* seconds before its end from which on a CA is warned of; ours */
#define SOON_PART 5        /* or this part of its life, if that is less: of one that lives a day, hours */

/* ---- what was brought ---- */

static unsigned threads(const struct keeper *k)
{
	return roots_signer_threads(k->conf);
}

void takeover_tell(const struct keeper *k, const struct brought_report *report, struct err e)
{
	for (unsigned i = 0; i < report->warning_count; i++)
		log_event(k->log, LOG_WARN, "ca_warning", F_STR("what", report->warnings[i]));
	if (e.code != ERR_OK)
		log_event(k->log, LOG_ERROR, "ca_refused", F_STR("what", report->problem[0] != '\0' ? report->problem : e.reason));
}

/* The files are wiped as soon as they have been judged. */
static struct err judge(struct keeper *k, struct buf *encoded, struct brought **out)
{
	struct brought_options o = { .now = clock_wall(), .threads = threads(k),
				     .trust_domain = conf_text(k->conf, k->conf->trust_domain) };
	struct brought_report report = { .problem = "" };
	struct ca_files files;
	struct err e = ca_files_take(buf_view(encoded), &files);

	if (e.code == ERR_OK) e = brought_check(&files, &o, &report, out);
	buf_wipe(encoded);
	takeover_tell(k, &report, e);
	return e;
}

/* ---- using a set ---- */

static struct err set_memfd(const struct keeper *k, const struct roots *roots, int *fd)
{
	AUTO(buf) struct buf content = { .max = WIRE_ROOTS_MAX };

	TRY(roots_publish(roots, external_roots(k), &content));
	return chan_memfd("signet-roots", buf_view(&content), fd);
}

static int64_t soon(const struct root_signer *s)
{
	struct cert cert;
	int64_t part = cert_parse(s->cert, &cert).code != ERR_OK ? SOON : (cert.not_after - cert.not_before) / SOON_PART;

	return part < SOON ? part : SOON;
}

static void warn_of_end(const struct keeper *k, const struct root_signer *s)
{
	int64_t now = clock_wall();

	if (s->not_after <= now) log_event(k->log, LOG_ERROR, "root_has_ended", F_INT("not_after", s->not_after));
	else if (s->not_after - now < soon(s))
		log_event(k->log, LOG_WARN, "ca_ends_soon", F_INT("not_after", s->not_after),
			  F_INT("days", (s->not_after - now) / DAY));
}

void takeover_remind(struct keeper *k)
{
	int64_t now = clock_mono_us();

	if (now < k->remind_us) return;
	k->remind_us = now + (int64_t)DAY * 1000000;
	pthread_mutex_lock(&k->roots_lock);
	warn_of_end(k, k->signer);
	pthread_mutex_unlock(&k->roots_lock);
}

static void note(struct keeper *k, const char *event)
{
	const struct root_signer *s = k->signer;
	char ski[2 * KEY_SKI_LEN + 1];

	bytes_hex(BYTES(s->ski, KEY_SKI_LEN), ski);
	log_event(k->log, LOG_INFO, event, F_STR("key_type", s->key_type), F_STR("ski", ski), F_INT("not_after", s->not_after),
	          F_INT("seq", roots_seq(k->roots)));
	warn_of_end(k, s);
	metric_set(k->metrics, M_ROOT_EXPIRY, (uint64_t)s->root_not_after);
	metric_set(k->metrics, M_CA_EXPIRY, (uint64_t)s->not_after);
	metric_set(k->metrics, M_CA_WARN, (uint64_t)(s->not_after - soon(s)));
	if (s->brought) metric_set(k->metrics, M_CHAIN_EXPIRY, (uint64_t)s->not_after);
}

static void use(struct keeper *k, struct roots *roots, int fd)
{
	struct roots *before = k->roots;

	pthread_mutex_lock(&k->roots_lock);
	k->roots = roots;
	k->signer = roots_signer(roots);
	pthread_mutex_unlock(&k->roots_lock);
	k->immediate = hsm_key_is_immediate(k->signer->key);
	roots_free(before);
	crls_on_roots(k);
	auto_fd(&k->roots_fd);
	k->roots_fd = fd;
}

/* Built, then written, so that what cannot be opened or told is never stored. */
static struct err store_set(struct keeper *k, const struct roots_options *o, struct roots_change *change, struct roots **out,
			    int *fd)
{
	AUTO(roots) struct roots *roots = NULL;
	AUTO(fd) int memfd = -1;
	struct err e;

	TRY(roots_build(o, change, &roots));
	TRY(set_memfd(k, roots, &memfd));
	pthread_mutex_lock(&k->writer);
	atomic_store(&k->writing, WRITING_ROOTS);
	e = roots_store(k->store, change, roots);
	atomic_store(&k->writing, WRITING_RECORDS);
	pthread_mutex_unlock(&k->writer);
	TRY(e);
	*out = MOVE(roots);
	*fd = MOVE_FD(memfd);
	return OK;
}

/* ---- at start ---- */

static struct err start_set(struct keeper *k, struct brought *brought)
{
	struct roots_options o = {
		.conf = k->conf, .kek = k->options->kek, .ca_kek = &k->ca_kek, .serials = k->serials, .now = clock_wall()
	};
	struct roots_start start = { .options = &o, .brought = brought,
				     .accept_unpublished = k->conf->ca.unpublished_root == CONF_UNPUBLISHED_ACCEPT };
	struct roots_started started = { .told = { .event = "" } };
	struct roots *roots = NULL;
	int fd = -1;
	struct err e = roots_start(k->store, &start, &started, &roots);

	if (e.code == ERR_OK) e = set_memfd(k, roots, &fd);
	if (e.code != ERR_OK) {
		roots_free(roots);
		if (started.told.why[0] != '\0') log_event(k->log, LOG_ERROR, "ca_refused", F_STR("what", started.told.why));
		return e;
	}
	use(k, roots, fd);
	note(k, k->signer->brought ? "ca_loaded" : started.created ? "root_created" : "root_loaded");
	if (started.told.harm.certs > 0)
		log_event(k->log, LOG_WARN, "ca_root_unpublished", F_INT("certificates", started.told.harm.certs),
		          F_INT("until", started.told.harm.until));
	return OK;
}

struct err takeover_start(struct keeper *k)
{
	AUTO(brought) struct brought *brought = NULL;
	bool wanted = conf_text(k->conf, k->conf->ca.directory)[0] != '\0';
	struct err e;

	if (wanted && k->options->ca == NULL)
		FAIL(ERR_FAILED_PRECONDITION, "keeper: the files of ca.directory did not come");
	if (wanted && judge(k, k->options->ca, &brought).code != ERR_OK)
		FAIL(ERR_FAILED_PRECONDITION, "keeper: the CA in ca.directory cannot be used; see the line ca_refused");
	e = hsm_kek_derive(k->options->kek, ROOTS_KEK_PURPOSE, &k->ca_kek);
	if (e.code == ERR_OK) e = start_set(k, brought);
	explicit_bzero(k->options->kek, sizeof(*k->options->kek)); /* not needed any more: the keys are open, or never will be */
	return e;
}

/* ---- while running ---- */

static void tell_monitor(struct keeper *k, uint8_t taken)
{
	(void)chan_put(k->control, CONTROL_CA_RESULT, BYTES(&taken, 1));
	(void)chan_flush(k->control); /* what does not go now goes with the next; a lost monitor is seen by who reads from it */
}

void takeover_taken(struct keeper *k)
{
	tell_monitor(k, 1);
}

void takeover_refused(struct keeper *k, struct err e)
{
	tell_monitor(k, 0);
	metric_inc(k->metrics, M_CA_RELOAD_FAILED);
	log_event(k->log, LOG_ERROR, "ca_reload_failed", F_ERR(e), F_STR("note", "the CA in use stays"));
}

/* All of it is in the pipe already: its end comes, and nobody is waited for. */
static struct err read_pipe(int fd, struct buf *out)
{
	uint8_t *at;
	ssize_t n;

	TRY(buf_reserve(out, CA_FILES_MAX + 1, &at)); /* growing would leave a copy of the key behind */
	while (out->len <= CA_FILES_MAX && (n = read(fd, at, CA_FILES_MAX + 1 - out->len)) != 0) {
		if (n < 0) FAIL(ERR_UNAVAILABLE, "keeper: cannot read the CA's files");
		out->len += (size_t)n;
		at += n;
	}
	return out->len <= CA_FILES_MAX ? OK : ERR(ERR_INVALID_ARGUMENT, "keeper: the CA's files are too large");
}

struct err keeper_read_ca(int fd, struct buf *out)
{
	out->max = CA_FILES_MAX + 1;
	return read_pipe(fd, out);
}

struct err takeover_on_files(void *self, struct chan_msg *msg)
{
	struct keeper *k = self;
	AUTO(buf_wipe) struct buf files = { .max = 0 };
	struct brought *brought = NULL;
	struct err e = keeper_read_ca(msg->fd, &files);

	if (conf_text(k->conf, k->conf->ca.directory)[0] == '\0') FAIL(ERR_INVALID_ARGUMENT, "keeper: no CA may be brought");
	if (e.code == ERR_OK) e = judge(k, &files, &brought);
	if (e.code == ERR_OK) rotate_files(k, brought);
	else takeover_refused(k, e);
	return OK;
}

static void tell_fronts(struct keeper *k)
{
	for (struct peer *p = k->peers; p != NULL; p = p->next) {
		if (!p->greeted || atomic_load(&p->dead)) continue;
		(void)chan_put_fd(p->chan, KEEPER_ROOTS, BYTES_NONE, k->roots_fd); /* a lost peer is seen by who reads from it */
		p->dirty = true;
	}
}

struct err takeover_publish(struct keeper *k)
{
	int fd = -1;

	if (k->roots == NULL) return OK; /* at start: it comes with the rest */
	TRY(set_memfd(k, k->roots, &fd));
	auto_fd(&k->roots_fd);
	k->roots_fd = fd;
	tell_fronts(k);
	return OK;
}

struct err takeover_make(struct keeper *k, struct roots_change *change)
{
	struct roots_options o = { .conf = k->conf, .ca_kek = &k->ca_kek, .serials = k->serials, .now = clock_wall() };
	uint8_t ski[KEY_SKI_LEN];
	struct roots *roots = NULL;
	int fd = -1;

	memcpy(ski, k->signer->ski, KEY_SKI_LEN);
	TRY(store_set(k, &o, change, &roots, &fd));
	use(k, roots, fd);
	tell_fronts(k);
	note(k, memcmp(ski, k->signer->ski, KEY_SKI_LEN) == 0 ? "roots_changed" : "ca_replaced");
	return OK;
}
