/* filing_body.c: the object that asks for a certificate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "der/der.h"
#include "k8s_csr/filing_internal.h"

/* rsaEncryption, RFC 8017 appendix C */
static const uint8_t rsa[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01 };

/* The OID in the request's SubjectPublicKeyInfo (RFC 2986 s4.1). */
static struct err key_algorithm(struct bytes csr, struct bytes *oid)
{
	struct bytes info, skipped;

	TRY(der_take(&csr, DER_SEQUENCE, &csr));
	TRY(der_take(&csr, DER_SEQUENCE, &info));
	TRY(der_take(&info, DER_INTEGER, &skipped));
	TRY(der_take(&info, DER_SEQUENCE, &skipped));
	TRY(der_take(&info, DER_SEQUENCE, &info));
	TRY(der_take(&info, DER_SEQUENCE, &info));
	return der_take(&info, DER_OID, oid);
}

struct texts { /* the keeper's, as C strings */
	char *spiffe_id, *caller, *rule, *request_id;
	char duration[16]; /* of Go */
};
static void auto_texts(struct texts *t)
{
	free(t->spiffe_id);
	free(t->caller);
	free(t->rule);
	free(t->request_id);
}

static char *text(struct bytes b)
{
	return strndup(b.len == 0 ? "" : (const char *)b.data, b.len);
}

static struct err texts_make(const struct wire_file *m, int32_t lifetime, struct texts *out)
{
	out->spiffe_id = text(m->spiffe_id);
	out->caller = text(m->caller);
	out->rule = text(m->rule);
	out->request_id = text(m->request_id);
	(void)snprintf(out->duration, sizeof(out->duration), "%ds", lifetime);
	if (out->spiffe_id == NULL || out->caller == NULL || out->rule == NULL || out->request_id == NULL)
		FAIL(ERR_RESOURCE_EXHAUSTED, "filing: out of memory");
	return OK;
}

/* The API takes no less than KUBE_EXPIRATION_MIN, and cert-manager, for which its own annotation counts, no less either. */
static int32_t lifetime_to_ask(uint32_t lifetime)
{
	return lifetime < KUBE_EXPIRATION_MIN ? KUBE_EXPIRATION_MIN : lifetime > INT32_MAX ? INT32_MAX : (int32_t)lifetime;
}

struct err filing_body(const struct filing *x, const struct wire_file *m, struct buf *out)
{
	static const char *const usages[] = { "digital signature", "server auth", "client auth", "key encipherment" };
	AUTO(texts) struct texts t = { .spiffe_id = NULL };
	bool keep = filing_issuer(x)->after == CONF_AFTER_KEEP, serving = m->spiffe_id.len == 0;
	const struct kube_pair labels[] = { { FILING_LABEL, x->f->label },
		                            { "app.kubernetes.io/managed-by", "signet" },
		                            { FILING_AFTER, FILING_KEEP } };
	struct kube_csr_new csr = { .name = x->name, .signer = filing_signer(x), .request = m->csr };
	struct bytes algorithm;

	csr.expiration = lifetime_to_ask(m->lifetime);
	TRY(texts_make(m, csr.expiration, &t));
	TRY(key_algorithm(m->csr, &algorithm));
	csr.labels = labels;
	csr.label_count = ARRAY_LEN(labels) - (keep ? 0 : 1);
	csr.annotations = (const struct kube_pair[]){ { "signet.dev/caller", t.caller },
		                                      { "signet.dev/rule", t.rule },
		                                      { "experimental.cert-manager.io/request-duration", t.duration },
		                                      { "signet.dev/spiffe-id", t.spiffe_id },
		                                      { "signet.dev/request-id", t.request_id } };
	csr.annotation_count = serving ? 3 : m->request_id.len > 0 ? 5 : 4; /* our own has neither of the last two */
	csr.usages = usages;
	/* only such a key can encipher one (RFC 4055 s1.1); signers refuse the usage with others */
	csr.usage_count = ARRAY_LEN(usages) - (bytes_equal(algorithm, BYTES(rsa, sizeof(rsa))) ? 0 : 1);
	if (serving) csr.usage_count = 2; /* a front's key is none of RSA */
	return kube_csr_create_body(&csr, out);
}
