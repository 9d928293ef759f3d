#include "k8s_csr/object_csr.h"

#include <string.h>

#include "base/utf8.h"
#include "der/base64.h"
#include "der/pem.h"
#include "k8s_csr/members.h"

#define API "certificates.k8s.io/v1"
#define KIND "CertificateSigningRequest"
#define PEM_LABEL "CERTIFICATE REQUEST"
#define REQUEST_PEM_MAX (2 * KUBE_REQUEST_MAX) /* bytes; ours: base64, line ends, boundaries, and some text before */
#define CONDITIONS_MAX 64                      /* ours */
#define BASE64_CHARS(n) (((n) + 2) / 3 * 4)

/* ---- create ---- */

/* KeyUsage of certificates.k8s.io/v1, in its order. */
static const char *const usages[] = {
	"signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment", "cert sign",
	"crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing", "email protection",
	"s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc",
};

static bool is_one_of(const char *text, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, list[i]) == 0) return true;
	return false;
}

static struct err usages_check(const struct kube_csr_new *csr)
{
	if (csr->usage_count == 0) FAIL(ERR_INVALID_ARGUMENT, "object: no usage");
	for (size_t i = 0; i < csr->usage_count; i++) {
		if (!is_one_of(csr->usages[i], usages, ARRAY_LEN(usages))) FAIL(ERR_INVALID_ARGUMENT, "object: an unknown usage");
		if (is_one_of(csr->usages[i], csr->usages, i)) FAIL(ERR_INVALID_ARGUMENT, "object: a usage is there twice");
	}
	return OK;
}

static struct err pairs_check(const struct kube_pair *pairs, size_t count, bool labels)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		struct bytes key = bytes_str(pairs[i].key), value = bytes_str(pairs[i].value);

		if (!kube_label_key_valid(key)) FAIL(ERR_INVALID_ARGUMENT, "object: malformed key of a label or annotation");
		if (labels && !kube_label_value_valid(value)) FAIL(ERR_INVALID_ARGUMENT, "object: malformed value of a label");
		if (!utf8_valid(value)) FAIL(ERR_INVALID_ARGUMENT, "object: value of an annotation is not UTF-8");
		for (size_t j = 0; j < i; j++)
			if (strcmp(pairs[i].key, pairs[j].key) == 0)
				FAIL(ERR_INVALID_ARGUMENT, "object: a label or annotation is there twice");
		total += key.len + value.len;
		if (total > KUBE_PAIRS_MAX) FAIL(ERR_INVALID_ARGUMENT, "object: labels or annotations are too large");
	}
	return OK;
}

static struct err new_check(const struct kube_csr_new *csr)
{
	if (!kube_name_valid(bytes_str(csr->name))) FAIL(ERR_INVALID_ARGUMENT, "object: malformed name");
	if (!kube_signer_valid(bytes_str(csr->signer))) FAIL(ERR_INVALID_ARGUMENT, "object: malformed signer name");
	if (csr->request.len == 0 || csr->request.len > KUBE_REQUEST_MAX)
		FAIL(ERR_INVALID_ARGUMENT, "object: length of the request is out of range");
	if (csr->expiration != 0 && csr->expiration < KUBE_EXPIRATION_MIN)
		FAIL(ERR_INVALID_ARGUMENT, "object: expirationSeconds below 600");
	TRY(usages_check(csr));
	TRY(pairs_check(csr->labels, csr->label_count, true));
	return pairs_check(csr->annotations, csr->annotation_count, false);
}

/* NULL: none, so that the member is left out; *failed: no memory. */
static json_t *pairs_json(const struct kube_pair *pairs, size_t count, bool *failed)
{
	json_t *object = count == 0 ? NULL : json_object();

	for (size_t i = 0; i < count; i++)
		if (json_object_set_new(object, pairs[i].key, json_string(pairs[i].value)) != 0) *failed = true;
	return object;
}

static json_t *usages_json(const struct kube_csr_new *csr, bool *failed)
{
	json_t *array = json_array();

	for (size_t i = 0; i < csr->usage_count; i++)
		if (json_array_append_new(array, json_string(csr->usages[i])) != 0) *failed = true;
	return array;
}

/* spec.request: base64 of PEM of DER. */
static struct err put_request(struct bytes der, struct buf *text)
{
	AUTO(buf) struct buf pem = { .max = REQUEST_PEM_MAX };

	TRY(pem_put(&pem, PEM_LABEL, der));
	return base64_put(text, buf_view(&pem));
}

struct err kube_csr_create_body(const struct kube_csr_new *csr, struct buf *out)
{
	AUTO(buf) struct buf request = { .max = BASE64_CHARS(REQUEST_PEM_MAX) };
	AUTO(json) json_t *expiration = NULL;
	bool failed = false;
	json_t *body;

	TRY(new_check(csr));
	TRY(put_request(csr->request, &request));
	if (csr->expiration != 0 && (expiration = json_integer(csr->expiration)) == NULL) failed = true;
	body = json_pack("{ss ss s{ss so* so*} s{ss% ss so sO*}}", "apiVersion", API, "kind", KIND, "metadata", "name", csr->name,
	                 "labels", pairs_json(csr->labels, csr->label_count, &failed), "annotations",
	                 pairs_json(csr->annotations, csr->annotation_count, &failed), "spec", "request", request.data,
	                 request.len, "signerName", csr->signer, "usages", usages_json(csr, &failed), "expirationSeconds",
	                 expiration);
	if (!failed) return members_put(body, out);
	json_decref(body);
	FAIL(ERR_RESOURCE_EXHAUSTED, "object: out of memory");
}

/* ---- conditions ---- */

static const struct {
	const char *type;
	enum kube_csr_state state;
} known[] = {
	{ "Approved", KUBE_CSR_APPROVED },
	{ "Failed", KUBE_CSR_FAILED },
	{ "Denied", KUBE_CSR_DENIED },
};

/* What a condition says of the whole request; KUBE_CSR_PENDING: nothing, it is of another type. */
static struct err condition_state(const json_t *condition, enum kube_csr_state *out)
{
	const char *type = json_string_value(json_object_get(condition, "type"));
	const char *status = json_string_value(json_object_get(condition, "status"));

	if (type == NULL || status == NULL) FAIL(ERR_INVALID_ARGUMENT, "object: a condition without type or status");
	*out = KUBE_CSR_PENDING;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(type, known[i].type) != 0) continue;
		if (strcmp(status, "True") != 0) FAIL(ERR_INVALID_ARGUMENT, "object: a condition of the request is not True");
		*out = known[i].state;
	}
	return OK;
}

/* status.conditions (NULL: none), the state that they make, and the condition that makes it (NULL: pending). */
struct conditions {
	const json_t *list, *decisive;
	enum kube_csr_state state;
};

static struct err read_conditions(const json_t *status, struct conditions *out)
{
	const json_t *condition;
	size_t i;

	*out = (struct conditions){ .state = KUBE_CSR_PENDING };
	TRY(member_array(status, "conditions", &out->list));
	if (json_array_size(out->list) > CONDITIONS_MAX) FAIL(ERR_INVALID_ARGUMENT, "object: too many conditions");
	json_array_foreach(out->list, i, condition) {
		enum kube_csr_state state;

		TRY(condition_state(condition, &state));
		if (state <= out->state) continue;
		out->state = state;
		out->decisive = condition;
	}
	return OK;
}

struct err kube_csr_approve_patch(const json_t *csr, const struct kube_approval *approval, struct buf *out)
{
	AUTO(json) json_t *list = NULL;
	struct conditions conditions;
	struct kube_meta meta;
	const json_t *status;
	json_t *approved;

	TRY(member_kind(csr, API, KIND));
	TRY(kube_meta_read(csr, &meta));
	TRY(member_object(csr, "status", &status));
	TRY(read_conditions(status, &conditions));
	if (conditions.state != KUBE_CSR_PENDING) FAIL(ERR_FAILED_PRECONDITION, "object: the request is decided already");
	approved = json_pack("{ss ss ss ss}", "type", "Approved", "status", "True", "reason", approval->reason, "message",
	                     approval->message);
	list = conditions.list == NULL ? json_array() : json_deep_copy(conditions.list);
	if (json_array_append_new(list, approved) != 0) FAIL(ERR_RESOURCE_EXHAUSTED, "object: out of memory");
	if (!approval->guard) return members_put(json_pack("{s{sO}}", "status", "conditions", list), out);
	return members_put(json_pack("{s{ss} s{sO}}", "metadata", "resourceVersion", meta.version, "status", "conditions", list),
	                   out);
}

/* ---- read ---- */

/* Append the bytes of a base64 string (Go's []byte), up to out->max of them; none if it is absent. */
static struct err read_base64(const json_t *object, const char *key, struct buf *out)
{
	struct bytes text = BYTES_NONE;
	struct err e = OK;

	if (!json_is_null(json_object_get(object, key))) e = json_string_of(object, key, BASE64_CHARS(out->max), &text);
	if (e.code == ERR_NOT_FOUND) return OK;
	TRY(e);
	e = base64_take(text, out);
	/* up to two bytes more than may be can come of as many characters */
	return e.code == ERR_RESOURCE_EXHAUSTED ? ERR(ERR_INVALID_ARGUMENT, "object: a member is too long") : e;
}

static struct err read_request(const json_t *spec, struct buf *der)
{
	AUTO(buf) struct buf pem = { .max = REQUEST_PEM_MAX };
	char label[PEM_LABEL_MAX];

	TRY(read_base64(spec, "request", &pem));
	TRY(pem_take_only(buf_view(&pem), KUBE_REQUEST_MAX, label, der));
	if (strcmp(label, PEM_LABEL) != 0) FAIL(ERR_INVALID_ARGUMENT, "object: the request is another kind of PEM");
	return OK;
}

static struct err read_status(const json_t *status, struct kube_csr *csr)
{
	struct conditions conditions;

	TRY(read_conditions(status, &conditions));
	csr->state = conditions.state;
	TRY(member_text(conditions.decisive, "reason", csr->reason));
	TRY(member_text(conditions.decisive, "message", csr->message));
	return read_base64(status, "certificate", &csr->certificate);
}

struct err kube_csr_read(const json_t *object, struct kube_csr *out)
{
	AUTO(kube_csr) struct kube_csr csr = { .request.max = KUBE_REQUEST_MAX, .certificate.max = KUBE_CERTIFICATE_MAX };
	const json_t *spec, *status;

	TRY(member_kind(object, API, KIND));
	TRY(kube_meta_read(object, &csr.meta));
	TRY(member_needed_object(object, "spec", &spec));
	TRY(member_needed_word(spec, "signerName", csr.signer, sizeof(csr.signer)));
	TRY(read_request(spec, &csr.request));
	TRY(member_object(object, "status", &status));
	TRY(read_status(status, &csr));
	*out = csr;
	csr = (struct kube_csr){ .state = KUBE_CSR_PENDING };
	return OK;
}

void kube_csr_free(struct kube_csr *csr)
{
	if (csr == NULL) return;
	buf_free(&csr->request);
	buf_free(&csr->certificate);
}
