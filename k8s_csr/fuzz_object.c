/* Whatever an API server sends: what a reader takes keeps its header's word, what it refuses leaves the output alone; what is
 * read of a request can be filed and approved, and is then read back. */
#include <string.h>

#include "k8s_csr/object_core.h"
#include "k8s_csr/object_csr.h"
#include "k8s_csr/object_review.h"
#include "k8s_csr/oidc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(int want)
{
	if (!want) __builtin_trap();
}

/* Ends within `size`, in characters from `low` to '~', at least `min` of them. */
static void check_chars(const char *text, size_t size, char low, size_t min)
{
	size_t n = strnlen(text, size);

	check(n < size && n >= min);
	for (size_t i = 0; i < n; i++) check(text[i] >= low && text[i] <= '~');
}
#define WORD(text) check_chars(text, sizeof(text), '!', 1)
#define WORD_OR_NONE(text) check_chars(text, sizeof(text), '!', 0)
#define TEXT(text) check_chars(text, sizeof(text), ' ', 0)

static void check_name_or_none(const char *name)
{
	check(name[0] == '\0' || kube_name_valid(bytes_str(name)));
}

static void check_meta(const struct kube_meta *m)
{
	WORD(m->name);
	WORD(m->uid);
	WORD(m->version);
	check(m->ns[0] == '\0' || kube_namespace_valid(bytes_str(m->ns)));
}

/* ---- requests ---- */

static json_t *parsed(const struct buf *b)
{
	json_t *object = NULL;

	check(json_object_parse(buf_view(b), KUBE_ANSWER_MAX, &object).code == ERR_OK);
	return object;
}

static void check_approve(const json_t *object, const struct kube_csr *csr)
{
	AUTO(buf) struct buf out = { .max = KUBE_ANSWER_MAX };
	AUTO(json) json_t *approved = json_deep_copy(object), *patch = NULL;
	AUTO(kube_csr) struct kube_csr again = { .state = KUBE_CSR_PENDING };
	struct err e = kube_csr_approve_patch(object, &(struct kube_approval){ "R", "M", true }, &out);

	check(e.code == (csr->state == KUBE_CSR_PENDING ? ERR_OK : ERR_FAILED_PRECONDITION) || e.code == ERR_RESOURCE_EXHAUSTED);
	check((e.code == ERR_OK) == (out.len > 0));
	if (e.code != ERR_OK) return;
	/* what the API server makes of it, but for a status that is null */
	patch = parsed(&out);
	check(json_object_update_recursive(approved, patch) == 0);
	e = kube_csr_read(approved, &again);
	if (e.code != ERR_OK) check(strstr(e.reason, "too many") != NULL);
	else check(again.state == KUBE_CSR_APPROVED && strcmp(again.message, "M") == 0);
}

static void check_create(const struct kube_csr *csr)
{
	static const char *const usages[] = { "client auth" };
	struct kube_csr_new filed = { .name = csr->meta.name, .signer = csr->signer, .request = buf_view(&csr->request),
				      .usages = usages, .usage_count = 1, .expiration = 600 };
	AUTO(buf) struct buf out = { .max = KUBE_ANSWER_MAX };
	AUTO(kube_csr) struct kube_csr again = { .state = KUBE_CSR_PENDING };
	bool valid = kube_name_valid(bytes_str(csr->meta.name)) && kube_signer_valid(bytes_str(csr->signer));
	json_t *body, *meta;

	check((kube_csr_create_body(&filed, &out).code == ERR_OK) == valid);
	if (!valid) return;
	body = parsed(&out);
	meta = json_object_get(body, "metadata");
	check(json_object_update_new(meta, json_pack("{ss ss ss}", "uid", "u", "resourceVersion", "1", "creationTimestamp",
						     "2026-11-30T08:20:44Z")) == 0);
	check(kube_csr_read(body, &again).code == ERR_OK && bytes_equal(buf_view(&again.request), buf_view(&csr->request)));
	check(strcmp(again.signer, csr->signer) == 0 && again.state == KUBE_CSR_PENDING && again.certificate.len == 0);
	json_decref(body);
}

static void check_csr(const json_t *object)
{
	struct kube_csr csr = { .signer = "untouched" };

	if (kube_csr_read(object, &csr).code != ERR_OK) {
		check(strcmp(csr.signer, "untouched") == 0 && csr.request.data == NULL && csr.certificate.data == NULL);
		return;
	}
	check_meta(&csr.meta);
	WORD(csr.signer);
	TEXT(csr.reason);
	TEXT(csr.message);
	check(csr.state != KUBE_CSR_PENDING || (csr.reason[0] == '\0' && csr.message[0] == '\0'));
	check(csr.request.len >= 1 && csr.request.len <= KUBE_REQUEST_MAX && csr.certificate.len <= KUBE_CERTIFICATE_MAX);
	check_approve(object, &csr);
	check_create(&csr);
	kube_csr_free(&csr);
}

/* ---- the rest ---- */

static void check_pod(const json_t *object)
{
	struct kube_pod pod = { .node = "untouched" };

	if (kube_pod_read(object, &pod).code != ERR_OK) {
		check(strcmp(pod.node, "untouched") == 0);
		return;
	}
	check_meta(&pod.meta);
	check(kube_name_valid(bytes_str(pod.meta.name)) && pod.meta.ns[0] != '\0' && pod.phase <= KUBE_POD_FAILED);
	check_name_or_none(pod.account);
	check_name_or_none(pod.node);
}

static void check_event(const json_t *object)
{
	struct kube_event e;

	if (kube_event_read(object, &e).code != ERR_OK) return;
	TEXT(e.type);
	TEXT(e.reason);
	TEXT(e.message);
	check(e.count >= 1);
}

static void check_status(const struct kube_status *s)
{
	TEXT(s->reason);
	TEXT(s->message);
	check(s->code == 0 || (s->code >= 100 && s->code <= 599));
	check(s->retry_after >= 0 && s->retry_after <= KUBE_RETRY_MAX);
}

static void check_object(const json_t *object)
{
	check_csr(object);
	check_pod(object);
	check_event(object);
}

static void check_list(const json_t *root)
{
	static const char *const kinds[] = { "CertificateSigningRequestList", "PodList", "EventList" };
	struct kube_list l;
	const json_t *item;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (kube_list_read(root, kinds[i], &l).code != ERR_OK) continue;
		WORD(l.version);
		WORD_OR_NONE(l.more);
		json_array_foreach(l.items, n, item) check_object(item);
	}
}

static void check_watch(const json_t *root)
{
	struct kube_watch w;

	if (kube_watch_read(root, &w).code != ERR_OK) return;
	check_status(&w.status);
	check((w.type == KUBE_WATCH_ERROR) == (w.version[0] == '\0') && (w.type < KUBE_WATCH_BOOKMARK) == (w.object != NULL));
	check(!w.initial_end || w.type == KUBE_WATCH_BOOKMARK);
	WORD_OR_NONE(w.version);
	if (w.object != NULL) check_object(w.object);
}

static void check_reviews(const json_t *root)
{
	static const char *const audiences[] = { "istio-ca" };
	struct kube_token t = { .uid = "untouched" };
	kube_text said;
	struct err e = kube_token_review_read(root, (struct kube_audiences){ audiences, 1 }, &t, said);
	bool allowed = false;

	TEXT(said);
	check(e.code == ERR_OK || e.code == ERR_UNAUTHENTICATED || e.code == ERR_INVALID_ARGUMENT);
	check(e.code == ERR_OK || strcmp(t.uid, "untouched") == 0);
	if (e.code == ERR_OK) {
		check(said[0] == '\0' && kube_namespace_valid(bytes_str(t.ns)) && kube_name_valid(bytes_str(t.account)));
		check(json_is_true(json_object_get(json_object_get(root, "status"), "authenticated")));
		WORD(t.uid);
		WORD_OR_NONE(t.credential_id);
		WORD_OR_NONE(t.pod_uid);
		WORD_OR_NONE(t.node_uid);
		check_name_or_none(t.pod_name);
		check_name_or_none(t.node_name);
	}
	if (kube_access_review_read(root, &allowed, said).code == ERR_OK) TEXT(said);
	check(!allowed || json_is_true(json_object_get(json_object_get(root, "status"), "allowed")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json) json_t *root = NULL;
	struct kube_status status;
	char uri[URL_MAX + 1];

	if (kube_parse(BYTES(data, len), &root).code != ERR_OK) {
		check(root == NULL);
		return 0;
	}
	check(json_object_get(json_object_get(root, "metadata"), "managedFields") == NULL || memchr(data, '\\', len) != NULL ||
	      !json_is_array(json_object_get(json_object_get(root, "metadata"), "managedFields")));
	check_object(root);
	check_list(root);
	check_watch(root);
	check_reviews(root);
	if (kube_status_read(root, &status).code == ERR_OK) check_status(&status);
	if (oidc_discovery_read(root, "https://a", uri).code == ERR_OK) check(url_check(bytes_str(uri), true).code == ERR_OK);
	return 0;
}
