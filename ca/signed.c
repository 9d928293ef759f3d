#include "ca/signed.h"

#include <stdio.h>
#include <string.h>

#include "csr/csr.h"
#include "der/pem.h"

struct checking_leaf {
	const struct signed_want *want;
	struct brought_report *report;
	struct signed_chain *s;
	struct key_verifier *verifier;
	struct buf above; /* PEM: who signed the leaf, then all that came with it */
};

static struct err refuse(struct checking_leaf *c, const char *what)
{
	(void)snprintf(c->report->problem, sizeof(c->report->problem), "%s", what);
	FAIL(ERR_INVALID_ARGUMENT, "ca: what the signer sent back is not what was asked for");
}

static struct err refuse_by(struct checking_leaf *c, const char *what, struct err e)
{
	(void)snprintf(c->report->problem, sizeof(c->report->problem), "%s (%s)", what, e.reason);
	FAIL(ERR_INVALID_ARGUMENT, "ca: what the signer sent back is not what was asked for");
}

/* ---- the leaf ---- */

static bool is_wanted(const struct signed_want *want, unsigned tag, struct bytes value)
{
	for (size_t i = 0; i < want->name_count; i++)
		if (want->names[i].tag == tag && bytes_equal(want->names[i].value, value)) return true;
	return false;
}

static struct err check_names(struct checking_leaf *c)
{
	const struct cert *leaf = &c->s->leaf;
	struct bytes rest = leaf->san, value;
	unsigned tag;
	size_t n = 0;

	if (leaf->uri_count != (c->want->spiffe_id.len > 0) || !bytes_equal(leaf->uri, c->want->spiffe_id))
		return refuse(c, "it is for another SPIFFE ID");
	while (cert_san_next(&rest, &tag, &value).code == ERR_OK) {
		if (tag == CSR_SAN_URI) continue;
		if (!is_wanted(c->want, tag, value)) return refuse(c, "it has a name that was not granted");
		n++;
	}
	return n == c->want->name_count ? OK : refuse(c, "it lacks a name that was granted, or has one twice");
}

static struct err check_life(struct checking_leaf *c)
{
	const struct cert *leaf = &c->s->leaf;
	int64_t now = c->want->now;

	if (leaf->not_after <= now) return refuse(c, "it has ended");
	if (leaf->not_before > now + SIGNED_SKEW) return refuse(c, "it is not valid yet");
	if (leaf->not_after > now + c->want->lifetime + SIGNED_SKEW) return refuse(c, "it lives longer than was asked for");
	return OK;
}

static struct err check_leaf(struct checking_leaf *c)
{
	bool serving = c->want->spiffe_id.len == 0;
	struct err e;

	if (!bytes_equal(c->s->leaf.key.spki, c->want->spki)) return refuse(c, "it is for another key than the request's");
	TRY(check_names(c));
	e = serving ? cert_server_check(&c->s->leaf) : cert_svid_check(&c->s->leaf, c->want->trust_domain);
	if (e.code != ERR_OK) return refuse_by(c, serving ? "it is no server's" : "it is no X.509-SVID", e);
	/* Istio's clients want both; go-spiffe and Envoy take one without any */
	if (!c->s->leaf.has_ext_key_usage) return refuse(c, "it has no extended key usage");
	return check_life(c);
}

/* ---- what is above it ---- */

/* ECDSA over SHA-512: rustls refuses it, and so ztunnel. */
static bool signed_by(struct checking_leaf *c, const struct cert *issuer)
{
	const struct cert *leaf = &c->s->leaf;
	enum key_scheme scheme;

	if (!bytes_equal(leaf->issuer, issuer->subject)) return false;
	if (leaf->aki.len > 0 && issuer->ski.len > 0 && !bytes_equal(leaf->aki, issuer->ski)) return false;
	if (key_scheme_parse(leaf->algorithm, issuer->key.type, &scheme).code != ERR_OK || scheme == SCHEME_ECDSA_P256_SHA512 ||
	    scheme == SCHEME_ECDSA_P384_SHA512)
		return false;
	return key_verify(c->verifier, &issuer->key, scheme, leaf->tbs, leaf->signature).code == ERR_OK;
}

/* Puts the first certificate of this text that signed the leaf into `above`.  NOT_FOUND: none did. */
static struct err find_signer(struct checking_leaf *c, struct bytes pem)
{
	for (;;) {
		AUTO(buf) struct buf der = { .max = BROUGHT_CERT_MAX };
		char label[PEM_LABEL_MAX];
		struct cert cert;

		TRY(pem_take(&pem, BROUGHT_CERT_MAX, label, &der));
		if (cert_parse(buf_view(&der), &cert).code != ERR_OK || !signed_by(c, &cert)) continue;
		return pem_put(&c->above, "CERTIFICATE", buf_view(&der));
	}
}

static struct err check_chain(struct checking_leaf *c, struct bytes rest)
{
	struct ca_files files = { .there = { [CA_FILE_IMPORTED] = true, [CA_FILE_IMPORTED_ROOTS] = true } };
	struct brought_options o = { .now = c->want->now, .foreign = true };
	struct err e = find_signer(c, rest);

	if (e.code != ERR_OK) e = find_signer(c, c->want->roots_pem);
	if (e.code != ERR_OK) return refuse(c, "nothing that came with it, and no root, has signed it");
	TRY(buf_put(&c->above, rest.data, rest.len));
	files.text[CA_FILE_IMPORTED] = buf_view(&c->above);
	files.text[CA_FILE_IMPORTED_ROOTS] = c->want->roots_pem;
	TRY(brought_check(&files, &o, c->report, &c->s->above));
	c->s->outlives = c->s->leaf.not_after > c->s->above->not_after;
	return OK;
}

static struct err check(struct checking_leaf *c, struct bytes pem)
{
	char label[PEM_LABEL_MAX];
	struct err e;

	if (pem.len > SIGNED_PEM_MAX) return refuse(c, "its chain is too long");
	c->s->der.max = BROUGHT_CERT_MAX;
	c->above.max = SIGNED_PEM_MAX + 2 * BROUGHT_CERT_MAX;
	e = pem_take(&pem, BROUGHT_CERT_MAX, label, &c->s->der);
	if (e.code != ERR_OK || strcmp(label, "CERTIFICATE") != 0) return refuse(c, "it is no certificate in PEM");
	e = cert_parse(buf_view(&c->s->der), &c->s->leaf);
	if (e.code != ERR_OK) return refuse_by(c, "it cannot be read", e);
	TRY(check_leaf(c));
	TRY(key_verifier_new(&c->verifier));
	return check_chain(c, pem);
}

struct err signed_check(struct bytes pem, const struct signed_want *want, struct brought_report *report, struct signed_chain **out)
{
	AUTO(signed) struct signed_chain *s = calloc(1, sizeof(*s));
	struct checking_leaf c = { .want = want, .report = report, .s = s };
	struct err e;

	*report = (struct brought_report){ .problem = "" };
	if (s == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	e = check(&c, pem);
	key_verifier_free(c.verifier);
	buf_free(&c.above);
	if (e.code != ERR_OK) return e;
	*out = MOVE(s);
	return OK;
}

void signed_free(struct signed_chain *s)
{
	if (s == NULL) return;
	brought_free(s->above);
	buf_free(&s->der);
	free(s);
}
