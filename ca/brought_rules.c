#include "base/clock.h"
#include "ca/brought_inside.h"

#include <stdio.h>

#include "base/own.h"

#define TAG_DNS 2 /* GeneralName, RFC 5280 s4.2.1.6 */
#define TAG_DIRECTORY 4
#define TAG_URI 6
#define TAG_IP 7
#define ISSUER_NAME_MAX 448 /* bytes; ours: TEMPLATE_NAME_MAX with room for what stands beside it */

/* URI has words of its own; DNS, IP and e-mail addresses are understood by all. */
static bool cert_constrains_oddly(const struct cert *cert)
{
	static const unsigned odd[] = { 0, 3, TAG_DIRECTORY, 5, 8 }; /* otherName, x400Address, ediPartyName, registeredID */

	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		if (cert_constrains(cert, odd[i])) return true;
	return false;
}

/* What a certificate that signs must be; `below`: CA certificates between it and a leaf. */
static struct err rules_any(struct checking *c, const struct item *item, int below)
{
	const struct cert *cert = &item->cert;
	const struct {
		bool broken;
		const char *what, *remedy;
	} rules[] = {
		{ !cert->has_basic_constraints || !cert->ca, "it is no CA certificate (basic constraints do not say CA:TRUE)",
		  "have it issued anew as a CA (openssl: basicConstraints=critical,CA:TRUE)" },
		{ cert->has_key_usage && (cert->key_usage & CERT_KU_KEY_CERT_SIGN) == 0, "its key usage lacks keyCertSign",
		  "have it issued anew with keyUsage=critical,keyCertSign,cRLSign" },
		{ cert->path_len >= 0 && cert->path_len < below, "its path length does not allow the CA certificates below it",
		  "have it issued anew with a longer path length, or sign with a CA nearer to it" },
		{ cert_constrains(cert, TAG_URI),
		  "it has a name constraint on URIs, on which many verifiers (rustls and so ztunnel, "
		  "Python's cryptography) refuse every certificate below",
		  "have it issued anew without; Signet holds to the trust domain by itself" },
		{ cert_constrains_oddly(cert),
		  "it has a name constraint of a kind on which Go, rustls (and so ztunnel) or GnuTLS refuse every certificate "
		  "below",
		  "have it issued anew without, or with constraints on DNS names, IP addresses and e-mail addresses only" },
		{ cert->unknown_critical || cert->key_id_critical,
		  "it has a critical extension that not every client knows, or that may not be critical",
		  "have it issued anew without" },
		{ cert->has_ext_key_usage && !(cert->eku_server && cert->eku_client),
		  "its extended key usage does not name both serverAuth and clientAuth",
		  "have it issued anew with both, or without an extended key usage" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i].broken) return brought_refuse_cert(c, item, rules[i].what, rules[i].remedy);
	return OK;
}

static struct err check_dates(struct checking *c, const struct item *item)
{
	char when[CLOCK_TEXT_MAX], what[BROUGHT_TEXT_MAX / 4];

	if (item->cert.not_after <= c->o->now) {
		clock_text(item->cert.not_after, when);
		(void)snprintf(what, sizeof(what), "it ended on %s", when);
		return brought_refuse_cert(c, item, what, "renew it");
	}
	if (item->cert.not_before <= c->o->now) return OK;
	clock_text(item->cert.not_before, when);
	(void)snprintf(what, sizeof(what), "it is not valid before %s", when);
	return brought_refuse_cert(c, item, what, "wait, or set this machine's clock");
}

static void warn_constraints(struct checking *c, const struct item *item)
{
	if (cert_constrains(&item->cert, TAG_DNS) || cert_constrains(&item->cert, TAG_IP))
		brought_warn(c, item->file,
			"certificate %u constrains DNS names or IP addresses: certificates with others will not verify, "
		             "Signet's own serving certificate (tls.names) included", item->number);
}

/* What strict verifiers refuse and others take. */
static void warn_strictness(struct checking *c, const struct item *item)
{
	const struct cert *cert = &item->cert;
	const struct {
		bool applies;
		const char *what;
	} warnings[] = {
		{ !cert->has_key_usage, "has no key usage: openssl verify -x509_strict and Python refuse what is below it" },
		{ !cert->basic_constraints_critical,
		  "has basic constraints that are not critical: openssl verify -x509_strict and "
		  "Python refuse what is below it" },
		{ cert->ext_key_usage_critical, "has a critical extended key usage: Python refuses what is below it" },
		{ cert->key.type == KEY_ED25519, "has an Ed25519 key: Python verifies nothing that is below it" },
		{ cert->ski.len == 0,
		  "has no subject key identifier: strict verifiers (openssl verify -x509_strict, Python) refuse "
		  "what is below it" },
		{ cert->aki.len == 0 && !item->root,
		  "has no authority key identifier: openssl verify -x509_strict refuses it" },
	};

	for (size_t i = 0; i < ARRAY_LEN(warnings); i++)
		if (warnings[i].applies) brought_warn(c, item->file, "certificate %u %s", item->number, warnings[i].what);
}

static struct err rules_issuer(struct checking *c, const struct item *item, const struct item *issuer)
{
	if (brought_names_issuer(&item->cert, &issuer->cert)) return OK;
	return brought_refuse_cert(c, item, "its authority key identifier names another certificate than its issuer's: OpenSSL and "
	                           "what is built on it then find no chain",
	                           "have it issued anew under its issuer's certificate of now");
}

static struct err rules_signer(struct checking *c)
{
	const struct cert *cert = &c->signer->cert;
	struct bytes domain;

	if (!cert->has_key_usage)
		return brought_refuse_cert(c, c->signer, "it has no key usage",
			"have it issued anew with keyUsage=critical,keyCertSign,cRLSign");
	if (cert->subject_empty)
		return brought_refuse_cert(c, c->signer, "its subject is empty, so nothing could name it as issuer",
			"have it issued anew with a subject");
	if (c->o->foreign) return OK;
	if (cert->subject.len > ISSUER_NAME_MAX)
		return brought_refuse_cert(c, c->signer, "its subject is too long",
			"have it issued anew with a subject of at most 448 bytes");
	if (cert->ski.len != 0 && cert->ski.len != KEY_SKI_LEN)
		return brought_refuse_cert(c, c->signer, "its subject key identifier is not 20 octets long",
			"have it issued anew with one of 20 octets");
	if (cert->uri_count > 1)
		return brought_refuse_cert(c, c->signer, "it names more than one URI",
					   "have it issued anew with the trust domain's alone");
	if (cert->has_key_usage && (cert->key_usage & CERT_KU_CRL_SIGN) == 0)
		brought_warn(c, c->signer->file,
			     "certificate %u lacks the key usage cRLSign: verifiers refuse its revocation lists",
			     c->signer->number);
	if (c->o->trust_domain == NULL || cert->uri_count == 0) return OK;
	if (spiffe_id_parse(cert->uri, &domain, NULL).code == ERR_OK && bytes_is(domain, c->o->trust_domain)) return OK;
	return brought_refuse_cert(c, c->signer, "it names another trust domain than the configuration",
		"bring the CA of this trust domain, or set trust_domain");
}

static void shorten(struct checking *c, const struct item *item)
{
	if (item->cert.not_after < c->b->not_after) c->b->not_after = item->cert.not_after;
}

static struct err rules_one(struct checking *c, const struct item *item, size_t below)
{
	TRY(rules_any(c, item, (int)below));
	TRY(check_dates(c, item));
	warn_constraints(c, item);
	warn_strictness(c, item);
	return OK;
}

struct err brought_rules(struct checking *c)
{
	c->b->not_after = c->anchor->cert.not_after;
	for (size_t i = 0; i < c->path_count; i++) {
		TRY(rules_one(c, c->path[i], i));
		TRY(rules_issuer(c, c->path[i], i + 1 < c->path_count ? c->path[i + 1] : c->anchor));
		shorten(c, c->path[i]);
	}
	TRY(rules_one(c, c->anchor, c->path_count));
	return rules_signer(c);
}
