#include "ca/brought.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ca/brought_inside.h"
#include "der/pem.h"

void brought_free(struct brought *b)
{
	if (b == NULL) return;
	hsm_key_free(b->key);
	buf_wipe(&b->der);
	buf_free(&b->blob);
	free(b);
}

/* ---- what is told ---- */

struct err brought_refuse(struct checking *c, enum ca_file file, const char *what, const char *remedy)
{
	(void)snprintf(c->report->problem, sizeof(c->report->problem), "%s: %s; %s", ca_file_name(file), what, remedy);
	FAIL(ERR_INVALID_ARGUMENT, "ca: the CA that was brought cannot be used");
}

struct err brought_refuse_cert(struct checking *c, const struct item *item, const char *what, const char *remedy)
{
	(void)snprintf(c->report->problem, sizeof(c->report->problem), "%s: certificate %u: %s; %s", ca_file_name(item->file),
	               item->number, what, remedy);
	FAIL(ERR_INVALID_ARGUMENT, "ca: the CA that was brought cannot be used");
}

void brought_warn(struct checking *c, enum ca_file file, const char *fmt, ...)
{
	char *to = c->report->warnings[c->report->warning_count];
	va_list args;
	int n;

	if (c->report->warning_count == BROUGHT_WARNINGS_MAX) return;
	n = snprintf(to, BROUGHT_TEXT_MAX, "%s: ", ca_file_name(file));
	va_start(args, fmt);
	(void)vsnprintf(to + n, BROUGHT_TEXT_MAX - (size_t)n, fmt, args);
	va_end(args);
	c->report->warning_count++;
}

/* ---- which layout, and is it whole? ---- */

static bool has(const struct checking *c, enum ca_file file)
{
	return c->files->text[file].len > 0;
}

static struct err choose_imported(struct checking *c)
{
	c->b->layout = "imported";
	c->cert_file = c->chain_file = c->key_file = CA_FILE_IMPORTED;
	c->roots_file = CA_FILE_IMPORTED_ROOTS;
	if (has(c, c->cert_file)) return OK;
	return brought_refuse(c, c->cert_file, "it is empty", "give the certificate that the parent signed");
}

static struct err choose_layout(struct checking *c)
{
	bool istio = c->files->there[CA_FILE_CERT] || c->files->there[CA_FILE_KEY];
	bool tls = c->files->there[CA_FILE_TLS_CERT] || c->files->there[CA_FILE_TLS_KEY];

	if (istio && tls)
		return brought_refuse(c, CA_FILE_TLS_CERT, "the directory holds ca-cert.pem and tls.crt: two CAs",
			"leave one of them");
	if (!istio && !tls)
		return brought_refuse(c, CA_FILE_CERT, "there is no CA in the directory",
		                      "put in ca-cert.pem, ca-key.pem, cert-chain.pem and root-cert.pem, "
		                      "or tls.crt, tls.key and ca.crt");
	c->b->layout = tls ? "kubernetes.io/tls" : "cacerts";
	c->cert_file = tls ? CA_FILE_TLS_CERT : CA_FILE_CERT;
	c->chain_file = tls ? CA_FILE_TLS_CERT : CA_FILE_CHAIN;
	c->key_file = tls ? CA_FILE_TLS_KEY : CA_FILE_KEY;
	c->roots_file = tls ? CA_FILE_TLS_ROOTS : CA_FILE_ROOTS;
	if (!has(c, c->cert_file))
		return brought_refuse(c, c->cert_file, "it is missing or empty", "put the signing certificate there");
	if (!has(c, c->key_file))
		return brought_refuse(c, c->key_file, "it is missing or empty",
			"put the signing certificate's private key there");
	return OK;
}

/* ---- certificates ---- */

static bool is_there(const struct checking *c, const struct item *item)
{
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].root == item->root && bytes_equal(c->items[i].cert.der, item->cert.der)) return true;
	return false;
}

static struct err add_cert(struct checking *c, struct item *item, struct bytes der)
{
	struct err e = cert_parse(der, &item->cert);
	char what[BROUGHT_TEXT_MAX / 4];

	if (e.code != ERR_OK) {
		(void)snprintf(what, sizeof(what), "it cannot be read (%s)", e.reason);
		return brought_refuse_cert(c, item, what, "look at it with: openssl x509 -noout -text");
	}
	if (is_there(c, item)) {
		/* Istio's own chain files begin with the signing certificate: that is no mistake */
		if (item->number > 1 || item->file != c->chain_file)
			brought_warn(c, item->file, "certificate %u is there twice: left out", item->number);
		return OK;
	}
	if (c->count == BROUGHT_CERTS_MAX)
		return brought_refuse_cert(c, item, "more than 64 certificates", "leave out what is not needed");
	c->items[c->count++] = *item;
	return OK;
}

static struct err refuse_block(struct checking *c, const struct item *item, const char *label)
{
	if (strstr(label, "PRIVATE KEY") != NULL)
		return brought_refuse_cert(c, item, "a private key among the certificates",
			"take it out; is it to be known by those who read this file?");
	return brought_refuse_cert(c, item, "a PEM block that is no certificate", "leave only CERTIFICATE blocks");
}

/* All certificates of a file, in its order. */
static struct err take_file(struct checking *c, enum ca_file file, bool root)
{
	struct item item = { .file = file, .root = root };
	struct bytes text = c->files->text[file];
	char label[PEM_LABEL_MAX];

	for (item.number = 1;; item.number++) {
		size_t before = c->b->der.len;
		struct err e = pem_take(&text, BROUGHT_CERT_MAX, label, &c->b->der);

		if (e.code == ERR_NOT_FOUND && item.number > 1) return OK;
		if (e.code == ERR_NOT_FOUND)
			return brought_refuse(c, file, "there is no certificate in it",
				"put certificates in PEM there");
		if (e.code != ERR_OK)
			return brought_refuse_cert(c, &item, "it is no well-formed PEM, or over 8192 bytes",
				"write it anew: openssl x509 -in FILE");
		if (strcmp(label, "CERTIFICATE") != 0) return refuse_block(c, &item, label);
		TRY(add_cert(c, &item, BYTES(c->b->der.data + before, c->b->der.len - before)));
	}
}

/* The signing certificate alone may be its own root. */
static struct err roots_or_self(struct checking *c)
{
	struct item root = c->items[0];

	if (has(c, c->roots_file)) return take_file(c, c->roots_file, true);
	if (!brought_self_signed(c, &root.cert))
		return brought_refuse(c, c->roots_file,
			"it is missing or empty, and the signing certificate is no root itself",
		                      "put the root certificates there that clients trust");
	root.root = true;
	c->items[c->count++] = root;
	return OK;
}

static struct err take_certs(struct checking *c)
{
	size_t room = 0;
	uint8_t *at;

	for (unsigned i = 0; i < CA_FILE_COUNT; i++) room += c->files->text[i].len;
	c->b->der.max = room + 8 * BROUGHT_CERT_MAX;
	TRY(buf_reserve(&c->b->der, room + BROUGHT_CERT_MAX, &at)); /* views must not move */
	TRY(take_file(c, c->cert_file, false));
	if (c->chain_file != c->cert_file && has(c, c->chain_file)) TRY(take_file(c, c->chain_file, false));
	if (c->count == BROUGHT_CERTS_MAX)
		return brought_refuse(c, c->cert_file, "more than 64 certificates", "leave out what is not needed");
	c->signer = &c->items[0];
	return roots_or_self(c);
}

/* ---- the key ---- */

static const struct {
	enum err_code code;
	const char *remedy;
} key_remedies[] = {
	{ ERR_FAILED_PRECONDITION,
		"name the file of the passphrase: ca.passphrase_file (signet ca check: --passphrase-file)" },
	{ ERR_PERMISSION_DENIED, "look for the right passphrase; try it with: openssl pkey -in FILE -noout" },
	{ ERR_INVALID_ARGUMENT,
		"bring one private key in PEM (PKCS#8, SEC1 or PKCS#1) of type P-256, P-384, Ed25519 or RSA 2048, 3072, 4096" },
};

static struct err refuse_key(struct checking *c, struct err e)
{
	const char *what = strstr(e.reason, ": "); /* "hsm: ..." */

	for (size_t i = 0; i < ARRAY_LEN(key_remedies); i++)
		if (key_remedies[i].code == e.code)
			return brought_refuse(c, c->key_file, what == NULL ? e.reason : what + 2,
				key_remedies[i].remedy);
	return e;
}

static struct err take_key(struct checking *c)
{
	AUTO(buf_wipe) struct buf pkcs8 = { .max = 2 * HSM_PKCS8_MAX };
	struct bytes passphrase = c->files->text[CA_FILE_PASSPHRASE];
	struct err e;

	if (passphrase.len > 0 && passphrase.data[passphrase.len - 1] == '\n') passphrase.len--;
	e = c->o->pkcs8.len > 0 ? OK : hsm_key_from_pem(c->files->text[c->key_file], passphrase, &pkcs8);
	if (e.code == ERR_OK)
		e = hsm_key_load(c->o->pkcs8.len > 0 ? c->o->pkcs8 : buf_view(&pkcs8), c->o->threads, &c->b->key);
	if (e.code != ERR_OK) return refuse_key(c, e);
	if (bytes_equal(hsm_key_spki(c->b->key), c->signer->cert.key.spki)) return OK;
	if (c->o->pkcs8.len > 0)
		return brought_refuse_cert(c, c->signer, "it is not for the key of the request",
			"put the certificate first that answers the newest signet ca csr");
	return brought_refuse(c, c->key_file, "it is not the key of the signing certificate",
	                      "bring the pair that belongs together; the signing certificate must be the first of its file");
}

/* ---- the whole ---- */

static struct err add_root(struct checking *c, const struct item *item)
{
	struct brought *b = c->b;

	if (!item->cert.ca || (item->cert.has_key_usage && (item->cert.key_usage & CERT_KU_KEY_CERT_SIGN) == 0))
		return brought_refuse_cert(c, item, "it is no CA certificate: whoever holds its key would be a CA to some clients",
		                           "take it out of the roots");
	if (b->root_count == BROUGHT_ROOTS_MAX)
		return brought_refuse_cert(c, item, "more than 32 roots", "leave out those that nobody needs");
	b->roots[b->root_count++] = item->cert.der;
	if (item != c->anchor && item->cert.not_after <= c->o->now)
		brought_warn(c, item->file, "certificate %u has ended: take it out when nobody misses it",
			item->number);
	else if (item != c->anchor && !brought_self_signed(c, &item->cert))
		brought_warn(c, item->file,
			"certificate %u is not self-signed: many clients do not take it for a root", item->number);
	return OK;
}

static struct err fill_roots(struct checking *c)
{
	TRY(add_root(c, c->anchor));
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].root && &c->items[i] != c->anchor) TRY(add_root(c, &c->items[i]));
	return OK;
}

/* What is in the chain's file and not in the chain: roots (they are in the answer anyway), or not of this chain at all. */
static void warn_left_out(struct checking *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct item *item = &c->items[i];

		if (item->root || item->taken || brought_self_signed(c, &item->cert)) continue;
		brought_warn(c, item->file, "certificate %u is not part of the signing certificate's chain: left out",
			item->number);
	}
	for (size_t i = 1; i + 1 < c->path_count; i++)
		if (c->path[i] > c->path[i + 1]) {
			brought_warn(c, c->chain_file, "the chain is not in order (issuer after issued): put right");
			return;
		}
}

static struct err check_all(struct checking *c)
{
	TRY(c->o->pkcs8.len > 0 || c->o->foreign ? choose_imported(c) : choose_layout(c));
	if (c->o->verifier == NULL) TRY(key_verifier_new(&c->own_verifier));
	c->verifier = c->o->verifier != NULL ? c->o->verifier : c->own_verifier;
	TRY(take_certs(c));
	if (!c->o->foreign) TRY(take_key(c));
	TRY(brought_chain(c));
	TRY(brought_rules(c));
	TRY(fill_roots(c));
	warn_left_out(c);
	c->b->signer = c->signer->cert;
	c->b->self_signed = c->path_count == 0;
	c->b->root_not_after = c->anchor->cert.not_after;
	c->b->chain_count = c->path_count;
	for (size_t i = 0; i < c->path_count; i++) c->b->chain[i] = c->path[i]->cert.der;
	return OK;
}

struct err brought_check(const struct ca_files *files, const struct brought_options *o, struct brought_report *report,
                         struct brought **out)
{
	AUTO(heap) struct checking *c = calloc(1, sizeof(*c));
	AUTO(brought) struct brought *b = calloc(1, sizeof(*b));
	struct err e;

	*report = (struct brought_report){ .problem = "" };
	if (c == NULL || b == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "ca: out of memory");
	c->files = files;
	c->o = o;
	c->report = report;
	c->b = b;
	e = check_all(c);
	key_verifier_free(c->own_verifier);
	if (e.code != ERR_OK) return e;
	*out = MOVE(b);
	return OK;
}
