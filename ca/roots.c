#include "ca/roots.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "ca/fields.h"
#include "ca/root_make.h"
#include "ca/lint.h"
#include "csr/cert.h"
#include "der/pem.h"

#define VALUE_NAME "roots"
#define VALUE_MAX 60000 /* bytes; storage/store.h */
#define VALUE_VERSION 2 /* 1: only roots of our own, as before there was ca.directory */
#define BLOB_MAX ROOT_BLOB_MAX

struct root {
	uint8_t state; /* enum root_state */
	struct bytes cert, blob; /* views into roots.value */
};
struct roots {
	uint32_t seq;
	uint8_t count;
	struct root items[ROOTS_ITEMS_MAX];
	struct buf value; /* as stored */
	struct root_signer signer;
};

void roots_free(struct roots *r)
{
	if (r == NULL) return;
	hsm_key_free(r->signer.key);
	template_free(r->signer.template);
	buf_free(&r->value);
	free(r);
}

uint32_t roots_seq(const struct roots *r)
{
	return r->seq;
}

const struct root_signer *roots_signer(const struct roots *r)
{
	return &r->signer;
}

/* ---- the stored value ---- */

struct head {
	uint16_t version;
	uint32_t seq;
	uint8_t count;
};
static const struct wire_field head_fields[] = {
	WIRE_FIELD(head, version, U16, 1, VALUE_VERSION),
	WIRE_FIELD(head, seq, U32, 1, UINT32_MAX),
	WIRE_FIELD(head, count, U8, 1, ROOTS_ITEMS_MAX),
};
static const struct wire_form head_form = WIRE_FORM(head, head_fields);
static const struct wire_field root_fields[] = {
	WIRE_FIELD(root, state, U8, ROOT_NEXT, ROOT_BROUGHT),
	WIRE_FIELD(root, cert, BYTES, 1, STORE_CERT_MAX),
	WIRE_FIELD(root, blob, BYTES, 0, BLOB_MAX),
};
static const struct wire_form root_form = WIRE_FORM(root, root_fields);

static struct err set_encode(const struct root *root, struct buf *out)
{
	struct head head = { .version = 1, .seq = 1, .count = 1 };

	TRY(wire_form_put(out, &head_form, &head));
	return wire_form_put(out, &root_form, root);
}

static bool is_own(const struct root *root)
{
	return root->state <= ROOT_KEPT;
}

/* Our own have one; of a chain the signing certificate may (it was imported); a root that was brought has none. */
static bool keys_fit(const struct root *root)
{
	return is_own(root) ? root->blob.len > 0 : root->state == ROOT_CHAIN || root->blob.len == 0;
}

/* r->value is set; the items become views into it. */
static struct err set_decode(struct roots *r)
{
	struct bytes in = buf_view(&r->value);
	struct head head;

	TRY(wire_form_take(&in, &head_form, &head));
	for (uint8_t i = 0; i < head.count; i++) {
		TRY(wire_form_take(&in, &root_form, &r->items[i]));
		if (!keys_fit(&r->items[i]) || (head.version == 1 && r->items[i].state > ROOT_OLD))
			FAIL(ERR_DATA_LOSS, "ca: the stored root set has a root without a key, or a key without a root");
	}
	if (in.len != 0) FAIL(ERR_DATA_LOSS, "ca: the stored root set has trailing bytes");
	r->seq = head.seq;
	r->count = head.count;
	return OK;
}

/* ---- the active root's key ---- */

unsigned roots_signer_threads(const struct conf *conf)
{
	cpu_set_t cores; /* not sysconf(), which opens files that the sandbox does not show */
	int n;

	if (conf->ca.signer_threads > 0) return (unsigned)conf->ca.signer_threads;
	n = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;
	return n < 1 ? 1 : n > 64 ? 64 : (unsigned)n;
}

static struct err key_open(const struct roots_options *o, const struct root *root, struct root_signer *s)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = BLOB_MAX };
	char label[ROOT_LABEL_MAX];

	root_key_label(s->ski, label);
	if (hsm_unwrap(o->kek, label, root->blob, &pkcs8).code != ERR_OK)
		FAIL(ERR_DATA_LOSS, "ca: the CA's key does not open: another key-encryption key, or damaged");
	return hsm_key_load(buf_view(&pkcs8), roots_signer_threads(o->conf), &s->key);
}

/* A data directory belongs to the trust domain that its root names. */
static struct err domain_check(const struct conf *conf, const struct cert *root)
{
	struct bytes domain;

	if (root->uri_count == 0) return OK;
	if (spiffe_id_parse(root->uri, &domain, NULL).code != ERR_OK || !bytes_is(domain, conf_text(conf, conf->trust_domain)))
		FAIL(ERR_FAILED_PRECONDITION, "ca: the stored root is of another trust domain than the configuration's");
	return OK;
}

/* What is published is what was made: every root that we keep signs itself (an intermediate would need its chain here). */
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

static struct err signer_open(const struct roots_options *o, const struct root *root, struct root_signer *s)
{
	struct cert cert;
	struct err e = cert_parse(root->cert, &cert);

	if (e.code != ERR_OK) return ERR(ERR_DATA_LOSS, "ca: the stored root certificate does not parse");
	TRY(domain_check(o->conf, &cert));
	TRY(self_signature_check(&cert));
	TRY(key_ski(cert.key.key_bits, s->ski));
	TRY(key_open(o, root, s));
	if (!bytes_equal(hsm_key_spki(s->key), cert.key.spki))
		FAIL(ERR_DATA_LOSS, "ca: the stored key is not the root certificate's");
	s->name = cert.subject;
	s->algorithm = key_scheme_der(hsm_key_scheme(s->key));
	s->not_after = s->root_not_after = cert.not_after;
	(void)snprintf(s->key_type, sizeof(s->key_type), "%s", key_type_name(cert.key.type));
	return template_new(cert.subject, s->ski, hsm_key_scheme(s->key), &s->template);
}

static struct err signer_brought(struct roots *r, struct brought *b)
{
	struct root_signer *s = &r->signer;
	const struct root *first = r->items; /* own ones come first */

	while (is_own(first)) first++;
	b->signer.der = first->cert; /* our copy: the chain's first, or the root that signs by itself */
	TRY(cert_parse(b->signer.der, &b->signer));
	TRY(key_ski(b->signer.key.key_bits, s->ski));
	/* Their identifier, as they made it, is what clients look for. */
	if (b->signer.ski.len == KEY_SKI_LEN) memcpy(s->ski, b->signer.ski.data, KEY_SKI_LEN);
	s->key = MOVE(b->key);
	s->name = b->signer.subject;
	s->algorithm = key_scheme_der(hsm_key_scheme(s->key));
	s->not_after = b->not_after;
	s->root_not_after = b->root_not_after;
	s->brought = true;
	(void)snprintf(s->key_type, sizeof(s->key_type), "%s", key_type_name(b->signer.key.type));
	return template_new(s->name, s->ski, hsm_key_scheme(s->key), &s->template);
}

/* The signing certificate of an imported CA: the one of a chain whose key is kept.  NULL: the set has none. */
static const struct root *imported(const struct roots *r)
{
	for (uint8_t i = 0; i < r->count; i++)
		if (r->items[i].state == ROOT_CHAIN && r->items[i].blob.len > 0) return &r->items[i];
	return NULL;
}

/* The earliest end of chain and root, which comes right after it.  They were checked when they were imported. */
static struct err imported_ends(const struct roots *r, struct brought *b)
{
	struct cert cert;

	b->not_after = INT64_MAX;
	for (const struct root *root = imported(r); root < r->items + r->count; root++) {
		TRY(cert_parse(root->cert, &cert));
		if (cert.not_after < b->not_after) b->not_after = cert.not_after;
		b->root_not_after = cert.not_after;
		if (root->state == ROOT_BROUGHT) return OK;
	}
	FAIL(ERR_DATA_LOSS, "ca: the stored root set has a chain without a root");
}

static struct err signer_imported(struct roots *r, const struct roots_options *o)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = BLOB_MAX };
	struct brought b = { .key = NULL };
	struct err e;

	if (o->import_kek == NULL || hsm_unwrap(o->import_kek, ROOTS_IMPORT_LABEL, imported(r)->blob, &pkcs8).code != ERR_OK)
		FAIL(ERR_DATA_LOSS, "ca: the imported CA's key does not open: another key-encryption key, or damaged");
	TRY(imported_ends(r, &b));
	TRY(hsm_key_load(buf_view(&pkcs8), roots_signer_threads(o->conf), &b.key));
	e = signer_brought(r, &b);
	if (b.key != NULL) hsm_key_free(b.key);
	TRY(e);
	TRY(domain_check(o->conf, &b.signer));
	if (bytes_equal(hsm_key_spki(r->signer.key), b.signer.key.spki)) return OK;
	FAIL(ERR_DATA_LOSS, "ca: the stored key is not the imported certificate's");
}

static struct err set_open(struct roots *r, const struct roots_options *o)
{
	struct err e = set_decode(r);
	const struct root *active = NULL;

	if (e.code != ERR_OK) return ERR(ERR_DATA_LOSS, "ca: the stored root set does not parse");
	if (o->brought != NULL) return signer_brought(r, o->brought);
	if (imported(r) != NULL) return signer_imported(r, o);
	for (uint8_t i = 0; i < r->count; i++) {
		if (r->items[i].state != ROOT_ACTIVE) continue;
		if (active != NULL) FAIL(ERR_DATA_LOSS, "ca: the stored root set has two active roots");
		active = &r->items[i];
	}
	if (active == NULL) FAIL(ERR_DATA_LOSS, "ca: the stored root set has no active root");
	return signer_open(o, active, &r->signer);
}

/* ---- the first root ---- */

static struct err set_make(const struct roots_options *o, struct buf *value)
{
	AUTO(buf) struct buf cert = { .max = STORE_CERT_MAX };
	AUTO(buf) struct buf blob = { .max = BLOB_MAX };

	TRY(root_make(o, &cert, &blob));
	return set_encode(&(struct root){ .state = ROOT_ACTIVE, .cert = buf_view(&cert), .blob = buf_view(&blob) }, value);
}

static struct err set_store(struct store *store, struct bytes value, bool import)
{
	struct store_batch *batch;
	struct err e;

	TRY(store_batch_begin(store, &batch));
	e = store_batch_put(batch, VALUE_NAME, value);
	if (e.code == ERR_OK && import) e = store_batch_delete(batch, ROOTS_PENDING); /* its key is in the set now */
	if (e.code == ERR_OK) return store_batch_commit(batch);
	store_batch_abort(batch);
	return e;
}

static struct err set_read(struct store *store, struct buf *value)
{
	AUTO(store_view) struct store_view *view = NULL;

	TRY(store_view_open(store, &view));
	return store_view_get(view, VALUE_NAME, value);
}

/* ---- a CA that is brought, and back ---- */

struct change { /* of the stored set: what it is to be */
	const struct roots *from;  /* decoded */
	const struct brought *brought; /* NULL: back to our own */
	struct root items[ROOTS_ITEMS_MAX];
	uint8_t count;
};

static void change_put(struct change *c, enum root_state state, struct bytes cert, struct bytes blob)
{
	c->items[c->count++] = (struct root){ .state = (uint8_t)state, .cert = cert, .blob = blob };
}

static void change_own(struct change *c)
{
	for (uint8_t i = 0; i < c->from->count && c->count < ROOTS_MAX; i++) {
		const struct root *root = &c->from->items[i];
		enum root_state back = c->count == 0 ? ROOT_ACTIVE : ROOT_OLD;

		if (is_own(root)) change_put(c, c->brought != NULL ? ROOT_KEPT : back, root->cert, root->blob);
	}
}

static void change_brought(struct change *c)
{
	for (size_t i = 0; i < c->brought->chain_count; i++)
		change_put(c, ROOT_CHAIN, c->brought->chain[i], i == 0 ? buf_view(&c->brought->blob) : BYTES_NONE);
	for (size_t i = 0; i < c->brought->root_count; i++) change_put(c, ROOT_BROUGHT, c->brought->roots[i], BYTES_NONE);
}

static struct err change_encode(const struct change *c, uint32_t seq, struct buf *out)
{
	struct head head = { .version = VALUE_VERSION, .seq = seq, .count = c->count };

	out->len = 0;
	TRY(wire_form_put(out, &head_form, &head));
	for (uint8_t i = 0; i < c->count; i++) TRY(wire_form_put(out, &root_form, &c->items[i]));
	return OK;
}

/* r->value is the stored one (or empty), and afterwards that which is stored. */
static struct err set_change(struct roots *r, struct store *store, const struct brought *brought)
{
	AUTO(buf) struct buf next = { .max = VALUE_MAX };
	AUTO(heap) struct change *c = calloc(1, sizeof(*c));
	struct buf old;

	if (c == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	c->from = r;
	c->brought = brought;
	change_own(c);
	if (brought != NULL) change_brought(c);
	if (c->count == 0)
		FAIL(ERR_FAILED_PRECONDITION, "ca: the CA of this data directory was brought; name it again in ca.directory, "
		     "or take a new data_dir");
	if (r->seq > 0) TRY(change_encode(c, r->seq, &next));
	if (r->seq > 0 && bytes_equal(buf_view(&next), buf_view(&r->value))) return OK;
	if (r->seq == UINT32_MAX) FAIL(ERR_OUT_OF_RANGE, "ca: no sequence number is left");
	TRY(change_encode(c, r->seq + 1, &next));
	TRY(set_store(store, buf_view(&next), brought != NULL && brought->blob.len > 0));
	old = r->value;
	r->value = next;
	next = old;
	return OK;
}

static bool is_of_brought(const struct roots *r)
{
	for (uint8_t i = 0; i < r->count; i++)
		if (r->items[i].state >= ROOT_KEPT) return true;
	return false;
}

static struct err set_prepare(struct roots *r, struct store *store, const struct roots_options *o, bool fresh)
{
	struct err e = fresh ? OK : set_decode(r);

	if (e.code != ERR_OK) return ERR(ERR_DATA_LOSS, "ca: the stored root set does not parse");
	if (o->brought == NULL && imported(r) != NULL) return OK;
	if (o->brought != NULL || is_of_brought(r)) return set_change(r, store, o->brought);
	if (!fresh) return OK;
	TRY(set_make(o, &r->value));
	return set_store(store, buf_view(&r->value), false);
}

struct err roots_open(struct store *store, const struct roots_options *options, bool *created, struct roots **out)
{
	AUTO(roots) struct roots *r = calloc(1, sizeof(*r));
	struct err e;
	bool fresh;

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	r->value.max = VALUE_MAX;
	e = set_read(store, &r->value);
	fresh = e.code == ERR_NOT_FOUND;
	if (e.code != ERR_OK && !fresh) return e;
	TRY(set_prepare(r, store, options, fresh));
	TRY(set_open(r, options));
	*created = fresh && options->brought == NULL;
	*out = MOVE(r);
	return OK;
}

static struct err put_all(const struct roots *r, enum root_state state, struct buf *pem)
{
	for (uint8_t i = 0; i < r->count; i++)
		if (r->items[i].state == state) TRY(pem_put(pem, "CERTIFICATE", r->items[i].cert));
	return OK;
}

struct err roots_publish(const struct roots *r, struct buf *out)
{
	/* The active one first: clients that take only one root take the one that signs. */
	static const enum root_state order[] = { ROOT_ACTIVE, ROOT_NEXT, ROOT_OLD, ROOT_BROUGHT };
	AUTO(buf) struct buf pem = { .max = WIRE_ROOTS_MAX };
	AUTO(buf) struct buf chain = { .max = WIRE_ROOTS_MAX };
	struct wire_roots m = { .seq = r->seq };

	TRY(put_all(r, ROOT_CHAIN, &chain));
	for (size_t i = 0; i < ARRAY_LEN(order); i++) TRY(put_all(r, order[i], &pem));
	m.chain_pem = buf_view(&chain);
	m.roots_pem = buf_view(&pem);
	return wire_roots_put(out, &m);
}
