#include "ca/issuers.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/wire.h"
#include "ca/clerk.h"
#include "ca/external.h"
#include "ca/issuer_roots.h"
#include "ca/wire_bundle.h"
#include "ca/wire_issuers.h"
#include "der/pem.h"

struct issuer_news { /* the newest of each kind; times in Unix seconds, 0: none since the start */
	int64_t issued, refused;
	enum keeper_reason reason;
	char why[WIRE_WHY_MAX + 1];
};
struct issuers_news {
	pthread_mutex_t lock;
	struct issuer_news of[METRIC_SLOTS];
};

struct err issuers_start(struct keeper *k)
{
	k->news_of = calloc(1, sizeof(*k->news_of));
	if (k->news_of == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: out of memory");
	pthread_mutex_init(&k->news_of->lock, NULL);
	return OK;
}

void issuers_free(struct keeper *k)
{
	if (k->news_of == NULL) return;
	pthread_mutex_destroy(&k->news_of->lock);
	free(MOVE(k->news_of));
}

/* ---- what became of requests ---- */

unsigned issuers_slot(const struct keeper *k, const struct wire_issue *m)
{
	int at = conf_csr_issuer_find(k->conf, m->issuer);

	return at < 0 ? METRIC_OWN : (unsigned)at;
}

void issuers_issued(struct keeper *k, unsigned slot)
{
	metric_add_of(k->metrics, MO_ISSUED, slot, 1);
	pthread_mutex_lock(&k->news_of->lock);
	k->news_of->of[slot].issued = clock_wall();
	pthread_mutex_unlock(&k->news_of->lock);
}

void issuers_failed(struct keeper *k, unsigned slot, enum keeper_reason reason, struct bytes why)
{
	struct issuer_news *news = &k->news_of->of[slot];
	size_t len = why.len < WIRE_WHY_MAX ? why.len : WIRE_WHY_MAX;

	pthread_mutex_lock(&k->news_of->lock);
	news->refused = clock_wall();
	news->reason = reason;
	if (len > 0) memcpy(news->why, why.data, len);
	news->why[len] = '\0';
	pthread_mutex_unlock(&k->news_of->lock);
}

void issuers_refused(struct keeper *k, unsigned slot, enum keeper_reason reason)
{
	metric_add_of(k->metrics, keeper_reason_metric(reason), slot, 1);
	issuers_failed(k, slot, reason, BYTES_NONE);
}

/* ---- what admin sees ---- */

struct telling {
	struct keeper *k;
	struct buf items, pem, roots, refused; /* all of them; of one: its roots as they are kept, and as they are told */
};

static void telling_free(struct telling *t)
{
	buf_free(&t->items);
	buf_free(&t->pem);
	buf_free(&t->roots);
	buf_free(&t->refused);
}

static struct err put_root(struct telling *t, struct bytes der)
{
	struct wire_issuer_root m = { .cert = der };
	struct cert cert;

	TRY(cert_parse(der, &cert));
	TRY(key_sha256(der, m.id));
	m.not_after = cert.not_after;
	return wire_issuer_root_put(&t->roots, &m);
}

static struct err put_roots(struct telling *t)
{
	struct bytes rest = buf_view(&t->pem);

	t->roots.len = 0;
	for (;;) {
		AUTO(buf) struct buf der = { .max = BROUGHT_CERT_MAX };
		char label[PEM_LABEL_MAX];
		struct err e = pem_take(&rest, BROUGHT_CERT_MAX, label, &der);

		if (e.code == ERR_NOT_FOUND) return OK;
		TRY(e);
		TRY(put_root(t, buf_view(&der)));
	}
}

/* Copies: the main thread may change them meanwhile. */
static struct err copy_own_roots(struct telling *t)
{
	AUTO(buf) struct buf published = { .max = WIRE_ROOTS_MAX };
	struct wire_roots m;
	struct err e;

	pthread_mutex_lock(&t->k->roots_lock);
	e = roots_publish(t->k->roots, NULL, &published);
	pthread_mutex_unlock(&t->k->roots_lock);
	if (e.code == ERR_OK) e = wire_roots_take(buf_view(&published), &m);
	t->pem.len = 0;
	return e.code == ERR_OK ? buf_put(&t->pem, m.roots_pem.data, m.roots_pem.len) : e;
}

static struct err copy_roots(struct telling *t, unsigned slot, uint8_t *from)
{
	const struct issuer_roots *r = external_roots(t->k);
	struct bytes known;
	struct err e;

	if (slot == METRIC_OWN) {
		*from = WIRE_ROOTS_OWN;
		return copy_own_roots(t);
	}
	t->pem.len = 0;
	pthread_mutex_lock(&t->k->roots_lock);
	known = issuer_roots_of(r, slot);
	*from = known.len == 0 ? WIRE_ROOTS_NONE : issuer_roots_pinned(r, slot) ? WIRE_ROOTS_PINNED : WIRE_ROOTS_FILE;
	e = buf_put(&t->pem, known.data, known.len);
	pthread_mutex_unlock(&t->k->roots_lock);
	return e;
}

static struct err put_refused(struct telling *t, unsigned slot)
{
	t->refused.len = 0;
	for (unsigned reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
		TRY(wire_put_u64(&t->refused, metric_get_of(t->k->metrics, keeper_reason_metric(reason), slot)));
	return OK;
}

static struct err put_issuer(struct telling *t, unsigned slot, const char *name)
{
	struct wire_issuer m = { .name = bytes_str(name), .pending = metric_get_of(t->k->metrics, MO_PENDING, slot),
				 .issued = metric_get_of(t->k->metrics, MO_ISSUED, slot) };
	struct issuer_news news;

	pthread_mutex_lock(&t->k->news_of->lock);
	news = t->k->news_of->of[slot];
	pthread_mutex_unlock(&t->k->news_of->lock);
	m.last_issued = news.issued;
	m.last_refused = news.refused;
	m.last_reason = (uint8_t)news.reason;
	m.last_why = bytes_str(news.why);
	TRY(copy_roots(t, slot, &m.from));
	TRY(put_roots(t));
	TRY(put_refused(t, slot));
	m.roots = buf_view(&t->roots);
	m.refused = buf_view(&t->refused);
	return wire_issuer_put(&t->items, &m);
}

void issuers_answer(struct keeper *k, struct job *job)
{
	struct telling t = { .k = k, .items = { .max = WIRE_LIST_MAX - 128 }, .pem = { .max = WIRE_ROOTS_MAX },
			     .roots = { .max = WIRE_ISSUER_ROOTS_MAX }, .refused = { .max = WIRE_ISSUER_REFUSED } };
	struct wire_list list = { .next = UINT64_MAX };
	struct err e = put_issuer(&t, METRIC_OWN, CONF_OWN_ISSUER);

	for (unsigned i = 0; e.code == ERR_OK && i < k->conf->csr_issuer_count; i++)
		e = put_issuer(&t, i, conf_text(k->conf, k->conf->csr_issuers[i].name));
	list.items = buf_view(&t.items);
	clerk_answer_list(job, e, &list);
	telling_free(&t);
}

/* ---- what admin may change ---- */

static struct err forget(struct keeper *k, const struct wire_subject *m)
{
	struct store_event ev = { .time = clock_wall(), .what = "issuer_root_forgotten" };
	int at = conf_csr_issuer_find(k->conf, m->subject);

	if (at < 0) FAIL(ERR_NOT_FOUND, "keeper: no such issuer");
	(void)snprintf(ev.by, sizeof(ev.by), "%.*s", (int)m->by.len, (const char *)m->by.data);
	(void)snprintf(ev.subject, sizeof(ev.subject), "%.*s", (int)m->subject.len, (const char *)m->subject.data);
	TRY(external_unpin(k, (unsigned)at, &ev));
	log_event(k->log, LOG_WARN, ev.what, F_BYTES("issuer", m->subject), F_BYTES("by", m->by));
	return OK;
}

struct err issuers_on_forget(void *self, struct chan_msg *msg)
{
	struct peer *p = self;
	struct job *job;
	struct err e;

	job = job_new(p->keeper, p, msg->payload);
	if (job == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "keeper: no room for admin's request");
	e = wire_subject_take(buf_view(&job->payload), &job->subject);
	job->id = job->subject.id;
	if (e.code == ERR_OK) {
		admin_answer(job, forget(p->keeper, &job->subject), BYTES_NONE);
		p->dirty = true;
	}
	job_free(p->keeper, job);
	return e;
}
