#include "cli/chain.h"

#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/own.h"
#include "der/pem.h"

struct verify {
	X509_STORE *roots;
	X509_STORE_CTX *ctx;
	STACK_OF(X509) *untrusted;
	X509 *leaf;
};

static void auto_verify(struct verify *v)
{
	X509_STORE_CTX_free(v->ctx);
	X509_STORE_free(v->roots);
	sk_X509_pop_free(v->untrusted, X509_free);
	X509_free(v->leaf);
}

static struct err take_x509(struct bytes *pem, X509 **out)
{
	AUTO(buf) struct buf der = { .max = CERT_DER_MAX };
	char label[PEM_LABEL_MAX];
	const unsigned char *at;

	TRY(pem_take(pem, CERT_DER_MAX, label, &der));
	at = der.data;
	if (strcmp(label, "CERTIFICATE") != 0) FAIL(ERR_INVALID_ARGUMENT, "cli: PEM that is no certificate");
	*out = d2i_X509(NULL, &at, (long)der.len);
	return *out == NULL ? ERR(ERR_INVALID_ARGUMENT, "cli: a certificate that cannot be read") : OK;
}

static struct err add_roots(struct verify *v, struct bytes pem)
{
	for (size_t count = 0;; count++) {
		X509 *root = NULL;
		struct err e = take_x509(&pem, &root);

		if (e.code == ERR_NOT_FOUND && count > 0) return OK;
		if (e.code == ERR_NOT_FOUND) FAIL(ERR_INVALID_ARGUMENT, "cli: no root certificate to verify with");
		if (e.code != ERR_OK) return e;
		int added = X509_STORE_add_cert(v->roots, root);

		X509_free(root);
		if (added != 1) FAIL(ERR_INTERNAL, "cli: cannot add a root");
	}
}

static struct err add_chain(struct verify *v, const struct bytes *pem, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct bytes one = pem[i];
		X509 *cert = NULL;

		TRY(take_x509(&one, &cert));
		if (i == 0) {
			v->leaf = cert;
		} else if (sk_X509_push(v->untrusted, cert) == 0) {
			X509_free(cert);
			FAIL(ERR_RESOURCE_EXHAUSTED, "cli: out of memory");
		}
	}
	return OK;
}

static struct err verify_chain(const struct chain_check *check, const struct bytes *pem, size_t count)
{
	AUTO(verify) struct verify v = { .roots = X509_STORE_new(), .ctx = X509_STORE_CTX_new(), .untrusted = sk_X509_new_null() };

	if (v.roots == NULL || v.ctx == NULL || v.untrusted == NULL) FAIL(ERR_RESOURCE_EXHAUSTED, "cli: out of memory");
	TRY(add_roots(&v, check->roots_pem));
	TRY(add_chain(&v, pem, count));
	if (X509_STORE_CTX_init(v.ctx, v.roots, v.leaf, v.untrusted) != 1) FAIL(ERR_INTERNAL, "cli: cannot verify");
	X509_STORE_CTX_set_time(v.ctx, 0, (time_t)check->now);
	if (X509_verify_cert(v.ctx) == 1) return OK;
	FAIL_BY(ERR_INVALID_ARGUMENT, "cli: the certificate does not lead to a trusted root", X509_STORE_CTX_get_error(v.ctx));
}

static struct err check_leaf(const struct chain_check *check, const struct cert *leaf)
{
	struct bytes domain;
	char name[SPIFFE_TRUST_DOMAIN_MAX + 1];

	if (!cli_key_matches(check->key, leaf->key.spki)) FAIL(ERR_INVALID_ARGUMENT, "cli: the certificate is for another key");
	if (spiffe_workload_id_parse(leaf->uri, &domain, NULL).code != ERR_OK)
		FAIL(ERR_INVALID_ARGUMENT, "cli: the certificate has no SPIFFE ID of a workload");
	(void)snprintf(name, sizeof(name), "%.*s", (int)domain.len, (const char *)domain.data);
	TRY(cert_svid_check(leaf, name));
	if (check->spiffe_id != NULL && !bytes_is(leaf->uri, check->spiffe_id))
		FAIL(ERR_INVALID_ARGUMENT, "cli: the certificate is for another SPIFFE ID");
	return OK;
}

struct err cli_chain_check(const struct chain_check *check, const struct bytes *pem, size_t count, struct buf *der,
                           struct cert *leaf)
{
	char label[PEM_LABEL_MAX];

	if (count < 1 || count > CHAIN_MAX) FAIL(ERR_INVALID_ARGUMENT, "cli: no certificate in the answer, or too many");
	TRY(pem_take_only(pem[0], CERT_DER_MAX, label, der));
	TRY(cert_parse(buf_view(der), leaf));
	TRY(check_leaf(check, leaf));
	return verify_chain(check, pem, count);
}
