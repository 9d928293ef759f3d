/* crl_drop.c: revocations of certificates that have ended leave the store, once they have been on a list that was issued after that
 * (RFC 5280 s3.3), in transactions of their own. */
#include <string.h>

#include "base/clock.h"
#include "ca/crl_inside.h"

#define LOOK_US 60000000 /* ours: between two looks that found nothing */
#define AGAIN_US 100000  /* ours: between two transactions */

/* Does its list come, though there is none yet? */
static bool is_awaited(const struct crls *c, const uint8_t ski[KEY_SKI_LEN])
{
	for (size_t i = 0; i < c->signer_count; i++)
		if (memcmp(c->signers[i].ski, ski, KEY_SKI_LEN) == 0) return true;
	return c->signer_count == 0; /* nobody has looked yet */
}

/* The clerk's, under the lock. */
bool crl_has_been_listed(struct crls *c, const struct store_revocation *r, int64_t steady_now)
{
	const struct crl_list *list = crl_list_find(c, r->issuer);

	/* And not by a clock that has just stepped forward: the certificate would be good again. */
	if (r->not_after >= steady_now) return false;
	if (list != NULL) return r->not_after < list->scheduled;
	return !is_awaited(c, r->issuer); /* of a key that signs no lists any more: nobody waits for it */
}

static struct err collect(struct keeper *k, struct store_cursor *cursor, int64_t now)
{
	AUTO(store_view) struct store_view *view = NULL;
	struct crls *c = k->crls;

	TRY(store_view_open(k->store, &view));
	for (size_t i = 0; i < CRL_PAGE && c->drop_count < CRL_DROP_MAX; i++) {
		struct store_revocation r;

		TRY(store_view_revocation_next(view, cursor, &r));
		if (!crl_has_been_listed(c, &r, now)) continue;
		TRY(buf_put(&c->dropping, &r.serial_len, 1));
		TRY(buf_put(&c->dropping, r.serial, r.serial_len));
		c->drop_count++;
	}
	return OK;
}

void crls_drop_look(struct keeper *k)
{
	struct crls *c = k->crls;
	struct store_cursor cursor = { 0 };
	int64_t now = keeper_steady_now(k);
	struct err e = OK;

	if (atomic_load(&c->drop_ready) || clock_mono_us() < c->drop_us) return;
	c->dropping.len = c->drop_count = 0;
	pthread_rwlock_rdlock(&c->lock);
	while (e.code == ERR_OK && c->drop_count < CRL_DROP_MAX) e = collect(k, &cursor, now);
	pthread_rwlock_unlock(&c->lock);
	c->drop_us = clock_mono_us() + (c->drop_count == CRL_DROP_MAX ? AGAIN_US : LOOK_US);
	if (c->drop_count == 0 || (e.code != ERR_OK && e.code != ERR_NOT_FOUND)) return;
	atomic_store(&c->drop_ready, true);
	pthread_mutex_lock(&k->queue.lock);
	k->queue.nudged = true;
	pthread_cond_signal(&k->queue.more);
	pthread_mutex_unlock(&k->queue.lock);
}
