#include "ca/brought_inside.h"

struct err brought_signed_by(struct checking *c, const struct cert *cert, const struct cert *issuer)
{
	enum key_scheme scheme;

	if (!bytes_equal(cert->issuer, issuer->subject)) FAIL(ERR_INVALID_ARGUMENT, "ca: another issuer");
	if (key_scheme_parse(cert->algorithm, issuer->key.type, &scheme).code != ERR_OK)
		FAIL(ERR_UNIMPLEMENTED, "ca: not an algorithm that clients accept");
	return key_verify(c->verifier, &issuer->key, scheme, cert->tbs, cert->signature);
}

bool brought_self_signed(struct checking *c, const struct cert *cert)
{
	return brought_signed_by(c, cert, cert).code == ERR_OK;
}

/* How the search for an issuer went, for the refusal. */
struct search {
	const struct item *named;   /* has the name, but its key did not sign */
	const struct item *refused; /* signed by an algorithm that is refused */
	const struct item *stray;   /* a root, but not among the roots */
};

static bool is_valid_now(const struct checking *c, const struct cert *cert)
{
	return cert->not_before <= c->o->now && c->o->now < cert->not_after;
}

static struct item *find_issuer(struct checking *c, const struct cert *cert, bool root, struct search *s)
{
	struct item *ended = NULL;

	for (size_t i = 0; i < c->count; i++) {
		struct item *item = &c->items[i];
		struct err e;

		if (item->root != root || item->taken) continue;
		if (root && bytes_equal(item->cert.der, cert->der)) return item;
		e = brought_signed_by(c, cert, &item->cert);
		if (e.code == ERR_OK && !root && brought_self_signed(c, &item->cert)) s->stray = item;
		else if (e.code == ERR_OK && is_valid_now(c, &item->cert)) return item;
		else if (e.code == ERR_OK) ended = item; /* there may be a renewed one */
		else if (e.code == ERR_UNIMPLEMENTED) s->refused = item;
		else if (bytes_equal(cert->issuer, item->cert.subject)) s->named = item;
	}
	return ended;
}

static struct err refuse_gap(struct checking *c, const struct item *at, const struct search *s)
{
	if (s->stray != NULL)
		return brought_refuse_cert(c, s->stray, "the chain ends at this root, which is not among the roots",
		                           "put it into the file of the roots");
	if (s->refused != NULL)
		return brought_refuse_cert(c, at,
			"its signature is by an algorithm that clients refuse (SHA-1, MD5 or an unknown one)",
		                           "let its CA sign it again with SHA-256 or better");
	if (s->named != NULL && s->named->root)
		return brought_refuse_cert(c, at,
			"the root of the right name did not sign it: the root's key is another one",
		                           "take the root certificate that belongs to the key that signed it");
	if (s->named != NULL)
		return brought_refuse_cert(c, at,
			"the certificate of its issuer's name is there, but another key made the signature",
		                           "take the chain that was handed out with this certificate");
	return brought_refuse_cert(c, at,
		"the chain breaks here: the certificate of its issuer is in none of the files",
	                           "add the missing intermediate to the chain, or the missing root to the roots");
}

/* Roots first, so that the shortest way is taken. */
struct err brought_chain(struct checking *c)
{
	struct item *at = c->signer;

	for (;;) {
		struct search s = { NULL, NULL, NULL };
		struct item *root = find_issuer(c, &at->cert, true, &s), *next;

		if (root != NULL && bytes_equal(root->cert.der, at->cert.der) && !brought_self_signed(c, &at->cert))
			return brought_refuse_cert(c, root,
				"an intermediate is not a root: many clients stop only at a self-signed certificate",
			                           "put the self-signed root there");
		at->taken = true;
		if (root != NULL && bytes_equal(root->cert.der, at->cert.der)) {
			c->anchor = root;
			return OK;
		}
		if (c->path_count == BROUGHT_CHAIN_MAX)
			return brought_refuse_cert(c, at, "the chain is longer than eight certificates",
				"sign with a CA nearer to the root");
		c->path[c->path_count++] = at;
		c->anchor = root;
		if (root != NULL) break;
		next = find_issuer(c, &at->cert, false, &s);
		if (next == NULL) return refuse_gap(c, at, &s);
		at = next;
	}
	if (brought_self_signed(c, &c->anchor->cert)) return OK;
	return brought_refuse_cert(c, c->anchor,
		"the chain leads to it, but it is not self-signed: many clients stop only at a root that is",
	                           "put the self-signed root there, and this certificate into the chain");
}
