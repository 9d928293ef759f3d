#include "ca/roots.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "ca/root_make.h"
#include "ca/wire_bundle.h"
#include "der/pem.h"

#define VALUE_NAME "roots"

struct roots {
	struct root_set set;       /* views into `value`, and of an older program's set into `rewrapped` */
	struct buf value, rewrapped;
	uint16_t version;          /* of the stored value */
	struct root_signer signer; /* key NULL: not opened */
	struct root_signer formers[ROOTS_FORMERS_MAX];
	size_t former_count;
	struct hsm_key *lent[1 + ROOTS_FORMERS_MAX]; /* of others, until it is stored */
	size_t lent_count;
};

static bool is_lent(const struct roots *r, const struct hsm_key *key)
{
	for (size_t i = 0; i < r->lent_count; i++)
		if (r->lent[i] == key) return true;
	return false;
}

static void signer_close(const struct roots *r, struct root_signer *s)
{
	if (!is_lent(r, s->key)) hsm_key_free(s->key);
	template_free(s->template);
}

void roots_free(struct roots *r)
{
	if (r == NULL) return;
	signer_close(r, &r->signer);
	for (size_t i = 0; i < r->former_count; i++) signer_close(r, &r->formers[i]);
	buf_free(&r->value);
	buf_free(&r->rewrapped);
	free(r);
}

const struct root_set *roots_set(const struct roots *r)
{
	return &r->set;
}

uint32_t roots_seq(const struct roots *r)
{
	return r->set.seq;
}

const struct root_signer *roots_signer(const struct roots *r)
{
	return &r->signer;
}

const struct root_signer *roots_former(const struct roots *r, size_t i)
{
	return i < r->former_count ? &r->formers[i] : NULL;
}

unsigned roots_signer_threads(const struct conf *conf)
{
	cpu_set_t cores; /* not sysconf(), which opens files that the sandbox does not show */
	int n;

	if (conf->ca.signer_threads > 0) return (unsigned)conf->ca.signer_threads;
	n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
	return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

/* ---- reading ---- */

static struct err key_label(const struct root_item *item, char label[ROOT_LABEL_MAX])
{
	uint8_t ski[KEY_SKI_LEN];
	struct cert cert;

	if (item->origin != ORIGIN_OWN) {
		(void)snprintf(label, ROOT_LABEL_MAX, "%s", ROOTS_IMPORT_LABEL);
		return OK;
	}
	TRY(cert_parse(item->cert, &cert));
	TRY(key_ski(cert.key.key_bits, ski));
	root_key_label(ski, label);
	return OK;
}

/* Older programs wrapped the keys of their own roots under the key-encryption key itself, which is wiped at start. */
static struct err rewrap(struct roots *r, const struct roots_options *o, struct root_item *item)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = SET_BLOB_MAX };
	size_t before = r->rewrapped.len;
	char label[ROOT_LABEL_MAX];
	struct err e;

	TRY(key_label(item, label));
	e = hsm_unwrap(o->kek, label, item->blob, &pkcs8);
	if (e.code == ERR_DATA_LOSS)
		FAIL(ERR_DATA_LOSS, "ca: the CA's key does not open: another key-encryption key, or damaged");
	TRY(e);
	TRY(hsm_wrap(o->ca_kek, label, buf_view(&pkcs8), &r->rewrapped));
	item->blob = BYTES(r->rewrapped.data + before, r->rewrapped.len - before);
	return OK;
}

static struct err rewrap_all(struct roots *r, const struct roots_options *o)
{
	uint8_t *room;

	if (r->version >= SET_VERSION) return OK;
	if (o->kek == NULL) FAIL(ERR_INTERNAL, "ca: a set of an older program, and no key to open it");
	r->rewrapped.max = SET_OWN_MAX * SET_BLOB_MAX;
	TRY(buf_reserve(&r->rewrapped, r->rewrapped.max, &room)); /* views must not move */
	for (unsigned i = 0; i < r->set.item_count; i++)
		if (r->set.items[i].origin == ORIGIN_OWN) TRY(rewrap(r, o, &r->set.items[i]));
	return OK;
}

struct err roots_read(struct store *store, const struct roots_options *options, struct roots **out)
{
	AUTO(store_view) struct store_view *view = NULL;
	AUTO(roots) struct roots *r = calloc(1, sizeof(*r));
	struct err e;

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	r->value.max = SET_VALUE_MAX;
	TRY(store_view_open(store, &view));
	e = store_view_get(view, VALUE_NAME, &r->value);
	if (e.code == ERR_OK) {
		if (set_decode(buf_view(&r->value), &r->version, &r->set).code != ERR_OK)
			FAIL(ERR_DATA_LOSS, "ca: the stored root set does not parse");
		e = rewrap_all(r, options);
	}
	if (e.code != ERR_OK && e.code != ERR_NOT_FOUND) return e;
	*out = MOVE(r);
	return OK;
}

struct err roots_first(const struct roots_options *options, struct buf *cert, struct buf *blob, struct root_set *set)
{
	struct root_item *item = &set->items[0];
	struct root_reign reign = { .from = 0 };

	memset(set, 0, sizeof(*set));
	TRY(root_make(options, cert, blob));
	*item = (struct root_item){ .state = ROOT_ACTIVE, .origin = ORIGIN_OWN, .since = options->now, .cert = buf_view(cert),
				    .blob = buf_view(blob) };
	set->item_count = 1;
	TRY(root_key_hash(item, reign.root_key));
	TRY(root_ski(item, reign.signer));
	set_reign(set, &reign);
	return OK;
}

/* ---- signers ---- */

/* A data directory belongs to the trust domain that its root names. */
static struct err domain_check(const struct conf *conf, const struct cert *cert)
{
	struct bytes domain;

	if (cert->uri_count == 0) return OK;
	if (spiffe_id_parse(cert->uri, &domain, NULL).code != ERR_OK || !bytes_is(domain, conf_text(conf, conf->trust_domain)))
		FAIL(ERR_FAILED_PRECONDITION, "ca: the stored root is of another trust domain than the configuration's");
	return OK;
}

/* What is published is what was made: every root that we keep signs itself. */
static struct err self_signature_check(const struct cert *root)
{
	AUTO(key_verifier) struct key_verifier *verifier = NULL;
	enum key_scheme scheme;
	struct err e;

	if (!bytes_equal(root->issuer, root->subject)) FAIL(ERR_DATA_LOSS, "ca: the stored root is not self-signed");
	TRY(key_verifier_new(&verifier));
	e = key_scheme_parse(root->algorithm, root->key.type, &scheme);
	if (e.code == ERR_OK) e = key_verify(verifier, &root->key, scheme, root->tbs, root->signature);
	return e.code == ERR_OK ? OK : ERR(ERR_DATA_LOSS, "ca: the stored root's signature does not verify");
}

static struct err key_open(const struct roots_options *o, const struct root_item *item, unsigned threads, struct hsm_key **out)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = SET_BLOB_MAX };
	AUTO(hsm_key) struct hsm_key *key = NULL;
	char label[ROOT_LABEL_MAX];
	struct cert cert;

	TRY(key_label(item, label));
	if (hsm_unwrap(o->ca_kek, label, item->blob, &pkcs8).code != ERR_OK)
		FAIL(ERR_DATA_LOSS, "ca: the CA's key does not open: another key-encryption key, or damaged");
	TRY(hsm_key_load(buf_view(&pkcs8), threads, &key));
	TRY(cert_parse(item->cert, &cert));
	if (!bytes_equal(hsm_key_spki(key), cert.key.spki)) FAIL(ERR_DATA_LOSS, "ca: the stored key is not its certificate's");
	*out = MOVE(key);
	return OK;
}

/* What a certificate says of its signer; no key yet. */
static struct err signer_describe(const struct root_item *item, struct root_signer *s)
{
	struct cert cert;

	TRY(cert_parse(item->cert, &cert));
	TRY(root_ski(item, s->ski));
	s->cert = item->cert;
	s->name = cert.subject;
	s->algorithm = cert.key.spki; /* until the key says */
	s->not_after = cert.not_after;
	s->stored = item->blob.len > 0;
	s->crl_sign = !cert.has_key_usage || (cert.key_usage & CERT_KU_CRL_SIGN) != 0;
	(void)snprintf(s->key_type, sizeof(s->key_type), "%s", key_type_name(cert.key.type));
	return OK;
}

/* An opened key of `from` for this certificate, by lending: it is taken when all has gone well. */
static struct hsm_key *lend(const struct roots *from, struct bytes cert)
{
	struct cert c;

	if (cert_parse(cert, &c).code != ERR_OK) return NULL;
	if (from->signer.key != NULL && bytes_equal(hsm_key_spki(from->signer.key), c.key.spki)) return from->signer.key;
	for (size_t i = 0; i < from->former_count; i++)
		if (from->formers[i].key != NULL && bytes_equal(hsm_key_spki(from->formers[i].key), c.key.spki))
			return from->formers[i].key;
	return NULL;
}

struct opening { /* roots on their way */
	const struct roots_options *o;
	const struct roots_change *change;
	struct roots *to;
};

static struct err find_key(struct opening *op, const struct root_item *item, unsigned threads, struct hsm_key **out)
{
	struct hsm_key **brought = op->change->brought_key;
	struct cert cert;

	TRY(cert_parse(item->cert, &cert));
	*out = lend(op->change->from, item->cert);
	if (*out == NULL && brought != NULL && *brought != NULL && bytes_equal(hsm_key_spki(*brought), cert.key.spki))
		*out = *brought;
	if (*out != NULL && !is_lent(op->to, *out)) {
		op->to->lent[op->to->lent_count++] = *out;
		return OK;
	}
	*out = NULL;
	return item->blob.len == 0 ? OK : key_open(op->o, item, threads, out);
}

/* The earliest end of chain and root. */
static struct err ends_of(const struct root_set *set, struct root_signer *s)
{
	struct cert cert;

	s->not_after = INT64_MAX;
	for (unsigned i = 0; i < set->item_count; i++) {
		const struct root_item *item = &set->items[i];

		if (item->state != ROOT_CHAIN && item->state != ROOT_ACTIVE) continue;
		TRY(cert_parse(item->cert, &cert));
		if (cert.not_after < s->not_after) s->not_after = cert.not_after;
		if (item->state == ROOT_ACTIVE) s->root_not_after = cert.not_after;
	}
	return OK;
}

static struct err open_signer(struct opening *op)
{
	const struct root_item *item = set_signer(&op->to->set);
	struct root_signer *s = &op->to->signer;
	struct cert cert;

	TRY(cert_parse(item->cert, &cert));
	TRY(domain_check(op->o->conf, &cert));
	if (item->origin == ORIGIN_OWN) TRY(self_signature_check(&cert));
	TRY(signer_describe(item, s));
	TRY(find_key(op, item, roots_signer_threads(op->o->conf), &s->key));
	if (s->key == NULL) FAIL(ERR_FAILED_PRECONDITION, "ca: the key of the certificate that signs is not here");
	s->algorithm = key_scheme_der(hsm_key_scheme(s->key));
	s->brought = item->origin != ORIGIN_OWN;
	TRY(ends_of(&op->to->set, s));
	return template_new(s->name, s->ski, hsm_key_scheme(s->key), &s->template);
}

static bool reigned(const struct root_set *set, const uint8_t ski[KEY_SKI_LEN])
{
	for (unsigned i = 0; i < set->reign_count; i++)
		if (memcmp(set->reigns[i].signer, ski, KEY_SKI_LEN) == 0) return true;
	return false;
}

static struct err open_former(struct opening *op, const struct root_item *item)
{
	struct roots *to = op->to;
	struct root_signer s = { .key = NULL };

	TRY(signer_describe(item, &s));
	if (memcmp(s.ski, to->signer.ski, KEY_SKI_LEN) == 0 || !reigned(&to->set, s.ski)) return OK;
	for (size_t i = 0; i < to->former_count; i++)
		if (memcmp(to->formers[i].ski, s.ski, KEY_SKI_LEN) == 0) return OK;
	if (to->former_count == ROOTS_FORMERS_MAX) return OK;
	TRY(find_key(op, item, 1, &s.key));
	if (s.key != NULL) s.algorithm = key_scheme_der(hsm_key_scheme(s.key));
	to->formers[to->former_count++] = s;
	return OK;
}

static struct err open_all(struct opening *op)
{
	TRY(open_signer(op));
	for (unsigned i = 0; i < op->to->set.item_count; i++) {
		const struct root_item *item = &op->to->set.items[i];

		if (item->state == ROOT_OLD || item->state == ROOT_NEXT || item->state == ROOT_FORMER) TRY(open_former(op, item));
	}
	return OK;
}

/* ---- changing ---- */

static struct err next_set(const struct roots_change *change, struct roots *to)
{
	AUTO(heap) struct root_set *set = malloc(sizeof(*set));
	const struct root_set *from = &change->from->set;

	if (set == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	*set = change->set != NULL ? *change->set : *from;
	set->seq = from->seq;
	if (change->set != NULL) {
		if (from->seq == UINT32_MAX) FAIL(ERR_OUT_OF_RANGE, "ca: no sequence number is left");
		set->seq++;
	}
	to->value.max = SET_VALUE_MAX;
	TRY(set_encode(set, &to->value));
	return set_decode(buf_view(&to->value), &to->version, &to->set);
}

struct err roots_build(const struct roots_options *options, const struct roots_change *change, struct roots **out)
{
	AUTO(roots) struct roots *to = calloc(1, sizeof(*to));
	struct opening op = { .o = options, .change = change, .to = to };

	if (to == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	TRY(next_set(change, to));
	TRY(open_all(&op));
	*out = MOVE(to);
	return OK;
}

static struct err put_value(struct store *store, struct bytes value, const struct roots_change *change)
{
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(store, &batch));
	e = store_batch_put(batch, VALUE_NAME, value);
	if (e.code == ERR_OK && change->import) e = store_batch_delete(batch, ROOTS_PENDING);
	if (e.code == ERR_OK && change->event != NULL) e = store_batch_event(batch, change->event);
	if (e.code == ERR_OK) return store_batch_commit(batch);
	store_batch_abort(batch);
	return e;
}

struct err roots_store(struct store *store, const struct roots_change *change, struct roots *r)
{
	struct roots *from = change->from;

	/* as it is: only if it is of an older program, so that the key-encryption key is not needed any more */
	if (change->set != NULL || from->version != SET_VERSION) TRY(put_value(store, buf_view(&r->value), change));
	if (is_lent(r, from->signer.key)) from->signer.key = NULL;
	for (size_t i = 0; i < from->former_count; i++)
		if (is_lent(r, from->formers[i].key)) from->formers[i].key = NULL;
	if (change->brought_key != NULL && is_lent(r, *change->brought_key)) *change->brought_key = NULL;
	r->lent_count = 0;
	return OK;
}

/* ---- publishing ---- */

static struct err put_all(const struct root_set *set, enum root_state state, struct buf *pem)
{
	for (unsigned i = 0; i < set->item_count; i++)
		if (set->items[i].state == state) TRY(pem_put(pem, "CERTIFICATE", set->items[i].cert));
	return OK;
}

struct err roots_publish(const struct roots *r, const struct issuer_roots *others, struct buf *out)
{
	/* The active one first: clients that take only one root take the one that signs. */
	static const enum root_state order[] = { ROOT_ACTIVE, ROOT_NEXT, ROOT_OLD };
	AUTO(buf) struct buf pem = { .max = WIRE_ROOTS_MAX };
	AUTO(buf) struct buf chain = { .max = WIRE_ROOTS_MAX };
	const struct root_item *active = set_first(&r->set, ROOT_ACTIVE);
	struct wire_roots m = { .seq = r->set.seq };

	TRY(put_all(&r->set, ROOT_CHAIN, &chain));
	if (active->cross.len > 0) TRY(pem_put(&chain, "CERTIFICATE", active->cross));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) TRY(put_all(&r->set, order[i], &pem));
	if (others != NULL) {
		TRY(issuer_roots_put(others, &pem));
		m.seq += issuer_roots_epoch(others);
	}
	m.chain_pem = buf_view(&chain);
	m.roots_pem = buf_view(&pem);
	return wire_roots_put(out, &m);
}
