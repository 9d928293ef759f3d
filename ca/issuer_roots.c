#include "ca/issuer_roots.h"

#include <string.h>

#include "base/wire.h"
#include "ca/fields.h"
#include "ca/wire.h"
#include "der/pem.h"

#define LABEL "CERTIFICATE"

struct issuer_roots {
	const struct conf *conf;
	uint32_t epoch;
	struct {
		struct buf pem;
		bool pinned;
	} of[CONF_CSR_ISSUERS_MAX];
};

struct err issuer_roots_new(const struct conf *conf, struct issuer_roots **out)
{
	struct issuer_roots *r = calloc(1, sizeof(*r));

	if (r == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	r->conf = conf;
	*out = r;
	return OK;
}

void issuer_roots_free(struct issuer_roots *r)
{
	if (r == NULL) return;
	for (size_t i = 0; i < ARRAY_LEN(r->of); i++) buf_free(&r->of[i].pem);
	free(r);
}

struct bytes issuer_roots_of(const struct issuer_roots *r, unsigned issuer)
{
	return buf_view(&r->of[issuer].pem);
}

/* ---- reading ---- */

static bool is_root(struct bytes der)
{
	struct cert cert;

	return cert_parse(der, &cert).code == ERR_OK && cert.ca && bytes_equal(cert.subject, cert.issuer);
}

/* The next certificate of *pem.  NOT_FOUND: that was all. */
static struct err take(struct bytes *pem, struct buf *der)
{
	char label[PEM_LABEL_MAX];

	der->max = BROUGHT_CERT_MAX;
	der->len = 0;
	TRY(pem_take(pem, BROUGHT_CERT_MAX, label, der));
	if (strcmp(label, LABEL) != 0) FAIL(ERR_INVALID_ARGUMENT, "ca: not a certificate");
	return OK;
}

int64_t issuer_roots_end(const struct issuer_roots *r, unsigned issuer)
{
	struct bytes pem = issuer_roots_of(r, issuer);
	int64_t first = 0;

	for (;;) {
		AUTO(buf) struct buf der = { .max = 0 };
		struct cert cert;

		if (take(&pem, &der).code != ERR_OK) return first;
		if (cert_parse(buf_view(&der), &cert).code == ERR_OK && (first == 0 || cert.not_after < first))
			first = cert.not_after;
	}
}

struct err issuer_roots_among(struct bytes pem, struct buf *out)
{
	for (;;) {
		AUTO(buf) struct buf der = { .max = 0 };
		struct err e = take(&pem, &der);

		if (e.code == ERR_NOT_FOUND) return OK;
		if (e.code == ERR_OK && is_root(buf_view(&der))) e = pem_put(out, LABEL, buf_view(&der));
		if (e.code != ERR_OK) return e;
	}
}

static struct err read_all(struct bytes pem, struct buf *out, const char **why)
{
	unsigned n = 0;

	for (;; n++) {
		AUTO(buf) struct buf der = { .max = 0 };
		struct err e = take(&pem, &der);

		if (e.code == ERR_NOT_FOUND) break;
		*why = e.code != ERR_OK		 ? "it holds something that is no certificate in PEM" :
		       n == BROUGHT_ROOTS_MAX	 ? "it holds too many certificates" :
		       !is_root(buf_view(&der)) ? "it holds a certificate that is no root (a self-signed CA)" : NULL;
		if (*why != NULL) FAIL(ERR_INVALID_ARGUMENT, "ca: an issuer's roots cannot be used");
		TRY(pem_put(out, LABEL, buf_view(&der)));
	}
	*why = "it holds no certificate";
	return n > 0 ? OK : ERR(ERR_INVALID_ARGUMENT, "ca: an issuer's roots cannot be used");
}

struct err issuer_roots_set(struct issuer_roots *r, unsigned issuer, struct bytes pem, const char **why, bool *changed)
{
	AUTO(buf) struct buf read = { .max = ISSUER_ROOTS_MAX };

	*changed = false;
	TRY(read_all(pem, &read, why));
	if (bytes_equal(buf_view(&read), issuer_roots_of(r, issuer))) return OK;
	buf_free(&r->of[issuer].pem);
	r->of[issuer].pem = read;
	r->of[issuer].pinned = false;
	r->epoch++;
	read = (struct buf){ 0 };
	*changed = true;
	return OK;
}

/* ---- kept ---- */

struct saved { struct bytes name, pem; bool pinned; };
static const struct wire_field saved_fields[] = {
	WIRE_FIELD(saved, name, TEXT, 1, WIRE_NAME_MAX),
	WIRE_FIELD(saved, pinned, BOOL, 0, 0),
	WIRE_FIELD(saved, pem, LONG, 1, ISSUER_ROOTS_MAX),
};
static const struct wire_form saved_form = WIRE_FORM(saved, saved_fields);

struct err issuer_roots_pin(struct issuer_roots *r, unsigned issuer, struct bytes pem)
{
	const char *why;
	bool changed;

	TRY(issuer_roots_set(r, issuer, pem, &why, &changed));
	r->of[issuer].pinned = true;
	return OK;
}

bool issuer_roots_pinned(const struct issuer_roots *r, unsigned issuer)
{
	return r->of[issuer].pinned;
}

void issuer_roots_unpin(struct issuer_roots *r, unsigned issuer)
{
	buf_free(&r->of[issuer].pem);
	r->of[issuer].pem = (struct buf){ 0 };
	r->of[issuer].pinned = false;
	r->epoch++;
}

uint32_t issuer_roots_epoch(const struct issuer_roots *r)
{
	return r->epoch;
}

struct err issuer_roots_save(const struct issuer_roots *r, struct buf *out)
{
	TRY(wire_put_u32(out, r->epoch));
	for (unsigned i = 0; i < r->conf->csr_issuer_count; i++) {
		struct saved m = { .name = bytes_str(conf_text(r->conf, r->conf->csr_issuers[i].name)),
				   .pem = issuer_roots_of(r, i), .pinned = r->of[i].pinned };

		if (m.pem.len > 0) TRY(wire_form_put(out, &saved_form, &m));
	}
	return OK;
}

static struct err load_one(struct issuer_roots *r, const struct saved *m)
{
	int at = conf_csr_issuer_find(r->conf, m->name);
	const char *why;
	bool changed;

	if (at < 0 || r->conf->csr_issuers[at].trust_on_first_use != m->pinned) return OK;
	if (m->pinned) return issuer_roots_pin(r, (unsigned)at, m->pem);
	return issuer_roots_set(r, (unsigned)at, m->pem, &why, &changed);
}

struct err issuer_roots_load(struct issuer_roots *r, struct bytes saved)
{
	uint32_t epoch = 0;
	struct saved m;

	if (saved.len == 0) return OK;
	if (wire_u32(&saved, &epoch).code != ERR_OK) FAIL(ERR_DATA_LOSS, "ca: the stored roots of other issuers are damaged");
	while (saved.len > 0)
		if (wire_form_take(&saved, &saved_form, &m).code != ERR_OK || load_one(r, &m).code != ERR_OK)
			FAIL(ERR_DATA_LOSS, "ca: the stored roots of other issuers are damaged");
	r->epoch = epoch;
	return OK;
}

/* ---- for everybody ---- */

static struct err put_new(struct buf *pem, struct bytes roots)
{
	while (roots.len > 0) {
		struct bytes root = pem_cut_cert(&roots);

		if (pem->len > 0 && memmem(pem->data, pem->len, root.data, root.len) != NULL) continue;
		TRY(buf_put(pem, root.data, root.len));
	}
	return OK;
}

struct err issuer_roots_put(const struct issuer_roots *r, struct buf *pem)
{
	for (unsigned i = 0; i < r->conf->csr_issuer_count; i++) TRY(put_new(pem, issuer_roots_of(r, i)));
	return OK;
}
