/* crl_brought.c: revocation lists that the operator brings, in the keeper: judged against the CA in use, kept over a restart,
 * asked. */
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "ca/crl_inside.h"
#include "ca/takeover.h"

#define VALUE_NAME "crl-brought" /* the file that was good last */

/* The CAs of now: what signs, the chain above it, the roots, and what signed before. */
static size_t cas_of(const struct root_set *set, struct bytes cas[SET_ITEMS_MAX])
{
	size_t n = 0;

	cas[n++] = set_signer(set)->cert;
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		if (item != set_signer(set) && item->state != ROOT_KEPT) cas[n++] = item->cert;
	}
	return n;
}

static struct err judge(struct keeper *k, struct bytes pem, struct brought_report *report, struct brought_crls **out)
{
	struct bytes cas[SET_ITEMS_MAX];
	struct brought_crl_options o = { .cas = cas, .now = clock_wall() };

	o.ca_count = cas_of(roots_set(k->roots), cas);
	return brought_crls_check(pem, &o, report, out);
}

/* Nothing forbids it, but who is no longer on the list is good again. */
static void tell_older(struct keeper *k, const struct brought_crls *fresh)
{
	for (size_t i = 0; i < fresh->count; i++) {
		const struct brought_crl *old = brought_crls_of(k->crls->brought, fresh->items[i].issuer);

		if (old != NULL && fresh->items[i].crl.this_update < old->crl.this_update)
			log_event(k->log, LOG_WARN, "crl_older", F_INT("list", i + 1),
				  F_INT("this_update", fresh->items[i].crl.this_update), F_INT("before", old->crl.this_update),
				  F_STR("note", "it takes the place of a newer one"));
	}
}

static void adopt(struct keeper *k, struct brought_crls *fresh)
{
	struct crls *c = k->crls;
	struct brought_crls *old;

	pthread_rwlock_wrlock(&c->lock);
	old = c->brought;
	c->brought = fresh;
	pthread_rwlock_unlock(&c->lock);
	brought_crls_free(old);
	metric_set(k->metrics, M_CA_REVOKED, fresh != NULL && fresh->revokes_ca);
}

static struct err write_value(struct keeper *k, struct bytes pem)
{
	struct store_event ev = { .time = clock_wall(), .what = "crl_brought", .by = "ca-crl.pem" };
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(k->store, &batch));
	if (pem.len == 0) (void)memcpy(ev.what, "crl_cleared", sizeof("crl_cleared"));
	e = pem.len == 0 ? store_batch_delete(batch, VALUE_NAME) : store_batch_put(batch, VALUE_NAME, pem);
	if (e.code == ERR_OK) e = store_batch_event(batch, &ev);
	if (e.code == ERR_OK) return store_batch_commit(batch);
	store_batch_abort(batch);
	return e.code == ERR_NOT_FOUND ? OK : e; /* nothing to clear */
}

/* So that a bad file at the next start cannot take entries back. */
static void keep(struct keeper *k, struct bytes pem)
{
	struct err e;

	pthread_mutex_lock(&k->writer);
	e = write_value(k, pem);
	pthread_mutex_unlock(&k->writer);
	if (e.code != ERR_OK) log_event(k->log, LOG_ERROR, "crl_brought_not_kept", F_ERR(e));
}

static void refused(struct keeper *k, const struct brought_report *report, struct err e)
{
	takeover_tell(k, report, OK);
	metric_inc(k->metrics, M_CRL_FAILED);
	log_event(k->log, LOG_ERROR, "crl_refused", F_STR("what", report->problem[0] != '\0' ? report->problem : e.reason),
	          F_STR("note", "the lists of before stay in use"));
}

static struct err load_kept(struct keeper *k, struct buf *out)
{
	AUTO(store_view) struct store_view *view = NULL;

	TRY(store_view_open(k->store, &view));
	return store_view_get(view, VALUE_NAME, out);
}

/* Another CA signs: what is there is judged anew, and lists that fit none of its CAs are given up. */
static void judge_again(struct keeper *k)
{
	struct crls *c = k->crls;
	AUTO(buf) struct buf kept = { .max = CA_CRL_MAX };
	struct brought_report report = { .problem = "" };
	struct brought_crls *fresh = NULL;

	if (c->raw.len > 0 && judge(k, buf_view(&c->raw), &report, &fresh).code == ERR_OK) keep(k, buf_view(&c->raw));
	else if (load_kept(k, &kept).code == ERR_OK) (void)judge(k, buf_view(&kept), &report, &fresh);
	if (fresh != NULL || c->brought != NULL) adopt(k, fresh);
}

static bool is_new(const struct keeper *k, const struct brought_crls *fresh)
{
	const struct brought_crls *old = k->crls->brought;

	if (old == NULL) return fresh->count > 0;
	return !bytes_equal(buf_view(&old->der), buf_view(&fresh->der));
}

void crls_bring(struct keeper *k, struct bytes pem)
{
	struct crls *c = k->crls;
	struct brought_report report = { .problem = "" };
	struct brought_crls *fresh = NULL;
	bool is_other;
	struct err e;

	if (pem.data == NULL) {
		judge_again(k);
		return;
	}
	e = judge(k, pem, &report, &fresh);
	c->raw.len = 0;
	if (e.code == ERR_OK) e = buf_put(&c->raw, pem.data, pem.len);
	if (e.code != ERR_OK) {
		(void)buf_put(&c->raw, pem.data, pem.len);
		brought_crls_free(fresh);
		refused(k, &report, e);
		return;
	}
	takeover_tell(k, &report, OK);
	is_other = is_new(k, fresh);
	if (is_other) {
		log_event(k->log, LOG_INFO, fresh->count > 0 ? "crl_brought" : "crl_cleared", F_INT("lists", fresh->count));
		tell_older(k, fresh);
		keep(k, fresh->count > 0 ? pem : BYTES_NONE);
	}
	adopt(k, fresh);
	if (is_other) crls_want(k);
}

struct err crls_on_file(void *self, struct chan_msg *msg)
{
	struct keeper *k = self;
	struct bytes content;

	TRY(chan_memfd_map(msg->fd, CA_CRL_MAX, &content));
	crls_bring(k, content);
	(void)munmap((void *)(uintptr_t)content.data, content.len);
	return OK;
}

bool crls_brought_revoked(struct keeper *k, struct bytes issuer, struct bytes serial)
{
	const struct brought_crls *b;
	bool revoked = false;

	pthread_rwlock_rdlock(&k->crls->lock);
	b = k->crls->brought;
	for (size_t i = 0; b != NULL && i < b->count && !revoked; i++)
		if (issuer.len != KEY_SKI_LEN || memcmp(b->items[i].issuer, issuer.data, KEY_SKI_LEN) == 0)
			revoked = brought_crl_find(&b->items[i], serial) != NULL;
	pthread_rwlock_unlock(&k->crls->lock);
	return revoked;
}
