/* brought_chain.c: from the signing certificate up to one of the roots, whatever order the files have. */
#include <string.h>

#include "ca/brought_inside.h"

/* rustls (ring) verifies no ECDSA signature over SHA-512. */
static bool is_refused(enum key_scheme scheme)
{
	return scheme == SCHEME_ECDSA_P256_SHA512 || scheme == SCHEME_ECDSA_P384_SHA512;
}

struct err brought_signed_by(struct checking *c, const struct cert *cert, const struct cert *issuer)
{
	enum key_scheme scheme;

	if (!bytes_equal(cert->issuer, issuer->subject)) FAIL(ERR_INVALID_ARGUMENT, "ca: another issuer");
	if (key_scheme_parse(cert->algorithm, issuer->key.type, &scheme).code != ERR_OK || is_refused(scheme))
		FAIL(ERR_UNIMPLEMENTED, "ca: not an algorithm that clients accept");
	return key_verify(c->verifier, &issuer->key, scheme, cert->tbs, cert->signature);
}

bool brought_self_signed(struct checking *c, const struct cert *cert)
{
	return brought_signed_by(c, cert, cert).code == ERR_OK;
}

bool brought_names_issuer(const struct cert *cert, const struct cert *issuer)
{
	struct bytes serial = cert->aki_serial;

	if (cert->aki.len > 0 && issuer->ski.len > 0 && !bytes_equal(cert->aki, issuer->ski)) return false;
	if (!cert->has_aki_serial) return true;
	while (serial.len > 1 && serial.data[0] == 0) serial = BYTES(serial.data + 1, serial.len - 1);
	return bytes_equal(serial, issuer->serial);
}

static bool is_valid_now(const struct checking *c, const struct cert *cert)
{
	return cert->not_before <= c->o->now && c->o->now < cert->not_after;
}

/* Of several that signed it: one that is valid, that it names by its key identifier, that ends last. */
static bool is_better(const struct checking *c, const struct cert *cert, const struct item *a, const struct item *b)
{
	bool valid_a = is_valid_now(c, &a->cert), valid_b = is_valid_now(c, &b->cert);
	bool names_a = brought_names_issuer(cert, &a->cert), names_b = brought_names_issuer(cert, &b->cert);

	if (valid_a != valid_b) return valid_a;
	if (names_a != names_b) return names_a;
	return a->cert.not_after > b->cert.not_after;
}

struct search { /* how the search for an issuer went, for the refusal */
	const struct item *named;   /* has the name, but its key did not sign */
	const struct item *refused; /* signed by an algorithm that is refused */
	const struct item *stray;   /* a root, but not among the roots */
};

static bool can_issue(struct checking *c, const struct cert *cert, const struct item *item, struct search *s)
{
	struct err e;

	if (item->root && bytes_equal(item->cert.der, cert->der)) return true;
	e = brought_signed_by(c, cert, &item->cert);
	if (e.code == ERR_OK && !item->root && brought_self_signed(c, &item->cert)) s->stray = item;
	else if (e.code == ERR_OK) return true;
	else if (e.code == ERR_UNIMPLEMENTED) s->refused = item;
	else if (bytes_equal(cert->issuer, item->cert.subject)) s->named = item;
	return false;
}

/* The best issuer that is not taken or dead; NULL: none. */
static struct item *find_issuer(struct checking *c, const struct cert *cert, bool root, struct search *s)
{
	struct item *best = NULL;

	for (size_t i = 0; i < c->count; i++) {
		struct item *item = &c->items[i];

		if (item->root != root || item->taken || item->dead || !can_issue(c, cert, item, s)) continue;
		if (root && bytes_equal(item->cert.der, cert->der)) return item;
		if (best == NULL || is_better(c, cert, item, best)) best = item;
	}
	return best;
}

static struct err refuse_gap(struct checking *c)
{
	const struct item *at = c->gap.at;

	if (c->gap.stray != NULL)
		return brought_refuse_cert(c, c->gap.stray, "the chain ends at this root, which is not among the roots",
		                           "put it into the file of the roots");
	if (c->gap.refused != NULL)
		return brought_refuse_cert(c, at,
			"its signature is by an algorithm that clients refuse (SHA-1, MD5, ECDSA with SHA-512 or an unknown one)",
		                           "let its CA sign it again with SHA-256 or SHA-384");
	if (c->gap.named != NULL && c->gap.named->root)
		return brought_refuse_cert(c, at,
			"the root of the right name did not sign it: the root's key is another one",
		                           "take the root certificate that belongs to the key that signed it");
	if (c->gap.named != NULL)
		return brought_refuse_cert(c, at,
			"the certificate of its issuer's name is there, but another key made the signature",
		                           "take the chain that was handed out with this certificate");
	return brought_refuse_cert(c, at,
		"the chain breaks here: the certificate of its issuer is in none of the files",
	                           "add the missing intermediate to the chain, or the missing root to the roots");
}

static void note_gap(struct checking *c, const struct item *at, const struct search *s)
{
	if (c->gap.at != NULL && c->gap.depth >= c->path_count) return;
	c->gap.at = at;
	c->gap.depth = c->path_count;
	c->gap.named = s->named;
	c->gap.refused = s->refused;
	c->gap.stray = s->stray;
}

/* Up from `at`, which is on the path; roots first, so that the shortest way is taken.  OUT_OF_RANGE: too long; NOT_FOUND. */
static struct err climb(struct checking *c, struct item *at)
{
	struct search s = { NULL, NULL, NULL };
	struct item *next;

	c->anchor = find_issuer(c, &at->cert, true, &s);
	if (c->anchor != NULL) return OK;
	while ((next = find_issuer(c, &at->cert, false, &s)) != NULL) {
		struct err e;

		if (c->path_count == BROUGHT_CHAIN_MAX) FAIL(ERR_OUT_OF_RANGE, "ca: too long");
		next->taken = true;
		c->path[c->path_count++] = next;
		e = climb(c, next); /* at most BROUGHT_CHAIN_MAX deep, and each certificate is found dead once */
		if (e.code != ERR_NOT_FOUND) return e;
		c->path_count--;
		next->taken = false;
		next->dead = true;
	}
	note_gap(c, at, &s);
	FAIL(ERR_NOT_FOUND, "ca: no way to a root");
}

/* The signing certificate itself is among the roots: then it signs by itself, with no chain. */
static struct err signs_by_itself(struct checking *c, bool *itself)
{
	for (size_t i = 0; i < c->count; i++) {
		struct item *item = &c->items[i];

		if (!item->root || !bytes_equal(item->cert.der, c->signer->cert.der)) continue;
		if (!brought_self_signed(c, &item->cert))
			return brought_refuse_cert(c, item,
				"an intermediate is not a root: many clients stop only at a self-signed certificate",
			                           "put the self-signed root there");
		c->anchor = item;
		*itself = true;
	}
	return OK;
}

struct err brought_chain(struct checking *c)
{
	bool itself = false;
	struct err e;

	TRY(signs_by_itself(c, &itself));
	c->signer->taken = true;
	if (itself) return OK;
	c->path[c->path_count++] = c->signer;
	e = climb(c, c->signer);
	if (e.code == ERR_NOT_FOUND) return refuse_gap(c);
	if (e.code == ERR_OUT_OF_RANGE)
		return brought_refuse_cert(c, c->path[c->path_count - 1],
			"the chain is longer than six certificates: rustls, and so ztunnel, verifies no longer one",
			"sign with a CA nearer to the root");
	TRY(e);
	if (brought_self_signed(c, &c->anchor->cert)) return OK;
	return brought_refuse_cert(c, c->anchor,
		"the chain leads to it, but it is not self-signed: many clients stop only at a root that is",
	                           "put the self-signed root there, and this certificate into the chain");
}
