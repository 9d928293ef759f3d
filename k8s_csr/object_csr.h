/* object_csr.h: CertificateSigningRequest of certificates.k8s.io/v1: the body that files one, the patch that approves it, and what
 * became of it.  Pure; any thread; how readers and builders fail: object.h. */
#ifndef SIGNET_K8S_CSR_OBJECT_CSR_H
#define SIGNET_K8S_CSR_OBJECT_CSR_H

#include "k8s_csr/object.h"

#define KUBE_REQUEST_MAX (16 * 1024)     /* bytes of DER, as csr/csr.h CSR_DER_MAX */
#define KUBE_CERTIFICATE_MAX (64 * 1024) /* bytes of PEM; ours: a chain of ten or more */
#define KUBE_EXPIRATION_MIN 600          /* seconds; the API server refuses less */
#define KUBE_PAIRS_MAX (256 * 1024)      /* bytes of all annotations together; the API server refuses more */

struct kube_pair { /* a label or annotation; borrowed */
	const char *key, *value;
};
struct kube_csr_new { /* all borrowed */
	const char *name;   /* kube_name_valid(): ours, the API has no rule */
	const char *signer; /* kube_signer_valid() */
	const struct kube_pair *labels, *annotations;
	size_t label_count, annotation_count;
	struct bytes request; /* DER of PKCS#10, 1..KUBE_REQUEST_MAX bytes */
	const char *const *usages; /* of the API's 23 ("digital signature", "client auth", ...); one or more, none twice */
	size_t usage_count;
	int32_t expiration; /* seconds, KUBE_EXPIRATION_MIN or more; 0: the signer's choice.  A signer may ignore it */
};
/* Body of POST .../certificatesigningrequests. */
struct err kube_csr_create_body(const struct kube_csr_new *csr, struct buf *out);

struct kube_approval {
	const char *reason;  /* a word for programs */
	const char *message; /* for people */
	bool guard;          /* only what was read is approved: 409 if anybody changed the object since */
};
/* Body of PATCH .../NAME/approval, application/merge-patch+json: a patch replaces the whole list of conditions, so this is the
 * list of `csr`, as it was read, and Approved.
 * FAILED_PRECONDITION: it is approved, denied or failed already. */
struct err kube_csr_approve_patch(const json_t *csr, const struct kube_approval *approval, struct buf *out);

enum kube_csr_state { KUBE_CSR_PENDING, KUBE_CSR_APPROVED, KUBE_CSR_FAILED, KUBE_CSR_DENIED };
struct kube_csr {
	struct kube_meta meta;
	char signer[KUBE_SIGNER_MAX + 1]; /* visible ASCII, 1 or more */
	enum kube_csr_state state;        /* the last of these that there is a condition for: Denied beats Failed beats Approved */
	kube_text reason, message;        /* of that condition; "" while pending */
	struct buf request;               /* DER, 1..KUBE_REQUEST_MAX bytes: compare it with what was filed */
	/* PEM as the signer left it, at most KUBE_CERTIFICATE_MAX bytes; empty: none yet.  The API server lets a signer set it
	 * without approval and for any key: check the state, the key, the names, the chain. */
	struct buf certificate;
};
/* The object itself, or one of a list.  Besides what object.h says INVALID_ARGUMENT: a request that is not exactly one PEM block
 * CERTIFICATE REQUEST, a condition of the three that is not "True" (the API server takes no other).
 * OK: *out is the caller's, kube_csr_free(). */
struct err kube_csr_read(const json_t *object, struct kube_csr *out);
void kube_csr_free(struct kube_csr *csr); /* NULL, and a zero one, are allowed */
static inline void auto_kube_csr(struct kube_csr *csr) { kube_csr_free(csr); }

#endif
