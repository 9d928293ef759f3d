/* crl_lists.c: the lists that are published: found, kept for keys that may be gone after a restart, and told. */
#include <stdio.h>
#include <string.h>

#include "ca/clerk.h"
#include "ca/crl_inside.h"

#define KEPT_VERSION 1

static const struct wire_field kept_fields[] = {
	WIRE_FIELD(crl_kept, version, U16, KEPT_VERSION, KEPT_VERSION),
	WIRE_FIELD(crl_kept, number, U64, 0, 0),
	WIRE_FIELD(crl_kept, this_update, I64, 0, 0),
	WIRE_FIELD(crl_kept, next_update, I64, 0, 0),
};
const struct wire_form crl_kept_form = WIRE_FORM(crl_kept, kept_fields);

struct err crls_new(struct keeper *k)
{
	struct crls *c = calloc(1, sizeof(*c));

	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	c->keeper = k;
	c->next.der.max = WIRE_CRL_MAX;
	c->dropping.max = CRL_DROP_MAX * (1 + STORE_SERIAL_MAX);
	c->raw.max = CA_CRL_MAX;
	atomic_store(&c->wanted, 1);
	pthread_rwlock_init(&c->lock, NULL);
	k->crls = c;
	crls_on_roots(k);
	return OK;
}

void crls_free(struct crls *c)
{
	if (c == NULL) return;
	buf_free(&c->next.der);
	buf_free(&c->dropping);
	buf_free(&c->raw);
	for (size_t i = 0; i < c->list_count; i++) buf_free(&c->lists[i].der);
	brought_crls_free(c->brought);
	pthread_rwlock_destroy(&c->lock);
	free(c);
}

void crls_want(struct keeper *k)
{
	atomic_fetch_add(&k->crls->wanted, 1);
	clerk_wake(k);
}

void crl_value_name(const char *prefix, const uint8_t ski[KEY_SKI_LEN], char name[CRL_NAME_LEN])
{
	char hex[2 * KEY_SKI_LEN + 1];

	bytes_hex(BYTES(ski, KEY_SKI_LEN), hex);
	(void)snprintf(name, CRL_NAME_LEN, "%s.%s", prefix, hex);
}

struct crl_list *crl_list_find(struct crls *c, const uint8_t ski[KEY_SKI_LEN])
{
	for (size_t i = 0; i < c->list_count; i++)
		if (memcmp(c->lists[i].ski, ski, KEY_SKI_LEN) == 0) return &c->lists[i];
	return NULL;
}

/* ---- kept whole, under "crl-list.<key id>" ---- */

struct stored {
	uint16_t version;
	struct crl_kept kept;
	uint8_t issuer[STORE_HASH_LEN];
	int64_t scheduled;
	uint64_t count;
	struct bytes der;
};
static const struct wire_field stored_fields[] = {
	WIRE_FIELD(stored, version, U16, KEPT_VERSION, KEPT_VERSION),
	WIRE_FIELD(stored, kept.number, U64, 0, 0),
	WIRE_FIELD(stored, kept.this_update, I64, 0, 0),
	WIRE_FIELD(stored, kept.next_update, I64, 0, 0),
	WIRE_FIELD(stored, issuer, RAW, 0, STORE_HASH_LEN),
	WIRE_FIELD(stored, scheduled, I64, 0, 0),
	WIRE_FIELD(stored, count, U64, 0, 0),
	WIRE_FIELD(stored, der, REST, 1, STORE_VALUE_MAX),
};
static const struct wire_form stored_form = WIRE_FORM(stored, stored_fields);

/* One that is too large for the store is only in memory: while its key is here it is made again anyway. */
struct err crl_list_store(struct store_batch *batch, const struct crl_list *list, struct bytes der)
{
	AUTO(buf) struct buf value = { .max = STORE_VALUE_MAX };
	struct stored s = { .version = KEPT_VERSION,
			    .kept = list->kept,
			    .scheduled = list->scheduled,
			    .count = list->count,
			    .der = der };
	char name[CRL_NAME_LEN];

	memcpy(s.issuer, list->issuer, sizeof(s.issuer));
	if (wire_form_put(&value, &stored_form, &s).code != ERR_OK) return OK;
	crl_value_name("crl-list", list->ski, name);
	return store_batch_put(batch, name, buf_view(&value));
}

struct err crl_list_load(struct store *store, struct crl_list *list)
{
	AUTO(store_view) struct store_view *view = NULL;
	AUTO(buf) struct buf value = { .max = STORE_VALUE_MAX };
	struct stored s;
	char name[CRL_NAME_LEN];

	crl_value_name("crl-list", list->ski, name);
	TRY(store_view_open(store, &view));
	TRY(store_view_get(view, name, &value));
	if (wire_form_take_all(buf_view(&value), &stored_form, &s).code != ERR_OK)
		FAIL(ERR_DATA_LOSS, "ca: a stored CRL does not parse");
	list->kept = s.kept;
	list->scheduled = s.scheduled;
	list->count = s.count;
	memcpy(list->issuer, s.issuer, sizeof(s.issuer));
	list->der.max = WIRE_CRL_MAX;
	return buf_put(&list->der, s.der.data, s.der.len);
}

/* ---- which keys have one ---- */

static bool is_needed(const struct roots *roots, const uint8_t ski[KEY_SKI_LEN])
{
	const struct root_signer *former;

	if (memcmp(roots_signer(roots)->ski, ski, KEY_SKI_LEN) == 0) return true;
	for (size_t i = 0; (former = roots_former(roots, i)) != NULL; i++)
		if (memcmp(former->ski, ski, KEY_SKI_LEN) == 0) return true;
	return false;
}

static void forget(struct crls *c, size_t at, uint8_t ski[KEY_SKI_LEN])
{
	memcpy(ski, c->lists[at].ski, KEY_SKI_LEN);
	buf_free(&c->lists[at].der);
	c->list_count--;
	memmove(&c->lists[at], &c->lists[at + 1], (c->list_count - at) * sizeof(c->lists[0]));
	c->lists[c->list_count] = (struct crl_list){ .count = 0 }; /* its buffer has moved */
}

/* A key that is not here any more: the list that it signed last stays until the last certificate under it has ended. */
static void restore(struct keeper *k, const uint8_t ski[KEY_SKI_LEN])
{
	struct crls *c = k->crls;
	struct crl_list list = { .generation = 0 };
	struct err e;

	if (crl_list_find(c, ski) != NULL || c->list_count == CRL_LISTS_MAX) return;
	memcpy(list.ski, ski, KEY_SKI_LEN);
	e = crl_list_load(k->store, &list);
	if (e.code == ERR_OK) {
		c->lists[c->list_count++] = list;
		return;
	}
	buf_free(&list.der);
	if (e.code != ERR_NOT_FOUND) log_event(k->log, LOG_ERROR, "crl_failed", F_ERR(e));
}

static struct err delete_values(struct store_batch *batch, const uint8_t (*skis)[KEY_SKI_LEN], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[CRL_NAME_LEN];
		struct err e;

		crl_value_name("crl-list", skis[i], name);
		e = store_batch_delete(batch, name);
		if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
	}
	return OK;
}

/* What is not deleted now is only room. */
static void forget_stored(struct keeper *k, const uint8_t (*skis)[KEY_SKI_LEN], size_t count)
{
	struct store_batch *batch;

	if (count == 0) return;
	pthread_mutex_lock(&k->writer);
	if (store_batch_begin(k->store, &batch).code == ERR_OK) {
		if (delete_values(batch, skis, count).code == ERR_OK) (void)store_batch_commit(batch);
		else store_batch_abort(batch);
	}
	pthread_mutex_unlock(&k->writer);
}

void crls_on_roots(struct keeper *k)
{
	uint8_t gone[CRL_LISTS_MAX][KEY_SKI_LEN];
	struct crls *c = k->crls;
	const struct root_signer *former;
	size_t gone_count = 0;

	if (c == NULL) return; /* at start */
	pthread_rwlock_wrlock(&c->lock);
	for (size_t i = c->list_count; i-- > 0;)
		if (!is_needed(k->roots, c->lists[i].ski)) forget(c, i, gone[gone_count++]);
	for (size_t i = 0; (former = roots_former(k->roots, i)) != NULL; i++) restore(k, former->ski);
	pthread_rwlock_unlock(&c->lock);
	forget_stored(k, (const uint8_t (*)[KEY_SKI_LEN])gone, gone_count);
	crls_bring(k, BYTES_NONE);
	crls_want(k); /* a key that was not here may be, and another signs */
}

/* ---- publishing, telling ---- */

void crl_list_publish(struct keeper *k, const struct crl_list *list, struct buf *der)
{
	struct crls *c = k->crls;
	struct crl_list *to;
	struct buf old = { .max = 0 };

	pthread_rwlock_wrlock(&c->lock);
	to = crl_list_find(c, list->ski);
	if (to == NULL && c->list_count < CRL_LISTS_MAX) to = &c->lists[c->list_count++];
	if (to != NULL) {
		old = to->der;
		*to = *list;
		to->der = *der;
		*der = old;
	}
	pthread_rwlock_unlock(&c->lock);
}

static struct err put_list(struct buf *items, const struct crl_list *list, enum wire_crl_source source)
{
	struct wire_crl m = { .source = (uint8_t)source, .number = list->kept.number, .count = list->count,
			      .this_update = list->kept.this_update, .next_update = list->kept.next_update,
			      .der = buf_view(&list->der) };

	memcpy(m.issuer, list->ski, sizeof(m.issuer));
	return wire_crl_put(items, &m);
}

static struct err put_brought(struct buf *items, const struct brought_crl *b)
{
	struct wire_crl m = { .source = WIRE_CRL_BROUGHT, .number = b->crl.number, .count = b->crl.count,
			      .this_update = b->crl.this_update, .next_update = b->crl.next_update, .der = b->crl.der };

	memcpy(m.issuer, b->issuer, sizeof(m.issuer));
	return wire_crl_put(items, &m);
}

/* A brought list in place of ours, if that is what is configured. */
static struct err put_either(struct keeper *k, struct buf *items, const struct crl_list *list, enum wire_crl_source source)
{
	const struct brought_crl *brought = brought_crls_of(k->crls->brought, list->ski);

	if (brought != NULL && k->conf->ca.brought_crl == CONF_CRL_REPLACE) return put_brought(items, brought);
	return put_list(items, list, source);
}

/* The signing key's first; a brought one that is merged is in there. */
static struct err put_all(struct keeper *k, const uint8_t signer[KEY_SKI_LEN], struct buf *items)
{
	struct crls *c = k->crls;
	const struct crl_list *list = crl_list_find(c, signer);

	if (list == NULL) FAIL(ERR_UNAVAILABLE, "keeper: the first CRL is not signed yet");
	TRY(put_either(k, items, list, WIRE_CRL_OURS));
	for (size_t i = 0; i < c->list_count; i++)
		if (&c->lists[i] != list) TRY(put_either(k, items, &c->lists[i], WIRE_CRL_FORMER));
	for (size_t i = 0; c->brought != NULL && i < c->brought->count; i++)
		if (crl_list_find(c, c->brought->items[i].issuer) == NULL) TRY(put_brought(items, &c->brought->items[i]));
	return OK;
}

void crls_answer(struct keeper *k, struct job *job)
{
	AUTO(buf) struct buf items = { .max = WIRE_CRLS_MAX };
	AUTO(buf) struct buf content = { .max = WIRE_MEMFD_MAX };
	struct wire_list list = { .next = UINT64_MAX };
	uint8_t signer[KEY_SKI_LEN];
	struct err e;

	pthread_mutex_lock(&k->roots_lock);
	memcpy(signer, k->signer->ski, KEY_SKI_LEN);
	pthread_mutex_unlock(&k->roots_lock);
	pthread_rwlock_rdlock(&k->crls->lock);
	e = put_all(k, signer, &items);
	pthread_rwlock_unlock(&k->crls->lock);
	list.items = buf_view(&items);
	if (e.code == ERR_OK) e = wire_list_put(&content, &list);
	clerk_answer_memfd(job, e, buf_view(&content));
}
